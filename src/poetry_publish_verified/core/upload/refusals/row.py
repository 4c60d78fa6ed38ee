"""A row of the catalog, and the phrases that many rows share."""

from poetry_publish_verified.core.upload.outcomes import Again
from poetry_publish_verified.errors import Code
from poetry_publish_verified.values import Value


class Said:
    """What a server says: one of the statuses, `beside`, and one of the words, if there are any."""

    def __init__(self, *statuses_and_words: int | str, beside: str = "") -> None:
        self.statuses = [each for each in statuses_and_words if isinstance(each, int)]
        self.words = [each for each in statuses_and_words if isinstance(each, str)]
        self.beside = beside

    def fits(self, status: int, words: str) -> bool:
        """Whether an answer says so; `words` are all that the server said."""
        lower = words.lower()
        return (
            status in self.statuses
            and self.beside.lower() in lower
            and (not self.words or any(word.lower() in lower for word in self.words))
        )


class Row(Value):
    """One cause of refusals, recognized by what the server says.

    `cause` and `remedy` are templates: see `PAGES`, `PHRASES`, and `in_full`, which fills them.
    """

    code: Code
    said: Said
    cause: str
    remedy: str
    again: Again = "no"


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
