"""Times as they are shown of stored conversations."""

from datetime import UTC, datetime

from fsmkit.cli.chat.durations import UNITS


def iso(seconds: float | None) -> str | None:
    """A time, in seconds since 1970, as `2026-01-31T12:00:00Z`; one that no calendar has, as a number.

    Example:
        >>> iso(0), iso(None)
        ('1970-01-01T00:00:00Z', None)
    """
    if seconds is None:
        return None
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (ValueError, OverflowError, OSError):
        return f"{seconds:.0f}"


def rough(seconds: float) -> str:
    """A duration in its two largest units, rounded down.

    Example:
        >>> rough(93784), rough(59.9), rough(7200)
        ('1d2h', '59s', '2h')
    """
    left = max(0, int(seconds))
    units = [(unit, size) for unit, size in UNITS.items() if unit != "w"]
    first = next((n for n, (_, size) in enumerate(units) if left >= size), len(units) - 1)
    parts: list[str] = []
    for unit, size in units[first : first + 2]:
        count, left = divmod(left, size)
        if count or not parts:
            parts.append(f"{count}{unit}")
    return "".join(parts)


def until(deadline: float | None, now: float) -> str:
    """A deadline as it is read: `in 20m`, `overdue by 2h`, `-` for none."""
    if deadline is None:
        return "-"
    return f"in {rough(deadline - now)}" if deadline > now else f"overdue by {rough(now - deadline)}"
