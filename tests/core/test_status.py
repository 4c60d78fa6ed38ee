"""Whether all that should be out is out: every way to disagree, by name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from poetry_publish_verified.core.expectation import ExpectedFile
from poetry_publish_verified.core.problems.status import not_known
from poetry_publish_verified.core.release_metadata import ReleaseMetadata
from poetry_publish_verified.core.simple.page import IndexFile, ProjectPage
from poetry_publish_verified.core.status import (
    Known,
    ProjectStatus,
    Shown,
    Stated,
    judge,
    mirrors_may_be_asked,
)
from poetry_publish_verified.core.version_tags import Tag, VersionTags
from poetry_publish_verified.errors import Code, Verdict

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
OWN, MIRROR = "https://index.example/simple/", "https://mirror.example/simple/"
UNREACHABLE = not_known(OWN, "the connection was refused", None, malformed=False)


def files_of(version: str, *kinds: str) -> list[str]:
    """File names of a release: by default an sdist and a pure wheel."""
    return [
        f"lantern-{version}.tar.gz" if kind == "sdist" else f"lantern-{version}-{kind}.whl"
        for kind in kinds or ("sdist", "py3-none-any")
    ]


def page(*names: str, status: str = "active", **of_all: Any) -> ProjectPage:
    """A page with these files, or with the usual ones of each version."""
    names = tuple(n for name in names for n in ([name] if "-" in name else files_of(name)))
    files = {name: IndexFile(name, f"{OWN}{name}", sha256="ab" * 32, **of_all) for name in names}
    return ProjectPage(files, status)


def shown(*names: str, **more: Any) -> Shown:
    """The repository's own index with these releases."""
    return Shown(OWN, page(*names, **more))


def tagged(*versions: str, age: timedelta = 5 * HOUR, lacking: str = "") -> VersionTags:
    """Tags of these versions."""
    tags = (Tag(f"v{version}", Version(version), NOW - age) for version in versions)
    return VersionTags(tuple(tags), lacking)


def known(version: str = "1.0", **more: Any) -> Known:
    """The project, by default with the tag of its version."""
    facts: dict[str, Any] = {
        "name": canonicalize_name("lantern"),
        "version": Version(version),
        "now": NOW,
        "grace": HOUR.total_seconds(),
        "tags": tagged("1.0"),
        "patterns": ("v{version}",),
    }
    return Known(**facts | more)


def status(what: Known, own: Shown, *mirrors: Shown, strict: bool = False) -> ProjectStatus:
    """The judgement."""
    return judge(what, own, mirrors, strict=strict)


def states(found: ProjectStatus) -> dict[str, str]:
    """The state of each place, by its kind."""
    return {place.kind: place.state for place in found.places}


def disagrees(found: ProjectStatus, *codes: Code) -> str:
    """Check that exactly these are wrong; returns the messages."""
    assert [problem.code for problem in found.problems] == list(codes), found.problems
    assert found.verdict is Verdict.DISAGREES
    return " ".join(problem.message for problem in found.problems)


def test_all_agree() -> None:
    """Project, tag, metadata, index and mirror have the same version."""
    facts = known(metadata=Stated("latest.json", Version("1.0")))
    found = status(facts, shown("0.9", "1.0"), Shown(MIRROR, page("0.9", "1.0")))
    assert found.verdict is Verdict.AGREES
    assert found.problems == ()
    kinds = ("project", "tag", "metadata", "index", "mirror")
    assert states(found) == dict.fromkeys(kinds, "agrees")
    assert {str(place.version) for place in found.places} == {"1.0"}
    assert found.places[3].detail == "1 wheel and an sdist"


def test_ahead_is_normal() -> None:
    """A version in pyproject.toml that is neither tagged nor published is no disagreement."""
    found = status(known("1.1"), shown("1.0"))
    assert found.verdict is Verdict.AGREES
    assert states(found)["project"] == "ahead"


def test_new_project() -> None:
    """Nothing is tagged and nothing published yet."""
    facts = known("0.1", tags=tagged(), metadata=Stated("latest.json"))
    found = status(facts, shown())
    assert found.verdict is Verdict.AGREES
    assert states(found) == {"project": "ahead", "tag": "none", "metadata": "none", "index": "none"}


def test_tagged_not_published() -> None:
    """The release script never ran: the tag is there, and the index has an older version."""
    facts = known("1.1", tags=tagged("1.0", "1.1"))
    found = status(facts, shown("1.0"), Shown(MIRROR))
    message = disagrees(found, Code.TAGGED_NOT_PUBLISHED)
    assert "lantern 1.1 is tagged, not published" in message
    assert "the newest there is 1.0" in message
    assert states(found)["tag"] == "tagged-not-published"
    assert states(found)["mirror"] == "not-asked"
    assert states(found)["project"] == "agrees"


def test_tagged_and_never_published_at_all() -> None:
    """The index does not even have the project."""
    message = disagrees(status(known(), shown()), Code.TAGGED_NOT_PUBLISHED)
    assert "nothing of the project is there" in message


@pytest.mark.parametrize(
    ("age", "late"),
    [(0.0, False), (0.99, False), (1.0, True), (1.01, True), (-0.5, False), (-1000.0, True)],
)
def test_young_tag_is_not_late(age: float, late: bool) -> None:
    """Within the grace the upload may still be going on; a date far in the future is no excuse."""
    tags = (*tagged("1.0").found, *tagged("1.1", age=age * HOUR).found)
    found = status(known("1.1", tags=VersionTags(tags)), shown("1.0"))
    assert states(found)["tag"] == ("tagged-not-published" if late else "young")
    assert found.verdict is (Verdict.DISAGREES if late else Verdict.AGREES)


def test_only_the_newest_tag_has_to_be_published() -> None:
    """An old tag without a release was skipped long ago."""
    found = status(known("1.2", tags=tagged("1.0", "1.1", "1.2")), shown("1.0", "1.2"))
    assert found.verdict is Verdict.AGREES


def test_published_not_tagged() -> None:
    """The newest release has no tag."""
    found = status(known("1.1", tags=tagged("1.0")), shown("1.0", "1.1"))
    message = disagrees(found, Code.PUBLISHED_NOT_TAGGED)
    assert "lantern 1.1 is published, not tagged" in message
    assert "v{version}" in message


def test_both_at_once() -> None:
    """The newest tag is not published, and the newest release not tagged: both are named."""
    found = status(known("1.2", tags=tagged("1.2")), shown("1.1"))
    disagrees(found, Code.TAGGED_NOT_PUBLISHED, Code.PUBLISHED_NOT_TAGGED)
    assert states(found)["tag"] == "tagged-not-published"
    lacking = tagged("1.2", lacking="the clone is shallow")
    found = status(known("1.2", tags=lacking), shown("1.1"))
    disagrees(found, Code.TAGGED_NOT_PUBLISHED, Code.TAGS_UNKNOWN)


def test_just_published_needs_no_tag_yet() -> None:
    """Where the index says when files were uploaded, the grace counts from then."""
    found = status(known("1.1"), shown("1.0", "1.1", uploaded=NOW - HOUR / 2))
    assert found.verdict is Verdict.AGREES
    assert states(found)["tag"] == "young"


def test_spelling_of_versions_does_not_matter() -> None:
    """1.0, v1.0.0 and 1 are the same version (PEP 440)."""
    found = status(known("1", tags=tagged("1.0.0")), shown("1.0"))
    assert found.verdict is Verdict.AGREES


def test_outside_git() -> None:
    """Without a repository, and with tags switched off, only the other places count."""
    found = status(known(tags=None), shown("1.0"))
    assert found.verdict is Verdict.AGREES
    assert "tag" not in states(found)


@pytest.mark.parametrize("tags", [(), ("0.9",)])
def test_shallow_clone(tags: tuple[str, ...]) -> None:
    """Tags that are not there are unknown, never absent."""
    found = status(known(tags=tagged(*tags, lacking="the clone is shallow")), shown("0.9", "1.0"))
    assert [problem.code for problem in found.problems] == [Code.TAGS_UNKNOWN]
    assert "the tags are not there, because the clone is shallow" in found.problems[0].message
    assert found.verdict is Verdict.UNKNOWN
    assert states(found)["tag"] == "unknown"


def test_version_made_from_missing_tags() -> None:
    """It is as unknown as they are, and not behind anything."""
    tags = tagged(lacking="the clone is shallow")
    found = status(known("0.0.1.dev1", tags=tags, from_git=True), shown("1.0"))
    assert [problem.code for problem in found.problems] == [Code.TAGS_UNKNOWN]
    assert states(found)["project"] == "unknown"
    assert status(known("0.0.1.dev1", tags=tags), shown("1.0")).verdict is Verdict.DISAGREES


def test_shallow_clone_with_the_tag() -> None:
    """A tag that is there counts."""
    lacking = tagged("1.1", lacking="the clone is shallow")
    assert status(known("1.1", tags=lacking), shown("1.1")).verdict is Verdict.AGREES
    disagrees(status(known("1.1", tags=lacking), shown()), Code.TAGGED_NOT_PUBLISHED)


@pytest.mark.parametrize("has", ["0.9", None])
def test_metadata_behind(has: str | None) -> None:
    """Automation failed and somebody forgot: the document still has the last version, or none."""
    facts = known(metadata=Stated("latest.json", Version(has) if has else None))
    found = status(facts, shown("0.9", "1.0"))
    message = disagrees(found, Code.METADATA_BEHIND)
    assert "The release metadata is behind the index: latest.json" in message
    assert (f"has {has}" if has else "does not exist") in message


def test_metadata_of_a_young_release() -> None:
    """It is written after the proof, so it may come a little later."""
    facts = known(tags=tagged("1.0", age=HOUR / 2), metadata=Stated("latest.json", Version("0.9")))
    assert status(facts, shown("0.9", "1.0")).verdict is Verdict.AGREES


def test_metadata_ahead() -> None:
    """It names a version that the index does not list."""
    facts = known(metadata=Stated("latest.json", Version("1.1")))
    message = disagrees(status(facts, shown("1.0")), Code.METADATA_AHEAD)
    assert "lantern 1.1" in message


def test_metadata_that_cannot_be_read() -> None:
    """It is unknown, with the reason, and never taken for missing."""
    facts = known(metadata=Stated.unusable("https://l.example/l.json", "the server answered 503"))
    found = status(facts, shown("1.0"))
    assert [problem.code for problem in found.problems] == [Code.METADATA_UNUSABLE]
    assert found.verdict is Verdict.UNKNOWN
    assert states(found)["metadata"] == "unknown"


def test_metadata_of_another_project() -> None:
    """A document is for one project."""
    sdist, _ = files_of("1.0")
    document = ReleaseMetadata(
        canonicalize_name("rope"), Version("1.0"), NOW, (ExpectedFile(sdist, "ab" * 32),), ()
    )
    stated = Stated.of("latest.json", document, canonicalize_name("lantern"))
    assert stated.problem is not None
    assert "it is that of rope" in stated.problem.message


def test_metadata_says_what_is_complete() -> None:
    """Without a receipt, its files are those that must be there."""
    sdist, wheel = files_of("1.0")
    files = tuple(ExpectedFile(name, "ab" * 32) for name in (sdist, wheel))
    facts = known(metadata=Stated("latest.json", Version("1.0"), files))
    assert wheel in disagrees(status(facts, shown(sdist)), Code.INCOMPLETE)
    assert status(facts, shown("1.0")).verdict is Verdict.AGREES
    # That of the release before says nothing about this one.
    facts = known("1.1", tags=tagged("1.1"), metadata=Stated("latest.json", Version("1.0"), files))
    disagrees(status(facts, shown("1.1")), Code.METADATA_BEHIND)


def test_metadata_of_a_yanked_release_is_not_ahead() -> None:
    """Yanking is decided afterwards."""
    own = Shown(OWN, ProjectPage({**page("1.0").files, **page("1.1", yanked="bad").files}))
    facts = known("1.1", tags=tagged("1.0", "1.1"), metadata=Stated("l.json", Version("1.1")))
    found = status(facts, own)
    assert found.verdict is Verdict.AGREES
    (warning,) = found.problems
    assert (warning.code, warning.severity) == (Code.YANKED, "warning")
    assert "lists lantern 1.1 as yanked (bad)" in warning.message
    assert str(found.places[-1].version) == "1.0"


def test_partly_yanked() -> None:
    """The yanked files are named."""
    wheel, sdist = "lantern-1.0-py3-none-any.whl", "lantern-1.0.tar.gz"
    own = Shown(OWN, ProjectPage({**page(wheel).files, **page(sdist, yanked="").files}))
    (warning,) = status(known(), own).problems
    assert f"lists {sdist} of lantern 1.0 as yanked, so" in warning.message


def test_project_behind() -> None:
    """The checkout has an older version than the index."""
    message = disagrees(status(known("0.9"), shown("1.0")), Code.PROJECT_BEHIND)
    assert "pyproject.toml has lantern 0.9" in message


def test_prereleases_count_only_where_ours_is_one() -> None:
    """By PEP 440, and only for projects that are at a pre-release themselves."""
    own, tags = shown("1.0", "2.0rc1"), tagged("1.0", "2.0rc1")
    assert status(known("1.0", tags=tagged("1.0", "2.0rc2")), own).verdict is Verdict.AGREES
    assert status(known("2.0rc1", tags=tags), own).verdict is Verdict.AGREES
    assert str(status(known("2.0rc1", tags=tags), own).places[-1].version) == "2.0rc1"
    ours = known("2.0rc2", tags=tagged("1.0", "2.0rc1", "2.0rc2"))
    disagrees(status(ours, own), Code.TAGGED_NOT_PUBLISHED)


def test_newest_is_by_pep_440() -> None:
    """1.10 is newer than 1.9, and a post-release than its release."""
    tags = tagged("1.9", "1.10", "1.10.post1")
    found = status(known("1.10.post1", tags=tags), shown("1.10.post1", "1.10", "1.9"))
    assert found.verdict is Verdict.AGREES
    assert {str(place.version) for place in found.places} == {"1.10.post1"}


def test_incomplete() -> None:
    """A file that the receipt lists is not on the index."""
    sdist, wheel = files_of("1.0")
    recorded = {Version("1.0"): (ExpectedFile(sdist, "ab" * 32), ExpectedFile(wheel, "ab" * 32))}
    found = status(known(recorded=recorded), shown(sdist))
    message = disagrees(found, Code.INCOMPLETE)
    assert f"lantern 1.0 is incomplete on {OWN}: it lacks {wheel}" in message
    assert states(found)["index"] == "incomplete"
    assert status(known(recorded=recorded), shown("1.0")).verdict is Verdict.AGREES
    young = known(recorded=recorded, tags=tagged("1.0", age=HOUR / 2))
    assert status(young, shown(sdist)).verdict is Verdict.AGREES


def test_other_bytes_than_in_the_receipt() -> None:
    """A different hash is a disagreement, too."""
    sdist, _ = files_of("1.0")
    recorded = {Version("1.0"): (ExpectedFile(sdist, "cd" * 32),)}
    disagrees(status(known(recorded=recorded), shown("1.0")), Code.OTHER_HASH_LISTED)


def test_fewer_kinds_of_files() -> None:
    """Without a receipt the previous release says what belongs to one; that is a warning."""
    linux, windows = "cp313-cp313-manylinux_2_17_x86_64", "cp313-cp313-win_amd64"
    before = files_of("0.9", "sdist", linux, windows)
    own = shown(*before, *files_of("1.0", "sdist", "cp313-cp313-manylinux_2_28_x86_64"))
    found = status(known(), own)
    (warning,) = found.problems
    assert found.verdict is Verdict.AGREES
    assert (warning.code, warning.severity) == (Code.FEWER_KINDS_OF_FILES, "warning")
    assert f"it lacks {windows} wheel" in warning.message
    assert "manylinux" not in warning.message
    strict = status(known(), own, strict=True)
    disagrees(strict, Code.FEWER_KINDS_OF_FILES)


def test_previous_release_is_no_prerelease() -> None:
    """What a pre-release had is no measure for the release."""
    own = shown(*files_of("0.9", "sdist"), "1.0rc1", *files_of("1.0", "sdist"))
    assert status(known(), own).problems == ()


@pytest.mark.parametrize("newer", ["cp39-abi3-macosx_11_0_arm64", "cp310-abi3-macosx_12_0_arm64"])
def test_wheels_of_a_newer_compiler_are_of_the_same_kind(newer: str) -> None:
    """Only what cannot be installed any more is missed."""
    own = shown(*files_of("0.9", "cp38-abi3-macosx_10_9_arm64"), *files_of("1.0", newer))
    assert status(known(), own).problems == ()


def test_mirror_behind() -> None:
    """The own index has it, and the mirror does not."""
    for mirror in (page("0.9"), page()):
        found = status(known(), shown("0.9", "1.0"), Shown(MIRROR, mirror))
        message = disagrees(found, Code.MIRROR_BEHIND)
        assert f"The mirror {MIRROR} is behind {OWN}" in message
        assert states(found)["mirror"] == "mirror-behind"
    young = known(tags=tagged("1.0", age=HOUR / 2))
    found = status(young, shown("1.0"), Shown(MIRROR, page("0.9")))
    assert found.verdict is Verdict.AGREES
    assert states(found)["mirror"] == "young"


def test_mirror_lacks_a_file() -> None:
    """The file is named."""
    sdist, wheel = files_of("1.0")
    message = disagrees(
        status(known(), shown("1.0"), Shown(MIRROR, page(sdist))), Code.MIRROR_BEHIND
    )
    assert f"it lacks {wheel}" in message


def test_mirror_with_other_bytes() -> None:
    """The same name with another hash."""
    sdist, wheel = files_of("1.0")
    other = {sdist: IndexFile(sdist, f"{MIRROR}{sdist}", sha256="cd" * 32)}
    mirror = Shown(MIRROR, ProjectPage({**page(wheel).files, **other}))
    disagrees(status(known(), shown("1.0"), mirror), Code.OTHER_HASH_LISTED)


def test_mirror_may_have_what_the_own_index_yanked() -> None:
    """Yanked files do not have to be on a mirror, and yanked there they are only shown."""
    own = Shown(OWN, ProjectPage({**page("1.0").files, **page("1.1", yanked="").files}))
    tags = tagged("1.0", "1.1")
    found = status(known("1.1", tags=tags), own, Shown(MIRROR, page("1.0")))
    assert found.verdict is Verdict.AGREES


def test_unknown_index_is_no_disagreement() -> None:
    """An index that cannot be reached leads to exit code 6, and nothing is said to be absent."""
    found = status(known(), Shown(OWN, problem=UNREACHABLE), Shown(MIRROR))
    assert found.verdict is Verdict.UNKNOWN
    assert found.problems == (UNREACHABLE,)
    assert states(found)["index"] == "unknown"
    assert states(found)["mirror"] == "not-asked"
    assert states(found)["tag"] == "agrees"
    facts = known(metadata=Stated("latest.json", Version("3.0")))
    assert status(facts, Shown(OWN, problem=UNREACHABLE)).verdict is Verdict.UNKNOWN


def test_disagreement_outweighs_what_is_unknown() -> None:
    """A mirror that is down does not hide that the other is behind."""
    down = Shown("https://down.example/simple/", problem=UNREACHABLE)
    found = status(known(), shown("1.0"), Shown(MIRROR, page("0.9")), down)
    assert found.verdict is Verdict.DISAGREES
    assert {p.code for p in found.problems} == {Code.MIRROR_BEHIND, Code.INDEX_NOT_REACHED}


def test_quarantined() -> None:
    """Such a page lists nothing, so nothing is said about its versions."""
    found = status(known(), Shown(OWN, ProjectPage({}, "quarantined", "malware")), Shown(MIRROR))
    message = disagrees(found, Code.QUARANTINED)
    assert "has quarantined the project (malware)" in message
    assert states(found)["index"] == "quarantined"
    assert states(found)["tag"] == "agrees"


@pytest.mark.parametrize("marker", ["archived", "deprecated"])
def test_archived(marker: str) -> None:
    """It is shown, and is no disagreement."""
    found = status(known(), shown("1.0", status=marker))
    assert [(p.code, p.severity) for p in found.problems] == [(Code.PROJECT_STATUS, "warning")]
    assert found.verdict is Verdict.AGREES


def test_when_mirrors_may_be_asked() -> None:
    """A look makes a mirror keep the page, so it must not come before the release."""
    assert mirrors_may_be_asked(known(), shown("1.0"))
    assert mirrors_may_be_asked(known("1.1"), shown("1.0"))
    assert not mirrors_may_be_asked(known("1.1", tags=tagged("1.0", "1.1")), shown("1.0"))
    young = known("1.1", tags=tagged("1.1", age=HOUR / 2))
    assert not mirrors_may_be_asked(young, shown("1.0"))
    assert not mirrors_may_be_asked(known(tags=None), shown())
    assert not mirrors_may_be_asked(known(), Shown(OWN, problem=UNREACHABLE))
