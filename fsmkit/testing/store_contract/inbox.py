"""The contract, inbox: what was received waits until it is struck, in order, and is never taken twice."""

import asyncio

import pytest

from fsmkit.errors import LeaseLost, StoreFull
from fsmkit.keys import Key
from fsmkit.stores import inbox as inboxes
from fsmkit.stores.inbox import DeadLetter, HasInbox, Inbox, StoredUpdate
from fsmkit.stores.protocol import Change, Store
from fsmkit.testing.store_contract.base import KEY, ContractBase

BOT = 1


def arrived(ident: int, chat: int = -100, user: int = 7, body: bytes = b"{}") -> StoredUpdate:
    """Return an update as it was just received."""
    return StoredUpdate(ident, chat, user, body, 1_000.0)


def letter(update: int | None = 5, name: str = "5", chat: int = -100, user: int = 7) -> DeadLetter:
    """Return a dead letter."""
    return DeadLetter(name, update, chat, user, "too deep", b"\x00[[[")


def inbox(store: Store, bot: int | str | None = BOT) -> Inbox:
    """Return a bot's inbox; a store without one has nothing to prove."""
    if not isinstance(store, HasInbox):
        pytest.skip(f"{type(store).__name__} keeps no inbox")
    return store.inbox(bot)


async def ids(store: Store, bot: int | str | None = BOT, **how: int) -> list[int]:
    """Return the ids of what waits, in order."""
    return [update.id for update in await inbox(store, bot).waiting(**how)]


async def names(store: Store, bot: int | str | None = BOT) -> list[str]:
    """Return the names of the dead letters, in order."""
    return [found.name for found in await inbox(store, bot).dead()]


class InboxContract(ContractBase):
    """Updates between Telegram and the commit of their step."""

    async def test_what_is_appended_waits_byte_for_byte_in_its_order(self, store: Store) -> None:
        given = [arrived(9, 5, 6, b"\xff\x00{"), arrived(3, 0, 6), arrived(4, 0, 0, b"x" * 300_000)]
        found = await inbox(store).append(given)
        assert await inbox(store).waiting() == found
        assert [(update.id, update.chat, update.user, update.body) for update in found] == [
            (update.id, update.chat, update.user, update.body) for update in given
        ]
        assert [update.number for update in found] == sorted({update.number for update in found})

    async def test_an_update_that_waits_is_not_appended_again(self, store: Store) -> None:
        await inbox(store).append([arrived(1), arrived(2)])
        again = await inbox(store).append([arrived(2, body=b"other"), arrived(3), arrived(1)])
        assert [update.id for update in again] == [3]
        assert [update.body for update in await inbox(store).waiting()] == [b"{}"] * 3

    async def test_one_that_stands_twice_in_a_batch_is_new_once(self, store: Store) -> None:
        found = await inbox(store).append([arrived(1), arrived(2), arrived(1, body=b"other")])
        assert [(update.id, update.body) for update in found] == [(1, b"{}"), (2, b"{}")]
        assert await inbox(store).waiting() == found

    async def test_one_that_was_struck_is_not_appended_again(self, store: Store) -> None:
        await inbox(store).append([arrived(1), arrived(2)])
        await inbox(store).strike([1])
        await inbox(store).strike([1, 77])
        assert await inbox(store).append([arrived(1)]) == []
        assert await ids(store) == [2]

    async def test_bots_have_inboxes_of_their_own(self, store: Store) -> None:
        await inbox(store).append([arrived(1)])
        await inbox(store, 2).append([arrived(1), arrived(2)])
        await inbox(store).strike([1])
        await inbox(store, 2).set_aside(letter(2, "2"))
        assert (await ids(store), await ids(store, 2)) == ([], [1])
        assert (await names(store), await names(store, 2)) == ([], ["2"])

    async def test_it_is_read_page_by_page_and_line_by_line(self, store: Store) -> None:
        lines = [(-100, 7), (-200, 7), (0, 7), (-100, 8)]
        found = await inbox(store).append([arrived(n, *lines[n % 4]) for n in range(12)])
        assert await ids(store, limit=5) == [0, 1, 2, 3, 4]
        assert await ids(store, after=found[4].number, limit=3) == [5, 6, 7]
        assert await ids(store, line=-100, limit=4) == [0, 3, 4, 7]
        assert await ids(store, line=7, after=found[2].number) == [6, 10]

    async def test_a_commit_strikes_with_its_row(self, store: Store) -> None:
        await inbox(store).append([arrived(1), arrived(2), arrived(3)])
        async with store.lease(KEY) as lease:
            await lease.commit(Change(b"row", struck=(1, 3)))
        assert await ids(store) == [2]
        assert await inbox(store).append([arrived(1)]) == []

    async def test_a_commit_that_leaves_no_row_strikes_too(self, store: Store) -> None:
        await inbox(store).append([arrived(1)])
        async with store.lease(KEY) as lease:
            await lease.commit(Change(None, struck=(1,)))
        assert await ids(store) == []

    async def test_a_commit_that_keeps_the_lease_strikes_too(self, store: Store) -> None:
        await inbox(store).append([arrived(1), arrived(2)])
        async with store.lease(KEY) as lease:
            await lease.commit(Change(b"row", struck=(1,)), hold=True)
            assert await ids(store) == [2]
            await lease.commit(Change(b"row 2", struck=(2,)))
        assert await ids(store) == []

    async def test_a_commit_without_a_turn_strikes_too(self, store: Store) -> None:
        await inbox(store).append([arrived(1), arrived(2)])
        first, second = await store.snapshot(KEY), await store.snapshot(KEY)
        await first.commit(Change(b"row", struck=(1,)))
        with pytest.raises(LeaseLost):
            await second.commit(Change(b"other", struck=(2,)))
        assert await ids(store) == [2]

    async def test_a_commit_strikes_for_the_bot_of_its_key_only(self, store: Store) -> None:
        for bot in (1, 2):
            await inbox(store, bot).append([arrived(1)])
        async with store.lease(Key(-100, 7, bot=2)) as lease:
            await lease.commit(Change(b"row", struck=(1,)))
        assert (await ids(store), await ids(store, 2)) == ([1], [])

    async def test_a_lease_that_was_lost_strikes_nothing(self, store: Store) -> None:
        await inbox(store).append([arrived(1)])
        async with store.lease(KEY) as lease:
            await lease.commit(Change(b"row"), hold=True)
            await store.forget(KEY)
            await inbox(store).append([arrived(1)])
            with pytest.raises(LeaseLost):
                await lease.commit(Change(b"late", struck=(1,)))
        assert await ids(store) == [1]

    async def test_a_lease_that_ran_out_strikes_nothing(self, store: Store) -> None:
        await inbox(store).append([arrived(1)])
        other = await self.another(store)
        try:
            async with store.lease(KEY) as lease:
                await self.expire_leases(store)
                async with other.lease(KEY):
                    with pytest.raises(LeaseLost):
                        await lease.commit(Change(b"late", struck=(1,)))
            assert await ids(store) == [1]
        finally:
            await other.close()

    async def test_two_who_append_at_once_take_each_update_once(self, store: Store) -> None:
        batches = [[arrived(n) for n in range(begin, begin + 10)] for begin in (0, 5, 0)]
        found = await asyncio.gather(*(inbox(store).append(batch) for batch in batches))
        assert sorted(update.id for batch in found for update in batch) == list(range(15))
        assert sorted(await ids(store)) == list(range(15))

    async def test_a_full_inbox_takes_nothing_and_says_so(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(inboxes, "MOST_WAITING", 3)
        await inbox(store).append([arrived(n) for n in range(3)])
        with pytest.raises(StoreFull):
            await inbox(store).append([arrived(3)])
        await inbox(store).strike([0])
        await inbox(store).append([arrived(3)])
        assert await ids(store) == [1, 2, 3]

    async def test_it_outlives_a_restart(self, store: Store) -> None:
        await inbox(store).append([arrived(n, body=b"%d" % n) for n in range(4)])
        await inbox(store).strike([1])
        await inbox(store).set_aside(letter(2, "2"))
        before = await inbox(store).waiting()
        again = await self.reopen(store)
        try:
            assert await inbox(again).waiting() == before
            assert [update.id for update in await inbox(again).append([arrived(1), arrived(4)])] == [4]
            assert await ids(again) == [0, 3, 4]
            assert await names(again) == ["2"]
        finally:
            await again.close()

    async def test_attempts_are_kept_over_a_restart_and_end_with_the_update(self, store: Store) -> None:
        await inbox(store).append([arrived(n) for n in range(1, 5)])
        await inbox(store, 2).append([arrived(2)])
        await inbox(store).strike([4])
        await inbox(store).note_attempts([1, 2], 1)
        await inbox(store).note_attempts([2, 4, 77], 3)
        again = await self.reopen(store)
        try:
            found = [(update.id, update.attempts) for update in await inbox(again).waiting()]
            assert found == [(1, 1), (2, 3), (3, 0)]
            assert [update.attempts for update in await inbox(again).waiting(line=-100)] == [1, 3, 0]
            assert [update.attempts for update in await inbox(again, 2).waiting()] == [0]
            await inbox(again).set_aside(letter(2, "2"))
            await inbox(again).requeue("2")
            assert [(update.id, update.attempts) for update in await inbox(again).waiting()][-1] == (2, 0)
        finally:
            await again.close()

    # -- dead letters --------------------------------------------------------------------------------

    async def test_what_is_set_aside_waits_no_more_and_does_not_come_again(self, store: Store) -> None:
        await inbox(store).append([arrived(5), arrived(6)])
        await inbox(store).set_aside(letter())
        assert await ids(store) == [6]
        assert await inbox(store).append([arrived(5)]) == []
        [found] = await inbox(store).dead()
        assert (found.name, found.update, found.chat, found.user) == ("5", 5, -100, 7)
        assert (found.reason, found.body) == ("too deep", b"\x00[[[")

    async def test_dead_letters_are_listed_in_their_order_and_once(self, store: Store) -> None:
        for name in ("5", "xb", "xa", "5"):
            await inbox(store).set_aside(letter(5 if name == "5" else None, name))
        assert sorted(await names(store)) == ["5", "xa", "xb"]

    async def test_a_requeued_one_comes_after_all_that_wait(self, store: Store) -> None:
        found = await inbox(store).append([arrived(5), arrived(6)])
        await inbox(store).set_aside(letter())
        assert await inbox(store).requeue("5")
        assert await names(store) == []
        assert await ids(store) == [6, 5]
        [again] = await inbox(store).waiting(after=found[-1].number)
        assert (again.id, again.chat, again.user, again.body) == (5, -100, 7, b"\x00[[[")
        await inbox(store).strike([5])
        assert await ids(store) == [6]

    async def test_one_whose_id_cannot_be_read_is_not_requeued(self, store: Store) -> None:
        await inbox(store).set_aside(letter(None, "x0123"))
        assert not await inbox(store).requeue("x0123")
        assert not await inbox(store).requeue("6")
        assert await names(store) == ["x0123"]

    async def test_a_dropped_one_is_gone_and_its_update_counts_as_handled(self, store: Store) -> None:
        await inbox(store).append([arrived(5)])
        await inbox(store).set_aside(letter())
        assert await inbox(store).drop("5")
        assert not await inbox(store).drop("5")
        assert await names(store) == []
        assert await inbox(store).append([arrived(5)]) == []

    async def test_the_bots_that_have_something_are_known(self, store: Store) -> None:
        await inbox(store).append([arrived(1)])
        await inbox(store, "b:c").set_aside(letter())
        await inbox(store, 3).append([arrived(1)])
        await inbox(store, 3).strike([1])
        assert isinstance(store, HasInbox)
        assert sorted(map(str, await store.inbox_bots())) == ["1", "b:c"]
        await inbox(store, "b:c").drop("5")
        assert await store.inbox_bots() == [1]

    # -- time, and forgetting ------------------------------------------------------------------------

    async def test_struck_ids_and_dead_letters_have_their_term(self, store: Store) -> None:
        await inbox(store).append([arrived(1), arrived(2)])
        await inbox(store).strike([1])
        await inbox(store).set_aside(letter())
        await self.pass_time(store, inboxes.VERDICT_SECONDS + 1)
        assert [update.id for update in await inbox(store).append([arrived(1)])] == [1]
        assert (await ids(store), await names(store)) == ([2, 1], ["5"])
        await self.pass_time(store, inboxes.DEAD_SECONDS)
        assert (await ids(store), await names(store)) == ([2, 1], [])

    async def test_forgetting_a_person_reaches_what_waits_and_dead_letters(self, store: Store) -> None:
        await inbox(store).append(
            [arrived(1, 7, 7), arrived(2, -100, 7), arrived(3, -100, 8), arrived(4, 0, 7)]
        )
        await inbox(store).set_aside(letter(5, "5"))
        await inbox(store).set_aside(letter(6, "6", user=8))
        await inbox(store, 2).append([arrived(1, 7, 7)])
        await store.forget(7, bot=1)
        assert (await ids(store), await names(store), await ids(store, 2)) == ([3], ["6"], [1])
        await store.forget(7)
        assert await ids(store, 2) == []

    async def test_forgetting_a_key_reaches_what_waits_and_dead_letters(self, store: Store) -> None:
        await inbox(store).append([arrived(1, -100, 7), arrived(2, -100, 8), arrived(3, -200, 7)])
        await inbox(store).set_aside(letter())
        await inbox(store, 2).append([arrived(1)])
        await store.forget(KEY)
        assert (await ids(store), await names(store), await ids(store, 2)) == ([2, 3], [], [1])
        await store.forget(Key(-100, -100, bot=1))
        assert await ids(store) == [3]
