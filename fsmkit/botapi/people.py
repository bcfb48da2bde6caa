"""What people do in front of their phones: they write, send, edit and press; each becomes an update."""

import copy
from typing import Any

from fsmkit.testing.botapi.chats import chat as chat_of
from fsmkit.testing.botapi.chats import user as user_of
from fsmkit.testing.botapi.entities import detect
from fsmkit.testing.botapi.keyboards import buttons_of
from fsmkit.testing.botapi.media import DEFAULTS, describe
from fsmkit.testing.botapi.updates import deliver
from fsmkit.testing.botapi.wire import Json
from fsmkit.testing.botapi.world import Chat, World

PLAIN: dict[str, Json] = {
    "location": {"latitude": 48.2082, "longitude": 16.3738},
    "contact": {"phone_number": "+4310000000", "first_name": "Contact"},
    "dice": {"emoji": "🎲", "value": 4},
    "venue": {
        "location": {"latitude": 48.2082, "longitude": 16.3738},
        "title": "Venue",
        "address": "Street 1",
    },
    "web_app_data": {"data": "data", "button_text": "Open"},
    "users_shared": {"request_id": 1, "users": [{"user_id": 2}]},
    "chat_shared": {"request_id": 1, "chat_id": -100},
    "successful_payment": {
        "currency": "EUR",
        "total_amount": 100,
        "invoice_payload": "payload",
        "telegram_payment_charge_id": "t1",
        "provider_payment_charge_id": "p1",
    },
    "refunded_payment": {
        "currency": "XTR",
        "total_amount": 100,
        "invoice_payload": "payload",
        "telegram_payment_charge_id": "t1",
    },
}
"""What people send that is no file, where nobody says anything else."""

POLL: Json = {
    "id": "1",
    "question": "Poll?",
    "options": [
        {"text": "Yes", "voter_count": 0, "persistent_id": "0"},
        {"text": "No", "voter_count": 0, "persistent_id": "1"},
    ],
    "total_voter_count": 0,
    "is_closed": False,
    "is_anonymous": False,
    "type": "regular",
    "allows_multiple_answers": False,
    "allows_revoting": True,
    "members_only": False,
}
"""A poll that somebody sends, where a test does not care which."""


class People:
    """The other end of the conversation; each method returns its update, which also waits in the queue.

    By default it is user 1, in the private chat with the bot.

    Args:
        world: Where it takes place.
    """

    def __init__(self, world: World) -> None:
        self._world = world

    def say(
        self,
        text: str,
        *,
        user: int = 1,
        chat: int | None = None,
        thread: int | None = None,
        business: str | None = None,
        **more: Any,
    ) -> Json:
        """A user writes a text.

        Args:
            text: What is written; the entities that Telegram finds in it are added.
            user: Who writes.
            chat: Where.
            thread: The topic, which exists from now on.
            business: The business connection through which the bot sees the message.
            more: Other fields of the message; `reply_to_message` may be the id of a visible one.
        """
        entities = detect(text)
        content = {"text": text, **({"entities": entities} if entities else {}), **more}
        return self._post(content, user, chat, thread, business)

    def send(
        self,
        kind: str,
        *,
        user: int = 1,
        chat: int | None = None,
        thread: int | None = None,
        caption: str | None = None,
        group: str | None = None,
        **content: Any,
    ) -> Json:
        """A user sends something that is no text.

        Args:
            kind: The field of the message: `photo`, `document`, `location`, `contact`, `voice`, ….
            user: Who sends it.
            chat: Where.
            thread: The topic.
            caption: The text under a file.
            group: The id of the album that it is a part of.
            content: Fields of the object, over sensible defaults; `data`: the bytes of a file.

        Raises:
            LookupError: If there are no defaults for this kind, and no content is given.
        """
        message = self._content(kind, content)
        if caption is not None:
            entities = detect(caption)
            message |= {"caption": caption, **({"caption_entities": entities} if entities else {})}
        if group is not None:
            message["media_group_id"] = group
        return self._post(message, user, chat, thread, None)

    def edit(self, message_id: int, text: str, *, user: int = 1, chat: int | None = None) -> Json:
        """A user edits an own message.

        Raises:
            LookupError: If there is no such message of this user; says which there are.
        """
        where = chat_of(self._world, user if chat is None else chat)
        own = [number for number, message in where.messages.items() if _wrote(user, message)]
        if message_id not in own:
            place = f"chat {where.info['id']}"
            raise LookupError(f"user {user} has no message {message_id} in {place}, only {own}")
        old = where.messages[message_id]
        field, found_in = ("text", "entities") if "text" in old else ("caption", "caption_entities")
        new = {name: value for name, value in old.items() if name not in {field, found_in}}
        new |= {field: text, "edit_date": self._world.date()}
        if entities := detect(text):
            new[found_in] = entities
        return deliver(self._world, _kind(new, edited=True), new)

    def press(
        self, button: str, *, user: int = 1, chat: int | None = None, message_id: int | None = None
    ) -> Json:
        """A user presses an inline button that is on the screen, the newest if there are several.

        Args:
            button: Its text or its callback data.
            user: Who presses.
            chat: Where.
            message_id: Under which message; by default under any.

        Raises:
            LookupError: If there is none; says which there are.
        """
        where = chat_of(self._world, user if chat is None else chat)
        for number in sorted(where.messages, reverse=True):
            if message_id not in (None, number):
                continue
            for shown in buttons_of(where.messages[number]):
                data = shown.get("callback_data")
                if data and button in (shown["text"], data):
                    return self.press_data(data, user=user, chat=where.info["id"], message_id=number)
        place = f"chat {where.info['id']}" + ("" if message_id is None else f", message {message_id}")
        raise LookupError(f"no button {button!r} in {place}; on the screen: {_screen(where)}")

    def press_data(
        self,
        data: str,
        *,
        user: int = 1,
        chat: int | None = None,
        message_id: int | None = None,
        inline_message_id: str | None = None,
    ) -> Json:
        """A user presses a button of any data: an old one, a forged one, one of an inline message.

        A message that is gone comes without content and with date 0, as from Telegram; without an id
        it is the bot's newest.
        """
        query: Json = {
            "id": str(4_000_000_000_000 + self._world.number()),
            "from": user_of(self._world, user),
            "chat_instance": str(inline_message_id or (user if chat is None else chat)),
            "data": data,
        }
        if inline_message_id is not None:
            query["inline_message_id"] = inline_message_id
        else:
            where = chat_of(self._world, user if chat is None else chat)
            query["message"] = _shown(where, message_id)
        return deliver(self._world, "callback_query", query)

    def _content(self, kind: str, content: Json) -> Json:
        """The fields of a message of a kind; one without defaults is sent as it was given."""
        if kind in PLAIN:
            return {kind: {**PLAIN[kind], **content}}
        if kind not in DEFAULTS:
            if not content:
                known = ", ".join(sorted([*PLAIN, *DEFAULTS]))
                raise LookupError(f"no defaults for {kind!r}: give its fields, or send one of {known}")
            return {kind: content}
        data: Any = content.pop("data", None)
        name = str(content.get("file_name", ""))
        body = data if isinstance(data, bytes) else f"{kind} of an offline chat".encode()
        stored = self._world.store_file(kind, body, name)
        return describe(kind, stored, content)

    def _post(
        self, content: Json, user: int, chat: int | None, thread: int | None, business: str | None
    ) -> Json:
        where = chat_of(self._world, user if chat is None else chat)
        message: Json = {"message_id": where.next_id(), "date": self._world.date(), "chat": where.info}
        if where.info["type"] == "channel":
            message["sender_chat"] = where.info
        else:
            message["from"] = user_of(self._world, user)
        message |= _thread(where, thread)
        if business is not None:
            message["business_connection_id"] = business
        message |= content
        reply = message.get("reply_to_message")
        if isinstance(reply, int):
            message["reply_to_message"] = copy.deepcopy(where.messages[reply])
        return deliver(self._world, _kind(message), message)


def _kind(message: Json, *, edited: bool = False) -> str:
    """The field of `Update` in which a message comes."""
    if "business_connection_id" in message:
        return "edited_business_message" if edited else "business_message"
    if message["chat"]["type"] == "channel":
        return "edited_channel_post" if edited else "channel_post"
    return "edited_message" if edited else "message"


def _thread(where: Chat, thread: int | None) -> Json:
    """A topic in a forum; elsewhere the thread of replies that Telegram gives a number too."""
    if thread is None:
        return {}
    if not where.declared:
        where.info["is_forum"] = True
    topic = {"is_topic_message": True} if where.info.get("is_forum") else {}
    return {"message_thread_id": thread, **topic}


def _shown(where: Chat, message_id: int | None) -> Json:
    """The message under which a button was; of one that is gone, Telegram tells place and number only."""
    number = message_id if message_id is not None else max(where.own, default=where.last_id)
    found = where.messages.get(number)
    return found if found is not None else {"chat": where.info, "message_id": number, "date": 0}


def _wrote(user: int, message: Json) -> bool:
    # The bot's own messages have a sender too; a post in a channel has none, anybody there may edit it.
    sender = message.get("from")
    return sender is None or sender["id"] == user


def _screen(where: Chat) -> str:
    shown = {
        number: [button["text"] for button in buttons_of(message)]
        for number, message in where.messages.items()
        if buttons_of(message)
    }
    return (
        ", ".join(f"{texts} under message {number}" for number, texts in shown.items()) or "no button at all"
    )
