"""A chat's rows under a new id, without Telegram: crashes in between, races, and what is left behind."""

import asyncio

import pytest

from fsmkit import Client, Engine, Flow, Key, LeaseLost, NestedSend, StoreUnavailable, Unreachable
from fsmkit.engine.chat_migration import FORWARD_FOR, joined, moved_key
from fsmkit.interpreter.row import Row
from fsmkit.stores import Change
from fsmkit.stores.memory import MemoryStore
from fsmkit.stores.sqlite import SQLiteStore
from fsmkit.testing import ManualClock

OLD, NEW = -5, -1005
HERE, THERE = Key(OLD, 1), Key(NEW, 1)


def counting(**options):
    """Counts what it is told, for each key."""
    flow = Flow("count", data=dict, ttl=600, **options)

    @flow.defstate(None, on=int)
    def begin(event, ctx):
        return ("transition", "on", {"sum": event})

    @flow.defstate("on", on=int)
    def more(event, ctx):
        ctx.reply(f"{ctx.data['sum']} + {event}")
        return ("stay", {"sum": ctx.data["sum"] + event})

    return flow


class Breaking(MemoryStore):
    """Refuses the writes whose numbers are in `broken`, as a server that went away."""

    def __init__(self, clock):
        super().__init__(clock)
        self.writes = 0
        self.broken = set()
        self.error = StoreUnavailable

    def write(self, key, version, change):
        self.writes += 1
        if self.writes in self.broken:
            raise self.error("away")
        return super().write(key, version, change)


@pytest.fixture
def clock():
    return ManualClock(1000.0)


@pytest.fixture(params=["memory", "sqlite"])
async def store(request, clock, tmp_path):
    store = MemoryStore(clock) if request.param == "memory" else SQLiteStore(tmp_path / "rows.db")
    yield store
    await store.close()


async def test_all_rows_of_a_chat_move_and_no_other(store, clock):
    flow = counting()
    engine = Engine(flow, store=store, clock=clock)
    for number, key in enumerate([HERE, Key(OLD, 2), Key(OLD, OLD), Key(-6, 1), Key(1, 1)]):
        await engine.send(key, number)
    assert await engine.relocate(OLD, NEW) == 3
    moved = [(THERE, 0), (Key(NEW, 2), 1), (Key(NEW, NEW), 2), (Key(-6, 1), 3), (Key(1, 1), 4)]
    assert [await engine.get_state(flow, key) for key, _ in moved] == [("on", {"sum": n}) for _, n in moved]


async def test_a_second_move_finds_nothing_to_do(store, clock):
    engine = Engine(counting(), store=store, clock=clock)
    await engine.send(HERE, 1)
    assert (await engine.relocate(OLD, NEW), await engine.relocate(OLD, NEW)) == (1, 0)


async def test_another_bots_rows_stay(clock):
    store, flow = MemoryStore(clock), counting()
    first, second = Engine(flow, store=store, clock=clock), Engine(flow, store=store, clock=clock)
    first.bot, second.bot = 1, 2
    await first.send(HERE, 1)
    await second.send(HERE, 2)
    await first.relocate(OLD, NEW)
    assert await second.get_state(flow, THERE) == (None, None)
    assert await second.get_state(flow, HERE) == ("on", {"sum": 2})


async def test_event_ids_are_kept(store, clock):
    flow = counting()
    engine = Engine(flow, store=store, clock=clock)
    await engine.send(HERE, 1, id="a")
    await engine.relocate(OLD, NEW)
    outcomes = [await engine.send(key, 1, id="a") for key in (HERE, THERE)]
    assert [outcome.kind for outcome in outcomes] == ["duplicate", "duplicate"]


@pytest.mark.parametrize("broken", [1, 2, 3])
async def test_a_crash_in_the_middle_of_a_move_neither_loses_nor_doubles(clock, broken):
    store, flow = Breaking(clock), counting()
    engine = Engine(flow, store=store, clock=clock)
    await engine.send(HERE, 1)
    store.broken = {store.writes + broken}
    with pytest.raises(StoreUnavailable):
        await engine.relocate(OLD, NEW)
    again = Engine(flow, store=store, clock=clock)  # the process was started anew
    assert (await again.send(HERE, 2)).data == {"sum": 3}
    await again.relocate(OLD, NEW)
    assert (await again.send(THERE, 4)).data == {"sum": 7}
    assert (await again.send(HERE, 8)).data == {"sum": 15}


@pytest.mark.parametrize("broken", [2, 3])
async def test_the_sweeper_finishes_a_move_that_a_crash_has_left(clock, broken):
    store, flow = Breaking(clock), counting()
    engine = Engine(flow, store=store, clock=clock)
    await engine.send(HERE, 1)
    store.broken = {store.writes + broken}
    with pytest.raises(StoreUnavailable):
        await engine.relocate(OLD, NEW)
    await engine.sweep()
    assert await engine.get_state(flow, THERE) == ("on", {"sum": 1})
    assert await engine.sweep() == 0


async def test_until_it_has_arrived_a_row_can_be_read_under_its_old_key(clock):
    store, flow = Breaking(clock), counting()
    engine = Engine(flow, store=store, clock=clock)
    await engine.send(HERE, 1)
    store.broken = {store.writes + 2}
    with pytest.raises(StoreUnavailable):
        await engine.relocate(OLD, NEW)
    assert await engine.get_state(flow, HERE) == ("on", {"sum": 1})


async def test_two_processes_that_move_at_once_move_once(store, clock):
    flow = counting()
    engines = [Engine(flow, store=store, clock=clock) for _ in range(2)]
    for user in range(5):
        await engines[0].send(Key(OLD, user), user)
    counts = await asyncio.gather(*(engine.relocate(OLD, NEW) for engine in engines))
    states = [await engines[1].get_state(flow, Key(NEW, user)) for user in range(5)]
    assert states == [("on", {"sum": user}) for user in range(5)]
    assert max(counts) <= 5 <= sum(counts)


async def test_events_that_come_during_the_move_are_all_counted(store, clock):
    flow = counting()
    engine = Engine(flow, store=store, clock=clock)
    await engine.send(HERE, 0)
    sends = [engine.send(HERE, 1, id=number) for number in range(20)]
    await asyncio.gather(*sends[:10], engine.relocate(OLD, NEW), *sends[10:])
    assert await engine.get_state(flow, THERE) == ("on", {"sum": 20})


async def test_optimistic_handlers_lose_nothing_to_a_move(clock):
    flow, go = Flow("slow"), asyncio.Event()

    @flow.defstate(None, on=int)
    async def begin(event, ctx):
        if event == 2:
            await go.wait()
        return ("transition", "on", {"sum": event})

    @flow.defstate("on", on=int)
    async def more(event, ctx):
        if event == 2:
            await go.wait()
        return ("stay", {"sum": ctx.data["sum"] + event})

    engine = Engine(flow, clock=clock, isolation="optimistic")
    await engine.send(HERE, 1)
    late = asyncio.create_task(engine.send(HERE, 2))
    await asyncio.sleep(0)
    await engine.relocate(OLD, NEW)
    go.set()
    assert (await late).data == {"sum": 3}
    assert await engine.get_state(flow, THERE) == ("on", {"sum": 3})


async def test_only_a_note_is_left_and_that_goes_after_a_month(clock):
    store, flow = MemoryStore(clock), counting(version=1)
    engine = Engine(flow, store=store, clock=clock)
    await engine.send(HERE, 1)
    await engine.relocate(OLD, NEW)
    assert len(await store.peek(HERE)) < 100
    clock.advance(FORWARD_FOR - 1)
    assert (await engine.sweep(), await store.keys(OLD)) == (1, [HERE])  # the timeout of the new key
    clock.advance(2)
    assert (await engine.sweep(), await store.keys(OLD)) == (1, [])


async def test_messages_that_nobody_delivers_are_sent_by_the_sweeper(clock):
    store, flow, sent = MemoryStore(clock), counting(), []

    async def deliver(key, effect):
        sent.append((key.chat, effect.text))

    dead = Engine(flow, store=store, clock=clock, deliver=deliver)
    await dead.send(HERE, 1)
    dead._dispatcher.outbox.run = lambda key, entry: asyncio.sleep(0)  # killed before it could send
    await dead.send(HERE, 2)
    await dead.relocate(OLD, NEW)
    record = store.table.records[HERE]
    record.mail.delivering, record.wake = (
        False,
        clock.now(),
    )  # as in a durable store, when its claim has ended
    store.table.put(HERE, record, record.index)
    engine = Engine(flow, store=store, clock=clock, deliver=deliver)
    await engine.sweep()
    assert sent == [(OLD, "1 + 2")]


async def test_moving_inside_a_handler_is_refused():
    flow = Flow("nested")

    @flow.defstate(None, on=int)
    async def nest(event, ctx):
        await engine.relocate(OLD, NEW)

    engine = Engine(flow)
    with pytest.raises(NestedSend):
        await engine.send(HERE, 1)


async def test_a_chat_does_not_move_to_itself(clock):
    engine = Engine(counting(), clock=clock)
    await engine.send(HERE, 1)
    assert await engine.relocate(OLD, OLD) == 0
    assert (await engine.send(HERE, 1)).data == {"sum": 2}


async def test_a_chat_that_has_moved_on_is_no_place_to_move_to(clock):
    engine = Engine(counting(), clock=clock)
    await engine.send(HERE, 1)
    await engine.send(Key(-7, 1), 2)
    await engine.relocate(OLD, NEW)
    with pytest.raises(RuntimeError, match="has moved to"):
        await engine.relocate(-7, OLD)


def test_where_the_chat_stands_for_the_person_both_change():
    assert moved_key(Key(OLD, OLD, 3, "b", 42), NEW) == Key(NEW, NEW, 3, "b", 42)
    assert moved_key(Key(OLD, 7, bot=42), NEW) == Key(NEW, 7, bot=42)


def test_joined_rows_remember_the_newest_ids_of_both():
    one, two = (Row(seen=f" {' '.join(f'{name}{n}' for n in range(40))} ", keep=1.0) for name in "ab")
    seen = joined(one, two).seen.split()
    assert (len(seen), seen[0], seen[-1]) == (64, "a16", "b39")
    assert joined(Row(), Row()) == Row()


@pytest.mark.parametrize("overtaken", [1, 2, 3])
async def test_a_commit_that_is_overtaken_is_tried_again(clock, overtaken):
    store, flow = Breaking(clock), counting()
    store.error = LeaseLost
    engine = Engine(flow, store=store, clock=clock)
    await engine.send(HERE, 1)
    store.broken = {store.writes + overtaken + again for again in range(4)}
    assert await engine.relocate(OLD, NEW) == 1
    assert await engine.get_state(flow, THERE) == ("on", {"sum": 1})
    store.broken = set(range(100))
    with pytest.raises(LeaseLost):
        await engine.relocate(NEW, -7)


async def test_messages_without_a_row_stay_and_are_sent_where_they_stand(clock):
    store, flow, sent = MemoryStore(clock), Flow("bye"), []

    @flow.defstate(None, on=int)
    def bye(event, ctx):
        ctx.reply("Bye")

    async def deliver(key, effect):
        sent.append(effect.text)

    engine = Engine(flow, store=store, clock=clock, deliver=deliver)
    async with store.lease(HERE) as lease:
        await lease.commit(Change(None, outbox=(b"entry",)))
    assert (await engine.relocate(OLD, NEW), await store.outbox(HERE)) == (0, [b"entry"])


async def test_what_an_exit_hook_says_of_the_conversation_that_ends_goes_to_the_new_chat(clock):
    flow, sent = counting(), []

    @flow.on_exit("on")
    def leave(ctx):
        ctx.reply(f"{ctx.data['sum']} is no more.")

    async def deliver(key, effect):
        sent.append((key.chat, effect.to.chat, effect.text))

    engine = Engine(flow, clock=clock, deliver=deliver)
    await engine.send(HERE, 1)
    await engine.send(THERE, 2)
    await engine.relocate(OLD, NEW)
    assert sent == [(NEW, NEW, "1 is no more.")]
    assert await engine.get_state(flow, THERE) == ("on", {"sum": 2})


async def test_two_drafts_become_the_later_one(clock):
    flow = counting()
    engine = Engine(flow, clock=clock)
    await engine.at(flow, HERE).set_data({"sum": 1})
    await engine.at(flow, THERE).set_data({"sum": 2})
    await engine.relocate(OLD, NEW)
    assert await engine.get_state(flow, THERE) == (None, {"sum": 2})


async def test_an_event_from_another_program_for_the_old_key_arrives(store, clock):
    flow = counting()
    engine = Engine(flow, store=store, clock=clock)
    await engine.send(HERE, 1, id="first")
    await engine.relocate(OLD, NEW)
    program = Client(store, bot=None, clock=clock)
    assert [await program.send(HERE, 2, id="second") for _ in range(2)] == ["sent", "duplicate"]
    assert await program.send(HERE, 1, id="first") == "duplicate"
    await engine.sweep()
    assert await engine.get_state(flow, THERE) == ("on", {"sum": 3})


async def test_an_event_from_another_program_in_the_middle_of_a_move_arrives(clock):
    store, flow = Breaking(clock), counting()
    engine = Engine(flow, store=store, clock=clock)
    await engine.send(HERE, 1)
    store.broken = {store.writes + 2}
    with pytest.raises(StoreUnavailable):
        await engine.relocate(OLD, NEW)
    await Client(store, bot=None, clock=clock).send(HERE, 2)
    await engine.sweep()
    await engine.sweep()
    assert await engine.get_state(flow, THERE) == ("on", {"sum": 3})


# -- a chat that is over --------------------------------------------------------------------------------


async def test_ending_a_chat_ends_what_has_no_business_connection_or_the_one_that_is_named(store, clock):
    flow = counting()
    engine = Engine(flow, store=store, clock=clock)
    keys = [HERE, Key(OLD, 2), Key(OLD, 1, business="b"), Key(-6, 1)]
    for key in keys:
        await engine.send(key, 1)
    await engine.end_chat(OLD)
    assert [(await engine.get_state(flow, key))[0] for key in keys] == [None, None, "on", "on"]
    await engine.end_chat(OLD, "b")
    assert [(await engine.get_state(flow, key))[0] for key in keys] == [None, None, None, "on"]


async def test_a_row_that_cannot_be_written_does_not_keep_the_others_of_its_chat(clock):
    store, flow, reported = Breaking(clock), counting(), []
    engine = Engine(flow, store=store, clock=clock)
    engine.on_error = lambda key, event, error: reported.append((key, type(error)))
    await engine.send(HERE, 1)
    await engine.send(Key(OLD, 2), 1)
    store.broken = {store.writes + 1}
    await engine.end_chat(OLD)
    assert reported == [(HERE, StoreUnavailable)]
    assert await engine.get_state(flow, Key(OLD, 2)) == (None, None)


async def test_nobody_being_there_under_the_old_key_ends_nothing_under_the_new_one(clock):
    flow, gone = counting(), asyncio.Event()

    async def deliver(key, effect):
        if key == HERE:
            await gone.wait()
            raise Unreachable("gone")

    engine = Engine(flow, clock=clock, deliver=deliver)
    await engine.send(HERE, 1)
    late = asyncio.create_task(engine.send(HERE, 2))
    await asyncio.sleep(0)
    await engine.relocate(OLD, NEW)
    gone.set()
    await late
    assert await engine.get_state(flow, THERE) == ("on", {"sum": 3})


async def test_a_deploy_in_the_middle_of_a_move_leaves_it_to_be_found_due(clock):
    store = Breaking(clock)
    before = Engine(counting(), store=store, clock=clock)
    await before.send(HERE, 5)
    store.broken = {store.writes + 2}  # the row is marked as moved, and does not arrive
    with pytest.raises(StoreUnavailable):
        await before.relocate(OLD, NEW)
    flow = counting(version=2)
    flow.migrate(1)(lambda state, data: (state, {"sum": data["sum"] * 10}))
    after = Engine(flow, store=store, clock=clock)
    assert await after._dispatcher.due.has_due(HERE)
    assert await after.get_state(flow, HERE) == ("on", {"sum": 50})
    await after.sweep()
    assert (await after.send(THERE, 1)).data == {"sum": 51}
