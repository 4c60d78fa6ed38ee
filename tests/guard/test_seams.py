"""Each seam, with real processes of every tested Poetry minor."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest

from poetry_publish_verified.guard.layout import LOCKS_DIR
from tests.beds.environments import built_wheel, environment
from tests.beds.plugins import write_project
from tests.beds.poetry import Poetry
from tests.beds.simple_index import SimpleIndex

NOT_ACTIVE = "are not active: stamp-plugin"


def tree(directory: Path) -> dict[str, tuple[int, int]]:
    """Every file of a tree with its size and modification time."""
    found = {path: path.stat() for path in directory.rglob("*")}
    return {str(path): (stat.st_size, stat.st_mtime_ns) for path, stat in found.items()}


def unpacked(wheels: Path, name: str, directory: Path) -> str:
    """A plugin for PYTHONPATH: Poetry loads what is first on `sys.path`."""
    with zipfile.ZipFile(wheels / f"{name}-1.0-py3-none-any.whl") as wheel:
        wheel.extractall(directory / name)
    return str(directory / name)


@pytest.mark.real_start
@pytest.mark.seam
def test_first_install_has_the_plugin(poetry: Poetry) -> None:
    """In a fresh clone readers get a message, and `install` builds the set and uses it."""
    before = poetry.run("version")
    assert before.ok() == "demo 0.0.0\n"
    assert before.err.count(NOT_ACTIVE) == 1
    assert "poetry install" in before.err

    poetry.run("install").ok()
    site = poetry.project / ".venv" / "lib"
    assert [path.name for path in site.rglob("demo-*.dist-info")] == ["demo-9.1.0.dist-info"]
    assert not (poetry.project / ".poetry" / "plugins").exists()
    # Where no build backend looks, and there is nothing else of the plugin's.
    assert (poetry.project / ".poetry" / ".nox" / ".gitignore").read_text() == "*"
    assert [path.name for path in (poetry.project / ".poetry").iterdir()] == [".nox"]
    (only,) = poetry.sets
    built = tree(only)

    again = poetry.run("install")
    assert "Building" not in again.ok()
    after = poetry.run("version")
    assert (after.ok(), after.err) == ("demo 9.1.0\n", "")
    assert tree(only) == built
    leftover = [path.name for path in only.parent.iterdir() if path != only]
    assert leftover == [".locks-1"]


@pytest.mark.seam
def test_sync_builds_too(poetry: Poetry) -> None:
    """`sync` is `install` by another name."""
    poetry.run("sync").ok()
    assert len(poetry.sets) == 1
    assert poetry.run("version").ok() == "demo 9.1.0\n"


@pytest.mark.seam
def test_global_options(poetry: Poetry, tmp_path: Path) -> None:
    """`-C`, `-P` and `--no-plugins` mean what they mean to Poetry; the guard can be off."""
    project = str(poetry.project)
    poetry.run("-C", project, "install", cwd=tmp_path).ok()
    assert len(poetry.sets) == 1
    assert poetry.run("-C", project, "version", cwd=tmp_path).ok() == "demo 9.1.0\n"
    assert poetry.run("-P", project, "version", cwd=tmp_path).ok() == "demo 9.1.0\n"
    without = poetry.run("--no-plugins", "version")
    assert (without.ok(), without.err) == ("demo 0.0.0\n", "")
    off = poetry.run("version", POETRY_PUBLISH_VERIFIED_GUARD="off")
    assert (off.ok(), off.err) == ("demo 0.0.0\n", "")


@pytest.mark.seam
def test_listeners_scripts_and_data(poetry: Poetry, index: SimpleIndex) -> None:
    """Listeners work from a plugin's first command, and nothing is installed outside the set."""
    write_project(poetry.project, index.url, 'listening-plugin = "1.0"')
    assert "heard install" in poetry.run("install").err
    assert "heard version" in poetry.run("version").err
    (only,) = poetry.sets
    assert not (poetry.environment.path / "bin" / "listening").exists()
    assert (only / "bin" / "listening").exists()
    assert (only / "share" / "listening.txt").read_text() == "data"
    assert not (poetry.environment.path / "share" / "listening.txt").exists()


@pytest.mark.parametrize("re_resolve", ["false", "true"])
@pytest.mark.seam
def test_poetrys_distributions_are_not_installed(
    poetry: Poetry, index: SimpleIndex, re_resolve: str
) -> None:
    """Neither this plugin nor what Poetry has, but extras that it lacks."""
    write_project(
        poetry.project, index.url, 'wanting-plugin = "1.0"\npoetry-publish-verified = "*"'
    )
    index.requests.clear()
    poetry.run("install", POETRY_INSTALLER_RE_RESOLVE=re_resolve).ok()
    (only,) = poetry.sets
    installed = json.loads((only / "set.json").read_text())["distributions"]
    assert set(installed) == {"wanting-plugin", "stamp-plugin", "stamp-helper", "pysocks"}
    asked = {path.split("/")[2] for path in index.requests if path.startswith("/simple/")}
    assert asked == set(installed)


@pytest.mark.seam
def test_self_show_plugins(poetry: Poetry) -> None:
    """Poetry lists the set's plugins like its own."""
    poetry.run("install").ok()
    assert "stamp-plugin (1.0)" in poetry.run("self", "show", "plugins").ok()


@pytest.mark.parametrize("early", [False, True])
@pytest.mark.seam
def test_poetry_plugin_group(
    poetry: Poetry, early: bool, index: SimpleIndex, wheels: Path, tmp_path: Path
) -> None:
    """`poetry.plugin` plugins work, even if another plugin used `application.poetry` first."""
    first = unpacked(wheels, "early_plugin", tmp_path) if early else ""
    write_project(poetry.project, index.url, 'project-plugin = "1.0"')
    poetry.run("install", PYTHONPATH=first).ok()
    assert next(poetry.project.rglob("demo-*.dist-info")).name == "demo-5.5.5.dist-info"
    assert poetry.run("version", PYTHONPATH=first).ok() == "demo 5.5.5\n"


@pytest.mark.seam
def test_plugin_in_poetrys_own_environment(
    poetry: Poetry, index: SimpleIndex, wheels: Path, version: str
) -> None:
    """If it satisfies the project, nothing is built; if not, Poetry's own way and a message."""
    own = (wheels / f"stamp_{name}-1.0-py3-none-any.whl" for name in ("plugin", "helper"))
    poetry.environment = environment(version, *own)
    done = poetry.run("install")
    assert "Building" not in done.ok()
    assert not list(poetry.project.glob(".poetry/plugin*"))
    assert poetry.run("version").ok() == "demo 9.1.0\n"

    write_project(poetry.project, index.url, 'stamp-plugin = ">=2"')
    done = poetry.run("install")
    assert done.err.count("poetry self update stamp-plugin") == 1
    assert "Installing Poetry plugins only for the current project" in done.out
    assert not poetry.sets
    assert (poetry.project / LOCKS_DIR / "plugins").exists()


@pytest.mark.parametrize("develop", ["false", "true"])
def test_path_dependencies(poetry: Poetry, index: SimpleIndex, develop: str) -> None:
    """A plugin in the checkout, copied or in place; in place, an edit counts at once."""
    here = poetry.project / "tools" / "local-plugin"
    here.mkdir(parents=True)
    (here / "pyproject.toml").write_text(
        '[project]\nname = "local-plugin"\nversion = "1.0"\nrequires-python = ">=3.11"\n'
        '[project.entry-points."poetry.plugin"]\nlocal = "local_plugin:Local"\n'
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    shutil.copy(Path(__file__).with_name("path_backend.py"), here / "backend.py")
    code = (
        "from poetry.plugins.plugin import Plugin\n\nclass Local(Plugin):\n"
        "    def activate(self, poetry, io):\n        poetry.package.version = '{}'\n"
    )
    (here / "local_plugin.py").write_text(code.format("3.1"))
    entry = f'local-plugin = {{ path = "tools/local-plugin", develop = {develop} }}'
    write_project(poetry.project, index.url, entry)
    poetry.run("install").ok()
    assert poetry.run("version").ok() == "demo 3.1\n"
    elsewhere = poetry.run("-C", str(poetry.project / "demo"), "version")
    assert elsewhere.ok() == "demo 3.1\n"
    (here / "local_plugin.py").write_text(code.format("3.22"))
    assert poetry.run("version").ok() == f"demo {'3.22' if develop == 'true' else '3.1'}\n"


@pytest.mark.real_start
def test_nested_poetry(poetry: Poetry) -> None:
    """`poetry` inside `poetry run` finds its set like any other process."""
    poetry.run("install").ok()
    nested = poetry.run("run", str(poetry.program), "version")
    assert nested.ok() == "demo 9.1.0\n"


@pytest.mark.real_start
def test_emptied_plugin_directory_is_repaired(poetry: Poetry) -> None:
    """A killed stock `install` left only config.toml: one `install` repairs it."""
    husk = poetry.project / ".poetry" / "plugins"
    husk.mkdir(parents=True)
    (husk / "config.toml").write_text('python = "x"\n')
    assert NOT_ACTIVE in poetry.run("version").err
    poetry.run("install").ok()
    assert next(poetry.project.rglob("demo-*.dist-info")).name == "demo-9.1.0.dist-info"
    assert not husk.exists()


@pytest.mark.seam
def test_stock_directory_is_retired(poetry: Poetry) -> None:
    """If Poetry has loaded its own plugins, the next process loads the set."""
    poetry.run("install").ok()
    (only,) = poetry.sets
    stock = poetry.project / ".poetry" / "plugins"
    shutil.copytree(only / "site-packages", stock)
    reader = poetry.run("-v", "version")
    assert reader.ok().endswith("demo 9.1.0\n")
    assert "a Poetry without poetry-publish-verified created it" in reader.err
    done = poetry.run("-v", "install")
    done.ok()
    assert not stock.exists()
    assert not list(stock.parent.glob(".trash*"))
    assert poetry.run("version").ok() == "demo 9.1.0\n"


@pytest.mark.real_start
@pytest.mark.seam
def test_guard_steps_aside(poetry: Poetry, wheels: Path, tmp_path: Path) -> None:
    """If another plugin replaced what the guard needs: one warning, and stock behaviour."""
    first = unpacked(wheels, "meddling_plugin", tmp_path)
    aside = poetry.run("version", PYTHONPATH=first)
    assert aside.ok() == "demo 0.0.0\n"
    assert aside.err.count("runs without its guard") == 1
    assert len(aside.err.strip().splitlines()) == 1
    done = poetry.run("install", PYTHONPATH=first)
    assert "Installing Poetry plugins only for the current project" in done.out


def test_edited_plugin_list(poetry: Poetry, index: SimpleIndex) -> None:
    """Readers use the old set with a message until the new one is built; `install` never does."""
    poetry.run("install").ok()
    write_project(poetry.project, index.url, 'stamp-plugin = ">=2"')
    reader = poetry.run("version")
    assert reader.ok() == "demo 9.1.0\n"
    assert reader.err.count("an older set is in use") == 1
    poetry.run("install").ok()
    assert poetry.run("version").ok() == "demo 9.2.0\n"
    assert len(poetry.sets) == 2


@pytest.mark.seam
def test_edited_sources(poetry: Poetry, index: SimpleIndex) -> None:
    """The plugins are still right, so readers say nothing, as stock; `install` builds them anew."""
    poetry.run("install").ok()
    source = '\n[[tool.poetry.source]]\nname = "more"\nurl = "https://index.example/simple/"\n'
    source += 'priority = "explicit"\n'
    write_project(poetry.project, index.url, 'stamp-plugin = ">=1,<2"', source)
    reader = poetry.run("version")
    assert (reader.ok(), reader.err) == ("demo 9.1.0\n", "")
    (poetry.project / "poetry.lock").unlink()
    assert "Building" in poetry.run("install").ok()
    assert len(poetry.sets) == 2


def test_missing_plugins(poetry: Poetry, index: SimpleIndex, wheels: Path, version: str) -> None:
    """What `publish-verified` asks: which required plugins this process lacks."""
    poetry.environment = environment(version, wheels / "asking_plugin-1.0-py3-none-any.whl")
    assert poetry.run("ask").ok() == "['stamp-plugin (>=1,<2)']\n"
    poetry.run("install").ok()
    assert poetry.run("ask").ok() == "[]\n"
    write_project(poetry.project, index.url, 'stamp-plugin = ">=2"')
    assert poetry.run("ask").ok() == "['stamp-plugin (>=2)']\n"


def test_as_a_project_plugin_only(poetry: Poetry, version: str) -> None:
    """In `.poetry/plugins` alone the guard does nothing but say so at `-v`."""
    poetry.environment = environment(version, plugin=False)
    stock = poetry.project / ".poetry" / "plugins"
    shutil.unpack_archive(built_wheel(), stock, "zip")
    quiet = poetry.run("version")
    assert (quiet.ok(), quiet.err) == ("demo 0.0.0\n", "")
    assert "poetry self add poetry-publish-verified" in poetry.run("-v", "version").err


@pytest.mark.seam
def test_invalid_command_line_builds_nothing(poetry: Poetry) -> None:
    """An unknown option fails at once, and the corrected command builds the set."""
    done = poetry.run("install", "--bogus")
    assert done.code == 1
    assert '"--bogus" does not exist' in done.err
    assert "Building" not in done.out
    assert not list(poetry.project.glob(".poetry/plugin*"))
    assert "Building" in poetry.run("install", "--no-root", "-n").ok()


def test_options_from_a_plugin_listener(poetry: Poetry, wheels: Path, tmp_path: Path) -> None:
    """An option that only a plugin's listener adds is valid: the set is built first."""
    first = unpacked(wheels, "optional_plugin", tmp_path)
    done = poetry.run("install", "--extra-word", PYTHONPATH=first)
    assert done.ok().count("Building") == 1
    assert not (poetry.project / ".poetry" / "plugins").exists()
    assert poetry.run("version", PYTHONPATH=first).ok() == "demo 9.1.0\n"


def test_other_optimization_levels_write_nothing(poetry: Poetry) -> None:
    """Python's -O has its own bytecode, and none is written into a published set."""
    poetry.run("install").ok()
    (only,) = poetry.sets
    built = tree(only)
    for level in ("1", "2", ""):
        assert poetry.run("version", PYTHONOPTIMIZE=level).ok() == "demo 9.1.0\n"
    assert tree(only) == built


def test_missing_path_dependency(poetry: Poetry, index: SimpleIndex) -> None:
    """Only `install` warns about it: readers of an existing set do not need it."""
    entry = (
        'stamp-plugin = "1.0"\nlocal-plugin = { path = "gone", markers = "python_version<\'3\'" }'
    )
    write_project(poetry.project, index.url, entry)
    poetry.run("install").ok()
    for command in ("--version", "version"):
        assert poetry.run(command).err == ""
    assert "does not exist" in poetry.run("install").err


@pytest.mark.parametrize("value", ["off", "0", "FALSE", " No "])
def test_switch_off(newest: Poetry, value: str) -> None:
    """Any usual word for off works."""
    done = newest.run("version", POETRY_PUBLISH_VERIFIED_GUARD=value)
    assert (done.ok(), done.err) == ("demo 0.0.0\n", "")


@pytest.mark.parametrize(("value", "warnings"), [("on", 0), ("1", 0), ("offf", 1)])
def test_switch_on(newest: Poetry, value: str, warnings: int) -> None:
    """Everything else is on, and an unknown word is reported once."""
    done = newest.run("version", POETRY_PUBLISH_VERIFIED_GUARD=value)
    assert done.err.count(NOT_ACTIVE) == 1
    assert done.err.count("neither on nor off") == warnings
