"""A real pip, asked for what a real index holds."""

from __future__ import annotations

import contextlib
import ensurepip
import os
import signal
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

import anyio
import pytest

from poetry_publish_verified.adapters.clients import pip
from poetry_publish_verified.adapters.clients.pip import Pip
from poetry_publish_verified.core.verification import ClientFailure, ClientFile
from tests.beds.clients import (
    put_wheel,
    sdist_wanted,
    setup,
    target_of,
    visible_command_lines,
    wheel_wanted,
)
from tests.beds.environments import ROOT, environment, share_pip
from tests.beds.indexes import PASSWORD, Index
from tests.beds.poetry import Poetry
from tests.beds.processes import HANG, wait_until
from tests.beds.proxy import Answer, Exchange, is_page

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from poetry_publish_verified.core.urls import IndexTarget
    from poetry_publish_verified.core.verification import ClientRequest
    from tests.conftest import MakeProxy

WHEEL = "lantern-1.0-py3-none-any.whl"
SECRET = "of-the-user"
ISOLATED = [sys.executable.encode(), b"-I", b"-S"]


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    """Where pip works, in a path with a space and an umlaut."""
    path = tmp_path / "pips größe"
    path.mkdir()
    return path


@pytest.fixture
def directory(fresh: Path) -> Path:
    """The same, and pip is unpacked beside it."""
    share_pip(fresh.parent / "kept")
    return fresh


@contextlib.asynccontextmanager
async def ready(client: Pip) -> AsyncIterator[None]:
    """Set the client up, and end its processes afterwards."""
    assert await client.prepare() is None
    try:
        yield
    finally:
        await client.close()


def ask(
    directory: Path, wheel: ClientRequest, target: IndexTarget, timeout: float = HANG, **more: str
) -> ClientFile | ClientFailure:
    """One download, in an environment with its own home."""
    client = Pip(setup(directory, target, **more))

    async def prepared() -> ClientFile | ClientFailure:
        async with ready(client):
            return await client.download(wheel, target.url, timeout)

    return anyio.run(prepared)


def resolve(directory: Path, request: ClientRequest, target: IndexTarget) -> ClientFailure | None:
    """Ask pip for the versions it finds."""
    client = Pip(setup(directory, target))

    async def prepared() -> ClientFailure | None:
        async with ready(client):
            return await client.resolve(request, target.url, HANG)

    return anyio.run(prepared)


@pytest.mark.parametrize("tags", ["py3-none-any", "cp312-cp312-win_amd64", "cp39-abi3-win32"])
def test_wheels_for_every_platform(closed: Index, directory: Path, tags: str) -> None:
    """A wheel for any platform is downloaded with credentials."""
    wheel = put_wheel(closed, f"lantern-1.0-{tags}.whl")
    got = ask(directory, wheel, target_of(closed))
    assert got == ClientFile(wheel.filename, wheel.sha256)
    assert not list((directory.parent / "home").rglob("*"))
    assert not list(directory.rglob("*.whl"))


@pytest.mark.parametrize(
    ("tags", "found"), [("cp312-cp312-win_amd64", True), ("cp312-cp312-win_arm64", False)]
)
def test_resolve_without_download(
    open_pypi: Index, make_proxy: MakeProxy, directory: Path, tags: str, *, found: bool
) -> None:
    """pip finds a wheel for its own platform without downloading it, and no other wheel."""
    put_wheel(open_pypi, "lantern-1.0rc1-cp312-cp312-win_amd64.whl")
    proxy = make_proxy(open_pypi.origin)
    target = target_of(open_pypi.behind(proxy.origin))
    wheel = wheel_wanted(f"lantern-1.0rc1-{tags}.whl", b"")
    got = resolve(directory, wheel, target)
    assert (got is None) is found
    assert proxy.requests == proxy.pages


def test_version_that_is_not_listed(open_pypi: Index, directory: Path) -> None:
    """If pip lists only other versions, the message shows them."""
    put_wheel(open_pypi, WHEEL)
    got = resolve(
        directory, wheel_wanted("lantern-1.1-py3-none-any.whl", b""), target_of(open_pypi)
    )
    assert isinstance(got, ClientFailure)
    assert "Available versions: 1.0" in got.detail


def test_sdist_is_found_without_a_download(
    open_pypi: Index, make_proxy: MakeProxy, directory: Path
) -> None:
    """An sdist is found whatever Python it requires, and nothing is downloaded."""
    sdist = sdist_wanted(wheel_wanted(WHEEL, b""))
    proxy = make_proxy(open_pypi.origin)
    link = f'<a href="/{sdist.filename}" data-requires-python="&lt;3">{sdist.filename}</a>'
    proxy.answer(is_page, Answer(200, link.encode(), headers={"Content-Type": "text/html"}))
    target = target_of(open_pypi.behind(proxy.origin))
    assert resolve(directory, sdist, target) is None
    assert proxy.requests == proxy.pages


def test_missing_version(closed: Index, directory: Path) -> None:
    """A missing version is a failure in pip's words, without the password."""
    put_wheel(closed, WHEEL)
    got = ask(directory, wheel_wanted("lantern-1.1-py3-none-any.whl", b""), target_of(closed))
    assert got == ClientFailure(
        "Could not find a version that satisfies the requirement lantern===1.1"
        " (from versions: 1.0) No matching distribution found for lantern===1.1"
    )


def test_environment_of_pip(closed: Index, make_proxy: MakeProxy, directory: Path) -> None:
    """While pip waits for the index it is isolated, and no secret is where others may see it."""
    wheel = put_wheel(closed, WHEEL)
    proxy = make_proxy(closed.origin)
    target = target_of(closed.behind(proxy.origin))
    arguments: list[str] = []
    variables: list[bytes] = []

    def look(exchange: Exchange) -> Answer:
        arguments.extend(visible_command_lines())
        variables.extend(environ for _, environ in pips(directory))
        return exchange.forward()

    proxy.on(is_page, look)
    got = ask(
        directory, wheel, target, TWINE_PASSWORD=SECRET, PIP_EXTRA_INDEX_URL="http://elsewhere/"
    )
    assert isinstance(got, ClientFile)
    assert not [line for line in arguments if PASSWORD in line]
    # What has imported pip, and its fork, which asks.
    assert len(variables) == 2
    for each in variables:
        assert PASSWORD.encode() not in unquote_to_bytes(each)
        assert SECRET.encode() not in each
        assert b"elsewhere" not in each


def pips(directory: Path) -> list[tuple[int, bytes]]:
    """The processes of pip that work there, with their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it may have ended
            words = (process / "cmdline").read_bytes().split(b"\0")
            if words[:3] == ISOLATED and (process / "cwd").readlink() == directory:
                found.append((int(process.name), (process / "environ").read_bytes()))
    return sorted(found)


def test_hanging_server(open_pypi: Index, make_proxy: MakeProxy, directory: Path) -> None:
    """pip is ended when its time is up, while the server still hangs."""
    wheel = put_wheel(open_pypi, WHEEL)
    proxy = make_proxy(open_pypi.origin)
    proxy.stall(is_page)
    target = target_of(open_pypi.behind(proxy.origin))
    assert ask(directory, wheel, target, timeout=2) == ClientFailure(
        "pip did not finish within 2 s"
    )
    assert pips(directory) == []


@pytest.mark.parametrize("which", [0, 1], ids=["the server", "its fork"])
def test_pip_that_is_killed(
    open_pypi: Index, make_proxy: MakeProxy, directory: Path, which: int
) -> None:
    """The next try has a new one: an ended server is replaced at once, an ended pip says so."""
    wheel = put_wheel(open_pypi, WHEEL)
    proxy = make_proxy(open_pypi.origin)
    target = target_of(open_pypi.behind(proxy.origin))
    killed: list[int] = []

    def kill(exchange: Exchange) -> Answer:
        if not killed:
            killed.append(pips(directory)[which][0])
            os.kill(killed[0], signal.SIGKILL)
        return exchange.forward()

    proxy.on(is_page, kill)
    client = Pip(setup(directory, target))

    async def twice() -> list[ClientFile | ClientFailure]:
        async with ready(client):
            return [await client.download(wheel, target.url, HANG) for _ in range(2)]

    first, second = anyio.run(twice)
    assert second == ClientFile(wheel.filename, wheel.sha256)
    assert first == (second if which == 0 else ClientFailure("pip was ended by signal 9"))
    assert pips(directory) == []


def test_pip_ends_with_who_asked(open_pypi: Index, make_proxy: MakeProxy, directory: Path) -> None:
    """If that is killed while the index keeps pip waiting, nothing of pip stays."""
    put_wheel(open_pypi, WHEEL)
    proxy = make_proxy(open_pypi.origin)
    proxy.stall(is_page)
    target = target_of(open_pypi.behind(proxy.origin))
    code = f"""
from pathlib import Path
from poetry_publish_verified.core.urls import Access, IndexTarget
from tests.real.test_pip import WHEEL, ask, wheel_wanted
ask(Path({str(directory)!r}), wheel_wanted(WHEEL, b""), IndexTarget({target.url!r}, Access()))
"""
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT) as asking:
        wait_until(lambda: bool(proxy.pages), "pip's request")
        assert len(pips(directory)) == 2
        asking.kill()
    wait_until(lambda: not pips(directory), "the end of pip")


def test_several_requests_at_once(closed: Index, directory: Path) -> None:
    """Each has a pip of its own, and its own credentials."""
    wheels = [put_wheel(closed, f"lantern-1.{n}-py3-none-any.whl") for n in range(3)]
    client = Pip(setup(directory, target := target_of(closed)))
    got: dict[str, object] = {}

    async def download(wheel: ClientRequest) -> None:
        got[wheel.filename] = await client.download(wheel, target.url, HANG)

    async def all_of_them() -> None:
        async with ready(client), anyio.create_task_group() as group:
            for wheel in wheels:
                group.start_soon(download, wheel)

    anyio.run(all_of_them)
    assert got == {each.filename: ClientFile(each.filename, each.sha256) for each in wheels}
    assert pips(directory) == []


def test_pip_that_began_early(open_pypi: Index, directory: Path) -> None:
    """The process that imports pip before an index is known is the one that is asked later."""
    wheel, target = put_wheel(open_pypi, WHEEL), target_of(open_pypi)
    early = pip.begun_early(setup(directory, target))
    assert early is not None
    # Until it runs its program it has no command line.
    wait_until(lambda: pips(directory), "pip's process to begin")
    begun = pips(directory)
    client = Pip(setup(directory, target), early)

    async def prepared() -> ClientFile | ClientFailure:
        async with ready(client):
            assert pips(directory) == begun
            got = await client.download(wheel, target.url, HANG)
            assert pips(directory) == begun
            return got

    assert anyio.run(prepared) == ClientFile(wheel.filename, wheel.sha256)
    assert len(begun) == 1
    assert pips(directory) == []


def test_damaged_pip_that_began_early(open_pypi: Index, fresh: Path) -> None:
    """It is not asked, and nothing begins where nothing is kept."""
    wheel, target = put_wheel(open_pypi, WHEEL), target_of(open_pypi)
    assert pip.begun_early(setup(fresh, target)) is None
    assert isinstance(ask(fresh, wheel, target), ClientFile)
    (kept,) = setup(fresh, target).kept_in.iterdir()
    with (kept / "pip" / "__init__.py").open("a") as module:
        module.write("\nprint('damaged')\n")
    early = pip.begun_early(setup(fresh, target))
    assert early is not None
    client = Pip(setup(fresh, target), early)

    async def prepared() -> ClientFile | ClientFailure:
        async with ready(client):
            wait_until(lambda: len(pips(fresh)) == 2, "another process to begin")
            early.close()
            assert len(pips(fresh)) == 1
            return await client.download(wheel, target.url, HANG)

    assert anyio.run(prepared) == ClientFile(wheel.filename, wheel.sha256)
    assert pips(fresh) == []


def test_pip_where_nothing_can_fork(
    open_pypi: Index, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is started for each request."""
    monkeypatch.setattr(pip, "CAN_FORK", False)
    wheel = put_wheel(open_pypi, WHEEL)
    got = ask(directory, wheel, target_of(open_pypi))
    assert got == ClientFile(wheel.filename, wheel.sha256)


def test_pip_is_unpacked_once(open_pypi: Index, fresh: Path) -> None:
    """It is kept for the next run, and unpacked again if a file is missing or cut."""
    wheel, target = put_wheel(open_pypi, WHEEL), target_of(open_pypi)
    kept_in = setup(fresh, target).kept_in
    assert isinstance(ask(fresh, wheel, target), ClientFile)
    (kept,) = kept_in.iterdir()
    before = kept.stat().st_ino
    assert isinstance(ask(fresh, wheel, target), ClientFile)
    assert kept.stat().st_ino == before
    module = kept / "pip" / "__init__.py"
    zeros = b"\0" * module.stat().st_size
    for damage in (
        module.unlink,
        partial(module.write_bytes, b""),
        partial(module.write_bytes, zeros),
    ):
        damage()
        assert isinstance(ask(fresh, wheel, target), ClientFile)
        assert kept.stat().st_ino != before
        before = kept.stat().st_ino
    assert list(kept_in.iterdir()) == [kept]
    assert not (fresh / kept.name).exists()


def test_damaged_compiled_file(open_pypi: Index, fresh: Path) -> None:
    """pip is unpacked for this run, and the next one has a new copy."""
    wheel, target = put_wheel(open_pypi, WHEEL), target_of(open_pypi)
    assert isinstance(ask(fresh, wheel, target), ClientFile)
    (kept,) = setup(fresh, target).kept_in.iterdir()
    (compiled,) = (kept / "pip" / "_internal" / "cli" / "__pycache__").glob("main.*.pyc")
    compiled.write_bytes(compiled.read_bytes()[:100])
    assert isinstance(ask(fresh, wheel, target), ClientFile)
    assert not kept.exists()
    assert isinstance(ask(fresh, wheel, target), ClientFile)
    assert kept.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_copy_of_another_user(open_pypi: Index, fresh: Path) -> None:
    """What somebody else has put there is not run, but replaced."""
    wheel, target = put_wheel(open_pypi, WHEEL), target_of(open_pypi)
    assert isinstance(ask(fresh, wheel, target), ClientFile)
    (kept,) = setup(fresh, target).kept_in.iterdir()
    os.chown(kept, 1234, -1)
    assert isinstance(ask(fresh, wheel, target), ClientFile)
    assert kept.stat().st_uid == 0


def test_virtualenv_without_a_wheel(tmp_path: Path) -> None:
    """Where it was stripped of its wheels, Python's own pip is taken."""
    own = environment().copy(tmp_path / "environment")
    for wheel in own.site.glob("virtualenv/seed/wheels/embed/pip-*.whl"):
        wheel.unlink()
    code = (
        "import sys, anyio, pathlib; from poetry_publish_verified.adapters import embedded_pip;"
        "print(anyio.run(embedded_pip.unpacked, pathlib.Path(sys.argv[1])))"
    )
    place = Poetry(own, tmp_path / "home", tmp_path).python(code, tmp_path / "kept").ok()
    (bundled,) = (Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl")
    assert Path(place.strip()).name.startswith(bundled.stem)


def test_pip_cannot_be_kept(open_pypi: Index, fresh: Path) -> None:
    """It is unpacked for this run, or the reason is given."""
    wheel, target = put_wheel(open_pypi, WHEEL), target_of(open_pypi)
    setup(fresh, target).kept_in.write_bytes(b"in the way")
    assert isinstance(ask(fresh, wheel, target), ClientFile)
    in_the_way = setup(fresh, target).kept_in
    said = anyio.run(Pip(replace(setup(fresh, target), directory=in_the_way)).prepare)
    assert said is not None
    assert str(in_the_way) in said
