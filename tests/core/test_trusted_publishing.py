"""Whether to publish as a trusted publisher, for which audience, and what refusals mean."""

from __future__ import annotations

import base64
import json
import math
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poetry_publish_verified.core.trusted_publishing import (
    Minted,
    Provider,
    Refusal,
    claims_of,
    gitlab_variable,
    is_for,
    minted_token,
    provider_in,
    publisher_of,
    read_audience,
    read_minted,
    trusted,
)
from poetry_publish_verified.core.upload.outcomes import Answered, NoAnswer
from poetry_publish_verified.core.upload.refusals.exchange import EXCHANGE
from poetry_publish_verified.core.urls import Access, RepositoryTarget
from poetry_publish_verified.errors import Code, ReleaseError

PYPI_LIKE = "https://upload.example.org/legacy/"
TEST_LIKE = "https://test.example.org/legacy/"
OTHER = "https://index.example/upload/"
CALLED = "octo/lantern/.github/workflows/release.yml@refs/tags/v1"
GITHUB: dict[str, Any] = {
    "iss": "https://token.github.example",
    "repository": "octo/lantern",
    "workflow_ref": CALLED,
    "job_workflow_ref": CALLED,
    "environment": "release",
    "ref": "refs/tags/v1",
}
GITLAB: dict[str, Any] = {
    "iss": "https://gitlab.example",
    "project_path": "group/sub/lantern",
    "ci_config_ref_uri": "gitlab.example/group/sub/lantern//ci/release.yml@refs/heads/main",
}


def target(url: str = OTHER, *, half_login: bool = False, **access: Any) -> RepositoryTarget:
    """A repository with these credentials."""
    return RepositoryTarget("harbour", url, Access(**access), half_login=half_login, source="here")


def jwt(claims: object) -> str:
    """An identity token with these claims, and no good signature."""
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"e30.{payload}.c2ln"


@pytest.mark.parametrize(
    ("environment", "google_machine", "provider"),
    [
        ({}, False, None),
        ({"GITHUB_ACTIONS": "true"}, True, Provider.GITHUB),
        ({"GITHUB_ACTIONS": "false"}, False, None),
        ({"GITHUB_ACTIONS": ""}, False, None),
        ({"GITLAB_CI": "true"}, True, Provider.GITLAB),
        ({"GITLAB_CI": "true", "GOOGLE_SERVICE_ACCOUNT_NAME": "x"}, False, Provider.GITLAB),
        ({}, True, Provider.GOOGLE),
        ({"GOOGLE_SERVICE_ACCOUNT_NAME": "x"}, False, Provider.GOOGLE),
        ({"BUILDKITE": "true"}, False, Provider.BUILDKITE),
        ({"BUILDKITE": "true"}, True, Provider.GOOGLE),
        ({"CIRCLECI": "true"}, False, Provider.CIRCLECI),
    ],
)
def test_provider(
    environment: dict[str, str], provider: Provider | None, *, google_machine: bool
) -> None:
    """The order is that of `id`, but that GitLab comes before the machine that it runs on."""
    assert provider_in(environment, google_machine=google_machine) is provider


@pytest.mark.parametrize(
    ("repository", "provider", "code"),
    [
        (target(username="u", password="p"), Provider.GITHUB, Code.PUBLISHING_NOT_POSSIBLE),
        (target(username="token-in-url"), Provider.GITHUB, Code.PUBLISHING_NOT_POSSIBLE),
        (target("http://index.example/"), Provider.GITHUB, Code.PUBLISHING_NOT_POSSIBLE),
        (target(), None, Code.PUBLISHING_NOT_POSSIBLE),
        (target(), Provider.GITHUB, None),
        (target(username="__token__", half_login=True), Provider.GITHUB, None),
        (target("http://127.0.0.1:8080/"), Provider.GITHUB, None),
    ],
)
def test_other_credentials_come_first(
    repository: RepositoryTarget, provider: Provider | None, code: Code | None
) -> None:
    """`auto` gives way where `always` refuses, and `never` never uses it."""
    assert trusted(repository, "never", provider) == repository
    assert trusted(repository, "auto", provider).trusted == (None if code else "auto")
    if code is None:
        assert trusted(repository, "always", provider).trusted == "always"
        return
    with pytest.raises(ReleaseError) as refused:
        trusted(repository, "always", provider)
    assert refused.value.problems[0].code is code


def test_gitlab_variable() -> None:
    """Its name is formed as by `id`."""
    assert gitlab_variable("testpypi") == "TESTPYPI_ID_TOKEN"
    assert gitlab_variable("https://a.example") == "HTTPS___A_EXAMPLE_ID_TOKEN"
    assert gitlab_variable("1a") == "_A_ID_TOKEN"


def audience(said: object, url: str = OTHER, *, public: bool = False) -> str | Refusal:
    """What comes of an audience that an index says."""
    body = json.dumps({"audience": said}).encode()
    return read_audience(Answered(200, body=body), url, public=public)


def test_own_audiences() -> None:
    """PyPI's and TestPyPI's own are for themselves alone, and others name what they like."""
    assert audience("pypi", PYPI_LIKE, public=True) == "pypi"
    assert audience("testpypi", TEST_LIKE, public=True) == "testpypi"
    assert audience("harbour") == "harbour"


@pytest.mark.parametrize(
    ("said", "url", "public"),
    [
        ("pypi", OTHER, False),
        ("PyPI", OTHER, False),
        ("testpypi", PYPI_LIKE, False),
        ("testpypi", PYPI_LIKE, True),
        ("pypi", TEST_LIKE, True),
        ("harbour", PYPI_LIKE, True),
        ("sigstore", OTHER, False),
        ("npm:registry.example", OTHER, False),
        ("crates.example", OTHER, False),
        ("rubygems.example", OTHER, False),
        ("https://www.nuget.example", OTHER, False),
        ("sts.amazonaws.com", OTHER, False),
        ("sts.amazonaws.com.cn", OTHER, False),
        ("api://AzureADTokenExchange", OTHER, False),
        ("api://AzureADTokenExchangeUSGov", OTHER, False),
        ("https://github.com/octo", OTHER, False),
        ("//iam.googleapis.com/projects/1/locations/global", OTHER, False),
    ],
)
def test_audience_of_another_service(said: str, url: str, *, public: bool) -> None:
    """A server that asks for a token that opens another service gets none."""
    refusal = audience(said, url, public=public)
    assert isinstance(refusal, Refusal)
    assert (refusal.problem.code, refusal.again) == (Code.AUDIENCE_OF_ANOTHER, None)


@pytest.mark.parametrize(
    ("answer", "again"),
    [
        (Answered(404), False),
        (Answered(403, body=b'{"audience": "harbour"}'), False),
        (Answered(302, body=b'{"audience": "harbour"}'), False),
        (Answered(200, body=b"<html>"), False),
        (Answered(200, body=b'"harbour"'), False),
        (Answered(200, body=b'{"audience": 1}'), False),
        (Answered(200, body=b'{"audience": ""}'), False),
        (Answered(200, body=b'{"audience": "a b"}'), False),
        (Answered(200, body=b'{"audience": "a\\n::set-env"}'), False),
        (Answered(200, body=b"[" * 100_000), False),
        (Answered(200, body=json.dumps({"audience": "a" * 201}).encode()), False),
        (Answered(503), True),
        (NoAnswer("timed out", sent=True), True),
    ],
)
def test_not_offered(answer: Answered | NoAnswer, *, again: bool) -> None:
    """Any answer but a valid audience means that there is no trusted publishing."""
    refusal = read_audience(answer, OTHER, public=False)
    assert isinstance(refusal, Refusal)
    assert refusal.problem.code is Code.PUBLISHING_NOT_OFFERED
    assert (refusal.again is not None) is again
    assert "it answered 200" not in refusal.problem.message


def minted(
    body: object, status: int = 200, claims: dict[str, Any] = GITHUB, url: str = PYPI_LIKE
) -> Minted | Refusal:
    """What comes of an answer to the exchange, at the Unix time 1000, for lantern."""
    date = {"date": "Thu, 01 Jan 1970 00:16:40 GMT"}
    answer = Answered(status, body=json.dumps(body).encode(), headers=date)
    return read_minted(answer, publisher_of(claims), url, "lantern")


@pytest.mark.parametrize(
    ("expires", "lifetime"),
    [
        (1900, 900),
        (1060.5, 60.5),
        (None, 900),
        (10, 900),
        (99_999, 900),
        pytest.param(10**400, 900, id="huge"),
        pytest.param(-(10**400), 900, id="negative"),
        (math.nan, 900),
        ("soon", 900),
        (True, 900),
    ],
)
def test_lifetime(expires: object, lifetime: float) -> None:
    """The token lasts as long as the index says, by its own clock, if that makes sense."""
    got = minted({"success": True, "token": "pypi-abc", "expires": expires})
    assert got == Minted("pypi-abc", lifetime)
    assert "pypi-abc" not in repr(got)


def test_renewal() -> None:
    """A new token is taken in time; the only one of a job is used to its end."""
    token = Minted("pypi-abc", 900.0)
    assert token.is_fresh(599.0, fixed=False)
    assert not token.is_fresh(601.0, fixed=False)
    assert token.is_fresh(899.0, fixed=True)
    assert not token.is_fresh(901.0, fixed=True)


@pytest.mark.parametrize(
    "body",
    [{}, {"token": 1}, {"token": ""}, {"token": "a\n::set-env name=A::b"}, {"token": "a b"}, []],
)
def test_unusable_token(body: object) -> None:
    """What could break out of a line of a CI log is no token."""
    got = minted(body)
    assert isinstance(got, Refusal)
    assert (got.problem.code, got.again) == (Code.EXCHANGE_FAILED, None)
    assert minted_token(Answered(200, body=json.dumps(body).encode())) is None


@pytest.mark.parametrize(
    ("answer", "again"),
    [
        (NoAnswer("reset", sent=True), 1.0),
        (Answered(503), 1.0),
        (Answered(429, headers={"retry-after": "7"}), 7.0),
        (Answered(429, headers={"retry-after": "7000"}), 60.0),
        (Answered(302), None),
        (Answered(404, body=b"<h1>Not found</h1>"), None),
    ],
)
def test_exchange_without_an_answer(answer: Answered | NoAnswer, again: float | None) -> None:
    """What may pass is worth asking again; the rest is not."""
    got = read_minted(answer, publisher_of(GITHUB), OTHER, "lantern")
    assert isinstance(got, Refusal)
    assert (got.problem.code, got.again) == (Code.EXCHANGE_FAILED, again)


NO_PUBLISHER = "valid token, but no corresponding publisher"
# The code of an error, what PyPI's server says with it, and the code of the problem.
REFUSALS = [
    ("invalid-payload", "unknown trusted publishing issuer", Code.ISSUER_UNKNOWN),
    ("invalid-payload", "malformed JWT", Code.IDENTITY_REFUSED),
    ("not-enabled", "GitHub trusted publishing functionality not enabled", Code.NOT_ENABLED),
    ("invalid-token", "malformed or invalid token", Code.IDENTITY_REFUSED),
    ("invalid-pending-publisher", "valid token, but project already exists",
     Code.PENDING_PUBLISHER_USELESS),
    ("invalid-payload", "The name 'lantern' isn't allowed.", Code.NAME_REFUSED),
    ("invalid-payload", "The name 'lantern' is too similar to an existing project.",
     Code.NAME_REFUSED),
    ("invalid-publisher", f"{NO_PUBLISHER} (Publisher with matching claims was not found)",
     Code.PUBLISHER_UNKNOWN),
    ("invalid-publisher", f"{NO_PUBLISHER} (Missing claim 'environment')", Code.PUBLISHER_UNKNOWN),
    ("invalid-publisher", f"{NO_PUBLISHER} (Check failed for required claim 'repository')",
     Code.PUBLISHER_UNKNOWN),
    ("invalid-publisher", (f"{NO_PUBLISHER} (The job_workflow_ref claim does not match, expecting"
     " one of ['octo/lantern/.github/workflows/a.yml@x'], got 'octo/lantern/b.yml@x')"),
     Code.PUBLISHER_UNKNOWN),
    ("invalid-publisher", (f"{NO_PUBLISHER} (Publishing from a workflow invoked via"
     " 'pull_request_target' is not supported.)"), Code.PUBLISHER_UNKNOWN),
    ("invalid-reuse-token", "invalid token: already used", Code.IDENTITY_USED),
    ("teapot", "short and stout {claims} {0.real}", Code.EXCHANGE_FAILED),
]  # fmt: skip


def refused(code: str, description: str, **how: Any) -> Refusal:
    """What comes of a refusal as PyPI words it."""
    errors = [{"code": code, "description": description}]
    got = minted({"message": "Token request failed", "errors": errors}, 422, **how)
    assert isinstance(got, Refusal)
    return got


@pytest.mark.parametrize(("code", "description", "expected"), REFUSALS)
def test_refusals(code: str, description: str, expected: Code) -> None:
    """Each has its code, the server's words, a remedy, and no gap left in either."""
    got = refused(code, description)
    assert (got.problem.code, got.again) == (expected, None)
    assert f"{code}: {description}" in got.problem.message
    assert got.problem.remedy
    own = got.problem.message.replace(description, "") + got.problem.remedy
    assert "{" not in own


def test_every_row_is_reached() -> None:
    """No row is dead, and none hides another."""
    said = [f"{code}: {description}" for code, description, _ in REFUSALS]
    firsts = [next((row for row in EXCHANGE if row.said.fits(422, words)), None) for words in said]
    assert {id(row) for row in EXCHANGE} == {id(row) for row in firsts if row}


def test_unknown_publisher_shows_what_was_compared() -> None:
    """The claims are shown, and links lead to the forms, filled in."""
    problem = refused("invalid-publisher", NO_PUBLISHER).problem
    assert "workflow release.yml, environment release, ref refs/tags/v1" in problem.message
    query = "?provider=github&owner=octo&repository=lantern&workflow_filename=release.yml"
    root = "(https://example.org/manage"
    assert f"{root}/project/lantern/settings/publishing/{query}" in problem.remedy
    assert (
        f"{root}/account/publishing/{query}&environment=release&project_name=lantern)"
        in problem.remedy
    )


def test_other_indexes_get_no_links() -> None:
    """The pages of an index that is not like PyPI are only named."""
    problem = refused("invalid-publisher", NO_PUBLISHER, url=OTHER).problem
    assert "://" not in problem.remedy


def test_reusable_workflow() -> None:
    """The index compares the called workflow, which is seldom what people register."""
    caller = "octo/lantern/.github/workflows/on-tag.yml@refs/tags/v1"
    got = refused("invalid-publisher", NO_PUBLISHER, claims={**GITHUB, "workflow_ref": caller})
    assert "octo/lantern/.github/workflows/on-tag.yml calls" in got.problem.remedy
    assert "reusable" not in refused("invalid-publisher", NO_PUBLISHER).problem.remedy


@pytest.mark.parametrize(
    ("claims", "provider", "words"),
    [
        (GITHUB, "github", "owner octo, repository lantern, workflow release.yml"),
        ({**GITHUB, "environment": None}, "github", "environment (none)"),
        (GITLAB, "gitlab", "namespace group/sub, project lantern, workflow ci/release.yml"),
        (
            {**GITLAB, "ci_config_ref_uri": "gitlab.example/group/lantern//.ci.yml@refs/tags/1"},
            "gitlab",
            "namespace group/sub, project lantern, workflow .ci.yml",
        ),
        ({"email": "robot@example.org", "sub": "1"}, "google", "email robot@example.org, sub 1"),
        ({"iss": "https://ci.example", "sub": "a"}, "", "issuer https://ci.example, subject a"),
        ({"job_workflow_ref": 1, "repository": ["x"], "sub": "\x1b[2J"}, "github", "owner"),
    ],
)
def test_publishers(
    claims: dict[str, Any], provider: Literal["github", "gitlab", "google", ""], words: str
) -> None:
    """What each provider's token says, in the words of PyPI's forms."""
    publisher = publisher_of(claims)
    assert publisher.provider == provider
    assert words in str(publisher)
    assert "\x1b" not in str(publisher)


@given(st.text() | st.text(alphabet="aeiou.=_-"))
def test_any_text_may_be_taken_for_a_token(text: str) -> None:
    """Whatever a CI system gives, reading it is safe."""
    publisher_of(claims_of(text))
    assert not is_for(text, "harbour")


def test_identity_must_be_for_the_audience_alone() -> None:
    """A token for several services, or with a line end, is not sent anywhere."""
    assert is_for(jwt({"aud": "harbour"}), "harbour")
    assert not is_for(jwt({"aud": "harbour"}) + "\n", "harbour")
    assert not is_for(jwt({"aud": ["harbour", "pypi"]}), "harbour")
    assert not is_for(jwt({"aud": "pypi"}), "harbour")
    assert not is_for(jwt(["aud"]), "harbour")
