"""What happens after a run has ended: hooks, and a notification. Neither changes its exit code."""

import os
from functools import partial

from poetry_publish_verified.cli.console import Reporting
from poetry_publish_verified.cli.run import run_async, termination_as_interrupt
from poetry_publish_verified.cli.settings import RunSettings
from poetry_publish_verified.core.outcome import PREFIX, notification, variables
from poetry_publish_verified.core.problems import usage as problems
from poetry_publish_verified.core.urls import origin
from poetry_publish_verified.errors import Problem
from poetry_publish_verified.isolated_python import without_identity
from poetry_publish_verified.sanitize import redacted

_TIMEOUT = 10.0


def tell_others(settings: RunSettings, report: Reporting, exit_code: int) -> None:
    """Run the hook for this end and post the receipt, if the settings say so; show what fails.

    A run that a hook has started does neither: it would go on for ever.
    """
    if f"{PREFIX}VERDICT" in os.environ:
        return
    found = settings.resolved.found
    try:
        with termination_as_interrupt():
            if found.notify_url and (problem := _notify(found.notify_url, report)):
                report.show(problem)
            name = "on-failure" if exit_code else "on-success"
            command = found.on_failure if exit_code else found.on_success
            if command:
                _run_hook(name, command, settings, report)
    except KeyboardInterrupt:
        report.show(problems.stopped_telling())


def _notify(url: str, report: Reporting) -> Problem | None:
    from poetry_publish_verified.adapters import webhook
    from poetry_publish_verified.adapters.http import Http
    from poetry_publish_verified.adapters.pace import Pace, SystemClock
    from poetry_publish_verified.cli.composition import user_agent
    from poetry_publish_verified.poetry_api.repositories import proxy_for

    async def post() -> str:
        async with Http(user_agent(), _TIMEOUT, proxy_for, Pace(SystemClock())) as http:
            return await webhook.post(http, url, notification(report.receipt), _TIMEOUT)

    try:
        failure = run_async(post)
    except Exception as error:  # noqa: BLE001 - the release has ended, whatever this is
        failure = str(error) or type(error).__name__
    scheme, host, port = origin(url)
    return problems.not_notified(f"{scheme}://{host}:{port}", failure) if failure else None


def _run_hook(
    name: str, command: tuple[str, ...], settings: RunSettings, report: Reporting
) -> None:
    from poetry_publish_verified.adapters import hooks

    path = report.receipt_path
    known = variables(report.receipt, str(path.absolute()) if path else "")
    run = partial(hooks.run, command, settings.base(name), without_identity(os.environ) | known)
    ended = run(settings.resolved.found.hook_timeout)
    for line in ended.lines:
        report.say(f"   {name}: {redacted(line, words=True)}")
    if ended.failure:
        report.show(problems.hook_failed(name, command[0], ended.failure))
