"""How many files this process may have open."""

from __future__ import annotations

from contextlib import suppress


def make_room_for_files(wanted: int) -> None:
    """Raise the limit to so many, as far as the system lets us; macOS begins with 256."""
    # There is no such module, and no such limit, on Windows.
    with suppress(ImportError, ValueError, OSError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        if soft != resource.RLIM_INFINITY and soft < most:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
