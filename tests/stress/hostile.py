"""Plugin sets on hostile filesystems: lying locks, other users, full and read-only disks."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.stress.bed import Bed, UnavailableError, check_leftovers, require_tools, run_tool
from tests.stress.racing import Start, Tally, race, run


def two_mounts(bed: Bed) -> list[Tally]:
    """(e) One directory mounted twice, in other PID and UTS namespaces: locks do not exclude."""
    tally = Tally("(e) two mounts and namespaces, guarded")
    require_tools("bindfs", "unshare", "fusermount")
    poetry = bed.poetry()
    for _ in range(bed.rounds):
        with bed.home() as home, bed.project() as checkout, mounted(bed, checkout) as mounts:
            starts = []
            for number in range(4):
                one = bed.start(poetry, mounts[number % 2], home, "install", "9.1.0")
                starts.append(on_host(one, f"host{number % 2}"))
            ended = race(starts)
            tally.add(ended)
            tally.add([run(bed.start(poetry, checkout, home, "version", "9.1.0"))])
            check_leftovers(tally, checkout)
    return [tally]


def on_host(start: Start, host: str) -> Start:
    """Run it with another host name and its own process ids."""
    apart = ["unshare", "--pid", "--fork", "--uts", "--mount-proc"]
    start.argv = [*apart, "sh", "-c", f'hostname {host}; exec "$@"', "sh", *start.argv]
    return start


@contextmanager
def mounted(bed: Bed, checkout: Path) -> Iterator[list[Path]]:
    """Two mounts of one directory, whose locks do not exclude each other."""
    points = [Path(tempfile.mkdtemp(prefix="mount-", dir=bed.work)) for _ in "12"]
    try:
        for point in points:
            run_tool("bindfs", str(checkout), str(point))
        yield points
    finally:
        for point in points:
            subprocess.run(["fusermount", "-u", "-z", str(point)], check=False)


def two_users(bed: Bed) -> list[Tally]:
    """(f) Two users share a writable checkout; one of them has a private umask."""
    tally = Tally("(f) two users, guarded")
    poetry = bed.poetry(python=python_of_all())
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
                starts.append(as_user(one, user, user, "077" if number % 2 else "022"))
            tally.add(race(starts))
            last = bed.start(poetry, checkout, bed.work, "version", "9.1.0")
            as_user(last, 23452, 23452, "022")
            last.environ |= {"POETRY_CACHE_DIR": str(bed.work / "nobody")}
            tally.add([run(last)])
    return [tally]


def python_of_all() -> str:
    """A Python that other users can run; needs root."""
    require_tools("setpriv")
    python = shutil.which("python3.13", path="/usr/bin") or shutil.which(
        "python3.11", path="/usr/bin"
    )
    if os.geteuid() != 0 or python is None:
        raise UnavailableError("needs root, and a Python that other users can read")
    return python


def as_user(start: Start, user: int, group: int, umask: str) -> Start:
    """Run it as another user."""
    drop = ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups"]
    start.argv = [*drop, "sh", "-c", f'umask {umask}; exec "$@"', "sh", *start.argv]
    return start


def full_and_read_only(bed: Bed) -> list[Tally]:
    """(h) A full disk, then one with space again; a read-only checkout."""
    tally = Tally("(h) full disk and read-only, guarded")
    if os.geteuid() != 0:
        raise UnavailableError("needs root")
    poetry = bed.poetry()
    point = Path(tempfile.mkdtemp(prefix="small-", dir=bed.work))
    run_tool("mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(point))
    try:
        with bed.home() as home, bed.project(under=point) as checkout:
            (point / "filler").write_bytes(b"." * 300_000)
            full = run(bed.start(poetry, checkout, home, "install"))
            tally.processes += 1
            if full.code != 1 or list(
                (checkout / ".poetry" / ".nox" / "plugin-sets").glob(".building*")
            ):
                tally.fail("a full disk was not reported", full.out + full.err)
            (point / "filler").unlink()
            run_tool("mount", "-o", "remount,size=20m", str(point))
            tally.add([run(bed.start(poetry, checkout, home, "install", "9.1.0"))])
            check_leftovers(tally, checkout)
            run_tool("mount", "-o", "remount,ro", str(point))
            commands = ("version", "install", "version")
            tally.add([run(bed.start(poetry, checkout, home, one, "9.1.0")) for one in commands])
            run_tool("mount", "-o", "remount,rw", str(point))
            shutil.rmtree(checkout / ".poetry")
            run_tool("mount", "-o", "remount,ro", str(point))
            tally.add([run(bed.start(poetry, checkout, home, "install", "9.1.0"))])
            sets = {"POETRY_PUBLISH_VERIFIED_PLUGIN_SETS": str(home / "sets")}
            for command in ("install", "version"):
                one = bed.start(poetry, checkout, home, command, "9.1.0")
                one.environ |= sets
                tally.add([run(one)])
            run_tool("mount", "-o", "remount,rw", str(point))
    finally:
        subprocess.run(["umount", "-l", str(point)], check=False)
    return [tally]
