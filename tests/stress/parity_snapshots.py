"""What a run left behind, and how two runs differ: each difference is one readable line."""

from __future__ import annotations

import difflib
import hashlib
import os
import re
import stat
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tests.stress.racing import Finished

# Bytecode that whichever process imports first compiles, and git's own files.
_NOT_LOOKED_INTO = {"__pycache__", ".git"}
# Where contents are compared and not only names: elsewhere they depend on the time (an index's
# answers) or on the interpreter.
_READ = ("src/", "home/.config/")
_LARGE = 1_000_000
_OF_POETRY = "home/.config/pypoetry/pyproject.toml"
_KINDS = {stat.S_IFDIR: "directory", stat.S_IFREG: "file", stat.S_IFLNK: "link"}

Snapshot = dict[str, os.stat_result]


class Change(NamedTuple):
    """What is at a path now, if that has changed."""

    text: str
    """For people; only this is compared."""
    content: bytes = b""
    """Only where contents are compared."""


Changes = dict[str, Change]


def snapshot(root: Path) -> Snapshot:
    """All paths below `root`, relative to it."""
    found: Snapshot = {}

    def look(directory: str, prefix: str) -> None:
        with os.scandir(directory) as entries:
            for entry in entries:
                if entry.name in _NOT_LOOKED_INTO:
                    continue
                found[prefix + entry.name] = entry.stat(follow_symlinks=False)
                if entry.is_dir(follow_symlinks=False):
                    look(entry.path, f"{prefix}{entry.name}/")

    look(str(root), "")
    return found


def changes(root: Path, before: Snapshot) -> Changes:
    """What differs from `before`, by path, described as it is now."""
    after = snapshot(root)
    changed = {path: Change("removed") for path in before.keys() - after.keys()}
    for path, now in after.items():
        if path not in before or _signs(before[path]) != _signs(now):
            changed[path] = _described(root / path, now, read=path.startswith(_READ))
    return changed


def _signs(found: os.stat_result) -> tuple[int, ...]:
    who = (found.st_mode, found.st_uid, found.st_gid)
    if stat.S_ISDIR(found.st_mode):
        return who
    return (*who, found.st_size, found.st_mtime_ns, found.st_ino)


def _described(path: Path, found: os.stat_result, *, read: bool) -> Change:
    kind = _KINDS.get(stat.S_IFMT(found.st_mode), "special file")
    text = f"{kind} {stat.S_IMODE(found.st_mode):04o} {found.st_uid}:{found.st_gid}"
    if kind == "link":
        return Change(f"{text} to {path.readlink()}")
    if kind == "file" and read and found.st_size < _LARGE:
        content = path.read_bytes()
        return Change(f"{text} {hashlib.sha256(content).hexdigest()[:12]}", content)
    return Change(text)


@dataclass(frozen=True)
class Outcome:
    """Everything that one side left behind."""

    ended: Sequence[Finished]
    changes: Changes
    archives: dict[str, str]
    """The sha256 of each archive that was built, by name."""


def differences(stock: Outcome, guarded: Outcome, clean: dict[str, str] | None) -> Iterator[str]:
    """Each difference as a line; `clean` are the archives from a clean checkout."""
    for left, right in zip(stock.ended, guarded.ended, strict=True):
        label = left.start.label
        if left.code != right.code:
            last = (right.err.strip() or right.out.strip()).splitlines()[-1:]
            yield f"exit code of `{label}`: {left.code} -> {right.code} ({''.join(last)[:120]})"
        yield from _lines(f"output of `{label}`", tidy(left.out), tidy(right.out))
        said = {"", *tidy(left.err)}
        yield from (
            f"error output of `{label}`: + {line}" for line in tidy(right.err) if line not in said
        )
    yield from _files(stock.changes, guarded.changes, guarded.archives if clean else {})
    yield from _archives(guarded.archives, clean)


def _files(stock: Changes, guarded: Changes, archives: dict[str, str]) -> Iterator[str]:
    stock, guarded = ({_short(path): text for path, text in of.items()} for of in (stock, guarded))
    for path in sorted(stock.keys() | guarded.keys()):
        left, right = stock.get(path), guarded.get(path)
        # Archives are compared with a clean checkout's instead.
        if not _same(path, left, right) and Path(path).name not in archives:
            yield _file(path, left, right)


def _same(path: str, left: Change | None, right: Change | None) -> bool:
    if not (left and right) or left.text == right.text or path != _OF_POETRY:
        return (left and left.text) == (right and right.text)
    # Poetry 2.0 iterates over a set of names: where its interpreter ignores PYTHONHASHSEED (`-E`,
    # as pipx starts it), the tables are in another order each time.
    (signs, said), (others, also) = (
        (of.text.rpartition(" ")[0], tomllib.loads(of.content.decode())) for of in (left, right)
    )
    return (signs, said) == (others, also)


def outermost(lines: Iterable[str]) -> Iterator[str]:
    """The lines, without those about files below a directory that has its own line."""
    told: set[Path] = set()
    for line in lines:
        found = re.match(r"file . (.*?): ", line)
        if not found or not told & {*Path(found[1]).parents}:
            yield line
        if found:
            told.add(Path(found[1]))


def _file(path: str, left: Change | None, right: Change | None) -> str:
    if left is None or right is None:
        sign, there = ("-", left) if left else ("+", right)
        return f"file {sign} {path}: {there.text if there else None}"
    lines = _lines("", *(of.content.decode(errors="replace").splitlines() for of in (left, right)))
    return f"file ! {path}: {left.text} -> {right.text} {next(lines, '')}".rstrip()


_PATHS = (
    (r"(?<=/artifacts/)(?!\.poetry).*/(?=[^/]*$)", ".../"),
    (r"(?<=/virtualenvs/)(\.?)(\w+)-[\w-]{8}-py3\.\d+", r"\1\2-HASH"),
    (r"(?<=/cache/repositories/tests/)[0-9a-f]{2}\b.*", "..."),
    (r"(?<=tmp/)(?!bundled).*", "..."),
    (r"(?<=/pipx/logs/).*", "..."),
    (r"(?<=/\.cache/uv/).*", "..."),
)


def _short(path: str) -> str:
    """A path without the parts that contain hashes."""
    for pattern, replacement in _PATHS:
        path = re.sub(pattern, replacement, path)
    return path


def _archives(guarded: dict[str, str], clean: dict[str, str] | None) -> Iterator[str]:
    for name in sorted(guarded) if clean else ():
        if clean and guarded[name] != clean.get(name):
            yield f"archive {name}: differs from a clean checkout's"


def _lines(what: str, stock: list[str], guarded: list[str]) -> Iterator[str]:
    for line in difflib.ndiff(stock, guarded) if stock != guarded else ():
        if line.startswith(("+ ", "- ")):
            yield f"{what}: {line}"


_VARYING = (
    (r"\x1b\[[0-9;]*[A-Za-z]", ""),
    (r"\(\d+\.\d+s\)", "(TIME)"),
    (r"(?<=tmp/)(tmp|pip-|build-env-)[\w-]+", "TEMPORARY"),
    (r"(?<=[/ `'\"])\.?tmp[a-z0-9_]{8}\b", "TEMPORARY"),
    (r"\b\d+\.\d+ ?s(econds?)?\b", "TIME"),
    (r"0x[0-9a-f]{6,}", "ADDRESS"),
    (r"process \d+", "process N"),
    (r"(?<=/virtualenvs/)(\.?\w+)-[\w-]{8}-py3\.\d+", r"\1-HASH"),
    (r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d\S*", "DATE"),
    # Column widths depend on the longest word.
    (r"(?<=\S) {2,}", "  "),
    (r"127\.0\.0\.1:\d+", "INDEX"),
)  # fmt: skip


def tidy(text: str) -> list[str]:
    """The lines of an output, without what varies from run to run."""
    for pattern, replacement in _VARYING:
        text = re.sub(pattern, replacement, text)
    lines: list[str] = []
    begun = 0
    for line in text.splitlines():
        # Parallel installations are listed in any order.
        if not line.startswith("  - "):
            lines[begun:] = sorted(lines[begun:])
            begun = len(lines) + 1
        lines.append(line.rstrip())
    lines[begun:] = sorted(lines[begun:])
    return lines
