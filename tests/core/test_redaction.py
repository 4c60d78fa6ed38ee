"""The run's secrets are blanked in free text, however they are encoded, and in nothing else."""

from __future__ import annotations

import base64
import html
import json
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

import pytest
from cleo.io.buffered_io import BufferedIO
from hypothesis import assume, given
from hypothesis import strategies as st

from poetry_publish_verified import sanitize
from poetry_publish_verified.cli.secrets import hide_secrets
from poetry_publish_verified.sanitize import (
    learn,
    learn_environment,
    learn_login,
    make_public,
    pieces_of_html,
    printable,
    printable_lines,
    redacted,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

USER = "me"
SECRETS = [
    "pypi-AgEIcHlwaS5vcmcCJGI2-long_enough",
    'two words & <tags> "quoted" it\'s',
    "back\\slash/and+plus=%40@:;",
    "gr\u00f6\u00dfer als \u20ac und \U0001f511",
    "line\nbreak\tand tab",
    " spaces around it ",
]


@pytest.fixture(autouse=True)
def no_secrets() -> Iterator[None]:
    """Forget the secrets before and after each test."""
    known = sanitize._secrets  # noqa: SLF001
    sanitize._secrets = type(known)()  # noqa: SLF001
    yield
    sanitize._secrets = known  # noqa: SLF001


def of_both(text: str) -> bytes:
    """What HTTP makes of a login."""
    return base64.b64encode(f"{USER}:{text}".encode())


ENCODINGS: dict[str, Callable[[str], str]] = {
    "raw": str,
    "quote": quote,
    "quote-all": lambda text: quote(text, safe=""),
    "quote-twice": lambda text: quote(quote(text, safe=""), safe=""),
    "quote-plus": quote_plus,
    "lower-hex": lambda text: "".join(
        f"%{byte:02x}" if byte > 127 or not chr(byte).isalnum() else chr(byte)
        for byte in text.encode()
    ),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "hex": lambda text: text.encode().hex(),
    "base64-for-urls": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "login": lambda text: of_both(text).decode(),
    "login-in-latin-1": lambda text: base64.b64encode(
        f"{USER}:{text}".encode("latin-1", "ignore")
    ).decode(),
    "login-without-padding": lambda text: of_both(text).decode().rstrip("="),
    "quoted-login": lambda text: quote(of_both(text).decode(), safe=""),
    "json": json.dumps,
    "json-utf-8": lambda text: json.dumps(text, ensure_ascii=False),
    "json-twice": lambda text: json.dumps(json.dumps(text)),
    "json-with-slashes": lambda text: json.dumps(text).replace("/", "\\/"),
    "html": html.escape,
    "html-without-quotes": lambda text: html.escape(text, quote=False),
    "html-numbers": lambda text: "".join(c if c.isalnum() else f"&#{ord(c)};" for c in text),
    "html-hex": lambda text: "".join(c if c.isalnum() else f"&#x{ord(c):X};" for c in text),
    "repr": repr,
    "ascii": ascii,
    "bytes": lambda text: repr(text.encode()),
    "read-as-latin-1": lambda text: text.encode().decode("latin-1"),
    "read-as-utf-8": lambda text: text.encode("latin-1", "replace").decode("utf-8", "replace"),
    "in-ascii": lambda text: text.encode("ascii", "replace").decode(),
    "repr-twice": lambda text: repr(repr(text)),
}


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("secret", SECRETS)
def test_every_encoding(secret: str, encoding: str) -> None:
    """Nothing of a secret remains in any of its usual encodings."""
    learn(secret, USER)
    for words in (False, True):
        shown = redacted(f"refused ({ENCODINGS[encoding](secret)}) as wrong", words=words)
        assert shown.startswith("refused (")
        assert shown.endswith(") as wrong")
        assert sanitize.HIDDEN in shown
        assert len(shown) <= len("refused (b'***=') as wrong") + 12  # quotes


@given(
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=8, max_size=30),
    st.sampled_from(sorted(ENCODINGS.keys() - {"read-as-utf-8"})),
)
def test_any_secret(secret: str, encoding: str) -> None:
    """So for any secret."""
    # Nothing else is sent in Latin-1.
    assume(encoding != "login-in-latin-1" or max(secret) <= "ÿ")
    sanitize._secrets = type(sanitize._secrets)()  # noqa: SLF001
    learn(secret, USER)
    if len(secret.strip()) < 8:
        return
    encoded = ENCODINGS[encoding](secret.strip())
    assert encoded not in redacted(f"<{encoded}>")


@pytest.mark.parametrize(
    "secret", ["ab12" * 10, "my.secret.pass", "5.secret-word", "1.0@pass/word", "2.0.1-secret"]
)
@pytest.mark.parametrize("before", ["%20", "%3D", "\\u003d", "pw=", "pw:", "\\x3d", "&#61;", "1."])
def test_secret_behind_an_escape(secret: str, before: str) -> None:
    """What is written before a secret makes it neither a hash nor a version."""
    learn(secret)
    for after in (" failed", "x", ".", "%20"):
        shown = redacted(f"login{before}{secret}{after}")
        assert not any(shown.endswith(f"{secret[n:]}{after}") for n in range(len(secret) - 3))


def test_cut_text_has_no_half_of_a_secret() -> None:
    """Secrets are blanked before text is cut to its length."""
    learn("correct-horse-battery-staple")
    said = "x" * 90 + " correct-horse-battery-staple"
    assert "corr" not in printable(said, 100)
    assert "corr" not in "".join(pieces_of_html(f"<p>{said}</p>".encode()))
    assert "corr" not in printable_lines(f"Error: {said}\n correct-horse-battery-staple")


@pytest.mark.parametrize(
    "split",
    [
        "\n",
        "\r\n    ",
        "\\n",
        "\\\\r\\\\n",
        "<wbr>",
        "</td>\n<td>",
        "&shy;",
        "\u00ad",
        "\u200b",
        "\n\n",
    ],
)
def test_secret_in_two_lines(split: str) -> None:
    """Servers wrap their lines, and so does base64; each half of a secret is worth hiding."""
    secret = "s3cret/of&many-chars"
    learn(secret, "them")
    login = base64.b64encode(f"them:{secret}".encode()).decode()
    for text in (secret, login, secret.encode().hex()):
        for at in (3, 8, len(text) - 3):
            shown = redacted(f"before\n{text[:at]}{split}{text[at:]}\nafter", words=True)
            assert shown == "before\n***\nafter"


def test_markup_inside_a_secret() -> None:
    """A page's markup is removed after the secret, which may look like it."""
    learn("pass<b>word</b>&co")
    for text in ("pass<b>word</b>&co", html.escape("pass<b>word</b>&co")):
        assert "bad: ***!" in pieces_of_html(f"<p>bad: {text}!</p>".encode())


KEPT = [
    "lantern-1.0.tar.gz",
    "lantern_secret12-1.0-py3-none-any.whl",
    "lantern-1.0-py3-none-any.whl.metadata",
    "1.0.dev20261126+secret12",
    "2026.11.26",
    "ab" * 32,
    "ab" * 16,
]


@pytest.mark.parametrize("text", KEPT)
@pytest.mark.parametrize(
    "secret", ["lantern-1.0", "secret12", "20261126", "abababab", "1", "a", "lantern", "gz"]
)
@pytest.mark.parametrize("words", [False, True])
def test_names_versions_and_hashes_stay(text: str, secret: str, words: bool) -> None:
    """File names, versions and hashes stay, even where a secret is a part of one."""
    learn(secret, USER)
    said = f"({text}) {text}, {text}. '{text}' http://index.example/files/{text}"
    assert redacted(said, words=words) == said


@pytest.mark.parametrize("secret", ["a", "1", "lantern", "true", "no/way", "\u00e4\u00df"])
def test_short_secrets(secret: str) -> None:
    """Short secrets are blanked in others' words, alone; in ours only in URLs and headers."""
    learn(secret, USER)
    said = f"a 1 x{secret}x: bad {secret}, '{secret}' pw={secret}."
    assert redacted(said) == said
    blanked = redacted(said, words=True)
    assert blanked.endswith(f"x{secret}x: bad ***, '***' pw=***.")
    login = base64.b64encode(f"{USER}:{secret}".encode()).decode()
    for words in (False, True):
        text = redacted(
            f"http://{USER}:{secret}@index.example/x {{'Authorization': 'Basic {login}'}}",
            words=words,
        )
        assert text == "http://index.example/x {'Authorization': 'Basic ***'}"


def test_public_words() -> None:
    """A password that is the project's own name is blanked only in others' words."""
    learn("lighthouse-example", USER)
    make_public("lighthouse-example")
    url = "http://index.example/lighthouse-example/simple/"
    assert redacted(f"lighthouse-example 1.0 at {url}") == f"lighthouse-example 1.0 at {url}"
    assert redacted("no such password: lighthouse-example", words=True).endswith("word: ***")


def test_user_names_that_are_tokens() -> None:
    """A user name without a password is a token; with one it is no secret."""
    learn_login("a-token-as-a-name", None)
    learn_login("somebody-else", "and-a-password")
    shown = redacted("a-token-as-a-name somebody-else and-a-password")
    assert shown == "*** somebody-else ***"


@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        ("POETRY_PYPI_TOKEN_PYPI", "pypi-token-value", "pypi-token-value"),
        ("POETRY_HTTP_BASIC_MINE_PASSWORD", "hunter22-pass", "hunter22-pass"),
        ("TWINE_PASSWORD", "trailing-break\n", "trailing-break"),
        ("CI_JOB_TOKEN", "job-token-value", "job-token-value"),
        ("HTTPS_PROXY", "http://me:proxy-pass@proxy.example:3128", "proxy-pass"),
        ("http_proxy", "me:proxy-pass@proxy.example:3128", "proxy-pass"),
        ("ALL_PROXY", "http://me:proxy-pass@proxy.example:port", "proxy-pass"),
        ("HTTP_PROXY", "http://me:proxy@pass@proxy.example:3128", "proxy@pass"),
        ("HTTP_PROXY", "http://me:proxy%40pass@proxy.example:3128", "proxy@pass"),
        ("PIP_EXTRA_INDEX_URL", "https://a.example/ https://me:pip-pass@b.example/", "pip-pass"),
        ("UV_INDEX", "mine=https://token-in-place@index.example/", "token-in-place"),
    ],
)
def test_environment(name: str, value: str, secret: str) -> None:
    """Variables that hold a secret by their name, and logins in URLs, are known."""
    learn_environment({name: value, "PATH": "/usr/bin", "TOKEN_FILE": "/run/the-token"})
    assert redacted(f"said {secret} /usr/bin /run/the-token") == "said *** /usr/bin /run/the-token"
    assert secret not in redacted(f"said {value}!")


def test_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """A URL is a secret's place even where a path was expected, which has one slash less."""
    url = "http://me:hunter22-pass@ci.example/receipt.json"
    monkeypatch.setattr("sys.argv", ["poetry", "publish-verified", "wait", f"--from-receipt={url}"])
    io = BufferedIO()
    hide_secrets(io)
    io.write(f"No such file: {str(Path(url))!r}")
    assert io.fetch_output() == "No such file: 'http:/me:***@ci.example/receipt.json'"


@pytest.mark.parametrize(
    "url",
    [
        "http://user:pw@host:port",
        "http://user:pw@host:99999/",
        "https://user:p@w@host/",
        "http://user:p/w@[::1/",
        "//user:pw@host",
        "socks5h://user:pw@host:x",
        "http://:pw@host:",
        "http://pw@host:-1",
    ],
)
def test_malformed_urls(url: str) -> None:
    """A URL loses its login even if nothing can parse it, and nobody knows the password."""
    shown = printable(f"Failed to parse: {url} (InvalidURL)")
    assert "pw" not in shown
    assert "p@w" not in shown
    assert "p/w" not in shown
    assert "user" not in shown


def test_tokens_of_pypi_without_knowing_them() -> None:
    """A token in the wrong place, as where a name belongs, is not repeated."""
    assert printable("no repository named pypi-AgEIcHlwaS5vcmcCJGFhYQ") == "no repository named ***"


@pytest.mark.parametrize(
    "piece",
    [
        "//",
        "//:",
        "//a:",
        "//@",
        "://",
        "://x",
        "authorization=",
        "a.",
        "1.",
        ".zip",
        "&#",
        "\n<",
        " \n\\",
        "\\",
        "%25",
    ],
)
def test_linear_time(piece: str) -> None:
    """Foreign text of any shape is read in bounded time."""
    learn("some secret & more", USER)
    # Quadratic algorithms would take minutes.
    redacted(piece * (1 << 18), words=True)
