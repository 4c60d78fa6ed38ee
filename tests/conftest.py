"""Shared fixtures: the wheel, Poetry with it, indexes, proxies and projects."""

from __future__ import annotations

import contextlib
import signal
import ssl
import uuid
from typing import TYPE_CHECKING, Protocol

import pytest
import trustme

from tests import hypothesis_profiles
from tests.beds import indexes
from tests.beds.environments import environment
from tests.beds.poetry import Poetry
from tests.beds.projects import Project, make_project
from tests.beds.proxy import FaultProxy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.beds.environments import PoetryEnvironment
    from tests.beds.indexes import Devpi, Index


def pytest_configure(config: pytest.Config) -> None:
    """Configure Hypothesis before it sees a test, and make tests interruptible."""
    hypothesis_profiles.install(config)
    # A shell makes background jobs ignore Ctrl-C, and so would everything that tests start.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


class MakeProxy(Protocol):
    """Starts a proxy in front of an origin; the fixture ends it."""

    def __call__(self, upstream: str, tls: ssl.SSLContext | None = None) -> FaultProxy:
        """Start one."""
        ...


@pytest.fixture(scope="session")
def poetry_environment() -> PoetryEnvironment:
    """The newest Poetry on the Python that runs the tests, with the wheel."""
    return environment()


@pytest.fixture(scope="session")
def stock_environment() -> PoetryEnvironment:
    """The same without the plugin."""
    return environment(plugin=False)


@pytest.fixture
def poetry(poetry_environment: PoetryEnvironment, tmp_path: Path) -> Poetry:
    """Poetry with the plugin and the test's own home."""
    return Poetry(poetry_environment, tmp_path / "home")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project named `lantern`, version 1.0, in a path with a space and an umlaut."""
    return make_project(tmp_path / "my größe" / "lantern")


@pytest.fixture
def pypi(tmp_path: Path) -> Iterator[Index]:
    """The test's own pypiserver, with a password."""
    with indexes.pypiserver(tmp_path / "pypiserver") as index:
        yield index


@pytest.fixture
def open_pypi(tmp_path: Path) -> Iterator[Index]:
    """The test's own pypiserver, where everybody may upload."""
    with indexes.pypiserver(tmp_path / "open-pypiserver", password=False) as index:
        yield index


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Index]:
    """A pypiserver that asks for the password on every request."""
    with indexes.pypiserver(tmp_path / "closed", protect="update,download,list") as index:
        yield index


@pytest.fixture(scope="session")
def devpi_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devpi]:
    """One devpi for all tests."""
    with indexes.devpi(tmp_path_factory.mktemp("devpi")) as server:
        yield server


@pytest.fixture
def devpi(devpi_server: Devpi) -> Index:
    """The test's own non-volatile index on devpi."""
    return devpi_server.index("harbour", f"i{uuid.uuid4().hex[:8]}")


@pytest.fixture
def volatile_devpi(devpi_server: Devpi) -> Index:
    """The same, but files may be replaced."""
    return devpi_server.index("harbour", f"i{uuid.uuid4().hex[:8]}", volatile=True)


@pytest.fixture
def make_proxy() -> Iterator[MakeProxy]:
    """Starts proxies between clients and indexes, for the length of the test."""
    with contextlib.ExitStack() as stack:

        def make(upstream: str, tls: ssl.SSLContext | None = None) -> FaultProxy:
            return stack.enter_context(FaultProxy(upstream, tls))

        yield make


@pytest.fixture
def proxy(make_proxy: MakeProxy, pypi: Index) -> FaultProxy:
    """A proxy in front of the test's pypiserver."""
    return make_proxy(pypi.origin)


@pytest.fixture
def behind(pypi: Index, proxy: FaultProxy, project: Project) -> Index:
    """The index as reached through the proxy, and the project is built."""
    project.build()
    return pypi.behind(proxy.origin)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    """A server's TLS context for 127.0.0.1, and the CA file that it needs."""
    own = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own.issue_cert("127.0.0.1").configure_cert(context)
    file = tmp_path_factory.mktemp("authority") / "ca.pem"
    own.cert_pem.write_to_path(str(file))
    return context, file
