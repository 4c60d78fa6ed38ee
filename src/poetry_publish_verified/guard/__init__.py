"""Keeps Poetry's shared directories whole while many Poetry processes use them."""
