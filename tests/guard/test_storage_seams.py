"""Each storage seam, with real processes of every tested Poetry minor."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
import tarfile
import textwrap
from pathlib import Path

import pytest

from tests.beds.environments import environment
from tests.beds.plugins import VENV_IN_PROJECT, write_project
from tests.beds.poetry import Poetry
from tests.beds.processes import HANG
from tests.beds.simple_index import SimpleIndex

# The guard itself may do the same: nothing is replaced twice.
_GUARDED = """
    import json, sys
    from cleo.application import Application
    from poetry_publish_verified.guard.locks.lock import acquire
    from poetry_publish_verified.guard.locks.places import archive_lock
    from poetry_publish_verified.guard.seams.storage import atomic_storage

    stock = Application._run_command

    def run_command(self, command, io):
        def lock(cache, file):
            return acquire(archive_lock(cache, file), io.write_error_line)

        with atomic_storage(lock) as left:
            io.write_error_line(f"left as stock: {left}")
            return stock(self, command, io)

    Application._run_command = run_command
    from poetry.console.application import main
    sys.exit(main())
"""


def script(directory: Path, interpreter: Path, code: str) -> Path:
    """An executable with this code in `directory`."""
    directory.mkdir(exist_ok=True)
    path = directory / "poetry"
    path.write_text(f"#!{interpreter}\n{textwrap.dedent(code)}")
    path.chmod(0o755)
    return path


@pytest.fixture
def stock(version: str, tmp_path: Path, real: bool) -> Poetry:
    """Poetry of this minor without the guard, in a project without plugins."""
    project = write_project(tmp_path / "stock" / "project", "", "")
    code = "import sys\nfrom poetry.console.application import main\nsys.exit(main())"
    own = environment(version)
    program = script(tmp_path / "stock" / "bin", own.python, code)
    return Poetry(own, tmp_path / "stock" / "home", project, VENV_IN_PROJECT, program, real)


@pytest.fixture
def guarded(version: str, tmp_path: Path, real: bool) -> Poetry:
    """The same with atomic files."""
    project = write_project(tmp_path / "guarded" / "project", "", "")
    own = environment(version)
    program = script(tmp_path / "guarded" / "bin", own.python, _GUARDED)
    return Poetry(own, tmp_path / "guarded" / "home", project, VENV_IN_PROJECT, program, real)


def run_guarded(poetry: Poetry, *args: str) -> str:
    """Run a command with every seam in place; returns its output."""
    done = poetry.run("--no-interaction", *args)
    done.ok()
    assert "left as stock: []" in done.err
    return done.out


def run_stock(poetry: Poetry, *args: str) -> None:
    """Run a command of stock Poetry."""
    poetry.run("--no-interaction", *args, POETRY_PUBLISH_VERIFIED_GUARD="off").ok()


@pytest.mark.real_start
@pytest.mark.seam
def test_modules_are_loaded_during_every_command(guarded: Poetry) -> None:
    """So nothing need be imported in order to replace it."""
    for command in (["about"], ["version"], ["config", "--list"], ["cache", "list"], ["check"]):
        done = guarded.run("--no-interaction", *command)
        assert "left as stock: []" in done.err, command


@pytest.mark.seam
def test_settings(stock: Poetry, guarded: Poetry) -> None:
    """config.toml through a link, and auth.toml: stock's bytes and modes, replaced atomically."""
    for poetry, run in ((stock, run_stock), (guarded, run_guarded)):
        dotfiles = poetry.home / "dotfiles.toml"
        (poetry.home / "config").mkdir(parents=True)
        dotfiles.write_bytes(b"# mine\r\n[virtualenvs]\r\ncreate = true\r\n")
        (poetry.home / "config" / "config.toml").symlink_to(dotfiles)
        with dotfiles.open("rb") as before:
            run(poetry, "config", "virtualenvs.create", "false")
            run(poetry, "config", "http-basic.index", "user", "secret")
            run(poetry, "config", "--local", "virtualenvs.in-project", "false")
            is_replaced = b"false" not in before.read()
        assert is_replaced == (poetry is guarded)
        assert (poetry.home / "config" / "config.toml").is_symlink()
    for file in ("dotfiles.toml", "config/auth.toml", "../project/poetry.toml"):
        ours, theirs = guarded.home / file, stock.home / file
        assert ours.read_bytes() == theirs.read_bytes()
        assert ours.stat().st_mode == theirs.stat().st_mode
    assert stat.S_IMODE((guarded.home / "config" / "auth.toml").stat().st_mode) == 0o600
    assert sorted(path.name for path in (guarded.home / "config").iterdir()) == [
        "auth.toml",
        "config.toml",
    ]


@pytest.mark.seam
def test_lock_file(stock: Poetry, guarded: Poetry) -> None:
    """poetry.lock and pyproject.toml with CRLF: stock's bytes, replaced atomically."""
    for poetry, run in ((stock, run_stock), (guarded, run_guarded)):
        run(poetry, "lock")
        lock, project = (poetry.project / name for name in ("poetry.lock", "pyproject.toml"))
        assert b"\r\n" not in lock.read_bytes()
        for file in (lock, project):
            file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
            file.chmod(0o640)
        project.write_bytes(project.read_bytes().replace(b">=3.11", b">=3.10"))
        with lock.open("rb") as before:
            run(poetry, "lock")
            is_replaced = b">=3.10" not in before.read()
        assert is_replaced == (poetry is guarded)
        run(poetry, "version", "1.2.3")
    for name in ("poetry.lock", "pyproject.toml"):
        ours, theirs = guarded.project / name, stock.project / name
        assert ours.read_bytes() == theirs.read_bytes()
        assert ours.read_bytes().count(b"\r\n") == ours.read_bytes().count(b"\n") > 0
        assert stat.S_IMODE(ours.stat().st_mode) == 0o640
    assert b'"1.2.3"' in (guarded.project / "pyproject.toml").read_bytes()
    left = {path.name for path in guarded.project.iterdir()}
    assert left == {path.name for path in stock.project.iterdir()}


@pytest.mark.seam
def test_cache_clear(guarded: Poetry) -> None:
    """Two at once both succeed, and `cache list` does not show what is being deleted."""
    caches = guarded.home / "cache" / "cache" / "repositories"
    for name in ("one", "two"):
        for number in range(200):
            (caches / name / str(number)).mkdir(parents=True)
            (caches / name / str(number) / "entry").touch()
    left = caches.parent / ".poetry-trash-left"
    left.mkdir()
    assert run_guarded(guarded, "cache", "list") == "one\ntwo\n"
    command = ("--no-interaction", "cache", "clear", "one", "--all")
    both = [guarded.start(*command, stdout=subprocess.DEVNULL) for _ in range(2)]
    for process in both:
        process.communicate(timeout=HANG)
    assert [process.returncode for process in both] == [0, 0]
    assert run_guarded(guarded, "cache", "list") == "two\n"
    assert [path.name for path in caches.parent.iterdir()] == ["repositories"]


_EXERCISE = """
    import json, os, sys, threading
    from pathlib import Path
    import poetry.console.application, poetry.console.commands.install
    from cachecontrol.controller import CacheController
    from cachecontrol.caches.file_cache import SeparateBodyFileCache
    from filelock import FileLock
    from poetry.core.packages.utils.link import Link
    from poetry.utils.cache import ArtifactCache, FileCache
    from poetry_publish_verified.guard.locks.lock import acquire
    from poetry_publish_verified.guard.locks.places import archive_lock
    from poetry_publish_verified.guard.seams.storage import atomic_storage

    here = Path(sys.argv[1])
    facts, said = {}, []
    link = Link("https://index.invalid/demo-1.0-py3-none-any.whl")

    def get(download, strict=True):
        cache = ArtifactCache(cache_dir=here / "artifacts")
        return cache.get_cached_archive_for_link(link, strict=strict, download_func=download)

    def lock(cache, file):
        return acquire(archive_lock(cache, file), said.append)

    with atomic_storage(lock) as left:
        facts["left"] = left

        responses = SeparateBodyFileCache(here / "http")
        responses.set("key", b"metadata")
        facts["response"] = responses.get("key").decode()
        replace = os.replace
        def vanishing(source, target):
            os.replace = replace
            os.remove(source)
            replace(source, target)
        os.replace = vanishing
        responses.set("key", b"new")
        facts["vanished"] = responses.get("key").decode()

        order = []
        def noting(source, target):
            order.append("body" if target.endswith(".body") else "metadata")
            replace(source, target)
        os.replace = noting
        controller = CacheController(responses)
        controller.serializer.dumps = lambda *args: b"metadata"
        controller._cache_set("url", None, None, b"body")
        os.replace = replace
        facts["order"] = [order, responses.get_body("url").read().decode()]

        cache = FileCache(path=here / "files")
        cache.put("key", ["value"], 5)
        path = cache._path("key")
        facts["file"] = [cache.get("key"), os.listdir(path.parent) == [path.name]]
        cache.put("old", "value", -5)
        facts["expired"] = cache.get("old")
        exists = Path.exists
        Path.exists = lambda self: True
        facts["miss"] = cache.get("none")
        cache.forget("none")
        Path.exists = exists

        def fail(url, path):
            path.write_text("half")
            (ArtifactCache(cache_dir=here / "artifacts").get_cache_directory_for_link(link)
                / link.filename).write_text("a peer's")
            raise KeyboardInterrupt("stop")
        try:
            get(fail)
        except KeyboardInterrupt as error:
            facts["failed"] = str(error)
        facts["kept"] = get(fail).read_text()
        get(None).unlink()

        begun, waiting, go, calls = *(threading.Event() for _ in range(3)), []
        def download(url, path):
            calls.append(url)
            if begun.is_set():
                # The second one did not have to wait.
                waiting.set()
            begun.set()
            go.wait()
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
            path.write_text("whole")
        threads = [threading.Thread(target=get, args=[download]) for _ in range(2)]
        threads[0].start()
        begun.wait()
        original = FileLock.acquire
        def noting(self, timeout=None, **options):
            # Only a process that finds it taken waits at all.
            if timeout:
                waiting.set()
            return original(self, timeout, **options)
        FileLock.acquire = noting
        threads[1].start()
        waiting.wait()
        facts["waits"] = threads[1].is_alive() and get(None) is None
        go.set()
        for thread in threads:
            thread.join()
        archive = get(None)
        facts["archive"] = [archive.read_text(), calls, os.listdir(archive.parent)]
        (here / "usual").touch()
        facts["mode"] = archive.stat().st_mode == (here / "usual").stat().st_mode
        locks = os.listdir(here / "artifacts/.poetry-locks-1")
        facts["stripes"] = [len(name) for name in locks if name != ".gitignore"]
    facts["said"] = said
    print(json.dumps(facts))
"""


@pytest.mark.seam
def test_caches(guarded: Poetry, tmp_path: Path) -> None:
    """Each minor's own responses, entries and archives, beside other processes."""
    done = guarded.python(textwrap.dedent(_EXERCISE), tmp_path)
    archive = "demo-1.0-py3-none-any.whl"
    assert json.loads(done.ok()) == {
        "left": [],
        "response": "metadata",
        "vanished": "new",
        "order": [["body", "metadata"], "body"],
        "file": [["value"], True],
        "expired": None,
        "miss": None,
        "failed": "stop",
        "kept": "a peer's",
        "waits": True,
        "archive": ["whole", [f"https://index.invalid/{archive}"], [archive]],
        "mode": True,
        "stripes": [3],
        "said": [],
    }


@pytest.mark.real_start
@pytest.mark.seam
def test_install(guarded: Poetry, index: SimpleIndex, tmp_path: Path) -> None:
    """A real download follows the umask, and a wheel is built out of sight of others."""
    source = tmp_path / "local_plugin-1.0"
    source.mkdir()
    (source / "pyproject.toml").write_text(
        '[project]\nname = "local-plugin"\nversion = "1.0"\nrequires-python = ">=3.11"\n'
        '[build-system]\nrequires = []\nbuild-backend = "checking"\nbackend-path = ["."]\n'
    )
    shutil.copy(Path(__file__).with_name("path_backend.py"), source / "backend.py")
    (source / "local_plugin.py").touch()
    (source / "checking.py").write_text(
        "import backend\nfrom backend import *\n\ndef build_wheel(directory, *args):\n"
        "    assert '.private-' in directory, directory\n"
        "    return backend.build_wheel(directory, *args)\n"
    )
    archive = guarded.project / "local_plugin-1.0.tar.gz"
    with tarfile.open(archive, "w:gz") as sdist:
        sdist.add(source, source.name)
    dependencies = (
        '\n[tool.poetry.dependencies]\nstamp-helper = "1.0"\n'
        f'local-plugin = {{ path = "{archive.name}" }}\n'
    )
    write_project(guarded.project, index.url, "", dependencies)
    run_guarded(guarded, "install")
    artifacts = guarded.home / "cache" / "artifacts"
    wheels = {path.name: path for path in artifacts.rglob("*.whl")}
    assert set(wheels) == {
        "stamp_helper-1.0-py3-none-any.whl",
        "local_plugin-1.0-py3-none-any.whl",
    }
    (tmp_path / "usual").touch()
    for path in wheels.values():
        assert path.stat().st_mode == (tmp_path / "usual").stat().st_mode
    assert not list(artifacts.rglob(".private-*"))
