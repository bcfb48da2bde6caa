"""The stored moments of a row: which timeout or reminder has come, and when to look again.

Pure. What is declared of times is in `fsmkit.times`; `fsmkit.moves` makes moments of it.
"""

from collections.abc import Container
from typing import Literal

from msgspec import Struct, structs

from fsmkit.events import Timeout
from fsmkit.model import Frame, Row, Snapshot


class Overdue(Struct, frozen=True):
    """A timeout that has come.

    Attributes:
        at: When it came, in seconds since 1970, UTC.
        name: Name of the conversation.
        depth: The frame whose limit it is; for an idle one the running frame.
        kind: The idle deadline, or the `max_age` of a flow or of a state.
    """

    at: float
    name: str
    depth: int
    kind: Literal["idle", "flow", "state"]


def timeout_at(snapshot: Snapshot) -> float | None:
    """When a conversation times out next, whichever kind it is; `None` for never."""
    at = snapshot.deadline
    for frame in snapshot.frames:
        if frame.flow_limit is not None or frame.state_limit is not None:
            limits = [limit for frame in snapshot.frames for limit in _limits(frame)]
            return min(limits) if at is None else min(at, *limits)
    return at


def times_of(snapshot: Snapshot) -> list[float]:
    """When timeouts and the reminder of a conversation are due, and jobs that wait to be tried again."""
    idle = [at for at in (snapshot.deadline, snapshot.remind) if at is not None]
    jobs = [frame.job.due for frame in snapshot.frames if frame.job is not None and not frame.job.held]
    return idle + jobs + [limit for frame in snapshot.frames for limit in _limits(frame)]


def wake_at(snapshot: Snapshot) -> float | None:
    """When something of a conversation is due next: a timeout, a reminder or a job."""
    at, remind = timeout_at(snapshot), snapshot.remind
    if remind is not None and (at is None or remind < at):
        at = remind
    for frame in snapshot.frames:
        if frame.job is not None and (at is None or frame.job.due < at):
            at = frame.job.due
    return at


def is_overdue(row: Row, now: float) -> bool:
    """Whether some timeout has come: what each event asks first, so that `overdue` is asked seldom."""
    for snapshot in row.snapshots.values():
        at = timeout_at(snapshot)
        if at is not None and at <= now:
            return True
    return False


def overdue(row: Row, known: Container[str], now: float, date: float | None = None) -> Overdue | None:
    """The timeout that came first of those that have come, `None` if there is none.

    Args:
        row: The row.
        known: Names of the flows that run here; conversations with others are carried through untouched.
        now: The time, in seconds since 1970, UTC.
        date: When the person did what is about to be handled: it was in time for a deadline after that.
    """
    first: tuple[float, str] | None = None
    for name, snapshot in row.snapshots.items():
        at = timeout_at(snapshot)
        if at is None or at > now or (date is not None and date < at) or (first and at >= first[0]):
            continue
        if _known(snapshot, known):
            first = (at, name)
    return None if first is None else _which(row.snapshots[first[1]], *first)


def reminding(row: Row, known: Container[str], now: float) -> str | None:
    """Name of the conversation whose reminder came first of those that have come, `None` if there is none."""
    due = [
        (snapshot.remind, name)
        for name, snapshot in row.snapshots.items()
        if snapshot.remind is not None and snapshot.remind <= now and _known(snapshot, known)
    ]
    return min(due, key=lambda one: one[0])[1] if due else None


def event_of(row: Row, late: Overdue) -> Timeout:
    """What a handler is told of a timeout."""
    if late.kind == "idle":
        return Timeout(late.at)
    frame = row.snapshots[late.name].frames[late.depth]
    return Timeout(late.at, "age", frame.state if late.kind == "state" else None)


def spent(row: Row, late: Overdue) -> Row:
    """The row without the limit that has come: whoever handles it goes on without it.

    An idle deadline stays, since every step starts it anew, and with nobody to handle it there is an end.
    """
    return row if late.kind == "idle" else _moved(row, late, None, row.snapshots[late.name])


def put_off(row: Row, late: Overdue, at: float) -> Row:
    """The row with a timeout whose handler failed moved to a later time; nobody is reminded until then."""
    snapshot = row.snapshots[late.name]
    snapshot = structs.replace(snapshot, tries=snapshot.tries + 1, remind=None)
    if late.kind == "idle":
        return with_snapshot(row, late.name, structs.replace(snapshot, deadline=at))
    return _moved(row, late, at, snapshot)


def with_snapshot(row: Row, name: str, snapshot: Snapshot | None) -> Row:
    """The row with another snapshot in the place of one, or without it."""
    snapshots = {other: kept for other, kept in row.snapshots.items() if other != name or snapshot}
    if snapshot is not None:
        snapshots[name] = snapshot
    return structs.replace(row, snapshots=snapshots)


def _limits(frame: Frame) -> list[float]:
    return [limit for limit in (frame.flow_limit, frame.state_limit) if limit is not None]


def _known(snapshot: Snapshot, known: Container[str]) -> bool:
    return all(frame.flow in known for frame in snapshot.frames)


def _which(snapshot: Snapshot, at: float, name: str) -> Overdue:
    """Of those that come at the same moment the outermost flow's limit goes first, the idle deadline last."""
    for depth, frame in enumerate(snapshot.frames):
        if frame.flow_limit == at:
            return Overdue(at, name, depth, "flow")
        if frame.state_limit == at:
            return Overdue(at, name, depth, "state")
    return Overdue(at, name, len(snapshot.frames) - 1, "idle")


def _moved(row: Row, late: Overdue, at: float | None, snapshot: Snapshot) -> Row:
    frames = list(snapshot.frames)
    frames[late.depth] = _limited(frames[late.depth], late, at)
    return with_snapshot(row, late.name, structs.replace(snapshot, frames=tuple(frames)))


def _limited(frame: Frame, late: Overdue, at: float | None) -> Frame:
    if late.kind == "flow":
        return structs.replace(frame, flow_limit=at)
    return structs.replace(frame, state_limit=at)
