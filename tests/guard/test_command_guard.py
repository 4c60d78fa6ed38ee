"""Which locks each command of each Poetry minor holds, and what it never waits for."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import termios
from pathlib import Path

import pytest

from poetry_publish_verified.guard.command_guard import NEEDS
from poetry_publish_verified.guard.locks.lock import acquire
from poetry_publish_verified.guard.locks.places import LockPlaces
from poetry_publish_verified.guard.locks.resource import Resource
from tests.beds.plugins import OFFLINE, write_project
from tests.beds.poetry import Poetry
from tests.beds.processes import HANG, wait_until
from tests.beds.simple_index import SimpleIndex
from tests.guard.holding import holder_argv, holder_of

AT_ONCE = {"POETRY_PUBLISH_VERIFIED_LOCK_TIMEOUT": "0.2"}
WITHOUT = "Continuing without a lock"


@pytest.fixture
def project(tmp_path: Path, index: SimpleIndex) -> Path:
    """A project without project plugins but with a dependency."""
    directory = write_project(tmp_path / "project", index.url, "")
    file = directory / "pyproject.toml"
    text = file.read_text().replace("\n[tool.poetry]", 'dependencies = ["pysocks"]\n[tool.poetry]')
    file.write_text(text)
    return directory


@pytest.fixture
def places(tmp_path: Path) -> LockPlaces:
    """The lock places of the test's own Poetry."""
    return LockPlaces(tmp_path / "home" / ".local/share/poetry-publish-verified/locks")


def without_lock(poetry: Poetry, *command: str) -> bool:
    """Whether a command went on without a lock that it wanted."""
    done = poetry.run(*command, cwd=None, **AT_ONCE)
    done.ok()
    assert done.err.count(WITHOUT) <= 1
    return WITHOUT in done.err


def test_project_lock(poetry: Poetry, places: LockPlaces) -> None:
    """Commands that rewrite pyproject.toml or poetry.lock wait for each other; others do not."""
    poetry.run("install").ok()
    with holder_of(places.project(poetry.project)):
        assert without_lock(poetry, "lock")
        assert without_lock(poetry, "version", "patch")
        assert not without_lock(poetry, "version")
        assert not without_lock(poetry, "install")
        assert not without_lock(poetry, "add", "stamp-helper", "--dry-run")
        assert not without_lock(poetry, "run", "python", "-c", "")
        assert without_lock(poetry, "add", "stamp-helper")
    assert poetry.run("version", "-s").ok() == "0.0.1\n"
    assert "stamp-helper" in (poetry.project / "pyproject.toml").read_text()
    for command in (("remove", "stamp-helper"), ("update",)):
        poetry.run(*command).ok()


@pytest.mark.parametrize("in_project", ["true", "false"])
def test_environment_lock(poetry: Poetry, places: LockPlaces, in_project: str) -> None:
    """Commands that install into it wait for each other; those that use it do not."""
    variables = {"POETRY_VIRTUALENVS_IN_PROJECT": in_project}
    poetry.run("install", cwd=None, **variables).ok()
    path = poetry.run("env", "info", "--path", cwd=None, **variables).ok().strip()
    with holder_of(places.environment(Path(path))):
        commands = {
            "install": True, "run python -c 1": False, "sync": True, "update": True,
            "env info": False, "lock": False, "build": False, "install --dry-run": False,
        }  # fmt: skip
        # Where it is makes no difference to most.
        for command, waits in list(commands.items())[: None if in_project == "true" else 2]:
            done = poetry.run(*command.split(), cwd=None, **variables, **AT_ONCE)
            done.ok()
            assert (WITHOUT in done.err) == waits, command


def test_active_environment_lock(poetry: Poetry, places: LockPlaces, tmp_path: Path) -> None:
    """An active environment has its lock next to it, wherever it is."""
    active = tmp_path / "elsewhere" / "active"
    poetry.run("install").ok()
    shutil.copytree(poetry.project / ".venv", active, symlinks=True)
    with holder_of(places.environment(active)):
        done = poetry.run("install", cwd=None, VIRTUAL_ENV=str(active), **AT_ONCE)
        done.ok()
        assert WITHOUT in done.err
    # Programs that list environments may find nothing but a hidden file.
    beside = sorted(path.name for path in active.parent.iterdir() if path.is_file())
    assert beside == [".active.poetry-lock", ".active.poetry-lock.holder"]
    assert sorted(active.parent.iterdir())[2:] == [active]


@pytest.mark.seam
def test_settings_lock(poetry: Poetry, places: LockPlaces, tmp_path: Path) -> None:
    """Commands that write a setting wait for each other; readers do not."""
    with holder_of(places.config(tmp_path / "home" / "config")):
        assert without_lock(poetry, "config", "virtualenvs.prompt", "x")
        assert not without_lock(poetry, "config", "virtualenvs.prompt")
        assert not without_lock(poetry, "config", "--list")
        assert not without_lock(poetry, "config", "--local", "virtualenvs.prompt", "y")
        # While Poetry is being changed, commands that only show something leave its project alone.
        system = tmp_path / "home" / "config" / "pyproject.toml"
        assert not without_lock(poetry, "self", "show", "plugins")
        before = f"{system.read_text()}# as it is\n"
        system.write_text(before)
        assert not without_lock(poetry, "self", "show", "plugins")
        assert system.read_text() == before
    poetry.run("self", "show", "plugins").ok()
    assert system.read_text() != before
    assert poetry.run("config", "virtualenvs.prompt").ok() == "y\n"


def test_no_lock_during_a_question(newest: Poetry, places: LockPlaces, tmp_path: Path) -> None:
    """While Poetry asks for a password, others may write settings."""
    terminal, inside = pty.openpty()
    asking = newest.start(
        "config", "http-basic.shop", "me", stdin=inside, stdout=inside, stderr=inside
    )
    os.close(inside)
    said = b""
    while b"Password:" not in said:
        said += os.read(terminal, 1000)
    config = places.config(tmp_path / "home" / "config")
    with acquire(config, print, only_if_free=True) as ours:
        assert ours
    # Input typed before Poetry turns off the echo is discarded.
    wait_until(lambda: not termios.tcgetattr(terminal)[3] & termios.ECHO, "no echo")
    os.write(terminal, b"s3cret\n")
    assert asking.wait(HANG) == 0
    os.close(terminal)
    assert "s3cret" in (tmp_path / "home" / "config" / "auth.toml").read_text()


@pytest.mark.seam
def test_poetrys_own_lock(poetry: Poetry, places: LockPlaces, tmp_path: Path) -> None:
    """Commands that change Poetry (here `self lock`) hold its settings and environment."""
    changing = {name for name, needs in NEEDS.items() if needs.poetry}
    assert changing == {
        f"self {word}" for word in ["add", "install", "lock", "remove", "sync", "update"]
    }
    prefix = poetry.environment.path
    poetry = poetry.with_variables(**OFFLINE)
    for resource in (
        places.config(tmp_path / "home" / "config"),
        places.poetry_environment(prefix),
    ):
        with holder_of(resource):
            done = poetry.run("self", "lock", cwd=None, **AT_ONCE)
            assert WITHOUT in done.err
    assert WITHOUT not in poetry.run("self", "lock").err


@pytest.mark.real_start
@pytest.mark.seam
def test_half_made_environment_is_recreated(poetry: Poetry) -> None:
    """The first command that needs it recreates what a killed process left."""
    poetry.run("install").ok()
    whole = poetry.project / ".venv"
    (whole / "pyvenv.cfg").unlink()
    done = poetry.run("run", "python", "-c", "import sys; print(sys.prefix)")
    assert done.ok() == f"{whole}\n"
    assert (whole / "pyvenv.cfg").exists()


@pytest.mark.seam
def test_env_remove_and_use(poetry: Poetry, places: LockPlaces) -> None:
    """`env remove` waits for installs, `env use` for changes to the list."""
    variables = {"POETRY_VIRTUALENVS_IN_PROJECT": "false", **AT_ONCE}
    poetry.run("install", cwd=None, **variables).ok()
    path = Path(poetry.run("env", "info", "--path", cwd=None, **variables).ok().strip())
    with holder_of(places.environments_file(path.parent / "envs.toml")):
        used = poetry.run("env", "use", "python", cwd=None, **variables)
        used.ok()
        assert WITHOUT in used.err
    with holder_of(places.environment(path)):
        removed = poetry.run("env", "remove", "--all", cwd=None, **variables)
        removed.ok()
        assert WITHOUT in removed.err
    assert not path.exists()


@pytest.mark.real_start
def test_nested_commands(poetry: Poetry, places: LockPlaces) -> None:
    """`poetry run` holds nothing, and a nested command never waits for an earlier lock."""
    show = "import os; print(os.environ.get('POETRY_PUBLISH_VERIFIED_LOCKS_HELD'))"
    poetry.run("install").ok()
    assert poetry.run("run", "python", "-c", show).ok() == "None\n"
    poetry.run("run", str(poetry.program), "install").ok()
    poetry.run("run", str(poetry.program), "run", str(poetry.program), "lock").ok()

    def inside(outer: Resource, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            holder_argv(outer, str(poetry.program), *command),
            cwd=poetry.project, env=poetry.call_environment(),
            capture_output=True, text=True, timeout=HANG, check=False,
        )  # fmt: skip

    environment = places.environment(poetry.project / ".venv")
    assert inside(environment, "install").returncode == 0
    assert inside(environment, "lock").returncode == 0
    with holder_of(places.project(poetry.project)):
        went_on = inside(environment, "lock")
    assert went_on.returncode == 0, went_on.stderr
    assert went_on.stderr.count(WITHOUT) == 1
    with holder_of(places.config(poetry.home / "config")):
        assert inside(environment, "self", "show", "plugins").returncode == 0


def test_waiting_message(poetry: Poetry, places: LockPlaces) -> None:
    """It names the resource, the process, its command and host, and the variable."""
    with holder_of(places.project(poetry.project)) as holder:
        off = poetry.run("lock", POETRY_PUBLISH_VERIFIED_GUARD="off")
        assert "Waiting" not in off.ok() + off.err
        waiting = poetry.start("lock", "-n")
        assert waiting.stderr is not None
        line = waiting.stderr.readline()
        assert line.startswith("Waiting for the project project, in use by `-c")
        assert f"process {holder.pid} on " in line
        assert "POETRY_PUBLISH_VERIFIED_LOCK_TIMEOUT" in line
        release(holder)
        out, err = waiting.communicate(timeout=HANG)
    assert waiting.returncode == 0, out + err
    assert "Waiting" not in out + err


def release(holder: subprocess.Popen[str]) -> None:
    """End the holder of a lock."""
    assert holder.stdin is not None
    holder.stdin.write("\n")
    holder.stdin.flush()


@pytest.mark.seam
def test_project_is_reread_after_a_wait(
    poetry: Poetry, places: LockPlaces, wheels: Path, tmp_path: Path
) -> None:
    """A project that a plugin read before the wait is read again after it."""
    from tests.guard.test_seams import unpacked

    first = unpacked(wheels, "early_plugin", tmp_path)
    with holder_of(places.project(poetry.project)) as holder:
        waiting = poetry.start("lock", "-n", PYTHONPATH=first)
        assert waiting.stderr is not None
        assert "Waiting for" in waiting.stderr.readline()
        file = poetry.project / "pyproject.toml"
        file.write_text(file.read_text().replace('"pysocks"', '"stamp-helper"'))
        release(holder)
        waiting.communicate(timeout=HANG)
    lock = (poetry.project / "poetry.lock").read_text()
    assert ('name = "stamp-helper"' in lock, 'name = "pysocks"' in lock) == (True, False)


def read_only(poetry: Poetry, *command: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run Poetry with the project mounted read-only for it alone."""
    script = 'mount --bind . . && mount -o remount,ro,bind . && cd "$PWD" && exec "$@"'
    return subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", str(poetry.program), *command],
        cwd=poetry.project, env=poetry.call_environment(**environ),
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=HANG, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("command", ["install", "sync"])
def test_install_after_a_concurrent_add(poetry: Poetry, places: LockPlaces, command: str) -> None:
    """An install that waited for an `add` installs the new dependency."""
    poetry.run("install").ok()
    with holder_of(places.environment(poetry.project / ".venv")) as holder:
        waiting = poetry.start(command, "-n")
        assert waiting.stderr is not None
        assert "Waiting for" in waiting.stderr.readline()
        poetry.run("add", "--lock", "stamp-helper").ok()
        release(holder)
        out, err = waiting.communicate(timeout=HANG)
    assert waiting.returncode == 0, out + err
    assert "Installing stamp-helper" in out


@pytest.mark.seam
def test_environment_that_vanished_during_a_wait(poetry: Poetry, places: LockPlaces) -> None:
    """A command that waited for an environment checks again: its maker may have failed."""
    half = poetry.project / ".venv"
    half.mkdir()
    with holder_of(places.environment(half)) as holder:
        waiting = poetry.start("env", "info", "--path", stdout=subprocess.PIPE)
        assert waiting.stderr is not None
        assert "Waiting for" in waiting.stderr.readline()
        half.rmdir()
        release(holder)
        out, err = waiting.communicate(timeout=HANG)
    assert (waiting.returncode, str(half) in out) == (1, False), out + err


@pytest.mark.seam
def test_command_that_calls_a_command(poetry: Poetry) -> None:
    """A replacement by the guard itself is not taken for a foreign one."""
    done = poetry.run("publish", "--build", "--dry-run", "-n", "-v")
    assert "leaves something to Poetry" not in done.out + done.err
    assert "Building demo" in done.out


def test_read_only_project(poetry: Poetry, places: LockPlaces) -> None:
    """A project that cannot be changed needs no lock, and there is no warning."""
    tried = ["unshare", "-m", "true"]
    if shutil.which("unshare") is None or subprocess.run(tried, check=False).returncode:
        pytest.skip("needs unshare, and the right to mount")
    poetry.run("install").ok()
    shutil.rmtree(poetry.project / ".poetry")
    for command in ("lock", "install"):
        done = read_only(poetry, command)
        assert WITHOUT not in done.stderr
    fallback = places.project(poetry.project).fallback
    assert fallback is not None
    assert not fallback.exists()
