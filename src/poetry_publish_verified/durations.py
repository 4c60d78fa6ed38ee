"""Durations as text: parsing and formatting."""

import re

_DURATION = re.compile(r"(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,9}(?:\.[0-9]+)?)s)?")


def parse(text: str, *, zero: bool = False) -> float:
    """Seconds of `90`, `90s`, `15m`, `1h` or `1h30m`, and of `0` if there may be `zero`.

    Raises ValueError for anything else.
    """
    text = text.strip()
    if re.fullmatch(r"[0-9]{1,9}(?:\.[0-9]+)?", text):
        seconds = float(text)
    elif text and (match := _DURATION.fullmatch(text)):
        hours, minutes, rest = match.groups(default="0")
        seconds = int(hours) * 3600 + int(minutes) * 60 + float(rest)
    else:
        raise ValueError("expected a duration such as 90, 90s, 15m or 1h30m")
    if not (seconds > 0 or zero) or seconds > 7 * 86400:
        bounds = "of at most" if zero else "of more than 0 and at most"
        raise ValueError(f"expected a duration {bounds} 7 days")
    return seconds


def in_words(seconds: float) -> str:
    """`0.4 s`, `12 s`, `4 min 10 s`, `15 min`, `2 h 5 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "min"), (0 if hours else rest, "s"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number)


def age_in_words(seconds: float) -> str:
    """`12 min`, `5 h 3 min`, `9 days`: without seconds from a minute on, and days from two on."""
    if seconds < 60:
        return in_words(max(seconds, 0.0))
    if seconds < 2 * 86400:
        return in_words(seconds // 60 * 60)
    return f"{seconds // 86400:.0f} days"
