"""Real Poetry processes on this machine: wheels, an index for them, environments, projects."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import html
import os
import shutil
import subprocess
import sys
import textwrap
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field
from functools import partial
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Self

ROOT = Path(__file__).parents[2]
POETRY_MINORS = ("2.0.1", "2.1.4", "2.2.1", "2.3.4", "2.4.3", "2.5.1")
PLUGIN_GROUP = "poetry.application.plugin"

_GATE_LIMIT = 60.0

# The machine's own settings would override a test's, or let it look elsewhere.
_NOT_INHERITED = (
    "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "VIRTUAL_ENV",
    "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy",
)  # fmt: skip


def isolated_environ(home: Path, **extra: str) -> dict[str, str]:
    """An environment in which Poetry reads and writes nothing outside `home`."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in _NOT_INHERITED and not name.startswith(("PIP_", "POETRY_", "PYTHON", "UV_"))
    }
    return {
        **kept,
        "HOME": str(home),
        "POETRY_CONFIG_DIR": str(home / "config"),
        "POETRY_CACHE_DIR": str(home / "cache"),
        "POETRY_DATA_DIR": str(home / "data"),
        "POETRY_VIRTUALENVS_IN_PROJECT": "true",
        "PIP_CONFIG_FILE": os.devnull,
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
        "NO_PROXY": "*",
        "NO_COLOR": "1",
        **extra,
    }


@dataclass
class WheelSource:
    """What goes into one hand-made wheel."""

    name: str
    version: str
    files: dict[str, str]
    entry_points: dict[str, dict[str, str]] = field(default_factory=dict)
    requires: tuple[str, ...] = ()
    data: dict[str, str] = field(default_factory=dict)

    def build(self, directory: Path) -> Path:
        """Write the wheel into `directory`."""
        stem = f"{self.name.replace('-', '_')}-{self.version}"
        info = f"{stem}.dist-info"
        metadata = [f"Metadata-Version: 2.1\nName: {self.name}\nVersion: {self.version}\n"]
        metadata += [f"Requires-Dist: {requirement}\n" for requirement in self.requires]
        points = "".join(
            f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in named.items())
            for group, named in self.entry_points.items()
        )
        content = {
            **{name: textwrap.dedent(text) for name, text in self.files.items()},
            **{f"{stem}.data/{name}": text for name, text in self.data.items()},
            f"{info}/METADATA": "".join(metadata),
            f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\n"
            "Tag: py3-none-any\n",
            f"{info}/entry_points.txt": points,
        }
        record = "".join(f"{name},{_digest(text)}\n" for name, text in content.items())
        path = directory / f"{stem}-py3-none-any.whl"
        with zipfile.ZipFile(path, "w") as wheel:
            for name, text in content.items():
                wheel.writestr(name, text)
            wheel.writestr(f"{info}/RECORD", f"{record}{info}/RECORD,,\n")
        return path


def _digest(text: str) -> str:
    data = text.encode()
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"sha256={digest},{len(data)}"


class Gate:
    """Lets a request for one file wait, so that a process can be met in its middle."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.reached = threading.Event()
        self.open = threading.Event()


class Index:
    """A simple index over the wheels of one directory, on loopback."""

    def __init__(self, wheels: Path) -> None:
        self.wheels = wheels
        self.requests: list[str] = []
        self.gate: Gate | None = None
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, self))
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """The index's address, for `[[tool.poetry.source]]`."""
        return f"http://127.0.0.1:{self._server.server_port}/simple/"

    @contextlib.contextmanager
    def gated(self, prefix: str) -> Iterator[Gate]:
        """Let who fetches a wheel of this name wait until the gate is opened."""
        self.gate = Gate(prefix)
        try:
            yield self.gate
        finally:
            self.gate.open.set()
            self.gate = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, index: Index, *args: object) -> None:
        self._index = index
        super().__init__(*args)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self._index.requests.append(self.path)
        kind, _, name = self.path.strip("/").partition("/")
        if kind == "simple":
            found = [wheel for wheel in self._index.wheels.glob("*.whl") if _named(wheel, name)]
            self._send("".join(map(_link, found)).encode() if found else None, "text/html")
        else:
            gate = self._index.gate
            if gate and name.startswith(gate.prefix) and self.command == "GET":
                gate.reached.set()
                gate.open.wait(_GATE_LIMIT)
            wheel = self._index.wheels / name
            self._send(wheel.read_bytes() if wheel.is_file() else None, "application/zip")

    do_HEAD = do_GET  # noqa: N815 - the base class asks for this name

    def _send(self, body: bytes | None, kind: str) -> None:
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        if self.command == "GET":
            # A killed client has gone.
            with contextlib.suppress(ConnectionError):
                self.wfile.write(body or b"")

    def log_message(self, *_: object) -> None:
        """Keep the test's output readable."""


def _named(wheel: Path, name: str) -> bool:
    return wheel.name.split("-")[0].lower().replace("_", "-").replace(".", "-") == name


def _link(wheel: Path) -> str:
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    name = html.escape(wheel.name)
    return f'<a href="/files/{name}#sha256={digest}">{name}</a><br>\n'


def uv() -> str:
    """The uv to make environments with."""
    beside = Path(sys.executable).with_name("uv")
    found = os.environ.get("UV") or shutil.which("uv") or (str(beside) if beside.exists() else "")
    if not found:
        raise FileNotFoundError("uv is needed to make Poetry environments")
    return found


def build_own_wheel(directory: Path) -> Path:
    """Build this project's wheel into `directory`."""
    subprocess.run(
        [uv(), "build", "--wheel", "--quiet", "--out-dir", str(directory), str(ROOT)], check=True
    )
    return next(directory.glob("poetry_publish_verified-*.whl"))


def poetry_environment(
    directory: Path, version: str, *packages: str | Path, python: str = sys.executable
) -> Path:
    """A virtual environment with this Poetry and `packages`; the path of its `poetry`."""
    poetry = directory / "bin" / "poetry"
    if not poetry.exists():
        subprocess.run([uv(), "venv", "--quiet", "--python", python, str(directory)], check=True)
        install = [uv(), "pip", "install", "--quiet", "--python", str(directory)]
        # As pip and pipx do: else each process that may not write there compiles for itself.
        install.append("--compile-bytecode")
        subprocess.run([*install, f"poetry=={version}", *map(str, packages)], check=True)
    return poetry


def pythons() -> list[str]:
    """Interpreters from 3.11 on, this one first, one per minor."""
    found = {sys.version_info[:2]: sys.executable}
    for minor in (11, 12, 13, 14):
        named = shutil.which(f"python3.{minor}")
        pyenv = sorted(Path("~/.pyenv/versions").expanduser().glob(f"3.{minor}.*/bin/python"))
        if (pyenv or named) and (3, minor) not in found:
            found[3, minor] = str(pyenv[-1]) if pyenv else str(named)
    return list(found.values())


@dataclass
class Ran:
    """What a Poetry process did."""

    code: int
    out: str
    err: str

    def ok(self) -> str:
        """Its output, if it succeeded."""
        assert self.code == 0, self.out + self.err
        return self.out


@dataclass
class Poetry:
    """One Poetry, run in one project; `run` gives what `subprocess.run` gives."""

    executable: Path
    project: Path
    home: Path

    def run(self, *args: str, cwd: Path | None = None, **environ: str) -> Ran:
        """Run it; stdout and stderr as text."""
        done = subprocess.run(
            [str(self.executable), *args],
            cwd=cwd or self.project,
            env=isolated_environ(self.home, **environ),
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    @property
    def sets(self) -> list[Path]:
        """The published plugin sets of the project."""
        return sorted(self.project.glob(".poetry/plugin-sets/py*"))


def write_project(directory: Path, index_url: str, plugins: str, extra: str = "") -> Path:
    """A package `demo` 0.0.0 that requires `plugins` (TOML lines) from the index."""
    (directory / "demo").mkdir(parents=True, exist_ok=True)
    (directory / "demo" / "__init__.py").touch()
    source = f'\n[[tool.poetry.source]]\nname = "tests"\nurl = "{index_url}"\n' if index_url else ""
    section = f"\n[tool.poetry.requires-plugins]\n{plugins}\n" if plugins else ""
    (directory / "pyproject.toml").write_text(
        '[project]\nname = "demo"\nversion = "0.0.0"\nrequires-python = ">=3.11"\n'
        '\n[tool.poetry]\npackages = [{ include = "demo" }]\n'
        f"{section}{source}{extra}\n"
        '[build-system]\nrequires = ["poetry-core>=2.0"]\n'
        'build-backend = "poetry.core.masonry.api"\n',
        encoding="utf-8",
    )
    return directory


_STAMP = """
    from poetry.factory import Factory
    from poetry.plugins.application_plugin import ApplicationPlugin
    from stamp_helper import last

    class Stamp(ApplicationPlugin):
        def activate(self, application):
            original = Factory.create_poetry

            def create_poetry(self, *args, **kwargs):
                from stamp_helper.late import text
                poetry = original(self, *args, **kwargs)
                poetry.package.version = text("{version}")
                return poetry

            Factory.create_poetry = create_poetry
"""


def stamp_plugin(version: str) -> WheelSource:
    """A plugin in the manner of dynamic ones: the project's version becomes `9.VERSION`.

    Without it `poetry version` says 0.0.0. It needs `stamp-helper`, and imports late.
    """
    return WheelSource(
        "stamp-plugin",
        version,
        {"stamp_plugin.py": _STAMP.format(version=version)},
        {PLUGIN_GROUP: {"stamp": "stamp_plugin:Stamp"}},
        ("stamp-helper>=1",),
    )


def stamp_helper(modules: int = 60) -> WheelSource:
    """A library of many modules: it takes a while to install, import and remove."""
    files = {
        f"stamp_helper/part{number}.py": f"value = {number}\n" + "#\n" * 200
        for number in range(modules)
    }
    files["stamp_helper/__init__.py"] = ""
    files["stamp_helper/last.py"] = f"from stamp_helper.part{modules - 1} import value\n"
    files["stamp_helper/late.py"] = "def text(version):\n    return '9.' + version\n"
    return WheelSource("stamp-helper", "1.0", files)
