"""One visibility round: publish a release while every cache on the way holds the old page."""

from __future__ import annotations

import itertools
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.beds import edges
from tests.beds.edges import Edge
from tests.beds.environments import PoetryEnvironment
from tests.beds.indexes import Devpi, Index, ask
from tests.beds.installers import Found, pip_finds, poetry_finds, uv_finds
from tests.beds.poetry import Poetry, Run
from tests.beds.processes import wait_until
from tests.beds.projects import Project, make_project
from tests.beds.proxy import Answer, Exchange, FaultProxy, Request, is_upload
from tests.beds.release import REPOSITORY

INSTALLERS = ("pip", "uv", "poetry")
# Minimum seconds between two looks of one variant.
SHORTEST_GAP = 0.25
OLD, PROVEN, STOCK = "1.0", "1.1", "1.2"
MIRROR = "the mirror"
# How an edge marks a page that it has just fetched.
_STORED = {"MISS", "EXPIRED"}
_LONG = 3600.0
_OURS = "poetry-publish-verified/"
_HOW = ("--format", "json", "--until", "downloadable")

Start = Callable[[Path, str, float], AbstractContextManager[Edge]]


@dataclass(frozen=True)
class Kind:
    """A kind of edge; `start` gets a directory, an origin and a TTL in seconds.

    `purged`: every upload triggers a soft purge, as on a public index with a CDN. `plain`: only in
    front of an index that sends no Vary.
    """

    name: str
    start: Start
    purged: bool = False
    plain: bool = False


def _varnish(**options: object) -> Start:
    def start(directory: Path, origin: str, ttl: float) -> AbstractContextManager[Edge]:
        return edges.varnish(directory, origin, **{"ttl": ttl, **options})  # type: ignore[arg-type]

    return start


def _nginx(*, key_on_accept: bool) -> Start:
    def start(directory: Path, origin: str, ttl: float) -> AbstractContextManager[Edge]:
        return edges.nginx(directory, origin, ttl=ttl, key_on_accept=key_on_accept)

    return start


KINDS = (
    Kind("Varnish, Age", _varnish(cache_control="max-age=600")),
    Kind("nginx, copies by Accept", _nginx(key_on_accept=True)),
    Kind("Varnish, soft purge", _varnish(ttl=_LONG), purged=True),
    Kind("nginx, one copy", _nginx(key_on_accept=False)),
    Kind("Varnish, no Age", _varnish(age=False)),
    Kind("Varnish, grace", _varnish(grace=_LONG)),
    Kind("Varnish, no Vary", _varnish(vary=None), plain=True),
)


@dataclass(frozen=True)
class Scenario:
    """The parameters of one round.

    `through`: the upload goes through the edge too. `primed_late`: the old pages are cached again
    at the very moment of the upload, so that they are kept for the whole TTL.
    """

    kind: Kind
    on_devpi: bool
    through: bool
    mirrored: bool
    primed_late: bool
    ttl: float

    @property
    def name(self) -> str:
        """A description."""
        words = [self.kind.name, "devpi" if self.on_devpi else "pypiserver"]
        words += ["uploaded through it"] if self.through else []
        words += ["a mirror beside it"] if self.mirrored else []
        return ", ".join(words)


@dataclass(frozen=True)
class Bed:
    """The servers and Poetry environments that all rounds share."""

    work: Path
    guarded: PoetryEnvironment
    stock: PoetryEnvironment
    pypiserver: Index
    devpi: Devpi
    mirrors: Devpi


@dataclass
class RoundResult:
    """How a round ended; `faults` are broken promises."""

    scenario: Scenario
    code: int = -1
    missed: list[str] = field(default_factory=list)
    stock_missed: list[str] = field(default_factory=list)
    waited: float = 0.0
    requests: int = 0
    gap: float | None = None
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Setup:
    """The servers of one round: the indexes that users name, and where uploads go."""

    bed: Bed
    directory: Path
    project: Project
    repository: Index
    door: FaultProxy
    edge: Edge
    watched: Sequence[FaultProxy]
    shown_by: dict[str, str]


def run_round(bed: Bed, scenario: Scenario, *, against_stock: bool = True) -> RoundResult:
    """Run one round: the plugin proves a release, then stock Poetry publishes the next one."""
    result = RoundResult(scenario)
    with _set_up(bed, scenario) as setup:
        _prime(setup, OLD)
        with _crowd(setup, scenario):
            run = _publish(setup)
        result.code = run.code
        asked = _ask(setup, PROVEN)
        _judge(result, setup, run, asked)
        if not against_stock:
            return result
        _prime(setup, PROVEN)
        setup.project.set_version(STOCK).build()
        with _crowd(setup, scenario):
            sent = _call(setup, bed.stock, "publish")
        if sent.code:
            raise RuntimeError(f"stock Poetry could not publish: {sent.said}")
        asked = _ask(setup, STOCK)
        result.stock_missed = [who for who, found in asked.items() if not found]
    return result


@contextmanager
def _set_up(bed: Bed, scenario: Scenario) -> Iterator[_Setup]:
    name = f"wave-{uuid.uuid4().hex[:8]}"
    directory = bed.work / name
    index = bed.devpi.index(name) if scenario.on_devpi else bed.pypiserver
    project = make_project(directory / "project", name, OLD)
    project.build()
    index.upload(project)
    newer = project.set_version(PROVEN)
    newer.build()
    with ExitStack() as stack:
        edge = stack.enter_context(
            scenario.kind.start(directory / "edge", index.origin, scenario.ttl)
        )
        door = edge.front if scenario.through else stack.enter_context(FaultProxy(index.origin))
        watched = list(dict.fromkeys([edge.front, door]))
        shown_by = {"the edge": index.behind(edge.origin).simple_url}
        if scenario.mirrored:
            mirror = bed.mirrors.mirror(name, index, expiry=round(scenario.ttl))
            known = partial(_lists, f"{mirror.simple_url}{name}/", project.wheel)
            # If several clients are the first to ask it, it answers some with 404.
            wait_until(known, "the mirror to know the project")
            front = stack.enter_context(FaultProxy(mirror.origin))
            shown_by[MIRROR] = mirror.behind(front.origin).simple_url
            watched.append(front)
        repository = index.behind(door.origin)
        yield _Setup(bed, directory, newer, repository, door, edge, watched, shown_by)
    shutil.rmtree(directory, ignore_errors=True)


def _lists(url: str, filename: str) -> bool:
    return filename in ask(url).body.decode()


def _prime(setup: _Setup, version: str) -> None:
    """Have every installer read every index while only the old version is there."""
    for who, found in _ask(setup, version).items():
        if not found:
            raise RuntimeError(f"{who} does not find {version}, which is there: {found.output}")


def _ask(setup: _Setup, version: str) -> dict[str, Found]:
    """Ask all installers at all indexes in parallel; return what each found."""
    name, directory = setup.project.name, setup.directory
    questions: dict[str, Callable[[], Found]] = {}
    for place, url in setup.shown_by.items():
        home = directory / f"home-{uuid.uuid4().hex[:8]}"
        poetry = Poetry(setup.bed.stock, home)
        questions |= {
            f"pip at {place}": partial(pip_finds, directory, url, name, version),
            f"uv at {place}": partial(uv_finds, directory, url, name, version),
            f"poetry at {place}": partial(poetry_finds, poetry, directory, url, name, version),
        }
    with ThreadPoolExecutor(len(questions)) as pool:
        asked = {who: pool.submit(question) for who, question in questions.items()}
        return {who: answer.result() for who, answer in asked.items()}


@contextmanager
def _crowd(setup: _Setup, scenario: Scenario) -> Iterator[None]:
    """Have users read every index at the very moment the first file arrives."""
    letters = {
        (request.path, request.headers["accept"]): request.headers
        for request in _of_others(setup.edge.front, setup.project.name)
    }
    patience = scenario.ttl + 1 if scenario.primed_late else 0

    def read(path: str, accept: str, encoding: str) -> None:
        end = time.monotonic() + patience
        headers = {"Accept": accept, "Accept-Encoding": encoding}
        while (
            ask(f"{setup.edge.origin}{path}", headers=headers).headers["x-cache"] not in _STORED
            and time.monotonic() < end
        ):
            time.sleep(0.05)

    crowd = iter([True])

    def act(exchange: Exchange) -> Answer:
        if next(crowd, False):
            with ThreadPoolExecutor(len(letters)) as pool:
                for (path, accept), headers in letters.items():
                    pool.submit(read, path, accept, headers.get("accept-encoding", "identity"))
            if scenario.mirrored:
                ask(f"{setup.shown_by[MIRROR]}{setup.project.name}/")
        answer = exchange.forward()
        if scenario.kind.purged:
            setup.edge.purge(setup.project.name)
        return answer

    rule = setup.door.on(is_upload, act)
    try:
        yield
    finally:
        rule.lift()


def _call(setup: _Setup, environment: PoetryEnvironment, *arguments: str) -> Run:
    home = setup.directory / f"home-{uuid.uuid4().hex[:8]}"
    poetry = Poetry(environment, home, variables=setup.repository.environment())
    return poetry.run(*arguments, "--no-interaction", "-r", REPOSITORY, cwd=setup.project.path)


def _publish(setup: _Setup) -> Run:
    named = [word for url in setup.shown_by.values() for word in ("--index", url)]
    return _call(setup, setup.bed.guarded, "publish-verified", *_HOW, *named)


def _judge(result: RoundResult, setup: _Setup, run: Run, asked: dict[str, Found]) -> None:
    """Compare a round with the plugin's promises."""
    if run.code:
        result.faults.append(f"exit code {run.code}: {run.said}")
    else:
        waits = [e["waited"] for e in run.events if e["event"] == "became-visible"]
        result.waited = max(waits)
    for who, found in asked.items():
        if not found:
            result.missed.append(who)
            result.faults.append(f"{who} does not find it after exit code 0: {found.output}")
    looks = [list(_ours(front, setup.project.name)) for front in setup.watched]
    result.requests = sum(map(len, looks))
    result.gap = min(filter(None, map(_shortest_gap, looks)), default=None)
    if result.gap is not None and result.gap < SHORTEST_GAP:
        result.faults.append(f"two looks of one variant were only {result.gap:.3f} s apart")


def is_ours(request: Request) -> bool:
    """Match the plugin's requests for pages."""
    return request.is_page and request.headers.get("user-agent", "").startswith(_OURS)


def _ours(front: FaultProxy, name: str) -> Iterator[Request]:
    return (r for r in list(front.requests) if is_ours(r) and f"/{name}/" in r.path)


def _of_others(front: FaultProxy, name: str) -> Iterator[Request]:
    for request in front.pages:
        agent = request.headers.get("user-agent", "")
        if f"/{name}/" in request.path and agent.lower().startswith(INSTALLERS):
            yield request


def _shortest_gap(requests: Sequence[Request]) -> float | None:
    """The shortest time between two identical requests for one page."""
    moments: dict[tuple[str, ...], list[float]] = {}
    for request in requests:
        headers = request.headers
        variant = (request.path, headers["accept"], headers["accept-encoding"])
        moments.setdefault(variant, []).append(request.at)
    gaps = [b - a for at in moments.values() for a, b in itertools.pairwise(sorted(at))]
    return min(gaps, default=None)
