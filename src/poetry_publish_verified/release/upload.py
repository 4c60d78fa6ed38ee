"""Sending: upload what is missing, several files at once, stored in their order."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio

from poetry_publish_verified.core import events
from poetry_publish_verified.core.caching import limit_reset
from poetry_publish_verified.core.distribution import Distribution, upload_batches
from poetry_publish_verified.core.problems.upload import kept_remote
from poetry_publish_verified.core.problems.verification import quarantined
from poetry_publish_verified.core.upload.form import judge
from poetry_publish_verified.core.upload.outcomes import (
    Answered,
    Doubtful,
    NoAnswer,
    Refused,
    Stored,
)
from poetry_publish_verified.core.upload.schedule import (
    BreakOff,
    Finish,
    Leave,
    Schedule,
    Start,
    Step,
)
from poetry_publish_verified.core.upload.transfer import (
    Arrived,
    Failed,
    IndexLookup,
    Look,
    RetryPolicy,
    Send,
    Transfer,
    TransferStep,
)
from poetry_publish_verified.core.variants import UNSEEN
from poetry_publish_verified.errors import Code, ReleaseError, Verdict
from poetry_publish_verified.release.interfaces import PublishContext, Release
from poetry_publish_verified.release.reconcile import (
    NotToldError,
    Reconciled,
    remote_sha256,
    upload_target,
)


async def send_missing(
    release: Release,
    context: PublishContext,
    found: Reconciled,
    attestations: Mapping[str, str],
) -> Mapping[str, str]:
    """Send what is not there; under which sha256 each file is there afterwards.

    `attestations` go along: in JSON, by the file's name.
    Raises ReleaseError once what was under way has ended, with everything that went wrong.
    """
    sending = _Sending(release, context, found, attestations)
    missing = []
    for distribution in release.distributions:
        sha256 = found.remote.get(distribution.filename)
        if sha256 is None:
            missing.append(distribution)
        else:
            state: events.Upload = (
                "already-there" if sha256 == distribution.sha256 else "kept-remote"
            )
            sending.arrived(distribution, Arrived(state, sha256))
    await sending.all(upload_batches(missing, release_exists=found.any_file))
    if sending.failures:
        raise ReleaseError.combine(sending.failures)
    return sending.there


@dataclass(slots=True)
class _Turn:
    """What the schedule has decided about one file.

    It has `begun`, or is not sent (`left`). Once a request was `sent`, its end may leave after
    `released`, unless there is a `problem` by then.
    """

    waits_for: tuple[str, ...] = ()
    left: bool = False
    sent: bool = False
    problem: ReleaseError | None = None
    begun: anyio.Event = field(default_factory=anyio.Event)
    released: anyio.Event = field(default_factory=anyio.Event)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)


class _Sending:
    """The files of one release on their way; those `there` by name, with their sha256."""

    def __init__(
        self,
        release: Release,
        context: PublishContext,
        found: Reconciled,
        attestations: Mapping[str, str],
    ) -> None:
        self._identity = release.identity
        self._context = context
        self._attestations = attestations
        self._plan = plan = context.plan
        self._policy = RetryPolicy(
            plan.retries,
            plan.timeout,
            takes_identical=found.takes_identical,
            # PyPI and TestPyPI compare the bytes before they answer "already exists".
            exists_differs=plan.public,
            keep=plan.skip_existing,
        )
        self.there: dict[str, str] = {}
        self.failures: list[ReleaseError] = []

    async def all(self, batches: tuple[tuple[Distribution, ...], ...]) -> None:
        """Send these, each in its turn; none is started after one has failed."""
        # A token that nothing can replace may end while a request waits.
        tokens = self._context.tokens
        ahead = tokens is None or not tokens.provider.fixed
        self._schedule = Schedule(batches, self._plan.jobs, ahead=ahead)
        files = [each for batch in batches for each in batch]
        self._turns = {each.filename: _Turn() for each in files}
        async with anyio.create_task_group() as group:
            for each in files:
                group.start_soon(self._send, each)
            while True:
                self._changed = anyio.Event()
                for step in self._schedule.steps(self._context.clock.monotonic()):
                    self._take(step)
                if self._schedule.done:
                    return
                await self._changed_by(self._schedule.next_check)

    def _take(self, step: Step) -> None:
        turn = self._turns[step.filename]
        match step:
            case Start(_, waits_for):
                turn.waits_for = waits_for
                turn.begun.set()
            case Finish():
                turn.released.set()
            case BreakOff():
                turn.scope.cancel()
            case Leave():
                turn.left = True
                turn.begun.set()

    async def _changed_by(self, moment: float | None) -> None:
        """Return once something has happened, or at this moment."""

        async def wake() -> None:
            if moment is not None:
                await self._until(moment)
                self._changed.set()

        async with anyio.create_task_group() as group:
            group.start_soon(wake)
            await self._changed.wait()
            group.cancel_scope.cancel()

    async def _turn(self, filename: str) -> _Turn:
        """A file's turn, once it has come."""
        if self._schedule.waits(filename):
            if self._turns[filename].begun.is_set():  # and it was in vain
                self._turns[filename] = _Turn()
            self._changed.set()
            await self._turns[filename].begun.wait()
        elif self._turns[filename].released.is_set():  # its end left, so now it is like any other
            self._turns[filename] = _Turn()
        return self._turns[filename]

    async def _send(self, distribution: Distribution) -> None:
        clock, filename = self._context.clock, distribution.filename
        transfer = Transfer(
            upload_target(distribution, self._context.own), self._policy, self._context.jitter
        )
        step: TransferStep = transfer.begin(clock.monotonic())
        while True:
            match step:
                case Send(at, attempt):
                    await self._until(at)
                    turn = await self._turn(filename)
                    if turn.left:
                        return self._context.report(events.UploadEnded(filename, "not-sent"))
                    step = await self._try(distribution, attempt, transfer, turn)
                case Look(at):
                    await self._until(at)
                    step = transfer.looked(await self._look_for(distribution), clock.monotonic())
                case Arrived():
                    self.arrived(distribution, step)
                    self._schedule.there(filename, clock.monotonic())
                    return self._changed.set()
                case Failed():
                    self.failures.append(ReleaseError(step.verdict, step.problem))
                    ended = events.UploadEnded(filename, step.upload, step.sha256)
                    self._context.report(ended)
                    self._schedule.failed(filename)
                    return self._changed.set()

    async def _try(
        self, distribution: Distribution, attempt: int, transfer: Transfer, turn: _Turn
    ) -> TransferStep:
        """Send a file once, and tell what comes of it where that is not the end."""
        filename, clock = distribution.filename, self._context.clock
        step: TransferStep | None = None
        with turn.scope:
            try:
                async with self._slot(ahead=bool(turn.waits_for)):
                    answer, token = await self._upload(distribution, attempt, turn)
                step = self._judged(answer, filename, token, transfer)
            except anyio.WouldBlock:  # another release needs the connection
                step = transfer.not_started(clock.monotonic())
            except ReleaseError as error:
                step = Failed("not-sent", error.verdict, error.problems[0])
        if turn.problem is not None:
            step = Failed("unknown", turn.problem.verdict, turn.problem.problems[0])
        if step is None and not turn.sent:
            step = transfer.not_started(clock.monotonic())
        if step is None:
            self._context.report(events.UploadBrokenOff(filename))
            step = transfer.broken_off(clock.monotonic())
        if not isinstance(step, Arrived):
            self._schedule.unsettled(filename)
            self._changed.set()
        return step

    @asynccontextmanager
    async def _slot(self, *, ahead: bool) -> AsyncIterator[None]:
        """A connection; one that is free (else WouldBlock) for what is sent `ahead`."""
        slots = self._context.slots
        if ahead:
            slots.acquire_nowait()
        else:
            await slots.acquire()
        try:
            yield
        finally:
            slots.release()

    async def _upload(
        self, distribution: Distribution, attempt: int, turn: _Turn
    ) -> tuple[Answered | NoAnswer, str | None]:
        """Send a file; the answer, and the token that went along.

        Raises ReleaseError if there is none.
        """
        report, filename, tokens = self._context.report, distribution.filename, self._context.tokens
        try:
            token = await tokens.current(self._identity.name) if tokens else None
        except ReleaseError as error:
            raise ReleaseError(Verdict.UPLOAD_FAILED, *error.problems) from error
        await self._context.require_locks()
        turn.sent = True
        report(events.UploadStarted(filename, distribution.size, attempt, self._plan.retries + 1))
        self._schedule.begun(filename, self._context.clock.monotonic())
        if turn.waits_for:
            report(events.UploadHeld(filename, turn.waits_for))

        def on_sent(sent: int) -> None:
            report(events.UploadProgressed(filename, sent))
            if self._schedule.progressed(filename, sent, self._context.clock.monotonic()):
                self._changed.set()

        async def may_end() -> None:
            await turn.released.wait()
            try:
                await self._context.require_locks()
            except ReleaseError as error:
                turn.problem = error
                turn.scope.cancel()
                await anyio.sleep_forever()

        answer = await self._context.repository.upload(
            distribution,
            on_sent,
            token,
            self._attestations.get(filename),
            may_end if turn.waits_for else None,
        )
        return answer, token

    def _judged(
        self, answer: Answered | NoAnswer, filename: str, token: str | None, transfer: Transfer
    ) -> TransferStep:
        """What follows from an answer."""
        report, tokens = self._context.report, self._context.tokens
        rest = limit_reset(answer.headers) if isinstance(answer, Answered) else None
        repository = self._context.repository
        outcome = judge(
            answer,
            filename,
            repository.url,
            repository=repository.name,
            sent="minted" if token else "none" if repository.anonymous else "own",
        )
        refused = outcome.problem.code if isinstance(outcome, Refused) else None
        if tokens and token and refused is Code.TOKEN_EXPIRED:
            tokens.expired(token)
        now = self._context.clock.monotonic()
        step = transfer.answered(outcome, now, rest)
        if not isinstance(outcome, Stored):
            words = outcome.words if isinstance(outcome, Doubtful) else outcome.problem.message
            if isinstance(step, Send):
                pause, attempts = step.at - now, self._plan.retries + 1
                report(events.UploadDelayed(filename, words, pause, step.attempt, attempts))
            elif isinstance(step, Look):
                report(events.UploadUncertain(filename, words))
        return step

    async def _until(self, moment: float) -> None:
        pause = moment - self._context.clock.monotonic()
        if pause > 0:
            await self._context.clock.sleep(pause)

    async def _look_for(self, distribution: Distribution) -> IndexLookup:
        """What the repository's own index shows of a file, by hash."""
        own, identity = self._context.own, self._identity
        seen = await own.look(identity.name, str(identity.version), UNSEEN)
        if seen.state in {"absent", "moved"}:
            return IndexLookup("absent")
        if seen.page is None:
            return IndexLookup("unknown", final=seen.state == "denied")
        if seen.page.status == "quarantined":
            # Such a page lists nothing, whatever is there.
            problem = quarantined(own.url, seen.page.status_reason)
            return IndexLookup("unknown", final=True, problem=problem)
        try:
            sha256 = await remote_sha256(own, seen.page, distribution, self._plan.timeout)
        except NotToldError:
            return IndexLookup("unknown")
        if sha256 is None:
            same = (f for f in seen.page.files.values() if f.sha256 == distribution.sha256)
            other = next(same, None)
            return IndexLookup("absent", elsewhere=other.filename if other else None)
        same_bytes = sha256 == distribution.sha256
        return IndexLookup("identical" if same_bytes else "other", sha256)

    def arrived(self, distribution: Distribution, arrived: Arrived) -> None:
        self.there[distribution.filename] = arrived.sha256
        sha256 = None if arrived.upload == "uploaded" else arrived.sha256
        self._context.report(events.UploadEnded(distribution.filename, arrived.upload, sha256))
        if arrived.upload != "kept-remote":
            return
        own = self._context.own
        problem = kept_remote(
            distribution.filename, own.url, remote=arrived.sha256, local=distribution.sha256
        )
        self._context.report(events.ProblemFound(problem))
