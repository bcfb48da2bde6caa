"""The contract as the engine's users meet it, by hand: state and data by key, merges, copies."""

import random
from typing import Any

import pytest

from fsmkit.engine.engine import Engine
from fsmkit.flow.flow import Flow
from fsmkit.flow.states import State, StatesGroup
from fsmkit.interpreter.row import Effect, Send
from fsmkit.keys import Key
from fsmkit.stores.memory import MemoryStore
from fsmkit.stores.protocol import Store
from fsmkit.testing.clock import ManualClock
from fsmkit.testing.store_contract.base import KEY, OTHER, ContractBase, patiently

SHAPES: tuple[dict[str, Any], ...] = (
    {"foo": "bar"},
    {"none": None, "true": True, "int": -(2**53), "float": 1.5},
    {"text": "Änne 🐢\n\x00", "": {"deep": [1, [2, {}]]}},
    {"list": [], "dict": {}, "big": "x" * 20_000},
    {},
)


class Signup(StatesGroup):
    """Nested groups, as flows have them."""

    name = State()

    class Address(StatesGroup):
        """A group within."""

        street = State()


def form() -> Flow[Any]:
    """Return a flow that counts, ends and says something; each test makes its own."""
    flow: Flow[Any] = Flow("form", ttl=60)

    @flow.defstate(None, "a", "b", on=int)
    def count(event: int, ctx: Any) -> Any:
        ctx.reply(f"got {event}")
        return ("transition", "b", {"sum": ctx.data.get("sum", 0) + event})

    @flow.defstate("b", on=str)
    def finish(event: str, ctx: Any) -> Any:
        ctx.reply(event)
        return ("end",)

    return flow


def engine_on(
    store: Store, clock: ManualClock, sent: list[tuple[Key, str]], bot: int | str | None = None
) -> Engine:
    def deliver(key: Key, effect: Effect) -> int | None:
        if isinstance(effect, Send):
            sent.append((key, effect.text))
        return None

    # As in a durable store: how long ids are kept stands in the rows that are compared.
    engine = Engine(form(), store=store, clock=clock, deliver=deliver, dedupe_for=90_000)
    engine.bot = bot
    return engine


class EngineBase(ContractBase):
    """An engine on the store, and what it delivers."""

    @pytest.fixture
    def sent(self) -> list[tuple[Key, str]]:
        """Return what the engines of a test have delivered."""
        return []

    @pytest.fixture
    def engine(self, store: Store, clock: ManualClock, sent: list[tuple[Key, str]]) -> Engine:
        """Return an engine on the store."""
        return engine_on(store, clock, sent)


class AccessContract(EngineBase):
    """State and data through `engine.at`."""

    async def test_state_is_none_at_first_and_can_be_set_and_taken_back(self, engine: Engine) -> None:
        at = engine.at("form", KEY)
        assert await at.get_state() is None
        for state in ("a", "b", None, "a"):
            await at.set_state(state)
            assert await at.get_state() == state

    async def test_data_are_replaced_as_a_whole(self, engine: Engine) -> None:
        at = engine.at("form", KEY)
        assert await at.get_data() == {}
        for data in SHAPES:
            await at.set_data(data)
            assert await at.get_data() == data

    async def test_data_are_merged_and_the_whole_is_returned(self, engine: Engine) -> None:
        at = engine.at("form", KEY)
        assert await at.update_data({"foo": "bar"}) == {"foo": "bar"}
        assert await at.update_data({}) == {"foo": "bar"}
        assert await at.update_data(baz="spam") == {"foo": "bar", "baz": "spam"}
        assert await at.update_data({"foo": None}) == {"foo": None, "baz": "spam"}
        assert await at.get_data() == {"foo": None, "baz": "spam"}

    async def test_a_stored_none_beats_the_default(self, engine: Engine) -> None:
        at = engine.at("form", KEY)
        await at.set_data({"here": None})
        assert await at.get_value("here", "default") is None
        assert await at.get_value("gone", "default") == "default"
        assert await at.get_value("gone") is None

    async def test_what_comes_out_is_a_copy(self, engine: Engine) -> None:
        at = engine.at("form", KEY)
        given: dict[str, Any] = {"list": [1]}
        await at.set_data(given)
        given["list"].append(2)
        (await at.get_data())["list"].append(3)
        (await at.get_value("list")).append(4)
        assert await at.get_data() == {"list": [1]}

    async def test_state_and_data_do_not_disturb_each_other(self, engine: Engine) -> None:
        at = engine.at("form", KEY)
        await at.set_data({"foo": 1})
        await at.set_state("a")
        assert await at.get_data() == {"foo": 1}
        await at.set_data({"foo": 2})
        assert await at.get_state() == "a"
        await at.set_state(None)
        assert await at.get_data() == {"foo": 2}

    async def test_clear_drops_both_and_may_be_repeated(self, engine: Engine, store: Store) -> None:
        at = engine.at("form", KEY)
        await at.set_state("a", {"foo": 1})
        for _ in range(2):
            await at.clear()
            assert (await at.get_state(), await at.get_data()) == (None, {})
        assert await store.peek(KEY) is None

    @pytest.mark.parametrize(
        "other",
        [
            Key(-101, 7, 3, "b", 1),
            Key(-100, 8, 3, "b", 1),
            Key(-100, 7, 4, "b", 1),
            Key(-100, 7, None, "b", 1),
            Key(-100, 7, 3, "c", 1),
            Key(-100, 7, 3, None, 1),
            Key(-100, 7, 3, "b", 2),
            Key(-100, 7, "3", "b", 1),
        ],
        ids=["chat", "user", "thread", "no thread", "business", "no business", "bot", "text"],
    )
    async def test_each_part_of_the_key_tells_conversations_apart(self, engine: Engine, other: Key) -> None:
        mine = engine.at("form", Key(-100, 7, 3, "b", 1))
        await mine.set_state("a", {"mine": True})
        theirs = engine.at("form", other)
        assert (await theirs.get_state(), await theirs.get_data()) == (None, {})
        await theirs.set_state("b", {"theirs": True})
        assert (await mine.get_state(), await mine.get_data()) == ("a", {"mine": True})
        await theirs.clear()
        assert await mine.get_state() == "a"

    async def test_flows_of_one_key_are_apart(self, store: Store, clock: ManualClock) -> None:
        engine = Engine(form(), Flow("signup", states=Signup), store=store, clock=clock)
        await engine.at("form", KEY).set_state("a", {"of": "form"})
        await engine.at("signup", KEY).set_state(Signup.Address.street, {"of": "signup"})
        await engine.at("form", KEY).update_data(more=1)
        assert await engine.at("signup", KEY).get_data() == {"of": "signup"}
        await engine.at("form", KEY).clear()
        assert await engine.at("signup", KEY).get_state() == "Signup.Address:street"
        (stored,) = [stored async for stored in store.scan(flow="signup")]
        assert stored.index[-1].state == "Signup.Address:street"

    async def test_twenty_merges_at_once_leave_twenty_keys(self, engine: Engine) -> None:
        at = engine.at("form", KEY)
        await patiently(*(at.update_data({f"key {number}": number}) for number in range(20)))
        assert await at.get_data() == {f"key {number}": number for number in range(20)}


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

    async def test_a_message_is_sent_once_the_one_before_it_is_struck(
        self, store: Store, clock: ManualClock
    ) -> None:
        """So a kill can send one message of a chat a second time, and no more."""
        flow, waiting = Flow[Any]("talk"), list[tuple[str, int]]()

        @flow.defstate(None, on=int)
        def talk(event: int, ctx: Any) -> Any:
            for number in range(event):
                ctx.reply(f"{number}")

        async def deliver(key: Key, effect: Effect) -> None:
            assert isinstance(effect, Send)
            waiting.append((effect.text, len(await store.outbox(key))))

        await Engine(flow, store=store, clock=clock, deliver=deliver).send(KEY, 3)
        assert waiting == [("0", 3), ("1", 2), ("2", 1)]
        assert await store.outbox(KEY) == []

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
        with pytest.raises(_DiedError):
            await engine.send(KEY, 1)
        await self.expire_claims(store)
        assert await engine_on(store, clock, sent, bot=KEY.bot).sweep() == 1
        assert sent == [(KEY, "got 1")]
        assert await engine.get_state("form", KEY) == ("b", {"sum": 1})


class _DiedError(BaseException):
    """No `Exception`: nothing after it runs, as if the process had been killed."""


def _die(_key: Key, _effect: Effect) -> None:
    raise _DiedError
