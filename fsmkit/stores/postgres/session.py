"""What `PostgresStore` keeps for one event loop: a pool, the connection that listens, the schema.

Who holds a lease and who waits is in `fsmkit.stores.postgres.leases`, what statements do in the SQL file.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from functools import partial
from importlib.resources import files
from typing import Any

import asyncpg

from fsmkit.errors import StoreCorrupt, StoreError
from fsmkit.stores.background import BackgroundTasks, call_again

_log = logging.getLogger("fsmkit")

SCHEMA_VERSION = 2


PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
"""Seconds between repetitions of a statement whose connection was lost; then the server counts as away."""


STATEMENT_SECONDS = 10.0


GOODBYE_SECONDS = 2.0

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


def _passes(error: Exception) -> bool:
    """Return whether a statement may be repeated; what the server refuses is a StoreError."""
    if isinstance(error, _AWAY):
        return True
    if isinstance(error, asyncpg.PostgresError):
        raise StoreError(f"PostgreSQL refuses a statement: {error!r}") from error
    return False


class _Connection(asyncpg.Connection):
    """A connection that is not reset when it goes back to the pool: a statement more each time."""

    def get_reset_query(self) -> str:
        return ""


class Connections:
    """Connections of one event loop.

    They close when the task that listens is cancelled: by `close`, or by the end of the loop.

    Args:
        dsn: Where the server is.
        schema: Name of the schema.
        channel: Where notifications for this process come.
        size: How many connections there may be, without the one that listens.
        hear: Told of each notification.
        heard: Told that the channel is listened to, again or for the first time: what came before was missed.
        beat: Called every `every` seconds.
    """

    def __init__(
        self,
        dsn: str,
        schema: str,
        channel: str,
        size: int,
        hear: Callable[[str], None],
        heard: Callable[[], None],
        beat: Callable[[], Coroutine[Any, Any, bool]],
        every: float,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.over = False
        self._dsn = dsn
        self._schema = schema
        self._channel = channel
        self._size = size
        self._hear = hear
        self._heard = heard
        self._beat = beat
        self._every = every
        self._pool: asyncpg.Pool | None = None
        self._opening = asyncio.Lock()
        self.chores = BackgroundTasks(self.loop, "postgres")
        self._life: asyncio.Task[None] | None = None

    async def call(self, statement: str, *args: object) -> tuple[list[asyncpg.Record], bool]:
        """Runs a statement, again if its connection was lost.

        Returns:
            The rows of the answer, and whether the statement was repeated.

        Raises:
            StoreUnavailable: If the server does not answer.
            StoreError: If it refuses.
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
        """Finishes what was begun, then closes all connections."""
        life, self._life = self._life, None
        if life is None:
            self.over = True
        else:
            life.cancel()
            await asyncio.gather(life, return_exceptions=True)

    async def _open(self) -> asyncpg.Pool:
        async with self._opening:
            if self._pool is None:
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
                        await _prepare(connection, self._schema)
                except BaseException:
                    pool.terminate()
                    raise
                self._pool = pool
                self._life = self.loop.create_task(self._live(pool), name="fsmkit postgres")
        return self._pool

    async def _live(self, pool: asyncpg.Pool) -> None:
        try:
            await self._listen()
        finally:
            await asyncio.sleep(0)  # others that are cancelled now leave their leases first
            await self.chores.finish(GOODBYE_SECONDS)
            self.over = True
            try:
                await asyncio.wait_for(pool.close(), GOODBYE_SECONDS)
            except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                pool.terminate()

    async def _listen(self) -> None:
        """Listens, and beats; a connection that was lost is made anew."""
        told = False
        while True:
            ears: asyncpg.Connection[asyncpg.Record] | None = None
            try:
                ears = await asyncpg.connect(self._dsn, command_timeout=STATEMENT_SECONDS)
                ended = self.loop.create_future()
                ears.add_termination_listener(partial(_end, ended))
                await ears.add_listener(self._channel, self._notified)
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


async def _prepare(connection: Any, schema: str) -> None:
    """Creates the schema, or checks that it is not a newer one; several processes may do so at once."""
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
    """The schema's version, 0 if there is none."""
    if await connection.fetchval("SELECT to_regclass($1)", f"{schema}.schema_version") is None:
        return 0
    version = int(await connection.fetchval(f"SELECT max(version) FROM {schema}.schema_version") or 0)
    if version > SCHEMA_VERSION:
        raise StoreCorrupt(
            f"the schema {schema} is of version {version}, this fsmkit knows {SCHEMA_VERSION}: update fsmkit"
        )
    return version
