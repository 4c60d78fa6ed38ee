"""Where the guard keeps its files in a project, and in Poetry's cache."""

from __future__ import annotations

from pathlib import Path

# hatchling packs whatever the root's own .gitignore does not name, but nothing in a folder of this
# name; nor do other build backends.
UNPACKED = Path(".poetry", ".nox")
IN_PROJECT = UNPACKED / "locks-1"
# In the cache's `artifacts`, which is Poetry's alone.
LOCKS_OF_ARCHIVES = ".poetry-locks-1"
