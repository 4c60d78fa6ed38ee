"""Distributions made up for tests, without a file behind them."""

from __future__ import annotations

import hashlib

from poetry_publish_verified.core.distribution import Distribution

WHEEL = "lantern-1.0-py3-none-any.whl"
SDIST = "lantern-1.0.tar.gz"


def core_metadata(*lines: str, name: str = "lantern", version: str = "1.0") -> bytes:
    """A METADATA file with these lines beside the three that each must have."""
    head = ("Metadata-Version: 2.4", f"Name: {name}", f"Version: {version}")
    return ("\n".join((*head, *lines)) + "\n").encode()


def sha256(content: bytes) -> str:
    """The digest as indexes write it."""
    return hashlib.sha256(content).hexdigest()


def distribution(
    filename: str, content: bytes = b"light", metadata: bytes | None = None
) -> Distribution:
    """A distribution of this content; its metadata is plain unless given."""
    return Distribution(
        filename,
        len(content),
        hashlib.md5(content, usedforsecurity=False).hexdigest(),
        sha256(content),
        hashlib.blake2b(content, digest_size=32).hexdigest(),
        core_metadata() if metadata is None else metadata,
    )
