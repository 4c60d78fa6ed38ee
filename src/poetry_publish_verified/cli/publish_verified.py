"""`poetry publish-verified`: options and settings in, one use case, an exit code out."""

from datetime import UTC, datetime
from functools import partial
from typing import ClassVar

from cleo.helpers import option
from cleo.io.inputs.option import Option
from poetry.console.commands.publish import PublishCommand

from poetry_publish_verified.adapters.tls import load_usual_certificates
from poetry_publish_verified.cli.after_run import tell_others
from poetry_publish_verified.cli.console import Reporting
from poetry_publish_verified.cli.options import (
    PublishOptions,
    SuggestingCommand,
    break_lock_option,
    release_options,
    value_option,
)
from poetry_publish_verified.cli.publish import publish_many, publish_one
from poetry_publish_verified.cli.run import run_and_report
from poetry_publish_verified.cli.run_files import leave_files
from poetry_publish_verified.cli.settings import RunSettings, read_settings
from poetry_publish_verified.core.settings import Settings
from poetry_publish_verified.errors import ReleaseError, Verdict
from poetry_publish_verified.output.summary import Kind

_DEFAULTS = Settings()


class PublishVerifiedCommand(SuggestingCommand):
    """`poetry publish-verified`."""

    name = "publish-verified"
    description = "Publishes a package and succeeds only if the release is proven to be available."

    options: ClassVar[list[Option]] = [
        *PublishCommand.options,
        *release_options(_DEFAULTS, "the repository's own index"),
        value_option(
            "receipt",
            "Where to write the receipt."
            " Default is `\\<dist-dir>/.publish-verified/\\<name>-\\<version>.json`.",
        ),
        value_option(
            "metadata",
            "Where to write release metadata once the release is proven. Several projects need"
            " `{name}` in it.",
        ),
        value_option("history", "A file that gets a line of JSON for each run that publishes."),
        value_option("jobs", "How many files to upload at once. Default is `4`."),
        value_option(
            "retries",
            "How often to retry an upload when the index or the network fails. Default is `5`.",
        ),
        value_option(
            "trusted-publishing",
            "Whether to get short-lived upload tokens for this CI job: `auto` (if there are no"
            " credentials), `always` or `never`. Default is `auto`.",
        ),
        option(
            "attest",
            None,
            "Sign an attestation for each file, and send it along. With `--attest=require`, upload"
            " nothing that cannot be attested.",
            flag=False,
            value_required=False,
        ),
        value_option(
            "on-success",
            "A program to run after a proven release, with its arguments. No shell is involved.",
        ),
        value_option("on-failure", "The same after any other end of the run."),
        value_option("hook-timeout", "How long such a program may take. Default is `60s`."),
        value_option(
            "notify-url",
            "A URL to post the receipt to, as JSON with a `text` field for chat systems.",
        ),
        value_option(
            "projects",
            "Publish several projects in the order of their dependencies: directories, or patterns"
            " such as 'packages/*'.",
            multiple=True,
        ),
        value_option(
            "exclude",
            "Leave out projects of --projects: directories, or patterns such as 'packages/old-*'.",
            multiple=True,
        ),
        value_option(
            "stage",
            "A repository that gets the same files first, and where they are verified before any"
            " goes to the repository itself.",
            multiple=True,
        ),
        option("stage-only", None, "Publish to the stages, and nowhere else yet."),
        option("confirm", None, "Show what would go where, and ask on the terminal first."),
        option("yes", None, "Answer all questions of --confirm with yes, as in CI."),
        option(
            "wait-for-dependencies",
            None,
            "Publish only this project, once those of --projects that it depends on are visible."
            " For jobs on several machines.",
        ),
        break_lock_option(),
        option("fail-fast", None, "Do not start another project once one has failed."),
        option("plan", None, "Only show which projects would be published, and in which order."),
        option(
            "rehearse",
            None,
            "Publish to a throwaway index on this machine instead. Needs no credentials.",
        ),
    ]

    help = """The publish-verified command uploads a package (built first with <c1>--build</c1>),
waits until every index lists every file with its sha256, downloads and compares each file, and
checks that pip, uv and Poetry can get every wheel.
All options of <c1>poetry publish</c1> mean the same here. Running it again is always safe.

Subcommands:
  <c1>poetry publish-verified wait</c1>      Waits for releases that somebody else publishes.
  <c1>poetry publish-verified status</c1>    Compares the project and its git tags with the indexes.
  <c1>poetry publish-verified doctor</c1>    Checks what a release of a checkout would need.
  <c1>poetry publish-verified rollback</c1>  Deletes what a run uploaded, if the index can do that.
  <c1>poetry publish-verified explain</c1>   Explains a code such as PV409.

Exit codes:
    0  The release is proven to be available.
    1  Wrong usage, or a bug.
    3  Refused before anything was uploaded.
    4  The upload failed.
    5  The index has different content under the same file name.
    6  The release was not visible in time.
    7  An index serves something other than what was built.
    8  A lock was not free in time, or another process broke it.
  130  Interrupted.
"""

    loggers: ClassVar[list[str]] = ["poetry.publishing.publisher"]

    def handle(self) -> int:
        started = datetime.now(UTC)
        load_usual_certificates()
        settings = read_settings(self, _DEFAULTS)
        if self.option("plan"):
            return self._show_plan(settings, started)
        kind: Kind = "dry-run" if self.option("dry-run") else "publish"
        report = Reporting(self.io, kind, as_json=settings.as_json, started=started)
        many = settings.projects and not self.option("wait-for-dependencies")
        run = publish_many if many else publish_one
        code = run_and_report(report, partial(run, self, settings, report))
        leave_files(settings, report, for_users=PublishOptions.of(self).for_users)
        if PublishOptions.of(self).for_users:
            tell_others(settings, report, code)
        return code

    def _show_plan(self, settings: RunSettings, started: datetime) -> int:
        """Show what would be done; standard output has the plan or nothing."""
        from poetry_publish_verified.cli.projects import workspace_of
        from poetry_publish_verified.output import plan as plan_output

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
