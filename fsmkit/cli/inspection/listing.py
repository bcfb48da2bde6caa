"""Live conversations as text and as JSON: counted by flow and state, then one by one."""

from collections.abc import Iterator
from typing import Any

import attrs

from fsmkit.cli.columns import columns
from fsmkit.cli.inspecting.live import Live, Place
from fsmkit.cli.inspecting.times import iso, rough, until

COUNTED = ["flow", "state", "conversations", "stuck", "oldest deadline"]
SHOWN = ["key", "flow", "state", "idle", "deadline", "waiting", "stuck"]


@attrs.define
class Count:
    """The conversations of one flow in one state.

    Attributes:
        conversations: How many there are.
        stuck: How many of them are stuck.
        deadline: The earliest deadline.
    """

    conversations: int = 0
    stuck: int = 0
    deadline: float | None = None


def as_text(found: list[Live], now: float) -> Iterator[str]:
    """Lines for a person."""
    if not found:
        yield "no live conversations"
        return
    rows = [
        (flow, state or "(draft)", one.conversations, one.stuck, until(one.deadline, now))
        for (flow, state), one in _counted(found).items()
    ]
    if rows:
        yield from columns(COUNTED, rows)
        yield ""
    yield from columns(SHOWN, [_cells(one, now) for one in found])


def as_json(found: list[Live], now: float) -> dict[str, Any]:
    """The same for scripts; the shape is in docs/reference/cli.md."""
    summary = [
        {
            "flow": flow,
            "state": state,
            "conversations": one.conversations,
            "stuck": one.stuck,
            "oldest_deadline": iso(one.deadline),
        }
        for (flow, state), one in _counted(found).items()
    ]
    return {"now": iso(now), "summary": summary, "conversations": [_fields(one, now) for one in found]}


def _counted(found: list[Live]) -> dict[Place, Count]:
    counts: dict[Place, Count] = {}
    for one in found:
        if one.flow is None:
            continue
        count = counts.setdefault((one.flow, one.state), Count())
        count.conversations += 1
        count.stuck += bool(one.stuck)
        times = [time for time in (count.deadline, one.deadline) if time is not None]
        count.deadline = min(times, default=None)
    return dict(sorted(counts.items(), key=lambda item: (item[0][0], item[0][1] or "")))


def _cells(one: Live, now: float) -> list[object]:
    path = " > ".join([*(flow for flow, _ in reversed(one.called_by)), one.flow or "-"])
    return [
        one.key,
        path,
        "(draft)" if one.draft else one.state or "-",
        "-" if one.last is None else rough(now - one.last),
        until(one.deadline, now),
        one.waiting,
        ", ".join(one.stuck) or "-",
    ]


def _fields(one: Live, now: float) -> dict[str, Any]:
    return {
        "key": str(one.key),
        "flow": one.flow,
        "state": one.state,
        "draft": one.draft,
        "called_by": [{"flow": flow, "state": state} for flow, state in one.called_by],
        "last_event": iso(one.last),
        "idle": None if one.last is None else int(now - one.last),
        "deadline": iso(one.deadline),
        "reminder": iso(one.reminder),
        "overdue": one.deadline is not None and one.deadline <= now,
        "waiting": one.waiting,
        "letters": one.letters,
        "stuck": list(one.stuck),
    }
