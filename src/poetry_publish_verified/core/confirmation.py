"""What somebody is asked to confirm: which files would go where, and what is unusual about them."""

from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Any

from packaging.version import Version

from poetry_publish_verified.core.distribution import recognize
from poetry_publish_verified.core.kinds_of_files import kinds_of
from poetry_publish_verified.core.preflight import Identity
from poetry_publish_verified.core.simple.page import IndexFile
from poetry_publish_verified.values import Value

_UNUSUAL = 2.0
"""How many times as large or as small as before a file stands out."""


class ProposedFile(Value):
    """One file; `size` is in bytes, `there` names the repositories that have it already."""

    filename: str
    size: int
    sha256: str
    there: tuple[str, ...]


class ProposedRelease(Value):
    """One release, the repositories that it goes to in this order, and its files.

    `unusual` is what differs from the release before, in sentences; `previous` is that version,
    None if there is none. `warnings` are codes.
    """

    name: str
    version: str
    places: tuple[str, ...]
    files: tuple[ProposedFile, ...]
    previous: str | None = field(compare=False)
    unusual: tuple[str, ...] = field(compare=False)
    warnings: tuple[str, ...] = field(compare=False)

    @property
    def hashes(self) -> dict[str, str]:
        """The sha256 of each file, by its name."""
        return {file.filename: file.sha256 for file in self.files}


def proposal(receipt: Mapping[str, Any], *, stage_only: bool) -> tuple[ProposedRelease, ...]:
    """What a run would do, from its receipt before anything is sent."""
    return tuple(_proposed(each, stage_only=stage_only) for each in receipt["releases"])


def _proposed(release: Mapping[str, Any], *, stage_only: bool) -> ProposedRelease:
    places = [*release["stages"], *([] if stage_only else [release])]
    there: dict[str, tuple[str, ...]] = {}
    for place in places:
        for file in place["distributions"]:
            remote, name = file["remote_sha256"], place["repository"]["name"]
            if remote not in {None, file["sha256"]}:
                name = f"{name} with different content"
            if file["upload"] != "not-sent" or remote:
                there[file["filename"]] = (*there.get(file["filename"], ()), name)
    files = tuple(
        ProposedFile(f["filename"], f["size"], f["sha256"], there.get(f["filename"], ()))
        for f in release["distributions"]
    )
    previous = next((p["previous"] for p in reversed(places) if p["previous"]), None)
    before = {f["filename"]: f["size"] for f in previous["distributions"]} if previous else {}
    return ProposedRelease(
        release["name"],
        release["version"],
        tuple(place["repository"]["name"] for place in places),
        files,
        previous["version"] if previous else None,
        tuple(unusual({f.filename: f.size for f in files}, before)) if previous else (),
        tuple(p["code"] for p in release["problems"] if p["severity"] == "warning"),
    )


def newest_before(
    files: Mapping[str, IndexFile], release: Identity
) -> tuple[Version, list[IndexFile]] | None:
    """The newest version below a release that has files which are not yanked, and those.

    Pre-releases count only where the release is one (PEP 440).
    """
    found: dict[Version, list[IndexFile]] = {}
    for file in files.values():
        parsed = recognize(file.filename)
        if parsed is None or parsed.name != release.name or file.yanked is not None:
            continue
        older = parsed.version < release.version
        if older and (release.version.is_prerelease or not parsed.version.is_prerelease):
            found.setdefault(parsed.version, []).append(file)
    return max(found.items(), default=None, key=lambda item: item[0])


def unusual(files: Mapping[str, int], before: Mapping[str, int | None]) -> Iterator[str]:
    """How files (names to sizes) differ in kind and size from those of a release before."""
    now, then = _by_kind(files), _by_kind(before)
    for kind in sorted(then.keys() - now.keys()):
        yield f"no {kind} any more"
    for kind in sorted(now.keys() - then.keys()):
        yield f"a new {kind}"
    for kind in sorted(now.keys() & then.keys()):
        size, old = now[kind], then[kind]
        if not (size and old):
            continue
        if size >= _UNUSUAL * old:
            yield f"the {kind} is {size / old:.1f} times as large"
        elif old >= _UNUSUAL * size:
            yield f"the {kind} has only {100 * size // old}% of its size"


def _by_kind(files: Mapping[str, int | None]) -> dict[str, int | None]:
    """The size of each kind of file."""
    parsed = ((recognize(name), size) for name, size in files.items())
    return {kind: size for each, size in parsed if each for kind in kinds_of(each)}


def changed(agreed: Mapping[str, str], files: Mapping[str, str]) -> list[str]:
    """The names of files that are not those that were agreed on, both names to sha256."""
    return sorted({name for name, _ in agreed.items() ^ files.items()})
