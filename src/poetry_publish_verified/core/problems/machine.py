"""What is missing or set on the user's own machine: clients, caches, the rehearsal's index."""

from poetry_publish_verified.core.problems.words import Text, problem
from poetry_publish_verified.errors import Code
from poetry_publish_verified.sanitize import printable


@problem(Code.CLIENT_UNAVAILABLE)
def no_client() -> Text:
    return Text(
        "--until installable has no client to ask: --clients names neither pip nor poetry, nor an"
        " installed uv.",
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
