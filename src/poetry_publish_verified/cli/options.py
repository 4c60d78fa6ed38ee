"""The options that publishing and waiting have in common, and what they suggest for a typo."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cleo.exceptions import CleoError, CleoNoSuchOptionError
from cleo.helpers import option
from poetry.console.commands.command import Command

from poetry_publish_verified.core.settings import Settings, closest

if TYPE_CHECKING:
    from cleo.io.inputs.option import Option
    from cleo.io.io import IO


class SuggestingCommand(Command):
    """A command that names the option or subcommand that an unknown one probably meant."""

    def run(self, io: IO) -> int:
        """Run it; raises cleo's errors with a suggestion, where there is one."""
        self.merge_application_definition()
        try:
            io.input.bind(self.definition)
        except CleoError as error:
            raise type(error)(f"{error}{self._hint(error)}") from None
        return super().run(io)

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


def release_options(defaults: Settings) -> list[Option]:
    """The options of each command that follows a release."""
    return [
        option(
            "index",
            None,
            "An index that must show the release: the URL of its simple API, or the name of a"
            " source or repository. Default is the repository's own index.",
            flag=False,
            multiple=True,
        ),
        option(
            "until",
            None,
            "How far to follow the release: `listed`, `downloadable` or `installable`."
            f" Default is `{defaults.until}`.",
            flag=False,
        ),
        option(
            "timeout",
            None,
            "How long to wait for the indexes, such as `90s`, `15m` or `1h30m`. Default is `15m`.",
            flag=False,
        ),
        option(
            "clients",
            None,
            "The clients that must see the release, and that `--until installable` runs: `pip`,"
            " `uv`, `poetry` or `html` (any reader of HTML pages, never run)."
            f" Default is `{' '.join(defaults.clients)}`.",
            flag=False,
            multiple=True,
        ),
        option("strict", None, "Treat preflight warnings and unexpected files as errors."),
        option(
            "format", None, "The output format: `text` or `json`. Default is `text`.", flag=False
        ),
    ]
