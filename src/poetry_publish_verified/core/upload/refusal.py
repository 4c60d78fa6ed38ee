"""What a refused upload means, and what the user has to do."""

from urllib.parse import urlsplit

from poetry_publish_verified import durations
from poetry_publish_verified.core import caching
from poetry_publish_verified.core.distribution import recognize
from poetry_publish_verified.core.problems.upload import refused
from poetry_publish_verified.core.upload.outcomes import Answered, Refused
from poetry_publish_verified.core.upload.refusals import PARTICULAR
from poetry_publish_verified.core.upload.refusals.general import GENERAL, UNKNOWN
from poetry_publish_verified.core.upload.refusals.row import PAGES, PHRASES, Row
from poetry_publish_verified.core.urls import (
    InvalidUrlError,
    credential_variables,
    split_credentials,
    without_credentials,
)
from poetry_publish_verified.sanitize import harmless

# How much of a server's words is shown.
WORDS_LIMIT = 800


def particular(status: int, words: str) -> Row | None:
    """The row of the catalog whose words the server used; None if there is none."""
    return _first(PARTICULAR, status, words)


def explain(
    answer: Answered, words: str, filename: str, upload_url: str, *, repository: str
) -> Refused:
    """The refusal of `filename`: cause, the server's `words` (one line, clean), and remedy."""
    row = particular(answer.status, words) or _first(GENERAL, answer.status, words) or UNKNOWN
    cause, remedy = in_full(row, filename, upload_url, repository=repository)
    wait = caching.limit_reset(answer.headers) if row.again in {"yes", "after-reset"} else None
    if wait is not None:
        remedy = f"{remedy} The index asks you to wait for {durations.in_words(wait)}."
    if len(words) >= WORDS_LIMIT and words.endswith("…"):
        words += " (cut here)"
    return Refused(refused(row.code, filename, cause, words=words, remedy=remedy), row.again)


def in_full(row: Row, filename: str, upload_url: str, *, repository: str) -> tuple[str, str]:
    """A row's cause and remedy for one file and repository, which is Poetry's name for it.

    Links to pages for people are given where the index is one whose pages are known, and are built
    from the upload URL's own host; elsewhere the pages are only named.
    """
    home = site(upload_url)
    parsed = recognize(filename)
    name = parsed.name if parsed else None
    variables = credential_variables(repository)
    known = {
        "name": name or "this project",
        "url": _slashed(upload_url),
        "repository": harmless(repository),
        "or_variable": f", or {variables[0]}" if variables else "",
        "older": f" Check that {variables[0]} and {variables[-1]} do not hold an older one: they"
        " take precedence."
        if variables
        else "",
    }
    for page, (words, path) in PAGES.items():
        if name is None and "{name}" in path:
            path = "manage/projects/"  # noqa: PLW2901 - the list of all of them
        link = f"{home}{path.format(name=name)}"
        known[page] = words if home is None else f"{words} ({link})"
    for phrase in ("rerun", "set_token", "set_url", *PHRASES):
        known[phrase] = PHRASES[phrase].format(**known)
    return row.cause.format(**known), row.remedy.format(**known)


def _first(rows: tuple[Row, ...], status: int, words: str) -> Row | None:
    return next((row for row in rows if row.said.fits(status, words)), None)


def site(upload_url: str) -> str | None:
    """The root of the pages of an index like PyPI: known by the shape of its upload URL."""
    try:
        parts = urlsplit(split_credentials(upload_url)[0])
    except InvalidUrlError:
        return None
    host = parts.netloc
    if parts.path != "/legacy/" or not host.startswith(("upload.", "test.")):
        return None
    return harmless(f"{parts.scheme}://{host.removeprefix('upload.')}/")


def _slashed(upload_url: str) -> str:
    return harmless(without_credentials(upload_url).rstrip("/")) + "/"
