"""The contract, looking up: deadlines, inspection, two bots in one store, the keys of a chat."""

from fsmkit.keys import Key
from fsmkit.stores import Index, Store
from fsmkit.testing.contract_base import KEY, OTHER, START, ContractBase, all_keys, put

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
        await store.strike(OTHER, b"one", None)
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
        await store.strike(KEY, b"one", None)
        assert await store.keys_of(KEY.user) == []
