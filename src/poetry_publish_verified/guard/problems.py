"""Everything that the guard says: a function each, with message and remedy side by side.

What is said of Poetry's own commands is a line of text; what is refused, or found by doctor, keeps
its code. Foreign text is made harmless where it is printed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from poetry_publish_verified.errors import Problem

PLUGIN = "poetry-publish-verified"
SWITCH = "POETRY_PUBLISH_VERIFIED_GUARD"
SETS_VARIABLE = "POETRY_PUBLISH_VERIFIED_PLUGIN_SETS"
TIMEOUT_VARIABLE = "POETRY_PUBLISH_VERIFIED_LOCK_TIMEOUT"


# The guard as a whole


def stepped_aside(error: Exception) -> str:
    """Poetry differs from what the guard relies on, or the guard has a fault."""
    return (
        f"{PLUGIN} steps aside, and Poetry runs without its guard:"
        f" {type(error).__name__}: {error}."
        f" Set {SWITCH}=off to silence this warning."
    )


def unknown_switch(value: str) -> str:
    """The variable that switches the guard has an unknown value."""
    return f"{SWITCH} is {value!r}, which is neither on nor off. The guard stays on."


def left_as_stock(reason: str) -> str:
    """One attribute of Poetry's differs from what was read."""
    return f"{PLUGIN} does not replace part of Poetry: {reason}."


def project_left_to_poetry(file: Path, error: Exception) -> str:
    """An entry of `requires-plugins` is not a dependency."""
    return f"{PLUGIN} leaves {file} to Poetry: {error}"


# Entries that are not trusted, after their path

SYMBOLIC_LINK = "is a symbolic link, which is not followed"
TOO_WRITABLE = "is writable by others than the directory around it"


def foreign_owner(uid: int) -> str:
    """Somebody else may have created it."""
    return f"belongs to somebody else (user id {uid})"


# Plugin sets


def project_plugin_only() -> str:
    """The guard is loaded too late to protect the project's plugins."""
    return (
        f"{PLUGIN} is installed only as a project plugin, where it cannot protect the project's"
        f" plugins. Run `poetry self add {PLUGIN}`."
    )


def unsatisfied_plugin(name: str, version: str, constraint: str) -> str:
    """Poetry's own environment has a plugin in a version that the project excludes."""
    return (
        f"Poetry's own environment has {name} {version}, but the project requires {constraint}. Run"
        f" `poetry self update {name}`. Until then, parallel Poetry processes in this project are"
        " not protected."
    )


def stock_beside_sets(stock: Path) -> str:
    """A Poetry without the guard has worked in the checkout."""
    return (
        f"{stock} exists beside the plugin sets, so a Poetry without {PLUGIN} created it. The next"
        f" `poetry install` with {PLUGIN} removes it."
    )


def stock_removed(stock: Path) -> str:
    """Plugin sets have replaced Poetry's own plugin directory."""
    return (
        f"Removed {stock}: plugin sets replace it. A Poetry without {PLUGIN} in this checkout gets"
        " its plugins back when it runs `poetry install`."
    )


def older_set_in_use() -> str:
    """The set for the present plugin list is not built yet, but another one serves."""
    return (
        "The project's plugins have changed and are not built yet; an older set is in use. Run"
        " `poetry install`."
    )


def plugins_not_built(names: str) -> str:
    """No set serves this process."""
    return (
        f"The project's plugins are not active: {names}. They are not built yet for this Poetry"
        " and Python; run `poetry install`."
    )


def plugins_without_place(names: str, obstacle: str) -> str:
    """No set serves this process, and none can be kept."""
    return (
        f"The project's plugins are not active: {names}. They cannot be stored, because"
        f" {obstacle}. {keep_sets_elsewhere(obstacle)}"
    )


def building_for_this_process(obstacle: str) -> str:
    """`install` builds a set that only its own process uses."""
    return (
        f"Plugin sets cannot be stored, because {obstacle}. Building for this process alone."
        f" {keep_sets_elsewhere(obstacle)}"
    )


def stock_stays_in_use(obstacle: str, stock: Path) -> str:
    """No set can be kept, and Poetry's own plugin directory is up to date."""
    return f"Plugin sets cannot be stored, because {obstacle}. {stock} stays in use."


def keep_sets_elsewhere(obstacle: str) -> str:
    """What to do about an obstacle to plugin sets."""
    first = "Set" if obstacle.endswith(_NOT_WRITABLE) else "Delete it, or set"
    return f"{first} {SETS_VARIABLE} to store them elsewhere."


def not_a_directory(path: Path) -> str:
    """An obstacle: something has the directory's name."""
    return f"{path} is not a directory"


_NOT_WRITABLE = " is not writable"


def not_writable(path: Path) -> str:
    """An obstacle: missing rights."""
    return f"{path}{_NOT_WRITABLE}"


def building_set(names: str) -> str:
    """What `install` does first."""
    return f"Building the plugin set that the project requires: {names}"


def set_lost_files(path: Path) -> str:
    """A published set is damaged."""
    return f"{path} has lost files. Building it again."


def copying_set(path: Path) -> str:
    """A command has changed Poetry's own environment, and the set still serves."""
    return f"Poetry's own environment has changed: copying {path} for it."


def set_not_renewed(error: Exception) -> str:
    """A command has changed Poetry's own environment, and no set fits it."""
    return (
        f"The plugin set could not be built for Poetry's environment as it is now: {_words(error)}."
        " The next `poetry install` builds it."
    )


def keeping_stock_plugins(error: Exception) -> str:
    """No set can be built, and Poetry's own plugin directory is up to date."""
    return f"No plugin set could be built; stock Poetry's plugins stay in use: {_words(error)}."


def _words(error: Exception) -> str:
    return str(error).strip().rstrip(".")


def leaving_plugins_to_poetry(error: Exception) -> str:
    """Poetry differs from what building a set relies on."""
    return f"{PLUGIN} leaves the project's plugins to Poetry: {error!r}."


def not_cleaned_up(directory: Path, error: Exception) -> str:
    """Something could not be removed."""
    return f"Could not clean up {directory}: {error!r}."


# Locks


def waiting_for_lock(resource: str, holder: str, seconds_left: float) -> str:
    """Another process holds a lock; without a holder, the filesystem has not answered."""
    obstacle = f"in use by {holder}" if holder else "no answer yet"
    return (
        f"Waiting for {resource}, {obstacle};"
        f" at most {seconds_left:.0f} s more ({TIMEOUT_VARIABLE} changes this)."
    )


def unknown_holder(last_holder: str) -> str:
    """A holder without a record, perhaps with one that an earlier holder left."""
    return "a process that left no name" + (
        f" (not by {last_holder}, which has ended)" if last_holder else ""
    )


def continuing_without_lock(reason: str) -> str:
    """A lock is not available to a command that can do without it."""
    return f"Continuing without a lock: {reason}"


def lock_place_untrusted(reason: str) -> str:
    """Others may have created what is in the lock file's place."""
    return f"{reason}, so the lock is not there but in your own directory."


def lock_busy(where: str, holder: str, timeout: float) -> str:
    """Why a lock is not held: others hold it."""
    if not timeout:
        return f"{where} is in use by {holder}."
    return f"{where} was not free within {timeout:g} s; in use by {holder}."


def lock_failed(where: str, why: str, *, is_final: bool) -> str:
    """Why a lock is not held: an error, or no answer in time."""
    return f"{where} {'cannot' if is_final else 'could not'} be locked: {why}."


def no_answer(seconds: float) -> str:
    """The filesystem hangs."""
    return f"no answer within {seconds:g} s"


def holder_host_gone(host: str, lock: Path) -> str:
    """What to do about a lock that is held on another host; nothing if there is none."""
    return f"If {host} is gone for good, delete {lock}." if host else ""


def lock_not_free(reason: str, if_host_gone: str) -> Problem:
    """Another process holds a required lock."""
    return _problem(
        "LOCK_NOT_FREE",
        reason,
        "Nothing was changed. Run this again when the other process has ended, or wait longer by"
        f" setting {TIMEOUT_VARIABLE} (in seconds).",
        if_host_gone,
    )


def lock_unavailable(reason: str) -> Problem:
    """A required lock is not available on its filesystem."""
    return _problem(
        "LOCK_UNAVAILABLE",
        reason,
        "Nothing was changed. Run this on a filesystem that supports locks;"
        " `poetry publish-verified doctor` tests them.",
    )


def lock_out_of_order(reason: str, if_host_gone: str) -> Problem:
    """Waiting for a required lock could deadlock with an ancestor."""
    return _problem(
        "LOCK_ORDER",
        reason,
        "Nothing was changed. Run this on its own, not from inside another Poetry command: each"
        " would wait for the other.",
        if_host_gone,
    )


def _problem(code: str, message: str, *remedy: str) -> Problem:
    # Most commands never need it.
    from poetry_publish_verified.errors import Code, Problem

    return Problem(Code[code], message, " ".join(filter(None, remedy)))


# Poetry's caches


def cache_not_cleared(sources: Sequence[str], reason: str) -> str:
    """Poetry's cache may still hold pages from before a release; without `sources`, any may."""
    from shlex import quote

    from poetry_publish_verified.sanitize import printable

    names = [quote(printable(name)) for name in sources] or ["<source>"]
    commands = ", ".join(f"`poetry cache clear {name} --all`" for name in names)
    return (
        f"Poetry's own cache may still hold an older page of this project"
        f" ({printable(reason)}). To empty it, run {commands}."
    )


# What doctor finds


class Finding(NamedTuple):
    """Something wrong; `stops` where Poetry's commands fail or run without a plugin."""

    code: str
    message: str
    remedy: str
    stops: bool = True


def list_unreadable(file: Path, error: Exception) -> Finding:
    """Which plugins the project requires is unknown."""
    message = f"{file} does not say which plugins the project requires: {error}"
    return Finding("guard.list-unreadable", message, "Correct the file first.")


def sets_hindered(root: Path, names: str, obstacle: str) -> Finding:
    """Required plugins are not active, and no set can be kept."""
    return Finding(
        "guard.sets-hindered",
        f"The plugins that {root} requires are not active: {names}. They cannot be stored, because"
        f" {obstacle}.",
        keep_sets_elsewhere(obstacle),
    )


def set_absent(root: Path, names: str) -> Finding:
    """Required plugins are not active, and `install` has not run yet."""
    return Finding(
        "guard.set-absent",
        f"The plugins that {root} requires are not active: {names}. They are not built yet for"
        " this Poetry and Python.",
        f"Run `poetry install` in {root}.",
    )


def set_damaged(path: Path) -> Finding:
    """A plugin set is not whole."""
    return Finding(
        "guard.set-damaged",
        f"{path} has lost files or its record since it was built.",
        "Run `poetry install` in the project with the same Python and Poetry, or delete it.",
    )


def set_abandoned(path: Path) -> Finding:
    """A builder was killed."""
    return Finding(
        "guard.set-abandoned",
        f"{path} was left by a builder that was killed.",
        "No action needed: the next `poetry install` removes it.",
        stops=False,
    )


def stock_empty(root: Path, stock: Path) -> Finding:
    """A stock `install` was killed before it installed anything."""
    message = f"{stock} holds no plugin, although Poetry treats it as complete."
    return Finding("guard.stock-empty", message, _delete_stock(root, stock))


def stock_incomplete(root: Path, stock: Path, names: str) -> Finding:
    """A stock `install` was killed before it installed everything."""
    message = f"{stock} lacks {names}: every Poetry command silently runs without it."
    return Finding("guard.stock-incomplete", message, _delete_stock(root, stock))


def stock_broken(root: Path, stock: Path, name: str, lacking: str) -> Finding:
    """A plugin cannot be imported."""
    message = f"{stock} has {name} without {lacking}: Poetry's commands fail there."
    return Finding("guard.stock-broken", message, _delete_stock(root, stock))


def stock_unfinished(root: Path, stock: Path) -> Finding:
    """A stock `install` was killed before it recorded its work."""
    message = f"{stock} is unfinished; the next `poetry install` of stock Poetry removes it."
    return Finding("guard.stock-unfinished", message, _delete_stock(root, stock), stops=False)


def _delete_stock(root: Path, stock: Path) -> str:
    return f"Delete {stock}, then run `poetry install` in {root}."


def filesystem_locks(
    where: str, *, option: str, excludes: bool, frees: bool, is_shared: bool
) -> str:
    """What two processes of this host found out about a filesystem's locks."""
    if option:
        return f"Locks {where} work on this host only: the filesystem is mounted with {option}."
    if not excludes:
        return f"Locks {where} do not work: two processes held the same one at once."
    if not frees:
        return f"A lock {where} was still taken after its holder was killed."
    sound = f"Locks {where} work between processes on this host, and after kill -9."
    unknown = " Whether they work between hosts cannot be tested from one host."
    return sound + unknown if is_shared else sound


TRIAL_ENDED_EARLY = "the second process ended early"
TRIAL_SILENT = "the second process did not answer"
TRIAL_BUSY = "a new lock was refused as if it were in use"


def locks_untested(where: str, reason: object) -> str:
    """The test failed, not the locks."""
    return f"Could not test the locks {where}: {reason}."


def locks_absent(where: str, error: str) -> str:
    """The filesystem has no locks."""
    return f"There are no locks {where}: {error}"


def kept_in_use(holder: str) -> str:
    """Why something was not removed: somebody holds its lock."""
    return f"in use by {holder}"


def kept_unopened(lock: Path) -> str:
    """Why something was not removed: whether anybody holds its lock is unknown."""
    return f"cannot open {lock}, so it may be in use"


def kept_for_owner(entry: Path, owner: int, root: Path | None) -> str:
    """Why something was not removed: this user has no right to."""
    from shlex import quote

    command = f"poetry publish-verified doctor --clean {quote(str(root)) if root else ''}".strip()
    return f"you may not remove {entry}. Run `{command}` as user id {owner} or as root"


NOT_REMOVED = "could not be removed"
