"""One release from start to end: look, send, wait, prove."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from poetry_publish_verified.core.events import SendingStarted
from poetry_publish_verified.core.expectation import ExactFiles, ExpectedFile, as_built
from poetry_publish_verified.core.problems import trusted_publishing as problems
from poetry_publish_verified.core.provenance import named
from poetry_publish_verified.core.release_order import WorkspaceMember
from poetry_publish_verified.core.trusted_publishing import Publisher
from poetry_publish_verified.errors import Problem, ReleaseError, Severity, Verdict
from poetry_publish_verified.release.collect import collecting, refuse
from poetry_publish_verified.release.interfaces import (
    ExpectedRelease,
    PublishContext,
    Release,
    ReleaseSource,
    Stage,
)
from poetry_publish_verified.release.prepare import prepare, refuse_faults
from poetry_publish_verified.release.prove import prove_everywhere
from poetry_publish_verified.release.reconcile import Reconciled, first_look, reconcile
from poetry_publish_verified.release.upload import send_missing
from poetry_publish_verified.release.wait import wait_for_needed

# Bytes that may take longer than a token is valid.
_MUCH = 100 * 1024 * 1024


async def publish(
    source: ReleaseSource, context: PublishContext, needed: Iterable[WorkspaceMember] = ()
) -> Verdict:
    """Send a release and prove that it is there, after those that others release and it needs.

    Returns VERIFIED, KEPT_REMOTE or DRY_RUN; raises ReleaseError for every other end.
    """
    ready = await prepare_everywhere(source, context)
    refuse(foreseen([ready], context), context.report)
    await context.clients()
    if context.plan.dry_run:
        return Verdict.DRY_RUN
    for stage in ready.stages:
        await stage.prove()
    if context.plan.stage_only:
        return Verdict.STAGED
    await wait_for_needed(needed, context)
    return await send_and_prove(ready.release, await look_again(ready, context), context)


class ReadyRelease(NamedTuple):
    """A release that can be sent, what its repository has of it, and the stages that come first."""

    release: Release
    found: Reconciled
    stages: tuple[Stage, ...]


async def prepare_everywhere(source: ReleaseSource, context: PublishContext) -> ReadyRelease:
    """Prepare a release for its repository and its stages; ReleaseError with all that is wrong."""
    once, found, errors = _ReadOnce(source), Reconciled(), list[ReleaseError]()
    try:
        if context.plan.stage_only:
            await refuse_faults(await once.read(), context)
        else:
            _, found = await prepare(once, context)
    except ReleaseError as error:
        errors.append(error)
    release = once.release
    if release is None:
        raise ReleaseError.combine(errors)
    stages: tuple[Stage, ...] = ()
    try:
        stages = await _prepare_stages(release, found.remote, context)
    except ReleaseError as error:
        errors.append(error)
    if errors:
        raise ReleaseError.combine(errors)
    return ReadyRelease(release, found, stages)


async def _prepare_stages(
    release: Release, remote: Mapping[str, str], context: PublishContext
) -> tuple[Stage, ...]:
    """The stages that have to prove a release of which the repository has what is `remote`.

    Other files that it keeps go to no stage. Raises ReleaseError with all that is wrong.
    """
    built = release.distributions
    staged = tuple(d for d in built if remote.get(d.filename, d.sha256) == d.sha256)
    needed = context.plan.stage_only or any(d.filename not in remote for d in staged)

    async def prepare_stage(stage: Stage) -> None:
        await stage.prepare(replace(release, distributions=staged), needed=needed)

    async with collecting() as start:
        for stage in context.stages:
            start(prepare_stage, stage)
    return context.stages if needed else ()


async def look_again(ready: ReadyRelease, context: PublishContext) -> Reconciled:
    """What the repository has after the time that the stages took; raises ReleaseError."""
    if not ready.stages:
        return ready.found

    async def patient() -> bool:
        return True

    seen = await first_look(ready.release.identity, context, patient)
    found = await reconcile(ready.release, seen, context)
    # An index of devpi that inherits from the stage shows files that it does not have itself.
    before = ready.found.remote
    own = {name: sha256 for name, sha256 in found.remote.items() if name in before}
    return replace(found, remote=own)


class _ReadOnce:
    """A source whose files are read once, however often they are asked for."""

    def __init__(self, source: ReleaseSource) -> None:
        self.identity = source.identity
        self.release: Release | None = None
        self._source = source

    async def read(self) -> Release:
        self.release = self.release or await self._source.read()
        return self.release


async def send_and_prove(release: Release, found: Reconciled, context: PublishContext) -> Verdict:
    """Everything after the preflight; returns VERIFIED or KEPT_REMOTE."""
    missing = [each for each in release.distributions if each.filename not in found.remote]
    attestations: Mapping[str, str] = {}
    if missing:
        # Before anything is signed, too: what is in Sigstore's log stays there.
        await context.require_locks()
    if context.tokens is not None and missing:
        await context.tokens.current(release.identity.name)
        if context.attester is not None:
            # After the token, for the same reason.
            attestations = await context.attester.attest(
                missing, release.attestations, context.report
            )
    context.report(SendingStarted())
    there = await send_missing(release, context, found, attestations)
    await prove_everywhere(_expected(release, there), _by_this_publisher(context))
    kept = any(there[each.filename] != each.sha256 for each in release.distributions)
    return Verdict.KEPT_REMOTE if kept else Verdict.VERIFIED


def _by_this_publisher(context: PublishContext) -> PublishContext:
    """The same, but what is attested must be by the trusted publisher that this run is."""
    check, tokens = context.provenance, context.tokens
    if check is None or tokens is None or tokens.publisher is None or context.plan.attest == "off":
        return context
    own = named(tokens.publisher)
    return replace(context, provenance=replace(check, publishers=(own,) if own else ()))


def foreseen(
    ready: Iterable[ReadyRelease], context: PublishContext, *, waits: bool = False
) -> list[Problem]:
    """What may keep a trusted publisher's tokens from serving all releases of a run.

    `waits`: some are sent only once others are proven.
    """
    if context.tokens is None or context.plan.stage_only:
        return []
    missing, new = 0, []
    for release, there, stages in ready:
        waits = waits or bool(stages)
        sizes = [d.size for d in release.distributions if d.filename not in there.remote]
        missing += sum(sizes)
        new += [release.identity.name] if sizes and there.new_project else []
    severity: Severity = "error" if context.plan.strict else "warning"
    found = []
    if context.tokens.provider.fixed and missing and (waits or missing > _MUCH):
        found.append(problems.may_not_suffice(severity))
    if context.plan.public and len(new) > 1:
        page = Publisher("", {}).page(context.repository.url, None)
        found.append(problems.several_new(new, page, severity))
    return found


def _expected(release: Release, there: Mapping[str, str]) -> ExpectedRelease:
    """What every index must show: the built files, except where the index's own are kept."""
    files = tuple(
        as_built(each)
        if there[each.filename] == each.sha256
        else ExpectedFile(each.filename, there[each.filename], listed_only=True)
        for each in release.distributions
    )
    return ExpectedRelease(release.identity.name, release.identity.version, ExactFiles(files))
