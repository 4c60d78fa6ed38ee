"""Puts adapters behind the interfaces of a release and runs it."""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from poetry.__version__ import __version__ as poetry_version

from poetry_publish_verified.adapters.clients import Pip
from poetry_publish_verified.adapters.clock import SystemClock
from poetry_publish_verified.adapters.http import Http
from poetry_publish_verified.adapters.http import tls_context
from poetry_publish_verified.adapters.index import SimpleIndex
from poetry_publish_verified.adapters.repository import HttpRepository
from poetry_publish_verified.core.events import Event
from poetry_publish_verified.core.foreign import printable
from poetry_publish_verified.core.settings import Until
from poetry_publish_verified.core.urls import Access
from poetry_publish_verified.core.urls import RepositoryTarget
from poetry_publish_verified.errors import Code
from poetry_publish_verified.errors import Problem
from poetry_publish_verified.errors import ReleaseError
from poetry_publish_verified.errors import Verdict
from poetry_publish_verified.project import Indexes
from poetry_publish_verified.project import proxy_for
from poetry_publish_verified.publish import publish
from poetry_publish_verified.world import Outside
from poetry_publish_verified.world import Plan
from poetry_publish_verified.world import Release

# An index may think for long before it has stored a large file; Poetry's 15 s are too short.
_READ_TIMEOUT = 60.0
TOOL = "poetry-publish-verified"


@dataclass(frozen=True, slots=True)
class Targets:
    """Where a release goes and where it must show; `proxies`: whether by way of any."""

    repository: RepositoryTarget
    indexes: Indexes
    proxies: bool = True


async def run_release(
    release: Release, plan: Plan, targets: Targets, dist_dir: Path, report: Callable[[Event], None]
) -> Verdict:
    """`publish` against the real world."""
    everyone = {targets.indexes.own.url: targets.indexes.own}
    everyone |= {target.url: target for target in targets.indexes.shown_by}
    for access in (targets.repository.access, *(target.access for target in everyone.values())):
        _check_certificates(access)
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(
            Http(
                user_agent(),
                min(_READ_TIMEOUT, plan.timeout),
                proxy_for if targets.proxies else lambda _: None,
            )
        )
        indexes = {
            url: SimpleIndex(http, target, clock, plan.timeout) for url, target in everyone.items()
        }
        client = None
        if plan.until is Until.INSTALLABLE:
            folder = stack.enter_context(
                tempfile.TemporaryDirectory(prefix="publish-verified-", ignore_cleanup_errors=True)
            )
            client = Pip(Path(folder), os.environ, everyone.values(), proxies=targets.proxies)
            if (fault := await client.prepare()) is not None:
                raise ReleaseError(
                    Verdict.PREFLIGHT_REFUSED,
                    Problem(
                        Code.CLIENT_UNAVAILABLE,
                        f"pip cannot be set up for --until installable: {fault}",
                        "Make room in the folder for temporary files (TMPDIR), or use --until"
                        " downloadable.",
                    ),
                )
        outside = Outside(
            repository=HttpRepository(http, targets.repository, dist_dir),
            own=indexes[targets.indexes.own.url],
            indexes=tuple(indexes[target.url] for target in targets.indexes.shown_by),
            client=client,
            clock=clock,
            report=report,
        )
        return await publish(release, plan, outside)


def user_agent() -> str:
    """Who asks: this tool, Poetry, Python and the system."""
    return (
        f"{TOOL}/{version(TOOL)} Poetry/{poetry_version}"
        f" {platform.python_implementation()}/{platform.python_version()}"
        f" {platform.system()}/{platform.release()}"
    )


def _check_certificates(access: Access) -> None:
    try:
        tls_context(access)
    except OSError as error:
        path = access.client_cert if access.ca is None else access.ca
        raise ReleaseError(
            Verdict.PREFLIGHT_REFUSED,
            Problem(
                Code.CERTIFICATE,
                f"A certificate file cannot be used ({printable(str(path))}):"
                f" {printable(str(error))}.",
                "Name a PEM file with --cert or --client-cert, or with poetry config"
                " certificates.<repository>.cert.",
            ),
        ) from error
