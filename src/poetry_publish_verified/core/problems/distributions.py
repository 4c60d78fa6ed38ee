"""What is wrong with the built files, before any of them is sent (PV203, PV205 to PV234)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Literal

from poetry_publish_verified.core.problems.words import some
from poetry_publish_verified.errors import Code, Problem, Severity
from poetry_publish_verified.sanitize import printable

_REBUILD = "Delete the file and build again."


def in_files(problem: Problem, filenames: Sequence[str]) -> Problem:
    """A problem that several files of a release have in common, as one."""
    return replace(
        problem,
        message=f"{some(filenames)}: {problem.message}",
        filename=filenames[0] if len(filenames) == 1 else None,
    )


def none_found(release: str, place: str, *, built: bool) -> Problem:
    """No distribution of the release is there; `built`: although this run built it."""
    if built:
        message = f"The build wrote no distribution of {release} to {place}."
        remedy = "Check which name and version the build backend gives the files."
    else:
        message = f"There is no distribution of {release} in {place}."
        remedy = "Run poetry build first, or add --build."
    return Problem(Code.NO_DISTRIBUTIONS, message, remedy)


def unreadable(filename: str, error: Exception, *, bomb: bool) -> Problem:
    return Problem(
        Code.ARCHIVE_BOMB if bomb else Code.ARCHIVE_BROKEN,
        f"Cannot read {filename}: {printable(str(error)) or type(error).__name__}.",
        f"Delete {filename} and build again.",
        filename=filename,
    )


def several_sdists(release: str, filenames: Collection[str]) -> Problem:
    return Problem(
        Code.MORE_THAN_ONE_SDIST,
        f"{release} has more than one sdist: {', '.join(filenames)}.",
        "Delete all but one: an index accepts one sdist per release.",
    )


def local_version(version: str) -> Problem:
    """PyPI refuses local versions (PEP 440)."""
    return Problem(
        Code.LOCAL_VERSION,
        f"{version} is a local version (with a +), which this index does not accept.",
        "Give the release a public version, or publish it to an index of your own.",
    )


def metadata_disagrees(filename: str, *, name: str, version: str, release: str) -> Problem:
    return Problem(
        Code.METADATA_DISAGREES,
        f"{filename} contains the metadata of {printable(name, 80)!r} {printable(version, 80)!r},"
        f" but the project is {release}.",
        f"{_REBUILD} Do not rename distributions by hand.",
        filename=filename,
    )


def metadata_invalid(filename: str, field: str, fault: object) -> Problem:
    return Problem(
        Code.METADATA_INVALID,
        f"{filename}: invalid metadata field {field}: {printable(str(fault))}.",
        "Correct the field in pyproject.toml, and build again.",
        filename=filename,
    )


def metadata_too_new(filename: str, field: str, fault: object) -> Problem:
    return Problem(
        Code.METADATA_UNKNOWN,
        f"{filename}: unknown metadata field {field}: {printable(str(fault))}.",
        "Check that the index supports this version of the core metadata.",
        severity="warning",
        filename=filename,
    )


def classifier_deprecated(classifier: str, instead: Sequence[str], severity: Severity) -> Problem:
    """PyPI refuses deprecated classifiers; `instead` are those that replace it."""
    new = " or ".join(map(repr, instead))
    return Problem(
        Code.CLASSIFIER_UNFIT,
        f"the classifier {_shown(classifier)} is deprecated.",
        f"{f'Replace it with {new} in' if new else 'Remove it from'} pyproject.toml, and build"
        " again.",
        severity=severity,
    )


def classifier_private(classifier: str) -> Problem:
    """PyPI refuses every classifier that begins with `Private ::`."""
    return Problem(
        Code.CLASSIFIER_UNFIT,
        f"the classifier {_shown(classifier)} stops an index from accepting this project.",
        "Pass your own repository with --repository, or remove the classifier.",
    )


def classifier_unknown(classifier: str) -> Problem:
    return Problem(
        Code.CLASSIFIER_UNKNOWN,
        f"the classifier {_shown(classifier)} is not in the installed list of classifiers.",
        "Check its spelling. If it is new, run poetry self update trove-classifiers.",
        severity="warning",
    )


def direct_url(dependency: str) -> Problem:
    """PyPI refuses dependencies on a URL; it is not shown, as it may hold a password."""
    return Problem(
        Code.DIRECT_URL,
        f"the dependency on {dependency} is a direct URL, which this index does not accept.",
        "Depend on a version of it that is on an index, and build again.",
    )


def summary_unfit(length: int, most: int, severity: Severity) -> Problem:
    """PyPI limits the summary to `most` characters; the specification, to one line."""
    return Problem(
        Code.SUMMARY,
        f"the summary has {length} characters; at most {most} are allowed."
        if length > most
        else "the summary has more than one line.",
        "Shorten the description in pyproject.toml to one sentence, and build again.",
        severity=severity,
    )


def file_large(size: int, most: int) -> Problem:
    """PyPI's usual limit; both in bytes."""
    return Problem(
        Code.FILE_LARGE,
        f"the file is {_mebibytes(size)} MB; this index usually accepts up to {_mebibytes(most)}"
        " MB.",
        "Request a higher limit from the index unless it has granted one, or make the file"
        " smaller.",
        severity="warning",
    )


def filename_not_normalized(filename: str, normalized: str, severity: Severity) -> Problem:
    """PEP 625 and the wheel specification."""
    return Problem(
        Code.FILENAME_NOT_NORMALIZED,
        f"{filename} is not a normalized file name; it should be {normalized}.",
        "Build again with a newer version of the build backend.",
        severity=severity,
        filename=filename,
    )


def leads_out(filename: str, members: Collection[str]) -> Problem:
    return Problem(
        Code.MEMBER_LEADS_OUT,
        f"{filename} contains files or links that lead outside its directory: {some(members)}.",
        "Find out how they got into the archive, and build again.",
        filename=filename,
    )


def poetrys_files_packed(filename: str, members: Collection[str]) -> Problem:
    return Problem(
        Code.POETRYS_FILES_PACKED,
        f"{filename} contains Poetry's own working files: {some(members)}. They belong to this"
        " machine, and differ with every build.",
        "Add /.poetry/ to the project's .gitignore (hatchling reads only that one), or exclude it"
        " in the settings of the build backend, and build again.",
        filename=filename,
    )


def wheel_layout(filename: str, stem: str, found: Collection[str]) -> Problem:
    """A wheel has one `.dist-info` directory."""
    return _layout(filename, f"must contain one directory {stem}.dist-info", found)


def sdist_layout(filename: str, stem: str, found: Collection[str]) -> Problem:
    return _layout(filename, f"must contain everything in one directory {stem}", found)


def _layout(filename: str, rule: str, found: Collection[str]) -> Problem:
    return Problem(
        Code.ARCHIVE_LAYOUT,
        f"{filename} {rule}, but it contains {some(found) or 'none'}.",
        _REBUILD,
        filename=filename,
    )


def no_wheel_file(filename: str) -> Problem:
    return Problem(
        Code.ARCHIVE_LAYOUT,
        f"{filename} has no WHEEL file next to its METADATA.",
        _REBUILD,
        filename=filename,
    )


def license_files_missing(filename: str, names: Collection[str]) -> Problem:
    """The files that License-File names must be in the archive (PEP 639)."""
    return Problem(
        Code.LICENSE_FILE_MISSING,
        f"{filename} lacks license files that its metadata names: {some(names)}.",
        "Check license-files in pyproject.toml, and build again.",
        filename=filename,
    )


def wheel_tags(filename: str, tags: Collection[str]) -> Problem:
    return Problem(
        Code.WHEEL_TAGS,
        f"The tags in the WHEEL file of {filename} do not match its name:"
        f" {some(tags) or 'there are none'}.",
        "Build again, or change tags with the wheel tags command, which changes both.",
        severity="warning",
        filename=filename,
    )


def unpacks_to_too_much(filename: str, fold: float, most: int) -> Problem:
    """PyPI's rule for zip bombs; `fold` is how many times its size a wheel unpacks to."""
    return Problem(
        Code.ARCHIVE_BOMB,
        f"{filename} unpacks to {fold:.0f} times its size; this index accepts up to {most} times.",
        "Exclude the files that compress this well, and build again.",
        filename=filename,
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


def record_wrong(filename: str, fault: RecordFault, names: Collection[str] = ()) -> Problem:
    """A wheel and its RECORD differ; `names` are the files, or why it cannot be read."""
    return Problem(
        Code.RECORD_WRONG,
        f"{filename}: {_RECORD[fault].format(some(names))}.",
        "Build again. If a tool changes the wheel after the build, repack it with wheel pack, which"
        " rewrites RECORD.",
        filename=filename,
    )


def files_disagree(filename: str, base: str, fields: Sequence[str]) -> Problem:
    return Problem(
        Code.FILES_DISAGREE,
        f"{filename} and {base} differ in {' and '.join(fields)}, so what users get depends on"
        " which one they install.",
        "Delete both and build them together.",
        severity="warning",
        filename=filename,
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


def _outdated(filename: str, difference: str, severity: Severity) -> Problem:
    return Problem(
        Code.BUILT_FROM_ANOTHER,
        f"{filename} was built from a different pyproject.toml: {difference}.",
        "Run poetry build, or add --build.",
        severity=severity,
        filename=filename,
    )


def changed_since_build(files: Collection[str], *, built: bool) -> Problem:
    """Tracked files differ from what was packed; `built`: although this run built them."""
    return Problem(
        Code.CHANGED_SINCE_BUILD,
        f"These files have changed since the release was built: {some(files)}.",
        "Find out what changes them during the build."
        if built
        else "To publish the changes, run poetry build or add --build.",
        severity="warning",
    )


def tag_disagrees(tags: Collection[str], version: str) -> Problem:
    return Problem(
        Code.TAG_DISAGREES,
        f"The commit is tagged {some(tags)}, but the release is {version}.",
        "Set the version to match the tag and build again, or tag this version.",
        severity="warning",
    )


def _shown(classifier: str) -> str:
    return repr(printable(classifier, 120))


def _mebibytes(size: int) -> str:
    return f"{size / 1024 / 1024:.0f}"
