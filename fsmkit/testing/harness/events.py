"""`MadeEvent`: a Telegram event made without PTB's objects, for tests of thousands of conversations.

It is a `TelegramEvent` to every handler and matcher; the `telegram.Update` is built when asked for.
"""

import functools
import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from telegram import Bot, Message, Update, User
from telegram.ext import ExtBot

from fsmkit.botapi.errors import Json
from fsmkit.botapi.offline import OfflineTelegram
from fsmkit.botapi.people import PLAIN, POLL, Gestures, People
from fsmkit.botapi.world import World
from fsmkit.flow.messages import Address
from fsmkit.telegram.event import COMMAND, CONTENTS, TelegramEvent, album_of, read_update
from fsmkit.testing.clock import ManualClock

USERNAME = "offline_bot"
"""The bot's user name, as on an `OfflineTelegram`."""


PAYLOADS = {
    "web_app_data": "data",
    "successful_payment": "invoice_payload",
    "refunded_payment": "invoice_payload",
}
"""Kinds of messages that have a value, and the field that it is."""


@functools.cache
def silent_bot() -> Bot:
    """A bot on an offline Telegram of its own: PTB's handlers ask an update's bot for its name."""
    bot: Bot = ExtBot("42:OFFLINE", request=OfflineTelegram().request())
    user = User(42, USERNAME, is_bot=True, username=USERNAME)
    bot._bot_user = user  # pyright: ignore[reportPrivateUsage]  # what `initialize` asks for, which needs an event loop
    return bot


class MadeEvent(TelegramEvent):
    """Something that a person does, made up.

    Args:
        kind: As in `TelegramEvent`; `button` comes as `raw_button`, with its data as `value`.
        number: The update's id.
        now: When it is done, in seconds since 1970, UTC.
        chat: Chat id.
        user: User id.
        message: The message's id.
        text: Its text.
        caption: The text under a file.
        fields: Fields of what is sent beside text.

    Attributes:
        bot: The bot that the update's objects belong to; without one they belong to a bot that nobody hears.
    """

    def __init__(
        self,
        kind: str,
        number: int,
        now: float,
        chat: int,
        user: int,
        message: int,
        *,
        text: str | None = None,
        caption: str | None = None,
        fields: Mapping[str, Any] | None = None,
    ) -> None:
        self.kind = kind
        self.text = text
        self.chat_id = chat
        self.user_id = user
        self.message_id = message
        self.address = Address(chat, None, None, user, "en")
        self.bot: Bot | None = None
        self._number = number
        self._now = now
        self._caption = caption
        self._fields = fields or (POLL if kind == "poll" else {})
        self._group: str | None = None
        if kind in PAYLOADS:
            self.value = {**PLAIN[kind], **self._fields}.get(PAYLOADS[kind])
        found = COMMAND.match(text) if kind == "text" and text is not None and text[:1] == "/" else None
        if found is not None and found[2] is not None and found[2].lower() != USERNAME:
            self.kind = "other_command"
        elif found is not None:
            self.kind, self.command = "command", found[1].lower()

    def join(self, group: str, *, gathered: bool) -> None:
        """Makes it a part of an album.

        Args:
            group: The album's id.
            gathered: Whether some handler asks for albums.
        """
        self._group = group
        self.group = group if gathered else None

    @cached_property
    def update(self) -> Update:  # type: ignore[override]
        """The `telegram.Update`, built now."""
        return Update.de_json(self._json(), self.bot or silent_bot())

    @cached_property
    def message(self) -> Message | None:  # type: ignore[override]
        """PTB's message, built now."""
        update = self.update
        query = update.callback_query
        if query is not None:
            return query.message if isinstance(query.message, Message) else None
        return update.message or update.edited_message

    @cached_property
    def user(self) -> User | None:  # type: ignore[override]
        """PTB's user, built now."""
        return self.update.effective_user

    @property
    def date(self) -> float | None:
        """When it was done, in whole seconds, as Telegram says it; `None` for a press."""
        return None if self.kind in ("button", "raw_button") else float(int(self._now))

    @property
    def id(self) -> tuple[str, int]:
        """What it is recognised by when it comes again."""
        return ("tg", self._number)

    @property
    def caption(self) -> str | None:
        """The text under a file."""
        return self._caption

    @property
    def content(self) -> Any:
        """What was sent beside text."""
        return super().content if self.kind in CONTENTS else None

    def _json(self) -> Json:
        """The update as Telegram would send it."""
        people = People(_world(self._now))
        where: dict[str, Any] = {"user": self.user_id or 0, "chat": self.chat_id}
        made: Json
        if self.kind in ("button", "raw_button"):
            made = people.press_data(self.value or "", message_id=self.message_id, **where)
        elif self.text is not None:
            made = people.say(self.text, **where)
            if self.kind == "edited":
                made = people.edit(made["message"]["message_id"], self.text, **where)
        else:
            made = people.send(
                self.kind, caption=self._caption, group=self._group, **where, **dict(self._fields)
            )
        made["update_id"] = self._number
        for name in ("message", "edited_message"):
            if name in made:
                made[name]["message_id"] = self.message_id
        return made


def album_from(body: bytes, bot: Bot | None) -> TelegramEvent:
    """The event of an album, from its stored updates."""
    updates = (Update.de_json(update, bot or silent_bot()) for update in json.loads(body))
    return album_of([part for part in (read_update(update, USERNAME) for update in updates) if part])


def made_gesture(
    kind: str,
    what: str,
    fields: Mapping[str, Any],
    number: int,
    now: float,
    *,
    chat: int | None,
    user: int,
    message: int,
    bot: Bot | None = None,
) -> TelegramEvent:
    """What a person does that makes no message, made up; PTB's object is there at once.

    Args:
        kind: The kind of the event; see `Gestures.gesture`.
        what: What it is about.
        fields: Fields of Telegram's object.
        number: The update's id.
        now: When it is done, in seconds since 1970, UTC.
        chat: Chat id, `None` for the private chat.
        user: User id.
        message: For a reaction the message reacted to.
        bot: The bot that PTB's objects belong to.

    Raises:
        LookupError: If there is no such kind.
    """
    made = Gestures(_world(now)).gesture(kind, what, user=user, chat=chat, message_id=message, **dict(fields))
    made["update_id"] = number
    event = read_update(Update.de_json(made, bot or silent_bot()), USERNAME)
    if event is None:
        raise LookupError(f"nobody could have a conversation by {kind!r}")
    return event


def _world(now: float) -> World:
    return World("42:OFFLINE", ManualClock(now), {"id": 42, "is_bot": True, "first_name": "bot"})
