"""Two hosts publish one version from one checkout, and something happens to the first of them."""

from __future__ import annotations

import re
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.beds import indexes
from tests.beds.building import log_builds
from tests.beds.processes import HANG, wait_until
from tests.beds.projects import make_project
from tests.beds.proxy import Answer, Exchange, FaultProxy, is_upload
from tests.beds.release import REPOSITORY
from tests.stress.bed import TIMEOUT_VARIABLE, Bed
from tests.stress.racing import Start, Tally, begin, finish, kill
from tests.stress.shared_places import Checkout, Place, shared
from tests.stress.shared_views import Case
from tests.stress.upload_bed import PUBLISH, index_faults, sent

_READ = (
    "import pathlib, sys; path = pathlib.Path(sys.argv[1]);"
    " print(path.read_text() if path.exists() else '', end='')"
)
_HASHES = (
    "import hashlib, os; [print(hashlib.sha256(open(f'dist/{n}', 'rb').read()).hexdigest(), n)"
    " for n in os.listdir('dist') if n.endswith(('.whl', '.gz'))]"
)
# Seconds, for a lock that never becomes free.
_PATIENCE = 45


class _Release:
    """A project in a shared directory, and its index, which holds back its first answer."""

    def __init__(self, checkout: Checkout, poetry: Path, index: indexes.Index) -> None:
        self._checkout = checkout
        self.place = checkout.place
        self._poetry = poetry
        self._index = index
        self.proxy = FaultProxy(index.origin, address=checkout.bed.address)
        self.is_stored = threading.Event()
        """The index has the first file, and its client does not know."""
        self.answer = threading.Event()
        self.proxy.on(is_upload, self._hold_back, times=1)

    def _hold_back(self, exchange: Exchange) -> Answer:
        answer = exchange.forward()
        self.is_stored.set()
        self.answer.wait(HANG)
        return answer

    def run(self, host: int, *options: str, patience: float = HANG) -> _Running:
        """Start publishing on a host."""
        front = self._index.behind(self.proxy.origin)
        self._checkout.variables = {
            **front.environment(REPOSITORY),
            "POETRY_VIRTUALENVS_CREATE": "false",
            TIMEOUT_VARIABLE: str(patience),
        }
        said = f"said-{uuid.uuid4().hex}"
        command = ["sh", "-c", f'exec "$@" 2> {said}', "sh", str(self._poetry)]
        start = self._checkout.start(command, host, *PUBLISH, "--build", *options)
        return _Running(start, lambda: self._read(host, said))

    def _read(self, host: int, file: str) -> str:
        return self._checkout.python(host, _READ, file)

    def faults(self, host: int, *, sent_twice: bool = False) -> Iterator[str]:
        """What is wrong with the index, the builds and the number of uploads."""
        words = self._checkout.python(host, _HASHES).split()
        right = dict(zip(words[1::2], words[::2], strict=True))
        yield from index_faults(self._index, self._checkout.name, right)
        builds = len(self._read(host, "builds").splitlines())
        if self.place.excludes and builds != 1:
            yield f"{builds} builds"
        posts = [len(requests) for requests in sent(self.proxy).values()]
        if sorted(posts) != [1, 1] and self.place.excludes and not sent_twice:
            yield f"files were sent {posts} times"


class _Running:
    """One `publish-verified --build` on a host; what it says can be read meanwhile."""

    def __init__(self, start: Start, said: Callable[[], str]) -> None:
        self._start = start
        self.said = said
        self.process = begin(start)

    def end(self, tally: Tally, *, code: int = 0) -> str:
        """Wait for its end, which must be this; what it said."""
        ended = finish(self._start, self.process)
        ended.err += self.said()
        if code:
            tally.processes += 1
            if ended.code != code:
                tally.fail(f"exit code {ended.code}, not {code}", ended.out + ended.err)
        else:
            tally.add([ended])
        return ended.err

    def wait_until_it_waits(self, place: Place, tally: Tally) -> None:
        """Return once it says for which host it waits, or has ended."""
        wait_until(
            lambda: self.process.poll() is not None or "Waiting for" in self.said(),
            "the second host to wait",
            pause=3,
        )
        said = self.said()
        if place.excludes and not re.search(rf" on {place.hosts[0]}[,)]", said):
            tally.fail("the host that holds the lock is not named", said)

    def kill(self) -> None:
        """Kill it, and what it has started."""
        if self.process.poll() is None:
            kill(self.process)


def plain(release: _Release, first: _Running, second: _Running, tally: Tally) -> None:
    """Nothing: the first goes on."""
    release.answer.set()
    first.end(tally)
    second.end(tally)


def killed(release: _Release, first: _Running, second: _Running, tally: Tally) -> None:
    """The first is killed."""
    first.kill()
    release.answer.set()
    second.end(tally)


def lock_broken(release: _Release, first: _Running, second: _Running, tally: Tally) -> None:
    """The second one breaks the lock of the first, which lives, and stops once it finds out."""
    second.kill()
    said = release.run(1, "--break-lock").end(tally)
    if "PV805" not in said:
        tally.fail("no lock was broken", said)
    release.answer.set()
    first.end(tally, code=8)


def power_loss(release: _Release, first: _Running, second: _Running, tally: Tally) -> None:
    """The first host loses its power; where its lock stays for good, there is a way out."""
    faults = release.place.faults
    assert faults is not None
    faults.lose(0)
    first.kill()
    release.answer.set()
    if release.place.frees_lost_locks:
        second.end(tally)
    else:
        said = second.end(tally, code=8)
        if "--break-lock" not in said:
            tally.fail("no way out is named", said)
        release.run(1, "--break-lock").end(tally)
    faults.boot(0)


def cut_and_healed(release: _Release, first: _Running, second: _Running, tally: Tally) -> None:
    """The first host's network is unplugged, until the second has gone on if it can."""
    faults = release.place.faults
    assert faults is not None
    if release.place.frees_lost_locks:
        second.end(tally)
    faults.heal(0)
    release.answer.set()
    first.end(tally)
    if not release.place.frees_lost_locks:
        second.end(tally)


def publish(happens: Callable[[_Release, _Running, _Running, Tally], None]) -> Case:
    """Two hosts publish, and while the second waits for the first, this happens."""

    def case(bed: Bed, place: Place, tally: Tally, poetry: Path) -> None:
        needs_faults = happens in (power_loss, cut_and_healed)
        if needs_faults and place.faults is None:
            return
        if happens is lock_broken and not place.excludes:
            return
        with _release(bed, place, poetry) as release:
            first = release.run(0)
            while first.process.poll() is None and not release.is_stored.wait(1):
                pass
            patient = place.frees_lost_locks or happens is not power_loss
            second = release.run(1, patience=HANG if patient else _PATIENCE)
            try:
                second.wait_until_it_waits(place, tally)
                if happens is cut_and_healed and place.faults:
                    place.faults.cut(0)
                happens(release, first, second, tally)
                for host in (0, 1):
                    release.run(host).end(tally)
                is_cut = happens is cut_and_healed
                for fault in release.faults(1, sent_twice=is_cut):
                    tally.fail(fault, fault)
            finally:
                release.answer.set()
                first.kill()
                second.kill()

    case.__name__ = f"publish_{happens.__name__}"
    return case


@contextmanager
def _release(bed: Bed, place: Place, poetry: Path) -> Iterator[_Release]:
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        name = f"lantern-{uuid.uuid4().hex[:8]}"
        project = make_project(work / name, name)
        # Relative: where each host sees it.
        log_builds(project, Path("builds"))
        (project.path / "builds").touch()
        checkout = stack.enter_context(shared(bed, place, project.path))
        # It does not handle one request at a time.
        index = stack.enter_context(indexes.pypiserver(work / "index", server="auto"))
        release = _Release(checkout, poetry, index)
        stack.enter_context(release.proxy)
        yield release
