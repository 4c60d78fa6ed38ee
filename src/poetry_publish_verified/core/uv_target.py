"""The machine that uv resolves a wheel for: it knows fewer than pip, under other names."""

import re

from poetry_publish_verified.core.verification import ClientAbstains, PipTarget
from poetry_publish_verified.values import Value

# Values of `--python-platform`, as `uv pip install --help` lists them. A glibc between two
# of them is asked for with the next one up, which takes everything older too.
_GLIBC_MINORS = (17, 28, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40)
_MUSL_MINOR = 2
_ARCHITECTURES = ("x86_64", "aarch64")
_LEGACY_MANYLINUX = {"manylinux1": 5, "manylinux2010": 12, "manylinux2014": 17}
_WINDOWS = {
    "win_amd64": "x86_64-pc-windows-msvc",
    "win_arm64": "aarch64-pc-windows-msvc",
    "win32": "i686-pc-windows-msvc",
}
_MAC = {
    "arm64": "aarch64-apple-darwin",
    "universal2": "aarch64-apple-darwin",
    "x86_64": "x86_64-apple-darwin",
    "intel": "x86_64-apple-darwin",
}
_LINUX = re.compile(r"(?P<system>manylinux\d+|manylinux_2_\d+|musllinux_1_\d+|linux)_(?P<arch>.+)")
_MACOS = re.compile(r"macosx_(?P<version>\d+_\d+)_(?P<arch>.+)")


class UvTarget(Value):
    """The machine: `platform` None for this one, `macos` the oldest macOS that it runs."""

    python_version: str
    platform: str | None = None
    macos: str | None = None


def uv_target(target: PipTarget) -> UvTarget | ClientAbstains:
    """`target` in uv's words; ClientAbstains where uv has none for it.

    uv always asks for the interpreter that it is given (CPython) and for no other ABI than
    that interpreter's own.
    """
    if target.implementation not in {"py", "cp"}:
        return ClientAbstains(f"uv cannot target the interpreter {target.implementation!r}")
    if not _own_abis(target) & set(target.abis):
        return ClientAbstains(f"uv cannot target the ABI {', '.join(target.abis)}")
    for platform in target.platforms:
        found = _platform(platform, target.python_version)
        if found is not None:
            return found
    return ClientAbstains(f"uv cannot target the platform {', '.join(target.platforms)}")


def _own_abis(target: PipTarget) -> set[str]:
    if target.implementation == "py":
        return {"none"}
    major, minor = target.python_version.split(".")[:2]
    # Up to 3.7 the ABI's name had an m.
    flag = "m" if (int(major), int(minor)) < (3, 8) else ""
    return {"none", "abi3", f"cp{major}{minor}{flag}"}


def _platform(platform: str, python_version: str) -> UvTarget | None:
    if platform == "any":
        return UvTarget(python_version)
    if platform in _WINDOWS:
        return UvTarget(python_version, _WINDOWS[platform])
    if (mac := _MACOS.fullmatch(platform)) and mac["arch"] in _MAC:
        return UvTarget(python_version, _MAC[mac["arch"]], mac["version"].replace("_", "."))
    linux = _LINUX.fullmatch(platform)
    if linux is None or linux["arch"] not in _ARCHITECTURES:
        return None
    name = _linux(linux["system"])
    return UvTarget(python_version, f"{linux['arch']}-{name}") if name else None


def _linux(system: str) -> str | None:
    if system in {"linux", *_LEGACY_MANYLINUX}:
        minor = _LEGACY_MANYLINUX.get(system, _GLIBC_MINORS[0])
    elif "_" in system:
        minor = int(system.rpartition("_")[2])
    else:
        return None
    if system.startswith("musllinux"):
        return "unknown-linux-musl" if minor <= _MUSL_MINOR else None
    return next((f"manylinux_2_{known}" for known in _GLIBC_MINORS if known >= minor), None)
