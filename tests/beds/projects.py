"""Small projects to release."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from poetry.core.factory import Factory
from poetry.core.masonry.builders.sdist import SdistBuilder
from poetry.core.masonry.builders.wheel import WheelBuilder

from tests.beds.schemas import check


@dataclass(frozen=True)
class Project:
    """A project with its own pyproject.toml; `name` is normalized."""

    path: Path
    name: str
    version: str

    @property
    def dist(self) -> Path:
        """The directory that `poetry build` fills."""
        return self.path / "dist"

    @property
    def wheel(self) -> str:
        """The wheel's file name."""
        return f"{self.name.replace('-', '_')}-{self.version}-py3-none-any.whl"

    @property
    def sdist(self) -> str:
        """The sdist's file name."""
        return f"{self.name.replace('-', '_')}-{self.version}.tar.gz"

    @property
    def filenames(self) -> set[str]:
        """Both file names."""
        return {self.wheel, self.sdist}

    def build(self, into: Path | None = None) -> None:
        """Build both distributions, as `poetry build` does but without its start-up."""
        poetry = Factory().create_poetry(self.path)
        for builder in (SdistBuilder(poetry), WheelBuilder(poetry)):
            builder.build(into or self.dist)

    def hashes(self) -> dict[str, str]:
        """The sha256 of every distribution in `dist`, of any version, by file name."""
        return {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in self.dist.iterdir()
            if path.is_file()
        }

    def change(self, remark: str) -> None:
        """Change the sources, so that the next build of this version has other bytes."""
        module = self.path / self.name.replace("-", "_") / "__init__.py"
        module.write_text(f'"""{remark}"""\n', encoding="utf-8")

    def set_version(self, version: str) -> Project:
        """Give the project another version."""
        file = self.path / "pyproject.toml"
        text = file.read_text(encoding="utf-8")
        old, new = f'version = "{self.version}"', f'version = "{version}"'
        file.write_text(text.replace(old, new), encoding="utf-8")
        return Project(self.path, self.name, version)

    @property
    def receipt_file(self) -> Path:
        """The default place of the receipt."""
        return self.dist / ".publish-verified" / f"{self.name}-{self.version}.json"

    def receipt(self) -> dict[str, Any]:
        """The receipt of the last run, from its default place."""
        return read_receipt(self.receipt_file)


def read_receipt(file: Path) -> dict[str, Any]:
    """Read a receipt and check its schema."""
    receipt = json.loads(file.read_text(encoding="utf-8"))
    assert receipt["schema"] == "publish-verified.receipt/1"
    assert isinstance(receipt, dict)
    check("receipt", receipt)
    return receipt


def make_project(
    path: Path,
    name: str = "lantern",
    version: str = "1.0",
    more: str = "",
    requires: Collection[str] = (),
) -> Project:
    """Make a small package; `more` is appended to its pyproject.toml.

    `requires` are its `[project] dependencies`.
    """
    dependencies = f"dependencies = {json.dumps(list(requires))}\n" if requires else ""
    normalized = str(canonicalize_name(name))
    module = normalized.replace("-", "_")
    (path / module).mkdir(parents=True)
    (path / module / "__init__.py").write_text('"""A lantern."""\n', encoding="utf-8")
    (path / "README.md").write_text(f"# {name}\n\nIt gives light: ä, ö, ü.\n", encoding="utf-8")
    (path / "pyproject.toml").write_text(
        f"""\
[project]
name = "{name}"
version = "{version}"
description = "A package to release"
readme = "README.md"
requires-python = ">=3.11"
authors = [{{ name = "Ünal Test", email = "test@example.invalid" }}]
{dependencies}
[build-system]
requires = ["poetry-core"]
build-backend = "poetry.core.masonry.api"
{more}""",
        encoding="utf-8",
    )
    return Project(path, normalized, version)
