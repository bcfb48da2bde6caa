"""What a log line calls an event or an effect: never by what people, or the bot, have said."""

from typing import Any

from fsmkit.flow.events import ChatEvent
from fsmkit.interpreter.row import Delete, Edit, Send


def named(thing: Any) -> str:
    """Return what something is, without what it says.

    Args:
        thing: An event, or an effect.

    Example:
        >>> from fsmkit.flow.messages import Address, Reply
        >>> from fsmkit.interpreter.row import Bound
        >>> named(Send(Reply("Dear Ann", buttons=["Pay"]), Address(7), Bound("shop", 1, 1)))
        "Send to 7 by 'shop': 8 characters, buttons"
    """
    if isinstance(thing, ChatEvent):
        return f"{thing.kind} of user {thing.address.user} in chat {thing.address.chat}"
    if isinstance(thing, Send | Edit):
        reply, bound = thing.reply, thing.bound
        what = "no buttons any more" if reply is None else f"{len(reply.text)} characters"
        if reply is not None:
            media = () if reply.media is None else (reply.media[0],)
            what = ", ".join((what, *media, *(("buttons",) if reply.buttons else ())))
        by = f" by {bound.flow!r}" if bound.flow else ""
        return f"{type(thing).__name__} to {thing.to.chat}{by}: {what}"
    if isinstance(thing, Delete):
        return f"Delete in {thing.to.chat}: {len(thing.messages)} messages"
    return type(thing).__name__
