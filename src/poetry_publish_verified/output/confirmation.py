"""What somebody is asked to confirm, in words and in cleo's styles."""

from collections.abc import Iterator, Sequence

from poetry_publish_verified.core.confirmation import ProposedRelease
from poetry_publish_verified.core.problems.words import some
from poetry_publish_verified.output.words import escaped, in_bytes, plural


def lines(releases: Sequence[ProposedRelease]) -> Iterator[str]:
    """What would go where, what is there already, and what is unusual."""
    for release in releases:
        places = " and then to ".join(escaped(place, "info") for place in release.places)
        yield ""
        yield f"{escaped(release.name, 'c1')} ({escaped(release.version, 'c2')}) goes to {places}:"
        for file in release.files:
            size = in_bytes(file.size)
            there = f", already on {escaped(some(file.there))}" if file.there else ""
            yield f"  {escaped(file.filename, 'c1')} ({size}{there})"
            yield f"    sha256 {escaped(file.sha256)}"
        if release.previous is None:
            yield "  There is no earlier release to compare it with."
        elif not release.unusual:
            yield f"  It has the same kinds of files as {escaped(release.previous)}."
        for words in release.unusual:
            yield f"  {escaped(f'Unlike {release.previous}: {words}.', 'warning')}"
        if release.warnings:
            codes = some(list(dict.fromkeys(release.warnings)))
            count = plural(len(release.warnings), "warning")
            yield f"  {escaped(f'{count}, see above: {codes}.', 'warning')}"
    yield ""


def question(releases: Sequence[ProposedRelease]) -> str:
    """The question itself: `Publish 2 files to quay and harbour?`."""
    places = dict.fromkeys(place for release in releases for place in release.places)
    count = sum(len(release.files) for release in releases)
    named = " and ".join(escaped(place) for place in places)
    return f"Publish {'this' if count == 1 else 'these'} {plural(count, 'file')} to {named}?"
