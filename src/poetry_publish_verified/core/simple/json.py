"""The entries of a JSON page (PEP 691), and what pip, uv and Poetry make of each.

Each client refuses something else: uv a page with any value of the wrong type, pip and Poetry
what they stumble over. Tried with pip 26.3, uv 0.13 and Poetry 2.5.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import unquote
from urllib.parse import urlsplit

from poetry_publish_verified.core.simple.html import fragment_digests
from poetry_publish_verified.core.simple.html import is_bad_egg
from poetry_publish_verified.core.simple.page import LENGTHS
from poetry_publish_verified.core.simple.page import Addresses
from poetry_publish_verified.core.simple.page import IndexFile
from poetry_publish_verified.core.simple.page import PageInTheMaking
from poetry_publish_verified.core.simple.page import UnsafePageError
from poetry_publish_verified.core.simple.page import can_be_split
from poetry_publish_verified.core.simple.page import digest
from poetry_publish_verified.core.simple.page import digests
from poetry_publish_verified.core.simple.page import is_filename
from poetry_publish_verified.core.simple.page import is_lower_sha256
from poetry_publish_verified.core.simple.page import is_usual_name
from poetry_publish_verified.core.simple.page import refusal_by_uv
from poetry_publish_verified.core.simple.page import uv_takes
from poetry_publish_verified.core.simple.page import why_unusable
from poetry_publish_verified.sanitize import printable

_UV_DIGESTS = {"md5": 32, "sha256": 64, "sha384": 96, "sha512": 128, "blake2b": 64}
_POETRY_ORDER = ("sha512", "sha384", "sha256")
_USUAL_TIME = re.compile(
    r"(?!0000)\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])"
    r"T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?Z",
    re.ASCII,
)
# What uv takes for a moment: date, time and offset.
_TIME_FOR_UV = re.compile(
    r"\d{4}-?(\d\d)-?(\d\d)[Tt ](\d\d)(?::?[0-5]\d(?::?(?:[0-5]\d|60)(?:[.,]\d{1,9})?)?)?"
    r"(?:[Zz]|[+-]\d\d(?::?\d\d(?::?\d\d)?)?)",
    re.ASCII,
)
_ABSENT = object()


def read_json(body: bytes, page: PageInTheMaking | None = None) -> Mapping[str, Any]:
    """The object of a JSON body; raises UnsafePageError where it is none.

    Tells `page` what uv would not read: it takes JSON to the letter, and in UTF-8 only.
    """
    constants: list[str] = []
    try:
        found = mapping(json.loads(body, parse_constant=constants.append))
        encoding = json.detect_encoding(body)
    except (ValueError, RecursionError):
        raise UnsafePageError("the page is not valid JSON") from None
    if page is not None and encoding != "utf-8":
        page.refuse(f"it is encoded as {encoding.upper()}", "uv")
    if page is not None and constants:
        page.refuse(f"{constants[0]} is no JSON", "uv")
    return found


def mapping(value: Any) -> Mapping[str, Any]:
    """An object as it is, an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def check_status(status: object, page: PageInTheMaking) -> None:
    """Tell what uv would not read of a project's status; `status` as it is in the page."""
    texts = [mapping(status).get(key, "") for key in ("status", "reason")]
    if not isinstance(status, dict) or not all(isinstance(text, str) for text in texts):
        page.refuse("project-status is no object of texts", "uv")


def read_files(entries: object, url: str, page: PageInTheMaking) -> None:
    """Read the files of a simple page, or of a version's, which has other names for some keys."""
    if not isinstance(entries, list):
        raise UnsafePageError("the page has no list of files")
    addresses = Addresses(url)
    for entry in entries:
        if (file := _usual_file(entry, addresses)) is not None:
            page.add(file)
            continue
        if not isinstance(entry, dict):
            page.refuse("an entry of its files is no object", "pip", "uv", "poetry")
            continue
        _check(entry, page)
        filename, address = entry.get("filename"), entry.get("url")
        if not isinstance(filename, str):
            continue
        if not isinstance(address, str):
            page.unusable(filename, "no address at all")
            continue
        _read_file(entry, filename, address, addresses, page)


def _usual_file(entry: Any, addresses: Addresses) -> IndexFile | None:
    """The file of an entry as most indexes write them, to which no client objects.

    None for any other, which is then looked at closely: that takes several times as long, and
    some pages list ten thousands of files.
    """
    if type(entry) is not dict:
        return None
    get = entry.get
    filename, address, hashes = get("filename"), get("url"), get("hashes")
    if type(filename) is not str or type(address) is not str or type(hashes) is not dict:
        return None
    sha256, size, python = hashes.get("sha256"), get("size", 0), get("requires-python")
    at, metadata = get("upload-time"), get("core-metadata")
    if (
        len(hashes) != 1
        or not is_lower_sha256(sha256)
        or not is_usual_name(filename)
        or not address.endswith(f"/{filename}")
        or type(size) is not int
        or not 0 <= size < 2**63
        or not (uv_takes(python) if type(python) is str else "requires_python" not in entry)
        or not (python is None or type(python) is str)
        or get("yanked", False) is not False
        or not (_USUAL_TIME.fullmatch(at) if type(at) is str else "upload-time" not in entry)
        or not _is_usual_metadata(metadata, get("dist-info-metadata", metadata))
        or (absolute := addresses.usual(address)) is None
    ):
        return None
    return IndexFile(
        filename,
        absolute,
        sha256,
        size if "size" in entry else None,
        python,
        None,
        bool(metadata),
        metadata["sha256"] if type(metadata) is dict else None,
    )


def _is_usual_metadata(value: object, older: object) -> bool:
    """`older`: what stands under the name that it had before, mostly the same."""
    if type(value) is dict:
        return len(value) == 1 and is_lower_sha256(value.get("sha256")) and older == value
    return (value is None or type(value) is bool) and older is value


def _read_file(
    entry: dict[str, Any],
    filename: str,
    address: str,
    addresses: Addresses,
    page: PageInTheMaking,
) -> None:
    place, _, fragment = address.partition("#")
    absolute = addresses.absolute(place)
    if absolute is None:
        page.unusable(filename, why_unusable(address))
        return
    if not is_filename(filename):
        return
    hashes = mapping(entry.get("hashes", entry.get("digests")))
    contradicts = False
    if fragment:
        hashes, contradicts = _with_fragment(hashes, fragment)
    sha256, others = digests(hashes)
    size = entry.get("size")
    requires_python = entry.get("requires-python", entry.get("requires_python"))
    yanked = entry.get("yanked_reason") or entry.get("yanked")
    metadata = entry.get("core-metadata")
    if metadata is None:
        metadata = entry.get("dist-info-metadata")
    metadata_sha256, metadata_others = digests(mapping(metadata)) if metadata else (None, ())
    file = IndexFile(
        filename,
        absolute,
        sha256,
        size if isinstance(size, int) and not isinstance(size, bool) else None,
        requires_python if isinstance(requires_python, str) else None,
        (yanked if isinstance(yanked, str) else "") if entry.get("yanked") else None,
        bool(metadata),
        metadata_sha256,
        others,
        metadata_others,
        (
            *_refused(filename, address, fragment, hashes),
            *refusal_by_uv(requires_python),
        ),
    )
    page.add(file, contradicts_itself=contradicts)


def _with_fragment(hashes: Mapping[Any, Any], fragment: str) -> tuple[Mapping[Any, Any], bool]:
    """pip takes a hash of the URL's fragment too, before one of the entry."""
    told, contradicts = fragment_digests(fragment)
    for algorithm, value in told.items():
        known = hashes.get(algorithm)
        contradicts |= isinstance(known, str) and known.lower() != value.lower()
    return hashes or told, contradicts


def _refused(
    filename: str, address: str, fragment: str, hashes: Mapping[Any, Any]
) -> tuple[tuple[str, str], ...]:
    """Who would not take this file as it is listed, and why."""
    refused = []
    plain = address.endswith(f"/{filename}") and "?" not in address
    if not plain and _name_for_pip(address) != filename:
        refused.append(("pip", "its URL ends in another name"))
    if fragment and "egg=" in fragment:
        refused.append(("pip", "its URL ends in egg="))
    if hashes:
        first = next(iter(hashes))
        if digest(first, hashes[first]) is None or (first == "blake2b" and len(hashes[first]) < 65):
            refused.append(("pip", "its first hash is none that pip knows"))
        chosen = next((name for name in _POETRY_ORDER if name in hashes), None)
        named = [chosen] if chosen else [name for name in hashes if name in LENGTHS]
        for name in named:
            if hashes[name] is None or digest(name, hashes[name]) != hashes[name]:
                refused.append(("poetry", f"its {name} is not in lower-case hex"))
                break
    return tuple(refused)


def _name_for_pip(address: str) -> str:
    """The file name that pip reads off a URL: the page's own name for it does not count there."""
    try:
        path = urlsplit(address).path
    except ValueError:
        return ""
    return unquote(path).rstrip("/").rsplit("/", 1)[-1]


def _check(entry: dict[str, Any], page: PageInTheMaking) -> None:
    """Tell what would keep a client from the whole page."""
    known = page.unreadable
    for client, complaint in _COMPLAINTS.items():
        if client not in known and (reason := complaint(entry)) is not None:
            filename = entry.get("filename")
            of = f" of {printable(filename, 80)}" if isinstance(filename, str) else " of a file"
            page.refuse(reason.format(of=of), client)


def _pip_complains(entry: dict[str, Any]) -> str | None:
    address = entry.get("url")
    if address is None:
        return None  # passed over
    if not isinstance(address, str):
        return "url{of} is no text"
    if "[" in address and not can_be_split(address):
        return "url{of} is none"
    if "#" in address and is_bad_egg(address):
        return "egg= in the url{of} is no name"
    if not isinstance(entry.get("hashes", {}), dict | None):
        return "hashes{of} are no object"
    python = entry.get("requires-python")
    if python and not isinstance(python, str):
        return "requires-python{of} is no text"
    if (at := entry.get("upload-time")) and not _is_time(at):
        return "upload-time{of} is no time"
    return None


def _is_time(value: object) -> bool:
    if not isinstance(value, str):
        return False
    if _USUAL_TIME.fullmatch(value):
        return True
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _poetry_complains(entry: dict[str, Any]) -> str | None:
    return None if "filename" in entry else "an entry has no file name"


def _uv_complains(entry: dict[str, Any]) -> str | None:
    for key in ("filename", "url"):
        value = entry.get(key)
        if not isinstance(value, str) or not (value.isascii() or _is_unicode(value)):
            return f"{key}{{of}} is no text"
    get = entry.get
    hashes = get("hashes")
    if not isinstance(hashes, dict) or not _are_uvs(hashes):
        return "hashes{of} are none"
    size = get("size", 0)
    if type(size) is not int or not 0 <= size < 2**64:
        return "size{of} is no number"
    if not isinstance(get("requires-python"), str | None):
        return "requires-python{of} is no text"
    if not isinstance(get("yanked", False), bool | str):
        return "yanked{of} is neither yes nor no nor a text"
    at = get("upload-time", _ABSENT)
    if at is not _ABSENT and not _is_time_for_uv(at):
        return "upload-time{of} is no time with an offset"
    for key in ("core-metadata", "dist-info-metadata"):
        value = get(key)
        if not (isinstance(value, bool | None) or (isinstance(value, dict) and _are_uvs(value))):
            return f"{key}{{of}} is neither yes nor no nor hashes"
    return None


def _are_uvs(hashes: dict[Any, Any]) -> bool:
    for algorithm, value in hashes.items():
        length = _UV_DIGESTS.get(algorithm)
        if length is None or value is None:
            continue
        if digest(algorithm, value) is None or len(value) != length:
            return False
    return True


def _is_time_for_uv(value: object) -> bool:
    if not isinstance(value, str):
        return False
    if _USUAL_TIME.fullmatch(value):
        return True
    found = _TIME_FOR_UV.fullmatch(value)
    if found is None:
        return False
    month, day, hour = (int(part) for part in found.groups())
    try:
        datetime(int(value[:4]) or 4, month, day, hour)  # noqa: DTZ001 - only whether there is such a day
    except ValueError:
        return False
    return True


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


_COMPLAINTS = {"pip": _pip_complains, "poetry": _poetry_complains, "uv": _uv_complains}
