"""Locks that a time-out can end, that name who is in the way, and that nothing safe depends on.

A lock here orders writers or saves work. Where it cannot be had, Poetry's own commands say so
once and go on as they would without it; only whoever asks for `needed` is refused. The only
importer of filelock. Loaded by most only once they want a lock: most commands want none.
"""

from __future__ import annotations

import errno
import functools
import inspect
import json
import os
import threading
import time
from contextlib import contextmanager
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from poetry_publish_verified.errors import Code
from poetry_publish_verified.errors import Problem
from poetry_publish_verified.guard import holders
from poetry_publish_verified.guard.environment import Builder
from poetry_publish_verified.guard.filesystems import filesystem_of
from poetry_publish_verified.guard.resources import LockRefusedError
from poetry_publish_verified.guard.resources import Order

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator

    from poetry_publish_verified.guard.resources import Resource

TIMEOUT_VARIABLE = "POETRY_PUBLISH_VERIFIED_LOCK_TIMEOUT"
# For the processes that a holder starts; it takes its part out again when it lets go.
TOKEN_VARIABLE = "POETRY_PUBLISH_VERIFIED_LOCKS_HELD"  # noqa: S105 - no secret
_DEFAULT_TIMEOUT = 300.0
_FIRST_WORD_AFTER = 1.0
_NEXT_WORD_AFTER = 30.0


def timeout_from_environment() -> float:
    """Seconds to wait for a lock; 300 where the variable is unset or no number ≥ 0."""
    with suppress(ValueError):
        seconds = float(os.environ.get(TIMEOUT_VARIABLE, ""))
        if seconds >= 0:
            return seconds
    return _DEFAULT_TIMEOUT


@contextmanager
def held(
    resource: Resource,
    say: Callable[[str], None],
    *,
    needed: bool = False,
    timeout: float | None = None,
) -> Iterator[bool]:
    """Hold the lock of `resource`, or go on without: yields whether it is held.

    Waits `timeout` seconds, by default as many as the environment variable says; after a
    second `say` gets a line that names the holder, then one every half minute, and one where
    the lock could not be had (once for each filesystem and reason).

    Whoever holds it already has it again, and so has what an ancestor started meanwhile.

    Raises LockRefusedError where the lock is `needed` and cannot be had; and at once where it
    is not free and an ancestor holds one later in the order: each would wait for the other.
    """
    holding = _of_this_process(resource)
    if holding is None:
        inherited = _of_ancestors()
        if any(token["lock"] == str(resource.path) for token in inherited):
            yield True
            return
        refusal = Code.LOCK_NOT_FREE if needed else None
        if any(token["order"] > resource.order for token in inherited):
            timeout, refusal = 0.0, None if resource.saves_work else Code.LOCK_ORDER
        holding = _acquire(resource, timeout, say, refusal)
    if holding is None:
        yield False
        return
    holding.enter()
    try:
        yield True
    finally:
        holding.leave()


class _Holding:
    """A lock that this process has, how many times over, and what tells others of it."""

    def __init__(self, resource: Resource, path: Path, release: Callable[[], None]) -> None:
        self.thread = threading.get_ident()
        self._resource = resource
        self._path = path
        self._release = release
        self._holder = holders.Holder.this_process(resource.name)
        self._times = 0

    def enter(self) -> None:
        if not self._times:
            recorded = holders.write(self._path, self._holder)
            _HELD[self._resource.path] = self
            # Whatever a download starts has no use for its lock.
            if self._resource.order < Order.CACHE:
                _change_tokens(add=self._token(recorded))
        self._times += 1

    def leave(self) -> None:
        self._times -= 1
        if not self._times:
            _change_tokens(remove=self._holder.nonce)
            _HELD.pop(self._resource.path, None)
            holders.erase(self._path)
            self._release()

    def _token(self, recorded: bool) -> dict[str, Any]:
        return {
            "lock": str(self._resource.path),
            "order": int(self._resource.order),
            "process": self._holder.process,
            "nonce": self._holder.nonce,
            "record": str(self._path) if recorded else None,
        }


_REMEDIES = {
    Code.LOCK_NOT_FREE: "Nothing was changed. Run this again when the other process has ended, or"
    f" give it longer with {TIMEOUT_VARIABLE} (in seconds).",
    Code.LOCK_UNAVAILABLE: "Nothing was changed. Run this where the filesystem has locks;"
    " `poetry publish-verified doctor` tests them.",
    Code.LOCK_ORDER: "Nothing was changed. Run this on its own, not from inside a command that"
    " changes a later resource: each would wait for the other.",
}
_HELD: dict[Path, _Holding] = {}
_TOKENS = threading.Lock()
_SAID: set[tuple[str, str]] = set()


def _of_this_process(resource: Resource) -> _Holding | None:
    """What the whole command holds, or this very thread: downloads exclude each other."""
    holding = _HELD.get(resource.path)
    threads = (threading.get_ident(), threading.main_thread().ident)
    return holding if holding is not None and holding.thread in threads else None


def _of_ancestors() -> list[dict[str, Any]]:
    """The locks that this process's ancestors hold at this moment."""
    own = os.getpid()
    found = []
    for token in _tokens():
        process = Builder.parse(token["process"])
        if process is None or process.pid == own or not holders.is_ancestor(process):
            continue
        record = holders.read(Path(token["record"])) if token["record"] else None
        # Let go meanwhile, perhaps taken by somebody else.
        if token["record"] and (record is None or record.nonce != token["nonce"]):
            continue
        found.append(token)
    return found


def _tokens() -> list[dict[str, Any]]:
    try:
        found = json.loads(os.environ.get(TOKEN_VARIABLE) or "[]")
        keys = {"lock", "order", "process", "nonce", "record"}
        return [token for token in found if isinstance(token, dict) and keys <= token.keys()]
    # Not written by us, then.
    except (ValueError, TypeError):
        return []


def _change_tokens(add: dict[str, Any] | None = None, remove: str | None = None) -> None:
    with _TOKENS:
        tokens = [token for token in _tokens() if token["nonce"] != remove]
        tokens += [add] if add else []
        if tokens:
            os.environ[TOKEN_VARIABLE] = json.dumps(tokens)
        else:
            os.environ.pop(TOKEN_VARIABLE, None)


def _acquire(
    resource: Resource, limit: float | None, say: Callable[[str], None], refusal: Code | None
) -> _Holding | None:
    attempt = _Attempt(resource, timeout_from_environment() if limit is None else limit)
    try:
        attempt.wait(say)
    except BaseException:
        attempt.end()
        raise
    if attempt.is_held:
        return _Holding(resource, attempt.path, attempt.end)
    attempt.end()
    if refusal is Code.LOCK_NOT_FREE or (refusal and attempt.error is None):
        code = refusal if attempt.error is None else Code.LOCK_UNAVAILABLE
        raise LockRefusedError(Problem(code, attempt.reason, _REMEDIES[code]))
    # Who will not wait only wants to know.
    if limit != 0 or attempt.error is not None:
        filesystem = filesystem_of(resource.path)
        if (str(filesystem), attempt.kind) not in _SAID:
            _SAID.add((str(filesystem), attempt.kind))
            say(f"Going on without a lock: {attempt.reason}")
    return None


class _Attempt:
    """One try to get one lock, in a thread of its own.

    On a mount whose server is dead even opening the file can hang, and no signal ends that:
    the thread is then left behind, and lets go of the lock should it ever get it.
    """

    def __init__(self, resource: Resource, limit: float) -> None:
        self.path = resource.path
        self.error: Exception | None = None
        self._resource = resource
        self._limit = limit
        self._decision = threading.Lock()
        self._abandoned = False
        self._lock: Any = None
        self._thread = threading.Thread(target=self._take, daemon=True)

    @property
    def is_held(self) -> bool:
        return self._lock is not None

    @property
    def kind(self) -> str:
        return type(self.error).__name__ if self.error else "time-out"

    @property
    def reason(self) -> str:
        """Why it is not held, as a sentence that names the filesystem."""
        where = f"{self._resource.name} ({filesystem_of(self.path)})"
        if self.error is not None:
            return f"{where} cannot be locked: {self.error}."
        holder = _name(self.path)
        if not self._limit:
            return f"{where} is in use by {holder}."
        return f"{where} was not free within {self._limit:g} s; in use by {holder}."

    def wait(self, say: Callable[[str], None]) -> None:
        begun = time.monotonic()
        self._thread.start()
        pause = _FIRST_WORD_AFTER
        # A second more than filelock gets: it ends by itself wherever nothing hangs.
        while (left := begun + self._limit + 1 - time.monotonic()) > 0:
            self._thread.join(min(pause, left))
            if not self._thread.is_alive():
                return
            say(
                f"Waiting for {self._resource.name}, in use by {_name(self.path)};"
                f" at most {max(0, left - 1 - pause):.0f} s more ({TIMEOUT_VARIABLE} changes this)."
            )
            pause = _NEXT_WORD_AFTER

    def end(self) -> None:
        with self._decision:
            self._abandoned = True
            lock, self._lock = self._lock, None
        if lock is not None:
            with suppress(OSError):
                lock.release()

    def _take(self) -> None:
        try:
            lock = self._file_lock()
            lock.acquire(timeout=self._limit, poll_interval=0.05)
        except TimeoutError:
            return
        # Whatever goes wrong with a lock is said by whoever wanted it.
        except Exception as error:  # noqa: BLE001
            self.error = error
            return
        with self._decision:
            if not self._abandoned:
                self._lock = lock
                return
        with suppress(OSError):
            lock.release()

    def _file_lock(self) -> Any:
        try:
            _make_place(self.path)
        except OSError:
            if self._resource.fallback is None or self.path.exists():
                raise
            self.path = self._resource.fallback
            _make_place(self.path)
        return _file_lock(self.path)


def _name(lock: Path) -> str:
    holder = holders.read(lock)
    if holder is None:
        return "a process that left no name"
    return (
        f"a process that left no name (not by {holder}: that has ended)"
        if holder.is_gone
        else str(holder)
    )


def _make_place(path: Path) -> None:
    """Make the directory of a lock file, as open as the one around it; OSError if it cannot."""
    directory = path.parent
    missing = [one for one in (directory, *directory.parents) if not one.exists()]
    for made in reversed(missing):
        with suppress(FileExistsError):
            made.mkdir()
            # Others lock here too, whatever the umask.
            with suppress(OSError):
                made.chmod(made.parent.stat().st_mode & 0o7777)
            if made.name == ".poetry":
                (made / ".gitignore").write_text("*", encoding="utf-8")
    if directory.is_symlink():
        raise OSError(errno.ELOOP, "a symbolic link is not followed", str(directory))
    if not directory.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(directory))
    target = path if path.exists() else directory
    if not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(target))


def _file_lock(path: Path) -> Any:
    from filelock import FileLock

    options: dict[str, Any] = {
        # Other users of the directory must be able to open the file too.
        "mode": 0o600 | (path.parent.stat().st_mode & 0o066),
        # Released by another thread than the one that took it.
        "thread_local": False,
    }
    # A soft lock stays behind for ever after kill -9. filelock 3.30 and newer can be told.
    if _can_refuse_soft(FileLock):
        options["fallback_to_soft"] = False
    return FileLock(path, **options)


@functools.cache
def _can_refuse_soft(lock: type) -> bool:
    return "fallback_to_soft" in inspect.signature(lock).parameters
