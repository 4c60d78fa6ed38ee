"""A real uv, asked for what a real index holds."""

from __future__ import annotations

import shlex
import ssl
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest

from poetry_publish_verified.adapters.clients.uv import Uv
from poetry_publish_verified.core.urls import Access, IndexTarget
from poetry_publish_verified.core.verification import (
    ClientAbstains,
    ClientFailure,
    ClientFile,
    ClientRequest,
)
from tests.beds.clients import (
    UV,
    clean_environment,
    put_wheel,
    sdist_wanted,
    setup,
    target_of,
    visible_command_lines,
    wheel_bytes,
    wheel_wanted,
)
from tests.beds.indexes import PASSWORD, Index
from tests.beds.processes import HANG
from tests.beds.proxy import Answer, Exchange, is_page

if TYPE_CHECKING:
    from tests.beds.proxy import FaultProxy
    from tests.conftest import MakeProxy

WHEEL = "lantern-1.0-py3-none-any.whl"
PLATFORMS = [
    *("cp312-cp312-win_amd64", "cp312-cp312-macosx_14_0_arm64", "cp39-abi3-win32"),
    *("cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64", "cp312-cp312-linux_aarch64"),
    *("cp312-cp312-manylinux_2_36_aarch64", "cp312-cp312-musllinux_1_2_x86_64"),
    *("cp312-cp312-macosx_10_9_x86_64", "py3-none-any", "py2-none-any", "cp311-none-any"),
]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where uv may leave files."""
    path = tmp_path / "uv-directory"
    path.mkdir()
    return path


def uv(directory: Path, target: IndexTarget, executable: str | Path = UV, **more: str) -> Uv:
    """The client under test, in an environment with its own home."""
    return Uv(executable, setup(directory, target, **more))


def ask(
    client: Uv, wheel: ClientRequest, target: IndexTarget, timeout: float = HANG
) -> ClientFile | ClientFailure | ClientAbstains:
    """One download."""

    async def prepared() -> ClientFile | ClientFailure | ClientAbstains:
        assert await client.prepare() is None
        return await client.download(wheel, target.url, timeout)

    return anyio.run(prepared)


@pytest.mark.parametrize("tags", PLATFORMS)
def test_wheels_for_every_platform(
    closed: Index, make_proxy: MakeProxy, directory: Path, tmp_path: Path, tags: str
) -> None:
    """A wheel for any usual platform is fetched with credentials, and nothing is left."""
    wheel = put_wheel(closed, f"lantern-1.0-{tags}.whl")
    put_wheel(closed, "lantern-1.0-7-py2.py3-none-any.whl")
    proxy = make_proxy(closed.origin)
    target = target_of(closed.behind(proxy.origin))
    assert ask(uv(directory, target), wheel, target) == ClientFile(wheel.filename, wheel.sha256)
    paths = [(r.method, r.path.rpartition("/")[2]) for r in proxy.requests]
    assert ("GET", wheel.filename) in paths, paths
    assert not list((tmp_path / "home").rglob("*"))


def test_wheel_from_devpi(devpi: Index, directory: Path) -> None:
    """From devpi too."""
    wheel = put_wheel(devpi, WHEEL)
    target = target_of(devpi)
    assert ask(uv(directory, target), wheel, target) == ClientFile(wheel.filename, wheel.sha256)


def test_exact_wheel_among_several(open_pypi: Index, directory: Path) -> None:
    """If uv would prefer another wheel, the requested one is still proven."""
    first = put_wheel(open_pypi, WHEEL)
    second = put_wheel(open_pypi, "lantern-1.0-2-py3-none-any.whl")
    target = target_of(open_pypi)
    for wheel in (first, second):
        assert ask(uv(directory, target), wheel, target) == ClientFile(wheel.filename, wheel.sha256)


def test_exact_version_among_several(open_pypi: Index, directory: Path) -> None:
    """1.0 is requested, not 1.0+local; a uv that cannot distinguish them abstains."""
    wheel = put_wheel(open_pypi, WHEEL)
    put_wheel(open_pypi, "lantern-1.0+local-py3-none-any.whl")
    target = target_of(open_pypi)
    got = ask(uv(directory, target), wheel, target)
    if isinstance(got, ClientAbstains):
        assert "takes another version" in got.reason
    else:
        assert got == ClientFile(wheel.filename, wheel.sha256)


def test_other_bytes(open_pypi: Index, make_proxy: MakeProxy, directory: Path) -> None:
    """Other bytes are a failure in uv's words."""
    wheel = put_wheel(open_pypi, WHEEL)
    proxy = make_proxy(open_pypi.origin)
    target = target_of(open_pypi.behind(proxy.origin))
    rule = proxy.serve_other_bytes(WHEEL, wheel_bytes("lantern-1.0-9-py3-none-any.whl"))
    got = ask(uv(directory, target), wheel, target)
    assert isinstance(got, ClientFailure)
    assert "hash mismatch" in got.detail.lower()
    rule.lift()
    assert isinstance(ask(uv(directory, target), wheel, target), ClientFile)


def test_missing_version(closed: Index, directory: Path) -> None:
    """A missing version is a failure in uv's words, without the password."""
    put_wheel(closed, WHEEL)
    target = target_of(closed)
    got = ask(uv(directory, target), wheel_wanted("lantern-1.1-py3-none-any.whl", b""), target)
    assert isinstance(got, ClientFailure)
    assert "no version of lantern==1.1" in got.detail
    assert "Using" not in got.detail


def test_wrong_password(closed: Index, directory: Path) -> None:
    """Refused credentials are a failure and are not repeated."""
    wheel = put_wheel(closed, WHEEL)
    target = IndexTarget(closed.simple_url, Access("harbour", "wrong-secret"))
    got = ask(uv(directory, target), wheel, target)
    assert isinstance(got, ClientFailure)
    assert "40" in got.detail
    assert "wrong-secret" not in got.detail


def test_certificate_authority(
    closed: Index, make_proxy: MakeProxy, authority: tuple[ssl.SSLContext, Path], directory: Path
) -> None:
    """A custom CA is trusted where it is configured, unless verification is off."""
    context, file = authority
    wheel = put_wheel(closed, WHEEL)
    through = closed.behind(make_proxy(closed.origin, context).origin)
    untrusted = target_of(through)
    got = ask(uv(directory, untrusted), wheel, untrusted)
    assert isinstance(got, ClientFailure)
    assert "certificate" in got.detail.lower()
    for more in ({"ca": str(file)}, {"verify": False}):
        target = target_of(through, **more)
        assert isinstance(ask(uv(directory, target), wheel, target), ClientFile), more


def test_user_settings_do_not_count(open_pypi: Index, directory: Path, tmp_path: Path) -> None:
    """`exclude-newer` and other indexes, in the environment or uv.toml, change nothing."""
    wheel = put_wheel(open_pypi, WHEEL)
    target = target_of(open_pypi)
    config = tmp_path / "config" / "uv" / "uv.toml"
    config.parent.mkdir(parents=True)
    config.write_text('exclude-newer = "2001-01-01"\nno-index = true\n', encoding="utf-8")
    client = uv(
        directory,
        target,
        UV_EXCLUDE_NEWER="2001-01-01",
        UV_OFFLINE="1",
        UV_INDEX="http://127.0.0.1:1/simple/",
        UV_CACHE_DIR=str(tmp_path / "users-cache"),
        XDG_CONFIG_HOME=str(tmp_path / "config"),
    )
    assert isinstance(ask(client, wheel, target), ClientFile)
    assert not (tmp_path / "users-cache").exists()


def test_no_credentials_in_arguments(closed: Index, make_proxy: MakeProxy, directory: Path) -> None:
    """While uv waits for the index, no process shows the password."""
    wheel = put_wheel(closed, WHEEL)
    proxy = make_proxy(closed.origin)
    target = target_of(closed.behind(proxy.origin))
    seen: list[str] = []

    def look(exchange: Exchange) -> Answer:
        seen.extend(visible_command_lines())
        return exchange.forward()

    proxy.on(is_page, look)
    assert isinstance(ask(uv(directory, target), wheel, target), ClientFile)
    assert any("--require-hashes" in line for line in seen), "uv was not seen"
    assert not [line for line in seen if "a-pass" in line or PASSWORD in line]


def test_hanging_server(open_pypi: Index, make_proxy: MakeProxy, directory: Path) -> None:
    """uv is ended when its time is up, while the server still hangs."""
    wheel = put_wheel(open_pypi, WHEEL)
    proxy = make_proxy(open_pypi.origin)
    proxy.stall(is_page)
    target = target_of(open_pypi.behind(proxy.origin))
    got = ask(uv(directory, target), wheel, target, timeout=2)
    assert got == ClientFailure("uv did not finish within 2 s")
    assert not [line for line in visible_command_lines() if str(directory) in line]


@pytest.mark.parametrize(
    ("script", "word"),
    [
        (None, "could not be run"),
        ("echo uv 0.4.30", "uv 0.4 is too old"),
        ("echo broken; exit 1", "broken"),
    ],
)
def test_unusable_uv(
    open_pypi: Index, directory: Path, tmp_path: Path, script: str | None, word: str
) -> None:
    """A missing, broken or outdated uv is detected before it is asked."""
    said = anyio.run(uv(directory, target_of(open_pypi), scripted(tmp_path, script)).prepare)
    assert said is not None
    assert word in said


def test_option_that_uv_does_not_know(open_pypi: Index, directory: Path, tmp_path: Path) -> None:
    """A uv that is too old for this platform says nothing about the index."""
    target = target_of(open_pypi)
    script = "[ $1 = --version ] && echo uv 0.9 || { echo \"error: invalid value 'x'\"; exit 2; }"
    got = ask(
        uv(directory, target, scripted(tmp_path, script)), put_wheel(open_pypi, WHEEL), target
    )
    assert got == ClientAbstains("this uv is too old: error: invalid value 'x'")


def scripted(directory: Path, script: str | None) -> Path:
    """A program with this script; None: there is none."""
    executable = directory / "uv"
    if script is not None:
        executable.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        executable.chmod(0o755)
    return executable


def test_resolve_without_download(open_pypi: Index, make_proxy: MakeProxy, directory: Path) -> None:
    """uv finds the version on the wheel's platform without the whole wheel, or says why not."""
    wheel = put_wheel(open_pypi, WHEEL)
    proxy = make_proxy(open_pypi.origin)
    target = target_of(open_pypi.behind(proxy.origin))
    client = uv(directory, target)
    assert anyio.run(client.prepare) is None
    assert anyio.run(client.resolve, wheel, target.url, HANG) is None
    files = [request for request in proxy.requests if request.path.endswith(WHEEL)]
    assert all(request.method == "HEAD" or "range" in request.headers for request in files)
    absent = wheel_wanted("lantern-1.1-py3-none-any.whl", b"")
    got = anyio.run(client.resolve, absent, target.url, HANG)
    assert isinstance(got, ClientFailure)
    assert "no version of lantern==1.1" in got.detail


def test_uv_is_not_asked_for_sdists(open_pypi: Index, directory: Path) -> None:
    """uv would build them."""
    target = target_of(open_pypi)
    sdist = sdist_wanted(wheel_wanted(WHEEL, b""))
    got = anyio.run(uv(directory, target, "/nowhere/uv").resolve, sdist, target.url, HANG)
    assert isinstance(got, ClientAbstains)


def test_unknown_platform(open_pypi: Index, directory: Path) -> None:
    """uv is not asked for a platform that it has no name for."""
    target = target_of(open_pypi)
    wheel = put_wheel(open_pypi, "lantern-1.0-cp312-cp312-manylinux_2_17_s390x.whl")
    client = uv(directory, target, "/nowhere/uv")
    got = anyio.run(client.download, wheel, target.url, HANG)
    assert isinstance(got, ClientAbstains)
    assert "s390x" in got.reason


# The user's own cache.


def cached(proxy: FaultProxy, how: str) -> None:
    """Set the caching headers of pages."""

    def act(exchange: Exchange) -> Answer:
        answer = exchange.forward()
        answer.headers["Cache-Control"] = how
        return answer

    proxy.on(is_page, act)


def users_uv(arguments: list[str], home: Path, target: IndexTarget, directory: Path) -> int:
    """Run uv as the user would, with their cache and settings."""
    done = subprocess.run(
        [UV, *arguments, "--dry-run", "--no-deps", "--target", str(directory / "users")],
        env=clean_environment(home, UV_DEFAULT_INDEX=target.url),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=HANG,
    )
    return done.returncode


def test_stale_user_cache(
    open_pypi: Index, make_proxy: MakeProxy, directory: Path, tmp_path: Path
) -> None:
    """A page that uv cached before the upload is reported, with a command that helps."""
    put_wheel(open_pypi, "lantern-0.9-py3-none-any.whl")
    proxy = make_proxy(open_pypi.origin)
    cached(proxy, "max-age=86400")
    target = target_of(open_pypi.behind(proxy.origin))
    ask_as_user = ["pip", "install", "lantern===1.0"]
    assert users_uv(ask_as_user, tmp_path / "home", target, directory) != 0
    wheel = put_wheel(open_pypi, WHEEL)
    assert users_uv(ask_as_user, tmp_path / "home", target, directory) != 0
    client = uv(directory, target)
    assert isinstance(ask(client, wheel, target), ClientFile)
    pages = len(proxy.pages)
    remedy = anyio.run(client.stale_cache_remedy, wheel, target.url, HANG)
    assert remedy == "uv pip install --refresh-package lantern lantern==1.0"
    assert len(proxy.pages) == pages + 1
    assert users_uv(shlex.split(remedy)[1:], tmp_path / "home", target, directory) == 0
    assert users_uv(ask_as_user, tmp_path / "home", target, directory) == 0
    assert anyio.run(client.stale_cache_remedy, wheel, target.url, HANG) is None


@pytest.mark.parametrize("why", ["cold", "fresh", "cool-down", "absent"])
def test_fresh_user_cache(
    open_pypi: Index, make_proxy: MakeProxy, directory: Path, tmp_path: Path, why: str
) -> None:
    """No command is named where refreshing would change nothing."""
    proxy = make_proxy(open_pypi.origin)
    cached(proxy, "no-cache" if why == "fresh" else "max-age=86400")
    target = target_of(open_pypi.behind(proxy.origin))
    put_wheel(open_pypi, "lantern-0.9-py3-none-any.whl")
    if why == "fresh":
        users_uv(["pip", "install", "lantern===1.0"], tmp_path / "home", target, directory)
    wheel = put_wheel(open_pypi, WHEEL)
    more = {"UV_EXCLUDE_NEWER": "2001-01-01"} if why == "cool-down" else {}
    client = uv(directory, target, "/nowhere/uv" if why == "absent" else UV, **more)
    assert anyio.run(client.stale_cache_remedy, wheel, target.url, HANG) is None
