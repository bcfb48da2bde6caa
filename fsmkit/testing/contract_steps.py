"""The contract as the engine's users meet it, in steps: order, deadlines, delivery, two bots, restarts."""

import random
from typing import Any

import pytest

from fsmkit.effects import Effect
from fsmkit.engine import Engine
from fsmkit.keys import Key
from fsmkit.stores import Store
from fsmkit.stores.memory import MemoryStore
from fsmkit.testing.clock import ManualClock
from fsmkit.testing.contract_base import KEY, OTHER, patiently
from fsmkit.testing.contract_engine import SHAPES, EngineBase, engine_on, form


class StepContract(EngineBase):
    """Events through `engine.send`."""

    @pytest.mark.parametrize("isolation", ["lease", "optimistic"])
    async def test_events_at_once_are_all_counted(
        self, store: Store, clock: ManualClock, isolation: Any
    ) -> None:
        engine = Engine(form(), store=store, clock=clock, isolation=isolation)
        number = 20 if isolation == "lease" else 3
        await patiently(*(engine.send(KEY, 1, id=n) for n in range(number)))
        assert await engine.get_state("form", KEY) == ("b", {"sum": number})

    async def test_a_repeated_event_is_recognised_also_after_the_end(self, engine: Engine) -> None:
        for event, ident in ((5, 1), ("bye", 2)):
            assert (await engine.send(KEY, event, id=ident)).kind == "handled"
        for event, ident in ((5, 1), ("bye", 2)):
            assert (await engine.send(KEY, event, id=ident)).kind == "duplicate"
        assert await engine.get_state("form", KEY) == (None, None)

    async def test_messages_are_delivered_in_the_order_of_their_steps(
        self, engine: Engine, sent: list[Any]
    ) -> None:
        await patiently(*(engine.send(KEY, number) for number in range(10)))
        assert sent == [(KEY, f"got {number}") for number in range(10)]

    async def test_a_deadline_fires_once_when_it_has_come(
        self, engine: Engine, store: Store, clock: ManualClock
    ) -> None:
        await engine.send(KEY, 1)
        engine.bot = KEY.bot
        clock.advance(59)
        await engine.sweep()
        assert await engine.get_state("form", KEY) == ("b", {"sum": 1})
        clock.advance(1)
        assert await engine.sweep() == 1
        assert await engine.get_state("form", KEY) == (None, None)
        assert await engine.sweep() == 0
        assert await store.peek(KEY) is None

    async def test_two_bots_on_one_store_do_not_see_each_other(
        self, store: Store, clock: ManualClock, sent: list[Any]
    ) -> None:
        engines = [engine_on(store, clock, sent, bot) for bot in (1, 2)]
        person = Key(5, 5)
        await engines[0].send(person, 1)
        assert await engines[1].get_state("form", person) == (None, None)
        await engines[1].send(person, 10)
        clock.advance(60)
        assert await engines[0].sweep() == 1
        assert await engines[1].get_state("form", person) == ("b", {"sum": 10})
        assert sent == [(Key(5, 5, bot=1), "got 1"), (Key(5, 5, bot=2), "got 10")]

    async def test_rows_are_the_same_bytes_as_in_memory(self, store: Store, clock: ManualClock) -> None:
        rows = []
        for one in (store, MemoryStore(clock)):
            random.seed(1)  # the engine draws the numbers of runs
            engine = engine_on(one, clock, [])
            for number, shape in enumerate(SHAPES):
                await engine.at("form", Key(1, number)).set_state("a", shape)
                await engine.send(OTHER, number, id=number)
            rows.append([(stored.key, stored.row, stored.index) async for stored in one.scan()])
        assert sorted(rows[0], key=str) == sorted(rows[1], key=str)
        assert len(rows[0]) == len(SHAPES) + 1

    # -- restarts ----------------------------------------------------------------------------------

    async def test_another_process_goes_on_with_the_conversation(
        self, store: Store, clock: ManualClock, sent: list[Any]
    ) -> None:
        second = await self.another(store)
        try:
            await engine_on(store, clock, sent).send(KEY, 1, id="one")
            other = engine_on(second, clock, sent)
            assert (await other.send(KEY, 1, id="one")).kind == "duplicate"
            assert (await other.send(KEY, 2, id="two")).data == {"sum": 3}
            assert [text for _, text in sent] == ["got 1", "got 2"]
        finally:
            await second.close()

    async def test_what_was_not_delivered_at_a_crash_is_delivered_after_it(
        self, store: Store, clock: ManualClock, sent: list[Any]
    ) -> None:
        engine = Engine(form(), store=store, clock=clock, deliver=_die)
        with pytest.raises(SystemExit):
            await engine.send(KEY, 1)
        await self.expire_claims(store)
        assert await engine_on(store, clock, sent, bot=KEY.bot).sweep() == 1
        assert sent == [(KEY, "got 1")]
        assert await engine.get_state("form", KEY) == ("b", {"sum": 1})


def _die(_key: Key, _effect: Effect) -> None:
    raise SystemExit(1)  # not an `Exception`: nothing after it runs, as if the process had been killed
