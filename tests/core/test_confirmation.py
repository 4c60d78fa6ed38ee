"""What somebody is asked to confirm."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from poetry_publish_verified.core.confirmation import changed, newest_before, proposal, unusual
from poetry_publish_verified.core.events import (
    DistributionsRead,
    FileCompared,
    FileFacts,
    OnStage,
    PreviousFound,
    ProblemFound,
    ReleaseStarted,
    TargetsFound,
)
from poetry_publish_verified.core.preflight import Identity
from poetry_publish_verified.core.problems.distributions import tag_disagrees
from poetry_publish_verified.core.simple.page import IndexFile
from poetry_publish_verified.output import confirmation as output
from tests.core.test_receipt import receipt_after

if TYPE_CHECKING:
    from poetry_publish_verified.core.events import Event

LANTERN = canonicalize_name("lantern")
WHEEL, SDIST = "lantern-1.1-py3-none-any.whl", "lantern-1.1.tar.gz"
FILES = DistributionsRead((FileFacts(WHEEL, 2000, "aa"), FileFacts(SDIST, 900, "bb")))
LOOKED: tuple[Event, ...] = (
    ReleaseStarted("lantern", "1.1", "harbour"),
    TargetsFound("https://index.example/", ("https://index.example/simple/",)),
    OnStage("quay", TargetsFound("https://quay.example/", ("https://quay.example/simple/",))),
    FILES,
    OnStage("quay", FILES),
    FileCompared(WHEEL, "absent"),
    OnStage("quay", FileCompared(WHEEL, "identical", "aa")),
    FileCompared(SDIST, "other", "xx"),
    PreviousFound("1.0", (FileFacts("lantern-1.0-py3-none-any.whl", 1000, None),)),
    ProblemFound(tag_disagrees(["v1.2"], "1.1")),
)


def test_proposal_is_what_the_receipt_knows() -> None:
    """Places in their order, what each has already, and what is unusual."""
    (release,) = proposal(receipt_after(*LOOKED), stage_only=False)
    assert release.places == ("quay", "harbour")
    assert release.hashes == {WHEEL: "aa", SDIST: "bb"}
    wheel, sdist = release.files
    assert wheel.there == ("quay",)
    assert sdist.there == ("harbour with different content",)
    assert release.previous == "1.0"
    assert release.unusual == ("a new sdist", "the py3-none-any wheel is 2.0 times as large")
    assert release.warnings == ("PV233",)
    (staged,) = proposal(receipt_after(*LOOKED), stage_only=True)
    assert staged.places == ("quay",)


def test_proposal_in_words() -> None:
    """All of it is shown, and the question names how many files go where."""
    releases = proposal(receipt_after(*LOOKED), stage_only=False)
    shown = "\n".join(output.lines(releases))
    assert "goes to <info>quay</info> and then to <info>harbour</info>:" in shown
    assert f"<c1>{WHEEL}</c1> (2.0 kB, already on quay)" in shown
    assert "sha256 aa" in shown
    assert "<warning>Unlike 1.0: the py3-none-any wheel is 2.0 times as large.</warning>" in shown
    assert "1 warning, see above: PV233." in shown
    assert output.question(releases) == "Publish these 2 files to quay and harbour?"


def test_another_state_of_an_index_is_another_proposal() -> None:
    """What is only compared for people, such as the version before, does not count."""
    before = proposal(receipt_after(*LOOKED), stage_only=False)
    assert proposal(receipt_after(*LOOKED[:-2]), stage_only=False) == before
    appeared = receipt_after(*LOOKED, FileCompared(WHEEL, "identical", "aa"))
    assert proposal(appeared, stage_only=False) != before


@pytest.mark.parametrize(
    ("now", "before", "sentences"),
    [
        ({WHEEL: 10, SDIST: 10}, {"lantern-1.0-py3-none-any.whl": 9}, ["a new sdist"]),
        (
            {WHEEL: 10},
            {"lantern-1.0-py3-none-any.whl": 9, "lantern-1.0.tar.gz": 9},
            ["no sdist any more"],
        ),
        (
            {"lantern-1.1-cp313-cp313-manylinux_2_28_x86_64.whl": 9},
            {"lantern-1.0-cp313-cp313-manylinux_2_17_x86_64.whl": 9},
            [],
        ),
        ({SDIST: 20}, {"lantern-1.0.tar.gz": 10}, ["the sdist is 2.0 times as large"]),
        ({SDIST: 19}, {"lantern-1.0.tar.gz": 10}, []),
        ({SDIST: 5}, {"lantern-1.0.tar.gz": 10}, ["the sdist has only 50% of its size"]),
        ({SDIST: 5}, {"lantern-1.0.tar.gz": None}, []),
        ({SDIST: 0}, {"lantern-1.0.tar.gz": 0}, []),
    ],
)
def test_what_is_unusual(
    now: dict[str, int], before: dict[str, int | None], sentences: list[str]
) -> None:
    """A kind of file that vanished or is new, and one that doubled or halved."""
    assert list(unusual(now, before)) == sentences


@pytest.mark.parametrize(
    ("ours", "listed", "newest"),
    [
        ("1.1", ["lantern-1.0.tar.gz", "lantern-0.9.tar.gz", "lantern-1.2.tar.gz"], "1.0"),
        ("1.1", ["lantern-1.1rc1.tar.gz", "lantern-1.0.tar.gz"], "1.0"),
        ("1.1rc2", ["lantern-1.1rc1.tar.gz", "lantern-1.0.tar.gz"], "1.1rc1"),
        ("1.1", ["lantern-1.1.tar.gz", "lamp-1.0.tar.gz", "junk.txt"], None),
        ("1.1", ["yanked-1.0.tar.gz"], None),
    ],
)
def test_release_to_compare_with(ours: str, listed: list[str], newest: str | None) -> None:
    """The newest below ours; pre-releases only for a pre-release, and nothing that is yanked."""
    files = {
        name: IndexFile(
            name.replace("yanked", "lantern"),
            f"https://files.example/{name}",
            yanked="bad" if name.startswith("yanked") else None,
        )
        for name in listed
    }
    found = newest_before(files, Identity(LANTERN, Version(ours)))
    assert (str(found[0]) if found else None) == newest


def test_changed_files_are_named() -> None:
    """Those with other bytes, those that vanished and those that are new."""
    assert changed({"a": "1", "b": "2", "c": "3"}, {"a": "1", "b": "9", "d": "4"}) == [
        "b", "c", "d",
    ]  # fmt: skip
