"""How uv is told what machine a wheel is for."""

from __future__ import annotations

import pytest

from poetry_publish_verified.core.distribution import parse_filename
from poetry_publish_verified.core.uv_target import UvTarget, uv_target
from poetry_publish_verified.core.verification import ClientAbstains, pip_target


def found(tags: str) -> UvTarget | ClientAbstains:
    """What uv is told for a wheel with these tags."""
    target = pip_target(parse_filename(f"lantern-1.0-{tags}.whl"), ">=2.7")
    assert target is not None
    return uv_target(target)


@pytest.mark.parametrize(
    ("tags", "version", "platform", "macos"),
    [
        ("py3-none-any", "3.0", None, None),
        ("cp312-none-any", "3.12", None, None),
        ("cp312-cp312-win_amd64", "3.12", "x86_64-pc-windows-msvc", None),
        ("cp312-cp312-win_arm64", "3.12", "aarch64-pc-windows-msvc", None),
        ("cp39-abi3-win32", "3.9", "i686-pc-windows-msvc", None),
        ("cp37-cp37m-win32", "3.7", "i686-pc-windows-msvc", None),
        ("cp312-cp312-macosx_11_0_arm64", "3.12", "aarch64-apple-darwin", "11.0"),
        ("cp312-cp312-macosx_10_9_universal2", "3.12", "aarch64-apple-darwin", "10.9"),
        ("cp312-cp312-macosx_14_0_x86_64", "3.12", "x86_64-apple-darwin", "14.0"),
        ("cp312-cp312-linux_x86_64", "3.12", "x86_64-manylinux_2_17", None),
        ("py3-none-manylinux1_x86_64", "3.0", "x86_64-manylinux_2_17", None),
        ("cp312-cp312-manylinux2014_aarch64", "3.12", "aarch64-manylinux_2_17", None),
        ("cp312-cp312-manylinux_2_27_x86_64", "3.12", "x86_64-manylinux_2_28", None),
        ("cp312-cp312-manylinux_2_40_x86_64", "3.12", "x86_64-manylinux_2_40", None),
        ("cp312-cp312-musllinux_1_1_x86_64", "3.12", "x86_64-unknown-linux-musl", None),
        ("py3-none-manylinux_2_17_s390x.win_amd64", "3.0", "x86_64-pc-windows-msvc", None),
    ],
)
def test_usual_platforms(tags: str, version: str, platform: str | None, macos: str | None) -> None:
    """Each usual platform has a name that uv knows, no newer than necessary."""
    assert found(tags) == UvTarget(version, platform, macos)


@pytest.mark.parametrize(
    ("tags", "word"),
    [
        ("pp310-pypy310_pp73-win_amd64", "'pp'"),
        ("cp314-cp314t-win_amd64", "cp314t"),
        ("cp38-cp38m-win_amd64", "cp38m"),
        ("cp312-cp312-manylinux_2_17_s390x", "s390x"),
        ("cp312-cp312-manylinux_2_41_x86_64", "manylinux_2_41"),
        ("cp312-cp312-manylinux2030_x86_64", "manylinux2030"),
        ("cp312-cp312-musllinux_1_3_x86_64", "musllinux_1_3"),
        ("cp312-cp312-macosx_10_4_fat", "fat"),
        ("cp312-cp312-emscripten_3_1_58_wasm32", "emscripten"),
    ],
)
def test_unknown_platforms(tags: str, word: str) -> None:
    """For everything else uv abstains, with a reason."""
    abstains = found(tags)
    assert isinstance(abstains, ClientAbstains)
    assert word in abstains.reason
