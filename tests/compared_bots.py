"""The two bots that docs/explanation/compared.md compares: with a ConversationHandler, and with a flow."""

import asyncio

from telegram import InlineKeyboardButton, InlineKeyboardMarkup, Update
from telegram.ext import (
    CallbackQueryHandler,
    CommandHandler,
    ConversationHandler,
    MessageHandler,
    filters,
)

from fsmkit import ANY, Flow
from fsmkit.telegram import button, command

GROUP = -100
END = ConversationHandler.END
WORDS = filters.TEXT & ~filters.COMMAND


class There:
    """A bot with a ConversationHandler, over the Bot API in memory."""

    def __init__(self, offline, *handlers, persistence=None, jobs=None):
        self.offline = offline
        builder = offline.builder().job_queue(jobs)
        self.app = (builder.persistence(persistence) if persistence else builder).build()
        self.app.add_handlers(list(handlers))
        self.app.add_error_handler(self._note)
        self.errors = []

    async def _note(self, _update, context):
        self.errors.append(context.error)

    async def __aenter__(self):
        await self.app.initialize()
        return self

    async def __aexit__(self, *_):
        await self.app.shutdown()

    async def say(self, text, **where):
        self.offline.say(text, **where)
        await self.offline.feed(self.app)

    async def press(self, text, **where):
        """Presses a button; gives the texts that the press was answered with."""
        query = self.offline.press(text, **where)["callback_query"]["id"]
        await self.offline.feed(self.app)
        return [answer.get("text", "") for answer in self.offline.answered[query]]


def conversation(entry, states, fallbacks=(), **options):
    return ConversationHandler([CommandHandler("start", entry)], states, list(fallbacks), **options)


def says(text, then, *buttons):
    """A callback that says something and goes on."""
    rows = [[InlineKeyboardButton(button, callback_data=button) for button in buttons]] if buttons else None

    async def callback(update, context):
        markup = InlineKeyboardMarkup(rows) if rows else None
        await update.effective_chat.send_message(text, reply_markup=markup)
        return then

    return callback


def at_once(app, *updates):
    """Gives updates to an application at the same time, in this order."""
    return asyncio.gather(*(app.process_update(Update.de_json(update, app.bot)) for update in updates))


def asking(name="flow", **options):
    """A flow whose first state has a button, and whose second waits for text."""
    flow = Flow(name, **options)
    flow.done = []
    flow.state("offer", prompt="Pay?", buttons=["Pay"])
    flow.state("paid", prompt="Paid.")

    @flow.defstate(None, ANY, on=command("start"))
    def start(event, ctx):
        return ("transition", "offer")

    @flow.defstate("offer", on=button("Pay"))
    async def pay(event, ctx):
        flow.done.append(event.user_id)
        await asyncio.sleep(0)  # a payment takes a moment
        return ("transition", "paid")

    return flow


def paying():
    """The same as a ConversationHandler, which notes who paid."""
    done = []

    async def pay(update, context):
        done.append(update.effective_user.id)
        await asyncio.sleep(0)
        await update.callback_query.answer()
        return "paid"

    states = {"offer": [CallbackQueryHandler(pay, "^Pay$")], "paid": []}
    entry = CommandHandler("start", says("Pay?", "offer", "Pay"))
    return conversation(says("Pay?", "offer", "Pay"), states, [entry]), done


STALE = "This button is no longer in use."


def counting():
    """A flow that counts texts."""
    flow = Flow("flow")
    flow.state("count")

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        return ("transition", "count", {"n": 0})

    @flow.defstate("count")
    def count(event, ctx):
        ctx.reply(str(ctx.data["n"] + 1))
        return ("stay", {"n": ctx.data["n"] + 1})

    return flow


def counting_there(**options):
    async def count(update, context):
        context.user_data["n"] = context.user_data.get("n", 0) + 1
        await update.effective_chat.send_message(str(context.user_data["n"]))

    states = {"count": [MessageHandler(WORDS, count)]}
    return conversation(says("Go on.", "count"), states, **options)


def hurried():
    flow = Flow("hurried", ttl=60)
    flow.state("name", prompt="Name?")
    flow.texts(expired="Too late.")

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        return ("transition", "name")

    return flow
