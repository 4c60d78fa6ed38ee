"""What the upload stress shares: Poetry, indexes, and a look at what is really on them."""

from __future__ import annotations

import re
import shutil
import tempfile
import uuid
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.beds import indexes
from tests.beds.environments import PoetryEnvironment, environment
from tests.beds.indexes import fetch
from tests.beds.poetry import Poetry
from tests.beds.release import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.beds.indexes import Index
    from tests.beds.proxy import FaultProxy, Request

PUBLISH = ("publish-verified", "--no-interaction", "-r", REPOSITORY, "--until", "downloadable")
_FILENAME = re.compile(rb' filename="([^"]+)"')


@dataclass(frozen=True)
class Bed:
    """The servers, and Poetry with the wheel of this checkout; `indexes` by kind."""

    work: Path
    environment: PoetryEnvironment
    indexes: Mapping[str, Index]

    @contextmanager
    def directory(self) -> Iterator[Path]:
        """A directory for the caller; its name can be part of a project's name."""
        path = self.work / f"lantern-{uuid.uuid4().hex[:8]}"
        path.mkdir()
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def poetry(self, home: Path, index: Index) -> Poetry:
        """Poetry with this home, and the index's address and credentials in its environment."""
        return Poetry(self.environment, home, variables=index.environment(REPOSITORY))


@contextmanager
def set_up(kinds: Sequence[str] = ("pypiserver", "devpi", "volatile devpi")) -> Iterator[Bed]:
    """Start the servers and make a Poetry environment."""
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stress-")))
        devpi = stack.enter_context(indexes.devpi(work / "devpi"))
        every = {
            "pypiserver": stack.enter_context(indexes.pypiserver(work / "pypiserver")),
            "devpi": devpi.index("harbour"),
            "volatile devpi": devpi.index("quay", volatile=True),
        }
        yield Bed(work, environment(), {kind: every[kind] for kind in kinds})


def sent(proxy: FaultProxy) -> dict[str, list[Request]]:
    """The uploads that were started, by file name."""
    found: dict[str, list[Request]] = {}
    for request in proxy.uploads:
        if match := _FILENAME.search(request.body):
            found.setdefault(match[1].decode(), []).append(request)
    return found


def whole_uploads(proxy: FaultProxy) -> Iterator[str]:
    """The file names of the uploads that came to their end, in this order."""
    for request in proxy.uploads:
        if b'name=":action"' in request.body and (match := _FILENAME.search(request.body)):
            yield match[1].decode()


def index_faults(index: Index, project: str, right: Mapping[str, str]) -> list[str]:
    """What is wrong on an index that must hold exactly `right` (sha256 by file name).

    Reads the bytes that the index really holds.
    """
    held = index.stored(project)
    faults = [f"{name} is not on the index" for name in sorted(right.keys() - held.keys())]
    faults += [f"{name} should not be on the index" for name in sorted(held.keys() - right.keys())]
    faults += [
        f"{name} has other bytes on the index"
        for name in sorted(held.keys() & right.keys())
        if held[name] != right[name]
    ]
    listed = _listed(index, project)
    faults += [f"{name} is not listed once" for name in sorted(held) if listed.count(name) != 1]
    return faults


def remove(index: Index, project: str) -> None:
    """Free disk space: remove a project's files from pypiserver's directory."""
    if index.root is not None:
        for name in index.stored(project):
            (index.root / name).unlink()


def _listed(index: Index, project: str) -> list[str]:
    """The file names on the project's page, in its order."""
    status, page = fetch(f"{index.simple_url}{project}/")
    if status == 404:
        return []
    assert status == 200, (status, page)
    return re.findall(r"<a [^>]*>\s*([^<\s]+)\s*</a>", page.decode())
