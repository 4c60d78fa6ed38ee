"""What hooks and notifications say of a run that has ended."""

from collections.abc import Mapping
from typing import Any

from poetry_publish_verified.core.receipt_document import problems_in
from poetry_publish_verified.sanitize import harmless, redacted

PREFIX = "PUBLISH_VERIFIED_"
_ERRORS = 3
_LONGEST = 500


def variables(receipt: Mapping[str, Any], path: str) -> dict[str, str]:
    """The environment variables of a hook; `path` is where the receipt is, empty if nowhere.

    Name and version are empty if the run has several releases, or none.
    """
    releases = [(str(each["name"]), str(each["version"])) for each in receipt["releases"]]
    name, version = releases[0] if len(releases) == 1 else ("", "")
    values = {
        "RECEIPT": path,
        "VERDICT": receipt["verdict"],
        "EXIT_CODE": str(receipt["exit_code"]),
        "SUMMARY": receipt["summary"],
        "NAME": name,
        "VERSION": version,
        "RELEASES": " ".join("==".join(each) for each in releases),
    }
    return {f"{PREFIX}{key}": value for key, value in values.items()}


def notification(receipt: Mapping[str, Any]) -> dict[str, Any]:
    """The receipt with `text` for people: how the run ended, and its first errors.

    Slack, Mattermost and Teams show `text`. Nobody is mentioned in it, whatever a server says.
    """
    errors = [each for each in problems_in(receipt) if each["severity"] == "error"]
    lines = [receipt["summary"], *(f"{e['code']}: {e['message']}" for e in errors[:_ERRORS])]
    if len(errors) > _ERRORS:
        lines.append(f"and {len(errors) - _ERRORS} more errors")
    return {"text": "\n".join(map(_plain, lines)), **receipt}


def _plain(text: str) -> str:
    """A line without what chat systems read as markup or as a mention."""
    text = harmless(redacted(text, words=True), _LONGEST).replace("&", "&amp;")
    return text.replace("<", "&lt;").replace(">", "&gt;").replace("@", "@\u200b")
