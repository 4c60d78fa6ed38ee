"""Identity tokens as each CI system gives them, and their exchange, over real HTTP."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import pytest
import urllib3.util.connection
from id._internal.oidc import ambient

from poetry_publish_verified.adapters.http import Http
from poetry_publish_verified.adapters.pace import Pace, SystemClock
from poetry_publish_verified.adapters.trusted_publishing import IndexTokenExchange, ambient_provider
from poetry_publish_verified.core.trusted_publishing import Provider, claims_of
from poetry_publish_verified.core.upload.outcomes import Answered, NoAnswer
from poetry_publish_verified.core.urls import Access, RepositoryTarget
from poetry_publish_verified.errors import Code, Problem
from tests.beds.processes import HANG
from tests.beds.proxy import Answer, FaultProxy, Raw, endless
from tests.beds.publishing import AUDIENCE, CLAIMS, TrustedIndex

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from pathlib import Path

T = TypeVar("T")
Answers = dict[str, Answer | Raw]
# Everything that a CI system, this one's included, tells its jobs.
MARKERS = ("GITHUB_", "ACTIONS_", "GITLAB_", "GOOGLE_", "BUILDKITE", "CIRCLECI", "TF_BUILD")


@pytest.fixture(autouse=True)
def _no_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the CI system that runs the tests."""
    for name in list(os.environ):
        if name.startswith(MARKERS):
            monkeypatch.delenv(name)


@pytest.fixture
def index() -> Iterator[TrustedIndex]:
    """An index with trusted publishing; nothing is behind it."""
    with FaultProxy("http://127.0.0.1:1") as proxy:
        yield TrustedIndex(proxy)


@pytest.fixture
def enter(
    index: TrustedIndex, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[[str], Provider]:
    """Enter a job of a CI system."""

    def enter(name: str) -> Provider:
        for variable, value in index.variables(name, tmp_path / "bin").items():
            monkeypatch.setenv(variable, value)
        provider = ambient_provider()
        assert provider is not None
        return provider

    return enter


def ask(
    index: TrustedIndex,
    provider: Provider,
    question: Callable[[IndexTokenExchange], Awaitable[T]],
    *,
    patience: float = HANG,
) -> T:
    """One question to the exchange; at most `patience` seconds for an identity token."""

    async def live() -> T:
        target = RepositoryTarget("harbour", f"{index.proxy.origin}/upload/", Access("u", "p"))
        async with Http("tester/1", HANG, lambda _: None, Pace(SystemClock())) as http:
            return await question(IndexTokenExchange(http, target, provider, patience))

    return anyio.run(live)


def identity(index: TrustedIndex, provider: Provider, *, patience: float = HANG) -> str | Problem:
    """The identity token for the index's audience."""
    return ask(index, provider, lambda each: each.identity(AUDIENCE), patience=patience)


@pytest.mark.parametrize("name", ["github", "gitlab", "buildkite", "circleci"])
def test_each_ci_system(index: TrustedIndex, enter: Callable[[str], Provider], name: str) -> None:
    """The token is the CI system's own, for the index's audience."""
    token = identity(index, enter(name))
    assert token == index.identities[-1]
    assert isinstance(token, str)
    claims = claims_of(token)
    assert (claims["iss"], claims["aud"]) == (CLAIMS[name]["iss"], AUDIENCE)


def on_google(index: TrustedIndex, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Make this one of Google's machines, whose metadata server has a fixed name."""
    product = tmp_path / "product_name"
    product.write_text("Google Compute Engine\n", encoding="utf-8")
    monkeypatch.setattr(ambient, "_GCP_PRODUCT_NAME_FILE", str(product))
    monkeypatch.setattr(
        "poetry_publish_verified.adapters.trusted_publishing._PRODUCT_NAME", product
    )
    connect = urllib3.util.connection.create_connection
    host, port = index.proxy.origin.removeprefix("http://").split(":")

    def to_us(address: tuple[str, int], *args: object, **kwargs: object) -> object:
        assert address == ("metadata", 80)
        return connect((host, int(port)), *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(urllib3.util.connection, "create_connection", to_us)
    index.proxy.on(
        lambda request: "/instance/service-accounts/default/identity?" in request.path,
        lambda exchange: Answer(
            200 if exchange.request.headers["metadata-flavor"] == "Google" else 403,
            index.identity("google").encode(),
        ),
    )


def test_google(index: TrustedIndex, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """On Google's machines the metadata server is asked."""
    on_google(index, monkeypatch, tmp_path)
    assert ambient_provider() is Provider.GOOGLE
    assert identity(index, Provider.GOOGLE) == index.identities[-1]


def test_gitlab_on_a_google_machine(
    index: TrustedIndex,
    enter: Callable[[str], Provider],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """GitLab's own token is taken, not the machine's; without it, the line to add is said."""
    on_google(index, monkeypatch, tmp_path)
    provider = enter("gitlab")
    token = identity(index, provider)
    assert isinstance(token, str)
    assert claims_of(token)["iss"] == CLAIMS["gitlab"]["iss"]
    monkeypatch.delenv("HARBOUR_ID_TOKEN")
    problem = identity(index, provider)
    assert isinstance(problem, Problem)
    assert problem.code is Code.NO_IDENTITY
    assert "id_tokens: {HARBOUR_ID_TOKEN: {aud: 'harbour'}}" in problem.remedy


@pytest.mark.parametrize("claims", [{"aud": ["harbour", "pypi"]}, {"aud": "pypi"}, {"aud": None}])
def test_token_for_something_else(
    index: TrustedIndex,
    enter: Callable[[str], Provider],
    monkeypatch: pytest.MonkeyPatch,
    claims: dict[str, Any],
) -> None:
    """A variable may hold any token; one that is not for this index alone stays here."""
    provider = enter("gitlab")
    monkeypatch.setenv("HARBOUR_ID_TOKEN", index.identity("gitlab", **claims))
    problem = identity(index, provider)
    assert isinstance(problem, Problem)
    assert problem.code is Code.IDENTITY_UNUSABLE


def test_missing_permission(
    index: TrustedIndex, enter: Callable[[str], Provider], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The remedy is the line to add, and names the file."""
    provider = enter("github")
    monkeypatch.delenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN")
    problem = identity(index, provider)
    assert isinstance(problem, Problem)
    assert problem.code is Code.NO_IDENTITY
    assert ".github/workflows/release.yml: permissions: {contents: read, id-token: write}" in (
        problem.remedy
    )


@pytest.mark.parametrize(
    ("event", "of_fork"),
    [
        ({"pull_request": {"head": {"repo": {"fork": True}}}}, True),
        ({"pull_request": {"head": {"repo": {"fork": False}}}}, False),
        ({"pull_request": {"head": None}}, False),
        ({"pull_request": 1}, False),
        ([], False),
    ],
)
def test_pull_request_of_a_fork(
    index: TrustedIndex,
    enter: Callable[[str], Provider],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    event: object,
    *,
    of_fork: bool,
) -> None:
    """It gets no token whatever its permissions say."""
    provider = enter("github")
    monkeypatch.delenv("ACTIONS_ID_TOKEN_REQUEST_URL")
    monkeypatch.setenv("GITHUB_EVENT_NAME", "pull_request")
    monkeypatch.setenv("GITHUB_EVENT_PATH", str(tmp_path / "event.json"))
    (tmp_path / "event.json").write_text(json.dumps(event), encoding="utf-8")
    problem = identity(index, provider)
    assert isinstance(problem, Problem)
    assert ("fork" in problem.message) is of_fork


ISSUED: Answers = {
    "refused": Answer(403, b"secret-in-a-body \x1b[2J"),
    "no JSON": Answer(200, b"<html>"),
    "not UTF-8": Answer(500, b"\xff\xfe"),
    "not a string": Answer(200, b'{"value": 1}'),
    "no token": Answer(200, b'{"value": "abc"}'),
    "a newline": Answer(200, b'{"value": "e30.e30.a\\n::add-path::x"}'),
    "odd base64": Answer(200, b'{"value": "e30.\xc3\xa4.a"}'),
    "no HTTP": Raw(b"SSH-2.0-OpenSSH\r\n"),
    "nothing": Raw(b""),
}


@pytest.mark.parametrize("said", ISSUED)
def test_token_service_that_lies(
    index: TrustedIndex, enter: Callable[[str], Provider], said: str
) -> None:
    """Nothing that `id` lets through escapes; each is a problem on one clean line."""
    answer = ISSUED[said]
    index.proxy.on(index.is_identity, lambda _: answer)
    problem = identity(index, enter("github"))
    assert isinstance(problem, Problem)
    assert problem.code is Code.IDENTITY_UNUSABLE
    assert problem.message.isprintable()


@pytest.mark.parametrize("url", ["junk", "http://[", "ftp://a.example/", "http://127.0.0.1:1/"])
def test_token_service_that_cannot_be_asked(
    index: TrustedIndex, enter: Callable[[str], Provider], monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    """A URL that is none, or where nobody is, is a problem too."""
    provider = enter("github")
    monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_URL", url)
    problem = identity(index, provider)
    assert isinstance(problem, Problem)
    assert problem.code is Code.IDENTITY_UNUSABLE


def test_token_service_that_hangs(index: TrustedIndex, enter: Callable[[str], Provider]) -> None:
    """It has a time of our own, as `id` tries for two minutes."""
    index.proxy.stall(index.is_identity)
    problem = identity(index, enter("github"), patience=0.1)
    assert isinstance(problem, Problem)
    assert "does not answer" in problem.message


PROGRAMS = {"buildkite": "buildkite-agent", "circleci": "circleci"}


@pytest.mark.parametrize("name", PROGRAMS)
def test_program_that_is_missing_or_fails(
    index: TrustedIndex, enter: Callable[[str], Provider], tmp_path: Path, name: str
) -> None:
    """Both are told apart."""
    provider, program = enter(name), PROGRAMS[name]
    script = tmp_path / "bin" / program
    script.write_text("#!/bin/sh\necho no such pipeline\necho no such context >&2\nexit 3\n")
    problem = identity(index, provider)
    assert isinstance(problem, Problem)
    assert "no such" in problem.message
    script.unlink()
    problem = identity(index, provider)
    assert isinstance(problem, Problem)
    assert program in problem.remedy


def test_program_that_hangs_does_not_hold_the_process(
    enter: Callable[[str], Provider], tmp_path: Path
) -> None:
    """Once the run is over, the process ends, whatever the agent does."""
    enter("buildkite")
    running = tmp_path / "running"
    script = tmp_path / "bin" / "buildkite-agent"
    script.write_text(f"#!/bin/sh\necho $$ > '{running}'\nexec sleep {HANG:.0f}\n")
    code = textwrap.dedent("""
        import sys, anyio
        from poetry_publish_verified.adapters.trusted_publishing import IndexTokenExchange
        from poetry_publish_verified.core.trusted_publishing import Provider
        from poetry_publish_verified.core.urls import Access, RepositoryTarget
        target = RepositoryTarget("harbour", "https://index.example/", Access())
        exchange = IndexTokenExchange(None, target, Provider.BUILDKITE, 0.5)
        print(anyio.run(exchange.identity, "harbour").code)
    """)
    # The agent keeps its own standard output, which is a pipe to the thread that is left alone.
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=HANG
    )
    if running.exists():
        os.kill(int(running.read_text()), 9)
    assert (done.returncode, done.stdout) == (0, "PV324\n"), done.stderr


def mint(index: TrustedIndex, token: str) -> Answered | NoAnswer:
    """The answer to an exchange."""
    return ask(index, Provider.GITHUB, lambda each: each.mint(token))


def test_exchange(index: TrustedIndex, capfd: pytest.CaptureFixture[str]) -> None:
    """Both questions go to the upload host's root, without any credentials."""
    said = ask(index, Provider.GITHUB, lambda each: each.audience())
    assert isinstance(said, Answered)
    assert json.loads(said.body) == {"audience": AUDIENCE}
    answer = mint(index, index.identity("github"))
    assert isinstance(answer, Answered)
    assert json.loads(answer.body)["token"] == index.minted[0]
    asked = index.proxy.requests
    assert [(each.method, each.path) for each in asked] == [
        ("GET", "/_/oidc/audience"),
        ("POST", "/_/oidc/mint-token"),
    ]
    assert not any("authorization" in each.headers for each in asked)
    # Outside a CI system that masks anything, nothing is printed.
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("variable", "order"),
    [
        ("GITHUB_ACTIONS", "::add-mask::{}"),
        (
            "TF_BUILD",
            "##vso[task.setvariable variable=PUBLISH_VERIFIED_TOKEN;issecret=true]{}",
        ),
    ],
)
def test_masks(
    index: TrustedIndex,
    enter: Callable[[str], Provider],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    variable: str,
    order: str,
) -> None:
    """Both tokens are masked, each on a line of its own, on standard error alone."""
    provider = enter("gitlab")
    monkeypatch.setenv(variable, "true")
    token = identity(index, provider)
    assert isinstance(token, str)
    mint(index, token)
    out, err = capfd.readouterr()
    assert out == ""
    assert err.splitlines() == [order.format(each) for each in (token, index.minted[0])]


@pytest.mark.parametrize("variable", ["GITHUB_ACTIONS", "TF_BUILD"])
def test_no_masks_where_nobody_obeys(
    index: TrustedIndex,
    enter: Callable[[str], Provider],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    variable: str,
) -> None:
    """A variable that says "false" names no CI system, whose log would show the token."""
    provider = enter("gitlab")
    monkeypatch.setenv(variable, "false")
    assert isinstance(identity(index, provider), str)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed(index: TrustedIndex, status: int) -> None:
    """A token goes to the upload host and nowhere else."""
    with FaultProxy("http://127.0.0.1:1") as elsewhere:
        there = {"Location": f"{elsewhere.origin}/_/oidc/mint-token"}
        index.proxy.answer(index.is_mint, Answer(status, headers=there))
        answer = mint(index, index.identity("github"))
        assert isinstance(answer, Answered)
        assert answer.status == status
        assert elsewhere.requests == []


def test_exchange_without_a_whole_answer(
    index: TrustedIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer has a bound in size, and one in time; neither is an answer."""

    def audience() -> Answered | NoAnswer:
        return ask(index, Provider.GITHUB, lambda each: each.audience())

    index.proxy.answer(index.is_audience, Answer(200, endless()))
    assert isinstance(audience(), NoAnswer)
    index.proxy.on(index.is_audience, lambda _: Raw(b""))
    lost = audience()
    assert isinstance(lost, NoAnswer)
    assert lost.sent
    monkeypatch.setattr(
        "poetry_publish_verified.adapters.trusted_publishing._AUDIENCE_TIMEOUT", 0.1
    )
    index.proxy.stall(index.is_audience)
    assert isinstance(audience(), NoAnswer)
