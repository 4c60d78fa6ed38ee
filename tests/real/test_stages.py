"""Stages: the very same files go to another index first, and are verified there."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest

from tests.beds.monorepo import add_member, by_name, make_root
from tests.beds.processes import HANG, wait_until
from tests.beds.projects import read_receipt
from tests.beds.release import ended, holds, problems, publish, uploads

if TYPE_CHECKING:
    from pathlib import Path

    from tests.beds.indexes import Devpi, Index
    from tests.beds.poetry import Poetry
    from tests.beds.projects import Project
    from tests.beds.proxy import FaultProxy

STAGE = "quay"
STAGED = ("--stage", STAGE)


@pytest.fixture
def staging(poetry: Poetry, devpi: Index) -> Poetry:
    """Poetry with devpi as the repository `quay`."""
    return poetry.with_variables(**devpi.environment(STAGE))


def stage_of(release: dict[str, Any]) -> dict[str, Any]:
    """What the receipt has on the release's only stage."""
    (stage,) = release["stages"]
    assert stage["repository"]["name"] == STAGE
    assert isinstance(stage, dict)
    return stage


def test_release_goes_through_its_stage(
    staging: Poetry, project: Project, devpi: Index, pypi: Index, proxy: FaultProxy
) -> None:
    """devpi has every file, verified with real clients, before pypiserver gets the first one."""
    held: list[dict[str, str]] = []
    proxy.on(lambda request: request.uploads(), lambda exchange: _note(held, devpi, exchange))
    run = publish(staging, project, pypi.behind(proxy.origin), "--build", *STAGED)
    ended(run, 0)
    assert held[0] == project.hashes() == devpi.stored("lantern") == pypi.stored("lantern")
    release = holds(project.receipt(), "verified", 0)
    stage = stage_of(release)
    assert stage["repository"]["url"] == devpi.upload_url
    assert stage["verdict"] == "verified"
    assert stage["finished"] > project.receipt()["started"]
    assert set(uploads(stage).values()) == set(uploads(release).values()) == {"uploaded"}
    assert {f["filename"]: f["sha256"] for f in stage["distributions"]} == project.hashes()
    (index,) = stage["indexes"]
    assert (index["url"], index["proven"]) == (devpi.simple_url, True)
    (line,) = [line for line in run.out.splitlines() if "wheels also by" in line]
    assert line.startswith(f" - {STAGE}: {devpi.simple_url} seen by ")
    assert f" - goes to {STAGE} first" in run.out


def _note(held: list[dict[str, str]], devpi: Index, exchange: Any) -> Any:
    held.append(devpi.stored("lantern"))
    return exchange.forward()


def test_stage_only_then_the_rest(
    staging: Poetry, project: Project, devpi: Index, pypi: Index, proxy: FaultProxy
) -> None:
    """The first run needs nothing of the repository, the second nothing of the stage."""
    target = pypi.behind(proxy.origin)
    run = publish(staging, project, target, "--build", *STAGED, "--stage-only")
    ended(run, 0)
    assert "staged: lantern 1.0 is installable on quay; nothing was sent to harbour" in run.out
    assert devpi.stored("lantern") == project.hashes()
    assert not proxy.requests
    first = holds(project.receipt(), "staged", 0)
    assert set(uploads(first).values()) == {"not-sent"}
    # The stage is out of reach now, and would be asked at another address.
    away = staging.with_variables(
        POETRY_HTTP_BASIC_QUAY_USERNAME="nobody", POETRY_HTTP_BASIC_QUAY_PASSWORD="n/a"
    )
    run = publish(away, project, target, "--build", *STAGED)
    ended(run, 0)
    assert " - quay: already verified at 20" in run.out
    assert "reusing" in run.out
    assert pypi.stored("lantern") == devpi.stored("lantern")
    again = holds(project.receipt(), "verified", 0)
    assert stage_of(again) == stage_of(first)


def test_other_files_on_the_stage(
    staging: Poetry, project: Project, devpi: Index, pypi: Index
) -> None:
    """A conflict, before anything is sent; --skip-existing does not make it pass."""
    project.build()
    devpi.upload(project)
    before = project.hashes()
    project.change("other")
    project.build()
    run = publish(staging, project, pypi, *STAGED, "--skip-existing")
    ended(run, 5)
    assert pypi.stored("lantern") == {}
    assert devpi.stored("lantern") == before
    receipt = project.receipt()
    assert stage_of(holds(receipt, "conflict", 5))["verdict"] == "conflict"
    (first, second) = problems(receipt)
    assert first["code"] == second["code"] == "PV501"
    assert "harbour gets only what was proven on the stage" in first["remedy"]


def test_devpi_after_pypiserver(
    poetry: Poetry, project: Project, devpi: Index, pypi: Index
) -> None:
    """Either index can be the stage; the options' credentials are the repository's alone."""
    variables = pypi.environment(STAGE) | {"POETRY_REPOSITORIES_HARBOUR_URL": devpi.upload_url}
    project.build()
    run = poetry.with_variables(**variables).run(
        "publish-verified", "-n", "-r", "harbour", *STAGED, "--until", "listed",
        "--username", devpi.username or "", "--password", devpi.password or "",
        cwd=project.path,
    )  # fmt: skip
    ended(run, 0)
    assert devpi.stored("lantern") == pypi.stored("lantern") == project.hashes()


def test_repository_that_inherits_from_its_stage(
    staging: Poetry, project: Project, devpi: Index, devpi_server: Devpi
) -> None:
    """devpi shows the stage's files there, but the repository gets its own."""
    base = devpi.upload_url.removeprefix(devpi_server.base).strip("/")
    prod = devpi_server.index("harbour", f"p{base[-8:]}", bases=[base])
    project.build()
    ended(publish(staging, project, prod, *STAGED), 0)
    assert set(uploads(holds(project.receipt(), "verified", 0)).values()) == {"uploaded"}


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--stage", "harbour"), 3, "The stage harbour is the same place as harbour"),
        (("--stage", "twin"), 3, "The stage twin is the same place as harbour"),
        (("--stage", "nowhere"), 3, "poetry config repositories.nowhere <upload URL>"),
        (("--stage", "https://a:b@quay.example/"), 3, "--stage expects the name of a repository"),
        (("--stage-only",), 1, "--stage-only needs a stage"),
        ((*STAGED, "--stage-only", "--rehearse"), 1, "exclude each other"),
    ],
)
def test_stage_that_cannot_be_one(
    staging: Poetry, project: Project, pypi: Index, options: tuple[str, ...], code: int, words: str
) -> None:
    """Refused at once, in the user's own names."""
    project.build()
    twin = staging.with_variables(POETRY_REPOSITORIES_TWIN_URL=pypi.upload_url)
    run = publish(twin, project, pypi, *options)
    ended(run, code)
    assert words in " ".join(run.err.split())
    assert pypi.stored("lantern") == {}


def test_dry_run_and_rehearsal(
    staging: Poetry, project: Project, devpi: Index, pypi: Index
) -> None:
    """Both say what a real run would do, and send nothing to the stage."""
    project.build()
    run = publish(staging, project, pypi, *STAGED, "--dry-run")
    ended(run, 0)
    assert " - would go to quay first" in run.out
    assert f" - quay: {project.wheel} is not on the index yet" in run.out
    run = publish(staging, project, pypi, *STAGED, "--rehearse", until=None)
    ended(run, 0)
    assert " - a rehearsal skips quay, where a release goes first" in run.out
    assert devpi.stored("lantern") == pypi.stored("lantern") == {}


def test_all_projects_pass_the_stage_first(
    staging: Poetry, tmp_path: Path, devpi: Index, pypi: Index
) -> None:
    """One that does not pass holds back all; then the same command completes them."""
    root = make_root(tmp_path / "my größe" / "mono")
    (root / "pyproject.toml").write_text(
        f'[tool.publish-verified]\nprojects = ["packages/*"]\nstages = ["{STAGE}"]\n',
        encoding="utf-8",
    )
    wick, lamp = add_member(root, "wick"), add_member(root, "lamp", "wick>=1")
    call = ("publish-verified", "-n", "-r", "harbour", "--until", "listed", "--build")
    mono = staging.with_variables(**pypi.environment())
    refused = mono.with_variables(POETRY_HTTP_BASIC_QUAY_PASSWORD="wrong")
    run = refused.run(*call, cwd=root)
    ended(run, 4)
    assert pypi.stored("wick") == pypi.stored("lamp") == {}
    (last,) = [line for line in run.err.splitlines() if line.startswith("upload-failed: 2 of 2")]
    assert "nothing was sent to harbour" in last
    ended(mono.run(*call, cwd=root), 0)
    receipt = read_receipt(root / "dist" / ".publish-verified" / "run.json")
    for project in (wick, lamp):
        assert stage_of(by_name(receipt)[project.name])["verdict"] == "verified"
        assert devpi.stored(project.name) == pypi.stored(project.name) == project.hashes()


def test_interrupted_on_the_stage(
    staging: Poetry, project: Project, devpi: Index, pypi: Index, make_proxy: Any
) -> None:
    """Ctrl-C while the stage is waited for: the same command completes with the same files."""
    proxy: FaultProxy = make_proxy(devpi.origin)
    quay = staging.with_variables(**devpi.behind(proxy.origin).environment(STAGE))
    quay = quay.with_variables(**pypi.environment())
    call = ("publish-verified", "-n", "-r", "harbour", *STAGED, "--build", "--until", "listed")
    with quay.started(*call, cwd=project.path) as process:
        wait_until(lambda: any(r.uploads() for r in proxy.requests), "an upload to the stage")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=HANG)
    assert process.returncode == 130, out + err
    assert pypi.stored("lantern") == {}
    sent = devpi.stored("lantern")
    run = quay.run(*call, cwd=project.path)
    ended(run, 0)
    assert pypi.stored("lantern") == devpi.stored("lantern") == project.hashes()
    assert sent.items() <= project.hashes().items()
