"""uv as a client: it installs a wheel under the sha256 that was published.

Tried with uv 0.8 to 0.13.
"""

import re
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import anyio

from poetry_publish_verified.adapters.clients import shared
from poetry_publish_verified.core import client_words
from poetry_publish_verified.core.urls import IndexTarget
from poetry_publish_verified.core.uv_target import UvTarget, uv_target
from poetry_publish_verified.core.verification import (
    ClientAbstains,
    ClientFailure,
    ClientFile,
    ClientRequest,
)
from poetry_publish_verified.sanitize import printable

# 0.4 does not know some of the variables below and would ask PyPI instead; 0.5 may take
# another wheel than the one with the hash.
_OLDEST = (0, 8)
# Earlier ones take hashes with == only, which means 1.0+local too where 1.0 is meant.
_TAKES_TRIPLE_EQUALS = (0, 13)
_VERSION = re.compile(rb"uv (\d+)\.(\d+)")
_VERSION_TIMEOUT = 30.0
# How uv's argument parser refuses an option or value that this version does not know.
_NOT_KNOWN = (b"error: invalid value", b"error: unexpected argument")
# Of the user's own UV_* only how to reach the network.
_NETWORK = {"UV_NATIVE_TLS", "UV_SYSTEM_CERTS", "UV_HTTP_TIMEOUT", "UV_HTTP_CONNECT_TIMEOUT"}
# Other indexes than the one that is asked about would answer in its place.
_OTHER_INDEXES = {
    *("UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS"),
    *("UV_REQUIRE_HASHES", "UV_DRY_RUN"),
}


class Uv:
    """uv without its cache and without the user's settings (cool-downs, other indexes)."""

    name = "uv"
    optional = True

    def __init__(self, executable: Path | str, setup: shared.ClientSetup) -> None:
        """`prepare` comes before `download` and `resolve`."""
        self._executable = shared.absolute(str(executable))
        self._setup = setup
        self._version: tuple[int, ...] = _OLDEST
        self._users = {
            key: value
            for key, value in setup.environment.items()
            if setup.proxies or not key.upper().endswith("_PROXY")
        }
        network = {k: v for k, v in setup.environment.items() if k.upper() in _NETWORK}
        self._environment = network | setup.variables

    async def prepare(self) -> str | None:
        """Learn uv's version; why it cannot be asked."""
        try:
            with anyio.fail_after(_VERSION_TIMEOUT):
                done = await self._run(["--version"], self._environment, self._setup.directory)
        except TimeoutError:
            return f"uv --version did not finish within {_VERSION_TIMEOUT:.0f} s"
        except OSError as error:
            return f"uv could not be run: {printable(str(error))}"
        found = _VERSION.match(done.stdout)
        if done.returncode != 0 or found is None:
            return f"uv --version failed: {printable(done.stdout)}"
        self._version = tuple(int(part) for part in found.groups())
        if self._version < _OLDEST:
            return f"{printable(found[0])} is too old: 0.8 or later is required"
        return None

    async def download(
        self, request: ClientRequest, index_url: str, timeout: float
    ) -> ClientFile | ClientFailure | ClientAbstains:
        """Have uv install one wheel from one index, for the machine of its target."""
        outcome = await self._install(request, index_url, timeout)
        return outcome or ClientFile(request.filename, request.sha256)

    async def resolve(
        self, request: ClientRequest, index_url: str, timeout: float
    ) -> ClientFailure | ClientAbstains | None:
        """The same as a dry run.

        Where the index offers neither metadata beside the wheel (PEP 658) nor ranges of it, uv
        downloads it all the same.
        """
        return await self._install(request, index_url, timeout, "--dry-run")

    async def stale_cache_remedy(
        self, request: ClientRequest, index_url: str, timeout: float
    ) -> str | None:
        """The command after which the user's own uv sees the release, where it now does not.

        uv keeps a page for its max-age and asks nobody in that time. None where its cache is
        not the reason, or where that could not be found out. It makes at most two requests for
        the page, and leaves the user's cache as any look-up of theirs would.
        """
        target = _target(request)
        if isinstance(target, ClientAbstains):
            return None
        index = self._setup.indexes[index_url]
        environment = {k: v for k, v in self._users.items() if k.upper() not in _OTHER_INDEXES}
        environment |= _settings(index, environment)
        goal = self._setup.directory / "not-installed"
        question = ["pip", "install", "--dry-run", "--no-deps", *_common(target, goal)]
        question.append(request.requirement)
        try:
            async with self._setup.pace.clients_turn(index_url, timeout):
                # Where the user is: a project's settings of uv count too.
                with anyio.fail_after(timeout):
                    if (await self._run(question, environment)).returncode == 0:
                        return None
                    # The same settings over an empty cache: else the cache is not the reason.
                    if (await self._run([*question, "--no-cache"], environment)).returncode != 0:
                        return None
        except (TimeoutError, OSError):
            return None
        return f"uv pip install --refresh-package {request.name} {request.name}=={request.version}"

    async def _install(
        self, request: ClientRequest, index_url: str, timeout: float, *options: str
    ) -> ClientFailure | ClientAbstains | None:
        target = _target(request)
        if isinstance(target, ClientAbstains):
            return target
        environment = self._environment | _settings(
            self._setup.indexes[index_url], self._environment
        )
        if target.macos is not None:
            environment["MACOSX_DEPLOYMENT_TARGET"] = target.macos
        async with shared.deleted_at_once(self._setup.directory) as place:
            goal = place / "installed"
            command = [self._executable, "pip", "install", *options, "--no-deps", "--no-cache"]
            command += ["--no-config", "--require-hashes", "--only-binary", ":all:"]
            command += [*_common(target, goal), "-r", str(self._requirements(request, place))]
            environment |= shared.temporary_files_in(place)
            run = partial(shared.run, command, environment, self._setup.directory)
            done = await self._setup.ask(self.name, run, index_url, timeout)
            if isinstance(done, ClientFailure):
                return done
            if done.returncode == 0 and (options or any(goal.glob("*.dist-info"))):
                return None
        return self._refusal(request, done.stdout)

    def _requirements(self, request: ClientRequest, place: Path) -> Path:
        """uv takes, of all files of the version, the one that has this hash, and checks it."""
        exactly = "===" if self._version >= _TAKES_TRIPLE_EQUALS else "=="
        file = place / "requirements.txt"
        line = f"{request.name}{exactly}{request.version} --hash=sha256:{request.sha256}\n"
        file.write_text(line, encoding="utf-8")
        return file

    def _refusal(self, request: ClientRequest, said: bytes) -> ClientFailure | ClientAbstains:
        if said.startswith(_NOT_KNOWN):
            return ClientAbstains(f"this uv is too old: {printable(said, 200)}")
        words = client_words.of_uv(said)
        local = f"{request.name}=={request.version}+"
        if self._version < _TAKES_TRIPLE_EQUALS and local in words:
            return ClientAbstains(f"this uv takes another version instead: {words}")
        return ClientFailure(words)

    async def _run(
        self, arguments: list[str], environment: Mapping[str, str], directory: Path | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        return await shared.run([self._executable, *arguments], environment, directory)


def _target(request: ClientRequest) -> UvTarget | ClientAbstains:
    if request.target is None:
        return ClientAbstains("uv would have to build the sdist")
    # The interpreter that uv looks at has to have the ABI of ordinary CPython.
    ordinary = sys.implementation.name == "cpython"
    ordinary &= not sysconfig.get_config_var("Py_GIL_DISABLED")
    if not ordinary and request.target.implementation != "py":
        return ClientAbstains("uv cannot ask for CPython wheels with this Python")
    return uv_target(request.target)


def _common(target: UvTarget, goal: Path) -> list[str]:
    platform = ["--python-platform", target.platform] if target.platform else []
    return [
        *("--target", str(goal), "--python", sys.executable),
        *("--python-version", target.python_version, *platform),
        *("--color", "never", "--no-progress"),
    ]


def _settings(index: IndexTarget, environment: Mapping[str, str]) -> dict[str, str]:
    """Where to look and whom to trust; not as arguments, which are for every user to see."""
    access = index.access
    settings = {
        "UV_DEFAULT_INDEX": shared.with_credentials(index.url, access),
        "UV_KEYRING_PROVIDER": "disabled",
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_NO_VERIFY_HASHES": "false",
    }
    if not access.verify:
        settings["UV_INSECURE_HOST"] = urlsplit(index.url).netloc
    if access.ca is not None:
        directory = Path(access.ca).is_dir()
        settings["SSL_CERT_DIR" if directory else "SSL_CERT_FILE"] = shared.absolute(access.ca)
        # Else what the environment names counts beside or before it.
        for other in ("SSL_CERT_FILE" if directory else "SSL_CERT_DIR",):
            if other in environment:
                settings[other] = ""
        settings |= {"UV_NATIVE_TLS": "false", "UV_SYSTEM_CERTS": "false"}
    if access.client_cert is not None:
        settings["SSL_CLIENT_CERT"] = shared.absolute(access.client_cert)
    return settings
