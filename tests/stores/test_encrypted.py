"""Rows that only the holder of a key can read."""

import pytest
from cryptography.fernet import Fernet
from msgspec import structs

from fsmkit import Context, Engine, Flow, Key, StoreCorrupt
from fsmkit.stores import Change
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
    with pytest.raises(StoreCorrupt, match="the update 1 of bot 1 cannot be decrypted"):
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


async def test_what_is_moved_to_another_persons_key_in_the_database_is_refused():
    inner, bob = MemoryStore(), Key(chat=2, user=2)
    store = Encrypted(inner, [Fernet.generate_key()])
    async with store.lease(ANN) as lease:
        await lease.commit(Change(b"row of Ann", outbox=(b"entry",)))
    moved = Change(await inner.peek(ANN), outbox=tuple(await inner.outbox(ANN)))
    async with inner.lease(bob) as lease:
        await lease.commit(moved)
    for read in (store.peek, store.outbox, store.snapshot):
        with pytest.raises(StoreCorrupt, match="2:2:-:-:- was written for another key"):
            await read(bob)
    assert (await store.peek(ANN), await store.outbox(ANN)) == (b"row of Ann", [b"entry"])


async def test_an_update_that_is_moved_to_another_bot_or_number_is_refused():
    inner, key = MemoryStore(), Fernet.generate_key()
    store = Encrypted(inner, [key])
    await store.inbox(1).append([StoredUpdate(7, 1, 1, b"{}", 0.0)])
    (sealed,) = await inner.inbox(1).waiting()
    for bot, number in ((2, 7), (1, 8)):
        await inner.inbox(bot).append([structs.replace(sealed, id=number)])
        with pytest.raises(StoreCorrupt, match=f"the update {number} of bot {bot} was written for another"):
            await store.inbox(bot).waiting()


async def test_what_an_earlier_version_encrypted_is_read_and_written_in_the_new_form():
    inner, key = MemoryStore(), Fernet.generate_key()
    clear, old = MemoryStore(), Fernet(key)
    await Engine(secret_flow(), store=clear).send(ANN, "swordfish")
    async with inner.lease(ANN) as lease:
        row, *outbox = (old.encrypt(each) for each in (await clear.peek(ANN), *await clear.outbox(ANN)))
        await lease.commit(Change(row, outbox=tuple(outbox)))
    store, sent = Encrypted(inner, [key]), []
    await inner.inbox(1).append([StoredUpdate(7, 1, 1, old.encrypt(b"{}"), 0.0)])
    assert [update.body for update in await store.inbox(1).waiting()] == [b"{}"]
    engine = Engine(secret_flow(), store=store, deliver=lambda _key, effect: sent.append(effect.text))
    assert await engine.get_state("secret", ANN) == ("kept", {"word": "swordfish"})
    await engine.send(ANN, "herring")
    assert old.decrypt(await inner.peek(ANN)).startswith(b"\x01\x00\x091:1:-:-:-")
    assert await engine.get_state("secret", ANN) == ("kept", {"word": "herring"})


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
