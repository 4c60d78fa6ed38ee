"""The release metadata: what is written of a proven release, and what is read of anybody's."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poetry_publish_verified.core.release_metadata import (
    SCHEMA,
    NotMetadataError,
    ReleaseMetadata,
    of_release,
    read_metadata,
)

INDEX = "https://index.example/simple/"
WHEEL, SDIST = "lantern-1.0-py3-none-any.whl", "lantern-1.0.tar.gz"
NOON = "2026-01-02T12:00:00.000Z"


def release(**others: Any) -> dict[str, Any]:
    """A proven release as a receipt has it."""
    files = [
        {
            "filename": name,
            "size": 5,
            "sha256": letter * 64,
            "requires_python": ">=3.9",
            "remote_sha256": letter * 64,
            "url": f"https://files.example/{name}",
            "upload": "uploaded",
        }
        for name, letter in ((WHEEL, "a"), (SDIST, "b"))
    ]
    indexes = [
        {"url": INDEX, "proven": True},
        {"url": "https://mirror.example/simple/", "proven": False},
    ]
    return {
        "name": "lantern",
        "version": "1.0",
        "distributions": files,
        "indexes": indexes,
        **others,
    }


def document(**others: Any) -> dict[str, Any]:
    """The document of that release, with some fields replaced; None takes one away."""
    made = {**of_release(release(), "c0ffee", ["v1.0"], NOON), **others}
    return {key: value for key, value in made.items() if value is not None}


def test_what_is_written_is_read() -> None:
    """All that a proven release is, through JSON and back."""
    written = json.loads(json.dumps(document()))
    assert written["schema"] == SCHEMA == next(iter(written.values()))
    found = read_metadata(written)
    assert (found.name, str(found.version)) == ("lantern", "1.0")
    assert (found.commit, found.tag, found.indexes) == ("c0ffee", "v1.0", (INDEX,))
    assert [(f.filename, f.sha256, f.size) for f in found.files] == [
        (WHEEL, "a" * 64, 5),
        (SDIST, "b" * 64, 5),
    ]
    (wheel, _) = written["files"]
    assert (wheel["url"], wheel["requires_python"]) == (f"https://files.example/{WHEEL}", ">=3.9")


def test_kept_file_is_the_index_s_own() -> None:
    """Of a file that was built otherwise, only what the index has is known."""
    kept = release()
    kept["distributions"][0] |= {"upload": "kept-remote", "remote_sha256": "d" * 64}
    (wheel, _) = of_release(kept, None, [], NOON)["files"]
    assert (wheel["hashes"], wheel["size"]) == ({"sha256": "d" * 64}, None)
    assert wheel["requires_python"] is None


def _file(**others: Any) -> dict[str, Any]:
    return {**document()["files"][0], **others}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "not a JSON object"),
        ([document()], "not a JSON object"),
        (document(schema="publish-verified.metadata/2"), "schema"),
        (document(schema="publish-verified.receipt/1"), "schema"),
        (document(schema=["x"]), "schema"),
        *((document(**{key: None}), f"lacks '{key}'") for key in ("name", "version", "files")),
        (document(name="../lantern"), "malformed"),
        (document(version="latest"), "malformed"),
        (document(version=1.0), "malformed"),
        (document(version="1" * 5000), "malformed"),
        (document(released="yesterday"), "malformed"),
        (document(released="2026-01-02"), "malformed"),
        (document(indexes=["file:///etc/"]), "malformed"),
        (document(indexes=["https://user:word@index.example/simple/"]), "malformed"),
        (document(indexes=["https://index.example/\n::error::x"]), "malformed"),
        (document(indexes=INDEX), "malformed"),
        (document(files={}), "malformed"),
        (document(files=[]), "no files"),
        (document(files=[_file(), _file()]), "twice"),
        (document(files=[{}]), "lacks 'filename'"),
        (document(files=[_file(filename="lantern-2.0.tar.gz")]), "another release"),
        (document(files=[_file(filename="../lantern-1.0.tar.gz")]), "malformed"),
        (document(files=[_file(hashes={})]), "lacks 'sha256'"),
        (document(files=[_file(hashes={"sha256": "a" * 63})]), "malformed"),
        (document(files=[_file(hashes={"sha256": "g" * 64})]), "malformed"),
        (document(files=[_file(hashes={"sha256": "a" * 64, "md5": "aa"})]), "malformed"),
        (document(files=[_file(hashes="a" * 64)]), "malformed"),
        (document(files=[_file(size=-1)]), "malformed"),
        (document(files=[_file(size=True)]), "malformed"),
        (document(files=[_file(url="javascript:alert(1)")]), "malformed"),
        (document(tag="v1.0\x1b[2J"), "malformed"),
    ],
)
def test_malformed_documents(value: Any, reason: str) -> None:
    """Each is refused as a whole, with a reason that can be printed."""
    with pytest.raises(NotMetadataError, match=reason) as refused:
        read_metadata(value)
    assert str(refused.value).isprintable()


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(key=st.sampled_from(sorted(document())), value=_JSON)
def test_any_value_anywhere(key: str, value: Any) -> None:
    """Whatever a field holds, the document is read or refused."""
    with suppress(NotMetadataError):
        assert isinstance(read_metadata(document() | {key: value}), ReleaseMetadata)


@pytest.mark.parametrize(
    ("version", "released", "older"),
    [
        ("1.0", "2026-01-02T12:00:00Z", False),
        ("1.0", "2026-01-02T13:00:00+02:00", True),
        ("0.9", "2027-01-01T00:00:00Z", True),
        ("1.1", "2025-01-01T00:00:00Z", False),
        ("1.0rc1", "2026-01-02T12:00:00Z", True),
    ],
)
def test_older(version: str, released: str, older: bool) -> None:
    """A lower version is older, whenever it is from; of one version, what was proven earlier."""
    files = [_file(filename=f"lantern-{version}.tar.gz")]
    other = read_metadata(document(version=version, released=released, files=files))
    assert other.is_older_than(read_metadata(document())) is older
