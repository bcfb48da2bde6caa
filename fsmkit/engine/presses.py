"""Presses of buttons: to which conversation one belongs, and which one comes too late to change anything."""

import logging
from typing import Any

from fsmkit.engine.envelope import Recipient
from fsmkit.engine.turn import Turn, say_default
from fsmkit.flow.events import ChatEvent, Pressed
from fsmkit.flow.messages import Answer
from fsmkit.interpreter.codec import Unfit
from fsmkit.interpreter.row import Frame, Row
from fsmkit.interpreter.screens import screen_key

_log = logging.getLogger("fsmkit")

ENTRY_MASK = 0xFFFF
"""A button holds the last 16 bits of its entry's number."""


def recipient_of(turn: Turn, to: Recipient, pressed: Pressed) -> Recipient | None:
    """Return who is asked about a press; `None`: it was a stale one, which is answered already."""
    return None if reject_stale_press(turn, pressed) else Recipient(to.entries, pressed.flow)


async def offer_or_default(turn: Turn, to: Recipient) -> bool:
    """Offer the turn's event, then say `otherwise`; return whether somebody took it."""
    pressed = turn.event.pressed if isinstance(turn.event, ChatEvent) else None
    found = to if pressed is None else recipient_of(turn, to, pressed)
    return found is None or await turn.offer(turn.event, found) is not None or await say_default(turn)


def reject_stale_press(turn: Turn, pressed: Pressed) -> bool:
    """Answer a press that must change nothing: of an earlier state, or of a run that is over.

    Else the event gets the button's value.
    """
    text = value_of(turn.row, pressed, turn.event.message_id)
    if text is not None:
        try:
            turn.event.value = turn.values.unpack(text) if pressed.packed else text
        except Unfit as error:
            _log.warning(
                "%s: a button that was pressed is of no use any more: %s", pressed.flow, error.problem
            )
        else:
            return False
    told = turn.flows.tables[pressed.flow].flow.text_for("stale", turn.lang)
    turn.requests += (Answer(told or ""),)
    return True


def value_of(row: Row, pressed: Pressed, message: Any) -> str | None:
    """Return the value of a button as text, `None` if it does not belong to where its conversation stands.

    Args:
        row: What is stored for whom it was shown to.
        pressed: The button.
        message: Id of the message under which it stands.
    """
    if pressed.menu:
        return pressed.value
    snapshot = row.snapshots.get(pressed.flow)
    if snapshot is None or not snapshot.active:
        return pressed.value if pressed.run == 0 else None
    frame = snapshot.frames[-1]
    if pressed.run != snapshot.run:
        return None
    if pressed.entry != frame.entry & ENTRY_MASK:
        return pressed.value if _on_screen(row, pressed, frame, message) else None
    if pressed.value is not None:
        return pressed.value
    kept = frame.values[pressed.position : pressed.position + 1]
    return kept[0] or None if kept else None


def _on_screen(row: Row, pressed: Pressed, frame: Frame, message: Any) -> bool:
    """Return whether a button of an earlier state stands on a named screen of the flow that runs, as it is.

    What has not been shown anew since is meant to be pressed: a menu stays while states come and go.
    """
    screens = screen_key(pressed.flow, f"{frame.flow}/")
    return any(
        view.message == message and view.entry & ENTRY_MASK == pressed.entry
        for key, view in row.views.items()
        if key.startswith(screens)
    )
