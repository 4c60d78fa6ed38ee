"""python -m buoy prints its version."""

from importlib.metadata import version

print(version("buoy-example"))
