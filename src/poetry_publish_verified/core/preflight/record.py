"""Faults of a wheel's RECORD: installers and indexes compare the wheel with it."""

import base64
from collections import Counter
from collections.abc import Collection, Iterator

from installer.records import RecordEntry

from poetry_publish_verified.core.contents import ArchiveMember, Contents, parse_record, strong_hash
from poetry_publish_verified.core.distribution import Distribution
from poetry_publish_verified.core.problems import distributions as problems
from poetry_publish_verified.core.problems.distributions import RecordFault
from poetry_publish_verified.errors import Problem

# RECORD cannot hold its own hash, nor those of signatures over it.
_UNRECORDED = ("RECORD", "RECORD.jws", "RECORD.p7s")


def of_one(distribution: Distribution) -> Iterator[Problem]:
    """How a wheel and its RECORD differ, one problem for each kind."""
    contents = distribution.contents
    if contents is None or distribution.parsed.kind != "wheel":
        return
    for fault, names in _faults(contents):
        yield problems.record_wrong(distribution.filename, fault, names)


def _faults(contents: Contents) -> Iterator[tuple[RecordFault, Collection[str]]]:
    counts = Counter(member.name for member in contents.members)
    if twice := [name for name, count in counts.items() if count > 1]:
        yield "twice", twice
    if contents.record is None:
        yield "none", ()
        return
    try:
        record = parse_record(contents.record)
    except ValueError as error:
        yield "unreadable", [str(error)]
        return
    there = {member.name: member for member in contents.members}
    files = {name: member for name, member in there.items() if not _is_unrecorded(name)}
    if missing := [name for name in files if name not in record]:
        yield "missing", missing
    if absent := [name for name in record if name not in there and not _is_unrecorded(name)]:
        yield "absent", absent
    both = [(name, member, record[name]) for name, member in files.items() if name in record]
    if unhashed := [name for name, _, said in both if strong_hash(said) is None]:
        yield "unhashed", unhashed
    if wrong := [name for name, member, said in both if _differs(member, said)]:
        yield "wrong", wrong


def _is_unrecorded(name: str) -> bool:
    directory, _, file = name.partition("/")
    return directory.endswith(".dist-info") and file in _UNRECORDED


def _differs(member: ArchiveMember, said: RecordEntry) -> bool:
    hash_ = strong_hash(said)
    if hash_ is None:
        return False
    digest = bytes.fromhex(member.digests.get(hash_.name, ""))
    # The specification leaves the padding out; some tools do not.
    encoded = base64.urlsafe_b64encode(digest).decode("ascii").rstrip("=")
    return said.size not in {None, member.size} or hash_.value.rstrip("=") != encoded
