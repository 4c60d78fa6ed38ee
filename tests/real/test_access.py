"""Credentials and certificates come from the same places as for `poetry publish`."""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING

import certifi
import pytest

from tests.beds.indexes import PASSWORD, USER, Index, pypiserver
from tests.beds.projects import make_project
from tests.beds.release import ended, holds, publish
from tests.thorough import some

if TYPE_CHECKING:
    from pathlib import Path

    from tests.beds.poetry import Poetry
    from tests.beds.projects import Project
    from tests.conftest import MakeProxy

CALL = ("publish-verified", "--no-interaction", "-r", "harbour", "--until", "downloadable")


def test_command_line_credentials(poetry: Poetry, project: Project, pypi: Index) -> None:
    """`--username` and `--password` come before everything else."""
    project.build()
    wrong = Index(pypi.upload_url, "", "nobody", "nothing")
    ended(publish(poetry, project, wrong, "--username", USER, "--password", PASSWORD), 0)
    holds(project.receipt(), "verified", 0)
    assert pypi.stored("lantern") == project.hashes()


def test_poetry_config(poetry: Poetry, project: Project, pypi: Index) -> None:
    """The repository and credentials that `poetry config` stored are used."""
    project.build()
    for setting in (
        ("repositories.harbour", pypi.upload_url),
        ("http-basic.harbour", USER, PASSWORD),
    ):
        ended(poetry.run("config", *setting, cwd=project.path), 0)
    ended(poetry.run(*CALL, cwd=project.path), 0)
    assert pypi.stored("lantern") == project.hashes()


def test_pypi_token(poetry: Poetry, project: Project, pypi: Index, make_proxy: MakeProxy) -> None:
    """A token is sent as user `__token__`, and refused here like any wrong password."""
    project.build()
    proxy = make_proxy(pypi.origin)
    with_token = poetry.with_variables(
        POETRY_REPOSITORIES_HARBOUR_URL=f"{proxy.origin}/", POETRY_PYPI_TOKEN_HARBOUR="pypi-abc"
    )
    run = with_token.run(*CALL, cwd=project.path)
    ended(run, 4)
    assert [r.headers["authorization"] for r in proxy.uploads] == ["Basic X190b2tlbl9fOnB5cGktYWJj"]
    assert "pypi-abc" not in run.said


def test_netrc(poetry: Poetry, project: Project, tmp_path: Path) -> None:
    """`~/.netrc` is used for the index, as in Poetry and pip, if nothing else is configured."""
    project.build()
    with pypiserver(tmp_path / "closed", protect="update,download,list") as index:
        poetry.call_environment()
        netrc = poetry.home / ".netrc"
        netrc.write_text(
            f"machine 127.0.0.1 login {USER} password {PASSWORD!r}\n".replace("'", '"')
        )
        netrc.chmod(0o600)
        bare = Index(index.upload_url, index.simple_url)
        ended(publish(poetry, project, bare), 0)
        assert index.stored("lantern") == project.hashes()


def test_source_with_the_repositorys_name(
    poetry: Poetry, pypi: Index, make_proxy: MakeProxy, tmp_path: Path
) -> None:
    """A Poetry source with the repository's name is the index that must show the release."""
    mirror = make_proxy(pypi.origin)
    project = make_project(
        tmp_path / "source",
        more=f"""
[[tool.poetry.source]]
name = "harbour"
url = "{mirror.origin}/simple/"
priority = "explicit"
""",
    )
    project.build()
    ended(publish(poetry, project, pypi), 0)
    release = holds(project.receipt(), "verified", 0)
    assert [index["url"] for index in release["indexes"]] == [f"{mirror.origin}/simple/"]
    assert mirror.pages


@pytest.mark.parametrize("place", some(2, ["requests", "option", "first", "config", "environment"]))
def test_certificate_authority(
    poetry: Poetry,
    project: Project,
    open_pypi: Index,
    make_proxy: MakeProxy,
    authority: tuple[ssl.SSLContext, Path],
    place: str,
) -> None:
    """A custom CA is trusted where it is configured, by pip too, and nowhere else."""
    context, file = authority
    project.build()
    through = open_pypi.behind(make_proxy(open_pypi.origin, context).origin)
    refused = publish(poetry, project, through)
    assert refused.code in {3, 4}, refused.said
    assert "certificate" in refused.said.lower()
    assert open_pypi.stored("lantern") == {}
    options: tuple[str, ...] = ()
    if place == "option":
        options = (*options, "--cert", os.path.relpath(file, project.path))
    if place == "first":
        options = (*options, "--cert", str(file))
    if place == "first":
        poetry = poetry.with_variables(REQUESTS_CA_BUNDLE=certifi.where())
    if place == "config":
        ended(poetry.run("config", "certificates.harbour.cert", file, cwd=project.path), 0)
    if place == "environment":
        poetry = poetry.with_variables(POETRY_CERTIFICATES_HARBOUR_CERT=str(file))
    if place == "requests":
        poetry = poetry.with_variables(REQUESTS_CA_BUNDLE=os.path.relpath(file, project.path))
    ended(publish(poetry, project, through, *options, until="installable"), 0)
    holds(project.receipt(), "verified", 0)
    assert open_pypi.stored("lantern") == project.hashes()


def test_untrusted_certificate_ends_a_wait(
    poetry: Poetry,
    tmp_path: Path,
    open_pypi: Index,
    make_proxy: MakeProxy,
    authority: tuple[ssl.SSLContext, Path],
) -> None:
    """A wait of 15 minutes ends at once, with the cause and what to do."""
    proxy = make_proxy(open_pypi.origin, authority[0])
    index = f"{proxy.origin}/simple/"
    run = poetry.run("publish-verified", "wait", "lantern==1.0", "--index", index, cwd=tmp_path)
    ended(run, 6)
    assert "PV605" in run.said
    assert "certificate is not trusted" in run.said
    assert "REQUESTS_CA_BUNDLE" in run.said


def test_invalid_certificate_file(
    poetry: Poetry, project: Project, pypi: Index, tmp_path: Path
) -> None:
    """A missing or empty certificate file is refused by name."""
    project.build()
    empty = tmp_path / "empty.pem"
    empty.write_text("", encoding="utf-8")
    for file in (empty, tmp_path / "missing.pem"):
        run = publish(poetry, project, pypi, "--cert", file)
        ended(run, 3)
        assert str(file) in run.said
    assert pypi.stored("lantern") == {}


def test_no_proxy_with_address_ranges(poetry: Poetry, project: Project, pypi: Index) -> None:
    """An address range in no_proxy bypasses the proxy, as with `poetry publish`."""
    project.build()
    around = poetry.with_variables(
        http_proxy="http://127.0.0.1:1", all_proxy="socks5://127.0.0.1:1", no_proxy="127.0.0.0/8"
    )
    ended(publish(around, project, pypi), 0)
