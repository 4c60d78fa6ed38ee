"""Try real shared filesystems: two hosts, one checkout, one cache, stock and guarded Poetry.

    python -m tests.stress.shared_filesystems [--bed nfs|gluster|sshfs] [--short] [--rounds N]

NFS hosts have kernels of their own; those of GlusterFS and sshfs are two mounts and namespaces.
Prints one line per case and filesystem. Exits 1 if a guarded process failed, a set was built or an
archive downloaded twice where locks exclude. Beds that this machine cannot have are skipped with a
reason.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.beds import kernels, mounts
from tests.beds.environments import pythons
from tests.beds.plugins import VENV_IN_PROJECT
from tests.beds.poetry import isolated
from tests.beds.processes import HANG
from tests.stress.bed import OLD_LIST, TIMEOUT_VARIABLE, Bed
from tests.stress.hostile import on_host
from tests.stress.packages import consumer
from tests.stress.racing import Finished, Start, Tally, race, run
from tests.stress.rounds import say, set_up

_ABSENT = "import os, sys; [os.path.exists(path) for path in sys.argv[1:]]"


@dataclass
class Place:
    """A shared directory, and how two hosts reach it."""

    name: str
    roots: list[Path]
    """Where the directory is on each host."""
    on: Callable[[Start, int], Start]
    """Makes a process run on a host."""
    copy: Callable[[Path, str], None]
    """Copies a directory into it, under a name."""
    homes: Callable[[int], Path]
    """A host's own directory."""
    excludes: bool = True
    """Whether its locks exclude other hosts."""
    holds_environments: bool = True
    """Whether virtualenv can make one there; sshfs refuses the mode of a link."""


@dataclass
class Checkout:
    """One project in a shared directory, and homes on it or on each host."""

    place: Place
    name: str
    bed: Bed

    def start(
        self,
        poetry: Path,
        host: int,
        *args: str,
        cache: str = "",
        right: str | None = None,
        environment: str = "",
    ) -> Start:
        """A command of Poetry's on a host.

        `cache` names one that hosts share, `environment` one of the host's own, instead of the
        project's; `right` is what `poetry version` must say.
        """
        root = self.place.roots[host]
        home = self.place.homes(host) / self.name
        environ = isolated(self.bed.work / "made", **VENV_IN_PROJECT) | {
            "PATH": f"{Path(sys.executable).resolve().parent}:{os.environ['PATH']}",
            "HOME": str(home),
            "TMPDIR": "/var/tmp",  # noqa: S108 - each host has one
            "POETRY_CONFIG_DIR": str(home / "config"),
            "POETRY_DATA_DIR": str(home / "data"),
            "POETRY_CACHE_DIR": str(root / cache if cache else home / "cache"),
            "PYTHONDONTWRITEBYTECODE": "1",
            TIMEOUT_VARIABLE: str(HANG),
            # A download that the index holds up is not asked for again.
            "POETRY_REQUESTS_TIMEOUT": str(int(HANG)),
        }
        if environment or not self.place.holds_environments:
            environ["POETRY_VIRTUALENVS_IN_PROJECT"] = "false"
            environ["POETRY_VIRTUALENVS_PATH"] = str(home / f"environments{environment}")
        quiet = [] if args[0] == "version" else ["-n"]

        def check(ended: Finished) -> str | None:
            said = ended.out.strip().removeprefix("demo ")
            if right is not None and said != right:
                return f"silent: version {said}"
            if right is not None and "plugins" in ended.err:
                return f"an untrue warning ({ended.err})"
            return None

        start = Start(
            [str(poetry), *args, *quiet], root / self.name, environ, check, str(poetry.parents[1])
        )
        return self.place.on(start, host)

    def look(self, host: int, *names: str) -> None:
        """Let a host find that these names are absent, so that it remembers it."""
        start = self.start(Path(sys.executable), host, "-c", _ABSENT, *names)
        start.argv = [word for word in start.argv if word != "-n"]
        ended = run(start)
        assert ended.code == 0, ended.err


@contextmanager
def _project(bed: Bed, place: Place, plugins: str = OLD_LIST) -> Iterator[Checkout]:
    with bed.project(plugins) as source:
        yield _shared(bed, place, source)


@contextmanager
def _consumer(bed: Bed, place: Place) -> Iterator[Checkout]:
    with consumer(bed) as source:
        yield _shared(bed, place, source)


def _shared(bed: Bed, place: Place, source: Path) -> Checkout:
    place.copy(source, source.name)
    return Checkout(place, source.name, bed)


def another_hosts_set(bed: Bed, place: Place, tally: Tally, poetry: Path) -> None:
    """A host that looked before sees the set that another one has built, and builds no other."""
    with _project(bed, place) as checkout:
        run(checkout.start(poetry, 0, "version"))
        tally.add([run(checkout.start(poetry, 1, "install"))])
        tally.add([run(checkout.start(poetry, 0, "version", right="9.1.0"))])
        again = run(checkout.start(poetry, 0, "install"))
        tally.add([again])
        if "Building the plugin set" in again.out:
            tally.fail("built again", again.out)


def another_hosts_environment(bed: Bed, place: Place, tally: Tally, poetry: Path) -> None:
    """A host that looked before installs into the environment that another one has made."""
    if not place.holds_environments:
        return
    with _project(bed, place, plugins="") as checkout:
        checkout.look(0, ".venv", ".venv/pyvenv.cfg")
        tally.add([run(checkout.start(poetry, 1, "install"))])
        again = run(checkout.start(poetry, 0, "install"))
        tally.add([again])
        if "reating virtualenv" in again.out:
            tally.fail("environment made again", again.out)


def one_download(bed: Bed, place: Place, tally: Tally, poetry: Path) -> None:
    """A host that waits for another one's download takes its archive, and says who has the lock."""
    with _consumer(bed, place) as one, _consumer(bed, place) as other:
        cache = f"cache-{one.name}"
        with bed.index.gated("gear_data") as gate:
            ended: list[Finished] = []
            begin = len(bed.index.requests)
            threads = [
                threading.Thread(target=lambda start=start: ended.append(run(start)))
                for start in (
                    one.start(poetry, 0, "install", cache=cache),
                    other.start(poetry, 1, "install", cache=cache),
                )
            ]
            threads[0].start()
            while threads[0].is_alive() and not gate.reached.wait(1):
                pass
            threads[1].start()
            # It has come to its downloads, as far as time tells; those that nobody holds are done.
            threads[1].join(20)
            gate.open.set()
            for thread in threads:
                thread.join()
        tally.add(ended)
        asked = Counter(path for path in bed.index.requests[begin:] if path.endswith(".whl"))
        twice = [path for path, count in asked.items() if count > 1 and "gear" in path]
        if not place.excludes:
            return
        said = [line for one in ended for line in (*one.out.splitlines(), *one.err.splitlines())]
        if twice:
            tally.fail("downloaded twice", "\n".join([*twice, *said]))
        if any("an unknown process" in line for line in said):
            tally.fail("holder not named", "\n".join(said))


def cold(count: int) -> Callable[[Bed, Place, Tally, Path], None]:
    """`count` first installs at once, over both hosts and two interpreters."""

    def case(bed: Bed, place: Place, tally: Tally, poetry: Path) -> None:
        stock = "stock" in tally.name
        both = [poetry, *(bed.poetry(python=one, stock=stock) for one in pythons()[1:2])]
        with _project(bed, place) as checkout:
            starts = [
                checkout.start(
                    both[number // 2 % len(both)], number % 2, "install", environment=str(number)
                )
                for number in range(count)
            ]
            tally.add(race(starts))
            right = [
                checkout.start(one, host, "version", right="9.1.0")
                for one in both
                for host in (1, 0)
            ]
            tally.add([run(start) for start in right])

    case.__name__ = f"cold_{count}"
    return case


CASES = (another_hosts_set, another_hosts_environment, one_download)


@contextmanager
def _nfs(work: Path) -> Iterator[tuple[str, list[Place]]]:
    with kernels.hosts(work / "nfs") as hosts:

        def place(version: str, *options: str) -> Place:
            root, _ = [hosts.mount(client, version, *options) for client in hosts.clients]

            def on(start: Start, host: int) -> Start:
                start.argv = hosts.command(hosts.clients[host], str(start.cwd), start.argv)
                start.cwd = Path("/")
                return start

            def copy(source: Path, name: str) -> None:
                hosts.check(hosts.clients[1], "cp", "-r", str(source), str(root / name))

            words = " ".join(["NFS", f"v{version}", *options])
            excludes = "nolock" not in options
            return Place(words, [root, root], on, copy, _own_directory, excludes)

        yield (
            hosts.address,
            [
                place("4.2"),
                place("3"),
                place("4.2", "actimeo=600"),
                place("3", "nocto"),
                place("3", "nolock"),
            ],
        )


def _own_directory(_: int) -> Path:
    """Each NFS host has its own at this path, in memory."""
    return Path("/var/tmp/home")  # noqa: S108


def _mounted(kind: str, points: list[Path]) -> Place:
    is_gluster = kind == "gluster"
    return Place(
        "GlusterFS" if is_gluster else "sshfs",
        points,
        on=lambda start, host: on_host(start, f"host{host}"),
        copy=lambda source, name: _copy(source, points[1] / name),
        homes=lambda host: points[0].with_name(f"home{host}"),
        excludes=is_gluster,
        holds_environments=is_gluster,
    )


def _copy(source: Path, target: Path) -> None:
    # Without the modes, which sshfs does not always take.
    shutil.copytree(source, target, copy_function=shutil.copyfile)


@contextmanager
def _bed(kind: str, work: Path) -> Iterator[tuple[str, list[Place]]]:
    with ExitStack() as stack:
        if kind == "nfs":
            yield stack.enter_context(_nfs(work))
        else:
            mount = mounts.gluster_mounts if kind == "gluster" else mounts.sshfs_mounts
            yield "127.0.0.1", [_mounted(kind, stack.enter_context(mount(work / kind)))]


OBSTACLES: dict[str, Callable[[], str]] = {
    "sshfs": lambda: mounts.missing("sshfs", "sshd", "unshare"),
    "gluster": lambda: mounts.missing("glusterfs", "glusterfsd", "unshare"),
    "nfs": kernels.obstacle,
}


def main() -> int:
    """Run the command; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--bed", choices=OBSTACLES, action="append")
    parser.add_argument("--short", action="store_true", help="one round of the scripted cases")
    parser.add_argument("--rounds", type=int, default=4)
    options = parser.parse_args()
    # What has been started is ended then, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    rounds = 1 if options.short else options.rounds
    failed = False
    for kind in options.bed or OBSTACLES:
        if reason := OBSTACLES[kind]():
            say(f"{kind} skipped: {reason}")
            continue
        with tempfile.TemporaryDirectory(prefix="shared-", ignore_cleanup_errors=True) as work:
            Path(work).chmod(0o755)
            with _bed(kind, Path(work)) as (address, places), set_up(rounds, address) as bed:
                for place in places:
                    failed |= _try(bed, place, short=options.short)
    return int(failed)


def _try(bed: Bed, place: Place, *, short: bool) -> bool:
    """Run the cases in one place, print their lines; whether guarded Poetry failed."""
    failed = False
    cases = [*CASES, *(() if short else (cold(4), cold(8)))]
    for case in cases:
        for kind in ("stock", "guarded"):
            tally = Tally(f"{place.name}: {case.__name__} {kind}")
            for _ in range(bed.rounds):
                case(bed, place, tally, bed.poetry(stock=kind == "stock"))
            say(tally.line())
            if kind == "guarded" and tally.failures:
                failed = True
                say(*tally.examples.values())
    return failed


if __name__ == "__main__":
    raise SystemExit(main())
