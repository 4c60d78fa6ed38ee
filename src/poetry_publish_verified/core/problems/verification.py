"""What indexes show and serve in the end, and what clients get from them (PV6xx, PV7xx)."""

from collections.abc import Collection, Iterable, Iterator

from poetry_publish_verified.core.problems.repository import get_an_answer, give_credentials
from poetry_publish_verified.core.problems.words import RERUN, Text, problem, some, why
from poetry_publish_verified.durations import in_words
from poetry_publish_verified.errors import Code, Problem, Severity
from poetry_publish_verified.sanitize import printable, redacted

_NAMES = 10
_REMEDIES = {
    Code.YANKED: "Undo the yank on the index's page of the release, or bump the version.",
    Code.QUARANTINED: "Ask the index's administrators why, then run the same command again.",
}


@problem(Code.INDEX_DENIED)
def denied(index: str, said: str, name: str | None) -> Text:
    """An index refuses to be read; `name` is that of its login."""
    return Text(f"{index} denies access ({said}).", f"{give_credentials(name)}, then {RERUN}.")


@problem(Code.INDEX_NOT_REACHED)
def unreadable(
    index: str, said: str, waited: float, *, name: str | None, malformed: bool = False
) -> Text:
    """Every answer within `waited` seconds was an error, or the last one a `malformed` page.

    `name` is that of the index's login.
    """
    return Text(
        f"Cannot read {index}: no usable answer within {waited:.0f} s ({said}).",
        get_an_answer(said, name, malformed=malformed),
    )


@problem(Code.NO_INDEX_THERE)
def no_index(index: str, said: str, timeout: float) -> Text:
    return Text(
        f"There seems to be no index at {index}: {said}, and within {timeout:.0f} s there was no"
        " page of the project either.",
        "Pass --index with the root URL of the simple API, which often ends in /simple/.",
    )


@problem(Code.NO_INDEX_THERE, "warning")
def perhaps_no_index(index: str, said: str) -> Text:
    return Text(
        f"There may be no index at {index}: {said}.",
        "Check the URL: it should be the root of a simple API, which often ends in /simple/.",
    )


@problem(Code.NOT_LISTED_IN_TIME)
def not_listed_in_time(
    index: str, what: str, timeout: float, details: Iterable[str], *, moved: bool
) -> Text:
    more = "; ".join(details)
    return Text(
        f"{index} did not list {what} within {timeout:.0f} s{f' ({more})' if more else ''}.",
        "If the index has moved, pass its new URL with --index."
        if moved
        else "Run the same command again to keep waiting. If this index is always this slow, raise"
        " --timeout.",
    )


@problem(Code.LISTED_IMPROPERLY)
def listed_improperly(index: str, what: str, timeout: float, details: Iterable[str]) -> Text:
    return Text(
        f"{index} did not list {what} as the simple API requires within {timeout:.0f} s"
        f" ({'; '.join(details)}).",
        f"Ask the operator of the index to fix its listing, then {RERUN}.",
    )


def why_not_listed(
    clients: Collection[str],
    answer: str,
    *,
    errors: int,
    requests: int,
    relapses: int,
    rest: float | None,
    expires_in: float,
) -> Iterator[str]:
    """What is known about that: of `clients` that do not see it, and of the last `answer`.

    `rest` are the seconds that the server asked for, `expires_in` those that a cache announced.
    """
    if clients:
        yield f"as seen by {', '.join(clients)}"
    if answer:
        yield f"last answer: {answer}"
    if errors:
        yield f"{errors} of {requests} answers were unusable"
    if relapses:
        times = "once" if relapses == 1 else f"{relapses} times"
        yield f"the release disappeared again {times}: not every server of the index has it"
    if rest:
        yield f"the server asked for a pause of {in_words(rest)}"
    if expires_in > 0:
        yield f"a cache may serve the old page for another {in_words(expires_in)}"


@problem(Code.COPIES_BY_USER_AGENT, "warning")
def copies_by_user_agent(index: str) -> Text:
    return Text(
        f"The cache in front of {index} keeps one copy of each page per User-Agent (Vary), so a"
        " client that asked before the upload may see the old page until its copy expires.",
        "Configure the cache to ignore User-Agent: the pages do not depend on it.",
    )


@problem(Code.NOT_UPLOADED, "warning")
def not_uploaded(verdict: str, filenames: Collection[str]) -> Text:
    """A publisher's receipt says so, and how its run ended."""
    return Text(
        f"According to the receipt ({verdict}), the publisher's run did not upload, or may not have"
        f" uploaded, {some(filenames)}.",
        "Unless another run has uploaded them since, run poetry publish-verified again first.",
    )


@problem(Code.COMPLETENESS_UNKNOWN, "warning")
def completeness_unknown() -> Text:
    return Text(
        "Only the files that the indexes list are checked (completeness unknown).",
        "To check for exact files, pass --from-receipt FILE or --dist-dir DIR.",
    )


def page_fault(index: str, code: Code, words: str, filename: str | None) -> Problem:
    """An index lists a file wrongly; `words` are one of the following."""
    remedy = _REMEDIES.get(code, _do_not_use(index))
    return Problem(code, f"{index} {words}.", remedy, filename=filename, index=index)


# These go on after the index's URL, which is not known where pages are judged.


def other_hash(filename: str, *, listed: str, published: str) -> str:
    return f"lists {filename} with sha256 {listed}, but {published} was published"


def two_hashes(filename: str) -> str:
    return f"lists {filename} twice, under different hashes"


def other_size(filename: str, *, listed: int | None, size: int) -> str:
    return f"lists {filename} with a size of {listed} bytes instead of {size}"


def other_requires_python(filename: str, *, listed: str, built: str | None) -> str:
    said, own = (repr(printable(text, 100)) for text in (listed, built or ""))
    return f"lists {filename} with requires-python {said}, but the file says {own}"


def other_metadata(filename: str, *, listed: str | None, own: str) -> str:
    return f"lists {filename} with metadata of sha256 {listed}, but the file's own is {own}"


def yanked(filename: str, reason: str | None) -> str:
    return f"lists {filename} as yanked{why(reason)}, so installers skip it"


def is_quarantined(reason: str | None) -> str:
    return f"has quarantined the project{why(reason)}"


def quarantined(index: str, reason: str) -> Problem:
    """The project is quarantined, so its page lists nothing (PEP 792)."""
    words = f"{is_quarantined(reason)}, so it lists none of its files"
    return page_fault(index, Code.QUARANTINED, words, None)


@problem(Code.EXTRA_FILE)
def extra_files(index: str, filenames: Collection[str], severity: Severity) -> Text:
    found = f"{index} lists unexpected files of this version: {some(filenames, _NAMES)}."
    if severity == "error":
        return Text(
            found, "Find out who published them. If another job does, run without --strict."
        )
    return Text(
        f"{found} They were not checked.", "No action needed if another job publishes them."
    )


@problem(Code.PROJECT_STATUS, "warning")
def project_status(index: str, status: str, reason: str | None) -> Text:
    """The project is archived or deprecated (PEP 792)."""
    return Text(
        f"{index} marks the project as {status}{why(reason)}.",
        "If that is wrong, change it in the project's settings on the index.",
    )


@problem(Code.NO_HASH_LISTED)
def no_hash(index: str, filenames: Collection[str], severity: Severity) -> Text:
    """Files without a sha256: an error unless their content is compared all the same."""
    found = f"{index} lists {some(filenames)} without a sha256, so"
    if severity == "error":
        return Text(
            f"{found} the listing alone proves nothing.",
            "Use --until downloadable, which compares the files themselves.",
        )
    return Text(
        f"{found} installers cannot check what they download.",
        "No action needed for this release: its files are downloaded and compared.",
    )


@problem(Code.NOT_FETCHED_IN_TIME)
def not_downloadable(index: str, filename: str, detail: str, *, metadata: bool = False) -> Text:
    """A file, or its `.metadata` (PEP 658), is offered and cannot be downloaded."""
    what = f"offers the metadata of {filename}" if metadata else f"lists {filename}"
    return Text(
        f"{index} {what}, but it cannot be downloaded: {detail}.",
        "Run the same command again later.",
    )


@problem(Code.OTHER_BYTES_SERVED)
def other_bytes(index: str, filename: str, *, served: str, size: int, expected: str) -> Text:
    """An index serves other bytes; `served` is their sha256, empty if the file is longer."""
    found = f"sha256 {served}" if served else "a longer file"
    return Text(
        f"{index} serves a different {filename}: {found} ({size} bytes read) instead of sha256"
        f" {expected}.",
        _do_not_use(index),
    )


@problem(Code.OTHER_BYTES_SERVED)
def not_the_archive(index: str, filename: str, flaw: str) -> Text:
    """No hash of what was published is known, and this is not what the file name says."""
    return Text(f"{index} serves something else as {filename}: {flaw}.", _do_not_use(index))


@problem(Code.ENCODED_IN_TRANSIT)
def encoded_in_transit(index: str, filename: str, coding: str) -> Text:
    return Text(
        f"{index} serves {filename} with 'Content-Encoding: {coding}'. The bytes are the published"
        " ones, but uv and Poetry decode them and fail.",
        "Configure the server to send archives without a Content-Encoding.",
    )


@problem(Code.OTHER_DIGEST_LISTED)
def other_digest_listed(
    index: str, filename: str, *, algorithm: str, listed: str, actual: str | None
) -> Text:
    return Text(
        f"{index} lists {filename} with {algorithm} {listed}, but the file has {actual}, so"
        " installers reject it.",
        "Fix the hash that the index lists, or configure it to list sha256 only.",
    )


@problem(Code.OTHER_METADATA_SERVED)
def other_metadata_served(index: str, filename: str, *, served: str, expected: str) -> Text:
    return Text(
        f"{index} serves metadata for {filename} that differs from the file's own: sha256 {served}"
        f" instead of {expected}. Installers would resolve with the wrong metadata.",
        _do_not_use(index),
    )


@problem(Code.OTHER_METADATA_LISTED)
def other_metadata_listed(
    index: str, filename: str, *, algorithm: str, listed: str, actual: str | None
) -> Text:
    return Text(
        f"{index} lists the metadata of {filename} with {algorithm} {listed}, but serves {actual},"
        " so installers reject it.",
        _do_not_use(index),
    )


@problem(Code.NOT_INSTALLABLE_BY_NATURE, "warning")
def nothing_to_install() -> Text:
    return Text(
        "The release has no wheel, so --until installable has nothing to install.",
        "No action needed, unless the release should have a wheel.",
    )


@problem(Code.CLIENT_CANNOT_INSTALL)
def fits_no_python(index: str, filename: str) -> Text:
    return Text(
        f"{filename} cannot be installed: no Python version matches both its tags and its"
        " Requires-Python.",
        "Fix requires-python or the wheel's tags, and publish a new version.",
    )


@problem(Code.CLIENT_UNAVAILABLE, "warning")
def no_client_asked(filename: str, index: str, reasons: Collection[str]) -> Text:
    return Text(
        f"No client can check {filename}: {'; '.join(reasons)}.",
        "Add pip to --clients.",
    )


@problem(Code.CLIENT_CANNOT_INSTALL)
def client_cannot_install(client: str, filename: str, index: str, detail: str) -> Text:
    return Text(
        f"{client} cannot install {filename} from {index}: {redacted(detail)}",
        f"Run the same command again. If {client} still fails, its message says why.",
    )


@problem(Code.OTHER_BYTES_SERVED)
def client_got_other_bytes(
    client: str, filename: str, index: str, *, got: str, sha256: str
) -> Text:
    return Text(
        f"{client} downloaded {got} with sha256 {sha256} instead of the published {filename}.",
        "Remove the other file from the index, or bump the version.",
    )


@problem(Code.CLIENT_TAKES_ANOTHER, "warning")
def client_prefers_another(client: str, wheel: str, index: str, *, got: str) -> Text:
    return Text(
        f"{client} takes {got} instead of {wheel}: they differ only in the build tag, so nobody"
        f" gets {wheel}.",
        "No action needed if that is intended.",
    )


@problem(Code.WARM_CACHE, "warning")
def stale_client_cache(client: str, release: str, index: str, remedy: str) -> Text:
    """The user's own cache still has an older page; `remedy` is a command."""
    return Text(
        f"{client} finds {release} on {index}, but your own {client} cache still holds an older"
        " page.",
        f"Refresh it: {remedy}",
    )


def _do_not_use(index: str) -> str:
    return f"Do not install this release from {index} until you know what changes its files."
