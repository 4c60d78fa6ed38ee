"""The last lines of a run: who failed, how it ended, and what to do first."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from poetry_publish_verified.core.problems.words import some
from poetry_publish_verified.core.settings import Until
from poetry_publish_verified.errors import Problem, Verdict
from poetry_publish_verified.output.releases import Release, Releases
from poetry_publish_verified.output.words import plural
from poetry_publish_verified.sanitize import printable

Kind = Literal["publish", "dry-run", "wait"]

_STATES = {
    Verdict.CONFLICT: "the index has different content under the same file name",
    Verdict.VERIFICATION_FAILED: "an index serves something other than what was published",
    Verdict.LOCK_TIMEOUT: "nothing was changed",
}
_LEVELS = list(Until)
# So many errors fit on a screen with the last lines, so many names on a line.
_NEAR = 3
_NAMES = 10
# So many characters of an error.
_WHY = 200


def reasons(releases: Releases) -> Iterator[tuple[str, str]]:
    """Who failed, how, and with which error first; and what to do about that, if anything.

    Nothing of a single release with a few errors, which are just above.
    """
    several = releases.all if releases.several else []
    groups: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for each in several:
        for first in each.errors[:1]:
            groups[f"{each.verdict} ({first.code})", first.remedy].append(each.title)
    for (how, remedy), titles in groups.items():
        yield f"{how}: {some(titles, _NAMES)}", remedy
    if blocked := [each.title for each in several if each.verdict is Verdict.BLOCKED]:
        yield f"blocked: {some(blocked, _NAMES)}", ""
    errors = releases.errors if several else [*releases.errors, *releases.last.errors]
    if len(errors) > _NEAR:
        yield f"{len(errors)} errors, the first: {errors[0].code}", errors[0].remedy


def verdict_line(releases: Releases, verdict: Verdict, kind: Kind, *, below: bool = False) -> str:
    """The verdict with the level that was proven, or with how far the run came.

    `below`: it follows the errors themselves, and the codes of a few will do.
    """
    below &= len(releases.errors) + sum(len(each.errors) for each in releases.all) <= _NEAR
    last = releases.last
    subject, is_ = last.title.strip(), "is"
    if releases.several:
        good = sum(each.verdict.exit_code == 0 for each in releases.all)
        noun = "project" if releases.projects else "release"
        subject, is_ = f"{good} of {plural(releases.projects or len(releases.all), noun)}", "are"
    proofs = [proof for each in releases.all for proof in each.proofs.values()]
    level = min((proof.level for proof in proofs), key=_LEVELS.index, default=Until.LISTED)
    match verdict:
        case Verdict.VERIFIED:
            words = f"{subject} {is_} {level}"
        case Verdict.KEPT_REMOTE:
            states = [state for each in releases.all for state in each.files.values()]
            kept = states.count("kept-remote")
            differ = f"{plural(kept, 'file')} {'differs' if kept == 1 else 'differ'}"
            words = f"{subject} {is_} {level}, but {differ} from the build"
        case Verdict.STAGED:
            stages, places = _stages(releases)
            words = f"{subject} {is_} {Until.INSTALLABLE} on {stages}; nothing was sent to {places}"
        case Verdict.DRY_RUN:
            words = f"{subject} passed every check; nothing was uploaded, no credentials were tried"
        case Verdict.ERROR if all(each.verdict.exit_code == 0 for each in releases.all or [last]):
            words = f"{subject} {is_} {level}, but not everything was recorded"
        case _ if releases.projects and kind != "wait":
            words = _failures(releases, verdict, below=below)
        case _ if releases.last.on_stage:
            stage, there = releases.last.on_stage
            words = f"{subject} is not verified on {stage} ({there.arrived()} there);"
            words += f" {_nothing(releases)}{_again(verdict)}"
        case Verdict.UPLOAD_FAILED:
            words = f"{releases.last.arrived()} are on the index"
        case _ if verdict in _STATES and kind != "wait":
            staged = releases.last.stages.items()
            places = "".join(f"on {n}, " for n, there in staged if there.verdict is verdict)
            words = places + _STATES[verdict]
        case _:
            words = _progress(releases, verdict, subject, kind)
    return f"{verdict}: {words}"


def _progress(releases: Releases, verdict: Verdict, subject: str, kind: Kind) -> str:
    if not subject or (kind != "wait" and not any(each.sending for each in releases.all)):
        return "nothing was verified" if kind == "wait" else _nothing(releases)
    if kind == "wait":
        failed = [each for each in releases.all if each.verdict.exit_code != 0]
        words = "; ".join(each.unproven() for each in failed[:_NEAR])
        if releases.several:
            words += f". {len(failed)} of {plural(len(releases.all), 'release')} failed"
    else:
        words = f"{releases.last.arrived()} uploaded, not yet verified"
    return words + _again(verdict)


def _failures(releases: Releases, verdict: Verdict, *, below: bool) -> str:
    """What failed and why (else what is unfinished), then how many did not."""
    every = releases.all
    failed = [each for each in every if each.verdict.exit_code]
    unfinished = [each.title for each in every if each.verdict is Verdict.RUNNING]
    blocked = sum(each.verdict is Verdict.BLOCKED for each in every)
    good = len(every) - len(failed) - len(unfinished) - blocked
    total, sending = plural(releases.projects, "project"), any(each.sending for each in every)
    words = []
    if failed:
        words.append(f"{len(failed)} of {total} failed: {', '.join(_causes(failed, below=below))}")
    elif releases.errors:
        words.append(_why(releases.errors, below=below))
    elif sending:
        count, names = len(unfinished), some(unfinished, _NEAR)
        words.append(f"{count} of {total} {_are(count)} not proven: {names}")
    words += [f"{blocked} {_are(blocked)} blocked"] if blocked else []
    words.append(f"{good} {_are(good)} proven" if sending else _nothing(releases))
    return "; ".join(words) + (_again(verdict) if sending or _on_stages(releases) else "")


def _on_stages(releases: Releases) -> bool:
    """Whether anything was sent to a stage."""
    return any(there.sending for each in releases.all for there in each.stages.values())


def _nothing(releases: Releases) -> str:
    staged = _on_stages(releases)
    return f"nothing was sent to {_stages(releases)[1]}" if staged else "nothing was uploaded"


def _stages(releases: Releases) -> tuple[str, str]:
    """The names of the stages, and that of the repository behind them."""
    stages = dict.fromkeys(stage for each in releases.all for stage in each.stages)
    repositories = dict.fromkeys(each.repository for each in releases.all if each.repository)
    return some(list(stages)), some(list(repositories))


def _causes(failed: Iterable[Release], *, below: bool) -> Iterator[str]:
    """Releases with their first error, those with the same code together."""
    groups: defaultdict[str, list[Release]] = defaultdict(list)
    for each in failed:
        groups[each.errors[0].code if each.errors else ""].append(each)
    for same in groups.values():
        why = f" ({_why(same[0].errors, below=below)})" if same[0].errors else ""
        yield f"{some([each.title for each in same], _NEAR)}{why}"


def _why(errors: Sequence[Problem], *, below: bool) -> str:
    """`PV401: the first error, and 2 more`; only the code, `below` the errors."""
    more = f", and {len(errors) - 1} more" if len(errors) > 1 else ""
    message = "" if below else f": {printable(errors[0].message.rstrip('.'), _WHY)}"
    return f"{errors[0].code}{message}{more}"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _again(verdict: Verdict) -> str:
    again = verdict in {Verdict.INTERRUPTED, Verdict.NOT_VISIBLE}
    return ". Run the same command again to finish." if again else ""
