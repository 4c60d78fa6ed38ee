"""The real clients that a run asks."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, contextmanager, suppress
from pathlib import Path

from poetry_publish_verified.adapters.clients.pip import Pip, begun_early
from poetry_publish_verified.adapters.clients.pip_server import PipServer
from poetry_publish_verified.adapters.clients.poetry import PoetryClient
from poetry_publish_verified.adapters.clients.shared import ClientSetup
from poetry_publish_verified.adapters.clients.uv import Uv
from poetry_publish_verified.adapters.pace import Pace, SystemClock
from poetry_publish_verified.cli.started_release import kept_in, temporary_directory
from poetry_publish_verified.core.problems.project import no_client
from poetry_publish_verified.core.urls import IndexTarget
from poetry_publish_verified.errors import ReleaseError
from poetry_publish_verified.poetry_api.repositories import pypi_index
from poetry_publish_verified.release.interfaces import Client, Plan


def clients_of(
    stack: AsyncExitStack,
    indexes: Mapping[str, IndexTarget],
    plan: Plan,
    pace: Pace,
    *,
    proxies: bool,
    early: PipServer | None = None,
) -> list[Client]:
    """The real clients to ask: those here that `--clients` names."""
    stack.enter_context(_without_poetrys_log())
    setup = _setup(Path(stack.enter_context(temporary_directory())), indexes, pace, proxies=proxies)
    uv = shutil.which("uv") if "uv" in plan.clients else None
    clients: list[Client] = []
    if "pip" in plan.clients:
        pip = Pip(setup, early)
        stack.push_async_callback(pip.close)
        clients.append(pip)
    clients += [Uv(uv, setup)] if uv else []
    clients += [PoetryClient(setup, pypi_index())] if "poetry" in plan.clients else []
    if not clients:
        raise ReleaseError.refused(no_client())
    return clients


def early_pip(stack: ExitStack) -> PipServer | None:
    """pip, on its way while the rest is loaded; None if it has to be unpacked first.

    It ends with `stack` at the latest.
    """
    directory = Path(stack.enter_context(temporary_directory()))
    # What keeps it from starting is said when it is asked.
    with suppress(OSError):
        server = begun_early(_setup(directory, {}, Pace(SystemClock()), proxies=True))
        if server is not None:
            stack.callback(server.close)
        return server
    return None


def _setup(
    directory: Path, indexes: Mapping[str, IndexTarget], pace: Pace, *, proxies: bool
) -> ClientSetup:
    return ClientSetup(
        directory=directory,
        kept_in=kept_in() / "clients",
        environment=os.environ,
        indexes=indexes,
        pace=pace,
        proxies=proxies,
    )


@contextmanager
def _without_poetrys_log() -> Iterator[None]:
    """Silence Poetry as a client: it logs the URLs that it meets, with their signatures."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
