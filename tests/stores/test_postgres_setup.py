"""What PostgresStore says to a server or a URL that is set up so that it cannot work, or may lose rows."""

import asyncio
import logging
import re
import secrets
from typing import Any
from urllib.parse import urlsplit

import pytest

from fsmkit import StoreMisconfigured
from fsmkit.stores.postgres import PostgresStore
from fsmkit.stores.postgres import session as postgres_session
from fsmkit.testing.store_contract.base import KEY, OTHER, add_one

# Before the import: it is a plugin too, for there is one server in a session.
pytest.register_assert_rewrite("stores.postgres_server", "stores.pooler")
from stores.pooler import Pooler  # noqa: E402
from stores.postgres_server import PostgresServer, run_sql  # noqa: E402

pytest_plugins = ["stores.postgres_server"]


async def refusal(dsn: str, **options: Any) -> str:
    """Return how a store on such a URL refuses to work."""
    store = PostgresStore(dsn, **options)
    with pytest.raises(StoreMisconfigured) as caught:
        await store.peek(KEY)
    await store.close()
    return str(caught.value)


@pytest.mark.parametrize("prepares", [False, True], ids=["before 1.21", "since 1.21"])
@pytest.mark.parametrize("in_turn", [False, True], ids=["last freed", "in turn"])
async def test_a_pooler_of_transactions_is_refused_with_the_url_to_use(
    postgres_dsn: str, schema: str, prepares: bool, in_turn: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_session, "HEARING_SECONDS", 0.3)
    async with Pooler(postgres_dsn, prepares=prepares, in_turn=in_turn).running() as url:
        store = PostgresStore(url, schema=schema)
        errors = await asyncio.gather(
            *(add_one(store, key) for key in (KEY, OTHER) * 5), return_exceptions=True
        )
        await store.close()
    assert {str(error) for error in errors} == {
        "PostgreSQL is behind a pooler that pools by transaction or statement (PgBouncer's pool_mode), through "
        "which no lease can be handed over. Use the URL of the server itself (a direct connection, often port "
        "5432), or a pooler in session mode"
    }
    assert {type(error) for error in errors} == {StoreMisconfigured}


async def test_a_pooler_of_sessions_serves(postgres_dsn: str, schema: str) -> None:
    async with Pooler(postgres_dsn, session=True).running() as url:
        stores = [PostgresStore(url, schema=schema) for _ in range(2)]
        await asyncio.wait_for(asyncio.gather(*(add_one(store, KEY) for store in stores * 5)), 10)
        assert await stores[0].peek(KEY) == b"10"
        for store in stores:
            await store.close()


@pytest.mark.parametrize(
    ("changes", "remedy"),
    [
        ({"path": "/nobodys_bot"}, "Create the database"),
        ({"query": "sslmode=require"}, "Check sslmode"),
        ({"query": "sslmode=sometimes"}, "Write postgresql://"),
        ({"netloc": "nobodys_role@127.0.0.1:{port}"}, "Check user and password"),
        ({"netloc": "postgres@127.0.0.1:many"}, "Write postgresql://"),
    ],
)
async def test_a_wrong_url_is_refused_with_its_remedy(
    postgres_server: PostgresServer, changes: dict[str, str], remedy: str
) -> None:
    parts = urlsplit(postgres_server.dsn)
    changes = {name: value.format(port=parts.port) for name, value in changes.items()}
    assert remedy in await asyncio.wait_for(refusal(parts._replace(**changes).geturl()), 2)


async def test_a_user_without_rights_is_refused_with_what_to_grant(postgres_server: PostgresServer) -> None:
    role = f"fsmkit_role_{secrets.token_hex(6)}"
    await run_sql(postgres_server.dsn, f"CREATE ROLE {role} LOGIN")
    said = await refusal(postgres_server.dsn.replace("//postgres@", f"//{role}@"), schema="fsmkit_nobodys")
    await run_sql(postgres_server.dsn, f"DROP ROLE {role}")
    assert re.search("permission denied for database.*Grant the user CREATE", said)


async def test_settings_that_lose_rows_are_warned_of_once(
    postgres_server: PostgresServer, schema: str, caplog: pytest.LogCaptureFixture
) -> None:
    url = postgres_server.dsn + "?options=-csynchronous_commit%3Doff"
    store = PostgresStore(url, schema=schema)
    with caplog.at_level(logging.WARNING, "fsmkit"):
        await add_one(store, KEY)
        await asyncio.to_thread(asyncio.run, add_one(store, OTHER))
    await store.close()
    assert [re.sub(r".*may (lose .*?),.*", r"\1", message) for message in caplog.messages] == [
        "lose all conversations",
        "lose the last steps",
    ]
