"""Poetry's own repository classes, asked for what a real index holds."""

from __future__ import annotations

import gc
import hashlib
import json
import os
import ssl
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest

from poetry_publish_verified.adapters.clients.poetry import PoetryClient
from poetry_publish_verified.core.urls import Access, IndexTarget
from poetry_publish_verified.core.verification import ClientFailure, ClientFile, ClientRequest
from poetry_publish_verified.poetry_api.repositories import pypi_index
from tests.beds.clients import (
    clean_environment,
    put_wheel,
    sdist_wanted,
    setup,
    target_of,
    wheel_bytes,
    wheel_wanted,
)
from tests.beds.indexes import Index
from tests.beds.processes import HANG
from tests.beds.proxy import JSON_PAGE, Answer, Exchange, is_file, is_page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.beds.proxy import FaultProxy
    from tests.conftest import MakeProxy

# Poetry imports a module that uses a deprecated function, and a timed-out download is abandoned
# with its socket open.
pytestmark = pytest.mark.filterwarnings(
    "default:open_text is deprecated:DeprecationWarning",
    "default:unclosed:ResourceWarning",
    "default::pytest.PytestUnraisableExceptionWarning",
)
WHEEL = "lantern-1.0-py3-none-any.whl"


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Poetry runs in this process: its home is empty, and the test must leave it unchanged."""
    home = tmp_path / "home"
    clean = clean_environment(home)
    for key in set(os.environ) - set(clean):
        monkeypatch.delenv(key)
    monkeypatch.setenv("HOME", clean["HOME"])
    for name in ("CONFIG", "CACHE", "DATA"):
        monkeypatch.setenv(f"POETRY_{name}_DIR", str(home / name.lower()))
    yield home
    # A socket left open is reported when it is collected: here, where the marks above expect it,
    # and not in whichever test runs then.
    gc.collect()
    assert not list(home.rglob("*"))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where the client may leave files."""
    path = tmp_path / "poetry-directory"
    path.mkdir()
    return path


def ask(
    directory: Path,
    wheel: ClientRequest,
    target: IndexTarget,
    timeout: float = HANG,
    pypi: str = "",
) -> object:
    """One download."""
    client = PoetryClient(setup(directory, target), pypi or pypi_index())
    return anyio.run(client.download, wheel, target.url, timeout)


@pytest.mark.parametrize(
    "tags",
    [
        *("py3-none-any", "cp312-cp312-win_amd64", "cp312-cp312-macosx_11_0_arm64"),
        *("cp312-cp312-manylinux_2_17_s390x", "cp312-cp312-musllinux_1_2_x86_64"),
    ],
)
def test_wheels_for_every_platform(
    closed: Index, make_proxy: MakeProxy, directory: Path, tags: str
) -> None:
    """A wheel for any platform is fetched from where Poetry finds it linked."""
    wheel = put_wheel(closed, f"lantern-1.0-{tags}.whl")
    put_wheel(closed, "lantern-1.0-7-py2.py3-none-any.whl")
    proxy = make_proxy(closed.origin)
    target = target_of(closed.behind(proxy.origin))
    assert ask(directory, wheel, target) == ClientFile(wheel.filename, wheel.sha256)
    assert [r for r in proxy.requests if r.path.endswith(wheel.filename)]


def test_wheel_from_devpi(devpi: Index, directory: Path) -> None:
    """From devpi too, whose pages are JSON."""
    wheel = put_wheel(devpi, WHEEL)
    assert ask(directory, wheel, target_of(devpi)) == ClientFile(WHEEL, wheel.sha256)


def test_other_bytes(open_pypi: Index, make_proxy: MakeProxy, directory: Path) -> None:
    """Other bytes are reported by their hash."""
    wheel = put_wheel(open_pypi, WHEEL)
    proxy = make_proxy(open_pypi.origin)
    other = wheel_bytes("lantern-1.0-9-py3-none-any.whl")
    proxy.serve_other_bytes(WHEEL, other)
    got = ask(directory, wheel, target_of(open_pypi.behind(proxy.origin)))
    assert got == ClientFile(WHEEL, hashlib.sha256(other).hexdigest())


@pytest.mark.parametrize(
    ("filename", "word"),
    [
        ("lantern-1.1-py3-none-any.whl", "finds no lantern 1.1"),
        ("lantern-1.0-1-py3-none-any.whl", "but not lantern-1.0-1-py3-none-any.whl"),
        ("beacon-1.0-py3-none-any.whl", "finds no beacon 1.0"),
    ],
)
def test_missing_release(open_pypi: Index, directory: Path, filename: str, word: str) -> None:
    """A missing project, version or file is a failure; 1.0+local is not 1.0."""
    put_wheel(open_pypi, WHEEL)
    put_wheel(open_pypi, "lantern-1.1+local-py3-none-any.whl")
    target = target_of(open_pypi)
    # pypiserver redirects requests for unknown projects, here to nowhere.
    got = ask(directory, wheel_wanted(filename, b""), target)
    assert isinstance(got, ClientFailure)
    assert word in got.detail


def test_file_that_is_not_served(open_pypi: Index, make_proxy: MakeProxy, directory: Path) -> None:
    """A listed file that the index does not serve is a failure in Poetry's words."""
    wheel = put_wheel(open_pypi, WHEEL)
    proxy = make_proxy(open_pypi.origin)
    proxy.answer(is_file(WHEEL), Answer(404))
    got = ask(directory, wheel, target_of(open_pypi.behind(proxy.origin)))
    assert isinstance(got, ClientFailure)
    assert "404" in got.detail


def test_wrong_password(closed: Index, directory: Path) -> None:
    """Refused credentials are a failure and are not repeated."""
    wheel = put_wheel(closed, WHEEL)
    got = ask(directory, wheel, IndexTarget(closed.simple_url, Access("harbour", "wrong-secret")))
    assert isinstance(got, ClientFailure)
    assert "wrong-secret" not in got.detail


def test_certificate_authority(
    closed: Index, make_proxy: MakeProxy, authority: tuple[ssl.SSLContext, Path], directory: Path
) -> None:
    """A custom CA is trusted where it is configured, unless verification is off."""
    context, file = authority
    wheel = put_wheel(closed, WHEEL)
    through = closed.behind(make_proxy(closed.origin, context).origin)
    with pytest.warns(match="Unverified HTTPS"):
        assert isinstance(ask(directory, wheel, target_of(through, verify=False)), ClientFile)
    assert isinstance(ask(directory, wheel, target_of(through, ca=str(file))), ClientFile)
    got = ask(directory, wheel, target_of(through), timeout=4)
    assert isinstance(got, ClientFailure)


def test_proxies_can_be_disabled(
    open_pypi: Index, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment's proxies count unless they are disabled."""
    wheel, target = put_wheel(open_pypi, WHEEL), target_of(open_pypi)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert isinstance(ask(directory, wheel, target, timeout=3), ClientFailure)
    client = PoetryClient(replace(setup(directory, target), proxies=False), pypi_index())
    assert isinstance(anyio.run(client.download, wheel, target.url, HANG), ClientFile)


def pypi_like(proxy: FaultProxy, index: Index, wheel: ClientRequest) -> list[str]:
    """Make the proxy answer with PyPI's JSON pages, and record the requests."""
    asked = []
    url = f"{proxy.origin}/packages/{wheel.filename}"
    recent = "2999-01-01T00:00:00.000000Z"
    simple = {
        "meta": {"api-version": "1.1"},
        "name": wheel.name,
        "versions": [wheel.version],
        "files": [
            {
                "filename": wheel.filename,
                "url": url,
                "hashes": {"sha256": wheel.sha256},
                "upload-time": recent,
            }
        ],
    }
    release = {
        "info": {
            "name": wheel.name,
            "version": wheel.version,
            "summary": "",
            "yanked": False,
            "requires_dist": [],
            "requires_python": None,
        },
        "urls": [
            {
                "filename": wheel.filename,
                "packagetype": "bdist_wheel",
                "url": url,
                "digests": {"sha256": wheel.sha256},
                "upload_time_iso_8601": recent,
            }
        ],
    }

    def act(exchange: Exchange) -> Answer:
        path = exchange.request.path
        asked.append(path)
        page = simple if path.startswith("/simple/") else release
        kind = {"Content-Type": "application/vnd.pypi.simple.v1+json"}
        return Answer(200, json.dumps(page).encode(), headers=kind)

    proxy.on(lambda request: request.path.startswith(("/simple/", "/pypi/")), act)
    assert index.root is not None
    return asked


def test_pypi_version_page(open_pypi: Index, make_proxy: MakeProxy, directory: Path) -> None:
    """PyPI is asked through Poetry's class for it, which takes links from the release's page."""
    wheel = put_wheel(open_pypi, WHEEL)
    proxy = make_proxy(open_pypi.origin)
    asked = pypi_like(proxy, open_pypi, wheel)
    target = IndexTarget(f"{proxy.origin}/simple/", Access())
    got = ask(directory, wheel, target, pypi=target.url)
    assert got == ClientFile(WHEEL, wheel.sha256)
    assert "/simple/lantern/" in asked
    assert "/pypi/lantern/1.0/json" in asked


def test_user_settings_do_not_count(
    open_pypi: Index,
    make_proxy: MakeProxy,
    directory: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A minimum release age in Poetry's settings does not hide a fresh release."""
    wheel = put_wheel(open_pypi, WHEEL)
    proxy = make_proxy(open_pypi.origin)
    pypi_like(proxy, open_pypi, wheel)
    monkeypatch.setenv("POETRY_SOLVER_MIN_RELEASE_AGE", "9")
    target = IndexTarget(f"{proxy.origin}/simple/", Access())
    assert isinstance(ask(directory, wheel, target, pypi=target.url), ClientFile)


def test_hash_that_poetry_would_not_find_again(
    open_pypi: Index, make_proxy: MakeProxy, directory: Path
) -> None:
    """Poetry locks a hash as listed, and compares it letter by letter at installation."""
    wheel = put_wheel(open_pypi, WHEEL)
    proxy = make_proxy(open_pypi.origin)
    target = IndexTarget(f"{proxy.origin}/simple/", Access())
    for sha256, works in ((wheel.sha256, True), (wheel.sha256.upper(), False)):
        entry = {"filename": WHEEL, "url": f"/packages/{WHEEL}", "hashes": {"sha256": sha256}}
        page = json.dumps({"meta": {"api-version": "1.0"}, "name": "lantern", "files": [entry]})
        headers = {"Content-Type": JSON_PAGE}
        proxy.answer(is_page, Answer(200, page.encode(), headers=headers))
        got = ask(directory, wheel, target)
        assert isinstance(got, ClientFile) is works
        if isinstance(got, ClientFailure):
            assert f"Poetry would lock sha256:{sha256}" in got.detail
            assert wheel.sha256 in got.detail


def test_one_look_for_all_files(open_pypi: Index, make_proxy: MakeProxy, directory: Path) -> None:
    """A release is read once for all its wheels, and again after a failure; nothing is left."""
    names = [f"lantern-1.0-cp3{minor}-none-any.whl" for minor in (11, 12, 13)]
    wheels = [put_wheel(open_pypi, name) for name in names]
    proxy = make_proxy(open_pypi.origin)
    target = target_of(open_pypi.behind(proxy.origin))
    client = PoetryClient(setup(directory, target), "")
    rule = proxy.answer(is_file(names[1]), Answer(404))

    async def ask_for_all() -> list[object]:
        got: list[object] = [
            await client.download(wheels[0], target.url, HANG),
            await client.resolve(wheels[2], target.url, HANG),
        ]
        pages.append(len(proxy.pages))
        got.append(await client.download(wheels[1], target.url, HANG))
        rule.lift()
        got.append(await client.download(wheels[1], target.url, HANG))
        pages.append(len(proxy.pages))
        return got

    pages: list[int] = []
    first, second, failed, again = anyio.run(ask_for_all)
    assert first == ClientFile(names[0], wheels[0].sha256)
    assert second is None
    assert isinstance(failed, ClientFailure)
    assert again == ClientFile(names[1], wheels[1].sha256)
    assert pages == [1, 2]
    assert not list(directory.rglob("*.whl"))


@pytest.mark.parametrize("there", [True, False])
def test_sdist_is_not_built(
    open_pypi: Index, make_proxy: MakeProxy, directory: Path, *, there: bool
) -> None:
    """For a release without wheels, Poetry finds the link and downloads nothing."""
    sdist = sdist_wanted(wheel_wanted(WHEEL, b""))
    assert open_pypi.root is not None
    name = sdist.filename if there else sdist.filename.replace("1.0", "0.9")
    (open_pypi.root / name).write_bytes(b"no archive")
    proxy = make_proxy(open_pypi.origin)
    target = target_of(open_pypi.behind(proxy.origin))
    client = PoetryClient(setup(directory, target), "")
    got = anyio.run(client.resolve, sdist, target.url, HANG)
    assert (got is None) is there
    assert proxy.requests == proxy.pages


HANGING = """
import sys, anyio, pathlib
from poetry_publish_verified.core.urls import Access, IndexTarget
from poetry_publish_verified.adapters.clients.poetry import PoetryClient
from tests.beds.clients import setup, wheel_wanted
target = IndexTarget(sys.argv[1], Access())
client = PoetryClient(setup(pathlib.Path(sys.argv[2]), target), "")
wheel = wheel_wanted("lantern-1.0-py3-none-any.whl", b"")
print(anyio.run(client.download, wheel, target.url, 2.0))
"""


def test_hanging_server(open_pypi: Index, make_proxy: MakeProxy, directory: Path) -> None:
    """A hanging server does not keep the process alive beyond its time."""
    proxy = make_proxy(open_pypi.origin)
    proxy.stall(is_page)
    done = subprocess.run(
        [sys.executable, "-c", HANGING, f"{proxy.origin}/simple/", str(directory)],
        cwd=Path(__file__).resolve().parents[2],
        # Poetry itself would not time out either.
        env=os.environ | {"POETRY_REQUESTS_TIMEOUT": str(int(2 * HANG))},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
        text=True,
        timeout=HANG,
    )
    assert "Poetry did not finish within 2 s" in done.stdout


def test_password_is_not_sent_to_other_hosts(
    closed: Index, open_pypi: Index, make_proxy: MakeProxy, directory: Path
) -> None:
    """The index's password is not sent to the host of its files."""
    wheel = put_wheel(closed, WHEEL)
    put_wheel(open_pypi, WHEEL)
    elsewhere = make_proxy(open_pypi.origin)
    proxy = make_proxy(closed.origin)
    proxy.send_files_to(elsewhere.origin)
    assert isinstance(ask(directory, wheel, target_of(closed.behind(proxy.origin))), ClientFile)
    assert elsewhere.requests
    assert not [r for r in elsewhere.requests if "authorization" in r.headers]
