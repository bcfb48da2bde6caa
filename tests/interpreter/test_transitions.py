"""`select` and `advance`: which handlers are asked, in which order, and that rows are never changed."""

import attrs
import pytest
from chat_events import Word, said
from memory_engine import KEY, Bench, returns
from msgspec import Raw

from fsmkit import ANY, Flow, Outcome, State, StatesGroup
from fsmkit.flow.handlers import EnterState
from fsmkit.interpreter.codec import encode_row
from fsmkit.interpreter.compiled import FlowSet
from fsmkit.interpreter.row import Frame, Row, Snapshot
from fsmkit.interpreter.selection import Step, select
from fsmkit.interpreter.transitions import advance


class Signup(StatesGroup):
    name = State()

    class Address(StatesGroup):
        street = State()


def put(*flows):
    return FlowSet(flows)


def named(flow, *states, **options):
    """Registers a handler of a name: `named(flow, "a")("first")`."""

    def register(name):
        def handler(event, ctx): ...

        handler.__qualname__ = name
        flow.defstate(*states, **options)(handler)

    return register


def asked(flows, row, event, **options):
    return [step.handler.name for step in select(flows, row, event, **options)]


async def row_in(bench, flow, state):
    await bench.engine.set_state(flow, KEY, state)
    return await bench.row()


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("Signup:name", ["exact", "group", "any one", "any two"]),
        ("Signup.Address:street", ["group", "nested", "any one", "any two"]),
        ("plain", ["any one", "any two"]),
        (None, ["none"]),
    ],
)
async def test_the_exact_state_comes_before_groups_and_groups_before_any(state, expected):
    flow = Flow("f", states=Signup)
    flow.state("plain")
    named(flow, ANY)("any one")
    named(flow, Signup)("group")
    named(flow, None)("none")
    named(flow, Signup.name)("exact")
    named(flow, Signup.Address)("nested")
    named(flow, ANY)("any two")
    row = await row_in(Bench(flow), flow, state)
    assert asked(put(flow), row, said("x")) == expected


async def test_a_handler_for_two_of_a_kind_is_asked_once():
    flow = Flow("f", states=Signup)
    named(flow, Signup, Signup.name, ANY)("once")
    row = await row_in(Bench(flow), flow, "Signup:name")
    assert asked(put(flow), row, said("x")) == ["once"]


async def test_handlers_that_do_not_want_the_event_are_left_out():
    flow = Flow("f")
    named(flow, "a", on=Word("yes"))("yes")
    named(flow, "a", on=Word("no"))("no")
    row = await row_in(Bench(flow), flow, "a")
    steps = list(select(put(flow), row, said("no")))
    assert [(step.handler.name, step.match, step.state, step.depth) for step in steps] == [
        ("no", "no", "a", 0)
    ]


async def test_handlers_are_looked_for_lazily():
    flow = Flow("f")
    named(flow, "a")("first")
    named(flow, "a", when=lambda event: 1 / 0)("second")
    row = await row_in(Bench(flow), flow, "a")
    assert next(select(put(flow), row, said("x"))).handler.name == "first"


async def test_the_flow_entered_last_comes_first_then_the_others_then_entries_in_their_order():
    flows = [Flow(name) for name in ("one", "two", "three", "four")]
    for flow in flows:
        named(flow, None)(f"enter {flow.name}")
        named(flow, "a")(f"in {flow.name}")
    bench = Bench(*flows)
    await bench.engine.set_state("three", KEY, "a")
    await bench.engine.set_state("two", KEY, "a")
    assert asked(put(*flows), await bench.row(), said("x")) == [
        "in two",
        "in three",
        "enter one",
        "enter four",
    ]


async def test_within_one_conversation_nothing_else_is_asked():
    flows = [Flow(name) for name in ("one", "two")]
    for flow in flows:
        named(flow, None)(f"enter {flow.name}")
        named(flow, "a")(f"in {flow.name}")
    bench = Bench(*flows)
    row = await row_in(bench, "one", "a")
    assert asked(put(*flows), row, said("x"), within="one") == ["in one"]
    assert asked(put(*flows), row, said("x"), within="two") == ["enter two"]


async def test_only_the_given_entries_may_be_entered():
    flows = [Flow(name) for name in ("one", "two")]
    for flow in flows:
        named(flow, None)(f"enter {flow.name}")
    table = put(*flows)
    assert asked(table, Row(), said("x"), entries=[table.tables["two"]]) == ["enter two"]


async def test_what_the_running_sub_flow_does_not_take_is_offered_to_the_any_handlers_of_those_that_wait():
    outer, middle, inner = Flow("outer"), Flow("middle"), Flow("inner")
    named(inner, "i")("inner")
    named(inner, ANY)("inner any")
    named(middle, "m", when=lambda e: e.text != "down")("middle, exact")
    named(middle, ANY, when=lambda e: e.text != "down")("middle any")
    named(outer, ANY, when=lambda e: e.text != "down")("outer any")
    named(outer, None)("enter outer")
    named(inner, None)("enter inner")
    returns(middle, "m", on=Word("down"))(("call", inner))
    returns(outer, "o", on=Word("down"))(("call", middle))
    bench = Bench(outer, middle, inner)
    await bench.engine.set_state(outer, KEY, "o")
    await bench.say("down")
    await bench.say("down")
    assert asked(put(outer, middle, inner), await bench.row(), said("x")) == [
        "inner",
        "inner any",
        "middle any",
        "outer any",
    ]


@pytest.mark.parametrize(
    "result",
    [
        ("transition", "b"),
        ("transition", "b", {"n": 2}),
        ("transition", "other/x"),
        ("stay", {"n": 2}),
        ("back",),
        ("call", "other"),
        ("end",),
    ],
)
async def test_advance_makes_a_new_row_and_leaves_the_old_one_alone(result):
    flow, other = Flow("f"), Flow("other")
    named(flow, "a")("handler")
    flow.state("b")
    flow.state("a")
    other.state("x")
    flows = put(flow, other)
    bench = Bench(flow, other)
    await bench.engine.set_state(flow, KEY, "b")
    row = await row_in(bench, flow, "a")
    before = encode_row(row)
    (step,) = select(flows, row, said("x"))
    moved = advance(flows, row, step, result, 2000.0, lambda: 5)
    assert encode_row(row) == before
    assert encode_row(moved.row) != before


async def test_advance_takes_time_and_run_from_its_arguments():
    flow = Flow("f", ttl=60)
    named(flow, None)("enter")
    flow.state("a")
    flows = put(flow)
    (step,) = select(flows, Row(), said("x"))
    snapshot = advance(flows, Row(), step, ("transition", "a"), 2000.0, lambda: 77).row.snapshots["f"]
    assert (snapshot.deadline, snapshot.run, snapshot.entries) == (2060.0, 77, 1)


def test_what_is_looked_at_in_a_debugger_says_what_it_is():
    flow = Flow("f")
    flow.state("on")

    named(flow, "on")("handle")
    known = put(flow)
    row = Row({"f": Snapshot((Frame("f", 1, "on", Raw(b"{}")),))})
    step = Step("f", 0, row.snapshots["f"].frames[0], known.tables["f"], flow.handlers[0], None)
    assert repr(step) == "<Step f[0] 'on' handle>"
    assert repr(known.tables["f"]) == "<CompiledFlow of <Flow 'f': 1 states, 1 handlers>>"
    assert (
        repr(Outcome("handled", (), known, row, "f"))
        == "<Outcome handled: flow 'f' in state 'on', 0 effects>"
    )


def test_no_event_calls_a_guard():
    assert EnterState().match("any") is None


@attrs.frozen
class Counted:
    n: int = 0


MOVES = [
    *(("transition", "a"), ("transition", "b"), ("transition", "prompted"), ("transition", "aged")),
    *(
        ("transition", "b", Counted(3)),
        ("transition", "a", Counted(3)),
        ("stay",),
        ("stay", Counted(3)),
        ("end",),
    ),
]


@pytest.mark.parametrize(
    "options", [{}, {"ttl": 60, "remind_after": 20, "reminder": "Well?"}, {"back": "data"}]
)
@pytest.mark.parametrize("start", ["a", "left", "tracking", "drafted"])
@pytest.mark.parametrize("result", MOVES, ids=repr)
async def test_a_plain_move_is_what_the_editor_makes_of_it(monkeypatch, result, start, options):
    other, flow = Flow("other"), Flow("f", data=Counted, **options)
    other.state("x")
    flow.state("prompted", prompt="?")
    flow.state("aged", max_age=5)
    for name in ("a", "left", "tracking", "b"):
        flow.state(name)
    flow.on_exit("left")(lambda ctx: None)
    named(flow, None, "a", "left", "tracking")("handler")
    flows, history = put(flow, other), tuple("ab" * 8)
    state = None if start == "drafted" else start
    tracked = (5, 6) if start == "tracking" else ()
    frame = Frame("f", 1, state, Raw(b'{"n":1}'), history, 7, ("v",), tracked, 900.0, retries=2)
    snapshots = {
        "f": Snapshot((frame,), 5, 7, 800.0, tries=1, remind=700.0, reply_to=3),
        "other": Snapshot((Frame("other", 1, "x", Raw(b"{}")),), 9, 1),
    }
    row = Row(snapshots, " tg:1 ", 50.0, 4)
    (step,) = select(flows, row, said("x"), only="f")

    def made():
        moved = advance(flows, row, step, result, 2000.0, lambda: 77)
        seen = [(call.kind, call.table, encode_row(call.frame)) for call in moved.due]
        return encode_row(moved.row), seen, moved.deletes, moved.follow_up, moved.name, moved.moved

    mine = made()
    monkeypatch.setattr("fsmkit.interpreter.transitions._plainly", lambda *_: None)
    assert mine == made()
