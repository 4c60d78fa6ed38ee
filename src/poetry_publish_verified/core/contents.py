"""What lies in an archive, as values, and what a wheel's RECORD says of it."""

from __future__ import annotations

import base64
import binascii
import csv
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field

# What the wheel specification lets a RECORD use: sha256 or better.
_ALGORITHMS = frozenset({"sha256", "sha384", "sha512"})
_LEAST = frozenset({"sha256"})


@dataclass(frozen=True, slots=True)
class ArchiveMember:
    """One file in an archive: its name as packed, its size in bytes as unpacked.

    `digests` are lower-case hexadecimal by algorithm, of a regular file only; `target` is where
    a link in a tar leads, from the archive's root where `hard`.
    """

    name: str
    size: int
    digests: Mapping[str, str] = field(default_factory=dict)
    target: str | None = None
    hard: bool = False


@dataclass(frozen=True, slots=True)
class Contents:
    """The files of an archive in their order (folders left out), and `unpacked` bytes in all.

    `record` and `wheel` are a wheel's RECORD and WHEEL, None where it has none.
    """

    members: tuple[ArchiveMember, ...]
    unpacked: int
    record: bytes | None = None
    wheel: bytes | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """What RECORD says of one file; None is what it does not say."""

    algorithm: str | None
    digest: str | None
    size: int | None


class InvalidRecordError(ValueError):
    """A RECORD that is no table of paths, hashes and sizes."""


def parse_record(record: bytes) -> dict[str, Recorded]:
    """The lines of a wheel's RECORD by path (binary distribution format).

    Raises InvalidRecordError.
    """
    found = {}
    try:
        rows = csv.reader(record.decode("utf-8").replace("\r\n", "\n").split("\n"))
        for row in rows:
            if row:
                path, encoded, size = row
                found[path] = _recorded(encoded, size)
    except (ValueError, csv.Error) as error:
        raise InvalidRecordError(str(error)) from None
    return found


def _recorded(encoded: str, size: str) -> Recorded:
    algorithm, _, digest = encoded.partition("=")
    if algorithm not in _ALGORITHMS:
        return Recorded(algorithm or None, None, int(size) if size else None)
    try:
        # The padding, which Python wants, is left out there.
        padded = digest + "=" * (-len(digest) % 4)
        raw = base64.b64decode(padded, altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise InvalidRecordError(str(error)) from None
    return Recorded(algorithm, raw.hex(), int(size) if size else None)


def algorithms(record: bytes | None) -> frozenset[str]:
    """By which algorithms the files of a wheel have to be hashed: sha256 at least."""
    try:
        said = parse_record(record or b"").values()
    except InvalidRecordError:
        return _LEAST
    return _LEAST | {each.algorithm for each in said if each.algorithm and each.digest}
