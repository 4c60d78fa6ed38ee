"""Plugin sets where filesystems are hostile: lying locks, other users, no space, no writing."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.stress.bed import Bed
from tests.stress.bed import UnavailableError
from tests.stress.bed import call
from tests.stress.bed import need
from tests.stress.bed import nothing_left
from tests.stress.racing import Tally
from tests.stress.racing import race
from tests.stress.racing import run


def two_mounts(bed: Bed) -> list[Tally]:
    """(e) One directory mounted twice, other PID and UTS namespaces: locks lie there."""
    tally = Tally("(e) two mounts and namespaces, guarded")
    need("bindfs", "unshare", "fusermount")
    poetry = bed.poetry()
    for _ in range(bed.rounds):
        with bed.home() as home, bed.project() as checkout, _mounts(bed, checkout) as mounts:
            starts = []
            for number in range(4):
                one = bed.start(poetry, mounts[number % 2], home, "install", "9.1.0")
                name = f'hostname host{number % 2}; exec "$@"'
                apart = [
                    "unshare",
                    "--pid",
                    "--fork",
                    "--uts",
                    "--mount-proc",
                    "sh",
                    "-c",
                    name,
                    "sh",
                ]
                one.argv = [*apart, *one.argv]
                starts.append(one)
            ended = race(starts)
            tally.add(ended)
            tally.add([run(bed.start(poetry, checkout, home, "version", "9.1.0"))])
            nothing_left(tally, checkout)
    return [tally]


@contextmanager
def _mounts(bed: Bed, checkout: Path) -> Iterator[list[Path]]:
    points = [Path(tempfile.mkdtemp(prefix="mount-", dir=bed.work)) for _ in "12"]
    try:
        for point in points:
            call("bindfs", str(checkout), str(point))
        yield points
    finally:
        for point in points:
            subprocess.run(["fusermount", "-u", "-z", str(point)], check=False)


def two_users(bed: Bed) -> list[Tally]:
    """(f) Two users in one checkout that both may write; one of them hides what it makes."""
    tally = Tally("(f) two users, guarded")
    need("setpriv")
    python = shutil.which("python3.13", path="/usr/bin") or shutil.which(
        "python3.11", path="/usr/bin"
    )
    if os.geteuid() != 0 or python is None:
        raise UnavailableError("needs root, and a Python that other users can read")
    poetry = bed.poetry(python=python)
    for _ in range(bed.rounds):
        with bed.project() as checkout:
            for path in (checkout, *checkout.rglob("*")):
                path.chmod(0o777 if path.is_dir() else 0o666)
            starts = []
            for number in range(4):
                user = 23450 + number % 2
                home = Path(tempfile.mkdtemp(prefix="home-", dir=bed.work))
                command = "install" if number < 3 else "version"
                one = bed.start(
                    poetry, checkout, home, command, "9.1.0", *(["0.0.0"] * (number == 3))
                )
                for path in (home, *home.rglob("*")):
                    os.chown(path, user, user)
                mask = f'umask {"077" if number % 2 else "022"}; exec "$@"'
                drop = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
                one.argv = [*drop, "sh", "-c", mask, "sh", *one.argv]
                starts.append(one)
            tally.add(race(starts))
            last = bed.start(poetry, checkout, bed.work, "version", "9.1.0")
            last.argv = ["setpriv", "--reuid=23452", "--regid=23452", "--clear-groups", *last.argv]
            last.environ |= {"POETRY_CACHE_DIR": str(bed.work / "nobody")}
            tally.add([run(last)])
    return [tally]


def full_and_read_only(bed: Bed) -> list[Tally]:
    """(h) A full disk, then one with space again; a checkout that nobody can write."""
    tally = Tally("(h) full disk and read-only, guarded")
    if os.geteuid() != 0:
        raise UnavailableError("needs root")
    poetry = bed.poetry()
    point = Path(tempfile.mkdtemp(prefix="small-", dir=bed.work))
    call("mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(point))
    try:
        with bed.home() as home, bed.project(under=point) as checkout:
            (point / "filler").write_bytes(b"." * 300_000)
            full = run(bed.start(poetry, checkout, home, "install"))
            tally.processes += 1
            if full.code != 1 or list((checkout / ".poetry" / "plugin-sets").glob(".building*")):
                tally.fail("a full disk was not told", full.out + full.err)
            (point / "filler").unlink()
            call("mount", "-o", "remount,size=20m", str(point))
            tally.add([run(bed.start(poetry, checkout, home, "install", "9.1.0"))])
            nothing_left(tally, checkout)
            call("mount", "-o", "remount,ro", str(point))
            commands = ("version", "install", "version")
            tally.add([run(bed.start(poetry, checkout, home, one, "9.1.0")) for one in commands])
            call("mount", "-o", "remount,rw", str(point))
            shutil.rmtree(checkout / ".poetry")
            call("mount", "-o", "remount,ro", str(point))
            tally.add([run(bed.start(poetry, checkout, home, "install", "9.1.0"))])
            sets = {"POETRY_PUBLISH_VERIFIED_PLUGIN_SETS": str(home / "sets")}
            for command in ("install", "version"):
                one = bed.start(poetry, checkout, home, command, "9.1.0")
                one.environ |= sets
                tally.add([run(one)])
            call("mount", "-o", "remount,rw", str(point))
    finally:
        subprocess.run(["umount", "-l", str(point)], check=False)
    return [tally]
