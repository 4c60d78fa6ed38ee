"""Refusals for what the metadata says."""

from __future__ import annotations

from poetry_publish_verified.core.upload.refusals.row import BUILD
from poetry_publish_verified.core.upload.refusals.row import Row
from poetry_publish_verified.errors import Code

METADATA = (
    Row(
        Code.METADATA_REFUSED,
        (400,),
        ("invalid entry points",),
        "the wheel's entry points are not valid",
        f"Mend [project.scripts] and [project.entry-points] in pyproject.toml, {BUILD}.",
    ),
    Row(
        Code.CLASSIFIER_REFUSED,
        (400,),
        ("not a valid classifier",),
        "the index does not know one of the classifiers",
        f"Take one of {{classifiers}} in pyproject.toml, {BUILD}. What starts with Private :: is"
        " never taken.",
    ),
    Row(
        Code.CLASSIFIER_REFUSED,
        (400,),
        ("has been deprecated",),
        "one of the classifiers is deprecated",
        f"Take the one that the server names, or none, in pyproject.toml, {BUILD}.",
        beside="classifier",
    ),
    Row(
        Code.METADATA_REFUSED,
        (400,),
        ("use of local versions",),
        "the version has a local part (+…), which the index does not take",
        "Take the + and what follows out of the version (poetry version <version>), build again"
        " and publish that.",
    ),
    Row(
        Code.METADATA_REFUSED,
        (400,),
        ("Can't have direct dependency",),
        "a dependency is given by its URL or path, which the index does not take",
        "Give that dependency a version in pyproject.toml (poetry add <name>@<version>), with its"
        f" origin under [[tool.poetry.source]] where it has one, {BUILD}.",
    ),
    Row(
        Code.METADATA_REFUSED,
        (400,),
        ("failed to render",),
        "the readme cannot be rendered in the format that the metadata names",
        "Mend the readme, or name its real format (readme with content-type) in pyproject.toml,"
        f" {BUILD}.",
    ),
    Row(
        Code.METADATA_REFUSED,
        (400,),
        ("not a valid metadata version", "introduced in metadata version"),
        "the archive's metadata is of a version that the index does not know",
        f"Pin a poetry-core in [build-system] whose metadata the index knows, {BUILD}.",
    ),
    Row(
        Code.METADATA_REFUSED,
        (400,),
        ("License is deprecated",),
        "the metadata has a licence in the old form beside one in the new form",
        f"Keep only the licence's SPDX expression (license in [project]), {BUILD}.",
    ),
    Row(
        Code.METADATA_REFUSED,
        (400,),
        (
            "is an invalid value for",
            "characters or less",
            "not a valid email address",
            "not a valid url",
            "not a valid dynamic field",
            "not allowed as a dynamic field",
            "has invalid data",
            "is invalid for '",
            "is a required field",
            "must be a single line",
        ),
        "a metadata field is not what the index takes",
        f"Mend the field that the server names in pyproject.toml (poetry check helps), {BUILD}.",
    ),
)
