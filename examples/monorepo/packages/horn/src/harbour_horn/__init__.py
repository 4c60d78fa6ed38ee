"""The harbour's horn."""
