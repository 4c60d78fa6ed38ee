"""The project, its plugins, its build and its dist directory (PV201 to PV215)."""

from __future__ import annotations

from collections.abc import Collection

from poetry_publish_verified.core.problems.words import RERUN
from poetry_publish_verified.errors import Code, Problem
from poetry_publish_verified.sanitize import printable


def no_project(error: object) -> Problem:
    return Problem(
        Code.NO_PROJECT,
        f"There is no project to publish: {printable(str(error))}",
        "Run this in a directory with a valid pyproject.toml, or name one with -C. poetry check"
        " shows what is wrong with it.",
    )


def unreadable(file: str, error: object) -> Problem:
    return Problem(
        Code.NO_PROJECT,
        f"Cannot read {printable(file)}: {printable(str(error))}",
        f"Correct the file (poetry check shows what is wrong), then {RERUN}.",
    )


def member_unreadable(directory: str, error: object) -> Problem:
    directory = printable(directory)
    return Problem(
        Code.NO_PROJECT,
        f"Cannot read {directory}/pyproject.toml: {printable(str(error))}",
        f"Correct the file (poetry check -C {directory} shows what is wrong), or leave {directory}"
        " out of --projects.",
    )


def not_a_package(file: str) -> Problem:
    return Problem(
        Code.NOT_A_PACKAGE,
        f"There is nothing to publish: {printable(file)} sets package-mode = false.",
        "Remove package-mode = false and give the package a name, or run this in another project.",
    )


def plugins_not_active(plugins: Collection[str]) -> Problem:
    return Problem(
        Code.PLUGINS_NOT_ACTIVE,
        f"Poetry plugins that the project requires are not active: {printable(', '.join(plugins))}."
        " If one of them sets the version, the release may silently get the wrong one.",
        "Run poetry install, or poetry self add <plugin>.",
    )


def build_failed(reason: object, directory: str | None = None) -> Problem:
    """`--build` failed, of the project in `directory` where there are several."""
    build = f" (poetry build -C {directory})" if directory else ""
    return Problem(
        Code.BUILD_FAILED,
        f"The build{f' of {directory}' if directory else ''} failed: {printable(str(reason))}",
        f"Correct what the build reports{build}, then {RERUN}.",
    )


def build_declined() -> Problem:
    return Problem(
        Code.BUILD_DECLINED,
        "The build was declined.",
        "Run the same command without --build to publish the files that are there.",
    )


def dist_dir_unreadable(directory: str, error: object) -> Problem:
    return Problem(
        Code.DIST_DIR_UNREADABLE,
        f"Cannot read the dist directory {printable(directory)}: {printable(str(error))}.",
        "Correct its permissions, or pass another directory with --dist-dir.",
    )


def no_distributions_in(directory: str) -> Problem:
    return Problem(
        Code.NO_DISTRIBUTIONS,
        f"{printable(directory)} contains no wheel and no sdist.",
        "Pass the directory that contains the distributions with --dist-dir.",
    )
