"""Which files of a release a dist directory has, and broken archives of every kind."""

from __future__ import annotations

import gzip
import hashlib
import tarfile
import zipfile
from io import BytesIO
from random import Random
from typing import TYPE_CHECKING

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from poetry_publish_verified.adapters import dist_dir
from poetry_publish_verified.errors import Code, Problem, ReleaseError, Verdict
from tests.adapters.archives import IN_SDIST, IN_WHEEL, METADATA, NOISE, sdist, tar, wheel
from tests.core.distributions import SDIST, WHEEL

if TYPE_CHECKING:
    from pathlib import Path

    from poetry_publish_verified.core.distribution import Distribution

LANTERN = canonicalize_name("lantern")
ONE = Version("1.0")


def read(directory: Path) -> tuple[Distribution, ...]:
    """Read lantern 1.0 from a directory."""
    return dist_dir.read(directory, LANTERN, ONE)


def broken(directory: Path) -> tuple[Problem, ...]:
    """Check that reading is refused because of broken archives; return their problems."""
    with pytest.raises(ReleaseError) as caught:
        read(directory)
    assert caught.value.verdict is Verdict.PREFLIGHT_REFUSED
    assert {problem.code for problem in caught.value.problems} == {Code.ARCHIVE_BROKEN}
    return caught.value.problems


def test_wheel_and_sdist(tmp_path: Path) -> None:
    """Size, sha256 and the metadata of each file, the wheel first."""
    (tmp_path / SDIST).write_bytes(sdist())
    (tmp_path / WHEEL).write_bytes(wheel())
    found = read(tmp_path)
    assert [each.filename for each in found] == [WHEEL, SDIST]
    for each, content in zip(found, (wheel(), sdist()), strict=True):
        assert each.size == len(content)
        assert each.sha256 == hashlib.sha256(content).hexdigest()
        assert each.metadata == METADATA


def test_other_files_are_ignored(tmp_path: Path) -> None:
    """Other versions, projects and kinds of files are ignored."""
    for name in (
        *(WHEEL, SDIST, "lantern-1.1.tar.gz", "lantern-0.9-py3-none-any.whl", "torch-1.0.tar.gz"),
        *("lantern-1.0.tar.gz.asc", ".publish-verified.json", "lantern-1.0-py3-none-any.whl.tmp"),
    ):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "lantern-1.0-py2-none-any.whl").mkdir()
    assert dist_dir.filenames(tmp_path, LANTERN, ONE) == [WHEEL, SDIST]


@pytest.mark.parametrize("kind", ["missing", "empty"])
def test_missing_dist_directory(tmp_path: Path, kind: str) -> None:
    """A missing directory contains nothing."""
    directory = tmp_path / "dist"
    if kind == "empty":
        directory.mkdir()
    assert read(directory) == ()


@pytest.mark.parametrize("kind", ["file", "endless link"])
def test_unreadable_dist_directory(tmp_path: Path, kind: str) -> None:
    """Any other error with the directory is a refusal, not a crash."""
    if kind == "file":
        (tmp_path / "dist").touch()
    else:
        (tmp_path / "dist").symlink_to(tmp_path / "dist")
    with pytest.raises(ReleaseError) as caught:
        read(tmp_path / "dist")
    assert caught.value.verdict is Verdict.PREFLIGHT_REFUSED


def test_all_broken_archives_are_reported(tmp_path: Path) -> None:
    """Each broken file is its own problem, with its name and a remedy."""
    (tmp_path / SDIST).write_bytes(b"")
    (tmp_path / WHEEL).write_bytes(b"\x1b[31mnot a zip")
    problems = broken(tmp_path)
    assert [problem.filename for problem in problems] == [WHEEL, SDIST]
    assert all("build again" in problem.remedy for problem in problems)
    assert not any("\x1b" in problem.message for problem in problems)


@pytest.mark.parametrize(
    ("filename", "whole"),
    [
        (WHEEL, wheel()),
        (WHEEL, wheel(compression=zipfile.ZIP_STORED)),
        (SDIST, sdist()),
        (SDIST, sdist(level=0)),
    ],
    ids=["wheel", "stored-wheel", "sdist", "stored-sdist"],
)
def test_truncated_archive(tmp_path: Path, filename: str, whole: bytes) -> None:
    """An archive truncated anywhere is refused."""
    for length in {*range(0, len(whole), 97), *range(len(whole) - 12, len(whole))}:
        (tmp_path / filename).write_bytes(whole[:length])
        assert [problem.filename for problem in broken(tmp_path)] == [filename], length


@pytest.mark.parametrize(
    ("filename", "whole"),
    [
        (WHEEL, wheel(compression=zipfile.ZIP_STORED)),
        (SDIST, sdist(level=0)),
    ],
    ids=["wheel", "sdist"],
)
def test_flipped_bit_in_a_member(tmp_path: Path, filename: str, whole: bytes) -> None:
    """The archive's own checksum finds a flipped bit in a packed file."""
    place = whole.index(NOISE[1000:1020])
    spoilt = bytearray(whole)
    spoilt[place] ^= 1
    (tmp_path / filename).write_bytes(spoilt)
    assert [problem.filename for problem in broken(tmp_path)] == [filename]


@pytest.mark.parametrize(
    ("filename", "whole"),
    [
        (WHEEL, wheel()),
        (WHEEL, wheel(compression=zipfile.ZIP_LZMA)),
        (WHEEL, wheel(compression=zipfile.ZIP_BZIP2)),
        (SDIST, sdist()),
        (SDIST, sdist(level=0)),
    ],
    ids=["wheel", "lzma-wheel", "bzip2-wheel", "sdist", "stored-sdist"],
)
def test_any_corruption_is_read_or_refused(tmp_path: Path, filename: str, whole: bytes) -> None:
    """Whatever bytes are corrupted, the archive is read or refused."""
    random = Random(filename)  # noqa: S311 - the same at each run
    refused = 0
    for _ in range(150):
        spoilt = bytearray(whole)
        for _ in range(random.randint(1, 4)):
            spoilt[random.randrange(len(spoilt))] = random.randrange(256)
        (tmp_path / filename).write_bytes(spoilt)
        try:
            read(tmp_path)
        except ReleaseError:
            refused += 1
    assert refused > 75


@pytest.mark.parametrize(
    "members",
    [
        (),
        (("lantern.py", NOISE),),
        (("METADATA", METADATA),),
        (("vendor/lantern-1.0.dist-info/METADATA", METADATA),),
        (("lantern-1.0.data/METADATA", METADATA),),
        (("lantern-1.0.dist-info/METADATA", b"x" * (17 * 1024 * 1024)),),
    ],
)
def test_wheel_without_metadata(tmp_path: Path, members: tuple[tuple[str, bytes], ...]) -> None:
    """A wheel whose METADATA is missing, misplaced or endless is refused."""
    (tmp_path / WHEEL).write_bytes(wheel(members))
    (problem,) = broken(tmp_path)
    assert "METADATA" in problem.message


@pytest.mark.parametrize(
    "members",
    [
        (),
        (("lantern-1.0/lantern.py", NOISE),),
        (("PKG-INFO", METADATA),),
        (("lantern-1.0/lantern.egg-info/PKG-INFO", METADATA),),
        (("lantern-1.0/PKG-INFO", b"x" * (17 * 1024 * 1024)),),
    ],
)
def test_sdist_without_metadata(tmp_path: Path, members: tuple[tuple[str, bytes], ...]) -> None:
    """An sdist whose PKG-INFO is missing, misplaced or endless is refused."""
    (tmp_path / SDIST).write_bytes(sdist(members))
    (problem,) = broken(tmp_path)
    assert "PKG-INFO" in problem.message


def test_sdist_with_dot_slash_names(tmp_path: Path) -> None:
    """Names that begin with ./ mean the same, in Poetry's own publish too."""
    members = tuple((f"./{name}", content) for name, content in IN_SDIST)
    (tmp_path / SDIST).write_bytes(sdist(members))
    assert [each.metadata for each in read(tmp_path)] == [METADATA]


@pytest.mark.parametrize("target", ["lantern-1.0/PKG-INFO", "/etc/passwd", "../../x", "nowhere"])
@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE]
)
def test_metadata_must_be_a_file(tmp_path: Path, kind: bytes, target: str) -> None:
    """A PKG-INFO that is a link, a directory or a pipe is refused."""
    into = BytesIO()
    with tarfile.open(fileobj=into, mode="w:gz") as archive:
        info = tarfile.TarInfo("lantern-1.0/PKG-INFO")
        info.type, info.linkname = kind, target
        archive.addfile(info)
    (tmp_path / SDIST).write_bytes(into.getvalue())
    assert len(broken(tmp_path)) == 1


def test_nothing_is_unpacked(tmp_path: Path) -> None:
    """Reading an archive writes nothing, wherever its members point."""
    directory = tmp_path / "dist"
    directory.mkdir()
    outside = (("../outside", b"x"), (str(tmp_path / "absolute"), b"x"))
    (directory / SDIST).write_bytes(sdist((*IN_SDIST, *outside)))
    (directory / WHEEL).write_bytes(wheel((*IN_WHEEL, *outside)))
    assert len(read(directory)) == 2
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["dist", WHEEL, SDIST]


def test_encrypted_wheel(tmp_path: Path) -> None:
    """A wheel that needs a password is refused."""
    content = bytearray(wheel())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = -1
        while (place := content.find(signature, place + 1)) != -1:
            content[place + offset] |= 1
    (tmp_path / WHEEL).write_bytes(content)
    assert len(broken(tmp_path)) == 1


@pytest.mark.parametrize(
    "content", [tar(), b"BZh9" + b"x" * 100, gzip.compress(b"no tar", mtime=0), wheel()]
)
def test_sdist_of_another_format(tmp_path: Path, content: bytes) -> None:
    """A .tar.gz must be a gzipped tar."""
    (tmp_path / SDIST).write_bytes(content)
    assert len(broken(tmp_path)) == 1


def test_first_metadata_counts(tmp_path: Path) -> None:
    """A second PKG-INFO later in the archive does not replace the first."""
    second = ("lantern-1.0/PKG-INFO", METADATA.replace(b"1.0", b"2.0"))
    (tmp_path / SDIST).write_bytes(sdist((*IN_SDIST, second)))
    assert [each.metadata for each in read(tmp_path)] == [METADATA]
