"""`poetry help publish-verified wait`: cleo's own help command takes a name of one word."""

from __future__ import annotations

from poetry.console.commands.command import Command


class SubcommandHelp(Command):
    """Stands, hidden, for `help` and a name of several words."""

    description = "Displays help for a command."
    hidden = True

    def __init__(self, subcommand: str) -> None:
        self.name = f"help {subcommand}"
        self._subcommand = subcommand
        super().__init__()

    def handle(self) -> int:
        """Show what `--help` shows."""
        application = self.get_application()
        helper = application.get("help")
        helper.set_command(application.get(self._subcommand))  # type: ignore[attr-defined]
        return helper.run(self.io)
