"""The smallest build backend: a pure module `local_plugin`, copied or in place."""

import zipfile
from pathlib import Path

_INFO = "local_plugin-1.0.dist-info"


def _wheel(directory: str, files: dict[str, str]) -> str:
    name = "local_plugin-1.0-py3-none-any.whl"
    files[f"{_INFO}/METADATA"] = "Metadata-Version: 2.1\nName: local-plugin\nVersion: 1.0\n"
    files[f"{_INFO}/WHEEL"] = (
        "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    files[f"{_INFO}/entry_points.txt"] = "[poetry.plugin]\nlocal = local_plugin:Local\n"
    files[f"{_INFO}/RECORD"] = "".join(f"{file},,\n" for file in files)
    with zipfile.ZipFile(Path(directory, name), "w") as wheel:
        for file, text in files.items():
            wheel.writestr(file, text)
    return name


def build_wheel(directory: str, *_: object) -> str:
    """Copy the module."""
    return _wheel(directory, {"local_plugin.py": Path("local_plugin.py").read_text("utf-8")})


def build_editable(directory: str, *_: object) -> str:
    """Point to the module."""
    return _wheel(directory, {"local_plugin.pth": f"{Path.cwd()}\n"})
