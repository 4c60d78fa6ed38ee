"""How other Pythons are started: with nothing of the working directory, and only what they need.

A directory is not trusted for being the current one: its `json.py` must not run in a Python that is
started there, let alone with the user's tokens.
"""

import os
import re
import site
import sys
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from importlib.machinery import PathFinder
from pathlib import Path

# A directory that is always there, and no project's root.
NEUTRAL = sys.prefix
# Where programs, libraries, temporary files and the language are.
_NEEDED = {
    *("PATH", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TMP", "TEMP", "LOCALE_ARCHIVE"),
    *("SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "PROCESSOR_ARCHITECTURE"),
}
_NEEDED_PREFIXES = ("LC_", "LD_", "DYLD_")
# What a trusted publisher's identity is had with.
_IDENTITY = re.compile(r"ACTIONS_ID_TOKEN_REQUEST_|.*_ID_TOKEN$")
_FOR_NETWORK = {"SSL_CERT_FILE", "SSL_CERT_DIR", "NIX_SSL_CERT_FILE"}
_FOR_NETWORK_PREFIXES = ("OPENSSL_",)


def python(modules: Collection[str], code: str, *arguments: str) -> list[str]:
    """The command that runs `code` in this very Python, isolated, where `modules` can be imported.

    Of this Python's own packages nothing more is needed than Python itself finds. Others (in a
    plugin set, the user's site, on PYTHONPATH) are looked for where this process would look, but
    not in its working directory.
    """
    own = all(_is_in(name, site.getsitepackages()) for name in modules)
    return [sys.executable, "-I", "-B", "-c", code if own else _with_import_path(code), *arguments]


def poetry(code: str, *arguments: str) -> list[str]:
    """The command that runs `code`, which calls Poetry, in this very Python.

    Poetry finds what it finds in this process, in the user's site and on PYTHONPATH too: plugins
    of it may be there, and a version that one of them sets would be silently wrong.
    """
    # PYTHONUSERBASE says where it is to others, but not to who ignores the environment.
    user = site.ENABLE_USER_SITE and "PYTHONUSERBASE" not in os.environ
    more = _on_pythonpath()
    places = [*site.getsitepackages(), *([site.getusersitepackages()] if user else []), *more]
    if _is_in("poetry.console.application", places):
        code = f"import sys\nsys.path[:0] = {more!a}\n{code}"
    else:
        code = _with_import_path(code)
    return [sys.executable, *(["-E", "-P"] if user else ["-I"]), "-c", code, *arguments]


def alone(place: Path, code: str) -> list[str]:
    """The command that runs `code` in this very Python, with nothing but `place` to import from."""
    # Without `site` no other package gets in the way.
    code = f"import sys\nsys.path.insert(0, {str(place)!a})\n{code}"
    return [sys.executable, "-I", "-S", "-c", code]


def surroundings(
    environment: Mapping[str, str], *, network: bool = False, proxies: bool = True
) -> dict[str, str]:
    """Of all variables those that a program needs to run, and to reach the `network`."""
    return {
        # Seen from the child's own directory it would be another.
        name: str(Path(value).absolute()) if name.upper() == "SSL_CERT_FILE" and value else value
        for name, value in environment.items()
        if name.upper() in _NEEDED
        or name.upper().startswith(_NEEDED_PREFIXES)
        or (network and _is_for_network(name.upper(), proxies=proxies))
    }


def without_identity(environment: Mapping[str, str]) -> dict[str, str]:
    """All variables but those that are, or get, a CI job's identity tokens."""
    return {name: value for name, value in environment.items() if not _IDENTITY.match(name)}


def _is_for_network(name: str, *, proxies: bool) -> bool:
    return (
        name in _FOR_NETWORK
        or name.startswith(_FOR_NETWORK_PREFIXES)
        or (proxies and name.endswith("_PROXY"))
    )


def _is_in(name: str, places: Sequence[str]) -> bool:
    """Whether a module, the one that is loaded if it is, is to be found in one of `places`."""
    loaded = sys.modules.get(name)
    # Not on all of sys.path: what the user has on PYTHONPATH may have the name by chance.
    found = loaded.__spec__ if loaded else PathFinder.find_spec(name, places)
    origin = Path((found and found.origin) or "")
    return any(place and origin.is_relative_to(place) for place in places)


def _on_pythonpath() -> list[str]:
    """What is on `sys.path` by PYTHONPATH; a dot there would be another directory to a child."""
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    named = {os.path.abspath(entry) for entry in given if entry}  # noqa: PTH100 - as Python does
    return [entry for entry in sys.path if entry in named and entry not in _here()]


def _with_import_path(code: str) -> str:
    path = [entry for entry in sys.path if entry not in _here()]
    return f"import sys\nsys.path[:] = {path!a}\n{code}"


def _here() -> set[str]:
    """The working directory, as `sys.path` may have it."""
    here = {"", os.curdir, os.environ.get("PWD", "")}
    with suppress(OSError):  # it may have been deleted
        here.add(str(Path.cwd()))
    return here
