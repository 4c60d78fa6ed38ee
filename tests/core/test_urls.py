"""URLs: separating credentials, origins, and the index that belongs to an upload URL."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poetry_publish_verified.core.urls import (
    Access,
    ImpliedIndex,
    InvalidUrlError,
    index_of,
    is_sign_in,
    looks_like_an_index,
    moves_uploads,
    origin,
    own_index,
    same_host,
    split_credentials,
    without_credentials,
)


@pytest.mark.parametrize(
    ("url", "clean", "username", "password"),
    [
        ("https://index.example/simple/", "https://index.example/simple/", None, None),
        (" https://index.example \n", "https://index.example", None, None),
        ("https://me:secret@index.example/", "https://index.example/", "me", "secret"),
        ("https://me@index.example/", "https://index.example/", "me", None),
        ("https://:token@index.example/", "https://index.example/", "", "token"),
        ("https://a%40b:p%2Fw%3A@index.example/", "https://index.example/", "a@b", "p/w:"),
        ("https://me:p@ss@index.example/", "https://index.example/", "me", "p@ss"),
        ("https://me:pw@[::1]:8443/a?b=c#d", "https://[::1]:8443/a?b=c", "me", "pw"),
        ("HTTPS://INDEX.example:443/", "https://index.example:443/", None, None),
    ],
)
def test_credentials_are_split_off(
    url: str, clean: str, username: str | None, password: str | None
) -> None:
    """User name and password are decoded, and the rest is the URL without them."""
    assert split_credentials(url) == (clean, username, password)
    assert without_credentials(url) == clean


@pytest.mark.parametrize(
    "url",
    [
        *("", "index.example", "//me:secret@index.example/", "ftp://me:secret@index.example/"),
        *("file:///etc/passwd", "https://", "https:///simple", "https://me:secret@/"),
        *("https://me:secret@index.example:port/", "https://me:secret@index.example:65536/"),
        *("https://me:secret@[::1/", "https://me:a@secret@[::1/"),
    ],
)
def test_invalid_url_hides_its_password(url: str) -> None:
    """An invalid URL is refused, and neither error nor display shows its password."""
    with pytest.raises(InvalidUrlError) as caught:
        split_credentials(url)
    assert "secret" not in str(caught.value)
    assert "secret" not in without_credentials(url)


PRINTED = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1)


@given(PRINTED.filter(lambda text: not set(text) & set("/?#@:[]\\")), PRINTED)
def test_displayed_url_has_no_credentials(username: str, password: str) -> None:
    """Whatever precedes the @ of a valid URL is not displayed."""
    try:
        shown = without_credentials(f"https://{username}:{password}@index.example/x/")
    except ValueError:  # pragma: no cover
        pytest.fail("a URL that cannot be read has to be shown as such")
    # A / ? or # in a password ends the host, so no parser takes it for a password any more.
    if not set(password) & set("/?#"):
        assert shown in {"https://index.example/x/", "index.example/x/"}


def test_access_repr_hides_the_password() -> None:
    """An Access can be printed without showing its password."""
    assert "secret" not in repr(Access("me", "secret"))


@pytest.mark.parametrize(
    ("access", "basic"),
    [
        (Access(), None),
        (Access("me", "secret"), ("me", "secret")),
        (Access("me"), ("me", "")),
        (Access(None, "token"), ("", "token")),
        (Access("", ""), ("", "")),
    ],
)
def test_half_a_login_is_sent_completely(access: Access, basic: tuple[str, str] | None) -> None:
    """A user name or a password alone is enough to send both."""
    assert access.basic == basic


@pytest.mark.parametrize(
    ("url", "other", "same"),
    [
        ("https://index.example/a", "https://index.example/b", True),
        ("https://index.example/", "https://INDEX.example:443/", True),
        ("http://index.example/", "http://index.example:80/", True),
        ("http://index.example/", "https://index.example/", True),
        ("https://index.example/", "http://index.example/", False),
        ("http://index.example/", "https://evil.example/", False),
        ("http://index.example:8080/", "https://index.example/", False),
        ("http://index.example/", "https://index.example:8443/", False),
        ("https://index.example/", "https://index.example:8443/", False),
        ("https://index.example/", "https://index.example.evil.example/", False),
        ("https://index.example/", "https://me@evil.example/", False),
        ("https://index.example/", "https://files.index.example/", False),
        ("https://index.example/", "file:///simple/", False),
    ],
)
def test_same_origin(url: str, other: str, same: bool) -> None:
    """An origin is scheme, host and port; only http to https on the same host is an upgrade."""
    assert same_host(url, other) is same


def test_default_port_is_explicit() -> None:
    """The scheme's default port counts as given."""
    assert origin("https://me:pw@Index.example/a") == ("https", "index.example", 443)
    assert origin("http://index.example:8080") == ("http", "index.example", 8080)


@pytest.mark.parametrize(
    ("url", "index"),
    [
        ("https://index.example/simple/", True),
        ("https://index.example/simple", True),
        ("https://index.example/user/stage/+simple/", True),
        ("https://index.example/legacy/", False),
        ("https://index.example/simple/upload/", False),
        ("https://index.example/simple-index/", False),
        ("https://simple/", False),
    ],
)
def test_index_url_used_for_uploads(url: str, index: bool) -> None:
    """This common mistake is recognized by the last path segment."""
    assert looks_like_an_index(url) is index


@pytest.mark.parametrize(
    ("upload", "index"),
    [
        ("https://upload.index.example/legacy/", "https://index.example/simple/"),
        ("https://test.index.example/legacy/", "https://test.index.example/simple/"),
        ("http://index.example", "http://index.example/simple/"),
        ("http://index.example:8080/", "http://index.example:8080/simple/"),
        ("http://index.example/user/stage/", "http://index.example/user/stage/+simple/"),
        ("http://index.example/user/stage", "http://index.example/user/stage/+simple/"),
        (
            "https://art.example/artifactory/api/pypi/local",
            "https://art.example/artifactory/api/pypi/local/simple/",
        ),
        (
            "https://nexus.example/repository/local/",
            "https://nexus.example/repository/local/simple/",
        ),
        (
            "https://git.example/api/v4/projects/a%2Fb/packages/pypi",
            "https://git.example/api/v4/projects/a%2Fb/packages/pypi/simple/",
        ),
        (
            "https://d-1.d.codeartifact.example/pypi/local/",
            "https://d-1.d.codeartifact.example/pypi/local/simple/",
        ),
        (
            "https://azure.example/org/_packaging/feed/pypi/upload/",
            "https://azure.example/org/_packaging/feed/pypi/simple/",
        ),
        ("https://upload.index.example/", "https://upload.index.example/simple/"),
        ("https://index.example/a/{b}/", "https://index.example/a/{b}/+simple/"),
        ("https://index.example/one", None),
        ("https://index.example/one/two/three", None),
    ],
)
def test_index_is_derived_from_the_upload_url(upload: str, index: str | None) -> None:
    """Each server's index follows from its upload URL; otherwise nothing is guessed."""
    implied = index_of(upload)
    assert (implied and implied.url) == index


UPLOAD = "https://up.example/user/stage/"
DERIVED = "https://up.example/user/stage/+simple/"
ELSEWHERE = "https://mirror.example/simple/"
SAME_SERVER = "https://up.example/other/+simple/"


@pytest.mark.parametrize(
    ("derived", "certain", "named", "own"),
    [
        (DERIVED, True, (), DERIVED),
        (DERIVED, True, (ELSEWHERE,), DERIVED),
        (DERIVED, True, (ELSEWHERE, DERIVED), DERIVED),
        (DERIVED, True, (SAME_SERVER,), DERIVED),
        (DERIVED, False, (), DERIVED),
        (DERIVED, False, (ELSEWHERE,), ELSEWHERE),
        (DERIVED, False, (ELSEWHERE, SAME_SERVER), SAME_SERVER),
        (DERIVED, False, (SAME_SERVER, DERIVED), DERIVED),
        (None, False, (ELSEWHERE, SAME_SERVER), SAME_SERVER),
        (None, False, (ELSEWHERE,), ELSEWHERE),
        (None, False, (), None),
    ],
)
def test_guessed_index_yields_to_a_named_one(
    derived: str | None, certain: bool, named: tuple[str, ...], own: str | None
) -> None:
    """A known index stays; a guessed one yields to whatever is named."""
    implied = ImpliedIndex(derived, certain) if derived else None
    assert own_index(UPLOAD, implied, named) == own


@pytest.mark.parametrize(
    ("upload", "certain"),
    [
        ("https://git.example/api/v4/projects/5/packages/pypi", True),
        ("https://azure.example/org/_packaging/feed/pypi/upload/", True),
        ("https://d-1.d.codeartifact.example/pypi/local/", True),
        ("https://nexus.example/repository/local/", False),
        ("https://art.example/artifactory/api/pypi/local", False),
        ("https://index.example/legacy/", False),
        ("https://index.example/", False),
        (UPLOAD, False),
    ],
)
def test_ambiguous_shapes_are_guesses(upload: str, certain: bool) -> None:
    """Other servers have such paths too, or serve clients from a group beside the repository."""
    implied = index_of(upload)
    assert implied is not None
    assert implied.certain is certain


@pytest.mark.parametrize(
    ("upload", "target", "moves"),
    [
        ("http://h.example/legacy/", "https://h.example/legacy/", "https"),
        ("http://h.example:8080/legacy", "https://h.example:8443/legacy/", "https"),
        ("http://h.example/", "https://h.example/home", None),
        ("http://h.example/legacy/", "https://www.h.example/legacy/", None),
        ("https://h.example/legacy", "https://h.example/legacy/", None),
        ("https://h.example/", "https://h.example/ui/login", None),
        ("https://h.example/", "https://login.example/common/oauth2", "sign-in"),
        ("https://h.example/", "https://company.example/users/sign_in", "sign-in"),
        ("http://h.example/", "https://h.example/login", "sign-in"),
        ("https://h.example/", "https://h.example:8443/auth", "sign-in"),
        ("https://h.example/", "https://docs.example/authors", None),
        ("https://h.example/auth/pypi/", "https://i.example/auth/pypi/", None),
        ("https://h.example/", "", None),
    ],
)
def test_redirect_that_moves_uploads(upload: str, target: str, moves: str | None) -> None:
    """Only a redirect that surely moves a POST as well counts before the upload."""
    assert moves_uploads(upload, target) == moves


@pytest.mark.parametrize(
    "place",
    [
        *("h.example/login", "h.example/log-in?to=/", "h.example/log_in", "h.example/signin"),
        *("h.example/sign-in", "h.example/users/sign_in", "h.example/_signin", "h.example/sso"),
        *("h.example/auth/realms/a", "h.example/authenticate", "h.example/authorize"),
        *("h.example/oauth2/start", "h.example/openid/a", "h.example/SAML", "h.example/idp/a"),
        *("login.example/common/a", "signin.example/", "sso.example/", "auth.example/"),
        *("idp.example/", "accounts.example/", "h.example/auth", "h.example/login.jsp?to=/"),
        *("h.example/Account/Login", "h.example/realms/a/openid-connect/auth", "h.example/adfs/ls"),
    ],
)
def test_addresses_of_sign_in_pages(place: str) -> None:
    """The addresses that servers and identity providers give their pages to sign in."""
    assert is_sign_in(f"https://{place}")


@pytest.mark.parametrize(
    "place",
    [
        *("h.example/", "h.example/authors", "h.example/blog/in", "h.example/login-lib/", ""),
        *("h.example/idp-packages/simple/", "h.example/sso_tools/", "signing.example/"),
    ],
)
def test_other_addresses(place: str) -> None:
    """Others are no pages to sign in."""
    assert not is_sign_in(f"https://{place}")


@pytest.mark.parametrize("upload", ["http://h.example/simple", "http://h.example/a/pypi/simple/"])
def test_upload_url_that_is_its_own_index(upload: str) -> None:
    """pypicloud takes uploads where its index is."""
    implied = index_of(upload)
    assert implied == ImpliedIndex(f"{upload.rstrip('/')}/", certain=False)
    assert own_index(upload, implied, ("http://h.example/other/", implied.url)) == implied.url
