"""What an answer says of its own age: RFC 9111 as far as a reader needs it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC
from datetime import datetime
from email.utils import parsedate_to_datetime

# What is announced for longer is no news to anyone who waits for minutes.
_LONGEST = 7 * 86400.0


def expires_in(headers: Mapping[str, str]) -> float | None:
    """Seconds for which a cache on the way will go on giving this answer; None where unsaid.

    `headers` have lower-case names. `max-age` alone announces nothing: without `Age` it tells how
    long the *client* may keep the page, not that anyone on the way has done so. 0 or less: the
    answer has outlived its time, and whoever gave it is fetching a new one.
    """
    age = _seconds(headers.get("age"))
    lifetime = _lifetime(headers)
    if lifetime is None:
        return None
    if age is None:
        # `Expires` is a moment and says by itself how much is left of the time.
        return None if _max_age(headers) is not None else _sane(lifetime)
    return _sane(lifetime - age)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to leave the server alone: `Retry-After`, in seconds or as a date (RFC 9110)."""
    text = headers.get("retry-after", "").strip()
    if (seconds := _seconds(text)) is not None:
        return min(seconds, _LONGEST)
    wanted, now = _moment(text), _moment(headers.get("date"))
    if wanted is None or now is None:
        return None
    return min(max((wanted - now).total_seconds(), 0.0), _LONGEST)


def vary(headers: Mapping[str, str]) -> frozenset[str]:
    """The names in `Vary`, in lower case."""
    names = headers.get("vary", "").lower().split(",")
    return frozenset(name.strip() for name in names if name.strip())


def _lifetime(headers: Mapping[str, str]) -> float | None:
    if (seconds := _max_age(headers)) is not None:
        return seconds
    expires, made = _moment(headers.get("expires")), _moment(headers.get("date"))
    return (expires - made).total_seconds() if expires and made and expires > made else None


def _max_age(headers: Mapping[str, str]) -> float | None:
    """A shared cache's lifetime: `s-maxage` before `max-age`."""
    directives = dict(
        re.findall(
            r"(?<![\w-])(s-maxage|max-age)\s*=\s*\"?(\d+)", headers.get("cache-control", "").lower()
        )
    )
    return _seconds(directives.get("s-maxage", directives.get("max-age")))


def _seconds(text: str | None) -> float | None:
    text = (text or "").strip()
    return float(text) if re.fullmatch(r"[0-9]{1,12}", text) else None


def _sane(seconds: float) -> float | None:
    return seconds if seconds <= _LONGEST else None


def _moment(text: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text or "")
    except (ValueError, IndexError, TypeError, OverflowError):
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
