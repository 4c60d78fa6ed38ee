"""How clients ask, and which of them share a copy."""

from __future__ import annotations

import itertools

import pytest

from poetry_publish_verified.core.variants import CLIENTS
from poetry_publish_verified.core.variants import DEFAULT_CLIENTS
from poetry_publish_verified.core.variants import PIP
from poetry_publish_verified.core.variants import UNSEEN
from poetry_publish_verified.core.variants import Client
from poetry_publish_verified.core.variants import Encodings
from poetry_publish_verified.core.variants import Variant
from poetry_publish_verified.core.variants import told_apart
from poetry_publish_verified.core.variants import variants
from poetry_publish_verified.core.variants import version_variant

ALL = variants(CLIENTS, Encodings(zstd=True), pypi=False)


def one(client: Client, encodings: Encodings | None = None, *, pypi: bool = False) -> Variant:
    """How one client asks."""
    (variant,) = variants([client], encodings or Encodings(), pypi=pypi)
    return variant


def test_each_client_once_in_the_order_given() -> None:
    """A client that is named twice is one."""
    named: list[Client] = ["uv", "pip", "uv"]
    assert [variant.name for variant in variants(named, Encodings(), pypi=False)] == ["uv", "pip"]
    assert [variant.name for variant in ALL] == list(CLIENTS)
    assert set(DEFAULT_CLIENTS) < set(CLIENTS)


def test_every_client_asks_in_its_own_way() -> None:
    """No two ask alike, and each asks for the project's page."""
    assert len({(variant.accept, variant.accept_encoding) for variant in ALL}) == len(ALL)
    assert {variant.page for variant in ALL} == {"project"}


def test_to_the_letter() -> None:
    """Caches compare letters: a blank more is another copy."""
    assert PIP.accept == (
        "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1,"
        " text/html; q=0.01"
    )
    assert one("uv").accept == (
        "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2,"
        " text/html;q=0.01"
    )
    assert one("poetry").accept == "application/vnd.pypi.simple.v1+json, */*;q=0.1"
    assert one("poetry", pypi=True).accept == "application/vnd.pypi.simple.v1+json"
    assert one("html").accept == "text/html"


def test_only_what_can_be_decoded_is_asked_for() -> None:
    """Without zstd here it is left out; otherwise the header is the client's own."""
    assert one("uv").accept_encoding == "gzip, deflate"
    assert one("uv", Encodings(zstd=True)).accept_encoding == "gzip, deflate, zstd"
    odd = Encodings(poetry="gzip,deflate,  zstd")
    assert one("poetry", odd).accept_encoding == "gzip, deflate"
    assert version_variant(odd).accept_encoding == "gzip, deflate"
    whole = Encodings(zstd=True, poetry="gzip,deflate,  zstd")
    assert one("poetry", whole).accept_encoding == "gzip,deflate,  zstd"
    assert version_variant(whole).accept_encoding == "gzip,deflate,  zstd"


def test_the_look_before_the_upload_makes_no_copy_for_installers() -> None:
    """The first look asks for a copy of its own, in a form that no installer asks for."""
    assert UNSEEN.accept_encoding == "identity"
    for variant in ALL:
        assert told_apart(UNSEEN, variant, frozenset({"accept-encoding"}))


def test_a_versions_page_is_another_page() -> None:
    """Whatever a server's copies differ by, another page is another copy."""
    version = version_variant(Encodings())
    assert version.page == "version"
    assert all(told_apart(version, variant, frozenset()) for variant in ALL)


@pytest.mark.parametrize("vary", [None, frozenset({"*"}), frozenset({"accept", "*"})])
def test_nothing_known_of_the_copies(vary: frozenset[str] | None) -> None:
    """Each client may then have its own."""
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
def test_what_pip_and_an_old_pip_share(vary: set[str], apart: bool) -> None:
    """They differ in what they accept, not in its encoding."""
    assert told_apart(PIP, one("html"), frozenset(vary)) is apart
    assert told_apart(one("html"), PIP, frozenset(vary)) is apart


def test_uv_with_zstd_is_told_apart_by_its_encoding() -> None:
    """It reads another copy than pip wherever copies differ by their encoding."""
    uv = one("uv", Encodings(zstd=True))
    assert told_apart(PIP, uv, frozenset({"accept-encoding"}))
    assert not told_apart(PIP, one("uv"), frozenset({"accept-encoding"}))
