"""Pages and entries that the standards do not allow, and what is said of each."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poetry_publish_verified.core.simple import page as simple_page
from poetry_publish_verified.core.simple import parse_page
from poetry_publish_verified.core.simple.page import ProjectPage, UnreadablePageError
from poetry_publish_verified.sanitize import printable
from tests.core.distributions import SDIST, WHEEL
from tests.core.vendor_pages import JSON
from tests.thorough import THOROUGH

URL = "https://index.example/simple/lantern/"
HASH = "ab" * 32
OTHER = "cd" * 32
SHA512 = "cd" * 64
LINK = f'<a href="/f/{WHEEL}#sha256={HASH}">x</a>'
ABSENT = object()


def entry(**more: object) -> dict[str, object]:
    """One file of a JSON page as it should be; `ABSENT` leaves a key out."""
    usual = {
        "filename": WHEEL,
        "url": f"/f/{WHEEL}",
        "hashes": {"sha256": HASH},
        "size": 5,
        "requires-python": ">=3.8",
        "yanked": False,
        "upload-time": "2024-01-01T00:00:00.123456Z",
        "core-metadata": {"sha256": HASH},
    }
    named = {key.replace("_", "-"): value for key, value in more.items()}
    return {key: value for key, value in (usual | named).items() if value is not ABSENT}


def page_of(*files: object, **more: object) -> bytes:
    """A JSON page with these files; `ABSENT` leaves a key out."""
    page = {"meta": {"api-version": "1.1"}, "name": "lantern", "files": files, **more}
    return json.dumps({k: v for k, v in page.items() if v is not ABSENT}).encode()


def read(body: bytes | str, kind: str = "text/html") -> ProjectPage:
    """Read a page of lantern."""
    return parse_page("lantern", body if isinstance(body, bytes) else body.encode(), kind, URL)


def refusal(body: bytes | str, kind: str = "text/html") -> str:
    """Why a page cannot be read, fit to print; empty where it can."""
    reason = ""
    try:
        read(body, kind)
    except UnreadablePageError as error:
        reason = str(error)
    assert reason == printable(reason, 300)
    return reason


def flaw(page: ProjectPage) -> str:
    """Why the wheel is not properly listed, fit to print; empty where it is."""
    found = page.files[WHEEL].flaw
    assert found == printable(found)
    return found


# JSON.


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("filename", None), ("filename", 5), ("filename", ABSENT), ("filename", "a\ud800.whl"),
        ("url", None), ("url", ABSENT), ("url", 5), ("url", []), ("url", "http://[/x"),
        ("url", "http://[::g]/x"), ("url", "/x.whl#egg=!!"), ("url", "/%ff.whl"),
        ("url", "/x\ud800.whl"),
        ("hashes", ABSENT), ("hashes", None), ("hashes", []), ("hashes", "x"),
        ("hashes", {"sha256": None}), ("hashes", {"sha256": 5}), ("hashes", {"sha256": "zz"}),
        ("hashes", {"sha256": "z" * 64}), ("hashes", {"sha256": ""}),
        ("hashes", {"sha256": HASH, "md5": HASH}), ("hashes", {"foo": 5}),
        ("size", None), ("size", "5"), ("size", 5.0), ("size", True), ("size", -1),
        ("size", 2**63), ("requires_python", 3), ("requires_python", []),
        ("yanked", None), ("yanked", 0), ("yanked", {}),
        ("core_metadata", "sha256=x"), ("core_metadata", 0), ("core_metadata", []),
        ("core_metadata", {"sha256": "zz"}), ("core_metadata", {"sha256": None}),
        ("dist_info_metadata", "x"), ("dist_info_metadata", {"md5": "x"}),
        ("gpg_sig", "x"), ("provenance", 5),
        ("upload_time", None), ("upload_time", ""), ("upload_time", 5),
        ("upload_time", "yesterday"), ("upload_time", "2024-01-01"),
        ("upload_time", "2024-01-01T00:00:00"), ("upload_time", "2024-01-01 00:00:00Z"),
        ("upload_time", "2024-01-01T00:00:00z"), ("upload_time", "20240101T000000Z"),
        ("upload_time", "2024-13-01T00:00:00Z"), ("upload_time", "2024-02-30T00:00:00Z"),
        ("upload_time", "2024-01-01T24:00:01Z"), ("upload_time", "2024-01-01T00:00:60Z"),
        ("upload_time", "0000-01-01T00:00:00Z"), ("upload_time", "2024-01-01T00:00:00.Z"),
        ("upload_time", "\uff12024-01-01T00:00:00Z"),
    ],
)  # fmt: skip
def test_wrong_value_in_any_entry(key: str, value: object) -> None:
    """A wrong type or a malformed value in any entry makes the page unreadable."""
    odd = {"filename": SDIST, "url": f"/f/{SDIST}", "core_metadata": False} | {key: value}
    assert refusal(page_of(entry(), entry(**odd)), JSON)


def test_reason_names_field_and_file() -> None:
    """Fit to print."""
    reason = refusal(page_of(entry(size="5", filename="x\x1b[31m.whl")), JSON)
    assert reason == "'size' of x [31m.whl has the wrong type"


@pytest.mark.parametrize("odd", [None, "x", 5, [], {}])
def test_entry_of_wrong_type(odd: object) -> None:
    """One entry that is no file makes the page unreadable."""
    assert refusal(page_of(entry(), odd), JSON)


PAGE = page_of(entry())


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (page_of(meta=ABSENT), "lacks 'meta'"), (page_of(meta={}), "lacks 'api-version'"),
        (page_of(meta={"api-version": 1.0}), "'api-version' of meta has the wrong type"),
        (page_of(meta={"api-version": "2.0"}), "simple API version '2.0'"),
        (page_of(meta={"api-version": "10.0"}), "simple API version '10.0'"),
        (page_of(meta={"api-version": "1"}), "simple API version '1'"),
        (page_of(meta={"api-version": "1.0\n"}), "simple API version"),
        (page_of(name=ABSENT), "lacks 'name'"), (page_of(name=None), "wrong type"),
        (page_of(name="lantern-dark"), "another project, 'lantern-dark'"),
        (page_of(files=ABSENT), "lacks 'files'"), (page_of(files={}), "wrong type"),
        (page_of(versions="1.0"), "'versions' of the page has the wrong type"),
        (page_of(**{"project-status": None}), "'project-status' of the page"),
        (page_of(**{"project-status": {"status": None}}), "'status' of project-status"),
        (page_of(**{"project-status": {"reason": 5}}), "'reason' of project-status"),
        (b"", "not valid JSON"), (b"{", "not valid JSON"), (b"null", "not a JSON object"),
        (b"[]", "not a JSON object"), (b"[" * 100_000, "not valid JSON"),
        (b'{"files": ' + b"9" * 5000 + b"}", "not valid JSON"), (PAGE + b"x", "not valid JSON"),
        (PAGE[:-1] + b', "x": "\n"}', "not valid JSON"), (PAGE[:-1] + b",}", "not valid JSON"),
        (b"\xef\xbb\xbf" + PAGE, "not valid JSON"),
        (PAGE.decode().encode("utf-16"), "not in UTF-8"),
        (PAGE.decode().encode("utf-32-le"), "not valid JSON"),
        (PAGE[:-1] + b', "x": "\xe9"}', "not in UTF-8"),
        (PAGE[:-1] + b', "x": NaN}', "NaN is not valid JSON"),
        (PAGE[:-1] + b', "x": [-Infinity]}', "-Infinity is not valid JSON"),
        (PAGE[:-1] + b', "x": {"y": 1, "y": 1}}', "the key 'y' appears twice"),
        (PAGE[:-1] + b', "name": "lantern"}', "the key 'name' appears twice"),
        (PAGE[:-1] + b', "x": "\\ud800"}', "surrogates not allowed"),
        (PAGE[:-1] + b', "\\uDFFF": 1}', "surrogates not allowed"),
    ],
)  # fmt: skip
def test_malformed_json(body: bytes, reason: str) -> None:
    """The page must be JSON, in UTF-8, with the keys and types that the standards require."""
    assert reason in refusal(body, JSON)


def test_odd_but_valid_json() -> None:
    """Surrogate pairs, escaped backslashes and numbers of any size are allowed."""
    more = b', "x": ["\\ud83d\\ude00", "\\\\ud800", 1e999, -0, 99999999999999999999]}'
    assert not refusal(PAGE[:-1] + more + b"\n", JSON)


# Content types.


@pytest.mark.parametrize(
    "kind",
    [
        "", ";", "text/plain", "application/json", "application/xhtml+xml", "text/html2",
        "Text/HTML", "text/html ;charset=utf-8", JSON.upper(), f"{JSON}, {JSON}",
        "application/vnd.pypi.simple.v2+json", "application/vnd.pypi.simple.latest+json",
    ],
)  # fmt: skip
def test_unknown_content_type(kind: str) -> None:
    """Other types are refused; caches and clients compare types literally."""
    assert "content type" in refusal(LINK, kind)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<p>\xff</p>", "text/html"), (b"<p>\xed\xa0\x80</p>", "text/html; charset=utf-8"),
        (b"<p>\xe9</p>", "text/html; charset=latin-1"), (b"", "text/html; charset=foo"),
        ("<p>é</p>".encode(), "text/html; charset=us-ascii"), (b"", "text/html; charset=utf-16"),
        (b"", "text/html; charset=utf-8; charset=utf-16"), (b"", "text/html; charset"),
        (b"", "text/html; charset*=utf-8''utf-8"),
    ],
)  # fmt: skip
def test_charset_other_than_utf_8(body: bytes, kind: str) -> None:
    """A page must be in UTF-8, and its header must not contradict that."""
    assert refusal(body + LINK.encode(), kind)


# HTML.


@pytest.mark.parametrize(
    "markup",
    [
        "<![CDATA[ x ]]>", "<!x>", "<!doctype html [<!x>]>", "</ x>", "</>", "<>", "a < b", "<3",
        "<p class=don't>", '<p class="a"id="b">', "<p =x>", '<p "x">', "<p/x>", "<br / >",
        "<p_x>", "<p\x0bx=y>", "<p\xa0x>", '<p x="y>', "</a x=y>",
        "<!-->", "<!--->", "<!-- x --!> -->", "<!-- x -- > -->", "<!-- x",
        "<script>'<!--'</script>", "<script></script x>", "<script/></script>", "<script>",
        "<style></style x></style>", "<title>a<b</title>", "<title>", "<title/></title>",
        "<textarea></textarea>", "<xmp></xmp>", "<iframe></iframe>", "<noembed></noembed>",
        "<noframes></noframes>", "<plaintext>", "<template></template>",
        '<base href="/f/">', '<base href="//f.example/">', '<base href="">', "<base href>",
        '<base href="ftp://f.example/">', '<base href="https://u:p@f.example/">',
        '<base target="x"><base href="https://f.example/">',
        '<a href="x"><base href="https://f.example/">',
        '<a href="x" href="y">', "<a href=x data-yanked data-yanked=why>",
        '<a href="/x?a=1&copy=2">', '<a href="x" data-requires-python="&gt=3.8">',
        '<a href="http://[/">', '<a href="//[::g]/">', '<a href="/x/%ff.whl">',
        '<a href="/x#egg=lantern">', '<a href="/x#sha256=zz">', '<a href="/x#sha256=">',
        f'<a href="/x#SHA256={HASH}">', f'<a href="/x#sha3_256={HASH}">',
        f'<a href="/x#sha256={HASH}&amp;md5=x">', f'<a href="/x#x#sha256={HASH}">',
        f'<a href="/x#sha256={HASH} ">', f'<a href="/x#egg=x&amp;sha256={HASH}">',
        '<meta name="pypi:repository-version" content="2.0">',
        '<meta name="pypi:repository-version" content="">',
    ],
)  # fmt: skip
def test_malformed_markup(markup: str) -> None:
    """Markup that parsers repair differently makes the page unreadable."""
    assert not refusal(LINK)
    assert refusal(markup + LINK)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "empty"), ("  \n", "empty"), ("just words", "not a complete HTML page"),
        ("<p>x</p>", "not a complete HTML page"), ("<!DOCTYPE html><body>\n<a hr", "ends in"),
        (LINK + "<a hr", "ends in"), (LINK + "<!-- x", "ends in"),
        ("<html><form action='/login'><input name=u></form></html>", "a form"),
        ("<!doctype html><html><script src=app.js></script></html>", "a form or a web application"),
        (LINK + "<p\x1b>", r"malformed at '<p\x1b>'"),
    ],
)  # fmt: skip
def test_reason_why_html_is_no_page(body: str, reason: str) -> None:
    """A login form or half a page does not mean that the index has no files."""
    assert reason in refusal(body)


@pytest.mark.parametrize(
    "page",
    [
        f"<!-- {LINK} -->", f"<p title='{LINK}'>", f'<html><a x="/f/{WHEEL}">',
        f"<html><a href='/f/{WHEEL}/'>", f"<html><a href='?/{WHEEL}'>", f"<html>{WHEEL}",
        f"<html><a href='/f/{WHEEL}%23sha256={HASH}'>", f"<html><a href='/f/{WHEEL} '>",
        f"<html><a href='\\f\\{WHEEL}'>", f"<html><a href='..%2F{WHEEL}'>",
        "<html><a href='a%0A.whl'>", "<html><a href='%1B.whl'>", "<html><a href='a%5Cb.whl'>",
    ],
)  # fmt: skip
def test_not_a_link_to_a_file(page: str) -> None:
    """Links in comments and attributes, and links to other names, list nothing."""
    assert read(page + "<h1>").files == {}


# Entries.


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"url": "/blobs/1"}, "does not end in"), ({"url": f"/f/{WHEEL}/x"}, "does not end in"),
        ({"url": f"/dl?f=/{WHEEL}"}, "does not end in"), ({"url": ""}, "does not end in"),
        ({"url": f"/f/{WHEEL} "}, "its URL"), ({"url": f"f f/{WHEEL}"}, "its URL"),
        ({"url": f"/é/{WHEEL}"}, "its URL"), ({"url": f"/%zz/{WHEEL}"}, "its URL"),
        ({"url": f"data:,{WHEEL}"}, "its URL"), ({"url": f"ftp://f.example/{WHEEL}"}, "its URL"),
        ({"url": f"javascript:/{WHEEL}"}, "its URL"), ({"url": f"file:///{WHEEL}"}, "its URL"),
        ({"url": f"http:{WHEEL}"}, "its URL"), ({"url": f"http:///f/{WHEEL}"}, "its URL"),
        ({"url": f"http://h:99999/{WHEEL}"}, "its URL"), ({"url": f"///f/{WHEEL}"}, "its URL"),
        ({"url": f"https://u:p@f.example/{WHEEL}"}, "credentials"),
        ({"url": f"https://u@f.example/{WHEEL}"}, "credentials"),
        ({"url": f"https://f.example\\{WHEEL}"}, "its URL"),
        ({"url": f"/f/{WHEEL}#main"}, "'main' is not a hash"),
        ({"url": f"/f/{WHEEL}#sha256={HASH}"}, "its URL has a fragment"),
        ({"hashes": {"sha256": HASH.upper()}}, "its sha256 hash is not in lower case"),
        ({"hashes": {"sha256": HASH, "sha512": SHA512.upper()}}, "sha512"),
        ({"hashes": {"blake2b": HASH, "sha256": HASH}}, "'blake2b'"),
        ({"hashes": {"SHA256": HASH}}, "'SHA256'"),
        ({"requires_python": ">=3.8.*"}, "'>=3.8.*' is not valid"),
        ({"requires_python": "garbage"}, "'garbage'"), ({"requires_python": "\u2028"}, "not valid"),
        ({"requires_python": ">=3.8" + "," * 1000}, "is not valid"),
        ({"core_metadata": {}}, "its core-metadata is empty"),
        ({"core_metadata": {"foo": "x"}}, "'foo'"),
        ({"core_metadata": {"sha256": HASH.upper()}}, "lower case"),
    ],
)  # fmt: skip
def test_flawed_json_entry(more: dict[str, object], reason: str) -> None:
    """A flaw affects only the entry's own file."""
    page = read(page_of(entry(**more), entry(filename=SDIST, url=f"/f/{SDIST}")), JSON)
    assert reason in flaw(page)
    assert page.files[SDIST].flaw == ""


@pytest.mark.parametrize(
    ("tail", "reason"),
    [
        ("#main", "'main' is not a hash"), (f"#sha256={HASH.upper()}", "lower case"),
        ("' data-requires-python='&gt;=3.8.*", "'>=3.8.*' is not valid"),
        ("' data-requires-python='&amp;gt;=3.8", "is not valid"),
        ("' data-core-metadata='false", "'false' is not a hash"),
        ("' data-core-metadata='", "is not a hash"), ("' data-dist-info-metadata='True", "'True'"),
        ("' data-core-metadata='sha256=zz", "'zz'"), ("' data-core-metadata='foo=zz", "'foo=zz'"),
    ],
)  # fmt: skip
def test_flawed_link(tail: str, reason: str) -> None:
    """A flaw affects only the link's own file."""
    page = read(f"<a href='/f/{WHEEL}{tail}'><a href='/f/{SDIST}#sha256={HASH}'>")
    assert reason in flaw(page)
    assert page.files[SDIST].flaw == ""


@pytest.mark.parametrize(
    "scheme", ["ftp://f.example/", "javascript:/", "data:/", "http://h:99999/"]
)
def test_link_without_usable_url(scheme: str) -> None:
    """Such a file is listed improperly, without a URL."""
    page = read(f'<a href="{scheme}{WHEEL}">')
    assert (page.files[WHEEL].url, bool(flaw(page))) == ("", True)


@pytest.mark.parametrize(
    ("pages", "ambiguous"),
    [
        ([entry(), entry(hashes={"sha256": OTHER})], True),
        ([entry(hashes={"md5": "ab" * 16}), entry(hashes={"md5": "cd" * 16})], True),
        ([entry(), entry(url=f"/other/{WHEEL}")], False), ([entry(), entry(yanked=True)], False),
        ([entry(), entry(hashes={})], False), ([entry(), entry(url="ftp://x")], False),
        ([entry(hashes={}), entry(url=f"/other/{WHEEL}")], False),
        ([entry(), entry(hashes={"md5": "ab" * 16})], False),
        ([entry(), entry(size=6), entry()], False),
    ],
)  # fmt: skip
def test_file_listed_twice(pages: list[dict[str, object]], ambiguous: bool) -> None:
    """Two different entries are a flaw, two different hashes are ambiguous (PEP 503)."""
    page = read(page_of(*pages), JSON)
    assert flaw(page) == "it is listed twice with different details"
    assert (page.files[WHEEL].ambiguous, page.files[WHEEL].size) == (ambiguous, 5)


@pytest.mark.parametrize(
    "filename",
    [
        *("../lantern.whl", "/etc/lantern.whl", "a\\lantern.whl", "..", ".", ""),
        *("a\nb.whl", "\x1b[31m.whl", "a\u202eb.whl", "a" * 300 + ".whl", " a.whl", "é.whl"),
    ],
)
def test_unsafe_file_names_are_ignored(filename: str) -> None:
    """Names with a path or unprintable characters are ignored."""
    assert set(read(page_of(entry(filename=filename), entry()), JSON).files) == {WHEEL}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=6), inner, max_size=2)
    ),
    max_leaves=4,
)
KEYS = st.sampled_from([*entry(), "dist-info-metadata", "provenance", "gpg-sig"])


@given(st.dictionaries(KEYS, VALUES | st.dictionaries(st.sampled_from(["sha256", "md5"]), VALUES)))
def test_any_entry_is_printable(odd: dict[str, object]) -> None:
    """Whatever an entry contains, its refusal or flaw is printable."""
    body = page_of({**entry(), **odd})
    if not refusal(body, JSON) and WHEEL in (page := read(body, JSON)).files:
        flaw(page)


# Budgets.


@pytest.mark.parametrize(
    "piece",
    [
        *("<!--", "<!", "<script>", "<p x='", "<p x=", "<a href='#sha256=", "--!>", "<![CDATA["),
        *("</", "<title></title", "<a href=x href=y ", "<base href='x'>", "<a   \n", "<p ==== "),
        *("<a ", '<a x="', "<!---->", "<!-- --", "<p>", "<a href=x>", "<style></", "<script><"),
        *("<script></script>", "<a x='&amp;'>", "<p a \n\n", "&amp"),
    ],
)
def test_hostile_markup_takes_linear_time(piece: str) -> None:
    """A quadratic parser would not finish within the test's time limit."""
    assert refusal(piece * (1_200_000 if THOROUGH else 60_000))


@pytest.mark.parametrize("piece", ["<li>", "<p></q>", "<x/>", "<ul><li></li>", "<P>"])
def test_too_many_open_elements(piece: str) -> None:
    """uv has a limit as well, and ignores pages beyond it."""
    assert not refusal(piece * 100 + LINK)
    assert refusal(piece * 201 + LINK) == "more than 200 elements are open at once"


@pytest.mark.parametrize(
    "piece", ["<br>", "<hr/>", "<a href=x>", "<li>x</li>", "<ul><li>x<li>y</UL>", "</p>", "<P></p>"]
)
def test_closed_elements_do_not_count(piece: str) -> None:
    """Void elements and elements that another end tag closes are not open."""
    assert not refusal(piece * 5000 + LINK)


@pytest.mark.parametrize("last", [b'"a": 1', b'"0": 1'])
def test_hostile_object_takes_linear_time(last: bytes) -> None:
    """The same for the keys of one object, distinct or not."""
    keys = b"".join(b'"%d": 1, ' % number for number in range(1_000_000 if THOROUGH else 100_000))
    assert bool(refusal(PAGE[:-1] + b', "x": {' + keys + last + b"}}", JSON)) is (b"0" in last)


def test_too_many_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """All entries count, whatever their names."""
    monkeypatch.setattr(simple_page, "MAX_FILES", 3)
    assert not refusal(LINK * 3)
    assert refusal(LINK * 4) == "the page lists more than 3 files"
    assert refusal(page_of(*[entry(filename="é")] * 4), JSON) == "the page lists more than 3 files"
