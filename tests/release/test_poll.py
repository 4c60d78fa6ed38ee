"""Visible means visible: every client's copy, twice, on every index, the own one first."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import replace

import anyio
import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from poetry_publish_verified.core.events import (
    BecameVisible,
    FileVerified,
    IndexEnded,
    MetadataVerified,
    NotYetVisible,
)
from poetry_publish_verified.core.expectation import AnyFiles
from poetry_publish_verified.core.settings import Until
from poetry_publish_verified.core.simple.page import Hashes, IndexFile, ProjectPage
from poetry_publish_verified.core.variants import DEFAULT_CLIENTS, UNSEEN
from poetry_publish_verified.core.verification import (
    ClientFailure,
    ClientFile,
    Download,
    NotDownloaded,
    OwnMetadata,
)
from poetry_publish_verified.core.visibility import Observation
from poetry_publish_verified.errors import Code, ReleaseError, Verdict
from poetry_publish_verified.release.interfaces import ExpectedRelease, Plan
from poetry_publish_verified.release.prove import prove_everywhere
from tests.core.distributions import WHEEL
from tests.release.scripted import ScriptedIndex, World, assert_outcome
from tests.release.test_publish import BUILT, BUILT_WHEEL, MIRROR, OTHER, PLAN

EMPTY = Observation("page", ProjectPage({}))
QUICK = Plan(Until.DOWNLOADABLE, 20.0)
NAME, VERSION = canonicalize_name("lantern"), Version("1.0")


@pytest.fixture
def world() -> World:
    """A world in which everything succeeds."""
    return World()


def listing(*changes: tuple[str, object], vary: frozenset[str] | None = None) -> Observation:
    """A page with both files; changes apply to the wheel's entry or (`status`) the page."""
    files = {
        built.filename: IndexFile(
            built.filename, f"https://files.example/{built.filename}", built.sha256
        )
        for built in BUILT
    }
    named = dict(changes)
    status = str(named.pop("status", "active"))
    files[WHEEL] = replace(files[WHEEL], **named)  # type: ignore[arg-type]
    return Observation("page", ProjectPage(files, status=status), vary=vary)


def looks_of(index: ScriptedIndex, client: str) -> list[float]:
    """When an index was asked as this client."""
    return [at for at, look in index.looks if look == client]


# Every client's copy.


@pytest.mark.parametrize("client", DEFAULT_CLIENTS)
def test_one_stale_client_is_not_visible(world: World, client: str) -> None:
    """The release is not visible while one client's copy is stale, and the message names it."""
    world.index.answers[client] = [EMPTY] * 1000
    ending = world.publish(QUICK, *BUILT)
    assert_outcome(ending, Verdict.NOT_VISIBLE, Code.NOT_LISTED_IN_TIME)
    assert f"(as seen by {client})" in ending.problems[0].message
    assert {event.variant for event in world.events_of(BecameVisible)} == {*DEFAULT_CLIENTS} - {
        client
    }
    assert not ending.release["indexes"][0]["proven"]


def test_other_clients_are_not_asked(world: World) -> None:
    """Clients that are not selected are neither asked nor waited for."""
    world.index.answers["poetry"] = [EMPTY] * 1000
    assert_outcome(world.publish(replace(PLAN, clients=("pip", "html")), *BUILT), Verdict.VERIFIED)
    assert {look for _, look in world.index.looks} == {UNSEEN.name, "pip", "html"}


def test_second_look_uses_a_new_connection(world: World) -> None:
    """One good page is no proof: the second comes later, on a new connection."""
    world.publish(PLAN, *BUILT)
    for client in DEFAULT_CLIENTS:
        first, second, _after_the_downloads = looks_of(world.index, client)
        assert second - first >= 0.25
    looks = zip(world.index.looks, world.index.fresh, strict=True)
    assert [fresh for (_, look), fresh in looks if look == "pip"] == [False, True, True]


def test_flapping_index_takes_longer(world: World) -> None:
    """If one of two machines lags, each relapse requires more good pages."""
    good = listing()
    world.index.answers["uv"] = [good, EMPTY, good, EMPTY, good, good, good, EMPTY]
    assert_outcome(world.publish(replace(PLAN, clients=("uv",)), *BUILT), Verdict.VERIFIED)
    # Three relapses require eight good pages in a row, and one more after the downloads.
    assert len(looks_of(world.index, "uv")) == 8 + 8 + 8 + 1


def test_relapse_makes_other_clients_look_again(world: World) -> None:
    """A relapse for one client makes those that had seen the release look again."""
    world.index.answers["uv"] = [listing(), EMPTY]
    assert_outcome(world.publish(PLAN, *BUILT), Verdict.VERIFIED)
    assert len(looks_of(world.index, "pip")) == 2 + 4 + 1


def test_what_came_before_a_relapse_does_not_count(world: World) -> None:
    """If the release was gone again, the bytes may have come from a server that lacks it."""
    world.index.answers["uv"] = [listing(), EMPTY]
    world.index.fetches[WHEEL] = [Download(5, {"sha256": OTHER})]
    world.client.script = [ClientFile(WHEEL, OTHER)]
    assert_outcome(world.publish(replace(PLAN, until=Until.INSTALLABLE), *BUILT), Verdict.VERIFIED)
    assert len(world.client.asked) == 2
    assert len(world.events_of(FileVerified)) == len(BUILT) + 1


@pytest.mark.parametrize("gone", [EMPTY, Observation("absent"), Observation("moved")])
def test_relapse_after_the_downloads(world: World, gone: Observation) -> None:
    """A last look fails for one client: the wait goes on, and says why it ends."""
    good = listing()
    world.index.answers["pip"] = [good, good, *[gone] * 1000]
    ending = world.publish(QUICK, *BUILT)
    assert_outcome(ending, Verdict.NOT_VISIBLE, Code.NOT_LISTED_IN_TIME)
    assert "disappeared again once" in ending.problems[0].message
    assert not ending.release["indexes"][0]["proven"]


def at_another_place() -> Observation:
    """The release as it is listed by default, with the wheel's link elsewhere."""
    page = listing().page
    assert page is not None
    moved = replace(page.files[WHEEL], url="https://files.example/moved")
    return replace(listing(), page=replace(page, files={**page.files, WHEEL: moved}))


@pytest.mark.parametrize("served", [BUILT_WHEEL.sha256, OTHER])
def test_links_that_move_after_the_downloads(world: World, served: str) -> None:
    """What the last look links to is downloaded too."""
    good = listing()
    world.index.answers["pip"] = [good, good, at_another_place()]
    world.index.fetches["moved"] = [Download(BUILT_WHEEL.size, {"sha256": served})]
    ending = world.publish(replace(PLAN, clients=("pip",)), *BUILT)
    assert world.index.fetches["moved"] == []
    if served == OTHER:
        assert_outcome(ending, Verdict.VERIFICATION_FAILED, Code.OTHER_BYTES_SERVED)
    else:
        assert_outcome(ending, Verdict.VERIFIED)
    assert ending.release["indexes"][0]["proven"] is (served != OTHER)


def test_older_serial_confirms_nothing(world: World) -> None:
    """A page with an older serial does not confirm a newer one."""
    good = listing()
    world.index.answers["pip"] = [replace(good, serial=n) for n in (7, 6, 6, 7)]
    assert_outcome(world.publish(replace(PLAN, clients=("pip",)), *BUILT), Verdict.VERIFIED)
    assert len(looks_of(world.index, "pip")) == 4 + 1


def test_shared_stale_copy_is_asked_for_once() -> None:
    """If `Vary` does not separate the clients, one client's look counts for all."""
    asked = []
    for vary in ({"cookie"}, {"accept", "accept-encoding"}):
        world = World(delay=60.0)
        world.index.vary = frozenset(vary)
        assert_outcome(world.publish(PLAN, *BUILT), Verdict.VERIFIED)
        asked.append(len(world.index.looks))
        # Each client must see the new page itself.
        for event in world.events_of(BecameVisible):
            assert sum(at >= 60.0 for at in looks_of(world.index, event.variant)) >= 2
    shared, apart = asked
    assert shared < apart / 2


@pytest.mark.parametrize(
    ("vary", "edge", "codes"),
    [
        ({"user-agent"}, {"age": "3"}, [Code.COPIES_BY_USER_AGENT]),
        ({"user-agent"}, {"x-devpi-serial": "3"}, []),
        ({"accept"}, {"age": "3"}, []),
    ],
)
def test_vary_by_user_agent_is_a_warning(
    world: World, vary: set[str], edge: dict[str, str], codes: list[Code]
) -> None:
    """A cache with one copy per client version cannot be checked completely."""
    seen = replace(listing(), vary=frozenset(vary), edge=edge)
    for client in DEFAULT_CLIENTS:
        world.index.answers[client] = [seen] * 2
    assert_outcome(world.publish(PLAN, *BUILT), Verdict.VERIFIED, *codes)


# PyPI, where Poetry takes its links from the version's page.


def test_pypi_version_page_for_poetry(world: World) -> None:
    """The version page is requested after the project page, and waited for too."""
    world.index.pypi = True
    world.index.answers["poetry"] = [EMPTY] * 5
    world.index.answers["poetry-json"] = [Observation("absent")] * 3
    assert_outcome(world.publish(PLAN, *BUILT), Verdict.VERIFIED)
    (seen,) = [e for e in world.events_of(BecameVisible) if e.variant == "poetry"]
    assert min(looks_of(world.index, "poetry-json")) >= seen.waited
    assert len(looks_of(world.index, "poetry-json")) == 5 + 1


def test_missing_version_page_fails(world: World) -> None:
    """Without that page Poetry finds no file, however complete the project page."""
    world.index.pypi = True
    world.index.answers["poetry-json"] = [EMPTY] * 1000
    ending = world.publish(QUICK, *BUILT)
    assert_outcome(ending, Verdict.NOT_VISIBLE, Code.NOT_LISTED_IN_TIME)
    assert "poetry-json" in ending.problems[0].message


def test_pypi_like_index_may_lack_version_pages(world: World) -> None:
    """A PyPI-like index may have version pages; without them nothing is missing."""
    good = replace(listing(), edge={"x-pypi-last-serial": "5"})
    world.index.answers["poetry"] = [good, good]
    world.index.answers["poetry-json"] = [Observation("not-offered")]
    assert_outcome(world.publish(PLAN, *BUILT), Verdict.VERIFIED)
    assert len(looks_of(world.index, "poetry-json")) == 1


def test_other_indexes_have_no_version_page(world: World) -> None:
    """On other indexes Poetry takes links from the project page."""
    world.publish(PLAN, *BUILT)
    assert not looks_of(world.index, "poetry-json")


# What a page says about a file.


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (("yanked", "broken"), Code.YANKED),
        (("yanked", ""), Code.YANKED),
        (("requires_python", ">=2.7"), Code.OTHER_REQUIRES_PYTHON),
        (("metadata", Hashes(OTHER)), Code.OTHER_METADATA_LISTED),
        (("size", 3), Code.OTHER_SIZE_LISTED),
        (("sha256", OTHER), Code.OTHER_HASH_LISTED),
        (("status", "quarantined"), Code.QUARANTINED),
    ],
)
def test_each_wrong_listing_has_its_code(
    world: World, change: tuple[str, object], code: Code
) -> None:
    """Each wrong value has its own code and fails at once, not at the deadline."""
    world.index.answers["pip"] = [listing(change)] * 2
    ending = world.publish(PLAN, *BUILT)
    assert ending.verdict is Verdict.VERIFICATION_FAILED
    assert ending.codes == [str(code)]
    assert world.clock.now < 1.0


def test_improperly_listed_file_is_waited_for(world: World) -> None:
    """It may be listed properly later."""
    world.index.answers["pip"] = [listing(("flaw", "it is odd"))] * 3
    assert_outcome(world.publish(PLAN, *BUILT), Verdict.VERIFIED)


def test_improperly_listed_file_at_the_deadline(world: World) -> None:
    """The message says what is wrong with the entry."""
    world.index.answers["pip"] = [listing(("flaw", "it is odd"))] * 1000
    ending = world.publish(QUICK, *BUILT)
    assert_outcome(ending, Verdict.NOT_VISIBLE, Code.LISTED_IMPROPERLY)
    assert f"did not list {WHEEL} as the simple API requires" in ending.problems[0].message
    assert f"({WHEEL}: it is odd; as seen by pip" in ending.problems[0].message
    assert f"{WHEEL}: it is odd" in {e.detail for e in world.events_of(NotYetVisible)}


def test_improperly_listed_file_may_be_wrong_as_well(world: World) -> None:
    """What contradicts the built file fails at once, however it is listed."""
    world.index.answers["pip"] = [listing(("flaw", "it is odd"), ("sha256", OTHER))] * 2
    ending = world.publish(PLAN, *BUILT)
    assert_outcome(ending, Verdict.VERIFICATION_FAILED, Code.OTHER_HASH_LISTED)


def test_single_wrong_look_is_repeated(world: World) -> None:
    """A single look with a wrong value is repeated."""
    world.index.answers["pip"] = [listing(("yanked", "by mistake"))]
    assert_outcome(world.publish(PLAN, *BUILT), Verdict.VERIFIED)


def test_archived_project_is_a_warning(world: World) -> None:
    """Archived and deprecated projects are no failure."""
    for client in DEFAULT_CLIENTS:
        world.index.answers[client] = [listing(("status", "archived"))] * 2
    assert_outcome(world.publish(PLAN, *BUILT), Verdict.VERIFIED, Code.PROJECT_STATUS)


def test_missing_optional_fields_are_recorded(world: World) -> None:
    """Missing optional fields are no failure; the receipt lists them."""
    ending = world.publish(PLAN, *BUILT)
    (index,) = ending.release["indexes"]
    assert index["not_offered"] == ["size", "requires-python", "core-metadata"]


def test_unexpected_file_fails_when_strict(world: World) -> None:
    """With `--strict` an unexpected file of this version is a failure."""
    extra = IndexFile("lantern-1.0-cp311-cp311-win_amd64.whl", "https://files.example/x.whl", OTHER)
    page = listing().page
    assert page is not None
    more = Observation("page", ProjectPage({**page.files, extra.filename: extra}))
    for client in DEFAULT_CLIENTS:
        world.index.answers[client] = [more] * 2
    ending = world.publish(replace(PLAN, strict=True), *BUILT)
    assert_outcome(ending, Verdict.VERIFICATION_FAILED, Code.EXTRA_FILE)
    assert extra.filename in ending.problems[0].message


# The metadata beside a wheel.


def with_metadata(world: World, served: Download | NotDownloaded) -> None:
    """Make the index offer the wheel's metadata, and serve this."""
    for client in DEFAULT_CLIENTS:
        world.index.answers[client] = [listing(("metadata", Hashes()))] * 2
    world.index.fetches[f"{WHEEL}.metadata"] = [served] * 100


def test_metadata_file_is_compared(world: World) -> None:
    """The metadata that installers resolve with is compared with the wheel's."""
    sha256 = hashlib.sha256(BUILT_WHEEL.metadata).hexdigest()
    with_metadata(world, Download(len(BUILT_WHEEL.metadata), {"sha256": sha256}))
    assert_outcome(world.publish(PLAN, *BUILT), Verdict.VERIFIED)
    (event,) = world.events_of(MetadataVerified)
    assert (event.filename, event.sha256) == (WHEEL, sha256)


@pytest.mark.parametrize(
    ("served", "verdict", "code"),
    [
        (Download(9, {"sha256": OTHER}), Verdict.VERIFICATION_FAILED, Code.OTHER_METADATA_SERVED),
        (NotDownloaded("the server answered 404"), Verdict.NOT_VISIBLE, Code.NOT_FETCHED_IN_TIME),
    ],
)
def test_wrong_or_missing_metadata_fails(
    world: World, served: Download | NotDownloaded, verdict: Verdict, code: Code
) -> None:
    """Wrong metadata, or metadata that is offered but not served, is a failure."""
    with_metadata(world, served)
    assert_outcome(world.publish(QUICK, *BUILT), verdict, code)


def test_metadata_hash_is_compared(world: World) -> None:
    """pip compares the listed hash of any algorithm with what is served."""
    sha256 = hashlib.sha256(BUILT_WHEEL.metadata).hexdigest()
    served = Download(9, {"sha256": sha256, "md5": "aa" * 16})
    with_metadata(world, served)
    for client in DEFAULT_CLIENTS:
        changes = (("metadata", Hashes(others=(("md5", "bb" * 16),))),)
        world.index.answers[client] = [listing(*changes)] * 2
    ending = world.publish(QUICK, *BUILT)
    assert_outcome(ending, Verdict.VERIFICATION_FAILED, Code.OTHER_METADATA_LISTED)
    assert "aa" * 16 in ending.problems[0].message


# Hashes besides sha256, and the headers of a download.


@pytest.mark.parametrize("right", [True, False])
def test_every_listed_hash_is_compared(world: World, right: bool) -> None:
    """Installers compare every hash they know, and so does this."""
    for client in DEFAULT_CLIENTS:
        world.index.answers[client] = [listing(("digests", (("sha512", "aa"),)))] * 2
    came = Download(
        BUILT_WHEEL.size, {"sha256": BUILT_WHEEL.sha256, "sha512": "aa" if right else "b"}
    )
    world.index.fetches[WHEEL] = [came]
    ending = world.publish(PLAN, *BUILT)
    if right:
        assert_outcome(ending, Verdict.VERIFIED)
    else:
        assert_outcome(ending, Verdict.VERIFICATION_FAILED, Code.OTHER_DIGEST_LISTED)
        assert "with sha512 aa, but the file has b" in ending.problems[0].message
    assert frozenset({"sha512"}) in world.index.algorithms


def test_content_encoding_of_a_file_fails(world: World) -> None:
    """uv and Poetry decode what the server labels, though the bytes are right."""
    world.index.fetches[WHEEL] = [
        Download(BUILT_WHEEL.size, {"sha256": BUILT_WHEEL.sha256}, coding="gzip")
    ]
    ending = world.publish(PLAN, *BUILT)
    assert_outcome(ending, Verdict.VERIFICATION_FAILED, Code.ENCODED_IN_TRANSIT)
    assert "Content-Encoding: gzip" in ending.problems[0].message


def elsewhere(seen: Observation) -> tuple[Observation, str]:
    """The same page with the wheel at another URL, and the last part of that."""
    assert seen.page is not None
    url = f"https://other.example/copy-of-{WHEEL}"
    moved = {**seen.page.files, WHEEL: replace(seen.page.files[WHEEL], url=url)}
    return replace(seen, page=replace(seen.page, files=moved)), url.rsplit("/", 1)[-1]


@pytest.mark.parametrize(
    ("served", "verdict", "codes"),
    [
        (Download(BUILT_WHEEL.size, {"sha256": BUILT_WHEEL.sha256}), Verdict.VERIFIED, []),
        (Download(5, {"sha256": OTHER}), Verdict.VERIFICATION_FAILED, [Code.OTHER_BYTES_SERVED]),
        (NotDownloaded("it is gone"), Verdict.NOT_VISIBLE, [Code.NOT_FETCHED_IN_TIME]),
    ],
)
def test_every_link_of_a_file_is_downloaded(
    world: World, served: Download | NotDownloaded, verdict: Verdict, codes: list[Code]
) -> None:
    """Clients may be given different links, and each must serve the file."""
    page, name = elsewhere(listing())
    world.index.answers["uv"] = [page] * 2
    world.index.fetches[name] = [served] * 100
    assert_outcome(world.publish(QUICK, *BUILT), verdict, *codes)


# Many indexes.


def test_mirrors_are_asked_after_the_own_index(world: World) -> None:
    """Until the own index shows the release to all, only a mirror's root is requested."""
    world.index.delay = 30.0
    mirror = world.another_index(MIRROR)
    assert_outcome(world.publish(PLAN, *BUILT), Verdict.VERIFIED)
    own = max(event.waited for event in world.events_of(BecameVisible) if event.index != MIRROR)
    assert min(at for at, _ in mirror.looks) >= own
    assert mirror.roots == 1


def test_mirror_is_not_asked_if_the_own_index_fails(world: World) -> None:
    """A mirror cannot have the release, and asking would make it cache the old page."""
    world.index.delay = 1000.0
    mirror = world.another_index(MIRROR)
    assert_outcome(world.publish(QUICK, *BUILT), Verdict.NOT_VISIBLE, Code.NOT_LISTED_IN_TIME)
    assert mirror.looks == []
    assert [event.proven for event in world.events_of(IndexEnded)] == [False, False]


def test_unnamed_own_index_still_comes_before_mirrors(world: World) -> None:
    """The own index decides when mirrors are asked even if it need not show the release."""
    world.index.delay = 30.0
    mirror = world.another_index(MIRROR)
    world.indexes.remove(world.index)
    world.repository.shows_on = [world.index, mirror]
    assert_outcome(world.publish(PLAN, *BUILT), Verdict.VERIFIED)
    assert min(at for at, _ in mirror.looks) >= 30.0
    assert {event.index for event in world.events_of(BecameVisible)} == {MIRROR}


def test_nothing_where_an_index_should_be(world: World) -> None:
    """Without a root either, the wait still lasts to its end, and then says so."""
    world.index.delay, world.index.certain, world.index.root_state = 1000.0, False, "none"
    ending = world.publish(PLAN, *BUILT)
    assert_outcome(ending, Verdict.NOT_VISIBLE, Code.NO_INDEX_THERE, Code.NO_INDEX_THERE)
    assert [problem.severity for problem in ending.problems] == ["warning", "error"]
    assert world.clock.now >= PLAN.timeout


def test_index_that_refers_to_another_one(world: World) -> None:
    """It is an index, whatever its root says."""
    world.index.delay, world.index.certain, world.index.root_state = 1000.0, False, "none"
    for client in DEFAULT_CLIENTS:
        world.index.answers[client] = [Observation("absent", refers=True)] * 1000
    ending = world.publish(QUICK, *BUILT)
    assert_outcome(ending, Verdict.NOT_VISIBLE, Code.NO_INDEX_THERE, Code.NOT_LISTED_IN_TIME)


def test_index_without_a_root_page(world: World) -> None:
    """Some indexes have none, so the wait goes on."""
    world.index.delay, world.index.certain, world.index.root_state = 10.0, False, "none"
    assert_outcome(world.publish(PLAN, *BUILT), Verdict.VERIFIED, Code.NO_INDEX_THERE)


@pytest.mark.parametrize(
    ("state", "code"),
    [("denied", Code.INDEX_DENIED), ("unreachable", Code.INDEX_NOT_REACHED)],
)
def test_unreadable_mirror_is_refused_before_the_upload(
    world: World, state: str, code: Code
) -> None:
    """What could not be proven afterwards is refused before anything is sent."""
    world.another_index(MIRROR).root_state = state  # type: ignore[assignment]
    assert_outcome(world.publish(PLAN, *BUILT), Verdict.PREFLIGHT_REFUSED, code)
    assert world.repository.sent == []


def test_mirror_without_a_root_is_a_warning(world: World) -> None:
    """Some indexes do not serve their root, so that is only a warning."""
    world.another_index(MIRROR).root_state = "none"
    assert_outcome(world.publish(PLAN, *BUILT), Verdict.VERIFIED, Code.NO_INDEX_THERE)


# The reader's side.


def wait(world: World) -> Verdict:
    """Wait for lantern 1.0, of which nothing else is known."""
    return wait_until(world, PLAN)[0]


def wait_until(world: World, plan: Plan) -> tuple[Verdict, list[str]]:
    """The same; returns the messages of what failed."""
    expected = ExpectedRelease(NAME, VERSION, AnyFiles(NAME, VERSION), uploaded=False)
    context = replace(world.context(plan), report=world.events.append)
    try:
        anyio.run(prove_everywhere, expected, context)
    except ReleaseError as error:
        return error.verdict, [problem.message for problem in error.problems]
    return Verdict.VERIFIED, []


def test_files_without_hashes_must_be_equal_everywhere(world: World) -> None:
    """If no hash is known, all copies must have the same bytes."""
    first, second = (
        Observation("page", ProjectPage({WHEEL: IndexFile(WHEEL, f"https://files.example/{name}")}))
        for name in "ab"
    )
    world.index.answers[UNSEEN.name] = [first]
    for client in DEFAULT_CLIENTS:
        world.index.answers[client] = [second if client == "uv" else first] * 2
    world.index.fetches["a"] = [Download(5, {"sha256": OTHER})]
    world.index.fetches["b"] = [Download(5, {"sha256": "ff" * 32})]
    verdict, (message,) = wait_until(world, PLAN)
    assert verdict is Verdict.VERIFICATION_FAILED
    assert "ff" * 32 in message
    assert OTHER in message


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        (OwnMetadata(flaw="it is not a valid wheel (no zip)"), "not a valid wheel"),
        (OwnMetadata("lamp", "1.0"), "lamp 1.0"),
        (OwnMetadata("lantern", "1.1"), "lantern 1.1"),
        (OwnMetadata("", "soon"), "soon"),
        (OwnMetadata("Lantern", "1.0.0"), ""),
    ],
)
def test_archive_without_a_hash_is_opened(world: World, metadata: OwnMetadata, words: str) -> None:
    """Where no hash is known, the archive's own name and version must be the expected ones."""
    world.index.hides_hashes = True
    world.index.put(BUILT_WHEEL)
    served = world.index.shelf[WHEEL].served
    world.index.fetches[WHEEL] = [replace(served, metadata=metadata)]
    verdict, messages = wait_until(world, PLAN)
    assert verdict is (Verdict.VERIFICATION_FAILED if words else Verdict.VERIFIED)
    assert all(words in message for message in messages)


@pytest.mark.parametrize(
    ("metadata", "whole"),
    [
        (OwnMetadata(flaw="it is not a valid wheel (no zip)"), False),
        (OwnMetadata(flaw="it is not a valid sdist (it has no PKG-INFO)", bare=True), True),
    ],
)
def test_archive_under_a_listed_hash_is_opened(
    world: World, metadata: OwnMetadata, whole: bool
) -> None:
    """An index may list the hash of half a file; old sdists have no metadata of their own."""
    world.index.put(BUILT_WHEEL)
    served = world.index.shelf[WHEEL].served
    world.index.fetches[WHEEL] = [replace(served, metadata=metadata)]
    verdict, messages = wait_until(world, PLAN)
    assert verdict is (Verdict.VERIFIED if whole else Verdict.VERIFICATION_FAILED)
    assert all("no zip" in message for message in messages)


@pytest.mark.parametrize("served", ["the wheel's own", "a login page"])
def test_metadata_of_an_archive_that_is_not_at_hand(world: World, served: str) -> None:
    """Without a build and without a listed hash, the wheel says what its metadata must be."""
    sha256 = hashlib.sha256(BUILT_WHEEL.metadata).hexdigest()
    with_metadata(world, Download(9, {"sha256": sha256 if "own" in served else OTHER}))
    world.index.answers[UNSEEN.name] = [listing(("metadata", Hashes()))]
    for built in BUILT:
        world.index.put(built)
    own = OwnMetadata("lantern", "1.0", sha256=sha256)
    wheel = replace(world.index.shelf[WHEEL].served, metadata=own)
    world.index.fetches[WHEEL] = [wheel]
    verdict, messages = wait_until(world, PLAN)
    assert verdict is (Verdict.VERIFIED if "own" in served else Verdict.VERIFICATION_FAILED)
    assert all("differs from the file's own" in message for message in messages)


@pytest.mark.parametrize("fails", [False, True])
def test_clients_are_asked_without_a_listed_hash(world: World, fails: bool) -> None:
    """The client must get the bytes that were just downloaded."""
    world.index.hides_hashes = True
    world.index.put(BUILT_WHEEL)
    world.client.script = [ClientFailure("it will not")] * 99 if fails else []
    verdict, messages = wait_until(world, Plan(Until.INSTALLABLE, 20.0))
    assert world.client.asked[0][0].sha256 == BUILT_WHEEL.sha256
    assert verdict is (Verdict.NOT_VISIBLE if fails else Verdict.VERIFIED)
    assert [("it will not" in message) for message in messages] == [True] * fails


@pytest.mark.parametrize(
    ("seen", "waited", "remedy"),
    [
        (Observation("unknown", detail="it answered 503"), PLAN.timeout, "that the index is up"),
        (Observation("unknown", detail="NaN", malformed=True), PLAN.timeout, "fix its page"),
        (
            Observation("unknown", detail="the certificate is not trusted", untrusted=True),
            0.0,
            "certificates.harbour.cert",
        ),
    ],
)
def test_nothing_but_errors(world: World, seen: Observation, waited: float, remedy: str) -> None:
    """The cause and its remedy are given, at once where asking again is useless."""
    world.index.name = "harbour"
    world.index.answers[UNSEEN.name] = [seen] * 9999
    for client in DEFAULT_CLIENTS:
        world.index.answers[client] = [seen] * 9999
    expected = ExpectedRelease(NAME, VERSION, AnyFiles(NAME, VERSION), uploaded=False)
    context = replace(world.context(PLAN), report=world.events.append)
    with pytest.raises(ReleaseError) as caught:
        anyio.run(prove_everywhere, expected, context)
    (problem,) = caught.value.problems
    assert (caught.value.verdict, problem.code) == (Verdict.NOT_VISIBLE, Code.INDEX_NOT_REACHED)
    assert seen.detail in problem.message
    assert remedy in problem.remedy
    assert waited <= world.clock.now <= waited + 1


def test_no_client_copy_is_touched_before_the_upload(world: World) -> None:
    """Until something is there, only the copy that no client reads is looked at."""
    world.index.delay = 20.0
    for built in BUILT:
        world.index.put(built)
    assert wait(world) is Verdict.VERIFIED
    early = {look for at, look in world.index.looks if at < 20.0}
    assert early == {UNSEEN.name}
    assert {look for _, look in world.index.looks} == {UNSEEN.name, *DEFAULT_CLIENTS}
    assert {event.variant for event in world.events_of(NotYetVisible)} >= {UNSEEN.name}


def test_two_looks_must_find_the_same_files(world: World) -> None:
    """Two looks must agree, and all clients must see what one has seen."""
    world.index.put(BUILT_WHEEL, since=0.0)
    world.index.put(BUILT[1], since=0.1)
    half = Observation("page", ProjectPage({WHEEL: listing().page.files[WHEEL]}))  # type: ignore[union-attr]
    world.index.answers["uv"] = [half] * 5
    assert wait(world) is Verdict.VERIFIED
    assert len(looks_of(world.index, "uv")) >= 7
    gaps = [b - a for a, b in itertools.pairwise(looks_of(world.index, "pip"))]
    assert len(gaps) >= 2


def test_different_hashes_on_two_indexes_fail(world: World) -> None:
    """A file with different hashes on two indexes is a failure."""
    mirror = world.another_index(MIRROR)
    for built in BUILT:
        world.index.put(built)
        mirror.put(replace(built, sha256=OTHER))
    assert wait(world) is Verdict.VERIFICATION_FAILED
