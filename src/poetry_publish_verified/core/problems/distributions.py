"""What is wrong with the built files, before any of them is sent (PV203, PV205 to PV234)."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Literal

from poetry_publish_verified.core.problems.words import Text, problem, some, words_of
from poetry_publish_verified.errors import Code, Problem, Severity
from poetry_publish_verified.sanitize import harmless, printable

_REBUILD = "Delete the file and build again."


def in_files(problem: Problem, filenames: Sequence[str]) -> Problem:
    """A problem that several files of a release have in common, as one."""
    return replace(
        problem,
        message=f"{some(filenames)}: {problem.message}",
        filename=filenames[0] if len(filenames) == 1 else None,
    )


@problem(Code.NO_DISTRIBUTIONS)
def none_found(release: str, place: str, *, built: bool) -> Text:
    """No distribution of the release is there; `built`: although this run built it."""
    if built:
        return Text(
            f"The build wrote no distribution of {release} to {place}.",
            "Check which name and version the build backend gives the files.",
        )
    return Text(
        f"There is no distribution of {release} in {place}.",
        "Run poetry build first, or add --build.",
    )


def unreadable(filename: str, error: Exception, *, bomb: bool) -> Problem:
    return Problem(
        Code.ARCHIVE_BOMB if bomb else Code.ARCHIVE_BROKEN,
        f"Cannot read {filename}: {words_of(error) or type(error).__name__}.",
        f"Delete {filename} and build again.",
        filename=filename,
    )


@problem(Code.MORE_THAN_ONE_SDIST)
def several_sdists(release: str, filenames: Collection[str]) -> Text:
    return Text(
        f"{release} has more than one sdist: {', '.join(filenames)}.",
        "Delete all but one: an index accepts one sdist per release.",
    )


@problem(Code.LOCAL_VERSION)
def local_version(version: str) -> Text:
    """PyPI refuses local versions (PEP 440)."""
    return Text(
        f"{version} is a local version (with a +), which this index does not accept.",
        "Give the release a public version, or publish it to an index of your own.",
    )


@problem(Code.METADATA_DISAGREES)
def metadata_disagrees(filename: str, *, name: str, version: str, release: str) -> Text:
    return Text(
        f"{filename} contains the metadata of {harmless(name, 80)!r} {harmless(version, 80)!r},"
        f" but the project is {release}.",
        f"{_REBUILD} Do not rename distributions by hand.",
    )


@problem(Code.METADATA_INVALID)
def metadata_invalid(filename: str, field: str, fault: object) -> Text:
    return Text(
        f"{filename}: invalid metadata field {field}: {printable(str(fault))}.",
        "Fix the field in pyproject.toml, and build again.",
    )


@problem(Code.METADATA_UNKNOWN, "warning")
def metadata_too_new(filename: str, field: str, fault: object) -> Text:
    return Text(
        f"{filename}: unknown metadata field {field}: {printable(str(fault))}.",
        "Check that the index supports this version of the core metadata.",
    )


@problem(Code.CLASSIFIER_UNFIT)
def classifier_deprecated(classifier: str, instead: Sequence[str], severity: Severity) -> Text:
    """PyPI refuses deprecated classifiers; `instead` are those that replace it."""
    new = " or ".join(map(repr, instead))
    return Text(
        f"the classifier {_shown(classifier)} is deprecated.",
        f"{f'Replace it with {new} in' if new else 'Remove it from'} pyproject.toml, and build"
        " again.",
    )


@problem(Code.CLASSIFIER_UNFIT)
def classifier_private(classifier: str) -> Text:
    """PyPI refuses every classifier that begins with `Private ::`."""
    return Text(
        f"the classifier {_shown(classifier)} stops an index from accepting this project.",
        "Pass your own repository with --repository, or remove the classifier.",
    )


@problem(Code.CLASSIFIER_UNKNOWN, "warning")
def classifier_unknown(classifier: str) -> Text:
    return Text(
        f"the classifier {_shown(classifier)} is not in the installed list of classifiers.",
        "Check its spelling. If it is new, run poetry self update trove-classifiers.",
    )


@problem(Code.DIRECT_URL)
def direct_url(dependency: str) -> Text:
    """PyPI refuses dependencies on a URL; it is not shown, as it may hold a password."""
    return Text(
        f"the dependency on {dependency} is a direct URL, which this index does not accept.",
        "Depend on a version of it that is on an index, and build again.",
    )


@problem(Code.FIELD_REFUSED)
def field_refused(field: str, fault: str, what_to_do: str) -> Text:
    return Text(
        f"this index does not accept the metadata field {field}: {fault}.",
        f"{what_to_do} pyproject.toml, and build again.",
    )


@problem(Code.DESCRIPTION, "warning")
def description_does_not_render(fault: str) -> Text:
    """PyPI refuses such descriptions."""
    return Text(
        f"the description does not render as reStructuredText ({printable(fault, 200)}).",
        "Fix the project's README, and build again.",
    )


@problem(Code.SUMMARY)
def summary_unfit(length: int, most: int, severity: Severity) -> Text:
    """PyPI limits the summary to `most` characters; the specification, to one line."""
    return Text(
        f"the summary has {length} characters; at most {most} are allowed."
        if length > most
        else "the summary has more than one line.",
        "Shorten the description in pyproject.toml to one sentence, and build again.",
    )


@problem(Code.FILE_LARGE, "warning")
def file_large(size: int, most: int) -> Text:
    """PyPI's usual limit; both in bytes."""
    return Text(
        f"the file is {_mebibytes(size)} MB; this index usually accepts up to {_mebibytes(most)}"
        " MB.",
        "Request a higher limit from the index unless it has granted one, or make the file"
        " smaller.",
    )


@problem(Code.FILENAME_NOT_NORMALIZED)
def filename_not_normalized(filename: str, normalized: str, severity: Severity) -> Text:
    """PEP 625 and the wheel specification."""
    return Text(
        f"{filename} is not a normalized file name; it should be {normalized}.",
        "Build again with a newer version of the build backend.",
    )


@problem(Code.FILENAME_LONG)
def filename_too_long(filename: str, most: int) -> Text:
    """Both in bytes."""
    return Text(
        f"the file name has {len(filename.encode())} bytes; this index accepts up to {most} here:"
        f" {filename}.",
        "Shorten the version or the wheel's tags, and build again.",
    )


@problem(Code.PLAIN_LINUX)
def plain_linux(filename: str, platforms: Collection[str]) -> Text:
    return Text(
        f"{filename} is a wheel for {some(platforms)}, which this index does not accept.",
        "Build it for manylinux or musllinux: auditwheel repair converts it where possible.",
    )


@problem(Code.MEMBER_LEADS_OUT)
def leads_out(filename: str, members: Collection[str]) -> Text:
    return Text(
        f"{filename} contains files or links that lead outside its directory: {some(members)}.",
        "Find out how they got into the archive, and build again.",
    )


@problem(Code.POETRYS_FILES_PACKED)
def poetrys_files_packed(filename: str, members: Collection[str]) -> Text:
    return Text(
        f"{filename} contains Poetry's own working files: {some(members)}. They belong to this"
        " machine, and differ with every build.",
        "Add /.poetry/ to the project's .gitignore (hatchling reads only that one), or exclude it"
        " in the settings of the build backend, and build again.",
    )


@problem(Code.RECORD_PACKED)
def record_packed(filename: str, members: Collection[str]) -> Text:
    return Text(
        f"{filename} contains a file that runs of publish-verified write: {some(members)}. The next"
        " build of this version would differ.",
        "Exclude the file in the settings of the build backend ([tool.poetry] exclude, or"
        " [tool.hatch.build] exclude), and build again.",
    )


@problem(Code.RECORD_CHANGES_VERSION)
def record_changes_version(files: Collection[str], tool: str) -> Text:
    return Text(
        f"git tracks {some(files)}, which this run would write, and {tool} makes the version from"
        " the state of git: the next build would have another version.",
        "Write it to a path that git does not track (and that .gitignore names).",
    )


def wheel_layout(filename: str, stem: str, found: Collection[str]) -> Problem:
    return _layout(filename, f"must contain one directory {stem}.dist-info", found)


def sdist_layout(filename: str, stem: str, found: Collection[str]) -> Problem:
    return _layout(filename, f"must contain everything in one directory {stem}", found)


@problem(Code.ARCHIVE_LAYOUT)
def _layout(filename: str, rule: str, found: Collection[str]) -> Text:
    return Text(f"{filename} {rule}, but it contains {some(found) or 'none'}.", _REBUILD)


@problem(Code.ARCHIVE_LAYOUT)
def no_wheel_file(filename: str) -> Text:
    return Text(f"{filename} has no WHEEL file next to its METADATA.", _REBUILD)


@problem(Code.LICENSE_FILE_MISSING)
def license_files_missing(filename: str, names: Collection[str]) -> Text:
    """The files that License-File names must be in the archive (PEP 639)."""
    return Text(
        f"{filename} lacks license files that its metadata names: {some(names)}.",
        "Check license-files in pyproject.toml, and build again.",
    )


@problem(Code.WHEEL_TAGS, "warning")
def wheel_tags(filename: str, tags: Collection[str]) -> Text:
    return Text(
        f"The tags in the WHEEL file of {filename} do not match its name:"
        f" {some(tags) or 'there are none'}.",
        "Build again, or change tags with the wheel tags command, which changes both.",
    )


@problem(Code.ARCHIVE_BOMB)
def unpacks_to_too_much(filename: str, fold: float, most: int) -> Text:
    """PyPI's rule for zip bombs; `fold` is how many times its size a wheel unpacks to."""
    return Text(
        f"{filename} unpacks to {fold:.0f} times its size; this index accepts up to {most} times.",
        "Exclude the files that compress this well, and build again.",
    )


RecordFault = Literal["twice", "none", "unreadable", "missing", "absent", "unhashed", "wrong"]
_RECORD: dict[RecordFault, str] = {
    "twice": "it contains {} more than once",
    "none": "it has no RECORD",
    "unreadable": "its RECORD cannot be read ({})",
    "missing": "its RECORD does not list {}",
    "absent": "its RECORD lists files that are not in the wheel: {}",
    "unhashed": "its RECORD has no sha256 or stronger hash of {}",
    "wrong": "its RECORD has a wrong hash or size for {}",
}


@problem(Code.RECORD_WRONG)
def record_wrong(filename: str, fault: RecordFault, names: Collection[str] = ()) -> Text:
    """A wheel and its RECORD differ; `names` are the files, or why it cannot be read."""
    return Text(
        f"{filename}: {_RECORD[fault].format(some(names))}.",
        "Build again. If a tool changes the wheel after the build, repack it with wheel pack, which"
        " rewrites RECORD.",
    )


@problem(Code.FILES_DISAGREE, "warning")
def files_disagree(filename: str, base: str, fields: Sequence[str]) -> Text:
    return Text(
        f"{filename} and {base} differ in {' and '.join(fields)}, so what users get depends on"
        " which one they install.",
        "Delete both and build them together.",
    )


def python_has_changed(
    filename: str, then: str | None, now: str | None, severity: Severity
) -> Problem:
    said, wanted = (f"{printable(text, 80)!r}" if text else "none" for text in (then, now))
    return _outdated(
        filename, f"its Requires-Python is {said}, but the project's is now {wanted}", severity
    )


def dependencies_have_changed(filename: str, names: Collection[str], severity: Severity) -> Problem:
    return _outdated(filename, f"its dependencies differ in {some(names)}", severity)


def ranges_have_changed(filename: str, names: Collection[str]) -> Problem:
    return _outdated(filename, f"it needs different versions or extras of {some(names)}", "warning")


@problem(Code.BUILT_FROM_ANOTHER)
def _outdated(filename: str, difference: str, severity: Severity) -> Text:
    return Text(
        f"{filename} was built from a different pyproject.toml: {difference}.",
        "Run poetry build, or add --build.",
    )


@problem(Code.CHANGED_SINCE_BUILD, "warning")
def changed_since_build(files: Collection[str], *, built: bool) -> Text:
    """Tracked files differ from what was packed; `built`: although this run built them."""
    return Text(
        f"These files have changed since the release was built: {some(files)}.",
        "Find out what changes them during the build."
        if built
        else "To publish the changes, run poetry build or add --build.",
    )


@problem(Code.TAG_DISAGREES, "warning")
def tag_disagrees(tags: Collection[str], version: str) -> Text:
    return Text(
        f"The commit is tagged {some(tags)}, but the release is {version}.",
        "Set the version to match the tag and build again, or tag this version.",
    )


def _shown(classifier: str) -> str:
    return repr(harmless(classifier, 120))


def _mebibytes(size: int) -> str:
    return f"{size / 1024 / 1024:.0f}"
