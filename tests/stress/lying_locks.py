"""Locks that are unavailable, do not exclude, or belong to somebody else."""

from __future__ import annotations

import os
import tempfile
import tomllib
from contextlib import ExitStack
from pathlib import Path

from tests.stress.bed import TIMEOUT_VARIABLE, Bed, require_tools
from tests.stress.blocking import WITHOUT
from tests.stress.hostile import as_user, mounted, python_of_all
from tests.stress.packages import PACKAGES, consumer, damage
from tests.stress.racing import Finished, Start, Tally, race, run
from tests.stress.shared_state import KINDS, for_each_kind, source_of_poetry

_ERRORS = ("ENOLCK", "EACCES", "EIO")
# How many warnings each may give; a command that only reads may not notice the lock.
_COMMANDS: tuple[tuple[tuple[str, ...], tuple[int, ...]], ...] = (
    (("install",), (1,)),
    (("lock",), (1,)),
    (("config", "virtualenvs.prompt", "demo"), (1,)),
    (("self", "add", "addon-0"), (1,)),
    (("run", "python", "-c", "import gear_tool"), (0, 1)),
    (("version",), (0,)),
)


def refused(bed: Bed) -> list[Tally]:
    """(f) flock fails: whatever stock can run, guarded Poetry runs too, with one warning."""
    require_tools("strace")
    tallies = []
    for error in _ERRORS:
        stock, guarded = both = [Tally(f"(f) flock gives {error}, {kind}") for kind in KINDS]
        tallies += both
        for (command, warnings), stocks, guardeds in zip(
            _COMMANDS,
            _without_flock(bed, bed.poetry(stock=True), error),
            _without_flock(bed, bed.poetry(), error),
            strict=True,
        ):
            stock.add([stocks])
            guarded.processes += 1
            kind = guardeds.failure()
            said = f"{' '.join(command)}: {guardeds.out}{guardeds.err}"
            if kind and not stocks.failure():
                guarded.fail(f"failed where stock did not: {kind}", said)
            count = sum(bool(WITHOUT.search(line)) for line in guardeds.err.splitlines())
            if not kind and count not in warnings:
                guarded.fail(f"{count} warnings of {' '.join(command[:2])}", said)
    return tallies


def _without_flock(bed: Bed, original: Path, error: str) -> list[Finished]:
    inject = ["strace", "-f", "-qq", "-o", os.devnull, "-e", "trace=flock"]
    inject += ["-e", f"inject=flock:error={error}"]
    with bed.home() as home, bed.copy_of(original) as poetry, consumer(bed) as checkout:
        source_of_poetry(bed, home)
        # virtualenv itself locks while it makes an environment, so stock fails there too.
        run(bed.command(poetry, checkout, home, "run", "python", "-c", ""))
        ended = []
        for command, _ in _COMMANDS:
            start = bed.command(poetry, checkout, home, *command)
            start.environ[TIMEOUT_VARIABLE] = "3"
            start.argv = [*inject, *start.argv]
            ended.append(run(start))
        return ended


def two_mounts(bed: Bed) -> list[Tally]:
    """(f) One checkout and one cache through two mounts whose locks do not exclude.

    Updates can be lost there, but no file may be truncated and no command may fail.
    """
    require_tools("bindfs", "fusermount")

    def one_round(bed: Bed, poetry: Path, tally: Tally) -> None:
        with bed.home() as home, consumer(bed) as checkout, ExitStack() as stack:
            checkouts = stack.enter_context(mounted(bed, checkout))
            homes = stack.enter_context(mounted(bed, home))
            starts: list[Start] = []
            for number in range(8):
                side = number // 4
                command: tuple[str, ...] = (
                    ("lock",),
                    ("config", "--local", f"virtualenvs.{'create' if side else 'in-project'}", "1"),
                    ("install",),
                    ("config", f"repositories.r{number}", "http://127.0.0.1:1/"),
                )[number % 4]
                venvs = {"POETRY_VIRTUALENVS_IN_PROJECT": "false"}
                venvs["POETRY_VIRTUALENVS_PATH"] = tempfile.mkdtemp(prefix="venvs-", dir=home)
                starts.append(
                    bed.command(poetry, checkouts[side], homes[side], *command, environ=venvs)
                )
            tally.add(race(starts))
            for file in (
                checkout / "poetry.lock",
                checkout / "poetry.toml",
                home / "config" / "config.toml",
            ):
                _parses(tally, file)

    return for_each_kind(bed, "(f) two mounts", one_round)


def _parses(tally: Tally, file: Path) -> None:
    try:
        tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        tally.fail(f"silent: {file.name} is broken", str(error))


def two_users(bed: Bed) -> list[Tally]:
    """(f) Two users in one group share a checkout, its environment and a cache."""
    python = python_of_all()
    tallies = [Tally(f"(f) two users, {kind}") for kind in KINDS]
    for _ in range(bed.rounds):
        for tally, kind in zip(tallies, KINDS, strict=True):
            poetry = bed.poetry(python=python, stock=kind == "stock")
            with bed.home() as shared, consumer(bed) as checkout:
                starts = []
                for path in (shared, checkout, *checkout.rglob("*")):
                    # Do not follow links: an environment's python is the system's.
                    if not path.is_symlink():
                        os.chown(path, 23450, 23460)
                        path.chmod(0o2775 if path.is_dir() else 0o664)
                for number in range(6):
                    user = 23450 + number % 2
                    home = Path(tempfile.mkdtemp(prefix="home-", dir=bed.work))
                    os.chown(home, user, user)
                    environ = {
                        "POETRY_CACHE_DIR": str(shared / "cache"),
                        # The first two have their own environments and share the cache.
                        "POETRY_VIRTUALENVS_IN_PROJECT": str(number > 1).lower(),
                        "POETRY_VIRTUALENVS_PATH": str(home / "venvs"),
                    }
                    command = ("install", "lock", "install")[number // 2]
                    one = bed.command(poetry, checkout, home, command, environ=environ)
                    starts.append(as_user(one, user, 23460, "002"))
                # The second must be able to use what the first made alone.
                tally.add([run(starts[0]), run(starts[1]), *race(starts[2:])])
                wrong = damage(checkout / ".venv", *PACKAGES)
                if wrong:
                    tally.fail(f"silent: {wrong}", wrong)
    return tallies
