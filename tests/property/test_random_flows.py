"""Random flows and random events: the engine stands where a model of the design says that it should."""

import asyncio
from typing import Any

import attrs
import pytest
from chat_events import said
from flow_model import Model
from hypothesis import Phase, event, find, given, settings
from hypothesis import strategies as st
from memory_engine import KEY, START
from random_flows import FAILURES, INTERNAL, FlowSpec, HandlerSpec, Op, TimesSpec, build, ops, worlds
from search_rounds import ROUNDS

from fsmkit import Engine, InvalidResult, UnknownState
from fsmkit.interpreter.codec import decode_row, encode_row
from fsmkit.interpreter.row import Row
from fsmkit.stores.memory import MemoryStore
from fsmkit.testing import ManualClock

Place = tuple[str, str | None]


class Run:
    """The engine and the model, side by side."""

    def __init__(self, world: tuple[FlowSpec, ...]) -> None:
        self.world = world
        self.model = Model(world, START)
        self.clock = ManualClock(START)
        self.store = MemoryStore(self.clock)
        self.called: list[tuple[FlowSpec, HandlerSpec]] = []
        self.said: list[str] = []
        self.start()

    def start(self) -> None:
        """The program as after a restart: other flows and another engine, the same store."""
        flows = build(self.world, lambda *call: self.called.append(call))
        self.engine = Engine(
            *flows, store=self.store, clock=self.clock, dedupe_for=10**9, deliver=self._deliver
        )
        self.engine.on_error = lambda *_: None

    async def happen(self, op: Op) -> None:
        """Lets something happen to both, and compares."""
        self.called.clear()
        before = await self.store.peek(KEY)
        expected = self.model.happen(op)
        assert await self._do(op) == expected
        after = await self.store.peek(KEY)
        if expected in ("raised", "passed", "duplicate") and not self.model.fired:
            assert after == before, "a step that was not taken left a trace"
        await self._compare(after)
        _check_edges(_row(before), _row(after), op, self.called, self.world)
        event(f"{op.kind}: {expected}")

    def _deliver(self, _key: Any, effect: Any) -> None:
        self.said.append(effect.text)

    async def _do(self, op: Op) -> str:
        if op.kind == "say":
            try:
                date = None if op.ago is None else self.clock.now() - op.ago
                return (await self.engine.send(KEY, said(op.word, date=date), id=op.ident)).kind
            except (RuntimeError, InvalidResult, UnknownState):
                return "raised"
        self.clock.advance(op.seconds)
        if op.kind in ("wait", "sweep"):
            await self.engine.sweep()
        elif op.kind == "restart":
            self.start()
        elif op.kind == "set":
            await self.engine.set_state(op.flow, KEY, op.state, *([] if op.n is None else [{"n": op.n}]))
        elif op.kind == "reset":
            await self.engine.reset_state(op.flow, KEY)
        return "done"

    async def _compare(self, blob: bytes | None) -> None:
        row = _row(blob)
        assert _shown(row, self.engine) == [
            (name, [attrs.astuple(frame) for frame in talk.frames], talk.deadline, talk.remind, talk.tries)
            for name, talk in self.model.talks.items()
        ]
        assert self.said == [f"{flow} reminds" for flow in self.model.said]
        for flow in self.model.world:
            found = self.model.locate(flow)
            frame = None if found is None else self.model.talks[found[0]].frames[found[1]]
            expected = (None, None) if frame is None else (frame.state, frame.data)
            assert await self.engine.get_state(flow, KEY) == expected
        assert all(len(snapshot.frames) <= 8 for snapshot in row.snapshots.values())
        assert all(len(frame.history) <= 16 for each in row.snapshots.values() for frame in each.frames)
        assert blob is None or encode_row(decode_row(blob)) == blob
        assert self.store.turns == {}


def _row(blob: bytes | None) -> Row:
    return Row() if blob is None else decode_row(blob)


def _shown(row: Row, engine: Engine) -> list[Any]:
    def data(frame: Any) -> Any:
        return engine.table_of(frame.flow).codec.decode(frame.data)

    return [
        (
            name,
            [(f.flow, f.state, data(f), f.history, f.flow_limit, f.state_limit) for f in each.frames],
            each.deadline,
            each.remind,
            each.tries,
        )
        for name, each in row.snapshots.items()
    ]


def _check_edges(before: Row, after: Row, op: Op, called: list[Any], world: tuple[FlowSpec, ...]) -> None:
    """Where a conversation stands now, it was before, or an edge that a called handler declares leads there."""
    if op.kind in ("set", "reset"):
        return
    initial = {spec.name: spec.states[0] for spec in world}
    allowed: set[Place] = {
        (frame.flow, state) for frame in _frames(before) for state in (frame.state, *frame.history)
    }
    for spec, handler in called:
        allowed.add((spec.name, None))  # it may wait without a state, or leave a draft
        target = handler.action.target(spec.name)
        for item in {target} if handler.to is None else set(handler.to):
            if item in initial:
                allowed.add((item, initial[item]))
            elif item is not None and "/" in item:
                flow, _, state = item.partition("/")
                allowed.add((flow, state))
    assert {(frame.flow, frame.state) for frame in _frames(after)} <= allowed


def _frames(row: Row) -> list[Any]:
    return [frame for snapshot in row.snapshots.values() for frame in snapshot.frames]


@given(st.data())
def test_the_engine_stands_where_the_model_says(data: st.DataObject) -> None:
    world = data.draw(worlds(), label="world")
    happenings = data.draw(st.lists(ops(world), min_size=10, max_size=40), label="ops")

    async def play() -> None:
        run = Run(world)
        for op in happenings:
            await run.happen(op)

    asyncio.run(play())


@pytest.mark.thorough
@settings(max_examples=1500 * ROUNDS)
@given(st.data())
def test_the_engine_stands_where_the_model_says_for_long(data: st.DataObject) -> None:
    test_the_engine_stands_where_the_model_says.hypothesis.inner_test(data)


# -- the strategies themselves ---------------------------------------------------------------------

ANY_WILL_DO = settings(phases=[Phase.generate], database=None)


@pytest.mark.parametrize(
    "kind",
    ["transition", "call", "stay", "none", "back", "end", "pass", "error", *FAILURES],
)
def test_random_flows_have_handlers_of_every_kind(kind: str) -> None:
    find(
        worlds(),
        lambda world: any(h.action.kind == kind for spec in world for h in spec.handlers),
        settings=ANY_WILL_DO,
    )


@pytest.mark.parametrize("on", [*INTERNAL, "a"])
def test_random_flows_have_handlers_for_every_event(on: str) -> None:
    find(
        worlds(), lambda world: any(h.on == on for spec in world for h in spec.handlers), settings=ANY_WILL_DO
    )


def test_the_comparison_notices_a_difference() -> None:
    async def play() -> None:
        run = Run((FlowSpec("f0", ("s0",), TimesSpec(), False, (), (TimesSpec(),)),))
        run.model.happen(Op("set", flow="f0", state="s0", n=1))
        with pytest.raises(AssertionError):
            await run._compare(await run.store.peek(KEY))

    asyncio.run(play())
