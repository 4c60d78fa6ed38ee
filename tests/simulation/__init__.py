"""How soon a release is seen, and for how many requests: `core.visibility`, simulated."""
