"""A live SQLite bot goes from PTB's polling to the receiver and back, is backed up, and has its clock set back."""

import json
import shutil
import sqlite3
from contextlib import closing

from polled_bot import update
from telegram import Update

from fsmkit import Flow
from fsmkit.stores.inbox import StoredUpdate
from fsmkit.stores.sqlite import SQLiteStore
from fsmkit.telegram import attach, text
from fsmkit.testing import ManualClock


def telling():
    """A flow that answers with all that it was told."""
    flow = Flow("telling", data=dict)

    @flow.defstate(None, "on", on=text(r".*"))
    def take(event, ctx):
        said = [*(ctx.data or {}).get("said", []), event.text]
        ctx.reply(" ".join(said))
        return ("transition", "on", {"said": said})

    return flow


async def as_ptb_does(bench, *bodies):
    """Handles updates as PTB's own polling would, in an application without a receiver."""
    app = bench.offline.builder().build()
    store = SQLiteStore(bench.path)
    async with app, attach(app, telling(), store=store, clock=bench.clock):
        for body in bodies:
            await app.process_update(Update.de_json(json.loads(body), app.bot))
    await store.close()


async def as_receiver(bench, *bodies):
    async with bench.running(telling()):
        bench.wire.put(*bodies)
        await bench.until_handled(*(json.loads(body)["update_id"] for body in bodies))


async def test_a_conversation_goes_from_ptbs_polling_to_the_receiver_and_back(bench):
    await as_ptb_does(bench, update(1, "a"), update(2, "b"))
    await as_receiver(bench, update(3, "c"))
    await as_ptb_does(bench, update(4, "d"))
    await as_receiver(bench, update(5, "e"))
    assert bench.offline.texts(1)[-1] == "a b c d e"
    assert len(bench.offline.texts(1)) == 5


async def test_what_was_handled_but_not_confirmed_before_the_change_counts_once_after_it(bench):
    await as_ptb_does(bench, update(1, "a"), update(2, "b"))
    await as_receiver(bench, update(2, "b"), update(3, "c"))
    await as_ptb_does(bench, update(3, "c"), update(4, "d"))
    assert bench.offline.texts(1)[-1] == "a b c d"
    assert len(bench.offline.texts(1)) == 4


async def test_what_the_receiver_left_in_the_inbox_waits_for_its_return(bench):
    await as_receiver(bench, update(1, "a"))
    store = SQLiteStore(bench.path)
    await store.inbox(42).append([_stored(2, "b")])
    await store.close()
    await as_ptb_does(bench, update(3, "c"))
    await as_receiver(bench, update(4, "d"))
    assert bench.offline.texts(1)[-1] == "a c b d"


def _stored(number, said):
    return StoredUpdate(number, 1, 1, update(number, said), 1_000_000.0)


async def test_a_backup_of_a_live_bot_has_rows_and_inbox_of_one_moment(bench, tmp_path):
    copy = tmp_path / "copy.db"
    async with bench.running(telling()):
        bench.wire.put(update(1, "a"))
        await bench.until_handled(1)
        with closing(sqlite3.connect(bench.path)) as live, closing(sqlite3.connect(copy)) as kept:
            live.backup(kept)  # what `sqlite3 bot.db ".backup copy.db"` does
        bench.wire.put(update(2, "b"))
        await bench.until_handled(2)
    for left in tmp_path.glob("bot.db*"):
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    bench.path = copy
    async with bench.running(telling()):
        bench.wire.put(update(1, "a"), update(3, "c"))
        await bench.until_handled(1, 3)
        [row] = [row async for row in bench.engine.store.scan()]
        assert await bench.engine.get_state("telling", row.key) == ("on", {"said": ["a", "c"]})


async def test_a_clock_that_was_set_back_an_hour_holds_nobody_up(bench):
    await as_receiver(bench, update(1, "a"))
    store = SQLiteStore(bench.path)
    await store.inbox(42).append([_stored(2, "b")])
    await store.close()
    bench.clock = ManualClock(1_000_000.0 - 3600)
    await as_receiver(bench, update(1, "a"), update(3, "c"))
    assert bench.offline.texts(1) == ["a", "a b", "a b c"]
