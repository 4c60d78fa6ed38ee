"""Which settings are told of as keeping a fresh release from the user."""

from __future__ import annotations

from poetry_publish_verified.core.cool_downs import cool_downs


def test_none() -> None:
    """Nothing set is nothing told; 0 days are none."""
    assert cool_downs({"PIP_INDEX_URL": "x", "UV_EXCLUDE_NEWER": ""}, 0, "global.timeout='3'") == []


def test_all_of_them() -> None:
    """Each place that may set one is looked at, and named."""
    assert cool_downs(
        {"UV_EXCLUDE_NEWER": "7 days", "PIP_UPLOADED_PRIOR_TO": "P3D"},
        7,
        "global.index-url='https://x'\nglobal.uploaded-prior-to='P4D'\n"
        "install.uploaded_prior_to='P5D'\n:env:.uploaded-prior-to='P3D'\n",
        [
            ("uv.toml", 'exclude-newer = "1 week"'),
            ("pyproject.toml", "[tool.uv]\nexclude-newer = 2026-01-01T00:00:00Z"),
        ],
    ) == [
        ("solver.min-release-age (Poetry)", "7"),
        ("UV_EXCLUDE_NEWER", "7 days"),
        ("PIP_UPLOADED_PRIOR_TO", "P3D"),
        ("global.uploaded-prior-to (pip)", "P4D"),
        ("install.uploaded-prior-to (pip)", "P5D"),
        ("exclude-newer in uv.toml (uv)", "1 week"),
        ("exclude-newer in pyproject.toml (uv)", "2026-01-01 00:00:00+00:00"),
    ]


def test_broken_files() -> None:
    """What uv itself could not read, and other tables, have no cool-down."""
    texts = ("not toml [", "[tool]\nuv = 3", 'exclude-newer = "1 week"', "[tool.uv]")
    assert cool_downs({}, uv_files=[("pyproject.toml", text) for text in texts]) == []


def test_foreign_text() -> None:
    """A value cannot write to the terminal, nor fill it."""
    ((_, value),) = cool_downs({"UV_EXCLUDE_NEWER": "\x1b[31m\n::error::" + "x" * 500})
    assert "\x1b" not in value
    assert "\n" not in value
    assert len(value) <= 100
