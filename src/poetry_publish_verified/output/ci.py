"""What CI systems read of a run: GitHub's annotations and outputs, GitLab's dotenv, JUnit's XML."""

import re
from collections.abc import Iterator, Mapping
from xml.sax.saxutils import escape, quoteattr

from poetry_publish_verified.core.receipt_document import (
    ProblemEntry,
    ReceiptDocument,
    ReleaseEntry,
)
from poetry_publish_verified.core.timeline import moment_of
from poetry_publish_verified.errors import Severity
from poetry_publish_verified.output.run_tables import all_problems
from poetry_publish_verified.sanitize import harmless

JUNIT_MARK = "<!-- publish-verified.junit/1 -->"
# GitHub shows ten of each kind for a step.
_MOST = 10
# Compiled when it is needed: that takes milliseconds, for the many characters.
_NOT_IN_XML = r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"


def annotations(receipt: ReceiptDocument) -> list[str]:
    """GitHub's workflow commands that show each problem beside the job."""
    found = all_problems(receipt)
    errors = [each for each in found if each[1]["severity"] == "error"]
    warnings = [each for each in found if each[1]["severity"] != "error"]
    return [_annotation(of, each) for of, each in (*errors[:_MOST], *warnings[:_MOST])]


def _annotation(of: str, problem: ProblemEntry) -> str:
    words = f"{of}: {problem['message']}" if of else problem["message"]
    return annotation(problem["code"], problem["severity"], words, problem["remedy"])


def annotation(code: str, severity: Severity, message: str, remedy: str) -> str:
    """GitHub's workflow command for one problem."""
    text = f"{harmless(message, 2000)}\n{harmless(remedy, 2000)}"
    escaped = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    title = code.replace("%", "%25").replace(":", "%3A").replace(",", "%2C")
    return f"::{severity} title={title}::{escaped}"


def outputs(receipt: ReceiptDocument, path: str) -> dict[str, str]:
    """What later steps use; `path` is the receipt's. Of several releases there is no one version.

    `url` is the page of the release, or its project's on the first index if that is not known.
    """
    version = url = ""
    if len(receipt["releases"]) == 1:
        (release,) = receipt["releases"]
        version, url = release["version"], release["page"] or ""
        for index in release["indexes"][:1]:
            url = url or f"{index['url'].rstrip('/')}/{release['name']}/"
    found = {"version": version, "verdict": receipt["verdict"], "receipt": path, "url": url}
    return {name: harmless(value, 2000) for name, value in found.items()}


def github_outputs(found: Mapping[str, str]) -> str:
    """Lines for GITHUB_OUTPUT."""
    return "".join(f"{name}={value}\n" for name, value in found.items())


def dotenv(found: Mapping[str, str]) -> str:
    """GitLab's dotenv report: `RELEASE_VERSION=1.0`, and so on."""
    return "".join(f"RELEASE_{name.upper()}={value}\n" for name, value in found.items())


def junit(receipt: ReceiptDocument) -> str:
    """A JUnit report: a suite per release, with a case per check; and one for the run."""
    suites = [("publish-verified", list(_problem_cases("", receipt["problems"])))]
    for release in receipt["releases"]:
        title = f"{release['name']} {release['version']}"
        cases = [*_checks(release), *_problem_cases(title, release["problems"])]
        suites.append((title, cases))
    lines = ['<?xml version="1.0" encoding="utf-8"?>', JUNIT_MARK, "<testsuites>"]
    for title, cases in suites:
        if cases or title == "publish-verified":
            text = "".join(cases)
            counts = f'tests="{len(cases)}" failures="{text.count("<failure")}"'
            counts += f' errors="0" skipped="{text.count("<skipped")}"'
            lines += [f"<testsuite name={_attribute(title)} {counts}>", *cases, "</testsuite>"]
    return "\n".join([*lines, "</testsuites>"]) + "\n"


def _checks(release: ReleaseEntry) -> Iterator[str]:
    title = f"{release['name']} {release['version']}"
    for file in release["distributions"]:
        skipped = file["upload"] == "not-sent"
        failure: str = file["upload"] if file["upload"] in {"failed", "unknown"} else ""
        took = _seconds(file["started"], file["finished"])
        yield _case(title, f"upload of {file['filename']}", failure, took, skipped=skipped)
    for index in release["indexes"]:
        for variant in index["variants"]:
            took = _seconds(index["started"], variant["visible_at"])
            failure = "" if variant["visible_at"] else "not every file is listed"
            name = f"{index['url']} lists every file for {variant['variant']}"
            yield _case(title, name, failure, took)
        if index["started"]:
            failure = "" if index["proven"] else "not proven"
            took = _seconds(index["started"], index["finished"])
            yield _case(title, f"{index['url']} is proven", failure, took)


def _problem_cases(title: str, problems: list[ProblemEntry]) -> Iterator[str]:
    """Errors fail; warnings are only shown."""
    for problem in problems:
        words = f"{problem['message']} {problem['remedy']}"
        if problem["severity"] == "error":
            yield _case(title, problem["code"], words, 0.0)
        else:
            yield _case(title, f"{problem['code']} (warning): {words}", "", 0.0)


def _case(title: str, name: str, failure: str, took: float, *, skipped: bool = False) -> str:
    attributes = f"classname={_attribute(title or 'publish-verified')} name={_attribute(name)}"
    inside = "<skipped/>" if skipped else ""
    if failure:
        inside = f"<failure message={_attribute(failure)}>{escape(_plain(failure))}</failure>"
    return f'<testcase {attributes} time="{took:.3f}">{inside}</testcase>'


def _seconds(start: str | None, end: str | None) -> float:
    if start is None or end is None:
        return 0.0
    return max((moment_of(end) - moment_of(start)).total_seconds(), 0.0)


def _attribute(text: str) -> str:
    return quoteattr(_plain(text))


def _plain(text: str) -> str:
    return re.sub(_NOT_IN_XML, "", harmless(text, 2000))
