"""Keys, publishing and the lifetime of plugin sets, without a Poetry process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import fields
from pathlib import Path

import pytest

from poetry_publish_verified.guard.plugin_sets.plugin_set import PluginSet, SetKey, finish
from poetry_publish_verified.guard.plugin_sets.store import UNUSED_AFTER, PluginSets
from poetry_publish_verified.guard.processes import ProcessId
from poetry_publish_verified.guard.python_environment import (
    installed_distributions,
    interpreter_identity,
)

BASE = SetKey(
    interpreter={"python": "3.11.7 (main)", "extensions": ".so", "machine": "m", "libc": "g"},
    poetry="2.5.1",
    plugins={"a-plugin": {"version": ">=1", "extras": ["x"]}},
    sources=[{"name": "s", "url": "https://index.example/simple/"}],
    environment={"poetry": "2.5.1", "jinja2": "3.1"},
)


def key(**changed: object) -> SetKey:
    """The base key with one part changed."""
    parts = {each.name: getattr(BASE, each.name) for each in fields(BASE)}
    return SetKey(**{**parts, **changed})


def build(sets: PluginSets, of: SetKey, text: str = "x = 1\n") -> PluginSet | None:
    """Build and publish a set with one module."""
    with sets.build_directory() as private:
        (private / "site-packages").mkdir()
        (private / "site-packages" / "module.py").write_text(text)
        finish(private, of, sets.directory / of.directory)
        return sets.publish(of, private)


@pytest.fixture
def sets(tmp_path: Path) -> PluginSets:
    """The plugin sets of an empty project."""
    return PluginSets.of_project(tmp_path)


def test_key_parts() -> None:
    """Whatever makes a set differ changes its name; the order of tables does not."""
    others = [key(interpreter={**BASE.interpreter, name: "other"}) for name in BASE.interpreter]
    others += [
        key(poetry="2.4.3"),
        key(plugins={"a-plugin": ">=1"}),
        key(sources=[]),
        key(environment={"poetry": "2.5.1"}),
        key(environment={"poetry": "2.5.1", "jinja2": "3.2"}),
        key(project="/somewhere"),
    ]
    names = {one.directory for one in [BASE, *others]}
    assert len(names) == len(others) + 1
    reordered = key(plugins={"a-plugin": {"extras": ["x"], "version": ">=1"}})
    assert reordered.directory == BASE.directory


def test_published_set_is_complete_and_compiled(sets: PluginSets) -> None:
    """It has its record and bytecode, and nothing is left next to it."""
    built = build(sets, BASE)
    assert built is not None
    assert built.path == sets.directory / BASE.directory
    assert built.is_whole()
    assert sets.find(BASE) == built
    assert list((built.site / "__pycache__").iterdir())
    assert list(sets.directory.iterdir()) == [built.path]
    (built.site / "module.py").write_text("shorter")
    assert not built.is_whole()


def test_first_to_publish_wins(sets: PluginSets) -> None:
    """Eight builders of one key publish at once: there is one set, and all use it."""
    used: list[PluginSet | None] = []
    barrier = threading.Barrier(8)

    def publish(number: int) -> None:
        with sets.build_directory() as private:
            finish(private, key(sources=number), Path("x"))
            barrier.wait()
            used.append(sets.publish(BASE, private))

    threads = [threading.Thread(target=publish, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    records = {json.dumps(one.record, sort_keys=True) for one in used if one}
    assert len(used) == 8
    assert len(records) == 1
    assert [path.name for path in sets.directory.iterdir()] == [BASE.directory]


def test_sets_are_as_readable_as_the_project(sets: PluginSets, tmp_path: Path) -> None:
    """A builder with a private umask makes a set for everybody who can read the project."""
    tmp_path.chmod(0o755)
    before = os.umask(0o077)
    try:
        built = build(sets, BASE)
    finally:
        os.umask(before)
    assert built is not None
    modes = {path.stat().st_mode & 0o777 for path in [built.path, *built.path.rglob("*")]}
    assert modes == {0o755, 0o644}


def test_set_without_a_record_is_rebuilt(sets: PluginSets) -> None:
    """What has its name but no record is replaced."""
    built = build(sets, BASE)
    assert built is not None
    (built.path / "set.json").unlink()
    assert sets.find(BASE) is None
    assert sets.damaged() == [built.path]
    assert build(sets, BASE) is not None


def test_substitute_set(sets: PluginSets, tmp_path: Path) -> None:
    """The newest set whose base is intact, without a plugin twice; if possible of the same list."""
    build(sets, key(sources=1))
    newer = build(sets, key(sources=2))
    build(sets, key(interpreter={**BASE.interpreter, "libc": "musl"}))
    assert sets.best_for(BASE.plugins, BASE.interpreter, BASE.environment) == newer
    more = {**BASE.environment, "click": "8"}
    assert sets.best_for(BASE.plugins, BASE.interpreter, more) == newer
    assert sets.best_for(BASE.plugins, BASE.interpreter, {"poetry": "2.5.1"}) is None
    other = key(plugins={"b-plugin": "*"})
    assert sets.best_for(other.plugins, BASE.interpreter, BASE.environment) == newer
    of_other = build(sets, other)
    assert sets.best_for(BASE.plugins, BASE.interpreter, BASE.environment) == newer
    assert sets.best_for(other.plugins, BASE.interpreter, BASE.environment) == of_other
    assert newer is not None
    assert newer.is_of(BASE.plugins, tmp_path)
    assert not newer.is_of(other.plugins, tmp_path)
    elsewhere = PluginSet(newer.path, {**newer.record, "project": "/elsewhere"})
    assert not elsewhere.is_of(BASE.plugins, tmp_path)
    common = PluginSet(newer.path, {**newer.record, "distributions": {"click": "8"}})
    assert common.serves(BASE.interpreter, more)
    plugin = newer.site / "click-8.dist-info"
    plugin.mkdir()
    (plugin / "METADATA").write_text("Metadata-Version: 2.1\nName: click\nVersion: 8\n")
    (plugin / "entry_points.txt").write_text("[poetry.plugin]\nclick = click:Click\n")
    assert not common.serves(BASE.interpreter, more)


def test_sweep(sets: PluginSets) -> None:
    """It removes long unused sets with a newer one, dead builders' remains, and trash."""
    old, other = build(sets, key(sources=1)), build(sets, key(interpreter={"python": "3.12"}))
    used, newest = build(sets, key(sources=2)), build(sets, BASE)
    assert old
    assert other
    assert used
    assert newest
    long_ago = time.time() - UNUSED_AFTER - 60
    for one in (old, other, newest):
        os.utime(one.path / "set.json", (long_ago, long_ago))
    me = ProcessId.current()
    dead = ProcessId(me.host, _dead_pid(), "1")
    far = ProcessId("0" * 12, 1, "1")
    for builder in (me, dead, far):
        (sets.directory / f".building-{builder}-00000000").mkdir()
    silent = sets.directory / f".building-{far}-11111111"
    silent.mkdir()
    os.utime(silent, (long_ago, long_ago))
    (sets.directory / ".trash-1").mkdir()
    (sets.directory / ".trash-2").touch()
    (sets.directory / ".trash-3").symlink_to("nowhere")

    sets.sweep(in_use=newest)
    left = sorted(path.name for path in sets.directory.iterdir())
    kept = [one.path.name for one in (other, used, newest)]
    assert left == sorted([*kept, f".building-{me}-00000000", f".building-{far}-00000000"])


def _dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_process_liveness() -> None:
    """Alive, dead, a reused id, and unknown are distinguished."""
    me = ProcessId.current()
    assert ProcessId.parse(str(me)) == me
    assert ProcessId.parse("else") is None
    assert me.is_dead() is False
    assert ProcessId(me.host, me.pid, "1").is_dead() is True
    assert ProcessId(me.host, _dead_pid(), "1").is_dead() is True
    assert ProcessId("0" * 12, me.pid, me.started).is_dead() is None


def test_use_is_recorded_once_a_day(sets: PluginSets) -> None:
    """Use is recorded once a day."""
    built = build(sets, BASE)
    assert built is not None
    record = built.path / "set.json"
    hour_ago, two_days_ago = time.time() - 3600, time.time() - 2 * 86400
    os.utime(record, (hour_ago, hour_ago))
    built.touch()
    assert record.stat().st_mtime == pytest.approx(hour_ago)
    os.utime(record, (two_days_ago, two_days_ago))
    built.touch()
    assert record.stat().st_mtime > hour_ago


def test_sets_in_another_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable moves them, into one directory per project."""
    monkeypatch.setenv("POETRY_PUBLISH_VERIFIED_PLUGIN_SETS", str(tmp_path / "sets"))
    roots = [tmp_path / "one" / "app", tmp_path / "two" / "app"]
    directories = {PluginSets.of_project(root).directory for root in roots}
    assert len(directories) == 2
    assert {directory.parent for directory in directories} == {tmp_path / "sets"}
    sets = PluginSets.of_project(roots[0])
    assert build(sets, BASE) is not None
    assert not roots[0].exists()


@pytest.mark.parametrize("elsewhere", [False, True])
def test_sets_without_a_gitignore(
    tmp_path: Path, elsewhere: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A `.poetry` without a writable .gitignore still holds sets, or lets them be elsewhere."""
    if elsewhere:
        monkeypatch.setenv("POETRY_PUBLISH_VERIFIED_PLUGIN_SETS", str(tmp_path / "sets"))
    root = tmp_path / "project"
    (root / ".poetry").mkdir(parents=True)
    # Not writable even by root.
    (root / ".poetry" / ".gitignore").symlink_to("nowhere/at-all")
    assert build(PluginSets.of_project(root), BASE) is not None


def test_dot_poetry_is_untouched_if_sets_are_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The project's own `.poetry` stays as it is."""
    monkeypatch.setenv("POETRY_PUBLISH_VERIFIED_PLUGIN_SETS", str(tmp_path / "sets"))
    kept = tmp_path / "project" / ".poetry"
    kept.mkdir(parents=True)
    assert build(PluginSets.of_project(kept.parent), BASE) is not None
    assert not list(kept.iterdir())


def test_copy_for_a_changed_environment(sets: PluginSets) -> None:
    """It is a complete set with its own key, and the newer one."""
    used = build(sets, BASE)
    assert used is not None
    other = key(environment={**BASE.environment, "click": "8"})
    copy = sets.copy_for(other, used)
    assert copy is not None
    assert copy == sets.find(other)
    assert copy.is_whole()
    assert copy.record["environment"] == other.environment
    assert copy.record["built"] > used.record["built"]
    assert sorted(sets.directory.iterdir()) == sorted([used.path, copy.path])


def test_bytecode_for_other_optimization_levels(tmp_path: Path) -> None:
    """A builder with -O compiles for itself and for readers without."""
    script = (
        "import sys, pathlib\n"
        "from poetry_publish_verified.guard.plugin_sets import plugin_set\n"
        "site = pathlib.Path(sys.argv[1])\n"
        "plugin_set.compile_modules(site, site)\n"
    )
    (tmp_path / "module.py").write_text("x = 1\n")
    subprocess.run([sys.executable, "-O", "-c", script, str(tmp_path)], check=True)
    names = {path.name.split(".", 2)[2] for path in tmp_path.glob("__pycache__/*")}
    assert names == {"pyc", "opt-1.pyc"}


def test_distributions_from_directory_names(tmp_path: Path) -> None:
    """Names and versions come from directory names; pip's leftovers do not count."""
    for name in ("Foo_Bar-1.0.dist-info", "~oo_bar-0.9.dist-info", "half-1.dist-info"):
        (tmp_path / name).mkdir()
    (tmp_path / "Foo_Bar-1.0.dist-info" / "METADATA").touch()
    (tmp_path / "~oo_bar-0.9.dist-info" / "METADATA").touch()
    egg = tmp_path / "Egg.egg-info"
    egg.mkdir()
    (egg / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: Egg\nVersion: 2\n")
    assert installed_distributions([str(tmp_path), "/nowhere"]) == {"foo-bar": "1.0", "egg": "2"}


def test_interpreter_identity() -> None:
    """It is identified by everything its compiled code depends on."""
    assert interpreter_identity()["python"] == sys.version
    assert all(interpreter_identity().values())
