"""Refusals for the project's name, the version and the files' names."""

from __future__ import annotations

from poetry_publish_verified.core.upload.refusals.row import RAISE
from poetry_publish_verified.core.upload.refusals.row import SAME
from poetry_publish_verified.core.upload.refusals.row import Row
from poetry_publish_verified.errors import Code

NAMES = (
    Row(
        Code.NAME_REFUSED,
        (400, 409),
        ("conflicts with an existing project", "too similar"),
        "the index has a project of the same name as {name}, or of one too like it",
        "Choose another name in pyproject.toml, build again and publish that.",
    ),
    Row(
        Code.NAME_REFUSED,
        (400, 409),
        ("isn't allowed.", "Standard Library"),
        "the index gives the name {name} to nobody, or it is that of one of Python's own modules",
        "Choose another name in pyproject.toml, build again and publish that.",
        beside="The name",
    ),
    Row(
        Code.NAME_REFUSED,
        (400, 409),
        ("' is invalid.", '" is invalid.'),
        "the project's name is not a valid one",
        "Give the project a name of letters, digits, '.', '_' and '-' in pyproject.toml, build"
        " again and publish that.",
        beside="The name",
    ),
    Row(
        Code.FILENAME_BURNT,
        (400,),
        ("previously used by a file that has since been deleted",),
        "a file of this name was there once and was deleted, and its name is never given again",
        RAISE,
    ),
    Row(
        Code.RELEASE_CLOSED,
        (400,),
        ("files to releases older than", "older than 14 days"),
        "the release is too old to be given new files",
        RAISE,
    ),
    Row(
        Code.SECOND_SDIST,
        (400,),
        ("Only one sdist",),
        "the release has an sdist already, under another file name",
        f"See on {{releases}} what is there. {RAISE}",
    ),
    Row(
        Code.PLATFORM_TAG,
        (400,),
        ("unsupported platform tag",),
        "the index does not take wheels for this platform",
        "Build the wheel for a platform that the index takes (on Linux repair it with auditwheel to"
        f" a manylinux or musllinux tag), or publish the sdist without it, and {SAME}.",
    ),
    Row(
        Code.FILENAME_REFUSED,
        (400,),
        (
            "Invalid file extension",
            "Cannot upload a file with",
            "Invalid source distribution filename",
            "Invalid wheel filename",
            "Start filename for",
            "is invalid, should be",
            "should contain the normalized",
            "Version in filename should be",
            "Filename is too long",
        ),
        "the file's name is not one that the index takes",
        "Build with a current poetry-core, which names files as indexes want them (poetry build"
        f" --clean), and {SAME}.",
    ),
)
