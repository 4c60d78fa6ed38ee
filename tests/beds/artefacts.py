"""Distributions of any size and for any platform, written rather than built."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from random import Random
from typing import TYPE_CHECKING

from tests.adapters.archives import sdist
from tests.adapters.archives import wheel
from tests.beds.projects import Project

if TYPE_CHECKING:
    from collections.abc import Sequence

PLATFORMS = ("manylinux_2_17_x86_64", "macosx_11_0_arm64", "win_amd64")


def write_wheel(project: Project, platform: str, size: int, build: int | None = None) -> str:
    """Put a wheel into the dist folder, with `size` incompressible bytes in it; its name."""
    module = project.name.replace("-", "_")
    number = "" if build is None else f"-{build}"
    filename = f"{module}-{project.version}{number}-py3-none-{platform}.whl"
    info = f"{module}-{project.version}.dist-info"
    members = {
        f"{module}/light.bin": _noise(filename, size),
        f"{info}/METADATA": _metadata(project),
        f"{info}/WHEEL": (
            f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: py3-none-{platform}\n"
            + ("" if build is None else f"Build: {build}\n")
        ).encode(),
    }
    listed = "".join(
        f"{name},sha256={_record_digest(content)},{len(content)}\n"
        for name, content in members.items()
    )
    members[f"{info}/RECORD"] = f"{listed}{info}/RECORD,,\n".encode()
    body = wheel(tuple(members.items()), zipfile.ZIP_STORED)
    project.dist.mkdir(exist_ok=True)
    (project.dist / filename).write_bytes(body)
    return filename


def write_sdist(project: Project, size: int) -> str:
    """Put an sdist into the dist folder, with `size` incompressible bytes in it; its name."""
    folder = project.sdist.removesuffix(".tar.gz")
    members = (
        (f"{folder}/PKG-INFO", _metadata(project)),
        (f"{folder}/light.bin", _noise(project.sdist, size)),
    )
    project.dist.mkdir(exist_ok=True)
    (project.dist / project.sdist).write_bytes(sdist(members, level=1))
    return project.sdist


def write_release(project: Project, sizes: Sequence[int]) -> tuple[str, ...]:
    """Write a wheel for each platform and an sdist, of these sizes; their names in that order."""
    *of_wheels, of_sdist = sizes
    wheels = [
        write_wheel(project, platform, size)
        for platform, size in zip(PLATFORMS, of_wheels, strict=True)
    ]
    return (*wheels, write_sdist(project, of_sdist))


def _record_digest(content: bytes) -> str:
    """A sha256 as RECORD has it (binary distribution format)."""
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")


def _noise(seed: str, size: int) -> bytes:
    return Random(seed).randbytes(size)  # noqa: S311 - any bytes would do


def _metadata(project: Project) -> bytes:
    """As in pyproject.toml: devpi has one metadata for all files of a version."""
    lines = (
        "Metadata-Version: 2.1",
        f"Name: {project.name}",
        f"Version: {project.version}",
        "Requires-Python: >=3.11",
        "",
    )
    return "\n".join(lines).encode()
