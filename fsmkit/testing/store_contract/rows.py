"""The contract, rows: what was written comes back byte for byte, and for its own key only."""

import pytest

from fsmkit.keys import Key
from fsmkit.stores import Change, Store
from fsmkit.testing.contract_base import KEY, OTHER, ContractBase, all_keys, put

ALIKE = (
    Key(1, 2),
    Key(1, -2),
    Key(-1, 2),
    Key("1", 2),
    Key(1, "2"),
    Key("1", "2"),
    Key(12, 2),
    Key(1, 22),
    Key(2, 1),
    Key(1, 2, thread=3),
    Key(1, 2, thread="3"),
    Key(1, 2, business=3),
    Key(1, 2, business="3"),
    Key(1, 2, bot=3),
    Key(1, 2, bot="3"),
    Key(1, 2, thread=3, business="3"),
    Key(1, 2, thread=3, bot=3),
    Key(1, 2, business="3", bot=3),
    Key(1, 2, thread=0),
    Key(0, 2),
    Key("", 2),
    Key("-", 2),
    Key("~", 2),
    Key("~1", 2),
    Key("a:b", "c"),
    Key("a", "b:c"),
    Key("a%3Ab", "c"),
    Key("a", "c"),
    Key("A", "c"),
    Key("a ", "c"),
    Key("a\x00", "c"),
    Key("\u00e9", "c"),
    Key("e\u0301", "c"),
    Key(-1002233445566778, 2),
    Key("business_connection_0123456789-_abcdefghijklmnop", 2),
)
"""Keys that a careless store takes for each other: numbers and texts, separators, case, spaces, accents."""

BLOBS = (
    b"[]",
    b"",
    b"\x00\xff\r\n\x00",
    b'[{"form":[[["form",1,"age",{"name":"\xc3\x84nne \xf0\x9f\x90\xa2"}]]]}]',
    b"x" * 65536,
)


class RowContract(ContractBase):
    """Rows by key."""

    async def test_nothing_stored_shows_nothing(self, store: Store) -> None:
        async with store.lease(KEY) as lease:
            assert (lease.key, lease.row, list(lease.receipts)) == (KEY, None, [])
        assert await store.peek(KEY) is None
        assert await all_keys(store) == []

    @pytest.mark.parametrize("row", BLOBS, ids=["small", "empty", "binary", "unicode", "64KiB"])
    async def test_a_row_comes_back_byte_for_byte(self, store: Store, row: bytes) -> None:
        await put(store, KEY, row)
        assert await store.peek(KEY) == row
        async with store.lease(KEY) as lease:
            assert lease.row == row
        assert [stored.row async for stored in store.scan()] == [row]

    async def test_a_row_is_replaced_as_a_whole(self, store: Store) -> None:
        await put(store, KEY, b"a long first row")
        await put(store, KEY, b"short")
        assert await store.peek(KEY) == b"short"

    async def test_a_row_that_is_none_is_deleted(self, store: Store) -> None:
        await put(store, KEY, b"here", wake=5.0, index=[("form", "name")])
        await put(store, KEY, None)
        assert await store.peek(KEY) is None
        assert await all_keys(store) == []
        assert await store.due(KEY.bot, ["form"], 10.0, 10) == []

    async def test_a_row_that_went_can_come_back(self, store: Store) -> None:
        for row in (b"first", None, b"second", None, b"third"):
            await put(store, KEY, row)
            assert await store.peek(KEY) == row

    async def test_deleting_nothing_does_no_harm(self, store: Store) -> None:
        await put(store, KEY, None)
        assert await store.peek(KEY) is None

    async def test_a_lease_alone_stores_nothing(self, store: Store) -> None:
        async with store.lease(KEY):
            pass
        assert await all_keys(store) == []

    async def test_keys_that_look_alike_are_apart(self, store: Store) -> None:
        for number, key in enumerate(ALIKE):
            await put(store, key, b"row %d" % number)
        for number, key in enumerate(ALIKE):
            assert await store.peek(key) == b"row %d" % number
        assert {stored.key: stored.row async for stored in store.scan()} == {
            key: b"row %d" % number for number, key in enumerate(ALIKE)
        }

    async def test_keys_come_back_with_the_types_of_their_parts(self, store: Store) -> None:
        for key in ALIKE:
            await put(store, key, b"row", wake=1.0)
        found = await all_keys(store)
        assert {tuple(map(type, key)) for key in found} == {tuple(map(type, key)) for key in ALIKE}
        assert all(type(key) is Key for key in found)

    async def test_deleting_one_of_the_keys_that_look_alike_leaves_the_others(self, store: Store) -> None:
        for key in ALIKE:
            await put(store, key, b"row")
        await put(store, ALIKE[0], None)
        assert set(await all_keys(store)) == set(ALIKE[1:])

    async def test_peek_shows_what_was_committed_last_and_waits_for_nobody(self, store: Store) -> None:
        await put(store, KEY, b"old")
        async with store.lease(KEY) as lease:
            assert await store.peek(KEY) == b"old"
            await lease.commit(Change(b"new"))
            assert await store.peek(KEY) == b"new"

    async def test_one_key_says_nothing_of_another(self, store: Store) -> None:
        await put(store, KEY, b"mine", outbox=(b"entry",))
        async with store.lease(OTHER) as lease:
            assert (lease.row, list(lease.receipts)) == (None, [])
        assert await store.peek(OTHER) is None

    async def test_closing_twice_does_no_harm(self, store: Store) -> None:
        await put(store, KEY, b"row")
        await store.close()
        await store.close()

    async def test_a_durable_store_keeps_everything_over_a_restart(self, store: Store) -> None:
        if not store.durable:
            pytest.skip(f"{type(store).__name__} forgets on purpose")
        await put(store, KEY, b"row", wake=5.0, index=[("form", "name")], outbox=(b"one", b"two"))
        await store.strike(KEY, b"one", b"receipt")
        again = await self.reopen(store)
        try:
            (stored,) = [stored async for stored in again.scan(flow="form", state="name")]
            assert (stored.key, stored.row, stored.outbox) == (KEY, b"row", 1)
            assert await again.due(KEY.bot, ["form"], 5.0, 10) == [KEY]
            async with again.lease(KEY) as lease:
                assert (lease.row, list(lease.receipts)) == (b"row", [b"receipt"])
        finally:
            await again.close()
