"""One release from start to end: look, send, wait, prove."""

from collections.abc import Iterable, Mapping

from poetry_publish_verified.core.events import SendingStarted
from poetry_publish_verified.core.expectation import ExactFiles, ExpectedFile, as_built
from poetry_publish_verified.core.problems import trusted_publishing as problems
from poetry_publish_verified.core.release_order import WorkspaceMember
from poetry_publish_verified.core.trusted_publishing import Publisher
from poetry_publish_verified.errors import Problem, Severity, Verdict
from poetry_publish_verified.release.collect import refuse
from poetry_publish_verified.release.interfaces import (
    ExpectedRelease,
    PublishContext,
    Release,
    ReleaseSource,
)
from poetry_publish_verified.release.prepare import prepare
from poetry_publish_verified.release.prove import prove_everywhere
from poetry_publish_verified.release.reconcile import Reconciled
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
    release, found = await prepare(source, context)
    refuse(foreseen([(release, found)], context), context.report)
    await context.clients()
    if context.plan.dry_run:
        return Verdict.DRY_RUN
    await wait_for_needed(needed, context)
    return await send_and_prove(release, found, context)


async def send_and_prove(release: Release, found: Reconciled, context: PublishContext) -> Verdict:
    """Everything after the preflight; returns VERIFIED or KEPT_REMOTE."""
    missing = [each for each in release.distributions if each.filename not in found.remote]
    attestations: Mapping[str, str] = {}
    if context.tokens is not None and missing:
        await context.tokens.current(release.identity.name)
        if context.attester is not None:
            # After the token, because what is in Sigstore's log stays there.
            attestations = await context.attester.attest(
                missing, release.attestations, context.report
            )
    context.report(SendingStarted())
    there = await send_missing(release, context, found, attestations)
    await prove_everywhere(_expected(release, there), context)
    kept = any(there[each.filename] != each.sha256 for each in release.distributions)
    return Verdict.KEPT_REMOTE if kept else Verdict.VERIFIED


def foreseen(
    ready: Iterable[tuple[Release, Reconciled]], context: PublishContext, *, waits: bool = False
) -> list[Problem]:
    """What may keep a trusted publisher's tokens from serving all releases of a run.

    `waits`: some are sent only once others are proven.
    """
    if context.tokens is None:
        return []
    missing, new = 0, []
    for release, there in ready:
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
