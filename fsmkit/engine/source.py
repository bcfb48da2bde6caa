"""What a source is: something that takes events from outside and gives them to an engine, until it is ended.

A source acknowledges an event to where it came from only once `feed` has returned: then its step stands in
the store. What is not acknowledged comes again, and its id makes it a duplicate.
"""

from typing import TYPE_CHECKING, Any, Protocol

import attrs

from fsmkit.engine.envelope import Outcome
from fsmkit.keys import Key

if TYPE_CHECKING:
    from fsmkit.engine.engine import Engine


@attrs.frozen
class Incoming:
    """An event from outside, and the conversation that it is for.

    Attributes:
        key: Whose conversation; without a bot the engine's own is meant.
        event: An instance of a class that some handler names in `on=`.
        id: What it is recognised by when it comes again; `None`: by what the source knows it by, if it does.
        flow: Name of the only flow that gets it.
        expect: The only state of `flow` in which it is wanted.
    """

    key: Key
    event: Any
    id: str | int | None = None
    flow: str | None = attrs.field(default=None, kw_only=True)
    expect: str | None = attrs.field(default=None, kw_only=True)


class Source(Protocol):
    """Takes events from outside and gives them to an engine.

    Attributes:
        name: What it is called in the log; part of its events' ids, so it should stay the same.
    """

    @property
    def name(self) -> str:
        """What it is called in the log."""
        ...

    async def run(self, engine: "Engine") -> None:
        """Gives events to the engine until it is cancelled; if it raises, it is started again later."""
        ...


async def feed(
    engine: "Engine", source: str, incoming: Incoming, known_as: str | int | None = None
) -> Outcome:
    """Gives an event to its conversation; when it returns, the step is stored.

    Args:
        engine: The engine.
        source: The source's name.
        incoming: The event.
        known_as: What the source knows it by, for an event that has no id of its own.

    Raises:
        Exception: What the handler or the store raised; nothing was changed then.
    """
    ident = known_as if incoming.id is None else incoming.id
    return await engine.send(
        incoming.key,
        incoming.event,
        id=None if ident is None else (source, ident),
        flow=incoming.flow,
        expect=incoming.expect,
    )


def lane_of(engine: "Engine", incoming: Incoming) -> Key:
    """What an event is in line for: its key as the engine sees it, whether or not it names the bot."""
    return incoming.key.with_bot(engine.bot)
