"""Visible means visible: every client's copy, twice, on every index, the own one first."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import replace

import anyio
import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from poetry_publish_verified.core.events import BecameVisible
from poetry_publish_verified.core.events import IndexEnded
from poetry_publish_verified.core.events import MetadataVerified
from poetry_publish_verified.core.events import NotYetVisible
from poetry_publish_verified.core.expectation import AnyFiles
from poetry_publish_verified.core.settings import Until
from poetry_publish_verified.core.simple import IndexFile
from poetry_publish_verified.core.simple import ProjectPage
from poetry_publish_verified.core.variants import DEFAULT_CLIENTS
from poetry_publish_verified.core.variants import UNSEEN
from poetry_publish_verified.core.verification import ClientFailure
from poetry_publish_verified.core.verification import Fetched
from poetry_publish_verified.core.verification import NotFetched
from poetry_publish_verified.core.visibility import Observation
from poetry_publish_verified.errors import Code
from poetry_publish_verified.errors import ReleaseError
from poetry_publish_verified.errors import Verdict
from poetry_publish_verified.release.interfaces import ExpectedRelease
from poetry_publish_verified.release.interfaces import Plan
from poetry_publish_verified.release.prove import prove_everywhere
from tests.core.distributions import WHEEL
from tests.release.scripted import ScriptedIndex
from tests.release.scripted import World
from tests.release.test_publish import BUILT
from tests.release.test_publish import BUILT_WHEEL
from tests.release.test_publish import MIRROR
from tests.release.test_publish import OTHER
from tests.release.test_publish import PLAN
from tests.release.test_publish import ends

EMPTY = Observation("page", ProjectPage({}))
QUICK = Plan(Until.DOWNLOADABLE, 20.0)
NAME, VERSION = canonicalize_name("lantern"), Version("1.0")


@pytest.fixture
def world() -> World:
    """A world in which all goes well."""
    return World()


def listing(*changes: tuple[str, object], vary: frozenset[str] | None = None) -> Observation:
    """A page with both files, with changes to the wheel's entry or (`status`) the page."""
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
def test_one_clients_copy_is_old(world: World, client: str) -> None:
    """What two clients see and the third does not is not visible, and the words say for whom."""
    world.index.answers[client] = [EMPTY] * 1000
    ending = world.story(QUICK, *BUILT)
    ends(ending, Verdict.NOT_VISIBLE, Code.NOT_LISTED_IN_TIME)
    others = ", ".join(other for other in DEFAULT_CLIENTS if other != client)
    assert f"as seen by {client}, while {others} saw every file" in ending.problems[0].message
    assert {event.variant for event in world.told(BecameVisible)} == {*DEFAULT_CLIENTS} - {client}
    assert not ending.release["indexes"][0]["proven"]


def test_only_the_clients_that_count(world: World) -> None:
    """Clients that are not named are not asked for, nor waited for."""
    world.index.answers["poetry"] = [EMPTY] * 1000
    ends(world.story(replace(PLAN, clients=("pip", "html")), *BUILT), Verdict.VERIFIED)
    assert {look for _, look in world.index.looks} == {UNSEEN.name, "pip", "html"}


def test_twice_and_the_second_time_afresh(world: World) -> None:
    """One good page is no proof: the second comes later, on a connection of its own."""
    world.story(PLAN, *BUILT)
    for client in DEFAULT_CLIENTS:
        first, second, _after_the_downloads = looks_of(world.index, client)
        assert second - first >= 0.25
    looks = zip(world.index.looks, world.index.fresh, strict=True)
    assert [fresh for (_, look), fresh in looks if look == "pip"] == [False, True, True]


def test_a_page_that_comes_and_goes(world: World) -> None:
    """An edge of two machines of which one is behind: the more often, the longer it must last."""
    good = listing()
    world.index.answers["uv"] = [good, EMPTY, good, EMPTY, good, good, good, EMPTY]
    ends(world.story(replace(PLAN, clients=("uv",)), *BUILT), Verdict.VERIFIED)
    # Three relapses make it eight in a row; then the same afresh, and once after the downloads.
    assert len(looks_of(world.index, "uv")) == 8 + 8 + 8 + 1


def test_clients_that_had_seen_it_look_again(world: World) -> None:
    """What comes and goes for one client may go for another, who had seen it already."""
    world.index.answers["uv"] = [listing(), EMPTY]
    ends(world.story(PLAN, *BUILT), Verdict.VERIFIED)
    assert len(looks_of(world.index, "pip")) == 2 + 4 + 1


def test_gone_after_the_downloads(world: World) -> None:
    """A last look by every client is in vain for one: the wait goes on, and tells why it ends."""
    good = listing()
    world.index.answers["pip"] = [good, good, *[EMPTY] * 1000]
    ending = world.story(QUICK, *BUILT)
    ends(ending, Verdict.NOT_VISIBLE, Code.NOT_LISTED_IN_TIME)
    assert "disappeared again once" in ending.problems[0].message
    assert not ending.release["indexes"][0]["proven"]


def test_a_serial_that_goes_back(world: World) -> None:
    """A page that is older by the index's own count does not confirm the newer one."""
    good = listing()
    world.index.answers["pip"] = [replace(good, serial=n) for n in (7, 6, 6, 7)]
    ends(world.story(replace(PLAN, clients=("pip",)), *BUILT), Verdict.VERIFIED)
    assert len(looks_of(world.index, "pip")) == 4 + 1


def test_a_copy_for_all_is_asked_for_once_while_it_is_old() -> None:
    """Where `Vary` names nothing of what differs, one client's look stands for all."""
    asked = []
    for vary in ({"cookie"}, {"accept", "accept-encoding"}):
        world = World(delay=60.0)
        world.index.vary = frozenset(vary)
        ends(world.story(PLAN, *BUILT), Verdict.VERIFIED)
        asked.append(len(world.index.looks))
        # That it is there each client has to see for itself.
        for event in world.told(BecameVisible):
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
def test_copies_by_user_agent(
    world: World, vary: set[str], edge: dict[str, str], codes: list[Code]
) -> None:
    """A cache that has a copy for every version of a client cannot be seen through: a warning."""
    seen = replace(listing(), vary=frozenset(vary), edge=edge)
    for client in DEFAULT_CLIENTS:
        world.index.answers[client] = [seen] * 2
    ends(world.story(PLAN, *BUILT), Verdict.VERIFIED, *codes)


# PyPI, where Poetry takes its links from the version's own page.


def test_poetry_on_pypi(world: World) -> None:
    """The version's page is asked for once the project's is complete, and waited for too."""
    world.index.pypi = True
    world.index.answers["poetry"] = [EMPTY] * 5
    world.index.answers["poetry-json"] = [Observation("absent")] * 3
    ends(world.story(PLAN, *BUILT), Verdict.VERIFIED)
    (seen,) = [e for e in world.told(BecameVisible) if e.variant == "poetry"]
    assert min(looks_of(world.index, "poetry-json")) >= seen.waited
    assert len(looks_of(world.index, "poetry-json")) == 5 + 1


def test_poetry_on_pypi_never_sees_it(world: World) -> None:
    """Without that page Poetry finds no file, however complete the other one is."""
    world.index.pypi = True
    world.index.answers["poetry-json"] = [EMPTY] * 1000
    ending = world.story(QUICK, *BUILT)
    ends(ending, Verdict.NOT_VISIBLE, Code.NOT_LISTED_IN_TIME)
    assert "poetry-json" in ending.problems[0].message


def test_an_index_like_pypi(world: World) -> None:
    """One that counts as PyPI does may have such pages; where it has none, nobody misses them."""
    good = replace(listing(), edge={"x-pypi-last-serial": "5"})
    world.index.answers["poetry"] = [good, good]
    world.index.answers["poetry-json"] = [Observation("not-offered")]
    ends(world.story(PLAN, *BUILT), Verdict.VERIFIED)
    assert len(looks_of(world.index, "poetry-json")) == 1


def test_other_indexes_are_not_asked_for_versions(world: World) -> None:
    """Poetry takes the links of other sources from the project's page."""
    world.story(PLAN, *BUILT)
    assert not looks_of(world.index, "poetry-json")


# What a page says of a file.


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (("yanked", "broken"), Code.YANKED),
        (("yanked", ""), Code.YANKED),
        (("requires_python", ">=2.7"), Code.OTHER_REQUIRES_PYTHON),
        (("metadata_sha256", OTHER), Code.OTHER_METADATA_LISTED),
        (("size", 3), Code.OTHER_SIZE_LISTED),
        (("sha256", OTHER), Code.OTHER_HASH_LISTED),
        (("status", "quarantined"), Code.QUARANTINED),
    ],
)
def test_listed_wrongly(world: World, change: tuple[str, object], code: Code) -> None:
    """Each is a failure of its own name, at once and not at the end of the time."""
    world.index.answers["pip"] = [listing(change)] * 2
    ending = world.story(PLAN, *BUILT)
    assert ending.verdict is Verdict.VERIFICATION_FAILED
    assert ending.codes == [str(code)]
    assert world.clock.now < 1.0


def test_wrong_only_for_a_moment(world: World) -> None:
    """A single look that finds something wrong is looked at again."""
    world.index.answers["pip"] = [listing(("yanked", "by mistake"))]
    ends(world.story(PLAN, *BUILT), Verdict.VERIFIED)


def test_an_archived_project(world: World) -> None:
    """Archived or deprecated is no failure, but worth a word."""
    for client in DEFAULT_CLIENTS:
        world.index.answers[client] = [listing(("status", "archived"))] * 2
    ends(world.story(PLAN, *BUILT), Verdict.VERIFIED, Code.PROJECT_STATUS)


def test_what_is_not_offered_is_told(world: World) -> None:
    """An index without optional fields has not failed, and the receipt says which they are."""
    ending = world.story(PLAN, *BUILT)
    (index,) = ending.release["indexes"]
    assert index["not_offered"] == ["size", "requires-python", "core-metadata"]


def test_an_extra_file_when_strict(world: World) -> None:
    """With `--strict` an unexpected file of this version fails the release."""
    extra = IndexFile("lantern-1.0-cp311-cp311-win_amd64.whl", "https://files.example/x.whl", OTHER)
    page = listing().page
    assert page is not None
    more = Observation("page", ProjectPage({**page.files, extra.filename: extra}))
    for client in DEFAULT_CLIENTS:
        world.index.answers[client] = [more] * 2
    ending = world.story(replace(PLAN, strict=True), *BUILT)
    ends(ending, Verdict.VERIFICATION_FAILED, Code.EXTRA_FILE)
    assert extra.filename in ending.problems[0].message


# The metadata beside a wheel.


def with_metadata(world: World, served: Fetched | NotFetched) -> None:
    """Let the index offer the wheel's metadata, and serve this."""
    for client in DEFAULT_CLIENTS:
        world.index.answers[client] = [listing(("has_metadata", True))] * 2
    world.index.fetches[f"{WHEEL}.metadata"] = [served] * 100


def test_metadata_beside_a_wheel(world: World) -> None:
    """What installers resolve with is compared with what is in the wheel."""
    sha256 = hashlib.sha256(BUILT_WHEEL.metadata).hexdigest()
    with_metadata(world, Fetched(len(BUILT_WHEEL.metadata), sha256))
    ends(world.story(PLAN, *BUILT), Verdict.VERIFIED)
    (event,) = world.told(MetadataVerified)
    assert (event.filename, event.sha256) == (WHEEL, sha256)


@pytest.mark.parametrize(
    ("served", "verdict", "code"),
    [
        (Fetched(9, OTHER), Verdict.VERIFICATION_FAILED, Code.OTHER_METADATA_SERVED),
        (NotFetched("the server answered 404"), Verdict.NOT_VISIBLE, Code.NOT_FETCHED_IN_TIME),
    ],
)
def test_metadata_that_is_not_the_wheels(
    world: World, served: Fetched | NotFetched, verdict: Verdict, code: Code
) -> None:
    """Other metadata, or offered metadata that does not come, fails the release."""
    with_metadata(world, served)
    ends(world.story(QUICK, *BUILT), verdict, code)


def test_metadata_under_another_hash(world: World) -> None:
    """pip compares what is listed with what is served, by whatever algorithm."""
    sha256 = hashlib.sha256(BUILT_WHEEL.metadata).hexdigest()
    served = Fetched(9, sha256, digests={"md5": "aa" * 16})
    with_metadata(world, served)
    for client in DEFAULT_CLIENTS:
        changes = (("has_metadata", True), ("metadata_digests", (("md5", "bb" * 16),)))
        world.index.answers[client] = [listing(*changes)] * 2
    ending = world.story(QUICK, *BUILT)
    ends(ending, Verdict.VERIFICATION_FAILED, Code.OTHER_METADATA_LISTED)
    assert "aa" * 16 in ending.problems[0].message


# Hashes besides sha256, and what comes with a file.


@pytest.mark.parametrize("right", [True, False])
def test_another_hash_beside_the_sha256(world: World, right: bool) -> None:
    """Installers compare every hash they know, so the bytes are held against each."""
    for client in DEFAULT_CLIENTS:
        world.index.answers[client] = [listing(("digests", (("sha512", "aa"),)))] * 2
    came = Fetched(BUILT_WHEEL.size, BUILT_WHEEL.sha256, digests={"sha512": "aa" if right else "b"})
    world.index.fetches[WHEEL] = [came]
    ending = world.story(PLAN, *BUILT)
    if right:
        ends(ending, Verdict.VERIFIED)
    else:
        ends(ending, Verdict.VERIFICATION_FAILED, Code.OTHER_DIGEST_LISTED)
        assert "with sha512 aa, but the file has b" in ending.problems[0].message
    assert frozenset({"sha512"}) in world.index.algorithms


def test_bytes_under_a_content_encoding(world: World) -> None:
    """uv and Poetry undo what a server says of a file, though the bytes are right."""
    world.index.fetches[WHEEL] = [Fetched(BUILT_WHEEL.size, BUILT_WHEEL.sha256, coding="gzip")]
    ending = world.story(PLAN, *BUILT)
    ends(ending, Verdict.VERIFICATION_FAILED, Code.ENCODED_IN_TRANSIT)
    assert "Content-Encoding: gzip" in ending.problems[0].message


def with_a_copy(world: World) -> str:
    """List the wheel a second time, elsewhere."""
    seen = listing()
    assert seen.page is not None
    url = f"https://other.example/copy-of-{WHEEL}"
    copies = {WHEEL: (replace(seen.page.files[WHEEL], url=url),)}
    twice = replace(seen, page=replace(seen.page, copies=copies))
    for client in DEFAULT_CLIENTS:
        world.index.answers[client] = [twice] * 2
    return url.rsplit("/", 1)[-1]


@pytest.mark.parametrize(
    ("served", "verdict", "codes"),
    [
        (Fetched(BUILT_WHEEL.size, BUILT_WHEEL.sha256), Verdict.VERIFIED, []),
        (Fetched(5, OTHER), Verdict.VERIFICATION_FAILED, [Code.OTHER_BYTES_SERVED]),
        (NotFetched("it is gone"), Verdict.NOT_VISIBLE, [Code.NOT_FETCHED_IN_TIME]),
    ],
)
def test_a_file_in_two_places(
    world: World, served: Fetched | NotFetched, verdict: Verdict, codes: list[Code]
) -> None:
    """Which of two links a client takes is its own affair, so both have to serve the file."""
    world.index.fetches[with_a_copy(world)] = [served] * 100
    ends(world.story(QUICK, *BUILT), verdict, *codes)


# Many indexes.


def test_mirrors_are_asked_after_the_own_index(world: World) -> None:
    """Before the own index shows the release to all, a mirror is asked for its root at most."""
    world.index.delay = 30.0
    mirror = world.another_index(MIRROR)
    ends(world.story(PLAN, *BUILT), Verdict.VERIFIED)
    own = max(event.waited for event in world.told(BecameVisible) if event.index != MIRROR)
    assert min(at for at, _ in mirror.looks) >= own
    assert mirror.roots == 1


def test_a_mirror_is_not_asked_when_the_own_index_fails(world: World) -> None:
    """What the own index does not show no mirror can have, and asking would keep it old."""
    world.index.delay = 1000.0
    mirror = world.another_index(MIRROR)
    ends(world.story(QUICK, *BUILT), Verdict.NOT_VISIBLE, Code.NOT_LISTED_IN_TIME)
    assert mirror.looks == []
    assert [event.proven for event in world.told(IndexEnded)] == [False, False]


def test_a_mirror_is_watched_after_an_own_index_that_nobody_named(world: World) -> None:
    """The own index tells when mirrors may be asked even where it need not show the release."""
    world.index.delay = 30.0
    mirror = world.another_index(MIRROR)
    world.indexes.remove(world.index)
    world.repository.shows_on = [world.index, mirror]
    ends(world.story(PLAN, *BUILT), Verdict.VERIFIED)
    assert min(at for at, _ in mirror.looks) >= 30.0
    assert {event.index for event in world.told(BecameVisible)} == {MIRROR}


def test_an_own_index_that_was_guessed_wrongly(world: World) -> None:
    """Where no index is at the guessed address, those that were named are asked all the same."""
    mirror = world.another_index(MIRROR)
    world.indexes.remove(world.index)
    world.repository.shows_on = [mirror]
    world.index.certain, world.index.root_state = False, "none"
    ends(world.story(QUICK, *BUILT), Verdict.VERIFIED)


def test_no_index_there(world: World) -> None:
    """An address whose root is not there either is told of at once."""
    world.index.delay, world.index.certain, world.index.root_state = 1000.0, False, "none"
    ends(world.story(PLAN, *BUILT), Verdict.NOT_VISIBLE, Code.NO_INDEX_THERE)
    assert world.clock.now < 1.0


@pytest.mark.parametrize(
    ("state", "code"),
    [("denied", Code.INDEX_DENIED), ("unreachable", Code.INDEX_NOT_REACHED)],
)
def test_a_mirror_that_cannot_be_read(world: World, state: str, code: Code) -> None:
    """What could not be proven afterwards is refused before anything is sent."""
    world.another_index(MIRROR).root_state = state  # type: ignore[assignment]
    ends(world.story(PLAN, *BUILT), Verdict.PREFLIGHT_REFUSED, code)
    assert world.repository.sent == []


def test_a_mirror_without_a_root(world: World) -> None:
    """Not every index shows its root: that is worth a word and no more."""
    world.another_index(MIRROR).root_state = "none"
    ends(world.story(PLAN, *BUILT), Verdict.VERIFIED, Code.NO_INDEX_THERE)


# The reader's side.


def wait(world: World) -> Verdict:
    """Wait for lantern 1.0, of which nothing else is known."""
    return wait_until(world, PLAN)[0]


def wait_until(world: World, plan: Plan) -> tuple[Verdict, list[str]]:
    """The same, and the messages of what failed."""
    expected = ExpectedRelease(NAME, VERSION, AnyFiles(NAME, VERSION), uploaded=False)
    context = replace(world.context(), report=world.events.append)
    try:
        anyio.run(prove_everywhere, expected, plan, context)
    except ReleaseError as error:
        return error.verdict, [problem.message for problem in error.problems]
    return Verdict.VERIFIED, []


def test_two_places_without_any_hash(world: World) -> None:
    """Where nothing is known of the bytes, they have to be the same everywhere."""
    first, second = (IndexFile(WHEEL, f"https://files.example/{name}") for name in "ab")
    seen = Observation("page", ProjectPage({WHEEL: first}, copies={WHEEL: (second,)}))
    world.index.answers[UNSEEN.name] = [seen]
    for client in DEFAULT_CLIENTS:
        world.index.answers[client] = [seen] * 2
    world.index.fetches["a"] = [Fetched(5, OTHER)]
    world.index.fetches["b"] = [Fetched(5, "ff" * 32)]
    verdict, (message,) = wait_until(world, PLAN)
    assert verdict is Verdict.VERIFICATION_FAILED
    assert "ff" * 32 in message
    assert OTHER in message


@pytest.mark.parametrize("fails", [False, True])
def test_a_client_is_asked_though_the_page_has_no_hash(world: World, fails: bool) -> None:
    """What the bytes were that have just come is what the client has to get."""
    world.index.hides_hashes = True
    world.index.put(BUILT_WHEEL)
    world.client.script = [ClientFailure("it will not")] * 99 if fails else []
    verdict, messages = wait_until(world, Plan(Until.INSTALLABLE, 20.0))
    assert world.client.asked[0][0].sha256 == BUILT_WHEEL.sha256
    assert verdict is (Verdict.NOT_VISIBLE if fails else Verdict.VERIFIED)
    assert [("it will not" in message) for message in messages] == [True] * fails


def test_nothing_is_asked_as_a_client_before_the_upload(world: World) -> None:
    """As long as nothing is there, only the copy that no client reads is looked at."""
    world.index.delay = 20.0
    for built in BUILT:
        world.index.put(built)
    assert wait(world) is Verdict.VERIFIED
    early = {look for at, look in world.index.looks if at < 20.0}
    assert early == {UNSEEN.name}
    assert {look for _, look in world.index.looks} == {UNSEEN.name, *DEFAULT_CLIENTS}
    assert {event.variant for event in world.told(NotYetVisible)} >= {UNSEEN.name}


def test_a_file_that_comes_between_two_looks(world: World) -> None:
    """Two looks have to find the same files, and all clients have to see what one has seen."""
    world.index.put(BUILT_WHEEL, since=0.0)
    world.index.put(BUILT[1], since=0.1)
    half = Observation("page", ProjectPage({WHEEL: listing().page.files[WHEEL]}))  # type: ignore[union-attr]
    world.index.answers["uv"] = [half] * 5
    assert wait(world) is Verdict.VERIFIED
    assert len(looks_of(world.index, "uv")) >= 7
    gaps = [b - a for a, b in itertools.pairwise(looks_of(world.index, "pip"))]
    assert len(gaps) >= 2


def test_indexes_that_disagree(world: World) -> None:
    """A file with different hashes on two indexes is somebody's fault."""
    mirror = world.another_index(MIRROR)
    for built in BUILT:
        world.index.put(built)
        mirror.put(replace(built, sha256=OTHER))
    assert wait(world) is Verdict.VERIFICATION_FAILED
