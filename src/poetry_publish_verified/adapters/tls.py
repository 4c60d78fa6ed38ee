"""TLS: which certificates are trusted, and which one is presented."""

import functools
import ssl
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
        return _context(access.ca, usual=True, verify=True, client_cert=None)
    return _context(
        access.ca, usual=access.ca is None, verify=access.verify, client_cert=access.client_cert
    )


# Making one takes some 30 ms, and most connection pools of a run need the same.
@functools.lru_cache(maxsize=64)
def _context(
    ca: str | None, *, usual: bool, verify: bool, client_cert: str | None
) -> ssl.SSLContext:
    """Trust `ca`, and the `usual` certificates."""
    context = (
        ssl.create_default_context(cafile=certifi.where())
        if usual
        else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    )
    if ca is not None:
        place = Path(ca)
        if place.is_dir():
            context.load_verify_locations(capath=place)
        else:
            context.load_verify_locations(cafile=place)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if client_cert is not None:
        context.load_cert_chain(client_cert)
    return context
