"""What to wait for, as written by people and in receipts."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from poetry_publish_verified.core.awaited import NotAwaitableError, of_receipt, pinned
from poetry_publish_verified.core.events import (
    DistributionsRead,
    Event,
    FileFacts,
    ReleaseStarted,
    RunStarted,
    Sources,
    TargetsFound,
    UploadEnded,
)
from poetry_publish_verified.core.expectation import AnyFiles, ExactFiles, ExpectedFile
from poetry_publish_verified.core.receipt import Receipt
from poetry_publish_verified.sanitize import printable
from tests.core.distributions import SDIST, WHEEL

INDEX = "https://index.example/simple/"
HASHES = ("aa" * 32, "bb" * 32)


@pytest.mark.parametrize(
    ("text", "name", "version"),
    [
        ("lantern==1.0", "lantern", "1.0"),
        (" Lantern.Dark == 1.0 ", "lantern-dark", "1.0"),
        ("lantern===1.0", "lantern", "1.0"),
        ("lantern==1.0rc1", "lantern", "1.0rc1"),
        ("lantern==v1.0", "lantern", "1.0"),
        ("lantern==1!2.0+local.1", "lantern", "1!2.0+local.1"),
    ],
)
def test_name_and_version_match_any_file(text: str, name: str, version: str) -> None:
    """A normalized name and version accept any file of that version."""
    release = pinned(text)
    assert release.key == (name, Version(version))
    assert release.expectation == AnyFiles(release.name, Version(version))
    assert release.indexes == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("lantern", "names no version"),
        ("lantern>=1.0", "is a range"),
        ("lantern~=1.0", "is a range"),
        ("lantern==1.*", "is a range"),
        ("lantern==1.0,==1.1", "is a range"),
        ("lantern!=1.0", "is a range"),
        ("lantern===soon", "no valid version"),
        ("lantern[dark]==1.0", "an extra"),
        ("lantern==1.0; python_version > '3'", "a marker"),
        ("lantern @ https://index.example/lantern-1.0.tar.gz", "a URL"),
        ("lantern==" + "9" * 5000, "not of the form|no valid version"),
        ("", "not of the form"),
        ("==1.0", "not of the form"),
        ("lantern=1.0", "not of the form"),
        ("lantern==", "not of the form"),
        ("lantern==one", "not of the form"),
        ("\x1b[31m\n::error::", "not of the form"),
        ("x" * 5000 + "=1", "not of the form"),
    ],
)
def test_refuses_what_an_older_release_satisfies(text: str, words: str) -> None:
    """Anything an older release could satisfy is refused with the reason."""
    with pytest.raises(NotAwaitableError, match=words) as caught:
        pinned(text)
    assert str(caught.value) == printable(str(caught.value), 400)


@given(st.text(max_size=40))
def test_any_text_is_one_version_or_an_error(text: str) -> None:
    """Any text is a name and version, or refused."""
    try:
        release = pinned(text)
    except NotAwaitableError as error:
        words = str(error)
        assert words == printable(words, 1000)
        return
    assert release.expectation.nothing().absent


def receipt(rehearsal: bool = False, kept: bool = False) -> dict[str, Any]:
    """A publisher's receipt of two releases, as read from its file."""
    made = Receipt("poetry-publish-verified", "0.1.0", "2.5.1", datetime(2026, 1, 2, tzinfo=UTC))
    events: list[Event] = [
        RunStarted("listed", rehearsal, Sources(None, None)),
        ReleaseStarted("lantern", "1.0", "harbour"),
        TargetsFound("https://index.example/", (INDEX,)),
        DistributionsRead((FileFacts(WHEEL, 5, HASHES[0]), FileFacts(SDIST, 6, HASHES[1]))),
        *([UploadEnded(WHEEL, "kept-remote", "cc" * 32)] if kept else []),
        ReleaseStarted("lantern-dark", "2", "harbour"),
        TargetsFound("https://index.example/", (INDEX, "https://mirror.example/simple/")),
        DistributionsRead((FileFacts("lantern_dark-2.tar.gz", 7, HASHES[0]),)),
    ]
    for event in events:
        made.apply(event, datetime(2026, 1, 2, tzinfo=UTC))
    read = json.loads(json.dumps(made.as_dict()))
    assert isinstance(read, dict)
    return read


def test_receipt_names_files_and_indexes() -> None:
    """Each release has exactly its files, their hashes and sizes, and its indexes."""
    one, two = of_receipt(receipt())
    assert (one.key, two.key) == (("lantern", Version("1.0")), ("lantern-dark", Version("2")))
    assert one.expectation == ExactFiles(
        (ExpectedFile(WHEEL, HASHES[0], 5), ExpectedFile(SDIST, HASHES[1], 6))
    )
    assert one.indexes == (INDEX,)
    assert two.indexes == (INDEX, "https://mirror.example/simple/")


def test_kept_file_is_expected_as_on_the_index() -> None:
    """A file kept on the index is expected as it is there, not as built."""
    one, _ = of_receipt(receipt(kept=True))
    assert isinstance(one.expectation, ExactFiles)
    assert one.expectation.expected[0] == ExpectedFile(WHEEL, "cc" * 32, listed_only=True)


@pytest.mark.parametrize("verdict", ["upload-failed", "conflict", "interrupted", "running"])
@pytest.mark.parametrize("state", ["failed", "unknown", "not-sent"])
def test_receipt_of_a_run_that_did_not_upload_everything(verdict: str, state: str) -> None:
    """It says which files may never appear."""
    read = receipt()
    for release in read["releases"]:
        release["verdict"] = verdict
        for file in release["distributions"]:
            file["upload"] = "uploaded"
    read["releases"][0]["distributions"][1]["upload"] = state
    one, two = of_receipt(read)
    assert one.doubt is not None
    assert verdict in one.doubt.message
    assert SDIST in one.doubt.message
    assert WHEEL not in one.doubt.message
    assert two.doubt is None


@pytest.mark.parametrize("state", ["uploaded", "already-there"])
def test_receipt_of_a_run_that_uploaded_everything(state: str) -> None:
    """There is nothing to doubt, however it ended; a wait's own receipt uploads nothing."""
    read = receipt()
    for file in read["releases"][0]["distributions"]:
        file["upload"] = state
    read["releases"][0]["verdict"] = "not-visible"
    read["releases"][1]["repository"]["url"] = None
    assert [release.doubt for release in of_receipt(read)] == [None, None]


@pytest.mark.parametrize("nothing", [None, [], "x", 5, {}, {"schema": "other/1"}])
def test_other_json_is_not_a_receipt(nothing: object) -> None:
    """Any other JSON value is refused."""
    with pytest.raises(NotAwaitableError, match="not a receipt"):
        of_receipt(nothing)


def test_receipt_of_rehearsal_or_dry_run_is_refused() -> None:
    """A rehearsal and a dry run publish nothing to wait for."""
    for one in (receipt(rehearsal=True), {**receipt(), "verdict": "dry-run"}):
        with pytest.raises(NotAwaitableError, match="publishes nothing"):
            of_receipt(one)


def test_receipt_without_files_is_refused() -> None:
    """A run that ended early, or a release without known files, is refused."""
    early = {**receipt(), "releases": []}
    half = receipt()
    half["releases"][1]["distributions"] = []
    for one in (early, half):
        with pytest.raises(NotAwaitableError, match="no files"):
            of_receipt(one)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", 5),
        ("name", "lighthouse"),
        ("version", "one"),
        ("version", None),
        ("version", "1.1"),
        ("version", "9" * 5000),
        ("sha256", "abc"),
        ("sha256", ""),
        ("distributions", None),
        ("distributions", [5]),
        ("distributions", [{}]),
        ("indexes", None),
        ("indexes", [{}]),
        ("filename", "../lantern-1.0.tar.gz"),
        ("filename", "../../x/lantern-1.0.tar.gz"),
        ("filename", "lantern-1.0.tar.gz?x"),
        ("filename", "lantern-1.0.exe"),
        ("filename", "\x1b.tar.gz"),
        ("filename", None),
        ("sha256", None),
        ("sha256", "a\nb"),
        ("upload", None),
        ("verdict", "odd"),
    ],
)
def test_damaged_receipt_is_refused(key: str, value: object) -> None:
    """A receipt with one malformed release is refused as a whole."""
    damaged = receipt()
    release = damaged["releases"][0]
    place = release if key in release else release["distributions"][0]
    assert key in place
    if key == "upload":
        del place[key]
    else:
        place[key] = value
    with pytest.raises(NotAwaitableError, match="damaged"):
        of_receipt(damaged)


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=9)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=9), inner, max_size=2)
    ),
    max_leaves=4,
)


@given(st.data())
def test_any_receipt_is_read_or_refused(data: st.DataObject) -> None:
    """Whatever the values, a receipt yields releases with files or is refused."""
    damaged = copy.deepcopy(receipt())
    place: Any = damaged
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        if not place[key] or not isinstance(place[key], dict | list) or data.draw(st.booleans()):
            break
        place = place[key]
    place[key] = data.draw(VALUES)
    try:
        found = of_receipt(damaged)
    except NotAwaitableError:
        return
    assert all(release.expectation.nothing().absent for release in found)


def test_secrets_in_urls_are_not_repeated() -> None:
    """A URL in the input may contain a password or a signature."""
    with pytest.raises(NotAwaitableError) as caught:
        pinned("lantern @ https://user:hidden@index.example/lantern-1.0.tar.gz?sig=hidden")
    assert "hidden" not in str(caught.value)
    assert "index.example" in str(caught.value)


def test_hash_case_does_not_matter() -> None:
    """Upper-case hex digits are the same sha256."""
    one = receipt()
    file = one["releases"][0]["distributions"][0]
    file["sha256"] = file["sha256"].upper()
    assert of_receipt(one) == of_receipt(receipt())


def test_same_release_twice_is_refused() -> None:
    """Two entries for one release are ambiguous."""
    one = receipt()
    one["releases"].append(one["releases"][0])
    with pytest.raises(NotAwaitableError, match="twice"):
        of_receipt(one)


def test_unusable_repository_url_does_not_matter_if_indexes_are_named() -> None:
    """The repository's URL is ignored where the receipt names indexes."""
    one = receipt()
    one["releases"][0]["repository"]["url"] = "http://["
    assert of_receipt(one)[0].indexes == (INDEX,)
