"""The trial of a filesystem's locks claims only what it found out."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cleo.testers.command_tester import CommandTester

from poetry_publish_verified.cli.doctor import DoctorCommand
from poetry_publish_verified.guard.doctor import lock_trial
from poetry_publish_verified.guard.doctor import locks as locks_in_use
from poetry_publish_verified.guard.doctor.lock_trial import Trial, try_locks
from poetry_publish_verified.guard.doctor.locks import FilesystemCheck
from poetry_publish_verified.guard.locks import attempt
from poetry_publish_verified.guard.locks import lock as locks
from poetry_publish_verified.guard.locks.attempt import LockState, Outcome, try_lock
from poetry_publish_verified.guard.locks.lock import acquire
from poetry_publish_verified.guard.locks.problems import TIMEOUT_VARIABLE
from poetry_publish_verified.guard.locks.resource import Order, Resource

# One of Poetry's dependencies warns when it is imported.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

_HANG_GUARD = 300.0
# An answer from before there was a protocol, and lines that are not part of it.
CHATTER = (
    "import os\n"
    "os.write(1, b'Waiting for a trial, in use by an unknown process\\n\\xff\\nheld\\n')\n"
    'os.write(1, b\'{}\\n[1]\\n{"lock trial": ["perhaps", 5]}\\n{"lock trial": 5}\\n\')\n'
    "os.write(1, b'[' * 100_000 + b'\\nno end of line')\n"
)
ANSWER = 'os.write(1, b\'\\n{"lock trial": ["held", "why"]}\\n\')\n'
DEATH = "os._exit(0)\n"


@pytest.fixture(autouse=True)
def nothing_said_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test sees messages that are printed once per process."""
    monkeypatch.setattr(locks, "_REPORTED", set())


@pytest.fixture
def resource(tmp_path: Path) -> Resource:
    """Something to lock."""
    return Resource("a thing", tmp_path / "locks" / "thing", Order.PROJECT)


@pytest.fixture
def at_start(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Code that the second process runs at start, as some packages install it."""

    def write(code: str) -> None:
        monkeypatch.setattr(lock_trial, "_HOLDER", f"{code}\n{lock_trial._HOLDER}")  # noqa: SLF001

    return write


class Stalled:
    """Makes this process's lock files, but only when told to."""

    def __init__(self) -> None:
        self.may_go_on = threading.Event()
        self.threads: list[threading.Thread] = []
        self.made: list[Any] = []
        self._file_lock = attempt._file_lock  # noqa: SLF001

    def __call__(self, path: Path) -> Any:
        """Make one, finally."""
        self.threads.append(threading.current_thread())
        assert self.may_go_on.wait(_HANG_GUARD)
        # Keep a reference: an unreferenced lock is released.
        self.made.append(self._file_lock(path))
        return self.made[-1]

    def go_on(self) -> None:
        """Release it, and wait until everything stalled has ended."""
        self.may_go_on.set()
        for thread in self.threads:
            thread.join(_HANG_GUARD)
            assert not thread.is_alive()


@pytest.fixture
def stalled(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stalled]:
    """All attempts of this process hang, and go on when the test ends."""
    file_lock = Stalled()
    monkeypatch.setattr(attempt, "_file_lock", file_lock)
    yield file_lock
    file_lock.go_on()


class Starved(threading.Thread):
    """Gets the CPU only when it is waited for the third time."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._waits = 0
        self._has_cpu = threading.Event()

    def run(self) -> None:
        """Do its work, finally."""
        assert self._has_cpu.wait(_HANG_GUARD)
        super().run()

    def join(self, timeout: float | None = None) -> None:
        """Time out twice, then wait to the end."""
        self._waits += 1
        if self._waits == 3:
            self._has_cpu.set()
            super().join(timeout)


@pytest.fixture
def starved(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine under load: no attempt gets the CPU at first."""
    monkeypatch.setattr(threading, "Thread", Starved)
    monkeypatch.setenv(TIMEOUT_VARIABLE, str(_HANG_GUARD))
    monkeypatch.setattr(locks, "_GRACE", _HANG_GUARD)
    for waiting in ("_FIRST_REPORT_AFTER", "_NEXT_REPORT_AFTER"):
        monkeypatch.setattr(attempt, waiting, _HANG_GUARD)


def apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make this process lock another file than the second one, as through another mount."""
    file_lock = attempt._file_lock  # noqa: SLF001
    monkeypatch.setattr(attempt, "_file_lock", lambda path: file_lock(path.with_name("another")))


def words_of(trial: Trial) -> str:
    """The doctor's message."""
    return FilesystemCheck(("a cache",), trial).words


def test_other_output_is_ignored(tmp_path: Path, at_start: Callable[[str], None]) -> None:
    """Other output of the second process is not an answer."""
    at_start(CHATTER)
    trial = try_locks(tmp_path)
    assert trial == Trial(trial.filesystem, excludes=True, frees=True)
    assert "work between processes" in words_of(trial)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("code", [f"import os\n{DEATH}", CHATTER + DEATH])
def test_second_process_that_ends_early(
    tmp_path: Path, at_start: Callable[[str], None], code: str
) -> None:
    """Without an answer nothing is known about the locks, good or bad."""
    at_start(code)
    trial = try_locks(tmp_path)
    assert trial == Trial(trial.filesystem, unknown="the second process did not answer")
    assert not trial.is_sound
    assert words_of(trial) == (
        f"Could not test the locks on {trial.filesystem} (a cache):"
        " the second process did not answer."
    )


def test_second_process_that_hangs(
    tmp_path: Path, at_start: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not waited for forever."""
    at_start(CHATTER + "import time\nwhile True: time.sleep(60)\n")
    monkeypatch.setattr(lock_trial, "_LONGEST", 0.0)
    trial = try_locks(tmp_path)
    assert trial == Trial(trial.filesystem, unknown="the second process did not answer")


@pytest.mark.parametrize(("is_known", "says"), [(False, "Could not test"), (True, "do not work")])
def test_command_output(
    tmp_path: Path,
    at_start: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    is_known: bool,
    says: str,
) -> None:
    """Both are failures, but only broken locks are described as such."""
    monkeypatch.setattr(locks_in_use, "lock_directories", lambda _: {"a cache": tmp_path})
    if is_known:
        apart(monkeypatch)
    else:
        at_start(f"import os\n{DEATH}")
    command = CommandTester(DoctorCommand())
    assert command.execute(str(tmp_path)) == 1
    shown = command.io.fetch_output()
    assert says in shown
    assert ("break each other" in shown) == is_known


def test_second_process_that_released_early(
    tmp_path: Path, at_start: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it ended after its answer, a free lock for both proves nothing."""
    note = tmp_path / "pid"
    at_start(
        f"import os, pathlib\npathlib.Path({str(note)!r}).write_text(str(os.getpid()))\n"
        + ANSWER
        + DEATH
    )
    file_lock = attempt._file_lock  # noqa: SLF001

    def after_its_end(path: Path) -> Any:
        os.waitid(os.P_PID, int(note.read_text()), os.WEXITED | os.WNOWAIT)
        return file_lock(path)

    monkeypatch.setattr(attempt, "_file_lock", after_its_end)
    trial = try_locks(tmp_path)
    assert trial == Trial(trial.filesystem, unknown="the second process ended early")


def test_locks_that_do_not_exclude(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two live processes with the same lock are detected."""
    apart(monkeypatch)
    trial = try_locks(tmp_path)
    assert trial == Trial(trial.filesystem)
    assert "do not work" in words_of(trial)


@pytest.mark.usefixtures("stalled")
def test_no_answer_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An attempt that was not made does not prove that the lock was refused."""
    monkeypatch.setattr(lock_trial, "_GRACE", 0.0)
    trial = try_locks(tmp_path)
    assert trial == Trial(trial.filesystem, unknown="no answer within 0 s")
    assert "Could not test the locks" in words_of(trial)


@pytest.mark.parametrize(
    ("answers", "found"),
    [
        (["unknown"], {"unknown": "why"}),
        (["failed"], {"error": "why"}),
        (["busy", "unknown"], {"unknown": "why"}),
        (["busy", "failed"], {"error": "why"}),
        (["busy", "busy"], {"excludes": True}),
        (["busy", "held"], {"excludes": True, "frees": True}),
    ],
)
def test_errors_of_the_first_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: list[str], found: dict[str, Any]
) -> None:
    """Only a refusal proves exclusion, and only a lock proves that it was freed."""
    script = iter(answers)
    monkeypatch.setattr(
        lock_trial, "try_lock", lambda *_: nullcontext(Outcome(LockState(next(script)), "why"))
    )
    trial = try_locks(tmp_path)
    assert trial == Trial(trial.filesystem, **found)
    assert next(script, None) is None


@pytest.mark.parametrize(
    ("state", "found"),
    [
        ("unknown", {"unknown": "why"}),
        ("failed", {"error": "why"}),
        ("busy", {"error": "a new lock was refused as if it were in use"}),
    ],
)
def test_errors_of_the_second_process(
    tmp_path: Path, at_start: Callable[[str], None], state: str, found: dict[str, Any]
) -> None:
    """The reason why it got no lock is reported as it is."""
    at_start(f"import os\n{ANSWER.replace('held', state)}")
    trial = try_locks(tmp_path)
    assert trial == Trial(trial.filesystem, **found)


def test_lock_states(resource: Resource, tmp_path: Path) -> None:
    """Acquired, in use, and impossible are distinguished."""
    with try_lock(resource, _HANG_GUARD, _HANG_GUARD) as answer:
        assert answer.state is LockState.HELD
        with try_lock(resource, 0, _HANG_GUARD) as second:
            assert second.state is LockState.BUSY
    (tmp_path / "file").touch()
    with try_lock(Resource("x", tmp_path / "file" / "lock"), 0, _HANG_GUARD) as answer:
        assert answer.state is LockState.FAILED
        assert "file" in answer.why


def test_filesystem_timeout(resource: Resource, monkeypatch: pytest.MonkeyPatch) -> None:
    """ETIMEDOUT from a filesystem is an error, not somebody else's lock."""

    def fail(**_: Any) -> None:
        raise TimeoutError(110, "Connection timed out")

    monkeypatch.setattr(attempt, "_file_lock", lambda _: SimpleNamespace(acquire=fail))
    with try_lock(resource, 0, _HANG_GUARD) as answer:
        assert answer == Outcome(LockState.FAILED, "[Errno 110] Connection timed out")


def test_abandoned_attempt(
    resource: Resource, stalled: Stalled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits forever; a late lock is released, and the message names no holder."""
    monkeypatch.setattr(locks, "_GRACE", 0.0)
    said: list[str] = []
    with acquire(resource, said.append, only_if_free=True) as ours:
        assert not ours
    (only,) = said
    assert only.startswith("Continuing without a lock: a thing (")
    assert only.endswith("could not be locked: no answer within 0 s.")
    with try_lock(resource, 0, 0) as answer:
        assert answer == Outcome(LockState.UNKNOWN, "no answer within 0 s")
    stalled.go_on()
    with try_lock(resource, 0, _HANG_GUARD) as answer:
        assert answer.state is LockState.HELD


@pytest.mark.usefixtures("starved")
def test_only_if_free_under_load(resource: Resource) -> None:
    """An attempt without CPU is waited for silently."""
    said: list[str] = []
    with acquire(resource, said.append, only_if_free=True) as ours:
        assert ours
    assert said == []


@pytest.mark.usefixtures("starved")
def test_waiting_under_load(resource: Resource) -> None:
    """The message says that there is no answer yet, and names no holder."""
    said: list[str] = []
    with acquire(resource, said.append) as ours:
        assert ours
    assert len(said) == 2
    assert all("Waiting for a thing, no answer yet; at most " in line for line in said)
