"""How Sphinx builds the site: `make docs`."""

from __future__ import annotations

import tomllib
from pathlib import Path

_PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))[
    "project"
]

project = _PROJECT["name"]
release = version = _PROJECT["version"]
author = _PROJECT["authors"][0]["name"]
copyright = author  # noqa: A001 - the name that Sphinx reads

extensions = ["myst_parser"]
nitpicky = True
# Links lead to headings, by the names that GitHub gives them: a page can be read there, too.
myst_heading_anchors = 4
myst_enable_extensions = ["attrs_inline", "deflist"]
# Shell sessions and excerpts are shown as they are.
highlight_language = "none"
suppress_warnings: list[str] = []

html_theme = "furo"
html_title = f"{project} {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = False
# Offline, and without asking another server: no icons, no fonts and no scripts from elsewhere.
html_theme_options = {"navigation_with_keys": True}
