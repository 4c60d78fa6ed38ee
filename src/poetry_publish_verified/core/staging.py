"""Stages: what an earlier run has proven on one, and what to do where one is in the way."""

from collections.abc import Mapping
from typing import Any

from packaging.version import InvalidVersion, Version

from poetry_publish_verified.core.preflight import Identity
from poetry_publish_verified.core.receipt import SCHEMA

_KEPT = ("verdict", "finished", "distributions", "indexes")


def earlier_proof(
    receipt: Any, release: Identity, upload_url: str, files: Mapping[str, str]
) -> dict[str, Any] | None:
    """What an earlier run's receipt says of a stage that it has proven with these very files.

    None if it has not, or is damaged. `files` maps names to sha256; the stage is known by its
    upload URL, as a name may by now be another's.
    """
    try:
        if receipt["schema"] != SCHEMA:
            return None
        for each in receipt["releases"]:
            if each["name"] != release.name or Version(each["version"]) != release.version:
                continue
            for stage in each["stages"]:
                proven = stage["verdict"] == "verified" and isinstance(stage["finished"], str)
                held = {file["filename"]: file["sha256"] for file in stage["distributions"]}
                if proven and stage["repository"]["url"] == upload_url and held == dict(files):
                    return {key: stage[key] for key in _KEPT}
    except (KeyError, TypeError, AttributeError, InvalidVersion):
        pass
    return None
