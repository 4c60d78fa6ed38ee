"""A process that holds a lock while a test checks what others do."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from poetry_publish_verified.guard.locks.resource import Resource

HOLDER = """
import subprocess, sys
from pathlib import Path
from poetry_publish_verified.guard.locks.lock import acquire
from poetry_publish_verified.guard.locks.resource import Order, Resource
path, order, *then = sys.argv[1:]
def say(text):
    print(text, file=sys.stderr)
with acquire(Resource("a thing", Path(path), Order[order]), say) as ours:
    print("held" if ours else "without", flush=True)
    if then:
        sys.exit(subprocess.run(then).returncode)
    sys.stdin.readline()
"""


def holder_argv(resource: Resource, *then: str) -> list[str]:
    """A command that holds it until its standard input ends, or while `then` runs."""
    return [sys.executable, "-c", HOLDER, str(resource.path), resource.order.name, *then]


@contextmanager
def holder_of(resource: Resource, *then: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds it; killed in the end."""
    pipe = subprocess.PIPE
    process = subprocess.Popen(holder_argv(resource, *then), stdin=pipe, stdout=pipe, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()
