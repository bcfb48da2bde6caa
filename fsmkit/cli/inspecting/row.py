"""`fsmkit inspect STORE show KEY`: all that is stored for a key, as JSON to be read."""

from typing import Any

import msgspec

from fsmkit.cli.inspecting.live import last_event
from fsmkit.cli.inspecting.times import iso
from fsmkit.cli.refusal import NothingThere
from fsmkit.codec import decode_row
from fsmkit.deadlines import timeout_at
from fsmkit.keys import Key
from fsmkit.model import Frame, Mail, Move, Snapshot, Work
from fsmkit.stores import Store


async def stored_row(store: Store, key: Key, now: float, remembered: float) -> dict[str, Any]:
    """All that is stored for a key; the shape is in docs/reference/cli.md.

    Raises:
        NothingThere: If there is nothing.
        StoreCorrupt: If it cannot be read.
    """
    blob = await store.peek(key)
    if blob is None:
        raise NothingThere(f"nothing is stored for {key}")
    row = decode_row(blob)
    return {
        "key": str(key),
        "conversations": [_conversation(snapshot) for snapshot in row.snapshots.values()],
        "letters": [_letter(mail) for mail in row.later],
        "moved": _moved(row.moved),
        "waiting": len(await store.outbox(key)),
        "views": {
            flow: {"chat": view.chat, "message": view.message}
            for flow, view in row.views.items()
            if view.message
        },
        "last_event": iso(last_event(row, now, remembered)),
        "seen": row.seen.split(),
        "bytes": len(blob),
    }


def _conversation(snapshot: Snapshot) -> dict[str, Any]:
    *callers, runs = snapshot.frames
    return {
        **_frame(runs),
        "draft": not snapshot.active and not callers,
        "deadline": iso(timeout_at(snapshot)),
        "idle_deadline": iso(snapshot.deadline),
        "reminder": iso(snapshot.remind),
        "timeouts_failed": snapshot.tries,
        "called_by": [_frame(frame) for frame in reversed(callers)],
    }


def _frame(frame: Frame) -> dict[str, Any]:
    return {
        "flow": frame.flow,
        "version": frame.version,
        "state": frame.state,
        "data": msgspec.json.decode(frame.data),
        "history": frame.history,
        "flow_limit": iso(frame.flow_limit),
        "state_limit": iso(frame.state_limit),
        "job": _job(frame.job),
    }


def _job(work: Work | None) -> dict[str, Any] | None:
    if work is None:
        return None
    return {
        "id": work.id or None,
        "attempt": work.attempt,
        "running": work.held,
        "due": iso(work.due or None),
        "failures": work.failures,
        "killed": work.lost,
    }


def _letter(mail: Mail) -> dict[str, Any]:
    return {
        "to": mail.key,
        "event": mail.event,
        "data": msgspec.json.decode(mail.body),
        "due": iso(mail.due or None),
        "id": mail.known or mail.id,
        "flow": mail.flow,
        "expect": mail.expect,
    }


def _moved(move: Move | None) -> dict[str, Any] | None:
    return None if move is None else {"to": move.key, "arrived": move.arrived}
