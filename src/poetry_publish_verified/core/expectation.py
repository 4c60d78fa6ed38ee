"""What a page must show: the files of a release, each under its hash, none yanked."""

import hashlib
from collections.abc import Iterable

from packaging.utils import NormalizedName
from packaging.version import Version

from poetry_publish_verified.core.distribution import (
    Distribution,
    ParsedFilename,
    belongs_to,
    comparable_specifiers,
    parse_filename,
)
from poetry_publish_verified.core.problems import verification as problems
from poetry_publish_verified.core.simple.page import IndexFile, ProjectPage
from poetry_publish_verified.errors import Code
from poetry_publish_verified.values import Value


class BuiltMetadata(Value):
    """What a file's own metadata says: `Requires-Python`, and the sha256 of METADATA itself."""

    requires_python: str | None
    metadata_sha256: str


class ExpectedFile(Value):
    """One file as every index must show it.

    `sha256` is None if only the name is known, `size` if the bytes are not at hand, and `built`
    if the archive is not. `listed_only`: its hash, if any, is only what an index lists, and may be
    that of half a file.
    """

    filename: str
    sha256: str | None
    size: int | None = None
    built: BuiltMetadata | None = None
    listed_only: bool = False

    @property
    def parsed(self) -> ParsedFilename:
        """What the file name says."""
        return parse_filename(self.filename)


def as_built(distribution: Distribution) -> ExpectedFile:
    """What an index must show of a distribution that is at hand."""
    return ExpectedFile(
        distribution.filename,
        distribution.sha256,
        distribution.size,
        BuiltMetadata(
            distribution.raw_metadata.get("requires_python"),
            hashlib.sha256(distribution.metadata).hexdigest(),
        ),
    )


class PageFault(Value):
    """Something that a page lists wrongly; `words` go on after the index's name."""

    code: Code
    words: str
    filename: str | None = None


class PageAssessment(Value):
    """A page compared with what is expected.

    `absent` names files that are not listed, or not properly: `flaws` says in which way. `faults`
    is what contradicts what was built; `listing` is what a second look must find again.
    """

    absent: tuple[str, ...] = ()
    faults: tuple[PageFault, ...] = ()
    flaws: tuple[str, ...] = ()
    listing: frozenset[tuple[str, str | None]] = frozenset()

    @property
    def satisfied(self) -> bool:
        """Whether everything is there, and as it should be."""
        return not self.absent and not self.faults


class ExactFiles(Value):
    """These files, under these hashes; others of the same version may be there too."""

    expected: tuple[ExpectedFile, ...]

    def judge(self, page: ProjectPage) -> PageAssessment:
        """Compare a page with the files."""
        if page.status == "quarantined":
            return PageAssessment(faults=(_quarantined(page),))
        names = [file.filename for file in self.expected]
        listed = [page.files[name] for name in names if name in page.files]
        faults: list[PageFault] = []
        for file in self.expected:
            if (entry := page.files.get(file.filename)) is not None:
                faults += _faults(file, entry)
        proper = {file.filename for file in listed if not file.flaw}
        return PageAssessment(
            tuple(name for name in names if name not in proper),
            tuple(faults),
            _flaws(listed),
            _listing(listed),
        )

    def nothing(self) -> PageAssessment:
        """Every file is absent."""
        return PageAssessment(tuple(file.filename for file in self.expected))

    def files(self, _: ProjectPage) -> tuple[ExpectedFile, ...]:
        """The files to download, once a page satisfies: these."""
        return self.expected


class AnyFiles(Value):
    """At least one file of a release, not yanked: all that a name and a version imply."""

    name: NormalizedName
    version: Version

    def judge(self, page: ProjectPage) -> PageAssessment:
        """Compare a page with the name and the version."""
        if page.status == "quarantined":
            return PageAssessment(faults=(_quarantined(page),))
        listed = self._listed(page)
        if not listed:
            return self.nothing()
        faults = [_ambiguous(f.filename) for f in listed if f.ambiguous]
        if all(file.yanked is not None for file in listed):
            faults += [_yanked(file) for file in listed]
        absent = tuple(file.filename for file in listed if file.flaw)
        return PageAssessment(absent, tuple(faults), _flaws(listed), _listing(listed))

    def nothing(self) -> PageAssessment:
        """The release is absent."""
        return PageAssessment((f"{self.name} {self.version}",))

    def files(self, page: ProjectPage) -> tuple[ExpectedFile, ...]:
        """What the page lists of this release, and is not yanked."""
        return tuple(
            ExpectedFile(file.filename, file.sha256, file.size, listed_only=True)
            for file in self._listed(page)
            if file.yanked is None
        )

    def _listed(self, page: ProjectPage) -> list[IndexFile]:
        return [f for f in page.files.values() if belongs_to(f.filename, self.name, self.version)]


Expectation = ExactFiles | AnyFiles
"""What must be on the pages of one release."""


def extra_files(
    page: ProjectPage, name: NormalizedName, version: Version, expected: Iterable[ExpectedFile]
) -> list[str]:
    """Files of this release that a page lists and nobody expected."""
    ours = {file.filename for file in expected}
    return sorted(f for f in page.files if f not in ours and belongs_to(f, name, version))


def not_offered(page: ProjectPage, expected: Iterable[ExpectedFile]) -> list[str]:
    """Optional fields of the simple API that a page has for none of the files."""
    listed = [page.files[file.filename] for file in expected if file.filename in page.files]
    wheels = [file for file in listed if file.filename.endswith(".whl")]
    lacking = {
        "size": all(file.size is None for file in listed),
        "requires-python": all(file.requires_python is None for file in listed),
        "core-metadata": bool(wheels) and not any(file.metadata for file in wheels),
    }
    return [field for field, lacks in lacking.items() if lacks]


def _listing(files: list[IndexFile]) -> frozenset[tuple[str, str | None]]:
    return frozenset((file.filename, file.sha256) for file in files)


def _flaws(files: list[IndexFile]) -> tuple[str, ...]:
    return tuple(f"{file.filename}: {file.flaw}" for file in files if file.flaw)


def _faults(file: ExpectedFile, listed: IndexFile) -> list[PageFault]:
    """What a page says about a file that is wrong."""
    name = file.filename
    if file.sha256 and listed.sha256 and listed.sha256 != file.sha256:
        words = problems.other_hash(name, listed=listed.sha256, published=file.sha256)
        return [PageFault(Code.OTHER_HASH_LISTED, words, name)]
    if listed.ambiguous:
        return [_ambiguous(name)]
    yanked = [_yanked(listed)] if listed.yanked is not None else []
    return yanked + _other_details(file, listed)


def _other_details(file: ExpectedFile, listed: IndexFile) -> list[PageFault]:
    name = file.filename
    faults = []
    if file.size is not None and listed.size not in {None, file.size}:
        words = problems.other_size(name, listed=listed.size, size=file.size)
        faults.append(PageFault(Code.OTHER_SIZE_LISTED, words, name))
    if file.built is None:
        return faults
    python, own = listed.requires_python, file.built.requires_python
    if python is not None and comparable_specifiers(python) != comparable_specifiers(own):
        words = problems.other_requires_python(name, listed=python, built=own)
        faults.append(PageFault(Code.OTHER_REQUIRES_PYTHON, words, name))
    sha256 = listed.metadata.sha256 if listed.metadata else None
    if sha256 not in {None, file.built.metadata_sha256}:
        words = problems.other_metadata(name, listed=sha256, own=file.built.metadata_sha256)
        faults.append(PageFault(Code.OTHER_METADATA_LISTED, words, name))
    return faults


def _ambiguous(filename: str) -> PageFault:
    return PageFault(Code.OTHER_HASH_LISTED, problems.two_hashes(filename), filename)


def _yanked(file: IndexFile) -> PageFault:
    return PageFault(Code.YANKED, problems.yanked(file.filename, file.yanked), file.filename)


def _quarantined(page: ProjectPage) -> PageFault:
    return PageFault(Code.QUARANTINED, problems.is_quarantined(page.status_reason))
