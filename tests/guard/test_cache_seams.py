"""A release is dropped from real Poetry caches, on every tested Poetry minor."""

from __future__ import annotations

import json
import subprocess
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from poetry_publish_verified.guard.seams import cache as cache_seams
from tests.beds.distributions import WheelSource
from tests.beds.plugins import write_project
from tests.beds.poetry import Poetry
from tests.beds.processes import HANG
from tests.beds.proxy import Answer, FaultProxy, is_page
from tests.beds.simple_index import SimpleIndex
from tests.guard.filesystems import mounted, needs_root

_FRESH = {"Cache-Control": "max-age=86400"}
_FORGET = """
    import json, sys
    from poetry_publish_verified.guard.seams.cache import forget_release

    forgotten = forget_release(*sys.argv[1:])
    print(json.dumps([*forgotten, forgotten.warning]))
"""


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """The wheels on the index: lantern 1.0 and another project."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    add(shelf, "1.0")
    WheelSource("lantern-oil", "1.0", {"lantern_oil.py": ""}).build(shelf)
    return shelf


@pytest.fixture
def pages(shelf: Path) -> Iterator[FaultProxy]:
    """An index whose pages may be cached for a day."""
    with SimpleIndex(shelf) as index, FaultProxy(index.url.removesuffix("/simple/")) as proxy:

        def keep(exchange: Any) -> Answer:
            answer: Answer = exchange.forward()
            answer.headers |= _FRESH
            return answer

        proxy.on(is_page, keep)
        yield proxy


def add(shelf: Path, version: str, build: str = "") -> None:
    """Put this version of lantern on the index, as another wheel with a build tag."""
    made = WheelSource("lantern", version, {"lantern.py": f"# {build}"}).build(shelf.parent)
    tags = f"{version}-{build}" if build else version
    made.rename(shelf / f"lantern-{tags}-py3-none-any.whl")


def consumer(poetry: Poetry, name: str, url: str, directory: Path) -> Poetry:
    """A project that needs both projects from an index it calls `name`."""
    wants = (
        '\n[tool.poetry.dependencies]\nlantern = "*"\nlantern-oil = "*"\n'
        f'\n[[tool.poetry.source]]\nname = "{name}"\nurl = "{url}"\n'
    )
    project = write_project(directory / name, "", "", wants)
    return replace(poetry, project=project)


def lock(poetry: Poetry) -> str:
    """What a fresh `poetry lock` finds."""
    poetry.run("--no-interaction", "lock", "--regenerate").ok()
    return (poetry.project / "poetry.lock").read_text()


def run_code(poetry: Poetry, code: str, *arguments: str, **environ: str) -> str:
    """Run code in Poetry's environment; returns its output."""
    return poetry.python(textwrap.dedent(code), *arguments, **environ).ok()


def forget(poetry: Poetry, url: str, version: str, **environ: str) -> list[Any]:
    """Call `forget_release` for lantern; returns entries, remaining sources, reason and warning."""
    answer = json.loads(run_code(poetry, _FORGET, url, "lantern", version, **environ))
    assert isinstance(answer, list)
    return answer


def files(directory: Path) -> set[Path]:
    """All entries of a cache; a body without metadata does not count."""
    return {path for path in directory.rglob("*") if path.is_file() and path.suffix != ".body"}


def test_next_lock_sees_the_release(poetry: Poetry, pages: FaultProxy, shelf: Path) -> None:
    """Whatever projects call the index, and with or without credentials in its URL."""
    url = f"{pages.origin}/simple/"
    with_credentials = url.replace("//", "//me:secret@")
    projects = [
        consumer(poetry, "harbour", url, shelf.parent),
        consumer(poetry, "quay", url.rstrip("/"), shelf.parent),
        consumer(poetry, "dock", with_credentials, shelf.parent),
    ]
    for one in projects:
        assert 'version = "1.0"' in lock(one)
    add(shelf, "1.1")
    pages.requests.clear()
    for one in projects:
        assert 'version = "1.1"' not in lock(one)
    assert not pages.requests
    cache = poetry.home / "cache" / "cache" / "repositories"
    before, bodies = files(cache), set(cache.rglob("*.body"))

    assert forget(poetry, url, "1.1") == [3, [], "", None]
    gone = before - files(cache)
    # A process that has just read the metadata reads a body afterwards.
    assert set(cache.rglob("*.body")) == bodies
    assert {path.relative_to(cache).parts[0] for path in gone} == {"harbour", "quay", "dock"}
    for one in projects:
        assert 'version = "1.1"' in lock(one)
    assert [request.path for request in pages.pages] == ["/simple/lantern/"] * 3
    assert not [request for request in pages.requests if "lantern-1.0" in request.path]
    assert forget(poetry, with_credentials, "1.1") == [6, [], "", None]


@pytest.mark.seam
def test_next_lock_sees_another_wheel(poetry: Poetry, pages: FaultProxy, shelf: Path) -> None:
    """Poetry keeps a version as first seen, forever, even if pages are not cached."""
    pages.rules.clear()
    url = f"{pages.origin}/simple/"
    project = consumer(poetry, "harbour", url, shelf.parent)
    lock(project)
    add(shelf, "1.0", build="2")
    pages.requests.clear()
    assert "lantern-1.0-2-" not in lock(project)
    assert pages.pages
    assert forget(poetry, url, "1.1")[0] == 0
    assert "lantern-1.0-2-" not in lock(project)
    assert forget(poetry, url, "1.0") == [1, [], "", None]
    locked = lock(project)
    assert "lantern-1.0-2-py3-none-any.whl" in locked
    assert "lantern-1.0-py3-none-any.whl" in locked


_READ_PYPI = """
    import sys
    from packaging.utils import canonicalize_name
    from poetry.core.constraints.version import Version
    from poetry.repositories.pypi_repository import PyPiRepository

    pypi = PyPiRepository(sys.argv[1] + "/")
    for name in ("lantern", "lantern-oil"):
        pypi.get_page(canonicalize_name(name))
        pypi.get_release_info(canonicalize_name(name), Version.parse("1.0"))
        # Bypassing the cache of releases.
        pypi._get_release_info(canonicalize_name(name), Version.parse("1.0"))
"""


@pytest.mark.real_start
@pytest.mark.seam
def test_pypi_page_and_release(poetry: Poetry) -> None:
    """Poetry asks PyPI for a page and for the release's JSON: it asks for both again."""
    said = {"info": {"name": "x", "version": "1.0", "summary": "", "requires_dist": [],
            "requires_python": None, "yanked": False}, "urls": [], "files": [], "name": "x",
            "meta": {"api-version": "1.0"}}  # fmt: skip
    moment = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())
    headers = {**_FRESH, "Date": moment, "Content-Type": "application/json"}
    with FaultProxy("http://127.0.0.1:9") as pypi:
        pypi.answer(lambda _: True, Answer(200, json.dumps(said).encode(), headers=headers))
        run_code(poetry, _READ_PYPI, pypi.origin)
        assert len(pypi.requests) == 4
        run_code(poetry, _READ_PYPI, pypi.origin)
        assert len(pypi.requests) == 4
        assert forget(poetry, f"{pypi.origin}/simple/", "1.0") == [3, [], "", None]
        run_code(poetry, _READ_PYPI, pypi.origin)
        again = [request.path for request in pypi.requests[4:]]
    assert again == ["/simple/lantern/", "/pypi/lantern/1.0/json"]


@pytest.fixture
def filled(newest: Poetry, pages: FaultProxy, shelf: Path) -> Callable[..., Poetry]:
    """The newest Poetry after it has locked lantern, with its cache."""
    project = consumer(newest, "harbour", f"{pages.origin}/simple/", shelf.parent)

    def fill(cache: Path | None = None) -> Poetry:
        environ = {"POETRY_CACHE_DIR": str(cache or project.home / "cache")}
        project.run("--no-interaction", "lock", cwd=project.project, **environ).ok()
        return project

    return fill


def test_compressed_page(
    filled: Callable[..., Poetry], newest: Poetry, pages: FaultProxy, shelf: Path
) -> None:
    """A page from a source with credentials is found in any encoding."""
    import gzip

    def squeeze(exchange: Any) -> Answer:
        answer: Answer = exchange.forward()
        assert isinstance(answer.body, bytes)
        more = {**_FRESH, "Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
        return Answer(200, gzip.compress(answer.body), headers={**answer.headers, **more})

    pages.on(is_page, squeeze)
    url = f"{pages.origin}/simple/"
    filled()
    lock(consumer(newest, "dock", url.replace("//", "//me:secret@"), shelf.parent))
    assert forget(newest, url, "1.1") == [2, [], "", None]


_LOCK = """
    import sys
    from poetry.console.application import main
    sys.argv = ["poetry", "--no-interaction", "-C", sys.argv[1], "lock"]
    sys.exit(main())
"""


@pytest.mark.parametrize("said_by", ["config", "environment"])
def test_cache_directory(
    filled: Callable[..., Poetry], pages: FaultProxy, tmp_path: Path, said_by: str
) -> None:
    """The `cache-dir` setting and POETRY_CACHE_DIR count; no other cache is touched."""
    elsewhere = tmp_path / "elsewhere"
    poetry = filled()
    if said_by == "config":
        (poetry.home / "config").mkdir(exist_ok=True)
        (poetry.home / "config" / "config.toml").write_text(f'cache-dir = "{elsewhere}"\n')
    environ = {"POETRY_CACHE_DIR": "" if said_by == "config" else str(elsewhere)}
    url = f"{pages.origin}/simple/"
    usual = files(poetry.home / "cache")
    assert forget(poetry, url, "1.0", **environ) == [0, [], "", None]
    run_code(poetry, _LOCK, str(poetry.project), **environ)
    assert list(elsewhere.rglob("harbour"))
    assert forget(poetry, url, "1.0", **environ) == [2, [], "", None]
    assert files(poetry.home / "cache") == usual


@needs_root
def test_read_only_cache(filled: Callable[..., Poetry], pages: FaultProxy, tmp_path: Path) -> None:
    """It is no error; the answer names the source and the command."""
    cache = tmp_path / "read only"
    cache.mkdir()
    url = f"{pages.origin}/simple/"
    with mounted(cache, "-t", "tmpfs", "tmpfs"):
        poetry = filled(cache)
        subprocess.run(["mount", "-o", "remount,ro", str(cache)], check=True, timeout=HANG)
        entries, kept, reason, warning = forget(poetry, url, "1.0", POETRY_CACHE_DIR=str(cache))
        assert forget(poetry, url, "9.9", POETRY_CACHE_DIR=str(cache))[1] == ["harbour"]
    assert (entries, kept, reason) == (0, ["harbour"], "Read-only file system")
    assert "`poetry cache clear harbour --all`" in warning


_READ = """
    import sys
    from pathlib import Path
    import poetry.console.application, poetry.console.commands.install
    from packaging.utils import canonicalize_name
    from poetry.core.constraints.version import Version
    from poetry.repositories.legacy_repository import LegacyRepository
    from poetry_publish_verified.guard.seams.storage import atomic_storage

    name = canonicalize_name("lantern")
    with atomic_storage(None) as left:
        assert left == [], left
        print("ready", flush=True)
        sys.stdin.readline()
        while not Path(sys.argv[2]).exists():
            harbour = LegacyRepository("harbour", sys.argv[1])
            assert list(harbour.get_page(name).versions(name)), "an empty page"
            assert harbour.get_release_info(name, Version.parse("1.0")).files
"""
_FORGET_ALL_THE_TIME = """
    import sys
    from poetry_publish_verified.guard.seams.cache import forget_release

    print("ready", flush=True)
    sys.stdin.readline()
    entries = 0
    while entries < 40:
        forgotten = forget_release(sys.argv[1], "lantern", "1.0")
        assert forgotten.warning is None, forgotten
        entries += forgotten.entries
"""


@pytest.mark.seam
def test_concurrent_readers(poetry: Poetry, pages: FaultProxy, tmp_path: Path) -> None:
    """Concurrent readers see a page and a release, or none."""
    codes = [_READ, _READ, _READ, _FORGET_ALL_THE_TIME, _FORGET_ALL_THE_TIME]
    over = tmp_path / "over"
    running = [
        poetry.start_python(
            textwrap.dedent(code), f"{pages.origin}/simple/", over, stdin=subprocess.PIPE
        )
        for code in codes
    ]
    # All have finished importing, however busy the machine is.
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in running:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    # While both have something to forget, the others fill the cache again.
    ended = [process.communicate(timeout=HANG) for process in running[3:]]
    over.touch()
    ended += [process.communicate(timeout=HANG) for process in running[:3]]
    assert [process.returncode for process in running] == [0] * len(codes), ended


_FILL = """
    import sys
    from cachecontrol.caches import SeparateBodyFileCache
    from poetry.config.config import Config
    from poetry.utils.cache import FileCache

    for source in ("PyPI", "dock"):
        directory = Config.create().repository_cache_directory / source
        releases = FileCache(path=directory)
        pages = SeparateBodyFileCache(directory / "_http_")
        for number in range(300):
            releases.put(f"other-{number}:1.0", {"name": "other"})
            pages.set(f"https://index.invalid/simple/other-{number}/", b"cc=4,page")
            pages.set_body(f"https://index.invalid/simple/other-{number}/", b"page")
"""


_NOBODY = ("https://index.invalid/simple/", "lantern", "1.0")
_COUNT = """
import atexit, os, sys
opened = []
sys.addaudithook(
    lambda event, args: event == "open" and "/cache/" in os.fsdecode(args[0]) and opened.append(1)
)
atexit.register(lambda: print(len(opened)))
"""


def test_large_cache(newest: Poetry) -> None:
    """1200 entries of other projects stay, and none is opened twice."""
    run_code(newest, _FILL)
    before = files(newest.home / "cache")
    assert len(before) >= 1_200
    counted = run_code(newest, _COUNT + textwrap.dedent(_FORGET), *_NOBODY)
    answer, opened = map(json.loads, counted.splitlines())
    assert answer == [0, [], "", None]
    assert opened <= len(before)
    assert files(newest.home / "cache") == before


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("where", "attribute", "changed"),
    [
        ("poetry.utils.authenticator", "SeparateBodyFileCache", lambda _: object()),
        ("poetry.repositories.cached_repository", "FileCache", lambda path: path),
        ("poetry.repositories.cached_repository.CachedRepository", "get_release_info", print),
        ("poetry.config.config.Config", "repository_cache_directory", None),
    ],
)
def test_unknown_cache_layout(
    monkeypatch: pytest.MonkeyPatch, where: str, attribute: str, changed: Any
) -> None:
    """If Poetry's cache looks different, nothing is touched, and the answer names a command."""
    import poetry.repositories.legacy_repository  # noqa: F401

    assert cache_seams.mismatch() is None
    monkeypatch.setattr(f"{where}.{attribute}", changed)
    forgotten = cache_seams.forget_release("https://index.invalid/simple/", "lantern", "1.0")
    assert forgotten.entries == 0
    assert forgotten.reason
    assert "`poetry cache clear <source> --all`" in str(forgotten.warning)


def test_foreign_names_are_sanitized() -> None:
    """Other projects name cache directories, so control characters are removed."""
    warning = cache_seams.Forgotten(0, ("a\x1b[2Jb c",), "full").warning
    assert "`poetry cache clear 'a [2Jb c' --all`" in str(warning)
