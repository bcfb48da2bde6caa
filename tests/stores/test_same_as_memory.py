"""Every store does what MemoryStore does, over whatever sequence of leases, commits, losses and restarts.

A store joins with a `Subject` (`stores.subjects`).
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from search_rounds import ROUNDS
from stores.subjects import SUBJECTS, Subject

from fsmkit import Key, LeaseLost
from fsmkit.stores import Change, Index, Lease, Store
from fsmkit.stores.memory import MemoryStore
from fsmkit.testing import ManualClock

KEYS = [Key(1, 7, bot=1), Key(7, 8, bot=1), Key(1, 7, bot=2)]
FLOWS = ["form"]
START = 1000.0

pytest_plugins = ["stores.redis_server", "stores.postgres_server", "stores.mongo_server"]

keys = st.sampled_from([KEYS[0], *KEYS])  # one of them more often: things happen where things have happened
indexes = st.lists(
    st.builds(Index, st.sampled_from(["form", "cart"]), st.sampled_from(["a", "b", None]), st.none()),
    max_size=2,
).map(tuple)


@attrs.define(eq=False)
class Pair:
    """A lease on one key in both stores."""

    key: Key
    exclusive: bool
    model: Lease
    subject: Lease
    contexts: tuple[Any, Any]
    held: bool


@attrs.frozen
class Wish:
    """What a commit is to write."""

    row: bytes | None
    wait: float | None
    index: tuple[Index, ...]
    size: int
    fold: bool


requests = st.builds(
    Wish,
    row=st.sampled_from([b"a", b"b", b"", None]),
    wait=st.sampled_from([None, 0.0, 5.0, 10.0]),
    index=indexes,
    size=st.sampled_from([0, 1, 3]),
    fold=st.booleans(),
)


class _Unordered:
    """A snapshot, entered and left as a lease is."""

    def __init__(self, store: Store, key: Key) -> None:
        self._store = store
        self._key = key

    async def __aenter__(self) -> Lease:
        return await self._store.snapshot(self._key)

    async def __aexit__(self, *_exc: object) -> None:
        """Nothing is held."""


class SameAsMemory(RuleBasedStateMachine):
    """Does the same to both stores, and looks whether they answer the same."""

    def __init__(self, make: Callable[[], Subject]) -> None:
        super().__init__()
        self.made = make()
        self.runner = asyncio.Runner()
        self.clock = ManualClock(START)
        self.model = MemoryStore(self.clock)
        self.subject = self.made.open()
        self.pairs: list[Pair] = []
        self.claims: set[Key] = set()
        """Keys whose outbox this process has a claim on, or had the last one."""
        self.entries = 0

    def teardown(self) -> None:
        self.leave_all()
        self.run(self.subject.close())
        self.run(self.made.end())
        self.runner.close()

    def run(self, work: Awaitable[Any]) -> Any:
        """Waits for something; it never takes long."""

        async def patiently() -> Any:
            return await asyncio.wait_for(work, 30)

        return self.runner.run(patiently())

    def both(self, call: Callable[[Store], Awaitable[Any]]) -> Any:
        """What both stores answer."""
        expected, found = self.run(call(self.model)), self.run(call(self.subject))
        assert found == expected
        return found

    # -- steps -------------------------------------------------------------------------------------

    @precondition(lambda self: len(self.pairs) < 6)
    @rule(key=keys, exclusive=st.booleans(), wanted=st.booleans())
    def lease(self, key: Key, exclusive: bool, wanted: bool) -> None:
        self.begin(key, exclusive, wanted)

    @precondition(lambda self: self.pairs)
    @rule(data=st.data(), wish=requests, hold=st.booleans())
    def commit(self, data: Any, wish: Wish, hold: bool) -> None:
        self.commit_one(data.draw(st.sampled_from(self.pairs)), wish, hold)

    @rule(key=keys, wish=requests)
    def step(self, key: Key, wish: Wish) -> None:
        if self.begin(key, exclusive=False):
            pair = self.pairs[-1]
            self.commit_one(pair, wish, hold=False)
            self.leave_one(pair)

    def begin(self, key: Key, exclusive: bool, wanted: bool = True) -> bool:
        """Takes a lease in both, if it can be had without waiting."""
        if exclusive and any(pair.key == key and pair.exclusive and pair.held for pair in self.pairs):
            return False
        stores = (self.model, self.subject)
        contexts = tuple(
            store.lease(key, wanted=wanted) if exclusive else _Unordered(store, key) for store in stores
        )
        model, subject = (self.run(context.__aenter__()) for context in contexts)
        assert (subject.key, subject.row, subject.idle) == (key, model.row, model.idle)
        assert list(subject.receipts) == list(model.receipts)
        self.pairs.append(Pair(key, exclusive, model, subject, (contexts[0], contexts[1]), not model.idle))
        return True

    def commit_one(self, pair: Pair, wish: Wish, hold: bool) -> None:
        """Commits the same in both."""
        wake = None if wish.wait is None or wish.row is None else self.clock.now() + wish.wait
        outbox = tuple(b"entry %d" % (self.entries + n) for n in range(wish.size))
        self.entries += wish.size
        folded = len(pair.model.receipts) if wish.fold else 0
        change = Change(wish.row, wake, wish.index if wish.row is not None else (), outbox, folded)
        written = self.run(outcome(pair.model.commit(change, hold=hold)))
        assert self.run(outcome(pair.subject.commit(change, hold=hold))) == written
        assert list(pair.subject.receipts) == list(pair.model.receipts)
        if written == "lost":  # what another commit would do is open
            self.leave_one(pair)
            return
        pair.held = pair.held and hold
        if isinstance(written, bytes):
            self.claims.add(pair.key)
        if pair.key not in self.model.table.records:  # whether who saw nothing either has missed this is open
            for other in [other for other in self.pairs if other is not pair and other.key == pair.key]:
                self.leave_one(other)

    # -- outbox ------------------------------------------------------------------------------------

    @precondition(lambda self: self.claims)
    @rule(key=keys, receipt=st.sampled_from([None, b"r1", b"r2"]), right=st.sampled_from([True, True, False]))
    def acknowledge(self, key: Key, receipt: bytes | None, right: bool) -> None:
        record = self.model.table.records.get(key)
        last = record is not None and record.row is None and len(record.outbox) == 1
        # An empty record goes with its last entry: whether a lease on it is lost then is open. So is what
        # happens to an outbox that somebody strikes who never had a claim on it.
        if key not in self.claims or (last and any(pair.key == key for pair in self.pairs)):
            return
        entry = record.outbox[0] if right and record is not None and record.outbox else b"entry 0"
        self.both(lambda store: store.acknowledge(key, entry, receipt))

    # -- the rest: one rule, for the others are what most runs should be made of ---------------------

    @rule(
        what=st.sampled_from(["leave", "leases", "claims", "hold", "time", "forget", "restart"]),
        key=keys,
        who=st.sampled_from([*KEYS, 7, 8, "7"]),
        bot=st.sampled_from([None, 1]),
    )
    def happen(self, what: str, key: Key, who: Key | int | str, bot: int | None) -> None:
        if what == "leave" and self.pairs:
            self.leave_one(self.pairs[0])
        elif what == "leases":
            self.leases_run_out()
        elif what == "claims":
            self.run(self.made.expire_claims())
            self.free_outboxes()
        elif what == "hold":
            self.hold(key)
        elif what == "time":
            self.clock.advance(5.0)
        elif what == "forget":
            self.both(lambda store: store.forget(who, bot=bot))
        elif what == "restart":
            self.restart()

    def leases_run_out(self) -> None:
        """After a long pause, no lease is worth anything."""
        self.run(self.made.expire_leases())
        for pair in [pair for pair in self.pairs if pair.exclusive and pair.held]:
            assert self.run(outcome(pair.subject.commit(Change(b"too late", None)))) == "lost"
            self.leave_one(pair)
        self.free_outboxes()

    def hold(self, key: Key) -> None:
        """Who delivers has to wait, and keeps the claim, or takes it again."""
        if key not in self.claims:
            return
        self.both(lambda store: store.extend_claim(key, 0.0))
        record = self.model.table.records.get(key)
        if record is not None:
            record.delivering = bool(record.outbox)

    def restart(self) -> None:
        """The process ends and another begins, after the claims of the first are over."""
        self.leave_all()
        self.run(self.subject.close())
        self.subject = self.made.open()
        self.claims.clear()
        self.run(self.made.expire_claims())
        self.free_outboxes()

    @invariant()
    def rows_are_the_same(self) -> None:
        scanned = [self.run(everything(store)) for store in (self.model, self.subject)]
        assert scanned[1] == sorted(scanned[0], key=lambda stored: str(stored.key))
        for key in KEYS:
            expected, found = (self.run(seen(store, key)) for store in (self.model, self.subject))
            assert found == expected

    @invariant()
    def what_is_due_is_the_same(self) -> None:
        now = self.clock.now()
        for bot in (1, 2):
            expected = set(self.run(self.model.due(bot, FLOWS, now, 100)))
            expected |= {key for key in KEYS if key.bot == bot and self.idle(key)}
            assert set(self.run(self.made.due(self.subject, bot, FLOWS, now))) == expected

    def idle(self, key: Key) -> bool:
        """Whether an outbox waits for somebody, which MemoryStore does not count as due."""
        record = self.model.table.records.get(key)
        if record is None or record.delivering or not record.outbox:
            return False
        return not record.index or any(index.flow in FLOWS for index in record.index)

    def free_outboxes(self) -> None:
        """Claims of MemoryStore do not run out by themselves."""
        for record in self.model.table.records.values():
            record.delivering = False

    def leave_one(self, pair: Pair) -> None:
        if pair not in self.pairs:
            return
        self.pairs.remove(pair)
        for context in pair.contexts:
            self.run(context.__aexit__(None, None, None))

    def leave_all(self) -> None:
        for pair in list(self.pairs):
            self.leave_one(pair)


async def outcome(commit: Awaitable[bytes | None]) -> bytes | str | None:
    """What a commit answers, or that it was lost."""
    try:
        return await commit
    except LeaseLost:
        return "lost"


async def seen(store: Store, key: Key) -> tuple[bytes | None, bytes | None, list[bytes]]:
    """What is shown of a key without a turn."""
    lease = await store.snapshot(key)
    return await store.peek(key), lease.row, list(lease.receipts)


async def everything(store: Store) -> list[Any]:
    """All that `scan` shows."""
    return [stored async for stored in store.scan()]


def play(make: Callable[[], Subject], examples: int, steps: int) -> None:
    few = settings(stateful_step_count=steps, max_examples=examples)
    run_state_machine_as_test(lambda: SameAsMemory(make), settings=few)


@pytest.mark.parametrize("name", SUBJECTS)
def test_a_store_does_what_memory_does(name: str, request: pytest.FixtureRequest) -> None:
    kind = SUBJECTS[name]
    play(kind.ready(request), kind.few, 40)


@pytest.mark.thorough
@pytest.mark.parametrize("name", SUBJECTS)
def test_a_store_does_what_memory_does_for_long(name: str, request: pytest.FixtureRequest) -> None:
    kind = SUBJECTS[name]
    play(kind.ready(request), kind.many * ROUNDS, 80)
