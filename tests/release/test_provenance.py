"""The provenance that an index serves is part of the proof, where it is required."""

from __future__ import annotations

from dataclasses import replace

import pytest

from poetry_publish_verified.core.events import ProvenanceAwaited, ProvenanceChecked
from poetry_publish_verified.core.provenance import Assessment, NotVerifiable, Unverified
from poetry_publish_verified.core.publishers import SignerIdentity, parse_publisher
from poetry_publish_verified.core.settings import Until
from poetry_publish_verified.core.simple.page import IndexFile, ProjectPage
from poetry_publish_verified.core.verification import NotDownloaded
from poetry_publish_verified.core.visibility import Observation
from poetry_publish_verified.errors import Code, Verdict
from poetry_publish_verified.release.interfaces import Plan, ProvenanceCheck
from tests.core.distributions import SDIST, WHEEL, distribution
from tests.release.scripted import LANTERNS, PUBLISH, ScriptedVerifier, World, assert_outcome

BUILT_WHEEL = distribution(WHEEL, b"light in a wheel")
BUILT = (BUILT_WHEEL, distribution(SDIST, b"light"))
PLAN = Plan(Until.DOWNLOADABLE, 900.0)
REQUIRE = replace(PLAN, attest="require")
OURS = (parse_publisher("github:octo/lantern"),)
URLS = {name: f"https://index.example/integrity/{name}" for name in (WHEEL, SDIST)}
MIRROR = "https://mirror.example/simple/"


class Attesting(World):
    """A world whose index serves the provenance of every file, by octo/lantern."""

    def __init__(self, *, required: bool = True) -> None:
        super().__init__()
        self.index.attests.update(URLS)
        self.verifier = ScriptedVerifier()
        self.provenance = ProvenanceCheck(self.verifier, OURS, required)


@pytest.mark.parametrize("until", [Until.LISTED, Until.DOWNLOADABLE, Until.INSTALLABLE])
def test_every_file_is_verified(until: Until) -> None:
    """Each document is verified with the hash of the built file, and the receipt says by whom."""
    world = Attesting()
    ending = world.publish(replace(REQUIRE, until=until), *BUILT)
    assert_outcome(ending, Verdict.VERIFIED)
    assert sorted(world.verifier.asked) == sorted(
        (URLS[each.filename].encode(), each.filename, each.sha256) for each in BUILT
    )
    for file in ending.release["distributions"]:
        assert file["provenance"] == [
            {
                "index": world.index.url,
                "publisher": str(LANTERNS),
                "predicate": PUBLISH,
                "log_index": 42,
                "verified": True,
            }
        ]


def test_each_index_serves_its_own() -> None:
    """A mirror without provenance is not proven where that is required."""
    world = Attesting()
    world.another_index(MIRROR)
    ending = world.publish(REQUIRE, *BUILT)
    assert_outcome(ending, Verdict.NOT_VISIBLE, *[Code.PROVENANCE_NOT_SERVED] * 2)
    assert {problem.index for problem in ending.problems} == {MIRROR}
    assert [index["proven"] for index in ending.release["indexes"]] == [True, False]


def test_late_links_are_waited_for() -> None:
    """An old page is looked at again, by a copy that no client reads, until the end."""
    world = Attesting()
    world.index.attests.clear()
    ending = world.publish(REQUIRE, *BUILT)
    assert_outcome(ending, Verdict.NOT_VISIBLE, *[Code.PROVENANCE_NOT_SERVED] * 2)
    assert world.clock.now >= 900.0
    assert "its page links to none" in ending.problems[0].message
    looks = [at for at, variant in world.index.looks if variant == "unseen" and at > 10.0]
    assert 20 < len(looks) < 60
    assert len(world.events_of(ProvenanceAwaited)) == 2


@pytest.mark.parametrize("detail", ["the server answered 404", "the server answered 403"])
def test_late_documents_are_waited_for(detail: str) -> None:
    """No answer, and none that says no, is the last word."""
    world = Attesting()
    world.index.documents[URLS[WHEEL]] += [NotDownloaded(detail)] * 5
    assert_outcome(world.publish(REQUIRE, *BUILT), Verdict.VERIFIED)
    (awaited,) = world.events_of(ProvenanceAwaited)
    assert (awaited.filename, awaited.detail) == (WHEEL, detail)
    world = Attesting()
    world.index.documents[URLS[WHEEL]] += [NotDownloaded(detail)] * 500
    ending = world.publish(REQUIRE, *BUILT)
    assert_outcome(ending, Verdict.NOT_VISIBLE, Code.PROVENANCE_NOT_SERVED)
    assert detail in ending.problems[0].message


def test_page_that_learns_of_it() -> None:
    """The wait ends when the page links to the provenance."""
    world = Attesting()
    world.index.attests.clear()
    files = {each.filename: each for each in BUILT}
    page = ProjectPage(
        {
            name: IndexFile(name, f"https://files.example/{name}", each.sha256, provenance=url)
            for (name, each), url in zip(files.items(), URLS.values(), strict=True)
        }
    )
    bare = Observation("absent")
    world.index.answers["unseen"] += [bare, Observation("unknown"), Observation("page", page)]
    assert_outcome(world.publish(REQUIRE, *BUILT), Verdict.VERIFIED)
    assert world.clock.now < 60.0


@pytest.mark.parametrize(
    ("found", "verdict", "code"),
    [
        (Unverified("signature", "x"), Verdict.VERIFICATION_FAILED, Code.SIGNATURE_WRONG),
        (Unverified("bytes", "x"), Verdict.VERIFICATION_FAILED, Code.PROVENANCE_OF_ANOTHER_FILE),
        (NotVerifiable("no space"), Verdict.NOT_VISIBLE, Code.PROVENANCE_NOT_VERIFIABLE),
    ],
)
def test_what_does_not_verify(
    found: Assessment | NotVerifiable, verdict: Verdict, code: Code
) -> None:
    """It is a failure at once if it is required, an error if strict, and else a warning."""
    world = Attesting()
    world.verifier.found[WHEEL] = found
    assert_outcome(world.publish(REQUIRE, *BUILT), verdict, code)
    assert world.clock.now < 60.0
    for strict, ending in ((True, verdict), (False, Verdict.VERIFIED)):
        world = Attesting(required=False)
        world.verifier.found[WHEEL] = found
        assert_outcome(world.publish(replace(PLAN, strict=strict), *BUILT), ending, code)


def test_another_publisher() -> None:
    """The index's word is not enough, and the receipt says who it was."""
    world = Attesting()
    world.verifier.by = SignerIdentity("https://gitlab.com", "https://gitlab.com/octo/lantern")
    ending = world.publish(REQUIRE, *BUILT)
    assert_outcome(ending, Verdict.VERIFICATION_FAILED, *[Code.PUBLISHED_BY_ANOTHER] * 2)
    checked = world.events_of(ProvenanceChecked)
    assert {(each.publisher, each.verified) for each in checked} == {("gitlab:octo/lantern", False)}


@pytest.mark.parametrize("attested", [True, False])
def test_unexpected_files_count_if_publishers_are_named(*, attested: bool) -> None:
    """An installer may prefer them to those that were expected."""
    world = Attesting()
    extra = distribution("lantern-1.0-cp311-abi3-win32.whl")
    world.index.put(extra, since=0.0)
    if attested:
        world.index.attests[extra.filename] = "https://index.example/integrity/extra"
    ending = world.publish(replace(REQUIRE, provenance=OURS), *BUILT)
    codes = [Code.EXTRA_FILE] if attested else [Code.EXTRA_FILE, Code.PROVENANCE_NOT_SERVED]
    assert_outcome(ending, Verdict.VERIFIED if attested else Verdict.NOT_VISIBLE, *codes)
    if attested:
        assert extra.filename in {filename for _, filename, _ in world.verifier.asked}


def test_huge_documents_are_malformed() -> None:
    """What is too large to be one is not waited for."""
    world = Attesting()
    world.index.documents[URLS[SDIST]] += [NotDownloaded("it is larger than 2 MiB", final=True)]
    ending = world.publish(REQUIRE, *BUILT)
    assert_outcome(ending, Verdict.VERIFICATION_FAILED, Code.PROVENANCE_MALFORMED)
    assert "it is larger than 2 MiB" in ending.problems[0].message


@pytest.mark.parametrize("url", [None, ""])
def test_nothing_is_waited_for_unless_required(url: str | None) -> None:
    """Where nobody asked for it, what is missing is no fault, and takes no time."""
    world = Attesting(required=False)
    world.index.attests.clear()
    if url is not None:
        world.index.attests.update({WHEEL: url, SDIST: URLS[SDIST]})
        world.index.documents[URLS[SDIST]] += [NotDownloaded("the server answered 500")]
    ending = world.publish(PLAN, *BUILT)
    assert_outcome(ending, Verdict.VERIFIED)
    assert world.clock.now < 60.0
    assert world.verifier.asked == []


def test_file_without_provenance_is_refused_before_the_upload() -> None:
    """One that is there already can get none: a warning, unless all must have it."""
    world = Attesting()
    world.index.attests.clear()
    world.index.put(BUILT_WHEEL, since=0.0)
    ending = world.publish(REQUIRE, *BUILT)
    assert_outcome(ending, Verdict.PREFLIGHT_REFUSED, Code.PROVENANCE_TOO_LATE)
    assert world.repository.sent == []
    world = Attesting()
    world.index.put(BUILT_WHEEL, since=0.0)
    assert_outcome(world.publish(REQUIRE, *BUILT), Verdict.VERIFIED)
    assert world.repository.sent == [SDIST]
    for strict, verdict in ((True, Verdict.PREFLIGHT_REFUSED), (False, Verdict.VERIFIED)):
        world = Attesting(required=False)
        world.index.attests.pop(WHEEL)
        world.index.put(BUILT_WHEEL, since=0.0)
        ending = world.publish(replace(PLAN, attest="on", strict=strict), *BUILT)
        assert_outcome(ending, verdict, Code.PROVENANCE_TOO_LATE)
