"""What the guard costs Poetry's own commands, and what it saves."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from poetry_publish_verified.guard.locks.lock import acquire
from poetry_publish_verified.guard.locks.resource import Resource
from tests.bench.bed import Bed
from tests.bench.figures import Figure, in_turn
from tests.stress.packages import consumer
from tests.stress.plugin_sets import cold
from tests.stress.racing import Start, race, run
from tests.stress.rounds import say

_STOCK, _GUARDED, _OFF = "stock", "with the plugin", "its guard off"
_WITHOUT = {"POETRY_PUBLISH_VERIFIED_GUARD": "off"}
_PROCESSES = 8
_LOCKS = 300


def commands(bed: Bed, runs: int) -> Iterator[Figure]:
    """`poetry --help`, and `poetry version` in a project without plugins."""
    guard = bed.of_guard
    with guard.home() as home, consumer(guard) as checkout:
        for command, where in (("--help", home), ("version", checkout)):
            stock, guarded = guard.poetry(stock=True), guard.poetry()
            ways = {
                _STOCK: guard.command(stock, where, home, command),
                _GUARDED: guard.command(guarded, where, home, command),
                _OFF: guard.command(guarded, where, home, command, environ=_WITHOUT),
            }
            yield _side_by_side(bed, (command.strip("-"), f"poetry {command}"), ways, runs)


def reader(bed: Bed, runs: int) -> Iterator[Figure]:
    """`poetry version` in a project whose plugins are installed."""
    guard = bed.of_guard
    ways: dict[str, Start] = {}
    with guard.home() as home, guard.project() as of_stock, guard.project() as of_guarded:
        for name, checkout in ((_STOCK, of_stock), (_GUARDED, of_guarded)):
            poetry = guard.poetry(stock=name == _STOCK)
            ended = run(guard.command(poetry, checkout, home, "install"))
            assert ended.code == 0, ended.out + ended.err
            ways[name] = guard.command(poetry, checkout, home, "version")
        yield _side_by_side(
            bed,
            ("reader", "poetry version, with a plugin of the project that is installed"),
            ways,
            runs,
            "≤ 10 ms more than stock",
        )


def lock(bed: Bed, runs: int) -> Iterator[Figure]:
    """A lock that nobody else has."""
    resource = Resource("nothing", bed.work / "locks" / "one.lock")

    def locked() -> Mapping[str, float]:
        begun = time.perf_counter()
        for _ in range(_LOCKS):
            with acquire(resource, say) as is_held:
                assert is_held
        return {"acquired and released": (time.perf_counter() - begun) / _LOCKS * 1000}

    yield Figure(
        "lock",
        "A lock that nobody else has",
        f"The mean of {_LOCKS}.",
        "acquired and released",
        in_turn([locked], runs),
        "ms",
    )


def installs(bed: Bed, runs: int) -> Iterator[Figure]:
    """Eight cold installs in one checkout."""
    guard = bed.of_guard
    guard.rounds = runs
    stock, guarded = cold(guard, _PROCESSES)
    assert not guarded.failures, guarded.examples
    about = "with poetry-dynamic-versioning" if guard.real_wheels else "with a small plugin"
    yield Figure(
        "installs",
        f"{_PROCESSES} cold installs in one checkout",
        f"From the first start to the last end; each into its own environment, {about}. Of stock's"
        " processes some fail.",
        _STOCK,
        {_STOCK: stock.walls, _GUARDED: guarded.walls},
        wanted="≤ 0.5 x stock",
        versions=bed.versions,
    )


def environments(bed: Bed, runs: int) -> Iterator[Figure]:
    """Eight installs without plugins into eight environments."""
    guard = bed.of_guard
    stock, guarded = guard.poetry(stock=True), guard.poetry()
    with guard.home() as home, consumer(guard) as checkout:

        def timed(name: str, poetry: Path, more: dict[str, str]) -> Mapping[str, float]:
            with tempfile.TemporaryDirectory(prefix="venvs-", dir=home) as venvs:
                places = [
                    {
                        "POETRY_VIRTUALENVS_IN_PROJECT": "false",
                        "POETRY_VIRTUALENVS_PATH": f"{venvs}/{number}",
                    }
                    for number in range(_PROCESSES)
                ]
                starts = [
                    guard.command(poetry, checkout, home, "install", environ={**place, **more})
                    for place in places
                ]
                begun = time.monotonic()
                ended = race(starts, stagger=0)
                seconds = time.monotonic() - begun
            failed = [each.out + each.err for each in ended if each.code]
            assert not failed, failed[0]
            return {name: seconds}

        ways = [
            partial(timed, _STOCK, stock, {}),
            partial(timed, _GUARDED, guarded, {}),
            partial(timed, _OFF, guarded, _WITHOUT),
        ]
        yield Figure(
            "environments",
            f"{_PROCESSES} installs without plugins into {_PROCESSES} environments",
            "From the start of all to the last end, of a project with three dependencies.",
            _STOCK,
            in_turn(ways, runs, warm=True),
            versions=bed.versions,
        )


def _side_by_side(
    bed: Bed, named: tuple[str, str], ways: Mapping[str, Start], runs: int, wanted: str = ""
) -> Figure:
    """Whole processes, in milliseconds."""

    def timed(name: str, start: Start) -> Mapping[str, float]:
        ended = run(start)
        assert ended.code == 0, ended.err
        return {name: ended.seconds * 1000}

    values = in_turn([partial(timed, *way) for way in ways.items()], runs, warm=True)
    return Figure(*named, "Whole processes.", _STOCK, values, "ms", wanted, bed.versions)
