"""Hooks and notifications of real runs."""

from __future__ import annotations

import json
import os
import stat
import sys
from typing import TYPE_CHECKING

from tests.beds.projects import make_project
from tests.beds.proxy import Answer
from tests.beds.release import ended, publish

if TYPE_CHECKING:
    from pathlib import Path

    from tests.beds.indexes import Index
    from tests.beds.poetry import Poetry
    from tests.beds.projects import Project
    from tests.beds.proxy import Exchange, Request
    from tests.conftest import MakeProxy

KNOWN = ("RECEIPT", "VERDICT", "NAME", "VERSION", "EXIT_CODE")


def hook(directory: Path, *more: str) -> tuple[Path, Path]:
    """A program that writes what it is told to a file; and that file."""
    told = directory / "told.json"
    program = directory / "my größe" / "announce"
    known = "{k: os.environ['PUBLISH_VERIFIED_' + k] for k in " + repr(KNOWN) + "}"
    lines = [
        f"#!{sys.executable}",
        "import json, os, sys",
        f"json.dump({known} | {{'argv': sys.argv[1:]}}, open({str(told)!r}, 'w'))",
        *more,
    ]
    program.parent.mkdir(exist_ok=True)
    program.write_text("\n".join(lines) + "\n", encoding="utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program, told


def test_hook_and_notification_of_a_success(
    poetry: Poetry, pypi: Index, make_proxy: MakeProxy, tmp_path: Path
) -> None:
    """Both get the receipt. A hook that fails and prints secrets is shown, and changes nothing."""
    program, told = hook(
        tmp_path,
        "print('announced with', os.environ['POETRY_HTTP_BASIC_HARBOUR_PASSWORD'])",
        "print('::error::' + os.environ['NOTIFY_SECRET'])",
        "assert 'HARBOUR_ID_TOKEN' not in os.environ",
        "raise SystemExit(7)",
    )
    chat = make_proxy(pypi.origin)
    posts: list[Request] = []
    answers = iter([500, 200])

    def take(exchange: Exchange) -> Answer:
        posts.append(exchange.request)
        return Answer(next(answers), b"ok")

    chat.on(lambda request: request.method == "POST", take)
    command = json.dumps([str(program), "a b", "$HOME"], ensure_ascii=False)
    more = f"[tool.publish-verified]\non-success = {command}\n"
    project = make_project(tmp_path / "lantern", more=more)
    told_poetry = poetry.with_variables(
        POETRY_PUBLISH_VERIFIED_NOTIFY_URL=f"{chat.origin}/hooks/a-secret-place",
        NOTIFY_SECRET="a-secret-of-the-hook",
        HARBOUR_ID_TOKEN="what the index takes for this job",
    )
    run = publish(told_poetry, project, pypi, "--build", "-v", until="listed")
    ended(run, 0)
    receipt = project.receipt()
    known = json.loads(told.read_text(encoding="utf-8"))
    assert known.pop("argv") == ["a b", "$HOME"]
    assert known.pop("RECEIPT") == str(project.receipt_file)
    assert known == {
        "VERDICT": "verified", "EXIT_CODE": "0", "NAME": "lantern", "VERSION": "1.0",
    }  # fmt: skip
    bodies = [json.loads(request.body) for request in posts]
    assert len(bodies) == 2
    text = bodies[0].pop("text")
    assert text == "verified: lantern 1.0 is listed"
    assert bodies[0] == receipt
    assert "announced with ***" in run.said
    assert (
        f"Warning PV104: The on-success program {program} failed: it ended with exit code 7."
        in (" ".join(run.err.split()))
    )
    for secret in ("a-secret-of-the-hook", "a-secret-place", pypi.password or "?"):
        assert secret not in run.said
    assert "\n::error::" not in run.said


def test_hook_and_notification_of_a_failure(
    poetry: Poetry, project: Project, pypi: Index, make_proxy: MakeProxy, tmp_path: Path
) -> None:
    """A server that refuses and a hook that hangs change neither the exit code nor the receipt."""
    program, told = hook(tmp_path, "import time", "time.sleep(1000)")
    chat = make_proxy(pypi.origin)
    chat.on(lambda request: request.method == "POST", lambda _: Answer(404, b"no_service"))
    run = publish(
        poetry, project, pypi,
        *("--on-failure", f"'{program}'", "--hook-timeout", "1s"),
        *("--notify-url", f"{chat.origin}/hooks/x"),
        *("--format", "json", "--receipt", str(tmp_path / "receipt.json")),
    )  # fmt: skip
    ended(run, 3)
    known = json.loads(told.read_text(encoding="utf-8"))
    assert (known["VERDICT"], known["EXIT_CODE"]) == ("preflight-refused", "3")
    assert known["RECEIPT"] == str(tmp_path / "receipt.json")
    assert "it did not end within 1 s" in run.err
    assert "Warning PV105" in run.err
    assert "the server answered 404" in run.err
    last = json.loads(run.out.splitlines()[-1])
    assert (last["event"], last["verdict"]) == ("receipt", "preflight-refused")


def test_no_hook_where_nothing_is_published(poetry: Poetry, pypi: Index, tmp_path: Path) -> None:
    """A dry run tells nobody, and a run that a hook starts has no hooks of its own."""
    project = make_project(tmp_path / "lantern")
    program, told = hook(tmp_path)
    options = ("--on-failure", f"'{program}'", "--on-success", f"'{program}'")
    ended(publish(poetry, project, pypi, "--build", "--dry-run", *options), 0)
    nested = poetry.with_variables(PUBLISH_VERIFIED_VERDICT="verified")
    ended(publish(nested, project, pypi, "--build", *options, until="listed"), 0)
    assert not told.exists()
    assert os.listdir(tmp_path / "my größe") == ["announce"]  # noqa: PTH208
