"""Taking a release back: what may be deleted."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from packaging.utils import NormalizedName
from packaging.version import Version

from poetry_publish_verified.core.awaited import of_receipt
from poetry_publish_verified.core.distribution import belongs_to, recognize
from poetry_publish_verified.values import Value

# What an upload may have left on the index. `unknown`: it was sent, and no answer says more.
_SENT = {"uploaded", "unknown"}


class SentRelease(Value):
    """One release of a receipt: where its run sent it, and the sha256 of each file by name.

    `staged`: that is a stage.
    """

    name: NormalizedName
    version: Version
    repository: str
    url: str
    files: Mapping[str, str]
    indexes: tuple[str, ...] = ()
    staged: bool = False

    @property
    def title(self) -> str:
        return f"{self.name} {self.version}"

    def listed_in(self, filenames: Iterable[str]) -> list[str]:
        """The files of this version among those of the project.

        A server that deletes the version may also count what is neither a wheel nor an sdist.
        """
        return [
            each
            for each in filenames
            if belongs_to(each, self.name, self.version)
            or (recognize(each) is None and any(text in each for text in self._spellings()))
        ]

    def _spellings(self) -> set[str]:
        return {str(self.version), *(spelling(each)[1] for each in self.files)}

    def not_ours(self, held: Mapping[str, str]) -> list[str]:
        """The files that the run did not send, or not with the sha256 that the index holds."""
        return [name for name, sha256 in held.items() if self.files.get(name) != sha256]


def sent_in(receipt: Any) -> list[SentRelease]:
    """What the run of a receipt has sent, release by release; those that may be needed come last.

    `files` is empty for a place that had the release before.

    Raises NotAwaitableError if it is not the receipt of a run that publishes.
    """
    known = {(str(each.name), str(each.version)): each for each in of_receipt(receipt)}
    found = []
    for release in receipt["releases"]:
        each = known[release["name"], release["version"]]
        places = []
        for place in (*release.get("stages", ()), release):
            files = {
                file["filename"]: file["sha256"]
                for file in place["distributions"]
                if file["upload"] in _SENT and file["sha256"]
            }
            repository, url = (str(place["repository"][key] or "") for key in ("name", "url"))
            was_there = any(file["upload"] == "already-there" for file in place["distributions"])
            if (files or was_there) and repository and url:
                indexes = tuple(str(index["url"]) for index in place["indexes"])
                where = (repository, url, files, indexes, place is not release)
                places.append(SentRelease(each.name, each.version, *where))
        # A place that had the release before is looked at only with one that got it from this run,
        # so that a stage is not taken back alone.
        found += places if any(place.files for place in places) else []
    return found[::-1]


def spelling(filename: str) -> tuple[str, str]:
    """Name and version as a wheel or sdist spells them in its own file name."""
    if filename.endswith(".whl"):
        name, version, *_ = filename.split("-")
    else:
        stem = re.sub(r"\.(?:tar\.\w+|zip|tgz)$", "", filename)
        name, _, version = stem.rpartition("-")
    return name, version
