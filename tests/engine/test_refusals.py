"""Wrong results: what is raised, what it says, and that the stored row stays as it was, byte for byte."""

from typing import Literal

import attrs
import pytest
from chat_events import Word
from memory_engine import KEY, Bench, returns

from fsmkit import (
    END,
    End,
    Flow,
    InvalidResult,
    KeyBy,
    RowTooLarge,
    State,
    Stay,
    To,
    UnknownState,
    UnstorableData,
)


@attrs.frozen
class Form:
    name: str


WRONG = [
    "age",
    True,
    0,
    (),
    [],
    ["stay"],
    ("go",),
    ("Transition", "b"),
    ("transition",),
    ("transition", "b", {}, {}),
    ("transition", None),
    ("transition", 5),
    ("stay", {}, {}),
    ("back", 0),
    ("back", -1),
    ("back", "a"),
    ("back", True),
    ("back", 1.0),
    ("back", 1, {}, {}),
    ("call",),
    ("end", 1, 2),
    ("pass", 1),
    ("error",),
    ("error", 1, 2),
    (None,),
    (("stay",),),
    {"stay": 1},
]

UNKNOWN = [
    ("transition", "bb"),
    ("transition", State("bb")),
    ("transition", "other/x"),
    ("transition", "f/bb"),
    ("transition", ""),
    ("call", "other"),
    ("call", Flow("other")),
    ("call", None),
]


async def refused(result, error, *flows, data=None):
    flow = Flow("f", ttl=60)
    flow.state("b")
    flow.state("a")

    @flow.defstate("a")
    def handler(event, ctx):
        ctx.reply("never")
        return give()

    def give():  # so that nothing is known of the result before it is returned
        return result

    bench = Bench(flow, *flows)
    await bench.engine.set_state(flow, KEY, "a", {"n": 1})
    before = await bench.stored()
    bench.clock.advance(10)
    with pytest.raises(error) as caught:
        await bench.say("x", id=1)
    assert await bench.stored() == before
    assert bench.sent == []
    assert bench.store.turns == {}
    return caught.value


@pytest.mark.parametrize("result", WRONG, ids=repr)
async def test_what_is_no_result_is_refused_and_changes_nothing(result):
    error = await refused(result, InvalidResult)
    assert (error.flow, error.state) == ("f", "a")
    assert "test_refusals.py:" in error.place


@pytest.mark.parametrize("result", UNKNOWN, ids=repr)
async def test_a_target_that_nobody_declared_is_refused_and_changes_nothing(result):
    error = await refused(result, UnknownState)
    assert (error.flow, error.state) == ("f", "a")
    assert "test_refusals.py:" in error.place


async def test_a_wrong_result_is_named_with_its_handler():
    error = await refused("age", InvalidResult)
    assert "refused.<locals>.handler returned 'age', which is not a result" in str(error)


@pytest.mark.parametrize(
    ("result", "error", "said"),
    [
        (("transiton", "b"), InvalidResult, "Did you mean 'transition'?"),
        (("call", "ff"), UnknownState, "the called flow 'ff' is not attached. Did you mean 'f'?"),
        (("call", "xyz"), UnknownState, "Name it in attach(...) or in to="),
    ],
    ids=repr,
)
async def test_what_was_probably_meant_is_said(result, error, said):
    assert said in str(await refused(result, error))


async def test_an_unknown_state_comes_with_the_name_that_was_probably_meant():
    assert "flow 'f' has no state 'bb'. Did you mean 'b'?" in str(
        await refused(("transition", "bb"), UnknownState)
    )


async def test_data_that_cannot_be_stored_are_refused_with_their_path_and_change_nothing():
    error = await refused(("stay", {"n": {1, 2}}), UnstorableData)
    assert error.path == "f.data.n"


async def test_a_row_that_grows_too_large_is_refused_and_changes_nothing():
    error = await refused(("stay", {"n": "x" * 70_000}), RowTooLarge)
    assert (error.key, error.limit, error.size > 70_000) == (str(KEY), 65536, True)


async def test_the_bound_of_a_row_can_be_set_and_is_held_to_the_byte():
    flow = Flow("f", ttl=None)

    @flow.defstate("a")
    def handler(event, ctx):
        return ("stay", {"n": event.text})

    bench = Bench(flow)
    await bench.engine.set_state(flow, KEY, "a")
    await bench.say("x" * 100)
    size = len(await bench.stored())
    tight = Bench(flow, store=bench.store, clock=bench.clock, max_row_bytes=size)
    assert (await tight.say("y" * 100)).kind == "handled"
    with pytest.raises(RowTooLarge):
        await tight.say("y" * 101)


async def test_what_waits_to_be_sent_does_not_count_for_the_bound():
    flow = Flow("f")
    flow.defstate(None)(lambda event, ctx: ctx.reply("x" * 4000))
    bench = Bench(flow, max_row_bytes=500)
    await bench.say("x", id=1)
    assert bench.texts == ["x" * 4000]


async def test_a_flow_whose_data_need_arguments_is_not_entered_without_data():
    flow = Flow("f", data=Form)
    flow.state("a")
    returns(flow, None)(("transition", "a"))
    bench = Bench(flow)
    with pytest.raises(
        InvalidResult, match="entering flow 'f' needs data: Form cannot be made without arguments"
    ):
        await bench.say("x")
    assert await bench.stored() is None


@pytest.mark.parametrize("result", [("transition", "b", None), ("stay", None), ("back", 1, None)])
async def test_data_that_need_arguments_cannot_be_taken_away_again(result):
    flow = Flow("f", data=Form)
    flow.state("b")
    flow.state("a")
    returns(flow, "a")(result)
    bench = Bench(flow)
    await bench.engine.set_state(flow, KEY, "a", Form("Ann"))
    before = await bench.stored()
    with pytest.raises((InvalidResult, UnstorableData)):
        await bench.say("x")
    assert await bench.stored() == before


async def test_a_flow_of_another_key_rule_cannot_be_gone_to():
    other = Flow("other", key=KeyBy.CHAT)
    other.state("x")
    assert "has another key rule" in str(await refused(("transition", "other/x"), InvalidResult, other))


async def test_a_flow_without_states_cannot_be_called():
    assert "has no state to begin in" in str(await refused(("call", "other"), InvalidResult, Flow("other")))


@pytest.mark.parametrize(
    ("to", "result", "good"),
    [
        ("b", ("transition", "b"), True),
        ("b", ("transition", "a"), False),
        ("b", ("end",), False),
        (END, ("end",), True),
        (END, ("transition", "b"), False),
        ("b", ("stay",), True),
        ("b", None, True),
        ("b", ("back",), True),
        (["b", END], ("end", 5), True),
        ("b", ("call", "sub"), False),
        ("sub", ("call", "sub"), True),
        ((), ("end",), False),
    ],
)
async def test_where_to_is_given_other_targets_are_refused(to, result, good):
    flow, sub = Flow("f"), Flow("sub")
    sub.state("x")
    flow.state("b")
    flow.state("a")
    returns(flow, "a", on=Word("go"), to=to)(result)
    bench = Bench(flow, sub)
    await bench.engine.set_state(flow, KEY, "b")
    await bench.engine.set_state(flow, KEY, "a")
    before = await bench.stored()
    if good:
        assert (await bench.say("go")).kind == "handled"
        return
    with pytest.raises(InvalidResult, match="which its to= or its annotation does not name"):
        await bench.say("go")
    assert await bench.stored() == before


async def test_where_an_annotation_names_the_targets_others_are_refused():
    flow = Flow("f")
    flow.state("b")
    flow.state("a")

    @flow.defstate("a")
    def handler(event, ctx) -> To[Literal["b"]] | Stay:
        return ("end",) if event.text == "end" else ("transition", "b")

    bench = Bench(flow)
    await bench.engine.set_state(flow, KEY, "a")
    with pytest.raises(InvalidResult, match="goes to 'END'"):
        await bench.say("end")
    assert (await bench.say("b")).state == "b"


async def test_an_annotation_that_names_nothing_excludes_nothing():
    flow = Flow("f")
    flow.state("b")
    flow.state("a")

    @flow.defstate("a")
    def handler(event, ctx) -> To | End:
        return ("transition", "b")

    bench = Bench(flow)
    await bench.engine.set_state(flow, KEY, "a")
    assert (await bench.say("x")).state == "b"
