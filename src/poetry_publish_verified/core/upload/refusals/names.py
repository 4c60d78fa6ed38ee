"""Refusals because of the project's name, the version and the files' names."""

from poetry_publish_verified.core.upload.refusals.row import Row, Said
from poetry_publish_verified.errors import Code

NAMES = (
    # packaging/services.py
    Row(
        Code.NAME_REFUSED,
        Said(400, 409, "conflicts with an existing project", "too similar"),
        "the index has a project named {name} already, or one with a similar name",
        "Choose another name in pyproject.toml, build again and publish that.",
    ),
    Row(
        Code.NAME_REFUSED,
        Said(400, 409, "isn't allowed.", "Standard Library", beside="The name"),
        "the name {name} is reserved, or clashes with a standard-library module",
        "Choose another name in pyproject.toml, build again and publish that.",
    ),
    Row(
        Code.NAME_REFUSED,
        Said(400, 409, "' is invalid.", '" is invalid.', beside="The name"),
        "the project's name is invalid",
        "Use a name of letters, digits, '.', '_' and '-' in pyproject.toml, build again and publish"
        " that.",
    ),
    # forklift/legacy.py
    Row(
        Code.FILENAME_BURNT,
        Said(400, "previously used by a file that has since been deleted"),
        "a file of this name was deleted from the index, and its name cannot be used again",
        "{raise}",
    ),
    # Azure Artifacts.
    Row(
        Code.FILENAME_BURNT,
        Said(409, "been deleted", "was deleted", "cannot be restored"),
        "this version was deleted from the index, and cannot be pushed again",
        "{raise}",
    ),
    Row(
        Code.RELEASE_CLOSED,
        Said(400, "files to releases older than", "older than 14 days"),
        "the release is too old to accept new files",
        "{raise}",
    ),
    Row(
        Code.SECOND_SDIST,
        Said(400, "Only one sdist"),
        "the release already has an sdist, under another file name",
        "See what is there on {releases}. {raise}",
    ),
    Row(
        Code.PLATFORM_TAG,
        Said(400, "unsupported platform tag"),
        "the index does not accept wheels for this platform",
        "Build the wheel for a platform that the index accepts (on Linux, repair it with auditwheel"
        " to a manylinux or musllinux tag), or publish the sdist without it, then {rerun}.",
    ),
    Row(
        Code.FILENAME_REFUSED,
        Said(
            400,
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
        "the index does not accept the file's name",
        "Build with a current poetry-core, which names files as indexes expect (poetry build"
        " --clean), then {rerun}.",
    ),
)
