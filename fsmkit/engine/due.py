"""What becomes of an event where no handler decides: timeouts end, reminders and `otherwise` are said, stale
presses told.

Functions of a turn, called by the processor around the offer to the handlers.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from msgspec import structs

from fsmkit.codec import Unfit
from fsmkit.deadlines import Overdue, with_snapshot
from fsmkit.effects import Answer
from fsmkit.events import Pressed
from fsmkit.keys import Key
from fsmkit.model import Frame
from fsmkit.moves import Due, Moves, times_in
from fsmkit.table import FlowTable
from fsmkit.times import Times
from fsmkit.turn import Turn

_log = logging.getLogger("fsmkit")

Report: TypeAlias = Callable[[Key, Any, Exception], Awaitable[None]]
"""Tells of an exception that nobody awaits."""

ENTRY_MASK = 0xFFFF
"""A button holds the last 16 bits of its entry's number."""


async def expire(turn: Turn, late: Overdue) -> None:
    """Gives a conversation its timeout; with nobody to take it, the conversation ends."""
    taken = await turn.offer(turn.event, within=late.name, depth=late.depth)
    if taken is None and late.name in turn.row.snapshots:  # what did not fit is over already
        await turn.close(late.name, "expired")


async def remind(turn: Turn, name: str) -> None:
    """Gives a conversation its reminder; with nobody to take it, the person is told what the flow says.

    Where nobody moves on, the silence goes on as it was: the conversation times out when it would have.
    """
    before = turn.row.snapshots[name]
    moved = await turn.offer(turn.event, within=name)
    if moved is not None and moved.moved:
        return
    after = turn.row.snapshots.get(name)
    if after is None:  # it did not fit
        return
    after = structs.replace(after, deadline=before.deadline, remind=None)
    turn.row = with_snapshot(turn.row, name, after)
    if moved is None:
        await _say_reminder(turn, name)


async def _say_reminder(turn: Turn, name: str) -> None:
    """Says the reminder of the innermost flow that declares when to remind, else its prompt once more."""
    turn.name = name
    for frame in reversed(turn.row.snapshots[name].frames):
        table = turn.flows.tables[frame.flow]
        times = times_in(table, frame.state)
        if not isinstance(times.remind_after, str):
            await turn.perform(_reminder(table, frame, times), None)
            return


def _reminder(table: FlowTable, frame: Frame, times: Times) -> list[Due]:
    if times.remind_after is None:  # declared otherwise since it was stored
        return []
    if times.reminder is not None:
        return [Due("reminder", times.reminder, table, frame, table.flow.place)]
    prompt = table.rules[frame.state].prompt if frame.state is not None else None
    return [] if prompt is None else [Due("prompt", prompt, table, frame, table.flow.place)]


async def give_up(turn: Turn, name: str, report: Report) -> None:
    """Ends a conversation with its hooks; one that raises is reported and keeps nothing alive."""
    before, mark = turn.row, len(turn.wishes)
    try:
        await turn.close(name)
    except Exception as error:
        del turn.wishes[mark:]
        kept = {other: snapshot for other, snapshot in before.snapshots.items() if other != name}
        turn.row = structs.replace(before, snapshots=kept)
        await report(turn.key, None, error)


async def say_otherwise(turn: Turn) -> bool:
    """Says what the running state says to a message that nobody took; whether there is something to say."""
    for name in reversed(turn.row.snapshots):
        frames = turn.row.snapshots[name].frames
        frame = frames[-1]
        table = turn.flows.tables.get(frame.flow)
        if frame.state is None or table is None:
            continue
        said = table.rules[frame.state].state.otherwise
        if said is None:
            continue
        turn.follow_answer(name, frame)
        moves = Moves(turn.flows, turn.row, turn.now, 0)
        moves.keep(name, len(frames) - 1, None)
        turn.row = moves.result()
        turn.name = name
        turn.changed = True
        await turn.perform([Due("otherwise", said, table, frame, table.flow.place)], None)
        return True
    return False


def refuse(turn: Turn, pressed: Pressed) -> bool:
    """Answers a press that must change nothing: of an earlier state, or of a run that is over.

    Else the event gets the button's value.
    """
    text = _value_of(turn, pressed)
    if text is not None:
        try:
            turn.event.value = turn.world.values.unpack(text) if pressed.packed else text
        except Unfit as error:
            _log.warning(
                "%s: a button that was pressed is of no use any more: %s", pressed.flow, error.problem
            )
        else:
            return False
    told = turn.flows.tables[pressed.flow].flow.text_for("stale", turn.lang)
    turn.wishes.append(Answer(told or ""))
    return True


def _value_of(turn: Turn, pressed: Pressed) -> str | None:
    """The value of a button as text, `None` if it does not belong to where its conversation stands."""
    if pressed.menu:
        return pressed.value
    snapshot = turn.row.snapshots.get(pressed.flow)
    if snapshot is None or not snapshot.active:
        return pressed.value if pressed.run == 0 else None
    frame = snapshot.frames[-1]
    if (pressed.run, pressed.entry) != (snapshot.run, frame.entry & ENTRY_MASK):
        return None
    if pressed.value is not None:
        return pressed.value
    kept = frame.values[pressed.position : pressed.position + 1]
    return kept[0] or None if kept else None
