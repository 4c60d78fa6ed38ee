"""What a run prints, for people and for programs, and what it never prints."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import struct
import termios
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.beds.indexes import PASSWORD
from tests.beds.processes import HANG, wait_until
from tests.beds.projects import make_project, read_receipt
from tests.beds.proxy import is_upload
from tests.beds.release import ended, holds, publish, uploads
from tests.beds.terminal import shown_next

if TYPE_CHECKING:
    from pathlib import Path

    from tests.beds.indexes import Index
    from tests.beds.poetry import Poetry
    from tests.beds.projects import Project
    from tests.beds.proxy import FaultProxy

CALL = ("publish-verified", "--no-interaction", "-r", "harbour", "--until", "downloadable")


@pytest.mark.parametrize("options", [("--build",), ("--build", "-v"), ("--build", "-q")])
def test_json_lines(
    poetry: Poetry, project: Project, pypi: Index, options: tuple[str, ...]
) -> None:
    """Standard output is one JSON object per line, and the last is the receipt."""
    run = publish(poetry, project, pypi, "--format", "json", *options)
    ended(run, 0)
    for event in run.events:
        assert isinstance(event["event"], str)
        assert datetime.fromisoformat(event["time"]).utcoffset() == timedelta(0)
    last = dict(run.events[-1])
    assert last.pop("event") == "receipt"
    last.pop("time")
    assert last == project.receipt()
    assert [event["event"] for event in run.events].count("receipt") == 1
    assert len(run.events) > 5


@pytest.mark.parametrize("fault", ["no-files", "bad-option", "no-project"])
def test_json_lines_of_a_refusal(poetry: Poetry, project: Project, pypi: Index, fault: str) -> None:
    """A refusal is JSON lines as well, with the receipt last."""
    poetry = poetry.with_variables(**pypi.environment())
    more = ("--timeout", "soon") if fault == "bad-option" else ()
    cwd = project.path.parent if fault == "no-project" else project.path
    run = poetry.run(*CALL, "--format", "json", *more, cwd=cwd)
    ended(run, 1 if fault == "bad-option" else 3)
    assert run.events[-1]["event"] == "receipt"
    assert run.events[-1]["exit_code"] == run.code


def test_no_progress_bar_in_a_log(poetry: Poetry, project: Project, pypi: Index) -> None:
    """Without a terminal there are no colours and no progress bars."""
    run = publish(poetry, project, pypi, "--build")
    ended(run, 0)
    assert "\r" not in run.said
    assert "\x08" not in run.said


def test_quiet_success(poetry: Poetry, project: Project, pypi: Index) -> None:
    """A success has one line per file and per index, the verdict and the receipt."""
    project.build()
    run = publish(poetry, project, pypi, until="downloadable")
    ended(run, 0)
    assert run.err == ""
    assert re.sub(r" in [0-9.]+ s;", " in 0 s;", run.out).splitlines() == [
        "",
        "Publishing lantern (1.0) to harbour",
        f" - Uploaded {project.wheel}",
        f" - Uploaded {project.sdist}",
        f" - {pypi.simple_url} seen by pip, uv, poetry in 0 s; 2 files verified",
        "verified: lantern 1.0 is downloadable",
        f"Receipt: {project.receipt_file}",
    ]


def test_quiet_option(poetry: Poetry, project: Project, pypi: Index) -> None:
    """With -q a run prints nothing, as Poetry's own commands do."""
    for options, code in (((), 3), (("--build",), 0)):
        run = publish(poetry, project, pypi, "-q", *options)
        assert (run.code, run.said.strip()) == (code, "")


@pytest.mark.parametrize("variable", ["NO_COLOR=1", "TERM=dumb", "CI=true", ""])
def test_terminal(poetry: Poetry, project: Project, pypi: Index, variable: str) -> None:
    """A terminal shows a live table, unless its lines cannot be erased; NO_COLOR is respected."""
    project.build()
    terminal, inside = pty.openpty()
    fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    name, _, value = variable.partition("=")
    environ = {
        "NO_COLOR": "",
        "TERM": "xterm",
        **pypi.environment(),
        name or "TERM": value or "xterm",
    }
    call = poetry.with_variables(**environ)
    process = call.start(*CALL, cwd=project.path, stdin=inside, stdout=inside, stderr=inside)
    os.close(inside)
    shown = b"".join(iter(lambda: shown_next(terminal), b""))
    os.close(terminal)
    assert process.wait(HANG) == 0
    assert b"verified: lantern 1.0 is" in shown
    assert (b"\x1b[0J" in shown) == (variable == "")
    assert (b"\x1b[" in shown) == (name != "NO_COLOR")


def test_no_password_in_output_or_receipt(poetry: Poetry, project: Project, pypi: Index) -> None:
    """Not even at the highest verbosity."""
    project.build()
    run = publish(poetry, project, pypi, "-vvv", until="installable")
    assert run.code == 0, run.said
    for text in (run.said, json.dumps(project.receipt())):
        assert PASSWORD not in text


def test_credentials_in_urls_are_not_shown(poetry: Poetry, project: Project, pypi: Index) -> None:
    """Credentials in a URL are used but never shown."""
    project.build()
    token = "s3cret-in-url"  # pypiserver reads need no password, so any will do
    with_token = pypi.simple_url.replace("http://", f"http://someone:{token}@")
    run = publish(poetry, project, pypi, "--index", with_token, "-v")
    ended(run, 0)
    release = holds(project.receipt(), "verified", 0)
    assert [index["url"] for index in release["indexes"]] == [pypi.simple_url]
    assert token not in run.said
    assert token not in json.dumps(project.receipt())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_while_waiting(
    poetry: Poetry, project: Project, pypi: Index, proxy: FaultProxy, number: signal.Signals
) -> None:
    """Ctrl-C during the wait ends in 130 at once; the receipt says how far it came."""
    project.build()
    proxy.hide(project.wheel)
    through = pypi.behind(proxy.origin)
    started = poetry.with_variables(**through.environment())
    with started.started(*CALL, cwd=project.path) as process:
        wait_until(lambda: len(proxy.uploads) == 2 and len(proxy.pages) >= 3, "the wait")
        os.killpg(process.pid, number)
        out, err = process.communicate(timeout=HANG)
    assert process.returncode == 130, f"{process.returncode}\n{out}\n{err}"
    assert "Traceback" not in out + err
    release = holds(project.receipt(), "interrupted", 130)
    assert set(uploads(release).values()) == {"uploaded"}
    assert started.leftovers() == []


def test_interrupted_while_uploading(
    poetry: Poetry, project: Project, pypi: Index, proxy: FaultProxy
) -> None:
    """Ctrl-C during an upload leaves that file's state unknown, and the next run finds out."""
    project.build()
    stalled = proxy.stall(is_upload)
    through = pypi.behind(proxy.origin)
    started = poetry.with_variables(**through.environment())
    with started.started(*CALL, "--format", "json", cwd=project.path) as process:
        wait_until(lambda: proxy.uploads, "the first upload")
        receipt = project.receipt()
        assert (receipt["verdict"], receipt["exit_code"]) == ("running", None)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=HANG)
    assert process.returncode == 130, f"{out}\n{err}"
    assert json.loads(out.splitlines()[-1])["verdict"] == "interrupted"
    release = holds(project.receipt(), "interrupted", 130)
    assert uploads(release) == {project.wheel: "unknown", project.sdist: "not-sent"}
    stalled.lift()
    ended(publish(poetry, project, through), 0)
    assert pypi.stored("lantern") == project.hashes()


def test_killed_run_leaves_a_receipt(
    poetry: Poetry, project: Project, pypi: Index, proxy: FaultProxy
) -> None:
    """A killed run leaves a receipt with verdict `running` and what it knew."""
    project.build()
    proxy.hide(project.wheel)
    started = poetry.with_variables(**pypi.behind(proxy.origin).environment())
    with started.started(*CALL, cwd=project.path) as process:
        wait_until(lambda: len(proxy.uploads) == 2 and len(proxy.pages) >= 3, "the wait")
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=HANG)
    receipt = read_receipt(project.receipt_file)
    release = holds(receipt, "running", None)
    assert receipt["finished"] is None
    assert set(uploads(release).values()) == {"uploaded"}
    directory = project.receipt_file.parent
    assert [path.name for path in directory.iterdir()] == [project.receipt_file.name]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_while_building(
    poetry: Poetry, pypi: Index, tmp_path: Path, number: signal.Signals
) -> None:
    """Ctrl-C during a build ends in 130, not as a failed build."""
    project = make_project(tmp_path / "slow")
    pyproject = project.path / "pyproject.toml"
    # The project has its own build backend, so that none is needed from an index.
    text = pyproject.read_text(encoding="utf-8").partition("[build-system]")[0]
    text += '[build-system]\nrequires = []\nbuild-backend = "slow"\nbackend-path = ["."]\n'
    pyproject.write_text(text, encoding="utf-8")
    building = tmp_path / "building"
    (project.path / "slow.py").write_text(
        "import pathlib, time\n"
        "def build_sdist(*arguments):\n"
        f"    pathlib.Path({str(building)!r}).touch()\n"
        f"    time.sleep({2 * HANG})\n",
        encoding="utf-8",
    )
    call = poetry.with_variables(**pypi.environment())
    with call.started(*CALL, "--build", cwd=project.path) as process:
        wait_until(building.exists, "the build")
        os.killpg(process.pid, number)
        out, err = process.communicate(timeout=HANG)
    assert process.returncode == 130, f"{process.returncode}\n{out}\n{err}"
    holds(project.receipt(), "interrupted", 130)


def test_interrupted_while_starting(poetry: Poetry, project: Project, tmp_path: Path) -> None:
    """Ctrl-C before a run has begun is no wrong usage either."""
    (tmp_path / "sitecustomize.py").write_text(
        "import signal, sys\n"
        "class Interrupting:\n"
        "    def find_spec(name, path, target=None):\n"
        "        if name == 'poetry_publish_verified.cli.publish_verified':\n"
        "            signal.raise_signal(signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupting)\n"
    )
    with poetry.with_variables(PYTHONPATH=str(tmp_path)).started(
        *CALL, cwd=project.path
    ) as process:
        out, err = process.communicate(timeout=HANG)
    assert process.returncode == 130, f"{process.returncode}\n{out}\n{err}"
    assert "Traceback" not in out + err


@pytest.mark.parametrize("form", ["text", "json"])
def test_closed_standard_output(poetry: Poetry, project: Project, pypi: Index, form: str) -> None:
    """If standard output is closed, the release still completes."""
    project.build()
    call = poetry.with_variables(**pypi.environment())
    with call.started(*CALL, "--format", form, cwd=project.path) as process:
        assert process.stdout is not None
        process.stdout.close()
        process.stdout = None
        _, err = process.communicate(timeout=HANG)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    holds(project.receipt(), "verified", 0)


@pytest.mark.parametrize("stream", ["stdout", "stderr", "both"])
def test_build_without_a_reader(poetry: Poetry, project: Project, pypi: Index, stream: str) -> None:
    """What a build says may go nowhere, too: Poetry's own lines fail nothing."""
    reader, writer = os.pipe()
    os.close(reader)
    gone = {name: writer for name in ("stdout", "stderr") if stream in {name, "both"}}
    call = poetry.with_variables(**pypi.environment(), PYTHONUNBUFFERED="1")
    with call.started(*CALL, "--build", "-v", cwd=project.path, **gone) as process:
        os.close(writer)
        assert process.wait(HANG) == 0
    holds(project.receipt(), "verified", 0)


def test_build_without_utf_8(poetry: Poetry, project: Project, pypi: Index) -> None:
    """Poetry's own lines, and questions about what is there, may contain any character."""
    project.build()
    (project.path / "lantern" / "größe_漢.py").touch()
    escaped = poetry.with_variables(PYTHONIOENCODING="ascii")
    run = publish(escaped, project, pypi, "--build", "-vvv")
    ended(run, 0)
    assert "gr??e" in run.said
    assert "UnicodeEncodeError" not in run.said
    holds(project.receipt(), "verified", 0)


def test_terminal_without_utf_8(poetry: Poetry, project: Project, pypi: Index) -> None:
    """In the C locale a path with umlauts is shown as well as possible, and nothing fails."""
    project.build()
    escaped = poetry.with_variables(LC_ALL="C", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    ended(publish(escaped, project, pypi), 0)
    holds(project.receipt(), "verified", 0)
