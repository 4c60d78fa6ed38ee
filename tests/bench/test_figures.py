from __future__ import annotations

import json
from datetime import UTC, datetime

from tests.beds.environments import ROOT
from tests.bench.figures import Figure, document, in_turn

FIGURE = Figure(
    "small",
    "A small project",
    "Whole processes.",
    "stock",
    {"stock": [2.0, 1.0, 4.0], "ours": [3.0, 3.0, 5.0]},
    wanted="≤ 1.6 x stock",
    versions={"poetry": "2.5.1"},
)


def test_turns_alternate_and_rows_keep_their_order() -> None:
    """Each turn does every way once; what drifts on the machine meets both orders."""
    done: list[str] = []

    def way(name: str) -> dict[str, float]:
        done.append(name)
        return {name: float(len(done))}

    values = in_turn([lambda: way("stock"), lambda: way("ours")], 2, warm=True)
    assert done == ["stock", "ours", "stock", "ours", "ours", "stock"]
    assert list(values.items()) == [("stock", [3.0, 6.0]), ("ours", [4.0, 5.0])]


def test_a_row_compares_the_values_of_each_turn() -> None:
    """Ratio and difference are medians over turns, not those of the medians."""
    stock, ours = FIGURE.rows()
    assert (stock["median"], stock["ratio"], stock["more"]) == (2.0, 1.0, 0.0)
    assert (ours["median"], ours["ratio"], ours["more"]) == (3.0, 1.5, 1.0)


def test_the_table_has_a_line_per_way() -> None:
    """Each line has its way's name, median, unit and ratio."""
    heading, includes, columns, *rows, wanted = FIGURE.table()[1:]
    assert (heading, includes) == ("A small project [small]", "  Whole processes.")
    assert columns.split() == ["median", "ratio", "more", "lowest", "to", "highest"]
    assert [row.split()[:4] for row in rows] == [
        ["stock", "2.00", "s", "1.00"],
        ["ours", "3.00", "s", "1.50"],
    ]
    assert wanted.strip() == "wanted: ≤ 1.6 x stock"


def test_the_kept_figures_are_in_the_shape_that_is_written() -> None:
    """docs/bench.json is a document of `make bench`."""
    made = document([FIGURE], datetime(2026, 1, 2, tzinfo=UTC))
    kept = json.loads((ROOT / "docs" / "bench.json").read_text(encoding="utf-8"))
    assert made == json.loads(json.dumps(made))
    assert (made["date"], made["versions"]) == ("2026-01-02", {"poetry": "2.5.1"})
    assert kept.keys() == made.keys()
    assert kept["machine"].keys() == made["machine"].keys()
    (figure,) = made["figures"]
    for each in kept["figures"]:
        assert each.keys() == figure.keys()
        assert each["base"] in {row["way"] for row in each["ways"]}
        assert all(row.keys() == figure["ways"][0].keys() for row in each["ways"])
