"""Durations as people type them: `90s`, `2h`, `1h30m`."""

import re
from datetime import UTC, datetime

UNITS = {"w": 7 * 86400, "d": 86400, "h": 3600, "m": 60, "s": 1}
LONGEST = 10 * 365 * 86400
"""Seconds; beyond it a date may not exist any more."""

_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([wdhms])", re.ASCII)


def parse_duration(text: str) -> float:
    """Seconds of a duration; a bare number is seconds.

    Raises:
        ValueError: If it is none, or longer than ten years.

    Example:
        >>> parse_duration("1h30m"), parse_duration("90")
        (5400.0, 90.0)
    """
    plain = text.strip().lower()
    if re.fullmatch(r"\d+(\.\d+)?", plain, re.ASCII):
        seconds = float(plain)
    elif plain and not _PART.sub("", plain).strip():
        seconds = sum(float(number) * UNITS[unit] for number, unit in _PART.findall(plain))
    else:
        raise ValueError(f"{text!r} is no duration: write it like 90s, 2h, 1h30m or 3d")
    if seconds > LONGEST:
        raise ValueError(f"{text!r} is too long: ten years at most")
    return seconds


def spell_duration(seconds: float) -> str:
    """A duration as it would be typed.

    Example:
        >>> spell_duration(5400), spell_duration(0)
        ('1h30m', '0s')
    """
    left = round(seconds)
    parts: list[str] = []
    for unit, size in UNITS.items():
        if unit != "w" and left >= size:
            parts.append(f"{left // size}{unit}")
            left %= size
    return "".join(parts) or "0s"


def spell_time(seconds: float) -> str:
    """A time, in seconds since 1970, as date and time in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
