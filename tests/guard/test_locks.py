"""Locks end: held by one process, given up in time, gone without where there are none."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from poetry_publish_verified.guard.locks import Resource
from poetry_publish_verified.guard.locks import held
from poetry_publish_verified.guard.locks import timeout_from_environment

HOLDER = """
import sys, time
from pathlib import Path
from poetry_publish_verified.guard.locks import Resource, held
with held(Resource("a thing", Path(sys.argv[1])), print) as ours:
    print("held" if ours else "without", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def resource(tmp_path: Path) -> Resource:
    """Something to lock, in a directory that is not there yet."""
    return Resource("a thing", tmp_path / "locks" / "thing")


def test_one_after_the_other(resource: Resource) -> None:
    """A lock is had at once, and had again once it is free; it says nothing."""
    said: list[str] = []
    for _ in range(2):
        with held(resource, said.append) as ours:
            assert ours
    assert said == []


def test_another_process_holds_it(resource: Resource, monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits with a word, gives up in time, and has the lock at once after kill -9."""
    argv = [sys.executable, "-c", HOLDER, str(resource.path)]
    holder = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        monkeypatch.setenv("POETRY_PUBLISH_VERIFIED_LOCK_TIMEOUT", "1.5")
        said: list[str] = []
        begun = time.monotonic()
        with held(resource, said.append) as ours:
            assert not ours
        assert 1 < time.monotonic() - begun < 10
        assert "Waiting for a thing" in said[0]
        assert "Going on without" in said[-1]
    finally:
        holder.kill()
        holder.communicate()
    with held(resource, said.append) as ours:
        assert ours


def test_no_lock_to_be_had(tmp_path: Path) -> None:
    """Where the lock file cannot be made, work goes on without, and one line says so."""
    (tmp_path / "file").touch()
    said: list[str] = []
    with held(Resource("a thing", tmp_path / "file" / "lock"), said.append) as ours:
        assert not ours
    assert len(said) == 1


def test_errors_pass_and_release(resource: Resource) -> None:
    """What goes wrong under the lock is not hidden, and the lock is let go."""
    with pytest.raises(KeyError), held(resource, print):
        raise KeyError
    with held(resource, print) as ours:
        assert ours


def test_timeout_from_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable's number counts; anything else is the default."""
    for text, seconds in (("7.5", 7.5), ("0", 0.0), ("-1", 300.0), ("soon", 300.0), ("nan", 300.0)):
        monkeypatch.setenv("POETRY_PUBLISH_VERIFIED_LOCK_TIMEOUT", text)
        assert timeout_from_environment() == seconds
    monkeypatch.delenv("POETRY_PUBLISH_VERIFIED_LOCK_TIMEOUT")
    assert timeout_from_environment() == 300
