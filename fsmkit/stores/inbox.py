"""The inbox: updates that a bot was given and that have not taken effect yet, as raw bytes.

An update is appended before Telegram is told that it was received, and struck by the commit of the step that
it causes. So a kill at any moment loses none, and none takes effect twice: whichever of the two writes came
last is the truth.

A store has an inbox where it has a method `inbox(bot)` (`HasInbox`); every other one is served by one in
memory, whose updates are confirmed to Telegram only when they were handled.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, runtime_checkable

from msgspec import Struct, structs

from fsmkit.errors import StoreFull
from fsmkit.keys import Key
from fsmkit.stores.protocol import Store

VERDICT_SECONDS = 25 * 3600.0
"""How long a struck id is remembered: Telegram keeps what it was not told of for 24 hours,
https://core.telegram.org/bots/api#getting-updates."""

DEAD_SECONDS = 30 * 24 * 3600.0
"""How long a dead letter is kept."""

MOST_WAITING = 100_000
"""Updates of a bot that may wait; beyond it nothing is appended, and Telegram keeps what comes."""


class StoredUpdate(Struct, frozen=True):
    """An update as it was received.

    Attributes:
        id: Its `update_id`.
        chat: The chat's id, 0 if there is none or it cannot be read.
        user: The user's id, likewise.
        body: Its bytes.
        received: When, in seconds since 1970, UTC.
        number: Its place in the inbox; the store gives it.
        attempts: In how many processes it was in hand that had found it waiting at their start.
    """

    id: int
    chat: int
    user: int
    body: bytes
    received: float
    number: int = 0
    attempts: int = 0

    @property
    def line(self) -> int:
        """In whose order it stands: the chat's, else the user's; 0: in nobody's."""
        return self.chat or self.user


class DeadLetter(Struct, frozen=True):
    """An update that was set aside, for it cannot be handled.

    Attributes:
        name: What it is called: its `update_id`, or a hash of its bytes where that cannot be read.
        update: Its `update_id`, `None` if that cannot be read.
        chat: The chat's id, 0 if there is none or it cannot be read.
        user: The user's id, likewise.
        reason: Why, in a few words that tell nothing of its content.
        body: Its bytes.
        since: When, in seconds since 1970, UTC; the store gives it.
    """

    name: str
    update: int | None
    chat: int
    user: int
    reason: str
    body: bytes
    since: float = 0.0


def name_of(update: int | None, body: bytes) -> str:
    """Return the name of a dead letter."""
    return f"x{hashlib.blake2b(body, digest_size=6).hexdigest()}" if update is None else str(update)


class Inbox(Protocol):
    """The updates of one bot.

    Attributes:
        durable: Whether they outlive the process.
    """

    durable: bool

    async def append(self, updates: Sequence[StoredUpdate]) -> list[StoredUpdate]:
        """Store what is new, all of it or nothing; it is durable when this returns.

        An update that waits, was struck in the last `VERDICT_SECONDS`, or is a dead letter, is not new.

        Returns:
            The new ones in their order, each with its `number`.

        Raises:
            StoreFull: If `MOST_WAITING` wait already; nothing was stored.
        """
        ...

    async def waiting(
        self, after: int = 0, limit: int = 100, *, line: int | None = None
    ) -> list[StoredUpdate]:
        """Return what waits, the oldest first.

        Args:
            after: Only what has a greater `number`.
            limit: At most so many.
            line: Only those of this `line`.
        """
        ...

    async def strike(self, ids: Sequence[int]) -> None:
        """Note that updates were handled, as a commit does with `Change.struck`; may be repeated."""
        ...

    async def note_attempts(self, ids: Sequence[int], attempts: int) -> None:
        """Note the `attempts` of updates that wait; the end of the process, not of the machine, keeps it."""
        ...

    async def set_aside(self, letter: DeadLetter) -> None:
        """Keep a dead letter, and strike its update."""
        ...

    async def dead(self) -> list[DeadLetter]:
        """Return the dead letters, the oldest first."""
        ...

    async def requeue(self, name: str) -> bool:
        """Put a dead letter at the end of the inbox; return whether that could be done.

        It cannot where there is none of that name, or its `update_id` could not be read.
        """
        ...

    async def drop(self, name: str) -> bool:
        """Remove a dead letter; return whether there was one."""
        ...


@runtime_checkable
class HasInbox(Protocol):
    """A store that keeps inboxes; its `forget` reaches them, and its commits apply `Change.struck`."""

    def inbox(self, bot: int | str | None) -> Inbox:
        """Return the inbox of a bot."""
        ...

    async def inbox_bots(self) -> list[int | str | None]:
        """Return the bots for which something waits or was set aside."""
        ...


def inbox_of(store: Store, bot: int | str | None, now: Callable[[], float]) -> Inbox:
    """Return a bot's inbox in a store, or one in memory where the store keeps none."""
    return store.inbox(bot) if isinstance(store, HasInbox) else MemoryInbox(now)


def concerns(update: StoredUpdate | DeadLetter, who: Key | int | str) -> bool:
    """Return whether an update is one of a person's, or of a key's, as `Store.forget` takes them."""
    if not isinstance(who, Key):
        return who in (update.chat, update.user)
    if who.chat == who.user:
        return who.chat in (update.chat, update.user)
    return (update.chat, update.user) == (who.chat, who.user)


class MemoryInbox:
    """An inbox that ends with the process.

    Args:
        now: Returns the time, in seconds since 1970, UTC.
        verdict_seconds: How long struck ids are remembered; whoever confirms updates to Telegram only when
            they were handled needs no more than minutes.
    """

    durable = False

    def __init__(self, now: Callable[[], float], verdict_seconds: float = 600.0) -> None:
        self._now = now
        self._verdict_seconds = verdict_seconds
        self._number = 0
        self._waiting: dict[int, StoredUpdate] = {}
        self._struck: dict[int, float] = {}
        self._dead: dict[str, DeadLetter] = {}

    async def append(self, updates: Sequence[StoredUpdate]) -> list[StoredUpdate]:
        """Store what is new."""
        self._expire()
        if len(self._waiting) >= MOST_WAITING:
            raise StoreFull(f"{len(self._waiting)} updates wait in the inbox: no more are taken")
        return [self._put(update) for update in updates if self._is_new(update.id)]

    async def waiting(
        self, after: int = 0, limit: int = 100, *, line: int | None = None
    ) -> list[StoredUpdate]:
        """Return what waits, the oldest first."""
        found = (update for update in self._waiting.values() if update.number > after)
        return [update for update in found if line in (None, update.line)][:limit]

    async def strike(self, ids: Sequence[int]) -> None:
        """Note that updates were handled."""
        self.strike_now(ids)

    def strike_now(self, ids: Iterable[int]) -> None:
        """Note that updates were handled, within a commit."""
        for ident in ids:
            if self._waiting.pop(ident, None) is not None:
                self._struck[ident] = self._now()

    async def note_attempts(self, ids: Sequence[int], attempts: int) -> None:
        """Note the `attempts` of updates that wait."""
        for ident in self._waiting.keys() & ids:
            self._waiting[ident] = structs.replace(self._waiting[ident], attempts=attempts)

    async def set_aside(self, letter: DeadLetter) -> None:
        """Keep a dead letter, and strike its update."""
        self._dead[letter.name] = structs.replace(letter, since=self._now())
        if letter.update is not None:
            self._waiting.pop(letter.update, None)

    async def dead(self) -> list[DeadLetter]:
        """Return the dead letters, the oldest first."""
        self._expire()
        return sorted(self._dead.values(), key=lambda letter: letter.since)

    async def requeue(self, name: str) -> bool:
        """Put a dead letter at the end of the inbox."""
        letter = self._dead.get(name)
        if letter is None or letter.update is None:
            return False
        del self._dead[name]
        self._struck.pop(letter.update, None)
        self._put(StoredUpdate(letter.update, letter.chat, letter.user, letter.body, self._now()))
        return True

    async def drop(self, name: str) -> bool:
        """Remove a dead letter; its update stays handled."""
        letter = self._dead.pop(name, None)
        if letter is not None and letter.update is not None:
            self._struck[letter.update] = self._now()
        return letter is not None

    def is_empty(self) -> bool:
        """Return whether nothing waits, and nothing was set aside."""
        return not self._waiting and not self._dead

    def forget(self, who: Key | int | str) -> None:
        """Remove what is a person's, or a key's."""
        for update in [update for update in self._waiting.values() if concerns(update, who)]:
            del self._waiting[update.id]
        for letter in [letter for letter in self._dead.values() if concerns(letter, who)]:
            del self._dead[letter.name]

    def _is_new(self, ident: int) -> bool:
        return ident not in self._waiting and ident not in self._struck and str(ident) not in self._dead

    def _put(self, update: StoredUpdate) -> StoredUpdate:
        self._number += 1
        stored = self._waiting[update.id] = structs.replace(update, number=self._number)
        return stored

    def _expire(self) -> None:
        now = self._now()
        while self._struck and next(iter(self._struck.values())) <= now - self._verdict_seconds:
            del self._struck[next(iter(self._struck))]
        for letter in [letter for letter in self._dead.values() if letter.since <= now - DEAD_SECONDS]:
            del self._dead[letter.name]
