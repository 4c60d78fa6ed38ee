"""What somebody is asked to confirm, in words."""

from __future__ import annotations

import pytest

from poetry_publish_verified.core.confirmation import ProposedRelease
from poetry_publish_verified.output import confirmation


@pytest.mark.parametrize(
    ("previous", "unusual", "said"),
    [
        (None, (), "  There is no earlier release to compare it with."),
        ("1.0", (), "  It has the same kinds of files as 1.0."),
        ("1.0", ("no sdist any more",), "Unlike 1.0: no sdist any more."),
    ],
)
def test_comparison_is_always_named(
    previous: str | None, unusual: tuple[str, ...], said: str
) -> None:
    """Silence would leave open whether anything was compared."""
    release = ProposedRelease("lantern", "1.1", ("harbour",), (), previous, unusual, ())
    assert said in "\n".join(confirmation.lines([release]))
