"""The reference pages lack nothing that the code has."""

from __future__ import annotations

import ast
import re
import shlex
import tomllib
from functools import cache
from typing import TYPE_CHECKING

import pytest

from poetry_publish_verified.core.settings import KEYS, Origin, Settings, resolve
from poetry_publish_verified.errors import Verdict
from tests.beds.documentation import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = ROOT / "src" / "poetry_publish_verified"
# They look like variables, and are none that anybody sets.
OTHER_WORDS = {
    *("CERTIFICATE_VERIFY_FAILED", "WRONG_VERSION_NUMBER"),
    *("TCP_NOTSENT_LOWAT", "O_NOFOLLOW", "O_NONBLOCK"),
    *("LOCK_NOT_FREE", "LOCK_UNAVAILABLE", "LOCK_ORDER"),
    # Of the machine; kept where the plugin starts a program.
    *("PROCESSOR_ARCHITECTURE", "LOCALE_ARCHIVE", "WHEEL_PKG_DIR"),
    # Set for uv alone.
    "MACOSX_DEPLOYMENT_TARGET",
}


@cache
def page(name: str) -> str:
    """A reference page."""
    return (ROOT / "docs" / "reference" / f"{name}.md").read_text(encoding="utf-8")


def test_every_verdict_and_exit_code_is_explained() -> None:
    """The page has a row for each exit code, and names each verdict that a run can end with."""
    codes = {int(code) for code in re.findall(r"^\| (\d+) \|", page("exit-codes"), re.MULTILINE)}
    assert codes == {each.exit_code for each in Verdict if each.exit_code is not None}
    assert [each.value for each in Verdict if f"`{each}`" not in page("exit-codes")] == []


def resolved(key: str) -> Iterator[Settings]:
    """What each line means that the page shows for a setting."""
    shown = re.search(
        rf"^## {key}\n.*?^```text\n(.*?)^```", page("settings"), re.MULTILINE | re.DOTALL
    )
    assert shown
    for line in shown[1].splitlines():
        if " = " in line:
            found = resolve({}, {}, tomllib.loads(line))
        elif line.startswith("--"):
            name, value = (*re.split("[ =]", line, maxsplit=1), True)[:2]
            assert name == Origin.OPTION.name_of(key)
            words = shlex.split(value)[0] if isinstance(value, str) else value
            found = resolve({"projects": ["a"], key: words}, {}, {"projects": ["a"]})
        else:
            name, _, value = shlex.split(line)[0].partition("=")
            assert name == Origin.ENVIRONMENT.name_of(key)
            found = resolve({}, {name.removeprefix("POETRY_PUBLISH_VERIFIED_"): value}, {})
        yield found.checked()


@pytest.mark.parametrize("key", KEYS)
def test_the_spellings_of_a_setting_mean_the_same(key: str) -> None:
    """Option, variable and key, as shown, give one value, which is not the default."""
    field = {"index": "indexes"}.get(key, key.replace("-", "_"))
    values = [getattr(each, field) for each in resolved(key)]
    assert len(values) == 3 - (key in {"checklist", "lock-stale"})
    assert [each for each in values if each != values[0]] == []
    assert values[0] != getattr(Settings(), field)


def test_every_variable_is_listed() -> None:
    """What the package's code names like an environment variable is on one of the pages."""
    named = set()
    for module in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            words = node.value if isinstance(node, ast.Constant) else None
            if isinstance(words, str) and re.fullmatch(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+", words):
                named.add(words)
    assert len(named) > 40
    known = page("environment") + page("settings")
    missing = {each for each in named - OTHER_WORDS if each not in known and "_COMPANY" not in each}
    assert missing == set()
