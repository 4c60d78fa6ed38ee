"""How guarded Poetry may differ from stock, and why."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Allowed:
    """Allowed differences of one kind."""

    what: str
    """A pattern that matches the line of the difference from its start."""
    reason: str
    where: str = ""
    """A pattern to search for in `environment / command / version`."""


ALLOWED = (
    Allowed(
        r"output of `poetry list`: \+ ( *publish-verified.*)?$",
        "lists the plugin's commands",
    ),
    Allowed(
        r"output of `poetry self show plugins`: \+ ",
        "shows the plugin itself",
    ),
    Allowed(
        r"error output of `{uv} tool upgrade --all`: \+ Bytecode compiled",
        "installed from a wheel's path here, which uv checks again",
    ),
    Allowed(
        r"output of `{pipx} list --json`: [+-] ",
        "lists the plugin as injected; what matters is that it succeeds",
    ),
    Allowed(
        r"file \+ .*/(site-packages|bin)/.*: removed$",
        "removes everything that is not locked from an active environment, including the plugin",
        r"(no virtualenvs|the project's venv) / ",
    ),
    Allowed(
        r"output of `poetry (install|sync)[^`]*`: "
        r"(\+ Building the plugin set that the project requires: "
        r"|- (Ensuring that the Poetry plugins|The following Poetry plugins are|  - lamp-plugin"
        r"|Installing Poetry plugins only for))",
        "the guard builds the plugin set instead of Poetry, and says so in its own words",
        r"^requires plugins / ",
    ),
    Allowed(
        r"file - src/demo/\.poetry/(plugins|\.gitignore)",
        "plugin sets are in .poetry/.nox instead",
        r"^requires plugins / ",
    ),
    Allowed(
        r"file \+ src/demo/\.poetry(/\.nox(/.*)?)?: ",
        "the project's locks, records and plugin sets, where no build backend packs them",
    ),
    Allowed(
        r"file \+ home/\.cache/pypoetry/artifacts/\.poetry-locks-1\b",
        "locks of archives, in Poetry's own cache",
    ),
    Allowed(
        r"file ! home/\.cache/pypoetry/artifacts/.*: file 0600 (.*) -> file 0\d\d\d \1$",
        "cached archives follow the umask, so that everybody who shares a cache can use them",
    ),
    Allowed(
        r"file \+ (.*/)?\.([^/]+\.)?poetry-lock[^/]*: file ",
        "a lock: a hidden file next to an environment or settings, or inside Poetry's environment",
    ),
    Allowed(
        r"file \+ src/elsewhere/\.nox(/.*)?: ",
        "where .poetry is a link, its contents are at the target",
        r"^\.poetry is a link / ",
    ),
    Allowed(
        r"file \+ home/\.cache(/pypoetry(/virtualenvs)?)?: directory ",
        "parent directory of the lock of an environment that Poetry then did not get to make",
    ),
    Allowed(
        r"file [-+!] home/\.cache/pypoetry/cache/repositories/",
        "how much of Poetry's cache fits on a full disk",
        r"^full HOME / ",
    ),
    Allowed(
        r"file - .*/pyproject\.toml: file 0644 0:0 e3b0c44298fc$",
        "replaces a file at once or not at all; stock leaves an empty one on a full disk",
        r"^full checkout / new / ",
    ),
    Allowed(
        r"(exit code of `poetry env use [^`]*`: 1 -> 0|output of `poetry env use [^`]*`: \+ Using"
        r"|file \+ home/\.cache/pypoetry/virtualenvs/envs\.toml: )",
        "stock fails without Poetry's directory for environments, which the lock makes",
        r"^no virtualenvs / env use / ",
    ),
    Allowed(
        r"file \+ home/\.local(/share(/poetry-publish-verified(/.*)?)?)?: \w+ 0[67]00 ",
        "a lock in the user's data directory, for what cannot be locked in place",
    ),
    Allowed(
        r"file ! home/\.(cache|local/share): directory ",
        "virtualenv and the plugin make it private and Poetry does not: whichever comes first",
    ),
)


def allowed(where: str, what: str) -> Allowed | None:
    """The entry that allows this difference."""
    for one in ALLOWED:
        if re.match(one.what, what) and re.search(one.where, where):
            return one
    return None
