"""A line to a server: passes bytes on as they come, slowly, and stalls or cuts chosen uploads.

Unlike the fault proxy it needs no whole request, so a server sees what a client holds back.
"""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.beds.processes import HANG

if TYPE_CHECKING:
    from typing import Self

_PIECE = 16 * 1024
_AT_ONCE = struct.pack("ii", 1, 0)
_FILENAME = re.compile(rb' filename="([^"]+)"')


@dataclass
class _Fault:
    """After so many bytes of an upload, once: go on if `act` says so, else reset the connection."""

    after: int
    act: Callable[[], object]


class Line:
    """Forwards a free loopback port to a server's `origin`, while its context is entered."""

    def __init__(self, origin: str, rate: float) -> None:
        """`rate`: bytes per second of each upload."""
        parts = urlsplit(origin)
        self._upstream = (parts.hostname, parts.port)
        self._rate = rate
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets = [self._listener]
        self._threads: list[threading.Thread] = []
        self._faults: dict[str, _Fault] = {}
        self.begun: list[str] = []
        """The files of the uploads that have begun, in this order."""
        self.hung_up = threading.Event()
        """Set once the client has closed a connection that had carried an upload."""

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def fault(self, filename: str, after: int, act: Callable[[], object]) -> None:
        """Once `after` bytes of the next upload of this file have passed, ask `act`."""
        self._faults[filename] = _Fault(after, act)

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        _shut(*self._sockets)
        for thread in self._threads:
            thread.join()
        for each in self._sockets:
            each.close()

    def _start(self, target: Callable[..., None], *arguments: socket.socket) -> None:
        self._threads.append(threading.Thread(target=target, args=arguments, daemon=True))
        self._threads[-1].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._upstream, timeout=HANG)
                self._sockets += (client, server)
                for carry in (self._up, self._down):
                    self._start(carry, client, server)

    def _up(self, client: socket.socket, server: socket.socket) -> None:
        carried, fault, passed = False, None, 0
        with contextlib.suppress(OSError):
            while piece := client.recv(_PIECE):
                if match := _FILENAME.search(piece):
                    self.begun.append(match[1].decode())
                    fault, passed, carried = self._faults.pop(match[1].decode(), None), 0, True
                passed += len(piece)
                if fault and passed >= fault.after:
                    if not fault.act():
                        # The end of the connection is then a reset.
                        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
                        client.close()
                        break
                    fault = None
                server.sendall(piece)
                time.sleep(len(piece) / self._rate)
            else:
                if carried:
                    self.hung_up.set()
        _shut(client, server)

    def _down(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := server.recv(_PIECE):
                client.sendall(piece)
        _shut(client, server)


def _shut(*sockets: socket.socket) -> None:
    for each in sockets:
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
