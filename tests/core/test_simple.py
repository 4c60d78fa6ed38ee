"""Pages that the standards allow: what is read of them, in HTML and in JSON."""

from __future__ import annotations

import json
import string
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from poetry_publish_verified.core.simple import parse_page, parse_version_page
from poetry_publish_verified.core.simple.page import (
    Hashes,
    IndexFile,
    ProjectPage,
    UnreadablePageError,
)
from poetry_publish_verified.sanitize import printable
from tests.core.distributions import SDIST, WHEEL
from tests.core.vendor_pages import (
    JSON,
    PYPI,
    PYPI_JSON,
    SDIST_SHA256,
    WHEEL_SHA256,
    WITH_HASHES,
    WITHOUT_HASHES,
)

URL = "https://index.example/simple/lantern/"
HTML = "text/html; charset=utf-8"
HASH = "ab" * 32
SHA512 = "cd" * 64
PROVENANCE = f"https://index.example/integrity/lantern/1.0/{WHEEL}/provenance"


def read(body: str, kind: str = HTML) -> ProjectPage:
    """Read a page of lantern."""
    return parse_page("lantern", body.encode(), kind, URL)


def html(*anchors: str, head: str = "") -> ProjectPage:
    """Read an HTML page with these links."""
    links = "".join(f"<a href={anchor}>x</a><br/>\n" for anchor in anchors)
    return read(f"<!DOCTYPE html><html><head>{head}</head><body>{links}</body></html>")


def json_page(*files: object, **more: object) -> ProjectPage:
    """Read a JSON page with these files."""
    page = {"meta": {"api-version": "1.1"}, "name": "lantern", "files": files, **more}
    return read(json.dumps(page), JSON)


def entry(**more: object) -> dict[str, object]:
    """One file of a JSON page."""
    return {"filename": WHEEL, "url": WHEEL, "hashes": {"sha256": HASH}, **more}


# As indexes write them.


@pytest.mark.parametrize(("body", "kind"), WITH_HASHES.values(), ids=WITH_HASHES)
def test_pages_of_each_index(body: str, kind: str) -> None:
    """Both files are properly listed with their hashes, at URLs that end in their names."""
    page = read(body, kind)
    assert {name: file.sha256 for name, file in page.files.items()} == {
        WHEEL: WHEEL_SHA256, SDIST: SDIST_SHA256,
    }  # fmt: skip
    assert [file.flaw for file in page.files.values()] == ["", ""]
    assert all(file.url.endswith(f"/{name}") for name, file in page.files.items())
    assert all(file.url.startswith(("https://", "http://")) for file in page.files.values())
    assert {file.requires_python for file in page.files.values()} <= {">=3.8", "", None}
    assert page.status == "active"


@pytest.mark.parametrize(("body", "kind"), WITHOUT_HASHES.values(), ids=WITHOUT_HASHES)
def test_directory_listings(body: str, kind: str) -> None:
    """Both files are properly listed, without a hash."""
    assert read(body, kind).files == {
        name: IndexFile(name, f"{URL}{name}") for name in (WHEEL, SDIST)
    }


def test_html_and_json_of_pypi_agree() -> None:
    """Only sizes are in JSON alone."""
    in_json = read(PYPI_JSON, JSON).files
    assert {file.size for file in in_json.values()} == {5, 7}
    assert {n: replace(file, size=None) for n, file in in_json.items()} == read(PYPI).files


# What popular projects have on their pages besides.

OLD_FILES: list[dict[str, object]] = [
    {"filename": "lantern-0.1-py2.5.egg", "requires-python": ""},
    {"filename": "lantern-0.1.win32-py2.7.exe"},
    {"filename": "lantern-0.1-1.noarch.rpm"},
    {"filename": "lantern-0.1.win-amd64.msi"},
    {"filename": "lantern-0.2dev-r1234.tar.gz"},
    {"filename": "lantern-0.3_beta+final.zip"},
    {"filename": "lantern-not.a.version.tar.bz2"},
    {"filename": "lantern.tar.gz"},
    {"filename": "Lantern-0.4-py2.py3-none-any.whl", "requires-python": ">=2.7, !=3.0.*"},
    {"filename": "lantern-0.5.tar.gz", "requires-python": ">=3.8.*"},
    {"filename": "lantern-0.6.tar.gz", "requires-python": ">= '2.7'"},
    {"filename": "lantern-0.7.tar.gz", "requires-python": "~=3.6,<4,"},
    {"filename": "lantern-0.8.tar.gz", "yanked": "a < b & \"c\" - 'ß'"},
    {"filename": "lantern-0.9-py3-none-any.whl", "core-metadata": True, "yanked": True},
]


def test_odd_old_files_do_not_matter() -> None:
    """Odd entries of other files do not affect the listed file, in either form."""
    files = [entry(), *({**entry(url=f"../../f/{e['filename']}"), **e} for e in OLD_FILES)]
    in_json = json_page(*files)
    links = [f'"{WHEEL}#sha256={HASH}"']
    for file in OLD_FILES:
        python, yanked = file.get("requires-python"), file.get("yanked")
        link = f'"../../f/{file["filename"]}#md5={"0" * 32}"'
        link += f' data-requires-python="{escaped(python)}"' if python is not None else ""
        links.append(link + (f' data-yanked="{escaped(yanked)}"' if yanked else ""))
    for page in (in_json, html(*links)):
        assert page.files[WHEEL] == IndexFile(WHEEL, URL + WHEEL, HASH)
        assert {str(e["filename"]) for e in OLD_FILES} <= set(page.files)


def escaped(value: object) -> str:
    """A value as PyPI writes it into an attribute."""
    text = str(value)
    for char, reference in (("&", "amp"), ("<", "lt"), (">", "gt"), ('"', "#34"), ("'", "#39")):
        text = text.replace(char, f"&{reference};")
    return text


# Links of HTML.


@pytest.mark.parametrize(
    ("href", "url"),
    [
        (f"{WHEEL}#sha256={HASH}", f"{URL}{WHEEL}"),
        (f"../../files/{WHEEL}#sha256={HASH}", f"https://index.example/files/{WHEEL}"),
        (f"/files/{WHEEL}#sha256={HASH}", f"https://index.example/files/{WHEEL}"),
        (f"//files.example/{WHEEL}#sha256={HASH}", f"https://files.example/{WHEEL}"),
        (f"http://files.example/{WHEEL}#sha256={HASH}", f"http://files.example/{WHEEL}"),
        (f"HTTP://files.example:80/{WHEEL}#sha256={HASH}", f"HTTP://files.example:80/{WHEEL}"),
        (f"http://[::1]:80/{WHEEL}#sha256={HASH}", f"http://[::1]:80/{WHEEL}"),
        (
            f"https://files.example/{WHEEL}?token=a&amp;b=c#sha256={HASH}",
            f"https://files.example/{WHEEL}?token=a&b=c",
        ),
        (f"/a?b=c/{WHEEL}?/../{WHEEL}#sha256={HASH}", None),
        (f"/%41/{WHEEL}&#35;sha256&equals;{HASH}", f"https://index.example/%41/{WHEEL}"),
    ],
)
def test_link_urls_and_hashes(href: str, url: str | None) -> None:
    """Absolute and relative links lead to the file, and the fragment gives its hash."""
    files = {} if url is None else {WHEEL: IndexFile(WHEEL, url, HASH)}
    assert html(f'"{href}"').files == files


@pytest.mark.parametrize(
    "tag",
    [
        "<a href='W'>", "<a href=W>", '<A HREF="W">', '<a\nhref\n=\n"W">', '<a href="W"/>',
        '<a title=">" href="W">', "<a title='<a href=x>' href=\"W\" hidden>", '<a\x0chref="W" />',
        '<a href="W" class=x rel=internal href="W">', '<a data-x href="W">',
    ],
)  # fmt: skip
def test_link_syntax(tag: str) -> None:
    """Quotes, case, other attributes and closing tags do not matter."""
    page = read(tag.replace("W", f"/f/{WHEEL}#sha256={HASH}"))
    assert page.files == {WHEEL: IndexFile(WHEEL, f"https://index.example/f/{WHEEL}", HASH)}


@pytest.mark.parametrize(
    "markup",
    [
        "<!doctype html>", '<?xml version="1.0"?>', "<!---->", "<!-- a -- b --->", "\ufeff", "\r\n",
        f'<!-- <a href="{SDIST}"> -->', "<!--[if IE]><p><![endif]-->", "<p title='<!--'>",
        '<p title="<script>">', "don't & won't > &copy= &lt", "<p><li><td>", "<br><br/><br />",
        "<title>Links for 'lantern</title>", "<script>if (1<2) '<a>'</script>", "</body></p >",
        f'<script src=x><a href="{SDIST}"></SCRIPT\n>', "<style><!-- p > a {} --></style>",
        "<my-own x:y=z>", '<a name="top"><a href><a href="">', '<a href="../">', '<a href="#top">',
        '<a href="mailto:a@lantern.example">', '<a href="?C=N;O=D">', '<a href="javascript:x()">',
        '<a href="https://lantern.example/docs">', f'<a href="{SDIST}.asc">', "<form><input>",
        '<base target="x">', '<base href="https://index.example/"/>', "<meta charset='utf-8'>",
        '<meta name="pypi:repository-version" content="1.99">',
    ],
)  # fmt: skip
def test_other_markup_is_ignored(markup: str) -> None:
    """Other markup does not hide the link to a file."""
    page = read(f'{markup}<a href="/f/{WHEEL}#sha256={HASH}">x</a>')
    assert page.files == {WHEEL: IndexFile(WHEEL, f"https://index.example/f/{WHEEL}", HASH)}


@pytest.mark.parametrize("fragment", ["", "#", "#md5=" + "ab" * 16, "#sha512=" + SHA512])
def test_link_without_sha256(fragment: str) -> None:
    """A link without a sha256 is listed without one."""
    file = html(f'"{WHEEL}{fragment}"').files[WHEEL]
    assert (file.sha256, file.flaw) == (None, "")


def test_name_is_unescaped() -> None:
    """A name with a + is the same name where the link escapes it."""
    name = "lantern-1.0+dark-py3-none-any.whl"
    file = html(f'"{name.replace("+", "%2B")}"').files[name]
    assert (file.url, file.flaw) == (URL + name.replace("+", "%2B"), "")


def test_relative_links_follow_base() -> None:
    """Relative links are relative to <base>."""
    page = html(f'"{WHEEL}"', head='<base href="https://files.example/f/">')
    assert page.files[WHEEL].url == f"https://files.example/f/{WHEEL}"


def test_files_beside_a_file_are_not_listed() -> None:
    """Signatures and metadata beside a file are not the file."""
    page = html(f'"{WHEEL}.metadata#sha256={HASH}"', f'"{SDIST}.asc"')
    assert page.files == {}


# Fields.


def test_all_hashes_are_kept() -> None:
    """All that can be compared with the bytes, of a file and of its metadata."""
    page = json_page(entry(hashes={"sha256": HASH, "sha512": SHA512, "md5": "ab" * 16}))
    assert page.files[WHEEL].sha256 == HASH
    assert page.files[WHEEL].digests == (("sha512", SHA512), ("md5", "ab" * 16))
    page = html(f'"{WHEEL}#md5={"ab" * 16}" data-core-metadata="sha512={SHA512}"')
    assert page.files[WHEEL].digests == (("md5", "ab" * 16),)
    assert page.files[WHEEL].metadata == Hashes(others=(("sha512", SHA512),))


@pytest.mark.parametrize(
    ("fields", "file"),
    [
        ({}, {}),
        ({"size": 0}, {"size": 0}),
        ({"size": 5}, {"size": 5}),
        ({"requires-python": ">=3.8"}, {"requires_python": ">=3.8"}),
        ({"requires-python": ""}, {"requires_python": ""}),
        ({"requires-python": None}, {}),
        ({"yanked": False}, {}),
        ({"yanked": True}, {"yanked": ""}),
        ({"yanked": ""}, {"yanked": ""}),
        ({"yanked": "broken"}, {"yanked": "broken"}),
        ({"core-metadata": True}, {"metadata": Hashes()}),
        ({"core-metadata": False}, {}),
        ({"core-metadata": None}, {}),
        ({"core-metadata": {"sha256": HASH}}, {"metadata": Hashes(HASH)}),
        ({"dist-info-metadata": {"sha256": HASH}}, {"metadata": Hashes(HASH)}),
        ({"core-metadata": False, "dist-info-metadata": {"sha256": HASH}}, {}),
        ({"core-metadata": None, "dist-info-metadata": True}, {"metadata": Hashes()}),
        ({"upload-time": "2024-02-29T23:59:59Z"}, {}),
        ({"upload-time": "2024-02-29T23:59:59.123456+05:30"}, {}),
        ({"provenance": PROVENANCE}, {"provenance": PROVENANCE}),
        ({"gpg-sig": False, "provenance": None, "later": {"keys": [1.5, None]}}, {}),
    ],
)
def test_optional_fields_of_json(fields: dict[str, object], file: dict[str, Any]) -> None:
    """Python, yank and metadata of a file; the newer name of a field before the older."""
    assert json_page(entry(**fields)).files == {
        WHEEL: replace(IndexFile(WHEEL, URL + WHEEL, HASH), **file)
    }


def test_time_of_an_upload() -> None:
    """It is a moment, whatever the time zone; None if the page does not say it."""
    page = json_page(entry(**{"upload-time": "2024-02-29T23:59:59.500000+05:30"}))
    moment = datetime(2024, 2, 29, 18, 29, 59, 500_000, tzinfo=UTC)
    assert page.files[WHEEL].uploaded == moment
    assert json_page(entry()).files[WHEEL].uploaded is None


@pytest.mark.parametrize(
    ("attributes", "file"),
    [
        ("", {}),
        ('data-requires-python="&gt;=3.8, &lt;4"', {"requires_python": ">=3.8, <4"}),
        ('data-requires-python=">=3.8, <4"', {"requires_python": ">=3.8, <4"}),
        ('data-requires-python="&#62;&#x3D;3.8"', {"requires_python": ">=3.8"}),
        ("data-requires-python", {"requires_python": ""}),
        ("data-yanked", {"yanked": ""}),
        ('data-yanked=""', {"yanked": ""}),
        ('DATA-YANKED="it &amp; that"', {"yanked": "it & that"}),
        ('data-core-metadata="true"', {"metadata": Hashes()}),
        (f'data-core-metadata="sha256={HASH}"', {"metadata": Hashes(HASH)}),
        (
            f'data-dist-info-metadata="sha256={HASH}"',
            {"metadata": Hashes(HASH)},
        ),
        (
            f'data-dist-info-metadata="sha256={HASH}" data-core-metadata="true"',
            {"metadata": Hashes()},
        ),
        (f'data-provenance="{PROVENANCE}"', {"provenance": PROVENANCE}),
    ],
)
def test_optional_fields_of_html(attributes: str, file: dict[str, Any]) -> None:
    """The same as attributes of the link; a yank is one whatever its value."""
    assert html(f'"{WHEEL}#sha256={HASH}" {attributes}').files == {
        WHEEL: replace(IndexFile(WHEEL, URL + WHEEL, HASH), **file)
    }


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("/integrity/x", "https://index.example/integrity/x"),
        *((odd, "") for odd in ("", "ftp://a.example/x", "https://me:pw@a.example/", "a b", "x#y")),
    ],
)
def test_address_of_a_provenance(given: str, url: str) -> None:
    """An invalid one is no flaw of the file, which installers can still use."""
    for file in (
        json_page(entry(provenance=given)).files[WHEEL],
        html(f'"{WHEEL}" data-provenance="{given}"').files[WHEEL],
    ):
        assert (file.provenance, file.flaw) == (url, "")


def test_equal_entries_count_once() -> None:
    """Two equal entries are no flaw."""
    assert not html(*[f'"{WHEEL}#sha256={HASH}"'] * 2).files[WHEEL].flaw
    assert not json_page(entry(), entry()).files[WHEEL].flaw


def test_project_status() -> None:
    """Both forms give the project's status, active by default."""
    status = {"status": "Quarantined", "reason": "malware"}
    meta = (
        '<meta name="pypi:project-status" content="quarantined">'
        '<meta name="pypi:project-status-reason" content="malware">'
    )
    for page in (json_page(**{"project-status": status}), html(head=meta)):
        assert (page.status, page.status_reason) == ("quarantined", "malware")
    for page in (
        json_page(),
        json_page(**{"project-status": {}}),
        json_page(**{"project-status": {"reason": None}}),
        html(head=f"<!-- {meta} -->"),
    ):
        assert (page.status, page.status_reason) == ("active", "")


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.99"])
def test_later_minor_versions_are_readable(version: str) -> None:
    """A later minor version is readable."""
    assert set(json_page(entry(), meta={"api-version": version}).files) == {WHEEL}
    meta = f'<meta name="pypi:repository-version" content="{version}">'
    assert set(html(f'"{WHEEL}"', head=meta).files) == {WHEEL}


@pytest.mark.parametrize("name", ["lantern", "Lantern", "LANTERN"])
def test_project_name_is_normalized(name: str) -> None:
    """The name need not be normalized."""
    assert set(json_page(entry(), name=name).files) == {WHEEL}


@pytest.mark.parametrize(
    "body",
    [
        "<!DOCTYPE html><html><head><title>Links for lantern</title></head></html>",
        "<html><body><h1>Links for lantern</h1></body></html>",
        "<title>Links for lantern</title>",
    ],
)
def test_page_without_files(body: str) -> None:
    """A whole page that lists nothing."""
    assert read(body).files == {}
    assert json_page().files == {}


@pytest.mark.parametrize(
    "kind",
    [
        "text/html", "text/html;charset=UTF-8", 'text/html; charset="utf-8"', "text/html;",
        "text/html; charset=ISO-8859-1", "text/html; charset=us-ascii; x=y",
        "application/vnd.pypi.simple.v1+html",
    ],
)  # fmt: skip
def test_content_types_of_html(kind: str) -> None:
    """Every standard type, and every charset that equals UTF-8 for the page's bytes."""
    assert set(read(f'<a href="{WHEEL}">', kind).files) == {WHEEL}
    assert set(read(json.dumps(page_of(entry())), f"{JSON}; charset=utf-8").files) == {WHEEL}


def page_of(*files: object) -> dict[str, object]:
    """A JSON page as a value."""
    return {"meta": {"api-version": "1.0"}, "name": "lantern", "files": files}


# PyPI's page of one version.

VERSION_ENTRY = {
    "filename": WHEEL,
    "url": f"https://files.example/{WHEEL}",
    "digests": {"blake2b_256": HASH, "md5": "ab" * 16, "sha256": HASH},
    "md5_digest": "ab" * 16,
    "packagetype": "bdist_wheel",
    "size": 5,
    "requires_python": ">=3.8",
    "upload_time": "2024-02-29T12:00:00",
    "upload_time_iso_8601": "2024-02-29T12:00:00.123456Z",
    "yanked": False,
    "yanked_reason": None,
}


def version_page(*files: object) -> ProjectPage:
    """Read PyPI's JSON page of one version with these files."""
    page = {"info": {}, "last_serial": 1, "urls": files, "vulnerabilities": []}
    return parse_version_page(json.dumps(page).encode(), "application/json", URL)


def test_version_page() -> None:
    """It has the same fields under other names, without metadata."""
    url = f"https://files.example/{WHEEL}"
    listed = IndexFile(WHEEL, url, HASH, 5, ">=3.8", digests=(("md5", "ab" * 16),))
    assert version_page(VERSION_ENTRY).files == {WHEEL: listed}


@pytest.mark.parametrize(
    ("fields", "yanked"),
    [
        ({"yanked": True}, ""),
        ({"yanked": True, "yanked_reason": "broken"}, "broken"),
        # What was yanked once and is no more keeps its reason on some servers.
        ({"yanked_reason": "broken"}, None),
    ],
)
def test_yanked_on_version_page(fields: dict[str, object], yanked: str | None) -> None:
    """The reason is beside it."""
    assert version_page(VERSION_ENTRY | fields).files[WHEEL].yanked == yanked


@pytest.mark.parametrize(
    "page",
    [
        *("", "[]", "{}", '{"urls": null}', '{"files": []}', '{"urls": [null]}', '{"urls": [{}]}'),
        json.dumps({"urls": [VERSION_ENTRY | {"digests": None}]}),
        json.dumps({"urls": [VERSION_ENTRY | {"size": "5"}]}),
        json.dumps({"urls": [VERSION_ENTRY | {"yanked": None}]}),
    ],
)
def test_unreadable_version_page(page: str) -> None:
    """A page without a file list is refused, not read as a version without files."""
    with pytest.raises(UnreadablePageError):
        parse_version_page(page.encode(), "application/json", URL)


# Anything.


def is_safe_or_refused(body: bytes, content_type: str, url: str) -> None:
    """See that what comes out could lead nobody astray: a safe page or a harmless refusal."""
    refusal = ""
    page = ProjectPage({})
    try:
        page = parse_page("lantern", body, content_type, url)
    except UnreadablePageError as error:
        refusal = str(error)
    assert refusal == printable(refusal)
    for name, file in page.files.items():
        assert name == file.filename == printable(name, 300)
        assert not set(name) & set("/\\")
        assert name not in {"", ".", ".."}
        assert file.url.lower().startswith(("http://", "https://")) or (file.flaw and not file.url)
        assert "#" not in file.url
        assert file.flaw == printable(file.flaw)
        assert file.flaw or unquote(urlsplit(file.url).path).endswith(f"/{name}")
        for digest in (file.sha256, file.metadata.sha256 if file.metadata else None):
            assert digest is None or set(digest) <= set(string.hexdigits.lower())


CONTENT_TYPES = st.one_of(st.sampled_from([JSON, HTML, "text/html"]), st.text())
PAGE_URLS = st.sampled_from([URL, "http://index.example:8080/a", "https://index.example"])


@given(st.binary(), CONTENT_TYPES, PAGE_URLS)
def test_any_bytes_are_safe_or_refused(body: bytes, content_type: str, url: str) -> None:
    """Any bytes of any kind are a safe page or refused."""
    is_safe_or_refused(body, content_type, url)


NASTY = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        [
            WHEEL,
            SDIST,
            "..",
            "/",
            "//[",
            "http://[",
            "http://a:b/x.whl",
            "https://a/%2e%2e",
            "?.zip",
        ]
    ),
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), NASTY),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NASTY, inner, max_size=3)),
    max_leaves=8,
)
FILES = st.lists(
    st.one_of(
        VALUES,
        st.fixed_dictionaries(
            {"filename": st.one_of(NASTY, VALUES), "url": st.one_of(NASTY, VALUES)},
            optional={"hashes": VALUES, "size": VALUES, "yanked": VALUES, "core-metadata": VALUES},
        ),
    ),
    max_size=4,
)


@given(
    st.one_of(
        VALUES,
        st.fixed_dictionaries({}, optional={"meta": VALUES, "files": FILES, "name": VALUES}),
        FILES.map(lambda files: page_of(*files)),
    ),
    PAGE_URLS,
)
def test_any_json_is_safe_or_refused(page: object, url: str) -> None:
    """Any JSON value is a safe page or refused."""
    is_safe_or_refused(json.dumps(page).encode(), JSON, url)


PIECES = st.one_of(
    NASTY,
    st.sampled_from(
        [
            *("<", ">", "<!", "<![", "<!--", "-->", "]]>", "<a ", "<base ", "href=", '"', "'"),
            *("<?", "</a>", "&", "&#", ";", "#sha256=ab", "\x00", "\n", "<script>", "<a href='"),
            *("/>", "'>", f"<a href='/f/{WHEEL}#sha256={HASH}'>", "<title>", "</title>", "<p x="),
        ]
    ),
)


@given(st.lists(PIECES, max_size=12).map("".join), PAGE_URLS)
@example("<![foo[", URL)
@example('<base href="http://["><a href="a.whl">', URL)
def test_any_html_is_safe_or_refused(page: str, url: str) -> None:
    """Any mixture of markup is a safe page or refused."""
    is_safe_or_refused(page.encode("utf-8", "surrogatepass"), HTML, url)
