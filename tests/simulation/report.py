"""The figures as a Markdown table, and the targets as lines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tests.simulation.measuring import Measured, Target, percentile

_HEAD = (
    "delay",
    "policy",
    "median, s",
    "p95, s",
    "worst, s",
    "p95 of the share",
    "mean requests",
    "most",
    "of a 10-minute wait",
)


def row(measured: Measured) -> str:
    """One line of the table."""
    overshoots = measured.overshoots
    return _line(
        (
            measured.kind,
            measured.policy,
            f"{percentile(overshoots, 0.5):.2f}",
            f"{percentile(overshoots, 0.95):.2f}",
            f"{max(overshoots):.2f}",
            f"{measured.share:.1%}",
            f"{measured.mean_requests:.1f}",
            str(measured.most_requests),
            str(max(measured.ten_minutes)),
        )
    )


def table(measured: Sequence[Measured]) -> str:
    """The whole table."""
    rule = _line(["---", "---", *["---:"] * (len(_HEAD) - 2)])
    return "\n".join([_line(_HEAD), rule, *map(row, measured)])


def verdicts(targets: Iterable[Target]) -> str:
    """Each target, and whether it is met."""
    return "\n".join(
        f"{'met   ' if target.met else 'MISSED'}  {target.kind}: {target.what}:"
        f" {target.figure:.2f} (at most {target.limit:g})"
        for target in targets
    )


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
