"""Reconciling: compare with what is there by hash, before anything is sent."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import field
from functools import partial

import anyio
from packaging.version import Version

from poetry_publish_verified.core.confirmation import newest_before
from poetry_publish_verified.core.distribution import (
    Distribution,
    belongs_to,
    parse_filename,
    versions_among,
)
from poetry_publish_verified.core.events import (
    FileCompared,
    FileFacts,
    FirstLookDelayed,
    LaterVersionsFound,
    PreviousFound,
)
from poetry_publish_verified.core.preflight import Identity
from poetry_publish_verified.core.problems import provenance as provenance_problems
from poetry_publish_verified.core.problems import repository as repository_problems
from poetry_publish_verified.core.problems import upload as upload_problems
from poetry_publish_verified.core.problems import verification as problems
from poetry_publish_verified.core.simple.page import ProjectPage
from poetry_publish_verified.core.upload.transfer import UploadTarget
from poetry_publish_verified.core.urls import origin
from poetry_publish_verified.core.variants import UNSEEN
from poetry_publish_verified.core.verification import Download, NotDownloaded
from poetry_publish_verified.core.visibility import Observation, RootState
from poetry_publish_verified.durations import in_words
from poetry_publish_verified.errors import Code, Problem, ReleaseError, Severity, Verdict
from poetry_publish_verified.release.collect import refuse
from poetry_publish_verified.release.interfaces import (
    Index,
    Plan,
    PublishContext,
    Release,
    Repository,
)
from poetry_publish_verified.values import Value

# How often somebody is asked before the first upload, should there be no answer at once.
_TRIES = 3
_LONGEST_PAUSE = 15.0
# And how long, should an index answer and not say what it holds: a share of the time-out.
_SHARE = 0.2
_LEAST_PATIENCE, _MOST_PATIENCE = 10.0, 180.0
_PASSING = {Code.REPOSITORY_NOT_REACHED, Code.INDEX_NOT_REACHED}
Patient = Callable[[], Awaitable[bool]]
"""Whether somebody who does not answer is asked again: not while a refusal is known already."""


class Reconciled(Value):
    """What the repository's own index holds of a release.

    `remote`: file names to sha256; `any_file`: it lists some file of this version; and whether it
    surely answers 200 to the same bytes again (`takes_identical`). `versions`: all that it has;
    `new_project`: not even a page.
    """

    remote: Mapping[str, str] = field(default_factory=dict)
    any_file: bool = False
    takes_identical: bool = False
    versions: frozenset[Version] = frozenset()
    new_project: bool = False


async def first_look(identity: Identity, context: PublishContext, patient: Patient) -> Observation:
    """What the repository's own index shows: a page, or that there is none.

    One look for all files, through a copy that no installer reads; more only if that says
    nothing. Raises ReleaseError if the index does not tell: no answer is unknown, never absent.
    """
    clock, timeout = context.clock, context.plan.timeout
    patience = min(timeout, max(_SHARE * timeout, _LEAST_PATIENCE), _MOST_PATIENCE)
    start, attempt = clock.monotonic(), 0
    while True:
        attempt += 1
        seen = await context.own.look(identity.name, str(identity.version), UNSEEN)
        denied = seen.state == "denied" and attempt == 1
        if denied and await _sign_in(identity.name, context, patient):
            continue
        if seen.state in {"page", "absent", "moved"}:
            if seen.page is None and not context.own.certain:
                await _refuse_no_index(context)
            return seen
        waited = clock.monotonic() - start
        pause = max(min(float(attempt), _LONGEST_PAUSE), seen.retry_after or 0.0)
        # A server that is down for a moment (a restart, a busy database) is worth a while; where
        # there is none, the address is more likely to be wrong.
        few = attempt < _TRIES and waited + pause <= timeout
        worth_it = few or (seen.reached and waited + pause <= patience)
        if seen.state == "denied" or seen.untrusted or not worth_it or not await patient():
            raise _unknown_state(context.own, seen)
        pause = max(pause - (clock.monotonic() - start - waited), 0.0)
        context.report(FirstLookDelayed(context.own.url, seen.detail, pause))
        await clock.sleep(pause)


async def _sign_in(project: str, context: PublishContext, patient: Patient) -> bool:
    """Read the repository's own index with an upload token, if one may be minted already.

    That may create a project, so nothing else may be wrong.
    """
    tokens, own = context.tokens, context.own
    if tokens is None or context.plan.dry_run or origin(own.url) != origin(context.repository.url):
        return False
    return await patient() and await tokens.sign_in(own.sign_in, project)


async def _refuse_no_index(context: PublishContext) -> None:
    """Where there is no page of the project, look whether there is an index at all.

    A guess that is wrong is refused; an index that somebody named may have no root page.
    """
    own = context.own
    state, said = await own.root()
    if state != "none":
        return
    if own.guessed:
        url = context.repository.url
        problem = repository_problems.unknown_index_of(
            context.repository.name, url, guess=own.url, said=said
        )
        raise ReleaseError.refused(problem)
    refuse([problems.perhaps_no_index(own.url, said)], context.report, strict=context.plan.strict)


async def reconcile(release: Release, seen: Observation, context: PublishContext) -> Reconciled:
    """Compare what was built with what the repository's own index holds, as seen at first.

    Raises ReleaseError if the index does not tell (nothing has been sent), and for every
    conflict at once.
    """
    plan, own, page, identity = context.plan, context.own, seen.page, release.identity
    files = page.files if page else {}
    versions = versions_among(files, identity.name)
    if later := sorted(each for each in versions if each > identity.version):
        context.report(LaterVersionsFound(tuple(map(str, later))))
    remote: dict[str, str] = {}
    conflicts = []
    for distribution in release.distributions:
        try:
            sha256 = await remote_sha256(own, page, distribution, plan.timeout)
        except NotToldError as error:
            seen = Observation("unknown", detail=str(error), malformed=error.malformed)
            raise _unknown_state(own, seen) from None
        if sha256 is None:
            context.report(FileCompared(distribution.filename, "absent"))
            continue
        remote[distribution.filename] = sha256
        same = sha256 == distribution.sha256
        context.report(
            FileCompared(distribution.filename, "identical" if same else "other", sha256)
        )
        if not same and not plan.skip_existing:
            conflicts.append(upload_target(distribution, own).conflict(sha256))
    all_there = len(remote) == len(release.distributions)
    if page is not None and not (all_there or conflicts):
        _refuse_closed(release, page, plan, own.url)
    any_file = any(belongs_to(name, identity.name, identity.version) for name in files)
    before, mixed = release.built_before, any_file and (conflicts or not all_there)
    if before is not None and mixed and not plan.skip_existing:
        verdict = Verdict.CONFLICT if conflicts else Verdict.PREFLIGHT_REFUSED
        names = (f"{identity.name} {identity.version}", own.url)
        others = upload_problems.other_sources(*names, before.commit, before.differing)
        raise ReleaseError(verdict, *conflicts, others)
    if conflicts:
        raise ReleaseError(Verdict.CONFLICT, *conflicts)
    if plan.attest != "off" and page is not None:
        _refuse_bare(remote, page, context)
    if older := newest_before(files, identity):
        facts = (FileFacts(f.filename, f.size, f.sha256, f.requires_python) for f in older[1])
        context.report(PreviousFound(str(older[0]), tuple(facts)))
    # devpi names itself on every page; others that accept the same bytes again do not.
    takes_identical = plan.public or "x-devpi-serial" in (seen.edge or {})
    return Reconciled(remote, any_file, takes_identical, versions, new_project=page is None)


def _refuse_bare(remote: Iterable[str], page: ProjectPage, context: PublishContext) -> None:
    """Say which files are there without a provenance, and can get none any more."""
    plan, index = context.plan, context.own.url
    severity: Severity = "error" if plan.attest == "require" else "warning"
    bare = [name for name in remote if page.files[name].provenance is None]
    without = [provenance_problems.there_without(index, name, severity) for name in bare]
    refuse(without, context.report, strict=plan.strict)


def _refuse_closed(release: Release, page: ProjectPage, plan: Plan, index: str) -> None:
    """Raise ReleaseError where the page shows that new files could not become a sound release."""
    name, version = release.identity.name, release.identity.version
    built = {distribution.filename for distribution in release.distributions}
    files = [file for file in page.files.values() if belongs_to(file.filename, name, version)]
    found = []
    if page.status == "quarantined":
        found.append(problems.quarantined(index, page.status_reason))
    if plan.public and page.status == "archived":
        found.append(upload_problems.project_archived(index, name))
    # PyPI yanks whole releases; elsewhere it may be a single file that this release replaces.
    yanked = [
        file.yanked
        for file in files
        if file.yanked is not None and (plan.public or file.filename in built)
    ]
    if yanked:
        found.append(upload_problems.release_yanked(index, f"{name} {version}", yanked[0]))
    others = [f.filename for f in files if str(parse_filename(f.filename).version) != str(version)]
    if plan.public and others:
        problem = upload_problems.version_spelled_otherwise(index, f"{name} {version}", others)
        found.append(problem)
    if found:
        raise ReleaseError.refused(*found)


def upload_target(distribution: Distribution, index: Index) -> UploadTarget:
    """The distribution as a target of an upload to an index."""
    return UploadTarget(distribution.filename, distribution.sha256, index.url)


def _unknown_state(index: Index, seen: Observation) -> ReleaseError:
    detail = seen.detail
    if seen.retry_after:
        detail += f"; it asks to wait {in_words(seen.retry_after)}"
    return ReleaseError.refused(
        repository_problems.index_state_unknown(
            index.url,
            detail,
            name=index.name,
            denied=seen.state == "denied",
            malformed=seen.malformed,
        )
    )


class NotToldError(Exception):
    """The index lists a file, but not under one certain sha256; or not as the standards require."""

    def __init__(self, reason: str, *, malformed: bool = False) -> None:
        super().__init__(reason)
        self.malformed = malformed


async def remote_sha256(
    index: Index, page: ProjectPage | None, distribution: Distribution, patience: float
) -> str | None:
    """The hash under which an index holds a file; fetched and counted where the page has none.

    Raises NotToldError if the file is needed and does not come within `patience` seconds.
    """
    file = page.files.get(distribution.filename) if page else None
    if file is None:
        return None
    if file.ambiguous:
        raise NotToldError(
            f"it lists {distribution.filename} with two different hashes", malformed=True
        )
    if file.sha256 is not None:
        return file.sha256
    if file.flaw:
        raise NotToldError(f"it lists {distribution.filename}, but {file.flaw}", malformed=True)
    fetched: Download | NotDownloaded = NotDownloaded("no complete answer in time")
    with anyio.move_on_after(patience):
        fetched = await index.fetch(file.url, limit=None)
    if isinstance(fetched, Download):
        return fetched.sha256
    raise NotToldError(
        f"it lists {distribution.filename} without a sha256, and the file cannot be downloaded:"
        f" {fetched.detail}"
    )


async def refuse_unreachable(context: PublishContext, patient: Patient) -> None:
    """Look whether the upload URL and the other indexes are there at all, before anything is sent.

    Only the roots of indexes are asked: a mirror that is asked for the project keeps the old page.
    Raises ReleaseError if one cannot be reached or refuses to be read.
    """
    found: list[Problem] = []

    async def ask(look: Callable[[], Awaitable[Problem | None]]) -> None:
        attempt = 0
        while (problem := await look()) is not None:
            attempt += 1
            if problem.code not in _PASSING or attempt == _TRIES or not await patient():
                found.append(problem)
                break
            await context.clock.sleep(float(attempt))

    async with anyio.create_task_group() as group:
        group.start_soon(ask, partial(fault_of_repository, context.repository, context.own.url))
        for index in context.indexes:
            if index is not context.own:
                group.start_soon(ask, partial(_look_at_root, index))
    refuse(found, context.report, strict=context.plan.strict)


async def fault_of_repository(repository: Repository, own: str) -> Problem | None:
    """Why a repository, whose own index is at the URL `own`, does not seem to take uploads."""
    state, said = await repository.state()
    name, url = repository.name, repository.url
    if state in {"https", "sign-in"}:
        sign_in = state == "sign-in"
        return repository_problems.upload_url_redirects(name, url, said, sign_in=sign_in)
    # That a server which has the index too is not reached is what the look at that says.
    if state == "unreachable" and origin(url) != origin(own):
        return repository_problems.repository_unreachable(name, url, said)
    return None


async def _look_at_root(index: Index) -> Problem | None:
    return fault_of_index(index, *await index.root())


def fault_of_index(index: Index, state: RootState, said: str) -> Problem | None:
    """Why an index cannot be read, by what its root says."""
    match state:
        case "denied":
            return problems.denied(index.url, said, index.name)
        case "unreachable":
            return repository_problems.index_unreachable(index.url, said)
        case "none":
            return problems.perhaps_no_index(index.url, said)
        case _:
            return None
