"""What an answer says about its own age: the parts of RFC 9111 that a reader needs."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

# Longer than this makes no difference to a wait of minutes.
_LONGEST = 7 * 86400.0


def expires_in(headers: Mapping[str, str]) -> float | None:
    """Seconds for which a cache on the way will go on giving this answer; None if unsaid.

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


def is_transient(status: int) -> bool:
    """Whether an HTTP status lets the same request succeed later (RFC 9110, 6585, 8470)."""
    return status >= 500 or status in {408, 425, 429}


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait before asking again: `Retry-After`, in seconds or as a date (RFC 9110)."""
    text = headers.get("retry-after", "").strip()
    if (seconds := _seconds(text)) is not None:
        return min(seconds, _LONGEST)
    wanted, now = moment_of(text), moment_of(headers.get("date"))
    if wanted is None or now is None:
        return None
    return min(max((wanted - now).total_seconds(), 0.0), _LONGEST)


def limit_reset(headers: Mapping[str, str]) -> float | None:
    """Seconds until a limit is lifted: `Retry-After`, or what the `RateLimit` fields say.

    Of several limits the one that is used up and lasts longest counts. Sources: the IETF's draft
    on RateLimit header fields, and its older forms with `-Reset` (seconds, or a Unix time).
    """
    if (seconds := retry_after(headers)) is not None:
        return seconds
    limits = [
        (_parameter(item, "r"), seconds)
        for item in headers.get("ratelimit", "").split(",")
        if (seconds := _parameter(item, "t")) is not None
    ]
    used_up = [seconds for left, seconds in limits if not left]
    if used_up or limits:
        return min(max(used_up or [seconds for _, seconds in limits]), _LONGEST)
    for name in ("ratelimit-reset", "x-ratelimit-reset"):
        if (seconds := _seconds(headers.get(name))) is not None:
            return _until(seconds, moment_of(headers.get("date")))
    return None


def vary(headers: Mapping[str, str]) -> frozenset[str]:
    """The names in `Vary`, in lower case."""
    names = headers.get("vary", "").lower().split(",")
    return frozenset(name.strip() for name in names if name.strip())


def _lifetime(headers: Mapping[str, str]) -> float | None:
    if (seconds := _max_age(headers)) is not None:
        return seconds
    expires, made = moment_of(headers.get("expires")), moment_of(headers.get("date"))
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


def _parameter(item: str, name: str) -> float | None:
    """A number behind `;name=` in one item of a structured field (RFC 9651)."""
    found = re.search(rf";\s*{name}=([0-9]{{1,12}})\s*(?:;|$)", item)
    return float(found[1]) if found else None


def _until(reset: float, now: datetime | None) -> float | None:
    """Seconds until a reset that is given in seconds, or as a Unix time of this century."""
    if reset < 1e9:
        return min(reset, _LONGEST)
    return None if now is None else min(max(reset - now.timestamp(), 0.0), _LONGEST)


def _sane(seconds: float) -> float | None:
    return seconds if seconds <= _LONGEST else None


def moment_of(text: str | None) -> datetime | None:
    """A date in a header (RFC 9110); None if it is none."""
    try:
        moment = parsedate_to_datetime(text or "")
    except (ValueError, IndexError, TypeError, OverflowError):
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
