"""Verification: what was fetched against what was built, and what to ask clients for."""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.tags import Tag
from packaging.utils import canonicalize_name

from poetry_publish_verified.core.distribution import ParsedFilename, parse_filename, valid_version
from poetry_publish_verified.sanitize import harmless
from poetry_publish_verified.values import Value

_INTERPRETER = re.compile(r"([a-z]+)(\d)(\d*)")
# Beyond any released Python, so that `>=3.x` of a new project finds one.
_NEWEST_MINOR = 40
_NEWEST_PATCH = 30


class OwnMetadata(Value):
    """The name and version in an archive's own metadata; `flaw` is why they cannot be read.

    `sha256` is that of the metadata itself.
    `bare`: it has none, and nothing else is wrong with it, as with sdists from before PEP 314.
    """

    name: str = ""
    version: str = ""
    flaw: str = ""
    bare: bool = False
    sha256: str | None = None

    def flaw_as(self, filename: str, *, may_be_bare: bool = False) -> str:
        """Why this is not the archive that a file name promises; empty where it is."""
        if self.flaw:
            return "" if self.bare and may_be_bare else self.flaw
        parsed = parse_filename(filename)
        named = canonicalize_name(self.name), valid_version(self.version)
        if named == (parsed.name, parsed.version):
            return ""
        said = f"{harmless(self.name, 100)} {harmless(self.version, 100)}".strip()
        return f"its own metadata is that of {said or 'no project'}"


class Download(Value):
    """A file as a server sent it: `size` bytes, and their digests in hex, by algorithm.

    `cut` where it was longer than it may be; `coding` is the Content-Encoding under which it came,
    where clients would undo that; `metadata` is the archive's own, where it was asked for.
    """

    size: int
    digests: Mapping[str, str]
    cut: bool = False
    coding: str = ""
    metadata: OwnMetadata | None = None

    @property
    def sha256(self) -> str:
        """The digest that counts."""
        return self.digests["sha256"]


class Published(NamedTuple):
    """A file as it was published: `size` in bytes, sha256 in hex."""

    size: int
    sha256: str


class NotDownloaded(Value):
    """Why a file did not come; `final` where trying again changes nothing."""

    detail: str
    final: bool = False


class ClientFile(Value):
    """A file that a real client downloaded."""

    filename: str
    sha256: str


class ClientFailure(Value):
    """Why a real client did not download; `detail` quotes its last lines."""

    detail: str


class ClientAbstains(Value):
    """Why a real client cannot be asked for this wheel at all: it says nothing of the index."""

    reason: str


class PipTarget(Value):
    """The machine a wheel is for, in pip's words.

    `any_python`: the wheel's Requires-Python is not known here, so the version named may not
    satisfy it.
    """

    python_version: str
    implementation: str
    abis: tuple[str, ...]
    platforms: tuple[str, ...]
    any_python: bool = False

    @property
    def arguments(self) -> list[str]:
        """Options of `pip download`."""
        named = ["--python-version", self.python_version, "--implementation", self.implementation]
        for abi in self.abis:
            named += ["--abi", abi]
        for platform in self.platforms:
            named += ["--platform", platform]
        return [*named, "--ignore-requires-python"] if self.any_python else named


class ClientRequest(Value):
    """A file that a client is asked for: `name` normalized, `version` as PEP 440 writes it.

    `target` is the machine of a wheel; None for an sdist, which no client is to build.
    """

    filename: str
    sha256: str
    name: str
    version: str
    target: PipTarget | None

    @property
    def requirement(self) -> str:
        """The one version, to the letter: `==` would take `1.0+local` for 1.0 too."""
        return f"{self.name}==={self.version}"


def pip_target(wheel: ParsedFilename, requires_python: str | None) -> PipTarget | None:
    """A machine that the wheel's own tags name and its `Requires-Python` allows.

    `requires_python` is None if it has none, or none is known. None if there is no such
    machine: the wheel can then be installed nowhere.
    """
    try:
        allowed = SpecifierSet(requires_python or "")
    except InvalidSpecifier:
        return None
    for tag in sorted(wheel.tags, key=_newest_first):
        match = _INTERPRETER.fullmatch(tag.interpreter)
        if match is None:
            continue
        implementation, major, minor = match.groups()
        for version in _pythons(major, minor, tag):
            if allowed.contains(version, prereleases=True):
                alike = [t for t in wheel.tags if t.interpreter == tag.interpreter]
                return PipTarget(
                    version,
                    implementation,
                    tuple(sorted({t.abi for t in alike})),
                    tuple(sorted({t.platform for t in alike})),
                    any_python=requires_python is None,
                )
    return None


def _newest_first(tag: Tag) -> tuple[int, str]:
    digits = re.sub(r"\D", "", tag.interpreter)
    return -int(digits[:1] or 0), str(tag)


def _pythons(major: str, minor: str, tag: Tag) -> Iterator[str]:
    """Versions of Python that a tag's interpreter stands for, likeliest first."""
    later_too = not minor or tag.abi == "abi3" or tag.interpreter.startswith("py")
    first = int(minor or 0)
    # py3, py38 and cp39-abi3 run on every later minor too, cp38-none and cp38-cp38 do not.
    minors = range(first, _NEWEST_MINOR) if later_too else range(first, first + 1)
    for number in minors:
        yield f"{major}.{number}"
    for number in minors:
        for patch in range(1, _NEWEST_PATCH):
            yield f"{major}.{number}.{patch}"
