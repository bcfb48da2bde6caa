"""How a source gives an event from outside to an engine; what a source is: `fsmkit.engine.engine.Source`.

A source acknowledges an event to where it came from only once `feed` has returned: then its step stands in
the store. What is not acknowledged comes again, and its id makes it a duplicate.
"""

from typing import Any

import attrs

from fsmkit.engine.engine import Engine
from fsmkit.engine.envelope import Outcome
from fsmkit.keys import Key


@attrs.frozen
class Incoming:
    """An event from outside, and the conversation that it is for.

    Attributes:
        key: The conversation; without a bot, the engine's own is used.
        event: An instance of a class that some handler names in `on=`.
        id: The id of the event, by which a repetition is recognised; `None`: the source's own id, if any.
        flow: Name of the only flow that gets it.
        expect: The only state of `flow` in which it is handled.
    """

    key: Key
    event: Any
    id: str | int | None = None
    flow: str | None = attrs.field(default=None, kw_only=True)
    expect: str | None = attrs.field(default=None, kw_only=True)


async def feed(engine: Engine, source: str, incoming: Incoming, known_as: str | int | None = None) -> Outcome:
    """Send an event to its conversation; when this returns, the step is stored.

    Args:
        engine: The engine.
        source: The source's name.
        incoming: The event.
        known_as: The source's id of the event, for an event without an id of its own.

    Raises:
        Exception: The exception of the handler or the store; then nothing was changed.
    """
    ident = known_as if incoming.id is None else incoming.id
    return await engine.send(
        incoming.key,
        incoming.event,
        id=None if ident is None else (source, ident),
        flow=incoming.flow,
        expect=incoming.expect,
    )


def lane_of(engine: Engine, incoming: Incoming) -> Key:
    """Return what an event is in line for: its key as the engine sees it, whether or not it names the bot."""
    return incoming.key.with_bot(engine.bot)
