"""Refusals for a file itself, and its archive."""

from __future__ import annotations

from poetry_publish_verified.core.upload.refusals.row import BUILD
from poetry_publish_verified.core.upload.refusals.row import INVALID
from poetry_publish_verified.core.upload.refusals.row import SAME
from poetry_publish_verified.core.upload.refusals.row import Row
from poetry_publish_verified.errors import Code

FILES = (
    Row(
        Code.DIGEST_MISMATCH,
        (400,),
        ("digest supplied does not match",),
        "the bytes that arrived are not those that were sent",
        f"Change nothing and {SAME}. If the index says so again, a proxy on the way, or the disk,"
        " alters the file: go another way.",
        again="once",
    ),
    Row(
        Code.FILE_TOO_LARGE,
        (400, 413),
        ("File too large.",),
        "the index takes no file of this size",
        "Make the file smaller (exclude in pyproject.toml), or ask for a higher limit as the page"
        f" says that the server names, and {SAME}.",
    ),
    Row(
        Code.PROJECT_TOO_LARGE,
        (400, 413),
        ("Project size too large.",),
        "the files of all releases of {name} together reach the index's limit",
        "Delete what nobody needs on {releases}, or ask for a higher limit as the page says that"
        f" the server names, and {SAME}.",
    ),
    Row(
        Code.ARCHIVE_TOO_DENSE,
        (400,),
        ("compression ratio",),
        "the archive unpacks to far more than its own size, as attacks do",
        f"Leave out what shrinks so much (exclude in pyproject.toml), {BUILD}.",
        beside=INVALID,
    ),
    Row(
        Code.ARCHIVE_REFUSED,
        (400,),
        (
            "ZIP archive not accepted",
            "tar archive not accepted",
            "is not a zipfile",
            "is not a tarfile",
            "both a zip and a tar",
            "supported compression type",
            "number of top-level directories",
        ),
        "the archive is damaged, or packed in a way that the index does not take",
        f"Remove the file, {BUILD}. If another tool changes the files after the build, leave that"
        " out.",
        beside=INVALID,
    ),
    Row(
        Code.ARCHIVE_INCOMPLETE,
        (400,),
        ("PKG-INFO not found", "WHEEL not found"),
        "the archive lacks a file that every archive of its kind has",
        f"Build with a current poetry-core: remove the file, {BUILD}.",
        beside=INVALID,
    ),
    Row(
        Code.ARCHIVE_INCOMPLETE,
        (400,),
        ("required RECORD", "required METADATA"),
        "the wheel lacks a file that every wheel has",
        f"Build with a current poetry-core: remove the wheel, {BUILD}.",
    ),
    Row(
        Code.ARCHIVE_INCOMPLETE,
        (400,),
        ("does not exist in distribution file",),
        "the metadata names a licence file that is not in the archive",
        "Let license-files in pyproject.toml name files that are there and are not excluded,"
        f" {BUILD}.",
        beside="License-File",
    ),
)
