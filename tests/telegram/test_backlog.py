"""`Backlog`: the update queue that waits while too much waits to be processed."""

import asyncio

from busy_bot import Busy, settle

from fsmkit.telegram import KeyedProcessor


def putting(busy, *texts, user):
    """Puts messages one after the other, as PTB's polling does; the task, which may have to wait."""
    updates = [busy.update(text, user=user) for text in texts]

    async def put():
        for update in updates:
            await busy.app.update_queue.put(update)

    return asyncio.create_task(put())


async def test_with_too_much_of_one_chat_it_waits_until_the_chat_goes_on(offline, clock):
    async with Busy(offline, clock, KeyedProcessor(4, max_waiting=2)) as busy:
        task = putting(busy, "slow", "1", "2", "3", user=1)
        await settle()
        assert not task.done()
        await busy.let_go("slow")
        assert (task.done(), busy.done, busy.processor.refused) == (True, ["slow", "1", "2", "3"], 0)


async def test_when_its_patience_is_over_the_others_go_on_and_the_update_is_refused(offline, clock):
    async with Busy(offline, clock, KeyedProcessor(4, max_waiting=2, patience=2)) as busy:
        task = putting(busy, "slow", "1", "2", "refused", user=1)
        await settle()
        clock.advance(1.9)
        await settle()
        assert not task.done()
        clock.advance(0.1)
        await settle()
        assert task.done()
        await busy.say("other", user=2)
        assert (busy.done, busy.processor.refused) == (["other"], 1)
        await busy.let_go("slow")
        assert busy.done == ["other", "slow", "1", "2"]


async def test_a_chat_that_used_its_patience_up_holds_nobody_up_until_it_has_half_caught_up(offline, clock):
    async with Busy(offline, clock, KeyedProcessor(4, max_waiting=4, patience=2)) as busy:
        task = putting(busy, "slow 1", "slow 2", "slow 3", "slow 4", "5", "refused", user=1)
        await settle()
        clock.advance(2)
        await settle()
        assert task.done()
        refused = putting(busy, "refused", "refused", user=1)
        await settle()
        assert (refused.done(), busy.processor.refused) == (True, 3)

        await busy.let_go("slow 1")  # room for one, and no patience yet
        more = putting(busy, "6", "refused", user=1)
        await settle()
        assert (more.done(), busy.processor.refused) == (True, 4)

        await busy.let_go("slow 2", "slow 3")  # two wait beside the one that is handled
        await busy.let_go("slow 4")
        assert busy.done[-2:] == ["5", "6"]
        again = putting(busy, "slow 7", "8", "9", "10", "11", "12", user=1)
        await settle()
        assert not again.done()
        await busy.let_go("slow 7")
        assert (again.done(), busy.done[-1], busy.processor.refused) == (True, "12", 4)


async def test_time_that_a_chat_was_waited_for_adds_up(offline, clock):
    async with Busy(offline, clock, KeyedProcessor(4, max_waiting=4, patience=2)) as busy:
        task = putting(busy, *(f"slow {n}" for n in range(5)), "5", "6", "7", user=1)
        await settle()
        for number in range(2):  # each wait ends in time, and the others have waited for 2 seconds in all
            clock.advance(1)
            await busy.let_go(f"slow {number}")
        assert (task.done(), busy.processor.refused) == (True, 1)


async def test_with_too_much_of_all_chats_it_waits_as_long_as_it_takes(offline, clock):
    async with Busy(offline, clock, KeyedProcessor(4, max_pending=3)) as busy:
        for user in (1, 2, 3):
            await busy.say(f"slow {user}", user=user)
        task = putting(busy, "4", user=4)
        await settle()
        clock.advance(3600)
        await settle()
        assert (task.done(), busy.done) == (False, [])
        await busy.let_go("slow 2")
        assert (task.done(), busy.done) == (True, ["slow 2", "4"])


async def test_updates_that_come_at_the_same_time_are_put_in_their_order(offline, clock):
    """A webhook puts each update in a task of its own."""
    async with Busy(offline, clock, KeyedProcessor(4, max_waiting=1)) as busy:
        tasks = [putting(busy, text, user=1) for text in ("slow", "1", "2", "3")]
        await settle()
        other = putting(busy, "other", user=2)
        await settle()
        assert ([task.done() for task in tasks], other.done()) == ([True, True, False, False], True)
        await busy.let_go("slow")
        await asyncio.gather(*tasks)
        assert (busy.done, busy.processor.refused) == (["other", "slow", "1", "2", "3"], 0)


async def test_an_updater_that_stops_while_it_waits_leaves_nothing_behind(offline, clock):
    async with Busy(offline, clock, KeyedProcessor(4, max_waiting=1)) as busy:
        await busy.say("slow", "1", user=1)
        task = putting(busy, "never", user=1)
        await settle()
        task.cancel()
        await settle()
        await busy.let_go("slow")
        await busy.say("2", user=1)
        assert (task.cancelled(), busy.done) == (True, ["slow", "1", "2"])


async def test_the_applications_sign_to_stop_never_waits(offline, clock):
    busy = Busy(offline, clock, KeyedProcessor(4, max_pending=1))
    async with busy:
        await busy.say("slow", user=1)
        stopping = asyncio.create_task(busy.app.stop())
        await settle()
        await busy.let_go("slow")
        await stopping
    assert busy.done == ["slow"]


async def test_what_ptb_drops_when_it_stops_takes_no_room_after_a_new_start(offline, clock):
    processor = KeyedProcessor(4, max_waiting=1)
    busy = Busy(offline, clock, processor)
    await busy.app.initialize()
    await busy.app.start()
    await busy.say("1", user=1)
    stopping = asyncio.create_task(busy.app.stop())
    await asyncio.sleep(0)
    for _ in range(2):  # behind the sign to stop: PTB drops them
        processor.queue.put_nowait(busy.update("dropped", user=1))
    await stopping
    await busy.app.start()
    task = putting(busy, "2", "3", user=1)
    await settle()
    assert (task.done(), busy.done) == (True, ["1", "2", "3"])
    await busy.app.stop()
    await busy.app.shutdown()
