"""Sweeping: several keys at once, none twice, and nothing again and again that cannot be done here."""

import asyncio

from memory_engine import KEY, OTHER, START, Bench
from sample_flows import in_timed, later, settle, timed

from fsmkit import Flow, Key, StoreUnavailable, Timeout
from fsmkit.engine.sweeper import AT_ONCE, FETCHED, LEFT_ALONE
from fsmkit.stores.memory import MemoryStore
from fsmkit.testing import ManualClock


async def ticking(bench, seconds):
    """Lets so many seconds pass, one by one."""
    for _ in range(seconds):
        bench.clock.advance(1)
        await settle()


# -- several at once -------------------------------------------------------------------------------


def slow(started, release):
    async def on_timeout(event, ctx):
        started.append(ctx.key)
        if ctx.key == KEY:
            await release.wait()
        return ("end",)

    return timed(60, on_timeout=on_timeout)


async def test_a_slow_timeout_handler_holds_up_no_other_key_and_is_called_once():
    started, release = [], asyncio.Event()
    bench = await in_timed(slow(started, release))
    async with bench.engine:
        await settle()
        await ticking(bench, 30)
        await bench.engine.set_state("f", OTHER, "a")
        await ticking(bench, 65)
        assert (sorted(started), await bench.stored(OTHER)) == ([KEY, OTHER], None)
        release.set()
        await settle()
        assert await bench.stored() is None


async def test_a_handler_that_holds_its_key_holds_up_no_other_keys_timeouts():
    release = asyncio.Event()
    flow = timed(60)

    @flow.defstate("a")
    async def wait(event, ctx):
        await release.wait()

    bench = await in_timed(flow)
    await bench.engine.set_state("f", OTHER, "a")
    async with bench.engine:
        await settle()
        await ticking(bench, 50)
        talking = asyncio.create_task(bench.say("something"))
        await ticking(bench, 15)
        assert await bench.stored(OTHER) is None
        release.set()
        await talking
        await settle()
        assert await bench.stored() is not None, "the person was in time"


async def test_only_so_many_are_looked_at_at_the_same_time():
    running, most, release = 0, 0, asyncio.Event()

    async def on_timeout(event, ctx):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await release.wait()
        running -= 1
        return ("end",)

    bench = Bench(timed(60, on_timeout=on_timeout))
    for user in range(3 * AT_ONCE):
        await bench.engine.set_state("f", Key(1, user), "a")
    bench.clock.advance(60)
    sweep = asyncio.create_task(bench.engine.sweep())
    await settle()
    release.set()
    assert (await sweep, most) == (3 * AT_ONCE, AT_ONCE)


async def test_a_sweep_waits_for_what_another_is_looking_at():
    started, release = [], asyncio.Event()
    bench = await in_timed(slow(started, release))
    bench.clock.advance(60)
    first, second = (asyncio.create_task(bench.engine.sweep()) for _ in range(2))
    await settle()
    assert [first.done(), second.done()] == [False, False]
    release.set()
    assert (await first, await second, started) == (1, 1, [KEY])


async def test_an_engine_that_stops_gives_up_what_is_being_looked_at_and_it_comes_after_the_restart():
    started, release = [], asyncio.Event()
    bench = await in_timed(slow(started, release))
    await bench.engine.start()
    await settle()
    await ticking(bench, 61)
    assert started == [KEY]
    await bench.engine.stop(drain=0.01)
    assert [task for task in asyncio.all_tasks() if task.get_name().startswith("fsmkit")] == []
    release.set()
    again = later(bench, slow(started, release))
    assert await again.engine.sweep() == 1
    assert (started, await again.stored()) == ([KEY, KEY], None)


async def test_an_engine_that_stops_lets_the_handler_of_a_timeout_end_and_begins_no_other():
    started, release = [], asyncio.Event()

    async def on_timeout(event, ctx):
        started.append(ctx.key)
        await release.wait()
        return ("end",)

    bench = Bench(timed(60, on_timeout=on_timeout))
    for user in range(AT_ONCE + 1):
        await bench.engine.set_state("f", Key(1, user), "a")
    await bench.engine.start()
    await settle()
    await ticking(bench, 61)
    stopping = asyncio.create_task(bench.engine.stop())
    await settle()
    release.set()
    await stopping
    states = [await bench.engine.get_state("f", Key(1, user)) for user in range(AT_ONCE + 1)]
    assert (len(started), [state for state, _ in states if state]) == (AT_ONCE, ["a"])


async def test_one_engine_sweeps_in_one_event_loop_after_the_other():
    bench = Bench(timed(60, on_timeout=lambda event, ctx: asyncio.sleep(0, ("stay",))))
    for user in range(2 * AT_ONCE):
        await bench.engine.set_state("f", Key(1, user), "a")

    def sweep():
        bench.clock.advance(60)
        return asyncio.run(bench.engine.sweep())

    for _ in range(2):
        assert await asyncio.to_thread(sweep) == 2 * AT_ONCE


async def test_what_on_error_itself_raises_is_logged_and_holds_up_no_other_key(caplog):
    bench = await in_timed(timed(60, on_timeout=lambda event, ctx: 1 / 0))
    bench.engine.on_error = lambda *told: 1 / 0
    await bench.engine.set_state("f", OTHER, "b")
    async with bench.engine:
        await settle()
        await ticking(bench, 61)
        assert await bench.stored(OTHER) is None
    assert f"looking at {KEY} failed" in caplog.text


# -- very many at once -----------------------------------------------------------------------------


async def storm(number, flow=None):
    """As many conversations as asked for, all overdue at one moment."""
    bench = Bench(flow or timed(60, on_timeout=lambda event, ctx: ("end",)))
    for user in range(number):
        await bench.engine.set_state("f", Key(1, user), "a")
    bench.clock.advance(60)
    return bench


def asked(bench):
    """The limits with which the store is asked what is due, from now on."""
    limits, due = [], bench.store.due
    bench.store.due = lambda bot, flows, now, limit: limits.append(limit) or due(bot, flows, now, limit)
    return limits


async def test_a_storm_of_deadlines_is_taken_in_slices_by_a_few_workers():
    bench, number = await storm(10 * FETCHED), 10 * FETCHED
    limits, most, handled, left = asked(bench), 0, 0, number
    sweep = asyncio.create_task(bench.engine.sweep())
    while not sweep.done():
        await asyncio.sleep(0)
        looks = [task for task in asyncio.all_tasks() if task.get_name().startswith("fsmkit look")]
        most = max(most, len(looks))
        now = len(bench.store.table.records)
        handled, left = max(handled, left - now), now
    assert (sweep.result(), left) == (number, 0)
    assert most <= AT_ONCE
    assert handled <= AT_ONCE, "rows between two turns of everybody else"
    assert max(limits) <= 2 * FETCHED


async def test_a_person_who_writes_during_a_storm_is_answered_before_it_is_over():
    bench = await storm(5 * FETCHED)
    sweep = asyncio.create_task(bench.engine.sweep())
    await asyncio.sleep(0)
    before = len(bench.store.table.records)
    await asyncio.create_task(bench.engine.set_state("f", Key(2, 2), "a"))
    assert before - len(bench.store.table.records) <= AT_ONCE
    await sweep
    assert list(bench.store.table.records) == [Key(2, 2)]


async def test_a_storm_behind_keys_that_stay_due_is_reached():
    bench = await storm(6 * FETCHED)
    bench.engine.face.awaited = lambda key: key.user < 3 * FETCHED  # their updates wait: they go first
    limits = asked(bench)
    assert await bench.engine.sweep() == 6 * FETCHED
    assert sorted(bench.store.table.records) == [Key(1, user) for user in range(3 * FETCHED)]
    assert len(limits) < 20


async def test_two_sweeps_in_a_storm_share_the_work_and_call_each_handler_once():
    fired = []
    bench = await storm(
        3 * FETCHED, timed(60, on_timeout=lambda event, ctx: fired.append(ctx.key) or ("end",))
    )
    await asyncio.gather(bench.engine.sweep(), bench.engine.sweep())
    assert (sorted(fired), bench.store.table.records) == ([Key(1, user) for user in range(3 * FETCHED)], {})


# -- updates that wait -----------------------------------------------------------------------------


async def test_a_bot_that_is_always_busy_has_its_timeouts_later_but_has_them():
    bench = await in_timed(timed(60))
    bench.engine.face.busy = lambda: True
    async with bench.engine:
        await settle()
        await ticking(bench, 299)
        assert await bench.stored() is not None
        await ticking(bench, 2)
        assert await bench.stored() is None


# -- what cannot be done here ----------------------------------------------------------------------


def counted(bench):
    """The keys of the leases that are taken from now on."""
    leased, lease = [], bench.store.lease
    bench.store.lease = lambda key, **options: leased.append(key) or lease(key, **options)
    return leased


async def with_a_stranger(ttl=60):
    """A row with an overdue conversation of a flow that is not known, and one of `f`."""
    stranger = Flow("stranger", ttl=30)
    stranger.state("s")
    before = Bench(stranger, timed(ttl))
    await before.engine.set_state(stranger, KEY, "s")
    await before.engine.set_state("f", KEY, "a")
    bench = later(before, timed(ttl))
    bench.clock.advance(40)
    assert await bench.engine.sweep() == 1
    return bench, counted(bench)


async def test_a_row_that_stays_due_for_a_flow_that_is_not_known_is_only_read():
    bench, leased = await with_a_stranger(ttl=500)
    before = await bench.stored()
    for _ in range(10):
        bench.clock.advance(1)
        await bench.engine.sweep()
    assert (leased, await bench.stored()) == ([], before)
    bench.clock.advance(LEFT_ALONE)
    await bench.engine.sweep()
    assert leased == [KEY], "now and then it is looked at, for its outbox"


async def test_what_is_due_for_the_known_flow_in_such_a_row_comes_in_time():
    bench, leased = await with_a_stranger()
    bench.clock.advance(20)
    await bench.engine.sweep()
    assert (leased, list((await bench.row()).snapshots)) == ([KEY], ["stranger"])


async def test_a_row_that_cannot_be_read_is_reported_now_and_then_and_not_each_second():
    newer = Bench(timed(60, prompt="A?"))
    await newer.engine.set_state("f", KEY, "a")
    row = await newer.row()
    row.snapshots["f"].frames[0].version = 7
    from fsmkit.interpreter.codec import encode_row
    from fsmkit.stores import Change, Index

    async with newer.store.lease(KEY) as lease:
        await lease.commit(Change(encode_row(row), START + 60, (Index("f", "a", START + 60),)))
    bench = later(newer, timed(60))
    bench.clock.advance(60)
    for _ in range(10):
        await bench.engine.sweep()
        bench.clock.advance(1)
    assert len(bench.errors) == 1
    bench.clock.advance(LEFT_ALONE)
    await bench.engine.sweep()
    assert len(bench.errors) == 2


async def test_a_store_that_is_away_for_a_moment_costs_no_minute():
    bench = await in_timed(timed(60, on_timeout=lambda event, ctx: ("end",)))
    bench.clock.advance(60)
    lease = bench.store.lease

    def away(key, **options):
        bench.store.lease = lease
        raise StoreUnavailable("away")

    bench.store.lease = away
    await bench.engine.sweep()
    assert [type(error) for *_, error in bench.errors] == [StoreUnavailable]
    await bench.engine.sweep()
    assert await bench.stored() is None


async def test_a_lease_that_is_lost_is_left_to_who_took_it():
    seen = []

    async def on_timeout(event, ctx):
        seen.append(event)
        if len(seen) == 1:  # another process has it done meanwhile
            del bench.store.table.records[KEY]
        return ("end",)

    bench = await in_timed(timed(60, on_timeout=on_timeout))
    bench.clock.advance(60)
    assert await bench.engine.sweep() == 1
    assert (seen, bench.errors) == ([Timeout(START + 60)], [])


# -- what dead processes had -----------------------------------------------------------------------


class Shared(MemoryStore):
    """A store that others use too: it gives a key once, and what a dead process had after its death only."""

    def __init__(self, clock):
        super().__init__(clock)
        self.worker, self.deaths, self.told, self.taken = "me", 0, [], {KEY}
        self.orphans = []

    def is_gone(self, worker):
        return False

    def on_death(self, told):
        self.told.append(told)
        return lambda: self.told.remove(told)

    async def due(self, bot, flows, now, limit):
        if now < 0:
            found, self.orphans = self.orphans, []
            return found
        found = [key for key in await super().due(bot, flows, now, limit) if key not in self.taken]
        self.taken.update(found)
        return found

    def die(self, *orphans):
        self.deaths += 1
        self.orphans += orphans
        self.taken.discard(KEY)
        for told in self.told:
            told()


async def shared():
    clock = ManualClock(1000.0)
    return await in_timed(timed(1.0), store=Shared(clock), clock=clock)


async def test_what_a_dead_process_had_is_looked_at_as_soon_as_its_death_is_noticed():
    bench = await shared()
    async with bench.engine:
        await settle()
        await ticking(bench, 10)
        assert await bench.stored() is not None
        bench.store.die()
        await settle()
        assert await bench.stored() is None
    assert bench.store.told == []


async def test_a_death_does_not_put_timeouts_before_the_updates_that_wait_for_a_start():
    bench = await shared()
    bench.clock.advance(10)
    async with bench.engine:
        await settle()
        bench.store.die()
        await settle()
        assert await bench.stored() is not None
        await ticking(bench, 3)
        assert await bench.stored() is None


async def test_what_is_due_beside_what_a_dead_process_delivered_is_done_in_the_same_sweep():
    bench = await shared()
    bench.clock.advance(10)
    bench.store.die(KEY)
    assert await bench.engine.sweep() == 1
    assert await bench.stored() is None
