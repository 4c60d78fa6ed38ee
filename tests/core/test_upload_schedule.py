"""Which file of a release is sent when: ahead of its turn only where that is safe."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poetry_publish_verified.core.distribution import Distribution, upload_batches
from poetry_publish_verified.core.upload.schedule import BreakOff, Finish, Leave, Schedule, Start
from tests.core.distributions import SDIST, distribution

KB = 1024
MB = KB * KB
FIRST, SECOND, THIRD = (f"lantern-1.0-cp3{n}-cp3{n}-win_amd64.whl" for n in (11, 12, 13))


def files(**sizes: int) -> tuple[tuple[Distribution, ...], ...]:
    """The batches of a release with files of these sizes in bytes, 5 MB by default."""
    sizes = {FIRST: 4 * MB, SECOND: 5 * MB, THIRD: 5 * MB - 1, SDIST: 5 * MB, **sizes}
    found = [replace(distribution(name), size=size) for name, size in sizes.items()]
    return upload_batches(found, release_exists=False)


def schedule(jobs: int = 4, **sizes: int) -> Schedule:
    """The schedule of such a release, its first file under way since 0."""
    made = Schedule(files(**sizes), jobs)
    assert [*made.steps(0.0)] == [Start(FIRST)]
    return made


def held_behind_first() -> Schedule:
    """The second and third file are on their way ahead of their turn, at 0.5 s."""
    made = schedule()
    assert made.progressed(FIRST, MB, 0.5)
    assert [*made.steps(0.5)] == [Start(SECOND, (FIRST,)), Start(THIRD, (FIRST,))]
    return made


def test_second_file_waits_until_the_credentials_are_undisputed() -> None:
    """Nothing follows before 256 KiB of the first file have left without an answer."""
    made = schedule()
    made.progressed(FIRST, 256 * KB - 1, 0.1)
    assert [*made.steps(0.1)] == []
    made.progressed(FIRST, 256 * KB, 0.1)
    assert [*made.steps(0.1)] == [Start(SECOND, (FIRST,)), Start(THIRD, (FIRST,))]


def test_small_first_file_is_answered_first() -> None:
    """A first file below that size has to be there before anything follows."""
    made = schedule(**{FIRST: 200 * KB})
    made.progressed(FIRST, 200 * KB, 0.1)
    assert [*made.steps(0.1)] == []
    made.there(FIRST, 0.2)
    assert [*made.steps(0.2)] == [Start(SECOND), Start(THIRD)]


def test_slow_line_sends_nothing_ahead() -> None:
    """Where the rest of the first file takes over ten seconds, nothing waits for it."""
    made = schedule()
    assert made.progressed(FIRST, MB, 1.9)
    assert [*made.steps(1.9)] == [Start(SECOND, (FIRST,)), Start(THIRD, (FIRST,))]
    made = schedule(**{FIRST: 4 * MB + 10 * MB, SECOND: 15 * MB, THIRD: 14 * MB + 1})
    made.progressed(FIRST, MB, 1.9)
    assert [*made.steps(1.9)] == []


def test_end_leaves_once_all_before_are_there() -> None:
    """The ends of the wheels follow the first file, that of the sdist follows the wheels."""
    made = held_behind_first()
    for name in (SECOND, THIRD):
        made.progressed(name, MB, 0.9)
    assert [*made.steps(0.9)] == [Start(SDIST, (FIRST, SECOND, THIRD))]
    made.there(FIRST, 1.0)
    assert [*made.steps(1.0)] == [Finish(SECOND), Finish(THIRD)]
    made.there(SECOND, 1.1)
    assert [*made.steps(1.1)] == []
    made.there(THIRD, 1.2)
    assert [*made.steps(1.2)] == [Finish(SDIST)]
    made.there(SDIST, 1.3)
    assert made.done
    assert made.next_check is None


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_jobs_count_what_is_held_back(jobs: int) -> None:
    """At most so many connections are open, those that wait included."""
    made = schedule(jobs)
    made.progressed(FIRST, MB, 0.5)
    assert len([*made.steps(0.5)]) == jobs - 1


def test_stalled_file_breaks_off_what_waits_for_it() -> None:
    """After two seconds without progress, the answer included; then nothing goes ahead again."""
    made = held_behind_first()
    made.progressed(FIRST, 4 * MB, 1.0)
    assert made.next_check == 3.0
    assert [*made.steps(2.9)] == []
    assert [*made.steps(3.0)] == [BreakOff(SECOND), BreakOff(THIRD)]
    assert not made.next_check
    assert made.waits(SECOND)
    assert made.waits(THIRD)
    assert not made.progressed(FIRST, 4 * MB, 3.1)
    assert [*made.steps(3.1)] == []
    made.there(FIRST, 4.0)
    assert [*made.steps(4.0)] == [Start(SECOND), Start(THIRD)]
    for name in (SECOND, THIRD):
        made.progressed(name, 4 * MB, 4.5)
    assert [*made.steps(4.5)] == []


def test_slow_answer_is_remembered() -> None:
    """A server that needed two seconds for an answer gets nothing ahead afterwards."""
    made = schedule(**{FIRST: 200 * KB})
    made.progressed(FIRST, 200 * KB, 0.1)
    made.there(FIRST, 2.2)
    assert [*made.steps(2.2)] == [Start(SECOND), Start(THIRD)]
    for name in (SECOND, THIRD):
        made.progressed(name, 4 * MB, 2.4)
    assert [*made.steps(2.4)] == []


def test_held_request_does_not_rest_for_long() -> None:
    """Servers drop what is idle: after ten seconds it is broken off, however well the rest goes."""
    made = held_behind_first()
    for tenth in range(100):
        made.progressed(FIRST, MB + tenth, 0.5 + tenth / 10)
        assert [*made.steps(0.5 + tenth / 10)] == []
    made.progressed(FIRST, 2 * MB, 10.5)
    assert [*made.steps(10.5)] == [BreakOff(SECOND), BreakOff(THIRD)]


@pytest.mark.parametrize("unsettled", [FIRST, SECOND])
def test_any_answer_but_success_breaks_off(unsettled: str) -> None:
    """A refusal, a doubt, or a retry of any file ends the sending ahead."""
    made = held_behind_first()
    made.unsettled(unsettled)
    assert [*made.steps(0.6)] == [BreakOff(n) for n in (SECOND, THIRD) if n != unsettled]
    assert made.waits(THIRD)
    assert made.waits(unsettled) == (unsettled == SECOND)


def test_failure_leaves_the_rest() -> None:
    """What was sent ahead of a file that fails is broken off, and nothing else starts."""
    made = held_behind_first()
    made.unsettled(FIRST)
    made.failed(FIRST)
    assert [*made.steps(0.6)] == [BreakOff(SECOND), BreakOff(THIRD), Leave(SDIST)]
    assert made.waits(SECOND)
    assert [*made.steps(0.7)] == [Leave(SECOND)]
    made.there(THIRD, 0.8)  # as the index says
    assert made.done


def test_nothing_ahead_where_it_may_not() -> None:
    """Without leave, each batch waits for the one before."""
    made = Schedule(files(), 4, ahead=False)
    assert [*made.steps(0.0)] == [Start(FIRST)]
    made.progressed(FIRST, MB, 0.5)
    assert [*made.steps(0.5)] == []


@dataclass
class Server:
    """Runs a schedule with any events, and checks after each that the order holds."""

    schedule: Schedule
    batches: tuple[tuple[Distribution, ...], ...]
    jobs: int
    now: float = 0.0
    held: set[str] = field(default_factory=set)
    running: set[str] = field(default_factory=set)
    there: list[str] = field(default_factory=list)
    failed: bool = False
    unsettled: bool = False
    left: set[str] = field(default_factory=set)

    def step(self) -> None:
        """Do what is due."""
        for step in self.schedule.steps(self.now):
            match step:
                case Start(name, waits_for):
                    assert not self.failed
                    assert set(waits_for) == self.before(name) - set(self.there)
                    assert not (waits_for and self.unsettled)
                    (self.held if waits_for else self.running).add(name)
                case Finish(name):
                    assert self.before(name) <= set(self.there)
                    self.held.remove(name)
                    self.running.add(name)
                case BreakOff(name):
                    self.held.remove(name)
                    self.unsettled = True
                    assert self.schedule.waits(name)
                case Leave(name):
                    assert self.failed
                    self.left.add(name)
        assert len(self.held | self.running) <= self.jobs

    def before(self, name: str) -> set[str]:
        """What must be there before this file."""
        names = [[each.filename for each in batch] for batch in self.batches]
        (number,) = (n for n, batch in enumerate(names) if name in batch)
        return {each for batch in names[:number] for each in batch}

    def happens(self, event: str, number: int) -> None:
        """Something happens to one of the files that are under way."""
        under_way = sorted(self.held | self.running)
        name = under_way[number % len(under_way)]
        match event:
            case "progress":
                self.schedule.progressed(name, 300 * KB + number * MB, self.now)
            case "stored" if name in self.running:
                assert self.before(name) <= set(self.there)
                self.running.remove(name)
                self.there.append(name)
                self.schedule.there(name, self.now)
            case "retry":
                self.unsettled = True
                self.schedule.unsettled(name)
                if self.schedule.waits(name):
                    self.held.remove(name)
            case "failure":
                self.failed = self.unsettled = True
                self.schedule.unsettled(name)
                self.schedule.failed(name)
                self.running.discard(name)
                self.held.discard(name)


@given(
    st.lists(st.sampled_from([100 * KB, 300 * KB, 4 * MB]), min_size=1, max_size=6),
    st.integers(1, 5),
    st.booleans(),
    st.lists(
        st.tuples(
            st.sampled_from(["progress", "progress", "stored", "stored", "retry", "failure"]),
            st.integers(0, 4),
            st.sampled_from([0.0, 0.3, 2.5]),
        )
    ),
)
def test_any_events_keep_the_order(
    sizes: list[int], jobs: int, exists: bool, events: list[tuple[str, int, float]]
) -> None:
    """Whatever happens: in order, within `jobs`, nothing ahead after a doubt; all of it ends."""
    named = {f"lantern-1.0-cp3{n}-cp3{n}-any.whl": size for n, size in enumerate(sizes)}
    found = [replace(distribution(n), size=size) for n, size in (named | {SDIST: 4 * MB}).items()]
    batches = upload_batches(found, release_exists=exists)
    server = Server(Schedule(batches, jobs), batches, jobs)
    server.step()
    for event, number, pause in events:
        server.now += pause
        if server.held | server.running:
            server.happens(event, number)
        server.step()
    for _ in range(2 * len(found)):
        for name in sorted(server.running):
            server.running.remove(name)
            server.there.append(name)
            server.schedule.there(name, server.now)
        server.step()
    assert server.schedule.done
    assert not server.held
