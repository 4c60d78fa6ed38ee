"""Prints docs/reference/codes.md, made from the code itself."""

from __future__ import annotations

from poetry_publish_verified.cli.explain import explained
from poetry_publish_verified.core.upload.outcomes import Again
from poetry_publish_verified.core.upload.refusal import in_full
from poetry_publish_verified.core.upload.refusals import PARTICULAR
from poetry_publish_verified.core.upload.refusals.exchange import EXCHANGE
from poetry_publish_verified.core.upload.refusals.general import GENERAL, UNKNOWN
from poetry_publish_verified.core.upload.refusals.row import Row
from poetry_publish_verified.errors import Code
from poetry_publish_verified.output.explanations import in_text

HEAD = """# Codes

Every message has a stable code. With it, the output and the receipt say what is true now and what
to do next. `poetry publish-verified explain CODE` prints what is here; it works offline.
(Generated from the code by `docs/make_codes.py`.)

| code | meaning |
| --- | --- |
"""

SAID = """
## What the server says

Refused uploads are recognized by the status and any of these words, wherever the server puts them
(reason phrase, HTML, JSON or plain text). In this table the file is `{filename}` and the upload URL
`{url}`; for an index whose pages are not known, the links are left out.

Some answers are not in the table because they prove nothing: after a 5xx, a lost answer, a 409 or
any "already exists", the file's hash on the index decides.

| the server says | status | code | cause | what to do | retried |
| --- | --- | --- | --- | --- | --- |
"""
EXCHANGE_HEAD = """
## What the token exchange says

With [trusted publishing](../how-to/trusted-publishing.md), refusals to exchange the identity token
of the CI system for an upload token are recognized in the same way, by these words and any status
from 400.

| the server says | code | cause | what to do |
| --- | --- | --- | --- |
"""
URL = "https://upload.example.org/legacy/"
REPOSITORY = "<repository>"
FILENAME = "lantern-1.0.tar.gz"
AGAIN: dict[Again, str] = {
    "no": "no",
    "once": "once",
    "later": "when the index is open again",
    "after-reset": "when the limit is reset",
    "yes": "after a pause",
}


def page() -> str:
    """The page as Markdown."""
    codes = "".join(f"| [{code}](#{code.lower()}) | {code.meaning} |\n" for code in Code)
    sections = "\n".join(map(section, Code))
    said = SAID.format(url=URL, filename=FILENAME)
    refusals = "".join(map(line, (*PARTICULAR, *GENERAL, UNKNOWN)))
    exchange = "".join(map(exchange_line, EXCHANGE))
    return f"{HEAD}{codes}{said}{refusals}{EXCHANGE_HEAD}{exchange}\n## Each code\n\n{sections}"


def section(code: Code) -> str:
    """What `explain` prints."""
    found = "".join(
        f"**{heading}:** {text(words)}\n\n" for heading, words in in_text(explained(code))
    )
    return f"### {code}\n\n{code.meaning}\n\n{found}".removesuffix("\n")


def line(row: Row) -> str:
    """A row of the catalog as one of the table."""
    said = map(text, in_full(row, FILENAME, URL, repository=REPOSITORY))
    cells = (words_of(row), statuses(row), str(row.code), *said)
    return f"| {' | '.join((*cells, AGAIN[row.again]))} |\n"


def exchange_line(row: Row) -> str:
    """A row about the token exchange."""
    known = {"claims": "…", "issuer": "this CI system", "reusable": ""}
    known |= {"publishing": "the page for publishers", "pending": "the page for pending publishers"}
    said = (text(each.format(**known)) for each in (row.cause, row.remedy))
    return f"| {' | '.join((words_of(row), str(row.code), *said))} |\n"


def words_of(row: Row) -> str:
    """What the server must say."""
    words = " or ".join(f"`{word}`" for word in row.said.words) or "anything else"
    return f"`{row.said.beside}` with {words}" if row.said.beside else words


def statuses(row: Row) -> str:
    """The statuses, a whole hundred of them in short."""
    if len(row.said.statuses) == 100:
        return f"{row.said.statuses[0] // 100}xx"
    return ", ".join(map(str, row.said.statuses)) or "any other"


def text(words: str) -> str:
    """Plain text as Markdown: a `<name>` is no HTML and a `__name__` not bold."""
    return words.replace("<", "\\<").replace("__", "\\_\\_").replace("*", "\\*")


if __name__ == "__main__":
    print(page(), end="")
