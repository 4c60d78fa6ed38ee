"""Checks the built site: `python docs/check_site.py build/docs`.

Every link leads to a file, and to an element in it if it names one. Nothing is loaded from another
server: the site works offline, its search too.
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# What a browser loads by itself, by element; a canonical link and the like are only words.
LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}


class Page(HTMLParser):
    """The links of a page, what a browser loads with it, and the names that links can lead to."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.names: set[str] = set()
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value for name, value in attrs if value}
        self.names |= {given[key] for key in ("id", "name") if key in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if LOADED.get(tag) in given and given.get("rel") != "canonical":
            self.loaded.append(given[LOADED[tag]])


def faults(site: Path) -> list[str]:
    """What is wrong with the site, a line for each page and link."""
    pages = {file: Page(file) for file in sorted(site.rglob("*.html"))}
    found = [] if pages else [f"{site}: there is no page"]
    for file, page in pages.items():
        for link in (*page.links, *page.loaded):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                if link in page.loaded and parts.scheme != "data":
                    found.append(f"{file}: loads {link} from another server")
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            name = unquote(parts.fragment)
            # The theme's own links lead to the top of a page.
            known = pages[target].names if target in pages else set()
            if not target.exists() or (name and target in pages and name not in known):
                found.append(f"{file}: {link} leads nowhere")
    return found


if __name__ == "__main__":
    found = faults(Path(sys.argv[1]).resolve())
    sys.exit("\n".join(found) or 0)
