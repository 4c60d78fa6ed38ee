"""How servers' refusals are understood."""

from __future__ import annotations

import itertools
import json
import unicodedata
from collections.abc import Callable
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poetry_publish_verified.core.upload.form import judge
from poetry_publish_verified.core.upload.outcomes import (
    Answered,
    Doubtful,
    NoAnswer,
    Refused,
    Stored,
)
from poetry_publish_verified.core.upload.refusal import explain
from poetry_publish_verified.core.upload.refusals import PARTICULAR
from poetry_publish_verified.core.upload.refusals.general import GENERAL
from poetry_publish_verified.core.upload.refusals.row import Row
from poetry_publish_verified.core.upload.server_words import server_words
from poetry_publish_verified.errors import Code
from tests.core.distributions import SDIST, WHEEL
from tests.core.rows import each
from tests.core.server_messages import CASES, PYPI_LIKE, USER, Case

NAME = "harbour"
OTHER = "https://nexus.example.org/repository/local/"


def html(message: str) -> bytes:
    """A page as web frameworks make it from a message."""
    escaped = message.replace("&", "&amp;").replace("<", "&lt;").replace("'", "&#x27;")
    return (
        f"<html>\n <head>\n  <title>Error</title>\n </head>\n <body>\n  <h1>Error</h1>\n  The"
        f" server could not comply with the request.<br/><br/>\n{escaped}\n </body>\n</html>"
    ).encode()


# Where servers put a message: reason phrase and body for each.
PLACES: dict[str, Callable[[str], tuple[bytes, bytes]]] = {
    "reason": lambda said: (said.encode(), b"<h1>Error</h1> Access was denied to this resource."),
    "html": lambda said: (b"Error", html(said)),
    "text": lambda said: (b"", said.encode()),
    "message": lambda said: (b"Error", json.dumps({"message": said}).encode()),
    "errors": lambda said: (
        b"",
        json.dumps({"errors": [{"status": 400, "message": said}]}, indent=2).encode(),
    ),
    "loud": lambda said: (said.upper().encode(), b""),
}


def refusal(answer: Answered, filename: str = SDIST, url: str = PYPI_LIKE) -> Refused:
    """The refusal for an answer, which must be one."""
    judged = judge(answer, filename, url, repository=NAME)
    assert isinstance(judged, Refused), judged
    return judged


@each(itertools.product(CASES, PLACES))
def test_server_messages_are_understood(case: Case, place: str) -> None:
    """Wherever a server puts its message, it is recognized, repeated, and has its remedy."""
    refused = refusal(Answered(case.status, *PLACES[place](case.message)))
    problem = refused.problem
    assert problem.code is case.code
    assert refused.again == case.again
    assert case.does in problem.remedy
    assert case.message.lower() in problem.message.lower()
    assert problem.message.startswith(f"{SDIST} was refused: ")
    assert problem.filename == SDIST


def hit(rows: tuple[Row, ...], case: Case) -> list[Row]:
    """The rows that match a case."""
    words = server_words(Answered(case.status, *PLACES["html"](case.message)))
    return [row for row in rows if row.said.fits(case.status, words)]


@each(zip(CASES))
def test_rows_do_not_overlap(case: Case) -> None:
    """At most one particular row matches a message, so their order does not matter."""
    assert len(hit(PARTICULAR, case)) <= 1


def test_every_row_has_a_message() -> None:
    """Every row and every phrase of the table is used by a case."""
    words = [server_words(Answered(case.status, case.message.encode())) for case in CASES]
    first = [
        (hit(PARTICULAR, case) or hit(GENERAL, case) or [None])[0]  # type: ignore[list-item]
        for case in CASES
    ]
    for row in (*PARTICULAR, *GENERAL):
        mine = [said.lower() for said, found in zip(words, first, strict=True) if found is row]
        assert mine, row
        for word in row.said.words:
            assert any(word.lower() in said for said in mine), word


def test_retry_depends_only_on_the_code() -> None:
    """All rows of one code retry in the same way."""
    again: dict[Code, set[str]] = {}
    for row in (*PARTICULAR, *GENERAL):
        again.setdefault(row.code, set()).add(row.again)
    assert all(len(found) == 1 for found in again.values())


def test_publishers_token_of_another_project() -> None:
    """PyPI answers it with the words for both kinds of token, and the publisher counts."""
    said = (
        b"Invalid API Token: project-scoped token is not valid for project: 'lantern', OIDC scoped"
        b" token is not valid for project 'lantern'"
    )
    assert refusal(Answered(403, said)).problem.code is Code.PUBLISHER_OF_ANOTHER_PROJECT


@pytest.mark.parametrize("status", [400, 403])
def test_unverified_email_address(status: int) -> None:
    """The message gives the cause, the page, and the next step."""
    said = f"{USER}a verified primary email address."
    problem = refusal(Answered(status, said.encode()), WHEEL).problem
    assert "primary e-mail address" in problem.message
    assert "is not verified" in problem.message
    assert "https://example.org/manage/account/" in problem.remedy
    assert "run the same command again" in problem.remedy
    assert "there is nothing to change or rebuild" in problem.remedy


HOMES = [
    ("https://upload.example.org/legacy/", "https://example.org/"),
    ("https://test.example.org/legacy/", "https://test.example.org/"),
    ("https://upload.example.org:8443/legacy/", "https://example.org:8443/"),
    ("https://me:secret@upload.example.org/legacy/", "https://example.org/"),
    ("https://upload.example.org/", None),
    ("https://upload.example.org/legacy", None),
    ("https://index.example.org/legacy/", None),
    ("https://index.example.org/upload./legacy/", None),
    (OTHER, None),
    ("", None),
    ("https://[upload./legacy/", None),
    ("upload.example.org/legacy/", None),
]


@each((case, url, home) for case in CASES for url, home in HOMES)
def test_links_point_to_the_same_index(case: Case, url: str, home: str | None) -> None:
    """Pages of a PyPI-like index are linked on its own host; elsewhere they are only named."""
    answer = Answered(case.status, case.message.encode())
    remedy = refusal(answer, url=url).problem.remedy.replace(f"harbour {url}", "")
    assert "secret" not in remedy
    links = [piece for piece in remedy.split("(") if piece.startswith("https://")]
    linked = "https://" in refusal(answer).problem.remedy.replace(PYPI_LIKE, "")
    assert bool(links) is (linked and home is not None)
    assert all(link.startswith(home or "nowhere") for link in links)
    if linked and home is None:
        assert "the index's" in remedy


def test_project_links_use_the_normalized_name() -> None:
    """A project's pages are found under its normalized name."""
    answer = Answered(403, b"The user 'a' isn't allowed to upload to project 'Lan.Tern'.")
    problem = refusal(answer, "lan_tern-1.0-py3-none-any.whl").problem
    assert "https://example.org/manage/project/lan-tern/collaboration/" in problem.remedy
    problem = refusal(answer, "lantern").problem
    assert "(https://example.org/manage/projects/)" in problem.remedy
    assert "{" not in problem.message + problem.remedy


@pytest.mark.parametrize(
    ("status", "reason"), [(401, b"Unauthorized"), (403, b"Invalid or non-existent authentication")]
)
def test_refusal_without_credentials(status: int, reason: bytes) -> None:
    """If none were sent, no password is called wrong: it says where none were found."""
    judged = judge(Answered(status, reason), WHEEL, OTHER, repository="my-index", sent="none")
    assert isinstance(judged, Refused)
    assert judged.problem.code is Code.CREDENTIALS_MISSING
    said = judged.problem.message
    assert "POETRY_HTTP_BASIC_MY_INDEX_USERNAME, POETRY_HTTP_BASIC_MY_INDEX_PASSWORD" in said
    for place in ("http-basic.my-index", "pypi-token.my-index", "keyring", "netrc"):
        assert place in said
    assert "wrong" not in said
    assert "http-basic.my-index <user> <password>" in judged.problem.remedy


def test_other_refusal_without_credentials() -> None:
    """A refusal that names another cause keeps it."""
    answer = Answered(403, b"New uploads are temporarily disabled.")
    judged = judge(answer, WHEEL, OTHER, repository=NAME, sent="none")
    assert isinstance(judged, Refused)
    assert judged.problem.code is Code.CLOSED


@pytest.mark.parametrize(
    "reason",
    [
        b"Invalid or non-existent authentication",
        b"Invalid API Token: signatures do not match",
        b"Forbidden",
    ],
)
def test_refusal_of_a_minted_token(reason: bytes) -> None:
    """A trusted publisher has no token of its own to replace."""
    judged = judge(Answered(403, reason), WHEEL, OTHER, repository=NAME, sent="minted")
    assert isinstance(judged, Refused)
    assert judged.problem.code is Code.CREDENTIALS_REFUSED
    assert "trusted publisher" in judged.problem.message
    assert "poetry config" not in judged.problem.remedy


@pytest.mark.parametrize("sent", ["none", "own"])
def test_name_with_dots(sent: Literal["none", "own"]) -> None:
    """Poetry reads no variable for such a name, so none is suggested."""
    answer = Answered(403, b"Invalid or non-existent authentication")
    judged = judge(answer, WHEEL, OTHER, repository="my.index", sent=sent)
    assert isinstance(judged, Refused)
    assert "POETRY_" not in judged.problem.message + judged.problem.remedy
    assert ".my.index <" in judged.problem.remedy
    assert sent == "own" or "Poetry reads no variable" in judged.problem.message


def test_missing_slash_has_a_command() -> None:
    """The remedy for a missing slash is a command with the corrected URL."""
    answer = Answered(308, b"the expected upload URL is /legacy/ (with a trailing slash)")
    problem = refusal(answer, url="https://upload.example.org/legacy").problem
    assert f"poetry config repositories.harbour {PYPI_LIKE} " in problem.remedy


@pytest.mark.parametrize(
    ("status", "reason", "body"),
    [
        (400, b"File already exists ('lantern-1.0.tar.gz', with blake2_256 hash 'ab').", b""),
        (403, b"", b'{"errors": [{"status": 403, "message": "cannot overwrite artifact"}]}'),
        (400, b"Repository does not allow updating assets: local", b""),
        (400, b"Bad Request", b"<p>lantern-1.0.tar.gz cannot be updated</p>"),
        (400, b"Bad Request", b'{"message": {"file_name": ["has already been taken"]}}'),
        (400, b"", b'{"error": {"code": 400, "message": "lantern already exists"}}'),
        (409, b"Conflict", b"<h1>Package already exists!</h1>"),
        (409, b"lantern-1.0.tar.gz already exists in non-volatile index", b""),
        (
            403,
            b"",
            (
                b'{"errors": [{"message": "Not enough permissions to delete/overwrite all artifacts'
                b' under local/lantern/1.0 (user me needs DELETE permission)."}]}'
            ),
        ),
        (409, b"Conflict", b'{"message": "The feed already contains file lantern-1.0.tar.gz."}'),
        (409, b"", b"lantern-1.0 already exists, and the policy does not permit another"),
    ],
    ids=[
        *("PyPI", "Artifactory", "Nexus", "Nexus-page", "GitLab", "Google", "pypiserver", "devpi"),
        *("newer-Artifactory", "Azure", "policy"),
    ],
)
def test_already_exists_is_not_a_refusal(status: int, reason: bytes, body: bytes) -> None:
    """Each index's "already exists" only leads to a look."""
    judged = judge(Answered(status, reason, body), SDIST, OTHER, repository=NAME)
    assert isinstance(judged, Doubtful)
    assert judged.says_exists


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (401, '{"errors": [{"status": 401, "message": "Bad credentials"}]}', 401),
        (403, '{"errors": [{"status": 403, "message": "Not enough permissions"}]}', 401),
        (401, '{"message": "401 Unauthorized"}', 401),
        (403, '{"error": "insufficient_scope", "error_description": "api is needed"}', 401),
        (404, '{"message": "404 Project Not Found"}', 405),
        (400, '{"message": "Validation failed: File name is invalid"}', 407),
        (403, '{"error": {"code": 403, "message": "Permission denied on resource"}}', 401),
        (400, "<html><body>Invalid package: no metadata</body></html>", 407),
    ],
)
def test_unknown_servers_are_quoted(status: int, body: str, code: int) -> None:
    """Servers with other words are understood by status and quoted."""
    problem = refusal(Answered(status, b"", body.encode()), url=OTHER).problem
    assert problem.code == f"PV{code}"
    said = server_words(Answered(status, b"", body.encode()))
    assert problem.message.endswith(f"The server said: {said}")


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({}, None),
        ({"retry-after": "90"}, "1 min 30 s"),
        ({"ratelimit": '"user";r=0;t=3600, "ip";r=7;t=9000'}, "1 h"),
        ({"ratelimit": '"user-0";r=0;t=60, "user-1";r=0;t=120'}, "2 min"),
        ({"ratelimit": "soon"}, None),
        ({"ratelimit-reset": "30"}, "30 s"),
        (
            {"x-ratelimit-reset": "1767229200", "date": "Thu, 01 Jan 2026 00:00:00 GMT"},
            "1 h",
        ),
        ({"x-ratelimit-reset": "1767229200"}, None),
    ],
)
@pytest.mark.parametrize("said", ["Too many new projects created", "Too Many Requests"])
def test_remedy_says_how_long_to_wait(said: str, headers: dict[str, str], wait: str | None) -> None:
    """If the index says when its limit resets, so does the remedy."""
    remedy = refusal(Answered(429, said.encode(), headers=headers)).problem.remedy
    assert ("asks you to wait for" in remedy) is (wait is not None)
    assert wait is None or remedy.endswith(f"for {wait}.")


def test_permanent_refusal_mentions_no_wait() -> None:
    """A permanent refusal does not mention waiting, whatever its headers."""
    answer = Answered(403, b"Forbidden", headers={"retry-after": "90"})
    assert "wait" not in refusal(answer).problem.remedy


def test_unknown_messages_are_shown_completely() -> None:
    """Unknown messages are repeated in full, and truncation is marked."""
    long = " ".join(f"word{number}" for number in range(90))
    answer = Answered(400, b"Bad Request", long.encode())
    problem = refusal(answer).problem
    assert problem.code is Code.UPLOAD_REFUSED
    assert problem.message.endswith(f"The server said: 400 Bad Request: {long}")
    longer = refusal(Answered(400, (long * 9).encode())).problem.message
    assert longer.endswith("… (cut here)")
    assert 780 < len(longer.partition("The server said: ")[2]) < 830


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"\x1b[31mNo\x1b[0m\t::set-output name=x::y", "[31mNo [0m ::set-output name=x::y"),
        (b"No\n##[command]rm", "No ## [command]rm"),
        ("Größe \u202eung".encode(), "Größe ung"),
        ("Größe".encode("latin-1"), "Größe"),
        (b"\x00\x07No\x85", "No"),
    ],
)
@pytest.mark.parametrize("part", ["reason", "body"])
def test_server_words_are_sanitized(raw: bytes, shown: str, part: str) -> None:
    """Escape sequences, CI commands, bidi controls and odd bytes never reach a terminal."""
    answer = Answered(400, raw) if part == "reason" else Answered(400, b"", raw)
    message = refusal(answer).problem.message
    assert message.endswith(f"The server said: 400 {shown}")
    assert "\n" not in message


def odd(told: str) -> list[str]:
    """The characters that must not reach a terminal."""
    return [char for char in told if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"}]


PHRASES = st.sampled_from([case.message for case in CASES])
BYTES = st.one_of(
    st.binary(),
    PHRASES.map(str.encode),
    st.tuples(PHRASES, st.text()).map(lambda two: "".join(two).encode("utf-8", "replace")),
    st.recursive(
        st.none() | st.text() | st.integers() | PHRASES,
        lambda inner: (
            st.dictionaries(
                st.sampled_from(["message", "detail", "error", "errors", "code"]), inner
            )
            | st.lists(inner, max_size=3)
        ),
    ).map(lambda value: json.dumps(value).encode()),
)
HEADERS = st.dictionaries(
    st.sampled_from(["retry-after", "date", "ratelimit", "ratelimit-reset", "x-ratelimit-reset"]),
    st.text() | st.integers(0, 10**13).map(str) | st.just('"a";r=0;t=99999999999'),
)
URLS = st.text() | st.sampled_from(
    [PYPI_LIKE, OTHER, "https://upload.\x1b]0;x/legacy/", "http://["]
)


@given(
    st.integers(100, 599), BYTES, BYTES, HEADERS, URLS, st.sampled_from([WHEEL, SDIST, "a", "{x}"])
)
def test_any_answer_is_judged(
    status: int, reason: bytes, body: bytes, headers: dict[str, str], url: str, filename: str
) -> None:
    """Any answer is judged, and nothing reported about it has control characters."""
    judged = judge(Answered(status, reason, body, headers), filename, url, repository=NAME)
    if isinstance(judged, Refused):
        told = judged.problem.message + judged.problem.remedy
    elif isinstance(judged, Doubtful):
        told = judged.words
    else:
        assert judged == Stored()
        told = ""
    assert not odd(told)


@given(st.text(), URLS)
def test_any_connection_error_is_judged(detail: str, url: str) -> None:
    """Any connection error is judged and shown just as safely."""
    judged = judge(NoAnswer(detail, sent=False), WHEEL, url, repository=NAME)
    assert isinstance(judged, Refused)
    assert not odd(judged.problem.message + judged.problem.remedy)


def test_explain_matches_judge() -> None:
    """`explain` gives the same refusal as `judge`."""
    answer = Answered(403, b"Invalid API Token: token is expired")
    explained = explain(answer, server_words(answer), SDIST, OTHER, repository=NAME)
    assert explained == refusal(answer, url=OTHER)
