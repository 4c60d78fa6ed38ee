"""Deleting a release where a server can: pypiserver, and volatile indexes of devpi.

Tried with pypiserver 2.4 and devpi-server 6.20. Both delete all files of a version at once.
"""

import re
from collections.abc import Collection
from typing import Literal
from urllib.parse import quote, urlencode

from poetry_publish_verified.adapters.http import Asked, Http
from poetry_publish_verified.adapters.http_errors import HttpError
from poetry_publish_verified.core.rollback import spelling
from poetry_publish_verified.core.upload.server_words import json_object
from poetry_publish_verified.core.urls import RepositoryTarget

Server = Literal["pypiserver", "devpi", "devpi, not volatile", "unknown"]

_LARGEST = 64 * 1024
_TIMEOUT = 60.0
WHY_NOT: dict[Server, str] = {
    "devpi, not volatile": "the index is not volatile",
    "unknown": "pypiserver and volatile indexes of devpi can do that, and it seems to be neither",
}
"""Why a server does not delete releases."""
# On pypiserver's own page. A welcome text of one's own need not have it.
_PYPISERVER = re.compile(rb"Welcome to pypiserver!|>pypiserver</a>\s+software")
_FORM = "application/x-www-form-urlencoded"


class HttpRemover:
    """Deletes versions from a repository."""

    def __init__(self, http: Http, target: RepositoryTarget) -> None:
        self._http = http
        self._url, self._access = target.url, target.access
        self._server: Server = "unknown"

    async def server(self) -> Server:
        """What the server is, by what it says of itself. Raises HttpError if it does not answer.

        It comes before `delete`.
        """
        headers = {"Accept": "application/json, text/html;q=0.5"}
        asked = Asked(_LARGEST, _TIMEOUT, fresh=True, patience=_TIMEOUT, follow=False)
        page = await self._http.page(self._url, headers, self._access, asked)
        said = json_object(page.body)
        if said.get("type") == "indexconfig" and isinstance(said.get("result"), dict):
            volatile = said["result"].get("volatile") is True
            self._server = "devpi" if volatile else "devpi, not volatile"
        elif _PYPISERVER.search(page.body):
            self._server = "pypiserver"
        return self._server

    async def delete(self, name: str, filenames: Collection[str]) -> str:
        """Delete the versions of these files of a project; what the server said, "" if all is well.

        A file name may spell name and version in a way of its own, and the servers compare texts.
        """
        spelled = {spelling(each) for each in filenames}
        said = []
        if self._server == "devpi":
            for version in sorted({version for _, version in spelled}):
                path = f"{name}/{quote(version, safe='')}"
                asked = Asked(_LARGEST, _TIMEOUT, follow=False, delete=True)
                said.append(await self._send(f"{self._url.rstrip('/')}/{path}", {}, asked))
        elif self._server == "pypiserver":
            names = {(each, version) for own, version in spelled for each in _names(own, name)}
            for each, version in sorted(names):
                form = {":action": "remove_pkg", "name": each, "version": version}
                asked = Asked(_LARGEST, _TIMEOUT, follow=False, post=urlencode(form).encode())
                said.append(await self._send(self._url, {"Content-Type": _FORM}, asked))
        return "; ".join(filter(None, said))

    async def _send(self, url: str, headers: dict[str, str], asked: Asked) -> str:
        try:
            page = await self._http.page(url, headers, self._access, asked)
        except HttpError as error:
            return str(error)
        # 404: not under this spelling, or gone already. Only the index's page counts in the end.
        return "" if page.status in {200, 201, 204, 404, 410} else f"it answered {page.status}"


def _names(own: str, name: str) -> set[str]:
    return {own, name, own.replace("_", "-"), name.replace("-", "_")}
