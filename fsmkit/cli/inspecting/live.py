"""The live conversations of a store, read without knowing their flows."""

from collections.abc import Iterator
from math import inf

import attrs

from fsmkit.codec import decode_row
from fsmkit.deadlines import timeout_at
from fsmkit.errors import StoreCorrupt
from fsmkit.keys import Key
from fsmkit.model import Row, Snapshot
from fsmkit.stores import Store, StoredRow

OVERDUE_SECONDS = 60.0
"""How late a deadline may be before somebody should look: a bot that runs fires it within seconds."""

Place = tuple[str, str | None]
"""Flow and state."""


@attrs.frozen(kw_only=True)
class Live:
    """A conversation, a draft, or a key that has only something to deliver.

    Attributes:
        key: Whose.
        flow: The flow that runs, `None` if only something is to be delivered.
        state: Its state, `None` for a draft.
        called_by: The flows that wait for it and their states, the innermost first.
        last: When the key's last event was handled, in seconds since 1970; `None` if that is not known.
        deadline: When it times out next, idle or not, in seconds since 1970.
        reminder: When the person is reminded.
        waiting: How many effects of the key wait to be delivered.
        letters: How many events wait for their time.
        stuck: Why somebody should look: `deadline`, `effects`, `events`, `unreadable`.
    """

    key: Key
    flow: str | None = None
    state: str | None = None
    called_by: tuple[Place, ...] = ()
    last: float | None = None
    deadline: float | None = None
    reminder: float | None = None
    waiting: int = 0
    letters: int = 0
    stuck: tuple[str, ...] = ()

    @property
    def draft(self) -> bool:
        """Whether only data stand here."""
        return self.flow is not None and self.state is None and not self.called_by


@attrs.frozen(kw_only=True)
class Wanted:
    """Which conversations to find; `None`: all.

    Attributes:
        bot: This bot's.
        flow: Those in which this flow runs.
        state: Those in this state.
        older: Those whose key had its last event so many seconds ago.
        stuck: Only those that are stuck.
    """

    bot: int | str | None = None
    flow: str | None = None
    state: str | None = None
    older: float | None = None
    stuck: bool = False

    def takes(self, one: Live, now: float) -> bool:
        """Whether a conversation is one of them."""
        return (
            self.flow in (None, one.flow)
            and self.state in (None, one.state)
            and (self.older is None or (one.last is not None and now - one.last >= self.older))
            and (bool(one.stuck) or not self.stuck)
        )


async def live(store: Store, wanted: Wanted, now: float, remembered: float) -> list[Live]:
    """Finds conversations, the most overdue first, those without a deadline last.

    Args:
        store: The store.
        wanted: Which.
        now: The time, in seconds since 1970.
        remembered: For how many seconds the bot's engine remembers ids of events, its `dedupe_for`: a row
            says until when, and so when the last event was.
    """
    found: list[Live] = []
    async for stored in store.scan(bot=wanted.bot, flow=wanted.flow, state=wanted.state):
        found += [one for one in _of(stored, now, remembered) if wanted.takes(one, now)]
    found.sort(key=lambda one: (inf if one.deadline is None else one.deadline, str(one.key)))
    return found


def last_event(row: Row, now: float, remembered: float) -> float | None:
    """When the key's last event that had an id was handled, in seconds since 1970."""
    last = row.keep - remembered
    return last if 0 < last <= now else None


def _of(stored: StoredRow, now: float, remembered: float) -> Iterator[Live]:
    stuck = ("effects",) if stored.outbox else ()
    try:
        row = decode_row(stored.row)
    except StoreCorrupt:  # what it is looked up by is known all the same
        bare = Live(key=stored.key, waiting=stored.outbox, stuck=("unreadable", *stuck))
        for index in stored.index:
            yield attrs.evolve(bare, flow=index.flow, state=index.state, deadline=index.deadline)
        if not stored.index:
            yield bare
        return
    if any(mail.due + OVERDUE_SECONDS < now for mail in row.later):
        stuck = ("events", *stuck)
    bare = Live(
        key=stored.key,
        last=last_event(row, now, remembered),
        waiting=stored.outbox,
        letters=len(row.later),
        stuck=stuck,
    )
    for snapshot in row.snapshots.values():
        yield _conversation(bare, snapshot, now)
    if not row.snapshots and (bare.waiting or bare.letters):
        yield bare


def _conversation(bare: Live, snapshot: Snapshot, now: float) -> Live:
    *callers, runs = snapshot.frames
    deadline = timeout_at(snapshot)
    late = deadline is not None and deadline + OVERDUE_SECONDS < now
    return attrs.evolve(
        bare,
        flow=runs.flow,
        state=runs.state,
        called_by=tuple((frame.flow, frame.state) for frame in reversed(callers)),
        deadline=deadline,
        reminder=snapshot.remind,
        stuck=("deadline", *bare.stuck) if late else bare.stuck,
    )
