"""Overshoot against requests, as an SVG that works on light and dark pages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from tests.simulation.measuring import Measured, percentile

_WIDTH, _HEIGHT = 860, 480
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 610, 40, 420
_REQUESTS = (5.0, 400.0)
_SECONDS = (0.2, 50.0)
_REQUEST_TICKS = (5, 10, 20, 50, 100, 200, 400)
_SECOND_TICKS = (0.2, 0.5, 1, 2, 5, 10, 20, 50)
# Distinguishable for colour-blind readers, on white and on black.
_COLOURS = ("#1a9e77", "#d95f02", "#8f7fd6", "#d4a017")
_SHAPES = (
    "M0,-6A6,6 0 1 1 0,6A6,6 0 1 1 0,-6Z",
    "M-5.5,-5.5H5.5V5.5H-5.5Z",
    "M0,-7L6.5,5H-6.5Z",
    "M0,-7.5L7.5,0L0,7.5L-7.5,0Z",
    "M0,7L6.5,-5H-6.5Z",
    "M-2.2,-6.5H2.2V-2.2H6.5V2.2H2.2V6.5H-2.2V2.2H-6.5V-2.2H-2.2Z",
)
_STYLE = (
    "text{font:13px sans-serif;fill:#333}.grid{stroke:#ccc}.mark{fill-opacity:.8}.plain{fill:#333}"
    "@media(prefers-color-scheme:dark){text,.plain{fill:#ddd}.grid{stroke:#444}}"
)


def plot(measured: Sequence[Measured]) -> str:
    """One mark per policy (its colour) and kind (its shape)."""
    policies = list(dict.fromkeys(one.policy for one in measured))
    kinds = list(dict.fromkeys(one.kind for one in measured))
    colours = dict(zip(policies, _COLOURS, strict=True))
    shapes = dict(zip(kinds, _SHAPES, strict=True))
    size = f'viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
        "<title>How late a release is seen, and after how many requests</title>",
        f"<style>{_STYLE}</style>",
        *_axes(),
    ]
    for one in measured:
        late = percentile(one.overshoots, 0.95)
        parts.append(
            f'<path class="mark" fill="{colours[one.policy]}" d="{shapes[one.kind]}"'
            f' transform="translate({_x(one.mean_requests):.1f},{_y(late):.1f})">'
            f"<title>{escape(one.policy)}, {escape(one.kind)}: {late:.2f} s,"
            f" {one.mean_requests:.1f} requests</title></path>"
        )
    y = _TOP + 10
    for policy, colour in colours.items():
        parts += _legend(y, f'fill="{colour}"', _SHAPES[0], policy)
        y += 24
    y += 20
    for kind, shape in shapes.items():
        parts += _legend(y, 'class="plain"', shape, kind)
        y += 24
    return "\n".join([*parts, "</svg>", ""])


def _axes() -> list[str]:
    parts = []
    for requests in _REQUEST_TICKS:
        x = _x(requests)
        parts += [
            f'<path class="grid" d="M{x:.1f},{_TOP}V{_BOTTOM}"/>',
            f'<text x="{x:.1f}" y="{_BOTTOM + 20}" text-anchor="middle">{requests}</text>',
        ]
    for seconds in _SECOND_TICKS:
        y = _y(seconds)
        parts += [
            f'<path class="grid" d="M{_LEFT},{y:.1f}H{_RIGHT}"/>',
            f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{seconds:g}</text>',
        ]
    x, y = (_LEFT + _RIGHT) / 2, _BOTTOM + 46
    return [
        *parts,
        f'<text x="{x:.1f}" y="{y}" text-anchor="middle">requests of a wait, mean</text>',
        f'<text x="{_LEFT}" y="{_TOP - 16}">seconds seen too late, 95th percentile</text>',
    ]


def _legend(y: int, paint: str, shape: str, words: str) -> list[str]:
    return [
        f'<path {paint} d="{shape}" transform="translate({_RIGHT + 36},{y})"/>',
        f'<text x="{_RIGHT + 54}" y="{y + 4}">{escape(words)}</text>',
    ]


def _x(requests: float) -> float:
    return _LEFT + (_RIGHT - _LEFT) * _part(requests, _REQUESTS)


def _y(seconds: float) -> float:
    return _BOTTOM - (_BOTTOM - _TOP) * _part(seconds, _SECONDS)


def _part(value: float, bounds: tuple[float, float]) -> float:
    """The position on a logarithmic axis; values outside are drawn at its end."""
    lowest, highest = bounds
    return math.log(min(max(value, lowest), highest) / lowest) / math.log(highest / lowest)
