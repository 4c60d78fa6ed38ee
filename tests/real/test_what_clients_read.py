"""Pages that look good and are not: what this says of them, and what real installers do."""

from __future__ import annotations

import gzip
import hashlib
import json
from typing import TYPE_CHECKING
from typing import Any

import pytest

from tests.beds.clients import wheel_bytes
from tests.beds.installers import pip_finds
from tests.beds.installers import poetry_finds
from tests.beds.installers import uv_finds
from tests.beds.projects import read_receipt
from tests.beds.proxy import JSON_PAGE
from tests.beds.proxy import Answer
from tests.beds.proxy import is_file
from tests.beds.proxy import is_page
from tests.beds.release import TOO_SHORT
from tests.beds.release import ended
from tests.beds.release import problems

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.beds.poetry import Poetry
    from tests.beds.poetry import Run
    from tests.beds.proxy import FaultProxy
    from tests.conftest import MakeProxy

WHEEL = "lantern-1.0-py3-none-any.whl"
BODY = wheel_bytes(WHEEL)
SHA256 = hashlib.sha256(BODY).hexdigest()
OLDER = {"filename": "lantern-0.9.tar.gz", "url": "/files/lantern-0.9.tar.gz", "hashes": {}}
# Where an index's files are, none of which is there by itself.
NOWHERE = "http://127.0.0.1:9"


def entry(**more: object) -> dict[str, object]:
    """The wheel as an index lists it."""
    named = {key.replace("_", "-"): value for key, value in more.items()}
    return {
        "filename": WHEEL,
        "url": f"/files/{WHEEL}",
        "hashes": {"sha256": SHA256},
        "size": len(BODY),
        **named,
    }


def json_page(*files: object, kind: str = JSON_PAGE, **more: object) -> Answer:
    """A page in JSON."""
    page = {"meta": {"api-version": "1.1"}, "name": "lantern", "files": files, **more}
    return Answer(200, json.dumps(page).encode(), headers={"Content-Type": kind})


def html_page(text: str, fragment: str = f"#sha256={SHA256}", kind: str = "text/html") -> Answer:
    """A page in HTML; `text` has `LINK` where the link goes."""
    link = f'<a href="/files/{WHEEL}{fragment}">{WHEEL}</a>'
    body = text.replace("LINK", link).encode("latin-1")
    return Answer(200, body, headers={"Content-Type": kind})


@pytest.fixture
def index(make_proxy: MakeProxy) -> FaultProxy:
    """An index with one wheel, of which a test writes the page."""
    proxy = make_proxy(NOWHERE)
    proxy.answer(lambda _: True, Answer(404))
    proxy.answer(is_file(WHEEL), Answer(200, BODY))
    return proxy


def shows(index: FaultProxy, page: Answer) -> str:
    """Have the index show a page; the URL of its simple API."""
    index.answer(is_page, page)
    return f"{index.origin}/simple/"


def wait(poetry: Poetry, folder: Path, url: str, *words: str) -> Run:
    """Wait for the wheel."""
    dist = folder / "dist"
    dist.mkdir()
    (dist / WHEEL).write_bytes(BODY)
    named = ("--dist-dir", dist, "--index", url, "--receipt", "receipt.json")
    return poetry.run("publish-verified", "wait", *named, *words, cwd=folder)


def codes(folder: Path) -> list[Any]:
    """The codes of the errors."""
    found = problems(read_receipt(folder / "receipt.json"))
    return [problem["code"] for problem in found if problem["severity"] == "error"]


# What they find, by the installer's own name, as the plugin has it too.
FINDS: dict[str, Callable[[Path, str, str, str], object]] = {"pip": pip_finds, "uv": uv_finds}

GOOD = {
    "json": json_page(entry(), OLDER),
    "html": html_page("LINK"),
    "a version that is a number": json_page(entry(), meta={"api-version": 1}),
    "latin-1, declared": html_page("<p>\xe9</p>LINK", kind="text/html; charset=latin-1"),
    "one hash more": json_page(
        entry(hashes={"sha256": SHA256, "sha512": hashlib.sha512(BODY).hexdigest()})
    ),
}


@pytest.mark.parametrize("page", list(GOOD.values()), ids=list(GOOD))
def test_what_all_can_read(poetry: Poetry, index: FaultProxy, tmp_path: Path, page: Answer) -> None:
    """Pages that are odd to look at, and good for pip and uv."""
    url = shows(index, page)
    ended(wait(poetry, tmp_path, url), 0)
    for finds in FINDS.values():
        assert finds(tmp_path, url, "lantern", "1.0")


UNREADABLE = {
    "another file's size is text": (json_page(entry(), OLDER | {"size": "5"}), {"uv"}),
    "an entry is null": (json_page(entry(), None), {"pip", "uv", "poetry"}),
    "an upload time is none": (json_page(entry(upload_time="yesterday")), {"pip", "uv"}),
    "application/json": (json_page(entry(), kind="application/json"), {"pip", "uv", "poetry"}),
    "NaN": (json_page(entry(), x=float("nan")), {"uv"}),
    "a relative base": (html_page('<base href="/">LINK'), {"pip", "uv", "poetry"}),
    "latin-1, not declared": (html_page("<p>\xe9</p>LINK"), {"pip"}),
}  # fmt: skip


@pytest.mark.parametrize(("page", "clients"), list(UNREADABLE.values()), ids=list(UNREADABLE))
def test_what_some_cannot_read(
    poetry: Poetry, index: FaultProxy, tmp_path: Path, page: Answer, clients: set[str]
) -> None:
    """Exit code 6 names just those that then fail, and why."""
    url = shows(index, page)
    run = wait(poetry, tmp_path, url, *TOO_SHORT)
    ended(run, 6)
    assert "the page cannot be read by" in run.err
    (release,) = read_receipt(tmp_path / "receipt.json")["releases"]
    seen = {v["variant"] for v in release["indexes"][0]["variants"] if v["visible_at"]}
    assert seen == {"pip", "uv", "poetry"} - clients
    for name, finds in FINDS.items():
        assert bool(finds(tmp_path, url, "lantern", "1.0")) is (name not in clients)


def test_poetry_cannot_read_either(poetry: Poetry, index: FaultProxy, tmp_path: Path) -> None:
    """Poetry as well fails with a page of which that is said."""
    url = shows(index, json_page(entry(), None))
    assert not poetry_finds(poetry, tmp_path, url, "lantern", "1.0")
    ended(wait(poetry, tmp_path, url, "--clients", "poetry", *TOO_SHORT), 6)


WRONG = {
    "md5": (json_page(entry(hashes={"md5": "0" * 32, "sha256": SHA256})), "PV719", {"pip", "uv"}),
    "md5 in HTML": (html_page("LINK", "#md5=" + "0" * 32), "PV719", {"pip", "uv"}),
    "two hashes": (html_page("LINK", f"#sha256={'0' * 64}&sha256={SHA256}"), "PV701", {"pip"}),
    "another place without a hash": (
        json_page(entry(url=f"/gone/{WHEEL}?", hashes={}), entry()), "PV701", {"uv"},
    ),
    "another place": (json_page(entry(), entry(url=f"/gone/{WHEEL}")), "PV602", {"pip"}),
    "metadata under another hash": (
        json_page(entry(core_metadata={"sha512": "0" * 128})), "PV711", {"pip"},
    ),
    "no address": (json_page(entry(url="data:,x")), "PV720", {"pip", "uv"}),
    "a URL without the name": (json_page(entry(url="/blob?x=/" + WHEEL)), "PV722", {"pip"}),
    "a fragment that is a name": (
        html_page("LINK", f"#egg=lantern&sha256={SHA256}"), "PV722", {"pip"},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("page", "code", "clients"), list(WRONG.values()), ids=list(WRONG))
def test_what_is_listed_wrongly(
    poetry: Poetry,
    index: FaultProxy,
    tmp_path: Path,
    page: Answer,
    code: str,
    clients: set[str],
) -> None:
    """A fault has its own code, and some installer stumbles over it."""
    url = shows(index, page)
    metadata = "Metadata-Version: 2.1\nName: lantern\nVersion: 1.0\n"
    index.answer(is_file(f"{WHEEL}.metadata"), Answer(200, metadata.encode()))
    index.answer(lambda request: request.path.startswith("/gone/"), Answer(404))
    index.answer(lambda request: request.path.startswith("/blob?"), Answer(200, BODY))
    late = code == "PV602"
    ended(wait(poetry, tmp_path, url, *(TOO_SHORT if late else ())), 6 if late else 7)
    assert codes(tmp_path) == [code]
    for name, finds in FINDS.items():
        assert bool(finds(tmp_path, url, "lantern", "1.0")) is (name not in clients)


def test_a_hash_in_capitals(poetry: Poetry, index: FaultProxy, tmp_path: Path) -> None:
    """Poetry locks it as it is, and then does not find it again."""
    page = json_page(entry(hashes={"sha256": SHA256.upper()}))
    url = shows(index, page)
    run = wait(poetry, tmp_path, url)
    ended(run, 7)
    assert codes(tmp_path) == ["PV722"]
    assert "poetry does not take: its sha256 is not in lower-case hex" in run.err
    for finds in FINDS.values():
        assert finds(tmp_path, url, "lantern", "1.0")


def test_bytes_under_a_content_encoding(poetry: Poetry, index: FaultProxy, tmp_path: Path) -> None:
    """pip takes the bytes as they come, uv and Poetry undo a coding that they never had."""
    url = shows(index, json_page(entry()))
    index.answer(is_file(WHEEL), Answer(200, BODY, headers={"Content-Encoding": "gzip"}))
    ended(wait(poetry, tmp_path, url), 7)
    assert codes(tmp_path) == ["PV721"]
    assert pip_finds(tmp_path, url, "lantern", "1.0")
    assert not uv_finds(tmp_path, url, "lantern", "1.0")


def test_a_page_in_pieces(poetry: Poetry, index: FaultProxy, tmp_path: Path) -> None:
    """gzip of several members is read whole by pip, and not by uv."""
    page = json_page(entry())
    assert isinstance(page.body, bytes)
    page.body = gzip.compress(page.body[:40]) + gzip.compress(page.body[40:])
    page.headers["Content-Encoding"] = "gzip"
    url = shows(index, page)
    run = wait(poetry, tmp_path, url, *TOO_SHORT)
    ended(run, 6)
    assert "cannot be read by uv: its gzip has several members" in run.err
    assert pip_finds(tmp_path, url, "lantern", "1.0")
    assert not uv_finds(tmp_path, url, "lantern", "1.0")


def test_clients_are_asked_without_a_hash(
    poetry: Poetry, index: FaultProxy, tmp_path: Path
) -> None:
    """A page that gives no hash keeps nobody from asking the real clients."""
    url = shows(index, html_page("LINK", ""))
    named = ("--index", url, "--receipt", "receipt.json")
    run = poetry.run(
        *("publish-verified", "wait", "lantern==1.0", "--until", "installable", *named),
        cwd=tmp_path,
    )
    ended(run, 0)
    agents = {request.headers.get("user-agent", "").split("/")[0] for request in index.requests}
    assert {"pip", "poetry"} <= agents
