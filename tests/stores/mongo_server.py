"""A server that speaks MongoDB's protocol on a free loopback port, from the wheel `nx-27017`.

It is no MongoDB: it keeps documents in SQLite and knows few update operators. `FSMKIT_TEST_MONGO_URL` names a
real one, which tests that stop and start theirs leave alone. Run as a program it is the server:
`python mongo_server.py DIRECTORY PORT`.
"""

import asyncio
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pymongo import AsyncMongoClient


class MongoServer:
    """A server of our own, in a directory of its own."""

    def __init__(self) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="fsmkit-mongo-"))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = int(probe.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        # Not waiting for the disk: what a test proves does not depend on it.
        return f"mongodb://127.0.0.1:{self._port}/?w=1&journal=false"

    def start(self) -> None:
        args = [sys.executable, __file__, str(self._home), str(self._port)]
        with (self._home / "log").open("ab") as log:
            self._process = subprocess.Popen(args, cwd=self._home, stdout=log, stderr=log)
        until = time.monotonic() + 30
        while not self._answers():
            assert self._process.poll() is None, (self._home / "log").read_text()
            assert time.monotonic() < until, (self._home / "log").read_text()
            time.sleep(0.02)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(60)
            self._process = None

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self._home)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0


@pytest.fixture(scope="session")
def mongo_server() -> Iterator[MongoServer]:
    """A server of our own for the whole session, whatever `FSMKIT_TEST_MONGO_URL` says."""
    server = MongoServer()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def mongo_url(request: pytest.FixtureRequest) -> str:
    """Where the tests find a server that is not stopped by them."""
    given = os.environ.get("FSMKIT_TEST_MONGO_URL")
    return given or str(request.getfixturevalue("mongo_server").url)


@pytest.fixture
async def database(mongo_url: str) -> AsyncIterator[Any]:
    """A database that no other test uses; it is dropped in the end."""
    client: AsyncMongoClient[Any] = AsyncMongoClient(mongo_url)
    name = f"fsmkit_test_{secrets.token_hex(6)}"
    yield client[name]
    await client.drop_database(name)
    await client.close()


async def serve(home: str, port: int) -> None:
    """Runs the wheel's server, one command at a time.

    It runs commands in several threads, and its `findAndModify` first reads and then writes: of two at once
    both may win, where MongoDB changes a document atomically.
    """
    from neosqlite.options import JournalMode
    from nx_27017.handler import NeoSQLiteHandler
    from nx_27017.server import run_server

    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    files = {"data_dir": f"{home}/data"}  # one for each database; else all of them share their collections
    handler = NeoSQLiteHandler(f"{home}/documents.db", journal_mode=JournalMode.validate("WAL"), **files)
    await run_server("127.0.0.1", port, handler)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2])))
