"""The dist folder: which distributions of a release it holds, and what is in them."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import tarfile
import zipfile
from pathlib import Path
from pathlib import PurePosixPath

from packaging.utils import NormalizedName
from packaging.version import Version

from poetry_publish_verified.core.distribution import Distribution
from poetry_publish_verified.core.distribution import InvalidFilenameError
from poetry_publish_verified.core.distribution import belongs_to
from poetry_publish_verified.core.distribution import in_upload_order
from poetry_publish_verified.core.distribution import parse_filename
from poetry_publish_verified.core.foreign import printable
from poetry_publish_verified.errors import Code
from poetry_publish_verified.errors import Problem
from poetry_publish_verified.errors import ReleaseError
from poetry_publish_verified.errors import Verdict

_CHUNK = 1024 * 1024
# Metadata is a page of text with a README in it; more is an accident or an attack.
_MAX_METADATA = 16 * 1024 * 1024


class _NoMetadataError(ValueError):
    pass


def filenames(dist_dir: Path, name: NormalizedName, version: Version) -> list[str]:
    """Names of the files in `dist_dir` that are distributions of this very release.

    Raises ReleaseError where the folder is there and cannot be read.
    """
    return sorted(entry for entry in _files(dist_dir) if belongs_to(entry, name, version))


def _files(dist_dir: Path) -> list[str]:
    try:
        return [entry.name for entry in dist_dir.iterdir() if entry.is_file()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise ReleaseError(
            Verdict.PREFLIGHT_REFUSED,
            Problem(
                Code.DIST_DIR_UNREADABLE,
                f"The dist folder {dist_dir} cannot be read: {printable(str(error))}.",
                "Mend its permissions, or name another folder with --dist-dir.",
            ),
        ) from error


def releases(dist_dir: Path) -> list[tuple[NormalizedName, Version]]:
    """The releases of which there are distributions in a folder, in order of their names.

    Raises ReleaseError where the folder is there and cannot be read.
    """
    found = set()
    for entry in _files(dist_dir):
        with contextlib.suppress(InvalidFilenameError):
            parsed = parse_filename(entry)
            found.add((parsed.name, parsed.version))
    return sorted(found)


def read(dist_dir: Path, name: NormalizedName, version: Version) -> tuple[Distribution, ...]:
    """The release's distributions, in the order in which they are to be sent.

    Reads every byte of each: hashes, and that the archive is whole. Raises ReleaseError with
    all that are broken.
    """
    found, problems = [], []
    for filename in filenames(dist_dir, name, version):
        try:
            found.append(_read(dist_dir / filename))
        except Exception as error:  # noqa: BLE001 - broken archives raise whatever they like
            problems.append(
                Problem(
                    Code.ARCHIVE_BROKEN,
                    f"{filename} cannot be read: {printable(str(error)) or type(error).__name__}.",
                    f"Delete {filename} and build again.",
                    filename=filename,
                )
            )
    if problems:
        raise ReleaseError(Verdict.PREFLIGHT_REFUSED, *problems)
    return in_upload_order(found)


def sha256(path: Path) -> str:
    """A file's sha256. Raises OSError."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _read(path: Path) -> Distribution:
    digests = (
        hashlib.md5(usedforsecurity=False),
        hashlib.sha256(),
        hashlib.blake2b(digest_size=32),
    )
    size = 0
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            size += len(chunk)
            for digest in digests:
                digest.update(chunk)
    metadata = _wheel_metadata(path) if path.suffix == ".whl" else _sdist_metadata(path)
    md5, sha256, blake2_256 = (digest.hexdigest() for digest in digests)
    return Distribution(path.name, size, md5, sha256, blake2_256, metadata)


def _wheel_metadata(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        if (damaged := archive.testzip()) is not None:
            raise zipfile.BadZipFile(f"{damaged} in it is damaged")
        for info in archive.infolist():
            directory, _, name = info.filename.partition("/")
            if name == "METADATA" and directory.endswith(".dist-info"):
                if info.file_size > _MAX_METADATA:
                    raise _NoMetadataError("its METADATA is larger than 16 MiB")
                return archive.read(info)
    raise _NoMetadataError("it has no METADATA")


def _sdist_metadata(path: Path) -> bytes:
    # To the end, which tarfile does not do: only there gzip tells of a truncated or damaged file.
    length = 0
    with gzip.open(path) as stream:
        while chunk := stream.read(_CHUNK):
            length += len(chunk)
    metadata = None
    with tarfile.open(path, "r:gz") as archive:
        for member in archive:
            if member.offset_data + (member.size if member.isreg() else 0) > length:
                raise tarfile.ReadError(f"{member.name} in it is truncated")
            parts = PurePosixPath(member.name).parts
            if metadata is None and len(parts) == 2 and parts[1] == "PKG-INFO":
                if member.size > _MAX_METADATA:
                    raise _NoMetadataError("its PKG-INFO is larger than 16 MiB")
                content = archive.extractfile(member)
                metadata = content.read() if content else None
    if metadata is None:
        raise _NoMetadataError("it has no PKG-INFO")
    return metadata
