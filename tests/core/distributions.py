"""Made-up distributions for tests, without files behind them."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping

from poetry_publish_verified.core.contents import ArchiveMember, Contents
from poetry_publish_verified.core.distribution import Distribution

WHEEL = "lantern-1.0-py3-none-any.whl"
SDIST = "lantern-1.0.tar.gz"


def core_metadata(*lines: str, name: str = "lantern", version: str = "1.0") -> bytes:
    """A METADATA file with these lines after the three required ones."""
    head = ("Metadata-Version: 2.4", f"Name: {name}", f"Version: {version}")
    return ("\n".join((*head, *lines)) + "\n").encode()


def sha256(content: bytes) -> str:
    """The digest in the form indexes use."""
    return hashlib.sha256(content).hexdigest()


def distribution(
    filename: str,
    content: bytes = b"light",
    metadata: bytes | None = None,
    contents: Contents | None = None,
) -> Distribution:
    """A distribution with this content; its metadata is minimal unless given."""
    return Distribution(
        filename,
        len(content),
        sha256(content),
        core_metadata() if metadata is None else metadata,
        contents,
    )


def member(name: str, content: bytes = b"light") -> ArchiveMember:
    """A file in an archive."""
    return ArchiveMember(name, len(content), {"sha256": sha256(content)})


def record_line(name: str, content: bytes = b"light", algorithm: str = "sha256") -> str:
    """A file's line in a wheel's RECORD."""
    digest = hashlib.new(algorithm, content).digest()
    encoded = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    return f"{name},{algorithm}={encoded},{len(content)}"


IN_WHEEL = {
    "lantern/__init__.py": b"light",
    "lantern-1.0.dist-info/METADATA": b"metadata",
    "lantern-1.0.dist-info/WHEEL": b"tags",
}
RECORD_NAME = "lantern-1.0.dist-info/RECORD"
PLAIN_WHEEL = b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def in_wheel(
    files: Mapping[str, bytes] = IN_WHEEL,
    *more: str,
    record: Iterable[str] | None = None,
    wheel: bytes | None = PLAIN_WHEEL,
) -> Contents:
    """A wheel of these files, empty ones named `more`, and a RECORD with these lines."""
    lines = [record_line(*item) for item in files.items()] if record is None else record
    members = [member(*item) for item in files.items()] + [member(name, b"") for name in more]
    table = "\n".join([*lines, f"{RECORD_NAME},,"]).encode()
    return Contents((*members, member(RECORD_NAME, table)), 1000, table, wheel)


def in_sdist(*members: ArchiveMember | str) -> Contents:
    """The contents of an sdist: its PKG-INFO and these files."""
    files = [each if isinstance(each, ArchiveMember) else member(each) for each in members]
    return Contents((member("lantern-1.0/PKG-INFO"), *files), 1000)
