"""A light that answers."""


def flash(times: int = 1) -> str:
    """Return the light's signal."""
    return " ".join(["flash"] * times)
