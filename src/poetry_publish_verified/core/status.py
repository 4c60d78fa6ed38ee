"""Whether all of a project that should be out is out: what each place shows, compared.

Pure: from what the checkout and the indexes say, `judge` names every disagreement.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import field, replace
from datetime import datetime
from functools import cached_property
from typing import Literal, Self

from packaging.utils import NormalizedName
from packaging.version import Version

from poetry_publish_verified.core.distribution import recognize
from poetry_publish_verified.core.expectation import ExactFiles, ExpectedFile
from poetry_publish_verified.core.kinds_of_files import in_words, kinds
from poetry_publish_verified.core.problems import status as problems
from poetry_publish_verified.core.problems.usage import metadata_unusable
from poetry_publish_verified.core.problems.verification import (
    page_fault,
    project_status,
    quarantined,
)
from poetry_publish_verified.core.release_metadata import ReleaseMetadata
from poetry_publish_verified.core.simple.page import IndexFile, ProjectPage
from poetry_publish_verified.core.version_tags import Tag, VersionTags
from poetry_publish_verified.durations import age_in_words
from poetry_publish_verified.errors import Code, Problem, Verdict
from poetry_publish_verified.values import Value

Kind = Literal["project", "tag", "metadata", "index", "mirror"]
# What is wrong then is that nobody can tell.
_UNKNOWN = {
    Code.INDEX_NOT_REACHED,
    Code.INDEX_DENIED,
    Code.NO_INDEX_THERE,
    Code.METADATA_UNUSABLE,
    Code.TAGS_UNKNOWN,
}
_Releases = Mapping[Version, tuple[IndexFile, ...]]


class Shown(Value):
    """What one index shows: a page, which is empty if it does not have the project.

    Without a page, `problem` says why; where there is none either, the index was not asked.
    """

    index: str
    page: ProjectPage | None = None
    problem: Problem | None = None


class Stated(Value):
    """The version and files that the release metadata at a place has; None if there is none yet.

    `problem` says why that is not known.
    """

    place: str
    version: Version | None = None
    files: tuple[ExpectedFile, ...] = ()
    problem: Problem | None = None

    @classmethod
    def of(cls, place: str, metadata: ReleaseMetadata, name: NormalizedName) -> Self:
        """What a document says of the project."""
        if metadata.name != name:
            return cls.unusable(place, f"it is that of {metadata.name}")
        return cls(place, metadata.version, metadata.files)

    @classmethod
    def unusable(cls, place: str, reason: object) -> Self:
        """A document that cannot be read, or is not valid."""
        return cls(place, problem=metadata_unusable(place, reason))


class Known(Value, kw_only=True):
    """What is known of a project before any index is asked.

    `tags` is None outside git, or if tags do not count; `patterns` are theirs. `recorded` are the
    files of earlier releases, by their receipts. `from_git`: the version is made from the state of
    git, tags included. `now` and `grace` (seconds): what is younger
    is not late yet.
    """

    name: NormalizedName
    version: Version
    now: datetime
    grace: float
    tags: VersionTags | None = None
    patterns: tuple[str, ...] = ()
    metadata: Stated | None = None
    recorded: Mapping[Version, tuple[ExpectedFile, ...]] = field(default_factory=dict)
    from_git: bool = False


class Place(Value):
    """One place, its newest version, and how that compares.

    `state` is `agrees`, `ahead` (not released yet), `young` (not late yet), `none` (there is
    nothing to compare), `not-asked`, `unknown`, or the name of the gravest problem.
    """

    kind: Kind
    where: str
    version: Version | None
    state: str
    detail: str = ""
    problems: tuple[Problem, ...] = ()


class ProjectStatus(Value):
    """A project's places, and what follows from them."""

    name: NormalizedName
    version: Version
    places: tuple[Place, ...]

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Everything that is wrong, each once."""
        return tuple(dict.fromkeys(each for place in self.places for each in place.problems))

    @property
    def verdict(self) -> Verdict:
        """Whether all places agree; a disagreement counts more than what is unknown."""
        errors = {each.code for each in self.problems if each.severity == "error"}
        if errors - _UNKNOWN:
            return Verdict.DISAGREES
        return Verdict.UNKNOWN if errors else Verdict.AGREES


def judge(known: Known, own: Shown, mirrors: Collection[Shown], *, strict: bool) -> ProjectStatus:
    """Compare what is known with what the indexes show; `strict`: warnings are errors."""
    comparison = _Comparison(known, own)
    places = [comparison.project(), *comparison.tag(), *comparison.metadata(), comparison.index()]
    places += [comparison.mirror(shown) for shown in mirrors]
    if strict:
        places = [_strictly(place) for place in places]
    return ProjectStatus(known.name, known.version, tuple(places))


def mirrors_may_be_asked(known: Known, own: Shown) -> bool:
    """Whether the repository's own index shows what should be out.

    Until then a look would make a mirror keep the old page.
    """
    comparison = _Comparison(known, own)
    return comparison.newest is not None and comparison.unpublished is None


def _strictly(place: Place) -> Place:
    if not place.problems:
        return place
    found = tuple(replace(problem, severity="error") for problem in place.problems)
    return replace(place, state=_named(found[0].code), problems=found)


def _named(code: Code) -> str:
    """`mirror-behind`."""
    return "unknown" if code in _UNKNOWN else code.named


class _Comparison:
    """What the checkout says, beside what the repository's own index shows."""

    def __init__(self, known: Known, own: Shown) -> None:
        self._known = known
        self._own = own
        self._releases = self._of(own.page)

    def _of(self, page: ProjectPage | None) -> _Releases:
        found = defaultdict[Version, list[IndexFile]](list)
        for file in page.files.values() if page else ():
            parsed = recognize(file.filename)
            if parsed is not None and parsed.name == self._known.name:
                found[parsed.version].append(file)
        return {version: tuple(files) for version, files in found.items()}

    @cached_property
    def newest(self) -> Version | None:
        """The newest version on the own index that installers take."""
        return self._newest(_offered(self._releases))

    @cached_property
    def unpublished(self) -> Tag | None:
        """The newest tag, if the own index does not show its version."""
        tag = self._newest_tag
        return tag if tag and self._answered and tag.version not in self._releases else None

    @cached_property
    def _newest_tag(self) -> Tag | None:
        tags = self._known.tags.found if self._known.tags else ()
        newest = self._newest(tag.version for tag in tags)
        return next((tag for tag in tags if tag.version == newest), None)

    @property
    def _answered(self) -> bool:
        """Whether it is known what is published."""
        return self._own.page is not None and self._own.page.status != "quarantined"

    def _newest(self, versions: Iterator[Version] | Collection[Version]) -> Version | None:
        """By PEP 440; pre-releases count only where the project's own version is one."""
        too = self._known.version.is_prerelease
        return max((each for each in versions if too or not each.is_prerelease), default=None)

    def _age(self, version: Version) -> float | None:
        """Seconds since a version was tagged or its last file uploaded, the later of both."""
        tags = self._known.tags.found if self._known.tags else ()
        moments = [tag.made for tag in tags if tag.version == version]
        files = self._releases.get(version, ())
        moments += [file.uploaded for file in files if file.uploaded is not None]
        return (self._known.now - max(moments)).total_seconds() if moments else None

    def _is_young(self, version: Version) -> bool:
        """Whether nothing about it is late yet; a date far in the future proves nothing."""
        age = self._age(version)
        return age is not None and abs(age) < self._known.grace

    def _release(self, version: Version) -> str:
        return f"{self._known.name} {version}"

    def _judged(self, place: Place, version: Version, *found: Problem) -> Place:
        """A place with these problems of a version, unless that is too young for them."""
        if found and self._is_young(version):
            if place.state != "agrees":
                return place
            age = age_in_words(max(self._age(version) or 0.0, 0.0))
            return replace(place, state="young", detail=f"not late yet: {version} is {age} old")
        return self._with(place, *found)

    def _with(self, place: Place, *found: Problem) -> Place:
        """A place with more problems; the first of them, if it had none, names its state."""
        calm = place.state in {"agrees", "young", "none"}
        state = _named(found[0].code) if found and calm else place.state
        return replace(place, state=state, problems=(*place.problems, *found))

    def project(self) -> Place:
        """The version in pyproject.toml."""
        version, newest = self._known.version, self.newest
        tagged = self._known.tags.versions if self._known.tags else ()
        place = Place("project", "pyproject.toml", version, "agrees")
        if self._known.from_git and self._known.tags and self._known.tags.lacking:
            return replace(place, state="unknown", detail="made from tags that are not there")
        if newest is not None and version < newest:
            behind = problems.project_behind(self._release(version), self._own.index, str(newest))
            return replace(place, state=_named(behind.code), problems=(behind,))
        if self._answered and version not in self._releases and version not in tagged:
            return replace(place, state="ahead", detail="not released yet")
        return place

    def tag(self) -> Iterator[Place]:
        """The newest tag; nothing outside git."""
        known, tag, newest = self._known, self._newest_tag, self.newest
        if known.tags is None:
            return
        version = tag.version if tag else None
        place = Place("tag", f"git tag {tag.name}" if tag else "git tag", version, "agrees")
        if self.unpublished:
            index, name, shown = self._own.index, self.unpublished.name, _text(newest)
            release = self._release(self.unpublished.version)
            age = age_in_words(max((known.now - self.unpublished.made).total_seconds(), 0.0))
            late = problems.tagged_not_published(release, name, age, index, shown)
            place = self._judged(place, self.unpublished.version, late)
        untagged = newest if newest not in known.tags.versions else None
        if known.tags.lacking and (untagged or tag is None):
            place = self._with(place, problems.tags_unknown(known.name, known.tags.lacking))
        elif untagged:
            release = self._release(untagged)
            late = problems.published_not_tagged(release, self._own.index, known.patterns)
            place = self._judged(place, untagged, late)
        elif tag is None:
            place = replace(place, state="none")
        yield place

    def metadata(self) -> Iterator[Place]:
        """The release metadata; nothing where the project has none."""
        stated, newest, index = self._known.metadata, self.newest, self._own.index
        if stated is None:
            return
        place = Place("metadata", stated.place, stated.version, "agrees")
        if stated.problem:
            yield self._with(place, stated.problem)
        elif newest is None and stated.version is None:
            yield replace(place, state="none")
        elif newest and (stated.version is None or stated.version < newest):
            has = _text(stated.version)
            late = problems.metadata_behind(stated.place, has, self._release(newest), index)
            yield self._judged(place, newest, late)
        elif stated.version and self._answered and stated.version not in self._releases:
            ahead = problems.metadata_ahead(stated.place, self._release(stated.version), index)
            yield self._with(place, ahead)
        else:
            yield place

    def index(self) -> Place:
        """The repository's own index."""
        place = self._asked("index", self._own)
        if place.version is None:
            return place
        return self._judged(place, place.version, *self._gaps(place.version))

    def mirror(self, shown: Shown) -> Place:
        """Another index, compared with the own one."""
        place = self._asked("mirror", shown)
        if shown.page is None or shown.page.status == "quarantined" or self.newest is None:
            return place
        files = [file for file in self._releases[self.newest] if file.yanked is None]
        expected = ExactFiles(tuple(ExpectedFile(file.filename, file.sha256) for file in files))
        found = expected.judge(shown.page)
        faults = [
            page_fault(shown.index, each.code, each.words, each.filename)
            for each in found.faults
            if each.code is not Code.YANKED
        ]
        if found.absent:
            newest = _text(place.version)
            missing = found.absent if len(found.absent) < len(files) else ()
            release = self._release(self.newest)
            late = problems.mirror_behind(shown.index, release, self._own.index, newest, missing)
            place = self._judged(place, self.newest, late)
        return self._with(place, *faults)

    def _asked(self, kind: Kind, shown: Shown) -> Place:
        """What an index shows of the project, for itself."""
        if shown.page is None:
            if shown.problem:
                return Place(kind, shown.index, None, "unknown", "", (shown.problem,))
            return Place(kind, shown.index, None, "not-asked", "not asked yet")
        page, releases = shown.page, self._of(shown.page)
        if page.status == "quarantined":
            hidden = quarantined(shown.index, page.status_reason)
            return Place(kind, shown.index, None, "quarantined", "", (hidden,))
        newest = self._newest(_offered(releases))
        found = tuple(self._notices(shown.index, page, releases))
        detail = in_words(releases[newest]) if newest else ""
        return Place(kind, shown.index, newest, "agrees" if newest else "none", detail, found)

    def _notices(self, index: str, page: ProjectPage, releases: _Releases) -> Iterator[Problem]:
        """What is to be known about an index besides its versions."""
        if page.status not in {"active", "quarantined"}:
            yield project_status(index, page.status, page.status_reason)
        newest = self._newest(releases)
        files = releases[newest] if newest is not None else ()
        skipped = [file for file in files if file.yanked is not None]
        if skipped and newest is not None:
            names = [file.filename for file in skipped] if len(skipped) < len(files) else []
            yield problems.yanked(index, self._release(newest), names, skipped[0].yanked)

    def _gaps(self, version: Version) -> Iterator[Problem]:
        """What the own index lacks of a release: files of its receipt, or kinds of them."""
        index, page, files = self._own.index, self._own.page, self._releases[version]
        stated = self._known.metadata
        recorded = self._known.recorded.get(version)
        if recorded is None and stated and stated.version == version:
            recorded = stated.files
        if recorded and page:
            found = ExactFiles(recorded).judge(page)
            if found.absent:
                yield problems.incomplete(index, self._release(version), found.absent)
            for each in found.faults:
                if each.code is not Code.YANKED:
                    yield page_fault(index, each.code, each.words, each.filename)
            return
        previous = self._newest(each for each in _offered(self._releases) if each < version)
        if previous is not None:
            lacks = kinds(self._releases[previous]) - kinds(files)
            if lacks:
                names = self._release(version), sorted(lacks), str(previous)
                yield problems.fewer_kinds(index, *names)


def _text(version: Version | None) -> str | None:
    return None if version is None else str(version)


def _offered(releases: _Releases) -> Iterator[Version]:
    """The versions with a file that is not yanked."""
    return (
        version for version, files in releases.items() if any(file.yanked is None for file in files)
    )
