"""`poetry publish-verified wait`: the reader's side of a release."""

import os
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import ClassVar

from cleo.helpers import argument
from cleo.io.inputs.argument import Argument
from cleo.io.inputs.option import Option

from poetry_publish_verified.adapters import dist_dir, receipt_file
from poetry_publish_verified.adapters.metadata_server import Found, NoMetadataError
from poetry_publish_verified.adapters.provenance import extra_is_installed
from poetry_publish_verified.cli.composition import (
    Awaited,
    forget_in_poetrys_caches,
    metadata_at,
    run_wait,
)
from poetry_publish_verified.cli.console import Reporting
from poetry_publish_verified.cli.options import SuggestingCommand, release_options, value_option
from poetry_publish_verified.cli.projects import config_of, poetry_if_any
from poetry_publish_verified.cli.run import run_and_report, run_async
from poetry_publish_verified.cli.run_files import leave_files, refuse_unwritable
from poetry_publish_verified.cli.settings import RunSettings, read_settings
from poetry_publish_verified.core import events
from poetry_publish_verified.core.attestations import EXTRA
from poetry_publish_verified.core.awaited import (
    AwaitedRelease,
    NotAwaitableError,
    of_metadata,
    of_receipt,
    pinned,
)
from poetry_publish_verified.core.expectation import ExactFiles, as_built
from poetry_publish_verified.core.problems import usage as problems
from poetry_publish_verified.core.problems.project import no_distributions_in
from poetry_publish_verified.core.problems.repository import index_with_secret
from poetry_publish_verified.core.receipt import TOOL, iso
from poetry_publish_verified.core.release_metadata import NotMetadataError, read_metadata
from poetry_publish_verified.core.settings import Settings, Until
from poetry_publish_verified.core.urls import IndexTarget
from poetry_publish_verified.errors import ReleaseError, Severity, Verdict
from poetry_publish_verified.poetry_api.indexes import indexes_to_read, sources
from poetry_publish_verified.poetry_api.repositories import project_page
from poetry_publish_verified.release.interfaces import ExpectedRelease, Plan
from poetry_publish_verified.sanitize import HIDDEN, learn_url

# Whoever waits installs the release next, with clients of their own.
_DEFAULTS = Settings(until=Until.DOWNLOADABLE)


class WaitCommand(SuggestingCommand):
    """`poetry publish-verified wait`."""

    name = "publish-verified wait"
    description = "Waits until releases are proven to be available. Works outside a project."

    arguments: ClassVar[list[Argument]] = [
        argument("releases", "The releases to wait for, as NAME==VERSION.", True, multiple=True)
    ]
    options: ClassVar[list[Option]] = [
        value_option(
            "metadata",
            "Wait for exactly the files and hashes in release metadata: a URL or a path.",
        ),
        value_option(
            "from-receipt", "Wait for exactly the files and hashes in a publisher's receipt."
        ),
        value_option("dist-dir", "Wait for exactly the distributions in a directory."),
        *release_options(_DEFAULTS, "those in the receipt, the metadata or the settings, or PyPI"),
        value_option(
            "provenance",
            "Who must have published every file, proven by attestations that the index serves:"
            " `github:owner/repo[:workflow.yml]`, `gitlab:group/project[:config path]` or"
            " `google:email`; if repeated, any of them. Default is to check no provenance.",
            multiple=True,
        ),
        value_option(
            "receipt", "Where to write a receipt of the wait. Default is not to write one."
        ),
    ]

    help = """The wait command polls indexes, as pip, uv and Poetry do, until they list the releases
and serve their files unchanged.

Name the index that receives the uploads first: the others are checked once it is complete. Without
<c1>--index</c1>, the command checks the indexes in the receipt or metadata, or those in the
settings, or PyPI.

Exit codes:
    0  The releases are proven to be available.
    1  Wrong usage, or a bug.
    3  There is nothing to wait for, an index cannot be used, or an extra is missing.
    6  A release, or its provenance, was not visible in time.
    7  An index serves something other than what was published, or somebody else published it.
  130  Interrupted.
"""

    def handle(self) -> int:
        started, settings = datetime.now(UTC), read_settings(self, _DEFAULTS)
        report = Reporting(self.io, "wait", as_json=settings.as_json, started=started)
        code = run_and_report(report, partial(self._wait, settings, report))
        leave_files(settings, report, for_users=False)
        return code

    def _wait(self, given: RunSettings, report: Reporting, _stack: ExitStack) -> Verdict:
        # An unreadable pyproject.toml is ignored: this works outside a project.
        settings = given.resolved.checked()
        self._keep_receipt(report)
        refuse_unwritable(given, for_users=False)
        origin = given.resolved.origin("provenance")
        if settings.provenance and origin and not extra_is_installed():
            named = origin.name_of("provenance")
            raise ReleaseError.refused(problems.extra_missing(named, TOOL, EXTRA))
        report(
            events.RunStarted(settings.until, rehearsal=False, sources=events.Sources(None, None))
        )
        awaited = tuple(
            self._begin(release, self._indexes(release, given), report)
            for release in self._releases(settings, report)
        )
        plan = Plan(
            settings.until,
            settings.timeout,
            clients=settings.clients,
            strict=settings.strict,
            provenance=settings.provenance,
        )
        verdict = run_async(run_wait, awaited, plan, report.keep_ticking)
        for each in awaited:
            forget_in_poetrys_caches(each.indexes, each.expected, each.report)
        return verdict

    def _keep_receipt(self, report: Reporting) -> None:
        named, read = self.option("receipt"), self.option("from-receipt")
        if named and read and os.path.realpath(named) == os.path.realpath(read):
            raise ReleaseError(Verdict.ERROR, problems.receipt_would_be_lost())
        if named:
            report.keep_receipt(Path(named))

    def _releases(self, settings: Settings, report: Reporting) -> list[AwaitedRelease]:
        """The releases to wait for; names choose among those that something else lists."""
        names, faults = [], []
        for text in self.argument("releases"):
            try:
                names.append(pinned(text))
            except NotAwaitableError as error:
                faults.append(problems.not_awaitable(error))
        if faults:
            raise ReleaseError(Verdict.ERROR, *faults)
        found = [*self._of_metadata(settings, report), *self._of_receipt(), *self._of_dist_dir()]
        if not found and not names:
            raise ReleaseError(Verdict.ERROR, problems.nothing_to_wait_for())
        if not found:
            return list({release.key: release for release in names}.values())
        known = {release.key: release for release in found}
        if missing := [release for release in names if release.key not in known]:
            shown = [f"{release.name} {release.version}" for release in missing]
            raise ReleaseError(Verdict.ERROR, problems.not_among_those(shown))
        return [known[release.key] for release in names] or list(known.values())

    def _of_metadata(self, settings: Settings, report: Reporting) -> list[AwaitedRelease]:
        place = self.option("metadata")
        if not place:
            return []
        try:
            if not place.lower().startswith(("https://", "http://")):
                return [of_metadata(read_metadata(receipt_file.read(Path(place))))]
            learn_url(place)
            found = run_async(metadata_at, place, settings.timeout)
        except (OSError, NotMetadataError, NoMetadataError) as error:
            raise ReleaseError.refused(problems.metadata_unusable(place, error)) from None
        if found.why_a_copy:
            self._say_it_is_a_copy(place, found, settings, report)
        return [of_metadata(found.metadata)]

    def _say_it_is_a_copy(
        self, place: str, found: Found, settings: Settings, report: Reporting
    ) -> None:
        metadata = found.metadata
        severity: Severity = "error" if settings.strict else "warning"
        release, released = f"{metadata.name} {metadata.version}", iso(metadata.released)
        problem = problems.metadata_copy(place, found.why_a_copy, release, released, severity)
        if settings.strict:
            raise ReleaseError.refused(problem)
        report(events.ProblemFound(problem, release=False))

    def _of_receipt(self) -> list[AwaitedRelease]:
        named = self.option("from-receipt")
        if not named:
            return []
        try:
            return of_receipt(receipt_file.read(Path(named)))
        except (OSError, NotAwaitableError) as error:
            problem = problems.receipt_unreadable(named, error)
            raise ReleaseError.refused(problem) from None

    def _of_dist_dir(self) -> list[AwaitedRelease]:
        named = self.option("dist-dir")
        if not named:
            return []
        directory = Path(named)
        releases = dist_dir.releases(directory)
        if not releases:
            raise ReleaseError.refused(no_distributions_in(named))
        found = []
        for name, version in releases:
            files = tuple(map(as_built, dist_dir.read(directory, name, version)))
            found.append(AwaitedRelease(name, version, ExactFiles(files)))
        return found

    def _indexes(self, release: AwaitedRelease, settings: RunSettings) -> tuple[IndexTarget, ...]:
        named = settings.resolved.found.indexes
        if release.indexes and not settings.is_typed("index"):
            # Anyone may have written it: only settings name variables whose values are sent.
            known = {url.rstrip("/") for url in named}
            for url in release.indexes:
                if any(mark in url for mark in ("{", HIDDEN)) and url.rstrip("/") not in known:
                    raise ReleaseError.refused(index_with_secret(url))
            named = release.indexes
        poetry = poetry_if_any(self)
        return indexes_to_read(config_of(self), sources(poetry) if poetry else {}, named)

    def _begin(
        self, release: AwaitedRelease, indexes: tuple[IndexTarget, ...], report: Reporting
    ) -> Awaited:
        name, version = release.name, str(release.version)
        tell = report.of(f"{name} {version}")
        tell(events.ReleaseStarted(name, version, None))
        page = project_page(indexes[0].url, name)
        tell(events.TargetsFound(None, tuple(index.url for index in indexes), page))
        if isinstance(release.expectation, ExactFiles):
            files = release.expectation.expected
            tell(
                events.DistributionsRead(
                    tuple(events.FileFacts(f.filename, f.size, f.sha256) for f in files)
                )
            )
        if release.doubt is not None:
            tell(events.ProblemFound(release.doubt))
        expected = ExpectedRelease(name, release.version, release.expectation, uploaded=False)
        return Awaited(expected, indexes, tell)
