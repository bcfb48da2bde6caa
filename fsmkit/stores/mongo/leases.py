"""A lease on a document of a `MongoStore`, from waiting for it to the commit.

What stands in a document is in `fsmkit.stores.mongo.documents`.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from types import TracebackType

from bson import Int64
from pymongo import ReturnDocument
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import DuplicateKeyError

from fsmkit.errors import LeaseLost, StoreUnavailable
from fsmkit.keys import Key
from fsmkit.stores.mongo.documents import Document, blank, changed, is_empty, is_idle, new_token
from fsmkit.stores.mongo.session import MongoSession
from fsmkit.stores.protocol import Change

FIRST_PAUSE = 0.005


LONGEST_PAUSE = 0.1
"""Seconds between two questions for a lease that another process holds."""


class MongoLease:
    """A turn with one row; see `fsmkit.stores.Lease`.

    Args:
        session: Opens the session of the running loop.
        key: Whose row.
        exclusive: Whether it waits for its turn.
        wanted: `False`: not if no conversation is stored.
    """

    __slots__ = (
        "_document",
        "_exclusive",
        "_missing",
        "_open",
        "_session",
        "_text",
        "_token",
        "_turn",
        "_wanted",
        "idle",
        "key",
        "receipts",
        "row",
    )

    def __init__(
        self, session: Callable[[], Awaitable[MongoSession]], key: Key, exclusive: bool, wanted: bool
    ) -> None:
        self._open = session
        self._wanted = wanted
        self.idle = False
        self._text = str(key)
        self._exclusive = exclusive
        self._token = new_token()
        self._session: MongoSession | None = None
        self._turn: asyncio.Lock | None = None
        self._document: Document = {}
        self._missing = False
        self.key = key
        self.row: bytes | None = None
        self.receipts: Sequence[bytes] = ()

    async def __aenter__(self) -> "MongoLease":
        session = await self._open()
        self._know(await (self._wait(session) if self._exclusive else self._read(session)))
        self._session = None if self.idle else session
        self.row = self._document["row"]
        self.receipts = tuple(self._document["receipts"])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        session, self._session = self._session, None
        if session is None or not self._exclusive or session.loop.is_closed():
            return
        freed = session.chores.begin(self._free(session))
        if not isinstance(error, asyncio.CancelledError):
            await asyncio.shield(freed)

    async def commit(self, change: Change, *, hold: bool = False) -> bytes | None:
        """Writes the row and frees the lease; see `fsmkit.stores.Lease`."""
        session = self._session
        if session is None:
            raise LeaseLost(f"the lease on {self.key} is over; nothing was written")
        number = new_token()
        version = self._document["version"]
        repeated = False
        while True:
            written, again = await self._write(session, change, number, hold)
            if written:
                break
            repeated = repeated or again
            fresh = await self._read(session)
            if fresh is not None and number in fresh["commits"]:
                self._know(fresh)
                break
            if not self._stands(session, fresh, version):
                if repeated:  # perhaps it was, and others have written since; only they know
                    raise StoreUnavailable(
                        f"{self.key}: the answer to a commit was lost, perhaps it was written"
                    )
                raise LeaseLost(
                    f"the lease on {self.key} is over or its row was changed; nothing was written"
                )
            self._know(fresh)
        return self._written(session, number, change, hold)

    def _written(self, session: MongoSession, number: Int64, change: Change, hold: bool) -> bytes | None:
        self.receipts = self.receipts[change.folded :]
        if not hold:
            self._session = None
            self._leave(session)
        document = self._document
        if document["claimed"] != number:
            return None
        session.delivering[self._text] = document
        entry: bytes = document["outbox"][0]
        return entry

    async def _write(
        self, session: MongoSession, change: Change, number: Int64, hold: bool
    ) -> tuple[bool, bool]:
        """Tries the change on the document as it is known: whether it was written, and was repeated."""
        now = session.now()
        document = self._document
        expected: Document = {"_id": self._text, "revision": document["revision"]}
        if self._exclusive:
            expected |= {"token": self._token, "until": {"$gt": now}}
        new = changed(document, change, number, now, session.number)
        if self._exclusive:
            new |= {"until": now + session.lease_seconds} if hold else {"until": 0.0, "token": None}
        after: Document | None = {**document, **new}
        if change.row is None and not new["outbox"] and not (hold and self._exclusive):
            if not self._exclusive and document["version"] == 0:  # a document may be somebody's lease
                fresh = await self._read(session)
                return fresh is None or fresh["version"] == 0, False
            after = None
            done, again = await session.call(lambda rows: rows.find_one_and_delete(expected, {"_id": 1}))
        elif self._missing:
            done, again = await session.call(partial(_insert, {**document, **new}))
        else:
            done, again = await session.call(
                lambda rows: rows.find_one_and_update(expected, {"$set": new}, {"_id": 1})
            )
        if done is not None:
            self._know(after)
            session.note(self._text, after)
        return done is not None, again

    def _stands(self, session: MongoSession, fresh: Document | None, version: int) -> bool:
        """Whether only the outbox was changed meanwhile, so that the commit can be tried again."""
        if not self._exclusive:
            return version == (0 if fresh is None else fresh["version"])
        return (
            fresh is not None
            and fresh["version"] == version
            and fresh["token"] == self._token
            and bool(fresh["until"] > session.now())
        )

    def _know(self, document: Document | None) -> None:
        self._missing = document is None
        self._document = document or blank(self._text)

    # -- the lease ---------------------------------------------------------------------------------

    async def _wait(self, session: MongoSession) -> Document | None:
        turn = session.turns.get(self._text)
        if turn is None:
            turn = session.turns[self._text] = asyncio.Lock()
        await turn.acquire()
        self._turn = turn
        try:
            if not self._wanted and self._text not in session.talking:
                found = await self._read(session)
                if is_idle(found, session.now()):
                    self.idle = True
                    self._leave(session)
                    return found
            document = await self._ask(session)
        except BaseException:
            session.chores.begin(self._free(session))
            raise
        session.note(self._text, document)
        session.held[self._token] = self._text
        return document

    async def _ask(self, session: MongoSession) -> Document:
        """Ask until the lease is there; who waits in another process is not known here."""
        pause = FIRST_PAUSE
        while True:
            now = session.now()
            mine: Document = {"token": self._token, "until": now + session.lease_seconds}
            found, repeated = await session.call(partial(_take, self._text, now, mine))
            if found is None:
                found, again = await session.call(partial(_insert, {**blank(self._text), **mine}))
                repeated = repeated or again
            if found is None and repeated:  # the lease may be ours, and the answer was lost
                found = await self._read(session)
                found = found if found is not None and found["token"] == self._token else None
            if found is not None:
                return found
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))
            pause = min(pause * 1.5, LONGEST_PAUSE)

    async def _read(self, session: MongoSession) -> Document | None:
        found, _ = await session.call(lambda rows: rows.find_one({"_id": self._text}))
        return found

    async def _free(self, session: MongoSession) -> None:
        """Free the lease, and let the next one of this process ask for it."""
        mine = {"_id": self._text, "token": self._token}
        try:
            if not self._document or is_empty(self._document):
                done, _ = await session.call(
                    lambda rows: rows.find_one_and_delete(
                        {**mine, "row": None, "claim": None, "receipts": []}
                    )
                )
                if done is not None:
                    return
            await session.call(lambda rows: rows.update_one(mine, {"$set": {"until": 0.0, "token": None}}))
        finally:
            self._leave(session)

    def _leave(self, session: MongoSession) -> None:
        session.held.pop(self._token, None)
        turn, self._turn = self._turn, None
        if turn is not None:
            turn.release()


async def _take(key: str, now: float, mine: Document, rows: "AsyncCollection[Document]") -> Document | None:
    free = {"_id": key, "until": {"$lte": now}}
    found: Document | None = await rows.find_one_and_update(
        free, {"$set": mine}, return_document=ReturnDocument.AFTER
    )
    return found


async def _insert(document: Document, rows: "AsyncCollection[Document]") -> Document | None:
    try:
        await rows.insert_one(document)
    except DuplicateKeyError:
        return None
    return document
