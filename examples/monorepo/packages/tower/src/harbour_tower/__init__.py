"""The harbour's tower."""
