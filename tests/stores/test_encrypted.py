"""Rows that only the holder of a key can read."""

import pytest
from cryptography.fernet import Fernet

from fsmkit import Context, Engine, Flow, Key, StoreCorrupt
from fsmkit.stores.encrypted import Encrypted
from fsmkit.stores.inbox import DeadLetter, StoredUpdate
from fsmkit.stores.memory import MemoryStore
from fsmkit.testing import StoreContract

ANN = Key(chat=1, user=1)


def secret_flow():
    flow = Flow("secret")
    flow.state("kept", prompt="Kept.")

    @flow.defstate(None, "kept", on=str)
    def keep(event: str, ctx: Context[dict[str, str]]):
        return ("transition", "kept", {"word": event})

    return flow


class TestEncryptedMemory(StoreContract):
    """The wrapper is a store like any other."""

    @pytest.fixture
    async def store(self, clock):
        store = Encrypted(MemoryStore(clock), [Fernet.generate_key()])
        yield store
        await store.close()


async def test_what_is_stored_does_not_show_the_data():
    inner = MemoryStore()
    engine = Engine(secret_flow(), store=Encrypted(inner, [Fernet.generate_key()]))
    await engine.send(ANN, "swordfish")
    assert b"swordfish" not in (await inner.peek(ANN) or b"")
    assert (await engine.get_state("secret", ANN)) == ("kept", {"word": "swordfish"})


async def test_a_new_key_first_reads_what_the_old_one_wrote_and_writes_with_the_new():
    inner, old, new = MemoryStore(), Fernet.generate_key(), Fernet.generate_key()
    await Engine(secret_flow(), store=Encrypted(inner, [old])).send(ANN, "swordfish")
    engine = Engine(secret_flow(), store=Encrypted(inner, [new, old]))
    assert (await engine.get_state("secret", ANN))[1] == {"word": "swordfish"}
    await engine.send(ANN, "herring")
    alone = Engine(secret_flow(), store=Encrypted(inner, [new]))
    assert (await alone.get_state("secret", ANN))[1] == {"word": "herring"}


async def test_updates_that_wait_and_dead_letters_do_not_show_what_was_said():
    inner, key = MemoryStore(), Fernet.generate_key()
    inbox = Encrypted(inner, [key]).inbox(1)
    await inbox.append([StoredUpdate(n, 1, 1, b"swordfish", 0.0) for n in (1, 2)])
    await inbox.set_aside(DeadLetter("2", 2, 1, 1, "too deep", b"swordfish"))
    sealed = [*await inner.inbox(1).waiting(), *await inner.inbox(1).dead()]
    assert not any(b"swordfish" in each.body for each in sealed)
    assert [each.body for each in [*await inbox.waiting(), *await inbox.dead()]] == [b"swordfish"] * 2
    with pytest.raises(StoreCorrupt, match="update 1 cannot be decrypted"):
        await Encrypted(inner, [Fernet.generate_key()]).inbox(1).waiting()


async def test_another_key_is_told_and_the_row_is_left_alone():
    inner = MemoryStore()
    await Engine(secret_flow(), store=Encrypted(inner, [Fernet.generate_key()])).send(ANN, "swordfish")
    before = await inner.peek(ANN)
    engine = Engine(secret_flow(), store=Encrypted(inner, [Fernet.generate_key()]))
    with pytest.raises(StoreCorrupt, match="cannot be decrypted"):
        await engine.send(ANN, "herring")
    assert await inner.peek(ANN) == before
    assert inner.turns == {}


async def test_messages_that_wait_are_delivered_in_order():
    sent = []

    async def deliver(key, effect):
        sent.append(effect.text)

    engine = Engine(secret_flow(), store=Encrypted(MemoryStore(), [Fernet.generate_key()]), deliver=deliver)
    await engine.send(ANN, "one")
    await engine.send(ANN, "two")
    assert sent == ["Kept.", "Kept."]


def test_no_key_is_refused():
    with pytest.raises(ValueError, match="needs a key"):
        Encrypted(MemoryStore(), [])
