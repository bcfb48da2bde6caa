"""How the conversations of a stored row stand to the flows that run: what a deploy would do to them.

Pure, and nothing is changed. The lifting itself is in `fsmkit.upgrade`.
"""

from typing import Literal, TypeAlias

import attrs

from fsmkit.errors import StoredByNewerVersion
from fsmkit.model import Frame, Row, Snapshot
from fsmkit.table import Flows
from fsmkit.upgrade import lift

Fit: TypeAlias = Literal["current", "lifted", "orphaned", "newer", "unknown", "unreadable"]
"""How a conversation fits: as it is; once lifted; not at all (its flow says what then happens); written by a
newer version, so that its row is left alone; of a flow that is not there, and carried through; no row."""


@attrs.frozen
class Finding:
    """How one conversation fits.

    Attributes:
        flow: The flow that decides it: the one that runs, or one that waits and does not fit.
        state: That flow's stored state, `None` for a draft.
        fit: How it fits.
        reason: Why it is orphaned, newer or unreadable.
    """

    flow: str
    state: str | None
    fit: Fit
    reason: str = ""


def survey(flows: Flows, row: Row) -> tuple[Finding, ...]:
    """How each conversation of a row fits, in the order of the row.

    A row that a newer version wrote is left alone as a whole: what would be lifted in it, or is orphaned,
    counts as newer too.
    """
    found = [_finding(flows, name, snapshot) for name, snapshot in row.snapshots.items()]
    newer = next((one for one in found if one.fit == "newer"), None)
    if newer is None:
        return tuple(found)
    held = ("lifted", "orphaned")
    return tuple(
        Finding(one.flow, one.state, "newer", newer.reason) if one.fit in held else one for one in found
    )


def _finding(flows: Flows, name: str, snapshot: Snapshot) -> Finding:
    try:
        lifted, orphans = lift(flows, Row({name: snapshot}))
    except StoredByNewerVersion as error:
        frame = next(frame for frame in snapshot.frames if frame.flow == error.flow)
        return Finding(frame.flow, frame.state, "newer", str(error))
    if orphans:
        orphan = orphans[-1].error
        return Finding(orphan.flow, orphan.state, "orphaned", orphan.problem)
    decides = snapshot.frames[-1]
    fit: Fit = "current"
    for old, new in zip(snapshot.frames, lifted.snapshots[name].frames, strict=True):
        if old.flow not in flows.tables:
            decides, fit = old, "unknown"
        elif problem := _unfit(flows, new):
            return Finding(old.flow, old.state, "orphaned", problem)
        elif fit != "unknown" and (old.version, old.state) != (new.version, new.state):
            decides, fit = old, "lifted"
    return Finding(decides.flow, decides.state, fit)


def _unfit(flows: Flows, frame: Frame) -> str:
    """Why data are not of the type that the flow declares now, as a handler would find; `""` if they are."""
    try:
        flows.tables[frame.flow].codec.decode(frame.data)
    except ValueError as error:
        return str(error)
    return ""
