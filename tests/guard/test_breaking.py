"""Breaking a release's lock: who is cut out, and how its holder finds out."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import dropwhile
from pathlib import Path
from typing import Any

import pytest

from poetry_publish_verified.errors import Code, Problem
from poetry_publish_verified.guard.layout import BREAKING_SUFFIX, BROKEN
from poetry_publish_verified.guard.locks import (
    attempt,
    heartbeat,
    holders,
    lock_file,
    nesting,
    one_host,
    problems,
)
from poetry_publish_verified.guard.locks import lock as locks
from poetry_publish_verified.guard.locks.attempt import LockAttempt, LockState
from poetry_publish_verified.guard.locks.breaking import Breaking, Silence, break_lock
from poetry_publish_verified.guard.locks.filesystems import Filesystem
from poetry_publish_verified.guard.locks.lock import acquire, lost_lock
from poetry_publish_verified.guard.locks.lock_file import LockFile
from poetry_publish_verified.guard.locks.resource import LockRefusedError, Order, Resource
from tests.beds.mounts import Sshfs, mounted
from tests.beds.network import missing
from tests.beds.processes import HANG, wait_until
from tests.guard.holding import holder_of

HOUR = 3600.0
# Holds a required lock, and answers each line with the code of what it has to say.
HOLDER = """
import sys
from pathlib import Path
from poetry_publish_verified.guard.locks import heartbeat
from poetry_publish_verified.guard.locks.lock import acquire, lost_lock
from poetry_publish_verified.guard.locks.resource import Resource
resource = Resource("a release", Path(sys.argv[1]))
heartbeat.INTERVAL = float(sys.argv[2])
with acquire(resource, print, required=True):
    print("held", flush=True)
    for line in sys.stdin:
        lost = lost_lock(resource)
        print(lost.code if lost else "held", flush=True)
"""


class Holder:
    """Another process that holds the lock of a release."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def says(self) -> str:
        """`held`, or a code."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(file=self.process.stdin, flush=True)
        return self.process.stdout.readline().strip()

    def ends(self) -> None:
        """Let it release its lock."""
        self.process.communicate()


@contextmanager
def release_held(resource: Resource, interval: float = HOUR) -> Iterator[Holder]:
    """A holder with a heartbeat every `interval` seconds; killed in the end."""
    command = [sys.executable, "-c", HOLDER, str(resource.path), str(interval)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            assert process.stdout is not None
            # A busy machine may make it wait, for sshfs most of all.
            said = dropwhile(lambda line: line.startswith("Waiting for"), process.stdout)
            assert next(said) == "held\n"
            yield Holder(process)
        finally:
            process.kill()


@pytest.fixture
def resource(tmp_path: Path) -> Resource:
    """The lock of a release."""
    return Resource("a release", tmp_path / "locks" / "release-1")


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Holders are looked at without long pauses."""
    monkeypatch.setattr(attempt, "_FIRST_REPORT_AFTER", 0.01)
    monkeypatch.setattr(attempt, "_NEXT_REPORT_AFTER", 0.05)


def make_silent(resource: Resource, seconds: float = HOUR) -> None:
    """Let the last heartbeat be so long ago."""
    record = holders.record_of(resource.path)
    then = record.stat().st_mtime - seconds
    os.utime(record, (then, then))


def broken(resource: Resource) -> list[Path]:
    """The lock files that were renamed."""
    return sorted(resource.path.parent.glob(f"*{BROKEN}*"))


@pytest.mark.parametrize("stopped", [False, True])
def test_holder_finds_out(resource: Resource, stopped: bool) -> None:
    """Whoever breaks the lock has it, says whose it was, and keeps it when that process ends."""
    said: list[Problem] = []
    with release_held(resource) as holder:
        assert holder.says() == "held"
        if stopped:
            holder.process.send_signal(signal.SIGSTOP)
        with acquire(resource, print, required=True, breaking=Breaking(said.append, True)) as ours:
            assert ours
            assert [each.code for each in said] == [Code.LOCK_BROKEN]
            assert f"process {holder.process.pid} on" in said[0].message
            assert str(broken(resource)[0]) in said[0].message
            holder.process.send_signal(signal.SIGCONT)
            assert holder.says() == Code.LOCK_LOST
            holder.ends()
            assert lost_lock(resource) is None
            record = holders.read_record(resource.path)
            assert record is not None
            assert record.pid == os.getpid()
    assert len(broken(resource)) == 1


def test_only_one_breaks(resource: Resource) -> None:
    """Of two that find the same holder one renames the file, and the other one then waits."""
    with release_held(resource):
        both = [LockAttempt(resource, 0, HANG, required=True) for _ in range(2)]
        for each in both:
            each.wait(lambda _: False)
            assert each.state is LockState.BUSY
        said = [break_lock(each, resource) for each in both]
        assert [problem is None for problem in said] == [False, True]
        assert len(broken(resource)) == 1
        with acquire(resource, print, required=True):
            # Nor does one that has been stopped in the meantime.
            assert break_lock(both[0], resource) is None
            assert lost_lock(resource) is None
        for each in both:
            each.end()


def test_breaking_is_itself_locked(resource: Resource, monkeypatch: pytest.MonkeyPatch) -> None:
    """While others rename the file, nobody else does, and the refusal names the obstacle."""
    beside = resource.path.with_name(resource.path.name + BREAKING_SUFFIX)
    monkeypatch.setattr("poetry_publish_verified.guard.locks.breaking._PATIENCE", 0.05)
    with (
        release_held(resource),
        release_held(resource._replace(path=beside)),
        pytest.raises(LockRefusedError) as refused,
        acquire(resource, print, required=True, breaking=Breaking(print, True)),
    ):
        pytest.fail("It has what another process holds")
    assert str(beside) in refused.value.problem.message
    assert broken(resource) == []


def test_silent_holder(resource: Resource) -> None:
    """One without a heartbeat for the time given is cut out, and one with a heartbeat is not."""
    said: list[Problem] = []
    stale = Breaking(said.append, silent_for=60.0)
    with release_held(resource) as holder:
        with pytest.raises(LockRefusedError) as refused, short_of(resource, stale):
            pytest.fail("It has what another process holds")
        assert "--break-lock" not in refused.value.problem.remedy
        make_silent(resource)
        with acquire(resource, print, required=True, breaking=stale) as ours:
            assert ours
        assert [each.code for each in said] == [Code.LOCK_BROKEN]
        assert "without a sign of life for 36" in said[0].message
        assert holder.says() == Code.LOCK_LOST


def test_nested_command_watches_nobody(resource: Resource, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each could wait for the other, so it is refused at once."""
    token = nesting.Token("another lock", int(Order.ARCHIVE), "", "", "")
    monkeypatch.setattr(nesting, "inherited_locks", lambda: [token])
    monkeypatch.setattr(locks, "_WATCH", HANG)
    stale = Breaking(print, silent_for=60.0)
    with (
        release_held(resource),
        pytest.raises(LockRefusedError) as refused,
        acquire(resource, pytest.fail, required=True, breaking=stale),
    ):
        pytest.fail("It has what another process holds")
    assert refused.value.problem.code is Code.LOCK_ORDER


@pytest.mark.parametrize("stale", ["off", "30m"])
def test_silent_holder_of_an_ordinary_lock(
    resource: Resource, monkeypatch: pytest.MonkeyPatch, stale: str
) -> None:
    """Poetry's own commands break its lock if the environment says so, and else go on without."""
    monkeypatch.setenv(problems.STALE_VARIABLE, "30m")
    with holder_of(resource):
        make_silent(resource)
        monkeypatch.setenv(problems.STALE_VARIABLE, stale)
        said: list[str] = []
        timeout = 0.5 if stale == "off" else HANG
        with acquire(resource, said.append, default_timeout=timeout) as ours:
            assert ours == (stale != "off")
        with acquire(resource, said.append, only_if_free=True) as ours:
            assert ours == (stale != "off")
    assert len(broken(resource)) == int(stale != "off")
    assert ("Broke the lock" in " ".join(said)) == (stale != "off")


def test_ordinary_lock_that_cannot_be_broken(
    resource: Resource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Poetry's own commands then go on without it."""
    monkeypatch.setenv(problems.STALE_VARIABLE, "30m")
    monkeypatch.setattr(locks, "_REPORTED", set())
    monkeypatch.setattr(Path, "rename", refuse_access)
    said: list[str] = []
    with holder_of(resource):
        make_silent(resource)
        with acquire(resource, said.append, default_timeout=0.5) as ours:
            assert not ours
    assert "Continuing without a lock" in said[-1]


@contextmanager
def short_of(resource: Resource, breaking: Breaking) -> Iterator[None]:
    """Acquire it with so little patience that only a silent holder is cut out."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(locks, "_WATCH", 0.5)
        with acquire(resource, print, required=True, default_timeout=0, breaking=breaking):
            yield


def test_heartbeat_of_another_clock(resource: Resource) -> None:
    """A record that is written again and again is no silence, however old it claims to be."""
    silence, never = Silence(60.0), Silence(None)
    with acquire(resource, print, required=True):
        make_silent(resource)
        assert not silence.lasts(resource.path)
        for seconds in (10, 20):
            make_silent(resource, seconds)
            assert not silence.lasts(resource.path)
        assert silence.lasts(resource.path)
        assert not never.lasts(resource.path)
        # The clock of another host may be ahead, too.
        make_silent(resource, -2 * HOUR)
        assert [silence.lasts(resource.path) for _ in range(2)] == [False, False]


def test_holder_without_heartbeat(resource: Resource, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a holder has none, as in earlier versions or without threads, its silence says nothing."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with acquire(resource, print, required=True):
        assert holders.last_heartbeat(resource.path) is not None
        record = holders.record_of(resource.path)
        old: dict[str, Any] = json.loads(record.read_text())
        del old["heartbeat"]
        record.write_text(json.dumps(old))
        assert holders.last_heartbeat(resource.path) is None
    with acquire(resource, print):
        assert holders.last_heartbeat(resource.path) is None
    monkeypatch.setattr(threading.Thread, "start", refuse)
    with acquire(resource, print, required=True):
        assert holders.last_heartbeat(resource.path) is None


def test_heartbeat(resource: Resource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes on while any lock is held, changes no byte, and leaves others' records alone."""
    monkeypatch.setattr(heartbeat, "INTERVAL", 0.01)
    other = Resource("another release", tmp_path / "locks" / "release-2")
    with acquire(other, print, required=True):
        with acquire(resource, print, required=True):
            beats_of(resource)
            assert threads() == 1
        assert threads() == 1
        record = holders.record_of(other.path)
        before = record.read_bytes()
        beats_of(other)
        assert record.read_bytes() == before
        foreign = before.replace(json.loads(before)["nonce"].encode(), b"of another")
        record.write_bytes(foreign)
        make_silent(other)
        then = record.stat().st_mtime_ns
        with acquire(resource, print, required=True):
            beats_of(resource)
        assert record.stat().st_mtime_ns == then
    assert record.read_bytes() == foreign
    wait_until(lambda: threads() == 0, "the heartbeat to end")


def beats_of(resource: Resource) -> None:
    """Wait for a heartbeat."""
    make_silent(resource)
    record = holders.record_of(resource.path)
    then = record.stat().st_mtime_ns
    wait_until(lambda: record.stat().st_mtime_ns != then, "a heartbeat")


def threads() -> int:
    """How many threads have a heartbeat."""
    return sum("_beat" in thread.name for thread in threading.enumerate())


@pytest.mark.parametrize("how", ["deleted", "replaced", "directory deleted"])
def test_lock_file_that_others_remove(resource: Resource, how: str) -> None:
    """Deleting it by hand cuts its holder out as well."""
    with acquire(resource, print, required=True):
        assert lost_lock(resource) is None
        resource.path.unlink()
        if how == "replaced":
            resource.path.touch()
        if how == "directory deleted":
            holders.record_of(resource.path).unlink()
            resource.path.parent.rmdir()
        lost = lost_lock(resource)
        assert lost is not None
        assert lost.code is Code.LOCK_LOST
        # Of itself it does not say that it has the lock instead.
        assert "in use by" not in lost.message
    assert lost_lock(resource) is None


def test_path_of_an_open_file_that_is_believed(
    resource: Resource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SMB's client finds the open file under its old name, and lists the new one."""
    mount = Filesystem("cifs", Path(resource.path.anchor))
    monkeypatch.setattr(lock_file, "filesystem_of", lambda _: mount)
    with acquire(resource, print, required=True):
        before = resource.path.stat()
        resource.path.rename(resource.path.with_name("aside"))
        resource.path.touch()
        with monkeypatch.context() as believing:
            believing.setattr(Path, "stat", lambda _: before)
            assert lost_lock(resource) is not None


def test_file_that_was_renamed_behind_numbers_that_say_nothing(
    resource: Resource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SMB's client may give files numbers of its own; the name of a broken lock is there, too."""
    aside = resource.path.with_name(f"{resource.path.name}{BROKEN}0")
    with acquire(resource, print, required=True):
        monkeypatch.setattr(os.path, "samestat", lambda *_: True)
        assert lost_lock(resource) is None
        resource.path.rename(aside)
        resource.path.touch()
        assert lost_lock(resource) is not None
    # It is that of an earlier holder now.
    with acquire(resource, print, required=True):
        assert lost_lock(resource) is None


def test_lock_of_a_parent_is_not_lost(resource: Resource, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process looks only at the locks that it has taken itself."""
    assert lost_lock(resource) is None
    # A filesystem that does not say so has not lost it.
    with acquire(resource, print, required=True):
        monkeypatch.setattr(Path, "stat", refuse_access)
        assert lost_lock(resource) is None
        monkeypatch.undo()


def refuse_access(*_: object, **__: object) -> None:
    """What a mount that needs a new ticket says."""
    raise PermissionError(13, "Permission denied")


@pytest.mark.parametrize("times", [1, 100])
def test_file_that_is_renamed_before_it_is_locked(
    resource: Resource, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    """Another file is opened then; where that never helps, nobody can tell, and the lock counts."""
    looks: list[LockFile] = []

    def look(self: LockFile) -> bool:
        looks.append(self)
        return len(looks) > times

    monkeypatch.setattr(LockFile, "is_in_place", look)
    with acquire(resource, print, required=True) as ours:
        assert ours
        seen = len(looks)
        assert 1 < seen < 10
        if times == 100:
            assert lost_lock(resource) is None
            assert len(looks) == seen


def test_words_for_an_unknown_holder(resource: Resource) -> None:
    """Whoever cannot be seen alive can be cut out; for a neighbour there is nothing but waiting."""

    def remedy() -> str:
        with (
            pytest.raises(LockRefusedError) as refused,
            acquire(resource, print, required=True, default_timeout=0),
        ):
            pytest.fail("It has what another process holds")
        return refused.value.problem.remedy

    with release_held(resource):
        assert "--break-lock" not in remedy()
        record = holders.record_of(resource.path)
        away = {**json.loads(record.read_text()), "process": "0" * 12 + "-1-1", "host": "far"}
        record.write_text(json.dumps(away))
        make_silent(resource)
        assert re.search(r"If far \(last sign of life 36\d\d s ago\) is gone for good", remedy())
        record.unlink()
        assert "If the process that holds the lock is gone for good" in remedy()


@pytest.mark.parametrize("option", ["local_lock=all", "rw"])
def test_first_warning(resource: Resource, monkeypatch: pytest.MonkeyPatch, option: str) -> None:
    """Locks of one host are mentioned once, as long as the lock files last."""
    mount = Filesystem("nfs", Path("/srv"), frozenset({option}))
    monkeypatch.setattr(one_host, "filesystem_of", lambda _: mount)
    monkeypatch.setattr(one_host, "_SAID", set())
    with acquire(resource, print, required=True):
        found = [one_host.first_warning(resource.path) for _ in range(2)]
        # In the same run, another project has lock files of its own.
        elsewhere = resource.path.parent / "project"
        elsewhere.mkdir()
        found.append(one_host.first_warning(elsewhere / "release-1"))
    if option == "rw":
        assert found == [None] * 3
        return
    first, *others = found
    assert first is not None
    assert (first.code, first.severity) == (Code.LOCKS_OF_ONE_HOST, "warning")
    assert "nfs at /srv" in first.message
    assert "local_lock=all" in first.message
    assert others == [None, None]
    monkeypatch.setattr(one_host, "_SAID", set())
    assert one_host.first_warning(resource.path) is None
    (resource.path.parent / "warned-nfs-local_lock=all").unlink()
    assert one_host.first_warning(resource.path) is not None


def test_sshfs_does_not_exclude(tmp_path: Path) -> None:
    """Two mounts of one directory have a lock each, and the mount's type says so."""
    if reason := missing(*Sshfs.tools):
        pytest.skip(reason)
    with mounted(Sshfs(tmp_path / "ssh")) as (one, other):
        here = Resource("a release", one / "locks" / "release-1")
        with (
            release_held(here._replace(path=other / "locks" / "release-1")),
            acquire(here, print, required=True) as ours,
        ):
            assert ours
            warning = one_host.first_warning(here.path)
            assert warning is not None
            assert f"fuse.sshfs at {one}" in warning.message
            assert "because of sshfs" in warning.message
