"""Truncated uploads to a server that stores whatever it received."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from poetry_publish_verified.adapters.http import Http
from poetry_publish_verified.adapters.pace import Pace, SystemClock
from poetry_publish_verified.adapters.repository import HttpRepository
from poetry_publish_verified.core.urls import Access, RepositoryTarget
from tests.adapters.loopback import Request, serving
from tests.beds.processes import HANG
from tests.core.distributions import WHEEL, distribution

if TYPE_CHECKING:
    from pathlib import Path

CONTENT = bytes(range(256)) * 20
# Gives pypiserver a body as gunicorn does, even if it is shorter than announced, and shows what it
# stores. It runs in its own process because it changes how modules are imported.
STORE = """
import io, json, sys
from pathlib import Path
from wsgiref.util import setup_testing_defaults
import pypiserver

root, kind, cuts = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
body, packages = (root / "body").read_bytes(), root / "packages"
app = pypiserver.app(roots=[packages], authenticate=[], password_file=".")
stored = {}
for cut in [*cuts, len(body)]:
    environ = {
        "REQUEST_METHOD": "POST",
        "CONTENT_TYPE": kind,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body[:cut]),
    }
    setup_testing_defaults(environ)
    list(app(environ, lambda *_: None))
    for path in packages.iterdir():
        stored.setdefault(cut, []).append((path.name, path.stat().st_size))
        path.unlink()
print(json.dumps(stored))
"""


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, bytes]:
    """An upload as sent over the wire: its content type and its body."""
    directory = tmp_path_factory.mktemp("dist")
    (directory / WHEEL).write_bytes(CONTENT)
    got: list[tuple[str, bytes]] = []

    async def taking(request: Request) -> None:
        got.append((request.headers["content-type"], await request.body()))
        await request.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async def story() -> None:
        async with (
            serving(taking) as server,
            Http("tester/1", HANG, lambda _: None, Pace(SystemClock())) as http,
        ):
            target = RepositoryTarget("harbour", server.url, Access())
            repository = HttpRepository(http, target, directory)
            await repository.upload(distribution(WHEEL, CONTENT), lambda _: None)

    asyncio.run(story())
    ((kind, body),) = got
    return kind, body


def test_truncated_upload_is_not_stored(sent: tuple[str, bytes], tmp_path: Path) -> None:
    """Wherever it is cut off, no partial file is stored; a complete one is."""
    kind, body = sent
    end_of_action = body.rindex(b"file_upload") + len(b"file_upload")
    cuts = sorted({*range(0, end_of_action, 97), *range(end_of_action - 300, end_of_action)})
    (tmp_path / "body").write_bytes(body)
    (tmp_path / "packages").mkdir()
    command = [sys.executable, "-W", "ignore", "-c", STORE, str(tmp_path), kind, json.dumps(cuts)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {str(len(body)): [[WHEEL, len(CONTENT)]]}
