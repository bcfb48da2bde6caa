"""What one step costs, beside PTB's ConversationHandler and beside PTB alone, in one run and interleaved.

Run it: `python tests/benchmarks/step.py [ROUNDS]`. Each contender takes the same four-step wizard through
`Application.process_update`; no handler sends anything, so that only the machinery is timed. The figures
to quote are the ratios of the last lines, medians over the rounds.
"""

import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
from telegram import Update
from telegram.ext import CommandHandler, ConversationHandler, MessageHandler, filters

from fsmkit import Flow
from fsmkit.botapi import OfflineTelegram
from fsmkit.telegram import attach, command

WIZARDS = 300
NAME, AGE, CITY, SURE = range(4)
Run = Callable[[], Awaitable[None]]


@attrs.frozen
class Form:
    name: str = ""
    age: int = 0
    city: str = ""


def fsmkit_application(offline: OfflineTelegram) -> Any:
    """The wizard with fsmkit on its `MemoryStore`."""
    flow = Flow("wizard", data=Form)

    @flow.defstate(None, on=command("start"))
    def start(event: Any, ctx: Any) -> Any:
        return ("transition", "name", Form())

    @flow.defstate("name")
    def name(event: Any, ctx: Any) -> Any:
        return ("transition", "age", ctx.evolve(name=event.text))

    @flow.defstate("age")
    def age(event: Any, ctx: Any) -> Any:
        return ("transition", "city", ctx.evolve(age=len(event.text)))

    @flow.defstate("city")
    def city(event: Any, ctx: Any) -> Any:
        return ("end", ctx.evolve(city=event.text))

    app = offline.builder().build()
    engine = attach(app, flow)
    return app, engine


def conversation_application(offline: OfflineTelegram) -> Any:
    """The wizard with PTB's ConversationHandler, data in `user_data`."""

    async def start(update: Update, context: Any) -> int:
        context.user_data["form"] = {}
        return NAME

    async def name(update: Update, context: Any) -> int:
        context.user_data["form"]["name"] = update.message.text
        return AGE

    async def age(update: Update, context: Any) -> int:
        context.user_data["form"]["age"] = len(update.message.text)
        return CITY

    async def city(update: Update, context: Any) -> int:
        context.user_data["form"]["city"] = update.message.text
        return ConversationHandler.END

    new_text = filters.TEXT & ~filters.COMMAND
    app = offline.builder().build()
    app.add_handler(
        ConversationHandler(
            entry_points=[CommandHandler("start", start)],
            states={
                NAME: [MessageHandler(new_text, name)],
                AGE: [MessageHandler(new_text, age)],
                CITY: [MessageHandler(new_text, city)],
            },
            fallbacks=[],
        )
    )
    return app


def trivial_application(offline: OfflineTelegram) -> Any:
    """One handler that does nothing."""

    async def nothing(update: Update, context: Any) -> None:
        return None

    app = offline.builder().build()
    app.add_handler(MessageHandler(filters.ALL, nothing))
    return app


def updates(offline: OfflineTelegram, app: Any) -> list[Update]:
    """The updates of `WIZARDS` wizards, each of another user, users taking turns."""
    users = range(1, WIZARDS + 1)
    made = [offline.say(said, user=user) for said in ("/start", "Ann", "thirty", "Rome") for user in users]
    return [Update.de_json(update, app.bot) for update in made]


async def timed(app: Any, given: list[Update]) -> float:
    """Microseconds for one update."""
    begin = time.perf_counter()
    for update in given:
        await app.process_update(update)
    return (time.perf_counter() - begin) / len(given) * 1e6


async def main(rounds: int) -> None:
    """Prints the table."""
    offline = OfflineTelegram()
    kit, engine = fsmkit_application(offline)
    apps = {
        "fsmkit": kit,
        "ConversationHandler": conversation_application(offline),
        "one handler": trivial_application(offline),
    }
    figures: dict[str, list[float]] = {name: [] for name in apps}
    for app in apps.values():
        await app.initialize()
    async with engine:
        for number in range(rounds + 1):
            for name, app in apps.items():
                took = await timed(app, updates(offline, app))
                if number:  # the first round warms up
                    figures[name].append(took)
    for app in apps.values():
        await app.shutdown()
    for name, took in figures.items():
        print(f"{name:20} {statistics.median(took):7.1f} µs a step (from {min(took):.1f} to {max(took):.1f})")
    for other in ("ConversationHandler", "one handler"):
        ratios = [mine / theirs for mine, theirs in zip(figures["fsmkit"], figures[other], strict=True)]
        print(
            f"fsmkit / {other}: {statistics.median(ratios):.2f} (from {min(ratios):.2f} to {max(ratios):.2f})"
        )


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 15))
