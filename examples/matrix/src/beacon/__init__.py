"""A beacon."""
