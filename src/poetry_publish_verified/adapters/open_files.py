"""The limit on this process's open files."""

from contextlib import suppress


def make_room_for_files(wanted: int) -> None:
    """Raise the limit to `wanted`, as far as the system allows; macOS starts with 256."""
    # Windows has neither the module nor the limit.
    with suppress(ImportError, ValueError, OSError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        if soft != resource.RLIM_INFINITY and soft < most:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
