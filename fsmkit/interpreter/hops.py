"""How many events have followed from one another by `ctx.send`, and the circle in which they go."""

from fsmkit.errors import EventStorm
from fsmkit.interpreter.row import Hop, ScheduledEvent
from fsmkit.keys import Key

MAX_HOPS = 3000
"""Events that may follow from one another without a pause; more than that have no end."""


TRACED = 16
"""Of so many last ones it is noted who sent them: ordinary events carry no list."""


def next_hop(cause: ScheduledEvent | None, flow: str, key: Key) -> tuple[int, tuple[Hop, ...]]:
    """Return the number of a hop, and who sent the last ones.

    Args:
        cause: The event of `ctx.send` that the step handles, if it is one.
        flow: The flow that sends.
        key: Whose conversation it is.

    Raises:
        EventStorm: If there have been too many.
    """
    if cause is None:
        return 1, ()
    hops, here = cause.hops + 1, (flow, str(key))
    if hops > MAX_HOPS:
        raise EventStorm(cause.hops, _circle(cause.trail, here))
    return hops, (*cause.trail, here) if hops > MAX_HOPS - TRACED else ()


def _circle(trail: tuple[Hop, ...], here: Hop) -> tuple[Hop, ...]:
    """Return the hops since the sender was here last; all that are known if it was not."""
    start = max((at for at, hop in enumerate(trail) if hop == here), default=0)
    return (*trail[start:], here)
