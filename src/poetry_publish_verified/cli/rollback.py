"""`poetry publish-verified rollback`: deletes what a run uploaded, where the index can do that."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import ClassVar

from cleo.helpers import option
from cleo.io.inputs.option import Option
from poetry.console.commands.publish import PublishCommand
from poetry.poetry import Poetry

from poetry_publish_verified.adapters import receipt_file
from poetry_publish_verified.adapters.http import Http
from poetry_publish_verified.adapters.http_errors import HttpError
from poetry_publish_verified.adapters.index import SimpleIndex
from poetry_publish_verified.adapters.pace import Pace, SystemClock
from poetry_publish_verified.adapters.removal import WHY_NOT, HttpRemover
from poetry_publish_verified.cli.composition import check_certificates, user_agent
from poetry_publish_verified.cli.options import (
    PublishOptions,
    SuggestingCommand,
    break_lock_option,
    value_option,
)
from poetry_publish_verified.cli.projects import project_or_member
from poetry_publish_verified.cli.questions import ask
from poetry_publish_verified.cli.release_locks import Taking, release_locks, require
from poetry_publish_verified.cli.run import run_async, termination_as_interrupt
from poetry_publish_verified.cli.settings import RunSettings, read_settings
from poetry_publish_verified.core.awaited import NotAwaitableError
from poetry_publish_verified.core.problems import rollback as problems
from poetry_publish_verified.core.problems import usage
from poetry_publish_verified.core.problems.project import no_project
from poetry_publish_verified.core.problems.words import some
from poetry_publish_verified.core.rollback import SentRelease, sent_in
from poetry_publish_verified.core.rollback_plan import next_version, releases_page
from poetry_publish_verified.core.settings import Settings
from poetry_publish_verified.errors import Problem, ReleaseError, Verdict
from poetry_publish_verified.guard.locks.resource import Resource
from poetry_publish_verified.output.words import escaped, problem_lines
from poetry_publish_verified.poetry_api import indexes, repositories
from poetry_publish_verified.poetry_api.indexes import Targets
from poetry_publish_verified.release.rollback import Rollback
from poetry_publish_verified.values import Value

_OPTIONS = ("username", "password", "cert", "client-cert")


class RollbackCommand(SuggestingCommand):
    """`poetry publish-verified rollback`."""

    name = "publish-verified rollback"
    description = "Deletes what a run uploaded, if the index can do that; else says how to go on."

    options: ClassVar[list[Option]] = [
        value_option("receipt", "The receipt of the run to take back."),
        option("repository", "r", "Only what went to this repository.", flag=False),
        option("yes", None, "Delete without asking, such as in CI."),
        break_lock_option(),
        value_option("timeout", "How long to wait for the index. Default is `15m`."),
        *(each for each in PublishCommand.options if each.name in _OPTIONS),
    ]

    help = """The rollback command deletes what the run of a receipt uploaded. Only pypiserver and
volatile indexes of devpi can do that, and both delete a whole version: if that has any file which
the run did not upload with this very content, nothing is deleted. For all other indexes, the
command prints what to do instead.

Exit codes:
    0  Nothing of the release is on the index any more.
    1  Wrong usage, or a bug.
    3  Nothing was deleted.
    4  The index did not delete everything.
    6  The index does not say whether everything was deleted.
    8  A lock was not free in time, or another process broke it.
  130  Interrupted. Run the same command again to go on.
"""

    def handle(self) -> int:
        given = read_settings(self, Settings())
        try:
            with termination_as_interrupt(), ExitStack() as stack:
                self._roll_back(given, stack)
        except ReleaseError as error:
            for each in error.problems:
                self._show(each)
            return error.verdict.exit_code or 1
        except KeyboardInterrupt:
            self.line_error("Interrupted. Run the same command again to go on.")
            return Verdict.INTERRUPTED.exit_code or 1
        return 0

    def _show(self, problem: Problem) -> None:
        for line in problem_lines(problem):
            self.line_error(line)

    def _roll_back(self, given: RunSettings, stack: ExitStack) -> None:
        settings = given.checked()
        if given.receipt is None:
            raise ReleaseError(Verdict.ERROR, problems.no_receipt_named())
        sent = _sent(given.receipt, self.option("repository"))
        try:
            poetry = project_or_member(self, given.root, settings)
        except Exception as error:
            raise ReleaseError.refused(no_project(error)) from error
        taken, root = self._targets(poetry, sent, settings), poetry.pyproject_path.parent
        locks = release_locks(root, {each.release.url for each in taken})
        Taking(
            command=self,
            timeout=settings.timeout,
            report=self._show,
            at_once=self.option("break-lock"),
            silent_for=settings.lock_stale,
        ).releases(locks, stack)
        there = run_async(_look, taken, settings.timeout)
        gone = [each for each in taken if each not in [one.taken for one in there]]
        for each in gone:
            own = escaped(each.targets.own.url)
            self.line(f"Nothing of {escaped(each.release.title)} is on {own}.")
        if there:
            self._confirm(there)
        for one in there:
            title, own = one.taken.release.title, one.taken.targets.own.url
            self.line(escaped(f"Deleting {title}, and waiting until nothing of it is on {own}"))
            run_async(_delete, one.taken, settings.timeout, locks)
            self._say_gone(one)

    def _targets(self, poetry: Poetry, sent: list[SentRelease], settings: Settings) -> list[_Taken]:
        """Where the releases were sent to; credentials go only where Poetry itself sends them."""
        found = []
        credentials = PublishOptions.of(self).credentials
        for release in sent:
            repository = repositories.repository(poetry, release.repository, credentials)
            if repository.url.rstrip("/") != release.url.rstrip("/"):
                names = (release.repository, release.url, repository.url)
                raise ReleaseError.refused(problems.another_repository(*names))
            check_certificates(repository)
            # An index that the settings name may be a mirror, and show less than what is deleted.
            try:
                targets = indexes.targets(poetry, repository, ())
            except ReleaseError:
                named = () if release.staged else settings.indexes
                targets = indexes.targets(poetry, repository, named)
            check_certificates(targets.own)
            found.append(_Taken(release, targets))
        return found

    def _confirm(self, there: list[_There]) -> None:
        """Show what would be deleted; raises ReleaseError unless somebody says yes."""
        for each in there:
            release, url = each.taken.release, each.taken.targets.own.url
            place = f"{escaped(release.repository, 'info')} ({escaped(url)})"
            self.line(f"{escaped(release.title, 'c1')} on {place}")
            for filename, sha256 in sorted(each.files.items()):
                self.line(f" - {escaped(filename)} (sha256 {sha256})")
        titles = [each.taken.release.title for each in there]
        if self.option("yes"):
            return
        asked = bool(self.io.is_interactive() and sys.stdin and sys.stdin.isatty())
        if asked:
            self.line("The index deletes the whole version, and nobody can install it any more.")
            if ask(self.io, f"Type yes to delete {escaped(some(titles))}:") == "yes":
                return
        raise ReleaseError.refused(problems.not_confirmed(titles, asked=asked))

    def _say_gone(self, each: _There) -> None:
        release, own = each.taken.release, each.taken.targets.own.url
        self.line(escaped(f"Deleted {release.title} from {own}.", "success"))
        others = [url for url in release.indexes if url != own]
        if others:
            self.line(f"Other indexes may still have copies: {escaped(some(others))}.")
        instead = next_version(str(release.version), each.later)
        self.line(
            f"Publish {instead} next: caches and lock files may still know the files of"
            f" {release.version}."
        )


class _Taken(Value):
    """A release to take back, and where it was sent to."""

    release: SentRelease
    targets: Targets


class _There(Value):
    """What is there of it: the sha256 of each file, and the later versions of the project."""

    taken: _Taken
    files: dict[str, str]
    later: list[str]


def _sent(path: Path, repository: str | None) -> list[SentRelease]:
    try:
        every = sent_in(receipt_file.read(path))
    except (OSError, NotAwaitableError) as error:
        problem = usage.receipt_unreadable(str(path), error)
        raise ReleaseError.refused(problem) from None
    sent = [each for each in every if repository in (None, each.repository)]
    if not sent:
        raise ReleaseError.refused(problems.nothing_sent(str(path), repository))
    return sent


async def _look(taken: list[_Taken], timeout: float) -> list[_There]:
    """What is there of each release; raises ReleaseError with all that keeps it there."""
    found, errors = [], []
    for each in taken:
        try:
            async with _adapters(each, timeout) as (rollback, remover):
                await _refuse_unable(rollback, remover, each)
                files = await rollback.files()
                if files:
                    found.append(_There(each, files, rollback.later))
        except ReleaseError as error:
            errors.append(error)
    if errors:
        raise ReleaseError.combine(errors)
    return found


async def _delete(taken: _Taken, timeout: float, locks: list[Resource]) -> None:
    async with _adapters(taken, timeout) as (rollback, remover):
        await _refuse_unable(rollback, remover, taken)
        await rollback.delete(remover, partial(require, locks))


@asynccontextmanager
async def _adapters(taken: _Taken, timeout: float) -> AsyncIterator[tuple[Rollback, HttpRemover]]:
    targets, clock = taken.targets, SystemClock()
    proxy = repositories.proxy_for if targets.proxies else lambda _: None
    async with Http(user_agent(), timeout, proxy, Pace(clock)) as http:
        index = SimpleIndex(http, targets.own, timeout)
        remover = HttpRemover(http, targets.repository)
        yield Rollback(taken.release, index, clock, timeout), remover


async def _refuse_unable(rollback: Rollback, remover: HttpRemover, taken: _Taken) -> None:
    """Raise ReleaseError with what to do instead, if the server does not delete releases."""
    release = taken.release
    try:
        server = await remover.server()
    except HttpError as error:
        problem = problems.not_told(release.url, str(error), asked=False)
        raise ReleaseError.refused(problem) from error
    if server not in WHY_NOT:
        return
    # Others' files do not matter here, and neither does an index that does not answer.
    with suppress(ReleaseError):
        await rollback.files()
    problem = problems.cannot_delete(
        release.title,
        release.url,
        why=WHY_NOT[server],
        page=releases_page(release.url, release.name),
        instead=next_version(str(release.version), rollback.later),
    )
    raise ReleaseError.refused(problem)
