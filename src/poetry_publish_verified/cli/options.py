"""The options that publishing and waiting have in common."""

from __future__ import annotations

from cleo.helpers import option

RELEASE_OPTIONS = (
    option(
        "index",
        None,
        "An index that must show the release, by URL or by name. Default is the repository's own.",
        flag=False,
        multiple=True,
    ),
    option(
        "until",
        None,
        "How far to follow the release: listed, downloadable or installable."
        " Default is downloadable.",
        flag=False,
    ),
    option(
        "timeout",
        None,
        "How long to wait for the indexes: 90, 90s, 15m, 1h. Default is 15m.",
        flag=False,
    ),
    option("format", None, "The output's form: text or json. Default is text.", flag=False),
    option(
        "clients",
        None,
        "As whose client to look at an index: some of pip, uv, poetry, html. Default is"
        " pip, uv and poetry.",
        flag=False,
        multiple=True,
    ),
    option("strict", None, "Fail where otherwise there would be a warning."),
)
