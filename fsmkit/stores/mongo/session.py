"""What `MongoStore` keeps for one event loop: the client, the server's clock, repetition, renewal.

What is written is in `fsmkit.stores.mongo.leases`; the store's public face is `fsmkit.stores.mongo`.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from bson import DatetimeMS
from cachetools import LRUCache
from pymongo import ASCENDING, AsyncMongoClient, IndexModel, ReadPreference, WriteConcern
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import (
    ConfigurationError,
    ConnectionFailure,
    DuplicateKeyError,
    InvalidName,
    OperationFailure,
    PyMongoError,
)
from pymongo.uri_parser import parse_uri

from fsmkit.errors import StoreCorrupt, StoreError, StoreMisconfigured
from fsmkit.stores import tls
from fsmkit.stores.background import BackgroundTasks, call_again
from fsmkit.stores.mongo.documents import Document, has_conversation, new_token
from fsmkit.stores.sessions import WarnOnce

_log = logging.getLogger("fsmkit")

SCHEMA_VERSION = 1

PAUSES = (0.05, 0.2, 0.5)
"""Seconds between repetitions of a command; pymongo itself looks for a server before it gives up."""


SELECTION_MS = 2000

PLAIN_MS = 500
"""How long a server may take to answer without TLS where it does not with TLS."""

GOODBYE_SECONDS = 2.0

TALKING = 10_000
"""Keys of conversations that are remembered; for another one a lease may take a command more."""

INDEXES = [
    IndexModel([("bot", ASCENDING), ("wake", ASCENDING)], name="wake"),
    IndexModel([("bot", ASCENDING), ("claim", ASCENDING)], name="claim"),
    IndexModel([("index.flow", ASCENDING), ("index.state", ASCENDING)], name="flow_state"),
    IndexModel([("user", ASCENDING)], name="user"),
    IndexModel([("chat", ASCENDING)], name="chat"),
]

_URL = "Write mongodb://user:password@host:27017/database"

_CERTIFICATE = "Name the certificate of who signed the server's: tlsCAFile=FILE in the URL"

_REMEDIES = {
    13: "Grant the user readWrite on the database",
    18: "Check user, password and authSource in the URL",
    79: "Check w in the URL: the servers know no such write concern",
    100: "Check w in the URL: there are not so many servers",
    8000: "Check user, password and authSource in the URL",
}
"""What does not pass by itself, by the code of the error, with what to set instead."""

_T = TypeVar("_T")


def _passes(error: Exception) -> bool:
    """Return whether a command may be repeated; what the server refuses is a StoreError."""
    if not isinstance(error, PyMongoError) or isinstance(error, DuplicateKeyError):
        return False
    _refuse_hopeless(error)
    if isinstance(error, ConnectionFailure):
        return True
    if isinstance(error, OperationFailure) and error.has_error_label("RetryableWriteError"):
        return True
    raise StoreError(f"MongoDB refuses a command: {error}") from error


class MongoSession:
    """The client of one event loop.

    It closes when the session's task is cancelled: by `close`, or by the end of the loop.

    Args:
        url: Where the server is.
        database: Name of the database, where the URL names none.
        lease_seconds: How long a lease holds unless it is renewed.
        pool_size: How many connections there may be to a server, where the URL does not say it.
        warn: Told of settings by which the servers may lose what they stored.
    """

    def __init__(self, url: str, database: str, lease_seconds: float, pool_size: int, warn: WarnOnce) -> None:
        self.loop = asyncio.get_running_loop()
        self.over = False
        self.lease_seconds = lease_seconds
        self.turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """Who of this process may ask for a key's lease: one at a time, first come, first served."""
        self.held: dict[int, str] = {}
        """Keys by the tokens of leases."""
        self.number = new_token()
        """Whose claims on outboxes are those of this loop."""
        self.delivering: dict[str, Document] = {}
        """Documents whose outbox is delivered in this loop, as it knows them."""
        self.talking: LRUCache[str, None] = LRUCache(TALKING)
        """Keys that had a conversation when this process last looked, where a lease is asked for at once."""
        self._url = url
        self._database = database
        self._pool_size = pool_size
        self._warn = warn
        self._offset = 0.0
        self._opening = asyncio.Lock()
        self._client: AsyncMongoClient[Document] | None = None
        self._rows: AsyncCollection[Document] | None = None
        self.chores = BackgroundTasks(self.loop, "mongo")
        self._life: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connect, if that was not done yet; only then is the server's time known."""
        if self._rows is None:
            await self.call(_nothing)

    def now(self) -> float:
        """Return the server's time, in seconds since 1970; leases and claims of all processes go by it."""
        return time.monotonic() + self._offset

    def note(self, key: str, document: Document | None) -> None:
        """Remember whether a key has a conversation; if that is wrong later, it costs a command, no more."""
        if has_conversation(document):
            self.talking[key] = None
        else:
            self.talking.pop(key, None)

    async def call(self, command: Callable[[AsyncCollection[Document]], Awaitable[_T]]) -> tuple[_T, bool]:
        """Run a command on the collection, again if its connection was lost.

        Returns:
            What it returned, and whether it was repeated.

        Raises:
            StoreUnavailable: If the server does not answer.
            StoreMisconfigured: If the server or the URL is set up so that it cannot.
            StoreError: If it refuses.
        """

        async def run() -> _T:
            return await command(self._rows if self._rows is not None else await self._open())

        return await call_again(run, passes=_passes, pauses=PAUSES, server="MongoDB", over=lambda: self.over)

    async def close(self) -> None:
        """Finish what was begun, then close the client."""
        life, self._life = self._life, None
        if life is None:
            self.over = True
        else:
            life.cancel()
            await asyncio.gather(life, return_exceptions=True)

    async def _open(self) -> AsyncCollection[Document]:
        async with self._opening:
            if self._rows is None:
                client = _client(self._url, self._pool_size)
                try:
                    rows = await _prepare(client, self._database)
                    self._warn_of_losses(rows.write_concern, await self._read_clock(client))
                except BaseException as error:
                    await client.close()
                    if isinstance(error, ConnectionFailure):
                        await _refuse_other_tls(self._url, error)
                    raise
                self._client, self._rows = client, rows
                self._life = self.loop.create_task(self._live(client), name="fsmkit mongo")
                await asyncio.sleep(0)  # a task that is cancelled before it begins would close nothing
        return self._rows

    async def _live(self, client: "AsyncMongoClient[Document]") -> None:
        try:
            while True:
                await asyncio.sleep(self.lease_seconds / 3)
                try:
                    await self._read_clock(client)
                    if self.held:
                        await self._renew()
                except (PyMongoError, StoreError) as error:
                    _log.warning("leases in MongoDB could not be renewed: %r", error)
        finally:
            await asyncio.sleep(0)  # others that are cancelled now leave their leases first
            await self.chores.finish(GOODBYE_SECONDS)
            self.over = True
            with contextlib.suppress(PyMongoError, TimeoutError):
                await asyncio.wait_for(client.close(), GOODBYE_SECONDS)

    async def _renew(self) -> None:
        now = self.now()
        mine = {"_id": {"$in": list(self.held.values())}, "token": {"$in": list(self.held)}}
        longer = {"$set": {"until": now + self.lease_seconds, "term": self.lease_seconds}}
        await self.call(lambda rows: rows.update_many({**mine, "until": {"$gt": now}}, longer))

    async def _read_clock(self, client: "AsyncMongoClient[Document]") -> Document:
        """Compare the server's time with this process's; return what the server said of itself."""
        asked = time.monotonic()
        told = await client.admin.command("hello")
        middle = (asked + time.monotonic()) / 2
        self._offset = int(DatetimeMS(told["localTime"])) / 1000 - middle
        return told

    def _warn_of_losses(self, concern: WriteConcern, hello: Document) -> None:
        """Warn of a URL by which a commit is answered before it is safe."""
        if concern.document.get("j") is False:
            self._warn(
                "a crash of MongoDB may lose the last steps: take journal=false out of the store's URL"
            )
        if "setName" in hello and concern.document.get("w") == 1:
            self._warn("MongoDB's next primary may lose the last steps: write w=majority in the store's URL")


def _client(url: str, pool_size: int) -> "AsyncMongoClient[Document]":
    """Return a client that is not connected yet; refuse what cannot work, before a server hears of it."""
    options: dict[str, Any] = {} if "maxpoolsize=" in url.lower() else {"maxPoolSize": pool_size}
    try:
        if url.startswith("mongodb://"):
            parse_uri(url, warn=False)  # the client takes options that it does not know, and only warns
        client: AsyncMongoClient[Document] = AsyncMongoClient(
            url, serverSelectionTimeoutMS=SELECTION_MS, tz_aware=False, **options
        )
    except OSError as error:  # a file of certificates
        raise StoreMisconfigured(f"the store's URL is wrong: {error}", remedy=_CERTIFICATE) from error
    except (ConfigurationError, ValueError) as error:
        raise StoreMisconfigured(f"the store's URL is wrong: {error}", remedy=_URL) from error
    if not client.write_concern.acknowledged:
        raise StoreMisconfigured(
            "with w=0 nobody knows what MongoDB has written", remedy="Take w=0 out of the store's URL"
        )
    return client


def _refuse_hopeless(error: PyMongoError) -> None:
    """Raise at once what will not pass by itself."""
    remedy = _REMEDIES.get(error.code or 0) if isinstance(error, OperationFailure) else None
    if isinstance(error, ConfigurationError | InvalidName):
        remedy = _URL
    if "No replica set members available" in str(error):  # they answer, and are of another one
        remedy = "Check replicaSet in the URL"
    said = str(error)
    if (found := tls.SETTINGS.search(said)) is not None:
        remedy = _CERTIFICATE
        said = said[found.start() :].partition(" (")[0]  # what follows repeats it for each server
    if remedy is not None:
        raise StoreMisconfigured(f"MongoDB cannot be used: {said}", remedy=remedy) from error


async def _refuse_other_tls(url: str, error: ConnectionFailure) -> None:
    """Refuse a port that speaks TLS where the URL does not, or the other way round."""
    _refuse_hopeless(error)
    if not url.startswith("mongodb://"):
        return  # mongodb+srv means TLS
    parsed = parse_uri(url, warn=False)
    host, port = parsed["nodelist"][0]
    if parsed["options"].get("tls"):
        if await _answers_in_plain(host, port):
            raise StoreMisconfigured(
                "MongoDB cannot be used: this port speaks no TLS",
                remedy="Take tls=true out of the URL, or name the port that has TLS",
            ) from error
    elif await tls.speaks_tls(host, port or 27017):
        raise StoreMisconfigured(
            "MongoDB cannot be used: this port requires TLS", remedy="Write tls=true in the URL"
        ) from error


async def _answers_in_plain(host: str, port: int | None) -> bool:
    client: AsyncMongoClient[Document] = AsyncMongoClient(
        host, port, directConnection=True, serverSelectionTimeoutMS=PLAIN_MS
    )
    try:
        await client.admin.command("hello")
    except PyMongoError:
        return False
    finally:
        await client.close()
    return True


async def _prepare(client: "AsyncMongoClient[Document]", database: str) -> AsyncCollection[Document]:
    """Return the collection, with its indexes; several processes may make them at once."""
    # What a secondary shows may be older than what this process has written.
    db = client.get_default_database(database, read_preference=ReadPreference.PRIMARY)
    try:
        await db.fsmkit_schema.insert_one({"_id": "rows", "version": SCHEMA_VERSION})
    except DuplicateKeyError:
        stands = await db.fsmkit_schema.find_one({"_id": "rows"}) or {}
        if stands.get("version", 0) > SCHEMA_VERSION:
            raise StoreCorrupt(
                f"the database {db.name} has the schema {stands['version']}, this fsmkit knows "
                f"{SCHEMA_VERSION}: update fsmkit"
            ) from None
    # What the URL says counts; without it an answer means that the journal is on the disk.
    told = db.write_concern if db.write_concern.document else WriteConcern(w="majority", j=True)
    rows = db.get_collection("fsmkit_rows", write_concern=told)
    await rows.create_indexes(INDEXES)
    return rows


async def _nothing(_rows: object) -> None:
    """Ask for nothing but to be connected."""
