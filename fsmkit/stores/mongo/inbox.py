"""The inbox of `MongoStore`: a collection with a document for each update, and one for dead letters.

A commit and a strike are two commands, for they are about two documents. A kill in between leaves an update
that has taken effect in the inbox; its id stands in the row, so that it is recognised, and struck then.
"""

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from msgspec import structs
from pymongo import ASCENDING, IndexModel
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import BulkWriteError

import fsmkit.stores.inbox as inboxes
from fsmkit.errors import StoreFull, StoreUnavailable
from fsmkit.keys import Key
from fsmkit.stores.inbox import DEAD_SECONDS, VERDICT_SECONDS, DeadLetter, StoredUpdate, concerns
from fsmkit.stores.mongo.documents import Document
from fsmkit.stores.mongo.session import MongoSession

_log = logging.getLogger("fsmkit")

Collection = AsyncCollection[Document]

_DUPLICATE = 11000

_INDEXES = [
    IndexModel([("bot", ASCENDING), ("struck", ASCENDING), ("number", ASCENDING)], name="waiting"),
    IndexModel([("bot", ASCENDING), ("line", ASCENDING), ("number", ASCENDING)], name="line"),
]

_GONE = {"body": None, "line": 0, "chat": 0, "user": 0}
"""What is left of an update that was struck: its id."""

WAITING = 0.0
"""Stands for the time at which an update was struck, while it was not."""


async def strike(session: MongoSession, bot: str, ids: Sequence[int]) -> None:
    """Note that updates were handled; of a struck one nothing is left but its id."""
    wanted = {"_id": {"$in": [f"{bot}:{ident}" for ident in ids]}, "struck": WAITING}
    struck = {"$set": {"struck": session.now(), **_GONE}}
    await session.call(lambda rows: _updates(rows).update_many(wanted, struck))


async def strike_after_commit(session: MongoSession, bot: str, ids: Sequence[int]) -> None:
    """Strike what a commit that was written has handled; the row knows its ids, should that fail."""
    try:
        await strike(session, bot, ids)
    except StoreUnavailable as error:
        _log.warning("%d updates that were handled stay in the inbox: %s", len(ids), error)


class MongoInbox:
    """The updates of one bot; see `fsmkit.stores.inbox.Inbox`.

    Args:
        session: Returns the client of the running event loop.
        bot: The last part of the text of the bot's keys.
    """

    durable = True

    def __init__(self, session: Callable[[], Awaitable[MongoSession]], bot: str) -> None:
        self._session = session
        self._bot = bot
        self._last = 0
        self._indexed = False

    async def append(self, updates: Sequence[StoredUpdate]) -> list[StoredUpdate]:
        """Store what is new, and drop what has had its time; of a batch a kill may leave a part."""
        session = await self._ready()
        now, bot = session.now(), self._bot
        old = {"bot": bot, "struck": {"$gt": WAITING, "$lt": now - VERDICT_SECONDS}}
        await session.call(lambda rows: _updates(rows).delete_many(old))
        wait = {"bot": bot, "struck": WAITING}
        count, _ = await session.call(lambda rows: _updates(rows).count_documents(wait))
        if count >= inboxes.MOST_WAITING:
            raise StoreFull(f"{count} updates wait in the inbox: no more are taken")
        dead = {letter.update for letter in await self.dead()}
        new = [self._numbered(update, now) for update in updates if update.id not in dead]
        refused = await self._insert(session, new) if new else set()
        return [update for place, update in enumerate(new) if place not in refused]

    async def waiting(
        self, after: int = 0, limit: int = 100, *, line: int | None = None
    ) -> list[StoredUpdate]:
        """Return what waits, the oldest first."""
        wanted: Document = {"bot": self._bot, "struck": WAITING, "number": {"$gt": after}}
        if line is not None:
            wanted["line"] = line
        found, _ = await (await self._ready()).call(
            lambda rows: _updates(rows).find(wanted).sort("number", 1).limit(limit).to_list()
        )
        return [
            StoredUpdate(**{name: each[name] for name in _FIELDS}, attempts=each.get("attempts", 0))
            for each in found
        ]

    async def strike(self, ids: Sequence[int]) -> None:
        """Note that updates were handled."""
        await strike(await self._session(), self._bot, ids)

    async def note_attempts(self, ids: Sequence[int], attempts: int) -> None:
        """Note the `attempts` of updates that wait."""
        session = await self._session()
        wanted = {"_id": {"$in": [self._name(ident) for ident in ids]}, "struck": WAITING}
        await session.call(lambda rows: _updates(rows).update_many(wanted, {"$set": {"attempts": attempts}}))

    async def set_aside(self, letter: DeadLetter) -> None:
        """Keep a dead letter, then strike its update."""
        session = await self._ready()
        name = self._name(letter.name)
        kept = {**structs.asdict(letter), "_id": name, "bot": self._bot, "since": session.now()}
        await session.call(lambda rows: _replace(_letters(rows), kept))
        old = {"bot": self._bot, "since": {"$lte": session.now() - DEAD_SECONDS}}
        await session.call(lambda rows: _letters(rows).delete_many(old))
        if letter.update is not None:
            await self.strike([letter.update])

    async def dead(self) -> list[DeadLetter]:
        """Return the dead letters, the oldest first."""
        session = await self._session()
        wanted = {"bot": self._bot, "since": {"$gt": session.now() - DEAD_SECONDS}}
        found, _ = await session.call(lambda rows: _letters(rows).find(wanted).sort("since", 1).to_list())
        return [DeadLetter(**{name: each[name] for name in DeadLetter.__struct_fields__}) for each in found]

    async def requeue(self, name: str) -> bool:
        """Put a dead letter at the end of the inbox, then remove it."""
        session = await self._ready()
        letter = next((each for each in await self.dead() if each.name == name), None)
        if letter is None or letter.update is None:
            return False
        update = StoredUpdate(letter.update, letter.chat, letter.user, letter.body, time.time())
        again = self._document(self._numbered(update, session.now()))
        await session.call(lambda rows: _replace(_updates(rows), again))
        await self._remove(name)
        return True

    async def drop(self, name: str) -> bool:
        """Remove a dead letter; its update stays handled, for it was struck."""
        return await self._remove(name)

    async def forget(self, who: Key | int | str) -> None:
        """Remove what is a person's, or a key's."""
        session = await self._session()
        chats = [who.chat, who.user] if isinstance(who, Key) else [who]
        wanted = {"bot": self._bot, "$or": [{"chat": {"$in": chats}}, {"user": {"$in": chats}}]}
        for of in (_updates, _letters):
            found, _ = await session.call(lambda rows, of=of: of(rows).find(wanted).to_list())  # type: ignore[misc]
            names = [each["_id"] for each in found if _concerns(each, who)]
            gone = {"_id": {"$in": names}}
            await session.call(lambda rows, of=of, gone=gone: of(rows).delete_many(gone))  # type: ignore[misc]

    async def _insert(self, session: MongoSession, updates: Sequence[StoredUpdate]) -> set[int]:
        """Insert documents; return the places of those that were there."""
        documents = [self._document(update) for update in updates]

        async def insert(rows: Collection) -> set[int]:
            try:
                await _updates(rows).insert_many(documents, ordered=False)
            except BulkWriteError as error:
                errors: list[Any] = error.details["writeErrors"]
                if any(each["code"] != _DUPLICATE for each in errors):
                    raise
                return {each["index"] for each in errors}
            return set()

        refused, _ = await session.call(insert)
        return refused

    async def _remove(self, name: str) -> bool:
        gone = {"_id": self._name(name)}
        done, _ = await (await self._session()).call(lambda rows: _letters(rows).delete_one(gone))
        return done.deleted_count > 0

    async def _ready(self) -> MongoSession:
        session = await self._session()
        if not self._indexed:
            await session.call(lambda rows: _updates(rows).create_indexes(_INDEXES))
            self._indexed = True
        return session

    def _numbered(self, update: StoredUpdate, now: float) -> StoredUpdate:
        """Give an update its number: the server's time in microseconds, rising within a process."""
        self._last = max(self._last + 1, int(now * 1e6))
        return structs.replace(update, number=self._last)

    def _document(self, update: StoredUpdate) -> Document:
        fields = structs.asdict(update)
        return {
            **fields,
            "_id": self._name(update.id),
            "bot": self._bot,
            "line": update.line,
            "struck": WAITING,
        }

    def _name(self, name: int | str) -> str:
        return f"{self._bot}:{name}"


_FIELDS = [name for name in StoredUpdate.__struct_fields__ if name != "attempts"]


async def bots(session: MongoSession) -> list[str]:
    """Return the bots for which something waits or was set aside, as the texts of their keys end."""
    waiting, _ = await session.call(
        lambda rows: _updates(rows).find({"struck": WAITING}, {"bot": 1}).to_list()
    )
    dead, _ = await session.call(lambda rows: _letters(rows).find({}, {"bot": 1}).to_list())
    return sorted({each["bot"] for each in [*waiting, *dead]})


async def _replace(collection: Collection, document: Document) -> None:
    """Put a document in the place of one that may be there; a kill in between leaves none."""
    await collection.delete_one({"_id": document["_id"]})
    await collection.insert_one(document)


def _concerns(document: Document, who: Key | int | str) -> bool:
    place = StoredUpdate(0, document["chat"], document["user"], b"", 0.0)
    return concerns(place, who)


def _updates(rows: Collection) -> Collection:
    return rows.database.get_collection("fsmkit_inbox", write_concern=rows.write_concern)


def _letters(rows: Collection) -> Collection:
    return rows.database.get_collection("fsmkit_dead_letters", write_concern=rows.write_concern)
