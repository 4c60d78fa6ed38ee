"""One file's way to an index: what is done after which answer, and what is never done."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poetry_publish_verified.core.upload.outcomes import Doubtful
from poetry_publish_verified.core.upload.outcomes import Refused
from poetry_publish_verified.core.upload.outcomes import Stored
from poetry_publish_verified.core.upload.outcomes import UploadOutcome
from poetry_publish_verified.core.upload.transfer import Arrived
from poetry_publish_verified.core.upload.transfer import Failed
from poetry_publish_verified.core.upload.transfer import IndexLookup
from poetry_publish_verified.core.upload.transfer import RetryPolicy
from poetry_publish_verified.core.upload.transfer import Send
from poetry_publish_verified.core.upload.transfer import Transfer
from poetry_publish_verified.core.upload.transfer import TransferStep
from poetry_publish_verified.core.upload.transfer import UploadTarget
from poetry_publish_verified.errors import Code
from poetry_publish_verified.errors import Problem
from poetry_publish_verified.errors import Verdict

OURS, THEIRS = "a" * 64, "b" * 64
CARGO = UploadTarget("lantern-1.0-py3-none-any.whl", OURS, "https://index.example/simple/")
PROBLEM = Problem(Code.UPLOAD_REFUSED, "It was refused.", "Mend it.")

STORED = Stored()
LOST = Doubtful(says_exists=False, words="503 Service Unavailable")
EXISTS = Doubtful(says_exists=True, words="409 Conflict")
NEVER = Refused(PROBLEM)
ONCE = Refused(PROBLEM, "once")
AGAIN = Refused(PROBLEM, "yes")
LATER = Refused(PROBLEM, "later")

SAME = IndexLookup("identical", OURS)
OTHER = IndexLookup("other", THEIRS)
ABSENT = IndexLookup("absent")
UNKNOWN = IndexLookup("unknown")
DENIED = IndexLookup("unknown", final=True)

Event = UploadOutcome | IndexLookup


@dataclass
class Journey:
    """A transfer that is played through: `sends` and `looks` are the moments of each."""

    patience: RetryPolicy = field(default_factory=lambda: RetryPolicy(5, 900.0))
    rest: float | None = None
    sends: list[float] = field(default_factory=list)
    looks: list[float] = field(default_factory=list)

    def play(self, *events: Event, then: IndexLookup = ABSENT) -> Arrived | Failed:
        """Feed these as they are asked for; once they are used up, LOST and `then`."""
        transfer = Transfer(CARGO, self.patience, lambda: 0.5)
        answers = [e for e in events if not isinstance(e, IndexLookup)]
        sightings = [e for e in events if isinstance(e, IndexLookup)]
        now = 0.0
        step: TransferStep = transfer.begin(now)
        for _ in range(10_000):
            if isinstance(step, Arrived | Failed):
                return step
            assert step.at >= now
            now = step.at
            if isinstance(step, Send):
                self.sends.append(now)
                assert step.attempt == len(self.sends)
                step = transfer.answered(answers.pop(0) if answers else LOST, now, self.rest)
            else:
                self.looks.append(now)
                step = transfer.looked(sightings.pop(0) if sightings else then, now)
        raise AssertionError("it does not end")


def test_stored_at_once() -> None:
    """A good answer is the end."""
    journey = Journey()
    assert journey.play(STORED) == Arrived("uploaded", OURS)
    assert (len(journey.sends), journey.looks) == (1, [])


def test_a_lost_answer_that_had_arrived() -> None:
    """What the index shows by its hash is not sent again."""
    journey = Journey()
    assert journey.play(LOST, SAME) == Arrived("uploaded", OURS)
    assert (len(journey.sends), len(journey.looks)) == (1, 1)


def test_a_lost_answer_and_an_old_page() -> None:
    """The index is looked at once more right before the file is sent again."""
    journey = Journey()
    assert journey.play(LOST, ABSENT, SAME) == Arrived("uploaded", OURS)
    assert (len(journey.sends), len(journey.looks)) == (1, 2)


def test_sent_again_where_it_is_absent() -> None:
    """A file that did not arrive is sent again after a pause."""
    journey = Journey()
    assert journey.play(LOST, STORED) == Arrived("uploaded", OURS)
    assert len(journey.sends) == 2
    assert journey.sends[1] == journey.looks[-1] > journey.looks[0]


def test_pauses_grow_and_retries_are_bounded() -> None:
    """Five times more, each pause twice the last; then the index has the last word."""
    journey = Journey()
    failed = journey.play()
    assert isinstance(failed, Failed)
    assert (failed.upload, failed.problem.code) == ("unknown", Code.UPLOAD_STATE_UNKNOWN)
    pauses = [b - a for a, b in zip(journey.sends, journey.sends[1:], strict=False)]
    assert pauses == pytest.approx([0.375 * 2**n for n in range(5)])
    assert 10 < journey.looks[-1] - journey.sends[-1] <= 15


def test_no_retries() -> None:
    """With none, the file is sent once, and still looked for."""
    journey = Journey(RetryPolicy(0, 900.0))
    assert isinstance(journey.play(), Failed)
    assert len(journey.sends) == 1
    assert len(journey.looks) > 3


def test_the_timeout_bounds_it_all() -> None:
    """Neither a send nor a look comes later than the time-out after the first failure."""
    journey = Journey(RetryPolicy(100, 7.0))
    assert isinstance(journey.play(), Failed)
    assert max(*journey.sends, *journey.looks) <= 7.0


@pytest.mark.parametrize("takes_identical", [False, True])
def test_an_index_that_does_not_tell(*, takes_identical: bool) -> None:
    """Unknown is never absent: it is sent again only where the same bytes are surely taken."""
    journey = Journey(RetryPolicy(5, 900.0, takes_identical))
    failed = journey.play(then=UNKNOWN)
    assert isinstance(failed, Failed)
    assert failed.upload == "unknown"
    assert len(journey.sends) == (6 if takes_identical else 1)


def test_an_index_that_comes_back() -> None:
    """Unknown at first, then absent: now it is sent again."""
    journey = Journey()
    assert journey.play(LOST, *[UNKNOWN] * 9, STORED, then=ABSENT) == Arrived("uploaded", OURS)
    assert len(journey.sends) == 2


def test_an_index_that_may_not_be_read() -> None:
    """What will not tell later either is not waited for."""
    journey = Journey()
    assert isinstance(journey.play(then=DENIED), Failed)
    assert len(journey.looks) == 1


def test_exists_and_is_the_same() -> None:
    """Somebody else has brought it; or this run itself, when an answer was lost before."""
    assert Journey().play(EXISTS, SAME) == Arrived("already-there", OURS)
    journey = Journey()
    assert journey.play(LOST, ABSENT, ABSENT, EXISTS, SAME) == Arrived("uploaded", OURS)


def test_exists_and_shows_late() -> None:
    """An "exists already" is settled by the page, which is waited for, and never sent again."""
    journey = Journey()
    assert journey.play(EXISTS, *[ABSENT] * 5, SAME) == Arrived("already-there", OURS)
    assert len(journey.sends) == 1


def test_exists_and_is_another() -> None:
    """Both hashes are told; other bytes are kept only where that was asked for."""
    failed = Journey().play(EXISTS, OTHER)
    assert isinstance(failed, Failed)
    assert (failed.verdict, failed.sha256) == (Verdict.CONFLICT, THEIRS)
    assert OURS in failed.problem.message
    assert THEIRS in failed.problem.message
    keeping = Journey(RetryPolicy(5, 900.0, keep=True))
    assert keeping.play(EXISTS, OTHER) == Arrived("kept-remote", THEIRS)


def test_exists_and_never_shows() -> None:
    """A conflict needs the other hash, or the word of an index that compares before it says so."""
    unknown = Journey().play(EXISTS)
    assert isinstance(unknown, Failed)
    assert (unknown.verdict, unknown.upload) == (Verdict.UPLOAD_FAILED, "unknown")
    by_word = Journey(RetryPolicy(5, 900.0, exists_differs=True)).play(EXISTS)
    assert isinstance(by_word, Failed)
    assert by_word.verdict is Verdict.CONFLICT
    assert "409 Conflict" in by_word.problem.message


def test_the_same_bytes_under_another_name() -> None:
    """What the index means by "exists" may be the content: then waiting is of no use."""
    journey = Journey()
    failed = journey.play(EXISTS, IndexLookup("absent", elsewhere="lantern-0.9-py3-none-any.whl"))
    assert isinstance(failed, Failed)
    assert failed.problem.code is Code.SAME_BYTES_ELSEWHERE
    assert "lantern-0.9-py3-none-any.whl" in failed.problem.message
    assert len(journey.looks) == 1


@pytest.mark.parametrize(
    ("refused", "sends"), [(NEVER, 1), (LATER, 1), (ONCE, 2), (AGAIN, 6)], ids=str
)
def test_refusals(refused: Refused, sends: int) -> None:
    """What is permanent is not tried again, what may pass once, what asks for it as often."""
    journey = Journey()
    failed = journey.play(*[refused] * 6)
    assert isinstance(failed, Failed)
    assert (failed.upload, failed.problem) == ("failed", PROBLEM)
    assert (len(journey.sends), journey.looks) == (sends, [])


def test_the_server_asks_for_rest() -> None:
    """Retry-After is the least pause; one longer than the time that is left ends it at once."""
    journey = Journey(rest=30.0)
    assert journey.play(AGAIN, STORED) == Arrived("uploaded", OURS)
    assert journey.sends == [0.0, 30.0]
    journey = Journey(RetryPolicy(5, 20.0), rest=30.0)
    failed = journey.play(AGAIN, STORED)
    assert isinstance(failed, Failed)
    assert journey.sends == [0.0]


def test_refused_after_a_lost_answer() -> None:
    """The first copy may have arrived all the same: the index has the last word."""
    journey = Journey()
    assert journey.play(LOST, ABSENT, ABSENT, NEVER, ABSENT, SAME) == Arrived("uploaded", OURS)
    failed = Journey().play(LOST, ABSENT, ABSENT, NEVER)
    assert isinstance(failed, Failed)
    assert (failed.upload, failed.problem) == ("unknown", PROBLEM)


@given(
    st.lists(st.sampled_from([STORED, LOST, EXISTS, NEVER, ONCE, AGAIN, LATER]), max_size=12),
    st.lists(st.sampled_from([SAME, OTHER, ABSENT, UNKNOWN, DENIED]), max_size=40),
    st.sampled_from([ABSENT, UNKNOWN, SAME, OTHER]),
    st.builds(
        RetryPolicy, st.integers(0, 6), st.floats(0.0, 120.0), takes_identical=st.booleans(),
        exists_differs=st.booleans(),
        keep=st.booleans(),
    ),
    st.none() | st.floats(0.0, 100.0),
)  # fmt: skip
def test_whatever_is_answered(
    answers: list[UploadOutcome],
    sightings: list[IndexLookup],
    then: IndexLookup,
    patience: RetryPolicy,
    rest: float | None,
) -> None:
    """It ends, in time, with no send too many, and claims nothing that was not seen."""
    journey = Journey(patience, rest)
    transfer_events: list[Event] = [*answers, *sightings]
    end = journey.play(*transfer_events, then=then)
    assert len(journey.sends) <= patience.retries + 1
    assert max([*journey.sends, *journey.looks]) <= patience.timeout
    seen = [*sightings, *[then] * len(journey.looks)][: len(journey.looks)]
    given_answers = [*answers, *[LOST] * len(journey.sends)][: len(journey.sends)]
    # Whoever saw the file there, or other bytes in its place, was at the end.
    assert SAME not in seen[:-1]
    assert OTHER not in seen[:-1]
    if isinstance(end, Arrived):
        assert given_answers[-1] is STORED or seen[-1] in (SAME, OTHER)
        assert (end.upload == "kept-remote") == (end.sha256 == THEIRS)
        assert end.sha256 == OURS or patience.keep
    if isinstance(end, Failed) and end.verdict is Verdict.CONFLICT:
        assert seen[-1] == OTHER or (EXISTS in given_answers and patience.exists_differs)
    if isinstance(end, Failed) and end.upload == "failed" and end.verdict is not Verdict.CONFLICT:
        assert LOST not in given_answers
    # Between two sends after a lost answer there is always a look.
    for index, answer in enumerate(given_answers[:-1]):
        if isinstance(answer, Doubtful):
            start, stop = journey.sends[index], journey.sends[index + 1]
            assert any(start <= look <= stop for look in journey.looks)
