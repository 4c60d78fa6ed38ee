"""Where each setting comes from, and how a bad one is reported."""

from __future__ import annotations

from typing import Any

import pytest

from poetry_publish_verified.core.settings import Origin, Settings, Until, resolve
from poetry_publish_verified.errors import Code, ReleaseError, Verdict


def test_defaults() -> None:
    """Without settings: the repository's own index, and the documented defaults."""
    assert resolve({}, {}, {}).checked() == Settings(
        indexes=(),
        until=Until.INSTALLABLE,
        timeout=900.0,
        format="text",
        receipt=None,
        clients=("pip", "uv", "poetry"),
        strict=False,
    )


@pytest.mark.parametrize(
    ("key", "option", "variable", "table", "field", "values"),
    [
        (
            *("index", ["https://a.example/"], "https://b.example/, mirror", ["c", "d"]),
            *("indexes", [("https://a.example/",), ("https://b.example/", "mirror"), ("c", "d")]),
        ),
        (
            *("until", "listed", "installable", "listed"),
            *("until", [Until.LISTED, Until.INSTALLABLE, Until.LISTED]),
        ),
        ("timeout", "1h", "90", 30, "timeout", [3600.0, 90.0, 30.0]),
        ("format", "json", "text", "json", "format", ["json", "text", "json"]),
        ("lock-stale", "1m", "off", 3600, "lock_stale", [60.0, None, 3600.0]),
        ("metadata", "a.json", "b.json", "c.json", "metadata", ["a.json", "b.json", "c.json"]),
        ("history", "a.jsonl", "b", "c", "history", ["a.jsonl", "b", "c"]),
        ("report", "a.html", "b", "c", "report", ["a.html", "b", "c"]),
        ("receipt", "a.json", "b.json", "c.json", "receipt", ["a.json", "b.json", "c.json"]),
        (
            *("clients", "uv,html", "pip", ["poetry", "pip", "poetry"]),
            *("clients", [("uv", "html"), ("pip",), ("poetry", "pip")]),
        ),
        ("strict", True, "false", True, "strict", [True, False, True]),
        ("attest", True, "off", "require", "attest", ["on", "off", "require"]),
        ("attest", "require", "on", True, "attest", ["require", "on", "on"]),
        (
            *("on-success", "a 'b c'", "d $HOME", ["e", "f g"], "on_success"),
            [("a", "b c"), ("d", "$HOME"), ("e", "f g")],
        ),
        (
            *(
                "notify-url",
                "https://a.example/a-long-hook",
                "http://localhost:1/",
                "https://[::1]/",
            ),
            *(
                "notify_url",
                ["https://a.example/a-long-hook", "http://localhost:1/", "https://[::1]/"],
            ),
        ),
    ],
)
def test_precedence(
    key: str, option: Any, variable: str, table: Any, field: str, values: list[Any]
) -> None:
    """The command line comes before the environment, and that before pyproject.toml."""
    environment, project = {key.upper().replace("-", "_"): variable}, {key: table}
    assert getattr(resolve({key: option}, environment, project).checked(), field) == values[0]
    assert getattr(resolve({key: None}, environment, project).checked(), field) == values[1]
    assert getattr(resolve({}, {}, project).checked(), field) == values[2]


@pytest.mark.parametrize("nothing", [None, "", []])
def test_empty_option_counts_as_unset(nothing: object) -> None:
    """An option without a value leaves the choice to the next place."""
    assert resolve({"index": nothing}, {"INDEX": ""}, {"index": "c"}).checked().indexes == ("c",)


def test_all_faults_are_reported() -> None:
    """Each unknown key and each invalid value is named with its place, in one error."""
    with pytest.raises(ReleaseError) as caught:
        resolve(
            {"timeout": "soon", "until": "seen"},
            {"TIMEOUT": "never", "INDXE": "x", "FORMAT": "yaml", "UNTILL": ""},
            {"index": 3, "receipt": ["a"], "timeout": True, "time-out": 5},
        ).checked()
    assert caught.value.verdict is Verdict.ERROR
    assert all(problem.code is Code.SETTING for problem in caught.value.problems)
    said = [problem.message for problem in caught.value.problems]
    for place in (
        "--timeout",
        "--until",
        "POETRY_PUBLISH_VERIFIED_TIMEOUT",
        "POETRY_PUBLISH_VERIFIED_INDXE",
        "POETRY_PUBLISH_VERIFIED_FORMAT",
        "[tool.publish-verified] index",
        "[tool.publish-verified] receipt",
        "[tool.publish-verified] timeout",
        "[tool.publish-verified] time-out",
    ):
        assert len([message for message in said if place in message]) == 1, place
    assert len(said) == 9


def test_overridden_faults_are_reported() -> None:
    """A bad value is an error even if another place overrides it."""
    with pytest.raises(ReleaseError, match="publish-verified"):
        resolve({"until": "listed"}, {}, {"until": "seen"}).checked()


@pytest.mark.parametrize("value", ["https://me:secret@index.example/x y", "secret"])
def test_values_are_not_repeated(value: str) -> None:
    """An error names the key but not the value, which may be a password."""
    with pytest.raises(ReleaseError) as caught:
        resolve({}, {"TIMEOUT": value, "UNTIL": value, "FORMAT": value}, {}).checked()
    assert len(caught.value.problems) == 3
    assert not any("secret" in p.message + p.remedy for p in caught.value.problems)


@pytest.mark.parametrize("value", ["a 'b", " ", [""], [1], {}, True])
def test_hook_is_a_list_of_arguments(value: object) -> None:
    """Anything else is a fault, quotes without an end too."""
    with pytest.raises(ReleaseError, match="on-failure"):
        resolve({}, {}, {"on-failure": value}).checked()


@pytest.mark.parametrize("url", ["http://a.example/hook", "ftp://a.example/", "a.example", 3])
def test_unsafe_notify_url(url: object) -> None:
    """The receipt goes in the clear to this machine only."""
    with pytest.raises(ReleaseError, match="notify-url"):
        resolve({}, {}, {"notify-url": url}).checked()


def test_path_of_the_notify_url_is_secret() -> None:
    """Who knows the address of a webhook can post to it."""
    url = "https://chat.example/hooks/T0123/s3cr3t-of-a-hook"
    (line,) = resolve({"notify-url": url}, {}, {}).explained()
    assert "s3cr3t" not in line
    assert "chat.example" in line


@pytest.mark.parametrize("variable", ["GUARD", "PLUGIN_SETS", "LOCK_TIMEOUT"])
def test_guard_variables_are_known(variable: str) -> None:
    """Variables that are read elsewhere are not unknown."""
    assert resolve({}, {variable: "1"}, {}).checked() == Settings()


@pytest.mark.parametrize(
    "value", [False, True, 0, -5, 0.0, float("nan"), float("inf"), {}, [900], "15 m"]
)
def test_invalid_timeout_in_a_table(value: object) -> None:
    """A timeout that is not a positive duration is a fault, whatever its type."""
    with pytest.raises(ReleaseError, match=r"Invalid value for .*timeout"):
        resolve({}, {}, {"timeout": value}).checked()


@pytest.mark.parametrize("value", ["59s", 10, "never", True, ""])
def test_invalid_lock_stale(value: object) -> None:
    """A holder cannot be silent for less than a minute, and nothing else switches it off."""
    resolved = resolve({}, {}, {"lock-stale": value})
    if value:
        with pytest.raises(ReleaseError, match=r"Invalid value for .*lock-stale"):
            resolved.checked()
    assert resolved.found.lock_stale is None


@pytest.mark.parametrize("value", [2, 2.5])
def test_number_is_seconds(value: float) -> None:
    """A TOML number is a duration in seconds."""
    assert resolve({}, {}, {"timeout": value}).checked().timeout == value


@pytest.mark.parametrize("value", ["pip uv", "pip,uv", " pip, uv ", "pip,uv,pip", ["pip", "uv"]])
def test_clients(value: object) -> None:
    """Names separated by commas or spaces, or a list; each once, in order."""
    assert resolve({}, {}, {"clients": value}).checked().clients == ("pip", "uv")


@pytest.mark.parametrize("value", ["conda", "pip,conda", "PIP", ",", ["pip", 3], [["pip"]], {}, 1])
def test_invalid_clients(value: object) -> None:
    """An unknown client, an empty list and values other than strings are faults."""
    with pytest.raises(ReleaseError, match=r"Invalid value for .*clients"):
        resolve({}, {}, {"clients": value}).checked()


@pytest.mark.parametrize(
    ("value", "strict"),
    [*[("true", True), ("True", True), ("1", True)], *[("FALSE", False), ("0", False)]],
)
def test_strict_from_the_environment(value: str, strict: bool) -> None:
    """The variable is read as Poetry reads its own."""
    assert resolve({}, {"STRICT": value}, {"strict": not strict}).checked().strict is strict


@pytest.mark.parametrize("value", ["yes", "2", 1, 0, [True], {}])
def test_invalid_strict(value: object) -> None:
    """Anything but a boolean is a fault, not a guess."""
    with pytest.raises(ReleaseError, match=r"Invalid value for .*strict"):
        resolve({}, {}, {"strict": value}).checked()


@pytest.mark.parametrize("place", ["option", "project"])
def test_false_overrides(place: str) -> None:
    """False is a value, and does not leave the choice to the next place."""
    options, project = ({"strict": False}, {}) if place == "option" else ({}, {"strict": False})
    environment = {"STRICT": "true"} if place == "option" else {}
    assert resolve(options, environment, project).checked().strict is False


@pytest.mark.parametrize("table", [3, "json", ["format"], None])
def test_setting_table_is_not_a_table(table: object) -> None:
    """It is a fault, and other places still count."""
    resolved = resolve({"format": "json"}, {}, table)
    assert resolved.found.format == "json"
    with pytest.raises(ReleaseError, match="is not a table"):
        resolved.checked()


def test_valid_settings_beside_invalid_ones() -> None:
    """Valid settings are known anyway, because they may decide how a fault is reported."""
    resolved = resolve({"timeout": "soon"}, {"UNTIL": "seen"}, {"format": "json", "untill": "x"})
    assert len(resolved.problems) == 3
    assert resolved.found == Settings(format="json")


def test_command_defaults() -> None:
    """A command's own default counts only if nobody gives the setting."""
    defaults = Settings(until=Until.LISTED, jobs=2)
    resolved = resolve({"jobs": "3"}, {}, {}, defaults)
    assert resolved.checked() == Settings(until=Until.LISTED, jobs=3)


def test_origin_of_settings() -> None:
    """Each given setting is explained with its value as written, and its place."""
    options = {"index": ["https://me:secret@index.example/simple?sig=1", "mirror"], "until": None}
    environment = {"UNTIL": "listed", "STRICT": "", "INDEX": "elsewhere"}
    resolved = resolve(options, environment, {"timeout": "15m", "strict": True, "until": "listed"})
    assert resolved.explained() == [
        "index = https://index.example/simple?…, mirror (from --index)",
        "until = listed (from POETRY_PUBLISH_VERIFIED_UNTIL)",
        "timeout = 15m (from pyproject.toml)",
        "strict = true (from pyproject.toml)",
    ]
    assert resolved.origin("until") is Origin.ENVIRONMENT
    assert resolved.origin("format") is None


@pytest.mark.parametrize(
    ("options", "environment", "table", "meant"),
    [
        ({}, {}, {"untill": "listed"}, "Did you mean until?"),
        ({}, {"INDXE": "x"}, {}, "Did you mean POETRY_PUBLISH_VERIFIED_INDEX?"),
        ({}, {"GAURD": "off"}, {}, "Did you mean POETRY_PUBLISH_VERIFIED_GUARD?"),
        ({"until": "instalable"}, {}, {}, "(did you mean installable?)"),
        ({"clients": ["pip", "poety"]}, {}, {}, "(did you mean poetry?)"),
    ],
)
def test_typos_get_suggestions(
    options: dict[str, Any], environment: dict[str, str], table: dict[str, Any], meant: str
) -> None:
    """A typo gets a suggestion."""
    (problem,) = resolve(options, environment, table).problems
    assert meant in problem.message + problem.remedy
