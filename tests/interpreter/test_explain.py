"""`explain`: which handlers an event could be offered to, in order, and why each is called or not."""

import pytest
from chat_events import Command, said
from memory_engine import KEY, Bench

from fsmkit import ANY, Flow
from fsmkit.engine import explain
from fsmkit.interpreter.row import Row
from fsmkit.interpreter.selection import select
from fsmkit.telegram import button, command, photo, text


def long_enough(event):
    return len(event.text) > 2


def broken(event):
    raise ValueError("no such field")


def shop():
    """A flow in which several handlers could be asked, and another that may be entered."""
    flow, other = Flow("shop"), Flow("help")
    handlers = {}

    def register(to, name, *states, **options):
        def handler(event, ctx): ...

        handler.__qualname__ = name
        to.defstate(*states, **options)(handler)
        handlers[name] = to.handlers[-1]

    register(flow, "start", None, on=Command("start"))
    register(flow, "number", "size", on=text("[0-9]+"))
    register(flow, "picture", "size", on=photo() | button("Big"))
    register(flow, "long", "size", when=long_enough)
    register(flow, "any text", ANY, on=text())
    register(other, "help", None, on=text())
    return flow, other, handlers


async def told(event, *, state="size", **options):
    flow, other, handlers = shop()
    bench = Bench(flow, other)
    if state is not None:
        await bench.engine.set_state(flow, KEY, state)
    passed = {handlers[name] for name in options.get("passed", ())}
    found = explain(bench.engine.flows, await bench.row(), event, passed=passed)
    first = next(select(bench.engine.flows, await bench.row(), event), None)
    wanted = [each.handler for each in found if each.verdict == "wanted"]
    if not passed:
        assert wanted == ([first.handler] if first else []), "the walk is that of a step"
    return [(each.flow, each.state, each.handler.name, each.verdict, each.reason) for each in found]


async def test_each_handler_has_its_reason_up_to_the_one_that_is_called_and_those_after_it_are_not_asked():
    assert await told(said("no")) == [
        ("shop", "size", "number", "refused", "not this text"),
        ("shop", "size", "picture", "refused", 'not photo | "Big"'),
        ("shop", "size", "long", "refused", "its when= said no"),
        ("shop", "size", "any text", "wanted", "wants the event"),
        ("help", None, "help", "skipped", "not asked, since any text comes first"),
        (
            "shop",
            None,
            "start",
            "skipped",
            "not asked, since a conversation with flow 'shop' is already running",
        ),
    ]


async def test_a_handler_that_is_known_to_have_passed_lets_the_next_one_be_asked():
    found = await told(said("12345"), passed=["number", "long"])
    assert [(name, verdict) for _, _, name, verdict, _ in found] == [
        ("number", "passed"),
        ("picture", "refused"),
        ("long", "passed"),
        ("any text", "wanted"),
        ("help", "skipped"),
        ("start", "skipped"),
    ]


async def test_without_a_conversation_the_entries_are_asked_in_order():
    assert await told(said("/start"), state=None) == [
        ("shop", None, "start", "wanted", "wants the event"),
        ("help", None, "help", "skipped", "not asked, since start comes first"),
    ]


async def test_a_question_that_raises_is_a_reason_and_ends_the_asking():
    flow = Flow("f")
    flow.defstate(None, when=broken)(lambda event, ctx: None)
    flow.defstate(None)(lambda event, ctx: None)
    first, second = explain(Bench(flow).engine.flows, Row(), said("x"))
    assert (first.verdict, first.reason) == ("raised", "asking it raised ValueError: no such field")
    assert second.verdict == "skipped"
    assert str(first).endswith(": asking it raised ValueError: no such field")


@pytest.mark.parametrize(
    ("on", "event", "reason"),
    [
        (command("start"), said("/help"), "not this command"),
        (command("start"), said("hello"), "not /start"),
        (int, said("hello"), "not int"),
        (int, 5, None),
        (text() & text("[0-9]"), said("a"), "not this text"),
        (text() | int, said("/a"), "not this command"),
        (~text(), said("a"), "not this text"),
        (long_enough, said("a"), "long_enough said no to this text"),
    ],
)
def test_a_matcher_says_why_not(on, event, reason):
    flow = Flow("f")
    flow.defstate(None, on=on)(lambda event, ctx: None)
    assert flow.handlers[0].matcher.why_not(event) == reason
