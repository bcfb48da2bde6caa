"""What was stored by an older version, migrated to the one that runs; what no longer fits, named.

Pure. Rows are migrated when they are read; the next commit stores them so.
"""

from collections.abc import Iterator
from typing import Any, Literal, TypeAlias

import attrs
from msgspec import Raw, structs

from fsmkit.errors import OrphanedConversation, StoredByNewerVersion, UnstorableData
from fsmkit.interpreter.compiled import CompiledFlow, FlowSet
from fsmkit.interpreter.row import NO_DATA, Frame, Row, Snapshot


@attrs.frozen
class Orphan:
    """A stored conversation that no longer fits.

    Attributes:
        name: Name of the conversation.
        table: The flow that does not fit.
        error: What is wrong with it.
    """

    name: str
    table: CompiledFlow
    error: OrphanedConversation


def is_current(flows: FlowSet, row: Row) -> bool:
    """Return whether nothing in the row needs migration (the ordinary case, so it is asked first)."""
    tables = flows.tables
    for snapshot in row.snapshots.values():
        for frame in snapshot.frames:
            table = tables.get(frame.flow)
            if table is not None and (
                frame.version != table.version or (frame.state is not None and frame.state not in table.rules)
            ):
                return False
    return True


def migrate_row(flows: FlowSet, row: Row) -> tuple[Row, tuple[Orphan, ...]]:
    """Return the row in the versions that run, and the conversations that do not fit them.

    Flows that are not known here are carried through untouched.

    Raises:
        StoredByNewerVersion: If a newer worker wrote it; nothing may be changed.
    """
    snapshots: dict[str, Snapshot] = {}
    orphans: list[Orphan] = []
    for name, snapshot in row.snapshots.items():
        frames: list[Frame] = []
        for frame in snapshot.frames:
            table = flows.tables.get(frame.flow)
            if table is None:
                frames.append(frame)
                continue
            try:
                frames.append(_lift_frame(table, frame))
            except OrphanedConversation as error:
                orphans.append(Orphan(name, table, error))
                frames.append(frame)
        snapshots[name] = structs.replace(snapshot, frames=tuple(frames))
    return structs.replace(row, snapshots=snapshots), tuple(orphans)


def _lift_frame(table: CompiledFlow, frame: Frame) -> Frame:
    if frame.version > table.version:
        raise StoredByNewerVersion(table.name, frame.version, table.version)
    state, raw = frame.state, frame.data
    if frame.version < table.version:
        state, plain = _migrate(table, frame)
        try:
            raw = table.codec.from_plain(plain)
        except ValueError as error:
            raise OrphanedConversation(table.name, frame.state, str(error)) from error
    if state is not None and state not in table.rules:
        state = table.renamed.get(state, state)
        if state not in table.rules:
            raise OrphanedConversation(table.name, frame.state, "the flow has no such state")
    history = tuple(table.renamed.get(old, old) for old in frame.history)
    past = zip(frame.history[-len(frame.left) :], frame.left, strict=True) if frame.left else ()
    left = tuple(_lift_left(table, frame, *pair) for pair in past)
    return structs.replace(frame, version=table.version, state=state, data=raw, history=history, left=left)


def _lift_left(table: CompiledFlow, frame: Frame, state: str, data: Raw) -> Raw:
    """Return the data with which an earlier state was left; where they do not fit, `back` keeps others."""
    if frame.version == table.version or data == NO_DATA:
        return data
    try:
        return table.codec.from_plain(_migrate(table, structs.replace(frame, state=state, data=data))[1])
    except (OrphanedConversation, ValueError):
        return NO_DATA


def _migrate(table: CompiledFlow, frame: Frame) -> tuple[str | None, Any]:
    state, plain = frame.state, table.codec.plain(frame.data)
    for version in range(frame.version, table.version):
        function = table.flow.migrations.get(version)
        if function is None:
            continue
        try:
            state, plain = function(state, plain)
        except Exception as error:
            raise OrphanedConversation(
                table.name, frame.state, f"migrate({version}) raised {type(error).__name__}: {error}"
            ) from error
    return str(state) if state is not None else None, plain


def data_of(table: CompiledFlow, frame: Frame) -> Any:
    """Return a flow's data, a copy.

    Raises:
        OrphanedConversation: If what is stored is not of the type that the flow declares now.
    """
    try:
        return table.codec.decode(frame.data)
    except ValueError as error:
        raise OrphanedConversation(table.name, frame.state, str(error)) from error


def lost_fields(flows: FlowSet, row: Row) -> Iterator[tuple[CompiledFlow, str]]:
    """Yield stored fields that a flow's class does not have any more, so that the next step drops them.

    Each is named once for a conversation. What a migration of this version has changed is as it was meant to
    be.
    """
    for snapshot in row.snapshots.values():
        yield from dict.fromkeys(_lost_in(flows, snapshot))


def _lost_in(flows: FlowSet, snapshot: Snapshot) -> Iterator[tuple[CompiledFlow, str]]:
    for frame in snapshot.frames:
        table = flows.tables.get(frame.flow)
        if table is None or any(v in table.flow.migrations for v in range(frame.version, table.version)):
            continue
        stored = table.codec.plain(frame.data)
        try:
            kept = table.codec.plain(table.codec.encode(table.codec.decode(frame.data)))
        except (ValueError, UnstorableData):  # orphaned, which says more
            continue
        yield from ((table, field) for field in _gone(stored, kept))


def _gone(stored: Any, kept: Any) -> Iterator[str]:
    """Yield the paths of what JSON has, and does not have once it was read."""
    if isinstance(stored, dict) and isinstance(kept, dict):
        for name, value in stored.items():
            if name in kept:
                yield from (f"{name}.{inner}" for inner in _gone(value, kept[name]))
            elif value not in (None, "", 0, [], {}):  # a class may leave out what is as at the beginning
                yield name
    elif isinstance(stored, list) and isinstance(kept, list) and len(stored) == len(kept):
        paths = (path for pair in zip(stored, kept, strict=True) for path in _gone(*pair))
        yield from dict.fromkeys(f"[].{path}" for path in paths)


def told_lost(table: CompiledFlow, field: str) -> str:
    """Return the sentence about a field that is lost."""
    return (
        f"stored field `{field}` is not in {getattr(table.flow.data, '__name__', table.flow.data)} any more"
    )


Fit: TypeAlias = Literal["current", "migrated", "orphaned", "newer", "unknown", "unreadable"]
"""How a conversation fits: as it is; once migrated; not at all (its flow says what then happens); written by
a newer version, so that its row is left alone; of a flow that is not there, and carried through; no row."""


@attrs.frozen
class RowCheck:
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


def compatibility(flows: FlowSet, row: Row) -> tuple[RowCheck, ...]:
    """Return how each conversation of a row fits, in the order of the row.

    A row that a newer version wrote is left alone as a whole: what would be migrated in it, or is orphaned,
    counts as newer too.
    """
    found = [_finding(flows, name, snapshot) for name, snapshot in row.snapshots.items()]
    newer = next((one for one in found if one.fit == "newer"), None)
    if newer is None:
        return tuple(found)
    held = ("migrated", "orphaned")
    return tuple(
        RowCheck(one.flow, one.state, "newer", newer.reason) if one.fit in held else one for one in found
    )


def _finding(flows: FlowSet, name: str, snapshot: Snapshot) -> RowCheck:
    try:
        lifted, orphans = migrate_row(flows, Row({name: snapshot}))
    except StoredByNewerVersion as error:
        frame = next(frame for frame in snapshot.frames if frame.flow == error.flow)
        return RowCheck(frame.flow, frame.state, "newer", str(error))
    if orphans:
        orphan = orphans[-1].error
        return RowCheck(orphan.flow, orphan.state, "orphaned", orphan.problem)
    decides = snapshot.frames[-1]
    fit: Fit = "current"
    for old, new in zip(snapshot.frames, lifted.snapshots[name].frames, strict=True):
        if old.flow not in flows.tables:
            decides, fit = old, "unknown"
        elif problem := _unfit(flows, new):
            return RowCheck(old.flow, old.state, "orphaned", problem)
        elif fit != "unknown" and (old.version, old.state) != (new.version, new.state):
            decides, fit = old, "migrated"
    return RowCheck(decides.flow, decides.state, fit)


def _unfit(flows: FlowSet, frame: Frame) -> str:
    """Return why data are not of the type that the flow declares now; `""` if they are."""
    try:
        data_of(flows.tables[frame.flow], frame)
    except OrphanedConversation as error:
        return error.problem
    return ""
