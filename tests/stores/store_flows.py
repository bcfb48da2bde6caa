"""Flows of the stores' tests: one counts (what arrives has to be the next number), one asks and is answered."""

from typing import Any

import attrs
from chat_events import Command, Word

from fsmkit import Flow


@attrs.frozen
class Tally:
    """How far a conversation has counted."""

    count: int = 0
    last: int = 0
    wrong: int = 0


def asking_flow() -> Flow[dict[str, Any]]:
    """The flow that begins with a command and ends with a text; it replies to nothing."""
    flow: Flow[dict[str, Any]] = Flow("ask", ttl=60)
    flow.defstate(None, on=Command("start"))(lambda event, ctx: ("transition", "asked"))
    flow.defstate("asked", on=Word("Ann"))(lambda event, ctx: ("end",))
    return flow


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
