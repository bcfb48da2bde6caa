"""Writes what an older version of fsmkit stores of a bot that is killed at its work.

    PYTHONPATH=OLDER:tests python tests/stores/samples/write.py sqlite FILE.sqlite3
    PYTHONPATH=OLDER:tests python tests/stores/samples/write.py redis redis://... FILE.json

`OLDER` is a checkout of that version. Person 1 was asked for an age, 2 may press a button, 3 is in a sub-flow, 4 has
an event scheduled, and 5 is owed two messages, of which Telegram has one. FILE.buttons has the data of the buttons.
"""

import asyncio
import json
import os
import sqlite3
import sys
from pathlib import Path

from stores.sample_bot import START, flows

from fsmkit.telegram import attach
from fsmkit.testing import ManualClock, OfflineTelegram

SAID = {
    1: ["/start", "Ann"],
    2: ["/start", "Bob", "42"],
    3: ["/start", "Cid", "7"],
    4: ["/tea"],
    5: ["/start"],
}


async def work(store):
    clock = ManualClock(START)
    offline = OfflineTelegram(clock=clock)
    app = offline.builder().concurrent_updates(True).build()
    engine = attach(app, *flows(), store=store, clock=clock)
    name = "acknowledge" if hasattr(store, "acknowledge") else "strike"  # as it was called once
    acknowledge, owed = getattr(store, name), asyncio.Event()

    async def killed_before(key, entry, receipt):
        if key.user == 5:
            owed.set()
            await asyncio.Event().wait()
        return await acknowledge(key, entry, receipt)

    setattr(store, name, killed_before)
    await app.initialize()
    await engine.start()
    for user, texts in SAID.items():
        offline.add_user(user)
        for said in texts:
            offline.say(said, user=user)
            feeding = asyncio.create_task(offline.feed(app))
            await asyncio.sleep(0.3)  # the last one is never done
            feeding.cancel()
        if user == 3:
            offline.press("Move", user=3)
            await offline.feed(app)
            await asyncio.sleep(0.2)
    await owed.wait()
    rows = [button for message in offline.messages(2) for button in buttons(message)]
    Path(f"{sys.argv[-1]}.buttons").write_text(json.dumps(dict(rows), indent=1) + "\n")


def buttons(message):
    """Texts and data of the buttons under a message."""
    for row in message.get("reply_markup", {}).get("inline_keyboard", ()):
        for button in row:
            yield button["text"], button["callback_data"]


def dumped(client):
    """The commands that make what a server holds, without what ends by itself."""
    for key in sorted(client.scan_iter()):
        if client.pttl(key) >= 0:
            continue
        kind = client.type(key)
        if kind == b"string":
            command = ["SET", key, client.get(key)]
        elif kind == b"hash":
            command = ["HSET", key, *(part for pair in sorted(client.hgetall(key).items()) for part in pair)]
        elif kind == b"list":
            command = ["RPUSH", key, *client.lrange(key, 0, -1)]
        elif kind == b"set":
            command = ["SADD", key, *sorted(client.smembers(key))]
        else:
            members = client.zrange(key, 0, -1, withscores=True)
            command = ["ZADD", key, *(part for name, score in members for part in (repr(score), name))]
        yield [part if isinstance(part, str) else part.decode("latin-1") for part in command]


def main(kind, *where):
    if kind == "sqlite":
        from fsmkit.stores.sqlite import SQLiteStore

        asyncio.run(killed(SQLiteStore(where[0])))
    else:
        from fsmkit.stores.redis import RedisStore

        asyncio.run(killed(RedisStore(where[0], prefix="sample")))


async def killed(store):
    await work(store)
    os._exit(0)


if __name__ == "__main__":
    child = os.fork()
    if child == 0:
        try:
            main(*sys.argv[1:])
        finally:
            os._exit(1)
    if os.waitpid(child, 0)[1]:
        sys.exit("the bot failed")
    if sys.argv[1] == "sqlite":
        with sqlite3.connect(sys.argv[2]) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            db.execute("VACUUM")
        db.close()
    else:
        import redis

        commands = list(dumped(redis.Redis.from_url(sys.argv[2])))
        Path(sys.argv[3]).write_text(json.dumps(commands, indent=1) + "\n")
