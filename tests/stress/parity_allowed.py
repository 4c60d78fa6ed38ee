"""In what a guarded Poetry may differ from stock, and why."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Allowed:
    """Differences of one kind."""

    what: str
    """A pattern that the line of the difference matches from its beginning."""
    reason: str
    where: str = ""
    """A pattern that is found in `environment / command / version`."""


ALLOWED = (
    Allowed(
        r"output of `poetry list`: \+ ( *publish-verified.*)?$",
        "its commands are listed",
    ),
    Allowed(
        r"output of `poetry self show plugins`: \+ ",
        "it is one of the plugins that are shown",
    ),
    Allowed(
        r"error output of `{uv} tool upgrade --all`: \+ Bytecode compiled",
        "it is installed from a wheel's path here, which uv looks at again",
    ),
    Allowed(
        r"output of `{pipx} list --json`: [+-] ",
        "it tells of the plugin as injected; that it ends well is what counts",
    ),
    Allowed(
        r"file \+ .*/(site-packages|bin)/.*: removed$",
        "what no lock file names is removed from an active environment: the plugin, too",
        r"(no virtualenvs|the project's venv) / ",
    ),
    Allowed(
        r"output of `poetry (install|sync)[^`]*`: "
        r"(\+ Building the plugin set that the project requires: "
        r"|- (Ensuring that the Poetry plugins|The following Poetry plugins are|  - lamp-plugin"
        r"|Installing Poetry plugins only for))",
        "the guard builds the set in Poetry's place, and says so in its own words",
        r"^requires plugins / ",
    ),
    Allowed(
        r"file - src/demo/\.poetry/(plugins|\.gitignore)",
        "plugin sets stand elsewhere, in .poetry/.nox",
        r"^requires plugins / ",
    ),
    Allowed(
        r"file \+ src/demo/\.poetry(/\.nox(/.*)?)?: ",
        "locks, records and plugin sets of the project, where no build backend packs them",
    ),
    Allowed(
        r"file \+ home/\.cache/pypoetry/artifacts/\.poetry-locks-1\b",
        "the locks of the archives, in Poetry's own cache",
    ),
    Allowed(
        r"file ! home/\.cache/pypoetry/artifacts/.*: file 0600 (.*) -> file 0\d\d\d \1$",
        "archives in the cache are readable as the umask says: who shares a cache can use them",
    ),
    Allowed(
        r"file \+ (.*/)?\.([^/]+\.)?poetry-lock[^/]*: file ",
        "a lock: a hidden plain file beside an environment or settings, or in Poetry's own",
    ),
    Allowed(
        r"file \+ src/elsewhere/\.nox(/.*)?: ",
        "where .poetry is a link, what is kept in it is kept where it leads",
        r"^\.poetry is a link / ",
    ),
    Allowed(
        r"file \+ home/\.cache(/pypoetry(/virtualenvs)?)?: directory ",
        "made on the way to the lock of an environment, which Poetry then came not so far to make",
    ),
    Allowed(
        r"file [-+!] home/\.cache/pypoetry/cache/repositories/",
        "how much of Poetry's own cache fits on a full disk",
        r"^full HOME / ",
    ),
    Allowed(
        r"file \+ home/\.local(/share(/poetry-publish-verified(/.*)?)?)?: \w+ 0[67]00 ",
        "the lock of what cannot be locked in its own place, in the user's data directory",
    ),
    Allowed(
        r"file ! home/\.(cache|local/share): directory ",
        "virtualenv and we make it private, Poetry does not: it depends on which comes first",
    ),
)


def allowed(where: str, what: str) -> Allowed | None:
    """The line of the table that allows this difference."""
    for one in ALLOWED:
        if re.match(one.what, what) and re.search(one.where, where):
            return one
    return None
