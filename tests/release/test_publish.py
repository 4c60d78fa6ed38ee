"""The story of one release, from every beginning to every end, in virtual time."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import anyio
import pytest

from poetry_publish_verified.core.distribution import in_upload_order
from poetry_publish_verified.core.events import BecameVisible
from poetry_publish_verified.core.events import FileVerified
from poetry_publish_verified.core.events import NotYetVisible
from poetry_publish_verified.core.events import UploadEnded
from poetry_publish_verified.core.events import UploadProgressed
from poetry_publish_verified.core.events import UploadStarted
from poetry_publish_verified.core.settings import Until
from poetry_publish_verified.core.simple import ProjectPage
from poetry_publish_verified.core.upload.outcomes import Answered
from poetry_publish_verified.core.upload.outcomes import NoAnswer
from poetry_publish_verified.core.variants import DEFAULT_CLIENTS
from poetry_publish_verified.core.variants import PIP
from poetry_publish_verified.core.variants import UNSEEN
from poetry_publish_verified.core.verification import ClientAbstains
from poetry_publish_verified.core.verification import ClientFailure
from poetry_publish_verified.core.verification import ClientFile
from poetry_publish_verified.core.verification import Fetched
from poetry_publish_verified.core.verification import NotFetched
from poetry_publish_verified.core.visibility import Observation
from poetry_publish_verified.errors import Code
from poetry_publish_verified.errors import Verdict
from poetry_publish_verified.release.interfaces import Plan
from tests.core.distributions import SDIST
from tests.core.distributions import WHEEL
from tests.core.distributions import core_metadata
from tests.core.distributions import distribution
from tests.release.scripted import Ending
from tests.release.scripted import Says
from tests.release.scripted import World
from tests.release.scripted import changed

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
    """A world in which all goes well."""
    return World()


def ends(ending: Ending, verdict: Verdict, *codes: Code) -> None:
    """See that a story ended so, with just these problems, and that its receipt says it."""
    assert (ending.verdict, ending.codes) == (verdict, [str(code) for code in codes])
    assert ending.receipt["verdict"] == ending.release["verdict"] == str(verdict)
    assert ending.receipt["exit_code"] == verdict.exit_code
    assert [problem["code"] for problem in ending.release["problems"]] == ending.codes


def test_all_goes_well(world: World) -> None:
    """Each file is looked for, sent once, the wheel first, seen, fetched and compared."""
    ending = world.story(PLAN, *BUILT)
    ends(ending, Verdict.VERIFIED)
    assert world.repository.sent == [WHEEL, SDIST]
    assert ending.uploads == {WHEEL: "uploaded", SDIST: "uploaded"}
    looks = [look for _, look in world.index.looks]
    assert looks[0] == UNSEEN.name
    # Twice to be sure, and once more after the downloads.
    assert sorted(looks[1:]) == sorted(DEFAULT_CLIENTS * 3)
    assert {event.filename for event in world.told(FileVerified)} == {WHEEL, SDIST}
    (file,) = [f for f in ending.release["distributions"] if f["filename"] == WHEEL]
    assert (file["attempts"], file["remote_sha256"]) == (1, BUILT_WHEEL.sha256)
    (index,) = ending.release["indexes"]
    assert index["proven"]
    assert [v["variant"] for v in index["variants"]] == list(DEFAULT_CLIENTS)
    assert all(v["visible_at"] and v["requests"] == 3 for v in index["variants"])


def test_the_order_of_events(world: World) -> None:
    """An upload begins before its bytes leave, and ends before the next one begins."""
    world.story(PLAN, *BUILT)
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


def test_a_file_is_read_no_further_than_it_is_long(world: World) -> None:
    """What is compared is fetched with its own size as the limit."""
    world.story(PLAN, *BUILT)
    assert sorted(world.index.limits, key=str) == sorted((d.size for d in BUILT), key=str)


def test_a_dry_run_sends_nothing(world: World) -> None:
    """A dry run tells what is there and what would be sent, and asks no installer's copy."""
    world.index.put(BUILT_WHEEL)
    ending = world.story(Plan(Until.DOWNLOADABLE, 900.0, dry_run=True), *BUILT)
    ends(ending, Verdict.DRY_RUN)
    assert world.repository.sent == []
    assert ending.uploads == {WHEEL: "already-there", SDIST: "not-sent"}
    assert {look for _, look in world.index.looks} == {UNSEEN.name}


def test_a_dry_run_tells_conflicts(world: World) -> None:
    """A dry run ends as the real one would before its first upload."""
    world.index.put(changed(BUILT_WHEEL, OTHER))
    ending = world.story(Plan(Until.DOWNLOADABLE, 900.0, dry_run=True), *BUILT)
    ends(ending, Verdict.CONFLICT, Code.CONFLICT)


def test_preflight_comes_first(world: World) -> None:
    """A fault of what was built is told with all that the index and the network have against it."""
    bad = distribution(SDIST, metadata=core_metadata(name="torch"))
    ending = world.story(PLAN, BUILT_WHEEL, bad)
    ends(ending, Verdict.PREFLIGHT_REFUSED, Code.METADATA_DISAGREES)
    world.index.put(changed(BUILT_WHEEL, OTHER))
    world.repository.out_of_reach = ["connection refused"]
    ending = world.story(PLAN, BUILT_WHEEL, bad)
    assert ending.verdict is Verdict.CONFLICT
    assert ending.codes[1:] == [
        Code.METADATA_DISAGREES, Code.CONFLICT, Code.REPOSITORY_NOT_REACHED,
    ]  # fmt: skip
    assert world.repository.sent == []


def test_nothing_built(world: World) -> None:
    """A release without files is refused, never proven."""
    ends(world.story(PLAN), Verdict.PREFLIGHT_REFUSED, Code.NO_DISTRIBUTIONS)


def test_a_warning_does_not_stop_it(world: World) -> None:
    """Metadata newer than we know is told, and the release goes out."""
    future = core_metadata().replace(b"2.4", b"2.99")
    ending = world.story(PLAN, distribution(WHEEL, metadata=future))
    ends(ending, Verdict.VERIFIED, Code.METADATA_UNKNOWN)


def test_all_there_already(world: World) -> None:
    """A second run sends nothing, and proves the release again."""
    for built in BUILT:
        world.index.put(built)
    ending = world.story(PLAN, *BUILT)
    ends(ending, Verdict.VERIFIED)
    assert world.repository.sent == []
    assert ending.uploads == {WHEEL: "already-there", SDIST: "already-there"}
    assert len(world.told(FileVerified)) == 2


def test_half_there_already(world: World) -> None:
    """After a run that broke off, only what is missing goes out."""
    world.index.put(BUILT_WHEEL)
    ending = world.story(PLAN, *BUILT)
    ends(ending, Verdict.VERIFIED)
    assert world.repository.sent == [SDIST]
    assert ending.uploads == {WHEEL: "already-there", SDIST: "uploaded"}


def test_there_without_a_hash(world: World) -> None:
    """Where the page gives no hash, the bytes themselves tell that a file is there already."""
    world.index.hides_hashes = True
    world.index.put(BUILT_WHEEL)
    ending = world.story(PLAN, *BUILT)
    ends(ending, Verdict.VERIFIED, Code.NO_HASH_LISTED)
    assert world.repository.sent == [SDIST]


def test_other_bytes_without_a_hash(world: World) -> None:
    """Where the page gives no hash, the bytes themselves tell of a conflict."""
    world.index.hides_hashes = True
    world.index.put(changed(BUILT_WHEEL, OTHER))
    ends(world.story(PLAN, *BUILT), Verdict.CONFLICT, Code.CONFLICT)
    assert world.repository.sent == []


def test_there_without_a_hash_and_without_bytes(world: World) -> None:
    """A listed file of which nothing can be known is neither absent nor there: nothing is sent."""
    world.index.put(BUILT_WHEEL).sha256 = None
    world.index.fetches[WHEEL] = [NotFetched("the server answered 404")]
    ends(world.story(PLAN, *BUILT), Verdict.PREFLIGHT_REFUSED, Code.INDEX_STATE_UNKNOWN)
    assert world.repository.sent == []


def test_every_conflict_at_once(world: World) -> None:
    """Two files with other bytes are two problems, each with both hashes; nothing is sent."""
    for built in BUILT:
        world.index.put(changed(built, OTHER))
    ending = world.story(PLAN, *BUILT)
    ends(ending, Verdict.CONFLICT, Code.CONFLICT, Code.CONFLICT)
    assert world.repository.sent == []
    assert ending.uploads == {WHEEL: "not-sent", SDIST: "not-sent"}
    for problem, built in zip(ending.problems, BUILT, strict=True):
        assert problem.filename == built.filename
        assert OTHER in problem.message
        assert built.sha256 in problem.message
    assert {f["remote_sha256"] for f in ending.release["distributions"]} == {OTHER}


def test_one_conflict_stops_all(world: World) -> None:
    """A conflict of one file is found before the other one is sent."""
    world.index.put(changed(BUILT_SDIST, OTHER))
    ends(world.story(PLAN, *BUILT), Verdict.CONFLICT, Code.CONFLICT)
    assert world.repository.sent == []


SKIP = Plan(Until.DOWNLOADABLE, 900.0, skip_existing=True)


def test_skip_existing_keeps_what_is_there(world: World) -> None:
    """With --skip-existing other bytes are kept, told, and proven as they are there."""
    world.index.put(changed(BUILT_WHEEL, OTHER))
    ending = world.story(SKIP, *BUILT)
    ends(ending, Verdict.KEPT_REMOTE, Code.KEPT_REMOTE)
    assert ending.problems[0].severity == "warning"
    assert world.repository.sent == [SDIST]
    assert ending.uploads == {WHEEL: "kept-remote", SDIST: "uploaded"}


def test_skip_existing_with_the_same_bytes(world: World) -> None:
    """With --skip-existing an identical file is nothing out of the ordinary."""
    world.index.put(BUILT_WHEEL)
    ends(world.story(SKIP, *BUILT), Verdict.VERIFIED)


def test_skip_existing_verifies_what_it_keeps(world: World) -> None:
    """A kept file whose bytes are not what the index lists is a failure all the same."""
    shelved = world.index.put(changed(BUILT_WHEEL, OTHER))
    shelved.served = Fetched(5, "dd" * 32)
    ending = world.story(SKIP, *BUILT)
    ends(ending, Verdict.VERIFICATION_FAILED, Code.KEPT_REMOTE, Code.OTHER_BYTES_SERVED)


@pytest.mark.parametrize("answer", [LOST, Answered(503, b"no healthy backends"), Answered(500)])
def test_a_lost_answer_to_a_file_that_arrived(world: World, answer: Answered | NoAnswer) -> None:
    """After a doubtful answer the file is found by its hash, and not sent twice."""
    world.repository.script = [Says(answer, stored=True)]
    ending = world.story(PLAN, *BUILT)
    ends(ending, Verdict.VERIFIED)
    assert world.repository.sent == [WHEEL, SDIST]
    assert ending.uploads == {WHEEL: "uploaded", SDIST: "uploaded"}


@pytest.mark.parametrize("answer", [LOST, Answered(502, b"Bad Gateway")])
def test_a_lost_answer_to_a_file_that_did_not_arrive(
    world: World, answer: Answered | NoAnswer
) -> None:
    """Where no try brings it there its state is unknown, and the next one is not sent."""
    world.repository.script = [Says(answer, stored=False)] * 6
    ending = world.story(PLAN, *BUILT)
    ends(ending, Verdict.UPLOAD_FAILED, Code.UPLOAD_STATE_UNKNOWN)
    assert ending.uploads == {WHEEL: "unknown", SDIST: "not-sent"}
    assert world.repository.sent == [WHEEL] * 6
    assert 0 < world.clock.now < 120
    assert all(look == UNSEEN.name for _, look in world.index.looks)


def test_a_lost_answer_and_a_slow_index(world: World) -> None:
    """An index that shows the file some seconds later settles the doubt."""
    world.index.delay = 7.0
    world.repository.script = [Says(LOST, stored=True)]
    ends(world.story(PLAN, *BUILT), Verdict.VERIFIED)


def test_a_lost_answer_and_an_index_that_falls_silent(world: World) -> None:
    """An index that does not answer proves nothing: unknown is never absent."""
    world.repository.script = [Says(LOST, stored=True)]
    world.index.answers[UNSEEN.name] = [Observation("absent"), *[UNKNOWN] * 1000]
    ending = world.story(PLAN, *BUILT)
    ends(ending, Verdict.UPLOAD_FAILED, Code.UPLOAD_STATE_UNKNOWN)
    assert ending.uploads[WHEEL] == "unknown"


def test_doubt_is_not_looked_into_for_longer_than_asked(world: World) -> None:
    """The time that was given bounds the search after a doubtful answer too."""
    world.repository.script = [Says(EXISTS, stored=False)]
    ends(
        world.story(Plan(Until.DOWNLOADABLE, 3.0), *BUILT),
        Verdict.UPLOAD_FAILED,
        Code.UPLOAD_STATE_UNKNOWN,
    )
    assert world.clock.now <= 4.0


EXISTING = [EXISTS, Answered(409, b"Conflict"), Answered(403, b"No", b"overwrite artifact")]


@pytest.mark.parametrize("answer", EXISTING)
def test_exists_and_is_the_same(world: World, answer: Answered) -> None:
    """What the index says exists counts as there where its hash is the right one."""
    world.index.delay = 5.0
    world.repository.script = [Says(answer, stored=True)]
    ending = world.story(PLAN, *BUILT)
    ends(ending, Verdict.VERIFIED)
    assert ending.uploads == {WHEEL: "already-there", SDIST: "uploaded"}


@pytest.mark.parametrize("answer", EXISTING)
def test_exists_and_is_another(world: World, answer: Answered) -> None:
    """What the index says exists is a conflict where its hash is another."""
    world.index.put(changed(BUILT_WHEEL, OTHER), since=3.0)
    world.repository.script = [Says(answer, stored=False)]
    ending = world.story(PLAN, *BUILT)
    ends(ending, Verdict.CONFLICT, Code.CONFLICT)
    assert ending.uploads == {WHEEL: "failed", SDIST: "not-sent"}


def test_exists_and_is_another_but_may_be_kept(world: World) -> None:
    """The same with --skip-existing keeps what is there."""
    world.index.put(changed(BUILT_WHEEL, OTHER), since=3.0)
    world.repository.script = [Says(EXISTS, stored=False)]
    ending = world.story(SKIP, *BUILT)
    ends(ending, Verdict.KEPT_REMOTE, Code.KEPT_REMOTE)
    assert ending.uploads == {WHEEL: "kept-remote", SDIST: "uploaded"}


def test_exists_but_never_shows(world: World) -> None:
    """What exists and is not listed within a minute stays unknown; skipping does not help."""
    world.repository.script = [Says(EXISTS, stored=False)]
    ending = world.story(SKIP, *BUILT)
    ends(ending, Verdict.UPLOAD_FAILED, Code.UPLOAD_STATE_UNKNOWN)
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
def test_refused(world: World, says: Answered | NoAnswer, code: Code) -> None:
    """A refusal ends the run at once, and the receipt says what is there."""
    world.repository.script = [Says(Answered(200), stored=True), Says(says, stored=False)]
    ending = world.story(PLAN, *BUILT)
    ends(ending, Verdict.UPLOAD_FAILED, code)
    assert ending.uploads == {WHEEL: "uploaded", SDIST: "failed"}
    assert world.clock.now == 0.0


def test_a_refusal_leads_to_the_repository_s_own_pages(world: World) -> None:
    """The remedy's links are those of the index that was uploaded to."""
    world.repository.url = "https://upload.lamps.example/legacy/"
    unverified = Answered(403, b"User 'a' does not have a verified primary email address.")
    world.repository.script = [Says(unverified, stored=False)]
    ending = world.story(PLAN, *BUILT)
    ends(ending, Verdict.UPLOAD_FAILED, Code.EMAIL_NOT_VERIFIED)
    assert "(https://lamps.example/manage/account/)" in ending.problems[0].remedy


def test_an_index_that_may_not_be_read(world: World) -> None:
    """Denied before the upload: nothing is sent, and no second try is made."""
    world.index.answers[UNSEEN.name] = [DENIED] * 9
    ends(world.story(PLAN, *BUILT), Verdict.PREFLIGHT_REFUSED, Code.INDEX_STATE_UNKNOWN)
    assert world.repository.sent == []
    assert len(world.index.looks) == 1


def test_unknown_is_never_absent(world: World) -> None:
    """An index that does not answer is asked again, and then nothing is sent."""
    world.index.answers[UNSEEN.name] = [UNKNOWN] * 9
    ending = world.story(PLAN, *BUILT)
    ends(ending, Verdict.PREFLIGHT_REFUSED, Code.INDEX_STATE_UNKNOWN)
    assert UNKNOWN.detail in ending.problems[0].message
    assert world.repository.sent == []
    times = [time for time, _ in world.index.looks]
    assert len(times) > 1
    assert all(after - before >= 1.0 for before, after in itertools.pairwise(times))


def test_unknown_at_first(world: World) -> None:
    """An index that answers at the second time of asking is believed."""
    world.index.answers[UNSEEN.name] = [UNKNOWN]
    ends(world.story(PLAN, *BUILT), Verdict.VERIFIED)


@pytest.mark.parametrize("delay", [0.5, 45.0, 600.0, 899.0])
def test_hidden_for_a_while(delay: float) -> None:
    """A release that shows late is waited for, and found soon after it shows."""
    world = World(delay=delay)
    ends(world.story(PLAN, *BUILT), Verdict.VERIFIED)
    assert delay <= world.clock.now <= delay * 1.084 + 1.0
    visible = {event.variant: event for event in world.told(BecameVisible)}
    assert max(event.waited for event in visible.values()) == world.clock.now - 0.25
    for client in DEFAULT_CLIENTS:
        times = [time for time, look in world.index.looks if look == client]
        # The last is after the downloads.
        assert visible[client].requests == len(times) - 1
        times.pop()
        assert all(after - before >= 0.25 for before, after in itertools.pairwise(times))


@pytest.mark.parametrize("until", list(Until))
def test_out_of_time(until: Until) -> None:
    """What does not show in time is exit code 6, and the receipt says it is uploaded."""
    world = World(delay=1000.0)
    ending = world.story(Plan(until, 60.0), *BUILT)
    ends(ending, Verdict.NOT_VISIBLE, Code.NOT_LISTED_IN_TIME)
    assert 60.0 <= world.clock.now <= 61.0
    assert ending.uploads == {WHEEL: "uploaded", SDIST: "uploaded"}
    assert WHEEL in ending.problems[0].message
    assert SDIST in ending.problems[0].message
    assert world.told(NotYetVisible)[-1].missing == (WHEEL, SDIST)
    assert ending.release["indexes"][0]["variants"][0]["visible_at"] is None


def test_one_of_two_does_not_show(world: World) -> None:
    """Half a release is not a release; what is missing is named."""
    world.index.put(BUILT_WHEEL)
    world.index.delay = 1000.0
    ending = world.story(Plan(Until.LISTED, 60.0), *BUILT)
    ends(ending, Verdict.NOT_VISIBLE, Code.NOT_LISTED_IN_TIME)
    assert WHEEL not in ending.problems[0].message
    assert SDIST in ending.problems[0].message


def test_an_index_that_breaks_down_while_we_wait(world: World) -> None:
    """No answer in time is `not visible`, with the last answer in the words."""
    world.index.answers[PIP.name] = [UNKNOWN] * 1000
    ending = world.story(Plan(Until.LISTED, 30.0), *BUILT)
    ends(ending, Verdict.NOT_VISIBLE, Code.NOT_LISTED_IN_TIME)
    assert UNKNOWN.detail in ending.problems[0].message
    looks = sum(look == PIP.name for _, look in world.index.looks)
    assert f"{looks} of {looks} answers were unusable" in ending.problems[0].message


def test_an_index_that_comes_back(world: World) -> None:
    """Answers that tell nothing, a page gone again and an old page are waited through."""
    world.index.answers[PIP.name] = [
        *(UNKNOWN, Observation("absent"), Observation("page", ProjectPage({})), UNKNOWN)
    ]
    ends(world.story(PLAN, *BUILT), Verdict.VERIFIED)


def test_denied_while_we_wait(world: World) -> None:
    """An index that installers may not read ends the wait at once."""
    world.index.answers[PIP.name] = [DENIED]
    ends(world.story(PLAN, *BUILT), Verdict.NOT_VISIBLE, Code.INDEX_DENIED)
    assert world.clock.now == 0.0


def test_another_hash_is_listed(world: World) -> None:
    """An index that lists one of our files under another hash is caught without a download."""
    mirror = world.another_index(MIRROR)
    world.repository.shows_on = [world.index]
    mirror.put(changed(BUILT_WHEEL, OTHER))
    ending = world.story(PLAN, *BUILT)
    ends(ending, Verdict.VERIFICATION_FAILED, Code.OTHER_HASH_LISTED)
    assert (ending.problems[0].index, ending.problems[0].filename) == (MIRROR, WHEEL)
    assert mirror.limits == []


def served(world: World, built: Distribution, fetched: Fetched) -> None:
    """Have the index list a file rightly and serve something else."""
    world.index.fetches[built.filename] = [fetched] * 9


@pytest.mark.parametrize(
    "fetched",
    [
        Fetched(BUILT_WHEEL.size, OTHER),
        Fetched(0, OTHER),
        Fetched(BUILT_WHEEL.size + 1, OTHER, cut=True),
        Fetched(BUILT_WHEEL.size + 1, BUILT_WHEEL.sha256, cut=True),
    ],
)
def test_other_bytes_are_served(world: World, fetched: Fetched) -> None:
    """Other, fewer or more bytes than were built are exit code 7."""
    served(world, BUILT_WHEEL, fetched)
    ending = world.story(PLAN, *BUILT)
    ends(ending, Verdict.VERIFICATION_FAILED, Code.OTHER_BYTES_SERVED)
    assert ending.problems[0].filename == WHEEL
    assert [event.filename for event in world.told(FileVerified)] == [SDIST]


def test_listed_does_not_download(world: World) -> None:
    """Until `listed` the page is enough, so other bytes are not seen."""
    served(world, BUILT_WHEEL, Fetched(5, OTHER))
    ends(world.story(Plan(Until.LISTED, 900.0), *BUILT), Verdict.VERIFIED)
    assert world.index.limits == []


def test_listed_without_a_hash_proves_nothing(world: World) -> None:
    """Until `listed` every file must be listed with its sha256."""
    world.index.hides_hashes = True
    ending = world.story(Plan(Until.LISTED, 900.0), *BUILT)
    ends(ending, Verdict.VERIFICATION_FAILED, Code.NO_HASH_LISTED)
    assert world.told(FileVerified) == []


def test_downloadable_without_a_hash(world: World) -> None:
    """Until `downloadable` the bytes prove what the page does not say."""
    world.index.hides_hashes = True
    ends(world.story(PLAN, *BUILT), Verdict.VERIFIED, Code.NO_HASH_LISTED)
    assert len(world.told(FileVerified)) == 2


def test_a_file_that_comes_late(world: World) -> None:
    """A listed file that answers 404 at first is tried again, with pauses."""
    world.index.fetches[WHEEL] = [NotFetched("the server answered 404")] * 5
    ends(world.story(PLAN, *BUILT), Verdict.VERIFIED)
    assert world.clock.now >= 5.0


def test_a_file_that_never_comes(world: World) -> None:
    """A listed file that does not come in time is `not visible`."""
    world.index.fetches[WHEEL] = [NotFetched("the server answered 404")] * 9999
    ending = world.story(Plan(Until.DOWNLOADABLE, 60.0), *BUILT)
    ends(ending, Verdict.NOT_VISIBLE, Code.NOT_FETCHED_IN_TIME)
    assert "404" in ending.problems[0].message
    assert 60.0 <= world.clock.now <= 62.0
    assert len(world.index.fetches[WHEEL]) > 9999 - 60


def test_a_file_that_may_not_be_fetched(world: World) -> None:
    """A refusal that will not change is not tried again."""
    world.index.fetches[WHEEL] = [NotFetched("the server answered 403", final=True)]
    ends(world.story(PLAN, *BUILT), Verdict.NOT_VISIBLE, Code.NOT_FETCHED_IN_TIME)
    assert world.index.limits.count(BUILT_WHEEL.size) == 1


@pytest.mark.parametrize("shared", [True, False])
def test_what_is_downloaded_counts_for_its_own_access(world: World, shared: bool) -> None:
    """Indexes that link to one place share a download only where they read with one access."""
    mirror = world.another_index(MIRROR)
    mirror.access = None if shared else "a login"
    mirror.fetches[WHEEL] = [NotFetched("the server answered 401", final=True)]
    ending = world.story(PLAN, *BUILT)
    if shared:
        ends(ending, Verdict.VERIFIED)
        assert mirror.limits == []
    else:
        ends(ending, Verdict.NOT_VISIBLE, Code.NOT_FETCHED_IN_TIME)
        assert ending.problems[0].index == MIRROR


def test_two_indexes(world: World) -> None:
    """Every index is waited for by itself, side by side."""
    world.another_index(MIRROR, delay=30.0)
    ending = world.story(PLAN, *BUILT)
    ends(ending, Verdict.VERIFIED)
    visible = {event.index: event.waited for event in world.told(BecameVisible)}
    assert visible[world.index.url] == 0.25
    # Asked only once the own one is complete.
    assert min(at for at, _ in world.indexes[1].looks) == 0.25
    assert 30.0 <= visible[MIRROR] + 0.5 == world.clock.now <= 34.0
    assert len(world.told(FileVerified)) == 4
    assert [index["url"] for index in ending.release["indexes"]] == [world.index.url, MIRROR]


def test_one_of_two_indexes_fails(world: World) -> None:
    """One index that never shows the release fails it; the other one is proven all the same."""
    world.another_index(MIRROR, delay=1000.0)
    ending = world.story(Plan(Until.DOWNLOADABLE, 60.0), *BUILT)
    ends(ending, Verdict.NOT_VISIBLE, Code.NOT_LISTED_IN_TIME)
    assert ending.problems[0].index == MIRROR
    assert {event.index for event in world.told(FileVerified)} == {world.index.url}


def test_the_graver_failure_names_the_release(world: World) -> None:
    """Of two indexes that fail, the wrong one counts for more than the slow one."""
    world.another_index(MIRROR, delay=1000.0)
    served(world, BUILT_WHEEL, Fetched(5, OTHER))
    ending = world.story(Plan(Until.DOWNLOADABLE, 60.0), *BUILT)
    assert ending.verdict is Verdict.VERIFICATION_FAILED
    assert set(ending.codes) == {"PV703", "PV601"}


INSTALLABLE = Plan(Until.INSTALLABLE, 900.0)


def test_installable(world: World) -> None:
    """A real client is asked for each wheel, exactly and on its own machine; never for sdists."""
    ends(world.story(INSTALLABLE, *BUILT), Verdict.VERIFIED)
    ((wheel, url),) = world.client.asked
    assert wheel.requirement == "lantern===1.0"
    assert (wheel.filename, wheel.sha256) == (WHEEL, BUILT_WHEEL.sha256)
    assert wheel.target.platforms == ("any",)
    assert url == world.index.url
    assert [(e.filename, e.client) for e in world.told(FileVerified) if e.client == "pip"] == [
        (WHEEL, "pip")
    ]


def test_only_an_sdist(world: World) -> None:
    """A release without wheels is proven as far as can be, with a warning."""
    ending = world.story(INSTALLABLE, BUILT_SDIST)
    ends(ending, Verdict.VERIFIED, Code.NOT_INSTALLABLE_BY_NATURE)
    assert ending.problems[0].severity == "warning"
    assert world.client.asked == []


def test_a_client_that_fails_at_first(world: World) -> None:
    """A client that finds the release at its third try is enough."""
    world.client.script = [ClientFailure("No matching distribution found")] * 2
    ends(world.story(INSTALLABLE, *BUILT), Verdict.VERIFIED)
    assert len(world.client.asked) == 3


def test_a_client_that_never_finds_it(world: World) -> None:
    """A client that never gets the wheel is `not visible`, in the client's own words."""
    world.client.script = [ClientFailure("No matching distribution found")] * 99
    ending = world.story(INSTALLABLE, *BUILT)
    ends(ending, Verdict.NOT_VISIBLE, Code.CLIENT_CANNOT_INSTALL)
    assert "No matching distribution found" in ending.problems[0].message


def test_a_client_that_abstains(world: World) -> None:
    """A client that cannot be asked for a wheel is a warning, asked once, and proves nothing."""
    world.client.script = [ClientAbstains("it knows no such platform")]
    ending = world.story(INSTALLABLE, *BUILT)
    ends(ending, Verdict.VERIFIED, Code.CLIENT_UNAVAILABLE)
    assert "it knows no such platform" in ending.problems[0].message
    assert len(world.client.asked) == 1
    assert {event.client for event in world.told(FileVerified)} == {"http"}


@pytest.mark.parametrize(
    "got", [ClientFile(WHEEL, OTHER), ClientFile("lantern-1.0-1-py3-none-any.whl", OTHER)]
)
def test_a_client_that_gets_something_else(world: World, got: ClientFile) -> None:
    """Other bytes or another file in a client's hands are exit code 7."""
    world.client.script = [got]
    ending = world.story(INSTALLABLE, *BUILT)
    ends(ending, Verdict.VERIFICATION_FAILED, Code.OTHER_BYTES_SERVED)


def test_only_what_a_client_brought_counts_as_fetched_by_it(world: World) -> None:
    """A wheel in whose place the client prefers another one is not said to have come."""
    second = distribution("lantern-1.0-2-py3-none-any.whl", b"second build")
    world.client.script = [ClientFile(second.filename, second.sha256)] * 2
    ending = world.story(INSTALLABLE, *in_upload_order([BUILT_WHEEL, second]))
    ends(ending, Verdict.VERIFIED, Code.CLIENT_TAKES_ANOTHER)
    by_pip = {event.filename for event in world.told(FileVerified) if event.client == "pip"}
    assert WHEEL not in by_pip


def test_a_wheel_for_no_python(world: World) -> None:
    """Tags and Requires-Python that exclude each other make a wheel that nobody can install."""
    built = distribution(WHEEL, metadata=core_metadata("Requires-Python: <3"))
    ending = world.story(INSTALLABLE, built)
    ends(ending, Verdict.VERIFICATION_FAILED, Code.CLIENT_CANNOT_INSTALL)


def test_no_client_for_wrong_bytes(world: World) -> None:
    """Once the bytes are wrong, no client is asked any more."""
    served(world, BUILT_WHEEL, Fetched(5, OTHER))
    ends(world.story(INSTALLABLE, *BUILT), Verdict.VERIFICATION_FAILED, Code.OTHER_BYTES_SERVED)
    assert world.client.asked == []


@pytest.mark.parametrize("until", list(Until))
def test_an_extra_file(world: World, until: Until) -> None:
    """A file of this version that was not built here is worth a warning; other versions not."""
    extra = "lantern-1.0-cp311-abi3-win32.whl"
    for name in (extra, "lantern-0.9-py3-none-any.whl", "lantern-1.0.1.tar.gz", "index.html"):
        world.index.put(distribution(name), since=0.0)
    world.client.script = [ClientFile(WHEEL, BUILT_WHEEL.sha256)]
    ending = world.story(Plan(until, 900.0), *BUILT)
    ends(ending, Verdict.VERIFIED, Code.EXTRA_FILE)
    (problem,) = ending.problems
    assert problem.severity == "warning"
    assert extra in problem.message
    assert "0.9" not in problem.message
    assert "1.0.1" not in problem.message


def cancelled(world: World, after: str) -> Ending:
    """Interrupt the story while a file is sent, or while the index is waited for."""

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
            await world.live(PLAN, *BUILT)
        assert scope.cancelled_caught

    anyio.run(interrupt)
    return world.ending(Verdict.INTERRUPTED)


def test_interrupted_while_a_file_is_sent(world: World) -> None:
    """A file that was being sent is unknown, the one before it is there, none is retried."""
    ending = cancelled(world, SDIST)
    assert ending.uploads == {WHEEL: "uploaded", SDIST: "unknown"}
    assert ending.receipt["verdict"] == "interrupted"
    assert ending.receipt["exit_code"] == 130
    assert world.repository.sent == [WHEEL, SDIST]


def test_interrupted_at_the_first_byte(world: World) -> None:
    """The files that were not begun are `not-sent`."""
    assert cancelled(world, WHEEL).uploads == {WHEEL: "unknown", SDIST: "not-sent"}


def test_interrupted_while_we_wait(world: World) -> None:
    """Interrupted after the uploads, the receipt says that they are there."""
    ending = cancelled(world, "wait")
    assert ending.uploads == {WHEEL: "uploaded", SDIST: "uploaded"}
    for variant in ending.release["indexes"][0]["variants"]:
        assert variant["visible_at"] is None
    assert sum(v["requests"] for v in ending.release["indexes"][0]["variants"]) > 5
