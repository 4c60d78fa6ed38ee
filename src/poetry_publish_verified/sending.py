"""Sending: what is there already, by hash, and what has to go out."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

import anyio

from poetry_publish_verified.core.distribution import Distribution
from poetry_publish_verified.core.events import FileCompared
from poetry_publish_verified.core.events import ProblemFound
from poetry_publish_verified.core.events import Upload
from poetry_publish_verified.core.events import UploadDoubted
from poetry_publish_verified.core.events import UploadEnded
from poetry_publish_verified.core.events import UploadProgressed
from poetry_publish_verified.core.events import UploadStarted
from poetry_publish_verified.core.simple_api import ProjectPage
from poetry_publish_verified.core.upload_answers import Doubtful
from poetry_publish_verified.core.upload_answers import Refused
from poetry_publish_verified.core.upload_answers import Stored
from poetry_publish_verified.core.upload_api import judge
from poetry_publish_verified.core.variants import UNSEEN
from poetry_publish_verified.core.verification import Fetched
from poetry_publish_verified.core.verification import NotFetched
from poetry_publish_verified.core.visibility import Observation
from poetry_publish_verified.errors import Code
from poetry_publish_verified.errors import Problem
from poetry_publish_verified.errors import ReleaseError
from poetry_publish_verified.errors import Verdict
from poetry_publish_verified.watching import denied
from poetry_publish_verified.world import Index
from poetry_publish_verified.world import Outside
from poetry_publish_verified.world import Plan
from poetry_publish_verified.world import Release

# Looks before the first upload, should the index not answer at once.
_FIRST_LOOKS = 3
# How long a doubtful answer is looked into: an index that says "exists" surely lists it soon.
_PATIENCE_EXISTS = 60.0
_PATIENCE_LOST = 15.0


async def reconcile(release: Release, plan: Plan, outside: Outside) -> Mapping[str, str]:
    """What the repository's own index holds already: file names to sha256.

    One look for all files, through a copy that no installer reads. Raises ReleaseError where
    the index does not tell (nothing has been sent), and for every conflict at once.
    """
    page = await _first_page(release, outside)
    remote: dict[str, str] = {}
    conflicts = []
    for distribution in release.distributions:
        try:
            sha256 = (
                await _remote_sha256(outside.own, page, distribution, plan.timeout)
                if page
                else None
            )
        except _NotToldError as error:
            raise _unknown_state(outside.own, str(error), denied=False) from None
        if sha256 is None:
            outside.report(FileCompared(distribution.filename, "absent"))
            continue
        remote[distribution.filename] = sha256
        same = sha256 == distribution.sha256
        outside.report(
            FileCompared(distribution.filename, "identical" if same else "other", sha256)
        )
        if not same and not plan.skip_existing:
            conflicts.append(_conflict(distribution, sha256, outside.own.url))
    if conflicts:
        raise ReleaseError(Verdict.CONFLICT, *conflicts)
    return remote


async def _first_page(release: Release, outside: Outside) -> ProjectPage | None:
    """The own index's page, None where it has none; no answer is unknown, never absent."""
    seen = Observation("unknown")
    for attempt in range(_FIRST_LOOKS):
        seen = await outside.own.look(release.identity.name, str(release.identity.version), UNSEEN)
        if seen.state in {"page", "absent", "moved"}:
            return seen.page
        if seen.state == "denied":
            break
        if attempt + 1 < _FIRST_LOOKS:
            await outside.clock.sleep(1.0 + attempt)
    raise _unknown_state(outside.own, seen.detail, denied=seen.state == "denied")


def _unknown_state(index: Index, detail: str, *, denied: bool) -> ReleaseError:
    remedy = (
        "Give this index credentials: poetry config http-basic.<name> <user>, with the name of"
        " the repository or of a Poetry source for it."
        if denied
        else "Name the certificates to trust with --cert, or with poetry config"
        " certificates.<name>.cert."
        if "certificate" in detail.lower()
        else "Check the index's address and whether it is up, and run the same command again."
        " Another address is named with --index."
    )
    return ReleaseError(
        Verdict.PREFLIGHT_REFUSED,
        Problem(
            Code.INDEX_STATE_UNKNOWN,
            f"What {index.url} holds of this release is unknown ({detail}), so nothing was sent.",
            remedy,
            index=index.url,
        ),
    )


class _NotToldError(Exception):
    """The index lists a file, but not under which one sha256."""


async def _remote_sha256(
    index: Index, page: ProjectPage, distribution: Distribution, patience: float
) -> str | None:
    """The hash under which an index holds a file; fetched and counted where the page has none.

    Raises _NotToldError where the file is needed and does not come within `patience` seconds.
    """
    file = page.files.get(distribution.filename)
    if file is None:
        return None
    if distribution.filename in page.ambiguous:
        raise _NotToldError(f"it lists {distribution.filename} with two different hashes")
    if file.sha256 is not None:
        return file.sha256
    fetched: Fetched | NotFetched = NotFetched("it did not come in time")
    with anyio.move_on_after(patience):
        fetched = await index.fetch(file.url, limit=None)
    if isinstance(fetched, Fetched):
        return fetched.sha256
    raise _NotToldError(
        f"it lists {distribution.filename} without a sha256, and the file does not come:"
        f" {fetched.detail}"
    )


def _conflict(distribution: Distribution, remote: str, index: str) -> Problem:
    return Problem(
        Code.CONFLICT,
        f"{index} holds other bytes under the name {distribution.filename}: sha256 {remote}"
        f" there, {distribution.sha256} here.",
        "Raise the version and build again: a published file name is never given new content."
        " To keep what is there, add --skip-existing.",
        filename=distribution.filename,
        index=index,
    )


async def refuse_unreachable(outside: Outside) -> None:
    """Look whether the other indexes are there at all, before anything is sent.

    Only their roots are asked: a mirror that is asked for the project keeps the old page. Raises
    ReleaseError where one cannot be reached or refuses to be read.
    """
    problems: list[Problem] = []

    async def ask(index: Index) -> None:
        state, said = await index.root()
        if state == "denied":
            problems.append(denied(index.url, said))
        elif state == "unreachable":
            problems.append(_unreachable(index.url, said))
        elif state == "none":
            outside.report(ProblemFound(_no_root(index.url, said)))

    async with anyio.create_task_group() as group:
        for index in outside.indexes:
            if index is not outside.own:
                group.start_soon(ask, index)
    if problems:
        raise ReleaseError(Verdict.PREFLIGHT_REFUSED, *problems)


def _unreachable(index: str, said: str) -> Problem:
    return Problem(
        Code.INDEX_NOT_REACHED,
        f"{index} cannot be reached ({said}), so nothing was sent: that the release is there could"
        " not be proven.",
        "Check the address given with --index and whether the index is up, and run the same"
        " command again.",
        index=index,
    )


def _no_root(index: str, said: str) -> Problem:
    return Problem(
        Code.NO_INDEX_THERE,
        f"There may be no index at {index}: asked for its root, {said}.",
        "Check the address given with --index: it is that of the simple API, which often ends in"
        " /simple/.",
        severity="warning",
        index=index,
    )


async def send_missing(
    release: Release, plan: Plan, outside: Outside, remote: Mapping[str, str]
) -> Mapping[str, str]:
    """Send what is not there, in order; under which sha256 each file is there afterwards."""
    there = {}
    for distribution in release.distributions:
        sha256 = remote.get(distribution.filename)
        if sha256 is None:
            sha256 = await _send(distribution, release, plan, outside)
        elif sha256 == distribution.sha256:
            outside.report(UploadEnded(distribution.filename, "already-there", sha256))
        else:
            _keep(distribution, sha256, outside)
        there[distribution.filename] = sha256
    return there


def _keep(distribution: Distribution, sha256: str, outside: Outside) -> None:
    outside.report(UploadEnded(distribution.filename, "kept-remote", sha256))
    conflict = _conflict(distribution, sha256, outside.own.url)
    outside.report(
        ProblemFound(
            Problem(
                Code.KEPT_REMOTE,
                f"{conflict.message} Kept what is there, as --skip-existing asks.",
                "Raise the version if the new content is to go out.",
                severity="warning",
                filename=distribution.filename,
                index=outside.own.url,
            )
        )
    )


async def _send(distribution: Distribution, release: Release, plan: Plan, outside: Outside) -> str:
    """Send one file; the sha256 under which it is there afterwards."""
    filename = distribution.filename
    outside.report(UploadStarted(filename, distribution.size, attempt=1))
    answer = await outside.repository.upload(
        distribution, lambda sent: outside.report(UploadProgressed(filename, sent))
    )
    match judge(answer, filename, outside.repository.url):
        case Stored():
            outside.report(UploadEnded(filename, "uploaded"))
            return distribution.sha256
        case Refused(problem):
            outside.report(UploadEnded(filename, "failed"))
            raise ReleaseError(Verdict.UPLOAD_FAILED, problem)
        case Doubtful() as doubt:
            return await _settle(distribution, doubt, release, plan, outside)


async def _settle(
    distribution: Distribution, doubt: Doubtful, release: Release, plan: Plan, outside: Outside
) -> str:
    """Find out by hash what became of a file whose upload had a doubtful answer."""
    filename = distribution.filename
    outside.report(UploadDoubted(filename, doubt.words))
    patience = _PATIENCE_EXISTS if doubt.says_exists else _PATIENCE_LOST
    deadline = outside.clock.monotonic() + min(patience, plan.timeout)
    while True:
        seen = await outside.own.look(release.identity.name, str(release.identity.version), UNSEEN)
        sha256 = None
        if seen.page is not None:
            with contextlib.suppress(_NotToldError):
                sha256 = await _remote_sha256(outside.own, seen.page, distribution, plan.timeout)
        if sha256 == distribution.sha256:
            outcome: Upload = "already-there" if doubt.says_exists else "uploaded"
            outside.report(UploadEnded(filename, outcome, sha256))
            return sha256
        if sha256 is not None and plan.skip_existing:
            _keep(distribution, sha256, outside)
            return sha256
        if sha256 is not None:
            outside.report(UploadEnded(filename, "failed", sha256))
            raise ReleaseError(Verdict.CONFLICT, _conflict(distribution, sha256, outside.own.url))
        if seen.state == "denied" or outside.clock.monotonic() >= deadline:
            break
        await outside.clock.sleep(1.0)
    outside.report(UploadEnded(filename, "unknown"))
    raise ReleaseError(
        Verdict.UPLOAD_FAILED,
        Problem(
            Code.UPLOAD_STATE_UNKNOWN,
            f"Whether {filename} was stored is unknown: {outside.own.url} does not list it, and"
            f" the upload ended with: {doubt.words}",
            "Run the same command again: what has arrived by then is found by its hash and not"
            " sent twice.",
            filename=filename,
        ),
    )
