"""Conversation handlers and scripts as data, from which Hypothesis generates both.

A `Conv` is built into a real ConversationHandler as often as it is wanted, each time with callbacks of its
own that answer in the chat, count in `user_data`, and return what the data say.
"""

import enum

import attrs
from telegram import InlineKeyboardButton, InlineKeyboardMarkup
from telegram.ext import (
    ApplicationHandlerStop,
    CallbackQueryHandler,
    CommandHandler,
    ConversationHandler,
    InlineQueryHandler,
    MessageHandler,
    filters,
)

END, TIMEOUT = ConversationHandler.END, ConversationHandler.TIMEOUT


class Stage(enum.Enum):
    ONE = 1
    TWO = 2


class Boom(Exception):
    """What a generated callback raises."""


@attrs.frozen
class Takes:
    """A PTB handler.

    Attributes:
        kind: `command`, `text`, `any`, `button`, `edited`, `inline`.
        word: What it wants.
        returns: What its callback returns, one after the other, over and over.
        how: `return`, `stop` (raises ApplicationHandlerStop with it) or `raise` (raises Boom).
        answers: Whether it answers a press.
    """

    kind: str
    word: str
    returns: tuple = (None,)
    how: str = "return"
    answers: bool = True


@attrs.frozen
class Conv:
    """A ConversationHandler; `nested` are those that its lists name by number."""

    entry: tuple
    states: dict
    fallbacks: tuple
    nested: tuple = ()
    reentry: bool = False
    map_to_parent: dict | None = None
    per: tuple = (True, True, False)
    timeout: float | None = None
    name: str | None = None


@attrs.frozen
class Act:
    """What somebody does, or how long nobody does anything (`kind="wait"`)."""

    kind: str
    word: str = ""
    user: int = 1
    group: bool = False
    message: int = 1
    seconds: float = 0.0


GROUP = -100


def build(conv, seen=None, path="c"):
    """A ConversationHandler, and all that are nested in it by their path."""
    seen = {} if seen is None else seen
    nested = [build(each, seen, f"{path}{n}") for n, each in enumerate(conv.nested)]

    def handlers(items, where):
        return [
            nested[item] if isinstance(item, int) else _handler(item, f"{path}/{where}/{n}")
            for n, item in enumerate(items)
        ]

    chat, user, message = conv.per
    seen[path] = made = ConversationHandler(
        handlers(conv.entry, "entry"),
        {state: handlers(items, f"{state}") for state, items in conv.states.items()},
        handlers(conv.fallbacks, "fallback"),
        allow_reentry=conv.reentry,
        map_to_parent=conv.map_to_parent,
        per_chat=chat,
        per_user=user,
        per_message=message,
        conversation_timeout=conv.timeout,
        name=conv.name or path,
    )
    return made


def _handler(takes, where):
    called = []

    async def callback(update, context):
        returned = takes.returns[len(called) % len(takes.returns)]
        called.append(1)
        data = context.user_data
        count = None
        if data is not None:
            count = data["count"] = data.get("count", 0) + 1
        found = (
            [match.group(0) for match in context.matches or ()] if takes.kind in ("text", "button") else ""
        )
        args = context.args if takes.kind == "command" else ""
        if update.callback_query is not None and takes.answers:
            await update.callback_query.answer(where)
        said = f"{where} {count} {found} {args}"
        user, chat = update.effective_user, update.effective_chat
        await context.bot.send_message(chat.id if chat else user.id, said, reply_markup=KEYBOARD)
        if takes.how == "raise":
            raise Boom
        if takes.how == "stop":
            raise ApplicationHandlerStop(returned)
        return returned

    callback.__qualname__ = where
    match takes.kind:
        case "command":
            return CommandHandler(takes.word, callback)
        case "text":
            return MessageHandler(filters.Regex(f"^{takes.word}"), callback)
        case "any":
            return MessageHandler(filters.TEXT & ~filters.COMMAND, callback)
        case "button":
            return CallbackQueryHandler(callback, pattern=f"^{takes.word}")
        case "edited":
            return MessageHandler(filters.UpdateType.EDITED_MESSAGE, callback)
        case "inline":
            return InlineQueryHandler(callback, pattern=f"^{takes.word}")
    raise AssertionError(takes.kind)


KEYBOARD = InlineKeyboardMarkup([[InlineKeyboardButton("a", callback_data="a")]])


async def both_messages(bot):
    """Two messages with buttons in each chat, whose presses can be told apart."""
    for chat in (1, 2, GROUP):
        for _ in range(2):
            await bot.send_message(chat, "menu", reply_markup=KEYBOARD)


def act(offline, what):
    """Does it, on the side of the person; the id of the press, if it is one."""
    where = {"user": what.user, "chat": GROUP if what.group else what.user}
    match what.kind:
        case "command":
            offline.say(f"/{what.word} x", **where)
        case "text":
            offline.say(what.word, **where)
        case "button":
            query = offline.press_data(what.word, message_id=what.message, **where)
            return query["callback_query"]["id"]
        case "edited":
            own = [m["message_id"] for m in offline.messages(where["chat"]) if m["from"]["id"] == what.user]
            offline.edit(own[-1], what.word, **where)
        case "inline":
            sender = {"id": what.user, "is_bot": False, "first_name": "P"}
            offline.update(inline_query={"id": "1", "from": sender, "query": what.word, "offset": ""})
    return None
