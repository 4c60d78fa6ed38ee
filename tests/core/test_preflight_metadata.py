"""Metadata that an index would refuse, and on which index."""

from __future__ import annotations

from email.utils import parseaddr

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import example, given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name
from packaging.version import Version
from rfc3986 import uri_reference
from rfc3986.exceptions import ValidationError
from rfc3986.validators import Validator
from trove_classifiers import deprecated_classifiers

from poetry_publish_verified.core.distribution import Distribution
from poetry_publish_verified.core.preflight import Circumstances, Identity, check
from poetry_publish_verified.core.urls import Access, RepositoryTarget
from poetry_publish_verified.errors import Code, Problem
from tests.core.distributions import SDIST, WHEEL, core_metadata, distribution

LANTERN = Identity(canonicalize_name("lantern"), Version("1.0"))
URL = "git+https://me:topsecret@code.example/oil.git"
BOTH_WARN = ("warning", "warning")
MORE_THAN_100_MB = 100 * 1024 * 1024 + 1


def wheel(*lines: str) -> Distribution:
    """A wheel with extra metadata lines."""
    return distribution(WHEEL, metadata=core_metadata(*lines))


def reported(*distributions: Distribution, public: bool) -> list[tuple[Code, str]]:
    """Codes and severities of what is wrong."""
    found = check(LANTERN, distributions, public=public)
    return [(problem.code, problem.severity) for problem in found]


@pytest.mark.parametrize(
    ("lines", "code", "in_public", "elsewhere"),
    [
        (["Classifier: Topic :: System"], None, None, None),
        (
            ["Classifier: Natural Language :: Ukranian"],
            *(Code.CLASSIFIER_UNFIT, "error", "warning"),
        ),
        (["Classifier: Private :: Do Not Upload"], Code.CLASSIFIER_UNFIT, "error", None),
        (["Classifier: Topic :: Lanterns"], Code.CLASSIFIER_UNKNOWN, "warning", "warning"),
        (["Requires-Dist: oil>=1"], None, None, None),
        ([f"Requires-Dist: oil @ {URL}"], Code.DIRECT_URL, "error", None),
        (["Requires-Dist: oil @ file:///oil ; extra == 'x'"], Code.DIRECT_URL, "error", None),
        (["Summary: " + "x" * 512], None, None, None),
        (["Summary: " + "x" * 513], Code.SUMMARY, "error", "warning"),
        (["Summary: one\n        two"], Code.SUMMARY, "error", "warning"),
        (["License: MIT", "License-Expression: MIT"], Code.FIELD_REFUSED, "error", None),
        (["License: ", "License-Expression: MIT"], None, None, None),
        (["Author-email: me"], Code.FIELD_REFUSED, "error", None),
        (["Author-email: Me <me@office>"], Code.FIELD_REFUSED, "error", None),
        (["Author-email: Me <me@lantern.example>, you"], None, None, None),
        (["Maintainer-email: me@-office.example"], Code.FIELD_REFUSED, "error", None),
        (["Maintainer-email: me at office.example"], Code.FIELD_REFUSED, "error", None),
        (["Maintainer-email: Müller <müller@größe.example>"], None, None, None),
        (["Home-page: lantern.example"], Code.FIELD_REFUSED, "error", None),
        (["Download-URL: ftp://lantern.example/"], Code.FIELD_REFUSED, "error", None),
        (["Project-URL: Code, git@code.example:lantern.git"], Code.FIELD_REFUSED, "error", None),
        (["Project-URL: Code, HTTPS://code.example/a b"], None, None, None),
        (["Project-URL: Code"], Code.FIELD_REFUSED, "error", None),
        (["Project-URL: , https://code.example"], Code.FIELD_REFUSED, "error", None),
        ([f"Project-URL: {'x' * 33}, https://a.example"], Code.FIELD_REFUSED, "error", None),
        ([f"Project-URL: {'ü' * 32}, https://a.example"], None, None, None),
        (["", "Title", "==", "", ".. nope::"], Code.DESCRIPTION, "warning", "warning"),
        (["Description-Content-Type: text/x-rst", "", ":no:`x`"], Code.DESCRIPTION, *BOTH_WARN),
        (["Description-Content-Type: text/markdown", "", ":no:`x`"], None, None, None),
        (["", "Title", "=====", "", "*Fine*."], None, None, None),
    ],
)
def test_fields_that_pypi_refuses(
    lines: list[str], code: Code | None, in_public: str | None, elsewhere: str | None
) -> None:
    """A field PyPI refuses is an error there, and elsewhere as serious as it deserves."""
    for public, severity in ((True, in_public), (False, elsewhere)):
        expected = [(code, severity)] if severity else []
        assert reported(wheel(*lines), public=public) == expected, public


@given(st.from_regex(r"[a-zA-Z.@ü\-\" +:/]{1,20}|.{0,6}@.{0,9}(\.[a-z-]{0,9})?", fullmatch=True))
@example("me@-office.example")
@example("me.@office.example")
@example("me@office.example1")
def test_malformed_addresses_are_refused_by_pypi(address: str) -> None:
    """What is refused here, PyPI's own library refuses as well."""
    if (Code.FIELD_REFUSED, "error") not in reported(
        wheel(f"Author-email: {address}"), public=True
    ):
        return
    (_, parsed) = parseaddr(wheel(f"Author-email: {address}").raw_metadata["author_email"])
    with pytest.raises(EmailNotValidError):
        validate_email(parsed, check_deliverability=False)


@given(st.from_regex(r"[a-z+]{0,6}:?/{0,2}[a-z@:.\[\] ]{0,20}", fullmatch=True))
@example("https")
@example("HTTP:lantern")
def test_other_urls_are_refused_by_pypi(url: str) -> None:
    """What is refused here, PyPI's own library refuses as well."""
    if (Code.FIELD_REFUSED, "error") not in reported(wheel(f"Home-page: {url}"), public=True):
        return
    said = wheel(f"Home-page: {url}").raw_metadata["home_page"]
    validator = Validator().allow_schemes("http", "https").require_presence_of("scheme")
    with pytest.raises(ValidationError):
        validator.validate(uri_reference(said).normalize())


def test_password_in_a_url_is_hidden() -> None:
    """A URL that is refused may contain a password."""
    (problem,) = check(LANTERN, [wheel(f"Project-URL: Code, {URL}")], public=True)
    assert "code.example" in problem.message
    assert "topsecret" not in problem.message + problem.remedy


def test_description_is_quoted() -> None:
    """The message says on which line the description does not render."""
    (problem,) = check(LANTERN, [wheel("", "Lantern", "", ".. nope::")], public=True)
    assert '(line 3: Unknown directive type "nope")' in problem.message


@pytest.mark.parametrize(
    ("platform", "refused"),
    [
        ("linux_x86_64", True),
        ("linux_aarch64", True),
        ("manylinux_2_28_x86_64.linux_x86_64", True),
        ("linux_armv7l", False),
        ("linux_armv6l", False),
        ("manylinux2014_x86_64", False),
        ("musllinux_1_2_x86_64", False),
        ("any", False),
    ],
)
def test_plain_linux(platform: str, refused: bool) -> None:
    """PyPI accepts no wheel for just any Linux, but for two exceptions."""
    built = distribution(f"lantern-1.0-py3-none-{platform}.whl")
    found = reported(built, public=True)
    assert found == ([(Code.PLAIN_LINUX, "error")] if refused else [])
    assert reported(built, public=False) == []


@pytest.mark.parametrize(
    ("length", "suffix", "refused"),
    [
        (246, "-1.0-py3-none-any.whl", False),
        (247, "-1.0-py3-none-any.whl", True),
        (255, "-1.0.tar.gz", False),
        (256, "-1.0.tar.gz", True),
    ],
)
def test_long_file_name(length: int, suffix: str, refused: bool) -> None:
    """PyPI's server needs room for the file and, beside a wheel, its metadata."""
    name = "x" * (length - len(suffix))
    release = Identity(canonicalize_name(name), Version("1.0"))
    built = distribution(f"{name}{suffix}", metadata=core_metadata(name=name))
    found = [problem.code for problem in check(release, [built], public=True)]
    assert found == ([Code.FILENAME_LONG] if refused else [])
    assert check(release, [built], public=False) == ()


def test_deprecated_classifiers_have_remedies() -> None:
    """The remedy names the replacement, or says that there is none."""
    for classifier, instead in deprecated_classifiers.items():
        (problem,) = check(LANTERN, [wheel(f"Classifier: {classifier}")], public=True)
        assert classifier in problem.message
        assert all(name in problem.remedy for name in instead)
        assert instead or "Remove it" in problem.remedy


def test_direct_dependency_url_is_hidden() -> None:
    """A direct dependency is reported by name; its URL may contain a password."""
    (problem,) = check(LANTERN, [wheel(f"Requires-Dist: oil @ {URL}")], public=True)
    assert "oil" in problem.message
    assert "topsecret" not in problem.message + problem.remedy


def test_shared_problem_is_reported_once() -> None:
    """A bad classifier in two files is one problem naming both; in one file it is that file's."""
    metadata = core_metadata("Classifier: Topic :: Lanterns")
    (both,) = check(
        LANTERN,
        [distribution(WHEEL, metadata=metadata), distribution(SDIST, metadata=metadata)],
        public=False,
    )
    assert WHEEL in both.message
    assert SDIST in both.message
    assert both.filename is None
    (one,) = check(LANTERN, [wheel("Classifier: Topic :: Lanterns")], public=False)
    assert one.filename == WHEEL


def test_large_file_is_a_warning() -> None:
    """A file over PyPI's default limit is a warning, as projects may get more."""
    built = distribution(WHEEL)
    large = Distribution(WHEEL, MORE_THAN_100_MB, built.sha256, built.metadata)
    assert reported(large, public=True) == [(Code.FILE_LARGE, "warning")]
    assert reported(large, public=False) == []


def test_hostile_values_are_sanitized() -> None:
    """Classifiers and file names appear without colours or line breaks."""
    found = check(LANTERN, [wheel("Classifier: \x1b[31mred\r::error::")], public=True)
    assert [problem.code for problem in found] == [Code.CLASSIFIER_UNKNOWN]
    assert "\x1b" not in found[0].message
    assert "\r" not in found[0].message


@pytest.mark.parametrize(
    ("access", "half", "in_public", "elsewhere"),
    [
        (Access(), False, True, False),
        (Access("harbour", "x"), False, False, False),
        (Access("__token__", ""), False, True, False),
        (Access(), True, True, True),
    ],
)
def test_missing_credentials(access: Access, half: bool, in_public: bool, elsewhere: bool) -> None:
    """PyPI requires credentials; half of a login is always an error."""
    repository = RepositoryTarget("my-index", "https://index.example/", access, half)
    for public, refused in ((True, in_public), (False, elsewhere)):
        found = check(
            LANTERN, [distribution(WHEEL)], Circumstances(repository=repository), public=public
        )
        assert [problem.code for problem in found] == [Code.CREDENTIALS_MISSING] * refused
        assert all("MY_INDEX" in problem.remedy for problem in found)


TOKEN = "pypi-AgEIcHlwaS5vcmc"


@pytest.mark.parametrize(
    ("repository", "public", "severity", "words"),
    [
        (Access("me", TOKEN), True, "error", "__token__"),
        (Access("me", TOKEN), False, None, ""),
        (Access("__token__", TOKEN), True, None, ""),
        (Access("me", "secret\n"), False, "warning", "line break"),
        (Access("me", "\r\nsecret"), False, "warning", "line break"),
        (Access("me", ""), False, None, ""),
    ],
)
def test_unlikely_credentials(
    repository: Access, public: bool, severity: str | None, words: str
) -> None:
    """A token of another user name and a line break are found before the upload."""
    target = RepositoryTarget("harbour", "https://index.example/", repository)
    found = check(LANTERN, [wheel()], Circumstances(repository=target), public=public)
    assert [problem.severity for problem in found] == ([severity] if severity else [])
    assert all(words in problem.message for problem in found)
    assert not any("secret" in each.message or TOKEN in each.message for each in found)


@pytest.mark.parametrize(
    ("access", "half", "public", "severity"),
    [
        (Access(), False, False, "warning"),
        (Access(), False, True, "error"),
        (Access("me"), True, False, "error"),
        (Access("me", "secret"), False, False, None),
    ],
)
def test_empty_variables(access: Access, half: bool, public: bool, severity: str | None) -> None:
    """Variables that are set to nothing are named where credentials are missing."""
    empty = ("POETRY_HTTP_BASIC_HARBOUR_PASSWORD",)
    target = RepositoryTarget("harbour", "https://index.example/", access, half, empty)
    found = check(LANTERN, [wheel()], Circumstances(repository=target), public=public)
    assert [problem.severity for problem in found] == ([severity] if severity else [])
    assert all(f"{empty[0]} is set but empty" in problem.message for problem in found)


def test_missing_credentials_of_a_name_with_dots() -> None:
    """Poetry reads no variable for such a name, so none is suggested."""
    for half in (True, False):
        target = RepositoryTarget("my.index", "https://index.example/", Access(), half)
        (found,) = check(LANTERN, [wheel()], Circumstances(repository=target), public=True)
        assert "POETRY_" not in found.remedy
        assert ".my.index <" in found.remedy


def test_broken_files_are_reported_with_other_faults() -> None:
    """Unreadable files are reported together with other faults, not as missing."""
    broken = Problem(Code.ARCHIVE_BROKEN, "It is cut off.", "Build again.", filename=SDIST)
    circumstances = Circumstances(broken=(broken,))
    assert check(LANTERN, [], circumstances, public=False) == (broken,)
    found = check(LANTERN, [wheel("Classifier: Topic :: Lanterns")], circumstances, public=False)
    assert [problem.code for problem in found] == [Code.ARCHIVE_BROKEN, Code.CLASSIFIER_UNKNOWN]
