"""Updates of the tested world as PTB's objects, of which only as much is built as somebody asks for.

The world (`fsmkit.botapi`) makes an update as the JSON that Telegram would send. PTB builds some hundred
attributes of it; a flow that is tested reads five. So a `Message`, `User` or `Chat` begins with those that
are always read, and becomes a whole one, of PTB's own class, with the first other attribute.
"""

import functools
from datetime import UTC, datetime
from typing import Any

from telegram import Bot, CallbackQuery, Chat, Message, TelegramObject, Update, User
from telegram.ext import ExtBot

from fsmkit.botapi.errors import Json
from fsmkit.botapi.offline import OfflineTelegram
from fsmkit.botapi.people import POLL, Gestures
from fsmkit.telegram.event import TelegramEvent, album_of, read_update
from fsmkit.testing.clock import ManualClock
from fsmkit.testing.harness import actions as actions
from fsmkit.testing.harness.actions import Action
from fsmkit.testing.harness.screen import NotThereError

PAYLOADS = {
    "web_app_data": "data",
    "successful_payment": "invoice_payload",
    "refunded_payment": "invoice_payload",
}
"""Kinds of messages that have a value, and the field that it is."""

_put = object.__setattr__
_JSON: Any = TelegramObject.__dict__["api_kwargs"]
"""The slot in which a late object keeps its JSON until it is whole."""


def update_of(given: Json, bot: Bot) -> Update:
    """Return an update as PTB's object.

    Args:
        given: The update as Telegram sends it; it is not changed, and must not be later.
        bot: The bot that its shortcuts (`message.reply_text`) use.
    """
    kind = next(name for name in given if name != "update_id")
    content = given[kind]
    made: Any
    if kind in ("message", "edited_message"):
        made = _message(content, bot)
    elif kind == "callback_query" and content.get("message", {}).get("date"):
        message = _message(content["message"], bot)
        made = CallbackQuery(
            content["id"], _user(content["from"], bot), content["chat_instance"], message, content["data"]
        )
        made.set_bot(bot)
    else:
        return Update.de_json(given, bot)
    update = Update(given["update_id"], **{kind: made})
    update.set_bot(bot)
    return update


class _LateMessage(Message):
    """A message of which only what is always read is there; any other attribute makes it whole."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        return _whole(self, Message, name)

    def __hash__(self) -> int:
        return hash(_whole(self, Message, "__hash__")())


class _LateUser(User):
    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        return _whole(self, User, name)

    def __hash__(self) -> int:
        return hash(_whole(self, User, "__hash__")())


class _LateChat(Chat):
    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        return _whole(self, Chat, name)

    def __hash__(self) -> int:
        return hash(_whole(self, Chat, "__hash__")())


def _whole(late: Any, kind: Any, name: str) -> Any:
    """Make an object a whole one of PTB's class; return the attribute that was asked for."""
    whole = kind.de_json(_JSON.__get__(late), late._bot)
    _put(late, "__class__", kind)
    for slot in _slots(kind):
        if slot == "api_kwargs" or not hasattr(late, slot):
            _put(late, slot, getattr(whole, slot))
    return getattr(late, name)


@functools.cache
def _slots(kind: type) -> tuple[str, ...]:
    return tuple(slot for base in kind.__mro__[:-1] for slot in getattr(base, "__slots__", ()))


def _late(kind: Any, given: Json, bot: Bot) -> Any:
    late = kind.__new__(kind)
    _put(late, "api_kwargs", given)
    _put(late, "_bot", bot)
    return late


def _user(given: Json, bot: Bot) -> User:
    late: User = _late(_LateUser, given, bot)
    _put(late, "id", given["id"])
    _put(late, "first_name", given["first_name"])
    _put(late, "is_bot", given["is_bot"])
    _put(late, "language_code", given.get("language_code"))
    return late


def _message(given: Json, bot: Bot) -> Message:
    late: Message = _late(_LateMessage, given, bot)
    chat = _late(_LateChat, given["chat"], bot)
    _put(chat, "id", given["chat"]["id"])
    _put(late, "chat", chat)
    _put(late, "from_user", _user(given["from"], bot) if "from" in given else None)
    _put(late, "message_id", given["message_id"])
    _put(late, "date", datetime.fromtimestamp(given["date"], UTC))
    for name in ("text", "message_thread_id", "is_topic_message", "business_connection_id", "media_group_id"):
        _put(late, name, given.get(name))
    for name in ("sender_chat", "edit_date", "sender_business_bot", "via_bot"):
        if name not in given:
            _put(late, name, None)
    if "entities" not in given:
        _put(late, "entities", ())
    return late


def gesture_of(people: Gestures, action: Action, *, user: int, chat: int | None, newest: int = 1) -> Json:
    """Do what an action says in a world; return the update that comes of it.

    Args:
        people: Those who live there.
        action: What is done: all that needs no button that is on the screen.
        user: The id of who does it.
        chat: Where; `None`: in the private chat.
        newest: The message that a reaction is about.

    Raises:
        NotThereError: If it makes no update.
        LookupError: If the world knows nothing of the kind.
    """
    person: dict[str, Any] = {"user": user, "chat": chat}
    if isinstance(action, actions.Say):
        if not action.text.strip():
            raise NotThereError("Telegram sends no text of blanks only")
        return people.say(action.text, **person)
    if isinstance(action, actions.PressData):
        return people.press_data(action.data, **person)
    if isinstance(action, actions.Content):
        fields = action.fields or (POLL if action.kind == "poll" else {})
        return people.send(action.kind, caption=action.caption, **person, **dict(fields))
    if isinstance(action, actions.Gesture):
        return people.gesture(action.kind, action.what, message_id=newest, **person, **dict(action.fields))
    raise NotThereError(f"{action!r} makes no update")


def album_updates(
    people: Gestures, action: actions.Album, *, user: int, chat: int | None, group: str
) -> list[Json]:
    """Send an album; return the updates of its messages."""
    captions = [action.caption, *[None] * (len(action.kinds) - 1)]
    return [
        people.send(kind, user=user, chat=chat, caption=caption, group=group)
        for kind, caption in zip(action.kinds, captions, strict=True)
    ]


def event_made_by(action: Action) -> TelegramEvent:
    """Return the event of an action that is done in a world of its own, by whoever.

    Raises:
        LookupError: If it makes none.
    """
    offline = OfflineTelegram(clock=ManualClock(0.0))
    if isinstance(action, actions.Album):
        return album_of(
            [_read(part) for part in album_updates(offline, action, user=1, chat=None, group="1")]
        )
    if isinstance(action, actions.EditLast):
        said = offline.say("said before")
        return _read(offline.edit(said["message"]["message_id"], action.text))
    return _read(gesture_of(offline, action, user=1, chat=None))


def press_made(value: Any) -> TelegramEvent:
    """Return the event of one of fsmkit's buttons that has a value."""
    event = event_made_by(actions.PressData("~"))
    event.kind, event.value = "button", value
    return event


def _read(given: Json) -> TelegramEvent:
    event = read_update(update_of(given, _silent_bot()), "offline_bot")
    if event is None:
        raise LookupError(f"nobody could have a conversation by {given}")
    return event


@functools.cache
def _silent_bot() -> Bot:
    """Return a bot that nobody hears: PTB's handlers ask an update's bot for its name."""
    bot: Bot = ExtBot("42:OFFLINE", request=OfflineTelegram().request())
    user = User(42, "offline_bot", is_bot=True, username="offline_bot")
    bot._bot_user = user  # pyright: ignore[reportPrivateUsage]  # what `initialize` asks for, which needs an event loop
    return bot
