"""The plugin as Poetry sees it: names the commands, puts up the guard.

Poetry imports this module on every call, `poetry --version` included, so it imports
nothing heavy: what a command needs is loaded when that command is asked for.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from poetry.plugins.application_plugin import ApplicationPlugin

from poetry_publish_verified.guard.entry import install_guard

if TYPE_CHECKING:
    from poetry.console.application import Application
    from poetry.console.commands.command import Command


def _keep_for_good() -> None:
    """Let Python look for no garbage among what there is now. PyPy has nothing of the kind."""
    import gc

    if hasattr(gc, "freeze"):
        gc.freeze()


def _publish_verified() -> Command:
    import gc

    # What so many modules bring is no garbage: looking for some, now and again later, would take a
    # tenth of the time until the first byte leaves.
    collects = gc.isenabled()
    gc.disable()
    try:
        from poetry_publish_verified.cli.publish_verified import PublishVerifiedCommand
    finally:
        _keep_for_good()
        if collects:
            gc.enable()
    return PublishVerifiedCommand()


def _wait() -> Command:
    from poetry_publish_verified.cli.wait import WaitCommand

    return WaitCommand()


def _status() -> Command:
    from poetry_publish_verified.cli.status import StatusCommand

    return StatusCommand()


def _doctor() -> Command:
    from poetry_publish_verified.cli.doctor import DoctorCommand

    return DoctorCommand()


def _explain() -> Command:
    from poetry_publish_verified.cli.explain import ExplainCommand

    return ExplainCommand()


def _rollback() -> Command:
    from poetry_publish_verified.cli.rollback import RollbackCommand

    return RollbackCommand()


def _help(subcommand: str) -> Command:
    from poetry_publish_verified.cli.options import SubcommandHelp

    return SubcommandHelp(subcommand)


_SUBCOMMANDS = {
    "wait": _wait,
    "status": _status,
    "doctor": _doctor,
    "rollback": _rollback,
    "explain": _explain,
}


def _end_as_interrupted(*_: object) -> NoReturn:
    raise SystemExit(130)


class PublishVerifiedPlugin(ApplicationPlugin):
    """Registers the commands of this distribution with Poetry's application."""

    def activate(self, application: Application) -> None:
        """Register each command by name; its class is imported when it is run."""
        if "publish-verified" in sys.argv:
            import atexit
            import signal

            # Python's last collections would walk all that Poetry has loaded: that would be most of
            # the end of a run.
            atexit.register(_keep_for_good)

            # Until a run reports its own end, cleo would make 1 of it, as of wrong usage.
            with suppress(ValueError):
                if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
                    signal.signal(signal.SIGINT, _end_as_interrupted)
        register = application.command_loader.register_factory
        register("publish-verified", _publish_verified)
        for name, factory in _SUBCOMMANDS.items():
            subcommand = f"publish-verified {name}"
            register(subcommand, factory)
            register(f"help {subcommand}", partial(_help, subcommand))
        install_guard(application)
