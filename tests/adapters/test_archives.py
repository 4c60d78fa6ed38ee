"""What is read from archives: real ones by poetry-core, and hostile ones."""

from __future__ import annotations

import gzip
import hashlib
import tarfile
import threading
import tracemalloc
import zipfile
from typing import TYPE_CHECKING

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from poetry_publish_verified.adapters import archives, dist_dir
from poetry_publish_verified.core.preflight import Identity, check
from poetry_publish_verified.core.verification import OwnMetadata
from poetry_publish_verified.errors import Code
from tests.adapters.archives import IN_SDIST, METADATA, NOISE, sdist, tar, wheel, zipped_sdist
from tests.beds.processes import HANG
from tests.beds.projects import make_project
from tests.core.distributions import SDIST, WHEEL

if TYPE_CHECKING:
    from pathlib import Path

    from poetry_publish_verified.adapters.dist_dir import DistDirContents
    from tests.beds.projects import Project

LANTERN = Identity(canonicalize_name("lantern"), Version("1.0"))
MIB = 1024 * 1024


@pytest.fixture
def built(tmp_path: Path) -> Project:
    """A project with both of its distributions, as poetry-core builds them."""
    project = make_project(tmp_path / "lantern")
    (project.path / "LICENSE").write_text("Take it.\n", encoding="utf-8")
    project.build()
    return project


def peak(directory: Path) -> tuple[DistDirContents, int]:
    """Run `look`; return its result and its peak memory in bytes."""
    tracemalloc.start()
    try:
        return look(directory), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def look(directory: Path) -> DistDirContents:
    """Read lantern 1.0 from a directory."""
    return dist_dir.look(directory, LANTERN.name, LANTERN.version)


def test_reading_can_be_stopped(built: Project) -> None:
    """Once it is stopped, at most one more piece of a file is read."""
    found = dist_dir.look(built.dist, LANTERN.name, LANTERN.version, lambda: True)
    assert found.distributions == ()
    assert len(found.broken) == 2


def codes(directory: Path) -> list[Code]:
    """The codes that preflight reports."""
    found = look(directory)
    assert found.broken == ()
    return [problem.code for problem in check(LANTERN, found.distributions, public=True)]


def test_real_wheel(built: Project) -> None:
    """Every file with its size and hash, RECORD and WHEEL; preflight has no complaint."""
    (wheel, _) = look(built.dist).distributions
    assert wheel.contents is not None
    with zipfile.ZipFile(built.dist / built.wheel) as archive:
        assert [member.name for member in wheel.contents.members] == archive.namelist()
        for member in wheel.contents.members:
            content = archive.read(member.name)
            assert member.size == len(content)
            assert member.digests == {"sha256": hashlib.sha256(content).hexdigest()}
        assert wheel.contents.record == archive.read("lantern-1.0.dist-info/RECORD")
        assert wheel.contents.wheel == archive.read("lantern-1.0.dist-info/WHEEL")
    assert wheel.contents.unpacked == sum(member.size for member in wheel.contents.members)
    assert codes(built.dist) == []


def test_real_sdist(built: Project) -> None:
    """Every file with its size and hash."""
    (_, sdist) = look(built.dist).distributions
    assert sdist.contents is not None
    with tarfile.open(built.dist / built.sdist) as archive:
        files = {info.name: archive.extractfile(info) for info in archive if info.isreg()}
        assert [member.name for member in sdist.contents.members] == list(files)
        for member in sdist.contents.members:
            stream = files[member.name]
            assert stream is not None
            assert member.digests == {"sha256": hashlib.sha256(stream.read()).hexdigest()}


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("lantern/new.py", Code.RECORD_WRONG),
        ("lantern/__init__.py", Code.RECORD_WRONG),
        ("../outside.py", Code.MEMBER_LEADS_OUT),
        ("/outside.py", Code.MEMBER_LEADS_OUT),
        ("lamp-1.0.dist-info/METADATA", Code.ARCHIVE_LAYOUT),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_extra_file_in_a_wheel_is_found(built: Project, name: str, code: Code) -> None:
    """An extra file in a wheel is found, whatever its name, even if it is a duplicate."""
    with zipfile.ZipFile(built.dist / built.wheel, "a") as archive:
        archive.writestr(name, "light = 2\n")
    assert code in codes(built.dist)


def test_changed_file_in_a_wheel_is_found(built: Project) -> None:
    """A file changed after RECORD was written is found, though the zip is intact."""
    path = built.dist / built.wheel
    with zipfile.ZipFile(path) as old:
        files = {info.filename: old.read(info) for info in old.infolist()}
    with zipfile.ZipFile(path, "w") as new:
        for name, content in files.items():
            new.writestr(name, content.replace(b"A lantern", b"A pattern"))
    assert codes(built.dist) == [Code.RECORD_WRONG]


def test_special_members_of_an_sdist(tmp_path: Path) -> None:
    """Links and pipes are members without content; duplicate names are two members."""
    with tarfile.open(tmp_path / SDIST, "w:gz") as archive:
        for name, kind, target in (
            ("lantern-1.0/soft", tarfile.SYMTYPE, "../../etc/passwd"),
            ("lantern-1.0/hard", tarfile.LNKTYPE, "/etc/passwd"),
            ("lantern-1.0/pipe", tarfile.FIFOTYPE, ""),
            ("lantern-1.0/directory", tarfile.DIRTYPE, ""),
            ("lantern-1.0/twice", tarfile.REGTYPE, ""),
            ("lantern-1.0/twice", tarfile.REGTYPE, ""),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            archive.addfile(info)
        archive.add(__file__, "lantern-1.0/PKG-INFO")
    (found,) = look(tmp_path).distributions
    assert found.contents is not None
    assert [(m.name[12:], m.target, m.hard, bool(m.digests)) for m in found.contents.members] == [
        ("soft", "../../etc/passwd", False, False),
        ("hard", "/etc/passwd", True, False),
        ("pipe", None, False, False),
        ("twice", None, False, True),
        ("twice", None, False, True),
        ("PKG-INFO", None, False, True),
    ]


def write_zeros(directory: Path, filename: str, size: int) -> None:
    """A distribution that contains only zeros, this many MiB."""
    if filename.endswith(".whl"):
        with (
            zipfile.ZipFile(directory / filename, "w", zipfile.ZIP_DEFLATED) as archive,
            archive.open("lantern-1.0.dist-info/METADATA", "w") as head,
        ):
            head.write(b"Name: lantern\n")
        with (
            zipfile.ZipFile(directory / filename, "a", zipfile.ZIP_DEFLATED) as archive,
            archive.open("lantern/zeros", "w") as stream,
        ):
            for _ in range(size):
                stream.write(bytes(MIB))
        return
    info = tarfile.TarInfo("lantern-1.0/zeros")
    info.size = size * MIB
    with gzip.open(directory / filename, "wb", 1) as packed:
        packed.write(info.tobuf())
        for _ in range(size):
            packed.write(bytes(MIB))


@pytest.mark.parametrize("filename", [WHEEL, SDIST])
def test_decompression_bomb(tmp_path: Path, filename: str) -> None:
    """An archive that expands absurdly is a fault, found within its budget."""
    write_zeros(tmp_path, filename, 300)
    (problem,) = look(tmp_path).broken
    assert (problem.code, problem.filename) == (Code.ARCHIVE_BOMB, filename)
    assert "unpacks to more than" in problem.message


def of_large_files(directory: Path) -> tuple[Path, dict[str, bytes]]:
    """A wheel of a few files that count as large, and one small one between them."""
    files = {f"lantern/{name}.so": NOISE[number:] * 8 for number, name in enumerate("abcd")}
    files["lantern/c.py"] = b"light = 1\n"
    files["lantern-1.0.dist-info/METADATA"] = METADATA
    (directory / WHEEL).write_bytes(wheel(tuple(sorted(files.items()))))
    return directory / WHEEL, files


@pytest.fixture
def small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of 16 KiB are read side by side, by two threads."""
    monkeypatch.setattr(archives, "_LARGE", 16 * 1024)
    monkeypatch.setattr(archives, "_THREADS", 2)


@pytest.mark.usefixtures("small_is_large")
def test_large_files_in_a_wheel_are_read_side_by_side(tmp_path: Path) -> None:
    """Two large files are read at the same time; all are listed in the archive's order."""
    path, files = of_large_files(tmp_path)
    both = threading.Barrier(2)
    reading = set[int | None]()

    def stopped() -> bool:
        thread = threading.current_thread()
        if thread is not threading.main_thread() and thread.ident not in reading:
            reading.add(thread.ident)
            both.wait(HANG)
        return False

    _, contents = archives.wheel(path, stopped)
    assert len(reading) == 2
    assert [member.name for member in contents.members] == sorted(files)
    for member in contents.members:
        content = files[member.name]
        assert member.digests == {"sha256": hashlib.sha256(content).hexdigest()}
    assert contents.unpacked == sum(map(len, files.values()))


@pytest.mark.usefixtures("small_is_large")
def test_damage_in_one_of_several_large_files(tmp_path: Path) -> None:
    """A flipped bit in a file that is read beside others is found."""
    path, files = of_large_files(tmp_path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    whole = path.read_bytes()
    place = whole.index(files["lantern/c.so"])
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    (problem,) = look(tmp_path).broken
    assert (problem.code, problem.filename) == (Code.ARCHIVE_BROKEN, WHEEL)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_huge_tar_header(tmp_path: Path, kind: bytes) -> None:
    """A header that claims gigabytes is refused without using memory."""
    info = tarfile.TarInfo("lantern-1.0/header")
    info.type, info.size = kind, 4 * 1024 * MIB
    with gzip.open(tmp_path / SDIST, "wb", 1) as packed:
        packed.write(info.tobuf())
        for _ in range(200):
            packed.write(bytes(MIB))
    found, memory = peak(tmp_path)
    assert len(found.broken) == 1
    assert memory < 50 * MIB


def test_sparse_file(tmp_path: Path) -> None:
    """A sparse file, which would be read as a gigabyte of zeros, is refused."""
    info = tarfile.TarInfo("lantern-1.0/holes")
    info.type = tarfile.GNUTYPE_SPARSE
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    # No content, and its real size (GNU tar's old sparse format).
    header[386:410] = b"00000000000\0" * 2
    header[483:495] = b"%011o\0" % (1024 * MIB)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    with gzip.open(tmp_path / SDIST, "wb") as packed:
        packed.write(header + tar())
    (problem,) = look(tmp_path).broken
    assert "holes in it is a sparse file" in problem.message


def test_large_wheel_needs_little_memory(tmp_path: Path) -> None:
    """Files are read in pieces: 200 MB need only a few."""
    with zipfile.ZipFile(tmp_path / WHEEL, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("lantern-1.0.dist-info/METADATA", "Name: lantern\n")
        with archive.open("lantern/large", "w") as stream:
            for _ in range(200):
                stream.write(NOISE[:1024] * 1024)
    found, memory = peak(tmp_path)
    (wheel,) = found.distributions
    assert wheel.contents is not None
    assert wheel.contents.unpacked > 200 * MIB
    assert memory < 50 * MIB


def test_broken_archive_does_not_hide_others(tmp_path: Path) -> None:
    """A broken file does not stop the others from being read."""
    (tmp_path / WHEEL).write_bytes(b"junk")
    (tmp_path / SDIST).write_bytes(sdist())
    found = look(tmp_path)
    assert [problem.filename for problem in found.broken] == [WHEEL]
    assert [each.filename for each in found.distributions] == [SDIST]


@pytest.mark.parametrize("top", ["lantern-1.0/", "./lantern-1.0/"])
def test_zipped_sdist(tmp_path: Path, top: str) -> None:
    """An sdist from before PEP 625 is read as any other."""
    file = tmp_path / "lantern-1.0.zip"
    names = [name.replace("lantern-1.0/", top) for name, _ in IN_SDIST]
    file.write_bytes(zipped_sdist(tuple(zip(names, dict(IN_SDIST).values(), strict=True))))
    found = look(tmp_path)
    assert found.broken == ()
    (only,) = found.distributions
    assert (only.parsed.kind, only.metadata) == ("sdist", dict(IN_SDIST)["lantern-1.0/PKG-INFO"])
    assert only.contents is not None
    assert [member.name for member in only.contents.members] == names
    own = archives.own_metadata(file, "sdist")
    assert own == OwnMetadata("lantern", "1.0", sha256=hashlib.sha256(only.metadata).hexdigest())
    assert dict(archives.contents_of(file, {names[1]}, MIB)) == {names[1]: NOISE}


def test_broken_zipped_sdists(tmp_path: Path) -> None:
    """Damage and a missing PKG-INFO are found there, too."""
    file = tmp_path / "lantern-1.0.zip"
    whole = zipped_sdist()
    at = whole.index(NOISE[1000:1020]) if NOISE[1000:1020] in whole else len(whole) // 2
    for content in (
        whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :],
        zipped_sdist(IN_SDIST[1:]),
        zipped_sdist((("lantern-1.0/lantern.egg-info/PKG-INFO", b"Name: lantern"),)),
    ):
        file.write_bytes(content)
        assert look(tmp_path).distributions == ()


def test_contents_of_named_files(built: Project, tmp_path: Path) -> None:
    """Only the named regular files within the size limit."""
    source = (built.path / "lantern" / "__init__.py").read_bytes()
    for file, name in ((built.wheel, ""), (built.sdist, "lantern-1.0/")):
        wanted = {f"{name}lantern/__init__.py"}
        found = dict(archives.contents_of(built.dist / file, wanted, len(source)))
        assert found == {f"{name}lantern/__init__.py": source}
        too_large = dict(archives.contents_of(built.dist / file, wanted, len(source) - 1))
        assert too_large == dict.fromkeys(wanted)
    (tmp_path / SDIST).write_bytes(sdist(IN_SDIST))
    assert not list(archives.contents_of(tmp_path / SDIST, {"lantern-1.0/gone"}, MIB))
