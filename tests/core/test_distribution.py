"""What a file name and an archive's metadata say."""

from __future__ import annotations

import pytest
from hypothesis import example
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name
from packaging.version import Version

from poetry_publish_verified.core.distribution import InvalidFilenameError
from poetry_publish_verified.core.distribution import belongs_to
from poetry_publish_verified.core.distribution import in_upload_order
from poetry_publish_verified.core.distribution import parse_filename
from poetry_publish_verified.core.preflight import Identity
from poetry_publish_verified.core.preflight import check
from poetry_publish_verified.core.upload.form import form_fields
from tests.core.distributions import SDIST
from tests.core.distributions import WHEEL
from tests.core.distributions import core_metadata
from tests.core.distributions import distribution

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
    ],
)
def test_a_file_name(filename: str, kind: str, name: str, version: str, pyversion: str) -> None:
    """A distribution's name says its kind, project, version and Python."""
    parsed = parse_filename(filename)
    assert (parsed.kind, parsed.name, str(parsed.version)) == (kind, name, version)
    assert parsed.pyversion == pyversion
    assert bool(parsed.tags) is (kind == "wheel")


def test_a_wheels_tags() -> None:
    """Compressed tags are spread out."""
    tags = parse_filename("lantern-1.0-py2.py3-none-any.whl").tags
    assert {str(tag) for tag in tags} == {"py2-none-any", "py3-none-any"}


@pytest.mark.parametrize(
    "filename",
    [
        *("", "lantern", "lantern.whl", "lantern-1.0.whl", "lantern-1.0-py3-none.whl"),
        *("lantern-one-py3-none-any.whl", "lantern-1.0-x-py3-none-any.whl", "-1.0.tar.gz"),
        *("lantern.tar.gz", "lantern-one.tar.gz", "lantern-1.0.tar.bz2", "lantern-1.0.tgz"),
        *("lantern-1.0.tar.gz.asc", "lantern-1.0.egg", ".publish-verified"),
    ],
)
def test_no_distribution(filename: str) -> None:
    """Anything else in a dist folder is no distribution and belongs to no release."""
    with pytest.raises(InvalidFilenameError):
        parse_filename(filename)
    assert not belongs_to(filename, LANTERN, Version("1.0"))


@given(st.one_of(st.text(), st.text().map(lambda t: f"{t}.whl"), st.text().map("a-{}.zip".format)))
@example("lantern-1.0-py3-none-\n.whl")
@example("lantern-" + "9" * 280 + ".tar.gz")
def test_any_name_is_read_or_refused(filename: str) -> None:
    """No name whatever makes the parser fail in another way than refusing it."""
    try:
        parsed = parse_filename(filename)
    except InvalidFilenameError:
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
def test_what_is_of_this_release(filename: str, belongs: bool) -> None:
    """A release holds the files of its very name and version, however they are spelt."""
    assert belongs_to(filename, LANTERN, Version("1.0")) is belongs


def test_wheels_go_first() -> None:
    """Wheels are sent before the sdist, the small ones before the large ones."""
    large = distribution("lantern-1.0-cp311-abi3-linux_x86_64.whl", b"x" * 1000)
    small = distribution(WHEEL, b"x" * 100)
    also_small = distribution("lantern-1.0-py2-none-any.whl", b"y" * 100)
    sdist = distribution(SDIST, b"x")
    ordered = in_upload_order([sdist, large, small, also_small])
    assert ordered == (also_small, small, large, sdist)


def test_the_metadata_is_the_archives_own() -> None:
    """Fields, lists and the description are read from the bytes of METADATA."""
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
def test_any_bytes_are_some_metadata(content: bytes) -> None:
    """Reading metadata never fails; preflight says what is wrong with it."""
    assert isinstance(distribution(WHEEL, metadata=content).raw_metadata, dict)


def test_the_metadata_is_not_printed() -> None:
    """A distribution in a message does not bring its whole README along."""
    assert "Metadata-Version" not in repr(distribution(WHEEL))


@pytest.mark.parametrize(("version", "kept"), [("2.1", False), ("2.2", False), ("2.4", True)])
def test_licence_files_of_older_metadata(version: str, kept: bool) -> None:
    """setuptools wrote License-File years before the metadata had it, and indexes refuse it."""
    text = f"Metadata-Version: {version}\nName: lantern\nVersion: 1.0\nLicense-File: LICENSE\n"
    built = distribution(WHEEL, metadata=text.encode())
    assert ("license_files" in built.raw_metadata) == kept
    assert ("license_file" in form_fields(built)) == kept
    identity = Identity(canonicalize_name("lantern"), Version("1.0"))
    assert not check(identity, [built], public=True)
