"""What a handler may write besides its result: `ctx.at`, and what is refused with `NestedSend` and `LeaseOver`."""

import asyncio
import inspect

import pytest
from chat_events import Word, said
from memory_engine import KEY, OTHER, Bench, returns

from fsmkit import (
    ANY,
    Client,
    Engine,
    Flow,
    KeyBy,
    LeaseOver,
    NestedSend,
    UnknownState,
    UnstorableData,
    fan_out,
)
from fsmkit.engine.handles import AsyncConversationHandle
from fsmkit.engine.maintenance import dropped, rewrite


def acting(act):
    """A flow whose handler awaits or calls `act(ctx)`, and another flow beside it."""
    flow, other = Flow("f"), Flow("other")
    other.state("o", prompt="at o")
    other.state("p")
    seen = []

    @flow.defstate(None, "a")
    async def handler(event, ctx):
        made = act(ctx)
        seen.append(await made if asyncio.iscoroutine(made) else made)

    return flow, other, seen


async def acted(act):
    flow, other, seen = acting(act)
    bench = Bench(flow, other)
    await bench.engine.set_state(other, KEY, "o", {"n": 1})
    await bench.say("x")
    return bench, seen[0]


# -- ctx.at ----------------------------------------------------------------------------------------


async def test_a_handler_reads_another_flow():
    def act(ctx):
        at = ctx.at("other")
        return at.get_state(), at.get_data(), at.get_value("n"), at.get_value("m", 5)

    assert (await acted(act))[1] == ("o", {"n": 1}, 1, 5)


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        (lambda at: at.set_state("p"), ("p", {"n": 1})),
        (lambda at: at.set_state("p", {"m": 2}), ("p", {"m": 2})),
        (lambda at: at.set_state(None), (None, {"n": 1})),
        (lambda at: at.set_data({"m": 2}), ("o", {"m": 2})),
        (lambda at: at.update_data(m=2), ("o", {"n": 1, "m": 2})),
        (lambda at: at.clear(), (None, None)),
    ],
)
async def test_what_a_handler_writes_to_another_flow_joins_its_commit(act, expected):
    bench, _ = await acted(lambda ctx: act(ctx.at("other")))
    assert await bench.engine.get_state("other", KEY) == expected


async def test_a_handler_sees_what_it_has_written_itself():
    def act(ctx):
        ctx.at("other").set_state("p")
        return ctx.at("other").get_state(), ctx.at("other").update_data(m=2)

    assert (await acted(act))[1] == ("p", {"n": 1, "m": 2})


async def test_what_a_handler_wrote_before_it_raised_is_taken_back():
    flow, other, _ = acting(lambda ctx: (ctx.at("other").clear(), 1 / 0))
    bench = Bench(flow, other)
    await bench.engine.set_state(other, KEY, "o", {"n": 1})
    before = await bench.stored()
    with pytest.raises(ZeroDivisionError):
        await bench.say("x")
    assert await bench.stored() == before


@pytest.mark.parametrize("write", [lambda at: at.set_state("nope"), lambda at: at.set_data({"n": {1}})])
async def test_what_cannot_be_written_is_refused(write):
    with pytest.raises((UnknownState, UnstorableData)):
        await acted(lambda ctx: write(ctx.at("other")))


async def test_an_unknown_flow_is_refused():
    with pytest.raises(UnknownState, match="flow 'nope' is not attached"):
        await acted(lambda ctx: ctx.at("nope"))


async def test_the_own_flow_can_be_read_but_changes_only_by_what_is_returned():
    assert (await acted(lambda ctx: ctx.at("f").get_state()))[1] is None
    with pytest.raises(NestedSend, match="it changes by what the handler returns"):
        await acted(lambda ctx: ctx.at("f").set_data({}))


async def test_a_caller_that_waits_for_this_flow_cannot_be_moved_by_hand_but_its_data_can_be_written():
    outer, inner, seen = Flow("outer"), Flow("inner"), []
    outer.state("b")
    outer.state("a")
    returns(outer, "a", on=Word("down"))(("call", inner))

    @inner.defstate("i")
    def handler(event, ctx):
        ctx.at(outer).update_data(n=2)
        with pytest.raises(NestedSend, match="waits in the conversation"):
            ctx.at(outer).set_state("b")
        seen.append(ctx.at(outer).get_state())

    bench = Bench(outer, inner)
    await bench.engine.set_state(outer, KEY, "a", {"n": 1})
    await bench.say("down")
    await bench.say("x")
    assert seen == ["a"]
    assert await bench.engine.get_state(outer, KEY) == ("a", {"n": 2})


# -- NestedSend ------------------------------------------------------------------------------------


CALLS = {
    "Engine.send": lambda bench, key: bench.engine.send(key, said("x")),
    "Engine.send_to_user": lambda bench, key: bench.engine.send_to_user(key.user, said("x")),
    "Engine.sweep": lambda bench, key: bench.engine.sweep(),
    "Engine.set_state": lambda bench, key: bench.engine.set_state("other", key, "o"),
    "Engine.reset_state": lambda bench, key: bench.engine.reset_state("other", key),
    "Engine.relocate": lambda bench, key: bench.engine.relocate(key.chat, 99),
    "Engine.end_all": lambda bench, key: bench.engine.end_all(key),
    "Engine.end_chat": lambda bench, key: bench.engine.end_chat(key.chat),
    "Engine.end_connection": lambda bench, key: bench.engine.end_connection("link"),
    "Engine.stop": lambda bench, key: bench.engine.stop(),
    "AsyncConversationHandle.set_state": lambda bench, key: bench.engine.at("other", key).set_state("o"),
    "AsyncConversationHandle.set_data": lambda bench, key: bench.engine.at("other", key).set_data({}),
    "AsyncConversationHandle.update_data": lambda bench, key: bench.engine.at("other", key).update_data(n=1),
    "AsyncConversationHandle.clear": lambda bench, key: bench.engine.at("other", key).clear(),
    "Client.send": lambda bench, key: Client(bench.store, bot=None).send(key, 5),
    "Client.send_to_user": lambda bench, key: Client(bench.store, bot=None).send_to_user(key.user, 5),
    "fan_out": lambda bench, key: fan_out(bench.engine, [key], 5),
    "rewrite": lambda bench, key: rewrite(bench.store, key, 0.0, dropped(None)),
    "receive": lambda bench, key: bench.engine.receive(said("x"), [(key, None)], None, None),
    "receive, two keys": lambda bench, key: bench.engine.receive(
        said("x"), [(key, None), (KEY, None)], None, None
    ),
}
"""Every public call that takes a lease."""

LEASELESS = {
    "Engine.start",
    "Engine.find_run",
    "Engine.report",
    "Engine.peek",
    "Engine.get_state",
    "AsyncConversationHandle.get_state",
    "AsyncConversationHandle.get_data",
    "AsyncConversationHandle.get_value",
    "Client.close",
}


def test_no_public_method_is_left_out():
    methods = {
        f"{kind.__name__}.{name}"
        for kind in (Engine, AsyncConversationHandle, Client)
        for name, method in vars(kind).items()
        if inspect.iscoroutinefunction(method) and not name.startswith("_")
    }
    assert methods - LEASELESS <= set(CALLS)


@pytest.mark.parametrize("key", [KEY, OTHER], ids=["same", "other"])
@pytest.mark.parametrize("call", CALLS)
async def test_what_takes_a_lease_is_refused_inside_a_handler_instead_of_waiting_for_ever(call, key):
    flow, other, _ = acting(lambda ctx: CALLS[call](bench, key))
    third = Flow("third", key=KeyBy.CHAT)  # a second key rule
    third.defstate("t", on=str)(lambda event, ctx: None)
    bench = Bench(flow, other, third)
    await bench.engine.set_state(other, OTHER, "o", {"n": 1})
    await bench.engine.set_state(other, KEY, "o", {"n": 1})
    before = await bench.stored(), await bench.stored(OTHER)
    with pytest.raises(NestedSend, match=r"Use ctx\.|Do it outside of handlers|Stop the application"):
        await asyncio.wait_for(bench.say("x"), 5)
    assert (await bench.stored(), await bench.stored(OTHER)) == before
    assert bench.store.turns == {}
    assert bench.errors == []


async def test_reading_another_conversation_inside_a_handler_is_fine():
    flow, other, seen = acting(lambda ctx: bench.engine.get_state("other", OTHER))
    bench = Bench(flow, other)
    await bench.engine.set_state(other, OTHER, "o", {"n": 1})
    await bench.say("x")
    assert seen == [("o", {"n": 1})]


@pytest.mark.parametrize("where", ["prompt", "on_enter", "on_exit"])
async def test_hooks_and_prompts_are_inside_too(where):
    flow = Flow("f")

    async def nested(ctx):
        await bench.engine.send(OTHER, said("x"))

    flow.state("a")
    flow.state("b", prompt=nested if where == "prompt" else None)
    if where != "prompt":
        getattr(flow, where)()(nested)
    returns(flow, "a")(("transition", "b"))
    bench = Bench(flow)
    await bench.engine.set_state(flow, KEY, "a")
    with pytest.raises(NestedSend):
        await bench.say("x")


async def test_what_delivers_effects_may_send():
    flow, other, _ = acting(lambda ctx: ctx.reply("hello"))
    other.defstate(ANY, on=Word("x"))(lambda event, ctx: ("stay", {"got": 1}))

    async def deliver(key, effect):
        await bench.engine.send(OTHER, said("x"), flow="other")

    bench = Bench(flow, other, deliver=deliver)
    await bench.engine.set_state(other, OTHER, "o")
    await bench.say("x")
    assert await bench.engine.get_state("other", OTHER) == ("o", {"got": 1})


# -- tasks left behind -----------------------------------------------------------------------------


async def left_behind(work):
    """What a task finds that a handler has left behind."""
    found = []

    def act(ctx):
        async def task():
            await asyncio.sleep(0)
            await ended.wait()
            try:
                made = work(ctx, bench.engine)
                found.append(await made if asyncio.iscoroutine(made) else made)
            except Exception as error:
                found.append(type(error))

        tasks.append(asyncio.create_task(task()))

    tasks, ended = [], asyncio.Event()
    flow, other, _ = acting(act)
    flow.defstate(None, on=int)(lambda event, ctx: ("transition", "a", {"got": event}))
    bench = Bench(flow, other)
    await bench.say("x")
    ended.set()
    await asyncio.gather(*tasks)
    return found[0], bench


@pytest.mark.parametrize(
    "work",
    [
        lambda ctx, engine: ctx.reply("late"),
        lambda ctx, engine: ctx.show("late"),
        lambda ctx, engine: ctx.answer("late"),
        lambda ctx, engine: ctx.delete_on_exit(5),
        lambda ctx, engine: ctx.send(OTHER, 5),
        lambda ctx, engine: ctx.at("other"),
    ],
)
async def test_a_task_that_a_handler_left_behind_finds_its_lease_over(work):
    found, bench = await left_behind(work)
    assert found is LeaseOver
    assert bench.sent == []


async def test_a_hand_that_was_kept_is_over_too():
    kept = []
    bench, _ = await acted(lambda ctx: kept.append(ctx.at("other")))
    with pytest.raises(LeaseOver):
        kept[0].set_data({"n": 2})
    assert await bench.engine.get_state("other", KEY) == ("o", {"n": 1})


async def test_a_task_that_a_handler_left_behind_may_report_back():
    found, bench = await left_behind(lambda ctx, engine: engine.send(ctx.key, 5))
    assert found.kind == "handled"
    assert await bench.engine.get_state("f", KEY) == ("a", {"got": 5})


async def test_a_task_that_a_handler_left_behind_may_still_read_what_it_was_given():
    found, _ = await left_behind(lambda ctx, engine: (ctx.key, ctx.data, ctx.state))
    assert found == (KEY, {}, None)
