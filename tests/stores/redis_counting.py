"""A flow that counts: what arrives has to be the next number, else it is noted as out of order."""

from typing import Any

import attrs

from fsmkit import Flow


@attrs.frozen
class Tally:
    """How far a conversation has counted."""

    count: int = 0
    last: int = 0
    wrong: int = 0


def counting_flow() -> Flow[Tally]:
    """The flow; it begins with any text and replies with the count."""
    flow = Flow("count", data=Tally, ttl=None)
    flow.state("counting")

    @flow.defstate(None, on=str)
    def begin(event: str, ctx: Any) -> Any:
        return ("transition", "counting", Tally())

    @flow.defstate("counting", on=int)
    def count(event: int, ctx: Any) -> Any:
        tally = ctx.data
        ctx.reply(str(event))
        wrong = tally.wrong + (event != tally.last + 1)
        return ("stay", Tally(tally.count + 1, event, wrong))

    return flow
