"""Features where they meet: exclusive flows with jobs and reminders, guards with hooks, screens with sub-flows."""

import asyncio

from fsmkit import ANY, Done, Flow, Key
from fsmkit.stores.memory import MemoryStore
from fsmkit.telegram import button, command
from tests.telegram.conftest import Bench, settle


async def test_an_exclusive_flow_ends_a_job_and_a_reminder_and_neither_comes_back(bench):
    ended = []

    async def work(data):
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended.append("job")

    slow = Flow("slow", remind_after=60, reminder="Still there?")
    slow.state("working", prompt="Working.", job=work)

    @slow.defstate(None, on=command("slow"))
    def begin(event, ctx):
        return ("transition", "working")

    @slow.on_exit("working")
    def left(ctx):
        ended.append("state")
        ctx.reply("Left.")

    @slow.defstate("working", on=Done)
    def done(event, ctx):
        ended.append("done")
        return ("end",)

    alone = Flow("alone", exclusive=True, ttl=None)
    alone.state("here", prompt="Alone.")

    @alone.defstate(None, on=command("alone"))
    def enter(event, ctx):
        return ("transition", "here")

    await bench.start(slow, alone)
    await bench.say("/slow")
    await bench.advance(61)
    await bench.say("/alone")
    await bench.advance(600)
    assert bench.texts() == [
        "Working.",
        "Still there?",
        "Left.",
        "Alone.",
    ]
    assert ended == ["state", "job"]
    assert await bench.engine.get_state(slow, Key(1, 1)) == (None, None)


async def test_guards_come_before_all_hooks_and_those_of_a_state_that_was_not_entered_do_not_run(bench):
    order = []
    flow = Flow("f", ttl=None)
    for name in "abc":
        flow.state(name, prompt=lambda ctx: order.append(f"prompt {ctx.state}"))

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        return ("transition", "a")

    @flow.defstate("a")
    def go_on(event, ctx):
        order.append("handler")
        return ("transition", "b")

    @flow.guard("b")
    def elsewhere(ctx):
        order.append("guard b")
        return ("transition", "c")

    @flow.guard("c")
    def let_in(ctx):
        order.append("guard c")

    @flow.on_enter()
    def entered(ctx):
        order.append(f"enter {ctx.state}")

    @flow.on_exit()
    def left(ctx):
        order.append(f"exit {ctx.state}")

    await bench.start(flow)
    await bench.say("/start")
    await bench.say("hello")
    assert order == [
        *("enter a", "prompt a"),
        *("handler", "guard b", "guard c", "exit a", "enter c", "prompt c"),
    ]


def screens():
    """A flow and one that it calls, all of whose states are one screen."""
    address = Flow("address")
    address.state("street", prompt="Street?", buttons=["More", "Done"], show=True)
    address.state("house", prompt="House?", buttons=["Back", "Done"], show=True)
    order = Flow("order", ttl=100)
    order.state("cart", prompt="Cart.", buttons=["Address", "Pay"], show=True)
    order.state("pay", prompt="Pay.", buttons=["Back"], show=True)
    order.texts(expired="Too late.")

    @order.defstate(None, on=command("start"))
    def start(event, ctx):
        return ("transition", "cart")

    @order.defstate("cart", on=button("Address"))
    def ask(event, ctx):
        return ("call", address)

    @order.defstate("cart", on=button("Pay"))
    def pay(event, ctx):
        return ("transition", "pay")

    @order.defstate(ANY, on=button("Back"))
    def back(event, ctx):
        return ("back",)

    @order.defstate(ANY, on=command("help"))
    def explain(event, ctx):
        ctx.reply("Help.")
        return ("stay",)

    @address.defstate("street", on=button("More"))
    def more(event, ctx):
        return ("transition", "house")

    @address.defstate("house", on=button("Back"))
    def to_street(event, ctx):
        return ("back",)

    @address.defstate(ANY, on=button("Done"))
    def finish(event, ctx):
        return ("end",)

    return order


async def test_one_screen_follows_a_call_back_help_the_return_and_a_restart(bench, clock):
    store = MemoryStore()
    await bench.start(screens(), store=store)
    await bench.say("/start")
    shown = []
    for text in ("Address", "More", "Back"):
        await bench.press(text)
        shown.append((bench.texts(), bench.buttons()))
    assert shown == [
        (["Street?"], [["More", "Done"]]),
        (["House?"], [["Back", "Done"]]),
        (["Street?"], [["More", "Done"]]),
    ]
    await bench.say("/help")
    await bench.press("Done")
    assert (bench.texts(), bench.buttons()) == (["Cart.", "Help."], [["Address", "Pay"], []])
    await bench.engine.stop()
    again = Bench(bench.offline, clock)
    await again.start(screens(), store=store)
    await again.press("Pay")
    await again.press("Back")
    await again.press("Address")
    assert (again.texts(), again.buttons()) == (["Street?", "Help."], [["More", "Done"], []])
    await again.advance(101)
    await again.say("/start")
    await settle()
    assert again.texts() == ["Street?", "Help.", "Too late.", "Cart."]
    assert again.buttons() == [[], [], [], ["Address", "Pay"]]
    assert again.errors == []
    await again.close()
