"""The contract, outbox: entries in their order, one deliverer at a time, receipts until the next commit."""

from fsmkit.errors import LeaseLost
from fsmkit.stores.protocol import Change, Lease, Store
from fsmkit.testing.store_contract.base import KEY, OTHER, START, ContractBase, all_keys, patiently, put


async def deliver_all(store: Store, entry: bytes | None) -> list[bytes]:
    """Acknowledge one entry after the other, as who delivers does."""
    delivered = []
    while entry is not None:
        delivered.append(entry)
        entry = await store.acknowledge(KEY, entry, None)
    return delivered


async def receipts(store: Store) -> list[bytes]:
    """Return what the next step would be shown."""
    async with store.lease(KEY) as lease:
        return list(lease.receipts)


async def add_one_more(store: Store) -> None:
    """Make a step on the key that was left, which is free."""
    async with store.lease(KEY) as lease:
        assert lease.row is None


class OutboxContract(ContractBase):
    """The outbox beside each row: `commit`, `acknowledge` and `hold`."""

    async def test_who_commits_into_an_idle_outbox_delivers_it(self, store: Store) -> None:
        assert await put(store, KEY, b"row", outbox=(b"one", b"two")) == b"one"

    async def test_a_commit_without_entries_has_nothing_to_deliver(self, store: Store) -> None:
        assert await put(store, KEY, b"row") is None

    async def test_others_only_append_while_somebody_delivers(self, store: Store) -> None:
        first = await put(store, KEY, b"row", outbox=(b"one", b"two"))
        assert await put(store, KEY, b"row 2", outbox=(b"three",)) is None
        assert await put(store, KEY, b"row 3") is None
        assert await deliver_all(store, first) == [b"one", b"two", b"three"]

    async def test_an_outbox_that_was_emptied_is_idle_again(self, store: Store) -> None:
        await deliver_all(store, await put(store, KEY, b"row", outbox=(b"one",)))
        assert await put(store, KEY, b"row 2") is None
        assert await put(store, KEY, b"row 3", outbox=(b"two",)) == b"two"

    async def test_entries_come_back_byte_for_byte_in_their_order(self, store: Store) -> None:
        entries = tuple(b"\x00%d\xff" % number + b"x" * 5000 for number in range(40))
        assert await deliver_all(store, await put(store, KEY, b"row", outbox=entries)) == list(entries)

    async def test_an_entry_is_struck_off_once(self, store: Store) -> None:
        await put(store, KEY, b"row", outbox=(b"one", b"two", b"three"))
        assert await store.acknowledge(KEY, b"one", b"r1") == b"two"
        assert await store.acknowledge(KEY, b"one", b"r1") is None
        assert await store.acknowledge(KEY, b"three", b"r3") is None
        assert await store.acknowledge(KEY, b"two", b"r2") == b"three"
        assert await receipts(store) == [b"r1", b"r2"]

    async def test_striking_where_nothing_stands_does_no_harm(self, store: Store) -> None:
        assert await store.acknowledge(KEY, b"one", b"receipt") is None
        await put(store, OTHER, b"row", outbox=(b"one",))
        assert await store.acknowledge(KEY, b"one", b"receipt") is None
        assert await receipts(store) == []

    async def test_delivery_does_not_wait_for_a_lease(self, store: Store) -> None:
        await put(store, KEY, b"row", outbox=(b"one", b"two"))
        async with store.lease(KEY) as lease:
            assert await patiently(store.acknowledge(KEY, b"one", b"receipt")) == [b"two"]
            await lease.commit(Change(b"row 2"))
        assert await store.peek(KEY) == b"row 2"

    async def test_what_waits_can_be_read_and_stays_there(self, store: Store) -> None:
        assert await store.outbox(KEY) == []
        first = await put(store, KEY, b"row", outbox=(b"one", b"\x00two\xff", b"three"))
        assert await store.outbox(KEY) == [b"one", b"\x00two\xff", b"three"]
        await store.acknowledge(KEY, b"one", b"receipt")
        assert await store.outbox(KEY) == [b"\x00two\xff", b"three"]
        assert await store.outbox(OTHER) == []
        assert first == b"one"

    async def test_a_row_and_its_outbox_can_be_moved_to_another_key(self, store: Store) -> None:
        await put(store, KEY, b"row", wake=5.0, outbox=(b"one", b"two"))
        async with store.lease(KEY) as old, store.lease(OTHER) as new:
            entries = tuple(await store.outbox(KEY))
            assert await new.commit(Change(old.row, 5.0, outbox=entries)) == b"one"
            assert await store.forget(KEY) == 1
        assert (await store.peek(KEY), await store.outbox(KEY)) == (None, [])
        assert await store.acknowledge(KEY, b"one", None) is None  # who delivered the old one's stops
        assert (await store.peek(OTHER), await store.outbox(OTHER)) == (b"row", [b"one", b"two"])
        await patiently(add_one_more(store))

    # -- receipts ----------------------------------------------------------------------------------

    async def test_receipts_are_shown_in_order_until_they_stand_in_the_row(self, store: Store) -> None:
        await put(store, KEY, b"row", outbox=(b"one", b"two", b"three"))
        await store.acknowledge(KEY, b"one", b"r1")
        await store.acknowledge(KEY, b"two", None)
        await store.acknowledge(KEY, b"three", b"\x00r3\xff")
        assert await receipts(store) == [b"r1", b"\x00r3\xff"]
        async with store.lease(KEY) as lease:
            await lease.commit(Change(b"row 2", folded=2))
        assert await receipts(store) == []

    async def test_a_commit_that_folds_nothing_keeps_them(self, store: Store) -> None:
        await put(store, KEY, b"row", outbox=(b"one",))
        await store.acknowledge(KEY, b"one", b"r1")
        await put(store, KEY, b"row 2")
        assert await receipts(store) == [b"r1"]

    async def test_a_receipt_that_came_during_the_step_is_for_the_next_one(self, store: Store) -> None:
        await put(store, KEY, b"row", outbox=(b"one", b"two"))
        await store.acknowledge(KEY, b"one", b"r1")
        async with store.lease(KEY) as lease:
            assert list(lease.receipts) == [b"r1"]
            await store.acknowledge(KEY, b"two", b"r2")
            await lease.commit(Change(b"row 2", folded=1))
        assert await receipts(store) == [b"r2"]

    async def test_receipts_are_folded_once_over_several_commits(self, store: Store) -> None:
        await put(store, KEY, b"row", outbox=(b"one",))
        await store.acknowledge(KEY, b"one", b"r1")
        async with store.lease(KEY) as lease:
            await lease.commit(Change(b"row 2", folded=len(lease.receipts)), hold=True)
            assert list(lease.receipts) == []
            await lease.commit(Change(b"row 3", folded=len(lease.receipts)))
        assert await receipts(store) == []

    # -- without a row -----------------------------------------------------------------------------

    async def test_what_is_to_be_delivered_outlives_the_row(self, store: Store) -> None:
        first = await put(store, KEY, None, outbox=(b"one", b"two"))
        assert await store.peek(KEY) is None
        assert await all_keys(store) == []
        async with store.lease(KEY) as lease:
            assert lease.row is None
        assert await deliver_all(store, first) == [b"one", b"two"]
        assert await put(store, KEY, None) is None

    async def test_a_row_that_goes_leaves_its_outbox(self, store: Store) -> None:
        first = await put(store, KEY, b"row", wake=1.0, outbox=(b"one",))
        assert await put(store, KEY, None, outbox=(b"two",)) is None
        assert await store.due(KEY.bot, [], 1e12, 10) == []
        assert await deliver_all(store, first) == [b"one", b"two"]

    async def test_a_new_row_has_the_outbox_of_the_one_that_went(self, store: Store) -> None:
        first = await put(store, KEY, None, outbox=(b"one",))
        assert await put(store, KEY, b"row", outbox=(b"two",)) is None
        assert await deliver_all(store, first) == [b"one", b"two"]
        assert await store.peek(KEY) == b"row"

    async def test_receipts_of_a_row_that_went_are_for_the_next_step(self, store: Store) -> None:
        await put(store, KEY, None, outbox=(b"one",))
        await store.acknowledge(KEY, b"one", b"r1")
        assert await receipts(store) == [b"r1"]
        async with store.lease(KEY) as lease:
            await lease.commit(Change(None, folded=1))
        assert await receipts(store) == []

    async def test_receipts_that_nobody_may_ask_for_again_are_due(self, store: Store) -> None:
        await put(store, KEY, None, outbox=(b"one", b"two"))
        assert await store.acknowledge(KEY, b"one", b"receipt") == b"two"
        assert await store.due(KEY.bot, [], START, 10) == []
        await store.acknowledge(KEY, b"two", None)
        assert await store.due(2, [], START, 10) == []
        assert await store.due(KEY.bot, [], START, 10) == [KEY]
        async with store.lease(KEY) as lease:
            await lease.commit(Change(None, folded=len(lease.receipts)))
        assert await store.due(KEY.bot, [], 1e12, 10) == []

    async def test_receipts_of_a_row_that_stands_are_not_due(self, store: Store) -> None:
        await put(store, KEY, b"row", outbox=(b"one",))
        await store.acknowledge(KEY, b"one", b"receipt")
        assert await store.due(KEY.bot, [], START, 10) == []

    # -- claims ------------------------------------------------------------------------------------

    async def test_an_outbox_that_nobody_delivers_any_more_is_due(self, store: Store) -> None:
        await put(store, KEY, b"row", outbox=(b"one", b"two"))
        assert await store.due(KEY.bot, [], 0.0, 10) == []
        await self.expire_claims(store)
        assert await store.due(KEY.bot, [], 0.0, 10) == [KEY]
        assert await store.due(2, [], 0.0, 10) == []
        assert await put(store, KEY, b"row 2") == b"one"
        assert await put(store, KEY, b"row 3") is None

    async def test_an_outbox_without_a_row_is_due_too(self, store: Store) -> None:
        await put(store, KEY, None, outbox=(b"one",))
        await self.expire_claims(store)
        assert await store.due(KEY.bot, [], 0.0, 10) == [KEY]
        assert await deliver_all(store, await put(store, KEY, None)) == [b"one"]
        assert await store.due(KEY.bot, [], 0.0, 10) == []

    async def test_a_claim_lasts_from_the_last_sign_of_life(self, store: Store) -> None:
        await put(store, KEY, b"row", outbox=(b"one", b"two", b"three"))
        await self.expire_claims(store)
        assert await store.acknowledge(KEY, b"one", None) == b"two"
        assert await store.due(KEY.bot, [], 0.0, 10) == []
        await self.expire_claims(store)
        await store.extend_claim(KEY, 0.0)
        assert await store.due(KEY.bot, [], 0.0, 10) == []
        assert await put(store, KEY, b"row 2") is None

    async def test_hold_lasts_as_long_as_the_chat_has_to_wait_and_longer(self, store: Store) -> None:
        await put(store, KEY, b"row", outbox=(b"one",))
        await store.extend_claim(KEY, 86_400.0)
        await self.expire_claims(store)
        assert await store.due(KEY.bot, [], 0.0, 10) == []
        assert await put(store, KEY, b"row 2", outbox=(b"two",)) is None

    async def test_holding_an_empty_outbox_does_no_harm(self, store: Store) -> None:
        await store.extend_claim(KEY, 5.0)
        assert await put(store, KEY, b"row", outbox=(b"one",)) == b"one"

    async def test_another_process_goes_on_where_one_died(self, store: Store) -> None:
        await put(store, KEY, b"row", outbox=(b"one", b"two", b"three"))
        await store.acknowledge(KEY, b"one", b"r1")
        second = await self.another(store)
        try:
            assert await put(second, KEY, b"row 2") is None
            await self.expire_claims(store)
            assert await deliver_all(second, await put(second, KEY, b"row 3")) == [b"two", b"three"]
            assert await receipts(second) == [b"r1"]
        finally:
            await second.close()

    async def test_who_lost_the_claim_stops(self, store: Store) -> None:
        await put(store, KEY, b"row", outbox=(b"one", b"two"))
        second = await self.another(store)
        try:
            await self.expire_claims(store)
            assert await put(second, KEY, b"row 2") == b"one"
            assert await store.acknowledge(KEY, b"one", None) is None
        finally:
            await second.close()

    async def test_a_step_whose_commit_failed_leaves_no_entry(self, store: Store) -> None:
        late = await store.snapshot(KEY)
        await put(store, KEY, b"row")
        assert await _refused(late, Change(b"late", outbox=(b"one",)))
        assert await put(store, KEY, b"row 2", outbox=(b"two",)) == b"two"


async def _refused(lease: Lease, change: Change) -> bool:
    try:
        await lease.commit(change)
    except LeaseLost:
        return True
    return False
