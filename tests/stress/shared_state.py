"""What parallel Poetry processes write together: Poetry, an environment, caches, settings."""

from __future__ import annotations

import random
import stat
import sys
import time
import tomllib
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.beds.environments import NEWEST_POETRY
from tests.stress.bed import Bed
from tests.stress.packages import (
    ADDONS,
    MODULES,
    PACKAGES,
    SHARED_ADDON,
    add_packages,
    consumer,
    damage,
)
from tests.stress.racing import Finished, Start, Tally, race, run

Check = Callable[[Finished], str | None]
KINDS = ("stock", "guarded")
# Making an environment takes a fraction of a second, so try several offsets on each machine.
_STAGGERS = (0.0, 0.05, 0.1, 0.2)


def for_each_kind(
    bed: Bed, name: str, one_round: Callable[[Bed, Path, Tally], None], rounds: int | None = None
) -> list[Tally]:
    """Run rounds with stock and with guarded Poetry in turn."""
    tallies = [Tally(f"{name}, {kind}") for kind in KINDS]
    for _ in range(rounds or bed.rounds):
        for tally, kind in zip(tallies, KINDS, strict=True):
            one_round(bed, bed.poetry(stock=kind == "stock"), tally)
    return tallies


def self_add(bed: Bed, counts: tuple[int, ...] = (4, 8)) -> list[Tally]:
    """(a) `self add` of different packages, and of the same one, beside loops of `version`."""
    tallies = []
    for count in counts:
        for same in (False, True):

            def one_round(
                bed: Bed, poetry: Path, tally: Tally, count: int = count, same: bool = same
            ) -> None:
                packages = [ADDONS[0 if same else number] for number in range(count)]
                _add_to_poetry(bed, poetry, tally, packages)

            name = f"(a) self add {'one' if same else 'different'}, N = {count}"
            tallies += for_each_kind(bed, name, one_round)
    return tallies


def source_of_poetry(bed: Bed, home: Path) -> Path:
    """Give Poetry's own project the index; return the path of its pyproject.toml."""
    add_packages(bed)
    system = home / "config" / "pyproject.toml"
    system.parent.mkdir(exist_ok=True)
    system.write_text(
        f'[[tool.poetry.source]]\nname = "tests"\nurl = "{bed.index.url}"\n', encoding="utf-8"
    )
    return system


def _add_to_poetry(bed: Bed, original: Path, tally: Tally, packages: list[str]) -> None:
    with bed.home() as home, bed.copy_of(original) as poetry, bed.project() as checkout:
        system = source_of_poetry(bed, home)
        # Stock installs the plugin in the first run and uses it from the second on.
        for _ in "12":
            prepared = run(bed.command(poetry, checkout, home, "install"))
            assert prepared.code == 0, prepared.out + prepared.err

        def added(package: str) -> Check:
            return lambda _: lost(system, poetry, package)

        starts = [
            bed.command(poetry, home, home, "self", "add", package, check=added(package))
            for package in packages
        ]
        readers = [
            bed.command(poetry, checkout, home, "version", check=prints("demo 9.1.0")),
            bed.command(poetry, home, home, "--version", check=prints("Poetry (version")),
        ]
        begun = time.monotonic()
        tally.add(race(starts, beside=readers), time.monotonic() - begun)
        tally.add([run(bed.command(poetry, home, home, "self", "show"))])


def prints(text: str) -> Check:
    """A check that the output contains this text."""
    return lambda ended: None if text in ended.out else f"silent: does not print {text}"


def lost(system: Path, poetry: Path, package: str) -> str | None:
    """What `self add` of this package lost although it reported success."""
    text, fault = _parsed(system)
    if fault:
        return fault
    names = [*text.get("dependency-groups", {}).get("additional", [])]
    # The format before Poetry 2.2.
    groups = text.get("tool", {}).get("poetry", {}).get("group", {})
    names += groups.get("additional", {}).get("dependencies", {})
    if not any(name.split(" ")[0] == package for name in names):
        return "silent: lost from pyproject.toml"
    text, fault = _parsed(system.with_name("poetry.lock"))
    if fault:
        return fault
    locked = {one["name"] for one in text["package"]}
    if not {package, SHARED_ADDON} <= locked:
        return "silent: lost from poetry.lock"
    wrong = damage(poetry.parents[1], package, SHARED_ADDON)
    return f"silent: {wrong}" if wrong else None


def _parsed(file: Path) -> tuple[dict[str, Any], str | None]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8")), None
    except FileNotFoundError:
        return {}, f"silent: no {file.name}"
    except ValueError:
        return {}, f"silent: {file.name} does not parse"


def one_environment(bed: Bed, counts: tuple[int, ...] = (4, 8)) -> list[Tally]:
    """(b) One cold virtual environment: as many `install` as `run`, all at once."""
    tallies = []
    for count in counts:
        for beside in (True, False):

            def one_round(
                bed: Bed, poetry: Path, tally: Tally, count: int = count, beside: bool = beside
            ) -> None:
                _fill_environment(bed, poetry, tally, count, in_project=beside)

            place = ".venv" if beside else "virtualenvs.path"
            tallies += for_each_kind(bed, f"(b) cold {place}, N = {count}", one_round)
    return tallies


def _fill_environment(
    bed: Bed, poetry: Path, tally: Tally, count: int, *, in_project: bool
) -> None:
    with bed.home() as home, consumer(bed) as checkout:
        place = {
            "POETRY_VIRTUALENVS_IN_PROJECT": str(in_project).lower(),
            "POETRY_VIRTUALENVS_PATH": str(home / "venvs"),
        }
        expected = checkout / ".venv" if in_project else home / "venvs"
        runs = (
            ("run", "python", "-c", "import sys; print(sys.prefix)"),
            ("run", "python", "-m", "platform"),
        )
        starts = []
        for number in range(count):
            starts.append(bed.command(poetry, checkout, home, "install", environ=place))
            args = runs[number % 2]
            check = prints(str(expected)) if "-c" in args else prints("Linux")
            starts.append(bed.command(poetry, checkout, home, *args, check=check, environ=place))
        stagger = random.choice(_STAGGERS)  # noqa: S311 - any will do
        begun = time.monotonic()
        tally.add(race(starts, stagger=stagger), time.monotonic() - begun)
        environments = [expected] if in_project else [*expected.glob("demo-*")]
        wrong = (
            damage(environments[0], *PACKAGES, "demo", imports=f"{MODULES}, demo")
            if len(environments) == 1
            else f"{len(environments)} environments"
        )
        if wrong:
            tally.fail(f"silent: {wrong}", f"{wrong} {environments}")
        tool = bed.command(
            poetry, checkout, home, "run", "gear-tool", check=prints("tool"), environ=place
        )
        nothing = prints("No dependencies to install")
        again = bed.command(poetry, checkout, home, "install", check=nothing, environ=place)
        tally.add([run(tool), run(again)])


def cleared_cache(bed: Bed, count: int = 8) -> list[Tally]:
    """(c) `cache clear --all` in a loop, beside `lock` and `install` with one cold cache."""

    def one_round(bed: Bed, poetry: Path, tally: Tally) -> None:
        with bed.home() as home, ExitStack() as stack:
            starts: list[Start] = []
            for number in range(count):
                checkout = stack.enter_context(consumer(bed))
                if number % 2:
                    command: tuple[str, ...] = ("install",)
                    check = installed(checkout)
                else:
                    _require_more(checkout)
                    command, check = ("lock",), locked(checkout, "poetry")
                starts.append(bed.command(poetry, checkout, home, *command, check=check))
            clear = [
                bed.command(poetry, home, home, "cache", "clear", *which, "--all")
                for which in ((), ("tests",), (), ("tests",))
            ]
            begun = time.monotonic()
            tally.add(race(starts, beside=clear), time.monotonic() - begun)

    return for_each_kind(bed, f"(c) cache clear, N = {count}", one_round)


def _require_more(checkout: Path) -> None:
    """Make its next `lock` read and cache some fifty packages."""
    (checkout / "poetry.lock").unlink()
    file = checkout / "pyproject.toml"
    minor = sys.version_info.minor
    text = file.read_text(encoding="utf-8")
    text = text.replace("dependencies = [", f'dependencies = ["poetry=={NEWEST_POETRY}", ')
    text = text.replace('"\n\n[tool.poetry]', f',<3.{minor + 1}"\n\n[tool.poetry]')
    text = text.replace('">=3.11', f'">=3.{minor}')
    file.write_text(text, encoding="utf-8")


def installed(checkout: Path) -> Check:
    """A check that all packages are in the checkout's environment, complete."""

    def check(_: Finished) -> str | None:
        wrong = damage(checkout / ".venv", *PACKAGES)
        return f"silent: {wrong}" if wrong else None

    return check


def locked(checkout: Path, *more: str) -> Check:
    """A check that poetry.lock has all packages, and `more`."""

    def check(_: Finished) -> str | None:
        text, fault = _parsed(checkout / "poetry.lock")
        if fault:
            return fault
        names = {one["name"] for one in text["package"]}
        return None if {*PACKAGES, *more} <= names else f"silent: locked {sorted(names)}"

    return check


def settings(bed: Bed, counts: tuple[int, ...] = (8, 16)) -> list[Tally]:
    """(d) `config` of many different keys at once, in all three files, beside a reader."""
    tallies = []
    for count in counts:

        def one_round(bed: Bed, poetry: Path, tally: Tally, count: int = count) -> None:
            _write_settings(bed, poetry, tally, count)

        tallies += for_each_kind(bed, f"(d) config, N = {count}", one_round)
    return tallies


# The command's arguments, then where the value must be: file, path of keys, value.
_SETTINGS: tuple[tuple[tuple[str, ...], str, tuple[str, ...], object], ...] = (
    (("repositories.one", "http://127.0.0.1:1/1/"), "config", ("repositories", "one", "url"),
     "http://127.0.0.1:1/1/"),
    (("http-basic.one", "user", "word"), "auth", ("http-basic", "one", "username"), "user"),
    (("pypi-token.one", "pypi-1"), "auth", ("pypi-token", "one"), "pypi-1"),
    (("certificates.one.cert", "/one.pem"), "auth", ("certificates", "one", "cert"), "/one.pem"),
    (("virtualenvs.prompt", "one"), "config", ("virtualenvs", "prompt"), "one"),
    (("--local", "virtualenvs.in-project", "true"), "local", ("virtualenvs", "in-project"), True),
    (("--local", "installer.parallel", "false"), "local", ("installer", "parallel"), False),
    (("repositories.two", "http://127.0.0.1:1/2/"), "config", ("repositories", "two", "url"),
     "http://127.0.0.1:1/2/"),
    (("http-basic.two", "user", "word"), "auth", ("http-basic", "two", "password"), "word"),
    (("certificates.one.client-cert", "/2.pem"), "auth", ("certificates", "one", "client-cert"),
     "/2.pem"),
    (("pypi-token.two", "pypi-2"), "auth", ("pypi-token", "two"), "pypi-2"),
    (("installer.max-workers", "3"), "config", ("installer", "max-workers"), 3),
    (("requests.max-retries", "2"), "config", ("requests", "max-retries"), 2),
    (("--local", "virtualenvs.create", "true"), "local", ("virtualenvs", "create"), True),
    (("solver.lazy-wheel", "false"), "config", ("solver", "lazy-wheel"), False),
    (("virtualenvs.options.no-pip", "true"), "config", ("virtualenvs", "options", "no-pip"), True),
)  # fmt: skip


def _write_settings(bed: Bed, poetry: Path, tally: Tally, count: int) -> None:
    with bed.home() as home, bed.project() as checkout:
        config = home / "config"
        files = {
            "config": config / "config.toml",
            "auth": config / "auth.toml",
            "local": checkout / "poetry.toml",
        }
        config.mkdir()
        files["config"].write_text("[repositories.old]\nurl = 'http://127.0.0.1:1/'\n")

        def kept(file: str, keys: tuple[str, ...], value: object) -> Check:
            def check(_: Finished) -> str | None:
                text, fault = _parsed(files[file])
                found: Any = text
                for key in keys:
                    found = found.get(key) if isinstance(found, dict) else None
                lost_key = f"silent: lost from {files[file].name}"
                return fault or (None if found == value else lost_key)

            return check

        starts = [
            bed.command(poetry, checkout, home, "config", *args, check=kept(file, keys, value))
            for args, file, keys, value in _SETTINGS[:count]
        ]
        reader = bed.command(poetry, checkout, home, "config", "--list", check=prints("cache-dir"))
        begun = time.monotonic()
        tally.add(race(starts, stagger=0, beside=[reader]), time.monotonic() - begun)
        old, fault = _parsed(files["config"])
        if not fault and "old" not in old.get("repositories", {}):
            tally.fail("silent: lost what was there before", str(old))
        mode = stat.S_IMODE(files["auth"].stat().st_mode) if files["auth"].exists() else 0
        if mode & 0o077:
            tally.fail("silent: auth.toml is open to others", oct(mode))
