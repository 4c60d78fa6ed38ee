"""One release from every beginning to every end, in virtual time."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import pytest

from poetry_publish_verified.core.distribution import in_upload_order
from poetry_publish_verified.core.events import (
    BecameVisible,
    FileVerified,
    FirstLookDelayed,
    NotYetVisible,
    UploadEnded,
    UploadProgressed,
    UploadStarted,
)
from poetry_publish_verified.core.settings import Until
from poetry_publish_verified.core.simple.page import ProjectPage
from poetry_publish_verified.core.upload.outcomes import Answered, NoAnswer
from poetry_publish_verified.core.variants import DEFAULT_CLIENTS, PIP, UNSEEN
from poetry_publish_verified.core.verification import (
    ClientFile,
    Download,
    NotDownloaded,
    OwnMetadata,
)
from poetry_publish_verified.core.visibility import Observation
from poetry_publish_verified.errors import Code, Verdict
from poetry_publish_verified.release.interfaces import Plan
from tests.core.distributions import SDIST, WHEEL, core_metadata, distribution
from tests.release.scripted import Outcome, ScriptedAnswer, World, assert_outcome, changed

if TYPE_CHECKING:
    from poetry_publish_verified.core.distribution import Distribution

BUILT_WHEEL = distribution(WHEEL, b"light in a wheel")
BUILT_SDIST = distribution(SDIST, b"light")
BUILT = in_upload_order([BUILT_SDIST, BUILT_WHEEL])
PLAN = Plan(Until.DOWNLOADABLE, 900.0)
OTHER = "ee" * 32
LOST = NoAnswer("the server did not answer in time", sent=True)
EXISTS = Answered(400, b"File already exists ('lantern-1.0.tar.gz', with blake2_256 hash 'ab').")
DENIED = Observation("denied", detail="403")
UNKNOWN = Observation("unknown", detail="the index answered 503")
MIRROR = "https://mirror.example/simple/"


@pytest.fixture
def world() -> World:
    """A world in which everything succeeds."""
    return World()


def test_release_is_proven(world: World) -> None:
    """Each file is looked for, sent once, wheel first, seen, downloaded and compared."""
    ending = world.publish(PLAN, *BUILT)
    assert_outcome(ending, Verdict.VERIFIED)
    assert world.repository.sent == [WHEEL, SDIST]
    assert ending.uploads == {WHEEL: "uploaded", SDIST: "uploaded"}
    looks = [look for _, look in world.index.looks]
    assert looks[0] == UNSEEN.name
    # Twice for confirmation, and once more after the downloads.
    assert sorted(looks[1:]) == sorted(DEFAULT_CLIENTS * 3)
    assert {event.filename for event in world.events_of(FileVerified)} == {WHEEL, SDIST}
    (file,) = [f for f in ending.release["distributions"] if f["filename"] == WHEEL]
    assert (file["attempts"], file["remote_sha256"]) == (1, BUILT_WHEEL.sha256)
    (index,) = ending.release["indexes"]
    assert index["proven"]
    assert [v["variant"] for v in index["variants"]] == list(DEFAULT_CLIENTS)
    assert all(v["visible_at"] and v["requests"] == 3 for v in index["variants"])


def test_event_order_of_uploads(world: World) -> None:
    """An upload starts before its bytes leave, and ends before the next one starts."""
    world.publish(PLAN, *BUILT)
    kinds = (UploadStarted, UploadProgressed, UploadEnded)
    told = [
        (type(event), event.filename, getattr(event, "sent", None))
        for event in world.events
        if isinstance(event, kinds)
    ]
    assert told == [
        step
        for built in BUILT
        for step in (
            (UploadStarted, built.filename, None),
            (UploadProgressed, built.filename, built.size // 2),
            (UploadProgressed, built.filename, built.size),
            (UploadEnded, built.filename, None),
        )
    ]


def test_download_is_limited_to_the_file_size(world: World) -> None:
    """A file is downloaded with its own size as the limit."""
    world.publish(PLAN, *BUILT)
    assert sorted(world.index.limits, key=str) == sorted((d.size for d in BUILT), key=str)


def test_dry_run_sends_nothing(world: World) -> None:
    """A dry run reports what is there and what would be sent, and asks no client's copy."""
    world.index.put(BUILT_WHEEL)
    ending = world.publish(Plan(Until.DOWNLOADABLE, 900.0, dry_run=True), *BUILT)
    assert_outcome(ending, Verdict.DRY_RUN)
    assert world.repository.sent == []
    assert ending.uploads == {WHEEL: "already-there", SDIST: "not-sent"}
    assert {look for _, look in world.index.looks} == {UNSEEN.name}


def test_dry_run_reports_conflicts(world: World) -> None:
    """A dry run ends as the real one would before its first upload."""
    world.index.put(changed(BUILT_WHEEL, OTHER))
    ending = world.publish(Plan(Until.DOWNLOADABLE, 900.0, dry_run=True), *BUILT)
    assert_outcome(ending, Verdict.CONFLICT, Code.CONFLICT)


def test_preflight_and_server_faults_are_reported_together(world: World) -> None:
    """Faults of the build are reported with everything that the servers object to."""
    bad = distribution(SDIST, metadata=core_metadata(name="torch"))
    ending = world.publish(PLAN, BUILT_WHEEL, bad)
    assert_outcome(ending, Verdict.PREFLIGHT_REFUSED, Code.METADATA_DISAGREES)
    world.index.put(changed(BUILT_WHEEL, OTHER))
    world.repository.out_of_reach = ["connection refused"]
    ending = world.publish(PLAN, BUILT_WHEEL, bad)
    assert ending.verdict is Verdict.CONFLICT
    assert ending.codes[1:] == [
        Code.METADATA_DISAGREES, Code.CONFLICT, Code.REPOSITORY_NOT_REACHED,
    ]  # fmt: skip
    assert world.repository.sent == []


def test_release_without_files_is_refused(world: World) -> None:
    """A release without files is refused, never proven."""
    assert_outcome(world.publish(PLAN), Verdict.PREFLIGHT_REFUSED, Code.NO_DISTRIBUTIONS)


def test_warning_does_not_stop_the_release(world: World) -> None:
    """An unknown metadata version is reported, and the release goes out."""
    future = core_metadata().replace(b"2.4", b"2.99")
    ending = world.publish(PLAN, distribution(WHEEL, metadata=future))
    assert_outcome(ending, Verdict.VERIFIED, Code.METADATA_UNKNOWN)


def test_second_run_sends_nothing(world: World) -> None:
    """A second run sends nothing and proves the release again."""
    for built in BUILT:
        world.index.put(built)
    ending = world.publish(PLAN, *BUILT)
    assert_outcome(ending, Verdict.VERIFIED)
    assert world.repository.sent == []
    assert ending.uploads == {WHEEL: "already-there", SDIST: "already-there"}
    assert len(world.events_of(FileVerified)) == 2


def test_only_missing_files_are_sent(world: World) -> None:
    """After an incomplete run only the missing files are sent."""
    world.index.put(BUILT_WHEEL)
    ending = world.publish(PLAN, *BUILT)
    assert_outcome(ending, Verdict.VERIFIED)
    assert world.repository.sent == [SDIST]
    assert ending.uploads == {WHEEL: "already-there", SDIST: "uploaded"}


def test_listed_without_hash_is_compared_by_bytes(world: World) -> None:
    """If the page has no hash, the bytes show that a file is there already."""
    world.index.hides_hashes = True
    world.index.put(BUILT_WHEEL)
    ending = world.publish(PLAN, *BUILT)
    assert_outcome(ending, Verdict.VERIFIED, Code.NO_HASH_LISTED)
    assert world.repository.sent == [SDIST]


def test_conflict_without_a_listed_hash(world: World) -> None:
    """If the page has no hash, the bytes show the conflict."""
    world.index.hides_hashes = True
    world.index.put(changed(BUILT_WHEEL, OTHER))
    assert_outcome(world.publish(PLAN, *BUILT), Verdict.CONFLICT, Code.CONFLICT)
    assert world.repository.sent == []


def test_unknown_listed_file_is_refused(world: World) -> None:
    """A listed file without hash and bytes is neither absent nor there: nothing is sent."""
    world.index.put(BUILT_WHEEL).sha256 = None
    world.index.fetches[WHEEL] = [NotDownloaded("the server answered 404")]
    assert_outcome(world.publish(PLAN, *BUILT), Verdict.PREFLIGHT_REFUSED, Code.INDEX_STATE_UNKNOWN)
    assert world.repository.sent == []


def test_all_conflicts_are_reported(world: World) -> None:
    """Two files with other bytes are two problems with both hashes; nothing is sent."""
    for built in BUILT:
        world.index.put(changed(built, OTHER))
    ending = world.publish(PLAN, *BUILT)
    assert_outcome(ending, Verdict.CONFLICT, Code.CONFLICT, Code.CONFLICT)
    assert world.repository.sent == []
    assert ending.uploads == {WHEEL: "not-sent", SDIST: "not-sent"}
    for problem, built in zip(ending.problems, BUILT, strict=True):
        assert problem.filename == built.filename
        assert OTHER in problem.message
        assert built.sha256 in problem.message
    assert {f["remote_sha256"] for f in ending.release["distributions"]} == {OTHER}


def test_one_conflict_stops_the_release(world: World) -> None:
    """A conflict in one file is found before the other is sent."""
    world.index.put(changed(BUILT_SDIST, OTHER))
    assert_outcome(world.publish(PLAN, *BUILT), Verdict.CONFLICT, Code.CONFLICT)
    assert world.repository.sent == []


SKIP = Plan(Until.DOWNLOADABLE, 900.0, skip_existing=True)


def test_skip_existing_keeps_other_bytes(world: World) -> None:
    """With --skip-existing other bytes are kept, reported, and proven as they are."""
    world.index.put(changed(BUILT_WHEEL, OTHER))
    ending = world.publish(SKIP, *BUILT)
    assert_outcome(ending, Verdict.KEPT_REMOTE, Code.KEPT_REMOTE)
    assert ending.problems[0].severity == "warning"
    assert world.repository.sent == [SDIST]
    assert ending.uploads == {WHEEL: "kept-remote", SDIST: "uploaded"}


def test_skip_existing_with_identical_bytes(world: World) -> None:
    """With --skip-existing an identical file is nothing special."""
    world.index.put(BUILT_WHEEL)
    assert_outcome(world.publish(SKIP, *BUILT), Verdict.VERIFIED)


def test_skip_existing_verifies_kept_files(world: World) -> None:
    """A kept file whose bytes differ from the listed hash is still a failure."""
    shelved = world.index.put(changed(BUILT_WHEEL, OTHER))
    shelved.served = Download(5, {"sha256": "dd" * 32})
    ending = world.publish(SKIP, *BUILT)
    assert_outcome(ending, Verdict.VERIFICATION_FAILED, Code.KEPT_REMOTE, Code.OTHER_BYTES_SERVED)


def test_skip_existing_opens_kept_files(world: World) -> None:
    """Half a file has a hash, too: what is kept must be an archive of this release."""
    shelved = world.index.put(changed(BUILT_WHEEL, OTHER))
    half = OwnMetadata(flaw="it is not a valid wheel (File is not a zip file)")
    shelved.served = replace(shelved.served, metadata=half)
    ending = world.publish(SKIP, *BUILT)
    assert_outcome(ending, Verdict.VERIFICATION_FAILED, Code.KEPT_REMOTE, Code.OTHER_BYTES_SERVED)
    assert "not a valid wheel" in ending.problems[-1].message


@pytest.mark.parametrize("answer", [LOST, Answered(503, b"no healthy backends"), Answered(500)])
def test_file_found_after_a_lost_answer(world: World, answer: Answered | NoAnswer) -> None:
    """After a doubtful answer the file is found by its hash and not sent twice."""
    world.repository.script = [ScriptedAnswer(answer, stored=True)]
    ending = world.publish(PLAN, *BUILT)
    assert_outcome(ending, Verdict.VERIFIED)
    assert world.repository.sent == [WHEEL, SDIST]
    assert ending.uploads == {WHEEL: "uploaded", SDIST: "uploaded"}


@pytest.mark.parametrize("answer", [LOST, Answered(502, b"Bad Gateway")])
def test_file_lost_after_every_try(world: World, answer: Answered | NoAnswer) -> None:
    """If no try succeeds its state is unknown, and the next file is not sent."""
    world.repository.script = [ScriptedAnswer(answer, stored=False)] * 6
    ending = world.publish(PLAN, *BUILT)
    assert_outcome(ending, Verdict.UPLOAD_FAILED, Code.UPLOAD_STATE_UNKNOWN)
    assert ending.uploads == {WHEEL: "unknown", SDIST: "not-sent"}
    assert world.repository.sent == [WHEEL] * 6
    assert 0 < world.clock.now < 120
    assert all(look == UNSEEN.name for _, look in world.index.looks)


def test_slow_index_settles_a_lost_answer(world: World) -> None:
    """An index that lists the file seconds later settles the doubt."""
    world.index.delay = 7.0
    world.repository.script = [ScriptedAnswer(LOST, stored=True)]
    assert_outcome(world.publish(PLAN, *BUILT), Verdict.VERIFIED)


def test_silent_index_after_a_lost_answer(world: World) -> None:
    """An index that does not answer proves nothing: unknown is never absent."""
    world.repository.script = [ScriptedAnswer(LOST, stored=True)]
    world.index.answers[UNSEEN.name] = [Observation("absent"), *[UNKNOWN] * 1000]
    ending = world.publish(PLAN, *BUILT)
    assert_outcome(ending, Verdict.UPLOAD_FAILED, Code.UPLOAD_STATE_UNKNOWN)
    assert ending.uploads[WHEEL] == "unknown"


def test_timeout_bounds_the_search_after_a_lost_answer(world: World) -> None:
    """The time-out bounds the search after a doubtful answer too."""
    world.repository.script = [ScriptedAnswer(EXISTS, stored=False)]
    assert_outcome(
        world.publish(Plan(Until.DOWNLOADABLE, 3.0), *BUILT),
        Verdict.UPLOAD_FAILED,
        Code.UPLOAD_STATE_UNKNOWN,
    )
    assert world.clock.now <= 4.0


EXISTING = [EXISTS, Answered(409, b"Conflict"), Answered(403, b"No", b"overwrite artifact")]


@pytest.mark.parametrize("answer", EXISTING)
def test_already_exists_with_identical_bytes(world: World, answer: Answered) -> None:
    """An "already exists" with the right hash counts as there."""
    world.index.delay = 5.0
    world.repository.script = [ScriptedAnswer(answer, stored=True)]
    ending = world.publish(PLAN, *BUILT)
    assert_outcome(ending, Verdict.VERIFIED)
    assert ending.uploads == {WHEEL: "already-there", SDIST: "uploaded"}


@pytest.mark.parametrize("answer", EXISTING)
def test_already_exists_with_other_bytes(world: World, answer: Answered) -> None:
    """An "already exists" with another hash is a conflict."""
    world.index.put(changed(BUILT_WHEEL, OTHER), since=3.0)
    world.repository.script = [ScriptedAnswer(answer, stored=False)]
    ending = world.publish(PLAN, *BUILT)
    assert_outcome(ending, Verdict.CONFLICT, Code.CONFLICT)
    assert ending.uploads == {WHEEL: "failed", SDIST: "not-sent"}


def test_skip_existing_after_already_exists(world: World) -> None:
    """The same with --skip-existing keeps what is there."""
    world.index.put(changed(BUILT_WHEEL, OTHER), since=3.0)
    world.repository.script = [ScriptedAnswer(EXISTS, stored=False)]
    ending = world.publish(SKIP, *BUILT)
    assert_outcome(ending, Verdict.KEPT_REMOTE, Code.KEPT_REMOTE)
    assert ending.uploads == {WHEEL: "kept-remote", SDIST: "uploaded"}


def test_already_exists_but_never_listed(world: World) -> None:
    """If it is not listed within a minute its state is unknown, even with --skip-existing."""
    world.repository.script = [ScriptedAnswer(EXISTS, stored=False)]
    ending = world.publish(SKIP, *BUILT)
    assert_outcome(ending, Verdict.UPLOAD_FAILED, Code.UPLOAD_STATE_UNKNOWN)
    assert 30 <= world.clock.now <= 90
    assert "File already exists" in ending.problems[0].message


@pytest.mark.parametrize(
    ("says", "code"),
    [
        (Answered(403, b"Invalid or non-existent authentication"), Code.CREDENTIALS_REFUSED),
        (Answered(401, b"Unauthorized"), Code.CREDENTIALS_REFUSED),
        (Answered(405, b"Method Not Allowed"), Code.NOT_AN_UPLOAD_URL),
        (Answered(400, b"Only one sdist may be uploaded"), Code.SECOND_SDIST),
        (NoAnswer("connection refused", sent=False), Code.UPLOAD_NOT_SENT),
    ],
)
def test_refused_upload_ends_the_run(world: World, says: Answered | NoAnswer, code: Code) -> None:
    """A refusal ends the run at once, and the receipt says what is there."""
    world.repository.script = [
        ScriptedAnswer(Answered(200), stored=True),
        ScriptedAnswer(says, stored=False),
    ]
    ending = world.publish(PLAN, *BUILT)
    assert_outcome(ending, Verdict.UPLOAD_FAILED, code)
    assert ending.uploads == {WHEEL: "uploaded", SDIST: "failed"}
    assert world.clock.now == 0.0


def test_refusal_links_the_repositorys_pages(world: World) -> None:
    """The remedy links the pages of the index that was uploaded to."""
    world.repository.url = "https://upload.lamps.example/legacy/"
    unverified = Answered(403, b"User 'a' does not have a verified primary email address.")
    world.repository.script = [ScriptedAnswer(unverified, stored=False)]
    ending = world.publish(PLAN, *BUILT)
    assert_outcome(ending, Verdict.UPLOAD_FAILED, Code.EMAIL_NOT_VERIFIED)
    assert "(https://lamps.example/manage/account/)" in ending.problems[0].remedy


def test_denied_index_before_the_upload(world: World) -> None:
    """Access denied before the upload: nothing is sent and nothing is retried."""
    world.index.answers[UNSEEN.name] = [DENIED] * 9
    assert_outcome(world.publish(PLAN, *BUILT), Verdict.PREFLIGHT_REFUSED, Code.INDEX_STATE_UNKNOWN)
    assert world.repository.sent == []
    assert len(world.index.looks) == 1


def test_silent_index_is_never_absent(world: World) -> None:
    """An index that does not say what it holds is asked for a while, and then nothing is sent."""
    world.index.answers[UNSEEN.name] = [UNKNOWN] * 99
    ending = world.publish(PLAN, *BUILT)
    assert_outcome(ending, Verdict.PREFLIGHT_REFUSED, Code.INDEX_STATE_UNKNOWN)
    assert UNKNOWN.detail in ending.problems[0].message
    assert world.repository.sent == []
    times = [time for time, _ in world.index.looks]
    assert all(after - before >= 1.0 for before, after in itertools.pairwise(times))
    assert 150.0 <= times[-1] <= 180.0 < PLAN.timeout
    assert len(times) < 25
    assert len(world.events_of(FirstLookDelayed)) == len(times) - 1


@pytest.mark.parametrize(("timeout", "ends_at"), [(5.0, 3.0), (20.0, 10.0), (100.0, 15.0)])
def test_short_time_out_at_the_first_look(world: World, timeout: float, ends_at: float) -> None:
    """The while is a share of the time-out, of a short one all."""
    world.index.answers[UNSEEN.name] = [UNKNOWN] * 99
    world.publish(replace(PLAN, timeout=timeout), *BUILT)
    assert world.clock.now == ends_at


def test_malformed_page_is_not_reported_as_an_index_that_is_down(world: World) -> None:
    """What has answered is up; its page, or its entry of a file, must change."""
    world.index.answers[UNSEEN.name] = [replace(UNKNOWN, malformed=True)] * 99
    (page,) = world.publish(PLAN, *BUILT).problems
    world.index.answers[UNSEEN.name] = []
    world.index.hides_hashes = True
    world.index.put(BUILT_WHEEL)
    seen = anyio.run(world.index.look, "lantern", "1.0", UNSEEN)
    assert seen.page is not None
    file = replace(seen.page.files[WHEEL], flaw="its URL does not end in the file's name")
    world.index.answers[UNSEEN.name] = [Observation("page", ProjectPage({WHEEL: file}))]
    *_, entry = world.publish(PLAN, *BUILT).problems
    assert file.flaw in entry.message
    for problem in (page, entry):
        assert problem.code is Code.INDEX_STATE_UNKNOWN
        assert "fix its page" in problem.remedy


def test_unreachable_index_is_given_up_soon(world: World) -> None:
    """Where no server is reached at all, the address is more likely to be wrong."""
    world.index.answers[UNSEEN.name] = [replace(UNKNOWN, reached=False)] * 99
    ending = world.publish(PLAN, *BUILT)
    assert_outcome(ending, Verdict.PREFLIGHT_REFUSED, Code.INDEX_STATE_UNKNOWN)
    assert len(world.index.looks) == 3


def test_index_that_answers_the_second_time(world: World) -> None:
    """An index that answers the second time is believed."""
    world.index.answers[UNSEEN.name] = [UNKNOWN]
    assert_outcome(world.publish(PLAN, *BUILT), Verdict.VERIFIED)


def test_index_that_is_down_for_two_minutes(world: World) -> None:
    """A restart of the index before the upload does not end the run."""
    world.index.answers[UNSEEN.name] = [UNKNOWN] * 13
    assert_outcome(world.publish(PLAN, *BUILT), Verdict.VERIFIED)
    assert world.index.looks[13][0] > 80.0


@pytest.mark.parametrize("delay", [0.5, 45.0, 600.0, 899.0])
def test_late_release_is_waited_for(delay: float) -> None:
    """A release that shows late is waited for and found soon afterwards."""
    world = World(delay=delay)
    assert_outcome(world.publish(PLAN, *BUILT), Verdict.VERIFIED)
    assert delay <= world.clock.now <= delay * 1.084 + 1.0
    visible = {event.variant: event for event in world.events_of(BecameVisible)}
    assert max(event.waited for event in visible.values()) == world.clock.now - 0.25
    for client in DEFAULT_CLIENTS:
        times = [time for time, look in world.index.looks if look == client]
        # The last look is after the downloads.
        assert visible[client].requests == len(times) - 1
        times.pop()
        assert all(after - before >= 0.25 for before, after in itertools.pairwise(times))


@pytest.mark.parametrize("until", list(Until))
def test_not_visible_in_time(until: Until) -> None:
    """Exit code 6, and the receipt says that it is uploaded."""
    world = World(delay=1000.0)
    ending = world.publish(Plan(until, 60.0), *BUILT)
    assert_outcome(ending, Verdict.NOT_VISIBLE, Code.NOT_LISTED_IN_TIME)
    assert 60.0 <= world.clock.now <= 61.0
    assert ending.uploads == {WHEEL: "uploaded", SDIST: "uploaded"}
    assert WHEEL in ending.problems[0].message
    assert SDIST in ending.problems[0].message
    assert world.events_of(NotYetVisible)[-1].missing == (WHEEL, SDIST)
    assert ending.release["indexes"][0]["variants"][0]["visible_at"] is None


def test_missing_file_is_named(world: World) -> None:
    """Half a release is not a release; the missing file is named."""
    world.index.put(BUILT_WHEEL)
    world.index.delay = 1000.0
    ending = world.publish(Plan(Until.LISTED, 60.0), *BUILT)
    assert_outcome(ending, Verdict.NOT_VISIBLE, Code.NOT_LISTED_IN_TIME)
    assert WHEEL not in ending.problems[0].message
    assert SDIST in ending.problems[0].message


def test_index_that_fails_during_the_wait(world: World) -> None:
    """No answer in time is `not visible`, and the message has the last answer."""
    world.index.answers[PIP.name] = [UNKNOWN] * 1000
    ending = world.publish(Plan(Until.LISTED, 30.0), *BUILT)
    assert_outcome(ending, Verdict.NOT_VISIBLE, Code.NOT_LISTED_IN_TIME)
    assert UNKNOWN.detail in ending.problems[0].message
    looks = sum(look == PIP.name for _, look in world.index.looks)
    assert f"{looks} of {looks} answers were unusable" in ending.problems[0].message


def test_index_that_recovers_during_the_wait(world: World) -> None:
    """The wait survives errors, a page that disappears, and a stale page."""
    world.index.answers[PIP.name] = [
        *(UNKNOWN, Observation("absent"), Observation("page", ProjectPage({})), UNKNOWN)
    ]
    assert_outcome(world.publish(PLAN, *BUILT), Verdict.VERIFIED)


def test_denied_during_the_wait(world: World) -> None:
    """An index that installers may not read ends the wait at once; the remedy names it."""
    world.index.answers[PIP.name] = [DENIED]
    world.index.name = "guni"
    ending = world.publish(PLAN, *BUILT)
    assert_outcome(ending, Verdict.NOT_VISIBLE, Code.INDEX_DENIED)
    assert "poetry config http-basic.guni <user>" in ending.problems[0].remedy
    assert world.clock.now == 0.0


def test_wrong_listed_hash_needs_no_download(world: World) -> None:
    """An index that lists a file under another hash is caught without a download."""
    mirror = world.another_index(MIRROR)
    world.repository.shows_on = [world.index]
    mirror.put(changed(BUILT_WHEEL, OTHER))
    ending = world.publish(PLAN, *BUILT)
    assert_outcome(ending, Verdict.VERIFICATION_FAILED, Code.OTHER_HASH_LISTED)
    assert (ending.problems[0].index, ending.problems[0].filename) == (MIRROR, WHEEL)
    assert mirror.limits == []


def served(world: World, built: Distribution, fetched: Download) -> None:
    """Make the index list a file correctly but serve something else."""
    world.index.fetches[built.filename] = [fetched] * 9


@pytest.mark.parametrize(
    "fetched",
    [
        Download(BUILT_WHEEL.size, {"sha256": OTHER}),
        Download(0, {"sha256": OTHER}),
        Download(BUILT_WHEEL.size + 1, {"sha256": OTHER}, cut=True),
        Download(BUILT_WHEEL.size + 1, {"sha256": BUILT_WHEEL.sha256}, cut=True),
    ],
)
def test_wrong_served_bytes_fail(world: World, fetched: Download) -> None:
    """Other, fewer or more bytes than were built are exit code 7."""
    served(world, BUILT_WHEEL, fetched)
    ending = world.publish(PLAN, *BUILT)
    assert_outcome(ending, Verdict.VERIFICATION_FAILED, Code.OTHER_BYTES_SERVED)
    assert ending.problems[0].filename == WHEEL
    assert [event.filename for event in world.events_of(FileVerified)] == [SDIST]


def test_until_listed_does_not_download(world: World) -> None:
    """Until `listed` the page is enough, so other bytes go unnoticed."""
    served(world, BUILT_WHEEL, Download(5, {"sha256": OTHER}))
    assert_outcome(world.publish(Plan(Until.LISTED, 900.0), *BUILT), Verdict.VERIFIED)
    assert world.index.limits == []


def test_until_listed_requires_a_hash(world: World) -> None:
    """Until `listed` every file must be listed with its sha256."""
    world.index.hides_hashes = True
    ending = world.publish(Plan(Until.LISTED, 900.0), *BUILT)
    assert_outcome(ending, Verdict.VERIFICATION_FAILED, Code.NO_HASH_LISTED)
    assert world.events_of(FileVerified) == []


def test_until_downloadable_works_without_a_listed_hash(world: World) -> None:
    """Until `downloadable` the bytes prove what the page does not say."""
    world.index.hides_hashes = True
    assert_outcome(world.publish(PLAN, *BUILT), Verdict.VERIFIED, Code.NO_HASH_LISTED)
    assert len(world.events_of(FileVerified)) == 2


def test_late_download_is_retried(world: World) -> None:
    """A listed file that answers 404 at first is retried with pauses."""
    world.index.fetches[WHEEL] = [NotDownloaded("the server answered 404")] * 5
    assert_outcome(world.publish(PLAN, *BUILT), Verdict.VERIFIED)
    assert world.clock.now >= 5.0


def test_missing_download_is_not_visible(world: World) -> None:
    """A listed file that cannot be downloaded in time is `not visible`."""
    world.index.fetches[WHEEL] = [NotDownloaded("the server answered 404")] * 9999
    ending = world.publish(Plan(Until.DOWNLOADABLE, 60.0), *BUILT)
    assert_outcome(ending, Verdict.NOT_VISIBLE, Code.NOT_FETCHED_IN_TIME)
    assert "404" in ending.problems[0].message
    assert 60.0 <= world.clock.now <= 62.0
    assert len(world.index.fetches[WHEEL]) > 9999 - 60


def test_denied_download_is_not_retried(world: World) -> None:
    """A permanent refusal is not retried."""
    world.index.fetches[WHEEL] = [NotDownloaded("the server answered 403", final=True)]
    assert_outcome(world.publish(PLAN, *BUILT), Verdict.NOT_VISIBLE, Code.NOT_FETCHED_IN_TIME)
    assert world.index.limits.count(BUILT_WHEEL.size) == 1


@pytest.mark.parametrize("shared", [True, False])
def test_what_is_downloaded_counts_for_its_own_access(world: World, shared: bool) -> None:
    """Indexes that link to one place share a download only where they read with one access."""
    mirror = world.another_index(MIRROR)
    mirror.access = None if shared else "a login"
    mirror.fetches[WHEEL] = [NotDownloaded("the server answered 401", final=True)]
    ending = world.publish(PLAN, *BUILT)
    if shared:
        assert_outcome(ending, Verdict.VERIFIED)
        assert mirror.limits == []
    else:
        assert_outcome(ending, Verdict.NOT_VISIBLE, Code.NOT_FETCHED_IN_TIME)
        assert ending.problems[0].index == MIRROR


def test_indexes_are_waited_for_in_parallel(world: World) -> None:
    """Each index is waited for separately, in parallel."""
    world.another_index(MIRROR, delay=30.0)
    ending = world.publish(PLAN, *BUILT)
    assert_outcome(ending, Verdict.VERIFIED)
    visible = {event.index: event.waited for event in world.events_of(BecameVisible)}
    assert visible[world.index.url] == 0.25
    # Asked only after the own index is complete.
    assert min(at for at, _ in world.indexes[1].looks) == 0.25
    assert 30.0 <= visible[MIRROR] + 0.5 == world.clock.now <= 34.0
    assert len(world.events_of(FileVerified)) == 4
    assert [index["url"] for index in ending.release["indexes"]] == [world.index.url, MIRROR]


def test_one_failing_index_fails_the_release(world: World) -> None:
    """One index that never shows the release fails it; the other is still proven."""
    world.another_index(MIRROR, delay=1000.0)
    ending = world.publish(Plan(Until.DOWNLOADABLE, 60.0), *BUILT)
    assert_outcome(ending, Verdict.NOT_VISIBLE, Code.NOT_LISTED_IN_TIME)
    assert ending.problems[0].index == MIRROR
    assert {event.index for event in world.events_of(FileVerified)} == {world.index.url}


def test_gravest_index_failure_is_the_verdict(world: World) -> None:
    """Of two failing indexes, wrong bytes outweigh a time-out."""
    world.another_index(MIRROR, delay=1000.0)
    served(world, BUILT_WHEEL, Download(5, {"sha256": OTHER}))
    ending = world.publish(Plan(Until.DOWNLOADABLE, 60.0), *BUILT)
    assert ending.verdict is Verdict.VERIFICATION_FAILED
    assert set(ending.codes) == {"PV703", "PV601"}


@pytest.mark.parametrize("until", list(Until))
def test_unexpected_file_is_a_warning(world: World, until: Until) -> None:
    """A file of this version that was not built here is a warning; other versions are not."""
    extra = "lantern-1.0-cp311-abi3-win32.whl"
    for name in (extra, "lantern-0.9-py3-none-any.whl", "lantern-1.0.1.tar.gz", "index.html"):
        world.index.put(distribution(name), since=0.0)
    world.client.script = [ClientFile(WHEEL, BUILT_WHEEL.sha256)]
    ending = world.publish(Plan(until, 900.0), *BUILT)
    assert_outcome(ending, Verdict.VERIFIED, Code.EXTRA_FILE)
    (problem,) = ending.problems
    assert problem.severity == "warning"
    assert extra in problem.message
    assert "0.9" not in problem.message
    assert "1.0.1" not in problem.message


def cancelled(world: World, after: str) -> Outcome:
    """Interrupt the run while a file is sent, or while the index is waited for."""

    async def interrupt() -> None:
        with anyio.CancelScope() as scope:
            if after == "wait":
                world.index.delay = 1e9
                plain = world.clock.sleep

                async def sleep(seconds: float) -> None:
                    if world.clock.now > 30.0:
                        scope.cancel()
                    await plain(seconds)

                world.clock.sleep = sleep  # type: ignore[method-assign]
            else:
                world.repository.before = lambda built: (
                    scope.cancel() if built.filename == after else None
                )
            await world.publish_async(PLAN, *BUILT)
        assert scope.cancelled_caught

    anyio.run(interrupt)
    return world.outcome(Verdict.INTERRUPTED)


def test_interrupted_during_an_upload(world: World) -> None:
    """The file being sent is unknown, the one before is there, and nothing is retried."""
    ending = cancelled(world, SDIST)
    assert ending.uploads == {WHEEL: "uploaded", SDIST: "unknown"}
    assert ending.receipt["verdict"] == "interrupted"
    assert ending.receipt["exit_code"] == 130
    assert world.repository.sent == [WHEEL, SDIST]


def test_interrupted_at_the_first_byte(world: World) -> None:
    """Files that were not started are `not-sent`."""
    assert cancelled(world, WHEEL).uploads == {WHEEL: "unknown", SDIST: "not-sent"}


def test_interrupted_during_the_wait(world: World) -> None:
    """Interrupted after the uploads, the receipt says that they are there."""
    ending = cancelled(world, "wait")
    assert ending.uploads == {WHEEL: "uploaded", SDIST: "uploaded"}
    for variant in ending.release["indexes"][0]["variants"]:
        assert variant["visible_at"] is None
    assert sum(v["requests"] for v in ending.release["indexes"][0]["variants"]) > 5
