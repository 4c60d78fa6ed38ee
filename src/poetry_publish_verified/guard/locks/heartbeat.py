"""The heartbeat of a release: its holder writes to the record of each lock every ten seconds.

So others learn how long a holder has been silent that they cannot ask, because it is on another
host. A server gives a file that is written the time of its own clock.
"""

import os
import threading
from contextlib import suppress
from pathlib import Path

# Seconds. sshfs shows a file as it was up to 20 seconds ago.
INTERVAL = 10.0

_LOCK = threading.Lock()
_RECORDS: dict[Path, bytes] = {}
_stop: threading.Event | None = None


def begin(record: Path, nonce: str) -> bool:
    """Write to `record` from now on, as long as `nonce` is in it; whether that is possible.

    One thread serves all locks of the process, and ends with it or with the last lock.
    """
    global _stop  # noqa: PLW0603 - one per process
    with _LOCK:
        if _stop is None:
            stop = threading.Event()
            try:
                threading.Thread(target=_beat, args=(stop,), daemon=True).start()
            # No more threads, as in some containers.
            except RuntimeError:
                return False
            _stop = stop
        _RECORDS[record] = nonce.encode()
    return True


def end(record: Path) -> None:
    """Write to `record` no more."""
    global _stop  # noqa: PLW0603 - one per process
    with _LOCK:
        _RECORDS.pop(record, None)
        if not _RECORDS and _stop is not None:
            _stop.set()
            _stop = None


def _beat(stop: threading.Event) -> None:
    while not stop.wait(INTERVAL):
        with _LOCK:
            records = list(_RECORDS.items())
        for record, nonce in records:
            with suppress(OSError):
                _write_again(record, nonce)


def _write_again(record: Path, nonce: bytes) -> None:
    """Write a byte that is there anyway, unless another holder's record has taken the place."""
    flags = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    with os.fdopen(os.open(record, flags), "r+b", buffering=0) as file:
        content = file.read()
        if nonce in content:
            file.seek(0)
            file.write(content[:1])
