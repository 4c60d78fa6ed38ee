"""Stress one of Poetry's caches: `hammer.py stock|ours DIRECTORY TIMES`.

Prints that it is ready, and starts when it reads a line. Prints the errors it met as JSON: kind to
count.
"""

from __future__ import annotations

import collections
import contextlib
import json
import random
import sys
from pathlib import Path

from poetry.utils.cache import FileCache

from poetry_publish_verified.guard.seams.storage import atomic_storage


def main() -> None:
    """Put, get, forget and occasionally flush."""
    whose, directory, times = sys.argv[1:]
    cache: FileCache[list[int]] = FileCache(path=Path(directory))
    errors: collections.Counter[str] = collections.Counter()
    # Long enough that a reader can see it half-written.
    value = list(range(2000))

    def get(key: str) -> None:
        found = cache.get(key)
        if found is not None and found != value:
            raise ValueError(key)

    def flush() -> None:
        if Path(directory).exists():
            cache.flush()

    ours = atomic_storage(lambda *_: contextlib.nullcontext(True))
    with ours if whose == "ours" else contextlib.nullcontext():
        print("ready", flush=True)  # noqa: T201
        sys.stdin.readline()
        for _ in range(int(times)):
            key = f"package:{random.randrange(4)}"  # noqa: S311
            chance = random.random()  # noqa: S311
            try:
                if chance < 0.4:
                    cache.put(key, value)
                elif chance < 0.8:
                    get(key)
                elif chance < 0.99:
                    cache.forget(key)
                else:
                    flush()
            except Exception as error:  # noqa: BLE001
                errors[type(error).__name__] += 1
    print(json.dumps(errors))  # noqa: T201


main()
