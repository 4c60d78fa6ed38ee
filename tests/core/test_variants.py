"""How clients ask, and which of them share a cached copy."""

from __future__ import annotations

import itertools

import pytest

from poetry_publish_verified.core.variants import (
    CLIENTS,
    DEFAULT_CLIENTS,
    PIP,
    UNSEEN,
    Client,
    Encodings,
    Variant,
    told_apart,
    variants,
    version_variant,
)

ALL = variants(CLIENTS, Encodings(zstd=True), pypi=False)


def variant(client: Client, encodings: Encodings | None = None, *, pypi: bool = False) -> Variant:
    """How one client asks."""
    (variant,) = variants([client], encodings or Encodings(), pypi=pypi)
    return variant


def test_clients_are_deduplicated_in_order() -> None:
    """A client named twice counts once."""
    named: list[Client] = ["uv", "pip", "uv"]
    assert [variant.name for variant in variants(named, Encodings(), pypi=False)] == ["uv", "pip"]
    assert [variant.name for variant in ALL] == list(CLIENTS)
    assert set(DEFAULT_CLIENTS) < set(CLIENTS)


def test_each_client_has_its_own_headers() -> None:
    """No two clients ask alike, and each asks for the project page."""
    assert len({(variant.accept, variant.accept_encoding) for variant in ALL}) == len(ALL)
    assert {variant.page for variant in ALL} == {"project"}


def test_headers_are_exact() -> None:
    """Caches compare letters: one more space is another copy."""
    assert PIP.accept == (
        "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1,"
        " text/html; q=0.01"
    )
    assert variant("uv").accept == (
        "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2,"
        " text/html;q=0.01"
    )
    assert variant("poetry").accept == "application/vnd.pypi.simple.v1+json, */*;q=0.1"
    assert variant("poetry", pypi=True).accept == "application/vnd.pypi.simple.v1+json"
    assert variant("html").accept == "text/html"


def test_zstd_is_requested_only_if_available() -> None:
    """Without zstd it is left out; otherwise the header is the client's own."""
    assert variant("uv").accept_encoding == "gzip, deflate"
    assert variant("uv", Encodings(zstd=True)).accept_encoding == "gzip, deflate, zstd"
    odd = Encodings(poetry="gzip,deflate,  zstd")
    assert variant("poetry", odd).accept_encoding == "gzip, deflate"
    assert version_variant(odd).accept_encoding == "gzip, deflate"
    whole = Encodings(zstd=True, poetry="gzip,deflate,  zstd")
    assert variant("poetry", whole).accept_encoding == "gzip,deflate,  zstd"
    assert version_variant(whole).accept_encoding == "gzip,deflate,  zstd"


def test_first_look_has_its_own_copy() -> None:
    """The look before the upload uses headers that no installer sends."""
    assert UNSEEN.accept_encoding == "identity"
    for variant in ALL:
        assert told_apart(UNSEEN, variant, frozenset({"accept-encoding"}))


def test_version_page_is_a_separate_copy() -> None:
    """The version page is another page, whatever the server's copies vary by."""
    version = version_variant(Encodings())
    assert version.page == "version"
    assert all(told_apart(version, variant, frozenset()) for variant in ALL)


@pytest.mark.parametrize("vary", [None, frozenset({"*"}), frozenset({"accept", "*"})])
def test_unknown_vary_means_separate_copies(vary: frozenset[str] | None) -> None:
    """Each client may then have its own copy."""
    for first, second in itertools.product(ALL, repeat=2):
        assert told_apart(first, second, vary) is (first != second)


@pytest.mark.parametrize(
    ("vary", "apart"),
    [
        (set(), False),
        ({"cookie", "user-agent"}, False),
        ({"accept"}, True),
        ({"accept", "accept-encoding"}, True),
        ({"accept-encoding"}, False),
    ],
)
def test_vary_on_encoding_only(vary: set[str], apart: bool) -> None:
    """They differ in Accept, not in Accept-Encoding."""
    assert told_apart(PIP, variant("html"), frozenset(vary)) is apart
    assert told_apart(variant("html"), PIP, frozenset(vary)) is apart


def test_uv_with_zstd_has_its_own_encoding() -> None:
    """It reads another copy than pip where copies vary by encoding."""
    uv = variant("uv", Encodings(zstd=True))
    assert told_apart(PIP, uv, frozenset({"accept-encoding"}))
    assert not told_apart(PIP, variant("uv"), frozenset({"accept-encoding"}))
