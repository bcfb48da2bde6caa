"""The contract, forgetting: a key or a person is gone, whatever runs meanwhile."""

import asyncio

import pytest

from fsmkit.errors import LeaseLost
from fsmkit.keys import Key
from fsmkit.stores import Change, Store
from fsmkit.testing.contract_base import KEY, OTHER, PATIENCE, START, ContractBase, all_keys, begun, put

FLOWS = ["form"]
FORM = [("form", "name")]
PERSON = [KEY, KEY.user, KEY.chat]
"""By what a key may be forgotten."""


class ForgetContract(ContractBase):
    """`forget`."""

    async def test_a_key_is_forgotten_with_all_that_stood_there(self, store: Store) -> None:
        await put(store, KEY, b"row", wake=1.0, index=FORM, outbox=(b"one", b"two"))
        await store.strike(KEY, b"one", b"receipt")
        await put(store, OTHER, b"other")
        assert await store.forget(KEY) == 1
        assert await store.peek(KEY) is None
        assert await store.due(1, FLOWS, 1e12, 10) == []
        assert await all_keys(store) == [OTHER]
        assert await store.strike(KEY, b"two", None) is None
        async with store.lease(KEY) as lease:
            assert (lease.row, list(lease.receipts)) == (None, [])
            assert await lease.commit(Change(b"new", outbox=(b"three",))) == b"three"

    async def test_a_person_is_forgotten_in_every_chat(self, store: Store) -> None:
        gone = [Key(-100, 7), Key(7, 7), Key(7, 99), Key(-100, 7, thread=3, business="b", bot=2)]
        kept = [Key(-100, 8), Key("7", 8), Key(-100, "7"), Key(-7, 8), Key(77, 78), Key(1, 8, 7, bot=7)]
        for key in [*gone, *kept]:
            await put(store, key, b"row")
        assert await store.forget(7) == len(gone)
        assert set(await all_keys(store)) == set(kept)

    async def test_a_person_is_forgotten_by_one_bot_only_where_asked(self, store: Store) -> None:
        keys = [Key(7, 7, bot=bot) for bot in (1, "1", 2)]
        for key in keys:
            await put(store, key, b"row")
        assert await store.forget(7, bot=1) == 1
        assert set(await all_keys(store)) == set(keys[1:])

    async def test_forgetting_a_stranger_removes_nothing(self, store: Store) -> None:
        await put(store, KEY, b"row")
        assert await store.forget(12345) == 0
        assert await store.forget(OTHER) == 0
        assert await all_keys(store) == [KEY]

    async def test_a_step_that_runs_meanwhile_writes_nothing_back(self, store: Store) -> None:
        await put(store, KEY, b"row")
        async with store.lease(KEY) as lease:
            await store.forget(KEY.user)
            with pytest.raises(LeaseLost):
                await lease.commit(Change(b"back again", outbox=(b"entry",)))
        assert await store.peek(KEY) is None
        await put(store, KEY, b"a new life")
        assert await store.peek(KEY) == b"a new life"

    @pytest.mark.parametrize("who", PERSON, ids=["key", "user", "chat"])
    async def test_a_first_step_that_runs_meanwhile_writes_nothing(
        self, store: Store, who: Key | int | str
    ) -> None:
        async with store.lease(KEY) as lease:
            assert await store.forget(who) == 0
            with pytest.raises(LeaseLost):
                await lease.commit(Change(b"row", 1.0, outbox=(b"entry",)))
        assert (await store.peek(KEY), await store.outbox(KEY)) == (None, [])
        assert await store.due(KEY.bot, [], START, 10) == []
        await put(store, KEY, b"a new life")
        assert await store.peek(KEY) == b"a new life"

    async def test_first_steps_of_others_go_on(self, store: Store) -> None:
        async with store.lease(OTHER) as lease, store.lease(KEY._replace(bot=2)) as elsewhere:
            assert await store.forget(7, bot=1) == 0
            await lease.commit(Change(b"row"))
            await elsewhere.commit(Change(b"row"))
        assert await all_keys(store) == [KEY._replace(bot=2), OTHER]

    async def test_a_step_whose_row_just_went_writes_nothing_back_either(self, store: Store) -> None:
        await put(store, KEY, b"row", outbox=(b"one",))
        async with store.lease(KEY) as lease:
            await lease.commit(Change(None), hold=True)
            await store.strike(KEY, b"one", None)
            assert await store.forget(7) == 0
            with pytest.raises(LeaseLost):
                await lease.commit(Change(b"back again"))
        assert await store.peek(KEY) is None

    @pytest.mark.parametrize("row", [b"row", None], ids=["a row", "no row"])
    async def test_who_waited_goes_on_with_nothing(self, store: Store, row: bytes | None) -> None:
        async def note() -> bytes | None:
            async with store.lease(KEY) as lease:
                await lease.commit(Change(b"new"))
                return lease.row

        await put(store, KEY, row)
        async with store.lease(KEY) as lease:
            task = asyncio.create_task(note())
            await begun(task)
            await store.forget(7)
            with pytest.raises(LeaseLost):
                await lease.commit(Change(b"back again"))
        assert await asyncio.wait_for(task, PATIENCE) is None
        assert await store.peek(KEY) == b"new"
