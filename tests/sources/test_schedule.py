"""Events at fixed times, on a clock that the tests move."""

import asyncio
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from jobs.waiting import settle
from sources.shipping import KEY, Shipped, World

from fsmkit import Key, StoreUnavailable, fan_out
from fsmkit.sources.schedule import Schedule
from fsmkit.testing import ManualClock

VIENNA = ZoneInfo("Europe/Vienna")


def at(*when):
    return datetime(*when, tzinfo=VIENNA).timestamp()


async def run(schedule, *, start, hours, step=0.25, **options):
    """The times at which a handler heard of a schedule."""
    clock = ManualClock(start)
    world = World(sources=[schedule], clock=clock, **options)
    heard = []
    async with world.engine:
        await settle()
        for _ in range(round(hours / step)):
            clock.advance(step * 3600)
            await settle()
            if len(world.seen) > len(heard):
                heard.append(datetime.fromtimestamp(clock.now(), VIENNA).strftime("%a %H:%M"))
    return heard


async def test_a_tick_comes_at_its_time_in_its_time_zone():
    schedule = Schedule("0 9 * * mon-fri", Shipped(1), to=[KEY], tz="Europe/Vienna")
    heard = await run(schedule, start=at(2026, 11, 20, 8, 30), hours=80)  # a Friday
    assert heard == ["Fri 09:00", "Mon 09:00"]


async def test_two_workers_with_one_schedule_are_heard_once():
    clock = ManualClock(at(2026, 11, 20, 8))
    make = lambda: Schedule("0 9 * * *", Shipped(1), to=[KEY, Key(2, 2)], tz="Europe/Vienna")  # noqa: E731
    first = World(sources=[make()], clock=clock)
    second = World(sources=[make()], clock=clock, store=first.engine.store)
    async with first.engine, second.engine:
        await settle()
        for _ in range(8):
            clock.advance(3600 / 4)
            await settle()
    assert sorted(first.seen + second.seen) == [(1, 1), (2, 1)]


async def test_an_event_may_be_made_of_the_time_and_keys_found_when_they_are_needed():
    async def keys(engine):
        yield KEY
        yield Key(2, 2)

    schedule = Schedule("0 9 * * *", lambda tick: Shipped(int(tick)), to=keys, tz="Europe/Vienna")
    clock = ManualClock(at(2026, 11, 20, 8, 59))
    world = World(sources=[schedule], clock=clock)
    async with world.engine:
        await settle()
        for _ in range(3):
            clock.advance(60)
            await settle()
    tick = int(at(2026, 11, 20, 9))
    assert world.seen == [(1, tick), (2, tick)]


@pytest.mark.parametrize(("catch_up", "seen"), [(0, 0), (timedelta(hours=1), 1), (50 * 3600, 3)])
async def test_ticks_that_were_missed_are_made_up_for_as_far_as_was_asked(catch_up, seen):
    schedule = Schedule("0 9 * * *", Shipped(1), to=[KEY], tz="Europe/Vienna", catch_up=catch_up)
    world = World(sources=[schedule], clock=ManualClock(at(2026, 11, 20, 9, 30)))
    async with world.engine:
        await settle()
        await settle()
        assert len(world.seen) == seen


def test_the_change_of_the_clocks_skips_no_tick_and_repeats_none():
    schedule = Schedule("30 2 * * *", Shipped(1), to=[], tz="Europe/Vienna")
    ticks, time = [], at(2026, 3, 28, 12)
    for _ in range(3):
        time = schedule.after(time)
        ticks.append(datetime.fromtimestamp(time, VIENNA).strftime("%d %H:%M"))
    assert ticks == ["29 03:00", "30 02:30", "31 02:30"]


@pytest.mark.parametrize(
    ("cron", "tz", "said"),
    [("9 o'clock", "UTC", "no cron expression"), ("0 9 * * *", "Mars/Olympus", "no such time zone")],
)
def test_what_is_no_expression_or_no_time_zone_is_refused_at_once(cron, tz, said):
    with pytest.raises(ValueError, match=said):
        Schedule(cron, Shipped(1), to=[], tz=tz)


async def told(world, telling):
    """What `fan_out` returns, while time goes on."""
    task = asyncio.create_task(telling)
    while not task.done():
        await settle()
        world.clock.advance(1)
    return await task


async def test_many_conversations_are_told_no_faster_than_was_asked():
    world = World(clock=ManualClock())
    keys = [Key(chat, chat) for chat in range(1, 31)]

    telling = asyncio.create_task(fan_out(world.engine, keys, Shipped(1), id="news", rate=8))
    await settle()
    counts = []
    while not telling.done():
        counts.append(len(world.seen))
        world.clock.advance(0.5)
        await settle()
    assert counts == [1, 5, 9, 13, 17, 21, 25, 29]
    assert await telling == {"handled": 30}
    assert await told(world, fan_out(world.engine, keys[:2], Shipped(1), id="news")) == {"duplicate": 2}


async def test_one_conversation_that_fails_keeps_no_other_from_being_told():
    world = World()
    world.refused[1] = 1
    telling = fan_out(world.engine, [KEY, Key(2, 2)], Shipped(1))
    assert await told(world, telling) == {"failed": 1, "handled": 1}
    assert len(world.errors) == 1


class Away:
    """A store that is away until it is told otherwise."""

    def __init__(self, monkeypatch, store):
        self.away, self.asked, lease = True, 0, store.lease

        def asked(key, **options):
            self.asked += 1
            if self.away:
                raise StoreUnavailable("away")
            return lease(key, **options)

        monkeypatch.setattr(store, "lease", asked)


async def test_with_an_id_a_store_that_is_away_is_waited_for(monkeypatch):
    world = World()
    store = Away(monkeypatch, world.engine.store)
    telling = asyncio.create_task(fan_out(world.engine, [KEY], Shipped(1), id="news"))
    await settle()
    assert (store.asked, telling.done()) == (1, False)
    store.away = False
    world.clock.advance(5)
    assert await telling == {"handled": 1}
    assert world.errors == []


async def test_without_an_id_what_was_stored_is_not_known_and_it_has_failed(monkeypatch):
    world = World()
    Away(monkeypatch, world.engine.store)
    assert await fan_out(world.engine, [KEY], Shipped(1)) == {"failed": 1}
    assert [type(error) for _, _, error in world.errors] == [StoreUnavailable]


async def test_what_was_interrupted_is_begun_anew_and_nobody_is_told_twice():
    world = World()
    keys = [Key(number, number) for number in range(10)]
    telling = asyncio.create_task(fan_out(world.engine, keys, Shipped(1), id="news", rate=1))
    for _ in range(4):
        await settle()
        world.clock.advance(1)
    await settle()
    told = len(world.seen)
    assert 0 < told < 10
    telling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await telling
    again = asyncio.create_task(fan_out(world.engine, keys, Shipped(1), id="news", rate=1))
    for _ in range(10):
        await settle()
        world.clock.advance(1)
    assert await again == {"duplicate": told, "handled": 10 - told}
    assert sorted(world.seen) == [(number, 1) for number in range(10)]


async def test_a_tick_whose_keys_could_not_be_found_is_told_when_the_source_is_started_again():
    found = []

    def keys(engine):
        found.append(engine.clock.now())
        if len(found) == 1:
            raise StoreUnavailable("away")
        return [KEY]

    clock = ManualClock(at(2026, 11, 20, 8))
    world = World(sources=[Schedule("0 9 * * *", Shipped(1), to=keys, tz="Europe/Vienna")], clock=clock)
    async with world.engine:
        await settle()
        clock.advance(3600)
        await settle()
        assert (len(found), world.seen) == (1, [])
        clock.advance(1)
        await settle()
    assert (len(found), world.seen) == (2, [(1, 1)])


async def test_a_tick_that_a_restart_broke_off_is_made_up_for_and_nobody_hears_it_twice():
    keys = [Key(number, number) for number in range(6)]
    make = lambda: Schedule("0 9 * * *", Shipped(1), to=keys, catch_up=600, rate=1)  # noqa: E731
    clock = ManualClock(datetime(2026, 11, 20, 8, 59, tzinfo=ZoneInfo("UTC")).timestamp())
    first = World(sources=[make()], clock=clock)
    async with first.engine:
        await settle()
        clock.advance(62)
        await settle()
    assert 0 < len(first.seen) < 6
    second = World(sources=[make()], clock=clock, store=first.engine.store)
    async with second.engine:
        for _ in range(8):
            await settle()
            clock.advance(1)
    assert sorted(first.seen + second.seen) == [(number, 1) for number in range(6)]


async def test_a_rate_of_nothing_is_refused():
    with pytest.raises(ValueError, match="more than zero"):
        await fan_out(World().engine, [KEY], Shipped(1), rate=0)


# --- a clock that jumps ---


class Wall(ManualClock):
    """A wall clock that can be put forward and back; those who sleep do not notice."""

    ahead = 0.0

    def now(self):
        return super().now() + self.ahead


class Ticks:
    """A schedule that runs on such a clock, and the times that it told, as the clock had them."""

    def __init__(self, cron, start, **options):
        self.clock, self.told = Wall(start), []
        schedule = Schedule(cron, self.make, to=[KEY], tz="Europe/Vienna", **options)
        self.world = World(sources=[schedule], clock=self.clock)

    def make(self, tick):
        self.told.append(datetime.fromtimestamp(tick, VIENNA).strftime("%H:%M"))
        return Shipped(int(tick))

    async def passes(self, minutes):
        for _ in range(2 * minutes):
            await settle()
            self.clock.advance(30)
        await settle()


async def test_a_tick_that_the_clock_was_put_past_is_told_within_half_a_minute():
    ticks = Ticks("0 9 * * *", at(2026, 11, 20, 8, 0))
    async with ticks.world.engine:
        await settle()
        ticks.clock.ahead = 7200.0
        await ticks.passes(1)
        assert (ticks.told, ticks.world.seen) == (["09:00"], [(1, int(at(2026, 11, 20, 9)))])


@pytest.mark.parametrize(
    ("catch_up", "told"),
    [(0, ["08:01", "16:01"]), (timedelta(minutes=3), ["08:01", "15:59", "16:00", "16:01"])],
)
async def test_after_hours_of_sleep_only_as_many_ticks_come_as_were_asked_for(catch_up, told):
    ticks = Ticks("* * * * *", at(2026, 11, 20, 8, 0), catch_up=catch_up)
    async with ticks.world.engine:
        await ticks.passes(1)
        if catch_up:  # at the start it makes up for what was before
            ticks.told = ticks.told[-1:]
        ticks.clock.ahead = 8 * 3600.0
        await ticks.passes(0)
        ticks.clock.advance(30)
        await settle()
    assert ticks.told == told


async def test_a_clock_that_was_decades_behind_is_caught_up_with_at_once():
    ticks = Ticks("* * * * *", at(1990, 1, 1, 0, 0))
    async with ticks.world.engine:
        await settle()
        ticks.clock.ahead = at(2026, 11, 20, 8, 0) - at(1990, 1, 1, 0, 0)
        await ticks.passes(1)
    assert ticks.told == ["08:00", "08:01"]


async def test_a_tick_is_not_told_again_where_the_clock_is_put_back_a_little():
    ticks = Ticks("0 * * * *", at(2026, 11, 20, 8, 59))
    async with ticks.world.engine:
        await ticks.passes(2)
        ticks.clock.ahead = -300.0
        await ticks.passes(70)
    assert ticks.told == ["09:00", "10:00"]


async def test_a_clock_that_was_ahead_by_a_year_loses_no_tick_when_it_is_put_right():
    ticks = Ticks("0 9 * * *", at(2027, 11, 20, 8, 59))
    async with ticks.world.engine:
        await ticks.passes(2)
        ticks.clock.ahead = at(2026, 11, 20, 8, 50) - at(2027, 11, 20, 9, 1)
        await ticks.passes(11)
    assert ticks.told == ["09:00", "09:00"]
