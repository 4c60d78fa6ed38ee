"""The pip that virtualenv, and so Poetry, carries: unpacked, and run without any environment."""

import hashlib
import sys
import sysconfig
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path

import anyio.to_thread

from poetry_publish_verified import isolated_python
from poetry_publish_verified.adapters.kept_directory import is_trusted, make_once

NOT_UNPACKED = (ImportError, OSError, RuntimeError, zipfile.BadZipFile)
"""What `unpacked` raises."""


async def unpacked(directory: Path) -> Path:
    """The place in `directory` where pip is. Run from its wheel it takes a second longer."""
    wheel = await anyio.to_thread.run_sync(_wheel)
    place = _place_of(wheel, directory)
    with zipfile.ZipFile(wheel) as archive:

        async def unpack(new: Path) -> None:
            await anyio.to_thread.run_sync(archive.extractall, new)

        async def is_whole(place: Path) -> bool:
            return await anyio.to_thread.run_sync(_is_whole, place, archive)

        await make_once(place, unpack, is_whole)
    return place


def left_there(directory: Path) -> Path | None:
    """The same place if an earlier run has filled it, not compared with the wheel."""
    try:
        place = _place_of(_wheel(), directory)
    except NOT_UNPACKED:
        return None
    return place if is_trusted(place) else None


def command(place: Path) -> list[str]:
    """The command that runs the pip there; more words are its arguments."""
    return isolated_python.alone(
        place, "import runpy; runpy.run_module('pip', run_name='__main__', alter_sys=True)"
    )


def _place_of(wheel: Path, directory: Path) -> Path:
    # Another distribution's pip may have the same name.
    return directory / f"{wheel.stem}-{hashlib.sha256(wheel.read_bytes()).hexdigest()[:16]}"


def _is_whole(place: Path, archive: zipfile.ZipFile) -> bool:
    """Whether each file of the archive is there, as it is in the archive."""
    try:
        return all(
            zlib.crc32((place / file.filename).read_bytes()) == file.CRC
            for file in archive.infolist()
            if not file.is_dir()
        )
    except OSError:
        return False


def _wheel() -> Path:
    """virtualenv's own wheel of pip; where it was stripped of that, the one of Python's venv."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    with suppress(ImportError, OSError, RuntimeError):
        # The one part of virtualenv that says where distributions of Linux keep its wheels.
        from virtualenv.seed.wheels.embed import get_embed_wheel

        wheel = get_embed_wheel("pip", version)
        if wheel is not None and Path(wheel.path).is_file():
            return Path(wheel.path)
    import ensurepip

    bundled = Path(ensurepip.__file__).parent / "_bundled"
    for place in (bundled, Path(sysconfig.get_config_var("WHEEL_PKG_DIR") or bundled)):
        for found in place.glob("pip-*.whl"):
            return found
    raise FileNotFoundError("neither virtualenv nor Python comes with a pip")
