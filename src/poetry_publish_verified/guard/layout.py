"""Where the guard keeps its files, and what it calls them."""

from pathlib import Path

# hatchling packs whatever the root's own .gitignore does not name, but nothing in a directory of
# this name; nor do other build backends.
STATE_DIR = Path(".poetry", ".nox")
LOCKS_DIR = STATE_DIR / "locks-1"
# In the cache's `artifacts`, which is Poetry's alone.
ARCHIVE_LOCKS_DIR = ".poetry-locks-1"
LOCK_SUFFIX = ".poetry-lock"
HOLDER_SUFFIX = ".holder"
# The lock of those who break a lock, and a lock file that was broken.
BREAKING_SUFFIX = ".breaking"
BROKEN = ".broken-"
