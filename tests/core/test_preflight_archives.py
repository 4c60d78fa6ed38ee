"""Archives that installers would refuse, or be led astray by."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import example
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name
from packaging.version import Version

from poetry_publish_verified.core.contents import ArchiveMember
from poetry_publish_verified.core.contents import Contents
from poetry_publish_verified.core.contents import algorithms
from poetry_publish_verified.core.preflight import Identity
from poetry_publish_verified.core.preflight import check
from poetry_publish_verified.errors import Code
from poetry_publish_verified.errors import Problem
from tests.core.distributions import IN_WHEEL
from tests.core.distributions import RECORD_NAME
from tests.core.distributions import SDIST
from tests.core.distributions import WHEEL
from tests.core.distributions import core_metadata
from tests.core.distributions import distribution
from tests.core.distributions import in_sdist
from tests.core.distributions import in_wheel
from tests.core.distributions import member
from tests.core.distributions import record_line

LANTERN = Identity(canonicalize_name("lantern"), Version("1.0"))
LINES = [record_line(*item) for item in IN_WHEEL.items()]


def of_wheel(contents: Contents, *lines: str, public: bool = False) -> tuple[Problem, ...]:
    """What is wrong with a wheel of these contents."""
    built = distribution(WHEEL, metadata=core_metadata(*lines), contents=contents)
    return check(LANTERN, [built], public=public)


def of_sdist(contents: Contents, *lines: str, filename: str = SDIST) -> tuple[Problem, ...]:
    """What is wrong with an sdist of these contents."""
    built = distribution(filename, metadata=core_metadata(*lines), contents=contents)
    return check(LANTERN, [built], public=False)


def test_sound_archives() -> None:
    """A wheel and an sdist as they should be have no fault."""
    assert of_wheel(in_wheel()) == ()
    assert of_sdist(in_sdist("lantern-1.0/lantern/__init__.py")) == ()


@pytest.mark.parametrize(
    ("contents", "words"),
    [
        (in_wheel(IN_WHEEL, "lantern/new.py"), "does not name lantern/new.py"),
        (in_wheel(record=[*LINES, "lantern/gone.py,,"]), "not there: lantern/gone.py"),
        (in_wheel(record=LINES[1:]), "does not name lantern/__init__.py"),
        (
            in_wheel(record=[record_line("lantern/__init__.py", b"night"), *LINES[1:]]),
            "another hash or size of lantern/__init__.py",
        ),
        (in_wheel(record=[LINES[0][:-1] + "6", *LINES[1:]]), "another hash or size"),
        (in_wheel(record=["lantern/__init__.py,,5", *LINES[1:]]), "no sha256 or better"),
        (
            in_wheel(record=[record_line("lantern/__init__.py", algorithm="md5"), *LINES[1:]]),
            "no sha256 or better of lantern/__init__.py",
        ),
        (in_wheel(record=["one,two", *LINES]), "cannot be read"),
        (in_wheel(record=["lantern/__init__.py,sha256=ä,5"]), "cannot be read"),
        (in_wheel(record=[LINES[0] + "x", *LINES[1:]]), "cannot be read"),
        (Contents(in_wheel().members, 1, None, b"Tag: py3-none-any"), "has no RECORD"),
        (Contents(in_wheel().members, 1, b"\xff", b"Tag: py3-none-any"), "cannot be read"),
        (
            Contents(
                (*in_wheel().members, member("lantern/__init__.py")),
                *(1, in_wheel().record, b"Tag: py3-none-any"),
            ),
            "more than one file of the name lantern/__init__.py",
        ),
    ],
)
def test_a_wrong_record(contents: Contents, words: str) -> None:
    """Each way in which RECORD and the wheel differ is told, with the files' names."""
    (problem,) = of_wheel(contents)
    assert (problem.code, problem.severity) == (Code.RECORD_WRONG, "error")
    assert words in problem.message


@pytest.mark.parametrize("algorithm", ["sha384", "sha512"])
def test_a_record_with_a_better_hash(algorithm: str) -> None:
    """A stronger hash than sha256 is asked for and compared."""
    name, content = "lantern/__init__.py", b"light"
    lines = [record_line(name, content, algorithm), *LINES[1:]]
    assert algorithms("\n".join(lines).encode()) == {"sha256", algorithm}
    whole = in_wheel(record=lines)
    for digest, fits in ((hashlib.new(algorithm, content).hexdigest(), True), ("00", False)):
        hashed = ArchiveMember(name, len(content), {"sha256": "", algorithm: digest})
        found = of_wheel(Contents((hashed, *whole.members[1:]), 1, whole.record, whole.wheel))
        assert (found == ()) is fits


def test_signatures_over_record_are_not_in_it() -> None:
    """RECORD, RECORD.jws and RECORD.p7s need no line; the same names elsewhere do."""
    assert of_wheel(in_wheel(IN_WHEEL, f"{RECORD_NAME}.jws", f"{RECORD_NAME}.p7s")) == ()
    assert len(of_wheel(in_wheel(IN_WHEEL, "lantern/RECORD"))) == 1


def test_many_wrong_files_are_one_problem() -> None:
    """Of a thousand files that RECORD does not name, a few are named and the rest counted."""
    (problem,) = of_wheel(in_wheel(IN_WHEEL, *(f"lantern/{n}.py" for n in range(1000))))
    assert "and 995 more" in problem.message
    assert len(problem.message) < 1000


@given(st.binary())
@example(b'"')
@example(b"a,sha256=" + b"A" * 200_000 + b",1")
@example(b"a,sha256=A,1\nb,sha512=====,")
def test_any_record_passes_or_is_told(record: bytes) -> None:
    """No bytes make reading RECORD fail in another way than a problem."""
    assert algorithms(record) >= {"sha256"}
    for problem in of_wheel(Contents((), 1, record, b"Tag: py3-none-any")):
        assert problem.code in {Code.RECORD_WRONG, Code.ARCHIVE_LAYOUT}


@pytest.mark.parametrize(
    "name",
    [
        *("../lantern.py", "lantern/../../x", "/etc/lantern", "\\lantern", "C:\\lantern"),
        *("C:lantern", "lantern\\..\\..\\x", "", "lantern-1.0/../x"),
    ],
)
def test_a_member_that_leads_out(name: str) -> None:
    """Absolute names and those that climb are refused, for Windows too, in both kinds."""
    assert Code.MEMBER_LEADS_OUT in {p.code for p in of_wheel(in_wheel({**IN_WHEEL, name: b""}))}
    assert Code.MEMBER_LEADS_OUT in {p.code for p in of_sdist(in_sdist(name))}


def test_poetrys_own_files() -> None:
    """Locks and plugins of this machine are no part of a release; a .gitignore does no harm."""
    names = [".poetry/plugins/x.py", ".poetry/.gitignore"]
    sdist = of_sdist(in_sdist(*(f"lantern-1.0/{name}" for name in names)))
    wheel = of_wheel(in_wheel(IN_WHEEL, *names))
    assert [problem.code for problem in sdist] == [Code.POETRYS_FILES_PACKED]
    assert ".poetry/plugins/x.py" in sdist[0].message
    assert ".poetry/.gitignore" not in sdist[0].message
    assert Code.POETRYS_FILES_PACKED in {problem.code for problem in wheel}
    assert of_sdist(in_sdist("lantern-1.0/.poetry/.gitignore", "lantern-1.0/a/.poetry/x")) == ()


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
def test_a_link(target: str, hard: bool, leads_out: bool) -> None:
    """A link may lead to what is in the sdist's own folder, and nowhere else."""
    link = ArchiveMember("lantern-1.0/lantern/link.py", 0, target=target, hard=hard)
    codes = [problem.code for problem in of_sdist(in_sdist(link))]
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
def test_the_folder_of_an_sdist(names: list[str], fits: bool) -> None:
    """One folder, named after the release, holds all."""
    found = of_sdist(Contents(tuple(map(member, names)), 1))
    assert [problem.code for problem in found] == [Code.ARCHIVE_LAYOUT] * (not fits)


@pytest.mark.parametrize("folder", ["lamp-1.0.dist-info", "lantern-2.0.dist-info"])
def test_the_dist_info_of_a_wheel(folder: str) -> None:
    """One .dist-info, and it is this release's."""
    (problem,) = of_wheel(in_wheel({**IN_WHEEL, f"{folder}/METADATA": b"x"}))
    assert problem.code is Code.ARCHIVE_LAYOUT
    assert folder in problem.message


def test_a_wheel_without_wheel() -> None:
    """A wheel has to have a WHEEL file."""
    (problem,) = of_wheel(in_wheel(wheel=None))
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
def test_the_tags_of_a_wheel(wheel: bytes, fits: bool) -> None:
    """Tags in WHEEL that are not those of the file name are a warning."""
    found = of_wheel(in_wheel(wheel=wheel))
    expected = [] if fits else [(Code.WHEEL_TAGS, "warning")]
    assert [(problem.code, problem.severity) for problem in found] == expected
    assert not any("\x1b" in problem.message for problem in found)


def test_compressed_tags() -> None:
    """A name with several tags fits a WHEEL that has each."""
    contents = in_wheel(wheel=b"Tag: py2-none-any\nTag: py3-none-any")
    built = distribution("lantern-1.0-py2.py3-none-any.whl", contents=contents)
    assert check(LANTERN, [built], public=True) == ()


@pytest.mark.parametrize(
    "filename",
    ["Lantern-1.0-py3-none-any.whl", "lantern-01.0-py3-none-any.whl", "Lantern-1.0.tar.gz"],
)
def test_a_name_that_is_not_normalised(filename: str) -> None:
    """PyPI refuses it, others take it, and the right name is told."""
    for public, severity in ((True, "error"), (False, "warning")):
        (problem,) = check(LANTERN, [distribution(filename)], public=public)
        assert (problem.code, problem.severity) == (Code.FILENAME_NOT_NORMALISED, severity)
        assert (WHEEL if filename.endswith("whl") else SDIST) in problem.message


def test_a_build_number_and_underscores_are_normal() -> None:
    """Build numbers, tags and underscores in a name are as they should be."""
    release = Identity(canonicalize_name("lan-tern"), Version("1.0"))
    for filename in ("lan_tern-1.0-7-py3-none-any.whl", "lan_tern-1.0.tar.gz"):
        built = distribution(filename, metadata=core_metadata(name="lan-tern"))
        assert check(release, [built], public=True) == ()
    dashed = distribution("lan-tern-1.0.tar.gz", metadata=core_metadata(name="lan-tern"))
    assert len(check(release, [dashed], public=True)) == 1


@pytest.mark.parametrize(
    ("there", "version", "fits"),
    [
        (["LICENSE", "licences/OIL"], "2.4", True),
        (["LICENSE"], "2.4", False),
        (["LICENSE"], "2.3", True),
        (["LICENSE"], "2.10", False),
    ],
)
def test_licence_files(there: list[str], version: str, fits: bool) -> None:
    """Licence files that the metadata names are in the archive, from metadata 2.4 on."""
    lines = ("License-File: LICENSE", "License-File: licences/OIL")
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
def test_a_wheel_that_unpacks_to_much(unpacked: int, public: bool, refused: bool) -> None:
    """PyPI refuses wheels that grow more than fifty times."""
    whole = in_wheel()
    contents = Contents(whole.members, unpacked, whole.record, whole.wheel)
    codes = [problem.code for problem in of_wheel(contents, public=public)]
    assert codes == [Code.ARCHIVE_BOMB] * refused
