"""What is stored for the person, as JSON to be read."""

from typing import Any

import msgspec

from fsmkit.cli.chat.durations import spell_duration, spell_time
from fsmkit.deadlines import timeout_at
from fsmkit.model import Frame, Row, Snapshot


def stored_json(row: Row, undelivered: int, now: float) -> str:
    """The row as JSON: the conversation that runs, what waits for it, and the others.

    Args:
        row: What is stored.
        undelivered: How many effects wait in the outbox.
        now: The time, in seconds since 1970.
    """
    shown: dict[str, Any] = {"flow": None, "state": None}
    # The flow entered last stands last; a draft, which has no state, comes after those that run.
    latest = list(reversed(row.snapshots.values()))
    latest.sort(key=lambda snapshot: not snapshot.active)
    if latest:
        shown = _conversation(latest[0], now)
        if len(latest) > 1:
            shown["others"] = [_conversation(other, now) for other in latest[1:]]
    if row.later:
        shown["later"] = [
            {"event": mail.event, "data": msgspec.json.decode(mail.body), "due": _when(mail.due, now)}
            for mail in row.later
        ]
    shown["undelivered"] = undelivered
    return msgspec.json.format(msgspec.json.encode(shown), indent=2).decode()


def _conversation(snapshot: Snapshot, now: float) -> dict[str, Any]:
    shown = _frame(snapshot.frames[-1])
    deadline = timeout_at(snapshot)
    shown["deadline"] = None if deadline is None else _when(deadline, now)
    if snapshot.remind is not None:
        shown["reminder"] = _when(snapshot.remind, now)
    if len(snapshot.frames) > 1:
        shown["called by"] = [_frame(frame) for frame in reversed(snapshot.frames[:-1])]
    return shown


def _frame(frame: Frame) -> dict[str, Any]:
    return {
        "flow": frame.flow,
        "state": frame.state,
        "data": msgspec.json.decode(frame.data),
        "history": frame.history,
    }


def _when(time: float, now: float) -> str:
    return f"{spell_time(time)}, in {spell_duration(max(0.0, time - now))}"
