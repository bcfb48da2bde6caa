"""What a start costs: the imports, and a bot up to its first step.

Bytecode is cached, as it is for a package that pip has installed: the first process does not count.
"""

import statistics
import subprocess
import sys
from collections.abc import Callable

from tests.benchmarks.measuring import Comparison, Kind, Load

STARTS = 5
"""New interpreters, of which the median counts; one more before fills the cache of bytecode."""
_CLOCK = "import time; begin = time.process_time()\n{work}\nprint((time.process_time() - begin) * 1000)"

_USED = "import telegram.ext; from fsmkit import Flow; from fsmkit.telegram import attach, command"

_KIT_BOT = """
import asyncio
from telegram import Update
from telegram.ext import Application
from fsmkit import Flow
from fsmkit.telegram import attach, command

flow = Flow("form")

@flow.defstate(None, on=command("start"))
def start(event, ctx):
    return ("transition", "name")

@flow.defstate("name")
def name(event, ctx):
    return ("end",)

async def main(app, update):
    engine = attach(app, flow)
    async with engine:
        await app.process_update(update)
        assert [stored.index[0].state async for stored in engine.store.scan()] == ["name"]
"""
_HANDLER_BOT = """
import asyncio
from telegram import Update
from telegram.ext import Application, CommandHandler, ConversationHandler, MessageHandler, filters

async def start(update, context):
    begun.append(update)
    return 0

async def name(update, context):
    return ConversationHandler.END

begun = []

async def main(app, update):
    states = {0: [MessageHandler(filters.TEXT & ~filters.COMMAND, name)]}
    app.add_handler(ConversationHandler([CommandHandler("start", start)], states, []))
    await app.process_update(update)
    assert len(begun) == 1
"""
_RUN = """
app = Application.builder().token("42:TOKEN").build()
app._initialized = app.bot._initialized = True
app.bot._bot_user = __import__("telegram").User(42, "Bot", True, username="a_bot")
user = {"id": 1, "is_bot": False, "first_name": "Ann"}
message = {"message_id": 1, "date": 1763800000, "chat": {"id": 1, "type": "private"}, "from": user}
message |= {"text": "/start", "entities": [{"type": "bot_command", "offset": 0, "length": 6}]}
asyncio.run(main(app, Update.de_json({"update_id": 1, "message": message}, app.bot)))
"""


def started(work: str) -> Callable[[Load], float]:
    """Return what measures how long some code takes in a new interpreter, in ms of processor time."""
    code = _CLOCK.format(work=work)

    def measured(load: Load) -> float:
        took = []
        for _ in range(1 + STARTS):
            load.turn()
            took.append(float(subprocess.check_output([sys.executable, "-c", code], text=True)))
        return statistics.median(took[1:])

    return measured


COMPARISONS = (
    Comparison(
        "import",
        "`import fsmkit.telegram`, less `import telegram.ext`",
        "ms of processor time",
        {"fsmkit": started("import telegram.ext, fsmkit.telegram"), "PTB": started("import telegram.ext")},
        goal=25,
        kind=Kind.DIFFERENCE,
        alone=True,
    ),
    Comparison(
        "import-used",
        "What a bot uses of it (`Flow`, `attach`, `command`), less `import telegram.ext`",
        "ms of processor time",
        {"fsmkit": started(_USED), "PTB": started("import telegram.ext")},
        kind=Kind.DIFFERENCE,
        alone=True,
    ),
    Comparison(
        "start",
        "Imports, a bot, its first step, less the same with ConversationHandler",
        "ms of processor time",
        {"fsmkit": started(_KIT_BOT + _RUN), "ConversationHandler": started(_HANDLER_BOT + _RUN)},
        goal=40,
        kind=Kind.DIFFERENCE,
        alone=True,
    ),
)
