"""One file's way to an index: what follows each answer, and what never happens."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poetry_publish_verified.core.upload.outcomes import Doubtful, Refused, Stored, UploadOutcome
from poetry_publish_verified.core.upload.transfer import (
    Arrived,
    Failed,
    IndexLookup,
    RetryPolicy,
    Send,
    Transfer,
    TransferStep,
    UploadTarget,
)
from poetry_publish_verified.errors import Code, Problem, Verdict

OURS, THEIRS = "a" * 64, "b" * 64
CARGO = UploadTarget("lantern-1.0-py3-none-any.whl", OURS, "https://index.example/simple/")
PROBLEM = Problem(Code.UPLOAD_REFUSED, "It was refused.", "Mend it.")

STORED = Stored()
LOST = Doubtful(says_exists=False, words="503 Service Unavailable")
WEB_PAGE = Doubtful(says_exists=False, words="200 OK: Sign in", problem=PROBLEM)
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
class ScriptedTransfer:
    """A transfer driven by a script; `sends` and `looks` hold the times of each."""

    patience: RetryPolicy = field(default_factory=lambda: RetryPolicy(5, 900.0))
    rest: float | None = None
    sends: list[float] = field(default_factory=list)
    looks: list[float] = field(default_factory=list)

    def run(self, *events: Event, then: IndexLookup = ABSENT) -> Arrived | Failed:
        """Feed these outcomes on request; when they run out, LOST and `then`."""
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


def test_success_ends_the_transfer() -> None:
    """A good answer ends the transfer."""
    journey = ScriptedTransfer()
    assert journey.run(STORED) == Arrived("uploaded", OURS)
    assert (len(journey.sends), journey.looks) == (1, [])


def test_file_found_by_hash_is_not_sent_again() -> None:
    """If the index lists the hash after a lost answer, the file is not sent again."""
    journey = ScriptedTransfer()
    assert journey.run(LOST, SAME) == Arrived("uploaded", OURS)
    assert (len(journey.sends), len(journey.looks)) == (1, 1)


def test_second_look_before_resending() -> None:
    """The index is looked at once more right before the file is sent again."""
    journey = ScriptedTransfer()
    assert journey.run(LOST, ABSENT, SAME) == Arrived("uploaded", OURS)
    assert (len(journey.sends), len(journey.looks)) == (1, 2)


def test_absent_file_is_sent_again() -> None:
    """A file that did not arrive is sent again after a pause."""
    journey = ScriptedTransfer()
    assert journey.run(LOST, STORED) == Arrived("uploaded", OURS)
    assert len(journey.sends) == 2
    assert journey.sends[1] == journey.looks[-1] > journey.looks[0]


def test_pauses_double_and_retries_end() -> None:
    """Five more tries, each pause twice the last; then the index decides."""
    journey = ScriptedTransfer()
    failed = journey.run()
    assert isinstance(failed, Failed)
    assert (failed.upload, failed.problem.code) == ("unknown", Code.UPLOAD_STATE_UNKNOWN)
    pauses = [b - a for a, b in zip(journey.sends, journey.sends[1:], strict=False)]
    assert pauses == pytest.approx([0.375 * 2**n for n in range(5)])
    assert 10 < journey.looks[-1] - journey.sends[-1] <= 15


def test_no_retries_still_looks() -> None:
    """Without retries the file is sent once, but still looked for."""
    journey = ScriptedTransfer(RetryPolicy(0, 900.0))
    assert isinstance(journey.run(), Failed)
    assert len(journey.sends) == 1
    assert len(journey.looks) > 3


def test_timeout_bounds_everything() -> None:
    """No send or look happens later than the time-out after the first failure."""
    journey = ScriptedTransfer(RetryPolicy(100, 7.0))
    assert isinstance(journey.run(), Failed)
    assert max(*journey.sends, *journey.looks) <= 7.0


@pytest.mark.parametrize("takes_identical", [False, True])
def test_silent_index(*, takes_identical: bool) -> None:
    """Unknown is never absent: it is sent again only where identical bytes are surely accepted."""
    journey = ScriptedTransfer(RetryPolicy(5, 900.0, takes_identical))
    failed = journey.run(then=UNKNOWN)
    assert isinstance(failed, Failed)
    assert failed.upload == "unknown"
    assert len(journey.sends) == (6 if takes_identical else 1)


def test_index_that_recovers() -> None:
    """First unknown, then absent: now it is sent again."""
    journey = ScriptedTransfer()
    assert journey.run(LOST, *[UNKNOWN] * 9, STORED, then=ABSENT) == Arrived("uploaded", OURS)
    assert len(journey.sends) == 2


def test_unreadable_index_is_not_waited_for() -> None:
    """An index that will never answer is not waited for."""
    journey = ScriptedTransfer()
    assert isinstance(journey.run(then=DENIED), Failed)
    assert len(journey.looks) == 1


def test_already_exists_with_the_same_bytes() -> None:
    """Somebody else uploaded it, or this run itself before an answer was lost."""
    assert ScriptedTransfer().run(EXISTS, SAME) == Arrived("already-there", OURS)
    journey = ScriptedTransfer()
    assert journey.run(LOST, ABSENT, ABSENT, EXISTS, SAME) == Arrived("uploaded", OURS)


def test_already_exists_is_settled_by_the_page() -> None:
    """The page settles an "already exists"; it is waited for, and nothing is sent again."""
    journey = ScriptedTransfer()
    assert journey.run(EXISTS, *[ABSENT] * 5, SAME) == Arrived("already-there", OURS)
    assert len(journey.sends) == 1


def test_already_exists_with_other_bytes() -> None:
    """Both hashes are reported; other bytes are kept only on request."""
    failed = ScriptedTransfer().run(EXISTS, OTHER)
    assert isinstance(failed, Failed)
    assert (failed.verdict, failed.sha256) == (Verdict.CONFLICT, THEIRS)
    assert OURS in failed.problem.message
    assert THEIRS in failed.problem.message
    keeping = ScriptedTransfer(RetryPolicy(5, 900.0, keep=True))
    assert keeping.run(EXISTS, OTHER) == Arrived("kept-remote", THEIRS)


def test_already_exists_but_is_never_listed() -> None:
    """A conflict needs the other hash, or an index that compares before it says so."""
    unknown = ScriptedTransfer().run(EXISTS)
    assert isinstance(unknown, Failed)
    assert (unknown.verdict, unknown.upload) == (Verdict.UPLOAD_FAILED, "unknown")
    by_word = ScriptedTransfer(RetryPolicy(5, 900.0, exists_differs=True)).run(EXISTS)
    assert isinstance(by_word, Failed)
    assert by_word.verdict is Verdict.CONFLICT
    assert "409 Conflict" in by_word.problem.message


def test_same_bytes_under_another_name() -> None:
    """The index may mean the content; then waiting is useless."""
    journey = ScriptedTransfer()
    failed = journey.run(EXISTS, IndexLookup("absent", elsewhere="lantern-0.9-py3-none-any.whl"))
    assert isinstance(failed, Failed)
    assert failed.problem.code is Code.SAME_BYTES_ELSEWHERE
    assert "lantern-0.9-py3-none-any.whl" in failed.problem.message
    assert len(journey.looks) == 1


@pytest.mark.parametrize(
    ("refused", "sends"), [(NEVER, 1), (LATER, 1), (ONCE, 2), (AGAIN, 6)], ids=str
)
def test_retries_depend_on_the_refusal(refused: Refused, sends: int) -> None:
    """Permanent refusals are not retried, others once or as often as allowed."""
    journey = ScriptedTransfer()
    failed = journey.run(*[refused] * 6)
    assert isinstance(failed, Failed)
    assert (failed.upload, failed.problem) == ("failed", PROBLEM)
    assert (len(journey.sends), journey.looks) == (sends, [])


def test_retry_after_is_the_minimum_pause() -> None:
    """A Retry-After beyond the remaining time ends the transfer at once."""
    journey = ScriptedTransfer(rest=30.0)
    assert journey.run(AGAIN, STORED) == Arrived("uploaded", OURS)
    assert journey.sends == [0.0, 30.0]
    journey = ScriptedTransfer(RetryPolicy(5, 20.0), rest=30.0)
    failed = journey.run(AGAIN, STORED)
    assert isinstance(failed, Failed)
    assert journey.sends == [0.0]


def test_refusal_after_a_lost_answer() -> None:
    """The first copy may have arrived, so the index decides."""
    journey = ScriptedTransfer()
    assert journey.run(LOST, ABSENT, ABSENT, NEVER, ABSENT, SAME) == Arrived("uploaded", OURS)
    failed = ScriptedTransfer().run(LOST, ABSENT, ABSENT, NEVER)
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
def test_any_answers_end_the_transfer(
    answers: list[UploadOutcome],
    sightings: list[IndexLookup],
    then: IndexLookup,
    patience: RetryPolicy,
    rest: float | None,
) -> None:
    """It ends in time, never sends too often, and claims only what was seen."""
    journey = ScriptedTransfer(patience, rest)
    transfer_events: list[Event] = [*answers, *sightings]
    end = journey.run(*transfer_events, then=then)
    assert len(journey.sends) <= patience.retries + 1
    assert max([*journey.sends, *journey.looks]) <= patience.timeout
    seen = [*sightings, *[then] * len(journey.looks)][: len(journey.looks)]
    given_answers = [*answers, *[LOST] * len(journey.sends)][: len(journey.sends)]
    # A look that saw the file, or other bytes in its place, was the last.
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
    # After a lost answer there is always a look between two sends.
    for index, answer in enumerate(given_answers[:-1]):
        if isinstance(answer, Doubtful):
            start, stop = journey.sends[index], journey.sends[index + 1]
            assert any(start <= look <= stop for look in journey.looks)


def test_web_page_is_looked_into_and_not_sent_again() -> None:
    """A page for people is no word of an index: the file is looked for, and never sent again."""
    script = ScriptedTransfer()
    ended = script.run(WEB_PAGE)
    assert isinstance(ended, Failed)
    assert (ended.upload, ended.verdict, ended.problem) == (
        "unknown",
        Verdict.UPLOAD_FAILED,
        PROBLEM,
    )
    assert len(script.sends) == 1
    assert len(script.looks) > 1
    assert ScriptedTransfer().run(WEB_PAGE, ABSENT, SAME) == Arrived("uploaded", OURS)


ROOT = Path(__file__).parent.parent.parent
ANSWERS: dict[str, UploadOutcome] = {
    "success": STORED,
    "refused": NEVER,
    "refused for now": AGAIN,
    "a lost answer": LOST,
    "a web page": WEB_PAGE,
    '"already exists"': EXISTS,
}
LOOKS: dict[str, IndexLookup] = {
    "the same bytes": SAME,
    "other bytes": OTHER,
    "the same bytes under another name": IndexLookup("absent", elsewhere="lantern-1.tar.gz"),
    "not listed": ABSENT,
    "no usable answer": UNKNOWN,
    "access denied": DENIED,
}
NO_YES = (False, True)
POLICIES = [
    RetryPolicy(retries, 900.0, takes_identical=takes, exists_differs=differs, keep=keep)
    for retries in (1, 5)
    for takes, differs, keep in itertools.product(NO_YES, NO_YES, NO_YES)
]


def documented(event: str) -> list[set[str]]:
    """The words in code of an event's row in docs/explanation/uploads.md, by column."""
    page = (ROOT / "docs" / "explanation" / "uploads.md").read_text(encoding="utf-8")
    (row,) = re.findall(rf"^\| {re.escape(event)} \| (.*`.*) \|$", page, re.MULTILINE)
    return [{*re.findall(r"`([a-z]+(?:-[a-z]+)*)`", cell)} for cell in row.split(" | ")]


def after(policy: RetryPolicy, *events: Event) -> Transfer:
    """A transfer on which these have come, one each second."""
    transfer = Transfer(CARGO, policy, lambda: 0.5)
    transfer.begin(0.0)
    for now, event in enumerate(events):
        if isinstance(event, IndexLookup):
            transfer.looked(event, float(now))
        else:
            transfer.answered(event, float(now))
    return transfer


def state_after(transfer: Transfer, event: Event, now: float) -> str:
    """The state that an event leads to, in the words of the documentation."""
    step: TransferStep
    if isinstance(event, IndexLookup):
        step = transfer.looked(event, now)
    else:
        step = transfer.answered(event, now)
    match step:
        case Arrived(upload):
            return upload
        case Failed(upload, verdict):
            return "conflict" if verdict is Verdict.CONFLICT else upload
        case _:
            return type(transfer._state).__name__.strip("_").lower()  # noqa: SLF001 - reading


@pytest.mark.parametrize("event", ANSWERS)
def test_documented_answers(event: str) -> None:
    """The first table in docs/explanation/uploads.md has exactly what follows each answer."""
    fresh, doubted = set(), set()
    for policy in (RetryPolicy(0, 900.0), *POLICIES):
        fresh.add(state_after(after(policy), ANSWERS[event], 1.0))
        if policy.retries:
            again = after(policy, LOST, ABSENT)
            doubted.add(state_after(again, ANSWERS[event], 3.0))
    assert documented(event) == [fresh, doubted]


@pytest.mark.parametrize("event", LOOKS)
def test_documented_looks(event: str) -> None:
    """The second table has exactly what follows each look, in time and too late."""
    lost, announced = set(), set()
    for policy, now in itertools.product(POLICIES, (2.2, 800.0)):
        for before in ((LOST,), (LOST, ABSENT, LOST)):
            lost.add(state_after(after(policy, *before), LOOKS[event], now))
        for before in ((EXISTS,), (LOST, ABSENT, EXISTS)):
            announced.add(state_after(after(policy, *before), LOOKS[event], now))
    assert documented(event) == [lost, announced]
