"""A row of the catalog, and the phrases that many rows share."""

from __future__ import annotations

from dataclasses import dataclass

from poetry_publish_verified.core.upload.outcomes import Again
from poetry_publish_verified.errors import Code


@dataclass(frozen=True, slots=True)
class Row:
    """One cause of refusals, recognized by the status and any of `words`, or by the status alone.

    `beside`: what must be there too. `cause` and `remedy` are templates: see `PAGES`, `PHRASES`,
    and `in_full`, which fills them.
    """

    code: Code
    statuses: tuple[int, ...]
    words: tuple[str, ...]
    cause: str
    remedy: str
    again: Again = "no"
    beside: str = ""

    def fits(self, status: int, said: str) -> bool:
        """Whether an answer matches this row; `said` is what the server said."""
        lower = said.lower()
        return (
            status in self.statuses
            and self.beside.lower() in lower
            and (not self.words or any(word.lower() in lower for word in self.words))
        )


# Web pages: a description, and the path on an index whose pages are known.
PAGES = {
    "account": ("the index's account settings page", "manage/account/"),
    "tokens": ("the index's API token page", "manage/account/token/"),
    "two_factor": ("the index's two-factor page", "manage/account/two-factor/"),
    "pending": ("the index's pending publishers page", "manage/account/publishing/"),
    "organizations": ("the index's organizations page", "manage/organizations/"),
    "classifiers": ("the index's list of classifiers", "classifiers/"),
    "releases": ("the index's releases page of the project", "manage/project/{name}/releases/"),
    "settings": ("the index's settings page of the project", "manage/project/{name}/settings/"),
    "collaboration": (
        "the index's collaborators page of the project",
        "manage/project/{name}/collaboration/",
    ),
    "publishing": (
        "the index's trusted publishers page of the project",
        "manage/project/{name}/settings/publishing/",
    ),
}

PHRASES = {
    "rerun": "run the same command again",
    "new_token": "Create a new token on {tokens}, store it with {set_token}, then {rerun}.",
    "set_token": "poetry config pypi-token.{repository} <token>",
    "set_url": "poetry config repositories.{repository} <upload URL>",
    "raise": "Bump the version (poetry version patch), build again and publish that.",
    "build": "build again and {rerun}. If files of this version are already on the index, bump the"
    " version",
    "later": "Change nothing and {rerun} later. The index's status page may say when.",
}
# PyPI begins its messages about archives and attestations with these.
INVALID = "Invalid distribution file."
# What `server_words` calls the target of a redirect that looks like one.
SIGN_IN_PAGE = "the sign-in page"
ATTESTED = "Invalid attestations supplied during upload:"
