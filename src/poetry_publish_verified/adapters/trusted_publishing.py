"""Trusted publishing: the CI's identity token, and its exchange at the index."""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import anyio

from poetry_publish_verified.adapters.http import Asked, Http
from poetry_publish_verified.adapters.http_errors import HttpError, UnreachableError
from poetry_publish_verified.adapters.threads import in_daemon_thread
from poetry_publish_verified.core.problems import trusted_publishing as problems
from poetry_publish_verified.core.trusted_publishing import (
    Provider,
    gitlab_variable,
    is_for,
    minted_token,
    provider_in,
)
from poetry_publish_verified.core.upload.outcomes import Answered, NoAnswer
from poetry_publish_verified.core.urls import RepositoryTarget
from poetry_publish_verified.errors import Problem
from poetry_publish_verified.sanitize import learn

_AUDIENCE_TIMEOUT = 10.0
# A mint writes to databases, and may send mails.
_MINT_TIMEOUT = 60.0
# `id` itself tries four times for 30 seconds each, and has no bound at all on programs it calls.
IDENTITY_TIMEOUT = 30.0
# Where `id` looks for what Google's machines say of themselves.
_PRODUCT_NAME = Path("/sys/class/dmi/id/product_name")
_GOOGLE = {"Google", "Google Compute Engine"}
_MAX_ANSWER = 256 * 1024
_LARGEST_EVENT = 10 * 1024 * 1024


def ambient_provider() -> Provider | None:
    """The CI system that this process runs in."""
    try:
        product = _PRODUCT_NAME.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        product = ""
    return provider_in(os.environ, google_machine=product in _GOOGLE)


class IndexTokenExchange:
    """The token exchange of the server that takes a repository's uploads."""

    def __init__(
        self,
        http: Http,
        target: RepositoryTarget,
        provider: Provider,
        identity_timeout: float = IDENTITY_TIMEOUT,
    ) -> None:
        self._http = http
        self._url = urljoin(target.url, "/_/oidc/")
        # The certificates alone: there are no credentials, or half of them.
        self._access = replace(target.access, username=None, password=None)
        self.provider = provider
        self._identity_timeout = identity_timeout

    async def audience(self) -> Answered | NoAnswer:
        return await self._ask("audience", _AUDIENCE_TIMEOUT)

    async def identity(self, audience: str) -> str | Problem:
        token = await self._identity(audience)
        if isinstance(token, str):
            if not is_for(token, audience):
                return problems.unusable_identity(self.provider, audience)
            hide(token)
        return token

    async def mint(self, identity: str) -> Answered | NoAnswer:
        body = json.dumps({"token": identity}).encode()
        answer = await self._ask("mint-token", _MINT_TIMEOUT, body)
        if token := minted_token(answer):
            hide(token)
        return answer

    async def _ask(
        self, path: str, timeout: float, post: bytes | None = None
    ) -> Answered | NoAnswer:
        asked = Asked(_MAX_ANSWER, timeout, fresh=True, patience=timeout, follow=False, post=post)
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        headers |= {"Content-Type": "application/json"} if post else {}
        try:
            page = await self._http.page(f"{self._url}{path}", headers, self._access, asked)
        except HttpError as error:
            return NoAnswer(str(error), sent=not isinstance(error, UnreachableError))
        return Answered(page.status, body=page.body, headers=page.headers)

    async def _identity(self, audience: str) -> str | Problem:
        if self.provider is Provider.GITLAB:
            variable = gitlab_variable(audience)
            token = os.environ.get(variable)
            return token or problems.no_gitlab_token(variable, audience)
        from id import GitHubOidcPermissionCredentialError, detect_credential

        found: str | None = None
        words = "timed out"
        with anyio.move_on_after(self._identity_timeout):
            try:
                found = await in_daemon_thread(partial(detect_credential, audience))
                words = "it found none"
            except GitHubOidcPermissionCredentialError:
                return _no_permission()
            except Exception as error:  # noqa: BLE001 - urllib3's, json's and others come through
                words = str(error) or type(error).__name__
        return found or problems.identity_failed(self.provider, words)


def hide(token: str) -> None:
    """Never show a token, and have the CI system mask it in its logs.

    On standard error, which CI systems read for such orders too: standard output may be JSON.
    """
    learn(token, "__token__")
    # Elsewhere the order itself would show the token.
    if os.environ.get("GITHUB_ACTIONS", "").lower() == "true":
        order = f"::add-mask::{token}"
    elif os.environ.get("TF_BUILD", "").lower() == "true":
        order = f"##vso[task.setvariable variable=PUBLISH_VERIFIED_TOKEN;issecret=true]{token}"
    else:
        return
    if sys.stderr is not None:
        print(order, file=sys.stderr, flush=True)  # noqa: T201 - no output of ours may reword it


def _no_permission() -> Problem:
    """Why GitHub gives no token: a fork's pull request, or the permission is missing."""
    head = _event().get("pull_request", {})
    for key in ("head", "repo", "fork"):
        head = head.get(key) if isinstance(head, Mapping) else None
    if head is True and os.environ.get("GITHUB_EVENT_NAME") == "pull_request":
        return problems.of_a_fork()
    # octo/lantern/.github/workflows/release.yml@refs/heads/main
    workflow = os.environ.get("GITHUB_WORKFLOW_REF", "").partition("@")[0].split("/", 2)[-1]
    return problems.no_permission(workflow)


def _event() -> dict[str, Any]:
    """What started the workflow; nothing if that cannot be read."""
    try:
        with Path(os.environ.get("GITHUB_EVENT_PATH", "")).open("rb") as file:
            event = json.loads(file.read(_LARGEST_EVENT))
    except (OSError, ValueError, RecursionError):
        return {}
    return event if isinstance(event, dict) else {}
