"""Updates that may end the process: who is suspected, who runs alone, and who is set aside."""

import asyncio
import contextlib
import random
import signal
from pathlib import Path

import pytest
from bot_process import process, telegram

from fsmkit.stores.inbox import MemoryInbox, StoredUpdate
from fsmkit.telegram.receiver.handover import ALONE_SECONDS, DEATHS, MOST_OF_LINE, HandOver
from fsmkit.testing import ManualClock

POISON = 7


async def until(condition):
    """Waits until something is true that only tasks of this loop make so."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0)


class Lives:
    """Processes one after the other, each with a hand-over of its own on the inbox that they share.

    Attributes:
        handled: What was handled, in order.
        buried: What was set aside.
        beside: With how many others each update was in hand when it began.
        deadly: The update that ends a process.
        pause: For how many steps of the loop a handler waits.
    """

    def __init__(self, *numbers, deadly=POISON):
        self.clock = ManualClock(1_000.0)
        self.inbox = MemoryInbox(self.clock.now)
        self.numbers = numbers
        self.deadly = deadly
        self.pause = lambda: 1
        self.handled, self.buried, self.beside = [], [], []
        self.in_hand = set()
        self.gate = asyncio.Event()
        self.gate.set()
        self.death = asyncio.Event()

    async def fill(self):
        await self.inbox.append([StoredUpdate(n, 100 + n % 5, 0, b"{}", 1_000.0) for n in self.numbers])

    async def handle(self, stored):
        self.beside.append((stored.id, len(self.in_hand)))
        self.in_hand.add(stored.id)
        for _ in range(self.pause()):
            await asyncio.sleep(0)
        if stored.id == self.deadly:
            self.death.set()
            await asyncio.Event().wait()
        await self.gate.wait()
        self.in_hand.discard(stored.id)
        self.handled.append(stored.id)
        await self.inbox.strike([stored.id])

    async def bury(self, stored):
        self.buried.append(stored.id)
        await self.inbox.strike([stored.id])

    async def live(self):
        """One process; returns whether it was ended by the deadly update, or has handled all."""
        self.death.clear()
        self.in_hand.clear()
        hand_over = self.hand_over = HandOver(self.inbox, self.clock, self.handle, self.bury)
        run = asyncio.ensure_future(hand_over.run())
        await until(lambda: self.death.is_set() or (hand_over.caught_up and not hand_over._tasks))
        for task in (run, *hand_over._tasks):
            task.cancel()
        await asyncio.gather(run, *hand_over._tasks, return_exceptions=True)
        return self.death.is_set()

    async def attempts(self):
        return {update.id: update.attempts for update in await self.inbox.waiting()}


async def test_what_ends_each_process_is_set_aside_and_all_others_are_handled_in_order():
    lives = Lives(*range(1, 60))
    await lives.fill()
    deaths = 0
    while await lives.live():
        deaths += 1
        assert deaths <= 1 + DEATHS
    assert (deaths, lives.buried) == (1 + DEATHS, [POISON])
    assert sorted(lives.handled) == [n for n in range(1, 60) if n != POISON]
    for line in range(5):
        of_line = [n for n in lives.handled if n % 5 == line]
        assert of_line == sorted(of_line)


async def test_one_that_was_in_hand_at_a_death_is_alone_from_then_on():
    lives = Lives(*range(1, 30))
    lives.gate.clear()  # so that all are in hand
    await lives.fill()
    await lives.live()
    lives.gate.set()
    suspects = [ident for ident, attempts in (await lives.attempts()).items() if attempts]
    assert POISON in suspects
    assert suspects == [*range(1, 30)]
    lives.beside.clear()
    await lives.live()
    assert lives.beside == [(ident, 0) for ident in range(1, POISON + 1)]
    assert (await lives.attempts())[POISON] == 2


@pytest.mark.parametrize("seed", range(5))
async def test_kills_at_random_moments_set_nobody_aside(seed):
    lives, chance = Lives(*range(1, 400), deadly=None), random.Random(seed)
    lives.pause = lambda: chance.randrange(30)
    await lives.fill()
    running, kills = True, 0
    while running:
        life = asyncio.ensure_future(lives.live())
        for _ in range(chance.randrange(60, 100)):
            await asyncio.sleep(0)
        kills += not life.done()
        lives.death.set()
        await life
        running = bool(await lives.inbox.waiting())
    assert kills
    assert (sorted(lives.handled), lives.buried) == ([*range(1, 400)], [])


async def test_what_comes_while_the_process_runs_costs_no_write():
    lives, noted = Lives(1, 2, deadly=None), []
    note = lives.inbox.note_attempts

    async def counted(ids, attempts):
        noted.extend(ids)
        await note(ids, attempts)

    lives.inbox.note_attempts = counted
    await lives.fill()
    hand_over = HandOver(lives.inbox, lives.clock, lives.handle, lives.bury)
    run = asyncio.ensure_future(hand_over.run())
    await until(lambda: hand_over.caught_up)
    hand_over.put(await lives.inbox.append([StoredUpdate(n, n, 0, b"{}", 1_000.0) for n in (3, 4, 5)]))
    await until(lambda: len(lives.handled) == 5)
    await hand_over.stop(lambda task: True, drain=1)
    run.cancel()
    assert sorted(noted) == [1, 2]


async def test_a_stop_takes_its_attempts_back():
    lives = Lives(1, POISON, 8)
    await lives.fill()
    await lives.inbox.note_attempts([POISON], 2)
    hand_over = HandOver(lives.inbox, lives.clock, lives.handle, lives.bury)
    run = asyncio.ensure_future(hand_over.run())
    await lives.death.wait()
    assert (await lives.attempts())[POISON] == 3
    run.cancel()
    await hand_over.stop(lambda task: True, drain=0.01)
    assert await lives.attempts() == {POISON: 2, 8: 0}


async def test_who_takes_long_alone_holds_others_up_for_a_while_only():
    lives = Lives(1, POISON, 8)
    await lives.fill()
    await lives.inbox.note_attempts([POISON], 1)
    hand_over = HandOver(lives.inbox, lives.clock, lives.handle, lives.bury)
    run = asyncio.ensure_future(hand_over.run())
    await lives.death.wait()  # it waits for ever, and ends nothing
    for _ in range(50):
        await asyncio.sleep(0)
    assert lives.handled == [1]
    lives.clock.advance(ALONE_SECONDS)
    await until(lambda: lives.handled == [1, 8])
    assert (await lives.attempts())[POISON] == 2  # it may yet end the process
    run.cancel()
    await hand_over.stop(lambda task: False, drain=0)
    assert (await lives.attempts())[POISON] == 1


async def test_a_line_goes_on_after_suspects_that_were_done_before_the_reader_came_to_its_end():
    lives = Lives(deadly=None)
    await lives.inbox.append([StoredUpdate(n, 100, 0, b"{}", 1_000.0) for n in range(1, 3 * MOST_OF_LINE)])
    await lives.inbox.note_attempts([*range(MOST_OF_LINE + 1, MOST_OF_LINE + 9)], 1)
    await lives.live()
    assert lives.handled == [*range(1, 3 * MOST_OF_LINE)]


async def test_who_cannot_read_a_line_says_so(caplog):
    lives = Lives(deadly=None)
    await lives.inbox.append([StoredUpdate(n, 100, 0, b"{}", 1_000.0) for n in range(1, 3 * MOST_OF_LINE)])
    waiting = lives.inbox.waiting

    async def broken(after=0, limit=None, *, line=None):
        if line is not None:
            raise TypeError("no number")
        return await waiting(after, limit)

    lives.inbox.waiting = broken
    hand_over = HandOver(lives.inbox, lives.clock, lives.handle, lives.bury)
    run = asyncio.ensure_future(hand_over.run())
    await until(lambda: "no number" in caplog.text)
    assert "updates of one chat wait until the next start" in caplog.text
    await hand_over.stop(lambda task: True, drain=1)
    run.cancel()


BOT = """
import os
from fsmkit import Flow
from fsmkit.telegram import run, text

flow = Flow("flow", data=int)


@flow.defstate(None, "on", on=text(r".*"))
async def answer(event, ctx):
    if event.text == "exit":
        os._exit(3)
    count = (ctx.data or 0) + 1
    ctx.reply(f"{count} {event.text}")
    return ("transition", "on", count)


if __name__ == "__main__":
    run(flow)
"""


@pytest.mark.thorough
async def test_a_bot_of_fifty_people_survives_what_kills_it(tmp_path: Path):
    (tmp_path / "bot.py").write_text(BOT, encoding="utf-8")
    people = range(101, 151)
    async with telegram() as (offline, settings):
        for user in people:
            offline.add_user(user)
            offline.say("one", user=user)
        offline.say("exit", user=120)
        for user in people:
            offline.say("two", user=user)
        expected = {user: ["1 one", "2 two"] for user in people}

        def answered():
            return all(dict.fromkeys(offline.texts(user)).keys() >= set(expected[user]) for user in people)

        starts = 0
        while not answered():
            starts += 1
            assert starts <= 3 + DEATHS
            async with process(offline, "bot.py", cwd=tmp_path, **settings) as bot:
                with contextlib.suppress(AssertionError):
                    await bot.until(answered)
                if answered():
                    status, said = await bot.end(signal.SIGTERM)
        assert status == 0, said
        assert "processes have ended while it was handled alone" in said
        for user in people:  # what was on its way at a death may come again
            said_to = [text for text in offline.texts(user) if text[:1].isdigit()]
            assert list(dict.fromkeys(said_to)) == expected[user]
