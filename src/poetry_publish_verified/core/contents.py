"""The contents of an archive, as values, and what a wheel's RECORD says about them."""

import csv
from collections.abc import Mapping
from dataclasses import field

from installer.records import Hash, InvalidRecordEntry, RecordEntry, parse_record_file

from poetry_publish_verified.values import Value

# What the wheel specification lets a RECORD use: sha256 or better.
_ALGORITHMS = frozenset({"sha256", "sha384", "sha512"})
_LEAST = frozenset({"sha256"})


class ArchiveMember(Value):
    """One file in an archive: its name as packed, its size in bytes as unpacked.

    `digests` are lower-case hexadecimal by algorithm, of a regular file only; `target` is where
    a link in a tar leads, from the archive's root where `hard`; `start` are its first bytes.
    """

    name: str
    size: int
    digests: Mapping[str, str] = field(default_factory=dict)
    target: str | None = None
    hard: bool = False
    start: bytes = field(default=b"", compare=False)


class Contents(Value):
    """The files of an archive in their order (directories left out), and `unpacked` bytes in all.

    `record` and `wheel` are a wheel's RECORD and WHEEL, None if it has none.
    """

    members: tuple[ArchiveMember, ...]
    unpacked: int
    record: bytes | None = None
    wheel: bytes | None = None


def parse_record(record: bytes) -> dict[str, RecordEntry]:
    """The lines of a wheel's RECORD by path, as Poetry's own installer reads them.

    Raises ValueError if it is not a table of paths, hashes and sizes.
    """
    try:
        lines = record.decode("utf-8").replace("\r\n", "\n").rstrip("\n").split("\n")
        entries = [RecordEntry.from_elements(*row) for row in parse_record_file(lines)]
    except (ValueError, csv.Error, InvalidRecordEntry) as error:
        raise ValueError(str(error)) from None
    return {entry.path: entry for entry in entries}


def strong_hash(entry: RecordEntry) -> Hash | None:
    """The hash of a file, if it is one that the wheel specification accepts."""
    return entry.hash_ if entry.hash_ and entry.hash_.name in _ALGORITHMS else None


def algorithms(record: bytes | None) -> frozenset[str]:
    """By which algorithms the files of a wheel have to be hashed: sha256 at least."""
    try:
        entries = parse_record(record or b"").values()
    except ValueError:
        return _LEAST
    return _LEAST | {hash_.name for each in entries if (hash_ := strong_hash(each))}
