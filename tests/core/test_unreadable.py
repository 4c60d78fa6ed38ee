"""Pages that some client cannot read, as each of them was seen to refuse them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poetry_publish_verified.core.simple import IndexFile
from poetry_publish_verified.core.simple import ProjectPage
from poetry_publish_verified.core.simple import json as simple_json
from poetry_publish_verified.core.simple import parse_page
from poetry_publish_verified.sanitize import printable
from tests.core.distributions import SDIST
from tests.core.distributions import WHEEL
from tests.thorough import THOROUGH

URL = "https://index.example/simple/lantern/"
JSON = "application/vnd.pypi.simple.v1+json"
HASH = "ab" * 32
SHA512 = "cd" * 64
LINK = f'<a href="/f/{WHEEL}#sha256={HASH}">x</a>'
ABSENT = object()


def entry(**more: object) -> dict[str, object]:
    """One file of a JSON page to which nobody objects; `ABSENT` leaves a key out."""
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


def json_page(*files: object, **more: object) -> ProjectPage:
    """Read a JSON page with these files."""
    page = {"meta": {"api-version": "1.1"}, "name": "lantern", "files": files, **more}
    return parse_page(json.dumps(page).encode(), JSON, URL)


def html(text: str | bytes, kind: str = "text/html") -> ProjectPage:
    """Read an HTML page."""
    return parse_page(text if isinstance(text, bytes) else text.encode(), kind, URL)


def by(page: ProjectPage) -> set[str]:
    """The installers that cannot read a page; simple tools read no JSON anyway."""
    assert all(reason == printable(reason) for reason in page.unreadable.values())
    return set(page.unreadable) - {"html"}


def test_usual_pages_are_read_by_all() -> None:
    """What indexes write is taken by everybody, in each spelling of it."""
    assert by(json_page(entry(), entry(filename=SDIST, url=f"../../f/{SDIST}"))) == set()
    assert by(html(LINK)) == set()
    assert not html(LINK).unreadable
    assert set(json_page(entry()).unreadable) == {"html"}


@pytest.mark.parametrize(
    ("key", "value", "clients"),
    [
        ("filename", None, "uv"), ("filename", 5, "uv"), ("filename", ABSENT, "uv poetry"),
        ("filename", "a\ud800.whl", "uv"),
        ("url", None, "uv"), ("url", ABSENT, "uv"), ("url", 5, "uv pip"), ("url", [], "uv pip"),
        ("url", "http://[/x", "pip"), ("url", "/x.whl#egg=!!", "pip"),
        ("url", "/x\ud800.whl", "uv"),
        ("hashes", ABSENT, "uv"), ("hashes", None, "uv"), ("hashes", [], "uv pip"),
        ("hashes", "x", "uv pip"), ("hashes", {}, ""), ("hashes", {"sha256": None}, ""),
        ("hashes", {"sha256": 5}, "uv"), ("hashes", {"sha256": "zz"}, "uv"),
        ("hashes", {"sha256": "z" * 64}, "uv"), ("hashes", {"sha256": HASH, "md5": ""}, "uv"),
        ("hashes", {"foo": 5}, ""), ("hashes", {"sha256": HASH.upper()}, ""),
        ("hashes", {"blake2b": "ab" * 32}, ""), ("hashes", {"blake2b": "ab" * 64}, "uv"),
        ("size", ABSENT, ""), ("size", 0, ""), ("size", 2**63, ""), ("size", None, "uv"),
        ("size", "5", "uv"), ("size", 5.0, "uv"), ("size", True, "uv"), ("size", -1, "uv"),
        ("size", 2**64, "uv"),
        ("requires_python", None, ""), ("requires_python", ABSENT, ""), ("requires_python", "", ""),
        ("requires_python", 3, "uv pip"), ("requires_python", [], "uv"),
        ("yanked", ABSENT, ""), ("yanked", True, ""), ("yanked", "why", ""), ("yanked", None, "uv"),
        ("yanked", 0, "uv"), ("yanked", 1, "uv"),
        ("core_metadata", ABSENT, ""), ("core_metadata", None, ""), ("core_metadata", True, ""),
        ("core_metadata", {}, ""), ("core_metadata", "sha256=x", "uv"), ("core_metadata", 0, "uv"),
        ("core_metadata", {"sha256": "zz"}, "uv"), ("dist_info_metadata", "x", "uv"),
        ("dist_info_metadata", {"md5": "x"}, "uv"), ("dist_info_metadata", None, ""),
        ("upload_time", ABSENT, ""), ("upload_time", None, "uv"), ("upload_time", "", "uv"),
        ("upload_time", 5, "uv pip"), ("upload_time", "yesterday", "uv pip"),
    ],
)  # fmt: skip
def test_values_of_an_entry(key: str, value: object, clients: str) -> None:
    """Each client stumbles over values of its own, of any file of the page."""
    odd = {"filename": SDIST, "url": f"/f/{SDIST}", "core_metadata": False} | {key: value}
    page = json_page(entry(), entry(**odd))
    assert by(page) == set(clients.split())
    assert page.files[WHEEL].sha256 == HASH


@pytest.mark.parametrize(
    ("at", "clients"),
    [
        ("2024-01-01T00:00:00+00:00", ""), ("2024-01-01 00:00:00Z", ""), ("20240101T000000Z", ""),
        ("2024-02-29T23:59Z", ""), ("2024-01-01t00:00:00Z", ""), ("2024-01-01T00:00:00,5Z", ""),
        ("2024-01-01T00:00:00.123456789Z", ""), ("2024-01-01T00:00:00+0530", ""),
        ("2024-01-31T00:00:00Z", ""),
        ("2024-01-01", "uv"), ("2024-01-01T00:00:00", "uv"), ("2024-W01-1", "uv"),
        ("2024-01-01T00:00:00.0000000000Z", "uv"), ("2024-01-01T00:00:00 +05:00", "uv"),
        ("2024-01-01T00:00:00z", "pip"), ("2024-01-01T00:00:60Z", "pip"),
        ("0000-01-01T00:00:00Z", "pip"),
        ("2024-13-01T00:00:00Z", "uv pip"), ("2024-02-30T00:00:00Z", "uv pip"),
        ("2024-01-01T24:00:00Z", "uv pip"), (" 2024-01-01T00:00:00Z", "uv pip"),
        ("99999-01-01T00:00:00Z", "uv pip"),
    ],
)  # fmt: skip
def test_upload_times(at: str, clients: str) -> None:
    """pip takes what Python takes for a time, uv a date with a time of day and an offset."""
    assert by(json_page(entry(upload_time=at))) == set(clients.split())


@pytest.mark.parametrize(
    ("odd", "clients"),
    [(None, "pip uv poetry"), ("x", "pip uv poetry"), ([], "pip uv poetry"), ({}, "uv poetry")],
)
def test_entries_that_are_none(odd: object, clients: str) -> None:
    """One entry that is none keeps clients from all others."""
    page = json_page(entry(), odd)
    assert by(page) == set(clients.split())
    assert set(page.files) == {WHEEL}


def test_what_is_odd_is_told_with_its_file() -> None:
    """The reason names the field and the file, fit to print."""
    page = json_page(entry(size="5", filename="x\x1b[31m.whl"))
    assert page.unreadable["uv"] == "size of x [31m.whl is no number"


PAGE = json.dumps({"meta": {"api-version": "1.1"}, "files": [entry()]}).encode()


@pytest.mark.parametrize(
    ("body", "clients"),
    [
        (b"\xef\xbb\xbf" + PAGE, "uv"), (PAGE.decode().encode("utf-16"), "uv"),
        (PAGE.decode().encode("utf-32-le"), "uv"), (PAGE[:-1] + b', "x": NaN}', "uv"),
        (PAGE[:-1] + b', "x": -Infinity}', "uv"), (PAGE[:-1] + b', "x": 1e999}', ""),
        (PAGE + b"\n", ""), (PAGE[:-1] + b', "project-status": null}', "uv"),
        (PAGE[:-1] + b', "project-status": {"status": 5}}', "uv"),
        (PAGE[:-1] + b', "project-status": {"status": "odd"}}', ""),
    ],
)  # fmt: skip
def test_json_to_the_letter(body: bytes, clients: str) -> None:
    """uv takes only JSON in UTF-8, and only what it expects in it."""
    assert by(parse_page(body, JSON, URL)) == set(clients.split())


@pytest.mark.parametrize("version", [1, 1.5, "1", "1.x", None])
def test_versions_of_the_api(version: object) -> None:
    """Every client reads a page whose version is a number or is missing; so does this."""
    assert set(json_page(entry(), meta={"api-version": version}).files) == {WHEEL}


@pytest.mark.parametrize(
    ("kind", "clients"),
    [
        (JSON, ""), (f"{JSON}; charset=utf-8", ""), ("application/json", "pip uv poetry"),
        (JSON.upper(), "uv poetry"), (f"{JSON} ;x=y", "uv"),
    ],
)  # fmt: skip
def test_content_types_of_json(kind: str, clients: str) -> None:
    """The content type of JSON is compared to the letter by uv and Poetry."""
    page = parse_page(PAGE, kind, URL)
    assert by(page) == set(clients.split())
    assert "html" in page.unreadable


@pytest.mark.parametrize(
    ("kind", "clients"),
    [
        ("text/html", ""), ("text/html; charset=utf-8", ""),
        ("application/vnd.pypi.simple.v1+html", ""), ("Text/HTML", "uv"),
        ("text/html ;charset=utf-8", "uv"), ("application/xhtml+xml", "pip uv html"),
    ],
)  # fmt: skip
def test_content_types_of_html(kind: str, clients: str) -> None:
    """Poetry takes anything else for HTML, others do not."""
    assert set(html(LINK, kind).unreadable) == set(clients.split())


@pytest.mark.parametrize(
    ("body", "kind", "clients"),
    [
        (b"<p>\xff</p>", "text/html", "pip"), (b"<p>\xe9</p>", "text/html; charset=latin-1", ""),
        (b"<p>\xe9</p>", 'text/html; charset="ISO-8859-1"', ""),
        ("<p>é</p>".encode(), "text/html; charset=us-ascii", "pip"),
        (b"", "text/html; charset=foo", "pip"), (b"", "text/html; charset=hex", "pip"),
        (b"", "text/html; charset=", ""), (b"\xef\xbb\xbf", "text/html", ""),
        (b'<meta charset="latin-1">\xe9', "text/html", "pip"),
    ],
)  # fmt: skip
def test_charsets(body: bytes, kind: str, clients: str) -> None:
    """pip takes no byte that the declared charset does not have."""
    page = html(body + LINK.encode(), kind)
    assert by(page) == set(clients.split())
    assert set(page.files) == {WHEEL}


def test_html_in_another_charset() -> None:
    """The declared charset is gone by, though uv knows none but UTF-8."""
    page = html(LINK.encode("utf-16"), "text/html; charset=utf-16")
    assert set(page.files) == {WHEEL}
    assert by(page) == {"uv"}


@pytest.mark.parametrize(
    ("head", "clients"),
    [
        ('<base href="https://f.example/">', ""), ('<base href="/f/">', "pip uv poetry html"),
        ('<base href="//f.example/">', "pip uv poetry html"), ('<base href="">', "uv"),
        ('<base target="x">', ""), ('<base target="x"><base href="https://f.example/">', "uv"),
        ('<!-- <base href="/f/"> -->', ""), ('<script><base href="/f/"></script>', ""),
        ('<base href="https://f.example/"><base href="/f/">', ""),
    ],
)  # fmt: skip
def test_bases(head: str, clients: str) -> None:
    """pip, uv and Poetry take the first <base> as it is, so a relative one leads nowhere."""
    assert set(html(head + LINK).unreadable) == set(clients.split())


def test_absolute_links_need_no_base() -> None:
    """A relative <base> only stops uv where no link is relative."""
    link = LINK.replace('"/f/', '"https://f.example/')
    assert set(html('<base href="/f/">' + link).unreadable) == {"uv"}


def test_a_base_after_links() -> None:
    """pip and Poetry go by it, uv does not."""
    page = html(LINK + '<base href="https://f.example/">')
    assert page.files[WHEEL].url == f"https://f.example/f/{WHEEL}"
    assert set(page.unreadable) == {"uv"}


@pytest.mark.parametrize(
    "element",
    [
        *("script", "style", "textarea", "title", "SCRIPT", "xmp", "iframe", "noembed"),
        *("noframes", "plaintext"),
    ],
)
def test_text_is_no_markup(element: str) -> None:
    """Links in elements that hold text are none, and those after them are."""
    other = LINK.replace(WHEEL, SDIST)
    page = html(f"<{element}>{LINK}</{element} >{other}")
    assert set(page.files) == {SDIST}
    assert html(f'<{element} src="x">{LINK}').files == {}


@pytest.mark.parametrize(
    ("markup", "clients"),
    [
        ("<!-->", "pip poetry"), ("<!--->", "pip poetry"), ("<!-- x --!>", "pip poetry"),
        ("<!---->", ""), ("<!--x-->", ""), ("<!-- <!-- x -->", ""), ('<p title="<!--">', ""),
        ("<!x>", ""), ('<?xml version="1.0"?>', ""), ("<![CDATA[ x ]]>", ""), ("</ x>", ""),
        ("a < b", ""), ("<3", ""), ('<p title="<script>">', ""),
        ('<script src="a>b">x</script>', ""),
        ("<p class=don't>", ""), ("don't", ""), ('<title>Links for "lantern</title>', ""),
    ],
)  # fmt: skip
def test_links_after_other_markup(markup: str, clients: str) -> None:
    """What follows is a link for all, except that older Pythons miss the end of odd comments."""
    page = html(markup + LINK)
    assert set(page.files) == {WHEEL}
    assert by(page) == set(clients.split())


@pytest.mark.parametrize(
    "page",
    [
        f"<!-- {LINK} -->", f"<!-- > {LINK} -->", f"<![CDATA[ {LINK} ]]>", f"<!-- {LINK}",
        f"<p title='{LINK}'>", f"<p title='{LINK}", LINK.removesuffix(">x</a>"),
    ],
)  # fmt: skip
def test_links_that_are_none(page: str) -> None:
    """Nobody sees a link in a comment, in an attribute or in a tag without an end."""
    assert html(page).files == {}


@pytest.mark.parametrize(
    "tag",
    [
        "<a href='W'>", "<a href=W>", '<A HREF="W">', '<a\nhref\n=\n"W">', '<a/href="W">',
        '<a title=">" href="W">', '<a "" href="W">', '<a =x href="W">', '<a class="x"href="W">',
        '<a title="<" href="W">', '<a\x0chref="W">', "<a class=don't href=W>", '<a href="W"',
    ],
)  # fmt: skip
def test_ways_to_write_a_link(tag: str) -> None:
    """Attributes in every spelling that clients know."""
    link = tag.replace("W", f"/f/{WHEEL}#sha256={HASH}")
    page = html(link + "<br>")
    assert page.files == {WHEEL: IndexFile(WHEEL, f"https://index.example/f/{WHEEL}", HASH)}


@pytest.mark.parametrize(
    ("fragment", "clients"),
    [
        ("#egg=!!", "pip uv"), ("#egg=lantern", "uv"), ("#sha256=abcd", "uv"),
        ("#sha256=xyz", "uv"),
        ("#sha256=", "uv"), ("#foo=bar", "uv"), ("#sha1=" + "ab" * 20, "uv"), ("#main", ""),
        (f"#sha256={HASH}&md5=x", ""), (f"#SHA256={HASH}", "uv"),
    ],
)  # fmt: skip
def test_fragments_of_any_link(fragment: str, clients: str) -> None:
    """uv takes what looks like a hash for one, whatever the link leads to."""
    assert by(html(LINK + f'<a href="/elsewhere{fragment}">')) == set(clients.split())


@pytest.mark.parametrize(
    ("link", "clients"),
    [('<a href="http://[/">', "pip"), ('<a href="/x/%ff.whl">', "uv"), ('<a href="">', "")],
)
def test_links_that_stop_a_client(link: str, clients: str) -> None:
    """An address that is none stops pip, a name that is not in UTF-8 uv."""
    assert by(html(LINK + link)) == set(clients.split())


# Files that one client would not take.


def refused(page: ProjectPage) -> set[str]:
    """Who would not take the wheel of a page."""
    clients = ("pip", "uv", "poetry")
    found = {c: page.as_seen_by(c).refused for c in clients}
    assert all(why == printable(why) for whys in found.values() for why in whys.values())
    return {client for client in clients if WHEEL in found[client]}


@pytest.mark.parametrize(
    ("more", "clients"),
    [
        ({}, ""), ({"url": "/blobs/1"}, "pip"), ({"url": f"/f/{WHEEL}/x"}, "pip"),
        ({"url": f"/dl?f=/{WHEEL}"}, "pip"), ({"url": f"/f/{WHEEL}?token=1"}, ""),
        ({"url": f"/f/{WHEEL.replace('-', '%2D')}"}, ""), ({"url": f"/f/{WHEEL} "}, "pip"),
        ({"url": f"/f/{WHEEL}#egg=lantern"}, "pip"), ({"url": ""}, "pip"),
        ({"hashes": {"sha256": HASH.upper()}}, "poetry"), ({"hashes": {}}, ""),
        ({"hashes": {"sha256": HASH, "sha512": SHA512.upper()}}, "poetry"),
        ({"hashes": {"sha256": HASH, "md5": "AB" * 16}}, ""),
        ({"hashes": {"md5": "AB" * 16}}, "poetry"),
        ({"hashes": {"sha256": "xyz"}}, "pip poetry"),
        ({"hashes": {"sha256": "z" * 64}}, "pip poetry"),
        ({"hashes": {"sha256": None}}, "pip poetry"), ({"hashes": {"sha256": 5}}, "pip poetry"),
        ({"hashes": {"blake2b_256": HASH, "sha256": HASH}}, "pip"),
        ({"hashes": {"blake2b": HASH, "sha256": HASH}}, "pip"),
        ({"hashes": {"sha256": HASH, "blake2b_256": HASH}}, ""),
        ({"requires_python": ">=3.x"}, "uv"), ({"requires_python": "garbage"}, "uv"),
        ({"requires_python": ">=3.8.*"}, ""), ({"requires_python": ">=3.8, <4,"}, ""),
        ({"requires_python": ">=3.8 <4"}, ""), ({"requires_python": ">=3.8" * 1000}, "uv"),
    ],
)  # fmt: skip
def test_files_of_json_that_are_refused(more: dict[str, object], clients: str) -> None:
    """pip goes by the end of the URL and the first hash, Poetry compares to the letter."""
    assert refused(json_page(entry(**more))) == set(clients.split())


@pytest.mark.parametrize(
    ("fragment", "clients"),
    [
        (f"#sha256={HASH}", ""), (f"#sha256={HASH.upper()}", ""), (f"#egg=x&sha256={HASH}", "pip"),
        (f"#sha256=ab{HASH.upper()[2:]}", "poetry"), ("#sha256=abcd", "pip poetry"),
        (f"#sha256={HASH};x", "pip poetry"), ("#sha256=xyz", "pip"), ("", ""), ("#main", ""),
    ],
)  # fmt: skip
def test_files_of_html_that_are_refused(fragment: str, clients: str) -> None:
    """pip compares the whole fragment, Poetry reads a hash as far as it is in lower case."""
    assert refused(html(f'<a href="/f/{WHEEL}{fragment}">')) == set(clients.split())


# Hashes besides sha256.


@pytest.mark.parametrize(
    "page",
    [
        json_page(entry(hashes={"sha256": HASH, "sha512": SHA512.upper(), "md5": "x", "z": "ab"})),
        html(f'<a href="/f/{WHEEL}#sha256={HASH}&sha512={SHA512}">'),
    ],
)
def test_other_hashes_are_kept(page: ProjectPage) -> None:
    """All that could be compared with the bytes, in lower case."""
    assert (page.files[WHEEL].sha256, page.files[WHEEL].digests) == (HASH, (("sha512", SHA512),))


def test_a_link_with_another_hash_only() -> None:
    """md5, as old indexes write it."""
    page = html(f'<a href="/f/{WHEEL}#md5={"AB" * 16}" data-core-metadata="sha512={SHA512}">')
    file = page.files[WHEEL]
    assert (file.sha256, file.digests) == (None, (("md5", "ab" * 16),))
    assert (file.metadata_sha256, file.metadata_digests) == (None, (("sha512", SHA512),))


def test_metadata_under_its_older_name() -> None:
    """null under the newer name says nothing, as pip reads it."""
    page = json_page(entry(core_metadata=None, dist_info_metadata={"sha256": HASH, "md5": "x"}))
    assert (page.files[WHEEL].has_metadata, page.files[WHEEL].metadata_sha256) == (True, HASH)


OTHER = "cd" * 32


@pytest.mark.parametrize(
    "page",
    [
        html(f'<a href="/f/{WHEEL}#sha256={HASH}&sha256={OTHER}">'),
        json_page(entry(url=f"/f/{WHEEL}#sha256={OTHER}")),
        json_page(entry(), entry(url=f"/other/{WHEEL}", hashes={})),
        json_page(entry(hashes={}), entry(url=f"/other/{WHEEL}")),
        json_page(entry(), entry(hashes={"sha256": OTHER})),
        json_page(entry(hashes={"md5": "ab" * 16}), entry(hashes={"md5": "cd" * 16})),
    ],
)
def test_entries_that_contradict(page: ProjectPage) -> None:
    """One file under two hashes, or under one and under none elsewhere, is ambiguous."""
    assert page.ambiguous == {WHEEL}


def test_a_file_in_two_places() -> None:
    """The same file under another URL is kept beside the first, and not ambiguous."""
    page = json_page(entry(), entry(), entry(url=f"/other/{WHEEL}"))
    assert not page.ambiguous
    assert [file.url for file in page.entries(WHEEL)] == [
        f"https://index.example/f/{WHEEL}", f"https://index.example/other/{WHEEL}",
    ]  # fmt: skip
    assert page.entries(SDIST) == ()


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("data:,x", "data:"), ("ftp://f.example/", "ftp:"), ("http://[/", "no address on the web"),
        ("http://h:99999/", "no address on the web"),
    ],
)  # fmt: skip
def test_links_that_cannot_be_used(address: str, words: str) -> None:
    """A file whose link leads nowhere is kept as such."""
    assert json_page(entry(url=address)).unusable == {WHEEL: words}
    assert json_page(entry(url=5)).unusable == {WHEEL: "no address at all"}
    if address.endswith("/"):
        assert html(f'<a href="{address}{WHEEL}">').unusable == {WHEEL: words}


def test_a_link_to_two_places() -> None:
    """Of two addresses in one link each client takes another."""
    page = html(f'<a href="/f/{WHEEL}" href="/other/{WHEEL}">')
    assert (page.files, page.unusable) == ({}, {WHEEL: "two addresses in one link"})
    assert set(html(f'<a href="/f/{WHEEL}" href="/f/{WHEEL}">').files) == {WHEEL}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=6), inner, max_size=2)
    ),
    max_leaves=4,
)
KEYS = st.sampled_from([*entry(), "dist-info-metadata", "digests", "yanked_reason"])


@given(st.dictionaries(KEYS, VALUES | st.dictionaries(st.sampled_from(["sha256", "md5"]), VALUES)))
def test_any_entry(odd: dict[str, object]) -> None:
    """Whatever an entry holds, what is made of it is fit to print."""
    page = json_page({**entry(), **odd})
    by(page)
    refused(page)


@pytest.mark.parametrize(
    "piece",
    [
        *("<!--", "<!", "<script>", "<p x='", "<p x=", "<a href='#sha256=", "--!>", "<![CDATA["),
        *("</", "<title></title", "<a href=x href=y ", "<base href='x'>", "<a   \n", "<p ==== "),
        *("<a ", '<a x="'),
    ],
)
def test_hostile_markup_is_read_once(piece: str) -> None:
    """However much it is, it comes to an end: what looks at all of it for each piece never does."""
    assert not html(piece * (1_200_000 if THOROUGH else 60_000)).files


def test_usual_entries_are_not_looked_at_closely(monkeypatch: pytest.MonkeyPatch) -> None:
    """That takes several times as long, and pages list thousands of files."""
    names = [f"lantern-0.{number}.tar.gz" for number in range(2_000)]
    body = json.dumps({"files": [entry(filename=n, url=f"../../f/{n}") for n in names]}).encode()
    closely: list[object] = []
    monkeypatch.setattr(simple_json, "_check", lambda *args: closely.append(args))
    assert len(parse_page(body, JSON, URL).files) == len(names)
    assert closely == []
