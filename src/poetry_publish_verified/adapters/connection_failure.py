"""Why no connection came about, in the system's words."""

import os
import socket
import ssl


def connection_failure(error: BaseException) -> str:
    """What the system said of a failed connection; empty where no cause of `error` has its number.

    Libraries that try several addresses say only that all attempts failed.
    """
    seen: list[BaseException] = []
    todo: list[BaseException | None] = [error]
    while todo:
        each = todo.pop()
        if each is None or each in seen:
            continue
        seen.append(each)
        if isinstance(each, socket.gaierror) and each.strerror:
            return f"cannot find the host: {each.strerror}"
        if isinstance(each, ssl.SSLError) and each.reason == "WRONG_VERSION_NUMBER":
            return "the server does not speak TLS; its URL may start with http, not https"
        # The numbers of TLS are its own.
        if isinstance(each, OSError) and each.errno and not isinstance(each, ssl.SSLError):
            return os.strerror(each.errno).lower()
        todo += [each.__context__, each.__cause__]
        if isinstance(each, BaseExceptionGroup):
            todo += each.exceptions
    return ""


def is_of_tls(error: BaseException | None) -> bool:
    """Whether it is for a certificate or the like that no connection came about."""
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False
