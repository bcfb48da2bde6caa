"""A lease on a document of a `MongoStore`, from waiting for it to the commit.

What stands in a document is in `fsmkit.stores.mongo.documents`.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from math import inf
from types import TracebackType

from bson import Int64
from pymongo import ReturnDocument
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import DuplicateKeyError

from fsmkit.clock import backoff
from fsmkit.errors import LeaseLost, StoreUnavailable
from fsmkit.keys import Key
from fsmkit.stores.mongo.documents import Document, blank, changed, is_empty, is_idle, new_token
from fsmkit.stores.mongo.inbox import strike_after_commit
from fsmkit.stores.mongo.session import MongoSession
from fsmkit.stores.protocol import Change

FIRST_PAUSE = 0.005


LONGEST_PAUSE = 0.1
"""Seconds between two questions for a lease that another process holds."""

BOUND_TRIES = 20
"""Questions until it is looked again whether the lease lasts longer than it was given for."""

OpenSession = Callable[[], Awaitable[MongoSession]]
"""Opens the session of the running event loop."""


class MongoSnapshot:
    """A row as it was read, and its commit, which holds only if nobody has written it since."""

    __slots__ = ("_document", "_missing", "_open", "_session", "_text", "idle", "key", "receipts", "row")

    def __init__(self, session: OpenSession, key: Key) -> None:
        self._open = session
        self._text = str(key)
        self._session: MongoSession | None = None
        self._document: Document = {}
        self._missing = False
        self.idle = False
        self.key = key
        self.row: bytes | None = None
        self.receipts: Sequence[bytes] = ()

    async def load(self) -> "MongoSnapshot":
        """Read the row."""
        session = self._session = await self._open()
        self._show(await self._read(session))
        return self

    async def commit(self, change: Change, *, hold: bool = False) -> bytes | None:
        """Write the row; see `fsmkit.stores.Lease`."""
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
            if not self._stands(fresh, version):
                if repeated:  # perhaps it was, and others have written since; only they know
                    raise StoreUnavailable(
                        f"{self.key}: the answer to a commit was lost, perhaps it was written"
                    )
                raise LeaseLost(
                    f"the lease on {self.key} is over or its row was changed; nothing was written"
                )
            self._know(fresh)
        self.receipts = self.receipts[change.folded :]
        if change.struck:
            await strike_after_commit(session, self._text.rpartition(":")[2], change.struck)
        if not hold:
            self._end()
            self._session = None
        document = self._document
        if document["claimed"] != number:
            return None
        session.delivering[self._text] = document
        entry: bytes = document["outbox"][0]
        return entry

    async def _write(
        self, session: MongoSession, change: Change, number: Int64, hold: bool
    ) -> tuple[bool, bool]:
        """Try the change on the document as it is known: whether it was written, and was repeated."""
        now, document = session.now(), self._document
        expected = {"_id": self._text, "revision": document["revision"], **self._proof()}
        new = changed(document, change, number, now, session.number)
        new |= self._kept() if hold else self._freed()
        after: Document | None = {**document, **new}
        if change.row is None and not new["outbox"] and not new.get("token"):
            after = None
            done, again = await self._delete(session, expected)
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

    async def _delete(self, session: MongoSession, expected: Document) -> tuple[Document | None, bool]:
        if self._document["version"]:
            return await session.call(lambda rows: rows.find_one_and_delete(expected, {"_id": 1}))
        fresh = await self._read(session)  # there was no row: a document may be somebody's lease
        return (self._document if fresh is None or fresh["version"] == 0 else None), False

    def _proof(self) -> Document:
        """Return what the document has to show beside its revision."""
        return {}

    def _kept(self) -> Document:
        """Return what a commit writes of a lease that goes on."""
        return {}

    def _freed(self) -> Document:
        """Return what a commit writes of a lease that ends."""
        return {}

    def _stands(self, fresh: Document | None, version: int) -> bool:
        """Return whether only the outbox was changed meanwhile, so that the commit can be tried again."""
        return version == (0 if fresh is None else fresh["version"])

    def _end(self) -> None:
        """Let others go on, after the last commit."""

    def _show(self, document: Document | None) -> None:
        self._know(document)
        self.row = self._document["row"]
        self.receipts = tuple(self._document["receipts"])

    def _know(self, document: Document | None) -> None:
        self._missing = document is None
        self._document = document or blank(self._text)

    async def _read(self, session: MongoSession) -> Document | None:
        found, _ = await session.call(lambda rows: rows.find_one({"_id": self._text}))
        return found


class MongoLease(MongoSnapshot):
    """A turn with one row; see `fsmkit.stores.Lease`."""

    __slots__ = ("_token", "_turn", "_wanted")

    def __init__(self, session: OpenSession, key: Key, wanted: bool) -> None:
        super().__init__(session, key)
        self._wanted = wanted
        self._token = new_token()
        self._turn: asyncio.Lock | None = None

    async def __aenter__(self) -> "MongoLease":
        session = self._session = await self._open()
        self._show(await self._wait(session))
        if self.idle:
            self._session = None
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        session, self._session = self._session, None
        if session is None or session.loop.is_closed():
            return
        freed = session.chores.begin(self._free(session))
        if not isinstance(error, asyncio.CancelledError):
            await asyncio.shield(freed)

    async def _delete(self, session: MongoSession, expected: Document) -> tuple[Document | None, bool]:
        return await session.call(lambda rows: rows.find_one_and_delete(expected, {"_id": 1}))

    def _proof(self) -> Document:
        return {"token": self._token, "until": {"$gt": self._now()}}

    def _kept(self) -> Document:
        seconds = self._session.lease_seconds if self._session is not None else 0.0
        return {"until": self._now() + seconds, "term": seconds, "token": self._token}

    def _freed(self) -> Document:
        return {"until": 0.0, "token": None}

    def _stands(self, fresh: Document | None, version: int) -> bool:
        return (
            fresh is not None
            and fresh["version"] == version
            and fresh["token"] == self._token
            and bool(fresh["until"] > self._now())
        )

    def _now(self) -> float:
        return self._session.now() if self._session is not None else inf

    def _end(self) -> None:
        if self._session is not None:
            self._leave(self._session)

    def _leave(self, session: MongoSession) -> None:
        session.held.pop(self._token, None)
        turn, self._turn = self._turn, None
        if turn is not None:
            turn.release()

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
        """Asks until the lease is there; who waits in another process is not known here."""
        tries = 0
        while True:
            now = session.now()
            term = session.lease_seconds
            mine: Document = {"token": self._token, "until": now + term, "term": term}
            found, repeated = await session.call(partial(_take, self._text, now, mine))
            if found is None:
                found, again = await session.call(partial(_insert, {**blank(self._text), **mine}))
                repeated = repeated or again
            if found is None and repeated:  # the lease may be ours, and the answer was lost
                found = await self._read(session)
                found = found if found is not None and found["token"] == self._token else None
            if found is not None:
                return found
            if tries % BOUND_TRIES == 0:
                await self._bound(session)
            tries += 1
            pause = backoff(tries, FIRST_PAUSE, factor=1.5, most=LONGEST_PAUSE)
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))

    async def _bound(self, session: MongoSession) -> None:
        """Let another's lease last no longer than its term: the server's clock may have been set back."""
        found = await self._read(session)
        until = session.now() + (inf if found is None else found.get("term", inf))
        if found is not None and found["until"] > until:
            same = {"_id": self._text, "token": found["token"], "until": found["until"]}
            await session.call(lambda rows: rows.update_one(same, {"$set": {"until": until}}))

    async def _free(self, session: MongoSession) -> None:
        """Frees the lease, and lets the next one of this process ask for it."""
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
