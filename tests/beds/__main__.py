r"""Set up one test bed by hand and keep it until Ctrl-C.

python -m tests.beds pypiserver           an index that asks for a password
python -m tests.beds devpi                the same, on devpi
python -m tests.beds varnish\|nginx        an index behind an edge that caches pages for 30 s
python -m tests.beds poetry [VERSION]     an isolated shell with this Poetry and the plugin
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.beds import edges, indexes
from tests.beds.environments import POETRY_MINORS, environment
from tests.beds.poetry import isolated
from tests.beds.release import REPOSITORY

_TTL = 30.0


def main() -> int:
    """Set up the requested bed."""
    kind, *more = sys.argv[1:] or [""]
    # Supervisors stop a program with SIGTERM, and the servers must stop with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="bed-") as directory, contextlib.ExitStack() as stack:
        work = Path(directory)
        if kind == "poetry" and set(more) <= set(POETRY_MINORS):
            return _shell(work, *more)
        if kind not in {"pypiserver", "devpi", "varnish", "nginx"} or more:
            print(__doc__, file=sys.stderr)  # noqa: T201
            return 1
        if kind == "devpi":
            index = stack.enter_context(indexes.devpi(work / kind)).index("harbour")
        else:
            index = stack.enter_context(indexes.pypiserver(work / kind))
        if kind in {"varnish", "nginx"}:
            edge = stack.enter_context(getattr(edges, kind)(work / "edge", index.origin, ttl=_TTL))
            index = index.behind(edge.origin)
        for name, value in index.environment(REPOSITORY).items():
            print(f"export {name}='{value}'")  # noqa: T201
        print(f"# simple API: {index.simple_url}; kept in {work} until Ctrl-C", flush=True)  # noqa: T201
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()
    return 0


def _shell(home: Path, *version: str) -> int:
    own = environment(*version)
    path = f"{own.path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [os.environ.get("SHELL", "/bin/sh")], env=isolated(home, PATH=path), check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
