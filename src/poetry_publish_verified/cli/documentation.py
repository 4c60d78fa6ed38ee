"""Where the documentation is on the web, by this distribution's own metadata."""

from functools import cache
from importlib.metadata import metadata

from poetry_publish_verified.core.receipt import TOOL
from poetry_publish_verified.errors import Code, anchor


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
