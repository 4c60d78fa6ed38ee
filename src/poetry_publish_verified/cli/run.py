"""Runs one use case to its end and its exit code."""

from collections.abc import Callable
from contextlib import ExitStack

from poetry_publish_verified.cli.console import Reporting
from poetry_publish_verified.cli.signals import interrupts_ignored, termination_as_interrupt
from poetry_publish_verified.errors import ReleaseError, Verdict


def run_and_report(report: Reporting, run: Callable[[ExitStack], Verdict]) -> int:
    """Run it and report how it ended; returns the exit code."""
    problem: BaseException | None = None
    with termination_as_interrupt():
        try:
            with ExitStack() as stack:
                verdict = run(stack)
        except ReleaseError as error:
            problem, verdict = error, error.verdict
        except KeyboardInterrupt as error:
            problem, verdict = error, Verdict.INTERRUPTED
        except Exception as error:  # noqa: BLE001 - the receipt must say so, whatever it is
            problem, verdict = error, Verdict.ERROR
        with interrupts_ignored():
            return report.end(problem, verdict)
