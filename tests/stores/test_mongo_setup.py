"""What MongoStore says to a server or a URL that is set up so that it cannot work, or may lose rows."""

import asyncio
import logging
from typing import Any

import pytest
from pymongo import ReadPreference, WriteConcern
from pymongo.errors import OperationFailure

from fsmkit import StoreMisconfigured
from fsmkit.stores.mongo import MongoStore
from fsmkit.stores.mongo import session as mongo_session
from fsmkit.stores.mongo.session import MongoSession
from fsmkit.stores.sessions import WarnOnce
from fsmkit.testing.store_contract.base import KEY, OTHER, add_one

# Before the import: it is a plugin too, for there is one server in a session.
pytest.register_assert_rewrite("stores.mongo_server")
from stores.mongo_server import MongoServer  # noqa: E402

pytest_plugins = ["stores.mongo_server"]


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("mongodb://", "Write mongodb://"),
        ("mongodb://localhost:many", "Write mongodb://"),
        ("mongodb://localhost/?colour=red", "Write mongodb://"),
        ("mongodb://localhost/?maxPoolSize=few", "Write mongodb://"),
        ("mongodb://localhost/my bot", "Write mongodb://"),
        ("mongodb://localhost/?w=0", "Take w=0 out"),
    ],
)
async def test_a_wrong_url_is_refused_before_a_server_hears_of_it(url: str, remedy: str) -> None:
    store = MongoStore(url)
    with pytest.raises(StoreMisconfigured, match=remedy):
        await asyncio.wait_for(store.peek(KEY), 1)
    await store.close()


async def test_another_replica_set_is_refused(
    mongo_server: MongoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mongo_session, "SELECTION_MS", 300)
    store = MongoStore(f"{mongo_server.url}&replicaSet=nobodys")
    with pytest.raises(StoreMisconfigured, match="Check replicaSet in the URL"):
        await store.peek(KEY)
    await store.close()


@pytest.mark.parametrize(
    ("code", "remedy"), [(13, "readWrite"), (18, "Check user"), (100, "there are not so many servers")]
)
async def test_what_a_server_refuses_has_a_remedy(
    mongo_url: str, database: Any, code: int, remedy: str
) -> None:
    store = MongoStore(mongo_url, database=database.name)

    async def refused(_rows: object) -> None:
        raise OperationFailure("no", code)

    session = await store.session()
    with pytest.raises(StoreMisconfigured, match=remedy):
        await session.call(refused)
    await store.close()


async def test_rows_are_read_where_they_are_written(mongo_url: str, database: Any) -> None:
    store = MongoStore(f"{mongo_url}&readPreference=secondaryPreferred", database=database.name)

    async def preference(rows: Any) -> object:
        return rows.read_preference

    read_from, _ = await (await store.session()).call(preference)
    await store.close()
    assert read_from == ReadPreference.PRIMARY


async def test_an_answer_before_the_journal_is_warned_of_once(
    mongo_server: MongoServer, database: Any, caplog: pytest.LogCaptureFixture
) -> None:
    store = MongoStore(mongo_server.url, database=database.name)  # with journal=false
    with caplog.at_level(logging.WARNING, "fsmkit"):
        await add_one(store, KEY)
        await asyncio.to_thread(asyncio.run, add_one(store, OTHER))
    await store.close()
    assert caplog.messages == [
        "a crash of MongoDB may lose the last steps: take journal=false out of the store's URL"
    ]


@pytest.mark.parametrize(
    ("concern", "hello", "count"),
    [
        ({"w": 1}, {"setName": "rs0"}, 1),
        ({"w": 1}, {}, 0),
        ({"w": "majority", "j": True}, {"setName": "rs0"}, 0),
    ],
)
async def test_an_answer_of_one_member_of_many_is_warned_of(
    concern: dict[str, Any], hello: dict[str, Any], count: int, caplog: pytest.LogCaptureFixture
) -> None:
    session = MongoSession("mongodb://localhost", "fsmkit", 15.0, 10, WarnOnce())
    with caplog.at_level(logging.WARNING, "fsmkit"):
        session._warn_of_losses(WriteConcern(**concern), hello)
    assert len(caplog.messages) == count
