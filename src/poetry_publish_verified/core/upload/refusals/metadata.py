"""Refusals because of what the metadata says."""

from poetry_publish_verified.core.upload.refusals.row import Row, Said
from poetry_publish_verified.errors import Code

METADATA = (
    # forklift/legacy.py
    Row(
        Code.METADATA_REFUSED,
        Said(400, "invalid entry points"),
        "the wheel's entry points are invalid",
        "Fix [project.scripts] and [project.entry-points] in pyproject.toml, {build}.",
    ),
    Row(
        Code.METADATA_REFUSED,
        Said(400, "failed to render"),
        "the readme cannot be rendered in the format that the metadata names",
        "Fix the readme, or name its real format (readme with content-type) in pyproject.toml,"
        " {build}.",
    ),
    # forklift/metadata.py
    Row(
        Code.CLASSIFIER_REFUSED,
        Said(400, "not a valid classifier"),
        "the index does not know one of the classifiers",
        "Use classifiers from {classifiers} in pyproject.toml, {build}. Those that begin with"
        " Private :: are never accepted.",
    ),
    Row(
        Code.CLASSIFIER_REFUSED,
        Said(400, "has been deprecated", beside="classifier"),
        "one of the classifiers is deprecated",
        "Use the one that the server names, or remove it from pyproject.toml, {build}.",
    ),
    Row(
        Code.METADATA_REFUSED,
        Said(400, "use of local versions"),
        "the version has a local part (+…), which the index does not accept",
        "Remove the + and what follows from the version (poetry version <version>), build again and"
        " publish that.",
    ),
    Row(
        Code.METADATA_REFUSED,
        Said(400, "Can't have direct dependency"),
        "a dependency is a URL or path, which the index does not accept",
        "Give that dependency a version in pyproject.toml (poetry add <name>@<version>); if it is"
        " on another index, add that under [[tool.poetry.source]]; {build}.",
    ),
    Row(
        Code.METADATA_REFUSED,
        Said(400, "not a valid metadata version", "introduced in metadata version"),
        "the index does not support the archive's metadata version",
        "Require a poetry-core in [build-system] whose metadata version the index supports,"
        " {build}.",
    ),
    Row(
        Code.METADATA_REFUSED,
        Said(400, "License is deprecated"),
        "the metadata declares the license in both the old form and the new form",
        "Keep only the license's SPDX expression (license in [project]), {build}.",
    ),
    # forklift/metadata.py, and what packaging.metadata says there
    Row(
        Code.METADATA_REFUSED,
        Said(
            400,
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
        "the index does not accept one of the metadata fields",
        "Fix the field that the server names in pyproject.toml (poetry check helps), {build}.",
    ),
)
