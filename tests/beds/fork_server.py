"""Starts real Python processes quickly: one Python per environment, forked for each request.

    python fork_server.py SOCKET MODULE …

The server imports the modules once. Each request on the socket (a JSON object, with the descriptors
of the new standard streams) becomes a process that runs a program, `-m MODULE` or `-c CODE` as if
Python had just started, up to a normal interpreter exit. It is a child of the process that started
this server (CLONE_PARENT, clone(2)), so signals, exit codes, waiting and ancestry are those of a
process started normally.

This module runs in every Python the tests use, with nothing of this project on `sys.path`.
`forking.py` lists what a fork cannot show.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import pkgutil
import platform
import runpy
import signal
import socket
import sys
import threading
import time
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

CLONE = {"x86_64": 56, "aarch64": 220}
_CLONE_PARENT = 0x8000
_LARGEST = 1 << 18
# A path below this was computed too early, while modules were being imported.
NOWHERE = "/nowhere/fork-server"


def main() -> None:
    """Import, then fork until the socket is closed; only the children return."""
    control = socket.socket(fileno=int(sys.argv[1]))
    # Keep this directory's modules away from the programs that run.
    del sys.path[0]
    first = sys.path[0]
    missing = []
    for name in _expanded(sys.argv[2:]):
        try:
            importlib.import_module(name)
        except ImportError as error:
            missing.append(f"{name}: {error}")
    _compile_schemas()
    frozen = _Frozen()
    gc.collect()
    gc.freeze()
    threads = [thread.name for thread in threading.enumerate()][1:]
    control.send(json.dumps({"missing": missing, "threads": threads}).encode())
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, _LARGEST, 3)
        if not message:
            os._exit(0)
        begun, begins = os.pipe()
        pid = _fork()
        if not pid:
            control.close()
            os.close(begun)
            request = json.loads(message)
            _enter_group(request)
            os.close(begins)
            # poetry-core puts its vendored packages first when it is imported.
            _become(request, descriptors, frozen, sys.path.index(first))
            return
        os.close(begins)
        # Answer only once the process group exists, because the caller may signal it at once.
        os.read(begun, 1)
        os.close(begun)
        for descriptor in descriptors:
            os.close(descriptor)
        control.send(str(pid).encode())


def _expanded(names: list[str]) -> Iterator[str]:
    """The named modules; `package.*` stands for everything below a package."""
    for name in names:
        package = name.removesuffix(".*")
        yield package
        if package != name and package in sys.modules:
            path = sys.modules[package].__path__
            yield from (one.name for one in pkgutil.walk_packages(path, f"{package}."))


def _compile_schemas() -> None:
    """Make Poetry cache its compiled JSON schemas: half the time of most commands.

    Only newer versions cache them.
    """
    if "poetry.factory" in sys.modules:
        factory = sys.modules["poetry.factory"].Factory
        factory.validate({"project": {"name": "x", "version": "1"}, "tool": {"poetry": {}}})


def _fork() -> int:
    """Like `os.fork()`, but the child's parent is this process's parent."""
    python, libc = ctypes.pythonapi, ctypes.PyDLL(None, use_errno=True)
    python.PyOS_BeforeFork()
    pid = int(libc.syscall(CLONE[platform.machine()], _CLONE_PARENT | signal.SIGCHLD, 0, 0, 0, 0))
    if pid:
        python.PyOS_AfterFork_Parent()
    else:
        python.PyOS_AfterFork_Child()
    return pid


def _enter_group(request: dict[str, Any]) -> None:
    if request["session"]:
        os.setsid()
    elif request["group"] is not None:
        os.setpgid(0, request["group"])


def _become(
    request: dict[str, Any], descriptors: list[int], frozen: _Frozen, position: int
) -> None:
    """Set up everything a new process has: directory, environment, streams, arguments."""
    os.umask(request["umask"])
    for target, descriptor in enumerate(descriptors):
        os.dup2(descriptor, target)
    for descriptor in descriptors:
        if descriptor > 2:
            os.close(descriptor)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    time.tzset()
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        old = getattr(sys, name)
        new = open(  # noqa: SIM115 - stays open until the interpreter exits
            number,
            old.mode,
            buffering=1 if name == "stderr" else -1,
            encoding=old.encoding,
            errors=old.errors,
            closefd=False,
        )
        new.buffer.raw.name = f"<{name}>"
        setattr(sys, name, new)
        setattr(sys, f"__{name}__", new)
    _forget_caches()
    frozen.thaw()
    _set_arguments(request["argv"], position)


def _forget_caches() -> None:
    """Drop cached directory listings and the cached temporary directory."""
    importlib.invalidate_caches()
    sys.path_importer_cache.clear()
    if "importlib.metadata" in sys.modules:
        metadata = sys.modules["importlib.metadata"]
        with contextlib.suppress(AttributeError):  # only some versions have this cache
            metadata.FastPath.__new__.cache_clear()
    if "tempfile" in sys.modules:
        setattr(sys.modules["tempfile"], "tempdir", None)  # noqa: B010 - only if it is in use


class _Frozen:
    """The paths that Poetry's modules computed from the environment when they were imported."""

    def __init__(self) -> None:
        self._locations = _locations()
        self._places = list(_early_places())

    def thaw(self) -> None:
        """Compute them again, and check that none of the old ones is left."""
        if not self._locations:
            return
        importlib.reload(sys.modules["poetry.locations"])
        now = _locations()
        anew = {str(before): str(now[name]) for name, before in self._locations.items()}
        for table, key in self._places:
            if _is_early(table[key]):
                table[key] = type(table[key])(anew[str(table[key])])
        left = [f"{key} = {table[key]}" for table, key in _early_places()]
        if left:
            sys.exit(f"The fork server's own paths are still in use: {left}")


def _locations() -> dict[str, Path]:
    module = sys.modules.get("poetry.locations")
    if module is None:
        return {}
    constants = {name: value for name, value in vars(module).items() if isinstance(value, Path)}
    return {**constants, "data_dir()": module.data_dir()}


def _early_places() -> Iterator[tuple[dict[str, Any], str]]:
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] != "poetry":
            continue
        for table in (vars(module), *_tables_of_classes(module)):
            yield from ((table, key) for key, value in table.items() if _is_early(value))


def _tables_of_classes(module: types.ModuleType) -> Iterator[dict[str, Any]]:
    for one in vars(module).values():
        if isinstance(one, type) and one.__module__ == module.__name__:
            yield from (table for table in vars(one).values() if isinstance(table, dict))


def _is_early(value: Any) -> bool:
    return isinstance(value, str | os.PathLike) and str(value).startswith(NOWHERE)


def _set_arguments(argv: list[str], position: int) -> None:
    """Set `sys.argv` and `sys.path[0]` as `python` does from its arguments."""
    program = argv[0]
    sys.orig_argv = [sys.executable, *argv]
    if program in {"-c", "-m"}:
        sys.argv = [program, *argv[2:]]
        sys.path.insert(position, "" if program == "-c" else str(Path.cwd()))
    else:
        sys.argv = list(argv)
        sys.path.insert(position, str(Path(program).resolve().parent))


def run() -> None:
    """Run the requested program as this process's main module."""
    program, *rest = sys.orig_argv[1:]
    if program == "-m":
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
        return
    main_module = types.ModuleType("__main__")
    sys.modules["__main__"] = main_module
    if program == "-c":
        code = compile(rest[0], "<string>", "exec")
    else:
        main_module.__file__ = program
        code = compile(Path(program).read_bytes(), program, "exec")
    exec(code, vars(main_module))  # noqa: S102 - as Python itself does


if __name__ == "__main__":
    main()
    run()
