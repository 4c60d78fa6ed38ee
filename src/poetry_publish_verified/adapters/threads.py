"""Calls that may never end."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


async def in_daemon_thread(call: Callable[[], T]) -> T:
    """`call`'s answer, from a daemon thread that is left alone when its time is up.

    The threads of anyio and asyncio are waited for when the process ends, which a server that hangs
    could put off for minutes.
    """
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()

    def work() -> None:
        try:
            future.set_result(call())
        except Exception as error:  # noqa: BLE001 - raised again where it is awaited
            future.set_exception(error)
        except BaseException as error:  # noqa: BLE001 - a panic in a library of Rust
            future.set_exception(RuntimeError(f"{type(error).__name__}: {error}"))

    threading.Thread(target=work, name="left-alone", daemon=True).start()
    return await asyncio.wrap_future(future)
