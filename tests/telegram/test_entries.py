"""Of many flows only those are asked whether they may be entered that can want the kind of message at all."""

import pytest

from fsmkit import Flow
from fsmkit.flow.matchers import Matcher
from fsmkit.telegram import album, command, photo


class Counted(Matcher):
    """Messages of some kinds; counts how often it is asked."""

    def __init__(self, *kinds):
        self.kinds = frozenset(kinds) or None
        self.asked = []

    def match(self, event):
        self.asked.append(getattr(event, "kind", None))

    def __repr__(self):
        return "counted"


def waiting():
    """A flow that runs and takes nothing but a command."""
    flow = Flow("waiting")
    flow.defstate(None, on=command("start"))(lambda event, ctx: ("transition", "on"))
    flow.defstate("on", on=command("stop"))(lambda event, ctx: ("end",))
    return flow


@pytest.mark.parametrize(
    ("kinds", "asked"),
    [(("command",), []), (("text",), ["text"]), (("text", "photo"), ["text"]), ((), ["text"])],
)
async def test_a_flow_is_not_asked_about_a_kind_that_its_entries_do_not_name(bench, kinds, asked):
    other, entry = Flow("other"), Counted(*kinds)
    other.defstate(None, on=entry)(lambda event, ctx: ("transition", "in"))
    other.state("in")
    await bench.start(waiting(), other)
    await bench.say("/start")
    entry.asked.clear()
    await bench.say("hello")
    assert entry.asked == asked


async def test_each_kind_comes_to_the_flow_that_it_may_enter(bench):
    flows = []
    for name, on in (
        ("pictures", photo()),
        ("albums", album()),
        ("orders", command("order")),
        ("texts", None),
    ):
        flow = Flow(name)
        flow.defstate(None, on=on)(lambda event, ctx, name=name: (ctx.reply(name), ("end",))[1])
        flows.append(flow)
    await bench.start(*flows)
    for said in ("/order", "hello", "/order", "hello"):
        await bench.say(said)
    assert bench.texts() == ["orders", "texts", "orders", "texts"]
