"""TLS: which certificates are trusted, and which one is presented."""

import functools
import ssl
import threading
from contextlib import suppress
from pathlib import Path

import certifi

from poetry_publish_verified.core.urls import Access


def tls_context(access: Access, *, trust_usual: bool = False) -> ssl.SSLContext:
    """The TLS settings of one origin.

    `trust_usual`: for other hosts that the index redirects or links to. The usual certificates are
    trusted too, and always checked; the client certificate is not presented.
    Raises OSError (ssl.SSLError included) for a file that cannot be read.
    """
    if trust_usual:
        return _context(access.ca, None, usual=True, verify=True)
    return _context(access.ca, access.client_cert, usual=access.ca is None, verify=access.verify)


def load_usual_certificates() -> None:
    """Load them in a thread, while other work goes on; why that failed is raised by who needs them.

    Most connections of a run need them, and OpenSSL reads them without Python's lock.
    """

    def load() -> None:
        with suppress(Exception):
            tls_context(Access())

    # Where there may be no more threads, they are loaded when they are needed.
    with suppress(RuntimeError):
        threading.Thread(target=load, name="certificates").start()


# Making one takes some 15 ms, and most connection pools of a run need the same.
@functools.lru_cache(maxsize=64)
def _context(
    ca: str | None, client_cert: str | None, *, usual: bool, verify: bool
) -> ssl.SSLContext:
    if usual:
        context = ssl.create_default_context(cafile=certifi.where())
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca is not None:
        context.load_verify_locations(**{"capath" if Path(ca).is_dir() else "cafile": ca})
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if client_cert is not None:
        context.load_cert_chain(client_cert)
    return context
