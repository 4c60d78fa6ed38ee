"""Says once that the locks of a shared filesystem do not exclude other hosts."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

from poetry_publish_verified.guard.locks import problems
from poetry_publish_verified.guard.locks.filesystems import Filesystem, filesystem_of
from poetry_publish_verified.guard.ownership import SharedDirectory

if TYPE_CHECKING:
    from pathlib import Path

    from poetry_publish_verified.errors import Problem

_SAID: set[Filesystem] = set()


def first_warning(lock: Path) -> Problem | None:
    """What to say of the filesystem of a lock file; None if there is nothing, or it was said.

    A file beside the lock remembers that, as long as the lock files last.
    """
    filesystem = filesystem_of(lock)
    why = filesystem.why_local
    if not why:
        return None
    words = re.sub(r"[^\w=]+", "-", f"warned-{filesystem.kind}-{why}")
    is_new = True
    with suppress(OSError):
        is_new = SharedDirectory.at(lock.parent, lock).make_file(lock.with_name(words))
    if not is_new or filesystem in _SAID:
        return None
    _SAID.add(filesystem)
    return problems.locks_of_one_host(str(filesystem), why)
