"""The pip that virtualenv, and so Poetry, carries: unpacked, and run without any environment."""

import hashlib
import sys
import zipfile
from pathlib import Path

import anyio.to_thread

from poetry_publish_verified import isolated_python
from poetry_publish_verified.adapters.kept_directory import make_once

NOT_UNPACKED = (ImportError, OSError, RuntimeError, zipfile.BadZipFile)
"""What `unpacked` raises."""


async def unpacked(directory: Path) -> Path:
    """The place in `directory` where pip is. Run from its wheel it takes a second longer."""
    wheel = await anyio.to_thread.run_sync(_wheel)
    # Another distribution's pip may have the same name.
    place = directory / f"{wheel.stem}-{hashlib.sha256(wheel.read_bytes()).hexdigest()[:16]}"
    with zipfile.ZipFile(wheel) as archive:

        async def unpack(new: Path) -> None:
            await anyio.to_thread.run_sync(archive.extractall, new)

        async def is_whole(place: Path) -> bool:
            sizes = {place / file.filename: file.file_size for file in archive.infolist()}
            return all(f.is_file() and f.stat().st_size == size for f, size in sizes.items())

        await make_once(place, unpack, is_whole)
    return place


def command(place: Path) -> list[str]:
    """The command that runs the pip there; more words are its arguments."""
    return isolated_python.alone(
        place, "import runpy; runpy.run_module('pip', run_name='__main__', alter_sys=True)"
    )


def _wheel() -> Path:
    # The one part of virtualenv that says where distributions of Linux keep its wheels.
    from virtualenv.seed.wheels.embed import get_embed_wheel

    wheel = get_embed_wheel("pip", f"{sys.version_info.major}.{sys.version_info.minor}")
    if wheel is None:
        raise FileNotFoundError("virtualenv comes without a pip")
    return Path(wheel.path)
