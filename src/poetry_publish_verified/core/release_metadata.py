"""The release metadata: the newest proven release of a project, for programs that look for it."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, Literal, TypedDict

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from poetry_publish_verified.core.distribution import parse_filename
from poetry_publish_verified.core.expectation import ExpectedFile
from poetry_publish_verified.core.foreign_json import plain_text, sha256_of
from poetry_publish_verified.core.receipt_document import Moment
from poetry_publish_verified.core.simple.page import DIGITS
from poetry_publish_verified.core.urls import split_credentials
from poetry_publish_verified.values import Value

SCHEMA: Final = "publish-verified.metadata/1"
_ANY_HASH = re.compile(r"(?:[0-9a-fA-F]{2})+")
# Characters of a URL, and files of one release.
_LONGEST = 2000
_MOST_FILES = 10_000


class MetadataFile(TypedDict):
    """One file that is out; `size` is in bytes, null if only the index knows the file.

    `url` is where the first index of the run serves it, null if that was not looked at.
    """

    filename: str
    url: str | None
    size: int | None
    hashes: dict[str, str]
    requires_python: str | None


class MetadataDocument(TypedDict):
    """The document. `released` is when the release was proven on these `indexes`, in UTC."""

    schema: Literal["publish-verified.metadata/1"]
    name: str
    version: str
    released: Moment
    commit: str | None
    tag: str | None
    indexes: list[str]
    files: list[MetadataFile]


class NotMetadataError(ValueError):
    """Not a usable document; the message says why, and is printable."""


class ReleaseMetadata(Value):
    """What a document says: a release, when it was proven, and on which index URLs."""

    name: NormalizedName
    version: Version
    released: datetime
    files: tuple[ExpectedFile, ...]
    indexes: tuple[str, ...]
    commit: str | None = None
    tag: str | None = None

    def is_older_than(self, seen: "ReleaseMetadata") -> bool:
        """Whether this is from before a document that was `seen`, by version, then by time."""
        return (self.version, self.released) < (seen.version, seen.released)


def of_release(
    release: Mapping[str, Any], commit: str | None, tags: Iterable[str], released: str
) -> MetadataDocument:
    """The document of a proven release, as a receipt has it; `tags` are those that name it."""
    return {
        "schema": SCHEMA,
        "name": release["name"],
        "version": release["version"],
        "released": released,
        "commit": commit,
        "tag": next(iter(tags), None),
        "indexes": [index["url"] for index in release["indexes"] if index["proven"]],
        "files": [_of_distribution(each) for each in release["distributions"]],
    }


def _of_distribution(file: Mapping[str, Any]) -> MetadataFile:
    # A kept file is the index's own: what was built differs from it.
    kept = file["upload"] == "kept-remote"
    return {
        "filename": file["filename"],
        "url": file["url"],
        "size": None if kept else file["size"],
        "hashes": {"sha256": file["remote_sha256"] or file["sha256"]},
        "requires_python": None if kept else file["requires_python"],
    }


def read_metadata(document: Any) -> ReleaseMetadata:
    """What a document says; raises NotMetadataError if anything in it is not as it should be."""
    if not isinstance(document, dict):
        raise NotMetadataError("it is not a JSON object")
    if document.get("schema") != SCHEMA:
        raise NotMetadataError(f"its schema is not {SCHEMA}")
    try:
        found = ReleaseMetadata(
            canonicalize_name(plain_text(document["name"]), validate=True),
            Version(plain_text(document["version"])),
            _moment(document["released"]),
            tuple(map(_file, _list(document["files"]))),
            tuple(map(_url, _list(document["indexes"]))),
            _text_or_none(document.get("commit")),
            _text_or_none(document.get("tag")),
        )
    except KeyError as error:
        raise NotMetadataError(f"it lacks {error.args[0]!r}") from None
    except (TypeError, ValueError, AttributeError, OverflowError):
        raise NotMetadataError("a value in it is malformed") from None
    names = [file.filename for file in found.files]
    if not names or len(set(names)) < len(names):
        raise NotMetadataError("it lists no files, or one of them twice")
    for file in found.files:
        if (file.parsed.name, file.parsed.version) != (found.name, found.version):
            raise NotMetadataError("it lists a file of another release")
    return found


def _file(file: Mapping[str, Any]) -> ExpectedFile:
    filename, size, hashes = plain_text(file["filename"]), file["size"], file["hashes"]
    parse_filename(filename)
    for name, value in hashes.items():
        if not _ANY_HASH.fullmatch(value) or len(value) != DIGITS.get(name, len(value)):
            raise TypeError(value)
    if size is not None and (type(size) is not int or size < 0):
        raise TypeError(size)
    if file["url"] is not None:
        _url(file["url"])
    _text_or_none(file["requires_python"])
    return ExpectedFile(filename, sha256_of(hashes["sha256"]), size)


def _list(value: Any) -> list[Any]:
    if isinstance(value, list) and len(value) <= _MOST_FILES:
        return value
    raise TypeError(value)


def _url(value: Any) -> str:
    url = plain_text(value, _LONGEST)
    if split_credentials(url)[1:] != (None, None):
        raise ValueError(url)
    return url


def _text_or_none(value: Any) -> str | None:
    return None if value is None else plain_text(value)


def _moment(value: Any) -> datetime:
    moment = datetime.fromisoformat(plain_text(value))
    if moment.tzinfo is None:
        raise ValueError(value)
    return moment
