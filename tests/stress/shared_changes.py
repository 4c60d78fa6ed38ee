"""Both hosts change what they share at once: a project, a home directory, and Poetry itself."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from tests.stress.bed import Bed
from tests.stress.packages import ADDONS
from tests.stress.racing import Tally, race, run
from tests.stress.shared_places import Checkout, Place, consuming
from tests.stress.shared_state import source_of_poetry

# Prints which of these files (given as FILE=WORD) do not parse, or lack the word.
_LACKS = """
import pathlib, sys, tomllib
from poetry_publish_verified.guard.locks.fresh_view import see_whole
for argument in sys.argv[1:]:
    file, _, word = argument.partition("=")
    see_whole(pathlib.Path(file))
    try:
        text = pathlib.Path(file).read_text()
        tomllib.loads(text)
    except FileNotFoundError:
        print("silent: no", pathlib.Path(file).name)
        continue
    except ValueError:
        print("silent:", pathlib.Path(file).name, "does not parse")
    if word not in text:
        print("silent: lost from", pathlib.Path(file).name, f"({word})")
"""


def changes(bed: Bed, place: Place, tally: Tally, poetry: Path) -> None:
    """`add`, `lock`, `config`, `self add` and `cache clear`, each on both hosts at once."""
    with consuming(bed, place) as checkout:
        checkout.shared_home = f"home-{checkout.name}"
        poetries = _share_poetry(bed, checkout, poetry)
        starts = [
            checkout.start(poetry, host, *command)
            for number in range(2)
            for host, command in (
                (number, ("add", ADDONS[number])),
                (number, ("lock",)),
                (number, ("config", f"repositories.r{number}", "http://127.0.0.1:1/")),
                (1 - number, ("config", "--local", _LOCAL[number], "false")),
                (number, ("cache", "clear", "tests", "--all")),
            )
        ]
        starts += [
            checkout.start(own, number, "self", "add", ADDONS[2 + number])
            for number, own in enumerate(poetries)
        ]
        tally.add(race(starts))
        _check(checkout, tally)
        tally.add([run(checkout.start(poetry, host, "install")) for host in (0, 1)])
        for name in (checkout.shared_home, _packed(checkout), f"{_packed(checkout)}.tar"):
            place.remove(name)


_LOCAL = ("installer.parallel", "solver.lazy-wheel")


def _packed(checkout: Checkout) -> str:
    return f"poetry-{checkout.name}"


def _share_poetry(bed: Bed, checkout: Checkout, poetry: Path) -> list[list[str]]:
    """Put Poetry and a home into the shared directory; how each host starts that Poetry.

    None where no environment can be: the home alone.
    """
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory, checkout.shared_home)
        home.mkdir()
        source_of_poetry(bed, home)
        checkout.place.copy(home, home.name)
        if not checkout.place.holds_environments:
            return []
        packed = Path(directory, _packed(checkout))
        # One file is copied faster than thousands.
        shutil.make_archive(str(packed), "tar", poetry.parents[1])
        checkout.place.copy(packed.with_suffix(".tar"), f"{packed.name}.tar")
    copies = [root / packed.name for root in checkout.place.roots]
    code = "import sys, tarfile; tarfile.open(sys.argv[1]).extractall(sys.argv[2])"
    checkout.python(1, code, f"{copies[1]}.tar", str(copies[1]))
    return [[str(copy / "bin" / "python"), "-m", "poetry"] for copy in copies]


def _check(checkout: Checkout, tally: Tally) -> None:
    """All changes are there as each host sees them, or where locks do not exclude, all is whole."""
    for host in (0, 1):
        root = checkout.place.roots[host]
        config = root / checkout.shared_home / "config"
        words = {
            "pyproject.toml": ADDONS[:2],
            "poetry.lock": ADDONS[:2],
            "poetry.toml": ("parallel", "lazy-wheel"),
            f"{config}/config.toml": ("r0", "r1"),
        }
        if checkout.place.holds_environments:
            words |= {f"{config}/{name}": ADDONS[2:4] for name in ("pyproject.toml", "poetry.lock")}
        arguments = [
            f"{file}={word if checkout.place.excludes else ''}"
            for file, those in words.items()
            for word in those
        ]
        for line in dict.fromkeys(checkout.python(host, _LACKS, *arguments).splitlines()):
            tally.fail(line, line)
