"""Refusals because of a file itself, and its archive."""

from poetry_publish_verified.core.upload.refusals.row import INVALID, Row, Said
from poetry_publish_verified.errors import Code

FILES = (
    # Artifactory.
    Row(
        Code.UPLOAD_REFUSED,
        Said(409, "policy", "policies", "rejected the", "exclude patterns", "Checksum error"),
        "a rule of the repository, or of its administrators, rejects the file",
        "Ask the repository's administrators about the rule that the server names, then {rerun}.",
    ),
    # forklift/legacy.py
    Row(
        Code.DIGEST_MISMATCH,
        Said(400, "digest supplied does not match"),
        "the file was corrupted in transit",
        "Change nothing and {rerun}. If this happens again, a proxy or the disk is corrupting the"
        " file; upload from another machine or network.",
        again="once",
    ),
    Row(
        Code.FILE_TOO_LARGE,
        Said(400, 413, "File too large."),
        "the file is larger than the index accepts",
        "Make the file smaller (exclude in pyproject.toml), or request a higher limit on the page"
        " that the server names, then {rerun}.",
    ),
    Row(
        Code.PROJECT_TOO_LARGE,
        Said(400, 413, "Project size too large."),
        "{name} exceeds the index's total size limit",
        "Delete unneeded releases on {releases}, or request a higher limit on the page that the"
        " server names, then {rerun}.",
    ),
    Row(
        Code.ARCHIVE_TOO_DENSE,
        Said(400, "compression ratio", beside=INVALID),
        "the archive unpacks to far more than its own size, as zip bombs do",
        "Leave out the files that compress this well (exclude in pyproject.toml), {build}.",
    ),
    Row(
        Code.ARCHIVE_REFUSED,
        Said(
            400,
            "ZIP archive not accepted",
            "tar archive not accepted",
            "is not a zipfile",
            "is not a tarfile",
            "both a zip and a tar",
            "supported compression type",
            "number of top-level directories",
            beside=INVALID,
        ),
        "the archive is damaged, or packed in a way that the index does not accept",
        "Delete the file, {build}. If a tool changes the files after the build, leave it out.",
    ),
    Row(
        Code.ARCHIVE_INCOMPLETE,
        Said(400, "PKG-INFO not found", "WHEEL not found", beside=INVALID),
        "the archive lacks a required file",
        "Delete the file, require a current poetry-core in [build-system], {build}.",
    ),
    Row(
        Code.ARCHIVE_INCOMPLETE,
        Said(400, "required RECORD", "required METADATA"),
        "the wheel lacks a required file",
        "Delete the wheel, require a current poetry-core in [build-system], {build}.",
    ),
    Row(
        Code.ARCHIVE_INCOMPLETE,
        Said(400, "does not exist in distribution file", beside="License-File"),
        "the metadata names a license file that is not in the archive",
        "Make license-files in pyproject.toml name files that exist and are not excluded, {build}.",
    ),
)
