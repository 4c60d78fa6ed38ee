"""Pages held against what must be on them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from poetry_publish_verified.core.expectation import AnyFiles
from poetry_publish_verified.core.expectation import BuiltMetadata
from poetry_publish_verified.core.expectation import ExactFiles
from poetry_publish_verified.core.expectation import ExpectedFile
from poetry_publish_verified.core.expectation import PageFault
from poetry_publish_verified.core.expectation import as_built
from poetry_publish_verified.core.expectation import extra_files
from poetry_publish_verified.core.expectation import not_offered
from poetry_publish_verified.core.simple import IndexFile
from poetry_publish_verified.core.simple import ProjectPage
from poetry_publish_verified.errors import Code
from poetry_publish_verified.sanitize import printable
from tests.core.distributions import SDIST
from tests.core.distributions import WHEEL
from tests.core.distributions import core_metadata
from tests.core.distributions import distribution
from tests.core.distributions import sha256

NAME, VERSION = canonicalize_name("lantern"), Version("1.0")
METADATA = core_metadata("Requires-Python: >=3.8")
BUILT = as_built(distribution(WHEEL, b"light", METADATA))
PLAIN = ExpectedFile(SDIST, sha256(b"shade"))
OTHER = "cd" * 32


def listed(filename: str = WHEEL, digest: str | None = BUILT.sha256, **more: Any) -> IndexFile:
    """One file of a page."""
    return IndexFile(filename, f"https://index.example/{filename}", digest, **more)


def page(*files: IndexFile, **more: Any) -> ProjectPage:
    """A page of these files."""
    return ProjectPage({file.filename: file for file in files}, **more)


def faults(file: ExpectedFile, seen: IndexFile, **more: Any) -> list[Code]:
    """What is wrong with one file, as a page lists it."""
    judgement = ExactFiles((file,)).judge(page(seen, **more))
    assert judgement.satisfied is not bool(judgement.faults)
    for fault in judgement.faults:
        assert fault.filename == file.filename
        assert fault.words == printable(fault.words, 1000)
        assert file.filename in fault.words
    return [fault.code for fault in judgement.faults]


def test_as_built() -> None:
    """Name, hash and size are the file's, the rest is its metadata's."""
    assert (
        ExpectedFile(WHEEL, sha256(b"light"), 5, BuiltMetadata(">=3.8", sha256(METADATA))) == BUILT
    )
    assert as_built(distribution(SDIST)).built == BuiltMetadata(None, sha256(core_metadata()))
    assert (BUILT.parsed.name, BUILT.parsed.version) == (NAME, VERSION)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"digest": None},
        {"size": 5},
        {"requires_python": ">=3.8"},
        {"requires_python": " >= 3.8 "},
        {"has_metadata": True},
        {"has_metadata": True, "metadata_sha256": sha256(METADATA)},
    ],
)
def test_listed_as_it_should_be(more: dict[str, Any]) -> None:
    """What a page does not tell is no fault, and what it tells is as it was built."""
    assert faults(BUILT, listed(**more)) == []


@pytest.mark.parametrize(
    ("more", "codes"),
    [
        ({"digest": OTHER}, [Code.OTHER_HASH_LISTED]),
        ({"size": 6}, [Code.OTHER_SIZE_LISTED]),
        ({"size": 0}, [Code.OTHER_SIZE_LISTED]),
        ({"requires_python": ">=3.9"}, [Code.OTHER_REQUIRES_PYTHON]),
        ({"requires_python": ""}, [Code.OTHER_REQUIRES_PYTHON]),
        ({"requires_python": "\x1b[31m::error::"}, [Code.OTHER_REQUIRES_PYTHON]),
        ({"metadata_sha256": OTHER}, [Code.OTHER_METADATA_LISTED]),
        ({"yanked": ""}, [Code.YANKED]),
        ({"yanked": "brok\nen"}, [Code.YANKED]),
        (
            {"yanked": "", "size": 6, "requires_python": "x", "metadata_sha256": OTHER},
            [
                *(Code.YANKED, Code.OTHER_SIZE_LISTED),
                *(Code.OTHER_REQUIRES_PYTHON, Code.OTHER_METADATA_LISTED),
            ],
        ),
        # Of another file, nothing else is worth telling.
        ({"digest": OTHER, "size": 6, "yanked": ""}, [Code.OTHER_HASH_LISTED]),
    ],
)
def test_listed_wrongly(more: dict[str, Any], codes: list[Code]) -> None:
    """Whatever a page tells of a file and the file does not is a fault."""
    assert faults(BUILT, listed(**more)) == codes


def test_what_is_not_known_is_not_compared() -> None:
    """Without the archive at hand only the hash can be held against a page."""
    seen = listed(SDIST, PLAIN.sha256, size=9, requires_python=">=9", metadata_sha256=OTHER)
    assert faults(PLAIN, seen) == []
    assert faults(replace(PLAIN, sha256=None), replace(seen, sha256=OTHER)) == []


def test_no_requires_python_at_all() -> None:
    """A file for every Python may be listed with none, or with nothing for one."""
    file = replace(BUILT, built=BuiltMetadata(None, sha256(METADATA)))
    assert faults(file, listed(requires_python="")) == []
    assert faults(file, listed(requires_python=">=3.8")) == [Code.OTHER_REQUIRES_PYTHON]


def test_a_requires_python_that_is_none() -> None:
    """What no specification allows is compared by the letter."""
    file = replace(BUILT, built=BuiltMetadata("three", sha256(METADATA)))
    assert faults(file, listed(requires_python=" three ")) == []
    assert faults(file, listed(requires_python="four")) == [Code.OTHER_REQUIRES_PYTHON]


def test_listed_under_two_hashes() -> None:
    """A name that stands for two files is a fault though the first is the right one."""
    twice = frozenset({WHEEL})
    assert faults(BUILT, listed(), ambiguous=twice) == [Code.OTHER_HASH_LISTED]
    assert faults(BUILT, listed(digest=OTHER), ambiguous=twice) == [Code.OTHER_HASH_LISTED]
    assert faults(BUILT, listed(), ambiguous=frozenset({SDIST})) == []


def test_files_that_are_absent() -> None:
    """Absent files are named; what is there is judged none the less."""
    both = ExactFiles((BUILT, PLAIN))
    assert both.nothing().absent == (WHEEL, SDIST)
    assert both.judge(page()) == both.nothing()
    judgement = both.judge(page(listed(digest=OTHER)))
    assert judgement.absent == (SDIST,)
    assert [fault.code for fault in judgement.faults] == [Code.OTHER_HASH_LISTED]
    assert not judgement.satisfied
    whole = both.judge(page(listed(), listed(SDIST, PLAIN.sha256), listed("x.whl")))
    assert whole.satisfied
    assert whole.listing == {(WHEEL, BUILT.sha256), (SDIST, PLAIN.sha256)}
    assert both.files(page()) == (BUILT, PLAIN)


def test_listings_tell_hashes_apart() -> None:
    """A page that gives no hash is not the same listing as one that does."""
    one = ExactFiles((BUILT,))
    assert one.judge(page(listed())).listing != one.judge(page(listed(digest=None))).listing


@pytest.mark.parametrize("expectation", [ExactFiles((BUILT,)), AnyFiles(NAME, VERSION)])
@pytest.mark.parametrize("files", [(), (listed(),)])
def test_a_project_under_quarantine(
    expectation: ExactFiles | AnyFiles, files: tuple[IndexFile, ...]
) -> None:
    """Quarantine is told as what it is, whether files are still listed or not."""
    judgement = expectation.judge(page(*files, status="quarantined", status_reason="mal\nware"))
    assert judgement.faults == (
        PageFault(Code.QUARANTINED, "has put the project under quarantine (mal ware)"),
    )
    assert not judgement.satisfied


@pytest.mark.parametrize("status", ["active", "archived", "deprecated", "anything"])
def test_another_status(status: str) -> None:
    """No other status stands between a release and its users."""
    assert ExactFiles((BUILT,)).judge(page(listed(), status=status)).satisfied


def test_any_file_of_a_release() -> None:
    """One file will do, of just this version."""
    any_files = AnyFiles(NAME, VERSION)
    assert any_files.nothing().absent == ("lantern 1.0",)
    others = (listed("lantern-1.0.1.tar.gz"), listed("lantern_dark-1.0.tar.gz"), listed("x"))
    assert any_files.judge(page(*others)) == any_files.nothing()
    for filename in (WHEEL, SDIST, "Lantern-1.0.0-py3-none-any.whl"):
        assert any_files.judge(page(*others, listed(filename))).satisfied
    assert any_files.files(page(*others, listed(size=5))) == (ExpectedFile(WHEEL, BUILT.sha256, 5),)


def test_any_file_that_is_not_yanked() -> None:
    """Yanked files count only where there are no others, and then as a fault."""
    any_files = AnyFiles(NAME, VERSION)
    yanked = listed(yanked="broken")
    half = page(yanked, listed(SDIST, OTHER))
    assert any_files.judge(half).satisfied
    assert [file.filename for file in any_files.files(half)] == [SDIST]
    judgement = any_files.judge(page(yanked))
    assert [(fault.code, fault.filename) for fault in judgement.faults] == [(Code.YANKED, WHEEL)]
    assert "(broken)" in judgement.faults[0].words


def test_any_file_under_two_hashes() -> None:
    """Which of two files a name stands for nobody can tell."""
    judgement = AnyFiles(NAME, VERSION).judge(page(listed(), ambiguous=frozenset({WHEEL})))
    assert [fault.code for fault in judgement.faults] == [Code.OTHER_HASH_LISTED]


@pytest.mark.parametrize("expectation", [ExactFiles((BUILT,)), AnyFiles(NAME, VERSION)])
@pytest.mark.parametrize("digest", [BUILT.sha256, None])
def test_a_file_that_is_ambiguous(expectation: ExactFiles | AnyFiles, digest: str | None) -> None:
    """Clients differ in which entry they take, whether it has a hash or not."""
    judgement = expectation.judge(page(listed(digest=digest), ambiguous=frozenset({WHEEL})))
    assert [(f.code, f.filename) for f in judgement.faults] == [(Code.OTHER_HASH_LISTED, WHEEL)]
    assert "twice, under different hashes" in judgement.faults[0].words


@pytest.mark.parametrize("expectation", [ExactFiles((BUILT,)), AnyFiles(NAME, VERSION)])
def test_a_link_that_cannot_be_used(expectation: ExactFiles | AnyFiles) -> None:
    """Such a file is listed, if badly, and not absent."""
    other = "lantern-0.9.tar.gz"
    judgement = expectation.judge(page(unusable={WHEEL: "data:", other: "data:"}))
    assert judgement.absent == ()
    (fault,) = judgement.faults
    assert (fault.code, fault.filename) == (Code.LINK_UNUSABLE, WHEEL)
    assert fault.words == f"lists {WHEEL} with a link that cannot be used (data:)"
    assert expectation.judge(page(unusable={other: "data:"})).absent


@pytest.mark.parametrize("expectation", [ExactFiles((BUILT,)), AnyFiles(NAME, VERSION)])
def test_a_file_that_one_client_does_not_take(expectation: ExactFiles | AnyFiles) -> None:
    """Only where the page is looked at as that client does, and only of files that count."""
    refused = listed(refused=(("pip", "its name is odd"),))
    other = listed("lantern-0.9-py3-none-any.whl", refused=(("pip", "its name is odd"),))
    seen = page(refused, other)
    assert expectation.judge(seen).satisfied
    assert expectation.judge(seen.as_seen_by("uv")).satisfied
    (fault,) = expectation.judge(seen.as_seen_by("pip")).faults
    assert (fault.code, fault.filename) == (Code.NOT_TAKEN_BY_A_CLIENT, WHEEL)
    assert fault.words == f"lists {WHEEL} in a way that pip does not take: its name is odd"
    assert expectation.judge(page(listed(), other).as_seen_by("pip")).satisfied
    copied = page(listed(), copies={WHEEL: (refused,)})
    assert expectation.judge(copied.as_seen_by("pip")).faults == (fault,)


def test_every_entry_of_a_file_is_held_against_it() -> None:
    """What one of two entries tells wrongly is a fault, once; clients pass over a yanked one."""
    exact = ExactFiles((BUILT,))
    copy = replace(listed(), url="https://other.example/x")
    wrong = replace(copy, size=6)
    assert exact.judge(page(listed(), copies={WHEEL: (wrong, wrong)})).faults == (
        *exact.judge(page(wrong)).faults,
    )
    yanked = replace(copy, yanked="")
    assert exact.judge(page(listed(), copies={WHEEL: (yanked,)})).satisfied
    assert exact.judge(page(yanked, copies={WHEEL: (listed(),)})).satisfied
    assert not exact.judge(page(yanked, copies={WHEEL: (yanked,)})).satisfied


def test_files_that_nobody_expected() -> None:
    """Others of the same version are named; those of other versions are no news."""
    seen = page(listed(), listed(SDIST), listed("lantern-1.0-py2-none-any.whl"), listed("a-1.whl"))
    assert extra_files(seen, NAME, VERSION, [BUILT]) == ["lantern-1.0-py2-none-any.whl", SDIST]
    assert extra_files(seen, NAME, Version("2"), [BUILT]) == []


@pytest.mark.parametrize(
    ("files", "fields"),
    [
        ([listed(), listed(SDIST)], ["size", "requires-python", "core-metadata"]),
        ([listed(size=5), listed(SDIST)], ["requires-python", "core-metadata"]),
        ([listed(), listed(SDIST, size=5, requires_python="")], ["core-metadata"]),
        ([listed(has_metadata=True), listed(SDIST)], ["size", "requires-python"]),
        # Only wheels have it, and what another release's files have proves nothing.
        ([listed(SDIST)], ["size", "requires-python"]),
        (
            [listed(), listed("x-1-py3-none-any.whl", size=5, has_metadata=True)],
            ["size", "requires-python", "core-metadata"],
        ),
    ],
)
def test_fields_that_an_index_does_not_offer(files: list[IndexFile], fields: list[str]) -> None:
    """A field counts as offered where any of the files has it."""
    assert not_offered(page(*files), [BUILT, PLAIN]) == fields
