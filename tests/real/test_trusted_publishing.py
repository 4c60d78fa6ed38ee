"""Publishing without credentials: each release is signed in as a trusted publisher."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest

from tests.beds.environments import NEWEST_POETRY, OLDEST_POETRY, environment
from tests.beds.indexes import pypiserver
from tests.beds.monorepo import add_member, make_root
from tests.beds.proxy import Answer, CutError, Exchange
from tests.beds.publishing import TrustedIndex
from tests.beds.release import ended, keeps_secrets, problems, publish
from tests.thorough import some

if TYPE_CHECKING:
    from pathlib import Path

    from tests.beds.indexes import Index
    from tests.beds.poetry import Poetry
    from tests.beds.projects import Project
    from tests.conftest import MakeProxy


@pytest.fixture
def behind(open_pypi: Index, project: Project, trusted: TrustedIndex) -> Index:
    """The index as its publishers reach it, and the project is built."""
    project.build()
    return open_pypi.behind(trusted.proxy.origin)


@pytest.fixture
def trusted(open_pypi: Index, make_proxy: MakeProxy) -> TrustedIndex:
    """An index that trusts the publishers of `lantern`."""
    return TrustedIndex(make_proxy(open_pypi.origin))


@pytest.fixture
def github(poetry: Poetry, trusted: TrustedIndex, tmp_path: Path) -> Poetry:
    """Poetry in a GitHub job that may have identity tokens."""
    return poetry.with_variables(**trusted.variables("github", tmp_path / "bin"))


def test_publishes_without_credentials(
    github: Poetry, project: Project, open_pypi: Index, trusted: TrustedIndex, behind: Index
) -> None:
    """One token is minted, after the look at the index, and nobody ever sees it."""
    run = publish(github, project, behind, until=None)
    ended(run, 0)
    assert open_pypi.stored("lantern") == project.hashes()
    assert len(trusted.minted) == 1
    assert "owner octo, repository lantern, workflow release.yml, environment release" in run.out
    assert f"::add-mask::{trusted.minted[0]}" in run.err.splitlines()
    assert f"::add-mask::{trusted.identities[0]}" in run.err.splitlines()
    keeps_secrets(run, trusted, project.path, github.home)
    before = trusted.proxy.requests[: [*map(trusted.is_mint, trusted.proxy.requests)].index(True)]
    (page,) = [request for request in before if request.is_page]
    assert "authorization" not in page.headers


def test_stage_has_a_token_of_its_own(
    github: Poetry,
    project: Project,
    open_pypi: Index,
    trusted: TrustedIndex,
    behind: Index,
    make_proxy: MakeProxy,
    tmp_path: Path,
) -> None:
    """Each index mints one for its own audience, the repository's once the stage has all files."""
    with pypiserver(tmp_path / "quay", password=False) as quay:
        stage = trusted.beside(make_proxy(quay.origin), "quay")
        trusted.before_mint = lambda: held.update(quay.stored("lantern"))
        held: dict[str, str] = {}
        job = github.with_variables(POETRY_REPOSITORIES_QUAY_URL=f"{stage.proxy.origin}/")
        run = publish(job, project, behind, "--stage", "quay")
        ended(run, 0)
        assert held == quay.stored("lantern") == open_pypi.stored("lantern") == project.hashes()
    assert len(stage.minted) == len(trusted.minted) == 1
    keeps_secrets(run, trusted, project.path, github.home)
    assert stage.minted[0] not in run.out


def test_output_for_programs_has_no_orders(
    github: Poetry, project: Project, trusted: TrustedIndex, behind: Index
) -> None:
    """Standard output is JSON alone; the masks are on standard error."""
    run = publish(github, project, behind, "--format", "json")
    ended(run, 0)
    names = [event["event"] for event in run.events]
    assert names.index("file-compared") < names.index("upload-token-minted")
    assert names.index("upload-token-minted") < names.index("sending-started")
    keeps_secrets(run, trusted, project.path, github.home)


def test_gitlab(
    poetry: Poetry, project: Project, trusted: TrustedIndex, behind: Index, tmp_path: Path
) -> None:
    """GitLab's token is in a variable; the second run that needs one says why there is none."""
    job = poetry.with_variables(**trusted.variables("gitlab", tmp_path / "bin"))
    ended(publish(job, project, behind), 0)
    newer = project.set_version("1.1")
    newer.build()
    run = publish(job, newer, behind)
    ended(run, 3)
    (problem,) = problems(newer.receipt())
    assert problem["code"] == "PV331"
    assert "retry the job" in problem["remedy"].lower()
    assert len(trusted.minted) == 1


def test_nothing_to_send_needs_no_token(
    github: Poetry, project: Project, open_pypi: Index, trusted: TrustedIndex, behind: Index
) -> None:
    """A token is minted only if something has to be sent."""
    open_pypi.upload(project)
    ended(publish(github, project, behind), 0)
    assert trusted.minted == []


@pytest.mark.parametrize("option", ["--dry-run", "--rehearse"])
def test_no_token_for_a_trial(
    github: Poetry, project: Project, trusted: TrustedIndex, behind: Index, option: str
) -> None:
    """A token may create a project, so a dry run and a rehearsal get none."""
    ended(publish(github, project, behind, option, until="listed"), 0)
    assert trusted.minted == []
    asked = trusted.count(trusted.is_audience)
    assert asked == (1 if option == "--dry-run" else 0)


def test_refused_preflight_gets_no_token(
    github: Poetry, project: Project, trusted: TrustedIndex, behind: Index
) -> None:
    """If anything else is wrong, nothing is minted, and everything is reported at once."""
    (project.dist / project.wheel).write_bytes(b"junk")
    trusted.audience = "pypi"
    ended(publish(github, project, behind, "--trusted-publishing", "always"), 3)
    codes = {problem["code"] for problem in problems(project.receipt())}
    assert codes == {"PV205", "PV322"}
    assert trusted.minted == []


def test_credentials_come_first(
    github: Poetry, project: Project, pypi: Index, make_proxy: MakeProxy
) -> None:
    """With credentials, `auto` asks for nothing, and `always` refuses and says where they are."""
    project.build()
    trusted = TrustedIndex(make_proxy(pypi.origin))
    through = pypi.behind(trusted.proxy.origin)
    trusted.proxy.on(lambda request: request.uploads(), Exchange.forward)
    run = publish(github, project, through, "--trusted-publishing", "always")
    ended(run, 3)
    (problem,) = problems(project.receipt())
    assert problem["code"] == "PV320"
    assert "POETRY_HTTP_BASIC_HARBOUR_PASSWORD" in problem["message"]
    ended(publish(github, project, through), 0)
    assert trusted.count(trusted.is_audience) == 0


@pytest.mark.parametrize(
    ("version", "variable"),
    some(
        3,
        [
            (OLDEST_POETRY, "PYPI_TOKEN"),
            (OLDEST_POETRY, "HTTP_BASIC"),
            (NEWEST_POETRY, "HTTP_BASIC"),
            (NEWEST_POETRY, "PYPI_TOKEN"),
        ],
    ),
)
def test_unset_secret_counts_as_none(
    github: Poetry,
    project: Project,
    trusted: TrustedIndex,
    behind: Index,
    variable: str,
    version: str,
) -> None:
    """A CI system sets a secret that does not exist to nothing, which each Poetry reads its way."""
    github.environment = environment(version)
    # The kit leaves empty variables out, so this one is in the command's own environment.
    names = {
        "PYPI_TOKEN": ["POETRY_PYPI_TOKEN_HARBOUR="],
        "HTTP_BASIC": [
            "POETRY_HTTP_BASIC_HARBOUR_USERNAME=__token__",
            "POETRY_HTTP_BASIC_HARBOUR_PASSWORD=",
        ],
    }
    script = project.path.parent / "poetry"
    script.write_text(
        f'#!/bin/sh\nexec env {" ".join(names[variable])} "{github.program}" "$@"\n',
        encoding="utf-8",
    )
    script.chmod(0o755)
    github.script = script
    ended(publish(github, project, behind), 0)
    assert len(trusted.minted) == 1


def test_index_without_trusted_publishing(
    github: Poetry, project: Project, open_pypi: Index, make_proxy: MakeProxy
) -> None:
    """`auto` goes on as without, `always` refuses, `never` does not ask."""
    project.build()
    proxy = make_proxy(open_pypi.origin)
    through = open_pypi.behind(proxy.origin)
    ended(publish(github, project, through, "--trusted-publishing", "always"), 3)
    assert [each["code"] for each in problems(project.receipt())] == ["PV321"]
    asked = len([each for each in proxy.requests if TrustedIndex.is_audience(each)])
    assert asked == 1
    ended(publish(github, project, through, "--trusted-publishing", "never"), 0)
    assert len([each for each in proxy.requests if TrustedIndex.is_audience(each)]) == asked
    newer = project.set_version("1.1")
    newer.build()
    ended(publish(github, newer, through), 0)
    assert problems(newer.receipt()) == []


def test_expired_in_the_middle(
    github: Poetry, project: Project, open_pypi: Index, trusted: TrustedIndex, behind: Index
) -> None:
    """A token that expires between two files is replaced by a new one."""

    def late(exchange: Exchange) -> Answer:
        trusted.clock += 1000
        return trusted.take(exchange)

    trusted.proxy.on(lambda request: request.uploads(project.sdist), late, times=1)
    ended(publish(github, project, behind), 0)
    assert open_pypi.stored("lantern") == project.hashes()
    assert len(trusted.minted) == 2


def test_lost_answer_takes_a_fresh_identity(
    github: Poetry, project: Project, trusted: TrustedIndex, behind: Index
) -> None:
    """The index has used the identity token up, though its answer was lost."""

    def lost(exchange: Exchange) -> Answer:
        trusted.mint(exchange)
        raise CutError

    trusted.proxy.on(trusted.is_mint, lost, times=1)
    ended(publish(github, project, behind), 0)
    assert len(trusted.minted) == 2
    assert trusted.count(trusted.is_mint) == 2


def test_publisher_of_another_project(
    github: Poetry, project: Project, open_pypi: Index, trusted: TrustedIndex, behind: Index
) -> None:
    """The token is good, and not for this project."""
    trusted.publishers = {sub: {"harbour"} for sub in trusted.publishers}
    ended(publish(github, project, behind), 4)
    (problem,) = problems(project.receipt())
    assert problem["code"] == "PV417"
    assert open_pypi.stored("lantern") == {}


def test_unknown_publisher(
    github: Poetry, project: Project, trusted: TrustedIndex, behind: Index
) -> None:
    """What the index compared is shown, and nothing was uploaded."""
    trusted.publishers.clear()
    ended(publish(github, project, behind), 3)
    (problem,) = problems(project.receipt())
    assert problem["code"] == "PV330"
    assert "workflow release.yml, environment release, ref refs/heads/main" in problem["message"]


@pytest.mark.parametrize("place", ["mint", "upload"])
def test_server_that_repeats_tokens(
    github: Poetry, project: Project, trusted: TrustedIndex, behind: Index, place: str
) -> None:
    """What it repeats is in neither the output nor the receipt."""

    def echo(exchange: Exchange) -> Answer:
        sent = exchange.request.headers.get("authorization", "") + exchange.request.body.decode(
            errors="replace"
        )
        said = f"no {sent[:20_000]} and {trusted.identities[-1]} and {''.join(trusted.minted)}"
        errors = [{"code": "invalid-publisher", "description": said}]
        return Answer(422, json.dumps({"errors": errors, "message": said}).encode())

    kinds = {"mint": trusted.is_mint, "upload": lambda request: request.uploads()}
    trusted.proxy.on(kinds[place], echo)
    run = publish(github, project, behind, "-vvv")
    assert run.code == (3 if place == "mint" else 4), run.said
    assert "no " in problems(project.receipt())[0]["message"]
    keeps_secrets(run, trusted, project.path, github.home)
    login = base64.b64encode(f"__token__:{''.join(trusted.minted)}".encode()).decode()
    assert login not in run.said


def test_missing_permission(
    poetry: Poetry, project: Project, trusted: TrustedIndex, behind: Index
) -> None:
    """The line to add is shown; if the index may need no token, that is a warning."""
    job = poetry.with_variables(GITHUB_ACTIONS="true")
    ended(publish(job, project, behind, "--trusted-publishing", "always"), 3)
    (problem,) = problems(project.receipt())
    assert problem["code"] == "PV323"
    assert "id-token: write}" in problem["remedy"]
    trusted.proxy.on(lambda request: request.uploads(), Exchange.forward)
    ended(publish(job, project, behind), 0)
    assert [(p["code"], p["severity"]) for p in problems(project.receipt())] == [
        ("PV323", "warning")
    ]


def test_one_token_for_all_projects(
    github: Poetry, open_pypi: Index, trusted: TrustedIndex, tmp_path: Path
) -> None:
    """A monorepo's projects share the token of their publisher."""
    root = make_root(tmp_path / "mono")
    add_member(root, "wick")
    add_member(root, "lamp", "wick>=1")
    trusted.publishers = {sub: {"wick", "lamp"} for sub in trusted.publishers}
    job = github.with_variables(**open_pypi.behind(trusted.proxy.origin).environment())
    run = job.run(
        "publish-verified", "-n", "-r", "harbour", "--projects", "packages/*", "--build",
        "--until", "downloadable", cwd=root,
    )  # fmt: skip
    ended(run, 0)
    assert len(trusted.minted) == 1


def test_denied_index_is_read_with_the_token(
    github: Poetry, project: Project, trusted: TrustedIndex, behind: Index
) -> None:
    """An index that nobody may read without credentials is read once there is a token."""

    def private(exchange: Exchange) -> Answer:
        return exchange.forward() if "authorization" in exchange.request.headers else Answer(401)

    trusted.proxy.on(lambda request: request.is_page or "/packages/" in request.path, private)
    ended(publish(github, project, behind), 0)
    assert len(trusted.minted) == 1
    newer = project.set_version("1.1")
    newer.build()
    ended(publish(github, newer, behind, "--dry-run"), 3)
    assert len(trusted.minted) == 1


@pytest.mark.parametrize("offered", [True, False])
def test_doctor(
    github: Poetry, project: Project, trusted: TrustedIndex, behind: Index, *, offered: bool
) -> None:
    """`doctor` says who this job would be to the index, without a token of either kind."""
    if not offered:
        trusted.proxy.answer(trusted.is_audience, Answer(404))
    job = github.with_variables(**behind.environment())
    run = job.run("publish-verified", "doctor", "-r", "harbour", cwd=project.path)
    ended(run, 0)
    assert "Credentials of repository harbour: none; trying trusted publishing." in run.out
    assert ("owner octo, repository lantern" in run.out) is offered
    assert trusted.minted == []
    keeps_secrets(run, trusted)


def test_doctor_names_the_source(github: Poetry, project: Project, pypi: Index) -> None:
    """`doctor` says where credentials come from, not what they are."""
    job = github.with_variables(**pypi.environment())
    run = job.run("publish-verified", "doctor", "-r", "harbour", cwd=project.path)
    ended(run, 0)
    assert "the environment (POETRY_HTTP_BASIC_HARBOUR_USERNAME, " in run.out
    assert (pypi.password or "") not in run.said
