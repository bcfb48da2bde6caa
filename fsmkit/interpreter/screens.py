"""Screens: messages of a conversation that are kept up to date. Which one it is, and how it is shown.

A conversation has one screen without a name, which flows that call each other share, and one for each name
that a flow gives. All stand in `Row.views`.
"""

from msgspec import structs

from fsmkit.flow.context import SendMessage
from fsmkit.flow.messages import Address
from fsmkit.interpreter.row import Bound, Edit, Receipt, Row, Send, ShownScreen

MAX_SCREENS = 16
"""Screens with a name that a conversation remembers; one shown longer ago stays as it is."""


def screen_key(name: str, screen: str) -> str:
    """Return where a screen stands in `Row.views`; names of flows have no slash.

    Args:
        name: Name of the conversation.
        screen: Which screen (`SendMessage.screen`).
    """
    return f"{name}/{screen}" if screen else name


def is_screen_of(name: str, key: str) -> bool:
    """Return whether a key of `Row.views` is that of a conversation's screen."""
    return key == name or key.startswith(f"{name}/")


def in_sight(row: Row, name: str, to: Address, pressed: int | None) -> bool:
    """Return whether a message that was pressed is a screen of a conversation, so that the person sees it."""
    return pressed is not None and any(
        view.message == pressed and view.chat == to.chat and is_screen_of(name, key)
        for key, view in row.views.items()
    )


def show(
    row: Row, name: str, wish: SendMessage, to: Address, bound: Bound, *, edits: bool
) -> tuple[Row, list[Send | Edit]]:
    """Return the row with a screen shown, and what shows it.

    Args:
        row: The row.
        name: Name of the conversation.
        wish: What to show.
        to: Where.
        bound: What its buttons belong to.
        edits: Whether a screen is edited where it stands, not sent anew.
    """
    reply, screen = wish.reply, wish.screen
    key = screen_key(name, screen)
    view = row.views.get(key)
    if view is None or not view.message:
        return row, [Send(reply, to, bound, "view", screen=screen)]
    if edits and view.chat == to.chat:
        entry = bound.entry if screen else 0
        shown = structs.replace(view, file=reply.file, bare=not reply.buttons, entry=entry)
        if shown != view:
            row = structs.replace(row, views={**row.views, key: shown})
        return row, [Edit(to, view.message, bound, reply, view.file, screen)]
    row = structs.replace(row, views={**row.views, key: ShownScreen(view.chat, 0, "", view.board)})
    taken: list[Send | Edit] = [] if view.bare else [Edit(Address(view.chat), view.message, bound)]
    return row, [Send(reply, to, bound, "view", screen=screen), *taken]


def screen_sent(row: Row, receipt: Receipt) -> tuple[Row, list[Edit]]:
    """Return the row with a screen that was sent, and what takes the buttons of the one before it away."""
    key = screen_key(receipt.flow, receipt.screen)
    old = row.views.get(key) or ShownScreen(receipt.chat, 0)
    replaced = 0 < old.message < receipt.message and old.chat == receipt.chat and not old.bare
    taken: list[Edit] = []
    if receipt.keep == "view" and replaced:
        bound = Bound(receipt.flow, receipt.run, receipt.entry)
        taken.append(Edit(Address(receipt.chat), old.message, bound))
    entry = receipt.entry if receipt.screen else 0
    view = ShownScreen(receipt.chat, receipt.message, receipt.file, old.board, receipt.bare, entry)
    return structs.replace(row, views=_with_screen(row.views, receipt.flow, key, view)), taken


def _with_screen(
    views: dict[str, ShownScreen], name: str, key: str, view: ShownScreen
) -> dict[str, ShownScreen]:
    """Return the screens with one that was shown, without the one shown longest ago where there are many."""
    if key == name:
        return {**views, key: view}
    views = {other: shown for other, shown in views.items() if other != key}
    named = [other for other in views if other != name and is_screen_of(name, other)]
    for oldest in named[: max(0, len(named) + 1 - MAX_SCREENS)]:
        del views[oldest]
    return {**views, key: view}
