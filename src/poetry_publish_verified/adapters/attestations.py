"""Attestations, signed with Sigstore: its certificate authority (Fulcio) and its log (Rekor).

What signs takes 1.5 seconds to import, and has no time-outs of its own.
"""

import json
import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from poetry_publish_verified.adapters.provenance import SigstoreVerifier, extra_is_installed
from poetry_publish_verified.adapters.threads import in_daemon_thread
from poetry_publish_verified.core.attestations import EXTRA, fault_in
from poetry_publish_verified.core.caching import is_transient, retry_after
from poetry_publish_verified.core.problems import attestations as problems
from poetry_publish_verified.core.problems.usage import extra_missing
from poetry_publish_verified.core.publishers import NamedPublisher
from poetry_publish_verified.core.receipt import TOOL
from poetry_publish_verified.core.trusted_publishing import Refusal
from poetry_publish_verified.core.upload.server_words import json_object
from poetry_publish_verified.errors import Problem
from poetry_publish_verified.sanitize import printable

if TYPE_CHECKING:
    from sigstore.models import ClientTrustConfig
    from sigstore.sign import Signer

_TIMEOUT = 30.0
_T = TypeVar("_T")


class SigstoreSigner:
    """Signs with the Sigstore that this user's environment knows: the public one, as a rule."""

    def __init__(self, timeout: float = _TIMEOUT) -> None:
        """Each of Sigstore's services has `timeout` seconds for an answer."""
        self._timeout = timeout
        self._verifier = SigstoreVerifier()
        self._config: ClientTrustConfig | None = None
        self._signer: Signer | None = None

    def missing(self) -> Problem | None:
        if not extra_is_installed():
            return extra_missing("--attest", TOOL, EXTRA)
        # It warns in words of its own of what is reported here.
        for name in ("sigstore", "tuf"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        return None

    async def fault_of(
        self, attestation: str, filename: str, sha256: str, publisher: NamedPublisher
    ) -> str | None:
        try:
            given = json.loads(attestation)
            bundle = {"publisher": {}, "attestations": [given]}
            # Writing it recurses deeper than reading it did.
            document = json.dumps({"version": 1, "attestation_bundles": [bundle]}).encode()
        except (ValueError, RecursionError):
            return "it is not valid JSON"
        if not isinstance(given, dict):
            return "it is not a JSON object"
        found = await self._verifier.verify(document, filename, sha256)
        return fault_in(found, publisher)

    async def certify(self, identity: str) -> Refusal | list[Problem]:
        warnings: list[Problem] = []
        if self._config is None:
            config = await self._keys(warnings)
            if isinstance(config, Refusal):
                return config
            self._config = config
        try:
            self._signer = await self._bounded(partial(_request, self._config, identity))
        except Exception as error:  # noqa: BLE001 - requests', sigstore's and pydantic's come through
            if type(error).__name__ in {"IdentityError", "ExpiredIdentity"}:
                return Refusal(problems.identity_refused(_words(error)))
            return _refusal(error, problems.authority_failed, problems.identity_refused)
        return warnings

    async def sign(
        self, filename: str, sha256: str, publisher: NamedPublisher
    ) -> str | Refusal | None:
        from pypi_attestations import AttestationError

        if self._signer is None:
            return None
        try:
            signed = await self._bounded(partial(_sign, self._signer, filename, sha256))
        except Exception as error:  # noqa: BLE001 - as above
            if isinstance(error, AttestationError) and not str(error):
                return None  # only an expired certificate has no words
            return _refusal(error, problems.log_failed)
        fault = await self.fault_of(signed, filename, sha256, publisher)
        return Refusal(problems.log_failed(fault), 1.0) if fault else signed

    async def _keys(self, warnings: list[Problem]) -> "ClientTrustConfig | Refusal":
        """The keys to trust and where to sign, up to date if Sigstore can be reached."""
        from tuf.api.exceptions import RepositoryError

        try:
            return await self._bounded(partial(_trust_config, offline=False))
        except TimeoutError as error:
            fault: BaseException = error
        except Exception as error:  # noqa: BLE001 - as above
            fault = error.__cause__ or error
            if isinstance(fault, RepositoryError | OSError):
                # They are forged, or this machine's clock is wrong; or there is no place for them.
                return Refusal(problems.keys_unusable(_words(fault)))
        warnings.append(problems.keys_not_updated(_words(fault)))
        try:
            return await self._bounded(partial(_trust_config, offline=True))
        except Exception as error:  # noqa: BLE001 - as above
            return Refusal(problems.keys_unusable(_words(error)))

    async def _bounded(self, call: Callable[[], _T]) -> _T:
        with anyio.fail_after(self._timeout):
            return await in_daemon_thread(call)


def _trust_config(*, offline: bool) -> "ClientTrustConfig":
    from sigstore.models import ClientTrustConfig

    config = ClientTrustConfig.production(offline=offline)
    # Attestations have no place for the time stamps that version 2 of the log needs.
    config.force_tlog_version = 1
    return config


def _request(config: "ClientTrustConfig", identity: str) -> "Signer":
    """A key, and a certificate for it."""
    from sigstore.oidc import IdentityToken
    from sigstore.sign import SigningContext

    with SigningContext.from_trust_config(config).signer(IdentityToken(identity)) as signer:
        return signer


def _sign(signer: "Signer", filename: str, sha256: str) -> str:
    from pypi_attestations import Attestation, Distribution

    file = Distribution(name=filename, digest=sha256)
    return Attestation.sign(signer, file).model_dump_json()


def _refusal(
    error: Exception,
    failed: Callable[[str], Problem],
    refused: Callable[[str], Problem] | None = None,
) -> Refusal:
    """What one of Sigstore's services did: most of it may pass."""
    answer = _answer(error)
    if answer is None:
        return Refusal(failed(_words(error)), 1.0)
    said = json_object(answer.content).get("message")
    words = f"{answer.status_code} {printable(str(said or answer.reason or ''), 200)}".strip()
    if not is_transient(answer.status_code):
        return Refusal((refused or failed)(words))
    headers: Mapping[str, str] = {k.lower(): v for k, v in answer.headers.items()}
    return Refusal(failed(words), min(retry_after(headers) or 1.0, 60.0))


def _answer(error: BaseException) -> Any:
    """The HTTP answer that an error comes from (as `requests` has it), if any."""
    cause: BaseException | None = error
    while cause is not None:
        answer = getattr(cause, "response", None)
        if answer is not None:
            return answer
        cause = cause.__cause__ or cause.__context__
    return None


def _words(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "it does not answer"
    return printable(str(error), 300) or type(error).__name__
