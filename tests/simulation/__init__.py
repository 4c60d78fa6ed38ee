"""How soon the wait sees a release, and with how many requests: `core.visibility`, simulated."""
