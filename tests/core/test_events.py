from __future__ import annotations

from poetry_publish_verified.core.events import BuildCompared, ReleaseBlocked, ReleaseWaiting


def test_events_are_equal_by_kind_and_values() -> None:
    """Reporting shows the same event once, and no other for it."""
    waiting, again = ReleaseWaiting(("lantern",)), ReleaseWaiting(("lantern",))
    assert waiting == again
    assert {waiting, again} == {waiting}
    assert waiting != ReleaseWaiting(("harbour",))
    assert len({waiting, ReleaseBlocked(("lantern",)), BuildCompared("lantern")}) == 3
    assert repr(waiting) == "ReleaseWaiting(needs=('lantern',))"
