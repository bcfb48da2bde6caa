"""The store of many processes on MongoDB: one document for each key.

What stands in a document is in `fsmkit.stores.mongo.documents`, leases and commits in
`fsmkit.stores.mongo.leases`, the client in `fsmkit.stores.mongo.session`.
"""

from collections.abc import AsyncIterator, Sequence
from functools import partial
from math import inf

from fsmkit.errors import requires_extra
from fsmkit.keys import Key
from fsmkit.stores.inbox import Inbox
from fsmkit.stores.protocol import CLAIM_SECONDS, Index, Lease, StoredRow
from fsmkit.stores.sessions import LoopSessions, WarnOnce

with requires_extra("mongo"):
    from pymongo.asynchronous.collection import AsyncCollection

    from fsmkit.stores.mongo.documents import NO_FLOW, Document, is_empty, new_token
    from fsmkit.stores.mongo.inbox import MongoInbox, bots
    from fsmkit.stores.mongo.leases import MongoLease, MongoSnapshot
    from fsmkit.stores.mongo.session import MongoSession

PAGE = 500
"""Rows that `scan` reads at a time."""


TAKEN = 30.0
"""Seconds that a key which `due` has given to one process is kept from the others."""


class MongoStore:
    """Conversations in MongoDB, for many processes.

    A step takes two commands, three with a reply, and one or two more if the key is new or its outbox was
    changed meanwhile; no connection is held while a handler runs. A lease is renewed every third of its time;
    an expired lease commits nothing. The death of a process delays its keys by about one lease time. Leases
    use the server's clock, which each process compares with its own.

    Within a process, the steps of a key are done in the order of arrival. Across processes they are done one
    at a time too, but in no promised order: a process that waits for a lease of another one asks again, ten
    times a second or more. If that matters, use `PostgresStore` or `RedisStore`.

    Args:
        url: The server's URL, `mongodb://user:password@host:port/database`. Unless it says otherwise (`w`,
            `journal`), a commit is confirmed when it is in the journal of most members.
        database: Name of the database, if the URL names none.
        lease_seconds: How long a lease holds unless it is renewed.
        pool_size: How many connections an event loop may have to a server, besides those that watch it;
            `maxPoolSize` in the URL has priority.

    Example:
        >>> from fsmkit.stores.mongo import MongoStore
        >>> store = MongoStore("mongodb://localhost/bot", lease_seconds=15.0)
    """

    durable = True

    def __init__(
        self, url: str, *, database: str = "fsmkit", lease_seconds: float = 15.0, pool_size: int = 10
    ) -> None:
        make = partial(MongoSession, url, database, lease_seconds, pool_size, WarnOnce())
        self._sessions = LoopSessions(make, MongoSession.close)

    async def session(self) -> MongoSession:
        """Return the client of the running event loop, connected; it is closed by the loop's end."""
        session = self._sessions.current()
        await session.open()
        return session

    def lease(self, key: Key, *, wanted: bool = True) -> MongoLease:
        """Wait for the turn with one row; first come, first served in this process."""
        return MongoLease(self.session, key, wanted)

    async def snapshot(self, key: Key) -> Lease:
        """Read the row; of several who commit, the first wins."""
        return await MongoSnapshot(self.session, key).load()

    async def peek(self, key: Key) -> bytes | None:
        """Return the row as last committed."""
        found = await self._find(str(key))
        row: bytes | None = found["row"] if found else None
        return row

    async def outbox(self, key: Key) -> list[bytes]:
        """Return the entries that wait to be delivered, in their order."""
        found = await self._find(str(key))
        return list(found["outbox"]) if found else []

    async def keys(self, chat: int | str, *, bot: int | str | None = None) -> list[Key]:
        """Return the keys in a chat for which anything is stored, ordered by their text."""
        return await self._keys({"chat": _part(chat)}, bot)

    async def keys_of(self, user: int | str, *, bot: int | str | None = None) -> list[Key]:
        """Return the keys of a person in whatever chat, ordered by their text."""
        return await self._keys({"$or": [{"user": _part(user)}, {"chat": _part(user)}]}, bot)

    async def _keys(self, whose: Document, bot: int | str | None) -> list[Key]:
        wanted = whose if bot is None else {**whose, "bot": _part(bot)}
        # An outbox has a claim, receipts that nobody has taken in a wake; else it is a lease alone.
        some = [{"row": {"$ne": None}}, {"claim": {"$gte": 0.0}}, {"wake": {"$gte": 0.0}}]
        stored: Document = {"$and": [wanted, {"$or": some}]}
        session = await self.session()
        found, _ = await session.call(lambda rows: rows.find(stored, {"_id": 1}).sort("_id", 1).to_list())
        return [Key.parse(document["_id"]) for document in found]

    async def acknowledge(self, key: Key, entry: bytes, receipt: bytes | None) -> bytes | None:
        """Strike off the first entry of the outbox; return the next one."""
        session, text = await self.session(), str(key)
        known = session.delivering.pop(text, None) or await self._find(text)
        while known is not None:
            if known["outbox"][:1] != [entry] or known["claimer"] != session.number:
                fresh = await self._find(text)
                if fresh is None or fresh["revision"] == known["revision"]:
                    return None
                known = fresh
                continue
            struck = await self._strike(text, known, receipt)
            if struck is not None:
                if not struck["outbox"]:
                    return None
                session.delivering[text] = struck
                following: bytes = struck["outbox"][0]
                return following
            known = await self._find(text)
        return None

    async def _strike(self, text: str, known: Document, receipt: bytes | None) -> Document | None:
        """Try it on the document as it is known; return what it is then, `None` if it has changed."""
        session = await self.session()
        now = session.now()
        rest = known["outbox"][1:]
        receipts = known["receipts"] if receipt is None else [*known["receipts"], receipt]
        claim = now + CLAIM_SECONDS if rest else None
        # Receipts of a row that went: nobody may ever come back for them, so the sweeper does.
        wake = 0.0 if known["row"] is None and receipts and not rest else known["wake"]
        new = {"outbox": rest, "receipts": receipts, "claim": claim, "wake": wake, "revision": new_token()}
        new["claim_term"] = CLAIM_SECONDS
        struck = {**known, **new}
        expected = {"_id": text, "revision": known["revision"]}
        if is_empty(struck):  # unless somebody has a lease on it
            free = {**expected, "until": {"$lte": now}}
            done, _ = await session.call(lambda rows: rows.find_one_and_delete(free, {"_id": 1}))
            if done is not None:
                return struck
        done, _ = await session.call(
            lambda rows: rows.find_one_and_update(expected, {"$set": new}, {"_id": 1})
        )
        return None if done is None else struck

    async def extend_claim(self, key: Key, seconds: float) -> None:
        """Keep the claim on an outbox."""
        session = await self.session()
        mine = {"_id": str(key), "claimer": session.number, "claim": {"$gt": 0.0}}
        # With a new revision: a step that has read the document must not find the claim over, and take it.
        term = seconds + CLAIM_SECONDS
        longer = {"claim": session.now() + term, "claim_term": term, "revision": new_token()}
        await session.call(lambda rows: rows.update_one(mine, {"$set": longer}))

    async def _bound_claims(self, bot: str) -> None:
        """Let no claim last longer than it was given for: the server's clock may have been set back."""
        session = await self.session()
        latest = session.now() + CLAIM_SECONDS
        long = {"bot": bot, "claim": {"$gt": latest}}
        found, _ = await session.call(lambda rows: rows.find(long, {"claim": 1, "claim_term": 1}).to_list())
        for document in found:
            until = session.now() + document.get("claim_term", inf)
            if document["claim"] > until:
                same = {"_id": document["_id"], "claim": document["claim"]}
                new = {"$set": {"claim": until, "revision": new_token()}}
                await session.call(partial(_update, same, new))

    async def due(self, bot: int | str | None, flows: Sequence[str], now: float, limit: int) -> list[Key]:
        """Return keys to look at, the most overdue first; for half a minute one caller alone gets them."""
        session = await self.session()
        await self._bound_claims(_part(bot))
        here = session.now()
        wanted = {
            "bot": _part(bot),
            "flows": {"$in": [NO_FLOW, *flows]},
            "taken": {"$lte": here},
            "$or": [{"wake": {"$gte": 0.0, "$lte": now}}, {"claim": {"$gte": 0.0, "$lte": here}}],
        }
        found, _ = await session.call(
            lambda rows: rows.find(wanted, {"_id": 1}).sort("wake", 1).limit(limit).to_list()
        )
        keys = [document["_id"] for document in found]
        if not keys:
            return []
        mine, taker = {"_id": {"$in": keys}}, new_token()
        take = {"$set": {"taken": here + TAKEN, "taker": taker}}
        await session.call(lambda rows: rows.update_many({**mine, "taken": {"$lte": here}}, take))
        took, _ = await session.call(lambda rows: rows.find({**mine, "taker": taker}, {"_id": 1}).to_list())
        ours = {document["_id"] for document in took}
        return [Key.parse(key) for key in keys if key in ours]

    async def scan(
        self, *, bot: int | str | None = None, flow: str | None = None, state: str | None = None
    ) -> AsyncIterator[StoredRow]:
        """Yield all rows, or those with a conversation of a flow or in a state, ordered by the key's text."""
        wanted: Document = {"row": {"$ne": None}}
        if bot is not None:
            wanted["bot"] = _part(bot)
        one = {name: value for name, value in (("flow", flow), ("state", state)) if value is not None}
        if one:
            wanted["index"] = {"$elemMatch": one}
        last = ""
        while True:
            page = await self._page({**wanted, "_id": {"$gt": last}})
            for document in page:
                last = document["_id"]
                index = tuple(Index(i["flow"], i["state"], i["deadline"]) for i in document["index"])
                yield StoredRow(Key.parse(last), document["row"], index, len(document["outbox"]))
            if len(page) < PAGE:
                return

    async def forget(self, who: Key | int | str, *, bot: int | str | None = None) -> int:
        """Remove all that is stored for a key or a person; a step that runs meanwhile loses its lease."""
        if isinstance(who, Key):
            wanted: Document = {"_id": str(who)}
        else:
            wanted = {"$or": [{"user": _part(who)}, {"chat": _part(who)}]}
            if bot is not None:
                wanted["bot"] = _part(bot)
        session = await self.session()
        for text in await bots(session):
            owner = who.bot if isinstance(who, Key) else bot
            if text == _part(owner) or (owner is None and not isinstance(who, Key)):
                await MongoInbox(self.session, text).forget(who)
        fields = {"row": 1, "outbox": 1, "receipts": 1}
        found, _ = await session.call(lambda rows: rows.find(wanted, fields).to_list())
        keys = [document["_id"] for document in found]
        await session.call(lambda rows: rows.delete_many({"_id": {"$in": keys}}))
        for key in keys:
            session.note(key, None)
        return sum(not is_empty(document) for document in found)

    def inbox(self, bot: int | str | None) -> Inbox:
        """Return the updates of a bot that wait to be handled."""
        return MongoInbox(self.session, _part(bot))

    async def inbox_bots(self) -> list[int | str | None]:
        """Return the bots for which something waits or was set aside."""
        return [Key.parse(f"0:0:-:-:{text}").bot for text in await bots(await self.session())]

    async def close(self) -> None:
        """Close all clients of this process."""
        await self._sessions.close()

    async def _find(self, text: str) -> Document | None:
        found, _ = await (await self.session()).call(lambda rows: rows.find_one({"_id": text}))
        return found

    async def _page(self, wanted: Document) -> list[Document]:
        fields = {"row": 1, "index": 1, "outbox": 1}
        page, _ = await (await self.session()).call(
            lambda rows: rows.find(wanted, fields).sort("_id", 1).limit(PAGE).to_list()
        )
        return page


async def _update(document: Document, new: Document, rows: "AsyncCollection[Document]") -> None:
    await rows.update_one(document, new)


def _part(part: int | str | None) -> str:
    """Return a part of a key, as its text shows it."""
    return str(Key(chat=0, user=0, bot=part)).rpartition(":")[2]
