"""Poetry started by Poetry: in `run`, in a build, in tox."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

from tests.beds.environments import uv
from tests.stress.bed import Bed, UnavailableError
from tests.stress.packages import MODULES, PACKAGES, consumer, damage
from tests.stress.racing import Tally, run
from tests.stress.rounds import say
from tests.stress.shared_state import for_each_kind

_NESTED = (
    ("run", "poetry", "run", "python", "-c", ""),
    ("run", "poetry", "install", "-n"),
    ("run", "poetry", "lock", "-n"),
    ("run", "poetry", "run", "poetry", "sync", "-n"),
    ("run", "sh", "-c", "poetry config --local installer.parallel false && poetry install -n"),
    ("run", "poetry", "cache", "clear", "--all", "-n"),
    ("run", "python", "-c", MODULES),
)


def in_run(bed: Bed) -> list[Tally]:
    """(g) Poetry in `poetry run`, one at a time, and four at once in a cold environment."""

    def one_round(bed: Bed, poetry: Path, tally: Tally) -> None:
        with bed.home() as home, consumer(bed) as checkout:
            for args in _NESTED:
                tally.add([run(bed.command(poetry, checkout, home, *args))])
        # `run` holds no lock for these, so they must take turns themselves.
        with bed.home() as home, consumer(bed) as checkout:
            start = bed.command(poetry, checkout, home, "run", "sh", "-c", _FOUR)
            tally.add([run(start)])
            _must_be_whole(tally, checkout, *PACKAGES, "demo")

    return for_each_kind(bed, "(g) in run", one_round)


_FOUR = """
    for number in 1 2 3 4; do poetry install -n & jobs="$jobs $!"; sleep 0.1; done
    for job in $jobs; do wait "$job" || failed="$failed $job"; done
    test -z "$failed"
"""

# Commands that a build may run with the Poetry that builds it, in the project's directory.
_ASKING = """
    import os, subprocess

    def ask():
        for args in (
            ["version"],
            ["config", "--list"],
            ["env", "info", "--path"],
            ["run", "python", "-c", ""],
            ["install", "--no-root", "-n"],
            ["config", "--local", "installer.parallel", "true"],
            ["lock", "-n"],
        ):
            subprocess.run(
                ["poetry", *args],
                cwd=os.environ["ASKED_PROJECT"],
                check=True,
                stdin=subprocess.DEVNULL,
                timeout=600,
            )
        with open(os.path.join(os.environ["ASKED_PROJECT"], "answered"), "a") as file:
            file.write("once\\n")
"""
_BACKEND = (
    _ASKING
    + """
    import zipfile

    def get_requires_for_build_wheel(config_settings=None):
        return []

    def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
        ask()
        name = "asking-1.0-py3-none-any.whl"
        info = "asking-1.0.dist-info"
        with zipfile.ZipFile(os.path.join(wheel_directory, name), "w") as wheel:
            wheel.writestr("asking.py", "")
            wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: asking\\n"
                           "Version: 1.0\\n")
            wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nGenerator: x\\n"
                           "Root-Is-Purelib: true\\nTag: py3-none-any\\n")
            wheel.writestr(f"{info}/RECORD", f"asking.py,,\\n{info}/METADATA,,\\n{info}/WHEEL,,\\n"
                           f"{info}/RECORD,,\\n")
        return name
"""
)


def in_build_script(bed: Bed) -> list[Tally]:
    """(g) `poetry install` runs the project's build script, which runs Poetry."""
    if not bed.real_wheels:
        raise UnavailableError("needs poetry-core on the index")
    script = '[tool.poetry.build]\nscript = "build.py"\ngenerate-setup-file = false\n'

    def one_round(bed: Bed, poetry: Path, tally: Tally) -> None:
        with bed.home() as home, consumer(bed, script) as checkout:
            (checkout / "build.py").write_text(f"{textwrap.dedent(_ASKING)}\nask()\n")
            asked = {"ASKED_PROJECT": str(checkout)}
            start = bed.command(poetry, checkout, home, "install", environ=asked)
            tally.add([run(start)])
            _must_have_asked(tally, checkout)
            _must_be_whole(tally, checkout, *PACKAGES, "demo")

    return for_each_kind(bed, "(g) in a build script", one_round)


def in_backend(bed: Bed) -> list[Tally]:
    """(g) `poetry install` builds a dependency whose PEP 517 backend runs Poetry."""

    def one_round(bed: Bed, poetry: Path, tally: Tally) -> None:
        with bed.home() as home, consumer(bed) as checkout:
            asking = checkout / "asking"
            asking.mkdir()
            (asking / "own_backend.py").write_text(textwrap.dedent(_BACKEND))
            (asking / "pyproject.toml").write_text(
                '[project]\nname = "asking"\nversion = "1.0"\n[build-system]\nrequires = []\n'
                'build-backend = "own_backend"\nbackend-path = ["."]\n'
            )
            asked = {"ASKED_PROJECT": str(checkout)}
            for args in (("add", "./asking"), ("install",)):
                start = bed.command(poetry, checkout, home, *args, environ=asked)
                tally.add([run(start)])
            _must_have_asked(tally, checkout)
            _must_be_whole(tally, checkout, *PACKAGES, "asking")

    return for_each_kind(bed, "(g) in a build backend", one_round)


def _must_have_asked(tally: Tally, checkout: Path) -> None:
    if not (checkout / "answered").exists():
        tally.fail("no build ran Poetry to completion", str(list(checkout.iterdir())))


def _must_be_whole(tally: Tally, checkout: Path, *names: str) -> None:
    wrong = damage(checkout / ".venv", *names)
    if wrong:
        tally.fail(f"silent: {wrong}", wrong)


_TOX = """
[tox]
env_list = one, two
no_package = true

[testenv]
pass_env = *
allowlist_externals = poetry
commands_pre = poetry install -n
commands = python -c "IMPORTS"
"""
_STAND_IN = """
    set -e
    for name in one two; do
        (
            python -m venv --without-pip ".tox/$name"
            export VIRTUAL_ENV="$PWD/.tox/$name" PATH="$PWD/.tox/$name/bin:$PATH"
            poetry install -n
            python -c "IMPORTS"
        ) & jobs="$jobs $!"
    done
    for job in $jobs; do wait "$job"; done
"""


def in_tox(bed: Bed) -> list[Tally]:
    """(g) tox in `poetry run`, with two parallel environments."""
    tox = _tox(bed)
    if tox is None:
        say("(g) tox cannot be installed: a script that makes two environments replaces it")
    name = "tox" if tox else "tox replacement"

    def one_round(bed: Bed, poetry: Path, tally: Tally) -> None:
        with bed.home() as home, consumer(bed) as checkout:
            (checkout / "tox.ini").write_text(_TOX.replace("IMPORTS", MODULES))
            script = textwrap.dedent(_STAND_IN).replace("IMPORTS", MODULES)
            argv = [str(tox), "run-parallel"] if tox else ["sh", "-c", script]
            start = bed.command(poetry, checkout, home, "run", *argv)
            tally.add([run(start)])
            for environment in ("one", "two"):
                wrong = damage(checkout / ".tox" / environment, *PACKAGES)
                if wrong:
                    tally.fail(f"silent: {wrong}", wrong)

    return for_each_kind(bed, f"(g) {name}", one_round)


def _tox(bed: Bed) -> Path | None:
    directory = bed.work / "envs" / "tox"
    tox = directory / "bin" / "tox"
    if tox.exists():
        return tox
    for argv in (
        ["venv", "--python", sys.executable, str(directory)],
        ["pip", "install", "--python", str(directory), "tox>=4"],
    ):
        done = subprocess.run([uv(), *argv, "--quiet"], check=False)
        if done.returncode:
            return None
    return tox
