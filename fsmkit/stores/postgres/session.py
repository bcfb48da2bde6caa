"""What `PostgresStore` keeps for one event loop: a pool, the connection that listens, the schema.

Who holds a lease and who waits is in `fsmkit.stores.postgres.leases`, what statements do in the SQL file.
"""

import asyncio
import logging
import re
import secrets
import ssl
from collections.abc import Callable, Coroutine
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import asyncpg

from fsmkit.errors import StoreCorrupt, StoreError, StoreMisconfigured
from fsmkit.stores import tls
from fsmkit.stores.background import BackgroundTasks, call_again
from fsmkit.stores.sessions import WarnOnce

_log = logging.getLogger("fsmkit")

SCHEMA_VERSION = 5

OLDEST_SERVER = 12
"""The version of PostgreSQL that brought generated columns."""

PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
"""Seconds between repetitions of a statement whose connection was lost; then the server counts as away."""

STATEMENT_SECONDS = 10.0

GOODBYE_SECONDS = 2.0

HEARING_SECONDS = 5.0
"""How long a notification may take through a pooler; it takes milliseconds where one pools by session."""

_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # what asyncpg says on a connection whose backend was terminated
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.TooManyConnectionsError,
    asyncpg.TransactionRollbackError,
    asyncpg.ReadOnlySQLTransactionError,  # a standby, while it is being promoted
)
"""What may pass if the statement is repeated."""

_POOLED = (asyncpg.InvalidSQLStatementNameError, asyncpg.DuplicatePreparedStatementError)
"""What a pooler of transactions makes of prepared statements: the next server process knows others."""

_REMEDIES: dict[type[Exception], str] = {
    asyncpg.InvalidAuthorizationSpecificationError: "Check user and password in the URL, and pg_hba.conf",
    asyncpg.InvalidCatalogNameError: "Create the database (createdb), or name another one in the URL",
    asyncpg.InsufficientPrivilegeError: "Grant the user CREATE on the database, and its schema and tables",
    ValueError: "Write postgresql://user:password@host:5432/database",
    ssl.SSLCertVerificationError: "Check sslmode in the URL, and name the certificate of who "
    "signed the server's: sslrootcert=FILE",
    asyncpg.FeatureNotSupportedError: f"Use PostgreSQL itself, {OLDEST_SERVER} or later",
    asyncpg.PostgresSyntaxError: f"Use PostgreSQL itself, {OLDEST_SERVER} or later",
}
"""What goes wrong when a store opens and does not pass by itself, with what to set instead."""

_OTHER_PROCESS = "FM001"
"""The SQLSTATE by which a statement says that it runs elsewhere than it should."""


def _passes(error: Exception) -> bool:
    """Return whether a statement may be repeated; what the server refuses is a StoreError."""
    if isinstance(error, _POOLED):
        raise _pooler() from error
    if isinstance(error, _AWAY):
        return True
    if isinstance(error, asyncpg.PostgresError):
        raise StoreError(f"PostgreSQL refuses a statement: {error!r}") from error
    return False


class _Connection(asyncpg.Connection):
    """A connection that is not reset when it goes back to the pool: a statement more each time."""

    def get_reset_query(self) -> str:
        """Return no statement."""
        return ""


class Connections:
    """Connections of one event loop.

    They close when the task that listens is cancelled: by `close`, or by the end of the loop.

    Args:
        dsn: Where the server is.
        schema: Name of the schema.
        channel: Where notifications for this process come.
        number: Whose claims on outboxes are those of this process.
        size: How many connections there may be, without the one that listens.
        hear: Told of each notification.
        heard: Told that the channel is listened to, again or for the first time: what came before was missed.
        beat: Called every `every` seconds.
        every: Seconds between two beats.
        watch: Looks for processes that have died, until it is cancelled.
        warn: Told of settings by which the server may lose what it stored.
    """

    def __init__(
        self,
        dsn: str,
        schema: str,
        channel: str,
        number: int,
        size: int,
        hear: Callable[[str], None],
        heard: Callable[[], None],
        beat: Callable[[], Coroutine[Any, Any, bool]],
        every: float,
        watch: Callable[[], Coroutine[Any, Any, None]],
        warn: WarnOnce,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.over = False
        self._dsn = dsn
        self._schema = schema
        self._channel = channel
        self._life_sign = (f"SELECT {schema}.beat($1, $2, $3)", channel, number)
        self._farewell = (f"SELECT {schema}.leave($1, $2)", channel, number)
        self._size = size
        self._hear = hear
        self._heard = heard
        self._beat = beat
        self._every = every
        self._watch = watch
        self._warn = warn
        self._pooled: StoreMisconfigured | None = None
        self._pool: asyncpg.Pool | None = None
        self._opening = asyncio.Lock()
        self.chores = BackgroundTasks(self.loop, "postgres")
        self._life: asyncio.Task[None] | None = None

    async def call(self, statement: str, *args: object) -> tuple[list[asyncpg.Record], bool]:
        """Run a statement, again if its connection was lost.

        Returns:
            The rows of the answer, and whether the statement was repeated.

        Raises:
            StoreUnavailable: If the server does not answer.
            StoreMisconfigured: If the server or the URL is set up so that it cannot.
            StoreError: If the server refuses.
        """

        async def fetch() -> list[asyncpg.Record]:
            pool = self._pool or await self._open()
            async with pool.acquire() as connection:
                rows: list[asyncpg.Record] = await connection.fetch(statement, *args)
                return rows

        return await call_again(
            fetch, passes=_passes, pauses=PAUSES, server="PostgreSQL", over=lambda: self.over
        )

    async def close(self) -> None:
        """Finish what was begun, then close all connections."""
        life, self._life = self._life, None
        if life is None:
            self.over = True
        else:
            life.cancel()
            await asyncio.gather(life, return_exceptions=True)

    async def _open(self) -> asyncpg.Pool:
        async with self._opening:
            if self._pooled is not None:
                raise self._pooled
            if self._pool is None:
                _refuse_missing_files(self._dsn)
                pool = asyncpg.create_pool(
                    self._dsn,
                    min_size=0,
                    max_size=self._size,
                    command_timeout=STATEMENT_SECONDS,
                    connection_class=_Connection,
                )
                try:
                    await pool
                    async with pool.acquire() as connection:
                        await self._check(connection)
                        await _prepare(connection, self._schema)
                        # Before it has anything: whoever is killed at once is missed like others.
                        await connection.fetch(*self._life_sign, False)
                except BaseException as error:
                    pool.terminate()
                    _refuse_hopeless(error)
                    await _refuse_other_tls(self._dsn, error)
                    raise
                self._pool = pool
                self._life = self.loop.create_task(self._live(pool), name="fsmkit postgres")
        return self._pool

    async def _check(self, connection: Any) -> None:
        """Refuse a server that cannot serve, and warn of one that may lose what it stored."""
        version = connection.get_server_version()
        if version.major < OLDEST_SERVER:
            raise StoreMisconfigured(
                f"the server is PostgreSQL {version.major}", remedy=f"Use version {OLDEST_SERVER} or later"
            )
        if not await self._reaches_one_process(connection):
            self._pooled = _pooler()
            raise self._pooled
        for setting, loss in (("fsync", "all conversations"), ("synchronous_commit", "the last steps")):
            if await connection.fetchval("SELECT current_setting($1)", setting) == "off":
                self._warn(f"a crash of PostgreSQL may lose {loss}, for {setting}=off: set {setting}=on")

    async def _reaches_one_process(self, connection: Any) -> bool:
        """Find out whether a connection leads to one process of the server, all its life.

        The server gives the number of its process when a connection begins; poolers invent one. One that
        pools by session is all right: a notification from one connection arrives at another.
        """
        if await _agrees(connection, f"pg_backend_pid() = {connection.get_server_pid()}"):
            return True
        channel, heard = f"fsmkit_{secrets.token_hex(12)}", asyncio.Event()
        listener = await asyncpg.connect(self._dsn, command_timeout=STATEMENT_SECONDS)
        try:
            await listener.add_listener(channel, lambda *_: heard.set())
            listens = f"EXISTS (SELECT FROM pg_listening_channels() c WHERE c = '{channel}')"
            if not await _agrees(connection, f"NOT {listens}", f"PERFORM pg_notify('{channel}', '')"):
                return False
            async with asyncio.timeout(HEARING_SECONDS):
                await heard.wait()
        except (TimeoutError, *_POOLED):
            return False
        finally:
            listener.terminate()
        return True

    async def _live(self, pool: asyncpg.Pool) -> None:
        watching = self.loop.create_task(self._watch(), name="fsmkit postgres watch")
        try:
            await self._listen()
        finally:
            watching.cancel()
            await asyncio.sleep(0)  # others that are cancelled now leave their leases first
            await self.chores.finish(GOODBYE_SECONDS)
            self.over = True
            try:
                await asyncio.wait_for(pool.execute(*self._farewell), GOODBYE_SECONDS)
                await asyncio.wait_for(pool.close(), GOODBYE_SECONDS)
            except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                pool.terminate()

    async def _listen(self) -> None:
        """Listen and beat; make a connection that was lost anew."""
        told = False
        while True:
            ears: asyncpg.Connection[asyncpg.Record] | None = None
            try:
                ears = await asyncpg.connect(self._dsn, command_timeout=STATEMENT_SECONDS)
                ended = self.loop.create_future()
                ears.add_termination_listener(partial(_end, ended))
                await ears.add_listener(self._channel, self._notified)
                await ears.fetch(*self._life_sign, True)
                told = False
                self._heard()
                await self._attend(ears, ended)
            except (*_AWAY, asyncpg.PostgresError) as error:
                if not told:
                    _log.warning("the connection to PostgreSQL that listens was lost: %r", error)
                told = True
            finally:
                if ears is not None:
                    ears.terminate()
                    await asyncio.sleep(0)  # its transport closes in the next turn of the loop
            await self._beat()
            sign = self.chores.begin(self.call(*self._life_sign, False))
            await asyncio.wait([sign], timeout=min(0.2, self._every))
            await asyncio.sleep(min(0.2, self._every))

    async def _attend(
        self, ears: "asyncpg.Connection[asyncpg.Record]", ended: "asyncio.Future[None]"
    ) -> None:
        while not ended.done():
            await asyncio.wait([ended], timeout=self._every)
            if await self._beat() and not ended.done():
                await ears.execute("SELECT")  # a connection that died in silence would never say so

    def _notified(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        self._hear(str(payload))


def _end(ended: "asyncio.Future[None]", _connection: object) -> None:
    if not ended.done():
        ended.set_result(None)


async def _agrees(connection: Any, condition: str, then: str = "NULL") -> bool:
    """Ask whether a condition holds, and do something if so, without a prepared statement."""
    test = f"IF NOT ({condition}) THEN RAISE SQLSTATE '{_OTHER_PROCESS}'; END IF"
    try:
        await connection.execute(f"DO $$ BEGIN {test}; {then}; END $$")
    except asyncpg.PostgresError as error:
        if error.sqlstate != _OTHER_PROCESS:
            raise
        return False
    return True


def _pooler() -> StoreMisconfigured:
    return StoreMisconfigured(
        "PostgreSQL is behind a pooler that pools by transaction or statement (PgBouncer's pool_mode), "
        "through which no lease can be handed over",
        remedy="Use the URL of the server itself (a direct connection, often port 5432), or a pooler in "
        "session mode",
    )


def _refuse_hopeless(error: BaseException) -> None:
    """Raise at once what will not pass by itself."""
    said = " ".join(str(error).split())  # asyncpg's hints stand on lines of their own
    remedy = next((text for kind, text in _REMEDIES.items() if isinstance(error, kind)), None)
    if re.search("no encryption|SSL off", said):
        remedy = "The server requires TLS: write sslmode=require, or a stricter mode, in the URL"
    elif "rejected SSL upgrade" in said:
        remedy = "Check sslmode in the URL, or name the port that has TLS"
    elif isinstance(error, ssl.SSLError | asyncpg.ClientConfigurationError) and tls.SETTINGS.search(said):
        remedy = _REMEDIES[ssl.SSLCertVerificationError]
    if remedy is not None:
        what = "the store's URL is wrong" if isinstance(error, ValueError) else "PostgreSQL cannot be used"
        raise StoreMisconfigured(f"{what}: {said}", remedy=remedy) from error


def _refuse_missing_files(dsn: str) -> None:
    """Refuse certificates that are not there; asyncpg's error would look like that of a missing socket."""
    for option, file in parse_qsl(urlsplit(dsn).query):
        if option in ("sslrootcert", "sslcert", "sslkey", "sslcrl") and not Path(file).is_file():
            raise StoreMisconfigured(
                f"the store's URL is wrong: {option} names no file: {file}",
                remedy=_REMEDIES[ssl.SSLCertVerificationError],
            )


async def _refuse_other_tls(dsn: str, error: BaseException) -> None:
    """Refuse a port that speaks TLS from the first byte, as a proxy in front of a server may."""
    address = urlsplit(dsn)
    if not isinstance(error, asyncpg.ConnectionDoesNotExistError) or not address.hostname:
        return
    if await tls.speaks_tls(address.hostname, address.port or 5432):
        raise StoreMisconfigured(
            "PostgreSQL cannot be used: this port speaks TLS from the first byte",
            remedy="Name the server's own port, often 5432: with sslmode=require it begins TLS when asked",
        ) from error


async def _prepare(connection: Any, schema: str) -> None:
    """Create the schema, or check that it is not a newer one; several processes may do so at once."""
    if await _version(connection, schema) == SCHEMA_VERSION:
        return
    here = files("fsmkit.stores.postgres")
    scripts = [here.joinpath(f"{part}.sql").read_text("utf-8") for part in ("schema", "functions")]
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext($1))", f"fsmkit schema {schema}")
        if await _version(connection, schema) == SCHEMA_VERSION:
            return
        await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        for script in scripts:
            await connection.execute(script.replace("fsmkit.", f"{schema}."))
        await connection.execute(f"DELETE FROM {schema}.schema_version")
        await connection.execute(f"INSERT INTO {schema}.schema_version VALUES ($1)", SCHEMA_VERSION)


async def _version(connection: Any, schema: str) -> int:
    """Return the schema's version, 0 if there is none."""
    if await connection.fetchval("SELECT to_regclass($1)", f"{schema}.schema_version") is None:
        return 0
    version = int(await connection.fetchval(f"SELECT max(version) FROM {schema}.schema_version") or 0)
    if version > SCHEMA_VERSION:
        raise StoreCorrupt(
            f"the schema {schema} is of version {version}, this fsmkit knows {SCHEMA_VERSION}: update fsmkit"
        )
    return version
