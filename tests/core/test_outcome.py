"""What hooks and those who are notified learn about a run."""

from __future__ import annotations

from typing import Any

from poetry_publish_verified.core.outcome import notification, variables


def receipt(*names: str, problems: tuple[dict[str, str], ...] = ()) -> dict[str, Any]:
    """A receipt with what matters here."""
    return {
        "verdict": "conflict",
        "exit_code": 5,
        "summary": "conflict: the index has different content",
        "problems": list(problems),
        "releases": [{"name": name, "version": "1.0", "problems": []} for name in names],
    }


def problem(message: str, severity: str = "error") -> dict[str, str]:
    """A problem as a receipt has it."""
    return {"code": "PV501", "message": message, "severity": severity}


def test_variables_of_one_release() -> None:
    """A hook knows the verdict, the receipt, and the name and version of the only release."""
    known = variables(receipt("lantern"), "/srv/my größe/receipt.json")
    assert known["PUBLISH_VERIFIED_RECEIPT"] == "/srv/my größe/receipt.json"
    assert known["PUBLISH_VERIFIED_VERDICT"] == "conflict"
    assert known["PUBLISH_VERIFIED_EXIT_CODE"] == "5"
    assert known["PUBLISH_VERIFIED_NAME"] == "lantern"
    assert known["PUBLISH_VERIFIED_VERSION"] == "1.0"


def test_variables_of_several_releases_and_of_none() -> None:
    """No one name stands for several releases."""
    known = variables(receipt("lantern", "harbour"), "")
    assert known["PUBLISH_VERIFIED_RELEASES"] == "lantern==1.0 harbour==1.0"
    assert known["PUBLISH_VERIFIED_NAME"] == known["PUBLISH_VERIFIED_VERSION"] == ""
    assert variables(receipt(), "")["PUBLISH_VERIFIED_RELEASES"] == ""


def test_text_has_the_summary_and_the_first_errors() -> None:
    """Warnings are left out, and so are errors after the third."""
    found = [problem("a warning", "warning"), *(problem(f"error {n}") for n in range(5))]
    posted = notification(receipt("lantern", problems=tuple(found)))
    assert posted["text"].splitlines() == [
        "conflict: the index has different content",
        "PV501: error 0", "PV501: error 1", "PV501: error 2", "and 2 more errors",
    ]  # fmt: skip
    assert posted["releases"][0]["name"] == "lantern"


def test_text_mentions_nobody() -> None:
    """What a server says is neither markup nor a mention to a chat system."""
    posted = notification(receipt(problems=(problem("<!channel> @here\n@all & <b>"),)))
    line = posted["text"].splitlines()[1]
    assert "<" not in line
    assert "@h" not in line
    assert "@a" not in line
