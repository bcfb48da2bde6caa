"""The contract, turns: one step at a time for a key, first come, first served; when a commit fails."""

import asyncio

import pytest

from fsmkit.errors import LeaseLost
from fsmkit.keys import Key
from fsmkit.stores import Change, Store
from fsmkit.testing.contract_base import (
    KEY,
    OTHER,
    PATIENCE,
    START,
    ContractBase,
    add_one,
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

    # -- without turns -----------------------------------------------------------------------------

    async def test_without_exclusive_nobody_waits(self, store: Store) -> None:
        async with store.lease(KEY):
            await patiently(add_one(store, KEY, exclusive=False))
        assert await store.peek(KEY) == b"1"

    @pytest.mark.parametrize("row", [b"old", None], ids=["a row", "no row"])
    async def test_of_two_commits_the_second_writes_nothing(self, store: Store, row: bytes | None) -> None:
        await put(store, KEY, row)
        async with store.lease(KEY, exclusive=False) as one, store.lease(KEY, exclusive=False) as two:
            await two.commit(Change(b"two", wake=START + 2.0))
            with pytest.raises(LeaseLost):
                await one.commit(Change(b"one", wake=START + 1.0, outbox=(b"entry",)))
        assert await store.peek(KEY) == b"two"
        assert await store.due(KEY.bot, [], START + 1.5, 10) == []

    async def test_a_lease_notices_who_wrote_without_one(self, store: Store) -> None:
        async with store.lease(KEY) as lease:
            await add_one(store, KEY, exclusive=False)
            with pytest.raises(LeaseLost):
                await lease.commit(Change(b"other"))
        assert await store.peek(KEY) == b"1"

    async def test_a_row_that_went_and_came_back_is_not_taken_for_the_old_one(self, store: Store) -> None:
        await put(store, KEY, b"same")
        async with store.lease(KEY, exclusive=False) as lease:
            await put(store, KEY, None)
            await put(store, KEY, b"same")
            with pytest.raises(LeaseLost):
                await lease.commit(Change(b"other"))
        assert await store.peek(KEY) == b"same"

    async def test_without_exclusive_several_commits_follow_each_other(self, store: Store) -> None:
        async with store.lease(KEY, exclusive=False) as lease:
            for row in (b"1", b"2", None, b"3"):
                await lease.commit(Change(row), hold=True)
        assert await store.peek(KEY) == b"3"

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
