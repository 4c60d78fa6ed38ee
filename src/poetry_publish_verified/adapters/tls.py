"""TLS: which certificates are trusted, and which one is presented."""

import functools
import ssl
from pathlib import Path

import certifi

from poetry_publish_verified.core.urls import Access


# Making one takes some 30 ms, and most connection pools of a run need the same.
@functools.lru_cache(maxsize=64)
def tls_context(access: Access, *, trust_usual: bool = False) -> ssl.SSLContext:
    """The TLS settings of one origin.

    `trust_usual`: for other hosts that the index redirects or links to. The usual certificates are
    trusted too, and always checked; the client certificate is not presented.
    Raises OSError (ssl.SSLError included) for a file that cannot be read.
    """
    if trust_usual or access.ca is None:
        context = ssl.create_default_context(cafile=certifi.where())
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if access.ca is not None:
        is_directory = Path(access.ca).is_dir()
        context.load_verify_locations(**{"capath" if is_directory else "cafile": access.ca})
    if not (trust_usual or access.verify):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if access.client_cert is not None and not trust_usual:
        context.load_cert_chain(access.client_cert)
    return context
