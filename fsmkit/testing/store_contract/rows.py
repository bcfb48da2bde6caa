"""The contract, rows: what was written comes back byte for byte, and for its own key only."""

import asyncio

import pytest

from fsmkit.errors import LeaseLost
from fsmkit.keys import Key
from fsmkit.stores.protocol import Change, Index, Store
from fsmkit.testing.store_contract.base import KEY, OTHER, PATIENCE, START, ContractBase, all_keys, begun, put

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
        await store.acknowledge(KEY, b"one", b"receipt")
        again = await self.reopen(store)
        try:
            (stored,) = [stored async for stored in again.scan(flow="form", state="name")]
            assert (stored.key, stored.row, stored.outbox) == (KEY, b"row", 1)
            assert await again.due(KEY.bot, ["form"], 5.0, 10) == [KEY]
            async with again.lease(KEY) as lease:
                assert (lease.row, list(lease.receipts)) == (b"row", [b"receipt"])
        finally:
            await again.close()


FLOWS = ["form"]


FORM = [("form", "name")]


class LookupContract(ContractBase):
    """`due`, `scan` and `keys`."""

    # -- deadlines ---------------------------------------------------------------------------------

    async def test_a_row_is_due_from_its_wake_on_and_not_before(self, store: Store) -> None:
        await put(store, KEY, b"row", wake=START + 100.0, index=FORM)
        assert await store.due(KEY.bot, FLOWS, START + 99.999, 10) == []
        assert await store.due(KEY.bot, FLOWS, START + 100.0, 10) == [KEY]

    async def test_a_row_without_wake_is_never_due(self, store: Store) -> None:
        await put(store, KEY, b"row", index=FORM)
        assert await store.due(KEY.bot, FLOWS, START + 1e12, 10) == []

    async def test_the_most_overdue_come_first_and_no_more_than_asked_for(self, store: Store) -> None:
        wakes = [30.5, 10.25, 50.0, 20.0, 40.0]
        keys = [Key(1, user, bot=1) for user in range(5)]
        for key, wake in zip(keys, wakes, strict=True):
            await put(store, key, b"row", wake=START + wake, index=FORM)
        assert await store.due(1, FLOWS, START + 45.0, 3) == [keys[1], keys[3], keys[0]]

    async def test_a_wake_that_was_moved_counts_from_then_on(self, store: Store) -> None:
        await put(store, KEY, b"row", wake=START + 100.0, index=FORM)
        await put(store, KEY, b"row 2", wake=START + 200.0, index=FORM)
        assert await store.due(KEY.bot, FLOWS, START + 150.0, 10) == []
        await put(store, KEY, b"row 3", wake=START + 120.0, index=FORM)
        assert await store.due(KEY.bot, FLOWS, START + 150.0, 10) == [KEY]

    async def test_a_wake_that_was_taken_back_is_gone(self, store: Store) -> None:
        await put(store, KEY, b"row", wake=START + 100.0, index=FORM)
        await put(store, KEY, b"row 2", wake=None, index=FORM)
        assert await store.due(KEY.bot, FLOWS, START + 150.0, 10) == []

    async def test_a_row_of_unknown_flows_only_is_left_alone(self, store: Store) -> None:
        await put(store, KEY, b"row", wake=START + 1.0, index=[("stranger", "x")])
        await put(store, OTHER, b"row", wake=START + 2.0, index=[("stranger", "x"), ("form", "name")])
        assert await store.due(1, FLOWS, START + 10.0, 10) == [OTHER]

    async def test_rows_of_unknown_flows_do_not_use_up_the_limit(self, store: Store) -> None:
        for user in range(20):
            await put(store, Key(1, user, bot=1), b"row", wake=START + 1.0, index=[("stranger", "x")])
        await put(store, KEY, b"row", wake=START + 2.0, index=FORM)
        assert await store.due(1, FLOWS, START + 10.0, 5) == [KEY]

    async def test_a_row_that_only_remembers_ids_is_due_for_everybody(self, store: Store) -> None:
        await put(store, KEY, b"row", wake=START + 1.0)
        assert await store.due(1, [], START + 10.0, 10) == [KEY]

    # -- two bots ----------------------------------------------------------------------------------

    async def test_bots_see_their_own_rows_only(self, store: Store) -> None:
        keys = [Key(1, 2, bot=bot) for bot in (1, 2, "1", None)]
        for key in keys:
            await put(store, key, b"row", wake=1.0, index=FORM)
        for key in keys:
            assert await store.due(key.bot, FLOWS, START + 10.0, 10) == [key]
        assert await all_keys(store, bot=2) == [keys[1]]
        assert await all_keys(store, bot="1") == [keys[2]]
        assert set(await all_keys(store)) == set(keys)

    # -- inspection --------------------------------------------------------------------------------

    async def test_scan_shows_all_that_is_known_of_a_row(self, store: Store) -> None:
        index = (Index("form", "name", 12.5), Index("cart", None, None))
        await put(store, KEY, b"row", wake=12.5, index=index, outbox=(b"one", b"two"))
        (stored,) = [stored async for stored in store.scan()]
        assert (stored.key, stored.row, stored.index, stored.outbox) == (KEY, b"row", index, 2)

    async def test_scan_finds_by_flow_and_state(self, store: Store) -> None:
        await put(store, KEY, b"row", index=[("form", "name"), ("cart", "pay")])
        await put(store, OTHER, b"row", index=[("form", "pay")])
        assert await all_keys(store, flow="form") == [KEY, OTHER]
        assert await all_keys(store, flow="cart") == [KEY]
        assert await all_keys(store, state="pay") == [KEY, OTHER]
        assert await all_keys(store, flow="form", state="pay") == [OTHER]
        assert await all_keys(store, flow="cart", state="name") == []
        assert await all_keys(store, bot=2, flow="form") == []

    async def test_scan_tells_states_apart_by_every_letter(self, store: Store) -> None:
        states = ["name", "Name", "name ", "n", "Group:name", "Group.Sub:name", "na_me", "na%"]
        for user, state in enumerate(states):
            await put(store, Key(1, user), b"row", index=[("form", state)])
        for user, state in enumerate(states):
            assert await all_keys(store, state=state) == [Key(1, user)]

    async def test_scan_shows_the_states_of_now(self, store: Store) -> None:
        await put(store, KEY, b"row", index=[("form", "name"), ("cart", "pay")])
        await put(store, KEY, b"row 2", index=[("form", "age")])
        assert await all_keys(store, state="name") == []
        assert await all_keys(store, flow="cart") == []
        assert await all_keys(store, flow="form", state="age") == [KEY]

    async def test_scan_goes_by_the_text_of_the_keys(self, store: Store) -> None:
        keys = [Key(chat, 1, bot=1) for chat in (5, -3, 10, "a", 1, "B")]
        for key in keys:
            await put(store, key, b"row", index=FORM)
        assert await all_keys(store, flow="form") == sorted(keys, key=str)

    async def test_scan_shows_many_rows_each_once(self, store: Store) -> None:
        keys = [Key(1, user) for user in range(1200)]
        for key in keys:
            await put(store, key, b"row", index=FORM)
        assert await all_keys(store) == sorted(keys, key=str)

    async def test_rows_may_be_deleted_while_scanning(self, store: Store) -> None:
        for user in range(10):
            await put(store, Key(1, user), b"row")
        async for stored in store.scan():
            await put(store, stored.key, None)
        assert await all_keys(store) == []

    # -- a chat ------------------------------------------------------------------------------------

    async def test_the_keys_of_a_chat_are_found_in_the_order_of_their_texts(self, store: Store) -> None:
        here = [Key(-100, 8), Key(-100, -100), Key(-100, 7, thread=3, bot=2), Key(-100, 7, business="b")]
        there = [Key(-1001, 7), Key(-10, 7), Key(100, 7), Key("-100", 7), Key(7, -100), Key("a;b", -100)]
        for key in [*here, *there]:
            await put(store, key, b"row", index=FORM)
        assert await store.keys(-100) == sorted(here, key=str)
        assert await store.keys("-100") == [Key("-100", 7)]
        assert await store.keys("a;b") == [Key("a;b", -100)]
        assert await store.keys(12345) == []

    async def test_the_keys_of_a_chat_are_found_for_one_bot_where_asked(self, store: Store) -> None:
        for bot in (1, "1", 2):
            await put(store, Key(-100, 7, bot=bot), b"row")
        assert await store.keys(-100, bot="1") == [Key(-100, 7, bot="1")]
        assert len(await store.keys(-100)) == 3

    async def test_a_key_counts_in_its_chat_as_long_as_anything_is_stored(self, store: Store) -> None:
        async with store.lease(KEY):
            assert await store.keys(KEY.chat) == []
        await put(store, KEY, b"row")
        await put(store, OTHER, None, outbox=(b"one",))
        assert await store.keys(KEY.chat) == [KEY, OTHER]
        await put(store, KEY, None)
        await store.acknowledge(OTHER, b"one", None)
        assert await store.keys(KEY.chat) == []

    # -- a person ----------------------------------------------------------------------------------

    async def test_the_keys_of_a_person_are_found_in_whatever_chat(self, store: Store) -> None:
        theirs = [Key(7, 7), Key(-100, 7), Key(-5, 7, thread=3, bot=2), Key(7, 7, business="b"), Key(7, 9)]
        others = [Key(-100, 8), Key(77, 77), Key(-100, "7"), Key(-7, -7)]
        for key in [*theirs, *others]:
            await put(store, key, b"row", index=FORM)
        assert await store.keys_of(7) == sorted(theirs, key=str)
        assert await store.keys_of(7, bot=2) == [Key(-5, 7, thread=3, bot=2)]
        assert await store.keys_of("7") == [Key(-100, "7")]
        assert await store.keys_of(12345) == []

    async def test_a_key_counts_for_its_person_as_long_as_anything_is_stored(self, store: Store) -> None:
        async with store.lease(KEY):
            assert await store.keys_of(KEY.user) == []
        await put(store, KEY, None, outbox=(b"one",))
        assert await store.keys_of(KEY.user) == [KEY]
        await store.acknowledge(KEY, b"one", None)
        assert await store.keys_of(KEY.user) == []


PERSON = [KEY, KEY.user, KEY.chat]
"""By what a key may be forgotten."""


class ForgetContract(ContractBase):
    """`forget`."""

    async def test_a_key_is_forgotten_with_all_that_stood_there(self, store: Store) -> None:
        await put(store, KEY, b"row", wake=1.0, index=FORM, outbox=(b"one", b"two"))
        await store.acknowledge(KEY, b"one", b"receipt")
        await put(store, OTHER, b"other")
        assert await store.forget(KEY) == 1
        assert await store.peek(KEY) is None
        assert await store.due(1, FLOWS, 1e12, 10) == []
        assert await all_keys(store) == [OTHER]
        assert await store.acknowledge(KEY, b"two", None) is None
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
            await store.acknowledge(KEY, b"one", None)
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
