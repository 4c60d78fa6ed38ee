"""A forked process equals a started one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.beds import fork_server, forking
from tests.beds.environments import NEWEST_POETRY, OLDEST_POETRY, POETRY_MINORS, environment
from tests.beds.poetry import Poetry, isolated
from tests.beds.processes import HANG
from tests.thorough import THOROUGH

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(
    not forking.is_possible(), reason="fork servers need Linux on a known processor"
)

VERSIONS = POETRY_MINORS if THOROUGH else (OLDEST_POETRY, NEWEST_POETRY)

TELL = """
import json, locale, os, poetry.core, signal, sys, tempfile, threading
print(json.dumps({
    "arguments": [sys.argv, sys.orig_argv[1:], sys.path, sys.executable, sys.prefix],
    "flags": list(sys.flags),
    "main": [__name__, __doc__, __package__, __spec__ and __spec__.name, globals().get("__file__")],
    "place": [os.getcwd(), dict(os.environ), tempfile.gettempdir()],
    "masks": [os.umask(0), sorted(signal.pthread_sigmask(signal.SIG_BLOCK, []))],
    "handlers": [str(signal.getsignal(number)).split(" at ")[0] for number in range(1, 32)],
    "kin": [os.getppid(), os.getsid(0) == os.getpid(), os.getpgid(0) == os.getpid()],
    "open": sorted(os.listdir("/proc/self/fd")),
    "locale": [locale.getlocale(), sys.getfilesystemencoding(), sys.getdefaultencoding()],
    "streams": [
        [stream.name, stream.mode, stream.encoding, stream.errors, stream.line_buffering,
         stream.write_through, stream.isatty(), stream.fileno(), stream is dunder]
        for stream, dunder in (
            (sys.stdin, sys.__stdin__), (sys.stdout, sys.__stdout__), (sys.stderr, sys.__stderr__)
        )
    ],
    "threads": threading.active_count(),
    "read": sys.stdin.read(),
}))
print("heard", file=sys.stderr)
sys.exit(3)
"""


@pytest.fixture(autouse=True)
def warmed_up(tmp_path: Path) -> None:
    """Request each Python once: a server starts only from the second time on."""
    for version in VERSIONS:
        command: list[str | Path] = [environment(version).python, "-c", ""]
        forking.popen(command, env=isolated(tmp_path / "home"), cwd=tmp_path).wait()


def report_of(tmp_path: Path, argv: list[str | Path], *, real: bool, **options: Any) -> object:
    """What a process reports about itself, and how it ended."""
    process = forking.popen(
        argv,
        env=isolated(tmp_path / "home", TMPDIR=str(tmp_path), MORE="größer"),
        real=real,
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        **options,
    )
    assert ("Forked" in type(process).__name__) is not real
    out, err = process.communicate("said\n", timeout=HANG)
    return json.loads(out), err, process.returncode


@pytest.mark.parametrize("form", ["code", "script", "module"])
@pytest.mark.parametrize("options", [{"start_new_session": True}, {"process_group": 0}, {}])
def test_fork_equals_start(tmp_path: Path, form: str, options: dict[str, Any]) -> None:
    """Arguments, paths, streams, signals, ancestry, environment, umask and exit are the same."""
    python = environment().python
    (tmp_path / "tells.py").write_text(TELL, encoding="utf-8")
    script = tmp_path / "bin" / "tells"
    script.parent.mkdir()
    script.write_text(f"#!{python}\n{TELL}", encoding="utf-8")
    script.chmod(0o755)
    argv: dict[str, list[str | Path]] = {
        "code": [python, "-c", TELL, "a b", "ü"],
        "script": [script, "a b", "ü"],
        "module": [python, "-m", "tells", "a b", "ü"],
    }
    before = os.umask(0o027)
    try:
        forked, real = (
            report_of(tmp_path, argv[form], real=real, **options) for real in (False, True)
        )
    finally:
        os.umask(before)
    assert forked == real


# Strings that no garbage-collected container holds are constants in code objects.
LEFT = """
import gc, sys
import poetry.config.config, poetry.locations
left = {
    str(value)
    for one in gc.get_objects()
    if isinstance(one, (dict, list, tuple, set))
    for value in (one.values() if isinstance(one, dict) else one)
    if "Path" in type(value).__name__ or type(value) is str
    if str(value).startswith(sys.argv[1]) and value is not sys.argv[1]
}
print(sorted(left), poetry.locations.CONFIG_DIR, poetry.config.config.CONFIG_DIR)
"""


@pytest.mark.parametrize("version", VERSIONS)
def test_no_path_of_the_server_is_left(tmp_path: Path, version: str) -> None:
    """Poetry's constants come from the forked process's environment, and no old one is left."""
    poetry = Poetry(environment(version), tmp_path / "home", tmp_path)
    config = tmp_path / "home" / "config"
    assert poetry.python(LEFT, fork_server.NOWHERE).ok() == f"[] {config} {config}\n"
    poetry.run("config", "virtualenvs.prompt", "mine").ok()
    assert "mine" in (config / "config.toml").read_text("utf-8")


def test_forked_process_can_be_killed(tmp_path: Path) -> None:
    """A signal ends it, its parent learns which one, and it is gone."""
    code = "import sys; print('begun', flush=True); sys.stdin.read()"
    process = forking.popen(
        [environment().python, "-c", code],
        env=isolated(tmp_path / "home"),
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=HANG)
    assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    ("argv", "environ", "options"),
    [
        (["-P", "-c", "1"], {}, {}),
        (["-I", "-m", "poetry"], {}, {}),
        (["-c", "1"], {"PYTHONPATH": "/x"}, {}),
        (["-c", "1"], {"PYTHONWARNINGS": "error"}, {}),
        (["-c", "1"], {"LC_ALL": "C"}, {}),
        (["-c", "1"], {"LANG": "de_DE.UTF-8"}, {}),
        (["-c", "1"], {}, {"preexec_fn": os.getpid}),
        (["-c", "1"], {}, {"user": os.geteuid()}),
        (["-c", "1"], {}, {"real": True}),
    ],
)
def test_unforkable_calls_are_started(
    tmp_path: Path, argv: list[str], environ: dict[str, str], options: dict[str, Any]
) -> None:
    """Python options, PYTHON* variables, locale, users, and code before the start."""
    env = isolated(tmp_path / "home", **environ)
    quiet: dict[str, Any] = {
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,
        "cwd": tmp_path,
    }
    with forking.popen([sys.executable, *argv], env=env, **quiet, **options) as process:
        assert type(process) is subprocess.Popen
