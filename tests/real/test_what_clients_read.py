"""Real clients find what counts as listed; what does not count is waited for."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from poetry_publish_verified.core.simple import parse_page
from tests.beds.clients import wheel_bytes
from tests.beds.installers import pip_finds, poetry_finds, uv_finds
from tests.beds.projects import read_receipt
from tests.beds.proxy import JSON_PAGE, Answer, is_file, is_page
from tests.beds.release import TOO_SHORT, ended, problems
from tests.core import vendor_pages
from tests.core.distributions import SDIST
from tests.thorough import THOROUGH, some

if TYPE_CHECKING:
    from pathlib import Path

    from tests.beds.poetry import Poetry, Run
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
    named = {key.replace("_", "-"): value for key, value in more.items()}
    page = {"meta": {"api-version": "1.1"}, "name": "lantern", "files": files, **named}
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


def wait(poetry: Poetry, directory: Path, url: str, *words: str) -> Run:
    """Wait for the wheel."""
    dist = directory / "dist"
    dist.mkdir()
    (dist / WHEEL).write_bytes(BODY)
    named = ("--dist-dir", dist, "--index", url, "--receipt", "receipt.json")
    return poetry.run("publish-verified", "wait", *named, *words, cwd=directory)


def codes(directory: Path) -> list[Any]:
    """The codes of the errors."""
    found = problems(read_receipt(directory / "receipt.json"))
    return [problem["code"] for problem in found if problem["severity"] == "error"]


METADATA = b"Metadata-Version: 2.1\nName: lantern\nVersion: 1.0\n"


def is_found_by_all(poetry: Poetry, directory: Path, url: str) -> None:
    """Check that pip, uv and Poetry each get the wheel."""
    assert pip_finds(directory, url, "lantern", "1.0")
    assert uv_finds(directory, url, "lantern", "1.0")
    assert poetry_finds(poetry, directory, url, "lantern", "1.0")


# What is said to be listed, they find.


def here(page: str, origin: str) -> str:
    """A vendor's page with links to this index, and with the hash of this wheel."""
    page = re.sub(r"https?://[a-z.-]+/", f"{origin}/", page)
    page = page.replace(f'metadata="sha256={vendor_pages.SDIST_SHA256}', 'metadata="true')
    page = page.replace(
        f'metadata": {{"sha256": "{vendor_pages.SDIST_SHA256}"}}', 'metadata": true'
    )
    return page.replace(vendor_pages.WHEEL_SHA256, SHA256)


VENDORS = vendor_pages.WITH_HASHES | vendor_pages.WITHOUT_HASHES
if not THOROUGH:
    VENDORS = {name: VENDORS[name] for name in ("PyPI", "PyPI, JSON", "GitLab", "Caddy")}


@pytest.mark.parametrize(("page", "kind"), VENDORS.values(), ids=VENDORS)
def test_pages_of_each_index(
    poetry: Poetry, index: FaultProxy, tmp_path: Path, page: str, kind: str
) -> None:
    """The wheel on each index's kind of page counts as listed, and real clients get it."""
    body = here(page, index.origin).encode()
    url = shows(index, Answer(200, body, headers={"Content-Type": kind}))
    index.answer(is_file(f"{WHEEL}.metadata"), Answer(200, METADATA))
    # Poetry hashes what the page gives no hash of.
    index.answer(is_file(SDIST), Answer(200, b"any"))
    listed = parse_page("lantern", body, kind, f"{url}lantern/").files[WHEEL]
    assert not listed.flaw
    assert listed.sha256 in {SHA256, None}
    is_found_by_all(poetry, tmp_path, url)


DIGESTS = {name: hashlib.new(name, BODY).hexdigest() for name in ("md5", "sha256", "sha512")}
ODD = {
    "old entries": json_page(
        *({**OLDER, "filename": name} for name in ("x.egg", "lantern-1-py2.exe", "odd", "")),
        OLDER | {"requires-python": ">=3.8.*"}, OLDER | {"hashes": {"foo": "bar"}}, entry(),
    ),
    "odd markup": html_page(
        "<!-- a -- <!-- b ---><p title='<a href=x>'>don't > &copy= &amp<script>'<a>' < 1</script>"
        "<a name=x><A HREF='../?C=N'>..</A><br/><br /><o:p>LINK"
    ),
    "references": html_page(f"<a href='/files/{WHEEL}?a=1&b=&amp;c&#35;sha256&equals;{SHA256}'>"),
    "URL with a query": json_page(entry(url=f"/files/a%20b/../~@:;/{WHEEL}?x=1&y=/z")),
    "more hashes": json_page(entry(hashes=DIGESTS)),
    "more keys": json_page(entry(provenance=None, gpg_sig=False, later={"x": [1.5, None]})),
    "project status": json_page(entry(), project_status={"status": "archived"}),
    "any later minor": json_page(entry(), meta={"api-version": "1.99"}),
    "no quotes": html_page(f"<a class=x href=/files/{WHEEL}#sha256={SHA256} hidden>"),
    "base": html_page("<base target=x>LINK", kind="application/vnd.pypi.simple.v1+html"),
}  # fmt: skip


@pytest.mark.parametrize("page", some(4, ODD.values()), ids=some(4, ODD))
def test_odd_but_valid_pages(
    poetry: Poetry, index: FaultProxy, tmp_path: Path, page: Answer
) -> None:
    """Unusual pages that the standards allow."""
    url = shows(index, page)
    ended(wait(poetry, tmp_path, url), 0)
    is_found_by_all(poetry, tmp_path, url)


# What is not properly listed is waited for.

UNREADABLE = {
    "another file's size is text": (
        json_page(entry(), OLDER | {"size": "5"}), "'size' of lantern-0.9.tar.gz",
    ),
    "latin-1": (html_page("<p>\xe9</p>LINK"), "not in UTF-8"),
    "an entry is null": (json_page(entry(), None), "an entry is not a JSON object"),
    "another type": (json_page(entry(), kind="application/json"), "'application/json'"),
    "NaN": (json_page(entry(), x=float("nan")), "NaN is not valid JSON"),
    "a relative base": (html_page('<base href="/">LINK'), "its <base>"),
}  # fmt: skip


@pytest.mark.parametrize(("page", "reason"), some(2, UNREADABLE.values()), ids=some(2, UNREADABLE))
def test_unreadable_page_is_waited_for(
    poetry: Poetry, index: FaultProxy, tmp_path: Path, page: Answer, reason: str
) -> None:
    """The wait ends at the deadline with the reason."""
    run = wait(poetry, tmp_path, shows(index, page), *TOO_SHORT)
    ended(run, 6)
    assert codes(tmp_path) == ["PV605"]
    assert reason in run.err


IMPROPER = {
    "no URL": (json_page(entry(url="data:,x")), "its URL is not a valid http"),
    "a name for a hash": (html_page("LINK", "#main"), "'main' is not a hash"),
    "a URL without the name": (json_page(entry(url="/blob?x=/" + WHEEL)), "does not end in"),
    "a hash in capitals": (json_page(entry(hashes={"sha256": SHA256.upper()})), "lower case"),
    "another place": (json_page(entry(), entry(url=f"/gone/{WHEEL}")), "it is listed twice"),
}


@pytest.mark.parametrize(("page", "reason"), some(2, IMPROPER.values()), ids=some(2, IMPROPER))
def test_improperly_listed_file_is_waited_for(
    poetry: Poetry, index: FaultProxy, tmp_path: Path, page: Answer, reason: str
) -> None:
    """The wait ends at the deadline with the file's flaw."""
    run = wait(poetry, tmp_path, shows(index, page), *TOO_SHORT)
    ended(run, 6)
    assert codes(tmp_path) == ["PV608"]
    assert f"{WHEEL}: " in run.err
    assert reason in run.err


# What contradicts the wheel is wrong at once.

WRONG = {
    "md5": (json_page(entry(hashes={"md5": "0" * 32, "sha256": SHA256})), "PV719"),
    "md5 in HTML": (html_page("LINK", "#md5=" + "0" * 32), "PV719"),
    "two hashes": (json_page(entry(), entry(hashes={"sha256": "0" * 64})), "PV701"),
    "metadata under another hash": (
        json_page(entry(core_metadata={"sha512": "0" * 128})), "PV711",
    ),
    "yanked for some": (json_page(entry(yanked="")), "PV708"),
}  # fmt: skip


@pytest.mark.parametrize(("page", "code"), some(3, WRONG.values()), ids=some(3, WRONG))
def test_wrong_listing_fails_at_once(
    poetry: Poetry, index: FaultProxy, tmp_path: Path, page: Answer, code: str
) -> None:
    """A listing that contradicts the wheel fails without waiting."""
    index.answer(is_file(f"{WHEEL}.metadata"), Answer(200, METADATA))
    ended(wait(poetry, tmp_path, shows(index, page)), 7)
    assert codes(tmp_path) == [code]


def test_bytes_under_a_content_encoding(poetry: Poetry, index: FaultProxy, tmp_path: Path) -> None:
    """pip takes the bytes as they come, uv and Poetry undo a coding that they never had."""
    url = shows(index, json_page(entry()))
    index.answer(is_file(WHEEL), Answer(200, BODY, headers={"Content-Encoding": "gzip"}))
    ended(wait(poetry, tmp_path, url), 7)
    assert codes(tmp_path) == ["PV721"]
    assert pip_finds(tmp_path, url, "lantern", "1.0")
    assert not uv_finds(tmp_path, url, "lantern", "1.0")


def test_listed_hash_of_half_a_file(poetry: Poetry, index: FaultProxy, tmp_path: Path) -> None:
    """An index may have stored a truncated file, and lists the hash of that."""
    half = BODY[: len(BODY) // 2]
    hashes = {"sha256": hashlib.sha256(half).hexdigest()}
    url = shows(index, json_page(entry(hashes=hashes, size=len(half))))
    index.answer(is_file(WHEEL), Answer(200, half))
    named = ("--index", url, "--receipt", "receipt.json")
    run = poetry.run("publish-verified", "wait", "lantern==1.0", *named, cwd=tmp_path)
    ended(run, 7)
    assert codes(tmp_path) == ["PV703"]
    assert "it is not a valid wheel" in run.err


def test_file_that_redirects_to_itself(poetry: Poetry, index: FaultProxy, tmp_path: Path) -> None:
    """The wait ends with what the last answer was, even where there is no time for another."""
    url = shows(index, json_page(entry()))
    index.answer(is_file(WHEEL), Answer(302, headers={"Location": f"/files/{WHEEL}"}))
    run = wait(poetry, tmp_path, url, *TOO_SHORT)
    ended(run, 6)
    assert "it redirects without end" in run.err


def test_gzip_of_several_members_is_unreadable(
    poetry: Poetry, index: FaultProxy, tmp_path: Path
) -> None:
    """Not every client reads all members."""
    page = json_page(entry())
    assert isinstance(page.body, bytes)
    page.body = gzip.compress(page.body[:40]) + gzip.compress(page.body[40:])
    page.headers["Content-Encoding"] = "gzip"
    url = shows(index, page)
    run = wait(poetry, tmp_path, url, *TOO_SHORT)
    ended(run, 6)
    assert "its gzip has several members" in run.err


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
