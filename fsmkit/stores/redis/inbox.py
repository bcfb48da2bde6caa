"""The inbox of `RedisStore`: a bot's view of it; what the scripts do is in `lua/inbox*.lua`.

A bot's inbox is in one shard, a row in that of its key: on a cluster these are two servers, and no write
reaches both. So a commit is followed by its strike. A kill in between leaves an update that has taken effect
in the inbox; its id stands in the row, written by the same commit, so that it is recognised, and struck then.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
from msgspec import structs

import fsmkit.stores.inbox as inboxes
from fsmkit.errors import StoreFull
from fsmkit.keys import Key
from fsmkit.stores.inbox import DEAD_SECONDS, VERDICT_SECONDS, DeadLetter, StoredUpdate, concerns
from fsmkit.stores.redis.cluster import Nodes, shard_of

PAGE = 500

BOTS = "inbox-bots"
"""The set, in the first shard, of all bots that ever had an inbox."""

_pack = msgspec.msgpack.Encoder().encode

_update = msgspec.msgpack.Decoder(tuple[int, int, bytes, float]).decode

_letter = msgspec.msgpack.Decoder(tuple[str, int | None, int, int, str, bytes]).decode


async def bots(nodes: Nodes) -> list[str]:
    """Return the bots that have an inbox, as the texts of their keys end."""
    return sorted(text.decode() for text in await nodes.command(0, "SMEMBERS", BOTS))


class RedisInbox:
    """The updates of one bot; see `fsmkit.stores.inbox.Inbox`.

    Args:
        nodes: Returns the server or the nodes of the running event loop.
        bot: The last part of the text of the bot's keys.
        now: The time, in seconds since 1970, UTC.
    """

    durable = True

    def __init__(self, nodes: Callable[[], Awaitable[Nodes]], bot: str, now: Callable[[], float]) -> None:
        self._nodes = nodes
        self._bot = bot
        self._now = now
        self._shard = shard_of(f"inbox {bot}")
        self._known = False

    async def append(self, updates: Sequence[StoredUpdate]) -> list[StoredUpdate]:
        """Store what is new, and drop what has had its time."""
        await self._make_known()
        fields = [part for update in updates for part in (update.id, update.line, _packed(update))]
        full, *found = await self._call("append", int(VERDICT_SECONDS), inboxes.MOST_WAITING, *fields)
        if not full:
            raise StoreFull(f"{inboxes.MOST_WAITING} updates wait in the inbox: no more are taken")
        numbers = {int(ident): number for ident, number in zip(found[::2], found[1::2], strict=True)}
        return [structs.replace(u, number=numbers.pop(u.id)) for u in updates if u.id in numbers]

    async def waiting(
        self, after: int = 0, limit: int = 100, *, line: int | None = None
    ) -> list[StoredUpdate]:
        """Return what waits, the oldest first."""
        found = await self._call("read", after, limit, "" if line is None else line)
        return [
            StoredUpdate(int(ident), *_update(body), number=int(number), attempts=int(attempts))
            for ident, number, body, attempts in zip(*(found[at::4] for at in range(4)), strict=True)
        ]

    async def strike(self, ids: Sequence[int]) -> None:
        """Note that updates were handled."""
        await self._call("strike", *ids)

    async def note_attempts(self, ids: Sequence[int], attempts: int) -> None:
        """Note the `attempts` of updates that wait."""
        await self._call("note_attempts", attempts, *ids)

    async def set_aside(self, letter: DeadLetter) -> None:
        """Keep a dead letter, and strike its update."""
        await self._make_known()
        packed = _pack((letter.name, letter.update, letter.chat, letter.user, letter.reason, letter.body))
        ident = "" if letter.update is None else letter.update
        await self._call("set_aside", int(DEAD_SECONDS), letter.name, ident, packed)

    async def dead(self) -> list[DeadLetter]:
        """Return the dead letters, the oldest first."""
        found = await self._call("dead", int(DEAD_SECONDS))
        return [
            DeadLetter(*_letter(packed), since=float(since))
            for since, packed in zip(found[::2], found[1::2], strict=True)
        ]

    async def requeue(self, name: str) -> bool:
        """Put a dead letter at the end of the inbox."""
        letter = await self._one(name)
        if letter is None or letter.update is None:
            return False
        update = StoredUpdate(letter.update, letter.chat, letter.user, letter.body, self._now())
        return bool(await self._call("drop", name, update.id, update.line, _packed(update)))

    async def drop(self, name: str) -> bool:
        """Remove a dead letter; its update stays handled."""
        letter = await self._one(name)
        if letter is None:
            return False
        ident = "" if letter.update is None else letter.update
        return bool(await self._call("drop", name, ident, "", ""))

    async def forget(self, who: Key | int | str) -> None:
        """Remove what is a person's, or a key's."""
        after = 0
        while page := await self.waiting(after, PAGE):
            after = page[-1].number
            await self._call("drop", "", "", "", "", *(u.id for u in page if concerns(u, who)))
        for letter in await self.dead():
            if concerns(letter, who):
                await self._call("drop", letter.name, "", "", "")

    async def is_empty(self) -> bool:
        """Return whether nothing waits, and nothing was set aside."""
        return not await self.waiting(limit=1) and not await self.dead()

    async def _one(self, name: str) -> DeadLetter | None:
        return next((letter for letter in await self.dead() if letter.name == name), None)

    async def _make_known(self) -> None:
        if not self._known:
            await (await self._nodes()).command(0, "SADD", BOTS, self._bot)
            self._known = True

    async def _call(self, name: str, *args: int | str | bytes) -> Any:
        return await (await self._nodes()).call(self._shard, f"inbox_{name}", self._bot, *args)


def _packed(update: StoredUpdate) -> bytes:
    return _pack((update.chat, update.user, update.body, update.received))
