"""One round of the wave: a release is sent while every cache on the way holds the old page."""

from __future__ import annotations

import itertools
import shutil
import time
import uuid
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from contextlib import ExitStack
from contextlib import contextmanager
from dataclasses import dataclass
from dataclasses import field
from functools import partial
from pathlib import Path

from tests.beds import edges
from tests.beds.edges import Edge
from tests.beds.environments import PoetryEnvironment
from tests.beds.indexes import Devpi
from tests.beds.indexes import Index
from tests.beds.indexes import ask
from tests.beds.installers import Found
from tests.beds.installers import pip_finds
from tests.beds.installers import poetry_finds
from tests.beds.installers import uv_finds
from tests.beds.poetry import Poetry
from tests.beds.poetry import Run
from tests.beds.processes import wait_until
from tests.beds.projects import Project
from tests.beds.projects import make_project
from tests.beds.proxy import Answer
from tests.beds.proxy import Exchange
from tests.beds.proxy import FaultProxy
from tests.beds.proxy import Request
from tests.beds.proxy import is_upload
from tests.beds.release import REPOSITORY

INSTALLERS = ("pip", "uv", "poetry")
# The least between two looks of one variant, in seconds.
SHORTEST_GAP = 0.25
OLD, PROVEN, STOCK = "1.0", "1.1", "1.2"
MIRROR = "the mirror"
# What an edge says of a page that it has just fetched.
_STORED = {"MISS", "EXPIRED"}
_LONG = 3600.0
_OURS = "poetry-publish-verified/"

Start = Callable[[Path, str, float], AbstractContextManager[Edge]]


@dataclass(frozen=True)
class Kind:
    """A kind of edge; `start` gets a folder, an origin and a TTL in seconds.

    `purged`: every upload makes the edge forget softly, as a public index tells its CDN to.
    `plain`: only before an index that says nothing of what its pages depend on.
    """

    name: str
    start: Start
    purged: bool = False
    plain: bool = False


def _varnish(**options: object) -> Start:
    def start(folder: Path, origin: str, ttl: float) -> AbstractContextManager[Edge]:
        return edges.varnish(folder, origin, **{"ttl": ttl, **options})  # type: ignore[arg-type]

    return start


def _nginx(*, key_on_accept: bool) -> Start:
    def start(folder: Path, origin: str, ttl: float) -> AbstractContextManager[Edge]:
        return edges.nginx(folder, origin, ttl=ttl, key_on_accept=key_on_accept)

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
class Scene:
    """What one round is played with.

    `through` the edge goes the upload too. With `anew`, the last old copies are stored in the
    very moment of the upload, so that they are held for the whole TTL.
    """

    kind: Kind
    on_devpi: bool
    through: bool
    mirrored: bool
    anew: bool
    ttl: float

    @property
    def name(self) -> str:
        """In words."""
        words = [self.kind.name, "devpi" if self.on_devpi else "pypiserver"]
        words += ["uploaded through it"] if self.through else []
        words += ["a mirror beside it"] if self.mirrored else []
        return ", ".join(words)


@dataclass(frozen=True)
class Bed:
    """The servers and the Poetrys that all rounds share."""

    work: Path
    guarded: PoetryEnvironment
    stock: PoetryEnvironment
    pypiserver: Index
    devpi: Devpi
    mirrors: Devpi


@dataclass
class Wave:
    """How a round ended; `faults` are what was not as promised."""

    scene: Scene
    code: int = -1
    missed: list[str] = field(default_factory=list)
    stock_missed: list[str] = field(default_factory=list)
    waited: float = 0.0
    requests: int = 0
    gap: float | None = None
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Stage:
    """What stands in one round: the indexes that users name, and where uploads come by."""

    bed: Bed
    folder: Path
    project: Project
    repository: Index
    door: FaultProxy
    edge: Edge
    watched: Sequence[FaultProxy]
    shown_by: dict[str, str]


def play(bed: Bed, scene: Scene, *, against_stock: bool = True) -> Wave:
    """Play one round: a release is proven, and the next one sent by stock Poetry."""
    wave = Wave(scene)
    with _staged(bed, scene) as stage:
        _prime(stage, OLD)
        with _crowd(stage, scene):
            run = _publish(stage)
        wave.code = run.code
        asked = _ask(stage, PROVEN)
        _judge(wave, stage, run, asked)
        if not against_stock:
            return wave
        _prime(stage, PROVEN)
        stage.project.set_version(STOCK).build()
        with _crowd(stage, scene):
            sent = _call(stage, bed.stock, "publish")
        if sent.code:
            raise RuntimeError(f"stock Poetry could not publish: {sent.said}")
        asked = _ask(stage, STOCK)
        wave.stock_missed = [who for who, found in asked.items() if not found]
    return wave


@contextmanager
def _staged(bed: Bed, scene: Scene) -> Iterator[_Stage]:
    name = f"wave-{uuid.uuid4().hex[:8]}"
    folder = bed.work / name
    index = bed.devpi.index(name) if scene.on_devpi else bed.pypiserver
    project = make_project(folder / "project", name, OLD)
    project.build()
    index.upload(project)
    newer = project.set_version(PROVEN)
    newer.build()
    with ExitStack() as stack:
        edge = stack.enter_context(scene.kind.start(folder / "edge", index.origin, scene.ttl))
        door = edge.front if scene.through else stack.enter_context(FaultProxy(index.origin))
        watched = list(dict.fromkeys([edge.front, door]))
        shown_by = {"the edge": index.behind(edge.origin).simple_url}
        if scene.mirrored:
            mirror = bed.mirrors.mirror(name, index, expiry=round(scene.ttl))
            known = partial(_lists, f"{mirror.simple_url}{name}/", project.wheel)
            # Of several who are the first to ask it, some are told that there is no such project.
            wait_until(known, "the mirror to know the project")
            front = stack.enter_context(FaultProxy(mirror.origin))
            shown_by[MIRROR] = mirror.behind(front.origin).simple_url
            watched.append(front)
        repository = index.behind(door.origin)
        yield _Stage(bed, folder, newer, repository, door, edge, watched, shown_by)
    shutil.rmtree(folder, ignore_errors=True)


def _lists(url: str, filename: str) -> bool:
    return filename in ask(url).body.decode()


def _prime(stage: _Stage, version: str) -> None:
    """Let every installer read every index, while only the old version is there."""
    for who, found in _ask(stage, version).items():
        if not found:
            raise RuntimeError(f"{who} does not find {version}, which is there: {found.output}")


def _ask(stage: _Stage, version: str) -> dict[str, Found]:
    """Ask all installers at all indexes at the same time; what each found."""
    name, folder = stage.project.name, stage.folder
    questions: dict[str, Callable[[], Found]] = {}
    for place, url in stage.shown_by.items():
        home = folder / f"home-{uuid.uuid4().hex[:8]}"
        poetry = Poetry(stage.bed.stock, home)
        questions |= {
            f"pip at {place}": partial(pip_finds, folder, url, name, version),
            f"uv at {place}": partial(uv_finds, folder, url, name, version),
            f"poetry at {place}": partial(poetry_finds, poetry, folder, url, name, version),
        }
    with ThreadPoolExecutor(len(questions)) as pool:
        asked = {who: pool.submit(question) for who, question in questions.items()}
        return {who: answer.result() for who, answer in asked.items()}


@contextmanager
def _crowd(stage: _Stage, scene: Scene) -> Iterator[None]:
    """Have users read every index in the very moment in which the first file arrives."""
    letters = {
        (request.path, request.headers["accept"]): request.headers
        for request in _of_others(stage.edge.front, stage.project.name)
    }
    patience = scene.ttl + 1 if scene.anew else 0

    def read(path: str, accept: str, encoding: str) -> None:
        end = time.monotonic() + patience
        headers = {"Accept": accept, "Accept-Encoding": encoding}
        while (
            ask(f"{stage.edge.origin}{path}", headers=headers).headers["x-cache"] not in _STORED
            and time.monotonic() < end
        ):
            time.sleep(0.05)

    crowd = iter([True])

    def act(exchange: Exchange) -> Answer:
        if next(crowd, False):
            with ThreadPoolExecutor(len(letters)) as pool:
                for (path, accept), headers in letters.items():
                    pool.submit(read, path, accept, headers.get("accept-encoding", "identity"))
            if scene.mirrored:
                ask(f"{stage.shown_by[MIRROR]}{stage.project.name}/")
        answer = exchange.forward()
        if scene.kind.purged:
            stage.edge.purge(stage.project.name)
        return answer

    rule = stage.door.on(is_upload, act)
    try:
        yield
    finally:
        rule.lift()


def _call(stage: _Stage, environment: PoetryEnvironment, *arguments: str) -> Run:
    home = stage.folder / f"home-{uuid.uuid4().hex[:8]}"
    poetry = Poetry(environment, home, variables=stage.repository.environment())
    return poetry.run(*arguments, "--no-interaction", "-r", REPOSITORY, cwd=stage.project.path)


def _publish(stage: _Stage) -> Run:
    named = [word for url in stage.shown_by.values() for word in ("--index", url)]
    return _call(stage, stage.bed.guarded, "publish-verified", "--format", "json", *named)


def _judge(wave: Wave, stage: _Stage, run: Run, asked: dict[str, Found]) -> None:
    """Hold a round against what the plugin promises."""
    if run.code:
        wave.faults.append(f"exit code {run.code}: {run.said}")
    else:
        waits = [e["waited"] for e in run.events if e["event"] == "became-visible"]
        wave.waited = max(waits)
    for who, found in asked.items():
        if not found:
            wave.missed.append(who)
            wave.faults.append(f"{who} does not find it after exit code 0: {found.output}")
    looks = [list(_ours(front, stage.project.name)) for front in stage.watched]
    wave.requests = sum(map(len, looks))
    wave.gap = min(filter(None, map(_shortest_gap, looks)), default=None)
    if wave.gap is not None and wave.gap < SHORTEST_GAP:
        wave.faults.append(f"two looks of one variant were only {wave.gap:.3f} s apart")


def is_ours(request: Request) -> bool:
    """Match the pages that the plugin asks for."""
    return request.is_page and request.headers.get("user-agent", "").startswith(_OURS)


def _ours(front: FaultProxy, name: str) -> Iterator[Request]:
    return (r for r in list(front.requests) if is_ours(r) and f"/{name}/" in r.path)


def _of_others(front: FaultProxy, name: str) -> Iterator[Request]:
    for request in front.pages:
        agent = request.headers.get("user-agent", "")
        if f"/{name}/" in request.path and agent.lower().startswith(INSTALLERS):
            yield request


def _shortest_gap(requests: Sequence[Request]) -> float | None:
    """The shortest time between two looks at one page in the same letters."""
    moments: dict[tuple[str, ...], list[float]] = {}
    for request in requests:
        headers = request.headers
        variant = (request.path, headers["accept"], headers["accept-encoding"])
        moments.setdefault(variant, []).append(request.at)
    gaps = [b - a for at in moments.values() for a, b in itertools.pairwise(sorted(at))]
    return min(gaps, default=None)
