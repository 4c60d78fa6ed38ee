"""uv as a client: it installs a wheel under the sha256 that was published.

Tried with uv 0.8 to 0.13.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import anyio

from poetry_publish_verified import isolated_python as children
from poetry_publish_verified.adapters.clients.pip import absolute
from poetry_publish_verified.adapters.clients.pip import with_credentials
from poetry_publish_verified.core import client_words
from poetry_publish_verified.core.urls import IndexTarget
from poetry_publish_verified.core.uv_target import UvTarget
from poetry_publish_verified.core.uv_target import uv_target
from poetry_publish_verified.core.verification import ClientAbstains
from poetry_publish_verified.core.verification import ClientFailure
from poetry_publish_verified.core.verification import ClientFile
from poetry_publish_verified.core.verification import WheelWanted
from poetry_publish_verified.sanitize import printable

# 0.4 does not know some of the variables below and would ask PyPI instead; 0.5 may take
# another wheel than the one with the hash.
_OLDEST = (0, 8)
# Earlier ones take hashes with == only, which means 1.0+local too where 1.0 is wanted.
_TAKES_TRIPLE_EQUALS = (0, 13)
_VERSION = re.compile(rb"uv (\d+)\.(\d+)")
_VERSION_TIMEOUT = 30.0
# How uv's argument parser refuses an option or value of which this version has not heard.
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

    def __init__(
        self,
        executable: Path | str,
        folder: Path,
        environment: Mapping[str, str],
        indexes: Iterable[IndexTarget],
        *,
        proxies: bool = True,
    ) -> None:
        """`folder` may be thrown away; `environment` is the process's own.

        `indexes` are those that may be asked for; `proxies` whether the environment's are used.
        """
        self._executable = absolute(str(executable))
        self._folder = folder
        self._indexes = {index.url: index for index in indexes}
        self._users = {
            key: value
            for key, value in environment.items()
            if proxies or not key.upper().endswith("_PROXY")
        }
        self._environment = {
            key: value for key, value in environment.items() if key.upper() in _NETWORK
        } | children.surroundings(environment, network=True, proxies=proxies)
        # Its own home and folder for temporary files, so that nothing stays however it ends.
        self._environment |= dict.fromkeys(("HOME", "USERPROFILE"), str(folder))
        self._environment |= dict.fromkeys(("TMPDIR", "TMP", "TEMP"), str(folder))

    async def download(
        self, wheel: WheelWanted, index_url: str, timeout: float
    ) -> ClientFile | ClientFailure | ClientAbstains:
        """Have uv install one wheel from one index, for the machine of its target."""
        target = uv_target(wheel.target)
        if isinstance(target, UvTarget) and not _own_interpreter_fits(wheel):
            target = ClientAbstains(
                "this Python is none that uv could ask for CPython wheels with."
            )
        if isinstance(target, ClientAbstains):
            return target
        try:
            version = await self._version()
            if isinstance(version, ClientAbstains):
                return version
            with anyio.fail_after(timeout):
                got = await self._install(wheel, target, self._indexes[index_url], version)
        except TimeoutError:
            return ClientFailure(f"uv did not finish within {timeout:.0f} s")
        except OSError as error:
            return ClientAbstains(f"uv could not be run: {printable(str(error))}")
        local = f"{wheel.name}=={wheel.version}+"
        if (
            version < _TAKES_TRIPLE_EQUALS
            and isinstance(got, ClientFailure)
            and local in got.detail
        ):
            return ClientAbstains(f"this uv takes another version instead: {got.detail}")
        return got

    async def stale_cache_remedy(
        self, wheel: WheelWanted, index_url: str, timeout: float
    ) -> str | None:
        """The command after which the user's own uv sees the release, where it now does not.

        uv keeps a page for its max-age and asks nobody in that time. None where its cache is
        not the reason, or where that could not be found out. It makes at most two requests for
        the page, and leaves the user's cache as any look-up of theirs would.
        """
        target = uv_target(wheel.target)
        if not isinstance(target, UvTarget):
            return None
        index = self._indexes[index_url]
        environment = {k: v for k, v in self._users.items() if k.upper() not in _OTHER_INDEXES}
        environment |= _settings(index, environment)
        goal = self._folder / f"not-installed-{os.urandom(4).hex()}"
        question = [
            *("pip", "install", "--dry-run", "--no-deps", *_common(target, goal)),
            wheel.requirement,
        ]
        try:
            # Where the user is: a project's settings of uv count too.
            with anyio.fail_after(timeout):
                if (await self._run(question, environment)).returncode == 0:
                    return None
                # The same settings over an empty cache: else the cache is not the reason.
                if (await self._run([*question, "--no-cache"], environment)).returncode != 0:
                    return None
        except (TimeoutError, OSError):
            return None
        return f"uv pip install --refresh-package {wheel.name} {wheel.name}=={wheel.version}"

    async def _version(self) -> tuple[int, ...] | ClientAbstains:
        try:
            with anyio.fail_after(_VERSION_TIMEOUT):
                done = await self._run(["--version"], self._environment, self._folder)
        except TimeoutError:
            return ClientAbstains(f"uv did not tell its version within {_VERSION_TIMEOUT:.0f} s")
        told = _VERSION.match(done.stdout)
        if done.returncode != 0 or told is None:
            return ClientAbstains(f"uv does not tell its version: {printable(done.stdout)}")
        version = tuple(int(part) for part in told.groups())
        if version < _OLDEST:
            return ClientAbstains(f"{printable(told[0])} is too old: 0.8 is the least.")
        return version

    async def _install(
        self,
        wheel: WheelWanted,
        target: UvTarget,
        index: IndexTarget,
        version: tuple[int, ...],
    ) -> ClientFile | ClientFailure | ClientAbstains:
        token = os.urandom(4).hex()
        goal, wanted = self._folder / f"installed-{token}", self._folder / f"wanted-{token}.txt"
        # uv takes, of all files of the version, the one that has this hash, and checks it.
        exactly = "===" if version >= _TAKES_TRIPLE_EQUALS else "=="
        wanted.write_text(
            f"{wheel.name}{exactly}{wheel.version} --hash=sha256:{wheel.sha256}\n",
            encoding="utf-8",
        )
        environment = self._environment | _settings(index, self._environment)
        if target.macos is not None:
            environment["MACOSX_DEPLOYMENT_TARGET"] = target.macos
        done = await self._run(
            [
                *("pip", "install", "--no-deps", "--no-cache", "--no-config", "--require-hashes"),
                *("--only-binary", ":all:", *_common(target, goal), "-r", str(wanted)),
            ],
            environment,
            self._folder,
        )
        if done.returncode == 0 and any(goal.glob("*.dist-info")):
            return ClientFile(wheel.filename, wheel.sha256)
        if done.stdout.startswith(_NOT_KNOWN):
            return ClientAbstains(f"this uv is too old: {printable(done.stdout, 200)}")
        return ClientFailure(client_words.of_uv(done.stdout))

    async def _run(
        self, arguments: list[str], environment: Mapping[str, str], folder: Path | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        return await anyio.run_process(
            [self._executable, *arguments],
            cwd=folder,
            env=environment,
            stderr=subprocess.STDOUT,
            check=False,
        )


def _common(target: UvTarget, goal: Path) -> list[str]:
    platform = ["--python-platform", target.platform] if target.platform else []
    return [
        *("--target", str(goal), "--python", sys.executable),
        *("--python-version", target.python_version, *platform),
        *("--color", "never", "--no-progress"),
    ]


def _own_interpreter_fits(wheel: WheelWanted) -> bool:
    """Whether the interpreter that uv looks at has the ABI of ordinary CPython."""
    return wheel.target.implementation == "py" or (
        sys.implementation.name == "cpython" and not sysconfig.get_config_var("Py_GIL_DISABLED")
    )


def _settings(index: IndexTarget, environment: Mapping[str, str]) -> dict[str, str]:
    """Where to look and whom to trust; not as arguments, which are for every user to see."""
    access = index.access
    settings = {
        "UV_DEFAULT_INDEX": with_credentials(index.url, access),
        "UV_KEYRING_PROVIDER": "disabled",
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_NO_VERIFY_HASHES": "false",
    }
    if not access.verify:
        settings["UV_INSECURE_HOST"] = urlsplit(index.url).netloc
    if access.ca is not None:
        folder = Path(access.ca).is_dir()
        settings["SSL_CERT_DIR" if folder else "SSL_CERT_FILE"] = absolute(access.ca)
        # Else what the environment names counts beside or before it.
        for other in ("SSL_CERT_FILE" if folder else "SSL_CERT_DIR",):
            if other in environment:
                settings[other] = ""
        settings |= {"UV_NATIVE_TLS": "false", "UV_SYSTEM_CERTS": "false"}
    if access.client_cert is not None:
        settings["SSL_CLIENT_CERT"] = absolute(access.client_cert)
    return settings
