"""The upload tokens of a run: minted once something has to be sent, and again before they end."""

import math
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Protocol, TypeVar

import anyio

from poetry_publish_verified.core import preflight
from poetry_publish_verified.core.events import Event, UploadTokenMinted
from poetry_publish_verified.core.trusted_publishing import (
    Minted,
    Provider,
    Publisher,
    Refusal,
    claims_of,
    publisher_of,
    read_audience,
    read_minted,
)
from poetry_publish_verified.core.upload.outcomes import Answered, NoAnswer
from poetry_publish_verified.core.urls import RepositoryTarget
from poetry_publish_verified.errors import Code, Problem, ReleaseError

# How often an index is asked, if it does not answer.
_TRIES = 3
# Seconds after which one that may not offer the exchange at all is not asked again.
_BRIEFLY = 5.0
_T = TypeVar("_T")


class TokenExchange(Protocol):
    """What is outside; these methods never raise for what the index or the CI system does."""

    provider: Provider
    """The CI system that this runs in."""

    async def audience(self) -> Answered | NoAnswer:
        """Ask the index for the audience, which changes nothing."""

    async def identity(self, audience: str) -> str | Problem:
        """Get an identity token for `audience` from the CI system."""

    async def mint(self, identity: str) -> Answered | NoAnswer:
        """Exchange it for an upload token, which may create a project."""


class Clock(Protocol):
    """Time, in seconds."""

    def monotonic(self) -> float: ...
    async def sleep(self, seconds: float) -> None: ...


class TrustedPublisher:
    """One run as a trusted publisher: its tokens serve all projects of that publisher."""

    def __init__(
        self,
        target: RepositoryTarget,
        exchange: TokenExchange,
        clock: Clock,
        report: Callable[[Event], None],
        *,
        public: bool,
    ) -> None:
        """`public`: the repository is PyPI or TestPyPI."""
        self.provider = exchange.provider
        self.publisher: Publisher | None = None
        self._target = target
        self._exchange = exchange
        self._clock = clock
        self._report = report
        self._required = target.trusted == "always"
        self._public = public
        self._lock = anyio.Lock()
        self._found: tuple[Problem, ...] | None = None
        self._audience: str | None = None
        self._minted: Minted | None = None
        self._since = 0.0
        self._refused: ReleaseError | None = None
        self._readers: list[Callable[[str], None]] = []

    async def check(self) -> tuple[Problem, ...]:
        """What is wrong, as far as can be known without a token; each warning is given once."""
        async with self._lock:
            if self._found is None:
                self._found = await self._check()
                return self._found
            return tuple(problem for problem in self._found if problem.severity == "error")

    async def _check(self) -> tuple[Problem, ...]:
        patience = math.inf if self._required or self._public else _BRIEFLY
        audience = await patiently(self._ask_for_audience, self._clock, patience=patience)
        if isinstance(audience, Problem):
            problem = audience
        else:
            identity = await self._exchange.identity(audience)
            if isinstance(identity, str):
                self._audience, self.publisher = audience, publisher_of(claims_of(identity))
                return ()
            problem = identity
        if self._required:
            return (problem,)
        # Without it, as if it did not exist: the index may need no credentials.
        missing = preflight.credentials(replace(self._target, trusted=None), public=self._public)
        found = (replace(problem, severity="warning"), *missing)
        return found if problem.code is not Code.PUBLISHING_NOT_OFFERED or found[1:] else ()

    async def current(self, project: str) -> str | None:
        """A token that lasts for another upload; None if trusted publishing is not offered.

        Raises ReleaseError if a new one is needed and refused: once so, for all projects.
        """
        await self.check()
        async with self._lock:
            if self._audience is None:
                return None
            if self._refused is not None:
                raise self._refused
            age = self._clock.monotonic() - self._since
            if self._minted is None or not self._minted.is_fresh(age, fixed=self.provider.fixed):
                result = await patiently(partial(self._mint, self._audience, project), self._clock)
                if isinstance(result, Problem):
                    self._refused = ReleaseError.refused(result)
                    raise self._refused
                self._minted = result
                for sign_in in self._readers:
                    sign_in(result.token)
            return self._minted.token

    def expired(self, token: str) -> None:
        """The index says that this token has expired: the next one is a new one."""
        if self._minted is not None and self._minted.token == token:
            self._minted = None

    async def identity(self, audience: str) -> str | Problem:
        """An identity token for another service."""
        return await self._exchange.identity(audience)

    async def sign_in(self, reader: Callable[[str], None], project: str) -> bool:
        """Give `reader` the current token, and each that follows; False if there is none."""
        token = await self.current(project)
        if token is not None:
            reader(token)
            self._readers.append(reader)
        return token is not None

    async def _ask_for_audience(self) -> str | Refusal:
        answer = await self._exchange.audience()
        return read_audience(answer, self._target.url, public=self._public)

    async def _mint(self, audience: str, project: str) -> Minted | Refusal:
        """A token for a new identity token, as the index accepts each only once."""
        identity = await self._exchange.identity(audience)
        if not isinstance(identity, str):
            return Refusal(identity)
        self._since = self._clock.monotonic()
        publisher = publisher_of(claims_of(identity))
        answer = await self._exchange.mint(identity)
        minted = read_minted(answer, publisher, self._target.url, project)
        if isinstance(minted, Minted):
            self._report(UploadTokenMinted(str(publisher), minted.lifetime))
        return minted


async def patiently(
    ask: Callable[[], Awaitable[_T | Refusal]],
    clock: Clock,
    tries: int = _TRIES,
    patience: float = math.inf,
    delayed: Callable[[Problem, float], None] = lambda *_: None,
) -> _T | Problem:
    """What comes of asking, several times if that helps; not again after `patience` seconds.

    `delayed` gets what went wrong, and the pause before the next time.
    """
    attempt, end = 1, clock.monotonic() + patience
    while isinstance(result := await ask(), Refusal):
        if result.again is None or attempt >= tries or clock.monotonic() >= end:
            return result.problem
        if result.again:
            delayed(result.problem, result.again * attempt)
        await clock.sleep(result.again * attempt)
        attempt += 1
    return result
