"""What tests of real clients share: wheels on an index, and a clean environment."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import urllib.parse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from poetry_publish_verified.adapters.clients.shared import ClientSetup
from poetry_publish_verified.adapters.pace import Pace, SystemClock
from poetry_publish_verified.core.distribution import parse_filename
from poetry_publish_verified.core.urls import Access, IndexTarget
from poetry_publish_verified.core.verification import ClientRequest, pip_target
from tests.beds.distributions import WheelSource
from tests.beds.processes import HANG

if TYPE_CHECKING:
    from tests.beds.indexes import Index

# Prefer the uv next to the tests' Python: `make` installs it there.
UV = os.environ.get("UV") or str(
    shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
)
_SCRUBBED = ("UV_", "PIP_", "XDG_", "SSL_CERT", "POETRY_")
_SCRUBBED_ENDS = ("_PROXY", "_CA_BUNDLE")


def clean_environment(home: Path, **more: str) -> dict[str, str]:
    """This process's environment with its own home and without any client settings."""
    home.mkdir(exist_ok=True)
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.upper().startswith(_SCRUBBED) and not key.upper().endswith(_SCRUBBED_ENDS)
    }
    return kept | {"HOME": str(home)} | more


def setup(directory: Path, target: IndexTarget, **environment: str) -> ClientSetup:
    """A client for one index, with its own home next to `directory`."""
    return ClientSetup(
        directory=directory,
        kept_in=directory.parent / "kept",
        environment=clean_environment(directory.parent / "home", **environment),
        indexes={target.url: target},
        pace=Pace(SystemClock()),
    )


def wheel_bytes(filename: str) -> bytes:
    """An installable wheel; its bytes depend on the whole file name."""
    name, version, tag = filename.removesuffix(".whl").split("-", 2)
    return WheelSource(name, version, {f"{name}.py": f"# {filename}\n"}, tag=tag).content()


def wheel_wanted(filename: str, body: bytes) -> ClientRequest:
    """What a client is asked to fetch."""
    parsed = parse_filename(filename)
    target = pip_target(parsed, None)
    assert target is not None
    sha256 = hashlib.sha256(body).hexdigest()
    return ClientRequest(filename, sha256, parsed.name, str(parsed.version), target)


def put_wheel(index: Index, filename: str) -> ClientRequest:
    """Put a wheel on the index: into pypiserver's directory, or onto devpi by an upload."""
    body = wheel_bytes(filename)
    wheel = wheel_wanted(filename, body)
    if index.root is not None:
        (index.root / filename).write_bytes(body)
        return wheel
    assert index.username is not None
    assert index.password is not None
    form = {":action": "file_upload", "name": wheel.name, "version": wheel.version}
    with requests.Session() as session:
        session.trust_env = False
        answer = session.post(
            index.upload_url,
            data=form | {"filetype": "bdist_wheel", "pyversion": "py3", "metadata_version": "2.1"},
            files={"content": (filename, body)},
            auth=(index.username, index.password),
            timeout=HANG,
        )
    assert answer.status_code == 200, answer.text
    return wheel


def sdist_wanted(wheel: ClientRequest) -> ClientRequest:
    """The sdist of the same release."""
    return replace(wheel, filename=f"{wheel.name}-{wheel.version}.tar.gz", target=None)


def target_of(index: Index, **more: Any) -> IndexTarget:
    """The index as clients are told about it."""
    return IndexTarget(index.simple_url, Access(index.username, index.password, **more))


def visible_command_lines() -> list[str]:
    """What `ps` shows to every user of this machine, raw and with `%xx` decoded."""
    shown = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it has ended
            continue
        shown += [line, urllib.parse.unquote(line)]
    return shown
