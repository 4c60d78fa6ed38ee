"""What a row of the catalogue is, and the words that many of them share."""

from __future__ import annotations

from dataclasses import dataclass

from poetry_publish_verified.core.upload.outcomes import Again
from poetry_publish_verified.errors import Code


@dataclass(frozen=True, slots=True)
class Row:
    """One cause of refusals, told by the status and any of `words`, or by the status alone.

    `beside`: what must stand there besides.
    """

    code: Code
    statuses: tuple[int, ...]
    words: tuple[str, ...]
    cause: str
    remedy: str
    again: Again = "no"
    beside: str = ""

    def fits(self, status: int, said: str) -> bool:
        """Whether an answer is of this kind; `said` are the server's words."""
        lower = said.lower()
        return (
            status in self.statuses
            and self.beside.lower() in lower
            and (not self.words or any(word.lower() in lower for word in self.words))
        )


# Pages for people: what they are, and their path on an index whose pages are known.
PAGES = {
    "account": ("the index's account settings page", "manage/account/"),
    "tokens": ("the index's page for API tokens", "manage/account/token/"),
    "two_factor": ("the index's page for two-factor login", "manage/account/two-factor/"),
    "pending": ("the index's page of pending publishers", "manage/account/publishing/"),
    "organizations": ("the index's page of organizations", "manage/organizations/"),
    "classifiers": ("the index's list of classifiers", "classifiers/"),
    "releases": ("the index's page of the project's releases", "manage/project/{name}/releases/"),
    "settings": ("the index's settings page of the project", "manage/project/{name}/settings/"),
    "collaboration": (
        "the index's page of the project's collaborators",
        "manage/project/{name}/collaboration/",
    ),
    "publishing": (
        "the index's page of the project's trusted publishers",
        "manage/project/{name}/settings/publishing/",
    ),
}

SET_TOKEN = "poetry config pypi-token.<repository> <token>"  # noqa: S105 - a command, no token
SAME = "run the same command again"
RAISE = "Raise the version (poetry version patch), build again and publish that: --build does both."
BUILD = f"build again and {SAME}. Where files of this version are there already, raise the version"
LATER = f"Change nothing and {SAME} later. The index's status page may say when."
# What PyPI puts before all that it says of an archive, and of attestations.
INVALID = "Invalid distribution file."
ATTESTED = "Invalid attestations supplied during upload:"
