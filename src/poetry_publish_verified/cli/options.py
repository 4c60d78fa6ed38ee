"""The options of the commands, and what they suggest for a typo."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Self

from cleo.exceptions import CleoError, CleoNoSuchOptionError
from cleo.helpers import option
from cleo.io.inputs.option import Option
from cleo.io.io import IO
from poetry.console.commands.command import Command

from poetry_publish_verified.cli.lasting_output import make_lasting
from poetry_publish_verified.cli.secrets import hide_secrets
from poetry_publish_verified.core.events import StagesFound
from poetry_publish_verified.core.problems import stages as problems
from poetry_publish_verified.core.settings import Settings, Until, closest
from poetry_publish_verified.errors import ReleaseError, Verdict
from poetry_publish_verified.output.words import escaped
from poetry_publish_verified.poetry_api import repositories
from poetry_publish_verified.poetry_api.indexes import Targets
from poetry_publish_verified.release.interfaces import Plan
from poetry_publish_verified.sanitize import printable, redacted
from poetry_publish_verified.values import Value


class SuggestingCommand(Command):
    """A command that names what an unknown option or subcommand probably meant.

    Nothing that it prints or raises has a secret of the run in it.
    """

    def run(self, io: IO) -> int:
        """Run it; raises cleo's errors with a suggestion, where there is one, and RuntimeError."""
        make_lasting(io)
        hide_secrets(io)
        self.merge_application_definition()
        try:
            io.input.bind(self.definition)
        except CleoError as error:
            raise type(error)(printable(f"{error}{self._hint(error)}")) from None
        try:
            return super().run(io)
        except Exception as error:  # noqa: BLE001 - whatever it is, Poetry shows it as it is
            fault = error
        # Not in the handler: Poetry also shows what an error comes from.
        words = escaped(redacted(f"{type(fault).__name__}: {fault}", words=True))
        raise RuntimeError(words).with_traceback(fault.__traceback__)

    def _hint(self, error: CleoError) -> str:
        # cleo ends these messages with the word that it does not know: "--untill", "wiat".
        word = ["", *re.findall(r'"([^"]*)"', str(error))][-1]
        if isinstance(error, CleoNoSuchOptionError):
            known = {f"--{each.name}": "" for each in self.definition.options}
        else:
            own = f"{self.name} "
            names = self.get_application().command_loader.names
            known = {n.removeprefix(own): f"poetry {own}" for n in names if n.startswith(own)}
        meant = closest(word, known)
        return f". Did you mean {known[meant]}{meant}?" if meant else ""


class SubcommandHelp(Command):
    """`help` for a name of several words, which cleo's own command does not take; hidden."""

    description = "Displays help for a command."
    hidden = True

    def __init__(self, subcommand: str) -> None:
        self.name = f"help {subcommand}"
        self._subcommand = subcommand
        super().__init__()

    def handle(self) -> int:
        application = self.get_application()
        helper = application.get("help")
        helper.set_command(application.get(self._subcommand))  # type: ignore[attr-defined]
        return helper.run(self.io)


def value_option(name: str, description: str, *, multiple: bool = False) -> Option:
    """A long option that takes a value."""
    return option(name, None, description, flag=False, multiple=multiple)


def release_options(defaults: Settings, indexes: str) -> list[Option]:
    """The options of each command that follows a release; `indexes` names the default ones."""
    return [
        value_option(
            "index",
            "An index that must show the release: the URL of its simple API, or the name of a"
            f" source or repository. Default is {indexes}.",
            multiple=True,
        ),
        value_option(
            "until",
            "What to prove about the release: `listed`, `downloadable` or `installable`."
            f" Default is `{defaults.until}`.",
        ),
        value_option(
            "timeout",
            "How long to wait for the indexes, such as `90s`, `15m` or `1h30m`. Default is `15m`.",
        ),
        value_option(
            "clients",
            "The clients that must see the release, and that `--until installable` runs: `pip`,"
            " `uv`, `poetry` or `html` (other tools that read HTML pages; never run)."
            f" Default is `{' '.join(defaults.clients)}`.",
            multiple=True,
        ),
        option("strict", None, "Treat warnings and unexpected files as errors."),
        value_option("summary", "Where to write a summary of the run as Markdown."),
        value_option("report", "Where to write a report of the run as one HTML page."),
        value_option("junit", "Where to write the checks of the run as a JUnit report."),
        value_option("dotenv", "Where to write version, verdict, receipt and URL as variables."),
        value_option("format", "The output format: `text` or `json`. Default is `text`."),
    ]


def break_lock_option() -> Option:
    """The option of the commands that lock a release."""
    return option(
        "break-lock",
        None,
        "If another process holds the lock of the release, take it away from that process, which"
        " then stops before its next upload. For a host that is gone for good.",
    )


class PublishOptions(Value, kw_only=True):
    """The options that apply to every release of a run, as `poetry publish` has them."""

    repository: str | None
    credentials: repositories.Credentials
    dist_dir: str
    build: bool
    dry_run: bool
    skip_existing: bool
    rehearsal: bool
    stage_only: bool
    yes: bool
    break_lock: bool

    @classmethod
    def of(cls, command: Command) -> Self:
        cert, client_cert = command.option("cert"), command.option("client-cert")
        return cls(
            repository=command.option("repository"),
            credentials=repositories.Credentials(
                username=command.option("username"),
                password=command.option("password"),
                cert=Path(cert) if cert else None,
                client_cert=Path(client_cert) if client_cert else None,
            ),
            dist_dir=command.option("dist-dir"),
            build=bool(command.option("build")),
            dry_run=bool(command.option("dry-run")),
            skip_existing=bool(command.option("skip-existing")),
            rehearsal=bool(command.option("rehearse")),
            stage_only=bool(command.option("stage-only")),
            yes=bool(command.option("yes")),
            break_lock=bool(command.option("break-lock")),
        )

    @property
    def for_users(self) -> bool:
        """Whether the run uploads to an index that users read."""
        return not (self.rehearsal or self.dry_run)

    def plan(self, settings: Settings, targets: Targets) -> Plan:
        return Plan(
            self.until(settings),
            settings.timeout,
            clients=settings.clients,
            strict=settings.strict,
            dry_run=self.dry_run,
            skip_existing=self.skip_existing,
            jobs=settings.jobs,
            retries=settings.retries,
            public=not self.rehearsal and repositories.is_public(targets.repository.url),
            attest="off" if self.rehearsal else settings.attest,
            stage_only=self.stage_only,
        )

    def stage_plan(self, settings: Settings, targets: Targets) -> Plan:
        """That of a stage: the very files are proven there, whatever is enough elsewhere."""
        plan = self.plan(settings, targets)
        return replace(plan, until=Until.INSTALLABLE, skip_existing=False, attest="off")

    def stages(self, settings: Settings) -> StagesFound | None:
        """The stages of the run; raises ReleaseError where options exclude each other."""
        if self.stage_only and self.rehearsal:
            raise ReleaseError(Verdict.ERROR, problems.no_stage_in_a_rehearsal())
        if self.stage_only and not settings.stages:
            raise ReleaseError(Verdict.ERROR, problems.no_stage())
        names = tuple(dict.fromkeys(settings.stages))
        return StagesFound(names, self.stage_only, used=not self.rehearsal) if names else None

    def until(self, settings: Settings) -> Until:
        return Until.INSTALLABLE if self.rehearsal else settings.until
