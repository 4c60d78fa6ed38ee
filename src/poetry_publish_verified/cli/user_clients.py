"""The user's own machine: what keeps a proven release from their Poetry."""

from collections.abc import Callable, Iterable

from poetry_publish_verified.cli.release_source import DistDirRelease
from poetry_publish_verified.core.events import Event, ProblemFound
from poetry_publish_verified.core.problems.machine import poetry_cache_not_cleared
from poetry_publish_verified.guard.seams.cache import forget_release


def forget_in_poetrys_caches(
    index_urls: Iterable[str], name: str, version: str, report: Callable[[Event], None]
) -> None:
    """Drop what Poetry's own caches hold of a release, so that the next `poetry lock` sees it."""
    for url in index_urls:
        if (warning := forget_release(url, name, version).warning) is not None:
            report(ProblemFound(poetry_cache_not_cleared(url, warning)))


def forget_arrived(source: DistDirRelease) -> None:
    """The same of what was released here."""
    urls = [index.url for index in source.started.targets.shown_by]
    identity = source.identity
    forget_in_poetrys_caches(urls, identity.name, str(identity.version), source.report)
