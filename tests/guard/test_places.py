"""Where locks lie in a project: where no build packs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatchling.builders.sdist import SdistBuilder

from poetry_publish_verified.guard.resources import IN_PROJECT
from poetry_publish_verified.guard.resources import UNPACKED

if TYPE_CHECKING:
    from pathlib import Path


def test_hatchling_packs_no_locks(tmp_path: Path) -> None:
    """It reads no .gitignore but the root's, and packs whatever that does not name."""
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "lantern"\nversion = "1.0"\n')
    for folder in (tmp_path / IN_PROJECT, tmp_path / UNPACKED, tmp_path / "lantern"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "file.py").write_text("", encoding="utf-8")
    packed = {file.relative_path for file in SdistBuilder(str(tmp_path)).recurse_included_files()}
    assert "lantern/file.py" in packed
    assert not [name for name in packed if name.startswith(".poetry")]
