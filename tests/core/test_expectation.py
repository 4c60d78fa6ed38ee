"""Pages compared with what they must list."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from poetry_publish_verified.core.expectation import (
    AnyFiles,
    BuiltMetadata,
    ExactFiles,
    ExpectedFile,
    PageAssessment,
    PageFault,
    as_built,
    extra_files,
    not_offered,
)
from poetry_publish_verified.core.simple.page import Hashes, IndexFile, ProjectPage
from poetry_publish_verified.errors import Code
from poetry_publish_verified.sanitize import printable
from tests.core.distributions import SDIST, WHEEL, core_metadata, distribution, sha256

NAME, VERSION = canonicalize_name("lantern"), Version("1.0")
METADATA = core_metadata("Requires-Python: >=3.8")
BUILT = as_built(distribution(WHEEL, b"light", METADATA))
PLAIN = ExpectedFile(SDIST, sha256(b"shade"))
OTHER = "cd" * 32


def listed(filename: str = WHEEL, digest: str | None = BUILT.sha256, **more: Any) -> IndexFile:
    """One file on a page."""
    return IndexFile(filename, f"https://index.example/{filename}", digest, **more)


def page(*files: IndexFile, **more: Any) -> ProjectPage:
    """A page with these files."""
    return ProjectPage({file.filename: file for file in files}, **more)


def faults(file: ExpectedFile, seen: IndexFile, **more: Any) -> list[Code]:
    """What is wrong with one file as a page lists it."""
    judgement = ExactFiles((file,)).judge(page(seen, **more))
    assert judgement.satisfied is not bool(judgement.faults)
    for fault in judgement.faults:
        assert fault.filename == file.filename
        assert fault.words == printable(fault.words, 1000)
        assert file.filename in fault.words
    return [fault.code for fault in judgement.faults]


def test_expected_file_comes_from_the_distribution() -> None:
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
        {"metadata": Hashes()},
        {"metadata": Hashes(sha256(METADATA))},
    ],
)
def test_matching_listing_has_no_fault(more: dict[str, Any]) -> None:
    """What a page leaves out is no fault, and what it says matches the build."""
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
        ({"metadata": Hashes(OTHER)}, [Code.OTHER_METADATA_LISTED]),
        ({"yanked": ""}, [Code.YANKED]),
        ({"yanked": "brok\nen"}, [Code.YANKED]),
        (
            {"yanked": "", "size": 6, "requires_python": "x", "metadata": Hashes(OTHER)},
            [
                *(Code.YANKED, Code.OTHER_SIZE_LISTED),
                *(Code.OTHER_REQUIRES_PYTHON, Code.OTHER_METADATA_LISTED),
            ],
        ),
        # For another file, nothing else matters.
        ({"digest": OTHER, "size": 6, "yanked": ""}, [Code.OTHER_HASH_LISTED]),
    ],
)
def test_each_wrong_value_is_a_fault(more: dict[str, Any], codes: list[Code]) -> None:
    """Any value on the page that differs from the file is a fault."""
    assert faults(BUILT, listed(**more)) == codes


def test_only_the_hash_is_compared_without_the_archive() -> None:
    """Without the archive only the hash can be compared."""
    seen = listed(SDIST, PLAIN.sha256, size=9, requires_python=">=9", metadata=Hashes(OTHER))
    assert faults(PLAIN, seen) == []
    assert faults(replace(PLAIN, sha256=None), replace(seen, sha256=OTHER)) == []


def test_missing_requires_python() -> None:
    """A file without Requires-Python may be listed with none or an empty one."""
    file = replace(BUILT, built=BuiltMetadata(None, sha256(METADATA)))
    assert faults(file, listed(requires_python="")) == []
    assert faults(file, listed(requires_python=">=3.8")) == [Code.OTHER_REQUIRES_PYTHON]


def test_invalid_requires_python_is_compared_literally() -> None:
    """An invalid specifier is compared as text."""
    file = replace(BUILT, built=BuiltMetadata("three", sha256(METADATA)))
    assert faults(file, listed(requires_python=" three ")) == []
    assert faults(file, listed(requires_python="four")) == [Code.OTHER_REQUIRES_PYTHON]


def test_two_hashes_for_one_name_are_a_fault() -> None:
    """A name with two hashes is a fault even if the first one is right."""
    assert faults(BUILT, listed(ambiguous=True)) == [Code.OTHER_HASH_LISTED]
    assert faults(BUILT, listed(digest=OTHER, ambiguous=True)) == [Code.OTHER_HASH_LISTED]


def test_absent_files_are_named() -> None:
    """Absent files are named, and present ones still checked."""
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


def test_listing_without_a_hash_differs() -> None:
    """A page without a hash is not the same listing as one with it."""
    one = ExactFiles((BUILT,))
    assert one.judge(page(listed())).listing != one.judge(page(listed(digest=None))).listing


@pytest.mark.parametrize("expectation", [ExactFiles((BUILT,)), AnyFiles(NAME, VERSION)])
@pytest.mark.parametrize("files", [(), (listed(),)])
def test_quarantine_is_a_fault(
    expectation: ExactFiles | AnyFiles, files: tuple[IndexFile, ...]
) -> None:
    """Quarantine is reported as such, whether files are still listed or not."""
    judgement = expectation.judge(page(*files, status="quarantined", status_reason="mal\nware"))
    assert judgement.faults == (
        PageFault(Code.QUARANTINED, "has quarantined the project (mal ware)"),
    )
    assert not judgement.satisfied


@pytest.mark.parametrize("status", ["active", "archived", "deprecated", "anything"])
def test_other_statuses_do_not_matter(status: str) -> None:
    """No other project status hides a release from its users."""
    assert ExactFiles((BUILT,)).judge(page(listed(), status=status)).satisfied


def test_any_file_of_the_version_satisfies() -> None:
    """One file of exactly this version is enough."""
    any_files = AnyFiles(NAME, VERSION)
    assert any_files.nothing().absent == ("lantern 1.0",)
    others = (listed("lantern-1.0.1.tar.gz"), listed("lantern_dark-1.0.tar.gz"), listed("x"))
    assert any_files.judge(page(*others)) == any_files.nothing()
    for filename in (WHEEL, SDIST, "Lantern-1.0.0-py3-none-any.whl", "lantern-1.0.zip"):
        assert any_files.judge(page(*others, listed(filename))).satisfied
    expected = ExpectedFile(WHEEL, BUILT.sha256, 5, listed_only=True)
    assert any_files.files(page(*others, listed(size=5))) == (expected,)


def test_yanked_files_count_only_alone() -> None:
    """Yanked files count only if there are no others, and then as a fault."""
    any_files = AnyFiles(NAME, VERSION)
    yanked = listed(yanked="broken")
    half = page(yanked, listed(SDIST, OTHER))
    assert any_files.judge(half).satisfied
    assert [file.filename for file in any_files.files(half)] == [SDIST]
    judgement = any_files.judge(page(yanked))
    assert [(fault.code, fault.filename) for fault in judgement.faults] == [(Code.YANKED, WHEEL)]
    assert "(broken)" in judgement.faults[0].words


def test_ambiguous_file_does_not_satisfy() -> None:
    """A name with two hashes could be either file."""
    judgement = AnyFiles(NAME, VERSION).judge(page(listed(ambiguous=True)))
    assert [fault.code for fault in judgement.faults] == [Code.OTHER_HASH_LISTED]


@pytest.mark.parametrize("expectation", [ExactFiles((BUILT,)), AnyFiles(NAME, VERSION)])
@pytest.mark.parametrize("digest", [BUILT.sha256, None])
def test_entry_with_and_without_hash_is_ambiguous(
    expectation: ExactFiles | AnyFiles, digest: str | None
) -> None:
    """Clients differ in which entry they choose, with or without a hash."""
    judgement = expectation.judge(page(listed(digest=digest, ambiguous=True)))
    assert [(f.code, f.filename) for f in judgement.faults] == [(Code.OTHER_HASH_LISTED, WHEEL)]
    assert "twice, under different hashes" in judgement.faults[0].words


@pytest.mark.parametrize("expectation", [ExactFiles((BUILT,)), AnyFiles(NAME, VERSION)])
def test_improperly_listed_file_is_absent(expectation: ExactFiles | AnyFiles) -> None:
    """Such a file is waited for, and the reason is known; flaws of other files do not count."""
    flawed, other = listed(flaw="it is odd"), listed("lantern-0.9.tar.gz", flaw="it is odd")
    judgement = expectation.judge(page(flawed, other))
    assert judgement == PageAssessment(
        (WHEEL,), flaws=(f"{WHEEL}: it is odd",), listing=frozenset({(WHEEL, BUILT.sha256)})
    )
    assert not judgement.satisfied
    assert expectation.judge(page(listed(), other)).satisfied


@pytest.mark.parametrize("more", [{"digest": OTHER}, {"size": 6}, {"yanked": ""}])
def test_improperly_listed_file_may_contradict(more: dict[str, Any]) -> None:
    """What contradicts the built file is a fault, however it is listed."""
    assert faults(BUILT, listed(flaw="it is odd", **more)) == faults(BUILT, listed(**more)) != []


def test_release_with_one_improperly_listed_file() -> None:
    """Where only a name and a version are known, every file of them counts."""
    judgement = AnyFiles(NAME, VERSION).judge(page(listed(), listed(SDIST, flaw="it is odd")))
    assert (judgement.absent, judgement.faults) == ((SDIST,), ())


def test_unexpected_files_are_named() -> None:
    """Unexpected files of the same version are named; other versions are ignored."""
    seen = page(listed(), listed(SDIST), listed("lantern-1.0-py2-none-any.whl"), listed("a-1.whl"))
    assert extra_files(seen, NAME, VERSION, [BUILT]) == ["lantern-1.0-py2-none-any.whl", SDIST]
    assert extra_files(seen, NAME, Version("2"), [BUILT]) == []


@pytest.mark.parametrize(
    ("files", "fields"),
    [
        ([listed(), listed(SDIST)], ["size", "requires-python", "core-metadata"]),
        ([listed(size=5), listed(SDIST)], ["requires-python", "core-metadata"]),
        ([listed(), listed(SDIST, size=5, requires_python="")], ["core-metadata"]),
        ([listed(metadata=Hashes()), listed(SDIST)], ["size", "requires-python"]),
        # Only wheels have it, and other releases' files prove nothing.
        ([listed(SDIST)], ["size", "requires-python"]),
        (
            [listed(), listed("x-1-py3-none-any.whl", size=5, metadata=Hashes())],
            ["size", "requires-python", "core-metadata"],
        ),
    ],
)
def test_offered_fields(files: list[IndexFile], fields: list[str]) -> None:
    """An index offers a field if any of the files has it."""
    assert not_offered(page(*files), [BUILT, PLAIN]) == fields
