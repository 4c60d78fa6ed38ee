"""What a run leaves at its end for people and CI systems: a summary, a report, the history."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from poetry_publish_verified.adapters import receipt_file
from poetry_publish_verified.cli.console import Reporting
from poetry_publish_verified.cli.documentation import site
from poetry_publish_verified.cli.run import interrupts_ignored
from poetry_publish_verified.cli.settings import RunSettings
from poetry_publish_verified.core import history
from poetry_publish_verified.core.problems import usage as problems
from poetry_publish_verified.core.receipt_document import ReceiptDocument
from poetry_publish_verified.errors import Problem, ReleaseError, Verdict
from poetry_publish_verified.guard.locks.lock import acquire
from poetry_publish_verified.guard.locks.places import LockPlaces, user_lock_directory

# The settings that name a file.
_KEYS = ("summary", "report", "junit", "dotenv", "history")
_KIND = "the {} of a run"
# Seconds for a lock that others hold as long as a line takes.
_LOCK_TIMEOUT = 30.0


def on_github() -> bool:
    """Whether this is a job of GitHub Actions, which reads annotations and the files it names."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def refuse_unwritable(given: RunSettings, *, for_users: bool) -> None:
    """Raise ReleaseError where a file that the settings name cannot be written in the end."""
    faults, known = [], {given.receipt: "receipt"} if given.receipt else {}
    for key, path in _named(given, for_users=for_users):
        if path in known:
            fault = f"{known[path]} names the same file"
            raise ReleaseError(Verdict.ERROR, problems.invalid_setting(key, fault))
        known[path] = key
        try:
            receipt_file.earlier(path, _mark(key), _KIND.format(key))
            receipt_file.refuse_unwritable(path)
            if key == "history":  # the others are replaced, links too
                receipt_file.refuse_link(path)
        except (OSError, ValueError) as error:
            faults.append(problems.record_not_writable(key, str(path), error))
    if faults:
        raise ReleaseError.refused(*faults)


def leave_files(given: RunSettings, report: Reporting, *, for_users: bool) -> None:
    """Write what the settings name and CI systems read; show what fails, which changes nothing.

    Only runs `for_users` are recorded in the history.
    """
    named = list(_named(given, for_users=for_users))
    if not (named or on_github()):
        return
    from poetry_publish_verified.output import ci, html_report, markdown
    from poetry_publish_verified.output.run_tables import all_problems

    receipt = report.receipt
    found = ci.outputs(receipt, str(report.receipt_path or ""))
    make: dict[str, Callable[[], str]] = {
        "summary": lambda: markdown.summary(receipt, site()),
        "report": lambda: html_report.report(receipt, site()),
        "junit": lambda: ci.junit(receipt),
        "dotenv": lambda: ci.dotenv(found),
    }
    with interrupts_ignored():
        for key, path in named:
            try:
                # What is there by now may be what the build has made.
                receipt_file.earlier(path, _mark(key), _KIND.format(key))
                if key == "history":
                    _append(given.root, path, receipt, report)
                else:
                    receipt_file.write_text(path, make[key]())
            except (OSError, ValueError) as error:
                problem = _unwritten(key, path, error)
                if all(each["message"] != problem.message for _, each in all_problems(receipt)):
                    report.show(problem)
        if on_github():
            for line in ci.annotations(receipt):
                report.command_ci(line)
            _for_github(make["summary"](), ci.github_outputs(found), report)


def _mark(key: str) -> str:
    """What a file that this run replaces or adds to begins with, by the setting that names it."""
    from poetry_publish_verified.output import ci, html_report, markdown

    return {
        "summary": markdown.MARK,
        "report": html_report.MARK,
        "junit": ci.JUNIT_MARK,
        "dotenv": "RELEASE_VERSION=",
        "history": history.SCHEMA,
    }[key]


def _named(given: RunSettings, *, for_users: bool) -> Iterator[tuple[str, Path]]:
    for key in _KEYS:
        path = given.path(key)
        if path is not None and (for_users or key != "history"):
            yield key, path


def _append(root: Path, path: Path, receipt: ReceiptDocument, report: Reporting) -> None:
    line = json.dumps(history.history_line(receipt))
    lock = LockPlaces(user_lock_directory()).history(root, path)
    with acquire(lock, report.say, default_timeout=_LOCK_TIMEOUT):
        receipt_file.append(path, line)


def _for_github(summary: str, outputs: str, report: Reporting) -> None:
    """The job summary and the step's outputs."""
    for variable, text in (("GITHUB_STEP_SUMMARY", summary), ("GITHUB_OUTPUT", outputs)):
        place = os.environ.get(variable)
        if not place:
            continue
        try:
            with Path(place).open("a", encoding="utf-8") as stream:
                stream.write(text)
        except OSError as error:
            report.show(_unwritten(variable, Path(place), error))


def _unwritten(key: str, path: Path, error: Exception) -> Problem:
    return problems.record_not_writable(key, str(path), error, severity="warning")
