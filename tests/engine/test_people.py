"""Events for a person: to all conversations of theirs that run."""

import pytest
from chat_events import Word
from memory_engine import Bench, returns

from fsmkit import ANY, Flow, Key, KeyBy, NestedSend

PRIVATE, GROUP, TOPIC = Key(7, 7), Key(-100, 7), Key(-100, 7, thread=3)


class Closed:
    """An account was closed."""


@pytest.fixture
async def bench():
    flow = Flow("f")
    flow.state("open")
    returns(flow, None, on=Word("go"))(("transition", "open"))
    returns(flow, ANY, on=Word("end"))(("end",))

    @flow.defstate(None, "open", on=Closed)
    def closed(event, ctx):
        bench.told.append((ctx.key, ctx.state))
        if ctx.key in bench.broken:
            raise ValueError(ctx.key.chat)

    bench = Bench(flow)
    bench.told, bench.broken = [], []
    for key in (PRIVATE, GROUP, TOPIC, Key(-100, 8)):
        await bench.say("go", key)
    return bench


async def test_all_conversations_of_a_person_that_run_get_it(bench):
    outcomes = await bench.engine.send_to_user(7, Closed())
    assert dict(bench.told) == dict.fromkeys((PRIVATE, GROUP, TOPIC), "open")
    assert {key: outcome.kind for key, outcome in outcomes.items()} == dict.fromkeys(
        (PRIVATE, GROUP, TOPIC), "handled"
    )


async def test_conversations_that_are_over_are_not_begun_anew(bench):
    await bench.say("end", PRIVATE, id="u1")
    assert await bench.stored(PRIVATE) is not None  # the id is remembered
    await bench.engine.send_to_user(7, Closed())
    assert PRIVATE not in dict(bench.told)


async def test_it_counts_once_for_its_id_in_each(bench):
    for _ in range(2):
        outcomes = await bench.engine.send_to_user(7, Closed(), id="evt-1")
    assert len(bench.told) == 3
    assert {outcome.kind for outcome in outcomes.values()} == {"duplicate"}


async def test_it_may_be_for_one_flow_and_one_state_only(bench):
    assert (await bench.engine.send_to_user(7, Closed(), flow="f", expect="elsewhere"))[
        GROUP
    ].kind == "passed"
    assert bench.told == []


async def test_a_flow_that_does_not_run_there_has_nobody_to_tell(bench):
    other = Flow("other", key=KeyBy.USER_IN_CHAT)
    returns(other, None, on=Closed)(("stay", {}))
    engine = Bench(other, store=bench.store, clock=bench.clock).engine
    assert await engine.send_to_user(7, Closed(), flow=other) == {}


async def test_somebody_unknown_has_no_conversations(bench):
    assert await bench.engine.send_to_user(404, Closed()) == {}


async def test_one_conversation_that_fails_keeps_no_other_from_it(bench):
    bench.broken = [GROUP]
    with pytest.raises(ValueError, match="-100"):
        await bench.engine.send_to_user(7, Closed())
    assert len(bench.told) == 3


async def test_several_that_fail_are_told_together(bench):
    bench.broken = [GROUP, TOPIC]
    with pytest.raises(ExceptionGroup, match="2 conversations of 7") as raised:
        await bench.engine.send_to_user(7, Closed())
    assert len(raised.value.exceptions) == 2


async def test_a_handler_may_not_await_it(bench):
    flow = Flow("g")

    @flow.defstate(None, on=Word("close"))
    async def close(event, ctx):
        await nested.engine.send_to_user(7, Closed())

    flow.state("open")
    returns(flow, None, on=Word("go"))(("transition", "open"))
    nested = Bench(flow)
    await nested.say("go", PRIVATE)
    with pytest.raises(NestedSend):
        await nested.say("close", Key(1, 1))


async def test_a_conversation_that_ends_while_it_is_looked_for_is_none(bench, monkeypatch):
    store, keys_of = bench.store, bench.store.keys_of

    async def then_gone(user, *, bot=None):
        found = await keys_of(user, bot=bot)
        await store.forget(GROUP)
        return found

    monkeypatch.setattr(store, "keys_of", then_gone)
    outcomes = await bench.engine.send_to_user(7, Closed())
    assert set(outcomes) == {PRIVATE, TOPIC}
