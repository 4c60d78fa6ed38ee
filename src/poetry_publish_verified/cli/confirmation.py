"""`--confirm`: shows what a run would do, and asks; nobody waits for a lock meanwhile."""

import sys
from collections.abc import Callable, Collection
from contextlib import ExitStack

from cleo.io.io import IO

from poetry_publish_verified.cli.console import Reporting
from poetry_publish_verified.cli.options import PublishOptions
from poetry_publish_verified.cli.questions import agrees
from poetry_publish_verified.cli.release_source import DistDirRelease
from poetry_publish_verified.core.confirmation import ProposedRelease, proposal
from poetry_publish_verified.core.events import Confirmed
from poetry_publish_verified.core.problems import confirmation as problems
from poetry_publish_verified.core.settings import Settings
from poetry_publish_verified.errors import ReleaseError, Verdict
from poetry_publish_verified.output import confirmation as output
from poetry_publish_verified.output.words import escaped
from poetry_publish_verified.values import Value

_CHANGED = "Since you were asked, files have appeared on an index or vanished from one."


class Confirmation(Value):
    """Asks on a terminal; `yes` is the answer if it was given in advance."""

    io: IO
    report: Reporting
    checklist: tuple[str, ...]
    stage_only: bool
    yes: bool

    @classmethod
    def wanted(
        cls, io: IO, report: Reporting, options: PublishOptions, settings: Settings
    ) -> "Confirmation | None":
        """None if nobody has to be asked; raises ReleaseError if nobody can be."""
        if not (settings.confirm and options.for_users):
            return None
        seen = all(stream and stream.isatty() for stream in (sys.stdin, sys.stderr))
        if not (options.yes or (io.is_interactive() and seen)):
            raise ReleaseError.refused(problems.nobody_to_ask())
        report.undecided = True
        return cls(io, report, settings.checklist, options.stage_only, options.yes)

    def obtain(
        self,
        sources: Collection[DistDirRelease],
        look: Callable[[], Verdict],
        hold: Callable[[ExitStack], None],
        locks: ExitStack,
    ) -> Verdict | None:
        """Ask about what a `look` finds, until a later look finds just that; then None.

        `locks` are held before and afterwards, and taken again by `hold`; from then on `sources`
        accept no other files. Raises ReleaseError if the answer is no, or files have changed;
        returns the verdict of a look that finds faults of several releases.
        """
        if (verdict := look()) is not Verdict.DRY_RUN:
            return verdict
        shown = self._proposal()
        for source in sources:
            agreed = next(each for each in shown if each.name == source.identity.name)
            source.agreed.update(agreed.hashes)
        while not self.yes:
            locks.close()
            self._ask(shown)
            hold(locks)
            if (verdict := look()) is not Verdict.DRY_RUN:
                return verdict
            before, shown = shown, self._proposal()
            if shown == before:
                break
            self.report.print(["", escaped(_CHANGED, "warning")])
        else:
            self._ask(shown)
        self.report.decided()
        return None

    def _proposal(self) -> tuple[ProposedRelease, ...]:
        return proposal(self.report.receipt, stage_only=self.stage_only)

    def _ask(self, shown: tuple[ProposedRelease, ...]) -> None:
        self.report.print(output.lines(shown))
        answers: list[tuple[str, bool]] = []
        for item in self.checklist:
            answers.append((item, self._agrees(f"Done: {escaped(item)}?")))
            if not answers[-1][1]:
                break
        done = all(good for _, good in answers)
        confirmed = done and self._agrees(output.question(shown))
        self.report(Confirmed("--yes" if self.yes else "terminal", confirmed, tuple(answers)))
        if not done:
            raise ReleaseError.refused(problems.item_not_done(answers[-1][0]))
        if not confirmed:
            raise ReleaseError.refused(problems.declined())

    def _agrees(self, question: str) -> bool:
        if self.yes:
            self.io.write_error_line(f"{question} yes (--yes)")
        return self.yes or agrees(self.io, question)
