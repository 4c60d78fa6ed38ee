"""The packages that the lock scenarios install, and a check that they are complete."""

from __future__ import annotations

import base64
import csv
import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.beds.distributions import WheelSource
from tests.beds.plugins import write_project
from tests.beds.processes import HANG
from tests.stress.bed import Bed
from tests.stress.racing import run

PACKAGES = ("gear-many", "gear-tool", "gear-data")
MODULES = "import gear_many.last, gear_tool, gear_data"
ADDONS = tuple(f"addon-{number}" for number in range(8))
SHARED_ADDON = "addon-shared"
# Long enough to be seen half-written.
_LONG = "#" * 79 + "\n"


def add_packages(bed: Bed) -> None:
    """Put the packages on the index, once."""
    if any(bed.index.wheels.glob("gear_many-*.whl")):
        return
    many = {f"gear_many/part{number}.py": _LONG * 20 for number in range(150)}
    last = {"gear_many/__init__.py": "", "gear_many/last.py": "from gear_many import part149\n"}
    tool = "import gear_many.last\n\ndef main():\n    print('tool')\n"
    addons = {f"addon_shared/part{number}.py": _LONG * 20 for number in range(100)}
    sources = [
        WheelSource("gear-many", "1.0", {**many, **last}),
        WheelSource(
            "gear-tool",
            "1.0",
            {"gear_tool.py": tool},
            {"console_scripts": {"gear-tool": "gear_tool:main"}},
            ("gear-many>=1",),
        ),
        WheelSource("gear-data", "1.0", {"gear_data/__init__.py": "", "gear_data/x": _LONG * 9000}),
        WheelSource(SHARED_ADDON, "1.0", {"addon_shared/__init__.py": "", **addons}),
    ]
    for name in ADDONS:
        module = f"{name.replace('-', '_')}.py"
        sources.append(WheelSource(name, "1.0", {module: ""}, requires=(f"{SHARED_ADDON}>=1",)))
    for source in sources:
        source.build(bed.index.wheels)


@contextmanager
def consumer(bed: Bed, extra: str = "", under: Path | None = None) -> Iterator[Path]:
    """A fresh checkout of a project that needs the packages, with its lock file."""
    add_packages(bed)
    checkout = Path(tempfile.mkdtemp(prefix="checkout-", dir=under or bed.work))
    try:
        write_project(checkout, bed.index.url, "", extra)
        file = checkout / "pyproject.toml"
        needs = ", ".join(f'"{name}>=1"' for name in PACKAGES)
        text = file.read_text(encoding="utf-8")
        text = text.replace("\nrequires-python", f"\ndependencies = [{needs}]\nrequires-python", 1)
        file.write_text(text, encoding="utf-8")
        locked = bed.work / "packages.lock"
        if not locked.exists():
            ended = run(bed.command(bed.poetry(stock=True), checkout, bed.work, "lock"))
            assert ended.code == 0, ended.out + ended.err
            shutil.move(checkout / "poetry.lock", locked)
        shutil.copy(locked, checkout / "poetry.lock")
        yield checkout
    finally:
        shutil.rmtree(checkout, ignore_errors=True)


def damage(environment: Path, *names: str, imports: str = "") -> str | None:
    """What is wrong with these distributions in a virtual environment, or None.

    Every file in their RECORDs must match, and nothing may be installed twice.
    """
    sites = list(environment.glob("lib/python*/site-packages"))
    if len(sites) != 1:
        return "no environment"
    for name in names:
        found = list(sites[0].glob(f"{name.replace('-', '_')}-*.dist-info"))
        if len(found) != 1:
            return f"{name} is installed {len(found)} times"
        wrong = _against_record(sites[0], found[0])
        if wrong:
            return f"{name}: {wrong}"
    if imports:
        done = subprocess.run(
            [environment / "bin" / "python", "-c", imports],
            cwd=environment,
            capture_output=True,
            text=True,
            timeout=HANG,
            check=False,
        )
        if done.returncode:
            return f"not importable ({done.stderr.strip()})"
    return None


def _against_record(site: Path, info: Path) -> str | None:
    record = info / "RECORD"
    if not record.is_file():
        return "no RECORD"
    rows = list(csv.reader(record.read_text(encoding="utf-8").splitlines()))
    # The RECORD of the project itself has absolute paths.
    if not any(row and row[0].endswith(f"{info.name}/METADATA") for row in rows):
        return "RECORD is cut off"
    for row in rows:
        name, digest, size = [*row, "", "", ""][:3]
        if not (site / name).is_file():
            return f"a file is missing ({name})"
        data = (site / name).read_bytes()
        if size and len(data) != int(size):
            return f"a file has another size ({name}: {len(data)}, not {size})"
        if digest:
            kind, _, value = digest.partition("=")
            real = base64.urlsafe_b64encode(hashlib.new(kind, data).digest()).decode()
            if real.rstrip("=") != value:
                return f"a file has another hash ({name})"
    return None
