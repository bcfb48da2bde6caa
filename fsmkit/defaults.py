"""What becomes of an event where no handler decides: timeouts end, `otherwise` is said, stale presses told.

Functions of a turn, called by the processor around the offer to the handlers.
"""

from fsmkit.effects import Answer
from fsmkit.events import Pressed, Timeout
from fsmkit.moves import Due, Moves
from fsmkit.turn import Turn

ENTRY_MASK = 0xFFFF
"""A button holds the last 16 bits of its entry's number."""


async def expire(turn: Turn, name: str, event: Timeout) -> None:
    """Gives a conversation its timeout; with nobody to take it, the conversation ends."""
    if await turn.offer(event, within=name) is None and name in turn.row.snapshots:
        await turn.close(name, "expired")


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
    """Answers a press that must change nothing: of an earlier state, or of a run that is over."""
    if pressed.menu or _is_current(turn, pressed):
        return False
    text = turn.flows.tables[pressed.flow].flow.text_for("stale", turn.lang)
    turn.wishes.append(Answer(text or ""))
    return True


def _is_current(turn: Turn, pressed: Pressed) -> bool:
    """Whether a button belongs to where its conversation stands; its value is then looked up in the row."""
    snapshot = turn.row.snapshots.get(pressed.flow)
    if snapshot is None or not snapshot.active:
        return pressed.run == 0 and pressed.value is not None
    frame = snapshot.frames[-1]
    if (pressed.run, pressed.entry) != (snapshot.run, frame.entry & ENTRY_MASK):
        return False
    if pressed.value is None:
        if pressed.position >= len(frame.values):
            return False
        turn.event.value = frame.values[pressed.position]
    return True
