"""Distributions of any content, size and platform, written directly instead of built."""

from __future__ import annotations

import base64
import hashlib
import io
import textwrap
import zipfile
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from tests.adapters.archives import sdist, wheel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tests.beds.projects import Project

PLATFORMS = ("manylinux_2_17_x86_64", "macosx_11_0_arm64", "win_amd64")


@dataclass
class WheelSource:
    """The contents of one installable wheel."""

    name: str
    version: str
    files: Mapping[str, str | bytes]
    entry_points: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    requires: tuple[str, ...] = ()
    data: Mapping[str, str] = field(default_factory=dict)
    metadata: tuple[str, ...] = ()
    """Extra METADATA lines."""
    tag: str = "py3-none-any"
    build_number: int | None = None

    @property
    def filename(self) -> str:
        """The wheel's file name."""
        number = "" if self.build_number is None else f"-{self.build_number}"
        return f"{self._stem}{number}-{self.tag}.whl"

    @property
    def _stem(self) -> str:
        return f"{self.name.replace('-', '_')}-{self.version}"

    def build(self, directory: Path) -> Path:
        """Write the wheel into `directory`."""
        path = directory / self.filename
        path.write_bytes(self.content())
        return path

    def content(self) -> bytes:
        """The wheel's bytes; the same on every call."""
        info = f"{self._stem}.dist-info"
        metadata = [
            "Metadata-Version: 2.1",
            f"Name: {self.name}",
            f"Version: {self.version}",
            *self.metadata,
            *(f"Requires-Dist: {requirement}" for requirement in self.requires),
        ]
        points = "".join(
            f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in named.items())
            for group, named in self.entry_points.items()
        )
        number = "" if self.build_number is None else f"Build: {self.build_number}\n"
        pure = str(self.tag == "py3-none-any").lower()
        members = {
            **self.files,
            **{f"{self._stem}.data/{name}": text for name, text in self.data.items()},
            f"{info}/METADATA": "\n".join([*metadata, ""]),
            f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\n"
            f"Root-Is-Purelib: {pure}\nTag: {self.tag}\n{number}",
            f"{info}/entry_points.txt": points,
        }
        content = {
            name: one if isinstance(one, bytes) else textwrap.dedent(one).encode()
            for name, one in members.items()
        }
        record = "".join(f"{name},{_recorded(one)}\n" for name, one in content.items())
        content[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
        return wheel(tuple(content.items()), zipfile.ZIP_STORED)


def write_wheel(project: Project, platform: str, size: int, build: int | None = None) -> str:
    """Write a wheel with `size` incompressible bytes into the dist directory; return its name."""
    module = project.name.replace("-", "_")
    source = WheelSource(
        project.name, project.version, {}, metadata=_OF_PROJECTS,
        tag=f"py3-none-{platform}", build_number=build,
    )  # fmt: skip
    source.files = {f"{module}/light.bin": _noise(source.filename, size)}
    project.dist.mkdir(exist_ok=True)
    return source.build(project.dist).name


def write_large_wheel(project: Project, platform: str, megabytes: int) -> str:
    """The same of any size: its members have a megabyte each, and memory holds one of them."""
    source = WheelSource(
        project.name, project.version, {}, metadata=_OF_PROJECTS, tag=f"py3-none-{platform}"
    )
    project.dist.mkdir(exist_ok=True)
    with (
        zipfile.ZipFile(io.BytesIO(source.content())) as empty,
        zipfile.ZipFile(project.dist / source.filename, "w") as archive,
    ):
        *others, record = empty.namelist()
        lines = []
        for number in range(megabytes):
            name = f"{project.name.replace('-', '_')}/light{number}.bin"
            content = _noise(name, 1_000_000)
            archive.writestr(name, content)
            lines.append(f"{name},{_recorded(content)}\n")
        for name in others:
            archive.writestr(name, empty.read(name))
        archive.writestr(record, "".join(lines).encode() + empty.read(record))
    return source.filename


def write_sdist(project: Project, size: int) -> str:
    """Write an sdist with `size` incompressible bytes into the dist directory; return its name."""
    directory = project.sdist.removesuffix(".tar.gz")
    told = ("Metadata-Version: 2.1", f"Name: {project.name}", f"Version: {project.version}")
    members = (
        (f"{directory}/PKG-INFO", "\n".join([*told, *_OF_PROJECTS, ""]).encode()),
        (f"{directory}/light.bin", _noise(project.sdist, size)),
    )
    project.dist.mkdir(exist_ok=True)
    (project.dist / project.sdist).write_bytes(sdist(members, level=1))
    return project.sdist


def write_release(project: Project, sizes: Sequence[int]) -> tuple[str, ...]:
    """Write a wheel for each platform and an sdist of these sizes; return their names in order."""
    *of_wheels, of_sdist = sizes
    wheels = [
        write_wheel(project, platform, size)
        for platform, size in zip(PLATFORMS, of_wheels, strict=True)
    ]
    return (*wheels, write_sdist(project, of_sdist))


# The same as in pyproject.toml: devpi keeps one set of metadata per version.
_OF_PROJECTS = ("Requires-Python: >=3.11",)


def _recorded(content: bytes) -> str:
    """Digest and size in the form of RECORD (binary distribution format)."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
    return f"sha256={digest},{len(content)}"


def _noise(seed: str, size: int) -> bytes:
    return Random(seed).randbytes(size)  # noqa: S311 - any bytes will do
