"""The contract, turns: one step at a time for a key, first come, first served; when a commit fails."""

import asyncio

import pytest

from fsmkit.errors import LeaseLost
from fsmkit.keys import Key
from fsmkit.stores.protocol import Change, Index, Store
from fsmkit.testing.store_contract.base import (
    KEY,
    OTHER,
    PATIENCE,
    START,
    ContractBase,
    add_one,
    add_one_out_of_turn,
    all_keys,
    begun,
    patiently,
    put,
)


async def _note(store: Store, key: Key, order: list[int], number: int) -> None:
    async with store.lease(key):
        order.append(number)
        await asyncio.sleep(0)


class TurnContract(ContractBase):
    """`lease` and `commit`."""

    async def test_one_key_has_one_step_at_a_time(self, store: Store) -> None:
        inside = most = 0

        async def step() -> None:
            nonlocal inside, most
            async with store.lease(KEY):
                inside += 1
                most = max(most, inside)
                for _ in range(5):
                    await asyncio.sleep(0)
                inside -= 1

        await patiently(*(step() for _ in range(20)))
        assert most == 1

    async def test_concurrent_steps_lose_nothing(self, store: Store) -> None:
        await patiently(*(add_one(store, Key(1, number % 4)) for number in range(100)))
        assert [await store.peek(Key(1, user)) for user in range(4)] == [b"25"] * 4

    async def test_first_come_first_served(self, store: Store) -> None:
        order: list[int] = []
        async with store.lease(KEY):
            tasks = [asyncio.create_task(_note(store, KEY, order, number)) for number in range(30)]
            await begun(*tasks)
        await asyncio.wait_for(asyncio.gather(*tasks), PATIENCE)
        assert order == list(range(30))

    async def test_other_keys_go_on_meanwhile(self, store: Store) -> None:
        async with store.lease(KEY):
            await patiently(add_one(store, OTHER))
        assert await store.peek(OTHER) == b"1"

    async def test_the_row_is_read_when_the_turn_comes(self, store: Store) -> None:
        async with store.lease(KEY) as lease:
            task = asyncio.create_task(add_one(store, KEY))
            await begun(task)
            await lease.commit(Change(b"41"))
        await asyncio.wait_for(task, PATIENCE)
        assert await store.peek(KEY) == b"42"

    async def test_a_commit_frees_the_turn_before_the_block_ends(self, store: Store) -> None:
        async with store.lease(KEY) as lease:
            await lease.commit(Change(b"1"))
            await patiently(add_one(store, KEY))
        assert await store.peek(KEY) == b"2"

    async def test_a_second_commit_needs_a_lease_of_its_own(self, store: Store) -> None:
        async with store.lease(KEY) as lease:
            await lease.commit(Change(b"1"))
            with pytest.raises(LeaseLost):
                await lease.commit(Change(b"2"))
        assert await store.peek(KEY) == b"1"

    async def test_a_commit_after_the_block_writes_nothing(self, store: Store) -> None:
        async with store.lease(KEY) as lease:
            pass
        with pytest.raises(LeaseLost):
            await lease.commit(Change(b"1"))
        assert await store.peek(KEY) is None

    async def test_hold_keeps_the_turn_for_another_commit(self, store: Store) -> None:
        async with store.lease(KEY) as lease:
            await lease.commit(Change(b"1"), hold=True)
            task = asyncio.create_task(add_one(store, KEY))
            await begun(task)
            await lease.commit(Change(None), hold=True)
            await begun(task)
            await lease.commit(Change(b"3"))
            await asyncio.wait_for(task, PATIENCE)
        assert await store.peek(KEY) == b"4"

    async def test_a_turn_that_was_held_ends_with_the_block(self, store: Store) -> None:
        async with store.lease(KEY) as lease:
            await lease.commit(Change(b"1"), hold=True)
        await patiently(add_one(store, KEY))
        assert await store.peek(KEY) == b"2"

    async def test_an_error_frees_the_turn_and_changes_nothing(self, store: Store) -> None:
        await put(store, KEY, b"1")
        with pytest.raises(ZeroDivisionError):
            async with store.lease(KEY):
                raise ZeroDivisionError
        await patiently(add_one(store, KEY))
        assert await store.peek(KEY) == b"2"

    async def test_who_gives_up_waiting_holds_up_nobody(self, store: Store) -> None:
        order: list[int] = []
        async with store.lease(KEY):
            tasks = [asyncio.create_task(_note(store, KEY, order, number)) for number in range(4)]
            await begun(*tasks)
            for number in (0, 2):
                tasks[number].cancel()
            await asyncio.gather(tasks[0], tasks[2], return_exceptions=True)
        await asyncio.wait_for(asyncio.gather(tasks[1], tasks[3]), PATIENCE)
        assert order == [1, 3]

    @pytest.mark.parametrize("spins", range(6))
    async def test_who_gives_up_just_when_the_turn_comes_hands_it_on(self, store: Store, spins: int) -> None:
        order: list[int] = []
        async with store.lease(KEY):
            tasks = [asyncio.create_task(_note(store, KEY, order, number)) for number in range(2)]
            await begun(*tasks)
        for _ in range(spins):
            await asyncio.sleep(0)
        tasks[0].cancel()
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), PATIENCE)
        assert order[-1] == 1

    async def test_a_step_that_is_cancelled_frees_the_turn(self, store: Store) -> None:
        async def hang() -> None:
            async with store.lease(KEY):
                started.set()
                await asyncio.Event().wait()

        started = asyncio.Event()
        task = asyncio.create_task(hang())
        await asyncio.wait_for(started.wait(), PATIENCE)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await patiently(add_one(store, KEY))
        assert await store.peek(KEY) == b"1"

    # -- snapshots ---------------------------------------------------------------------------------

    async def test_a_snapshot_waits_for_nobody(self, store: Store) -> None:
        async with store.lease(KEY):
            await patiently(add_one_out_of_turn(store, KEY))
        assert await store.peek(KEY) == b"1"

    @pytest.mark.parametrize("row", [b"old", None], ids=["a row", "no row"])
    async def test_of_two_commits_the_second_writes_nothing(self, store: Store, row: bytes | None) -> None:
        await put(store, KEY, row)
        one, two = await store.snapshot(KEY), await store.snapshot(KEY)
        assert (one.key, one.row, list(one.receipts), one.idle) == (KEY, row, [], False)
        await two.commit(Change(b"two", wake=START + 2.0))
        with pytest.raises(LeaseLost):
            await one.commit(Change(b"one", wake=START + 1.0, outbox=(b"entry",)))
        assert await store.peek(KEY) == b"two"
        assert await store.due(KEY.bot, [], START + 1.5, 10) == []

    async def test_a_lease_notices_who_wrote_without_one(self, store: Store) -> None:
        async with store.lease(KEY) as lease:
            await add_one_out_of_turn(store, KEY)
            with pytest.raises(LeaseLost):
                await lease.commit(Change(b"other"))
        assert await store.peek(KEY) == b"1"

    async def test_a_row_that_went_and_came_back_is_not_taken_for_the_old_one(self, store: Store) -> None:
        await put(store, KEY, b"same")
        seen = await store.snapshot(KEY)
        await put(store, KEY, None)
        await put(store, KEY, b"same")
        with pytest.raises(LeaseLost):
            await seen.commit(Change(b"other"))
        assert await store.peek(KEY) == b"same"

    async def test_several_commits_of_a_snapshot_follow_each_other(self, store: Store) -> None:
        seen = await store.snapshot(KEY)
        for row in (b"1", b"2", None, b"3"):
            await seen.commit(Change(row), hold=True)
        assert await store.peek(KEY) == b"3"

    async def test_a_snapshot_commits_once_unless_it_is_held(self, store: Store) -> None:
        seen = await store.snapshot(KEY)
        await seen.commit(Change(b"1"))
        with pytest.raises(LeaseLost):
            await seen.commit(Change(b"2"))
        assert await store.peek(KEY) == b"1"

    async def test_a_snapshot_leaves_nothing_behind(self, store: Store) -> None:
        await store.snapshot(KEY)
        assert (await all_keys(store), await store.keys(KEY.chat), await store.forget(KEY)) == ([], [], 0)

    # -- leases that run out -----------------------------------------------------------------------

    async def test_a_lease_that_expired_commits_nothing(self, store: Store) -> None:
        await put(store, KEY, b"1")
        async with store.lease(KEY) as lease:
            await self.expire_leases(store)
            with pytest.raises(LeaseLost):
                await lease.commit(Change(b"2", wake=1.0, outbox=(b"entry",)))
        assert await store.peek(KEY) == b"1"
        assert await store.due(KEY.bot, [], 1e12, 10) == []
        await patiently(add_one(store, KEY))
        assert await store.peek(KEY) == b"2"

    async def test_a_lease_that_expired_is_taken_over_by_another_process(self, store: Store) -> None:
        second = await self.another(store)
        try:
            async with store.lease(KEY) as lease:
                await self.expire_leases(store)
                await patiently(add_one(second, KEY))
                with pytest.raises(LeaseLost):
                    await lease.commit(Change(b"other"))
            await patiently(add_one(second, KEY))
            assert await store.peek(KEY) == b"2"
        finally:
            await second.close()

    async def test_leaving_after_a_takeover_does_not_free_the_other_ones_turn(self, store: Store) -> None:
        second = await self.another(store)
        try:
            async with store.lease(KEY):
                await self.expire_leases(store)
                other = second.lease(KEY)
                lease = await asyncio.wait_for(other.__aenter__(), PATIENCE)
            await lease.commit(Change(b"1"))
            await other.__aexit__(None, None, None)
            assert await store.peek(KEY) == b"1"
        finally:
            await second.close()

    # -- two processes -----------------------------------------------------------------------------

    async def test_two_processes_take_turns(self, store: Store) -> None:
        second = await self.another(store)
        try:
            await patiently(*(add_one(one, KEY) for _ in range(20) for one in (store, second)))
            assert await store.peek(KEY) == await second.peek(KEY) == b"40"
        finally:
            await second.close()


FORM = (Index("form", "name", None),)


async def _look(store: Store, order: list[int], number: int, *, wanted: bool) -> tuple[bool, bytes | None]:
    """Take a turn and write nothing; return whether it was idle, and the row."""
    async with store.lease(KEY, wanted=wanted) as lease:
        order.append(number)
        return lease.idle, lease.row


class IdleContract(ContractBase):
    """`lease(key, wanted=False)`."""

    async def test_where_nothing_is_stored_no_turn_is_taken(self, store: Store) -> None:
        async with store.lease(KEY, wanted=False) as lease:
            assert (lease.key, lease.idle, lease.row, list(lease.receipts)) == (KEY, True, None, [])
            await patiently(add_one(store, KEY))
            with pytest.raises(LeaseLost):
                await lease.commit(Change(b"other"))
        assert await store.peek(KEY) == b"1"

    async def test_looking_leaves_nothing_behind(self, store: Store) -> None:
        assert await _look(store, [], 1, wanted=False) == (True, None)
        assert (await all_keys(store), await store.keys(KEY.chat)) == ([], [])
        assert await store.forget(KEY) == 0

    async def test_a_row_without_a_conversation_is_shown_and_no_turn_is_taken(self, store: Store) -> None:
        await put(store, KEY, b"ids", wake=5.0)
        async with store.lease(KEY, wanted=False) as lease:
            assert (lease.idle, lease.row) == (True, b"ids")
            await patiently(put(store, KEY, b"more ids"))
            with pytest.raises(LeaseLost):
                await lease.commit(Change(b"other"))
        assert await store.peek(KEY) == b"more ids"

    async def test_where_a_conversation_is_stored_the_turn_is_an_ordinary_one(self, store: Store) -> None:
        await put(store, KEY, b"1", index=FORM)
        async with store.lease(KEY, wanted=False) as lease:
            assert (lease.idle, lease.row) == (False, b"1")
            task = asyncio.create_task(add_one(store, KEY))
            await begun(task)
            await lease.commit(Change(b"2", index=FORM))
        await asyncio.wait_for(task, PATIENCE)
        assert await store.peek(KEY) == b"3"

    async def test_a_conversation_that_ended_wants_nothing_any_more(self, store: Store) -> None:
        for row in (b"row", None, b"ids"):
            await put(store, KEY, b"row", index=FORM)
            assert await _look(store, [], 1, wanted=False) == (False, b"row")
            await put(store, KEY, row)
            assert await _look(store, [], 1, wanted=False) == (True, row)

    async def test_a_turn_that_is_wanted_is_never_idle(self, store: Store) -> None:
        assert await _look(store, [], 1, wanted=True) == (False, None)
        assert not (await store.snapshot(KEY)).idle

    async def test_a_step_that_may_begin_a_conversation_is_waited_for(self, store: Store) -> None:
        async with store.lease(KEY) as lease:
            task = asyncio.create_task(_look(store, [], 1, wanted=False))
            await begun(task)
            await lease.commit(Change(b"row", index=FORM))
        assert await asyncio.wait_for(task, PATIENCE) == (False, b"row")

    async def test_a_step_in_another_process_is_waited_for_too(self, store: Store) -> None:
        second = await self.another(store)
        try:
            async with second.lease(KEY) as lease:
                task = asyncio.create_task(_look(store, [], 1, wanted=False))
                await asyncio.wait([task], timeout=0.1)
                assert not task.done()
                await lease.commit(Change(b"row", index=FORM))
            assert await asyncio.wait_for(task, PATIENCE) == (False, b"row")
        finally:
            await second.close()

    async def test_unwanted_events_keep_their_place_among_the_others(self, store: Store) -> None:
        order: list[int] = []
        async with store.lease(KEY):
            looks = [_look(store, order, number, wanted=number % 3 == 0) for number in range(20)]
            tasks = [asyncio.create_task(look) for look in looks]
            await begun(*tasks)
        await asyncio.wait_for(asyncio.gather(*tasks), PATIENCE)
        assert order == list(range(20))

    async def test_after_a_lease_that_ran_out_nobody_is_waited_for(self, store: Store) -> None:
        async with store.lease(KEY):
            await self.expire_leases(store)
            second = await self.another(store)
            try:
                ((_, row),) = await patiently(_look(second, [], 1, wanted=False))
                assert row is None
            finally:
                await second.close()
