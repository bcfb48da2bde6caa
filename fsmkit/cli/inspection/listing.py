"""Live conversations as text and as JSON: counted by flow and state, then one by one."""

from collections.abc import Iterator
from datetime import UTC, datetime
from math import inf
from typing import Any

import attrs
import msgspec

from fsmkit.cli.chat.commands import UNITS
from fsmkit.cli.errors import NothingThere
from fsmkit.cli.tables import columns
from fsmkit.errors import StoreCorrupt
from fsmkit.interpreter.codec import decode_row
from fsmkit.interpreter.row import Destination, Frame, JobState, Row, ScheduledEvent, Snapshot, timeout_at
from fsmkit.keys import Key
from fsmkit.stores.protocol import Store, StoredRow

OVERDUE_SECONDS = 60.0
"""How late a deadline may be before somebody should look: a bot that runs fires it within seconds."""

Place = tuple[str, str | None]
"""Flow and state."""


@attrs.frozen(kw_only=True)
class Live:
    """A conversation, a draft, or a key that has only something to deliver.

    Attributes:
        key: Whose.
        flow: The flow that runs, `None` if only something is to be delivered.
        state: Its state, `None` for a draft.
        called_by: The flows that wait for it and their states, the innermost first.
        last: When the key's last event was handled, in seconds since 1970; `None` if that is not known.
        deadline: When it times out next, idle or not, in seconds since 1970.
        reminder: When the person is reminded.
        waiting: How many effects of the key wait to be delivered.
        scheduled: How many events wait for their time.
        stuck: Why somebody should look: `deadline`, `effects`, `events`, `unreadable`.
    """

    key: Key
    flow: str | None = None
    state: str | None = None
    called_by: tuple[Place, ...] = ()
    last: float | None = None
    deadline: float | None = None
    reminder: float | None = None
    waiting: int = 0
    scheduled: int = 0
    stuck: tuple[str, ...] = ()

    @property
    def draft(self) -> bool:
        """Whether only data stand here."""
        return self.flow is not None and self.state is None and not self.called_by


@attrs.frozen(kw_only=True)
class Wanted:
    """Which conversations to find; `None`: all.

    Attributes:
        bot: This bot's.
        flow: Those in which this flow runs.
        state: Those in this state.
        older: Those whose key had its last event so many seconds ago.
        stuck: Only those that are stuck.
    """

    bot: int | str | None = None
    flow: str | None = None
    state: str | None = None
    older: float | None = None
    stuck: bool = False

    def takes(self, one: Live, now: float) -> bool:
        """Whether a conversation is one of them."""
        return (
            self.flow in (None, one.flow)
            and self.state in (None, one.state)
            and (self.older is None or (one.last is not None and now - one.last >= self.older))
            and (bool(one.stuck) or not self.stuck)
        )


async def live(store: Store, wanted: Wanted, now: float, remembered: float) -> list[Live]:
    """Find conversations, the most overdue first, those without a deadline last.

    Args:
        store: The store.
        wanted: Which.
        now: The time, in seconds since 1970.
        remembered: For how many seconds the bot's engine remembers ids of events, its `dedupe_for`: a row
            says until when, and so when the last event was.
    """
    found: list[Live] = []
    async for stored in store.scan(bot=wanted.bot, flow=wanted.flow, state=wanted.state):
        found += [one for one in _of(stored, now, remembered) if wanted.takes(one, now)]
    found.sort(key=lambda one: (inf if one.deadline is None else one.deadline, str(one.key)))
    return found


def last_event(row: Row, now: float, remembered: float) -> float | None:
    """When the key's last event that had an id was handled, in seconds since 1970."""
    last = row.keep - remembered
    return last if 0 < last <= now else None


def _of(stored: StoredRow, now: float, remembered: float) -> Iterator[Live]:
    stuck = ("effects",) if stored.outbox else ()
    try:
        row = decode_row(stored.row)
    except StoreCorrupt:  # what it is looked up by is known all the same
        bare = Live(key=stored.key, waiting=stored.outbox, stuck=("unreadable", *stuck))
        for index in stored.index:
            yield attrs.evolve(bare, flow=index.flow, state=index.state, deadline=index.deadline)
        if not stored.index:
            yield bare
        return
    if any(mail.due + OVERDUE_SECONDS < now for mail in row.later):
        stuck = ("events", *stuck)
    bare = Live(
        key=stored.key,
        last=last_event(row, now, remembered),
        waiting=stored.outbox,
        scheduled=len(row.later),
        stuck=stuck,
    )
    for snapshot in row.snapshots.values():
        yield _conversation(bare, snapshot, now)
    if not row.snapshots and (bare.waiting or bare.scheduled):
        yield bare


def _conversation(bare: Live, snapshot: Snapshot, now: float) -> Live:
    *callers, runs = snapshot.frames
    deadline = timeout_at(snapshot)
    late = deadline is not None and deadline + OVERDUE_SECONDS < now
    return attrs.evolve(
        bare,
        flow=runs.flow,
        state=runs.state,
        called_by=tuple((frame.flow, frame.state) for frame in reversed(callers)),
        deadline=deadline,
        reminder=snapshot.remind,
        stuck=("deadline", *bare.stuck) if late else bare.stuck,
    )


def iso(seconds: float | None) -> str | None:
    """Return a time, in seconds since 1970, as `2026-01-31T12:00:00Z`; one that no calendar has, as a number.

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
    """Return a duration in its two largest units, rounded down.

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
    """Return a deadline as it is read: `in 20m`, `overdue by 2h`, `-` for none."""
    if deadline is None:
        return "-"
    return f"in {rough(deadline - now)}" if deadline > now else f"overdue by {rough(now - deadline)}"


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
    """Return the same for scripts; the shape is in docs/reference/cli.md."""
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
        "scheduled": one.scheduled,
        "stuck": list(one.stuck),
    }


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
        "conversations": [_conversation_of(snapshot) for snapshot in row.snapshots.values()],
        "scheduled": [_scheduled(event) for event in row.later],
        "moved": _moved(row.moved),
        "waiting": len(await store.outbox(key)),
        "screens": {
            flow: {"chat": view.chat, "message": view.message}
            for flow, view in row.views.items()
            if view.message
        },
        "last_event": iso(last_event(row, now, remembered)),
        "seen": row.seen.split(),
        "bytes": len(blob),
    }


def _conversation_of(snapshot: Snapshot) -> dict[str, Any]:
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


def _job(work: JobState | None) -> dict[str, Any] | None:
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


def _scheduled(mail: ScheduledEvent) -> dict[str, Any]:
    return {
        "to": mail.key,
        "event": mail.event,
        "data": msgspec.json.decode(mail.body),
        "due": iso(mail.due or None),
        "id": mail.known or mail.id,
        "flow": mail.flow,
        "expect": mail.expect,
    }


def _moved(move: Destination | None) -> dict[str, Any] | None:
    return None if move is None else {"to": move.key, "arrived": move.arrived}
