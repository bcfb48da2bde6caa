"""Stores from URLs."""

import pytest

from fsmkit import DefinitionError, Engine, Flow, Key, StoreMisconfigured
from fsmkit.stores import open_store
from fsmkit.stores import urls as opening


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("memory:", "MemoryStore"),
        ("sqlite:bot.db", "SQLiteStore"),
        ("sqlite:///tmp/bot.db", "SQLiteStore"),
        ("redis://127.0.0.1:6379/0", "RedisStore"),
        ("unix:///run/redis.sock", "RedisStore"),
        ("valkey://127.0.0.1", "RedisStore"),
        ("valkeys://127.0.0.1", "RedisStore"),
        ("VALKEY+CLUSTER://127.0.0.1", "RedisStore"),
        ("rediss+cluster://127.0.0.1", "RedisStore"),
        ("postgresql://127.0.0.1/bot", "PostgresStore"),
        ("mongodb://127.0.0.1/bot", "MongoStore"),
    ],
)
def test_a_url_names_a_store(url, name):
    assert type(open_store(url)).__name__ == name


@pytest.mark.parametrize("url", ["bot.db", "mysql://x", "", "sqlite:"])
def test_a_wrong_url_says_what_to_write(url):
    with pytest.raises(DefinitionError, match="sqlite:"):
        open_store(url)


@pytest.mark.parametrize("url", ["valkey://h:many", "redis://h/0?colour=red"])
def test_a_url_that_its_library_does_not_take_is_refused_at_once(url):
    with pytest.raises(StoreMisconfigured, match="the store's URL is wrong"):
        open_store(url)


def test_a_url_of_no_store_is_named_without_its_password():
    with pytest.raises(DefinitionError) as caught:
        open_store("postgresql+asyncpg://bot:s3cr:t@host/name")
    assert "'postgresql+asyncpg://bot:***@host/name'" in str(caught.value)


def test_a_missing_extra_says_how_to_install_it(monkeypatch):
    def missing(name):
        raise ModuleNotFoundError("No module named 'asyncpg'", name="asyncpg")

    monkeypatch.setattr(opening.importlib, "import_module", missing)
    with pytest.raises(
        DefinitionError, match=r"PostgresStore needs asyncpg.*pip install 'fsmkit\[postgres\]'"
    ):
        open_store("postgresql://127.0.0.1/bot")


async def test_an_engine_opens_a_url_and_closes_the_store_at_its_end(tmp_path):
    flow, key, url = Flow("visits"), Key(chat=1, user=1), f"sqlite:{tmp_path}/bot.db"
    flow.state("first")
    closed = []

    async def close():
        closed.append(url)
        await really_close()

    async with Engine(flow, store=url) as engine:
        really_close, engine.store.close = engine.store.close, close
        await engine.at(flow, key).set_state("first")
    assert closed == [url]
    async with Engine(flow, store=url) as engine:
        assert await engine.get_state(flow, key) == ("first", {})


def test_an_engine_refuses_a_wrong_url_with_the_place_of_the_call():
    with pytest.raises(
        DefinitionError, match=r"tests/stores/test_urls.py:\d+: no store has the URL 'bot.db'"
    ):
        Engine(Flow("visits"), store="bot.db")
