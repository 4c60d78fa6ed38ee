"""What a benchmark found: ways to do one thing side by side, as a table and as JSON."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Way = Callable[[], Mapping[str, float]]
"""Does it once; what that took, by the name of what was measured."""


@dataclass(frozen=True)
class Figure:
    """Ways that were measured in turn: a value per turn and way.

    `includes` says what one value is. Each turn's values are compared with that of `base`.
    """

    name: str
    title: str
    includes: str
    base: str
    values: Mapping[str, list[float]]
    unit: str = "s"
    wanted: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)

    def rows(self) -> list[dict[str, Any]]:
        """One per way, as JSON values: its median, and the medians of ratio and difference."""
        bases = self.values[self.base]
        return [
            {
                "way": way,
                "median": _median(values),
                "ratio": _median([mine / base for mine, base in zip(values, bases, strict=True)]),
                "more": _median([mine - base for mine, base in zip(values, bases, strict=True)]),
                "values": [round(value, 4) for value in values],
            }
            for way, values in self.values.items()
        ]

    def as_dict(self) -> dict[str, Any]:
        """As JSON values."""
        told = {key: getattr(self, key) for key in ("name", "title", "includes", "unit", "base")}
        return {**told, "wanted": self.wanted, "ways": self.rows()}

    def table(self) -> list[str]:
        """Lines for a terminal."""
        wide = max(map(len, self.values)) + 2
        head = f"  {'':{wide}} {'median':>12} {'ratio':>7} {'more':>10}   {'lowest to highest'}"
        lines = ["", f"{self.title} [{self.name}]", f"  {self.includes}", head]
        for row in self.rows():
            low, high = min(row["values"]), max(row["values"])
            lines.append(
                f"  {row['way']:{wide}} {row['median']:9.2f} {self.unit:2} {row['ratio']:7.2f}"
                f" {row['more']:+10.2f}   {low:.2f} to {high:.2f}"
            )
        return [*lines, f"  wanted: {self.wanted}"] if self.wanted else lines


def in_turn(ways: Iterable[Way], runs: int, *, warm: bool = False) -> dict[str, list[float]]:
    """Do each way once per turn, in alternating order; with `warm`, a first turn does not count."""
    ordered = list(ways)
    found: dict[str, list[float]] = {}
    if warm:
        for way in ordered:
            way()
    for turn in range(runs):
        taken = [way() for way in (ordered[::-1] if turn % 2 else ordered)]
        for values in taken[::-1] if turn % 2 else taken:
            for name, value in values.items():
                found.setdefault(name, []).append(value)
    return found


def document(figures: Iterable[Figure], at: datetime) -> dict[str, Any]:
    """Everything that was found, and on which machine, as JSON values."""
    found = list(figures)
    return {
        "schema": "publish-verified.bench/1",
        "date": at.date().isoformat(),
        "machine": {
            "cores": os.cpu_count(),
            "architecture": platform.machine(),
            "system": platform.platform(),
            "python": platform.python_version(),
        },
        "versions": {key: each.versions[key] for each in found for key in sorted(each.versions)},
        "figures": [figure.as_dict() for figure in found],
    }


def _median(values: Iterable[float]) -> float:
    return round(statistics.median(values), 4)
