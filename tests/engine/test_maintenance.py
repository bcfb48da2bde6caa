"""Rows written from beside a bot that runs: fenced like a step, and never over a newer version."""

import pytest
from msgspec import Raw, structs

from fsmkit import Flow, Key, LeaseLost
from fsmkit.engine.maintenance import Rewritten, carry_out, dropped, ready, rewrite
from fsmkit.interpreter.codec import decode_row, encode_row
from fsmkit.interpreter.row import Destination, Frame, Row, Snapshot
from fsmkit.stores import Change
from fsmkit.stores.memory import MemoryStore

KEY = Key(chat=1, user=1)


class Overtaken(MemoryStore):
    """A store whose rows are written by somebody else just before the first commits."""

    def __init__(self, times):
        super().__init__()
        self.times = times

    def write(self, key, version, change):
        if self.times:
            self.times -= 1
            super().write(key, version, Change(encode_row(Row(serial=self.times))))
        return super().write(key, version, change)


async def test_a_row_that_a_step_writes_meanwhile_is_rewritten_from_what_it_became():
    store, seen = Overtaken(2), []

    def change(row):
        seen.append(row.serial)
        return Rewritten(structs.replace(row, serial=row.serial + 100, keep=1.0))

    assert await rewrite(store, KEY, 0.0, change)
    assert (seen, decode_row(await store.peek(KEY)).serial) == ([0, 1, 0], 100)


async def test_a_row_that_others_always_write_first_is_given_up():
    store = Overtaken(1000)
    with pytest.raises(LeaseLost):
        await rewrite(store, KEY, 0.0, Rewritten)
    assert store.times == 997


async def test_a_row_that_a_newer_version_wrote_meanwhile_is_not_lifted():
    form = Flow("form")
    form.state("age")
    flows = ready([form])
    store = MemoryStore()
    newer = Row({"form": Snapshot((Frame("form", 2, "age", Raw(b"{}")),))})
    async with store.lease(KEY) as lease:
        await lease.commit(Change(encode_row(newer)))
    assert await carry_out(store, flows, [KEY], 0.0) == 0
    assert decode_row(await store.peek(KEY)) == newer


@pytest.mark.parametrize("arrived", [False, True], ids=["on its way", "gone"])
async def test_a_row_that_has_another_key_is_left_alone(arrived):
    frame = Frame("form", 1, "age", Raw(b"{}"))
    row = Row({"form": Snapshot((frame,))}, moved=Destination("-9:1:-:-:-", "move:1", arrived))
    store = MemoryStore()
    async with store.lease(KEY) as lease:
        await lease.commit(Change(encode_row(row)))
    assert not await rewrite(store, KEY, 0.0, dropped(None))
    assert decode_row(await store.peek(KEY)) == row
