"""What is where after a release that failed, and how to go on."""

import re
from collections.abc import Collection

from packaging.version import Version

from poetry_publish_verified.core.receipt_document import (
    HeldEntry,
    HoldingEntry,
    PlaceEntry,
    ReleaseEntry,
    RollbackEntry,
)
from poetry_publish_verified.core.upload.refusal import site
from poetry_publish_verified.core.upload.refusals.row import PAGES
from poetry_publish_verified.errors import Code, Verdict

ENDS = (Verdict.UPLOAD_FAILED, Verdict.CONFLICT, Verdict.VERIFICATION_FAILED)
"""After these, a receipt says how to take the release back."""
_NAME_IS_USED = {Code.FILENAME_BURNT, Code.CONFLICT}
_THERE = {"uploaded", "already-there", "kept-remote"}
_NUMBERED = re.compile(r"(.*?(?:\.dev|\.post|a|b|rc))(\d+)")


def plan_of(release: ReleaseEntry, later: Collection[str]) -> RollbackEntry | None:
    """What is where, the pages that yank, and the next free version; None if nothing is sent.

    `later` has the versions of the project on the index that are later.
    """
    places = [
        _holding(place, release["name"])
        for place in (release, *release["stages"])
        if place["repository"]["url"]
    ]
    if not places:
        return None
    is_used = any(each["code"] in _NAME_IS_USED for each in release["problems"])
    is_free = not is_used and not any(place["there"] or place["unknown"] for place in places)
    version = release["version"]
    return {
        "places": places,
        "next_version": version if is_free else next_version(version, later),
    }


def _holding(place: PlaceEntry, name: str) -> HoldingEntry:
    there: list[HeldEntry] = []
    unknown: list[str] = []
    absent: list[str] = []
    for each in place["distributions"]:
        if each["upload"] in _THERE or (each["upload"] != "unknown" and each["remote_sha256"]):
            ours = each["upload"] == "uploaded"
            sha256 = each["remote_sha256"] or each["sha256"]
            there.append({"filename": each["filename"], "sha256": sha256, "ours": ours})
        else:
            (unknown if each["upload"] == "unknown" else absent).append(each["filename"])
    return {
        "repository": place["repository"]["name"],
        "there": there,
        "unknown": unknown,
        "absent": absent,
        "page": releases_page(str(place["repository"]["url"]), name),
    }


def releases_page(upload_url: str, name: str) -> str | None:
    """The page where people yank or delete a project's releases; None if it is not known."""
    home = site(upload_url)
    return home and home + PAGES["releases"][1].format(name=name)


def next_version(version: str, later: Collection[str]) -> str:
    """The version after this one that is not among `later`: of the same kind, the smallest step."""
    taken = {Version(each) for each in later}
    found = Version(version)
    while True:
        public = found.public
        if match := _NUMBERED.fullmatch(public):
            text = f"{match[1]}{int(match[2]) + 1}"
        elif found.release[2:]:
            text = re.sub(r"\d+$", lambda last: str(int(last[0]) + 1), public)
        else:
            text = public + ".0" * (2 - len(found.release)) + ".1"
        found = Version(text)
        if found not in taken:
            return str(found)
