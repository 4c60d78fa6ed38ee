"""What file names and archive metadata say."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name
from packaging.version import Version

from poetry_publish_verified.core.distribution import (
    belongs_to,
    in_upload_order,
    parse_filename,
    recognize,
)
from poetry_publish_verified.core.preflight import Identity, check
from poetry_publish_verified.core.upload.form import form_fields
from tests.core.distributions import SDIST, WHEEL, core_metadata, distribution

LANTERN = canonicalize_name("lantern")


@pytest.mark.parametrize(
    ("filename", "kind", "name", "version", "pyversion"),
    [
        (WHEEL, "wheel", "lantern", "1.0", "py3"),
        ("lantern-1.0-py2.py3-none-any.whl", "wheel", "lantern", "1.0", "py2.py3"),
        ("lantern-1.0-7-cp311-abi3-linux_x86_64.whl", "wheel", "lantern", "1.0", "cp311"),
        ("My_Lantern-1.0rc1-py3-none-any.whl", "wheel", "my-lantern", "1.0rc1", "py3"),
        ("lantern-1.0+dark.1-py3-none-any.whl", "wheel", "lantern", "1.0+dark.1", "py3"),
        ("lantern-1!2.0-py3-none-any.whl", "wheel", "lantern", "1!2.0", "py3"),
        (SDIST, "sdist", "lantern", "1.0", "source"),
        ("my_lantern-1.0.tar.gz", "sdist", "my-lantern", "1.0", "source"),
        ("my-lantern-1.0.tar.gz", "sdist", "my-lantern", "1.0", "source"),
        ("lantern-1.0.post1.dev2.tar.gz", "sdist", "lantern", "1.0.post1.dev2", "source"),
        ("lantern-1.0.zip", "sdist", "lantern", "1.0", "source"),
        ("My.Lantern-1.0rc1.zip", "sdist", "my-lantern", "1.0rc1", "source"),
    ],
)
def test_file_name_parts(filename: str, kind: str, name: str, version: str, pyversion: str) -> None:
    """A distribution's file name gives its kind, project, version and Python."""
    parsed = parse_filename(filename)
    assert (parsed.kind, parsed.name, str(parsed.version)) == (kind, name, version)
    assert parsed.pyversion == pyversion
    assert bool(parsed.tags) is (kind == "wheel")


def test_compressed_tags_are_expanded() -> None:
    """Compressed tags are expanded."""
    tags = parse_filename("lantern-1.0-py2.py3-none-any.whl").tags
    assert {str(tag) for tag in tags} == {"py2-none-any", "py3-none-any"}


@pytest.mark.parametrize(
    "filename",
    [
        *("", "lantern", "lantern.whl", "lantern-1.0.whl", "lantern-1.0-py3-none.whl"),
        *("lantern-one-py3-none-any.whl", "lantern-1.0-x-py3-none-any.whl", "-1.0.tar.gz"),
        *("lantern.tar.gz", "lantern-one.tar.gz", "lantern-1.0.tar.bz2", "lantern-1.0.tgz"),
        *("lantern-1.0.tar.gz.asc", "lantern-1.0.egg", ".publish-verified", "lantern.zip"),
        *("lantern-1.0.win32.zip", "lantern-1.0-docs.zip", "lantern-1.0.zip.asc"),
    ],
)
def test_other_files_are_not_distributions(filename: str) -> None:
    """Anything else in a dist directory belongs to no release."""
    assert recognize(filename) is None
    assert not belongs_to(filename, LANTERN, Version("1.0"))


@given(st.one_of(st.text(), st.text().map(lambda t: f"{t}.whl"), st.text().map("a-{}.zip".format)))
@example("lantern-1.0-py3-none-\n.whl")
@example("lantern-" + "9" * 280 + ".tar.gz")
def test_any_file_name_is_parsed_or_invalid(filename: str) -> None:
    """Any file name is parsed or raises ValueError."""
    try:
        parsed = parse_filename(filename)
    except ValueError:
        return
    assert belongs_to(filename, parsed.name, parsed.version)


@pytest.mark.parametrize(
    ("filename", "belongs"),
    [
        (WHEEL, True),
        (SDIST, True),
        ("Lantern-1.0.0-py3-none-any.whl", True),
        ("lantern-1.0.post1-py3-none-any.whl", False),
        ("lantern-1.0+local-py3-none-any.whl", False),
        ("lantern-1.0rc1.tar.gz", False),
        ("lantern-1.00.1.tar.gz", False),
        ("lantern_extra-1.0.tar.gz", False),
        ("lantern-extra-1.0.tar.gz", False),
    ],
)
def test_release_matches_any_spelling(filename: str, belongs: bool) -> None:
    """A release includes the files of its name and version, in any spelling."""
    assert belongs_to(filename, LANTERN, Version("1.0")) is belongs


def test_wheels_are_sent_before_the_sdist() -> None:
    """Wheels are sent before the sdist, small ones first."""
    large = distribution("lantern-1.0-cp311-abi3-linux_x86_64.whl", b"x" * 1000)
    small = distribution(WHEEL, b"x" * 100)
    also_small = distribution("lantern-1.0-py2-none-any.whl", b"y" * 100)
    sdist = distribution(SDIST, b"x")
    ordered = in_upload_order([sdist, large, small, also_small])
    assert ordered == (also_small, small, large, sdist)


def test_metadata_is_read_from_the_archive() -> None:
    """Fields, lists and the description come from METADATA's bytes."""
    raw = distribution(
        WHEEL,
        metadata=core_metadata(
            "Classifier: A", "Classifier: B", "Requires-Python: >=3.11", "", "# Ä\n"
        ),
    ).raw_metadata
    assert raw["name"] == "lantern"
    assert raw["classifiers"] == ["A", "B"]
    assert raw["requires_python"] == ">=3.11"
    assert raw["description"].strip() == "# Ä"


@given(st.binary())
@example(b"Name: \xff\xfe\nVersion: \x00")
@example(b"Content-Type: multipart/mixed; boundary=x\n\n--x\n\n--x--")
def test_reading_metadata_never_fails(content: bytes) -> None:
    """Any bytes are read; preflight reports what is wrong with them."""
    assert isinstance(distribution(WHEEL, metadata=content).raw_metadata, dict)


def test_repr_leaves_metadata_out() -> None:
    """A distribution in a message does not include its whole README."""
    assert "Metadata-Version" not in repr(distribution(WHEEL))


@pytest.mark.parametrize(("version", "kept"), [("2.1", False), ("2.2", False), ("2.4", True)])
def test_license_files_before_metadata_2_4(version: str, kept: bool) -> None:
    """setuptools wrote License-File years before the standard, and indexes refuse it."""
    text = f"Metadata-Version: {version}\nName: lantern\nVersion: 1.0\nLicense-File: LICENSE\n"
    built = distribution(WHEEL, metadata=text.encode())
    assert ("license_files" in built.raw_metadata) == kept
    assert ("license_file" in form_fields(built)) == kept
    identity = Identity(canonicalize_name("lantern"), Version("1.0"))
    assert not check(identity, [built], public=True)
