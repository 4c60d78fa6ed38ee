"""The attestations of a run: signed just before the upload, with one certificate for all files."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol

import anyio

from poetry_publish_verified.core.attestations import (
    AUDIENCE,
    CERTIFICATE_LIFETIME,
    SUFFIX,
    attesting,
)
from poetry_publish_verified.core.distribution import Distribution
from poetry_publish_verified.core.events import Event, FilesAttested, ProblemFound, SigningDelayed
from poetry_publish_verified.core.problems import attestations as problems
from poetry_publish_verified.core.problems.words import some
from poetry_publish_verified.core.publishers import NamedPublisher
from poetry_publish_verified.core.trusted_publishing import Refusal
from poetry_publish_verified.errors import Problem, ReleaseError, Severity
from poetry_publish_verified.release.trusted_publishing import Clock, TrustedPublisher, patiently

# Certificates are valid for ten minutes, and signing takes a while, too.
_FRESH = 2 / 3


class Signer(Protocol):
    """Sigstore; these methods never raise for what it does."""

    def missing(self) -> Problem | None:
        """What is not installed here."""

    async def fault_of(
        self, attestation: str, filename: str, sha256: str, publisher: NamedPublisher
    ) -> str | None:
        """Why an attestation in JSON is not for this file and publisher, in words."""

    async def certify(self, identity: str) -> Refusal | list[Problem]:
        """Get a certificate for an identity token; returns warnings."""

    async def sign(
        self, filename: str, sha256: str, publisher: NamedPublisher
    ) -> str | Refusal | None:
        """An attestation in JSON; None if the certificate has expired."""


class Attester:
    """What attests the files of a run, for all of its projects."""

    def __init__(
        self,
        signer: Signer,
        tokens: TrustedPublisher | None,
        clock: Clock,
        *,
        required: bool,
        tries: int,
        jobs: int,
    ) -> None:
        """`required`: send nothing without. Each file is tried `tries` times, `jobs` at once."""
        self._signer = signer
        self._tokens = tokens
        self._clock = clock
        self._required = required
        self._tries = tries
        self._slots = anyio.CapacityLimiter(jobs)
        self._lock = anyio.Lock()
        self._found: tuple[Problem, ...] | None = None
        self._session: _Session | None = None

    @property
    def able(self) -> bool:
        """Whether nothing keeps it from that, once it is checked."""
        return self._session is not None

    async def check(self, files: Iterable[Distribution], made: Mapping[str, str]) -> list[Problem]:
        """What keeps the run from attesting, and which attestations are unfit.

        `made` has attestations in JSON that are there already, by the file's name. Each warning is
        given once.
        """
        async with self._lock:
            if self._found is None:
                self._found = tuple(await self._check())
                found = list(self._found)
            else:
                found = [each for each in self._found if each.severity == "error"]
        if (session := self._session) is None:
            return found
        for each in files:
            text = made.get(each.filename)
            if text is not None and (fault := await session.fault_of(text, each)):
                name = f"{each.filename}{SUFFIX}"
                found.append(problems.unfit_attestation(each.filename, name, fault))
        return found

    async def _check(self) -> list[Problem]:
        if (missing := self._signer.missing()) is not None:
            return [missing]
        severity: Severity = "error" if self._required else "warning"
        publisher = None
        if self._tokens is not None:
            await self._tokens.check()
            publisher = self._tokens.publisher
        if publisher is None or self._tokens is None:
            return [problems.no_trusted_publisher(severity)]
        named = attesting(publisher, severity)
        if isinstance(named, Problem):
            return [named]
        identity = await self._tokens.identity(AUDIENCE)
        if isinstance(identity, Problem):
            return [replace(identity, severity=severity)]
        self._session = _Session(self._signer, self._tokens, named, self._clock)
        return []

    async def attest(
        self,
        files: Sequence[Distribution],
        made: Mapping[str, str],
        report: Callable[[Event], None],
    ) -> Mapping[str, str]:
        """The attestations of files that are about to be sent, in JSON, by the file's name.

        Raises ReleaseError if one cannot be had and is required.
        """
        if (session := self._session) is None:
            return {}
        attested = {each.filename: made[each.filename] for each in files if each.filename in made}
        missing = [each for each in files if each.filename not in attested]
        failures: list[Problem] = []

        async def one(file: Distribution) -> None:
            async with self._slots:
                if failures:
                    return
                result = await patiently(
                    partial(session.sign, file, report),
                    self._clock,
                    self._tries,
                    delayed=lambda problem, pause: report(
                        SigningDelayed(file.filename, problem.message, pause)
                    ),
                )
            if isinstance(result, Problem):
                failures.append(result)
            else:
                attested[file.filename] = result

        async with anyio.create_task_group() as group:
            for each in missing:
                group.start_soon(one, each)
        if attested:
            names = tuple(each.filename for each in files if each.filename in attested)
            report(FilesAttested(names, str(session.publisher)))
        if failures:
            without = [each.filename for each in missing if each.filename not in attested]
            self._fail(failures[0], without, report)
        return attested

    def _fail(self, problem: Problem, without: list[str], report: Callable[[Event], None]) -> None:
        problem = problems.with_outcome(problem, some(without), required=self._required)
        if self._required:
            raise ReleaseError.refused(problem)
        report(ProblemFound(problem))


class _Session:
    """Signing as one publisher, with a certificate that is renewed."""

    def __init__(
        self, signer: Signer, tokens: TrustedPublisher, publisher: NamedPublisher, clock: Clock
    ) -> None:
        self.publisher = publisher
        self._signer = signer
        self._tokens = tokens
        self._clock = clock
        self._lock = anyio.Lock()
        self._since: float | None = None

    async def fault_of(self, attestation: str, file: Distribution) -> str | None:
        given = (attestation, file.filename, file.sha256, self.publisher)
        return await self._signer.fault_of(*given)

    async def sign(self, file: Distribution, report: Callable[[Event], None]) -> str | Refusal:
        """An attestation for one file."""
        async with self._lock:
            now = self._clock.monotonic()
            if self._since is None or now - self._since > CERTIFICATE_LIFETIME * _FRESH:
                refusal = await self._certify(report)
                if refusal is not None:
                    return refusal
                self._since = now
            since = self._since
        signed = await self._signer.sign(file.filename, file.sha256, self.publisher)
        if signed is None and self._since == since:
            self._since = None
        return signed or Refusal(problems.authority_failed("its certificate has expired"), 0.0)

    async def _certify(self, report: Callable[[Event], None]) -> Refusal | None:
        identity = await self._tokens.identity(AUDIENCE)
        if isinstance(identity, Problem):
            return Refusal(identity)
        result = await self._signer.certify(identity)
        if isinstance(result, Refusal):
            return result
        for warning in result:
            report(ProblemFound(warning))
        return None
