"""One release of one project to one repository at a time, per checkout."""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from poetry_publish_verified.guard.locks.resource import Resource
from tests.beds.building import make_builds_differ
from tests.beds.indexes import Index
from tests.beds.mounts import Sshfs, mounted
from tests.beds.network import missing
from tests.beds.processes import HANG
from tests.beds.projects import make_project, read_receipt
from tests.beds.proxy import is_upload
from tests.beds.release import REPOSITORY, ended, holds, problems, publish, uploads
from tests.guard.holding import holder_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.beds.poetry import Poetry, Run
    from tests.beds.projects import Project
    from tests.beds.proxy import Answer, Exchange, FaultProxy


def lock_of(project: Project) -> Resource:
    """The lock that a release of this project left."""
    (path,) = (project.path / ".poetry" / ".nox" / "locks-1").glob("release-*[!r]")
    return Resource("the release", path)


def test_lock_timeout(poetry: Poetry, project: Project, pypi: Index, tmp_path: Path) -> None:
    """A run that waits too long ends in 8: nothing built, nothing sent, no receipt touched."""
    project.build()
    ended(publish(poetry, project, pypi), 0)
    before = project.receipt()
    stored = pypi.stored("lantern")
    short = poetry.with_variables(POETRY_PUBLISH_VERIFIED_LOCK_TIMEOUT="0.2")
    named = tmp_path / "named.json"
    with holder_of(lock_of(project)) as holder:
        quiet = publish(short, project, pypi)
        dry = publish(short, project, pypi, "--dry-run")
        newer = project.set_version("1.1")
        run = publish(short, newer, pypi, "--build", "--receipt", named)
    ended(run, 8)
    assert "PV801" in run.said
    assert f"process {holder.pid} on" in run.said
    assert "Nothing was changed" in run.said
    holds(read_receipt(named), "lock-timeout", 8)
    assert not list((project.path / "dist").glob("*1.1*"))
    ended(quiet, 8)
    assert project.receipt() == before
    ended(dry, 0)
    assert "Waiting" not in dry.said
    assert pypi.stored("lantern") == stored


def test_no_locks_available(poetry: Poetry, project: Project, pypi: Index) -> None:
    """A lock that is unavailable is a refusal too; a rehearsal needs none."""
    project.build()
    ended(publish(poetry, project, pypi), 0)
    lock = lock_of(project).path
    lock.unlink()
    lock.symlink_to(project.path / "pyproject.toml")
    # Nor in the user's own directory.
    own = poetry.home / ".local" / "share"
    own.mkdir(parents=True)
    (own / "poetry-publish-verified").touch()
    run = publish(poetry, project, pypi)
    ended(run, 8)
    assert "PV802" in run.said
    assert "doctor" in run.said
    ended(poetry.run("publish-verified", "--rehearse", "-n", cwd=project.path), 0)


def test_other_releases_do_not_wait(poetry: Poetry, project: Project, pypi: Index) -> None:
    """Releases to other repositories or of other projects do not wait."""
    project.build()
    ended(publish(poetry, project, pypi), 0)
    other = Resource("another", lock_of(project).path.with_name("release-0123456789abcdef"))
    with holder_of(other):
        run = publish(poetry, project, pypi)
    ended(run, 0)
    assert "Waiting for the release" not in run.said


def test_two_repositories_at_once(
    poetry: Poetry, project: Project, pypi: Index, devpi: Index, tmp_path: Path
) -> None:
    """Both get the same build, though no two builds would be alike."""
    log = tmp_path / "builds"
    make_builds_differ(project, log)
    indexes = {"one": pypi, "two": devpi}

    def send(name: str) -> Run:
        receipt = tmp_path / f"{name}.json"
        options = ("--build", "--receipt", receipt)
        return publish(poetry, project, indexes[name], *options, repository=name)

    with ThreadPoolExecutor() as both:
        runs = list(both.map(send, indexes))
    for run in runs:
        ended(run, 0)
    assert len(log.read_text(encoding="utf-8").splitlines()) == 1
    assert pypi.stored(project.name) == devpi.stored(project.name) == project.hashes()


def test_holder_that_wakes_up_after_its_lock_was_broken(
    poetry: Poetry, project: Project, proxy: FaultProxy, behind: Index
) -> None:
    """It sends no other file and ends in 8; its receipt says what it sent, and all is out."""
    arrived, go_on = threading.Event(), threading.Event()

    def hold_up(exchange: Exchange) -> Answer:
        arrived.set()
        assert go_on.wait(HANG)
        return exchange.forward()

    proxy.on(is_upload, hold_up, times=1)
    options = ("publish-verified", "-n", "-r", REPOSITORY, "--until", "listed")
    known = poetry.with_variables(**behind.environment(REPOSITORY))
    with known.started(*options, cwd=project.path) as holder:
        assert arrived.wait(HANG)
        os.killpg(holder.pid, signal.SIGSTOP)
        run = publish(poetry, project, behind, "--break-lock", "--format", "json")
        go_on.set()
        os.killpg(holder.pid, signal.SIGCONT)
        out, err = holder.communicate(timeout=HANG)
    ended(run, 0)
    # What the holder wrote afterwards lies beside it.
    receipt = project.receipt()
    holds(receipt, "verified", 0)
    (warning,) = problems(receipt)
    assert (warning["code"], warning["severity"]) == ("PV805", "warning")
    assert f"process {holder.pid} on" in warning["message"]
    assert any(event.get("problem", {}).get("code") == "PV805" for event in run.events)
    assert holder.returncode == 8, out + err
    assert "PV804" in out + err
    mine = project.receipt_file.with_name("lantern-1.0.second-run.json")
    assert str(mine) in out + err
    states = uploads(holds(read_receipt(mine), "lock-lost", 8))
    assert sorted(states.values()) == ["already-there", "not-sent"]
    # The one that was under way, and two of the other run.
    assert len(proxy.uploads) == 3


def test_lock_is_broken_before_a_rollback(
    poetry: Poetry, project: Project, open_pypi: Index
) -> None:
    """Rollback breaks a lock too, says so, and only if that is asked for."""
    project.build()
    ended(publish(poetry, project, open_pypi), 0)
    receipt = project.dist / ".publish-verified" / "lantern-1.0.json"
    rollback = ("publish-verified", "rollback", "-n", "--yes", "--receipt", receipt)
    at_once = poetry.with_variables(
        POETRY_PUBLISH_VERIFIED_LOCK_TIMEOUT="0", **open_pypi.environment(REPOSITORY)
    )
    with holder_of(lock_of(project)) as holder:
        ended(at_once.run(*rollback, cwd=project.path), 8)
        run = at_once.run(*rollback, "--break-lock", cwd=project.path)
    ended(run, 0)
    assert "PV805" in run.err
    assert f"process {holder.pid} on" in run.err
    assert open_pypi.stored("lantern") == {}


def test_first_release_on_a_mount_without_locks(
    poetry: Poetry, open_pypi: Index, tmp_path: Path
) -> None:
    """It says that other hosts are not excluded; with -q only the receipt does, and later none."""
    if reason := missing(*Sshfs.tools):
        pytest.skip(reason)

    def told(run: Run, project: Project) -> list[str]:
        """The message, as the receipt has it."""
        ended(run, 0)
        found = problems(project.receipt())
        return [each["message"] for each in found if each["code"] == "PV806"]

    with mounted(Sshfs(tmp_path / "ssh")) as (here, _):
        lantern, harbour = (make_project(here / name, name=name) for name in ("lantern", "harbour"))
        for project in (lantern, harbour):
            project.build()
        first = publish(poetry, lantern, open_pypi, "--format", "json", until="listed")
        assert f"Locks on fuse.sshfs at {here} work on this host only" in told(first, lantern)[0]
        assert [e for e in first.events if e.get("problem", {}).get("code") == "PV806"]
        assert told(publish(poetry, lantern, open_pypi, until="listed"), lantern) == []
        quiet = publish(poetry, harbour, open_pypi, "-q", until="listed")
        assert len(told(quiet, harbour)) == 1
        assert quiet.said.strip() == ""
