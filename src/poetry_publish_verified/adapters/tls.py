"""TLS: whose certificates are trusted, and which one is shown."""

from __future__ import annotations

import functools
import ssl
from pathlib import Path

import certifi

from poetry_publish_verified.core.urls import Access


# One takes some 60 ms to make, and a run wants the same for each pool of connections.
@functools.lru_cache(maxsize=64)
def tls_context(access: Access, *, trust_usual: bool = False) -> ssl.SSLContext:
    """The TLS settings of one origin.

    `trust_usual`: for other hosts that the same index sends us to. Their certificates may be the
    company's or the world's, and are checked; the client certificate is not shown to them.
    Raises OSError (ssl.SSLError included) for a file that cannot be read.
    """
    context = ssl.create_default_context(cafile=certifi.where())
    if access.ca is not None:
        if not trust_usual:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        place = Path(access.ca)
        if place.is_dir():
            context.load_verify_locations(capath=place)
        else:
            context.load_verify_locations(cafile=place)
    if not access.verify and not trust_usual:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if access.client_cert is not None and not trust_usual:
        context.load_cert_chain(access.client_cert)
    return context
