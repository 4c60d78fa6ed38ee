"""Sending: upload what is missing, the first file alone, then several at once."""

from collections import deque
from collections.abc import Mapping

import anyio

from poetry_publish_verified.core import events
from poetry_publish_verified.core.caching import limit_reset
from poetry_publish_verified.core.distribution import Distribution, upload_batches
from poetry_publish_verified.core.problems.upload import kept_remote
from poetry_publish_verified.core.problems.verification import quarantined
from poetry_publish_verified.core.upload.form import judge
from poetry_publish_verified.core.upload.outcomes import Answered, Doubtful, Refused, Stored
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
    for batch in upload_batches(missing, release_exists=found.any_file):
        await sending.together(batch)
    if sending.failures:
        raise ReleaseError.combine(sending.failures)
    return sending.there


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

    async def together(self, batch: tuple[Distribution, ...]) -> None:
        """Send these, several at once; none is started after one has failed."""
        waiting = deque(batch)

        async def work() -> None:
            while waiting and not self.failures:
                await self._send(waiting.popleft())

        async with anyio.create_task_group() as group:
            for _ in range(min(self._plan.jobs, len(batch))):
                group.start_soon(work)
        for distribution in waiting:
            self._context.report(events.UploadEnded(distribution.filename, "not-sent"))

    async def _send(self, distribution: Distribution) -> None:
        clock = self._context.clock
        transfer = Transfer(
            upload_target(distribution, self._context.own), self._policy, self._context.jitter
        )
        step: TransferStep = transfer.begin(clock.monotonic())
        while True:
            match step:
                case Send(at, attempt):
                    await self._until(at)
                    step = await self._try(distribution, attempt, transfer)
                case Look(at):
                    await self._until(at)
                    step = transfer.looked(await self._look_for(distribution), clock.monotonic())
                case Arrived():
                    return self.arrived(distribution, step)
                case Failed():
                    self.failures.append(ReleaseError(step.verdict, step.problem))
                    ended = events.UploadEnded(distribution.filename, step.upload, step.sha256)
                    return self._context.report(ended)

    async def _try(
        self, distribution: Distribution, attempt: int, transfer: Transfer
    ) -> TransferStep:
        """Send a file once, and tell what comes of it where that is not the end."""
        report, filename, tokens = self._context.report, distribution.filename, self._context.tokens
        attempts = self._plan.retries + 1
        async with self._context.slots:
            try:
                token = await tokens.current(self._identity.name) if tokens else None
            except ReleaseError as error:
                return Failed("not-sent", Verdict.UPLOAD_FAILED, error.problems[0])
            try:
                await self._context.require_locks()
            except ReleaseError as error:
                return Failed("not-sent", error.verdict, error.problems[0])
            report(events.UploadStarted(filename, distribution.size, attempt, attempts))
            answer = await self._context.repository.upload(
                distribution,
                lambda sent: report(events.UploadProgressed(filename, sent)),
                token,
                self._attestations.get(filename),
            )
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
                report(events.UploadDelayed(filename, words, step.at - now, step.attempt, attempts))
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
