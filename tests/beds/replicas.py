"""A devpi with a replica that lags for as long as a test wants."""

from __future__ import annotations

import contextlib
import secrets
import threading
import urllib.parse
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.beds.indexes import Devpi, Index, ask, devpi
from tests.beds.processes import HANG
from tests.beds.proxy import CutError, FaultProxy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.beds.proxy import Answer, Exchange


@dataclass(frozen=True)
class Replicated:
    """A primary, on which users and indexes are made, and its replica.

    `between` is the proxy between the replica and the primary.
    """

    primary: Devpi
    replica: Devpi
    between: FaultProxy
    _flowing: threading.Event = field(default_factory=threading.Event)

    def replica_of(self, index: Index) -> Index:
        """An index of the primary as the replica shows it; the replica forwards uploads."""
        parts = urllib.parse.urlsplit(self.replica.base)
        return index.behind(f"{parts.scheme}://{parts.netloc}")

    @property
    def behind(self) -> int:
        """How many changes the replica still lacks."""
        primary, replica = (
            int(ask(f"{server.base}+api").headers["x-devpi-serial"])
            for server in (self.primary, self.replica)
        )
        return primary - replica

    def freeze(self) -> None:
        """Keep everything new from the replica, including what it has already requested."""
        self._flowing.clear()

    def thaw(self) -> None:
        """Let the replica catch up."""
        self._flowing.set()

    def hold(self, exchange: Exchange) -> Answer:
        """Pass changes on to the replica unless it is frozen."""
        answer = exchange.forward()
        if not self._flowing.wait(HANG):
            raise CutError
        return answer


@contextlib.contextmanager
def replicated_devpi(directory: Path) -> Iterator[Replicated]:
    """Run a devpi and its replica over an empty directory; the replica does not lag at first."""
    directory.mkdir(parents=True, exist_ok=True)
    secret = directory / "secret"
    secret.touch(mode=0o600)
    secret.write_text(secrets.token_hex(32), encoding="ascii")
    shared = ["--secretfile", str(secret)]
    with (
        devpi(directory / "primary", ["--role", "primary"], shared) as primary,
        FaultProxy(primary.base.rstrip("/")) as between,
    ):
        role = ["--role", "replica", "--primary-url", between.origin]
        with devpi(directory / "replica", role, shared) as replica:
            replicated = Replicated(primary, replica, between)
            replicated.thaw()
            between.on(lambda request: "/+changelog/" in request.path, replicated.hold)
            try:
                yield replicated
            finally:
                replicated.thaw()
