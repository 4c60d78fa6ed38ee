"""Records of plugin sets after crashes, full disks and strangers."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from poetry_publish_verified.guard.doctor.plugins import diagnose
from poetry_publish_verified.guard.plugin_sets import plugin_set
from poetry_publish_verified.guard.plugin_sets.plugin_set import State, read_record, write_record
from tests.beds.poetry import Poetry

# One of Poetry's dependencies warns when it is imported.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

GOOD: dict[str, Any] = {
    "format": plugin_set.FORMAT,
    "built": 1.5,
    "interpreter": {"python": "3.11"},
    "poetry": "2.5.1",
    "plugins": {"a": {"version": "*"}},
    "environment": {"poetry": "2.5.1"},
    "distributions": {"a": "1"},
    "files": {"site-packages/a.py": 1},
}
NOT_RECORDS = ["", "{", "[]", "null", "1", '"x"', '{"format": 1}', "[" * 100_000]


def test_valid_record(tmp_path: Path) -> None:
    """What is written is read back."""
    write_record(tmp_path, GOOD)
    assert read_record(tmp_path) == (State.SOUND, GOOD)


@pytest.mark.parametrize("text", NOT_RECORDS)
def test_damaged_record(tmp_path: Path, text: str) -> None:
    """A truncated file, or anything else, is damage."""
    (tmp_path / "set.json").write_text(text)
    assert read_record(tmp_path) == (State.DAMAGED, {})


@pytest.mark.parametrize("field", [name for name in GOOD if name != "format"])
def test_every_field_is_required(tmp_path: Path, field: str) -> None:
    """A record with a missing or mistyped field is damage."""
    for wrong in ({}, {field: None}, {field: [1]}):
        rest = {name: value for name, value in GOOD.items() if name != field}
        write_record(tmp_path, {**rest, **wrong})
        assert read_record(tmp_path)[0] is State.DAMAGED
    if isinstance(GOOD[field], dict) and field != "plugins":
        write_record(tmp_path, {**GOOD, field: {"x": None}})
        assert read_record(tmp_path)[0] is State.DAMAGED


def test_states_of_a_set_name(tmp_path: Path) -> None:
    """Something other than a directory is damage; nothing, and another version's set, are not."""
    name = tmp_path / "py"
    assert read_record(name)[0] is State.OTHER
    name.touch()
    assert read_record(name)[0] is State.DAMAGED
    name.unlink()
    name.symlink_to("nowhere")
    assert read_record(name)[0] is State.DAMAGED
    name.unlink()
    (name / "set.json").mkdir(parents=True)
    assert read_record(name)[0] is State.DAMAGED
    (name / "set.json").rmdir()
    assert read_record(name)[0] is State.DAMAGED
    write_record(name, {"format": plugin_set.FORMAT + 1})
    assert read_record(name)[0] is State.OTHER


def test_unreadable_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record that cannot be read now may be valid, so it is left alone."""
    write_record(tmp_path, GOOD)

    def refuse(*_: object) -> bytes:
        raise PermissionError

    monkeypatch.setattr(plugin_set, "read_regular_file", refuse)
    assert read_record(tmp_path)[0] is State.OTHER


def test_record_is_synced_before_the_rename(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record is on disk before the set gets its name."""
    synced = []
    monkeypatch.setattr(os, "fsync", lambda number: synced.append(os.fstat(number).st_size))
    write_record(tmp_path, GOOD)
    assert synced == [(tmp_path / "set.json").stat().st_size]


def test_record_is_not_a_regular_file(tmp_path: Path) -> None:
    """A pipe, a device or a huge file is no record, and nobody blocks on it."""
    record = tmp_path / "set.json"
    os.mkfifo(record)
    assert read_record(tmp_path)[0] is State.DAMAGED
    record.unlink()
    with record.open("wb") as file:
        file.truncate(2**40)
    assert read_record(tmp_path)[0] is State.DAMAGED
    record.unlink()
    record.symlink_to("/dev/zero")
    assert read_record(tmp_path)[0] is State.OTHER


@pytest.mark.parametrize("text", ["", "[]", json.dumps({"format": 1})])
def test_install_repairs_a_damaged_set(newest: Poetry, text: str) -> None:
    """The doctor names the damaged set, and one `install` rebuilds it once."""
    newest.run("install").ok()
    (only,) = newest.sets
    other = only.with_name("py3.9-poetry1.0-0000")
    shutil.copytree(only, other)
    for damaged in (only, other):
        (damaged / "set.json").write_text(text)
    codes = [found.code for found in diagnose(newest.project, {})]
    assert codes == ["guard.set-absent", "guard.set-damaged", "guard.set-damaged"]
    again = newest.run("install")
    assert again.ok().count("Building") == 1
    assert newest.sets == [only]
    assert newest.run("version").ok() == "demo 9.1.0\n"
    assert "Building" not in newest.run("install").ok()


@pytest.mark.parametrize("link", [False, True])
def test_file_at_a_sets_name(newest: Poetry, link: bool) -> None:
    """A file or a dangling link is replaced by the set without a trace."""
    newest.run("install").ok()
    (only,) = newest.sets
    shutil.rmtree(only)
    if link:
        only.symlink_to("nowhere")
    else:
        only.touch()
    assert newest.run("install").ok().count("Building") == 1
    assert newest.run("version").ok() == "demo 9.1.0\n"
    assert sorted(path.name for path in only.parent.iterdir()) == [".locks-1", only.name]
