"""Bad input: one sentence, a remedy, the right exit code, a receipt, and no traceback."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from poetry_publish_verified.cli import documentation
from tests.beds.indexes import Index
from tests.beds.processes import free_port
from tests.beds.projects import Project, make_project, read_receipt
from tests.beds.proxy import Answer, is_page
from tests.beds.release import ended, holds, problems, publish, uploads
from tests.thorough import some

if TYPE_CHECKING:
    from pathlib import Path

    from tests.beds.poetry import Poetry, Run
    from tests.beds.projects import Project
    from tests.beds.proxy import Exchange, FaultProxy


def refused(run: Run, receipt: dict[str, Any], words: str, code: int = 3) -> None:
    """Check that the run was refused with this message and a remedy; return the problem."""
    ended(run, code)
    verdict = {1: "error", 3: "preflight-refused", 4: "upload-failed"}[code]
    assert (receipt["verdict"], receipt["exit_code"]) == (verdict, code)
    found = problems(receipt)
    assert found
    for problem in found:
        assert re.fullmatch(r"PV\d{3}", problem["code"])
        assert problem["remedy"]
        assert "\n" not in problem["message"]
        assert problem["code"] in run.said
        assert problem["remedy"] in run.said
    first = next(each["code"] for each in found if each["severity"] == "error")
    assert f"More about {first}: {documentation.page_of(first)}" in run.err
    assert words.lower() in " ".join(p["message"] + p["remedy"] for p in found).lower()


def test_no_files(poetry: Poetry, project: Project, pypi: Index) -> None:
    """Without a file of this version nothing is sent, and the remedy is to build."""
    run = publish(poetry, project, pypi)
    refused(run, project.receipt(), "--build")
    assert pypi.stored("lantern") == {}


def test_only_files_of_another_version(poetry: Poetry, project: Project, pypi: Index) -> None:
    """Files of other versions do not count, and nothing is sent."""
    project.build()
    newer = project.set_version("1.1")
    run = publish(poetry, newer, pypi)
    refused(run, newer.receipt(), "1.1")
    assert pypi.stored("lantern") == {}


def test_no_project(poetry: Poetry, pypi: Index, tmp_path: Path) -> None:
    """Outside a project there is nothing to publish; only a requested receipt is written."""
    empty = tmp_path / "empty"
    empty.mkdir()
    poetry = poetry.with_variables(**pypi.environment())
    call = ("publish-verified", "-n", "-r", "harbour")
    ended(poetry.run(*call, cwd=empty), 3)
    assert list(empty.iterdir()) == []
    run = poetry.run(*call, "--receipt", tmp_path / "receipt.json", cwd=empty)
    receipt = read_receipt(tmp_path / "receipt.json")
    refused(run, receipt, "pyproject.toml")
    assert receipt["releases"] == []


@pytest.mark.parametrize("text", some(2, ["[project\n", "[project]\nname = 3\n", "\x00"]))
def test_broken_pyproject(poetry: Poetry, pypi: Index, tmp_path: Path, text: str) -> None:
    """A pyproject.toml that Poetry cannot read is refused in one sentence."""
    directory = tmp_path / "broken"
    directory.mkdir()
    (directory / "pyproject.toml").write_text(text, encoding="utf-8")
    file = tmp_path / "receipt.json"
    poetry = poetry.with_variables(**pypi.environment())
    run = poetry.run("publish-verified", "-n", "-r", "harbour", "--receipt", file, cwd=directory)
    refused(run, read_receipt(file), "pyproject.toml")


def test_non_package_mode(poetry: Poetry, pypi: Index, tmp_path: Path) -> None:
    """A project that is not a package has no release."""
    project = make_project(tmp_path / "mode", more="\n[tool.poetry]\npackage-mode = false\n")
    file = tmp_path / "receipt.json"
    run = publish(poetry, project, pypi, "--build", "--receipt", file)
    refused(run, read_receipt(file), "package")
    assert pypi.stored("lantern") == {}


@pytest.mark.parametrize(
    ("kind", "damage"),
    some(2, [(kind, how) for how in ("cut", "junk", "empty") for kind in ("wheel", "sdist")]),
)
def test_corrupt_archive(
    poetry: Poetry, project: Project, pypi: Index, kind: str, damage: str
) -> None:
    """A file that is no archive, or a truncated one, stops the release."""
    project.build()
    file = project.dist / getattr(project, kind)
    whole = file.read_bytes()
    file.write_bytes({"junk": b"junk" * 100, "cut": whole[: len(whole) // 2], "empty": b""}[damage])
    run = publish(poetry, project, pypi)
    refused(run, project.receipt(), file.name)
    assert pypi.stored("lantern") == {}


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_renamed_file(poetry: Poetry, project: Project, pypi: Index, kind: str) -> None:
    """A renamed file has another version inside than in its name."""
    project.build()
    newer = project.set_version("2.0")
    for path in list(project.dist.iterdir()):
        if path.name == getattr(project, kind):
            path.rename(project.dist / getattr(newer, kind))
        else:
            path.unlink()
    run = publish(poetry, newer, pypi)
    refused(run, newer.receipt(), getattr(newer, kind))
    assert pypi.stored("lantern") == {}


def test_all_bad_files_are_reported(poetry: Poetry, project: Project, pypi: Index) -> None:
    """Two bad files are two problems in one run."""
    project.build()
    for filename in project.filenames:
        (project.dist / filename).write_bytes(b"junk")
    run = publish(poetry, project, pypi)
    refused(run, project.receipt(), project.wheel)
    assert {p["filename"] for p in problems(project.receipt())} == project.filenames


def test_repository_not_configured(poetry: Poetry, project: Project) -> None:
    """It is named, with the command to configure it."""
    project.build()
    run = poetry.run("publish-verified", "-n", "-r", "nowhere", cwd=project.path)
    refused(run, project.receipt(), "nowhere")


def test_no_index_for_the_repository(poetry: Poetry, project: Project) -> None:
    """If no index can be derived from the upload URL, the remedy is to name one."""
    project.build()
    odd = Index(f"http://127.0.0.1:{free_port()}/one/two/three/four", "")
    run = publish(poetry, project, odd)
    refused(run, project.receipt(), "--index")


def test_upload_url_is_an_index_url(poetry: Poetry, project: Project, pypi: Index) -> None:
    """A simple index accepts no uploads, and that is reported before one is tried."""
    project.build()
    wrong = Index(pypi.simple_url, pypi.simple_url, pypi.username, pypi.password)
    run = publish(poetry, project, wrong)
    refused(run, project.receipt(), "upload url")
    assert pypi.stored("lantern") == {}


def test_index_that_takes_uploads(
    poetry: Poetry, project: Project, proxy: FaultProxy, pypi: Index
) -> None:
    """pypicloud takes uploads at its index's URL, which counts if that is named as the index."""
    project.build()

    def take(exchange: Exchange) -> Answer:
        exchange.request = replace(exchange.request, path="/")
        return exchange.forward()

    proxy.on(lambda request: request.uploads() and request.path == "/simple/", take)
    url = f"{proxy.origin}/simple/"
    cloud = Index(url, url, pypi.username, pypi.password)
    ended(publish(poetry, project, cloud, "--index", f"{pypi.origin}/simple/"), 3)
    ended(publish(poetry, project, cloud, "--index", f"{pypi.origin}/simple/", "--index", url), 0)
    holds(project.receipt(), "verified", 0)


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "harbour", "http://"])
def test_invalid_upload_url(poetry: Poetry, project: Project, url: str) -> None:
    """An invalid repository URL is refused with the repository's name."""
    project.build()
    run = publish(poetry, project, Index(url, ""))
    refused(run, project.receipt(), "harbour")


def test_local_version(poetry: Poetry, tmp_path: Path) -> None:
    """A local version is refused before PyPI, which accepts none, is asked."""
    project = make_project(tmp_path / "local", version="1.0+local")
    project.build()
    nowhere = f"http://127.0.0.1:{free_port()}"
    offline = poetry.with_variables(HTTPS_PROXY=nowhere, HTTP_PROXY=nowhere)
    file = tmp_path / "receipt.json"
    call = ("publish-verified", "-n", "--dry-run", "--receipt", file)
    refused(offline.run(*call, cwd=project.path), read_receipt(file), "local version")


def test_index_not_reachable(poetry: Poetry, project: Project) -> None:
    """What is there is unknown, so nothing is sent."""
    project.build()
    port = free_port()
    run = publish(poetry, project, Index(f"http://127.0.0.1:{port}/", ""), "--timeout", "1s")
    refused(run, project.receipt(), f"http://127.0.0.1:{port}/simple/")
    (release,) = project.receipt()["releases"]
    assert uploads(release) == {project.wheel: "not-sent", project.sdist: "not-sent"}


def test_upload_server_not_reachable(poetry: Poetry, project: Project, pypi: Index) -> None:
    """If only the upload server is down, that is reported before anything is sent."""
    project.build()
    dead = Index(f"http://127.0.0.1:{free_port()}/upload/", "", "harbour", "x")
    run = publish(poetry, project, dead, "--index", pypi.simple_url)
    refused(run, project.receipt(), dead.upload_url)
    release = holds(project.receipt(), "preflight-refused", 3)
    assert set(uploads(release).values()) == {"not-sent"}
    assert pypi.stored("lantern") == {}


def test_hanging_server(poetry: Poetry, project: Project) -> None:
    """A server that accepts and never answers ends the run, without a promise."""
    project.build()
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        index = Index(f"http://127.0.0.1:{silent.getsockname()[1]}/", "")
        run = publish(poetry, project, index, "--timeout", "1s")
    refused(run, project.receipt(), index.upload_url)
    (release,) = project.receipt()["releases"]
    assert set(uploads(release).values()) == {"not-sent"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--until", "tomorrow"), "--until"),
        (("--timeout", "soon"), "--timeout"),
        (("--format", "xml"), "--format"),
    ],
)
def test_invalid_option_value(
    poetry: Poetry, project: Project, pypi: Index, options: tuple[str, str], words: str
) -> None:
    """A bad value is wrong usage, and the message names the option."""
    project.build()
    run = publish(poetry, project, pypi, *options)
    ended(run, 1)
    assert words in run.said
    assert pypi.stored("lantern") == {}


def test_all_invalid_settings_are_reported(poetry: Poetry, pypi: Index, tmp_path: Path) -> None:
    """Unknown keys and bad values from every place are reported at once, also in the receipt."""
    project = make_project(
        tmp_path / "settings",
        more='\n[tool.publish-verified]\nuntill = "listed"\ntimeout = "soon"\n',
    )
    project.build()
    file = tmp_path / "receipt.json"
    disturbed = poetry.with_variables(POETRY_PUBLISH_VERIFIED_UNTIL="never")
    run = publish(disturbed, project, pypi, "--receipt", file)
    ended(run, 1)
    receipt = read_receipt(file)
    assert (receipt["verdict"], receipt["exit_code"]) == ("error", 1)
    told = " ".join(problem["message"] for problem in receipt["problems"])
    for key in ("untill", "timeout", "POETRY_PUBLISH_VERIFIED_UNTIL"):
        assert key in told
    assert pypi.stored("lantern") == {}


def test_precedence_of_settings(poetry: Poetry, pypi: Index, tmp_path: Path) -> None:
    """The command line comes before the environment, and that before pyproject.toml."""
    project = make_project(
        tmp_path / "order", more='\n[tool.publish-verified]\nuntil = "downloadable"\n'
    )
    project.build()
    disturbed = poetry.with_variables(POETRY_PUBLISH_VERIFIED_UNTIL="listed")
    ended(publish(disturbed, project, pypi, until=None), 0)
    assert project.receipt()["until"] == "listed"
    ended(publish(disturbed, project, pypi, until="installable"), 0)
    assert project.receipt()["until"] == "installable"
    ended(publish(poetry, project, pypi, until=None), 0)
    assert project.receipt()["until"] == "downloadable"


def test_failed_build(poetry: Poetry, project: Project, pypi: Index) -> None:
    """A failed build ends the run before anything is sent."""
    shutil.rmtree(project.path / "lantern")
    run = publish(poetry, project, pypi, "--build")
    refused(run, project.receipt(), "build")
    assert pypi.stored("lantern") == {}


def test_traceback_only_at_vvv(poetry: Poetry, project: Project, pypi: Index) -> None:
    """Only `-vvv` shows where a problem comes from."""
    trace = re.compile(r"Traceback|Stack trace")
    assert not trace.search(publish(poetry, project, pypi).said)
    run = publish(poetry, project, pypi, "-vvv")
    assert run.code == 3
    assert trace.search(run.said), run.said


def test_unwritable_receipt(poetry: Poetry, project: Project, pypi: Index) -> None:
    """If the receipt cannot be written, nothing is sent."""
    project.build()
    (project.path / "file").write_text("", encoding="utf-8")
    run = publish(poetry, project, pypi, "--receipt", project.path / "file" / "receipt.json")
    ended(run, 3)
    assert "receipt" in run.said.lower()
    assert pypi.stored("lantern") == {}


def test_receipt_does_not_replace_what_is_built(
    poetry: Poetry, project: Project, pypi: Index
) -> None:
    """A file that the build makes at the receipt's path stays, and is sent."""
    place = project.dist / "lantern-1.0.tar.gz"
    run = publish(poetry, project, pypi, "--build", "--receipt", place)
    ended(run, 0)
    assert "Warning PV209" in run.err
    assert "Receipt:" not in run.said
    assert pypi.stored("lantern") == project.hashes()
    assert place.name in project.filenames


@pytest.mark.parametrize(
    ("command", "kind"),
    some(
        3,
        [
            ("publish", "pipe"),
            ("wait", "pipe"),
            ("publish", "/dev/stdout"),
            ("wait", "/dev/stdout"),
            *(("publish", device) for device in ("/dev/fd/2", "/dev/tty", "/dev/zero")),
            *(("wait", device) for device in ("/dev/fd/2", "/dev/tty", "/dev/zero")),
        ],
    ),
)
def test_receipt_that_is_no_file(
    poetry: Poetry, project: Project, pypi: Index, tmp_path: Path, kind: str, command: str
) -> None:
    """A pipe or a device is refused before anything is sent, and nothing waits for a reader."""
    project.build()
    place = tmp_path / kind
    if kind == "pipe":
        os.mkfifo(place)
    if command == "wait":
        named = ("--dist-dir", project.dist, "--index", pypi.simple_url)
        run = poetry.run("publish-verified", "wait", *named, "--receipt", place, cwd=project.path)
    else:
        run = publish(poetry, project, pypi, "--receipt", place)
    ended(run, 3)
    assert "PV209" in run.err
    assert "--format json" in run.err
    assert pypi.stored("lantern") == {}


def test_no_receipt(poetry: Poetry, project: Project, pypi: Index) -> None:
    """/dev/null takes it."""
    project.build()
    ended(publish(poetry, project, pypi, "--receipt", "/dev/null"), 0)
    assert not project.receipt_file.exists()


@pytest.mark.parametrize(
    "name",
    some(
        2,
        ["{}/outside/evil", "../../../outside/evil", "a/../../../../outside/x", "a\\\\b", "-a"],
    ),
)
def test_name_that_is_a_path(poetry: Poetry, pypi: Index, tmp_path: Path, name: str) -> None:
    """It is refused, and nothing is written anywhere."""
    root = tmp_path / "some" / "deep" / "project"
    root.mkdir(parents=True)
    table = f'[tool.poetry]\nname = "{name.format(tmp_path)}"\nversion = "1.0"\nauthors = []\n'
    (root / "pyproject.toml").write_text(f'{table}description = ""\n', encoding="utf-8")
    run = publish(poetry, Project(root, "evil", "1.0"), pypi)
    ended(run, 3)
    assert "PV207" in run.err
    assert [path.name for path in root.iterdir()] == ["pyproject.toml"]
    assert not list(tmp_path.rglob("outside*"))


@pytest.mark.parametrize("place", ["url", "option", "environment"])
def test_wrong_password(
    poetry: Poetry, project: Project, pypi: Index, proxy: FaultProxy, place: str
) -> None:
    """It ends in 4 after one try, says so, and the password appears nowhere."""
    project.build()
    secret = "very-secret-99"
    through = pypi.behind(proxy.origin)
    url = through.upload_url.replace("http://", f"http://harbour:{secret}@")
    run = {
        "url": lambda: publish(poetry, project, Index(url, "")),
        "option": lambda: publish(poetry, project, through, "-u", "harbour", "-p", secret),
        "environment": lambda: publish(
            poetry, project, Index(through.upload_url, "", "harbour", secret)
        ),
    }[place]()
    refused(run, project.receipt(), "password", code=4)
    assert len(proxy.uploads) == 1
    assert pypi.stored("lantern") == {}
    release = holds(project.receipt(), "upload-failed", 4)
    assert uploads(release) == {project.wheel: "failed", project.sdist: "not-sent"}
    assert secret not in run.said
    assert secret not in json.dumps(project.receipt())


def test_wrong_password_and_a_large_file(poetry: Poetry, project: Project, pypi: Index) -> None:
    """A server that answers and closes before it has read the file is heard the first time."""
    (project.path / "lantern" / "film.bin").write_bytes(os.urandom(9_000_000))
    project.build()
    run = publish(poetry, project, Index(pypi.upload_url, "", "harbour", "wrong"))
    refused(run, project.receipt(), "password", code=4)
    assert {problem["code"] for problem in problems(project.receipt())} == {"PV401"}
    assert "attempt" not in run.said
    assert "checking whether" not in run.said


@pytest.mark.parametrize(
    ("place", "words"),
    [("https://127.0.0.1:1/", "repositories.harbour https"), ("http://sso.example/in?a=b", "sso")],
)
def test_upload_url_that_redirects(
    poetry: Poetry, project: Project, proxy: FaultProxy, behind: Index, place: str, words: str
) -> None:
    """A redirect that would meet every upload is reported before the first, with its target."""
    project.build()
    proxy.on(
        lambda request: request.path == "/",
        lambda _: Answer(302, headers={"Location": place}),
    )
    run = publish(poetry, project, behind)
    refused(run, project.receipt(), words)
    assert {problem["code"] for problem in problems(project.receipt())} == {"PV406"}
    assert "a=b" not in run.said
    assert proxy.uploads == []


@pytest.mark.parametrize("place", ["/users/sign_in", "http://login.example/oauth2"])
def test_index_that_redirects_to_a_sign_in_page(
    poetry: Poetry, project: Project, proxy: FaultProxy, behind: Index, place: str
) -> None:
    """What such an index holds is unknown, so nothing is sent."""
    project.build()
    proxy.answer(is_page, Answer(302, headers={"Location": place}))
    run = publish(poetry, project, behind)
    refused(run, project.receipt(), "http-basic.harbour")
    assert f"sign-in page, {place if '//' in place else proxy.origin + place}" in run.said
    assert proxy.uploads == []


@pytest.mark.parametrize(
    "options",
    [
        ("-r", "http://me:topsecret@index.example/"),
        ("--index", "me:topsecret@index.example/simple"),
        ("--index", "ftp://me:topsecret@index.example/simple"),
    ],
)
def test_url_instead_of_a_name(
    poetry: Poetry, project: Project, pypi: Index, options: tuple[str, str]
) -> None:
    """It is refused, and its password is not shown."""
    project.build()
    run = publish(poetry, project, pypi, *options)
    ended(run, 3)
    assert "topsecret" not in run.said
    assert "topsecret" not in json.dumps(project.receipt())
    assert pypi.stored("lantern") == {}


@pytest.mark.parametrize("name", ["pyproject.toml", "."])
def test_receipt_replaces_only_receipts(
    poetry: Poetry, project: Project, pypi: Index, name: str
) -> None:
    """Any other file or a directory is left as it is, and nothing is sent."""
    project.build()
    before = (project.path / "pyproject.toml").read_bytes()
    run = publish(poetry, project, pypi, "--receipt", name)
    ended(run, 3)
    assert "receipt" in run.said.lower()
    assert (project.path / "pyproject.toml").read_bytes() == before
    assert pypi.stored("lantern") == {}


def test_format_and_receipt_from_pyproject(poetry: Poetry, pypi: Index, tmp_path: Path) -> None:
    """Both apply from the start: JSON from the first line, and only one receipt."""
    more = '\n[tool.publish-verified]\nformat = "json"\nreceipt = "out/receipt.json"\n'
    project = make_project(tmp_path / "set", more=more)
    project.build()
    run = publish(poetry, project, pypi)
    ended(run, 0)
    events = [json.loads(line) for line in run.out.splitlines()]
    assert events[-1]["event"] == "receipt"
    receipt = json.loads((project.path / "out" / "receipt.json").read_text(encoding="utf-8"))
    holds(receipt, "verified", 0)
    assert not (project.path / "dist" / ".publish-verified").exists()
