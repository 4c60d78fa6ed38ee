"""The project, its plugins and its build, and what its machine lacks (PV201 to PV217, PV717)."""

from collections.abc import Collection

from poetry_publish_verified.core.problems.words import RERUN, Text, problem, words_of
from poetry_publish_verified.errors import Code
from poetry_publish_verified.sanitize import harmless, printable


@problem(Code.NO_PROJECT)
def no_project(error: object) -> Text:
    return Text(
        f"There is no project to publish: {printable(str(error))}",
        "Run this in a directory with a valid pyproject.toml, or name one with -C. poetry check"
        " shows what is wrong with it.",
    )


@problem(Code.NO_PROJECT)
def unreadable(file: str, error: object) -> Text:
    return Text(
        f"Cannot read {harmless(file)}: {words_of(error)}.",
        f"Fix the file (poetry check shows what is wrong), then {RERUN}.",
    )


@problem(Code.NO_PROJECT)
def member_unreadable(directory: str, error: object) -> Text:
    directory = harmless(directory)
    return Text(
        f"Cannot read {directory}/pyproject.toml: {words_of(error)}.",
        f"Fix the file (poetry check -C {directory} shows what is wrong), or leave {directory}"
        " out of --projects.",
    )


@problem(Code.NOT_A_PACKAGE)
def not_a_package(file: str) -> Text:
    return Text(
        f"There is nothing to publish: {harmless(file)} sets package-mode = false.",
        "Remove package-mode = false and give the package a name, or run this in another project.",
    )


@problem(Code.METADATA_INVALID)
def invalid_name(name: str) -> Text:
    return Text(
        f"{harmless(name, 80)!r} is not a valid name for a project: it must consist of letters,"
        " digits, dots, hyphens and underscores, and begin and end with a letter or digit.",
        "Correct the name in pyproject.toml.",
    )


@problem(Code.PLUGINS_NOT_ACTIVE)
def plugins_not_active(plugins: Collection[str]) -> Text:
    return Text(
        f"Poetry plugins that the project requires are not active: {harmless(', '.join(plugins))}."
        " If one of them sets the version, the release may silently get the wrong one.",
        "Run poetry install, or poetry self add <plugin>.",
    )


@problem(Code.BUILD_FAILED)
def build_failed(reason: object, directory: str | None = None) -> Text:
    """`--build` failed, of the project in `directory` where there are several."""
    build = f" (poetry build -C {directory})" if directory else ""
    return Text(
        f"The build{f' of {directory}' if directory else ''} failed: {printable(str(reason))}",
        f"Fix the error that the build reports{build}, then {RERUN}.",
    )


@problem(Code.BUILD_DECLINED)
def build_declined() -> Text:
    return Text(
        "You chose not to build.",
        "Run the same command without --build to publish the files that are there.",
    )


@problem(Code.DIST_DIR_UNREADABLE)
def dist_dir_unreadable(directory: str, error: object) -> Text:
    return Text(
        f"Cannot read the dist directory {harmless(directory)}: {printable(str(error))}.",
        "Make it a directory that you can read, or pass another one with --dist-dir.",
    )


@problem(Code.NO_DISTRIBUTIONS)
def no_distributions_in(directory: str) -> Text:
    return Text(
        f"{harmless(directory)} contains no wheels or sdists.",
        "Pass the directory that contains the distributions with --dist-dir.",
    )


@problem(Code.CLIENT_UNAVAILABLE)
def no_client() -> Text:
    return Text(
        "--until installable needs pip, poetry or an installed uv in --clients.",
        "Add pip to --clients, or use --until downloadable.",
    )


@problem(Code.CLIENT_UNAVAILABLE)
def client_unavailable(client: str, fault: str) -> Text:
    return Text(
        f"Cannot set up {client} for --until installable: {fault}.",
        "If the temporary directory (TMPDIR) is full, free some space there. Otherwise pass other"
        " clients with --clients, or use --until downloadable.",
    )


@problem(Code.CLIENT_UNAVAILABLE, "warning")
def client_not_asked(client: str, fault: str) -> Text:
    return Text(
        f"{client} is skipped for --until installable: {fault}.",
        f"Update {client}, or leave it out of --clients.",
    )


@problem(Code.REHEARSAL_UNAVAILABLE)
def rehearsal_index_unavailable(requirement: str, kept_in: str, error: object) -> Text:
    return Text(
        "A rehearsal needs pypiserver, which is not installed in Poetry's environment and which pip"
        f" could not install: {printable(str(error)).rstrip('.')}.",
        "Make it available to pip (pip config, PIP_INDEX_URL or PIP_FIND_LINKS), or run poetry"
        f' self add "{requirement}". Once pip has installed it, it stays in {kept_in}.',
    )


@problem(Code.REHEARSAL_UNAVAILABLE)
def rehearsal_index_not_started(python: str) -> Text:
    return Text(
        "The rehearsal's local index did not start.",
        f"Run {python} -m pypiserver run to see why.",
    )


@problem(Code.POETRY_CACHE_NOT_CLEARED, "warning")
def poetry_cache_not_cleared(index: str, warning: str) -> Text:
    """Poetry's own cache still holds what it knew before; `warning` names the command."""
    return Text(warning, "Run that command if the next poetry lock does not find the release.")
