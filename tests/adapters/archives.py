"""Made-up archives for tests: sound, broken and hostile ones."""

from __future__ import annotations

import gzip
import tarfile
import zipfile
from io import BytesIO
from random import Random

from tests.core.distributions import core_metadata

METADATA = core_metadata("Summary: Gives light")
# Incompressible, so that a changed byte in the archive changes a byte of a file.
NOISE = Random(1).randbytes(3000)  # noqa: S311 - any bytes would do
Members = tuple[tuple[str, bytes], ...]
IN_SDIST: Members = (("lantern-1.0/PKG-INFO", METADATA), ("lantern-1.0/lantern.py", NOISE))
IN_WHEEL: Members = (("lantern.py", NOISE), ("lantern-1.0.dist-info/METADATA", METADATA))


def tar(members: Members = IN_SDIST) -> bytes:
    """A tar archive."""
    into = BytesIO()
    with tarfile.open(fileobj=into, mode="w") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, BytesIO(content))
    return into.getvalue()


def sdist(members: Members = IN_SDIST, level: int = 6) -> bytes:
    """A .tar.gz; the same bytes on each call."""
    return gzip.compress(tar(members), level, mtime=0)


def zipped_sdist(members: Members = IN_SDIST) -> bytes:
    """A .zip, as sdists could be before PEP 625; the same bytes on each call."""
    return wheel(members)


def wheel(members: Members = IN_WHEEL, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A .whl; the same bytes on each call."""
    into = BytesIO()
    with zipfile.ZipFile(into, "w", compression) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content, compression)
    return into.getvalue()
