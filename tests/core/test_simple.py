"""A project's page, in both forms, from well-meaning and other servers."""

from __future__ import annotations

import json
import string
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example
from hypothesis import given
from hypothesis import strategies as st

from poetry_publish_verified.core.simple import IndexFile
from poetry_publish_verified.core.simple import ProjectPage
from poetry_publish_verified.core.simple import UnsafePageError
from poetry_publish_verified.core.simple import parse_page
from poetry_publish_verified.core.simple import parse_version_page
from poetry_publish_verified.core.simple import why_not_of
from poetry_publish_verified.sanitize import printable
from tests.core.distributions import SDIST
from tests.core.distributions import WHEEL

URL = "https://index.example/simple/lantern/"
JSON = "application/vnd.pypi.simple.v1+json"
HTML = "text/html; charset=utf-8"
HASH = "ab" * 32


def html(*anchors: str, head: str = "") -> ProjectPage:
    """Read an HTML page with these links."""
    links = "".join(f"<a href={anchor}>{anchor}</a><br/>\n" for anchor in anchors)
    page = f"<!DOCTYPE html><html><head>{head}</head><body>{links}</body></html>"
    return parse_page(page.encode(), HTML, URL)


def json_page(*files: object, **more: object) -> ProjectPage:
    """Read a JSON page with these files."""
    page = {"meta": {"api-version": "1.1"}, "name": "lantern", "files": files, **more}
    return parse_page(json.dumps(page).encode(), JSON, URL)


def entry(**more: object) -> dict[str, object]:
    """One file of a JSON page."""
    return {"filename": WHEEL, "url": WHEEL, "hashes": {"sha256": HASH}, **more}


def is_safe_or_refused(body: bytes, content_type: str, url: str) -> None:
    """See that what comes out could lead nobody astray: a safe page or a harmless refusal."""
    refusal = ""
    page = ProjectPage({})
    try:
        page = parse_page(body, content_type, url)
    except UnsafePageError as error:
        refusal = str(error)
    assert refusal == printable(refusal)
    for name, file in page.files.items():
        assert name == file.filename == printable(name, 300)
        assert not set(name) & set("/\\")
        assert name not in {"", ".", ".."}
        assert file.url.startswith(("http://", "https://"))
        assert "#" not in file.url
        for digest in (file.sha256, file.metadata_sha256):
            assert digest is None or set(digest) <= set(string.hexdigits.lower())


@pytest.mark.parametrize(
    ("href", "url"),
    [
        (f"{WHEEL}#sha256={HASH}", f"{URL}{WHEEL}"),
        (f"../../files/{WHEEL}#sha256={HASH}", f"https://index.example/files/{WHEEL}"),
        (f"/files/{WHEEL}#sha256={HASH}", f"https://index.example/files/{WHEEL}"),
        (f"//files.example/{WHEEL}#sha256={HASH}", f"https://files.example/{WHEEL}"),
        (f"http://files.example/{WHEEL}#sha256={HASH}", f"http://files.example/{WHEEL}"),
        (
            f"https://files.example/{WHEEL}?token=a&amp;b=c#sha256={HASH}",
            f"https://files.example/{WHEEL}?token=a&b=c",
        ),
        (f"{WHEEL}#egg=lantern&amp;sha256={HASH.upper()}", f"{URL}{WHEEL}"),
    ],
)
def test_links_of_html(href: str, url: str) -> None:
    """Absolute and relative links lead to the file, and the fragment gives its hash."""
    assert html(f'"{href}"').files == {WHEEL: IndexFile(WHEEL, url, HASH)}


@pytest.mark.parametrize("fragment", ["", "#", "#md5=" + "ab" * 16, "#sha256=", "#sha512=abc"])
def test_html_without_a_sha256(fragment: str) -> None:
    """A link without a sha256 is listed without one."""
    assert html(f'"{WHEEL}{fragment}"').files[WHEEL].sha256 is None


@pytest.mark.parametrize("claimed", ["\x1b[31mred", "a\nb", "x y", "é" * 64, "../x"])
def test_a_digest_is_hexadecimal_or_none(claimed: str) -> None:
    """A digest is repeated in messages, so whatever else stands in its place is dropped."""
    assert json_page(entry(hashes={"sha256": claimed})).files[WHEEL].sha256 is None


def test_an_escaped_name() -> None:
    """A name with a + is the same name where the link escapes it."""
    name = "lantern-1.0+dark-py3-none-any.whl"
    assert set(html(f'"{name.replace("+", "%2B")}"').files) == {name}


def test_a_base_moves_relative_links() -> None:
    """Relative links start from <base> where the page has one, the first one counts."""
    page = html(f'"{WHEEL}"', head='<base href="/root/files/"><base href="https://other.example/">')
    assert page.files[WHEEL].url == f"https://index.example/root/files/{WHEEL}"


def test_other_links_are_no_files() -> None:
    """A mail address, the way up and the root are passed over."""
    page = html('".."', '"/"', '"mailto:a@lantern.example"', '"ftp://index.example/a.whl"', '""')
    assert page.files == {}


def test_names_that_only_begin_alike() -> None:
    """Signatures and metadata beside a file are not the file."""
    page = html(f'"{WHEEL}.metadata#sha256={HASH}"', f'"{SDIST}.asc"')
    assert not {WHEEL, SDIST} & set(page.files)


def test_a_name_listed_twice() -> None:
    """The same file twice is one; twice with different hashes it is ambiguous, and only it."""
    assert not html(*[f'"{WHEEL}#sha256={HASH}"'] * 2).ambiguous
    assert not json_page(entry(), entry()).ambiguous
    other = "cd" * 32
    both = html(f'"{WHEEL}#sha256={HASH}"', f'"{WHEEL}#sha256={other}"', f'"{SDIST}#sha256={HASH}"')
    assert both.ambiguous == {WHEEL}
    assert json_page(entry(), entry(hashes={"sha256": other})).ambiguous == {WHEEL}


def test_a_name_listed_with_and_without_a_hash() -> None:
    """What is listed twice, once without a hash, has the one that is given."""
    for page in (
        json_page(entry(), entry(hashes={})),
        json_page(entry(hashes={}), entry()),
    ):
        assert not page.ambiguous
        assert page.files[WHEEL].sha256 == HASH


def test_json() -> None:
    """Name, absolute URL, sha256 and size of each file."""
    page = json_page(
        entry(size=5, yanked=False),
        {"filename": SDIST, "url": f"https://files.example/{SDIST}#sha256=x", "hashes": {}},
    )
    assert page.files == {
        WHEEL: IndexFile(WHEEL, URL + WHEEL, HASH, 5),
        SDIST: IndexFile(SDIST, f"https://files.example/{SDIST}", None, None),
    }


@pytest.mark.parametrize("hashes", [None, [], "x", {"md5": HASH}, {"sha256": 5}, {"sha256": None}])
def test_json_without_a_sha256(hashes: object) -> None:
    """A file whose hashes are missing or make no sense is listed without one."""
    assert json_page(entry(hashes=hashes)).files[WHEEL].sha256 is None


@pytest.mark.parametrize("size", [None, "5", 5.0, True])
def test_json_without_a_size(size: object) -> None:
    """A size that is no whole number is none."""
    assert json_page(entry(size=size)).files[WHEEL].size is None


@pytest.mark.parametrize(
    ("fields", "file"),
    [
        ({}, {}),
        ({"requires-python": ">=3.8"}, {"requires_python": ">=3.8"}),
        ({"requires-python": None}, {}),
        ({"requires-python": 3}, {}),
        ({"yanked": False}, {}),
        ({"yanked": True}, {"yanked": ""}),
        ({"yanked": "broken"}, {"yanked": "broken"}),
        ({"core-metadata": True}, {"has_metadata": True}),
        ({"core-metadata": False}, {}),
        (
            {"core-metadata": {"sha256": HASH.upper()}},
            {"has_metadata": True, "metadata_sha256": HASH},
        ),
        ({"core-metadata": {"md5": "x"}}, {"has_metadata": True}),
        (
            {"dist-info-metadata": {"sha256": HASH}},
            {"has_metadata": True, "metadata_sha256": HASH},
        ),
        ({"core-metadata": False, "dist-info-metadata": {"sha256": HASH}}, {}),
    ],
)
def test_optional_fields_of_json(fields: dict[str, object], file: dict[str, Any]) -> None:
    """Python, yank and metadata of a file; the newer name of a field before the older."""
    assert json_page(entry(**fields)).files == {
        WHEEL: replace(IndexFile(WHEEL, URL + WHEEL, HASH), **file)
    }


@pytest.mark.parametrize(
    ("attributes", "file"),
    [
        ("", {}),
        ('data-requires-python="&gt;=3.8, &lt;4"', {"requires_python": ">=3.8, <4"}),
        ("data-yanked", {"yanked": ""}),
        ('data-yanked=""', {"yanked": ""}),
        ('DATA-YANKED="it &amp; that"', {"yanked": "it & that"}),
        ('data-core-metadata="true"', {"has_metadata": True}),
        # pip knows no such word here, and asks for the metadata.
        ('data-core-metadata="false"', {"has_metadata": True}),
        (
            f'data-core-metadata="sha256={HASH}"',
            {"has_metadata": True, "metadata_sha256": HASH},
        ),
        (
            f'data-dist-info-metadata="sha256={HASH}"',
            {"has_metadata": True, "metadata_sha256": HASH},
        ),
    ],
)
def test_optional_fields_of_html(attributes: str, file: dict[str, Any]) -> None:
    """The same as attributes of the link."""
    assert html(f'"{WHEEL}#sha256={HASH}" {attributes}').files == {
        WHEEL: replace(IndexFile(WHEEL, URL + WHEEL, HASH), **file)
    }


def test_a_projects_status() -> None:
    """What a page says of the whole project, in both forms; active where it says nothing."""
    status = {"status": "Quarantined", "reason": "malware"}
    meta = (
        '<meta name="pypi:project-status" content="quarantined">'
        '<meta name="pypi:project-status-reason" content="malware">'
    )
    for page in (json_page(**{"project-status": status}), html(head=meta)):
        assert (page.status, page.status_reason) == ("quarantined", "malware")
    for page in (json_page(), json_page(**{"project-status": "x"}), html()):
        assert (page.status, page.status_reason) == ("active", "")
    assert json_page(**{"project-status": {"status": 5, "reason": []}}).status == "active"


def test_a_comment_hides_what_is_in_it() -> None:
    """Links and a status in a comment are none."""
    hidden = f'<!-- <meta name="pypi:project-status" content="quarantined"> {WHEEL} -->'
    page = html(f'"{WHEEL}"', head=hidden + f'<!-- <a href="{SDIST}">x</a> -->')
    assert (page.status, set(page.files)) == ("active", {WHEEL})


def version_page(*files: object) -> ProjectPage:
    """Read PyPI's JSON page of one version with these files."""
    return parse_version_page(json.dumps({"info": {}, "urls": files}).encode(), URL)


def test_a_versions_page() -> None:
    """It has the same fields under other names, and never metadata."""
    file = {
        "filename": WHEEL,
        "url": f"https://files.example/{WHEEL}",
        "digests": {"md5": "x", "sha256": HASH},
        "size": 5,
        "requires_python": ">=3.8",
        "yanked": False,
        "yanked_reason": None,
    }
    listed = IndexFile(WHEEL, f"https://files.example/{WHEEL}", HASH, 5, ">=3.8")
    assert version_page(file).files == {WHEEL: listed}
    yanked = version_page({**file, "yanked": True}).files[WHEEL]
    assert yanked.yanked == ""
    yanked = version_page({**file, "yanked": True, "yanked_reason": "broken"}).files[WHEEL]
    assert yanked.yanked == "broken"
    # What was yanked once and is no more keeps its reason on some servers.
    assert version_page({**file, "yanked_reason": "broken"}).files[WHEEL].yanked is None


@pytest.mark.parametrize("page", ["", "[]", "{}", '{"urls": null}', '{"files": []}'])
def test_no_versions_page(page: str) -> None:
    """What lists no files at all is refused, not taken for a version without files."""
    with pytest.raises(UnsafePageError):
        parse_version_page(page.encode(), URL)


@pytest.mark.parametrize(
    "page",
    [
        *("", "{", "null", "[]", "{}", '{"files": {}}', '{"files": "x"}', '{"files": null}'),
        *('{"meta": {"api-version": "2.0"}, "files": []}', '{"meta": {"api-version": 2}}'),
        '{"meta": {"api-version": "10.0"}, "files": []}',
        pytest.param("[" * 100_000, id="deep"),
        pytest.param('{"files": ' + "9" * 5000 + "}", id="a-number-too-long-for-python"),
    ],
)
def test_no_json_page(page: str) -> None:
    """What is not a page of simple API version 1 is refused whole."""
    with pytest.raises(UnsafePageError):
        parse_page(page.encode(), JSON, URL)


@pytest.mark.parametrize(
    "odd", [5, None, {"filename": "a.whl"}, {"url": "a.whl"}, {"filename": 5, "url": "a.whl"}]
)
def test_an_odd_entry_is_left_out(odd: object) -> None:
    """An entry without a name or a URL does not make the rest of the page invisible."""
    assert set(json_page(odd, entry()).files) == {WHEEL}


@pytest.mark.parametrize("kind", ["", "text/plain", "application/octet-stream", "text/html2", ";"])
def test_another_content_type(kind: str) -> None:
    """A page of another kind is not guessed at."""
    with pytest.raises(UnsafePageError, match="content type"):
        parse_page(b"<html></html>", kind, URL)


@pytest.mark.parametrize(
    "kind", ["TEXT/HTML", "text/html;charset=x", "application/vnd.pypi.simple.v1+html"]
)
def test_content_types_of_html(kind: str) -> None:
    """The content type is compared without its case and parameters."""
    assert parse_page(f'<a href="{WHEEL}">'.encode(), kind, URL).files.keys() == {WHEEL}


@pytest.mark.parametrize(
    "filename",
    [
        *("../lantern.whl", "/etc/lantern.whl", "a\\lantern.whl", "..", ".", ""),
        *("a\nb.whl", "\x1b[31m.whl", "a\u202eb.whl", "a" * 300 + ".whl", " a.whl"),
    ],
)
def test_a_file_name_with_a_path_or_worse(filename: str) -> None:
    """A name that leads elsewhere or cannot be printed is left out."""
    assert set(json_page(entry(filename=filename), entry()).files) == {WHEEL}


@pytest.mark.parametrize("href", ["..%2F..%2Flantern.whl", "a%5Cb.whl", "a%0Ab.whl", "%1B.whl"])
def test_an_escaped_path_in_html(href: str) -> None:
    """Escaping does not hide a path or a control character."""
    assert set(html(f'"{href}"', f'"{WHEEL}"').files) == {WHEEL}


@pytest.mark.parametrize(
    "url",
    [
        *("file:///tmp/lantern.whl", "ftp://index.example/lantern.whl", "javascript:lantern.whl"),
        *("http://[::1/lantern.whl", "http://index.example:99999/lantern.whl", "http:///a.whl"),
    ],
)
def test_a_file_that_is_not_on_the_web(url: str) -> None:
    """Only http and https lead to a file."""
    assert json_page(entry(url=url)).files == {}
    assert html(f'"{url}"').files == {}


@pytest.mark.parametrize(
    "page",
    [
        b"<![foo[x]]>",
        b"<![$",
        b"<!DOCTYPE html [",
        b'<base href="http://["><a href="a.whl">',
        b'<base href="mailto:x"><a href="a.whl">',
        b"<a href=\xff\xfe.whl>",
        b"<a href='&#x110000;&#0;&#xd800;.whl'>",
        b"\x00" * 100,
        b"<a href=",
    ],
)
def test_broken_html_is_read_or_refused(page: bytes) -> None:
    """HTML that no browser would like ends in a page or in a refusal, nothing else."""
    is_safe_or_refused(page, HTML, URL)


CONTENT_TYPES = st.one_of(st.sampled_from([JSON, HTML, "application/json"]), st.text())
PAGE_URLS = st.sampled_from([URL, "http://index.example:8080/a", "https://index.example"])


@given(st.binary(), CONTENT_TYPES, PAGE_URLS)
def test_any_bytes(body: bytes, content_type: str, url: str) -> None:
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
            optional={"hashes": VALUES, "size": VALUES},
        ),
    ),
    max_size=4,
)


@given(
    st.one_of(
        VALUES,
        st.fixed_dictionaries({}, optional={"meta": VALUES, "files": FILES, "name": VALUES}),
    ),
    PAGE_URLS,
)
def test_any_json(page: object, url: str) -> None:
    """Any JSON value is a safe page or refused."""
    is_safe_or_refused(json.dumps(page).encode(), JSON, url)


PIECES = st.one_of(
    NASTY,
    st.sampled_from(
        [
            *(
                "<",
                ">",
                "<!",
                "<![",
                "<!--",
                "-->",
                "]]>",
                "<a ",
                "<base ",
                "href=",
                '"',
                "'",
                "/>",
            ),
            *("<?", "</a>", "&", "&#", ";", "#sha256=ab", "\x00", "\n", "<script>", "<a href='"),
        ]
    ),
)


@given(st.lists(PIECES, max_size=12).map("".join), PAGE_URLS)
@example("<![foo[", URL)
@example('<base href="http://["><a href="a.whl">', URL)
def test_any_html(page: str, url: str) -> None:
    """Any mixture of markup is a safe page or refused."""
    is_safe_or_refused(page.encode("utf-8", "surrogatepass"), HTML, url)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"just words", "no whole HTML page"),
        (b"<html><body><form action='/login'><input name=u></form></body></html>", "a form"),
        (b"<!doctype html><html><script src=app.js></script></html>", "a form or an application"),
        (b"<!DOCTYPE html><html><body>\n<a hr", "breaks off"),
        (b"<html><body><a href='lantern-1.0.tar.gz#sha256=00'>x</a><a hr", "breaks off"),
        (b"<!DOCTYPE html><html><head><title>Links for lantern</title></head></html>", None),
        (b"<html><body><h1>Links for lantern</h1></body></html>", None),
        (b"<a href='lantern-1.0.tar.gz'>lantern-1.0.tar.gz</a>", None),
    ],
)
def test_a_page_that_is_none(body: bytes, reason: str | None) -> None:
    """A login form or half a page lists nothing, and is no index that has nothing."""
    url = "https://index.example/simple/lantern/"
    page = parse_page(body, "text/html", url)
    found = why_not_of("lantern", body, "text/html", page)
    assert (found is None) == (reason is None), found
    assert reason is None or reason in str(found)


@pytest.mark.parametrize(
    ("name", "fits"), [("lantern", True), ("Lan.Tern", False), ("LANTERN", True), ("", True)]
)
def test_a_page_of_another_project(name: str, fits: bool) -> None:
    """A JSON page says whose it is."""
    kind = "application/vnd.pypi.simple.v1+json"
    body = json.dumps({"meta": {"api-version": "1.0"}, "name": name, "files": []}).encode()
    page = parse_page(body, kind, "https://index.example/simple/lantern/")
    assert (why_not_of("lantern", body, kind, page) is None) == fits
