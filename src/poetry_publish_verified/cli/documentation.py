"""This distribution by its own metadata: its version, and where the documentation is on the web."""

from functools import cache
from importlib.metadata import metadata, version

from poetry_publish_verified.core.receipt import TOOL
from poetry_publish_verified.errors import Code, anchor


# A search of everything installed, and far slower once keyring has brought importlib-metadata.
@cache
def own_version() -> str:
    """The version of this distribution."""
    return version(TOOL)


@cache
def site() -> str:
    """The URL, with a slash at the end; empty if the metadata has none."""
    for entry in metadata(TOOL).get_all("Project-URL") or ():
        label, _, url = entry.partition(", ")
        if label == "Documentation":
            return f"{url.rstrip('/')}/"
    return ""


def page_of(code: Code) -> str:
    """The URL at which a code is explained; empty if it is not known."""
    return site() and site() + anchor(code)
