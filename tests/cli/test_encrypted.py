"""Encrypted stores: `fsmkit` reads their keys from the environment, and says so where they are missing."""

import asyncio
import json
import sys

import pytest
from cryptography.fernet import Fernet
from shop import ANN, SHOP, STORE, talk

from fsmkit import Engine
from fsmkit.stores.encrypted import Encrypted
from fsmkit.stores.sqlite import SQLiteStore
from fsmkit.testing import ManualClock
from fsmkit.testing.loading import load

KEYS = "FSMKIT_STORE_KEYS"
OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))


@pytest.fixture
def sealed(write, time, monkeypatch):
    """A store that a bot has encrypted with `OLD`; no key is in the environment."""
    monkeypatch.delenv(KEYS, raising=False)
    file = write(SHOP)

    async def store_them():
        store = Encrypted(SQLiteStore("bot.db"), [OLD])
        await talk(Engine(*load(file).flows, store=store, clock=ManualClock(time.now)))
        await store.close()

    asyncio.run(store_them())
    return file


def test_without_keys_it_says_where_they_belong(sealed, refusal):
    told = "the rows of this store are encrypted: put its keys into FSMKIT_STORE_KEYS"
    assert refusal("inspect", STORE) == told
    assert refusal("inspect", STORE, "show", str(ANN)) == told
    assert refusal("migrate", STORE, sealed) == told


@pytest.mark.parametrize("given", [OLD, f"{NEW},{OLD}", f" {NEW} {OLD}\n"], ids=["one", "comma", "space"])
def test_with_its_keys_a_store_is_looked_at_like_any_other(sealed, fsmkit, lines, monkeypatch, given):
    monkeypatch.setenv(KEYS, given)
    assert lines("inspect", STORE)[1] == "pay   card                 1      0  in 2h"
    shown = json.loads(fsmkit("inspect", STORE, "show", str(ANN)).stdout)
    assert shown["conversations"][0]["called_by"][0]["data"] == {"first": "a"}


def test_what_a_command_writes_is_encrypted_with_the_first_key(sealed, lines, monkeypatch):
    monkeypatch.setenv(KEYS, f"{NEW} {OLD}")
    lines("inspect", STORE, "move", str(ANN), "cart", "--file", sealed, "--flow", "shop")

    async def row(key):
        store = Encrypted(SQLiteStore("bot.db"), [key])
        try:
            return await store.peek(ANN)
        finally:
            await store.close()

    assert b'"cart"' in asyncio.run(row(NEW))


def test_a_migration_goes_through_an_encrypted_store(sealed, fsmkit, monkeypatch):
    monkeypatch.setenv(KEYS, OLD)
    result = fsmkit("migrate", STORE, sealed, "--dry-run", "--bot", "42", "--json")
    assert (result.exit_code, json.loads(result.stdout)["total"]["unreadable"]) == (0, 0)


def test_with_other_keys_it_says_that_they_do_not_fit(sealed, refusal, monkeypatch):
    monkeypatch.setenv(KEYS, NEW)
    assert "cannot be decrypted: it was written with another key or none" in refusal("inspect", STORE)


def test_keys_for_a_store_in_clear_do_not_fit_either(shop, refusal, monkeypatch):
    monkeypatch.setenv(KEYS, NEW)
    assert "cannot be decrypted" in refusal("inspect", STORE)


def test_a_key_that_is_none_is_refused_and_not_shown(shop, refusal, monkeypatch):
    monkeypatch.setenv(KEYS, f"{NEW} secret-but-no-key")
    told = refusal("inspect", STORE)
    assert told.startswith("a key in FSMKIT_STORE_KEYS is not a Fernet key")
    assert "secret" not in told


def test_a_chat_is_encrypted_with_the_keys_too(chat, write, monkeypatch, stored):
    monkeypatch.setenv(KEYS, NEW)
    file = write(SHOP)
    assert chat(file, "a", options=("--store", STORE)) == ["> a", "What?"]
    assert [row[:6] for row, _ in stored().values()] == [b"gAAAAA"]


def test_without_the_library_it_says_what_to_install(shop, refusal, monkeypatch):
    monkeypatch.setenv(KEYS, NEW)
    monkeypatch.setitem(sys.modules, "fsmkit.stores.encrypted", None)
    assert refusal("inspect", STORE).endswith("pip install 'fsmkit[crypto]'")
