"""An index that is named is the one that is asked, wherever files are uploaded to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.beds.indexes import Index
from tests.beds.proxy import Answer
from tests.beds.release import ended, holds, problems, publish

if TYPE_CHECKING:
    from tests.beds.poetry import Poetry
    from tests.beds.projects import Project
    from tests.conftest import MakeProxy


def test_named_index_elsewhere(
    poetry: Poetry, project: Project, pypi: Index, make_proxy: MakeProxy
) -> None:
    """The guess beside the upload URL is never asked, and a second run sends nothing."""
    project.build()
    hosted = make_proxy(pypi.origin)
    hosted.on(lambda request: request.method == "GET", lambda _: Answer(404, b"nothing here"))
    at = Index(hosted.origin + "/", "", pypi.username, pypi.password)
    options = ("--index", pypi.simple_url)
    ended(publish(poetry, project, at, *options), 0)
    release = holds(project.receipt(), "verified", 0)
    assert [index["url"] for index in release["indexes"]] == [pypi.simple_url]
    sent = len(hosted.uploads)
    assert not [request for request in hosted.requests if "/simple/" in request.path]
    ended(publish(poetry, project, at, *options), 0)
    assert len(hosted.uploads) == sent


def test_wrong_guess(poetry: Poetry, project: Project, pypi: Index, make_proxy: MakeProxy) -> None:
    """Without a named index, a guess that is wrong is refused before anything is sent."""
    project.build()
    hosted = make_proxy(pypi.origin)
    hosted.on(lambda request: request.method == "GET", lambda _: Answer(404, b"nothing here"))
    at = Index(hosted.origin + "/", "", pypi.username, pypi.password)
    run = publish(poetry, project, at)
    ended(run, 3)
    assert not hosted.uploads
    (problem,) = problems(project.receipt())
    assert problem["code"] == "PV303"
    assert f"{hosted.origin}/simple/" in problem["message"]
