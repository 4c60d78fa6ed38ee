"""The worlds of the runs: how Poetry is installed, who runs it, and what is odd about the place."""

from __future__ import annotations

import functools
import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.beds.environments import NEWEST_POETRY, OLDEST_POETRY, POETRY_MINORS, uv
from tests.stress import threadless
from tests.stress.bed import UnavailableError, require_tools, run_tool
from tests.stress.parity_commands import BACKENDS, PLUGIN_COMMANDS, Command
from tests.stress.parity_layouts import (
    LAYOUTS,
    interpreter,
    pipx,
    pipx_variables,
    pyenv,
    uv_variables,
)

_ENDS = (OLDEST_POETRY, NEWEST_POETRY)
_SOMEBODY = 23_456
_OPENSHIFT = 1_000_650_000


@dataclass
class World:
    """One Poetry with a home and a checkout, all below `root`, which both sides use in turn."""

    root: Path
    prefix: Path
    index: str
    variables: dict[str, str] = field(default_factory=dict)
    mounts: list[Path] = field(default_factory=list)
    argv: list[str] = field(default_factory=list)
    """The wrapper command; the program and its arguments are appended."""

    @property
    def home(self) -> Path:
        """HOME, with Poetry's directories in their default places."""
        return self.root / "home"

    @property
    def checkout(self) -> Path:
        """The project in which Poetry runs."""
        return self.root / "src" / "demo"

    @property
    def pyproject(self) -> Path:
        """The project's own pyproject.toml."""
        return self.checkout / "pyproject.toml"

    @property
    def temporary(self) -> Path:
        """The directory for temporary files."""
        return self.root / "tmp"

    @property
    def words(self) -> dict[str, str]:
        """What calls can refer to."""
        return {
            "python": interpreter(),
            "index": self.index,
            "temporary": str(self.temporary),
            "uv": uv(),
            "pipx": pipx(),
            "pyenv": shutil.which("pyenv") or "pyenv",
        }

    def wrap(self, *words: str) -> None:
        """Start each call through this program, which gets the call as its arguments."""
        self.argv = [*words, *self.argv]

    def run_before(self, script: str) -> None:
        """Run a shell script before each call."""
        self.wrap("sh", "-c", f'{script}; exec "$@"', "sh")

    def mount(self, where: Path, *options: str) -> None:
        """Mount something for the lifetime of the world."""
        run_tool("mount", *options, str(where))
        self.mounts.append(where)

    def read_only(self, directory: Path) -> None:
        """Make a directory read-only for everybody, including root."""
        directory.mkdir(parents=True, exist_ok=True)
        self.mount(directory, "--bind", str(directory))
        run_tool("mount", "-o", "remount,bind,ro", str(directory))

    def full(self, directory: Path) -> None:
        """Put a directory on a full disk."""
        directory.mkdir(parents=True, exist_ok=True)
        kept = self.temporary / "kept"
        shutil.copytree(directory, kept, symlinks=True)
        self.mount(directory, "-t", "tmpfs", "-o", "size=600k", "tmpfs")
        shutil.copytree(kept, directory, symlinks=True, dirs_exist_ok=True)
        shutil.rmtree(kept)
        filler = directory / "filler"
        try:
            with filler.open("wb", buffering=0) as file:
                while file.write(b"." * 4096):
                    pass
        except OSError:
            return

    def owned_by(self, user: int, group: int) -> None:
        """Run as another user, who owns everything but Poetry."""
        for top in (self.home, self.root / "src", self.temporary):
            run_tool("chown", "-R", "-h", f"{user}:{group}", str(top))
        self.wrap("setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups")

    def close(self) -> None:
        """Unmount everything."""
        for where in reversed(self.mounts):
            subprocess.run(["umount", "-l", str(where)], check=False)


Change = Callable[[World], None]


def no_change(_: World) -> None:
    """Change nothing."""


@functools.cache
def _may_mount() -> bool:
    """Whether root may mount here; in many containers it may not."""
    trial = ["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/tmp"]  # noqa: S108 - for itself
    return subprocess.run(trial, capture_output=True, check=False).returncode == 0


@dataclass(frozen=True)
class Environment:
    """One way in which Poetry is installed and called."""

    name: str
    layout: str = "venv"
    change: Change = no_change
    """Prepares a world before the calls."""
    variables: Mapping[str, str] = field(default_factory=dict)
    first: tuple[str, ...] = ()
    """Calls before each command."""
    listings: tuple[str, ...] = ()
    """Calls of other tools after each command."""
    more: Sequence[Command] = ()
    """Additional commands for this environment."""
    without: tuple[str, ...] = ()
    """Commands that do not apply here."""
    versions: tuple[str, ...] = POETRY_MINORS
    root: bool = False
    """Whether it needs root."""

    def available(self) -> None:
        """Raise UnavailableError with the reason if this machine cannot provide it."""
        if self.root and os.geteuid() != 0:
            raise UnavailableError("needs root")
        if self.layout == "pyenv":
            pyenv()
        if self.root:
            require_tools("setpriv", "mount", "unshare")
            if not _may_mount():
                raise UnavailableError("needs the right to mount")

    def make_world(
        self,
        root: Path,
        template: Path,
        version: str,
        index: str,
        *,
        stock: bool,
        change: Callable[[Path], None] = lambda _: None,
    ) -> World:
        """Make a world for one side of a run; `change` prepares the project for the command."""
        root.mkdir()
        for name in ("home", "src", "tmp", "opt"):
            (root / name).mkdir()
        layout = LAYOUTS[self.layout]
        layout.skeleton(self.layout, version, stock=stock).copy_to(root)
        shutil.copytree(template, root / "src" / "demo", symlinks=True, dirs_exist_ok=True)
        change(root / "src" / "demo")
        world = World(root, root / layout.prefix, index)
        world.variables = {
            "PATH": f"{layout.programs(root)}:/usr/bin:/bin",
            "HOME": str(world.home),
            "TMPDIR": str(world.temporary),
            "LANG": "C.UTF-8",
            "NO_COLOR": "1",
            "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
            # Poetry brings its own pip; copying one is half the time of an install.
            "POETRY_VIRTUALENVS_OPTIONS_NO_PIP": "true",
            # Everything but the index on loopback fails at once.
            "HTTPS_PROXY": "http://127.0.0.1:9",
            "POETRY_REQUESTS_MAX_RETRIES": "0",
            # Poetry writes the contents of sets.
            "PYTHONHASHSEED": "0",
            "SOURCE_DATE_EPOCH": "1700000000",
            "PIP_INDEX_URL": index,
            "PIP_CONFIG_FILE": os.devnull,
            "UV_DEFAULT_INDEX": index,
            "UV_NO_CONFIG": "1",
        }
        # The only index of `poetry self`.
        settings = world.home / ".config" / "pypoetry"
        settings.mkdir(parents=True)
        (settings / "pyproject.toml").write_text(
            f'[[tool.poetry.source]]\nname = "tests"\nurl = "{index}"\n', encoding="utf-8"
        )
        self.change(world)
        world.variables |= {k: v.format(**_places(world)) for k, v in self.variables.items()}
        return world


def _places(world: World) -> dict[str, str]:
    return {"home": str(world.home), "checkout": str(world.checkout), "prefix": str(world.prefix)}


def _umask(world: World) -> None:
    world.run_before("umask 077")


def _no_home(world: World) -> None:
    # A user with an entry in /etc/passwd whose home does not exist.
    world.owned_by(65_534, 65_534)
    world.wrap("env", "-u", "HOME")


def _openshift(world: World) -> None:
    run_tool("chmod", "-R", "g=u", str(world.home), str(world.checkout), str(world.temporary))
    world.wrap("setpriv", f"--reuid={_OPENSHIFT}", "--regid=0", "--clear-groups")


def _somebody(world: World) -> None:
    world.owned_by(_SOMEBODY, _SOMEBODY)


def _threadless(world: World) -> None:
    world.wrap(interpreter(), str(Path(threadless.__file__)))


def _gone(world: World) -> None:
    gone = shlex.quote(str(world.checkout / "gone"))
    world.run_before(f"mkdir {gone} && cd {gone} && rmdir {gone}")


def _rewritten(how: Callable[[bytes], bytes]) -> Change:
    def change(world: World) -> None:
        world.pyproject.write_bytes(how(world.pyproject.read_bytes()))

    return change


def _is_directory(world: World) -> None:
    world.pyproject.unlink()
    world.pyproject.mkdir()


def _file_for_ours(world: World) -> None:
    (world.checkout / ".poetry").write_text("mine\n", encoding="utf-8")


def _link_for_ours(target: str) -> Change:
    def change(world: World) -> None:
        (world.root / "src" / "elsewhere").mkdir()
        (world.checkout / ".poetry").symlink_to(world.root / "src" / target)

    return change


def _namesakes(world: World) -> None:
    """Modules in the project with the names of modules that Poetry and the plugin import."""
    for name in ("json", "pip", "filelock", "packaging", "virtualenv", "httpx"):
        text = f"open({str(world.root / 'src' / 'foreign')!r}, 'a').write({name!r})\n"
        (world.checkout / f"{name}.py").write_text(text, encoding="utf-8")


def _requires(plugins: str) -> Change:
    def change(world: World) -> None:
        text = world.pyproject.read_text(encoding="utf-8")
        section = f"[tool.poetry.requires-plugins]\n{plugins}\n\n[build-system]"
        world.pyproject.write_text(text.replace("[build-system]", section), encoding="utf-8")

    return change


def _hooks(world: World) -> None:
    """Hooks that call Poetry, but none for the commands they call, to avoid infinite recursion."""
    with world.pyproject.open("a", encoding="utf-8") as file:
        file.write(
            "\n[tool.poe.tasks]\n"
            'hello.shell = "echo hello"\nnested.shell = "poetry env list"\n'
            'changing.shell = "poetry config --local virtualenvs.in-project true"\n'
            "\n[tool.poe.poetry_hooks]\n"
            'pre_build = "nested"\npre_install = "nested"\npost_install = "changing"\n'
            'post_lock = "nested"\npost_version = "nested"\npre_add = "changing"\n'
        )


def _dynamic(world: World) -> None:
    with world.pyproject.open("a", encoding="utf-8") as file:
        file.write("\n[tool.poetry-dynamic-versioning]\nenable = true\n")


def _active(world: World) -> None:
    subprocess.run(
        [uv(), "venv", "--quiet", "--python", interpreter(), str(world.home / "active")], check=True
    )


def _with_mode(mode: int, *, user: bool = False) -> Change:
    def change(world: World) -> None:
        world.checkout.chmod(mode)
        if user:
            run_tool("chown", "-R", f"{_SOMEBODY}:{_SOMEBODY}", str(world.checkout))

    return change


def _pyenv(world: World) -> None:
    world.variables |= {"PYENV_ROOT": str(world.home / ".pyenv")}


_PIPX_LISTINGS = (
    "{pipx} list",
    "{pipx} list --json",
    "{pipx} upgrade-all",
)
_HOME_OF_PIPX = {k: v.replace("/home", "{home}") for k, v in pipx_variables(Path("/home")).items()}
_HOME_OF_UV = {k: v.replace("/home", "{home}") for k, v in uv_variables(Path("/home")).items()}
# Poetry removes itself, and crashes, where it syncs the environment that it runs in.
_REMOVES_POETRY = ("sync",)
_ACTIVE_OWN = {"VIRTUAL_ENV": "{checkout}/.venv"}

ENVIRONMENTS = (
    Environment("plain", more=BACKENDS),
    Environment(
        "pipx", "pipx", variables=_HOME_OF_PIPX, listings=_PIPX_LISTINGS, versions=_ENDS
    ),
    Environment(
        "uv tool", "uv", variables=_HOME_OF_UV, versions=_ENDS,
        listings=("{uv} tool list", "{uv} tool upgrade --all"),
    ),
    Environment("official installer", "official"),
    Environment(
        "Poetry in the project's venv", "project", variables=_ACTIVE_OWN, without=_REMOVES_POETRY
    ),
    Environment(
        "no virtualenvs",
        variables={"POETRY_VIRTUALENVS_CREATE": "false", "VIRTUAL_ENV": "{prefix}"},
        without=_REMOVES_POETRY,
    ),
    Environment("another venv active", change=_active, variables={"VIRTUAL_ENV": "{home}/active"}),
    Environment("venv in project", variables={"POETRY_VIRTUALENVS_IN_PROJECT": "true"}),
    Environment(
        "conda",
        "conda",
        variables={"CONDA_PREFIX": "{prefix}"},
        versions=_ENDS,
        without=_REMOVES_POETRY,
    ),
    Environment("pyenv", "pyenv", _pyenv, listings=("{pyenv} versions",), versions=_ENDS),
    Environment("root's Poetry, another user", change=_somebody, root=True),
    Environment("read-only checkout", change=lambda w: w.read_only(w.checkout), root=True),
    Environment(
        "read-only cache", change=lambda w: w.read_only(w.home / ".cache/pypoetry"), root=True
    ),
    Environment("read-only HOME", change=lambda w: w.read_only(w.home), root=True),
    Environment("HOME unset", change=_no_home, root=True),
    Environment("unknown uid", change=_openshift, root=True),
    Environment("umask 077", change=_umask),
    Environment("full checkout", change=lambda w: w.full(w.checkout), root=True),
    Environment("full HOME", change=lambda w: w.full(w.home), root=True),
    Environment("no threads", change=_threadless),
    Environment("stdin and stderr closed", change=lambda w: w.run_before("exec 0<&- 2>&-")),
    Environment("all closed", change=lambda w: w.run_before("exec 0<&- 1>&- 2>&-")),
    Environment("deleted directory", change=_gone),
    Environment("warnings are errors", variables={"PYTHONWARNINGS": "error"}),
    Environment("BOM", change=_rewritten(lambda text: b"\xef\xbb\xbf" + text)),
    Environment("CRLF", change=_rewritten(lambda text: text.replace(b"\n", b"\r\n"))),
    Environment("latin-1", change=_rewritten(lambda text: text + b"# \xfc\n")),
    Environment("pyproject.toml is a directory", change=_is_directory),
    Environment(".poetry is a file", change=_file_for_ours),
    Environment(".poetry is a link", change=_link_for_ours("elsewhere")),
    Environment(".poetry is a dangling link", change=_link_for_ours("nowhere")),
    Environment("sticky checkout", change=_with_mode(0o1777, user=True), root=True),
    Environment("modules of the same names", change=_namesakes),
    Environment(
        "requires plugins", change=_requires('lamp-plugin = ">=1"'), first=("poetry install",),
        more=BACKENDS,
    ),
    Environment(
        "popular plugins", "popular plugins", _dynamic, more=PLUGIN_COMMANDS, versions=_ENDS,
    ),
    Environment(
        "hooks that call Poetry", "popular plugins", _hooks, more=PLUGIN_COMMANDS, versions=_ENDS,
    ),
)  # fmt: skip
