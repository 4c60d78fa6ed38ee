"""Projects of one repository and their dependencies on each other (PV240 to PV247)."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from poetry_publish_verified.core.problems.words import RERUN, Text, problem, some
from poetry_publish_verified.errors import Code, Problem
from poetry_publish_verified.sanitize import harmless, redacted


@problem(Code.NO_PROJECTS)
def no_match(option: str, base: str) -> Text:
    """`option` is one with its pattern: `--projects packages/*`."""
    return Text(
        f"{harmless(option)} matches no project in {harmless(base)}.",
        "Fix the path or pattern: it must match directories that contain a pyproject.toml.",
    )


@problem(Code.NO_PROJECTS)
def nothing_to_publish(left_out: Collection[str]) -> Text:
    """`left_out` are whole sentences: `packages/site is left out (publish = false)`."""
    why = f": {some(left_out)}" if left_out else ""
    return Text(
        f"There is nothing to publish{why}.",
        "Pass the directories of packages to --projects.",
    )


def of_member(directory: str, problem: Problem) -> Problem:
    """What is wrong with a project's own settings."""
    message = f"In {harmless(directory)}/pyproject.toml: {problem.message}"
    return replace(problem, message=message)


@problem(Code.NOT_TO_BE_PUBLISHED)
def not_to_be_published(project: str) -> Text:
    return Text(
        f"{project} is not to be published: its pyproject.toml has publish = false in"
        " [tool.publish-verified].",
        "Remove that line if it may be published now.",
    )


@problem(Code.NEEDS_LEFT_OUT, "warning")
def needs_left_out(project: str, other: str, directory: str) -> Text:
    return Text(
        f"{project} needs {other}, which is left out ({harmless(directory)}): unless it is on the"
        f" index already, nobody can install {project}.",
        f"Publish {other} too, or remove the dependency.",
    )


@problem(Code.NAME_TWICE)
def same_name(name: str, directories: Sequence[str]) -> Text:
    return Text(
        f"{len(directories)} projects are named {name}: {harmless(', '.join(directories))}.",
        "Rename all but one, or leave the others out of --projects.",
    )


@problem(Code.CYCLE)
def cycle(names: Sequence[str]) -> Text:
    """`names` depend on each other, the last on the first."""
    return Text(
        f"These projects depend on each other in a cycle: {' -> '.join(names)}. None can be"
        " released before the others.",
        "Remove one of the dependencies, or move what both need into a project of its own. The"
        " dependencies of extras count too.",
    )


@problem(Code.BUILDS_WITH_MEMBER)
def built_with_member(project: str, other: str) -> Text:
    return Text(
        f"{project} needs {other} to build (build-system.requires), but {other} is released in the"
        " same run: the build would use its previous release.",
        f"Release {other} on its own first, and leave it out of --projects.",
    )


@problem(Code.PATH_DEPENDENCY)
def path_dependency(project: str, dependency: str, requirement: str) -> Text:
    return Text(
        f"{project} would be released with a dependency on a path on this machine:"
        f" {redacted(requirement)}.",
        f'Declare a range in [project]: dependencies = ["{dependency}>=1.2,<2"], and the path in'
        f' [tool.poetry.dependencies]: {dependency} = {{ path = "…", develop = true }}.',
    )


@problem(Code.RANGE_UNSATISFIED)
def range_unsatisfied(
    project: str, directory: str, *, requirement: str, other: str, version: str
) -> Text:
    return Text(
        f"{project} needs {harmless(requirement)}, but this run releases {other} {version},"
        " and the index has no version that fits.",
        f"Change the range in {directory}/pyproject.toml, or the version of {other}.",
    )


@problem(Code.MEMBERS_UNKNOWN)
def members_unknown() -> Text:
    return Text(
        "--wait-for-dependencies does not know which projects to wait for.",
        "Name all projects of the repository with --projects, or set projects in"
        " [tool.publish-verified] in a pyproject.toml above them.",
    )


@problem(Code.MEMBERS_UNKNOWN)
def not_a_member(project: str, patterns: Collection[str], root: str) -> Text:
    return Text(
        f"{project} is not among the projects that {some(patterns)} matches in {root}.",
        "Name it with --projects too, or leave out --wait-for-dependencies.",
    )


def dependency_not_there(member: str, directory: str, problem: Problem) -> Problem:
    """A project that this one needs could not be verified; `problem` says why."""
    return Problem(
        Code.NEEDED_NOT_THERE,
        f"{member}, which this project depends on, could not be verified, so nothing was uploaded:"
        f" {problem.message}",
        f"Check the release of {directory}, then {RERUN}.",
        index=problem.index,
    )
