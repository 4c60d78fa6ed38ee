"""What most release tests do: publish, then check the result, the receipt and the index."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.beds.environments import share_pip

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.beds.indexes import Index
    from tests.beds.poetry import Poetry, Run
    from tests.beds.projects import Project
    from tests.beds.publishing import TrustedIndex

REPOSITORY = "harbour"
# For runs that must time out. Each single answer must still fit, even on a busy machine.
TOO_SHORT = ("--timeout", "5s")


def publish(
    poetry: Poetry,
    project: Project,
    index: Index,
    *options: str | Path,
    repository: str = REPOSITORY,
    until: str | None = "downloadable",
) -> Run:
    """Call `poetry publish-verified` for the index, with its credentials in the environment.

    Few tests are about clients, so none is asked unless `until` says so; None is the default.
    """
    if until in {"installable", None}:
        share_pip(poetry.home / "cache/publish-verified/clients", poetry.environment.python)
    if until is not None:
        options = ("--until", until, *options)
    poetry = poetry.with_variables(**index.environment(repository))
    return poetry.run(
        "publish-verified", "--no-interaction", "-r", repository, *options, cwd=project.path
    )


def ended(run: Run, code: int) -> None:
    """Check that the run ended with this code, without a traceback or escape codes."""
    assert run.code == code, f"exit code {run.code} instead of {code}\n{run.said}"
    assert "Traceback" not in run.said, run.said
    assert "\x1b" not in run.said, run.said


def holds(receipt: Mapping[str, Any], verdict: str, code: int | None) -> dict[str, Any]:
    """Check the receipt's verdict and exit code; return its only release."""
    assert (receipt["verdict"], receipt["exit_code"]) == (verdict, code), receipt
    (release,) = receipt["releases"]
    assert isinstance(release, dict)
    return release


def uploads(release: Mapping[str, Any]) -> dict[str, str]:
    """The upload state of each file, by file name."""
    return {file["filename"]: file["upload"] for file in release["distributions"]}


def problems(receipt: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All problems of a receipt, including those of no release."""
    return [*receipt["problems"], *(p for r in receipt["releases"] for p in r["problems"])]


def keeps_secrets(run: Run, trusted: TrustedIndex, *folders: Path) -> None:
    """Check that no token is in the output, but in orders to mask it, nor in any file."""
    masks = [f"::add-mask::{token}" for token in (*trusted.identities, *trusted.minted)]
    said = [line for line in run.said.splitlines() if line not in masks]
    files = [path.read_bytes() for each in folders for path in each.rglob("*") if path.is_file()]
    for token in (*trusted.identities, *trusted.minted):
        assert token not in "\n".join(said)
        assert not any(token.encode() in content for content in files)
