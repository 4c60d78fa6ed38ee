"""The upload form, and what an answer proves."""

from __future__ import annotations

import json
import tarfile
import zipfile
from importlib.metadata import version
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name
from packaging.version import Version
from poetry.core.factory import Factory
from poetry.core.masonry.builders.sdist import SdistBuilder
from poetry.core.masonry.builders.wheel import WheelBuilder

from poetry_publish_verified import sanitize as foreign
from poetry_publish_verified.adapters import dist_dir
from poetry_publish_verified.core.upload.form import OTHER_DIGESTS, form_fields, judge
from poetry_publish_verified.core.upload.outcomes import (
    Answered,
    Doubtful,
    NoAnswer,
    Refused,
    Stored,
)
from poetry_publish_verified.core.upload.server_words import server_words
from poetry_publish_verified.errors import Code
from poetry_publish_verified.sanitize import printable
from tests.core.distributions import SDIST, WHEEL, core_metadata, distribution

if TYPE_CHECKING:
    from pathlib import Path

POETRY = Version(version("poetry"))
NAME = "harbour"
URL = "https://upload.example.org/legacy/"

UNUSUAL = core_metadata(
    "Dynamic: Requires-Dist",
    "Dynamic: Classifier",
    "Platform: any",
    "Platform: other",
    "Supported-Platform: RedHat 7.2",
    "Summary: Gives light: ä, ö, ü",
    "Keywords: light,dark, a lamp",
    "Home-page: https://lantern.example/",
    "Download-URL: https://lantern.example/get",
    "Author: Ünal, A.",
    "Author-email: Ünal <a@lantern.example>, b@lantern.example",
    "Maintainer: B",
    "Maintainer-email: b@lantern.example",
    "License-Expression: MIT OR Apache-2.0",
    "License-File: LICENSE",
    "License-File: licenses/APACHE.txt",
    "Classifier: Topic :: Utilities",
    "Classifier: Typing :: Typed",
    "Requires-Python: >=3.11,!=3.12.0",
    'Requires-Dist: httpx[http2]>=0.27; extra == "net"',
    "Requires-Dist: anyio",
    "Requires-External: C",
    "Provides-Extra: net",
    "Provides-Extra: all",
    "Project-URL: Home page, https://lantern.example/, really",
    "Project-URL: Bugs, https://lantern.example/bugs",
    "Provides-Dist: lamp",
    "Obsoletes-Dist: torch",
    "Description-Content-Type: text/markdown; charset=UTF-8",
    "",
    "# Lantern",
    "",
    "Größe: 3",
)


def test_wheel_form_fields() -> None:
    """Each metadata field has its form field; repeatable ones are lists."""
    built = distribution("lantern-1.0-py2.py3-none-any.whl", b"light", UNUSUAL)
    fields = form_fields(built)
    assert fields == {
        ":action": "file_upload",
        "protocol_version": "1",
        "filetype": "bdist_wheel",
        "pyversion": "py2.py3",
        "sha256_digest": built.sha256,
        "metadata_version": "2.4",
        "name": "lantern",
        "version": "1.0",
        "dynamic": ["Requires-Dist", "Classifier"],
        "platform": ["any", "other"],
        "supported_platform": ["RedHat 7.2"],
        "summary": "Gives light: ä, ö, ü",
        "keywords": "light, dark, a lamp",
        "home_page": "https://lantern.example/",
        "download_url": "https://lantern.example/get",
        "author": "Ünal, A.",
        "author_email": "Ünal <a@lantern.example>, b@lantern.example",
        "maintainer": "B",
        "maintainer_email": "b@lantern.example",
        "license_expression": "MIT OR Apache-2.0",
        "license_file": ["LICENSE", "licenses/APACHE.txt"],
        "classifiers": ["Topic :: Utilities", "Typing :: Typed"],
        "requires_python": ">=3.11,!=3.12.0",
        "requires_dist": ['httpx[http2]>=0.27; extra == "net"', "anyio"],
        "requires_external": ["C"],
        "provides_extra": ["net", "all"],
        "project_urls": [
            "Home page, https://lantern.example/, really",
            "Bugs, https://lantern.example/bugs",
        ],
        "provides_dist": ["lamp"],
        "obsoletes_dist": ["torch"],
        "description_content_type": "text/markdown; charset=UTF-8",
        "description": fields["description"],
    }
    assert str(fields["description"]).strip() == "# Lantern\n\nGröße: 3"


def test_import_names() -> None:
    """PyPI reads the fields of metadata 2.5 (PEP 794) under these names."""
    lines = ("Import-Name: lantern", "Import-Name: oil ; private", "Import-Namespace: light")
    metadata = core_metadata(*lines).replace(b"Version: 2.4", b"Version: 2.5")
    fields = form_fields(distribution(WHEEL, metadata=metadata))
    assert fields["import_name"] == ["lantern", "oil ; private"]
    assert fields["import_namespace"] == ["light"]
    assert "import_names" not in fields


def test_sdist_form_fields() -> None:
    """An sdist's pyversion is `source`."""
    fields = form_fields(distribution(SDIST))
    assert (fields["filetype"], fields["pyversion"]) == ("sdist", "source")


def poetrys_form(file: Path) -> dict[str, Any]:
    """The form that Poetry's own uploader would send."""
    from poetry.publishing.uploader import Uploader

    return {**Uploader.post_data(file), ":action": "file_upload", "protocol_version": "1"}


@pytest.mark.skipif(
    Version("2.3") > POETRY,
    reason=f"Poetry {POETRY} reads pyproject.toml and not the archive; 2.3 is the first that does",
)
@pytest.mark.parametrize("maker", ["by-hand", "by-poetry"])
def test_form_equals_poetrys(tmp_path: Path, maker: str) -> None:
    """For unusual metadata the form is the one that Poetry sends."""
    (write_by_hand if maker == "by-hand" else build_with_poetry)(tmp_path)
    built = dist_dir.read(tmp_path / "dist", canonicalize_name("lantern"), Version("1.0"))
    assert [d.parsed.kind for d in built] == ["wheel", "sdist"]
    for each in built:
        fields = form_fields(each)
        # Those are computed as the file is sent.
        theirs = poetrys_form(tmp_path / "dist" / each.filename)
        assert fields == {key: theirs[key] for key in theirs.keys() - OTHER_DIGESTS.keys()}
        assert theirs.keys() >= OTHER_DIGESTS.keys()
        assert {"keywords", "project_urls", "license_file", "provides_extra"} <= fields.keys()
        assert "dynamic" in fields or maker == "by-poetry"


def write_by_hand(directory: Path) -> None:
    """A wheel and an sdist whose metadata has every field."""
    dist = directory / "dist"
    dist.mkdir()
    with zipfile.ZipFile(dist / WHEEL, "w") as wheel:
        wheel.writestr("lantern-1.0.dist-info/METADATA", UNUSUAL)
    with tarfile.open(dist / SDIST, "w:gz") as sdist:
        info = tarfile.TarInfo("lantern-1.0/PKG-INFO")
        info.size = len(UNUSUAL)
        sdist.addfile(info, BytesIO(UNUSUAL))


def build_with_poetry(directory: Path) -> None:
    """A wheel and an sdist that poetry-core builds from unusual metadata."""
    (directory / "lantern").mkdir()
    (directory / "lantern" / "__init__.py").touch()
    (directory / "README.md").write_text("# Größe\n", encoding="utf-8")
    for name in ("LICENSE", "AUTHORS.txt"):
        (directory / name).write_text("free\n", encoding="utf-8")
    (directory / "pyproject.toml").write_text(
        """\
[project]
name = "lantern"
version = "1.0"
description = "Gives light: ä"
readme = "README.md"
requires-python = ">=3.11,!=3.12.0"
license = "MIT OR Apache-2.0"
license-files = ["LICENSE", "AUTHORS.txt"]
authors = [{ name = "Ünal", email = "a@lantern.example" }, { name = "B" }]
maintainers = [{ email = "b@lantern.example" }]
keywords = ["light", "a lamp"]
dynamic = ["classifiers"]
dependencies = ["anyio>=4; python_version < '4'"]

[project.optional-dependencies]
net = ["httpx[http2]>=0.27"]

[project.urls]
"Home page" = "https://lantern.example/"
Bugs = "https://lantern.example/bugs"

[tool.poetry]
classifiers = ["Topic :: Utilities"]

[build-system]
requires = ["poetry-core"]
build-backend = "poetry.core.masonry.api"
""",
        encoding="utf-8",
    )
    poetry = Factory().create_poetry(directory)
    for builder in (SdistBuilder(poetry), WheelBuilder(poetry)):
        builder.build(directory / "dist")


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_success_means_stored(status: int) -> None:
    """Only a 2xx answer says that the file was stored."""
    assert judge(Answered(status, b"OK"), WHEEL, URL, repository=NAME) == Stored()


BYTES = st.one_of(
    st.binary(),
    st.sampled_from([b"File already exists.", b"\xff", b'{"message": {"a": [1]}}', b'"x"', b"[]"]),
    st.recursive(
        st.one_of(st.none(), st.text(), st.integers()),
        lambda inner: st.dictionaries(
            st.sampled_from(["message", "detail", "error", "errors"]), inner
        ),
    ).map(lambda value: json.dumps(value).encode()),
)


@given(st.integers(100, 599), BYTES, BYTES)
def test_other_answers_never_mean_stored(status: int, reason: bytes, body: bytes) -> None:
    """No other answer counts as stored, and its words are sanitized."""
    judged = judge(Answered(status, reason, body), WHEEL, URL, repository=NAME)
    # A web page or a JSON object with errors contradicts a status that claims success.
    if b"<" not in body and b'"error' not in body:
        assert isinstance(judged, Stored) is (200 <= status < 300)
    assert 200 <= status < 300 or not isinstance(judged, Stored)
    words = server_words(Answered(status, reason, body))
    assert words == printable(words, 800)
    assert words.startswith(str(status))
    if isinstance(judged, Refused):
        assert judged.problem.filename == WHEEL
        assert judged.problem.message == printable(judged.problem.message, 2000)
    assert isinstance(judged, Refused | Doubtful) or 200 <= status < 300


@pytest.mark.parametrize("status", [200, 202, 203])
@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<!DOCTYPE html><title>Welcome</title><form action=/in><input name=user>", "sign-in"),
        (b"\xef\xbb\xbf\n<!-- v2 -->\n<HTML><body>Log in with your company account", "sign-in"),
        (b"<html><head><title>SSO</title></head></html>", "sign-in"),
        (b'<form method="post"><input type="password"></form>', "sign-in"),
        (b"<html><div id=app></div><script src=/app.js></script></html>", "a web page"),
    ],
)
def test_web_page_is_no_success(status: int, body: bytes, words: str) -> None:
    """What no index answers is doubtful; whoever looks in vain learns of the page."""
    judged = judge(Answered(status, b"OK", body), WHEEL, URL, repository=NAME)
    assert isinstance(judged, Doubtful)
    assert judged.problem is not None
    assert judged.problem.code is Code.WEB_PAGE
    assert words in judged.problem.message
    assert ("without a sign-in page" in judged.problem.remedy) is (words == "sign-in")
    assert f"{NAME} <" in judged.problem.remedy


def test_early_success_is_doubtful() -> None:
    """A server that has not got the whole file cannot have stored it, whatever it says."""
    judged = judge(Answered(200, b"OK", early=True), WHEEL, URL, repository=NAME)
    assert judged == Doubtful(
        says_exists=False, words="the server answered before it had the whole file: 200 OK"
    )
    page = Answered(200, b"OK", b"<html>Sign in</html>", early=True)
    judged = judge(page, WHEEL, URL, repository=NAME)
    assert isinstance(judged, Doubtful)
    assert judged.problem is not None


@pytest.mark.parametrize("body", [b"", b"OK", b'{"message": "created"}', b"<status>ok</status>"])
def test_success_in_other_forms(body: bytes) -> None:
    """What an index says with a success is its own business."""
    judged = judge(Answered(200, b"OK", body), WHEEL, URL, repository=NAME)
    assert isinstance(judged, Stored)


def test_redirect_names_its_target() -> None:
    """The words of a redirect say where it leads."""
    answer = Answered(301, b"Moved Permanently", location="https://h.example/legacy/")
    assert server_words(answer) == "301 Moved Permanently, redirecting to https://h.example/legacy/"


@given(st.text(), st.booleans())
def test_missing_answer_never_means_stored(detail: str, sent: bool) -> None:
    """Sent without an answer is doubtful; never sent is not stored."""
    judged = judge(NoAnswer(detail, sent=sent), WHEEL, URL, repository=NAME)
    assert isinstance(judged, Doubtful if sent else Refused)


def test_upload_that_never_left() -> None:
    """It says so, with the reason."""
    judged = judge(NoAnswer("connection refused", sent=False), WHEEL, URL, repository=NAME)
    assert isinstance(judged, Refused)
    assert judged.problem.code is Code.UPLOAD_NOT_SENT
    assert "connection refused" in judged.problem.message


@pytest.mark.parametrize(
    ("status", "reason", "body"),
    [
        (400, "File already exists ('lantern-1.0.tar.gz', with blake2_256 hash 'ab').", b""),
        (400, "Bad Request", b'{"error": {"message": "Package lantern already exists"}}'),
        (400, "Repository does not allow updating assets: local", b""),
        (400, "Bad Request", b"<p>a.whl cannot be updated</p>"),
        (400, "Bad Request", b'{"message": {"file_name": ["has already been taken"]}}'),
        (
            403,
            "Forbidden",
            b'{"errors": [{"message": "Not enough permissions to overwrite artifact"}]}',
        ),
        (403, "Forbidden", b"Requested entity already exists"),
        (422, "Unprocessable Entity", b'{"detail": "name has already been taken"}'),
        (409, "Conflict", b""),
        (409, "lantern-1.0.tar.gz already exists in stage", b""),
        (409, "Conflict", b"<h1>Package already exists!</h1>"),
    ],
)
def test_already_exists_is_doubtful(status: int, reason: str, body: bytes) -> None:
    """Every index's way to say "already exists" leads to a look, and is not believed."""
    judged = judge(Answered(status, reason.encode(), body), SDIST, URL, repository=NAME)
    assert isinstance(judged, Doubtful)
    assert judged.says_exists


@pytest.mark.parametrize("status", [500, 502, 503, 504, 599])
def test_server_error_is_doubtful(status: int) -> None:
    """After a 5xx the file may be there or not."""
    judged = judge(Answered(status, b"no healthy backends"), WHEEL, URL, repository=NAME)
    assert judged == Doubtful(says_exists=False, words=f"{status} no healthy backends")


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (
            Answered(200, b"OK", b'{"errors": [{"message": "denied by policy"}]}'),
            Code.UPLOAD_REFUSED,
        ),
        (Answered(202, b"Accepted", b'{"error": "denied by policy"}'), Code.UPLOAD_REFUSED),
        (Answered(303, b"See Other: denied by policy"), Code.REDIRECTED),
        (Answered(302, b"Found: denied by policy"), Code.REDIRECTED),
    ],
)
def test_doubtful_success(answer: Answered, code: Code) -> None:
    """The index decides, and if it does not list the file the server's words are reported."""
    judged = judge(answer, WHEEL, URL, repository=NAME)
    assert isinstance(judged, Doubtful)
    assert not judged.says_exists
    assert judged.problem is not None
    assert judged.problem.code is code
    assert "denied by policy" in judged.problem.message


@pytest.mark.parametrize(
    "said",
    ['"status": "error"', '"status": 507', '"code": "422"', '"result": "Failed"', '"ok": false'],
)
def test_success_that_reports_a_failure(said: str) -> None:
    """Servers and gateways have many ways to deny in JSON what their status claims."""
    body = f'{{{said}, "message": "disk quota used up"}}'.encode()
    judged = judge(Answered(200, b"OK", body), WHEEL, URL, repository=NAME)
    assert isinstance(judged, Doubtful)
    assert judged.problem is not None
    assert "disk quota used up" in judged.problem.message


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'{"errors": []}',
        b'{"error": null}',
        b'["error"]',
        b'{"message": "201"}',
        b"[",
        b'{"status": "ok", "code": 200}',
        b'{"success": true}',
        b'{"status": 201}',
        b'{"ok": 1}',
        b'{"status": null, "result": "no errors"}',
    ],
)
def test_success_without_error(body: bytes) -> None:
    """What indexes add to a success is no doubt."""
    assert judge(Answered(201, b"Created", body), WHEEL, URL, repository=NAME) == Stored()


@pytest.mark.parametrize(
    ("status", "reason", "code"),
    [
        (401, "Unauthorized", Code.CREDENTIALS_REFUSED),
        (403, "Forbidden", Code.CREDENTIALS_REFUSED),
        (400, "The upload is too large.", Code.FILE_TOO_LARGE),
        (413, "Payload Too Large", Code.FILE_TOO_LARGE),
        (413, "Request Entity", Code.FILE_TOO_LARGE),
        (404, "Not Found", Code.NOT_AN_UPLOAD_URL),
        (405, "Method Not Allowed", Code.NOT_AN_UPLOAD_URL),
        (410, "Gone", Code.NOT_AN_UPLOAD_URL),
        (308, "Permanent Redirect", Code.REDIRECTED),
        (429, "Too Many Requests", Code.TRY_LATER),
        (408, "Request Timeout", Code.TRY_LATER),
        (400, "The moon is full.", Code.UPLOAD_REFUSED),
        (100, "Continue", Code.UPLOAD_REFUSED),
    ],
)
def test_refusal_known_by_status_only(status: int, reason: str, code: Code) -> None:
    """A refusal known only by its status has a code and repeats the server's words."""
    answer = Answered(status, reason.encode(), b"<html>generic</html>")
    judged = judge(answer, WHEEL, URL, repository=NAME)
    assert isinstance(judged, Refused)
    assert judged.problem.code is code
    assert reason in judged.problem.message
    assert judged.problem.remedy


@pytest.mark.parametrize(
    ("reason", "body", "words"),
    [
        (b"File too large", b"", "400 File too large"),
        (b"", b"", "400"),
        (b"", b"plain words", "400 plain words"),
        (b"Bad Request", b"Bad Request", "400 Bad Request"),
        (b"Bad Request", b'{"message": "no"}', "400 Bad Request: no"),
        (b"Bad Request", b'{"error": {"detail": "no"}}', "400 Bad Request: no"),
        (
            b"Bad Request",
            '{"error": "no", "why": "ä"}'.encode(),
            '400 Bad Request: {"error": "no", "why": "ä"}',
        ),
        (b"", b'{"errors": [{"status": 400, "message": "no"}]}', "400 no"),
        (
            b"",
            b'{"errors": [{"message": "a"}, {"message": "b"}]}',
            '400 [{"message": "a"}, {"message": "b"}]',
        ),
        (b"Bad Request", b'"no"', "400 Bad Request: no"),
        (b"Bad Request", b'{"broken', '400 Bad Request: {"broken'),
        (b"No", b"<html><body><h1>Because</h1></body></html>", "400 No: Because"),
        ("Größe".encode(), b"", "400 Größe"),
        (b"\x1b[31mred", b"\r\n::error::x", "400 [31mred: : :error::x"),
    ],
)
def test_server_words_are_combined(reason: bytes, body: bytes, words: str) -> None:
    """Reason phrase and body become one safe line without repetition."""
    assert server_words(Answered(400, reason, body)) == words


NGINX = b"""<html>\r\n<head><title>403 Forbidden</title></head>\r\n<body>\r\n
<center><h1>403 Forbidden</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>"""
BOTTLE = b"""<!DOCTYPE HTML><html><head><title>Error: 403 Forbidden</title></head><body>
<h1>Error: 403 Forbidden</h1><p>Sorry, the requested URL <tt>&#039;http://h/&#039;</tt>
caused an error:</p><pre>Forbidden</pre></body></html>"""
WERKZEUG = b"""<!doctype html>\n<title>403 Forbidden</title>\n<h1>Forbidden</h1>
<p>You have no permission to <b>upload</b>. Ask for <b>upload</b> rights.</p>"""
WEBOB = b"""403 Forbidden\n\nAccess was denied to this resource.\n\n Forbidden \n\n"""
PROBLEM = b"""{"type": "about:blank", "title": "Forbidden", "status": 403, "detail": "Read only"}"""
SPRING = b"""{"status": 403, "error": "Forbidden", "message": "forbidden", "path": "/up"}"""


@pytest.mark.parametrize(
    ("body", "rest"),
    [
        (NGINX, ": nginx"),
        (BOTTLE, ": Sorry, the requested URL 'http://h/' caused an error:"),
        (WERKZEUG, ": You have no permission to upload. Ask for upload rights."),
        (WEBOB, ": Access was denied to this resource."),
        (b"<title>Forbidden</title><h1>Forbidden</h1><p>Forbidden</p>", ""),
        (b"HTTP/1.1 403 FORBIDDEN\n\nforbidden.", ""),
        (b"Error 403: Forbidden (read-only)", " (read-only)"),
        (b"<h1>403 - Forbidden</h1><p>Forbidden: read-only</p>", ": read-only"),
        (b"<p>Error 4031 of 403.5</p>", ": Error 4031 of 403.5"),
        (PROBLEM, ': {"type": "about:blank", "detail": "Read only"}'),
        (SPRING, ': {"path": "/up"}'),
        (b'{"message": "403 Forbidden"}', ""),
        (b'{"errors": [{"status": 403, "message": "Forbidden"}]}', ""),
        (b'["Forbidden", "read-only"]', ": read-only"),
        (b'{"detail": "Forbidden: read-only"}', ": read-only"),
        (b'{"error": "forbidden", "message": "Read only", "detail": "Read only"}', ": Read only"),
        (b'"Forbidden"', ""),
    ],
)
def test_server_words_appear_once(body: bytes, rest: str) -> None:
    """A body repeats its reason phrase in a title, a heading, a paragraph or a field."""
    assert server_words(Answered(403, b"Forbidden", body)) == f"403 Forbidden{rest}"
    without = server_words(Answered(403, b"", body))
    assert without.casefold().count("forbidden") == (b"orbidden" in body)


def test_reason_phrase_repeated_on_one_line() -> None:
    """A body without markup may repeat it as well."""
    answer = Answered(403, b"Forbidden", b"403 Forbidden: 403 Forbidden Forbidden")
    assert server_words(answer) == "403 Forbidden"


def test_long_reason_phrase_appears_once() -> None:
    """PyPI puts its message into the reason phrase, a title, a heading and a paragraph."""
    text = "The user &#39;keeper&#39; isn&#39;t allowed here. See https://example.org/help/#project"
    body = f"""<html><head><title>403 {text}</title></head><body><h1>403 {text}</h1>
    Access was denied to this resource.<br/><br/>\n{text}\n\n</body></html>"""
    plain = text.replace("&#39;", "'")
    said = server_words(Answered(403, plain.encode(), body.encode()))
    assert said == f"403 {plain}: Access was denied to this resource."


def test_repetitive_body_takes_linear_time() -> None:
    """Many short and different pieces are read at once."""
    # A quadratic algorithm would take minutes.
    body = "\n".join(f"{number} a" for number in range(9999)).encode()
    assert len(server_words(Answered(400, b"a " * 400, body))) <= 800


def test_latin_1_reason_phrase() -> None:
    """HTTP's old encoding is decoded if a reason phrase is not UTF-8."""
    assert server_words(Answered(400, "Größe".encode("latin-1"))) == "400 Größe"


def test_long_answers_are_truncated() -> None:
    """A page-long answer does not flood the terminal."""
    assert len(server_words(Answered(400, b"x" * 9000, b"y" * 90000))) <= 800


@pytest.mark.parametrize("depth", [*range(900, 1000, 7), 5_000, 60_000])
def test_deeply_nested_json(depth: int) -> None:
    """Endlessly nested JSON is judged like any other answer."""
    body = b"[" * depth + b"]" * depth
    assert isinstance(judge(Answered(400, b"No", body), WHEEL, URL, repository=NAME), Refused)


@pytest.mark.parametrize("piece", [b"<", b"[", b"{", b'{"message":'])
def test_hostile_body_takes_linear_time(piece: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repetitive body is read in bounded time, however long it is."""
    # A quadratic algorithm would take days.
    monkeypatch.setattr(foreign, "_LARGEST", 1 << 24)
    answer = Answered(400, b"No", b"x" + piece * 2_000_000)
    assert isinstance(judge(answer, WHEEL, URL, repository=NAME), Refused)
