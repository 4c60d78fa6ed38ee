"""Wrong usage: settings, options, names, receipts; and bugs of ours (PV1xx, PV209, PV217)."""

from collections.abc import Collection, Iterable

from poetry_publish_verified.core.problems.words import Text, problem, some, words_of
from poetry_publish_verified.errors import Code, Severity
from poetry_publish_verified.sanitize import harmless, printable


@problem(Code.SETTING)
def invalid_setting(name: str, error: object) -> Text:
    """A value that cannot be used; `name` says where it is set, never what it is."""
    return Text(
        f"Invalid value for {name}: {error}.", "Fix it, or leave it out to use the default."
    )


@problem(Code.SETTING)
def unknown_setting(name: str, meant: str | None, known: Iterable[str]) -> Text:
    """A name that no setting has; `meant` is one that looks like it."""
    return Text(
        f"{name} is not a publish-verified setting.",
        f"Did you mean {meant}?" if meant else f"Remove it, or use one of: {', '.join(known)}.",
    )


@problem(Code.SETTING)
def not_a_table() -> Text:
    return Text(
        "tool.publish-verified in pyproject.toml is not a table.",
        "Write a [tool.publish-verified] table with one setting per line.",
    )


@problem(Code.UNKNOWN_CODE)
def unknown_code(code: str, meant: str | None) -> Text:
    """A code that `explain` does not know; `meant` is one that looks like it."""
    return Text(
        f"There is no code {printable(code, 50)}.",
        f"Did you mean {meant}?" if meant else "Run poetry publish-verified explain to list all.",
    )


@problem(Code.NOT_AWAITABLE)
def not_awaitable(reason: object) -> Text:
    return Text(f"{reason}.", "Name releases as NAME==VERSION.")


@problem(Code.NOT_AWAITABLE)
def nothing_to_wait_for() -> Text:
    return Text(
        "There is nothing to wait for.",
        "Name releases as NAME==VERSION, or pass --metadata URL, --from-receipt FILE or --dist-dir"
        " DIR.",
    )


@problem(Code.NOT_AWAITABLE)
def not_among_those(releases: Collection[str]) -> Text:
    return Text(
        f"The metadata, receipt or directory does not contain {some(releases)}.",
        "Leave the names out to wait for everything in it.",
    )


@problem(Code.NOT_AWAITABLE)
def receipt_would_be_lost() -> Text:
    return Text(
        "--receipt would overwrite the file that --from-receipt reads.",
        "Pass another file to --receipt.",
    )


@problem(Code.RECEIPT_UNREADABLE)
def receipt_unreadable(path: str, reason: object) -> Text:
    return Text(
        f"Cannot use the receipt {harmless(path)}: {words_of(reason)}.",
        "Pass the receipt that the publishing run wrote. CI systems skip hidden directories such as"
        " dist/.publish-verified when they upload files.",
    )


@problem(Code.RECORD_NOT_WRITABLE)
def record_not_writable(key: str, path: str, error: object, severity: Severity = "error") -> Text:
    return Text(
        f"Cannot write the {key} file {harmless(path)}: {words_of(error)}.",
        f"Name another path with --{key} or in the settings. Running the same command again sends"
        " nothing twice.",
    )


@problem(Code.NEWER_METADATA, "warning")
def newer_metadata(path: str, there: str, version: str) -> Text:
    return Text(
        f"The release metadata in {harmless(path)} is that of {there}, which is newer than"
        f" {version}, so it was left alone.",
        "Delete the file and run the same command again if this release is the one to name.",
    )


@problem(Code.METADATA_UNUSABLE)
def metadata_unusable(place: str, reason: object) -> Text:
    return Text(
        f"Cannot use the release metadata at {printable(place)}: {words_of(reason)}.",
        "Pass the URL or the path of a document that a run with the setting metadata wrote.",
    )


@problem(Code.METADATA_COPY, "warning")
def metadata_copy(
    place: str, reason: object, release: str, released: str, severity: Severity
) -> Text:
    copy = "--strict forbids the last good copy"
    if severity == "warning":
        copy = "The last good copy is used instead"
    return Text(
        f"Cannot use the release metadata at {printable(place)}: {words_of(reason)}."
        f" {copy}: {release}, released {released}.",
        "Check what the server has. A newer release may be out.",
    )


@problem(Code.RECEIPT_NOT_WRITABLE)
def receipt_not_writable(path: str, error: object) -> Text:
    return Text(
        f"Cannot write the receipt {harmless(path)}: {words_of(error)}.",
        "Pass another path with --receipt FILE.",
    )


@problem(Code.HOOK_FAILED, "warning")
def hook_failed(setting: str, program: str, failure: str) -> Text:
    return Text(
        f"The {setting} program {harmless(program, 200)} failed: {printable(failure)}. This does"
        " not change how the run ended.",
        "Fix the program. Its environment has the path of the receipt (PUBLISH_VERIFIED_RECEIPT)."
        " If it needs more time, raise --hook-timeout.",
    )


@problem(Code.HOOK_FAILED, "warning")
def stopped_telling() -> Text:
    return Text(
        "The hook or notification was interrupted. This does not change how the run ended.",
        "Read the receipt, and notify others yourself.",
    )


@problem(Code.NOT_NOTIFIED, "warning")
def not_notified(server: str, failure: str) -> Text:
    """The receipt did not arrive at `server`, all that may be shown of a URL with a secret path."""
    return Text(
        f"The receipt could not be posted to {server}: {printable(failure)}. This does not change"
        " how the run ended.",
        "Check notify-url, and whether the server accepts JSON with a text field.",
    )


@problem(Code.INTERNAL)
def internal(error: BaseException) -> Text:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return Text(
        f"{type(error).__name__}: {printable(str(error))}",
        "This is a bug in poetry-publish-verified: please report it with the output of -vvv."
        " Running the same command again is safe.",
    )


@problem(Code.EXTRA_MISSING)
def extra_missing(what: str, package: str, extra: str) -> Text:
    """`what` needs an extra of this plugin, which is `package`, and it is not installed."""
    named = f"'{package}[{extra}]'"
    return Text(
        f"{what} needs the extra {extra}, which is not installed.",
        f"Install it where Poetry is: poetry self add {named}, pipx inject --force poetry {named},"
        f" or uv tool install poetry --with {named}.",
    )
