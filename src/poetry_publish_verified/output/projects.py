"""Many projects, one row each."""

from collections import Counter

from poetry_publish_verified.core.problems.words import some
from poetry_publish_verified.output.releases import Release, Releases
from poetry_publish_verified.output.words import shortened, unstyled

# What moves is above what waits.
_ORDER = ("uploading", "visible", "building", "built", "waiting", "ready")
_LONGEST_NAME = 40


def project_rows(releases: Releases, width: int) -> list[str]:
    """How many have ended and how, and a row for each other; none longer than `width`.

    Nothing before the first project moves: there may be questions first.
    """
    if all(each.state == "ready" for each in releases.all):
        return []
    ended = Counter(each.verdict for each in releases.all if each.state == "ended")
    left = [each for each in releases.all if each.state != "ended"]
    counts = [f"{count} {verdict}" for verdict, count in sorted(ended.items())]
    lines = [", ".join([*counts, f"{len(left)} to go"])]
    column = min(max((len(each.name) for each in left), default=0), _LONGEST_NAME)
    gone = {each.name for each in releases.all if each.state == "ended"}
    lines += [
        f"  {shortened(each.name, column):<{column}} {unstyled(_state(each, gone))}"
        for each in sorted(left, key=lambda each: _ORDER.index(each.state))
    ]
    return [line[:width] for line in lines]


def _state(release: Release, gone: set[str]) -> str:
    """What a project is doing; it no longer waits for those that are `gone`."""
    needs = [name for name in release.needs if name not in gone]
    if release.state == "waiting" and needs:
        return f"waiting for {some(needs, 3)}"
    if release.state == "uploading":
        return f"uploading {release.there()}/{len(release.files)}"
    if release.state == "visible":
        seen = sum(proof.variants <= proof.seen_after.keys() for proof in release.proofs.values())
        return f"visible on {seen} of {release.indexes}"
    return release.state
