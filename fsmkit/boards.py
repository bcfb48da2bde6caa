"""Reply keyboards: taken away when the state that showed one is left.

Telegram takes a keyboard away only with a message, and one with inline buttons cannot do it: so the first
message that can, of this step or a later one, does. Pure.
"""

from typing import Any

from msgspec import structs

from fsmkit.effects import Address, Bound, Send, as_reply
from fsmkit.markup import Keyboard
from fsmkit.model import Board, Row, View


def tend(row: Row, effects: list[Any], bound: Bound, to: Address) -> tuple[Row, list[Any]]:
    """The row with the reply keyboard that stands in a chat after some effects, and the effects.

    Args:
        row: The row at the end of the step.
        effects: What was asked for, in order.
        bound: The place where the step ended.
        to: Where effects go.
    """
    changing = [effect for effect in effects if isinstance(effect, Send) and _changes_keyboard(effect)]
    if not changing:
        if not _is_left(row, to):
            return row, effects
        able = [
            n for n, effect in enumerate(effects) if isinstance(effect, Send) and not effect.reply.buttons
        ]
        if not able:
            return row, effects
        carrier = effects[able[0]]
        removing = structs.replace(carrier, reply=as_reply(carrier.reply, remove_keyboard=True))
        effects = [removing if effect is carrier else effect for effect in effects]
        changing = [removing]
    row = _without_boards(row, to)
    if bound.run and _leaves(changing[-1].reply.keyboard):
        view = row.views.get(bound.flow) or View(to.chat, 0)
        board = Board(to.chat, bound.run, bound.entry)
        row = structs.replace(row, views={**row.views, bound.flow: structs.replace(view, board=board)})
    return row, effects


def _changes_keyboard(effect: Send) -> bool:
    return bool(effect.reply.keyboard) or effect.reply.remove_keyboard


def _leaves(keyboard: Any) -> bool:
    """Whether a keyboard goes with its state."""
    return keyboard.leaves if isinstance(keyboard, Keyboard) else bool(keyboard)


def _is_left(row: Row, to: Address) -> bool:
    """Whether a keyboard stands in the chat although its state is no longer the one that runs."""
    for name, view in row.views.items():
        board = view.board
        if board is None or board.chat != to.chat:
            continue
        snapshot = row.snapshots.get(name)
        if snapshot is None or not snapshot.active:
            return True
        if (snapshot.run, snapshot.frames[-1].entry) != (board.run, board.entry):
            return True
    return False


def _without_boards(row: Row, to: Address) -> Row:
    if not any(view.board is not None and view.board.chat == to.chat for view in row.views.values()):
        return row
    views: dict[str, View] = {}
    for name, view in row.views.items():
        if view.board is not None and view.board.chat == to.chat:
            view = structs.replace(view, board=None)
        if view.message or view.board:
            views[name] = view
    return structs.replace(row, views=views)
