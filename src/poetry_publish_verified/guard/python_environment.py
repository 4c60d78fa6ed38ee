"""What a plugin set depends on: the interpreter, and the distributions on its path."""

import importlib.machinery
import importlib.metadata
import os
import platform
import re
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_METADATA_OF = {".dist-info": "METADATA", ".egg-info": "PKG-INFO"}
_ENDINGS = tuple(_METADATA_OF)


def canonical_name(name: str) -> str:
    """A distribution's name as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def interpreter_identity() -> dict[str, str]:
    """Whatever makes compiled code of one interpreter useless to another.

    `sys.version` names neither machine nor libc, and images that differ in nothing else may share
    a checkout.
    """
    return {
        "python": sys.version,
        "extensions": importlib.machinery.EXTENSION_SUFFIXES[0],
        "machine": platform.machine(),
        "libc": " ".join(platform.libc_ver()),
    }


def installed_distributions(path: Iterable[str]) -> dict[str, str]:
    """Canonical name → version of what is installed on `path`; the first of a name counts.

    Read from directory names: parsing sixty METADATA files would cost every command 30 ms.
    Directories that pip left behind (`~name`) and those without metadata do not count.
    """
    found: dict[str, str] = {}
    for entry in path:
        with suppress(OSError), os.scandir(entry or os.curdir) as listing:
            infos = [item for item in listing if item.name.endswith(_ENDINGS)]
            for item in sorted(infos, key=lambda item: item.name):
                stem, _, ending = item.name.rpartition(".")
                if stem.startswith("~"):
                    continue
                named = _name_and_version(item.path, stem, f".{ending}")
                if named is not None:
                    found.setdefault(canonical_name(named[0]), named[1])
    return found


def _name_and_version(directory: str, stem: str, suffix: str) -> tuple[str, str] | None:
    name, _, version = stem.rpartition("-")
    if suffix == ".dist-info" and name:
        has_metadata = os.path.isfile(f"{directory}/{_METADATA_OF[suffix]}")  # noqa: PTH113 - sixty of them
        return (name, version) if has_metadata else None
    metadata = importlib.metadata.PathDistribution(Path(directory)).metadata
    if "Name" not in metadata or "Version" not in metadata:
        return None
    return metadata["Name"], metadata["Version"]
