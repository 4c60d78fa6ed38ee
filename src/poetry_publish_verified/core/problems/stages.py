"""Stages: repositories that a release goes to first (PV101, PV312, PV501)."""

from dataclasses import replace

from poetry_publish_verified.core.problems.words import Text, problem
from poetry_publish_verified.errors import Code, Problem
from poetry_publish_verified.sanitize import harmless


@problem(Code.SETTING)
def no_stage() -> Text:
    return Text(
        "--stage-only needs a stage, and none is named.",
        "Pass --stage REPOSITORY, or set stages in [tool.publish-verified].",
    )


@problem(Code.SETTING)
def no_stage_in_a_rehearsal() -> Text:
    return Text(
        "--stage-only and --rehearse exclude each other: a rehearsal has its own index.",
        "Leave one of them out.",
    )


@problem(Code.STAGE_UNFIT)
def stage_is_elsewhere(stage: str, other: str, url: str) -> Text:
    """A stage has the upload URL or the index of the repository, or of another stage."""
    return Text(
        f"The stage {harmless(stage)} is the same place as {harmless(other)}: {url}.",
        "Name another repository with --stage, or in stages in [tool.publish-verified].",
    )


def on_stage(found: Problem, stage: str, repository: str) -> Problem:
    """A problem on a stage, where other advice helps than on the `repository` itself."""
    name = harmless(stage)
    if found.code is Code.CONFLICT:
        remedy = (
            f"Bump the version and build again: {harmless(repository)} gets only what was proven on"
            f" the stage. If {name} lets you delete this version, delete it there and run the same"
            f" command again. To publish the files that {name} has, put them into the dist"
            " directory and leave out --build."
        )
    elif found.code is Code.INDEX_UNKNOWN:
        remedy = (
            "Add a Poetry source of the same name: poetry source add --priority explicit"
            f" {name} <URL of its simple API>."
        )
    elif found.code is Code.REPOSITORY_UNKNOWN:
        remedy = f"Run poetry config repositories.{name} <upload URL>, or leave the stage out."
    else:
        return found
    return replace(found, remedy=remedy)
