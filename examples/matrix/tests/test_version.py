"""The version is that of the git tag, so the plugin was active during the install."""

import unittest
from importlib.metadata import version


class VersionTest(unittest.TestCase):
    """What a project without its plugin gets wrong."""

    def test_version(self) -> None:
        """Without the plugin it is 0.0.0."""
        self.assertNotEqual(version("beacon-example"), "0.0.0")
