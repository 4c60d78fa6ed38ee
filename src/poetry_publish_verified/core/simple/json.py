"""A page in JSON (PEP 691, 700, 714, 740, 792), and PyPI's page of one version.

A page must be JSON according to RFC 8259, in UTF-8 without a byte order mark, NaN, Infinity, lone
surrogates, duplicate keys, or values of a type that the standards do not allow. For any of these,
even in entries of other files, clients ignore the whole page or disagree on what it says.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NoReturn

from packaging.utils import canonicalize_name

from poetry_publish_verified.core.simple.page import (
    Hashes,
    IndexFile,
    Listing,
    ProjectPage,
    UnreadablePageError,
    check_version,
    read_hash,
    read_hashes,
)

_NULL = type(None)
_Types = Mapping[str, tuple[type, ...]]
_PAGE: _Types = {
    "meta": (dict,),
    "name": (str,),
    "files": (list,),
    "versions": (list,),
    "project-status": (dict,),
}
# null where every client accepts it; PEP 691 omits such keys.
_FILE: _Types = {
    "filename": (str,),
    "url": (str,),
    "hashes": (dict,),
    "size": (int,),
    "yanked": (bool, str),
    "upload-time": (str,),
    "requires-python": (str, _NULL),
    "core-metadata": (bool, dict, _NULL),
    "dist-info-metadata": (bool, dict, _NULL),
    "gpg-sig": (bool, _NULL),
    "provenance": (str, _NULL),
}
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)", re.ASCII)


def read_json(text: str, url: str, project: str) -> ProjectPage:
    """The files of a page of `project`; raises UnreadablePageError."""
    page = _loaded(text)
    _check(page, "the page", _PAGE, "meta", "name", "files")
    if canonicalize_name(page["name"]) != project:
        raise UnreadablePageError(f"the page is for another project, {page['name']!r}")
    _check(page["meta"], "meta", {"api-version": (str,)}, "api-version")
    check_version(page["meta"]["api-version"])
    status = page.get("project-status", {})
    _check(status, "project-status", {"status": (str,), "reason": (str, _NULL)})
    listing = Listing(url)
    for entry in page["files"]:
        _read_file(entry, listing)
    return listing.page(status.get("status"), status.get("reason"))


def read_version_json(text: str, url: str) -> ProjectPage:
    """The files of PyPI's page of one version; raises UnreadablePageError."""
    page = _loaded(text)
    _check(page, "the page", {"urls": (list,)}, "urls")
    listing = Listing(url)
    for entry in page["urls"]:
        _check(entry, "an entry", {"digests": (dict,)}, "digests")
        file = {key: entry[key] for key in ("filename", "url", "size", "yanked") if key in entry}
        # Without blake2b_256, which is not a name of hashlib's.
        file["hashes"] = {k: v for k, v in entry["digests"].items() if k in {"md5", "sha256"}}
        file["requires-python"] = entry.get("requires_python")
        if file.get("yanked") is True:
            file["yanked"] = entry.get("yanked_reason") or True
        _read_file(file, listing)
    return listing.page()


def _loaded(text: str) -> Any:
    try:
        page = json.loads(text, object_pairs_hook=_object, parse_constant=_refuse)
        if _SURROGATE.search(text):
            json.dumps(page, ensure_ascii=False).encode()
        return page
    except (ValueError, RecursionError) as error:
        raise UnreadablePageError(f"the page is not valid JSON: {error}") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(key for key, count in Counter(k for k, _ in pairs).items() if count > 1)
        raise ValueError(f"the key {twice!r} appears twice in one object")
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not valid JSON")


def _check(found: Any, what: str, types: _Types, *needed: str) -> None:
    if type(found) is not dict:
        raise UnreadablePageError(f"{what} is not a JSON object")
    for key in needed:
        if key not in found:
            raise UnreadablePageError(f"{what} lacks {key!r}")
    for key in types.keys() & found:
        if type(found[key]) not in types[key]:
            raise UnreadablePageError(f"{key!r} of {what} has the wrong type")


def _read_file(entry: Any, listing: Listing) -> None:
    named = entry.get("filename") if type(entry) is dict else None
    what = named if isinstance(named, str) else "an entry"
    _check(entry, what, _FILE, "filename", "url", "hashes")
    if not 0 <= entry.get("size", 0) < 2**63:
        raise UnreadablePageError(f"the size of {what} is out of range")
    uploaded = _time(entry["upload-time"]) if "upload-time" in entry else None
    if "upload-time" in entry and uploaded is None:
        raise UnreadablePageError(f"the upload-time of {what} is not a time")
    place, _, fragment = entry["url"].partition("#")
    hashes = read_hashes(entry["hashes"])
    metadata: Hashes | None = None
    for key in ("dist-info-metadata", "core-metadata"):
        if (value := entry.get(key)) is not None:
            metadata = _read_metadata(value)
    yanked = entry.get("yanked", False)
    # Clients disagree on whether a hash there counts.
    flaw = read_hash(fragment).flaw or "its URL has a fragment" if fragment else ""
    listing.add(
        IndexFile(
            entry["filename"],
            place,
            hashes.sha256,
            entry.get("size"),
            entry.get("requires-python"),
            # An empty string is neither a reason nor false; uv counts the file as yanked.
            None if yanked is False else "" if yanked is True else yanked,
            metadata,
            hashes.others,
            flaw or hashes.flaw,
            provenance=entry.get("provenance"),
            uploaded=uploaded,
        )
    )


def _read_metadata(given: bool | dict[str, Any]) -> Hashes | None:
    if isinstance(given, bool):
        return Hashes() if given else None
    return read_hashes(given) if given else Hashes(flaw="its core-metadata is empty")


def _time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if _TIME.fullmatch(text) else None
    except ValueError:
        return None
