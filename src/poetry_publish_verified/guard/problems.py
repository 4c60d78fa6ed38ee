"""Everything that the guard says: a function each, with message and remedy side by side.

What is said of Poetry's own commands is a line of text; what is refused, or found by doctor, keeps
its code. Foreign text is made harmless where it is printed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


PLUGIN = "poetry-publish-verified"
SWITCH = "POETRY_PUBLISH_VERIFIED_GUARD"
SETS_VARIABLE = "POETRY_PUBLISH_VERIFIED_PLUGIN_SETS"
_NOT_WRITABLE = " is not writable"


# The guard as a whole


def guard_failed(error: Exception) -> str:
    return (
        f"{PLUGIN} failed, and Poetry runs without its guard: {type(error).__name__}: {error}."
        f" Set {SWITCH}=off to silence this warning."
    )


def unknown_switch(value: str) -> str:
    return f"{SWITCH} is {value!r}, which is neither on nor off. The guard stays on."


def left_as_stock(reason: str) -> str:
    return f"{PLUGIN} does not replace part of Poetry: {reason}."


def project_left_to_poetry(file: Path, error: Exception) -> str:
    return f"{PLUGIN} leaves {file} to Poetry: {error}"


# Entries that are not trusted, after their path

SYMBOLIC_LINK = "is a symbolic link, which is not followed"
TOO_WRITABLE = "is writable by more users than its parent directory"


def foreign_owner(uid: int) -> str:
    return f"belongs to another user (user id {uid})"


# Plugin sets

PROJECT_PLUGIN_ONLY = (
    f"{PLUGIN} is installed only as a project plugin, where it cannot protect the project's"
    f" plugins. Run `poetry self add {PLUGIN}`."
)


def unsatisfied_plugin(name: str, version: str, constraint: str) -> str:
    return (
        f"Poetry's own environment has {name} {version}, but the project requires {constraint}. Run"
        f" `poetry self update {name}`. Until then, parallel Poetry processes in this project are"
        " not protected."
    )


def stock_beside_sets(stock: Path) -> str:
    return (
        f"{stock} exists beside the plugin sets, so a Poetry without {PLUGIN} created it. The next"
        f" `poetry install` with {PLUGIN} removes it."
    )


def stock_removed(stock: Path) -> str:
    return (
        f"Removed {stock}: plugin sets replace it. A Poetry without {PLUGIN} in this checkout gets"
        " its plugins back when it runs `poetry install`."
    )


OLDER_SET_IN_USE = (
    "The project's plugins have changed and are not built yet; an older set is in use. Run"
    " `poetry install`."
)


def building_for_this_process(obstacle: str) -> str:
    return (
        f"Plugin sets cannot be stored, because {obstacle}. Building one for this process only."
        f" {_keep_sets_elsewhere(obstacle)}"
    )


def stock_stays_in_use(obstacle: str, stock: Path) -> str:
    return f"Plugin sets cannot be stored, because {obstacle}. {stock} stays in use."


def _keep_sets_elsewhere(obstacle: str) -> str:
    first = "Set" if obstacle.endswith(_NOT_WRITABLE) else "Delete it, or set"
    return f"{first} {SETS_VARIABLE} to store them elsewhere."


def not_a_directory(path: Path) -> str:
    return f"{path} is not a directory"


def not_writable(path: Path) -> str:
    return f"{path}{_NOT_WRITABLE}"


def building_set(names: str) -> str:
    return f"Building the plugin set that the project requires: {names}"


def set_lost_files(path: Path) -> str:
    return f"{path} is missing files. Rebuilding it."


GUARD_IS_OFF = f"{SWITCH} switches the guard off, so no command would use a plugin set."
NO_SET_NEEDED = (
    "Poetry's own environment has all plugins that the project requires, so it needs no plugin set."
)


def sets_hindered(obstacle: str) -> str:
    return f"Plugin sets cannot be stored, because {obstacle}. {_keep_sets_elsewhere(obstacle)}"


def set_built(names: Sequence[str], path: Path, is_new: bool) -> str:
    which = "Built the plugin set" if is_new else "The plugin set is there already,"
    return f"{which} in {path}: {', '.join(names)}."


def copying_set(path: Path) -> str:
    return f"Poetry's own environment has changed: copying {path} for it."


def set_not_renewed(error: Exception) -> str:
    return (
        f"The plugin set could not be built for Poetry's environment as it is now: {_words(error)}."
        " The next `poetry install` builds it."
    )


def keeping_stock_plugins(error: Exception) -> str:
    return f"No plugin set could be built; stock Poetry's plugins stay in use: {_words(error)}."


def _words(error: Exception) -> str:
    return str(error).strip().rstrip(".")


def leaving_plugins_to_poetry(error: Exception) -> str:
    return f"{PLUGIN} leaves the project's plugins to Poetry: {error!r}."


def not_cleaned_up(directory: Path, error: Exception) -> str:
    return f"Could not clean up {directory}: {error!r}."


# Poetry's caches


def cache_not_cleared(sources: Sequence[str], reason: str) -> str:
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
    message = f"Cannot read which plugins the project requires from {file}: {error}"
    return Finding("guard.list-unreadable", message, "Fix the file.")


def plugins_not_active(names: str, obstacle: str, root: Path | None = None) -> Finding:
    whose = f"The plugins that {root} requires" if root else "The project's plugins"
    if obstacle:
        code, why = "guard.sets-hindered", f"They cannot be stored, because {obstacle}."
        remedy = _keep_sets_elsewhere(obstacle)
    else:
        code, why = "guard.set-absent", "They are not built yet for this Poetry and Python."
        remedy = f"Run `poetry install`{f' in {root}' if root else ''}."
    return Finding(code, f"{whose} are not active: {names}. {why}", remedy)


def nothing_required(file: Path) -> Finding:
    message = f"{file} requires no Poetry plugins, or cannot be read."
    remedy = "List them in [tool.poetry.requires-plugins]."
    return Finding("guard.nothing-required", message, remedy)


def set_not_built(reason: str) -> Finding:
    return Finding("guard.set-not-built", f"No plugin set was built. {reason}", "")


def installing_plugins_failed(error: Exception) -> Finding:
    message = f"No plugin set was built: {_words(error)}."
    remedy = "Check that the project's sources can be reached, then run this again."
    return Finding("guard.set-not-built", message, remedy)


def set_damaged(path: Path) -> Finding:
    return Finding(
        "guard.set-damaged",
        f"{path} is missing files or its record.",
        "Run `poetry install` in the project with the same Python and Poetry, or delete it.",
    )


def set_abandoned(path: Path) -> Finding:
    return Finding(
        "guard.set-abandoned",
        f"{path} was left behind by a build that was killed.",
        "No action needed: the next `poetry install` removes it.",
        stops=False,
    )


def stock_empty(root: Path, stock: Path) -> Finding:
    message = f"{stock} holds no plugin, although Poetry treats it as complete."
    return _stock("empty", message, root, stock)


def stock_incomplete(root: Path, stock: Path, names: str) -> Finding:
    message = f"{stock} lacks {names}: every Poetry command silently runs without it."
    return _stock("incomplete", message, root, stock)


def stock_broken(root: Path, stock: Path, name: str, lacking: str) -> Finding:
    message = f"{stock} has {name} without {lacking}: Poetry's commands fail there."
    return _stock("broken", message, root, stock)


def stock_unfinished(root: Path, stock: Path) -> Finding:
    message = f"{stock} is unfinished; the next `poetry install` of stock Poetry removes it."
    return _stock("unfinished", message, root, stock)._replace(stops=False)


def _stock(code: str, message: str, root: Path, stock: Path) -> Finding:
    remedy = f"Delete {stock}, then run `poetry install` in {root}."
    return Finding(f"guard.stock-{code}", message, remedy)


def filesystem_locks(
    where: str, *, why_local: str, excludes: bool, frees: bool, is_shared: bool
) -> str:
    if not excludes:
        return f"Locks {where} do not work: two processes held the same one at once."
    if not frees:
        return f"A lock {where} was still held after its holder was killed."
    if why_local:
        return f"Locks {where} work on this host only, because of {why_local}."
    sound = f"Locks {where} work between processes on this host, and after kill -9."
    unknown = " Whether they work between hosts cannot be tested from one host."
    return sound + unknown if is_shared else sound


TRIAL_ENDED_EARLY = "the second process ended early"
TRIAL_SILENT = "the second process did not answer"
TRIAL_BUSY = "a new lock was refused as if it were in use"


LOCKS_DO_NOT_WORK = "Parallel Poetry processes can still break each other there."
LOCKS_ABSENT = f"{LOCKS_DO_NOT_WORK} publish-verified refuses to run there."


def locks_untested(where: str, reason: object) -> str:
    return f"Could not test the locks {where}: {reason}."


def locks_absent(where: str, error: str) -> str:
    return f"Locks {where} are not available: {error}"


def kept_in_use(holder: str) -> str:
    return f"in use by {holder}"


def kept_unopened(lock: Path) -> str:
    return f"cannot open {lock}, so it may be in use"


def kept_for_owner(entry: Path, owner: int, root: Path | None) -> str:
    from shlex import quote

    command = f"poetry publish-verified doctor --clean {quote(str(root)) if root else ''}".strip()
    who = f"user id {owner} or as root" if owner else "root"
    return f"you have no permission to remove {entry}. Run `{command}` as {who}"


NOT_REMOVED = "could not be removed"
