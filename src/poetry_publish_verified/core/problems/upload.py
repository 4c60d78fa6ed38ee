"""Uploads that fail, end in doubt, or meet other bytes (PV408, PV409, PV438, PV501 to PV504).

What servers say when they refuse a file has a catalog of its own: `core/upload/refusals`.
"""

from collections.abc import Collection, Sequence

from poetry_publish_verified.core.problems.repository import past_the_sign_in_page
from poetry_publish_verified.core.problems.words import RERUN, Text, problem, some, why
from poetry_publish_verified.errors import Code, Problem
from poetry_publish_verified.sanitize import harmless, printable

_RAISE = "Bump the version and build again"


def refused(code: Code, filename: str, cause: str, *, words: str, remedy: str) -> Problem:
    """The server refused a file; `words` are its own."""
    return Problem(
        code,
        f"{filename} was refused: {cause}. The server said: {words}",
        remedy,
        filename=filename,
    )


@problem(Code.CREDENTIALS_MISSING)
def no_credentials_sent(
    filename: str, repository: str, variables: Sequence[str], *, words: str
) -> Text:
    """The server wants credentials, and Poetry found none; `variables` are those it reads."""
    name = harmless(repository)
    environment = (
        f"the environment ({', '.join(variables)})"
        if variables
        else "the environment (Poetry reads no variable for a name like this one)"
    )
    return Text(
        f"{filename} was refused: no credentials were sent, because there are none for repository"
        f" {name} on the command line, in {environment}, in Poetry's configuration"
        f" (http-basic.{name}, pypi-token.{name}), in the keyring or in ~/.netrc. The server said:"
        f" {words}",
        f"Run poetry config http-basic.{name} <user> <password>"
        + (f", or set {variables[-2]} and {variables[-1]}" if variables else "")
        + f", then {RERUN}.",
    )


@problem(Code.CREDENTIALS_REFUSED)
def minted_token_refused(filename: str, *, words: str) -> Text:
    return Text(
        f"{filename} was refused: the index does not accept the upload token that it gave this run"
        f" as a trusted publisher. The server said: {words}",
        "Run the job again to get a new token. If that does not help, check on the index that the"
        " project trusts this job's workflow.",
    )


@problem(Code.FILE_CHANGED)
def file_changed(filename: str) -> Text:
    return Text(
        f"{filename} was not uploaded: it changed after it was read, so another process is writing"
        " to the dist directory.",
        "Run the same command again once nothing else is building there.",
    )


@problem(Code.UPLOAD_NOT_SENT)
def not_sent(filename: str, detail: str) -> Text:
    return Text(
        f"{filename} was not uploaded: {printable(detail)}.",
        f"Check the repository's URL, the network and the certificates, then {RERUN}.",
    )


@problem(Code.UPLOAD_STATE_UNKNOWN)
def state_unknown(filename: str, own: str, words: str) -> Text:
    """Neither the answer (`words`) nor the repository's own index says whether a file is stored."""
    return Text(
        f"Cannot tell whether {filename} was stored: {own} does not list it, and the upload ended"
        f" with: {words}",
        "Run the same command again: files that are on the index by then are not uploaded twice.",
    )


@problem(Code.WEB_PAGE)
def web_page(filename: str, upload_url: str, *, repository: str, words: str, sign_in: bool) -> Text:
    kind = "sign-in page" if sign_in else "web page"
    return Text(
        f"{filename} was probably not stored: a {kind} answered at {printable(upload_url)} instead"
        f" of the index, which does not list the file. The server said: {words}",
        past_the_sign_in_page(repository)
        if sign_in
        else f"Check the upload URL (poetry config repositories.{harmless(repository)} <upload"
        f" URL>), and any proxy on the way, then {RERUN}.",
    )


@problem(Code.CONFLICT)
def conflict(filename: str, index: str, *, remote: str, local: str) -> Text:
    """The index holds different content under the name; `remote` and `local` are sha256."""
    return Text(
        f"{_differs(filename, index, remote, local)}.",
        f"{_RAISE}: a published file cannot be replaced. To keep what is there, pass"
        " --skip-existing.",
    )


@problem(Code.KEPT_REMOTE, "warning")
def kept_remote(filename: str, index: str, *, remote: str, local: str) -> Text:
    return Text(
        f"{_differs(filename, index, remote, local)}. It was kept because of --skip-existing.",
        "To publish the new content, bump the version.",
    )


@problem(Code.CONFLICT)
def conflict_by_word(filename: str, index: str, *, local: str, words: str) -> Text:
    return Text(
        f"{index} says that it already has a different {filename} (not sha256 {local}), but does"
        f" not list it yet. It said: {words}",
        f"{_RAISE}: a published file cannot be replaced.",
    )


@problem(Code.SAME_BYTES_ELSEWHERE)
def same_bytes_elsewhere(filename: str, index: str, *, other: str, local: str, words: str) -> Text:
    return Text(
        f"{index} already has the content of {filename} (sha256 {local}) as {other}, and does not"
        f" store it twice. It said: {words}",
        f"{_RAISE}. Do not rename distributions by hand.",
    )


@problem(Code.OTHER_SOURCES)
def other_sources(release: str, index: str, commit: str | None, differing: Collection[str]) -> Text:
    """An earlier run (at `commit`, if known) began to send files built from other sources."""
    at = f" (commit {commit})" if commit else ""
    return Text(
        f"{index} already has files of {release} that an earlier run built from other sources. The"
        f" files built now differ in {some(differing)}.",
        f"{_RAISE}. To complete the earlier release instead, check out its sources{at} and"
        f" {RERUN}.",
    )


@problem(Code.VERSION_SPELLED_OTHERWISE)
def version_spelled_otherwise(index: str, release: str, filenames: Collection[str]) -> Text:
    return Text(
        f"{index} already has {release} under another spelling of the version"
        f" ({some(filenames)}), and treats both as one release. Nothing was uploaded.",
        f"{_RAISE}, or spell the version as the index does.",
    )


@problem(Code.YANKED)
def release_yanked(index: str, release: str, reason: str) -> Text:
    """Files would join a release that was yanked (PEP 592)."""
    return Text(
        f"{release} is yanked on {index}{why(reason)}, so installers would not choose it. Nothing"
        " was uploaded.",
        "Undo the yank on the index's page of the release, or bump the version.",
    )


@problem(Code.NOT_ALLOWED)
def project_archived(index: str, name: str) -> Text:
    """PyPI takes no files for an archived project (PEP 792)."""
    return Text(
        f"The project {name} is archived on {index}, which accepts no files for it. Nothing was"
        " uploaded.",
        f"Unarchive the project in its settings on the index, then {RERUN}.",
    )


def _differs(filename: str, index: str, remote: str, local: str) -> str:
    return f"{index} already has a different {filename}: sha256 {remote} there, {local} here"
