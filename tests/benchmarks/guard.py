"""What a step does, counted: `python -m tests.benchmarks.guard` fails if it has become 5 % more.

Three steps on a `MemoryStore` are counted: a text, a press that is answered, a text that is replied to. Of
each count that of PTB alone is taken off, where one handler does nothing, answers or replies: so PTB's own
calls are not in it, and another version of PTB is of little matter. The counts:

- `calls`: Python functions that begin, among them the coroutines;
- `c_calls`: functions in C that Python code calls;
- `coroutines`: coroutines that begin;
- `blocks`: blocks of memory that are taken, seen from one instruction to the next. What comes from one of
  Python's own lists of free objects, or is freed within an instruction, is not seen.

Counts are the same in every run, on a busy machine too, which times are not. They stand in `guard.json`
together with the versions that they were made with. Another Python counts otherwise: it calls other functions
for the same code. Then the counts are printed and not compared. Other versions of the packages are compared
as ever, and named.
"""

import argparse
import asyncio
import dis
import gc
import inspect
import json
import os
import platform
import subprocess
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from telegram.ext import CallbackQueryHandler, MessageHandler, filters

from fsmkit.testing import ManualClock
from tests.benchmarks import bots

KEPT = Path(__file__).with_name("guard.json")
TOLERANCE = 0.05
PACKAGES = ("python-telegram-bot", "msgspec", "attrs", "cachetools")
NOW = 1_763_800_000.0
"""Seconds since 1970; it stays so, lest the sweeper looks for deadlines in the middle of a slow count."""
WARM = 200
COUNTED = 100
TRACED = 10
"""Steps whose instructions are followed, each of which takes as long as a hundred others."""

Counts = dict[str, float]
Process = Callable[[Any], Awaitable[object]]


# -- counting ----------------------------------------------------------------------------------------


@cache
def _begin_of(code: CodeType) -> int:
    """Return where a function's frame stands when it begins; a coroutine that goes on stands elsewhere."""
    return next(each.offset for each in dis.get_instructions(code) if each.opname == "RESUME")


async def calls_of(process: Process, updates: list[Any]) -> Counts:
    """Return the calls of an update, on average."""
    counts: Counter[str] = Counter()

    def profile(frame: FrameType, event: str, _arg: Any) -> None:
        if event == "c_call":
            counts["c_calls"] += 1
        elif event == "call" and frame.f_lasti <= _begin_of(frame.f_code):
            counts["calls"] += 1
            if frame.f_code.co_flags & inspect.CO_COROUTINE:
                counts["coroutines"] += 1

    before = sys.getprofile()
    for update in updates:
        sys.setprofile(profile)
        await process(update)
        sys.setprofile(before)
    return {name: counts[name] / len(updates) for name in ("calls", "c_calls", "coroutines")}


async def blocks_of(process: Process, updates: list[Any]) -> float:
    """Return the blocks of memory that an update takes, on average, those freed again included."""
    taken = last = 0
    blocks = sys.getallocatedblocks

    def trace(frame: FrameType, _event: str, _arg: Any) -> Any:
        nonlocal taken, last
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        taken += max(0, blocks() - last)
        last = blocks()
        return trace

    before = sys.gettrace()
    for update in updates:
        last = blocks()
        sys.settrace(trace)
        await process(update)
        sys.settrace(before)
    return taken / len(updates)


async def counts_of(app: Any, updates: list[Any]) -> Counts:
    """Return all counts of an update; the first updates warm up."""
    for update in updates[:WARM]:
        await app.process_update(update)
    gc.collect()
    gc.disable()
    try:
        calls = await calls_of(app.process_update, updates[WARM : WARM + COUNTED])
        blocks = await blocks_of(app.process_update, updates[WARM + COUNTED :])
    finally:
        gc.enable()
    return {**calls, "blocks": blocks}


# -- what is counted ---------------------------------------------------------------------------------


async def _nothing(update: Any, context: Any) -> None:
    return None


async def text() -> tuple[Counts, Counts]:
    """A text that is a step; beside a handler that does nothing."""
    return await _texts(bots.form_flow(), _nothing)


async def reply() -> tuple[Counts, Counts]:
    """A text that is replied to; beside `reply_text`."""
    return await _texts(bots.reply_flow(), lambda update, context: update.message.reply_text("Thank you."))


async def _texts(flow: Any, alone: Callable[[Any, Any], Any]) -> tuple[Counts, Counts]:
    app, engine = await bots.kit(flow, clock=ManualClock(NOW))
    updates = bots.Updates(app.bot)
    await app.process_update(updates.said(1, "/start"))
    mine = await counts_of(app, updates.talk([1], WARM + COUNTED + TRACED))
    await engine.stop()
    app = await bots.conversation_handler(None, MessageHandler(filters.ALL, alone))
    return mine, await counts_of(app, bots.Updates(app.bot).talk([1], WARM + COUNTED + TRACED))


async def press() -> tuple[Counts, Counts]:
    """A press that is answered; beside `answer`."""
    silent, presses = bots.Silent(), range(WARM + COUNTED + TRACED)
    app, engine = await bots.kit(bots.press_flow(), silent=silent, clock=ManualClock(NOW))
    updates = bots.Updates(app.bot)
    await app.process_update(updates.said(1, "/start"))
    mine = await counts_of(app, [updates.pressed(1, silent.buttons[1]) for _ in presses])
    await engine.stop()
    alone = CallbackQueryHandler(lambda update, context: update.callback_query.answer())
    app = await bots.conversation_handler(None, alone)
    updates = bots.Updates(app.bot)
    return mine, await counts_of(app, [updates.pressed(1, "again") for _ in presses])


async def _nothing(update: Any, context: Any) -> None:
    return None


STEPS = {"text": text, "press": press, "reply": reply}


def counted() -> dict[str, Counts]:
    """Return the counts of each step, those of PTB alone taken off."""
    found: dict[str, Counts] = {}
    for name, step in STEPS.items():
        mine, theirs = asyncio.run(step())
        found[name] = {each: round(mine[each] - theirs[each], 1) for each in mine}
    return found


# -- comparing ---------------------------------------------------------------------------------------


def versions() -> dict[str, str]:
    """Return what the counts depend on."""
    return {"Python": platform.python_version(), **{package: version(package) for package in PACKAGES}}


def compared(found: Mapping[str, Counts], kept: Mapping[str, Counts]) -> tuple[list[str], list[str]]:
    """Return what is more than was kept by more than the tolerance, and what is less by as much."""
    more, less = [], []
    for step, counts in found.items():
        for name, count in counts.items():
            was = kept[step][name]
            line = f"{step}: {count:g} {name} a step, {count / was - 1:+.1%} (was {was:g})"
            if count > was * (1 + TOLERANCE):
                more.append(line)
            elif count < was * (1 - TOLERANCE):
                less.append(line)
    return more, less


def main(*args: str, file: Path = KEPT) -> int:
    """Count, and compare with the file or write it; return the exit status."""
    parser = argparse.ArgumentParser("python -m tests.benchmarks.guard")
    parser.add_argument("--accept", action="store_true", help=f"write the counts to {file.name}")
    accept = parser.parse_args(args).accept
    found, made_with = counted(), versions()
    for step, counts in found.items():
        print(f"{step}: " + ", ".join(f"{count:g} {name}" for name, count in counts.items()))
    if accept:
        file.write_text(json.dumps({"versions": made_with, "counts": found}, indent=1) + "\n")
        print(f"written to {file.name}")
        return 0
    kept = json.loads(file.read_text())
    others = [
        f"{name} {made_with[name]} (was {was})"
        for name, was in kept["versions"].items()
        if made_with[name] != was
    ]
    if others:
        print(f"counted with {', '.join(others)}")
    if _minor(made_with["Python"]) != _minor(kept["versions"]["Python"]):
        print("not compared: another Python counts otherwise")
        return 0
    more, less = compared(found, kept["counts"])
    for line in less:
        print(f"less: {line}")
    if more:
        print("\n".join(f"MORE: {line}" for line in more))
        print(
            "A step has become dearer. `python -m tests.benchmarks.where` tells where its time goes; if the "
            "step is worth it, say why in the commit, with the counts of\n"
            "    python -m tests.benchmarks.guard --accept"
        )
        return 1
    if less:
        print(f"{file.name} may be lowered: python -m tests.benchmarks.guard --accept")
    return 0


def _minor(python: str) -> list[str]:
    return python.split(".")[:2]


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":  # the order of sets, and so some calls, depend on it
        command = [sys.executable, "-m", "tests.benchmarks.guard", *sys.argv[1:]]
        sys.exit(subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": "0"}).returncode)
    sys.exit(main(*sys.argv[1:]))
