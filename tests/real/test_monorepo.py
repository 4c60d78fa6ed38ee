"""`--projects`: many projects of one repository, each released after those it needs."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.beds.monorepo import add_member, by_name, make_monorepo, make_root
from tests.beds.processes import HANG, wait_until
from tests.beds.projects import make_project, read_receipt
from tests.beds.proxy import Answer
from tests.beds.release import REPOSITORY, TOO_SHORT, ended, problems, uploads
from tests.beds.schemas import check

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.beds.indexes import Index
    from tests.beds.poetry import Poetry, Run
    from tests.beds.projects import Project
    from tests.beds.proxy import FaultProxy, Request

CALL = ("publish-verified", "-n", "-r", REPOSITORY, "--until", "downloadable")
ALL = ("--projects", "packages/*")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository without projects, in a path with a space and an umlaut."""
    return make_root(tmp_path / "my größe" / "mono")


def publish(poetry: Poetry, cwd: Path, index: Index, *options: str | Path) -> Run:
    """Call the command for the index, with its credentials in the environment."""
    poetry = poetry.with_variables(**index.environment())
    return poetry.run(*CALL, *options, cwd=cwd)


def receipt_in(directory: Path) -> dict[str, Any]:
    """The receipt of all, from its default place."""
    return read_receipt(directory / "dist" / ".publish-verified" / "run.json")


def verdicts(receipt: dict[str, Any]) -> dict[str, str]:
    """The verdict of each release, by name."""
    return {name: release["verdict"] for name, release in by_name(receipt).items()}


def set_non_package(project: Project) -> None:
    """Make a project a non-package."""
    file = project.path / "pyproject.toml"
    text = file.read_text(encoding="utf-8")
    file.write_text(f"{text}\n[tool.poetry]\npackage-mode = false\n", encoding="utf-8")


def position(proxy: FaultProxy, filename: str) -> int:
    """The position of the file's upload among all requests."""
    (found,) = [n for n, request in enumerate(proxy.requests) if request.uploads(filename)]
    return found


def test_release_order(poetry: Poetry, root: Path, pypi: Index, proxy: FaultProxy) -> None:
    """Built, sent and proven in dependency order, whatever the spelling."""
    top = add_member(root, "A.Lantern", 'flint; python_version < "3"', "Big_Wick>=1,<2")
    wick = add_member(root, "big-wick", version="1.5")
    more = '\n[project.optional-dependencies]\nbright = ["A_lantern==1.0"]\n'
    last = add_member(root, "aa-lighthouse", more=more)
    flint = add_member(root, "flint", directory="zz a ß")
    ended(publish(poetry, root, pypi.behind(proxy.origin), "--build", *ALL), 0)
    receipt = receipt_in(root)
    assert (receipt["verdict"], receipt["exit_code"]) == ("verified", 0)
    every = (top, wick, last, flint)
    assert verdicts(receipt) == {project.name: "verified" for project in every}
    for project in every:
        assert pypi.stored(project.name) == project.hashes()
        assert set(project.hashes()) == project.filenames
    for earlier, later in ((wick, top), (flint, top), (top, last)):
        first = min(position(proxy, name) for name in later.filenames)
        assert first > max(position(proxy, name) for name in earlier.filenames)
        seen = [n for n, r in enumerate(proxy.requests) if f"/simple/{earlier.name}/" in r.path]
        fetched = [n for n, r in enumerate(proxy.requests) if r.path.endswith(earlier.sdist)]
        sent = max(position(proxy, name) for name in earlier.filenames)
        assert any(sent < n < first for n in seen)
        assert any(sent < n < first for n in fetched)
    assert not poetry.leftovers()


def test_projects_from_settings(poetry: Poetry, root: Path, pypi: Index) -> None:
    """pyproject.toml names the projects; inside a member's directory it is released alone."""
    wick, lamp = add_member(root, "wick"), add_member(root, "lamp", "wick>=1")
    wick.build()
    lamp.build()
    ended(publish(poetry, wick.path, pypi), 0)
    assert pypi.stored("lamp") == {}
    ended(publish(poetry, root, pypi), 0)
    releases = by_name(receipt_in(root))
    assert set(uploads(releases["wick"]).values()) == {"already-there"}
    assert set(uploads(releases["lamp"]).values()) == {"uploaded"}
    assert pypi.stored("lamp") == lamp.hashes()


def test_settings_of_a_root_that_is_no_project(poetry: Poetry, root: Path, pypi: Index) -> None:
    """Output and receipt are as pyproject.toml sets them, though Poetry knows no project there."""
    (root / "pyproject.toml").write_text(
        "[tool.publish-verified]\n"
        'projects = ["packages/*"]\nformat = "json"\nreceipt = "out/receipt.json"\n',
        encoding="utf-8",
    )
    add_member(root, "lamp").build()
    run = poetry.run("publish-verified", "--plan", "-v", cwd=root)
    ended(run, 0)
    assert [each["name"] for each in json.loads(run.out)["projects"]] == ["lamp"]
    assert "projects = packages/* (from pyproject.toml)" in run.err
    run = publish(poetry, root, pypi)
    ended(run, 0)
    assert [json.loads(line)["event"] for line in run.out.splitlines()][-1] == "receipt"
    assert "(from pyproject.toml)" not in run.said
    assert verdicts(read_receipt(root / "out" / "receipt.json")) == {"lamp": "verified"}
    assert not (root / "dist").exists()


def test_invalid_settings_of_a_root_that_is_no_project(poetry: Poetry, root: Path) -> None:
    """They are what is wrong, not that there is no project; the format is heeded all the same."""
    (root / "pyproject.toml").write_text(
        '[tool.publish-verified]\nformat = "json"\nprojects = 3\n', encoding="utf-8"
    )
    add_member(root, "lamp")
    run = poetry.run("publish-verified", "-n", cwd=root)
    ended(run, 1)
    events = [json.loads(line) for line in run.out.splitlines()]
    assert events[-1]["event"] == "receipt"
    assert [p["code"] for p in problems(events[-1])] == ["PV101"]


def cycle(root: Path) -> None:
    """Two projects that need each other, one through an extra."""
    add_member(root, "lamp", "wick")
    add_member(root, "wick", more='\n[project.optional-dependencies]\nx = ["Lamp>=1"]\n')


def duplicate_name(root: Path) -> None:
    """The same name in two spellings."""
    add_member(root, "Oil.Lamp", directory="one")
    add_member(root, "oil-lamp", directory="two")


def broken(root: Path) -> None:
    """A file that is not TOML."""
    project = add_member(root, "crooked")
    (project.path / "pyproject.toml").write_text("[project\n", encoding="utf-8")


def bare_path(root: Path) -> None:
    """A path dependency without a range, which would be in the metadata."""
    add_member(root, "glass")
    path = '\n[tool.poetry.dependencies]\nglass = { path = "../glass", develop = true }\n'
    add_member(root, "chimney", more=path)
    file = root / "packages" / "chimney" / "pyproject.toml"
    text = file.read_text(encoding="utf-8")
    text = text.replace('version = "1.0"\n', 'version = "1.0"\ndynamic = ["dependencies"]\n')
    file.write_text(text, encoding="utf-8")


def built_with_another(root: Path) -> None:
    """A project whose build backend needs another member."""
    add_member(root, "mould")
    file = add_member(root, "bell").path / "pyproject.toml"
    text = file.read_text(encoding="utf-8")
    file.write_text(
        text.replace('requires = ["poetry-core"]', 'requires = ["poetry-core", "Mould>=1"]'),
        encoding="utf-8",
    )


def no_packages(root: Path) -> None:
    """Nothing that could be published."""
    set_non_package(add_member(root, "site"))


FAULTS = {
    "PV201": (broken, ("packages/crooked/pyproject.toml",)),
    "PV240": (no_packages, ("packages/site", "package-mode = false")),
    "PV241": (duplicate_name, ("oil-lamp", "packages/one", "packages/two")),
    "PV242": (cycle, ("lamp -> wick -> lamp",)),
    "PV243": (bare_path, ("chimney", "glass", "file:")),
    "PV245": (built_with_another, ("bell", "mould", "build-system.requires")),
}


@pytest.mark.parametrize("code", FAULTS)
@pytest.mark.parametrize("plan", [False, True], ids=["publish", "plan"])
def test_invalid_workspaces_are_refused(
    poetry: Poetry, root: Path, pypi: Index, proxy: FaultProxy, code: str, plan: bool
) -> None:
    """Each ends in 3, names the projects, and sends no request."""
    make, words = FAULTS[code]
    make(root)
    receipt = root / "receipt.json"
    more = ("--plan",) if plan else ("--build", "--receipt", receipt)
    run = publish(poetry, root, pypi.behind(proxy.origin), *ALL, *more)
    ended(run, 3)
    said = " ".join(run.said.split())
    assert code in said
    for each in words:
        assert each in said
    assert plan or [p["code"] for p in problems(read_receipt(receipt))] == [code]
    assert proxy.requests == []
    assert not list(root.rglob("*.whl"))


def test_all_workspace_faults_are_reported(
    poetry: Poetry, root: Path, pypi: Index, proxy: FaultProxy
) -> None:
    """One run reports everything that is wrong with any project."""
    for make, _ in FAULTS.values():
        make(root)
    receipt = root / "receipt.json"
    options = (*ALL, "--projects", "libs/*", "--build", "--receipt", receipt)
    ended(publish(poetry, root, pypi.behind(proxy.origin), *options), 3)
    assert {p["code"] for p in problems(read_receipt(receipt))} == FAULTS.keys()
    assert proxy.requests == []


def test_pattern_without_a_match(poetry: Poetry, root: Path, pypi: Index) -> None:
    """It is reported even if another pattern matches."""
    add_member(root, "lamp").build()
    run = publish(poetry, root, pypi, *ALL, "--projects", "libs/*")
    ended(run, 3)
    assert "PV240" in run.said
    assert "libs/*" in run.said
    assert pypi.stored("lamp") == {}


def test_unsatisfiable_range(poetry: Poetry, root: Path, pypi: Index, proxy: FaultProxy) -> None:
    """A range is compared with the version being released and those on the index."""
    lamp = add_member(root, "lamp", "wick>=0.5,<1", "oil>=1")
    wick, oil = add_member(root, "wick", version="1.5"), add_member(root, "oil")
    for project in (lamp, wick, oil):
        project.build()
    run = publish(poetry, root, pypi.behind(proxy.origin), *ALL)
    ended(run, 3)
    receipt = receipt_in(root)
    assert [p["code"] for p in problems(receipt)] == ["PV244"]
    (message,) = [p["message"] for p in problems(receipt)]
    assert "lamp 1.0" in message
    assert "wick 1.5" in message
    assert set(verdicts(receipt).values()) == {"blocked"}
    assert proxy.uploads == []

    older = make_project(root / "older", "wick", "0.9")
    older.build()
    pypi.upload(older)
    ended(publish(poetry, root, pypi.behind(proxy.origin), *ALL), 0)
    assert set(verdicts(receipt_in(root)).values()) == {"verified"}


def test_non_packages_are_left_out(poetry: Poetry, root: Path, pypi: Index) -> None:
    """A project in non-package mode is left out and reported."""
    set_non_package(add_member(root, "site"))
    add_member(root, "lamp").build()
    run = publish(poetry, root, pypi, *ALL)
    ended(run, 0)
    assert "packages/site" in run.said
    assert verdicts(receipt_in(root)) == {"lamp": "verified"}
    assert left_out(plan_of(poetry, root, *ALL)) == {"packages/site": "package-mode = false"}


PRIVATE = "Private :: Do Not Upload"


def left_out(plan: dict[str, Any]) -> dict[str, str]:
    """Why which directory is left out."""
    return {each["directory"]: each["reason"] for each in plan["left_out"]}


def keep_private(project: Project) -> None:
    """Give a project the classifier that PyPI refuses."""
    file = project.path / "pyproject.toml"
    text = file.read_text(encoding="utf-8")
    changed = text.replace("[build-system]", f'classifiers = ["{PRIVATE}"]\n\n[build-system]')
    file.write_text(changed, encoding="utf-8")


def test_projects_that_are_left_out(poetry: Poetry, root: Path, pypi: Index) -> None:
    """By pattern, by their own settings, and on PyPI by their classifiers; all others go out."""
    mark = "[tool.publish-verified]\npublish = false\n"
    add_member(root, "internal", more=mark)
    keep_private(add_member(root, "secret"))
    add_member(root, "lamp", "internal>=1").build()
    (add_member(root, "broken").path / "pyproject.toml").write_text("[", encoding="utf-8")
    exclude = ("--exclude", "packages/brok*")
    # As for PyPI, where the plan asks nothing.
    plan = plan_of(poetry, root, "--projects", "packages/*", *exclude)
    assert [project["name"] for project in plan["projects"]] == ["lamp"]
    assert left_out(plan) == {
        "packages/broken": "--exclude packages/brok*",
        "packages/internal": "publish = false",
        "packages/secret": PRIVATE,
    }
    # An index of one's own takes the private project.
    wanted = ("--projects", "packages/*", "--projects", "!packages/secret", *exclude)
    run = publish(poetry, root, pypi, *wanted)
    ended(run, 0)
    assert "packages/internal is left out (publish = false)" in run.out
    assert "packages/secret is left out (--projects !packages/secret)" in run.out
    assert "Warning PV254: lamp 1.0 needs internal, which is left out" in run.err
    assert verdicts(receipt_in(root)) == {"lamp": "verified"}
    own = poetry.with_variables(**pypi.environment())
    plan = plan_of(own, root, "-r", "harbour", *wanted[:2], *exclude)
    assert left_out(plan).keys() == {"packages/broken", "packages/internal"}
    # A stage on PyPI would refuse it.
    plan = plan_of(own, root, "-r", "harbour", "--stage", "pypi", *wanted[:2], *exclude)
    assert "packages/secret" in left_out(plan)
    ended(publish(poetry, root, pypi, *wanted, "--strict"), 3)


def test_marked_project_alone(poetry: Poetry, root: Path, pypi: Index) -> None:
    """Publishing it by itself is refused, too, before anything is built."""
    internal = add_member(root, "internal", more="[tool.publish-verified]\npublish = false\n")
    run = publish(poetry, internal.path, pypi, "--build")
    ended(run, 3)
    assert "Error PV253: internal is not to be published" in run.err
    assert not internal.dist.exists()


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (
            ("--projects", "packages/*", "--exclude", "packages/secrt"),
            3,
            "--exclude packages/secrt",
        ),
        (
            ("--projects", "packages/*", "--projects", "!packages/secrt"),
            3,
            "!packages/secrt matches",
        ),
        (("--projects", "packages/*", "--exclude", "packages/*"), 3, "There is nothing to publish"),
        (("--exclude", "packages/lamp"), 1, "there are no --projects"),
    ],
)
def test_exclusion_that_excludes_nothing(
    poetry: Poetry, tmp_path: Path, options: tuple[str, ...], code: int, words: str
) -> None:
    """A typo must not publish what was to be left out."""
    add_member(tmp_path, "lamp")
    run = poetry.run("publish-verified", "--plan", *options, cwd=tmp_path)
    ended(run, code)
    assert words in run.err


@pytest.mark.parametrize("setting", ['publish = "no"', "pubish = false"])
def test_mark_with_a_typo(poetry: Poetry, tmp_path: Path, setting: str) -> None:
    """A project whose own settings are wrong is not published; the message says where they are."""
    add_member(tmp_path, "lamp", more=f"[tool.publish-verified]\n{setting}\n")
    run = poetry.run("publish-verified", "--plan", "--projects", "packages/*", cwd=tmp_path)
    ended(run, 3)
    assert "In packages/lamp/pyproject.toml: " in run.err


def plan_of(poetry: Poetry, cwd: Path, *options: str) -> dict[str, Any]:
    """The plan as JSON, which must be the only standard output."""
    run = poetry.run("publish-verified", "--plan", "--format", "json", *options, cwd=cwd)
    ended(run, 0)
    (line,) = run.out.splitlines()
    plan = json.loads(line)
    assert isinstance(plan, dict)
    check("plan", plan)
    return plan


def test_plan_of_300_projects(poetry: Poetry, tmp_path: Path) -> None:
    """Every project comes after those it needs, and nothing is asked."""
    monorepo = make_monorepo(tmp_path / "mono", "pre", count=300, layers=10, seed=3)
    nowhere = poetry.with_variables(HTTPS_PROXY="http://127.0.0.1:9")
    plan = plan_of(nowhere, monorepo.root, *ALL)
    assert {p["name"]: frozenset(p["needs"]) for p in plan["projects"]} == monorepo.needs
    place = {project["name"]: n for n, project in enumerate(plan["projects"])}
    for name, needed in monorepo.needs.items():
        assert all(place[other] < place[name] for other in needed)
    for project in plan["projects"]:
        member = monorepo.members[project["name"]]
        assert project["version"] == member.version
        assert monorepo.root / project["directory"] == member.path
    assert not list(monorepo.root.rglob("dist"))


def test_plan_for_people(poetry: Poetry, root: Path) -> None:
    """The plan names every project once, below one it needs."""
    add_member(root, "lamp", "wick", "oil")
    add_member(root, "wick")
    add_member(root, "oil")
    run = poetry.run("publish-verified", "--plan", cwd=root)
    ended(run, 0)
    lines = run.out.splitlines()
    names = [line.split()[0] for line in lines]
    assert sorted(names) == ["lamp", "oil", "wick"]
    assert names.index("lamp") == names.index("wick") + 1
    (lamp,) = [line for line in lines if line.strip().startswith("lamp ")]
    assert lamp.startswith(" ")
    assert "oil" in lamp


def test_absolute_patterns_from_another_directory(
    poetry: Poetry, root: Path, pypi: Index, tmp_path: Path
) -> None:
    """The receipt stays in the current directory."""
    lamp, wick = add_member(root, "lamp", "wick"), add_member(root, "wick")
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    options = ("--build", "--projects", f"{root}/packages/*")
    ended(publish(poetry, elsewhere, pypi, *options), 0)
    assert verdicts(receipt_in(elsewhere)) == {"lamp": "verified", "wick": "verified"}
    for project in (lamp, wick):
        assert pypi.stored(project.name) == project.hashes()


def test_directories_and_pyproject_files(poetry: Poetry, root: Path, pypi: Index) -> None:
    """A project may be named by its directory or pyproject.toml, even twice; no other is sent."""
    for name in ("lamp", "wick", "oil"):
        add_member(root, name).build()
    named = ("packages/lamp/pyproject.toml", "packages/wick", "packages/w*")
    options = [option for each in named for option in ("--projects", each)]
    ended(publish(poetry, root, pypi, *options), 0)
    assert verdicts(receipt_in(root)) == {"lamp": "verified", "wick": "verified"}
    assert pypi.stored("oil") == {}


def refuse(proxy: FaultProxy, project: Project) -> Callable[[], None]:
    """Make the server refuse a project's files; the returned rule can be lifted."""
    rule = proxy.answer(
        lambda request: any(map(request.uploads, project.filenames)),
        Answer(403, reason=b"Forbidden", body=b"not yours"),
    )
    return rule.lift


def test_refused_member(poetry: Poetry, root: Path, pypi: Index, proxy: FaultProxy) -> None:
    """Its dependents are blocked and others are not; the next run sends only the rest."""
    oil, wick = add_member(root, "oil"), add_member(root, "wick")
    lamp, house = add_member(root, "lamp", "wick"), add_member(root, "house", "lamp", "oil")
    lift = refuse(proxy, wick)
    through = pypi.behind(proxy.origin)
    run = publish(poetry, root, through, "--build", "--format", "json", *ALL)
    ended(run, 4)
    receipt = receipt_in(root)
    assert (receipt["verdict"], receipt["exit_code"]) == ("upload-failed", 4)
    assert re.fullmatch(
        r"upload-failed: 1 of 4 projects failed: wick 1\.0 \(PV401: wick-.* was refused: .*\);"
        r" 2 are blocked; 1 is proven",
        receipt["summary"],
    )
    assert re.sub(r"\(PV401: .*\)", "(PV401)", receipt["summary"]) in run.err
    assert [e["summary"] for e in run.events if "summary" in e] == [receipt["summary"]] * 2
    assert verdicts(receipt) == {
        "oil": "verified", "wick": "upload-failed", "lamp": "blocked", "house": "blocked",
    }  # fmt: skip
    blocked_by = {name: release["blocked_by"] for name, release in by_name(receipt).items()}
    assert blocked_by == {"oil": [], "wick": [], "lamp": ["wick"], "house": ["wick"]}
    lift()
    proxy.requests.clear()
    (oil.path / "build.log").write_text("x\n", encoding="utf-8")
    run = publish(poetry, root, through, "--build", *ALL)
    ended(run, 0)
    assert "oil 1.0: rebuilding oil-1.0.tar.gz" in run.said
    assert "oil 1.0: reusing oil-1.0" in run.said
    assert set(verdicts(receipt_in(root)).values()) == {"verified"}
    assert len(proxy.uploads) == 6
    assert not any(request.uploads(name) for request in proxy.uploads for name in oil.filenames)
    for project in (oil, wick, lamp, house):
        assert pypi.stored(project.name) == project.hashes()


def test_fail_fast(poetry: Poetry, root: Path, pypi: Index, proxy: FaultProxy) -> None:
    """With `--fail-fast` nothing starts after a failure, not even unrelated projects."""
    wick, oil = add_member(root, "wick"), add_member(root, "oil")
    lamp = add_member(root, "lamp", "oil")
    for project in (wick, oil, lamp):
        project.build()
    refuse(proxy, wick)

    def early(request: Request) -> bool:
        refused = [r.at for r in proxy.uploads if any(map(r.uploads, wick.filenames))]
        later = [r for r in proxy.pages if refused and "/oil/" in r.path and r.at > refused[0]]
        return request.is_page and len(later) < 6

    proxy.hide(oil.sdist).match = early
    ended(publish(poetry, root, pypi.behind(proxy.origin), *ALL, "--fail-fast"), 4)
    receipt = receipt_in(root)
    assert verdicts(receipt) == {"wick": "upload-failed", "oil": "verified", "lamp": "blocked"}
    assert by_name(receipt)["lamp"]["blocked_by"] == ["wick"]


@pytest.mark.parametrize("way", ["--dry-run", "--rehearse"])
def test_dry_run_and_rehearsal(
    poetry: Poetry, root: Path, pypi: Index, proxy: FaultProxy, way: str
) -> None:
    """A dry run checks every project, a rehearsal proves it, and neither sends anything."""
    for project in (add_member(root, "lamp", "wick"), add_member(root, "wick")):
        project.build()
    receipt = root / "receipt.json"
    ended(publish(poetry, root, pypi.behind(proxy.origin), *ALL, way, "--receipt", receipt), 0)
    expected = "dry-run" if way == "--dry-run" else "verified"
    assert verdicts(read_receipt(receipt)) == {"lamp": expected, "wick": expected}
    assert proxy.uploads == []
    assert not (root / "dist").exists()


def test_failed_builds(poetry: Poetry, root: Path, pypi: Index, proxy: FaultProxy) -> None:
    """All failed builds are reported by project, and nothing is sent."""
    for name in ("lamp", "wick"):
        (add_member(root, name).path / "README.md").unlink()
    add_member(root, "oil")
    run = publish(poetry, root, pypi.behind(proxy.origin), "--build", *ALL)
    ended(run, 3)
    messages = [p["message"] for p in problems(receipt_in(root)) if p["code"] == "PV204"]
    assert len(messages) == 2
    assert all(any(f"packages/{name}" in m for m in messages) for name in ("lamp", "wick"))
    assert proxy.uploads == []


def test_member_with_modules_named_like_libraries(poetry: Poetry, root: Path, pypi: Index) -> None:
    """They do not replace the libraries of the Poetry that builds it."""
    lamp = add_member(root, "lamp")
    for name in ("tomlkit", "packaging", "queue"):
        (lamp.path / name).mkdir()
        (lamp.path / name / "__init__.py").write_text("raise SystemExit('mine')\n", "utf-8")
    ended(publish(poetry, root, pypi, "--build", *ALL), 0)
    assert pypi.stored("lamp") == lamp.hashes()


def test_projects_from_the_environment(
    poetry: Poetry, root: Path, pypi: Index, tmp_path: Path
) -> None:
    """One pattern per line, relative to the current directory."""
    for name in ("wick", "lamp"):
        add_member(root, name).build()
    named = f"{root / 'packages' / 'wick'}\n{root / 'packages' / 'la*'}"
    elsewhere = poetry.with_variables(POETRY_PUBLISH_VERIFIED_PROJECTS=named)
    ended(publish(elsewhere, tmp_path, pypi, "--dry-run", "--receipt", tmp_path / "r.json"), 0)
    assert set(verdicts(read_receipt(tmp_path / "r.json"))) == {"wick", "lamp"}


def test_wait_for_dependencies(poetry: Poetry, root: Path, pypi: Index) -> None:
    """It waits for everything it needs, directly or not, and sends nothing without them."""
    wick = add_member(root, "wick")
    flame = add_member(root, "flame", "wick")
    lamp = add_member(root, "lamp", "flame")
    for project in (wick, flame, lamp):
        project.build()
    pypi.upload(flame)
    run = publish(poetry, lamp.path, pypi, "--wait-for-dependencies", *TOO_SHORT)
    ended(run, 3)
    assert "PV246" in run.said
    assert "wick 1.0, which this project depends on" in run.said
    assert pypi.stored("lamp") == {}
    pypi.upload(wick)
    ended(publish(poetry, lamp.path, pypi, "--wait-for-dependencies"), 0)
    assert pypi.stored("lamp") == lamp.hashes()


def test_builds_end_with_the_run(poetry: Poetry, root: Path, pypi: Index, tmp_path: Path) -> None:
    """However the run dies, builds stop, or they would write where the next run builds."""
    lamp, begun = add_member(root, "lamp"), tmp_path / "begun"
    script = f"import pathlib, time\npathlib.Path({str(begun)!r}).touch()\ntime.sleep({2 * HANG})\n"
    (lamp.path / "slow.py").write_text(script, encoding="utf-8")
    file = lamp.path / "pyproject.toml"
    text = file.read_text(encoding="utf-8").replace("build-backend = ", "# ")
    build = '[tool.poetry.build]\nscript = "slow.py"\ngenerate-setup-file = false\n'
    file.write_text(f"{text}\n{build}", encoding="utf-8")
    asked = (*CALL, "--build", *ALL)
    slow = poetry.with_variables(**pypi.environment())
    with slow.started(*asked, cwd=root) as process:
        wait_until(begun.exists, "the build begins")
        assert [line for line in slow.leftovers() if " build " in line]
        process.kill()
        wait_until(
            lambda: not [line for line in slow.leftovers() if " build " in line], "the build ends"
        )
