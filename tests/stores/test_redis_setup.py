"""What RedisStore says to a server or a URL that is set up so that it cannot work, or may lose rows."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from ports import listening

from fsmkit import StoreMisconfigured
from fsmkit.stores import Store, open_store
from fsmkit.stores.redis import RedisStore
from fsmkit.testing.store_contract.base import KEY, OTHER, add_one

# Before the import: it is a plugin too, for there is one server in a session.
pytest.register_assert_rewrite("stores.redis_server")
from stores.redis_server import RedisCluster, RedisServer, client  # noqa: E402

pytest_plugins = ["stores.redis_server"]

Start = Callable[..., RedisServer]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts servers with settings of their own."""
    servers: list[RedisServer] = []

    def start(*settings: str) -> RedisServer:
        servers.append(RedisServer(*settings))
        servers[-1].start()
        return servers[-1]

    yield start
    for server in servers:
        server.remove()


async def refusal(store: Store) -> str:
    """Return how a store refuses to work, which it does at once."""
    with pytest.raises(StoreMisconfigured) as caught:
        await asyncio.wait_for(store.peek(KEY), 2)
    await store.close()
    return str(caught.value)


async def test_a_database_that_there_is_not(own_server: RedisServer) -> None:
    said = await refusal(RedisStore(own_server.url.replace("/0", "/99")))
    assert said.endswith("DB index is out of range. Name a database that the server has; 0 is always there")


async def test_a_node_of_a_cluster_as_a_server_alone(redis_cluster: RedisCluster) -> None:
    assert "write redis+cluster://" in await refusal(RedisStore(redis_cluster.nodes[0].url))
    said = await refusal(RedisStore(f"{redis_cluster.url}/3"))  # Valkey has databases in clusters since 9
    assert "0 is always there" in said or "out of the URL" in said


async def test_a_server_alone_as_a_cluster(own_server: RedisServer) -> None:
    assert "write redis://" in await refusal(RedisStore(f"redis+cluster://127.0.0.1:{own_server.port}"))


async def test_a_user_and_a_password_that_do_not_fit(own_server: RedisServer) -> None:
    with own_server.client() as beside:
        beside.execute_command(
            "ACL", "SETUSER", "bot", "on", ">secret", "~*", "&*", "+@all", "-eval", "-evalsha"
        )
        beside.execute_command("ACL", "SETUSER", "default", "resetpass", ">other")
    assert "Check user and password" in await refusal(RedisStore(own_server.url))
    for wrong, remedy in (("bot:wrong@", "Check user and password"), ("bot:secret@", "Grant the user")):
        assert remedy in await refusal(RedisStore(own_server.url.replace("//", f"//{wrong}")))


async def test_a_port_without_tls(own_server: RedisServer) -> None:
    url = own_server.url.replace("redis:", "valkeys:")
    assert "speaks no TLS at this port. Write redis://" in await refusal(
        RedisStore(url, timeout=0.2, retry_seconds=0.1)
    )


async def test_a_port_of_another_protocol() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read()

    async with listening(serve) as port:
        assert "Name a port of Redis" in await refusal(RedisStore(f"redis://127.0.0.1:{port}"))


async def test_a_server_without_scripts(start: Start) -> None:
    server = start("--rename-command", "EVAL", "", "--rename-command", "EVALSHA", "")
    assert "Name a port of Redis" in await refusal(RedisStore(server.url))


@pytest.mark.parametrize("scheme", ["unix", "valkey"])
async def test_a_store_opens_by_its_socket_and_by_its_other_name(
    start: Start, tmp_path: Path, scheme: str
) -> None:
    server = start("--unixsocket", str(tmp_path / "socket"))
    url = f"unix://{tmp_path}/socket?db=2" if scheme == "unix" else server.url.replace("redis:", "valkey:")
    store: Any = open_store(url)
    await add_one(store, KEY)
    await store.close()
    with client(f"redis://127.0.0.1:{urlsplit(server.url).port}/{2 if scheme == 'unix' else 0}") as beside:
        assert [name for name in beside.scan_iter("*:row:*") if str(KEY).encode() in name]


@pytest.mark.parametrize(
    ("settings", "warnings"),
    [
        (("--maxmemory", "100mb", "--maxmemory-policy", "volatile-lru"), ["maxmemory-policy volatile-lru"]),
        (("--maxmemory", "100mb", "--maxmemory-policy", "noeviction"), []),
        (("--maxmemory-policy", "allkeys-lru"), []),
        (("--appendonly", "no"), ["set appendonly yes"]),
        (("--appendonly", "no", "--save", "60 1"), []),
        (("--rename-command", "CONFIG", "", "--appendonly", "no"), []),
    ],
)
async def test_settings_that_lose_rows_are_warned_of_once(
    start: Start, settings: tuple[str, ...], warnings: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    store = RedisStore(start(*settings).url)
    with caplog.at_level(logging.WARNING, "fsmkit"):
        await add_one(store, KEY)
        await asyncio.to_thread(asyncio.run, add_one(store, OTHER))
    await store.close()
    assert len(caplog.messages) == len(warnings)
    assert all(part in text for part, text in zip(warnings, caplog.messages, strict=True))
