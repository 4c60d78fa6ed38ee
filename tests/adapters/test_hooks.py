"""Hooks that hang, fail, print without end, and leave children behind."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from poetry_publish_verified.adapters import hooks
from poetry_publish_verified.adapters.hooks import HookResult
from tests.beds.processes import HANG, wait_until


def run(directory: Path, code: str, timeout: float = HANG) -> HookResult:
    """Run Python code as a hook."""
    return hooks.run([sys.executable, "-c", code], directory, os.environ, timeout)


def is_running(process: int) -> bool:
    """Whether a process is there and not a zombie."""
    try:
        state = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return state.rpartition(")")[2].split()[0] != "Z"


def wait_for(path: Path) -> int:
    """The number that a process writes to a file."""

    def is_written() -> bool:
        return path.exists() and path.read_text(encoding="utf-8").endswith("\n")

    wait_until(is_written, f"{path.name} to be written")
    return int(path.read_text(encoding="utf-8"))


def test_output_directory_and_environment(tmp_path: Path) -> None:
    """A hook runs in its directory, with its environment; standard error is output too."""
    code = "import os, sys; print(os.getcwd()); print(os.environ['X'], file=sys.stderr)"
    environment = {**os.environ, "X": "light"}
    result = hooks.run([sys.executable, "-c", code], tmp_path, environment, HANG)
    assert result.failure == ""
    assert sorted(result.lines) == sorted([str(tmp_path.resolve()), "light"])


@pytest.mark.parametrize(
    ("code", "failure"),
    [
        ("raise SystemExit(3)", "it ended with exit code 3"),
        ("import os; os.kill(os.getpid(), 9)", "it ended with signal 9"),
    ],
)
def test_failure(tmp_path: Path, code: str, failure: str) -> None:
    """The exit code or the signal is named."""
    assert run(tmp_path, code).failure == failure


@pytest.mark.parametrize("command", [["no-such-program"], ["."], ["a\0b"]])
def test_program_that_cannot_be_started(tmp_path: Path, command: list[str]) -> None:
    """It is a failure like others."""
    result = hooks.run(command, tmp_path, os.environ, HANG)
    assert result.failure.startswith("it cannot be started")


def test_no_shell_is_involved(tmp_path: Path) -> None:
    """What a shell would expand or run stays as it is."""
    command = [sys.executable, "-c", "import sys; print(sys.argv[1])", "$HOME; touch x"]
    assert hooks.run(command, tmp_path, os.environ, HANG).lines == ("$HOME; touch x",)
    assert not (tmp_path / "x").exists()


def test_hook_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    """When time is up, the whole group is ended, also what ignores SIGTERM."""
    pid = tmp_path / "pid"
    child = "import signal, time; signal.signal(15, signal.SIG_IGN); print('c', flush=True); "
    child += f"open({str(pid)!r}, 'w').write(str(__import__('os').getpid()) + chr(10)); "
    child += "time.sleep(1000)"
    code = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {child!r}])\n"
    code += f"import os\nwhile not os.path.exists({str(pid)!r}): time.sleep(0.01)\n"
    code += "print('waiting', flush=True); time.sleep(1000)"
    result = run(tmp_path, code, 2.0)
    assert result.failure == "it did not end within 2 s"
    process = wait_for(pid)
    # A kill takes an instant.
    wait_until(lambda: not is_running(process), "the child's end")


def test_child_that_keeps_the_output_open_keeps_nobody_waiting(tmp_path: Path) -> None:
    """A hook may leave something running, which holds its output: the hook has ended."""
    pid = tmp_path / "pid"
    child = f"import os, time; open({str(pid)!r}, 'w').write(str(os.getpid()) + chr(10)); "
    child += "time.sleep(1000)"
    code = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {child!r}])\n"
    result = run(tmp_path, code + "print('started', flush=True)")
    process = wait_for(pid)
    try:
        assert result == HookResult("", ("started",))
        assert is_running(process)
    finally:
        os.kill(process, signal.SIGKILL)
        for thread in threading.enumerate():
            if thread.name == "hook-output":
                thread.join()


def test_only_the_end_of_much_output_is_kept(tmp_path: Path) -> None:
    """A hook that prints without end fills no memory."""
    result = run(tmp_path, "for n in range(200000): print('line', n)")
    assert result.lines[-1] == "line 199999"
    assert len(result.lines) == 20
