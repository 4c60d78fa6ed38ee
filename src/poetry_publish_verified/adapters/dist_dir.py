"""The dist directory: the distributions of a release, and what is in them."""

import hashlib
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from packaging.utils import NormalizedName
from packaging.version import Version

from poetry_publish_verified.adapters import archives
from poetry_publish_verified.core.attestations import SUFFIX
from poetry_publish_verified.core.distribution import (
    Distribution,
    belongs_to,
    in_upload_order,
    recognize,
)
from poetry_publish_verified.core.problems.attestations import unfit_attestation
from poetry_publish_verified.core.problems.distributions import unreadable
from poetry_publish_verified.core.problems.project import dist_dir_unreadable
from poetry_publish_verified.errors import Problem, ReleaseError
from poetry_publish_verified.sanitize import decoded
from poetry_publish_verified.values import Value

_CHUNK = 1024 * 1024
_MAX_THREADS = 4
# Some 10 kB, as a rule.
_LARGEST_ATTESTATION = 1024 * 1024


def filenames(dist_dir: Path, name: NormalizedName, version: Version) -> list[str]:
    """Names of the files in `dist_dir` that are distributions of this release.

    Raises ReleaseError where the directory exists and cannot be read.
    """
    return sorted(entry for entry in _files(dist_dir) if belongs_to(entry, name, version))


def _files(dist_dir: Path) -> list[str]:
    try:
        return [entry.name for entry in dist_dir.iterdir() if entry.is_file()]
    except FileNotFoundError:
        return []
    except OSError as error:
        problem = dist_dir_unreadable(str(dist_dir), error.strerror or error)
        raise ReleaseError.refused(problem) from error


def releases(dist_dir: Path) -> list[tuple[NormalizedName, Version]]:
    """The releases that a directory has distributions of, sorted by name.

    Raises ReleaseError where the directory exists and cannot be read.
    """
    found = map(recognize, _files(dist_dir))
    return sorted({(parsed.name, parsed.version) for parsed in found if parsed is not None})


class DistDirContents(Value):
    """A release's distributions in upload order, and the problems of the broken ones."""

    distributions: tuple[Distribution, ...]
    broken: tuple[Problem, ...]


def look(
    dist_dir: Path,
    name: NormalizedName,
    version: Version,
    stopped: Callable[[], bool] = lambda: False,
) -> DistDirContents:
    """Read every byte of a release's distributions: hash them, and check that they are whole.

    Once `stopped`, nothing more is read, and the result is useless.
    """
    found, broken = [], []
    threads = ThreadPoolExecutor(min(os.cpu_count() or 1, _MAX_THREADS))
    try:
        # Hashing and inflating leave the other cores free for the next file, or for each other.
        begun = [
            (path.name, threads.submit(_hash, path, stopped), threads.submit(read, path, stopped))
            for path in (dist_dir / filename for filename in filenames(dist_dir, name, version))
            for read in [archives.wheel if path.suffix == ".whl" else archives.sdist]
        ]
        for filename, hashed, opened in begun:
            try:
                found.append(Distribution(filename, *hashed.result(), *opened.result()))
            except Exception as error:  # noqa: BLE001 - broken archives raise whatever they like
                bomb = isinstance(error, archives.BombError)
                broken.append(unreadable(filename, error, bomb=bomb))
    finally:
        # An interrupt ends with the files that are being read.
        threads.shutdown(cancel_futures=True)
    return DistDirContents(in_upload_order(found), tuple(broken))


def read(dist_dir: Path, name: NormalizedName, version: Version) -> tuple[Distribution, ...]:
    """The release's distributions; raises ReleaseError with all that are broken."""
    found = look(dist_dir, name, version)
    if found.broken:
        raise ReleaseError.refused(*found.broken)
    return found.distributions


def attestations(dist_dir: Path, distributions: Iterable[Distribution]) -> dict[str, str]:
    """What is in the files with attestations beside distributions, by the distribution's name.

    Raises ReleaseError for one that cannot be read.
    """
    found = {}
    for filename in (each.filename for each in distributions):
        name = f"{filename}{SUFFIX}"
        try:
            with (dist_dir / name).open("rb") as file:
                found[filename] = decoded(file.read(_LARGEST_ATTESTATION))
        except FileNotFoundError:
            continue
        except OSError as error:
            problem = unfit_attestation(filename, name, f"it cannot be read ({error.strerror})")
            raise ReleaseError.refused(problem) from error
    return found


def _hash(path: Path, stopped: Callable[[], bool]) -> tuple[int, str]:
    """A file's size and sha256."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as stream:
        while not stopped() and (chunk := stream.read(_CHUNK)):
            size += len(chunk)
            digest.update(chunk)
    return size, digest.hexdigest()
