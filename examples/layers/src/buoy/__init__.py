"""A buoy."""
