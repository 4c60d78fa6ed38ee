"""`poetry publish-verified status`: is all out that should be?"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import ClassVar

from cleo.helpers import option
from cleo.io.inputs.option import Option
from cleo.io.io import IO
from packaging.utils import NormalizedName
from poetry.poetry import Poetry

from poetry_publish_verified.adapters import receipt_file
from poetry_publish_verified.adapters.git import dated_tags
from poetry_publish_verified.cli.composition import Check, run_status
from poetry_publish_verified.cli.console import Console
from poetry_publish_verified.cli.options import SuggestingCommand, value_option
from poetry_publish_verified.cli.projects import config_of, found_projects, read_project
from poetry_publish_verified.cli.records import Records
from poetry_publish_verified.cli.run import run_and_report, run_async
from poetry_publish_verified.cli.run_files import on_github
from poetry_publish_verified.cli.settings import RunSettings, read_settings
from poetry_publish_verified.core.awaited import AwaitedRelease, NotAwaitableError, of_receipt
from poetry_publish_verified.core.expectation import ExactFiles
from poetry_publish_verified.core.problems import usage as problems
from poetry_publish_verified.core.release_metadata import NotMetadataError, read_metadata
from poetry_publish_verified.core.release_order import LeftOut
from poetry_publish_verified.core.settings import Settings, Until
from poetry_publish_verified.core.status import Known, ProjectStatus, Stated
from poetry_publish_verified.core.urls import IndexTarget
from poetry_publish_verified.core.version_tags import IN_MONOREPO, PATTERNS, VersionTags, matching
from poetry_publish_verified.errors import Problem, ReleaseError, Verdict, gravest
from poetry_publish_verified.output import status as output
from poetry_publish_verified.output.ci import annotation
from poetry_publish_verified.output.json_lines import one_line
from poetry_publish_verified.output.words import escaped, problem_lines
from poetry_publish_verified.poetry_api import indexes, repositories
from poetry_publish_verified.poetry_api.project import Project, versioned_by
from poetry_publish_verified.release.interfaces import Plan
from poetry_publish_verified.sanitize import learn_url

# Seconds for one answer.
_DEFAULTS = Settings(timeout=60.0)


class StatusCommand(SuggestingCommand):
    """`poetry publish-verified status`."""

    name = "publish-verified status"
    description = "Compares project, git tags, release metadata and indexes. Sends nothing."

    options: ClassVar[list[Option]] = [
        option(
            "repository",
            "r",
            "The repository that the project is published to. Default is the first --index, or"
            " PyPI.",
            flag=False,
        ),
        value_option(
            "index",
            "An index that must show the newest release: the URL of its simple API, or the name of"
            " a source or repository. Default is the repository's own.",
            multiple=True,
        ),
        value_option(
            "tags",
            "How git tags name versions. Default is `v{version}` and `{version}`, in a monorepo"
            " also `{name}-{version}`; `none` if there are no tags.",
            multiple=True,
        ),
        value_option(
            "grace",
            "How old a tag or an upload must be before anything that lags behind counts as late."
            " Default is `1h`; with `0`, everything is old enough.",
        ),
        value_option(
            "metadata",
            "The release metadata: a URL or a path. Default is `metadata` in the settings.",
        ),
        value_option("from-receipt", "The receipt that lists the files of the release."),
        value_option(
            "projects",
            "Check several projects: directories, or patterns such as 'packages/*'.",
            multiple=True,
        ),
        value_option(
            "exclude", "Leave out projects of --projects: directories or patterns.", multiple=True
        ),
        value_option("timeout", "How long to wait for each answer. Default is `1m`."),
        option("strict", None, "Treat warnings as errors."),
        value_option("format", "The output format: `text` or `json`. Default is `text`."),
    ]

    help = """The status command compares the version in pyproject.toml, the newest git tag, the
release metadata, and what each index shows. It sends nothing, takes no lock, and needs no terminal.

A version in pyproject.toml that is not released yet is normal. Everything else that disagrees is
named: tagged, not published; published, not tagged; metadata behind; mirror behind; incomplete.

Exit codes:
    0  Everything that should be published is.
    1  Wrong usage, or a bug.
    3  There is no project, or an index cannot be used.
    6  Unknown: an index cannot be reached, or the clone has no tags.
    9  Something disagrees.
  130  Interrupted.
"""

    def handle(self) -> int:
        settings = read_settings(self, _DEFAULTS)
        report = _Report(self.io, as_json=settings.as_json)
        return run_and_report(report, partial(self._check, settings, report))

    def _check(self, given: RunSettings, report: "_Report", _stack: ExitStack) -> Verdict:
        settings = given.checked()
        several = bool(given.projects)
        if several:
            public = self._is_public(settings)
            checkouts, report.left_out = found_projects(self, given, public=public)
            projects = [checkout.project for checkout in checkouts]
        else:
            projects = [read_project(self)]
        Records.of(given, several=len(projects) > 1)
        receipt = self._receipt()
        checks = []
        for each in projects:
            targets = self._indexes(each.poetry, settings)
            releases = [*_own_receipts({each.root, given.root}, targets[0].url), *receipt]
            known = _known(each, settings, releases, report.started, several=several)
            url, stated = _metadata(given, known.name)
            checks.append(Check(replace(known, metadata=stated), targets, url))
        plan = Plan(Until.LISTED, settings.timeout, strict=settings.strict, jobs=settings.jobs)
        report.projects = run_async(run_status, checks, plan)
        return gravest([each.verdict for each in report.projects])

    def _is_public(self, settings: Settings) -> bool:
        """Whether the repository's own index is that of PyPI or TestPyPI."""
        named = self.option("repository")
        if named or not settings.indexes:
            return repositories.is_public_repository(config_of(self), named)
        return repositories.is_public_repository(config_of(self), settings.indexes[0])

    def _receipt(self) -> list[AwaitedRelease]:
        named = self.option("from-receipt")
        try:
            return of_receipt(receipt_file.read(Path(named))) if named else []
        except (OSError, NotAwaitableError) as error:
            raise ReleaseError.refused(problems.receipt_unreadable(named, error)) from None

    def _indexes(self, poetry: Poetry, settings: Settings) -> tuple[IndexTarget, ...]:
        """The repository's own index, and all that must show the release."""
        named = self.option("repository")
        if not named and settings.indexes:
            known = indexes.sources(poetry)
            return indexes.indexes_to_read(poetry.config, known, settings.indexes)
        repositories.repository_name(named)
        repository = repositories.repository(poetry, named, repositories.Credentials())
        found = indexes.targets(poetry, repository, settings.indexes)
        return tuple({each.url: each for each in (found.own, *found.shown_by)}.values())


class _Report:
    """What was found, shown at the end."""

    def __init__(self, io: IO, *, as_json: bool) -> None:
        self.started = datetime.now(UTC)
        self.projects: Sequence[ProjectStatus] = ()
        self.left_out: Sequence[LeftOut] = ()
        self._console = Console(io, as_json=as_json)
        self._io = io
        self._as_json = as_json

    def end(self, error: BaseException | None, verdict: Verdict) -> int:
        found: tuple[Problem, ...] = ()
        if isinstance(error, ReleaseError):
            found = error.problems
        elif error is not None and not isinstance(error, KeyboardInterrupt):
            found = (problems.internal(error),)
        for line in self._lines():
            self._console.line(line)
        of_projects = [problem for each in self.projects for problem in each.problems]
        for problem in (*found, *dict.fromkeys(of_projects)):
            if on_github():
                line = annotation(problem.code, problem.severity, problem.message, problem.remedy)
                self._console.line(line.replace("<", "\\<"))
            for line in problem_lines(problem):
                self._console.error_line(line)
        last = output.verdict_line(self.projects, verdict)
        if verdict.exit_code == 0:
            self._console.line(escaped(last, "success"))
        else:
            self._console.error_line(escaped(last, "error"))
        if self._as_json:
            document = output.document(self.projects, self.left_out, found, verdict, self.started)
            # cleo would take what looks like a style for one.
            self._io.write_line(one_line(document).replace("<", "\\u003c"))
        return 1 if verdict.exit_code is None else verdict.exit_code

    def _lines(self) -> Iterator[str]:
        """A table for each project; one line for those of many that agree."""
        for each in self.projects:
            if len(self.projects) > 1 and each.verdict is Verdict.AGREES and not each.problems:
                yield f"<c1>{escaped(each.name)}</c1> <success>agrees</success>"
            else:
                yield from output.table(each, self._console.width)
        yield from (escaped(str(each)) for each in self.left_out)


def _known(
    project: Project,
    settings: Settings,
    receipts: Iterable[AwaitedRelease],
    now: datetime,
    *,
    several: bool,
) -> Known:
    """What is known of a project before any index is asked."""
    name, version = project.identity.name, project.identity.version
    found = dated_tags(project.root) if settings.tags != () else None
    patterns = settings.tags or (IN_MONOREPO if several or (found and found.nested) else PATTERNS)
    tags = VersionTags(matching(found.tags, patterns, name), found.lacking) if found else None
    recorded = {
        release.version: release.expectation.expected
        for release in receipts
        if release.name == name and isinstance(release.expectation, ExactFiles)
    }
    return Known(
        name=name,
        version=version,
        now=now,
        grace=settings.grace,
        tags=tags,
        patterns=patterns,
        recorded=recorded,
        from_git=versioned_by(project.poetry) is not None,
    )


def _metadata(given: RunSettings, name: NormalizedName) -> tuple[str | None, Stated | None]:
    """The URL of a project's release metadata, or what a file says; neither if there is none."""
    named = (given.resolved.found.metadata or "").replace("{name}", name)
    if named.lower().startswith(("https://", "http://")):
        learn_url(named)
        return named, None
    if not named:
        return None, None
    try:
        document = receipt_file.read(given.base("metadata") / named)
        return None, Stated.of(named, read_metadata(document), name)
    except FileNotFoundError:
        return None, Stated(named)
    except (OSError, NotMetadataError) as error:
        return None, Stated.unusable(named, error)


def _own_receipts(roots: Iterable[Path], own: str) -> Iterator[AwaitedRelease]:
    """What receipts in the usual places say was published to the repository with this index.

    To another one, other builds may have gone.
    """
    for root in roots:
        for file in sorted((root / "dist" / receipt_file.DIRECTORY).glob("*.json")):
            with suppress(OSError, NotAwaitableError):
                found = of_receipt(receipt_file.read(file))
                yield from (release for release in found if own in release.indexes)
