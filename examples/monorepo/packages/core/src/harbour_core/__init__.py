"""The harbour's core."""
