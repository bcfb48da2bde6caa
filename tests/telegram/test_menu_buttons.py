"""Buttons that belong to no conversation: a flow's menu, and what is shown while nothing runs."""

from fsmkit import Button, Flow, Key
from fsmkit.telegram import button, command

GROUP = -100


def with_menu():
    """A flow with a menu button, and a command that shows it."""
    flow = Flow("order")
    flow.state("size", prompt="Which size?")

    @flow.defstate(None, on=command("menu"))
    def menu(event, ctx):
        ctx.reply("Menu", buttons=[flow.button("Pizza", "🍕"), Button("plain")])

    @flow.defstate(None, on=button("🍕"))
    def order(event, ctx):
        return ("transition", "size", {"dish": event.value})

    @flow.defstate(None, on=button("plain"))
    def plain(event, ctx):
        ctx.answer("plain")

    @flow.defstate("size")
    def size(event, ctx):
        return ("end",)

    return flow


async def test_a_menu_button_starts_its_flow_each_time_and_outlives_conversations(bench):
    await bench.start(with_menu())
    await bench.say("/menu")
    for _ in range(2):
        await bench.press("Pizza")
        assert await bench.engine.get_state("order", Key(1, 1)) == ("size", {"dish": "🍕"})
        await bench.say("big")
        assert await bench.engine.get_state("order", Key(1, 1)) == (None, None)
    assert bench.texts() == ["Menu", "Which size?", "Which size?"]


async def test_a_menu_button_may_be_pressed_by_anybody_in_a_group(bench):
    bench.offline.add_chat(GROUP)
    await bench.start(with_menu())
    await bench.say("/menu", chat=GROUP)
    assert await bench.press("Pizza", user=13, chat=GROUP) == [""]
    assert (await bench.engine.get_state("order", Key(GROUP, 13)))[0] == "size"


async def test_a_menu_button_outlives_a_restart(bench):
    await bench.start(with_menu())
    await bench.say("/menu")
    data = bench.data("Pizza")
    await bench.engine.stop()
    bench.app = bench.offline.builder().build()
    await bench.start(with_menu())
    assert await bench.press_data(data) == [""]
    assert (await bench.engine.get_state("order", Key(1, 1)))[0] == "size"


async def test_a_menu_button_of_a_flow_that_runs_changes_nothing_and_is_answered(bench):
    await bench.start(with_menu())
    await bench.say("/menu")
    await bench.press("Pizza")
    row = await bench.engine.store.peek(Key(1, 1, bot=42))
    assert await bench.press("Pizza") == [""]
    assert await bench.engine.store.peek(Key(1, 1, bot=42)) == row


async def test_a_plain_button_shown_outside_a_conversation_works_until_one_starts(bench):
    await bench.start(with_menu())
    await bench.say("/menu")
    assert [await bench.press("plain") for _ in range(2)] == [["plain"], ["plain"]]
    await bench.press("Pizza")
    assert await bench.press("plain") == ["This button is no longer in use."]
