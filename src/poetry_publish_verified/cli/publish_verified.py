"""`poetry publish-verified`: options and settings in, one use case, an exit code out."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC
from datetime import datetime
from typing import TYPE_CHECKING
from typing import ClassVar

from cleo.helpers import option
from poetry.console.commands.command import Command
from poetry.console.commands.publish import PublishCommand

from poetry_publish_verified.cli.console import Reporting
from poetry_publish_verified.cli.options import RELEASE_OPTIONS
from poetry_publish_verified.cli.publish_many import ManyProjects
from poetry_publish_verified.cli.publish_one import OneProject
from poetry_publish_verified.cli.run import run_and_report
from poetry_publish_verified.cli.settings import RunSettings
from poetry_publish_verified.cli.settings import read_settings
from poetry_publish_verified.cli.workspace_members import workspace_of
from poetry_publish_verified.errors import ReleaseError
from poetry_publish_verified.errors import Verdict
from poetry_publish_verified.output import plan as plan_output
from poetry_publish_verified.output.summary import Kind

if TYPE_CHECKING:
    from cleo.io.inputs.option import Option


class PublishVerifiedCommand(Command):
    """`poetry publish-verified`."""

    name = "publish-verified"
    description = "Publishes a package and succeeds only when the release is proven to be there."

    options: ClassVar[list[Option]] = [
        *PublishCommand.options,
        *RELEASE_OPTIONS,
        option(
            "receipt",
            None,
            "Where to write the receipt. Default is"
            " \\<dist-dir>/.publish-verified/\\<name>-\\<version>.json.",
            flag=False,
        ),
        option("jobs", None, "How many files to send at once. Default is 4.", flag=False),
        option(
            "retries",
            None,
            "How often to send a file again when the index or the network fails. Default is 5.",
            flag=False,
        ),
        option(
            "projects",
            None,
            "Publish many projects, each after those that it needs: folders, or patterns such as"
            " 'packages/*'.",
            flag=False,
            multiple=True,
        ),
        option(
            "wait-for-dependencies",
            None,
            "Publish this project alone, once those of --projects that it needs are visible: for"
            " jobs on several machines.",
        ),
        option("fail-fast", None, "Begin nothing new once one of the projects has failed."),
        option("plan", None, "Only tell which projects would be published, and in what order."),
        option(
            "rehearse",
            None,
            "Go the whole way with a throwaway index on this machine; no credentials needed.",
        ),
    ]

    help = """The publish-verified command builds (with <c1>--build</c1>) and uploads the package,
waits until the index lists every file with its sha256, downloads each and compares it.

It exits with 0 only when all that is proven, and otherwise with
  1 wrong usage, 3 nothing was uploaded, 4 the upload failed, 5 the index holds other bytes,
  6 not visible in time, 7 an index serves something else, 8 a lock was not free, 130 interrupted.

All options of <c1>poetry publish</c1> mean the same here. Running it again is always safe.
"""

    loggers: ClassVar[list[str]] = ["poetry.publishing.publisher"]

    def handle(self) -> int:
        """Run it; the exit code."""
        started = datetime.now(UTC)
        settings = read_settings(self)
        if self.option("plan"):
            return self._show_plan(settings, started)
        kind: Kind = "dry-run" if self.option("dry-run") else "publish"
        report = Reporting(self.io, kind, as_json=settings.as_json, started=started)
        if settings.projects and not self.option("wait-for-dependencies"):
            return run_and_report(report, lambda stack: self._publish_many(settings, report, stack))
        return run_and_report(report, OneProject(self, settings, report).run)

    def _show_plan(self, settings: RunSettings, started: datetime) -> int:
        """Tell what would be done; standard output has the plan or nothing."""
        report = Reporting(self.io, "dry-run", as_json=False, started=started)
        try:
            settings.checked()
            workspace = workspace_of(self, settings)
        except ReleaseError as error:
            return report.end(error, error.verdict)
        except Exception as error:  # noqa: BLE001 - as in every run
            return report.end(error, Verdict.ERROR)
        members, left_out = workspace.members, workspace.left_out
        if settings.as_json:
            self.line(plan_output.as_json(members, left_out))
        else:
            self.line("\n".join(plan_output.as_tree(members, left_out)))
        return 0

    def _publish_many(self, settings: RunSettings, report: Reporting, stack: ExitStack) -> Verdict:
        if settings.receipt:
            report.keep_receipt(settings.receipt)
        settings.checked()
        workspace = workspace_of(self, settings)
        return ManyProjects(self, workspace, settings, report).run(stack)
