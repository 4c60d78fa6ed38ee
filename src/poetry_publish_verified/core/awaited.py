"""What to wait for, as users and receipts name it."""

from collections.abc import Mapping
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from poetry_publish_verified.core.distribution import parse_filename, valid_version
from poetry_publish_verified.core.expectation import AnyFiles, ExactFiles, Expectation, ExpectedFile
from poetry_publish_verified.core.foreign_json import plain_text, sha256_of
from poetry_publish_verified.core.problems import verification as problems
from poetry_publish_verified.core.receipt import SCHEMA
from poetry_publish_verified.core.release_metadata import ReleaseMetadata
from poetry_publish_verified.core.urls import index_of, own_index
from poetry_publish_verified.errors import Problem, Verdict
from poetry_publish_verified.sanitize import printable
from poetry_publish_verified.values import Value


class NotAwaitableError(ValueError):
    """Not something to wait for; the message says why, and is printable."""


class AwaitedRelease(Value):
    """One release that must become visible; `indexes` are URLs from a receipt.

    `doubt`: that receipt says that not everything was uploaded.
    """

    name: NormalizedName
    version: Version
    expectation: Expectation
    indexes: tuple[str, ...] = ()
    doubt: Problem | None = None

    @property
    def key(self) -> tuple[NormalizedName, Version]:
        """What identifies a release."""
        return self.name, self.version


def pinned(text: str) -> AwaitedRelease:
    """The release that `NAME==VERSION` names; NotAwaitableError for anything else."""
    shown = printable(text, 100)
    try:
        requirement = Requirement(text.strip())
    except ValueError:  # InvalidRequirement, or int's for absurdly long numbers
        raise NotAwaitableError(f"{shown!r} is not of the form NAME==VERSION") from None
    if requirement.url or requirement.marker or requirement.extras:
        raise NotAwaitableError(
            f"{shown!r} has an extra, a marker or a URL: only NAME==VERSION can be waited for"
        )
    specifiers = list(requirement.specifier)
    if not specifiers:
        raise NotAwaitableError(
            f"{shown!r} names no version: any older release would end the wait at once"
        )
    (specifier, *more) = specifiers
    if more or specifier.operator not in {"==", "==="} or "*" in specifier.version:
        raise NotAwaitableError(
            f"{shown!r} is a range: an older release that matches would end the wait at once"
        )
    version = valid_version(specifier.version)
    if version is None:
        raise NotAwaitableError(
            f"{shown!r} has no valid version (PEP 440): {printable(specifier.version, 50)!r}"
        )
    name = canonicalize_name(requirement.name)
    return AwaitedRelease(name, version, AnyFiles(name, version))


def of_receipt(receipt: Any) -> list[AwaitedRelease]:
    """The releases of a publisher's receipt, with exactly its files and hashes.

    Raises NotAwaitableError if it is not a receipt, or lists no file.
    """
    if not isinstance(receipt, Mapping) or receipt.get("schema") != SCHEMA:
        raise NotAwaitableError(f"it is not a receipt ({SCHEMA})")
    if receipt.get("verdict") == "dry-run" or receipt.get("rehearsal") is True:
        raise NotAwaitableError("it is from a rehearsal or a dry run, which publishes nothing")
    try:
        found = [_of_release(release) for release in receipt["releases"]]
    except (KeyError, TypeError, AttributeError, ValueError):
        raise NotAwaitableError("it is damaged: a release in it is malformed") from None
    if len({release.key for release in found}) < len(found):
        raise NotAwaitableError("it is damaged: it lists a release twice")
    if not found or not all(release.expectation.nothing().absent for release in found):
        raise NotAwaitableError("it lists no files: that run ended before any were known")
    return found


def of_metadata(metadata: ReleaseMetadata) -> AwaitedRelease:
    """The release that metadata describes, with exactly its files and hashes."""
    expectation = ExactFiles(metadata.files)
    return AwaitedRelease(metadata.name, metadata.version, expectation, metadata.indexes)


def _of_release(release: Mapping[str, Any]) -> AwaitedRelease:
    name, version = canonicalize_name(release["name"]), Version(release["version"])
    files = tuple(_of_file(file) for file in release["distributions"])
    for file in files:
        if (file.parsed.name, file.parsed.version) != (name, version):
            raise KeyError(file.filename)
    indexes = tuple(plain_text(index["url"]) for index in release["indexes"])
    # The repository's own index first: the others are asked once that is complete.
    upload_url = str(release["repository"]["url"] or "")
    implied = index_of(upload_url)
    own = own_index(upload_url, implied, indexes) if implied else None
    indexes = tuple(sorted(indexes, key=lambda url: url != own))
    return AwaitedRelease(name, version, ExactFiles(files), indexes, _doubt(release))


def _doubt(release: Mapping[str, Any]) -> Problem | None:
    """What a publisher's receipt says was not uploaded; the receipt of a wait uploads nothing."""
    verdict = Verdict(release["verdict"])
    lacking = [
        file["filename"]
        for file in release["distributions"]
        if file["upload"] in {"failed", "unknown", "not-sent"}
    ]
    if not lacking or not release["repository"]["url"]:
        return None
    return problems.not_uploaded(verdict, lacking)


def _of_file(file: Mapping[str, Any]) -> ExpectedFile:
    filename, size = plain_text(file["filename"]), file["size"]
    parse_filename(filename)
    if file["upload"] == "kept-remote":
        # A kept file is the index's own; its size was never known.
        return ExpectedFile(filename, sha256_of(file["remote_sha256"]), listed_only=True)
    return ExpectedFile(
        filename, sha256_of(file["sha256"]), size if isinstance(size, int) else None
    )
