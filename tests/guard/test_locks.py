"""Locks exclude, time out, and are skipped where there are none."""

from __future__ import annotations

import errno
import json
import math
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import filelock
import pytest

from poetry_publish_verified.errors import Code
from poetry_publish_verified.guard.locks import attempt, holders, nesting
from poetry_publish_verified.guard.locks import lock as locks
from poetry_publish_verified.guard.locks.lock import acquire, timeout_from_environment
from poetry_publish_verified.guard.locks.resource import LockRefusedError, Order, Resource
from poetry_publish_verified.guard.ownership import SharedDirectory
from poetry_publish_verified.guard.processes import ProcessId
from tests.beds.processes import HANG
from tests.guard.holding import holder_of

NESTED = """
import sys
from pathlib import Path
from poetry_publish_verified.guard.locks.lock import acquire
from poetry_publish_verified.guard.locks.resource import LockRefusedError, Order, Resource
def say(text):
    print(text, file=sys.stderr)
try:
    with acquire(Resource("another", Path(sys.argv[1]), Order[sys.argv[2]]), say) as ours:
        print("nested", ours, flush=True)
except LockRefusedError as error:
    print("refused", error.problem.code, flush=True)
"""


@pytest.fixture(autouse=True)
def nothing_said_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test sees messages that are printed once per process."""
    monkeypatch.setattr(locks, "_REPORTED", set())
    yield
    assert nesting.TOKEN_VARIABLE not in os.environ


@pytest.fixture
def resource(tmp_path: Path) -> Resource:
    """Something to lock, in a directory that does not exist yet."""
    return Resource("a thing", tmp_path / "locks" / "thing", Order.PROJECT)


def test_free_lock_is_acquired_silently(resource: Resource) -> None:
    """A free lock is acquired at once, and again after its release, without a message."""
    said: list[str] = []
    for _ in range(2):
        with acquire(resource, said.append) as ours:
            assert ours
            assert holders.read_record(resource.path) is not None
        assert holders.read_record(resource.path) is None
    assert said == []


def test_unexported_lock(resource: Resource) -> None:
    """It is held, but child processes do not learn about it."""
    with acquire(resource, print, required=True, export=False) as got:
        assert got
        assert nesting.TOKEN_VARIABLE not in os.environ
        assert holders.read_record(resource.path) is not None


def test_lock_held_by_another_process(resource: Resource, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the holder, times out, and gets the lock at once after kill -9."""
    with holder_of(resource) as process:
        monkeypatch.setenv("POETRY_PUBLISH_VERIFIED_LOCK_TIMEOUT", "2.5")
        # Long enough for the first message.
        monkeypatch.setattr(attempt, "_FIRST_REPORT_AFTER", 0.01)
        said: list[str] = []
        with acquire(resource, said.append) as ours:
            assert not ours
        waiting, going_on = said
        assert "Waiting for a thing" in waiting
        assert f"process {process.pid} on {os.uname().nodename}" in waiting
        assert re.search(r"since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d, for \d+ s now", waiting)
        assert "POETRY_PUBLISH_VERIFIED_LOCK_TIMEOUT" in waiting
        assert "not free within 2.5 s" in going_on
        monkeypatch.setenv("POETRY_PUBLISH_VERIFIED_LOCK_TIMEOUT", "0.1")
        with pytest.raises(LockRefusedError) as refused, acquire(resource, print, required=True):
            pytest.fail("It has what another process holds")
        assert refused.value.problem.code is Code.LOCK_NOT_FREE
        monkeypatch.setenv("POETRY_PUBLISH_VERIFIED_LOCK_TIMEOUT", "0")
        monkeypatch.setattr(locks, "_REPORTED", set())
        said.clear()
        with acquire(resource, said.append) as ours:
            assert not ours
        assert [line.partition(":")[0] for line in said] == ["Continuing without a lock"]
        process.send_signal(signal.SIGSTOP)
        with acquire(resource, said.append, only_if_free=True) as ours:
            assert not ours
    assert holders.read_record(resource.path) is not None
    with acquire(resource, said.append) as ours:
        assert ours


def test_long_waits_ask_less_often(resource: Resource, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock's server is asked by everybody who waits."""
    pauses = []

    def acquire_later(_: object, timeout: float, poll_interval: float) -> None:
        assert timeout <= 10 * poll_interval
        if timeout:
            pauses.append(poll_interval)
        if len(pauses) < 6:
            raise filelock.Timeout("busy")

    monkeypatch.setattr(filelock.BaseFileLock, "acquire", acquire_later)
    with attempt.try_lock(resource, 1000, grace=HANG) as outcome:
        assert outcome.state is attempt.LockState.HELD
    assert pauses == [0.05, 0.1, 0.2, 0.25, 0.25, 0.25]


def test_without_threads(resource: Resource, monkeypatch: pytest.MonkeyPatch) -> None:
    """If no thread can be started, locks are still acquired, waited for, or given up."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    monkeypatch.setattr(attempt, "_FIRST_REPORT_AFTER", 0.01)
    said: list[str] = []
    with acquire(resource, said.append) as ours:
        assert ours
    assert said == []
    with holder_of(resource) as process:
        monkeypatch.setenv("POETRY_PUBLISH_VERIFIED_LOCK_TIMEOUT", "0.5")
        with acquire(resource, said.append) as ours:
            assert not ours
        assert [line.partition(" a ")[0] for line in said] == [
            "Waiting for", "Continuing without",
        ]  # fmt: skip
        monkeypatch.setenv("POETRY_PUBLISH_VERIFIED_LOCK_TIMEOUT", str(HANG))

        def let_go(_: str) -> None:
            process.kill()

        with acquire(resource, let_go) as ours:
            assert ours


@pytest.mark.parametrize("what", ["directory", "pipe", "device"])
def test_lock_path_is_not_a_file(resource: Resource, tmp_path: Path, what: str) -> None:
    """Anything else in the lock's place is left alone, and nobody hangs on it."""
    resource.path.parent.mkdir()
    if what == "directory":
        resource.path.mkdir()
    elif what == "pipe":
        os.mkfifo(resource.path)
    else:
        resource.path.symlink_to("/dev/tty")
    said: list[str] = []
    with acquire(resource, said.append) as ours:
        assert not ours
    assert len(said) == 1
    other = tmp_path / "own" / "thing"
    with acquire(resource._replace(protects=tmp_path, fallback=other), said.append) as ours:
        assert ours


def test_read_only_users_need_no_lock(tmp_path: Path) -> None:
    """They get no warning; whoever does need a lock has their own."""
    if os.geteuid() != 0:
        pytest.skip("only root can be another user")
    (tmp_path / "thing").mkdir()
    command = [sys.executable, "-c", OF_ANOTHER, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == "False\nPV802\n", done.stderr


OF_ANOTHER = """
import os, sys
from pathlib import Path
import filelock
from poetry_publish_verified.guard.locks.lock import acquire
from poetry_publish_verified.guard.locks.resource import LockRefusedError, Resource
thing = Path(sys.argv[1], "thing")
os.setgroups([])
os.setuid(4242)
resource = Resource("x", thing / "locks" / "x", protects=thing, base=thing)
with acquire(resource, print) as ours:
    print(ours)
try:
    with acquire(resource, print, required=True) as ours:
        print(ours)
except LockRefusedError as error:
    print(error.problem.code)
"""


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_full_or_read_only_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """The guarded operation fails anyway, so nothing is said about locks."""

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(SharedDirectory, "make_file", refuse)
    said: list[str] = []
    resource = Resource("x", tmp_path / "x", protects=tmp_path, fallback=tmp_path / "own" / "x")
    with acquire(resource, said.append) as ours:
        assert not ours
    assert len(said) == (number == errno.EACCES)
    with pytest.raises(LockRefusedError), acquire(resource, said.append, required=True):
        pytest.fail("It has what cannot be made")


def test_lock_file_of_a_lost_host(resource: Resource) -> None:
    """The message names host, file and the way out if the holder's host is gone for good."""
    with holder_of(resource):
        file = resource.path.with_name("thing.holder")
        away = {**json.loads(file.read_text()), "process": "0" * 12 + "-1-1", "host": "far"}
        with (
            pytest.raises(LockRefusedError) as here,
            acquire(resource, print, required=True, default_timeout=0),
        ):
            pytest.fail("It has what another process holds")
        file.write_text(json.dumps(away))
        with (
            pytest.raises(LockRefusedError) as there,
            acquire(resource, print, required=True, default_timeout=0),
        ):
            pytest.fail("It has what another process holds")
    assert "gone for good" not in here.value.problem.remedy
    way_out = f"If far is gone for good, publish with --break-lock, which renames {resource.path}."
    assert way_out in there.value.problem.remedy


def test_record_of_a_killed_holder(resource: Resource) -> None:
    """A stale record is recognized, even if its process id is reused."""
    with holder_of(resource) as process:
        alive = holders.read_record(resource.path)
        assert alive is not None
        assert (alive.pid, alive.is_gone) == (process.pid, False)
    left = holders.read_record(resource.path)
    assert left is not None
    assert left.is_gone
    started = left.process.rpartition("-")
    reused = f"{started[0].rpartition('-')[0]}-{os.getpid()}-{started[2]}"
    file = resource.path.with_name("thing.holder")
    file.write_text(json.dumps({**json.loads(file.read_text()), "process": reused}))
    again = holders.read_record(resource.path)
    assert again is not None
    assert again.is_gone


def test_holder_on_another_host(resource: Resource) -> None:
    """The message names its host, and never claims that it has ended."""
    with acquire(resource, print):
        file = resource.path.with_name("thing.holder")
        away = {**json.loads(file.read_text()), "process": "0" * 12 + "-1-1", "host": "far\x1b[1m"}
        file.write_text(json.dumps(away))
        found = holders.read_record(resource.path)
        assert found is not None
        assert found.is_elsewhere
        assert not found.is_gone
        assert "on far [1m, another host or container" in str(found)


RECORD = {
    "resource": "x", "process": "0" * 12 + "-1-1", "host": "h", "pid": 1, "command": "c",
    "since": 1.0, "nonce": "n",
}  # fmt: skip


@pytest.mark.parametrize(
    "foreign", ["##vso[task.x]y", "::error::y", "section_start:1:y", "\x1b[2J\u202ey"]
)
def test_record_orders_nothing(resource: Resource, foreign: str) -> None:
    """Whatever a record says, no terminal and no CI system obeys it."""
    names = ("resource", "host", "command")
    record = resource.path.with_name("thing.holder")
    record.parent.mkdir()
    record.write_text(json.dumps({**RECORD, **dict.fromkeys(names, foreign)}))
    found = holders.read_record(resource.path)
    assert found is not None
    for text in (found.resource, found.host, found.command):
        assert text.endswith("y")
        assert not re.search(r"##\w*\[|^::|section_start:\d|[\x1b\u202e]", text)


@pytest.mark.parametrize(
    "content",
    [
        *("", "[]", "{}", '{"pid": "x"}', "\udcff", "[" * 100_000),
        *(json.dumps({**RECORD, "since": since}) for since in (1e300, math.inf, math.nan, -1e18)),
        json.dumps({**RECORD, "pid": 10**30}),
        json.dumps({**RECORD, "process": f"{ProcessId.current().host}-9999999999-1"}),
    ],
)
def test_invalid_holder_record(
    resource: Resource, content: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is in its place, nobody fails and the lock is acquired."""
    monkeypatch.setenv("POETRY_PUBLISH_VERIFIED_LOCK_TIMEOUT", "0")
    monkeypatch.setattr(holders, "_MOMENT", 0)
    with holder_of(resource):
        record = resource.path.with_name("thing.holder")
        record.write_bytes(content.encode("utf-8", "surrogateescape"))
        said: list[str] = []
        with acquire(resource, said.append) as ours:
            assert not ours
        assert "in use by an unknown process" in said[0]
    with acquire(resource, print) as ours:
        assert ours


def test_holder_that_has_just_got_it(resource: Resource, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the lock is still the record of one that was killed; the new one is named."""
    gone = {**RECORD, "process": f"{ProcessId.current().host}-9999999999-1"}
    record, its_own = holders.record_of(resource.path), resource.path.with_name("its own")
    with holder_of(resource) as holder:
        record.rename(its_own)
        record.write_text(json.dumps(gone))
        monkeypatch.setattr(holders, "look_again", lambda _: its_own.replace(record))
        assert f"process {holder.pid} on" in holders.describe(resource.path)


@pytest.mark.parametrize("kind", ["pipe", "link", "directory"])
def test_holder_record_is_not_a_file(resource: Resource, tmp_path: Path, kind: str) -> None:
    """A pipe does not block, and a link is not followed."""
    record = resource.path.with_name("thing.holder")
    record.parent.mkdir()
    if kind == "pipe":
        os.mkfifo(record)
    elif kind == "link":
        (tmp_path / "away").write_text(json.dumps(RECORD))
        record.symlink_to(tmp_path / "away")
    else:
        record.mkdir()
    assert holders.read_record(resource.path) is None
    with acquire(resource, print) as ours:
        assert ours


@pytest.mark.parametrize("needed", [False, True])
def test_no_locks_available(tmp_path: Path, needed: bool) -> None:
    """One message names the filesystem, once."""
    (tmp_path / "file").touch()
    nowhere = Resource("a thing", tmp_path / "file" / "lock")
    said: list[str] = []
    if needed:
        with (
            pytest.raises(LockRefusedError) as refused,
            acquire(nowhere, said.append, required=True),
        ):
            pytest.fail("There can be no such lock")
        assert refused.value.problem.code is Code.LOCK_UNAVAILABLE
        return
    for _ in range(2):
        with acquire(nowhere, said.append) as ours:
            assert not ours
    (only,) = said
    assert re.search(r"a thing \(\w+ at /.*\) cannot be locked", only)


def test_fallback_place(tmp_path: Path) -> None:
    """If no lock file can be made next to the resource, the fallback is used."""
    (tmp_path / "file").touch()
    lock, other = tmp_path / "file" / "lock", tmp_path / "other" / "lock"
    away = Resource("a thing", lock, protects=tmp_path, fallback=other)
    said: list[str] = []
    with acquire(away, said.append) as ours:
        assert ours
        assert (tmp_path / "other" / "lock").exists()
    assert said == []


@pytest.mark.parametrize("what", ["directory", "file"])
def test_symlink_is_not_followed(resource: Resource, tmp_path: Path, what: str) -> None:
    """A link in the lock's place is not followed: its target stays as it is."""
    target = tmp_path / "target"
    resource = resource._replace(path=tmp_path / "locks" / "ours" / "thing", base=tmp_path)
    if what == "directory":
        target.mkdir()
        resource.path.parent.parent.mkdir()
        resource.path.parent.symlink_to(target)
    else:
        resource.path.parent.mkdir(parents=True)
        target.write_text("precious")
        resource.path.symlink_to(target)
    said: list[str] = []
    with acquire(resource, said.append) as ours:
        assert not ours
    assert len(said) == 1
    assert list(target.iterdir()) == [] if what == "directory" else target.read_text() == "precious"


def test_lock_is_open_to_directory_writers(resource: Resource, tmp_path: Path) -> None:
    """Whoever may write to the directory may lock, whatever the first one's umask."""
    tmp_path.chmod(0o2777)
    before = os.umask(0o077)
    try:
        with acquire(resource._replace(base=tmp_path), print):
            record = resource.path.with_name("thing.holder")
            assert resource.path.parent.stat().st_mode & 0o7777 == 0o2777
            assert resource.path.stat().st_mode & 0o777 == 0o666
            assert record.stat().st_mode & 0o777 == 0o666
    finally:
        os.umask(before)


def test_errors_release_the_lock(resource: Resource) -> None:
    """An error under the lock is raised, and the lock is released."""
    with pytest.raises(KeyError), acquire(resource, print):
        raise KeyError
    with acquire(resource, print) as ours:
        assert ours


def test_lock_is_reentrant(resource: Resource) -> None:
    """A process can acquire its lock again, and keeps it until the outermost release."""
    with acquire(resource, print):
        with acquire(resource, print, only_if_free=True) as ours:
            assert ours
        assert holders.read_record(resource.path) is not None


def test_threads_exclude_each_other(resource: Resource) -> None:
    """A thread waits for a lock that another thread holds."""
    found: list[str] = []
    inside, done = threading.Event(), threading.Event()

    def work() -> None:
        with acquire(resource, print):
            inside.set()
            assert done.wait(HANG)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert inside.wait(HANG)
        with acquire(resource, found.append, only_if_free=True) as ours:
            assert not ours
    finally:
        done.set()
        thread.join()


@pytest.mark.parametrize(
    ("order", "busy", "said"),
    [
        # The same lock, a free one, a later one; in use: an earlier one, and one at the same level.
        (Order.PROJECT, None, "nested True"),
        (Order.CONFIG, False, "nested True"),
        (Order.ENVIRONMENT, False, "nested True"),
        (Order.CONFIG, True, "nested False"),
        (Order.PROJECT, True, "nested False"),
    ],
)
def test_nested_process(
    resource: Resource, tmp_path: Path, order: Order, busy: bool | None, said: str
) -> None:
    """A child has its parent's locks, and waits for nothing earlier or at the same level."""
    path = resource.path if busy is None else tmp_path / "locks" / "another"
    another = Resource("another", path, order)
    with (
        holder_of(another) if busy else acquire(Resource("x", tmp_path / "x"), print),
        holder_of(resource, sys.executable, "-c", NESTED, str(path), order.name) as parent,
    ):
        assert parent.stdout is not None
        assert parent.stdout.readline() == f"{said}\n"


def test_stale_token(resource: Resource, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token does not count without its ancestor, or once the lock is released."""
    with holder_of(resource) as process:
        holder = holders.read_record(resource.path)
        assert holder is not None
        path = str(resource.path)
        token = [path, 3, holder.process, holder.nonce, path]
        # Alive, but not an ancestor of this process.
        monkeypatch.setenv(nesting.TOKEN_VARIABLE, json.dumps([token]))
        with acquire(resource, print, only_if_free=True) as ours:
            assert not ours
        assert process.poll() is None
    own = holders.Holder.this_process("a thing").process
    parent = json.dumps([[path, 3, own, holder.nonce, path], [path, "x", own, 1, None], 5, "abcde"])
    for made_up in ("nonsense", "{}", '["x"]', "[" * 100_000, "5", parent):
        monkeypatch.setenv(nesting.TOKEN_VARIABLE, made_up)
        with acquire(resource, print) as ours:
            assert ours
            assert holders.read_record(resource.path) is not None
    monkeypatch.delenv(nesting.TOKEN_VARIABLE, raising=False)


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("/usr/bin/poetry install --no-root -vv", "poetry install --no-root -vv"),
        ("/x/poetry/__main__.py lock", "poetry lock"),
        ("poetry -C dir self add rich>=13", "poetry -C dir self add rich>=13"),
        ("poetry publish-verified -u me -p s3 --build", "poetry publish-verified -u -p --build"),
        ("poetry publish --password=s3cret -ps3cret", "poetry publish --password -p"),
        ("poetry publish -np s3cret --username me", "poetry publish -np --username"),
        ("poetry config pypi-token.x s3cret", "poetry config pypi-token.x …"),
        ("poetry config --local http-basic.x me s3", "poetry config --local http-basic.x …"),
        ("poetry add git+https://me:s3@example.org/x", "poetry add git+https://example.org/…"),
        ("poetry add https://tok:se/cr@et@example.org", "poetry add https://example.org/…"),
        ("poetry source add x https://h/s?token=s3", "poetry source add x https://h/…"),
        ("poetry run curl -H Authorization:s3cret", "poetry run …"),
        ("poetry -n run API_KEY=s3cret", "poetry -n run …"),
        ("poetry add a\x1b[2Jb", "poetry add a [2Jb"),
    ],
)
def test_command_lines_without_secrets(line: str, shown: str) -> None:
    """The displayed command has no password and no token."""
    assert holders.redacted_command(line.split(" ")) == shown


def test_timeout_from_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A number in the variable counts; anything else means the default."""
    for text, seconds in (
        ("7.5", 7.5),
        ("0", 0.0),
        ("-1", 300.0),
        ("soon", 300.0),
        ("nan", 300.0),
        ("inf", 300.0),
    ):
        monkeypatch.setenv("POETRY_PUBLISH_VERIFIED_LOCK_TIMEOUT", text)
        assert timeout_from_environment() == seconds
    monkeypatch.delenv("POETRY_PUBLISH_VERIFIED_LOCK_TIMEOUT")
    assert timeout_from_environment() == 300
