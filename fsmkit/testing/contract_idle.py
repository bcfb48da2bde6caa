"""The contract, unwanted events: no turn is taken where nothing can want one, and none is missed."""

import asyncio

import pytest

from fsmkit.errors import LeaseLost
from fsmkit.stores import Change, Index, Store
from fsmkit.testing.contract_base import KEY, PATIENCE, ContractBase, add_one, all_keys, begun, patiently, put

FORM = (Index("form", "name", None),)


async def _look(store: Store, order: list[int], number: int, *, wanted: bool) -> tuple[bool, bytes | None]:
    """Takes a turn and writes nothing; whether it was idle, and the row."""
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
        async with store.lease(KEY, exclusive=False) as lease:
            assert not lease.idle

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
