"""Whether to test everything (`make test-all`) or what a change needs at once (`make test`)."""

from __future__ import annotations

import os

THOROUGH = os.environ.get("TESTS_THOROUGH", "") == "1"
