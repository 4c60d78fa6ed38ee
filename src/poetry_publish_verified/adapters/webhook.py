"""Posts JSON to a URL that somebody wants to be notified at."""

import json
from collections.abc import Mapping
from typing import Any

import anyio

from poetry_publish_verified.adapters.http import Asked, Http
from poetry_publish_verified.adapters.http_errors import HttpError, UntrustedError
from poetry_publish_verified.core.caching import is_transient
from poetry_publish_verified.core.urls import Access, split_credentials

_TRIES = 3
# Seconds before another try, and once more before the next.
_PAUSE = 1.0
_LARGEST = 4096


async def post(http: Http, url: str, value: Mapping[str, Any], timeout: float) -> str:
    """Post a value; why that failed, empty if the server has taken it.

    Redirects are not followed. It is tried up to three times while that may help, each time for
    at most `timeout` seconds.
    """
    address, username, password = split_credentials(url)
    access = Access(username, password)
    body = json.dumps(value).encode()
    asked = Asked(_LARGEST, timeout, fresh=True, patience=timeout, follow=False, post=body)
    failure = ""
    for attempt in range(_TRIES):
        if attempt:
            await anyio.sleep(_PAUSE * attempt)
        try:
            headers = {"Content-Type": "application/json", "Accept": "*/*"}
            page = await http.page(address, headers, access, asked)
        except UntrustedError as error:
            return str(error)
        except HttpError as error:
            failure = str(error)
            continue
        if page.status < 300:
            return ""
        failure = f"the server answered {page.status}"
        if not is_transient(page.status):
            return failure
    return f"{failure}, {_TRIES} times"
