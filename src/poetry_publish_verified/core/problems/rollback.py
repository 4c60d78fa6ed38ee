"""Releases that are not, or not yet, taken back (PV510 to PV514)."""

from collections.abc import Collection, Sequence

from poetry_publish_verified.core.problems.words import RERUN, Text, problem, some
from poetry_publish_verified.errors import Code
from poetry_publish_verified.sanitize import harmless, printable


@problem(Code.CANNOT_DELETE)
def cannot_delete(release: str, url: str, *, why: str, page: str | None, instead: str) -> Text:
    """`instead` is the next free version, `page` that of the project's releases, if known."""
    where = page or "the index's page of the release"
    return Text(
        f"{release} cannot be deleted from {url} by a program: {why}. Nothing was deleted.",
        f"Yank it on {where} (installers then skip it, unless somebody pinned the version), and"
        f" publish {instead} instead.",
    )


@problem(Code.OTHERS_FILES)
def others_files(release: str, index: str, filenames: Collection[str]) -> Text:
    return Text(
        f"{index} has files of {release} that the receipt's run did not upload, or not with this"
        f" content: {some(filenames)}. Deleting the version would delete them too, so nothing was"
        " deleted.",
        "Find out who uploaded them. To delete only some files, use the tools of the index.",
    )


@problem(Code.NOT_CONFIRMED)
def not_confirmed(releases: Sequence[str], *, asked: bool) -> Text:
    return Text(
        f"{some(releases)} {'was' if len(releases) == 1 else 'were'} not deleted: "
        + ("the answer was not yes." if asked else "nobody can be asked without a terminal."),
        "Run the same command again and type yes."
        if asked
        else "Add --yes to delete it without a question.",
    )


@problem(Code.DELETION_FAILED)
def deletion_failed(release: str, index: str, filenames: Collection[str], said: str) -> Text:
    words = f" The server said: {printable(said)}." if said else ""
    return Text(
        f"{index} still has {some(filenames)} of {release}.{words}",
        f"Check whether this user may delete files of the repository, then {RERUN}.",
    )


@problem(Code.INDEX_STATE_UNKNOWN)
def not_told(index: str, detail: str, *, asked: bool) -> Text:
    """`asked`: it was asked to delete the release before."""
    state = "so it is not known what was deleted" if asked else "so nothing was deleted"
    return Text(
        f"Cannot tell which files of this release {index} has ({printable(detail)}), {state}.",
        f"Check the index's URL, and that it is up, then {RERUN}.",
    )


@problem(Code.ANOTHER_REPOSITORY)
def another_repository(repository: str, url: str, configured: str) -> Text:
    """Anyone may have written a receipt: credentials go only where Poetry sends them."""
    return Text(
        f"The receipt's run uploaded to {printable(url)}, but repository {harmless(repository)} is"
        f" {configured}. Nothing was deleted.",
        "Run this where the repository has the URL of the receipt.",
    )


@problem(Code.SETTING)
def no_receipt_named() -> Text:
    return Text(
        "The receipt of the run to take back is not named.",
        "Pass --receipt FILE. The run has printed its path.",
    )


@problem(Code.RECEIPT_UNREADABLE)
def nothing_sent(path: str, repository: str | None) -> Text:
    there = f" to {harmless(repository)}" if repository else ""
    return Text(
        f"The run of the receipt {harmless(path)} uploaded nothing{there} that could be taken"
        " back.",
        "Files that were on the index before that run are not deleted.",
    )
