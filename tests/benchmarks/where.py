"""Where the time of a text step goes: samples of the running code, `python -m tests.benchmarks.where [SAMPLES]`.

A timer of the processor interrupts the step again and again; the innermost frame of fsmkit, PTB or the bot's
own handlers at that moment has the sample, with whatever of the standard library and of C it was in. Nothing
is counted or hooked meanwhile, so that calls are not made to look dearer than they are.
"""

import asyncio
import json
import signal
import sys
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

import telegram

import fsmkit
from tests.benchmarks import bots

SAMPLES = 2000
EVERY = 0.001
"""Seconds of processor time between two samples; the kernel makes no less than its own tick of it."""
HOMES = {
    str(Path(fsmkit.__file__).parent): "fsmkit",
    str(Path(telegram.__file__).parent): "python-telegram-bot",
    str(Path(__file__).parent): "the bot's handlers",
}


def place_of(frame: FrameType | None) -> str | None:
    """Return the part of the program that a frame belongs to: for fsmkit the room and the module."""
    while frame is not None:
        file = frame.f_code.co_filename
        for home, name in HOMES.items():
            if file.startswith(home):
                inner = file.removeprefix(home).removesuffix(".py").strip("/").split("/")
                return f"{name} {'/'.join(inner[:2])}" if name == "fsmkit" else name
        frame = frame.f_back
    return None


async def sampled(samples: int) -> dict[str, float]:
    """Return the share of each part of the program, in per cent."""
    app, _ = await bots.kit(bots.form_flow())
    updates = bots.Updates(app.bot)
    people = range(1, 201)
    for text in ("/start", "Ann", "Rome", "Ann"):
        for user in people:
            await app.process_update(updates.said(user, text))
    counts: Counter[str] = Counter()

    def take(_signal: int, frame: FrameType | None) -> None:
        place = place_of(frame)
        if place is not None:
            counts[place] += 1

    signal.signal(signal.SIGPROF, take)
    while counts.total() < samples:
        texts = updates.talk(people, 10)
        await _timed(app, texts)
    return {place: 100 * count / counts.total() for place, count in counts.most_common()}


async def _timed(app: Any, texts: list[Any]) -> None:
    signal.setitimer(signal.ITIMER_PROF, EVERY, EVERY)
    try:
        for text in texts:
            await app.process_update(text)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


if __name__ == "__main__":
    print(json.dumps(asyncio.run(sampled(int(sys.argv[1]) if len(sys.argv) > 1 else SAMPLES)), indent=1))
