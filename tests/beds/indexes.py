"""Real indexes on loopback: pypiserver and devpi, each its own process."""

from __future__ import annotations

import base64
import contextlib
import functools
import hashlib
import json
import re
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tests.beds.environments import gunicorn
from tests.beds.processes import HANG, free_port, running

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.beds.projects import Project

USER = "harbour"
PASSWORD = "a-pass/word:with%40 signs"
TOKEN = "pypi-of-a-reader"

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Reply:
    """A server's answer; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


def ask(
    url: str,
    *,
    method: str = "GET",
    data: bytes | None = None,
    headers: dict[str, str] | None = None,
    auth: tuple[str, str] | None = None,
) -> Reply:
    """Make one request that bypasses all proxies; an HTTP error is an answer too."""
    request = urllib.request.Request(url, data=data, method=method, headers=headers or {})  # noqa: S310  # loopback
    if auth:
        token = base64.b64encode(":".join(auth).encode()).decode()
        request.add_header("Authorization", f"Basic {token}")
    try:
        answer = _DIRECT.open(request, timeout=HANG)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        told = {name.lower(): value for name, value in answer.headers.items()}
        return Reply(answer.status, told, answer.read())


def fetch(
    url: str,
    *,
    method: str = "GET",
    data: bytes | None = None,
    headers: dict[str, str] | None = None,
    auth: tuple[str, str] | None = None,
) -> tuple[int, bytes]:
    """Make one request as `ask` does; return its status and body."""
    reply = ask(url, method=method, data=data, headers=headers, auth=auth)
    return reply.status, reply.body


@dataclass(frozen=True)
class Index:
    """A running index: its URLs and credentials.

    `upload_url` is the value for `poetry config repositories.<name>`, `simple_url` ends in a slash,
    `origin` is scheme, host and port.
    """

    upload_url: str
    simple_url: str
    username: str | None = None
    password: str | None = None
    root: Path | None = None

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        parts = urllib.parse.urlsplit(self.upload_url)
        return f"{parts.scheme}://{parts.netloc}"

    def behind(self, origin: str) -> Index:
        """The same index as reached through another origin, such as a proxy's."""
        return Index(
            self.upload_url.replace(self.origin, origin),
            self.simple_url.replace(self.origin, origin),
            self.username,
            self.password,
            self.root,
        )

    def environment(self, name: str = "harbour") -> dict[str, str]:
        """The variables that make this index Poetry's repository `name`."""
        variable = name.upper().replace("-", "_")
        environment = {f"POETRY_REPOSITORIES_{variable}_URL": self.upload_url}
        if self.username is not None and self.password is not None:
            environment[f"POETRY_HTTP_BASIC_{variable}_USERNAME"] = self.username
            environment[f"POETRY_HTTP_BASIC_{variable}_PASSWORD"] = self.password
        return environment

    def upload(self, project: Project) -> None:
        """Upload the distributions of the project's version directly to the index."""
        auth = None
        if self.username is not None and self.password is not None:
            auth = (self.username, self.password)
        for filename in sorted(project.filenames):
            content = (project.dist / filename).read_bytes()
            body, kind = _form(project, filename, content)
            headers = {"Content-Type": kind}
            status, said = fetch(
                self.upload_url, method="POST", data=body, headers=headers, auth=auth
            )
            assert status == 200, (filename, status, said)

    def listed(self, project: str) -> dict[str, str]:
        """What the index lists for the project: sha256 by file name."""
        status, page = fetch(f"{self.simple_url}{project}/")
        if status == 404:
            return {}
        assert status == 200, (status, page)
        found = re.findall(r'href="[^"#]*#sha256=([0-9a-f]{64})"[^>]*>\s*([^<\s]+)', page.decode())
        return {filename: digest for digest, filename in found}

    def stored(self, project: str) -> dict[str, str]:
        """What the index really stores: the sha256 of each file's bytes, by file name."""
        if self.root is not None:
            return {
                path.name: hashlib.sha256(path.read_bytes()).hexdigest()
                for path in self.root.iterdir()
                if path.is_file() and path.name.lower().replace("_", "-").startswith(f"{project}-")
            }
        status, page = fetch(f"{self.simple_url}{project}/")
        if status == 404:
            return {}
        held = {}
        for link, filename in re.findall(r'href="([^"#]*)[^"]*"[^>]*>\s*([^<\s]+)', page.decode()):
            url = urllib.parse.urljoin(f"{self.simple_url}{project}/", link)
            status, body = fetch(url)
            assert status == 200, (url, status)
            held[filename] = hashlib.sha256(body).hexdigest()
        return held


def _form(project: Project, filename: str, content: bytes) -> tuple[bytes, str]:
    """The body of an upload and its Content-Type."""
    mark = uuid.uuid4().hex
    fields = {
        ":action": "file_upload",
        "metadata_version": "2.1",
        "name": project.name,
        "version": project.version,
        "filetype": "sdist" if filename == project.sdist else "bdist_wheel",
        "pyversion": "source" if filename == project.sdist else "py3",
    }
    parts = [
        f'--{mark}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    file = f'--{mark}\r\nContent-Disposition: form-data; name="content"; filename="{filename}"'
    head = f"{''.join(parts)}{file}\r\n\r\n".encode()
    return b"".join([head, content, f"\r\n--{mark}--\r\n".encode()]), (
        f"multipart/form-data; boundary={mark}"
    )


@contextlib.contextmanager
def pypiserver(
    directory: Path,
    *,
    password: bool = True,
    protect: str = "update",
    options: tuple[str, ...] = ("--disable-fallback",),
    server: Literal["wsgiref", "auto", "gunicorn", "gevent"] = "wsgiref",
) -> Iterator[Index]:
    """Run pypiserver over an empty directory; the actions in `protect` need the password.

    A token serves as well, with the user name `__token__` as on PyPI. `server` wsgiref handles one
    request at a time, and so does gunicorn with its only worker, but not gunicorn's gevent; auto is
    waitress, which comes with devpi-server. Without `--disable-fallback` in the options, requests
    for an unknown project are redirected to the public index.
    """
    root = directory / "packages"
    root.mkdir(parents=True)
    port = free_port()
    if password:
        # The only hash that needs no library to compute; pypiserver checks it with passlib.
        users = directory / "htpasswd"
        with users.open("w", encoding="utf-8") as file:
            for user, secret in ((USER, PASSWORD), ("__token__", TOKEN)):
                digest = base64.b64encode(hashlib.sha1(secret.encode()).digest()).decode()  # noqa: S324
                file.write(f"{user}:{{SHA}}{digest}\n")
        passwords = ["-a", protect, "-P", str(users)]
    else:
        passwords = ["-a", ".", "-P", "."]
    command = [
        sys.executable, "-m", "pypiserver", "run", "-i", "127.0.0.1", "-p", str(port),
        "--server", server, "--health-endpoint", "/healthz", "--hash-algo", "sha256",
        *passwords, *options, str(root),
    ]  # fmt: skip
    if server in {"gunicorn", "gevent"}:
        settings = {
            "root": str(root),
            "health_endpoint": "/healthz",
            "disable_fallback": True,
            "hash_algo": "sha256",
            "authenticate": [protect] if password else [],
            "password_file": passwords[-1],
        }
        app = ", ".join(f"{name}={value!r}" for name, value in settings.items())
        command = [
            str(gunicorn()), "-b", f"127.0.0.1:{port}", "-k", server.replace("gunicorn", "sync"),
            f"pypiserver:app({app})",
        ]  # fmt: skip
    base = f"http://127.0.0.1:{port}/"
    with running(command, log=directory / "pypiserver.log", health=f"{base}healthz"):
        yield Index(
            base,
            f"{base}simple/",
            USER if password else None,
            PASSWORD if password else None,
            root,
        )


@dataclass(frozen=True)
class Devpi:
    """A running devpi server; `index()` makes users and indexes on it."""

    base: str

    def _call(self, path: str, method: str, body: dict[str, Any], token: str | None = None) -> Any:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if token is not None:
            headers["X-Devpi-Auth"] = base64.b64encode(token.encode()).decode()
        status, answer = fetch(
            f"{self.base}{path}", method=method, data=json.dumps(body).encode(), headers=headers
        )
        assert status in {200, 201}, (method, path, status, answer)
        return json.loads(answer)

    def index(
        self, user: str, name: str = "prod", *, volatile: bool = False, bases: Sequence[str] = ()
    ) -> Index:
        """Make an index that inherits from `bases` (user/name), and its user if needed."""
        return self._make(user, name, {"type": "stage", "volatile": volatile, "bases": [*bases]})

    def mirror(self, user: str, of: Index, expiry: int, name: str = "mirror") -> Index:
        """Make a mirror of another index, and its user; it looks there every `expiry` seconds.

        It takes no uploads. It keeps its list of projects just as long, so a project requested too
        early stays unknown. The other index must be on another server.
        """
        settings = {
            "type": "mirror",
            "volatile": False,
            "mirror_url": of.simple_url,
            "mirror_cache_expiry": expiry,
        }
        return self._make(user, name, settings)

    @functools.cache  # noqa: B019 - there are few servers
    def _token(self, user: str) -> str:
        """Make the user and log in."""
        self._call(user, "PUT", {"password": PASSWORD})
        login = self._call("+login", "POST", {"user": user, "password": PASSWORD})
        return f"{user}:{login['result']['password']}"

    def _make(self, user: str, name: str, settings: dict[str, Any]) -> Index:
        self._call(f"{user}/{name}", "PUT", settings, self._token(user))
        base = f"{self.base}{user}/{name}/"
        return Index(base, f"{base}+simple/", user, PASSWORD)


@contextlib.contextmanager
def devpi(
    directory: Path, role: Sequence[str] = ("--role", "standalone"), options: Sequence[str] = ()
) -> Iterator[Devpi]:
    """Run devpi-server over an empty directory, with fast password hashing.

    `role` are arguments for both init and server, `options` for the server only.
    """
    directory.mkdir(parents=True, exist_ok=True)
    scripts = Path(sys.executable).parent
    quick = ["--argon2-memory-cost", "8", "--argon2-parallelism", "1", "--argon2-time-cost", "1"]
    state = ["--serverdir", str(directory / "server")]
    port = free_port()
    command = [
        str(scripts / "devpi-server"), *state, *quick, "--host", "127.0.0.1",
        "--port", str(port), *role, *options,
    ]  # fmt: skip
    with (directory / "devpi-init.log").open("wb") as log:
        subprocess.run(
            [str(scripts / "devpi-init"), *state, *role, "--no-root-pypi"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            check=True,
            timeout=HANG,
        )
    base = f"http://127.0.0.1:{port}/"
    with running(command, log=directory / "devpi.log", health=f"{base}+api"):
        yield Devpi(base)
