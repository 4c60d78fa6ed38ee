"""Run a command and print what it cost.

    python -m tests.measured COMMAND …

Prints wall time, and the CPU time of all processes that it started and waited for. Exits with the
command's own code.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time


def main() -> int:
    """Run the command."""
    begun = time.monotonic()
    try:
        code = subprocess.run(sys.argv[1:], check=False).returncode
    except KeyboardInterrupt:
        code = 130
    spent = os.times()
    minutes, seconds = divmod(round(time.monotonic() - begun), 60)
    user, system = spent.children_user, spent.children_system
    print(  # noqa: T201
        f"wall time: {minutes} min {seconds} s; CPU time of all processes: {user + system:.0f} s"
        f" (user {user:.0f}, system {system:.0f})"
    )
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
