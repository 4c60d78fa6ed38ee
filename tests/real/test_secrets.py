"""Secrets of a run show up nowhere, whoever repeats them."""

from __future__ import annotations

import base64
import dataclasses
import html
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

import pytest

from tests.beds.clients import UV
from tests.beds.proxy import Answer, FaultProxy, is_page, is_upload
from tests.beds.release import ended, holds, problems, publish
from tests.thorough import some

if TYPE_CHECKING:
    from tests.beds.indexes import Index
    from tests.beds.poetry import Poetry, Run
    from tests.beds.projects import Project
    from tests.beds.proxy import Exchange, Request

SECRET = 'corr"ect/horse <battery>&stäple'


def login_of(request: Request) -> str:
    """The Authorization header of a request; empty if it has none."""
    return request.headers.get("authorization", "")


def repeated(exchange: Exchange) -> Answer:
    """An answer that repeats the request's login in every way."""
    header = login_of(exchange.request)
    sent = base64.b64decode(header.partition(" ")[2])
    # requests, and so pip and Poetry, send Latin-1.
    login = sent.decode("utf-8" if "ä".encode() in sent else "latin-1")
    password = login.partition(":")[2]
    words = [
        *(f"Authorization: {header}", header, login, password, repr(password)),
        *(json.dumps(password), quote(password), quote(password, safe=""), html.escape(password)),
        f"http://{quote(login, safe=':')}@index.example/",
    ]
    body = "\n".join(words).encode()
    return Answer(403, body, " ".join(words[:4]).encode("utf-8"), {"X-Served-By": password[:20]})


def parts_of(secret: str) -> list[str]:
    """What no text may contain: the beginning and the end of a secret and of its encodings."""
    login = base64.b64encode(f"me:{secret}".encode()).decode()
    latin = base64.b64encode(f"me:{secret}".encode("latin-1")).decode()
    forms = [latin, secret, quote(secret), quote(secret, safe=""), json.dumps(secret)[1:-1]]
    forms += [html.escape(secret), login, base64.b64encode(secret.encode()).decode()]
    return [part for form in forms for part in (form[:9], form[-8:])]


def shows_nothing(run: Run, receipt: Path, secret: str = SECRET) -> None:
    """Check output and receipt."""
    texts = [run.said, receipt.read_text(encoding="utf-8")]
    for text in [*texts, *map(unquote, texts)]:
        for part in parts_of(secret):
            assert part not in text, text


@pytest.fixture
def mine(behind: Index) -> Index:
    """The index behind the proxy, with the secret as its password."""
    return dataclasses.replace(behind, username="me", password=SECRET)


@pytest.mark.parametrize("options", [("-vvv",), ("--format", "json", "-vvv")])
def test_server_that_repeats_the_login(
    poetry: Poetry,
    project: Project,
    proxy: FaultProxy,
    mine: Index,
    tmp_path: Path,
    options: tuple[str, ...],
) -> None:
    """In the reason, the body and the headers of its answer to an upload."""
    proxy.on(is_upload, repeated)
    receipt = tmp_path / "receipt.json"
    run = publish(poetry, project, mine, *options, "--receipt", receipt)
    assert run.code == 4, run.said
    shows_nothing(run, receipt)
    (problem,) = problems(json.loads(receipt.read_text(encoding="utf-8")))
    assert "***" in problem["message"]


@pytest.mark.parametrize("given", ["option", "config"])
def test_where_the_login_comes_from(
    poetry: Poetry, project: Project, proxy: FaultProxy, behind: Index, tmp_path: Path, given: str
) -> None:
    """It is known wherever Poetry has it from."""
    proxy.on(is_upload, repeated)
    index = dataclasses.replace(behind, username=None, password=None)
    options = []
    if given == "option":
        options = ["--username=me", f"--password={SECRET}"]
    else:
        poetry.run("config", "http-basic.harbour", "me", SECRET, cwd=project.path).ok()
    receipt = tmp_path / "receipt.json"
    run = publish(poetry, project, index, "-vvv", "--receipt", receipt, *options)
    assert run.code == 4, run.said
    shows_nothing(run, receipt)


def test_page_that_repeats_the_login(
    poetry: Poetry, project: Project, proxy: FaultProxy, mine: Index, tmp_path: Path
) -> None:
    """pip, uv and Poetry repeat what it says."""
    url = mine.simple_url.replace("//", f"//me:{quote(SECRET, safe='')}@")
    receipt = tmp_path / "receipt.json"

    def act(exchange: Exchange) -> Answer:
        return repeated(exchange) if login_of(exchange.request) else exchange.forward()

    proxy.on(lambda request: request.method == "GET", act)
    run = publish(poetry, project, mine, "-vvv", "--index", url, "--receipt", receipt)
    assert run.code == 3, run.said
    shows_nothing(run, receipt)


@pytest.mark.parametrize("client", ["pip", "uv", "poetry"])
def test_client_that_repeats_the_login(
    poetry: Poetry,
    project: Project,
    proxy: FaultProxy,
    behind: Index,
    tmp_path: Path,
    client: str,
) -> None:
    """A client quotes the reason of an answer, and the address that it has asked."""
    url = behind.simple_url.replace("//", f"//me:{quote(SECRET, safe='')}@")
    receipt = tmp_path / "receipt.json"

    def of_client(request: Request) -> bool:
        agent = request.headers.get("user-agent", "")
        return agent.startswith(f"{client}/") and request.path.endswith(".whl")

    proxy.on(of_client, repeated)
    poetry = poetry.with_variables(PATH=f"{Path(UV).parent}{os.pathsep}{os.environ['PATH']}")
    named = ("--index", url, "--clients", client, "--timeout", "8s", "-vvv")
    run = publish(poetry, project, behind, *named, "--receipt", receipt, until="installable")
    assert run.code in {6, 7}, run.said
    assert any(map(login_of, filter(of_client, proxy.requests)))
    shows_nothing(run, receipt)
    found = problems(json.loads(receipt.read_text(encoding="utf-8")))
    assert client == "uv" or any("***" in problem["message"] for problem in found), found


@pytest.mark.parametrize(
    "proxy_url",
    [
        "http://me:{}@127.0.0.1:port",
        "http://me:{}@127.0.0.1:99999",
        "http://me:{}@[::1",
        "socks5://me:{}@127.0.0.1:1",
        "me:{}@127.0.0.1:port",
        "http://me:{}@127.0.0.1:1",
    ],
)
def test_unusable_proxy(
    poetry: Poetry, project: Project, pypi: Index, tmp_path: Path, proxy_url: str
) -> None:
    """A proxy's password is shown neither if it is malformed nor if nobody is there."""
    project.build()
    receipt = tmp_path / "receipt.json"
    variable = proxy_url.format("hunter@22secret")
    poetry = poetry.with_variables(HTTP_PROXY=variable, http_proxy=variable, no_proxy="")
    run = publish(poetry, project, pypi, "-vvv", "--receipt", receipt, "--timeout", "5s")
    assert run.code in {3, 6}, run.said
    assert "internal" not in run.said
    shows_nothing(run, receipt, "hunter@22secret")


@pytest.mark.parametrize(
    "password", some(2, ["lantern", "1", "a", "simple", "lantern-1.0", "downloadable"])
)
def test_password_that_is_a_word(
    poetry: Poetry, project: Project, open_pypi: Index, tmp_path: Path, password: str
) -> None:
    """A short or common password changes no name, hash, URL or key of the receipt."""
    project.build()
    index = dataclasses.replace(open_pypi, username="me", password=password)
    receipt = tmp_path / "receipt.json"
    run = publish(poetry, project, index, "--receipt", receipt)
    ended(run, 0)
    assert "verified: lantern 1.0 is" in run.said
    found = json.loads(receipt.read_text(encoding="utf-8"))
    release = holds(found, "verified", 0)
    assert (release["name"], release["version"]) == ("lantern", "1.0")
    assert release["indexes"][0]["url"] == index.simple_url
    hashes = {file["filename"]: file["sha256"] for file in release["distributions"]}
    assert hashes == project.hashes()
    waited = poetry.with_variables(SOME_PASSWORD=password).run(
        "publish-verified", "wait", "--from-receipt", receipt, cwd=tmp_path
    )
    ended(waited, 0)


class TestTokenInAPath:
    """`--index https://index.example/{VARIABLE}/simple/`."""

    TOKEN = "t0ken/with all"
    MARKED = "{HARBOUR_KEY}"

    @pytest.fixture
    def reader(self, proxy: FaultProxy) -> FaultProxy:
        """The index under a secret path, and nowhere else."""
        start = f"/{quote(self.TOKEN, safe='')}/"

        def act(exchange: Exchange) -> Answer:
            if exchange.request.path.startswith("/simple/"):
                return Answer(404)
            path = "/" + exchange.request.path.removeprefix(start)
            request = dataclasses.replace(exchange.request, path=path)
            return dataclasses.replace(exchange, request=request).forward()

        proxy.on(lambda _: True, act)
        return proxy

    def test_used_but_never_shown(
        self, poetry: Poetry, project: Project, pypi: Index, reader: FaultProxy, tmp_path: Path
    ) -> None:
        """Output and receipt show the variable, and `wait` with the same settings resolves it."""
        project.build()
        url = f"{reader.origin}/{self.MARKED}/simple/"
        receipt = tmp_path / "receipt.json"
        poetry = poetry.with_variables(HARBOUR_KEY=self.TOKEN)
        named = ("--index", pypi.simple_url, "--index", url, "--timeout", "30s")
        run = publish(
            poetry, project, pypi, *named, "-vvv", "--receipt", receipt, until="installable"
        )
        ended(run, 0)
        release = holds(json.loads(receipt.read_text(encoding="utf-8")), "verified", 0)
        assert [index["url"] for index in release["indexes"]] == [pypi.simple_url, url]
        waiting = ("publish-verified", "wait", "-vvv", "--from-receipt", receipt)
        waited = poetry.run(*waiting, "--timeout", "30s", "--index", url, cwd=tmp_path)
        ended(waited, 0)
        for said in (run, waited):
            shows_nothing(said, receipt, self.TOKEN)
            assert "with%20all" not in said.said

    def test_failure_does_not_show_it(
        self, poetry: Poetry, project: Project, pypi: Index, proxy: FaultProxy, tmp_path: Path
    ) -> None:
        """What clients say of the URL does not show it either."""
        project.build()
        proxy.on(is_page, lambda exchange: Answer(404, exchange.request.path.encode()))
        url = f"{proxy.origin}/{self.MARKED}/simple/"
        receipt = tmp_path / "receipt.json"
        poetry = poetry.with_variables(HARBOUR_KEY="short")
        named = ("--index", pypi.simple_url, "--index", url, "--timeout", "5s")
        run = publish(poetry, project, pypi, *named, "-vvv", "--receipt", receipt)
        assert run.code != 0
        assert "/short/" not in run.said
        assert "/short/" not in receipt.read_text(encoding="utf-8")
        assert f"{url}" in run.said

    def test_variable_that_is_not_set(self, poetry: Poetry, project: Project, pypi: Index) -> None:
        """It is an error that names the variable."""
        project.build()
        run = publish(poetry, project, pypi, "--index", "https://index.example/{NO_SUCH}/simple/")
        ended(run, 3)
        assert "the environment variable NO_SUCH is not set" in run.err

    def test_receipt_resolves_no_variable_by_itself(
        self, poetry: Poetry, project: Project, pypi: Index, proxy: FaultProxy, tmp_path: Path
    ) -> None:
        """A receipt may come from anyone: only the user's own settings name variables."""
        project.build()
        receipt = tmp_path / "receipt.json"
        ended(publish(poetry, project, pypi, "--receipt", receipt), 0)
        text = receipt.read_text(encoding="utf-8")
        url = f"{proxy.origin}/{{HOME}}/simple/"
        receipt.write_text(text.replace(pypi.simple_url, url), encoding="utf-8")
        waited = poetry.run("publish-verified", "wait", "--from-receipt", receipt, cwd=tmp_path)
        ended(waited, 3)
        assert "--index" in waited.err
        assert proxy.requests == []
