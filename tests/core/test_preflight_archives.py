"""Archives that installers would refuse or misread."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name
from packaging.version import Version

from poetry_publish_verified.core.contents import ArchiveMember, Contents, algorithms
from poetry_publish_verified.core.preflight import Identity, check
from poetry_publish_verified.errors import Code, Problem
from tests.core.distributions import (
    IN_WHEEL,
    RECORD_NAME,
    SDIST,
    WHEEL,
    core_metadata,
    distribution,
    in_sdist,
    in_wheel,
    member,
    record_line,
)

LANTERN = Identity(canonicalize_name("lantern"), Version("1.0"))
LINES = [record_line(*item) for item in IN_WHEEL.items()]


def wheel_faults(contents: Contents, *lines: str, public: bool = False) -> tuple[Problem, ...]:
    """What is wrong with a wheel of these contents."""
    built = distribution(WHEEL, metadata=core_metadata(*lines), contents=contents)
    return check(LANTERN, [built], public=public)


def sdist_faults(contents: Contents, *lines: str, filename: str = SDIST) -> tuple[Problem, ...]:
    """What is wrong with an sdist of these contents."""
    built = distribution(filename, metadata=core_metadata(*lines), contents=contents)
    return check(LANTERN, [built], public=False)


def test_sound_archives_pass() -> None:
    """A correct wheel and a correct sdist have no fault."""
    assert wheel_faults(in_wheel()) == ()
    assert sdist_faults(in_sdist("lantern-1.0/lantern/__init__.py")) == ()


@pytest.mark.parametrize(
    ("contents", "words"),
    [
        (in_wheel(IN_WHEEL, "lantern/new.py"), "does not list lantern/new.py"),
        (in_wheel(record=[*LINES, "lantern/gone.py,,"]), "not in the wheel: lantern/gone.py"),
        (in_wheel(record=LINES[1:]), "does not list lantern/__init__.py"),
        (
            in_wheel(record=[record_line("lantern/__init__.py", b"night"), *LINES[1:]]),
            "a wrong hash or size for lantern/__init__.py",
        ),
        (in_wheel(record=[LINES[0][:-1] + "6", *LINES[1:]]), "a wrong hash or size"),
        (in_wheel(record=["lantern/__init__.py,,5", *LINES[1:]]), "no sha256 or stronger hash"),
        (
            in_wheel(record=[record_line("lantern/__init__.py", algorithm="md5"), *LINES[1:]]),
            "no sha256 or stronger hash of lantern/__init__.py",
        ),
        (in_wheel(record=["one,two", *LINES]), "cannot be read"),
        (in_wheel(record=["lantern/__init__.py,sha256=ä,5", *LINES[1:]]), "a wrong hash or size"),
        (in_wheel(record=["lantern/__init__.py,rot13=a,5", *LINES[1:]]), "cannot be read"),
        (in_wheel(record=["lantern/__init__.py,sha256,5", *LINES[1:]]), "cannot be read"),
        (in_wheel(record=[LINES[0] + "x", *LINES[1:]]), "cannot be read"),
        (in_wheel(record=[LINES[0] + "9" * 5000, *LINES[1:]]), "cannot be read"),
        (in_wheel(record=[LINES[0], "", *LINES[1:]]), "cannot be read"),
        (in_wheel(record=[*LINES, "x" * 200_000 + ",,"]), "cannot be read"),
        (Contents(in_wheel().members, 1, None, b"Tag: py3-none-any"), "has no RECORD"),
        (Contents(in_wheel().members, 1, b"\xff", b"Tag: py3-none-any"), "cannot be read"),
        (
            Contents(
                (*in_wheel().members, member("lantern/__init__.py")),
                *(1, in_wheel().record, b"Tag: py3-none-any"),
            ),
            "contains lantern/__init__.py more than once",
        ),
    ],
)
def test_record_mismatches_are_reported(contents: Contents, words: str) -> None:
    """Each way in which RECORD and the wheel differ is reported with file names."""
    (problem,) = wheel_faults(contents)
    assert (problem.code, problem.severity) == (Code.RECORD_WRONG, "error")
    assert words in problem.message


@pytest.mark.parametrize("algorithm", ["sha384", "sha512"])
def test_stronger_hash_in_record_is_compared(algorithm: str) -> None:
    """A hash stronger than sha256 is requested and compared."""
    name, content = "lantern/__init__.py", b"light"
    lines = [record_line(name, content, algorithm), *LINES[1:]]
    assert algorithms("\n".join(lines).encode()) == {"sha256", algorithm}
    whole = in_wheel(record=lines)
    for digest, fits in ((hashlib.new(algorithm, content).hexdigest(), True), ("00", False)):
        hashed = ArchiveMember(name, len(content), {"sha256": "", algorithm: digest})
        found = wheel_faults(Contents((hashed, *whole.members[1:]), 1, whole.record, whole.wheel))
        assert (found == ()) is fits


def test_record_signatures_need_no_line() -> None:
    """RECORD, RECORD.jws and RECORD.p7s need no line; the same names elsewhere do."""
    assert wheel_faults(in_wheel(IN_WHEEL, f"{RECORD_NAME}.jws", f"{RECORD_NAME}.p7s")) == ()
    assert len(wheel_faults(in_wheel(IN_WHEEL, "lantern/RECORD"))) == 1


def test_many_wrong_files_are_summarized() -> None:
    """A thousand files missing from RECORD are one problem that names a few."""
    (problem,) = wheel_faults(in_wheel(IN_WHEEL, *(f"lantern/{n}.py" for n in range(1000))))
    assert "and 995 more" in problem.message
    assert len(problem.message) < 1000


@given(st.binary())
@example(b'"')
@example(b"a,sha256=" + b"A" * 200_000 + b",1")
@example(b"a,sha256=A,1\nb,sha512=====,")
def test_any_record_is_judged(record: bytes) -> None:
    """Any bytes as RECORD pass or give a problem."""
    assert algorithms(record) >= {"sha256"}
    for problem in wheel_faults(Contents((), 1, record, b"Tag: py3-none-any")):
        assert problem.code in {Code.RECORD_WRONG, Code.ARCHIVE_LAYOUT}


@pytest.mark.parametrize(
    "name",
    [
        *("../lantern.py", "lantern/../../x", "/etc/lantern", "\\lantern", "C:\\lantern"),
        *("C:lantern", "lantern\\..\\..\\x", "", "lantern-1.0/../x"),
    ],
)
def test_paths_outside_the_archive_are_refused(name: str) -> None:
    """Absolute paths and those with .. are refused, Windows paths too, in both kinds."""
    assert Code.MEMBER_LEADS_OUT in {
        p.code for p in wheel_faults(in_wheel({**IN_WHEEL, name: b""}))
    }
    assert Code.MEMBER_LEADS_OUT in {p.code for p in sdist_faults(in_sdist(name))}


def test_files_of_poetry_and_the_plugin_are_refused() -> None:
    """Locks and plugins of this machine do not belong in a release; a .gitignore may."""
    names = [".poetry/plugins/x.py", ".poetry/.gitignore"]
    sdist = sdist_faults(in_sdist(*(f"lantern-1.0/{name}" for name in names)))
    wheel = wheel_faults(in_wheel(IN_WHEEL, *names))
    assert [problem.code for problem in sdist] == [Code.POETRYS_FILES_PACKED]
    assert ".poetry/plugins/x.py" in sdist[0].message
    assert ".poetry/.gitignore" not in sdist[0].message
    assert Code.POETRYS_FILES_PACKED in {problem.code for problem in wheel}
    assert sdist_faults(in_sdist("lantern-1.0/.poetry/.gitignore", "lantern-1.0/a/.poetry/x")) == ()


@pytest.mark.parametrize(
    ("target", "hard", "leads_out"),
    [
        ("other.py", False, False),
        ("../README.md", False, False),
        ("../../README.md", False, True),
        ("/etc/passwd", False, True),
        ("C:\\lantern", False, True),
        ("..\\..\\x", False, True),
        ("lantern-1.0/README.md", True, False),
        ("../README.md", True, True),
    ],
)
def test_links_must_stay_inside_the_sdist(target: str, hard: bool, leads_out: bool) -> None:
    """A link may only point into the sdist's own directory."""
    link = ArchiveMember("lantern-1.0/lantern/link.py", 0, target=target, hard=hard)
    codes = [problem.code for problem in sdist_faults(in_sdist(link))]
    assert codes == [Code.MEMBER_LEADS_OUT] * leads_out


@pytest.mark.parametrize(
    ("names", "fits"),
    [
        (["lantern-1.0/x"], True),
        (["./lantern-1.0/x"], True),
        (["lantern-1.0/x", "setup.py"], False),
        (["lantern-1.0/x", "lantern-1.1/x"], False),
        (["lantern/PKG-INFO"], False),
        (["Lantern-1.0.0/x"], True),
        ([], False),
    ],
)
def test_sdist_has_one_directory(names: list[str], fits: bool) -> None:
    """One directory, named after the release, contains everything."""
    found = sdist_faults(Contents(tuple(map(member, names)), 1))
    assert [problem.code for problem in found] == [Code.ARCHIVE_LAYOUT] * (not fits)


@pytest.mark.parametrize("directory", ["lamp-1.0.dist-info", "lantern-2.0.dist-info"])
def test_wheel_has_one_dist_info(directory: str) -> None:
    """A wheel has exactly one .dist-info, of this release."""
    (problem,) = wheel_faults(in_wheel({**IN_WHEEL, f"{directory}/METADATA": b"x"}))
    assert problem.code is Code.ARCHIVE_LAYOUT
    assert directory in problem.message


def test_wheel_file_is_required() -> None:
    """A wheel must contain a WHEEL file."""
    (problem,) = wheel_faults(in_wheel(wheel=None))
    assert problem.code is Code.ARCHIVE_LAYOUT


@pytest.mark.parametrize(
    ("wheel", "fits"),
    [
        (b"Tag: py3-none-any", True),
        (b"Tag: py2-none-any\nTag: py3-none-any", False),
        (b"tag:py3-none-any\r\n", True),
        (b"Tag: cp311-abi3-linux_x86_64", False),
        (b"Tag: \x1b-\xff-any", False),
        (b"Tag: py3", False),
        pytest.param(b"Tag: " + b"-".join([b".".join([b"py3"] * 999)] * 3), False, id="endless"),
        (b"", False),
    ],
)
def test_tags_in_wheel_differ_from_the_name(wheel: bytes, fits: bool) -> None:
    """Tags in WHEEL other than the file name's are a warning."""
    found = wheel_faults(in_wheel(wheel=wheel))
    expected = [] if fits else [(Code.WHEEL_TAGS, "warning")]
    assert [(problem.code, problem.severity) for problem in found] == expected
    assert not any("\x1b" in problem.message for problem in found)


def test_compressed_tags_match_wheel() -> None:
    """A name with compressed tags matches a WHEEL that lists each."""
    contents = in_wheel(wheel=b"Tag: py2-none-any\nTag: py3-none-any")
    built = distribution("lantern-1.0-py2.py3-none-any.whl", contents=contents)
    assert check(LANTERN, [built], public=True) == ()


@pytest.mark.parametrize(
    "filename",
    [
        *("Lantern-1.0-py3-none-any.whl", "lantern-01.0-py3-none-any.whl"),
        *("Lantern-1.0.tar.gz", "lantern-1.0.zip"),
    ],
)
def test_file_name_must_be_normalized(filename: str) -> None:
    """PyPI refuses it, others accept it, and the message gives the right name."""
    for public, severity in ((True, "error"), (False, "warning")):
        (problem,) = check(LANTERN, [distribution(filename)], public=public)
        assert (problem.code, problem.severity) == (Code.FILENAME_NOT_NORMALIZED, severity)
        assert (WHEEL if filename.endswith("whl") else SDIST) in problem.message


def test_build_numbers_and_underscores_are_valid() -> None:
    """Build numbers, tags and underscores are valid in a name."""
    release = Identity(canonicalize_name("lan-tern"), Version("1.0"))
    for filename in ("lan_tern-1.0-7-py3-none-any.whl", "lan_tern-1.0.tar.gz"):
        built = distribution(filename, metadata=core_metadata(name="lan-tern"))
        assert check(release, [built], public=True) == ()
    dashed = distribution("lan-tern-1.0.tar.gz", metadata=core_metadata(name="lan-tern"))
    assert len(check(release, [dashed], public=True)) == 1


@pytest.mark.parametrize(
    ("there", "version", "fits"),
    [
        (["LICENSE", "licenses/OIL"], "2.4", True),
        (["LICENSE"], "2.4", False),
        (["LICENSE"], "2.3", True),
        (["LICENSE"], "2.10", False),
    ],
)
def test_license_files_must_be_in_the_archive(there: list[str], version: str, fits: bool) -> None:
    """From metadata 2.4, license files named in the metadata must be in the archive."""
    lines = ("License-File: LICENSE", "License-File: licenses/OIL")
    metadata = core_metadata(*lines).replace(b"2.4", version.encode())
    sdist = in_sdist(*(f"lantern-1.0/{name}" for name in there))
    files = {f"lantern-1.0.dist-info/licenses/{name}": b"" for name in there}
    wheel = in_wheel({**IN_WHEEL, **files})
    for filename, contents in ((SDIST, sdist), (WHEEL, wheel)):
        built = distribution(filename, metadata=metadata, contents=contents)
        codes = [problem.code for problem in check(LANTERN, [built], public=False)]
        missing = [code for code in codes if code is Code.LICENSE_FILE_MISSING]
        assert missing == [Code.LICENSE_FILE_MISSING] * (not fits)


@pytest.mark.parametrize(
    ("unpacked", "public", "refused"),
    [
        (64 * 1024 * 1024, True, False),
        (64 * 1024 * 1024 + 1, True, True),
        (64 * 1024 * 1024 + 1, False, False),
    ],
)
def test_compression_ratio_limit(unpacked: int, public: bool, refused: bool) -> None:
    """PyPI refuses wheels that expand more than fifty times."""
    whole = in_wheel()
    contents = Contents(whole.members, unpacked, whole.record, whole.wheel)
    codes = [problem.code for problem in wheel_faults(contents, public=public)]
    assert codes == [Code.ARCHIVE_BOMB] * refused
