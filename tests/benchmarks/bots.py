"""The bots that are compared: one conversation, written for fsmkit, for ConversationHandler and for aiogram.

A person who is asked for a name, then for a city, then for a name again, and so on: each text is a step that
stores something and goes to another state. None of them reaches Telegram: `Silent` answers every request at
once and does nothing else.
"""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import attrs
from telegram import Update
from telegram.ext import (
    Application,
    CallbackQueryHandler,
    CommandHandler,
    ConversationHandler,
    MessageHandler,
    filters,
)
from telegram.request import BaseRequest, RequestData

from fsmkit import Flow, Reply
from fsmkit.engine import Engine
from fsmkit.telegram import attach, button, command

BOT = {"id": 42, "is_bot": True, "first_name": "Bot", "username": "a_bot"}
NAME, CITY = range(2)
NEW_TEXT = filters.TEXT & ~filters.COMMAND


@attrs.frozen
class Form:
    """What a conversation stores: flat, and frozen."""

    name: str = ""
    city: str = ""
    said: int = 0


class Silent(BaseRequest):
    """Answers each request as Telegram would, without any network, and counts them by method.

    Attributes:
        counts: Requests by the Bot API's method.
        buttons: By chat: the callback data of the last message with buttons.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.buttons: dict[int, str] = {}

    async def initialize(self) -> None:
        """Do nothing: there is no connection."""

    async def shutdown(self) -> None:
        """Do nothing: there is no connection."""

    @property
    def read_timeout(self) -> float | None:
        """Seconds; of no meaning here."""
        return 5.0

    async def do_request(
        self,
        url: str,
        method: str,
        request_data: RequestData | None = None,
        read_timeout: Any = None,
        write_timeout: Any = None,
        connect_timeout: Any = None,
        pool_timeout: Any = None,
    ) -> tuple[int, bytes]:
        """Return what Telegram would."""
        name = url.rpartition("/")[2]
        self.counts[name] += 1
        if name == "getMe":
            return 200, json.dumps({"ok": True, "result": BOT}).encode()
        if name != "sendMessage" or request_data is None:
            return 200, b'{"ok":true,"result":true}'
        parameters = request_data.parameters
        chat = int(parameters["chat_id"])
        if "reply_markup" in parameters:
            markup = parameters["reply_markup"]
            markup = json.loads(markup) if isinstance(markup, str) else markup
            self.buttons[chat] = markup["inline_keyboard"][0][0]["callback_data"]
        return 200, b'{"ok":true,"result":{"message_id":%d,"date":1,"chat":{"id":%d,"type":"private"}}}' % (
            sum(self.counts.values()),
            chat,
        )


def application(silent: Silent | None = None) -> Any:
    """Return an application that reaches nobody."""
    request = silent or Silent()
    return Application.builder().token("42:TOKEN").request(request).get_updates_request(Silent()).build()


class Updates:
    """Makes updates as Telegram sends them to a bot, each with the next number."""

    def __init__(self, bot: Any) -> None:
        self._bot = bot
        self._number = 0

    def raw(self, user: int, text: str) -> dict[str, Any]:
        """Return the JSON of what a person says in their chat."""
        self._number += 1
        message: dict[str, Any] = {**_message(user), "message_id": self._number, "text": text}
        message["from"] = _person(user)
        if text.startswith("/"):
            message["entities"] = [{"type": "bot_command", "offset": 0, "length": len(text)}]
        return {"update_id": self._number, "message": message}

    def said(self, user: int, text: str) -> Update:
        """Return what a person says, parsed."""
        return Update.de_json(self.raw(user, text), self._bot)

    def pressed(self, user: int, data: str) -> Update:
        """Return a press of a button under the bot's message, parsed."""
        return Update.de_json(self.raw_press(user, data), self._bot)

    def raw_press(self, user: int, data: str) -> dict[str, Any]:
        """Return the JSON of a press of a button under the bot's message, which shows that button."""
        self._number += 1
        query = {
            "id": str(self._number),
            "from": _person(user),
            "chat_instance": "1",
            "data": data,
            "message": {
                **_message(user),
                "message_id": 1,
                "from": BOT,
                "text": "Again?",
                "reply_markup": {"inline_keyboard": [[{"text": "again", "callback_data": data}]]},
            },
        }
        return {"update_id": self._number, "callback_query": query}

    def talk(self, users: Sequence[int], messages: int) -> list[Update]:
        """Return the texts of all persons, who take turns."""
        return [self.said(user, "Ann") for _ in range(messages) for user in users]


def _person(user: int) -> dict[str, Any]:
    return {"id": user, "is_bot": False, "first_name": "Ann", "language_code": "en"}


def _message(user: int) -> dict[str, Any]:
    return {"date": 1763800000, "chat": {"id": user, "type": "private", "first_name": "Ann"}}


# -- the conversation in fsmkit ----------------------------------------------------------------------


def form_flow(data: Any = Form) -> Flow[Any]:
    """Return the conversation as a flow, with its data in a frozen class or in a `dict`."""
    flow: Flow[Any] = Flow("form", data=data)
    empty = {"name": "", "city": "", "said": 0} if data is dict else Form()

    def count(ctx: Any) -> int:
        return int((ctx.data["said"] if data is dict else ctx.data.said) + 1)

    @flow.defstate(None, on=command("start"))
    def start(event: Any, ctx: Any) -> Any:
        return ("transition", "name", empty)

    @flow.defstate("name")
    def name(event: Any, ctx: Any) -> Any:
        return ("transition", "city", ctx.evolve(name=event.text, said=count(ctx)))

    @flow.defstate("city")
    def city(event: Any, ctx: Any) -> Any:
        return ("transition", "name", ctx.evolve(city=event.text, said=count(ctx)))

    return flow


def reply_flow() -> Flow[Any]:
    """Return a conversation that answers each text with a message."""
    flow: Flow[Any] = Flow("reply", data=Form)

    @flow.defstate(None, on=command("start"))
    def start(event: Any, ctx: Any) -> Any:
        return ("transition", "name", Form())

    @flow.defstate("name")
    def name(event: Any, ctx: Any) -> Any:
        ctx.reply("Thank you.")
        return ("stay", ctx.evolve(said=ctx.data.said + 1))

    return flow


def press_flow() -> Flow[Any]:
    """Return a conversation with a button that may be pressed again and again."""
    flow: Flow[Any] = Flow("press", data=Form)

    @flow.defstate(None, on=command("start"))
    def start(event: Any, ctx: Any) -> Any:
        ctx.reply(Reply("Again?", buttons=["again"]))
        return ("transition", "menu", Form())

    @flow.defstate("menu", on=button("again"))
    def again(event: Any, ctx: Any) -> Any:
        ctx.answer()
        return ("stay", ctx.evolve(said=ctx.data.said + 1))

    return flow


def ring_flow(states: int) -> Flow[Any]:
    """Return a conversation that goes through many states, one after the other."""
    flow: Flow[Any] = Flow("ring", data=Form)
    for number in range(states):
        flow.state(f"s{number}")

    @flow.defstate(None, on=command("start"))
    def start(event: Any, ctx: Any) -> Any:
        return ("transition", f"s{event.user_id % states}", Form())

    def step_to(name: str) -> Callable[[Any, Any], Any]:
        return lambda event, ctx: ("transition", name, ctx.evolve(name=event.text, said=ctx.data.said + 1))

    for number in range(states):
        flow.defstate(f"s{number}")(step_to(f"s{(number + 1) % states}"))
    return flow


async def kit(*flows: Flow[Any], silent: Silent | None = None, **options: Any) -> tuple[Any, Engine]:
    """Return an application with flows, initialized, and the engine."""
    app = application(silent)
    engine = attach(app, *flows, **options)
    await app.initialize()
    await engine.start()
    return app, engine


# -- the same with ConversationHandler ---------------------------------------------------------------


async def conversation_handler(silent: Silent | None = None, *handlers: Any) -> Any:
    """Return an application with the conversation, or with other handlers, initialized."""
    app = application(silent)
    for handler in handlers or (form_conversation(),):
        app.add_handler(handler)
    await app.initialize()
    return app


def form_conversation() -> Any:
    """Return the conversation; what it stores stands in `user_data`."""

    async def start(update: Update, context: Any) -> int:
        context.user_data["form"] = {"name": "", "city": "", "said": 0}
        return NAME

    async def name(update: Update, context: Any) -> int:
        form = context.user_data["form"]
        form["name"] = update.message.text
        form["said"] += 1
        return CITY

    async def city(update: Update, context: Any) -> int:
        form = context.user_data["form"]
        form["city"] = update.message.text
        form["said"] += 1
        return NAME

    states: Any = {NAME: [MessageHandler(NEW_TEXT, name)], CITY: [MessageHandler(NEW_TEXT, city)]}
    return ConversationHandler([CommandHandler("start", start)], states, [])


def one_state_conversation(handler: Callable[[Any], Any], buttons: bool = False) -> Any:
    """Return a conversation of one state, in which each text or press is counted and answered."""

    async def start(update: Update, context: Any) -> int:
        context.user_data["form"] = {"said": 0}
        return NAME

    async def again(update: Update, context: Any) -> int:
        context.user_data["form"]["said"] += 1
        await handler(update)
        return NAME

    asked: Any = CallbackQueryHandler(again) if buttons else MessageHandler(NEW_TEXT, again)
    return ConversationHandler([CommandHandler("start", start)], {NAME: [asked]}, [])


def ring_conversation(states: int) -> Any:
    """Return a conversation that goes through many states, one after the other."""

    async def start(update: Update, context: Any) -> int:
        context.user_data["form"] = {"name": "", "said": 0}
        return int(update.effective_user.id % states)

    def step_to(number: int) -> Any:
        async def step(update: Update, context: Any) -> int:
            form = context.user_data["form"]
            form["name"] = update.message.text
            form["said"] += 1
            return number

        return step

    table: Any = {
        number: [MessageHandler(NEW_TEXT, step_to((number + 1) % states))] for number in range(states)
    }
    return ConversationHandler([CommandHandler("start", start)], table, [])
