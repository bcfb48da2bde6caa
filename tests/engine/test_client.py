"""Events from another program, by the store alone."""

import subprocess
import sys

import attrs
import pytest
from cryptography.fernet import Fernet
from sources.shipping import KEY, Shipped, World

from fsmkit import (
    ANY,
    Client,
    DefinitionError,
    Engine,
    Flow,
    Key,
    LeaseLost,
    RowTooLarge,
    StoreError,
    UnstorableData,
)
from fsmkit.stores import open_store
from fsmkit.stores.sqlite import SQLiteStore
from fsmkit.testing import ManualClock


@pytest.fixture
async def store(tmp_path):
    store = SQLiteStore(tmp_path / "bot.db")
    yield store
    await store.close()


@pytest.fixture
def world(store):
    world = World(store=store)
    world.engine.bot = 42
    return world


@pytest.fixture
def client(store, world):
    return Client(store, bot=42, clock=world.clock)


def elsewhere(name):
    """A class of events as another program declares it."""
    return attrs.make_class(name, {"number": attrs.field(type=int)}, frozen=True)


async def test_an_event_waits_in_the_store_until_the_bot_takes_it(world, client):
    assert await client.send(KEY, Shipped(1)) == "sent"
    assert world.seen == []
    await world.engine.sweep()
    assert world.numbers() == [1]
    await world.engine.sweep()
    assert world.numbers() == [1]


async def test_events_are_taken_in_the_order_in_which_they_were_sent(world, client):
    for number in range(5):
        await client.send(KEY, Shipped(number))
    await world.engine.sweep()
    assert world.numbers() == [0, 1, 2, 3, 4]


async def test_an_id_is_known_while_the_event_waits_and_after_it_was_handled(world, client):
    assert await client.send(KEY, Shipped(1), id="evt-1") == "sent"
    assert await client.send(KEY, Shipped(1), id="evt-1") == "duplicate"
    await world.engine.sweep()
    assert await client.send(KEY, Shipped(1), id="evt-1") == "duplicate"
    assert (await world.engine.send(KEY, Shipped(1), id="evt-1")).kind == "duplicate"
    assert world.numbers() == [1]


async def test_without_an_id_each_event_is_one_of_its_own(world, client):
    for _ in range(2):
        assert await client.send(KEY, Shipped(1)) == "sent"
    await world.engine.sweep()
    assert world.numbers() == [1, 1]


async def test_what_stands_in_the_row_is_left_as_it_is(world, client):
    await world.engine.send(KEY, Shipped(1))
    before = await world.engine.get_state("shipping", KEY)
    await client.send(KEY, Shipped(2))
    assert await world.engine.get_state("shipping", KEY) == before == (None, {"last": 1})


async def test_an_event_may_be_wanted_in_one_state_only(world, client):
    await client.send(KEY, Shipped(1), flow="shipping", expect="elsewhere")
    await world.engine.sweep()
    assert world.seen == []


async def test_another_bots_conversations_are_left_alone(world, store):
    await Client(store, bot=43, clock=world.clock).send(KEY, Shipped(1))
    await world.engine.sweep()
    assert world.seen == []


async def test_a_class_of_the_same_name_and_fields_serves_where_the_bots_own_is_not_at_hand(world, client):
    await client.send(KEY, elsewhere("Shipped")(7))
    await world.engine.sweep()
    assert world.numbers() == [7]


async def test_a_class_that_no_handler_has_a_name_for_is_reported(world, client):
    await client.send(KEY, elsewhere("Lost")(7))
    await world.engine.sweep()
    [(key, event, error)] = world.errors
    assert (key.user, event, "no handler of the attached flows takes" in str(error)) == (KEY.user, None, True)


async def test_what_json_does_not_hold_is_refused(client):
    with pytest.raises(UnstorableData):
        await client.send(KEY, object())


async def test_a_conversation_that_nobody_serves_does_not_grow_without_end(client):
    async def flood():
        for number in range(1000):
            await client.send(KEY, Shipped(number))

    with pytest.raises(RowTooLarge):
        await flood()


async def test_a_store_may_be_named_by_its_url(tmp_path, world):
    async with Client(f"sqlite:{tmp_path / 'bot.db'}", bot=42, clock=world.clock) as client:
        await client.send(Key(9, 9), Shipped(1))
    await world.engine.sweep()
    assert world.numbers(9) == [1]


@pytest.fixture
def encrypted(tmp_path, monkeypatch):
    """The URL of an encrypted store, and a bot that has its key in the environment."""
    monkeypatch.setenv("FSMKIT_STORE_KEYS", Fernet.generate_key().decode())
    url = f"sqlite:{tmp_path / 'encrypted.db'}"
    world = World(store=open_store(url))
    world.engine.bot = 42
    return url, world


async def test_a_program_with_the_stores_keys_writes_into_it_encrypted(encrypted):
    url, world = encrypted
    async with Client(url, bot=42, clock=world.clock) as client:
        await client.send(KEY, Shipped(1))
    await world.engine.sweep()
    assert world.numbers() == [1]
    await world.engine.store.close()


@pytest.mark.parametrize("other", [None, Fernet.generate_key().decode()], ids=["no keys", "other keys"])
async def test_a_program_without_the_stores_keys_writes_nothing_that_the_bot_cannot_read(
    encrypted, monkeypatch, other
):
    url, world = encrypted
    await world.engine.send(KEY, Shipped(1))
    if other is None:
        monkeypatch.delenv("FSMKIT_STORE_KEYS")
    else:
        monkeypatch.setenv("FSMKIT_STORE_KEYS", other)
    async with Client(url, bot=42) as client:
        with pytest.raises(StoreError, match=r"FSMKIT_STORE_KEYS|another key"):
            await client.send(Key(2, 2), Shipped(2))
    await world.engine.send(Key(2, 2), Shipped(3))
    assert world.numbers(2) == [3]
    await world.engine.store.close()


async def test_a_letter_is_put_again_if_its_turn_is_lost(world, client, monkeypatch):
    leave, lost = Client._leave, [LeaseLost("lost"), LeaseLost("lost")]

    async def losing(self, key, mail):
        if lost:
            raise lost.pop()
        return await leave(self, key, mail)

    monkeypatch.setattr(Client, "_leave", losing)
    assert await client.send(KEY, Shipped(1)) == "sent"
    await world.engine.sweep()
    assert world.numbers() == [1]


async def test_the_bot_of_an_older_version_leaves_the_letter_to_a_newer_one(store):
    def bot(version):
        seen, flow = [], Flow("shipping", version=version)

        @flow.defstate(None, ANY, on=Shipped)
        def shipped(event, ctx):
            seen.append(event.number)
            return ("transition", "shipped")

        flow.state("shipped")
        if version == 2:

            @flow.migrate(1)
            def lifted(state, data):
                return state, data

        engine = Engine(flow, store=store, clock=ManualClock(1_000.0))
        engine.bot, engine.on_error = 42, lambda key, event, error: None
        return engine, seen

    (old, seen_by_old), (new, seen_by_new) = bot(1), bot(2)
    await new.send(KEY, Shipped(1))
    await Client(store, bot=42, clock=new.clock).send(KEY, Shipped(2), id="evt")
    await old.sweep()
    await new.sweep()
    await new.sweep()
    assert (seen_by_old, seen_by_new) == ([], [1, 2])


async def test_a_letter_is_not_held_up_by_what_the_bot_had_to_leave_to_others(store):
    clock, other = ManualClock(1_000.0), Flow("other", ttl=10)
    other.state("on")
    other.defstate(None, on=str)(lambda event, ctx: ("transition", "on"))
    elsewhere = Engine(other, store=store, clock=clock)
    elsewhere.bot = 42
    await elsewhere.send(KEY, "go")
    world = World(store=store, clock=clock)
    world.engine.bot = 42
    await world.engine.send(KEY, Shipped(0))
    clock.advance(11)
    await world.engine.sweep()
    await Client(store, bot=42, clock=clock).send(KEY, Shipped(1))
    await world.engine.sweep()
    assert world.numbers() == [0, 1]
    assert await elsewhere.get_state(other, KEY) == ("on", {})


def test_the_memory_of_ones_own_process_is_refused():
    with pytest.raises(DefinitionError, match="where no bot looks"):
        Client("memory:", bot=42)


def test_it_needs_neither_telegram_nor_hypothesis():
    code = "import sys, fsmkit.engine.client; print('telegram' in sys.modules, 'hypothesis' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


async def test_an_event_for_a_person_waits_in_each_of_their_conversations(store, client, world):
    flow = Flow("parcel")
    flow.state("waiting")
    told = []
    flow.defstate(None, on=str)(lambda event, ctx: ("transition", "waiting"))
    flow.defstate("waiting", on=Shipped)(lambda event, ctx: told.append(ctx.key.chat))
    engine = Engine(flow, store=store, clock=world.clock)
    engine.bot = 42
    for chat in (7, -100):
        await engine.send(Key(chat, 7), "go")
    sent = await client.send_to_user(7, Shipped(1), id="evt-1", flow="parcel")
    assert set(sent.values()) == {"sent"}
    assert await client.send_to_user(7, Shipped(1), id="evt-1") == dict.fromkeys(sent, "duplicate")
    assert await client.send_to_user(7, Shipped(1), flow="other") == {}
    await engine.sweep()
    assert sorted(told) == [-100, 7]
