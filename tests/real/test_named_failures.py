"""Each wrong listing has its own code; pages of real servers, altered."""

from __future__ import annotations

import copy
import hashlib
import html
import json
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from tests.beds.proxy import JSON_PAGE, Answer, is_file, is_page
from tests.beds.release import TOO_SHORT, ended, holds, problems, publish
from tests.thorough import some

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.beds.indexes import Index
    from tests.beds.poetry import Poetry
    from tests.beds.projects import Project
    from tests.beds.proxy import Exchange, FaultProxy
    from tests.conftest import MakeProxy

OTHER = "0" * 64
# Looks at a page: one before the upload, and two per client.
AT_ONCE = 1 + 3 * 2
METADATA = b"Metadata-Version: 2.1\nName: lantern\nVersion: 1.0\nRequires-Dist: rope\n"


def edit_json(proxy: FaultProxy, edit: Callable[[dict[str, Any]], None]) -> None:
    """Alter JSON pages on their way."""

    def act(exchange: Exchange) -> Answer:
        answer = exchange.forward()
        if answer.status != 200 or not answer.headers["Content-Type"].startswith(JSON_PAGE):
            return answer
        assert isinstance(answer.body, bytes)
        page = json.loads(answer.body)
        edit(page)
        return Answer(200, json.dumps(page).encode(), headers=answer.headers)

    proxy.on(is_page, act)


def edit_html(proxy: FaultProxy, edit: Callable[[str], str]) -> None:
    """Alter HTML pages on their way."""

    def act(exchange: Exchange) -> Answer:
        answer = exchange.forward()
        if answer.status == 200 and isinstance(answer.body, bytes):
            answer.body = edit(answer.body.decode()).encode()
        return answer

    proxy.on(is_page, act)


def link_attribute(filename: str, attribute: str, value: str) -> Callable[[str], str]:
    """An edit that adds one attribute to the file's link."""

    def edit(page: str) -> str:
        start, link, rest = page.partition(f'href="/packages/{filename}')
        return f'{start}{attribute}="{html.escape(value)}" {link}{rest}'

    return edit


def entry(page: dict[str, Any], filename: str) -> dict[str, Any]:
    """The file's entry on a JSON page."""
    (found,) = [file for file in page["files"] if file["filename"] == filename]
    assert isinstance(found, dict)
    return found


def metadata_of(project: Project) -> bytes:
    """METADATA from the wheel."""
    with zipfile.ZipFile(project.dist / project.wheel) as archive:
        return archive.read(f"lantern-{project.version}.dist-info/METADATA")


def failed(project: Project, code: str) -> dict[str, Any]:
    """Check that the run failed for only this reason; return the problem."""
    holds(project.receipt(), "verification-failed", 7)
    (problem,) = problems(project.receipt())
    assert problem["code"] == code, problem
    assert problem["remedy"]
    return problem


@pytest.fixture
def json_index(devpi: Index, project: Project, make_proxy: MakeProxy) -> tuple[Index, FaultProxy]:
    """A devpi, which has JSON pages, behind a proxy; the project is built."""
    project.build()
    proxy = make_proxy(devpi.origin)
    return devpi.behind(proxy.origin), proxy


@pytest.fixture
def html_index(pypi: Index, project: Project, proxy: FaultProxy) -> tuple[Index, FaultProxy]:
    """The same with a pypiserver, which has HTML pages."""
    project.build()
    return pypi.behind(proxy.origin), proxy


@pytest.mark.parametrize(
    ("field", "value", "code", "words"),
    some(
        3,
        [
            ("yanked", "it sank", "PV708", "as yanked (it sank)"),
            ("hashes", {"sha256": OTHER}, "PV701", f"with sha256 {OTHER}"),
            ("requires-python", ">=2.7", "PV710", "requires-python '>=2.7'"),
            ("size", 7, "PV713", "a size of 7 bytes"),
            ("yanked", True, "PV708", "as yanked, so"),
            ("core-metadata", {"sha256": OTHER}, "PV711", f"metadata of sha256 {OTHER}"),
            ("dist-info-metadata", {"sha256": OTHER}, "PV711", f"metadata of sha256 {OTHER}"),
        ],
    ),
)
def test_wrong_field_in_json(
    poetry: Poetry,
    project: Project,
    json_index: tuple[Index, FaultProxy],
    field: str,
    value: object,
    code: str,
    words: str,
) -> None:
    """A JSON field that differs from the file ends in 7, and both values are reported."""
    index, proxy = json_index
    edit_json(proxy, lambda page: entry(page, project.wheel).__setitem__(field, value))
    run = publish(poetry, project, index)
    ended(run, 7)
    assert len(proxy.pages) <= AT_ONCE
    problem = failed(project, code)
    assert problem["filename"] == project.wheel
    assert words in problem["message"]
    assert words in run.err


@pytest.mark.parametrize(
    ("attribute", "value", "code"),
    [
        ("data-yanked", "it sank", "PV708"),
        ("data-yanked", "", "PV708"),
        ("data-requires-python", ">=2.7", "PV710"),
        ("data-core-metadata", f"sha256={OTHER}", "PV711"),
        ("data-dist-info-metadata", f"sha256={OTHER}", "PV711"),
    ],
)
def test_wrong_attribute_in_html(
    poetry: Poetry,
    project: Project,
    html_index: tuple[Index, FaultProxy],
    attribute: str,
    value: str,
    code: str,
) -> None:
    """The same on an HTML page."""
    index, proxy = html_index
    edit_html(proxy, link_attribute(project.wheel, attribute, value))
    ended(publish(poetry, project, index), 7)
    assert failed(project, code)["filename"] == project.wheel


@pytest.mark.parametrize("files", ["listed", "not listed"])
def test_quarantine_in_json(
    poetry: Poetry, project: Project, json_index: tuple[Index, FaultProxy], files: str
) -> None:
    """A quarantined project ends in 7 at once, even if its files are still listed."""
    index, proxy = json_index

    def edit(page: dict[str, Any]) -> None:
        page["project-status"] = {"status": "quarantined", "reason": "holes in the hull"}
        page["files"] = page["files"] if files == "listed" else []

    edit_json(proxy, edit)
    ended(publish(poetry, project, index), 7)
    assert len(proxy.pages) <= AT_ONCE
    assert "quarantined the project (holes in the hull)" in failed(project, "PV709")["message"]


def test_quarantine_in_html(
    poetry: Poetry, project: Project, html_index: tuple[Index, FaultProxy]
) -> None:
    """The same on an HTML page, by its meta tags."""
    index, proxy = html_index
    tags = (
        '<meta name="pypi:project-status" content="quarantined">'
        '<meta name="pypi:project-status-reason" content="holes in the hull">'
    )
    edit_html(proxy, lambda page: page.replace("<head>", f"<head>{tags}", 1))
    ended(publish(poetry, project, index), 7)
    assert "quarantined the project (holes in the hull)" in failed(project, "PV709")["message"]


@pytest.mark.parametrize("status", ["archived", "deprecated"])
def test_archived_or_deprecated_project(
    poetry: Poetry, project: Project, json_index: tuple[Index, FaultProxy], status: str
) -> None:
    """An archived or deprecated project is a warning and no failure."""
    index, proxy = json_index
    edit_json(proxy, lambda page: page.__setitem__("project-status", {"status": status}))
    run = publish(poetry, project, index)
    ended(run, 0)
    (problem,) = problems(project.receipt())
    assert (problem["code"], problem["severity"]) == ("PV714", "warning")
    assert f"marks the project as {status}" in run.err


@pytest.mark.parametrize("right", [True, False])
def test_metadata_file(
    poetry: Poetry, project: Project, json_index: tuple[Index, FaultProxy], right: bool
) -> None:
    """A wheel's `.metadata` must equal the wheel's METADATA, whatever the page says."""
    index, proxy = json_index
    own = metadata_of(project)
    told = {"sha256": hashlib.sha256(own).hexdigest()}
    edit_json(proxy, lambda page: entry(page, project.wheel).__setitem__("core-metadata", told))
    proxy.answer(is_file(f"{project.wheel}.metadata"), Answer(200, own if right else METADATA))
    run = publish(poetry, project, index, "-v")
    asked = [r for r in proxy.requests if r.path.endswith(f"{project.wheel}.metadata")]
    assert len(asked) == 1
    if right:
        ended(run, 0)
        assert f"{project.wheel}.metadata matches the file" in run.out
    else:
        ended(run, 7)
        other = hashlib.sha256(METADATA).hexdigest()
        assert other in failed(project, "PV712")["message"]


def test_missing_metadata_file(
    poetry: Poetry, project: Project, json_index: tuple[Index, FaultProxy]
) -> None:
    """Metadata that is offered but not served is waited for, and ends in 6."""
    index, proxy = json_index
    edit_json(proxy, lambda page: entry(page, project.wheel).__setitem__("core-metadata", True))
    proxy.answer(is_file(f"{project.wheel}.metadata"), Answer(404))
    ended(publish(poetry, project, index, *TOO_SHORT), 6)
    holds(project.receipt(), "not-visible", 6)
    (problem,) = problems(project.receipt())
    assert problem["code"] == "PV602"


@pytest.mark.parametrize("strict", [False, True])
def test_unexpected_file(
    poetry: Poetry, project: Project, json_index: tuple[Index, FaultProxy], strict: bool
) -> None:
    """A file of this version that was not built here is a warning, with --strict a failure."""
    index, proxy = json_index
    more = project.wheel.replace("py3-none-any", "py3-none-win32")

    def edit(page: dict[str, Any]) -> None:
        one = copy.deepcopy(entry(page, project.wheel)) if page["files"][1:] else None
        page["files"] += [one | {"filename": more}] if one else []

    edit_json(proxy, edit)
    run = publish(poetry, project, index, *(["--strict"] if strict else []))
    ended(run, 7 if strict else 0)
    (problem,) = problems(project.receipt())
    assert problem["code"] == "PV706"
    assert problem["severity"] == ("error" if strict else "warning")
    assert more in problem["message"]
    assert more in run.err
