"""Shared directories and how hosts reach them, and one project in such a directory."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tests.beds import kernels
from tests.beds.mounts import Bindfs, Disk, Gluster, Overlay, Shared, Sshfs, Tmpfs, mounted
from tests.beds.network import Namespaces, obstacle
from tests.beds.plugins import VENV_IN_PROJECT
from tests.beds.poetry import isolated
from tests.beds.processes import HANG, wait_until
from tests.beds.smb import Samba
from tests.stress.bed import OLD_LIST, TIMEOUT_VARIABLE, Bed
from tests.stress.packages import consumer
from tests.stress.racing import Finished, Start, run

_ABSENT = "import os, sys; [os.path.exists(path) for path in sys.argv[1:]]"


class Faults(Protocol):
    """What can happen to the hosts, counted from 0, and to their server."""

    disk: Disk

    def cut(self, host: int) -> None:
        """Unplug a host from the network."""

    def heal(self, host: int) -> None:
        """Plug it in again."""

    def lose(self, host: int) -> None:
        """Let a host lose its power; its processes must be killed as well."""

    def boot(self, host: int) -> None:
        """Switch it on again."""

    def restart_server(self) -> None:
        """Restart the server."""


@dataclass
class Place:
    """A shared directory, and how hosts reach it."""

    name: str
    roots: list[Path]
    """Where the directory is on each host."""
    hosts: list[str]
    """The names of the hosts."""
    on: Callable[[Start, int], Start]
    """Makes a process run on a host."""
    copy: Callable[[Path, str], None]
    """Copies a file or directory into it, under a name."""
    remove: Callable[[str], None]
    """Removes it again."""
    homes: Callable[[int], Path]
    """A host's own directory."""
    faults: Faults | None = None
    """Where there is a server, and more than one host."""
    excludes: bool = True
    """Whether its locks exclude other hosts."""
    keeps_locks: bool = True
    """Whether they still do when a second process of the holder's host has asked for one."""
    holds_environments: bool = True
    """Whether hosts can share a virtual environment there."""
    frees_lost_locks: bool = True
    """Whether the locks of a host that is gone for good are free after some time."""
    says_full: str = Shared.says_full
    """What a program is told where the disk is full."""


@dataclass
class Checkout:
    """One project in a shared directory, and homes on it or on each host."""

    place: Place
    name: str
    bed: Bed
    shared_home: str = ""
    """The name of a home in the shared directory, for all hosts."""
    variables: dict[str, str] = field(default_factory=dict)

    def root(self, host: int) -> Path:
        """Where a host sees the project."""
        return self.place.roots[host] / self.name

    def start(
        self,
        poetry: Path | Sequence[str],
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
        own = self.place.homes(host) / self.name
        home = root / self.shared_home if self.shared_home else own
        environ = isolated(self.bed.work / "made", **VENV_IN_PROJECT) | {
            "PATH": f"{Path(sys.executable).resolve().parent}:{os.environ['PATH']}",
            "HOME": str(home),
            "TMPDIR": "/var/tmp",  # noqa: S108 - each host has one
            "POETRY_CONFIG_DIR": str(home / "config"),
            "POETRY_DATA_DIR": str(home / "data"),
            "POETRY_CACHE_DIR": str(root / cache if cache else home / "cache"),
            "PYTHONDONTWRITEBYTECODE": "1",
            TIMEOUT_VARIABLE: str(HANG),
            # Poetry gives another Python 5 s to say its version, few for a host that is emulated.
            "POETRY_VIRTUALENVS_USE_POETRY_PYTHON": "true",
            # A download that the index holds up is not asked for again.
            "POETRY_REQUESTS_TIMEOUT": str(int(HANG)),
            **self.variables,
        }
        if environment or not self.place.holds_environments:
            environ["POETRY_VIRTUALENVS_IN_PROJECT"] = "false"
            environ["POETRY_VIRTUALENVS_PATH"] = str(own / f"environments{environment}")
        quiet = [] if args[0] == "version" else ["-n"]

        def check(ended: Finished) -> str | None:
            said = ended.out.strip().removeprefix("demo ")
            if right is not None and said != right:
                return f"silent: version {said}"
            if right is not None and "plugins" in ended.err:
                return f"an untrue warning ({ended.err})"
            return None

        argv = [str(poetry)] if isinstance(poetry, Path) else [*poetry]
        label = str(poetry.parents[1]) if isinstance(poetry, Path) else argv[0]
        start = Start([*argv, *args, *quiet], root / self.name, environ, check, label)
        return self.place.on(start, host)

    def look(self, host: int, *names: str) -> None:
        """Let a host find that these names are absent, so that it remembers it."""
        self.python(host, _ABSENT, *names)

    def python(self, host: int, code: str, *arguments: str) -> str:
        """Run code on a host, in the project; its output."""
        argv = [sys.executable, "-c", code, *arguments]
        ended = run(self.place.on(Start(argv, self.root(host), dict(os.environ)), host))
        assert ended.code == 0, ended.out + ended.err
        return ended.out


@contextmanager
def project(bed: Bed, place: Place, plugins: str = OLD_LIST) -> Iterator[Checkout]:
    """A fresh checkout that requires plugins."""
    with bed.project(plugins) as source, shared(bed, place, source) as checkout:
        yield checkout


@contextmanager
def consuming(bed: Bed, place: Place, extra: str = "") -> Iterator[Checkout]:
    """A fresh checkout that depends on packages; `extra` goes into its pyproject.toml."""
    with consumer(bed, extra) as source:
        # Locking has made one.
        shutil.rmtree(source / ".venv", ignore_errors=True)
        with shared(bed, place, source) as checkout:
            yield checkout


@contextmanager
def shared(bed: Bed, place: Place, source: Path) -> Iterator[Checkout]:
    """A copy of a checkout in the shared directory."""
    place.copy(source, source.name)
    try:
        yield Checkout(place, source.name, bed)
    finally:
        place.remove(source.name)


class _Kernels:
    """The faults of hosts with kernels of their own."""

    def __init__(self, hosts: kernels.Hosts, server: Samba | None = None) -> None:
        self._hosts = hosts
        self._server = server
        self.disk = server.disk if server else hosts.disk

    def cut(self, host: int) -> None:
        self._hosts.cut(self._hosts.clients[host])

    def heal(self, host: int) -> None:
        self._hosts.heal(self._hosts.clients[host])

    def lose(self, host: int) -> None:
        self._hosts.power_off(self._hosts.clients[host])

    def boot(self, host: int) -> None:
        self._hosts.power_on(self._hosts.clients[host])

    def restart_server(self) -> None:
        if self._server is None:
            self._hosts.restart_server()
        else:
            self._server.restart_server()


class _Mounts:
    """The faults of hosts that are namespaces."""

    def __init__(self, hosts: Namespaces, server: Shared) -> None:
        self._hosts = hosts
        self._server = server
        self.disk = server.disk

    def lose(self, host: int) -> None:
        # Its server is not told that it has gone.
        self._hosts.bridge.unplug(host)
        self._server.lose(host)

    def boot(self, host: int) -> None:
        self._hosts.bridge.plug_in(host)
        self._server.mount(host)

    def cut(self, host: int) -> None:
        self._hosts.bridge.unplug(host)

    def heal(self, host: int) -> None:
        self._hosts.bridge.plug_in(host)
        self._wait_for_mount(host)

    def restart_server(self) -> None:
        self._server.restart_server()
        for host in range(len(self._hosts.names)):
            self._wait_for_mount(host)

    def _wait_for_mount(self, host: int) -> None:
        wait_until(lambda: _answers(self._server.points[host]), "the mount to answer", pause=1)


def _answers(point: Path) -> bool:
    try:
        return bool(os.listdir(point))  # noqa: PTH208 - names are enough
    except OSError:
        return False


def _on_kernels(hosts: kernels.Hosts, name: str, root: Path, server: Samba | None) -> Place:
    def on(start: Start, host: int) -> Start:
        start.argv = hosts.command(hosts.clients[host], str(start.cwd), start.argv)
        start.cwd = Path("/")
        return start

    def copy(source: Path, target: str) -> None:
        hosts.check(hosts.clients[1], "cp", "-r", str(source), str(root / target))

    def remove(target: str) -> None:
        if server:
            _remove(server.shared / target)
        else:
            hosts.check(kernels.SERVER, "rm", "-rf", f"{kernels.EXPORT}/{target}")

    return Place(
        name,
        [root] * len(hosts.clients),
        hosts.clients,
        on,
        copy,
        remove,
        # Each has its own at this path, in memory.
        homes=lambda _: Path("/var/tmp/home"),  # noqa: S108
        faults=_Kernels(hosts, server),
    )


_Open = Callable[[Path, int], AbstractContextManager[tuple[str, list[Place]]]]


@dataclass(frozen=True)
class Kind:
    """A kind of bed."""

    obstacle: Callable[[], str]
    """Why this machine cannot have it; empty where it can."""
    open: _Open
    """Starts it in a directory, with so many hosts: this machine's address there, and places."""


@contextmanager
def _nfs(work: Path, clients: int) -> Iterator[tuple[str, list[Place]]]:
    with kernels.hosts(work / "kernels", clients) as hosts:

        def place(version: str, *options: str) -> Place:
            root, *_ = [hosts.mount(client, version, *options) for client in hosts.clients]
            made = _on_kernels(hosts, " ".join(["NFS", f"v{version}", *options]), root, None)
            made.excludes = "nolock" not in options
            made.frees_lost_locks = version != "3"
            return made

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


@contextmanager
def _smb(work: Path, clients: int) -> Iterator[tuple[str, list[Place]]]:
    with kernels.hosts(work / "kernels", clients) as hosts:
        server = Samba(work / "samba", hosts.address)
        with mounted(server):
            root, *_ = [hosts.mount_smb(client, server.port) for client in hosts.clients]
            made = _on_kernels(hosts, "SMB", root, server)
            # Both processes have one handle on the server, and whoever closes it ends its locks.
            made.keeps_locks = False
            yield hosts.address, [made]


def _namespaces(kind: type[Shared]) -> _Open:
    @contextmanager
    def opened(work: Path, clients: int) -> Iterator[tuple[str, list[Place]]]:
        hosts = Namespaces(clients)
        try:
            hosts.start()
            server = kind(work / kind.label, clients, hosts.bridge.address, hosts.on_network)
            with mounted(server) as roots:
                yield hosts.bridge.address, [_on_namespaces(hosts, server, roots)]
        finally:
            hosts.stop()

    return opened


def _on_namespaces(hosts: Namespaces, server: Shared, roots: list[Path]) -> Place:
    def on(start: Start, host: int) -> Start:
        start.argv = hosts.on_host(host, start.argv)
        return start

    def copy(source: Path, target: str) -> None:
        # Without the modes, which sshfs does not always take.
        if source.is_file():
            shutil.copyfile(source, roots[1] / target)
            return
        shutil.copytree(source, roots[1] / target, symlinks=True, copy_function=_copy_file)

    return Place(
        server.label,
        roots,
        hosts.names,
        on,
        copy,
        lambda target: _remove(roots[1] / target),
        homes=lambda host: server.work / f"home{host}",
        faults=_Mounts(hosts, server) if server.has_server else None,
        excludes=server.locks_exclude,
        holds_environments=server.holds_environments,
        says_full=server.says_full,
    )


def _remove(target: Path) -> None:
    if target.is_dir():
        shutil.rmtree(target, ignore_errors=True)
    else:
        target.unlink(missing_ok=True)


def _copy_file(source: str, target: str) -> None:
    shutil.copyfile(source, target)
    if os.access(source, os.X_OK):
        Path(target).chmod(0o755)


def _needs(kind: type[Shared]) -> Callable[[], str]:
    return lambda: obstacle(*kind.tools, "nsenter", "unshare")


KINDS = {
    "sshfs": Kind(_needs(Sshfs), _namespaces(Sshfs)),
    "gluster": Kind(_needs(Gluster), _namespaces(Gluster)),
    "nfs": Kind(kernels.nfs_obstacle, _nfs),
    "smb": Kind(kernels.smb_obstacle, _smb),
    "bindfs": Kind(_needs(Bindfs), _namespaces(Bindfs)),
    "overlay": Kind(_needs(Overlay), _namespaces(Overlay)),
    "tmpfs": Kind(_needs(Tmpfs), _namespaces(Tmpfs)),
}
