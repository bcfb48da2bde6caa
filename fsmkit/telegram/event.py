"""`TelegramEvent`: what a handler needs of a Telegram update, read once.

Only attributes of the update are read, never PTB's `effective_*` properties, which look through all of
them. Which conversation an event belongs to follows from its chat, user and thread by `KeyBy`.
"""

import json
import re
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import structs
from telegram import CallbackQuery, Message, MessageEntity, Update, User
from telegram.constants import ChatType

from fsmkit.flow.context import no_attribute
from fsmkit.flow.events import MESSAGE_KINDS, ChatEvent, Pressed
from fsmkit.flow.messages import Address
from fsmkit.telegram.raw_update import RawMessage, RawPress, RawUpdate

QUERIES = {
    "inline_query": "inline",
    "chosen_inline_result": "chosen_inline_result",
    "poll_answer": "poll_answer",
    "message_reaction": "message_reaction",
    "pre_checkout_query": "pre_checkout_query",
    "shipping_query": "shipping_query",
    "purchased_paid_media": "purchased_paid_media",
    "my_chat_member": "my_chat_member",
    "chat_member": "chat_member",
    "chat_join_request": "chat_join_request",
    "business_connection": "business_connection",
    "managed_bot": "managed_bot",
}
"""Kinds by the field of `Update`; what is not here (`poll`, `chat_boost`, …) is no person's doing."""

VALUES = {
    "chosen_inline_result": "result_id",
    "pre_checkout_query": "invoice_payload",
    "shipping_query": "invoice_payload",
    "purchased_paid_media": "paid_media_payload",
}
"""The field of the query that is `event.value`."""


GONE = ("kicked", "left")
"""What the bot is in a chat where it cannot write any more: blocked by the person, or removed."""


class QueryFields(NamedTuple):
    """What is read of an update that is no message.

    Attributes:
        kind: The event's kind.
        content: PTB's object.
        user: Who did it; `None` if that is no person.
        chat: The chat that it belongs to, `None` where there is none.
        home: Where answers go, `None` for the chat, or else the person's own.
        message_id: The message that it is about.
        text: What was typed.
        value: The payload.
    """

    kind: str
    content: Any
    user: User | None
    chat: int | None
    home: int | None
    message_id: int | None
    text: str | None
    value: str | None


def read_query(update: Update) -> QueryFields | None:
    """Return what an update that is no message brings; `None` if no person did it."""
    for field, kind in QUERIES.items():
        content: Any = getattr(update, field, None)
        if content is not None:
            chat = getattr(content, "chat", None)
            asked = kind == "chat_join_request"  # a conversation with the person, not one in the group
            return QueryFields(
                kind,
                content,
                _person(content),
                None if chat is None or asked else chat.id,
                content.user_chat_id if asked or kind == "business_connection" else None,
                getattr(content, "message_id", None),
                getattr(content, "query", None),
                getattr(content, VALUES[kind], None) if kind in VALUES else None,
            )
    return None


def _person(content: Any) -> User | None:
    # Who votes or reacts as a chat does so through an account that many share: it is no person.
    if getattr(content, "voter_chat", None) is not None or getattr(content, "actor_chat", None) is not None:
        return None
    user: User | None = getattr(content, "from_user", None) or getattr(content, "user", None)
    return user


def reactions_of(content: Any) -> tuple[str, ...]:
    """Return what a change of reactions has added: emoji, ids of custom emoji, `"paid"`."""
    before = {_reaction(reaction) for reaction in content.old_reaction}
    return tuple(name for reaction in content.new_reaction if (name := _reaction(reaction)) not in before)


def _reaction(reaction: Any) -> str:
    found = getattr(reaction, "emoji", None) or getattr(reaction, "custom_emoji_id", None)
    return str(found or reaction.type)


COMMAND = re.compile(r"/([A-Za-z0-9_]{1,32})(?:@([A-Za-z0-9_]+))?(?![\w@/])")

CONTENTS = (
    "photo",
    "animation",  # stands before `document`, which Telegram fills in too
    "document",
    "sticker",
    "video",
    "video_note",
    "voice",
    "audio",
    "venue",  # likewise before `location`
    "location",
    "contact",
    "poll",
    "dice",
    "web_app_data",
    "users_shared",
    "chat_shared",
    "successful_payment",
    "refunded_payment",
)
"""Kinds of content, in the order in which they are looked for."""

OTHER_CONTENTS = ("story", "game", "invoice", "paid_media", "checklist", "passport_data", "giveaway")

MESSAGES = ("message", "channel_post", "business_message")


EDITED = ("edited_message", "edited_channel_post", "edited_business_message")


INSTEAD_OF_EVENT = {
    **dict.fromkeys(
        ("reply", "reply_text", "reply_photo", "send", "send_message"), "Write ctx.reply(text), without await"
    ),
    **dict.fromkeys(("edit", "edit_text", "edit_message_text"), "Write ctx.show(text), without await"),
    "answer": "Write ctx.answer(text), without await",
    "callback_query": "Read event.value, or event.update.callback_query",
    "data": "Read event.value for a press, ctx.data for the conversation",
    "chat": "Read event.chat_id, or event.update.effective_chat",
    "from_user": "Read event.user",
}
"""What to write instead of what events have elsewhere."""


class TelegramEvent(ChatEvent):
    """A Telegram update, as handlers see it.

    Attributes:
        kind: `text`, `command`, `photo`, … (see `fsmkit.flow.events.MESSAGE_KINDS`), `button`, `raw_button`,
            `edited`, `album`, `successful_payment`, `service`, or one of `fsmkit.telegram.event.QUERIES`.
        text: The text of a message or of an inline query; `None` without one.
        caption: The caption of a photo, document, …
        command: The command's name in lower case, without slash and bot name.
        args: The words after the command.
        value: The value of a pressed button, of its original type; for a button that is not fsmkit's, its
            callback data. Also the payload of a payment, the data of a web app, the id of a chosen inline
            result.
        number: The id of the update.
        user: The person who caused it; `None` for channel posts, anonymous admins and the like.
        chat_id: Chat id; `None` without a chat (inline queries, votes, questions before a payment) and for
            a request to join, which is a conversation with the person.
        user_id: The user's id.
        thread_id: Forum topic id; `None` in a forum's General topic, and for reactions, for which Telegram
            does not send it.
        business_id: Business connection id.
        message_id: Id of the message; for a press, the message with the button; for a reaction, the message
            that it belongs to.
        date: Seconds since 1970, UTC; `None` if Telegram does not send it (presses).
        address: Where replies go.
        pressed: For a press of one of fsmkit's buttons, the conversation and state of the button.
        parts: For an album, the events of its messages, in order.
        update: The `telegram.Update` itself; for an album, that of its first message.
        id: `("tg", update_id)`.
        press_query: The query of a press: PTB's `CallbackQuery`, or what stands for it until somebody asks.
        inline: For a press under an inline message the id of that.
        under_post: Whether a button under a channel's post was pressed.
        raw: The update as Telegram has sent it, where PTB's objects are made only if somebody asks for them.
    """

    # Class attributes instead of slots: most events leave most of them as they are.
    query: Any = None
    press_query: Any = None
    inline: str | None = None
    under_post: bool = False
    raw: RawUpdate | None = None
    chat_id: int | None = None
    user_id: int | None = None
    thread_id: int | None = None
    business_id: str | None = None
    message_id: int | None = None
    text: str | None = None
    command: str | None = None
    value: Any = None
    pressed: Pressed | None = None
    group: str | None = None
    parts: "tuple[TelegramEvent, ...]" = ()
    address: Address

    def __init__(self, number: int, kind: str, update: Update | None = None) -> None:
        self.number = number
        self.kind = kind
        if update is not None:
            self.update = update

    # What an event does not have from the beginning is made of its raw update when somebody asks for it.

    @cached_property
    def update(self) -> Update:
        """The `telegram.Update` itself, of an album that of its first message."""
        if self.raw is None:
            raise RuntimeError("an event without an update")
        return self.raw.update

    @cached_property
    def message(self) -> Message | None:
        """The message that was sent, or under which a button was pressed."""
        return None if self.raw is None else self.raw.shown

    @cached_property
    def user(self) -> User | None:
        """Who did it; `None` for channel posts, anonymous admins and the like."""
        return None if self.raw is None else self.raw.user

    if not TYPE_CHECKING:

        def __getattr__(self, name):
            raise no_attribute(self, "event", name, INSTEAD_OF_EVENT)

    @property
    def date(self) -> float | None:
        """When it was done, in seconds since 1970, UTC; `None` where Telegram does not say (presses)."""
        if self.press_query is not None:
            return None
        if self.raw is not None and self.raw.message is not None:
            return float(self.raw.message.date)
        told: Any = self.message if self.message is not None else self.query
        when = getattr(told, "edit_date", None) or getattr(told, "date", None)
        return when.timestamp() if when is not None else None

    @property
    def is_end(self) -> bool:
        """Whether the bot cannot write there from now on: blocked, removed, a revoked business connection."""
        if self.kind == "business_connection":
            return not self.query.is_enabled
        if self.kind != "my_chat_member":
            return False
        member = self.query.new_chat_member
        return member.status in GONE or (member.status == "restricted" and not member.is_member)

    @property
    def args(self) -> list[str]:
        """The words after the command."""
        return self.text.split()[1:] if self.command is not None and self.text else []

    @property
    def id(self) -> tuple[str, int]:
        """What it is recognised by when it comes again."""
        return ("tg", self.number)

    @property
    def caption(self) -> str | None:
        """The caption of a photo, document, …; of an album the first one."""
        if self.parts:
            return next((part.caption for part in self.parts if part.caption), None)
        return self.message.caption if self.message is not None else None

    @property
    def file_id(self) -> str | None:
        """The file id of what was sent; of a photo the largest size."""
        content = self.content
        if isinstance(content, tuple):
            content = content[-1] if content else None
        return getattr(content, "file_id", None)

    @property
    def messages(self) -> tuple[Message, ...]:
        """The messages of an album, in order; of another event the one that it brought."""
        found = [part.message for part in self.parts] if self.parts else [self.message]
        return tuple(message for message in found if message is not None)

    @property
    def file_ids(self) -> tuple[str, ...]:
        """The file ids of an album, in order; of another message its one."""
        found = [part.file_id for part in self.parts] if self.parts else [self.file_id]
        return tuple(file_id for file_id in found if file_id is not None)

    @property
    def message_ids(self) -> tuple[int, ...]:
        """Ids of all its messages."""
        return tuple(message.message_id for message in self.messages) if self.parts else super().message_ids

    @property
    def is_new_message(self) -> bool:
        """Whether it is a new message (never an edited one) that is not a command."""
        return self.kind in MESSAGE_KINDS or bool(self.parts)

    def stored(self, *, alone: bool) -> bytes:
        """Return a message of an album as JSON; what it replies to is kept with the first one only."""
        update = self.update.to_dict()
        if not alone:
            for message in update.values():
                if isinstance(message, dict):
                    message.pop("reply_to_message", None)
                    message.pop("external_reply", None)
        return json.dumps(update, separators=(",", ":")).encode()

    @property
    def content(self) -> Any:
        """What was sent beside text: PTB's `Location`, `Contact`, `Document`, a tuple of `PhotoSize`, …

        Of an edited message it is what that holds now: where a live location has moved to, the new photo.
        Of what is no message it is PTB's object for it: `PollAnswer`, `ChatMemberUpdated`, …
        """
        if self.message is None:
            return self.query
        kind = _kind(self.message) if self.kind == "edited" else self.kind
        return getattr(self.message, kind, None) if kind in CONTENTS else None

    @property
    def reactions(self) -> tuple[str, ...]:
        """What a reaction has added: emoji, ids of custom emoji, `"paid"`; empty for other events."""
        return reactions_of(self.query) if self.kind == "message_reaction" else ()

    def __repr__(self) -> str:
        shown = self.text if self.text is not None else self.value
        return f"<TelegramEvent {self.kind} {shown!r} of user {self.user_id} in chat {self.chat_id}>"


def read_update(update: Update, username: str | None) -> TelegramEvent | None:
    """Return the event of an update; `None` if no person could have a conversation through it.

    Args:
        update: The update.
        username: The bot's user name, to tell its commands from another bot's.
    """
    message = update.message
    if message is not None:
        return _message(update, message, username)
    query = update.callback_query
    if query is not None:
        return _press(update, query)
    for name in MESSAGES:
        message = getattr(update, name)
        if message is not None:
            return _message(update, message, username)
    for name in EDITED:
        message = getattr(update, name)
        if message is not None:
            if _is_echo(message, username):
                return None
            event = TelegramEvent(update.update_id, "edited", update)
            event.text = message.text
            _place(event, message)
            return event
    return _other(update, username)


def read_event(raw: RawUpdate, username: str | None) -> TelegramEvent | None:
    """Return the event of an update as Telegram has sent it; `None` where the ordinary way has to look at it.

    Args:
        raw: A text or a press.
        username: The bot's user name.
    """
    if raw.message is not None:
        return _raw_text(raw, raw.message, username)
    return None if raw.press is None else _raw_press(raw, raw.press)


def _raw_text(raw: RawUpdate, message: RawMessage, username: str | None) -> TelegramEvent | None:
    user = message.sender
    if user.is_bot:  # perhaps an echo
        return None
    event = TelegramEvent(raw.number, "text")
    event.raw = raw
    text = event.text = message.text
    if text[:1] == "/":
        _command(event, message.entities, text, username)
    event.message_id = message.message_id
    chat = event.chat_id = message.chat.id
    thread = event.thread_id = message.message_thread_id if message.is_topic_message else None
    ident = event.user_id = user.id
    event.address = Address(chat, thread, None, ident, user.language_code)
    return event


def _raw_press(raw: RawUpdate, press: RawPress) -> TelegramEvent:
    event = TelegramEvent(raw.number, "raw_button")
    event.raw = event.press_query = raw
    event.value = press.data
    message, user = press.message, press.sender
    event.under_post = message.chat.type == "channel"
    event.message_id = message.message_id
    chat = event.chat_id = message.chat.id
    thread = event.thread_id = message.message_thread_id if message.is_topic_message else None
    ident = event.user_id = user.id
    event.address = Address(chat, thread, None, ident, user.language_code)
    return event


def _is_echo(message: Message, username: str | None) -> bool:
    """Return whether a message is what the bot has sent, edited or caused: else it would answer itself.

    That is what it sent for a business account, a result of an inline query that somebody chose, and what a
    group is told that the bot has done; but a move to a supergroup has to be known, whoever caused it.
    """
    if message.sender_business_bot is not None:
        return True
    if message.via_bot is not None and _is_self(message.via_bot, username):
        return True
    user = message.from_user
    if user is None or not user.is_bot:
        return False
    return not (message.migrate_to_chat_id or message.migrate_from_chat_id) and _is_self(user, username)


def _is_self(user: User | None, username: str | None) -> bool:
    if user is None or not user.is_bot or username is None:
        return False
    return (user.username or "").lower() == username.lower()


def _message(update: Update, message: Message, username: str | None) -> TelegramEvent | None:
    """Read a new message; `None` for the bot's own."""
    user = message.from_user
    unusual = user is None or user.is_bot or message.via_bot or message.sender_business_bot
    if unusual and _is_echo(message, username):
        return None
    text = message.text
    if text is None:
        event = TelegramEvent(update.update_id, _kind(message), update)
        event.value = _value(message)
    else:
        event = TelegramEvent(update.update_id, "text", update)
        event.text = text
        if text[:1] == "/":
            _command(event, message.entities, text, username)
    _place(event, message)
    return event


def _value(message: Message) -> str | None:
    """Return the payload of a payment, the data that a web app sent."""
    if message.web_app_data is not None:
        return message.web_app_data.data
    payment = message.successful_payment or message.refunded_payment
    return payment.invoice_payload if payment is not None else None


def _kind(message: Message) -> str:
    for name in CONTENTS:
        if getattr(message, name):
            return name
    return "other" if any(getattr(message, name, None) for name in OTHER_CONTENTS) else "service"


def _command(event: TelegramEvent, entities: Sequence[Any], text: str, username: str | None) -> None:
    """Read a command; one that is meant for another bot is of a kind that nothing wants."""
    if entities and not any(e.type == MessageEntity.BOT_COMMAND and e.offset == 0 for e in entities):
        return  # written as code, for example
    found = COMMAND.match(text)
    if found is None:
        return
    if found[2] is not None and (username is None or found[2].lower() != username.lower()):
        event.kind = "other_command"
        return
    event.kind = "command"
    event.command = found[1].lower()


def _place(event: TelegramEvent, message: Any) -> None:
    event.message = message
    event.message_id = message.message_id
    chat = event.chat_id = message.chat.id
    thread = event.thread_id = message.message_thread_id if message.is_topic_message else None
    business = event.business_id = message.business_connection_id
    # Anonymous admins, channel senders and linked posts share an account: it is no person.
    user = message.from_user if message.sender_chat is None else None
    if user is None:
        event.address = Address(chat, thread, business)
    else:
        event.user = user
        ident = event.user_id = user.id
        event.address = Address(chat, thread, business, ident, user.language_code)


def _press(update: Update, query: CallbackQuery) -> TelegramEvent:
    event = TelegramEvent(update.update_id, "raw_button", update)
    event.press_query = query
    event.inline = query.inline_message_id
    event.value = query.data
    message = query.message
    if message is None:  # under an inline message: which chat it stands in, Telegram does not say
        _locate(event, None, query.from_user)
        return event
    event.under_post = message.chat.type == ChatType.CHANNEL
    _locate(event, message.chat.id, query.from_user)
    event.message_id = message.message_id
    if not isinstance(message, Message) or not message.is_accessible:  # PTB makes a Message of old ones too
        event.knows = "chat"  # Telegram says neither its topic nor its connection
        return event
    event.message = message
    thread = event.thread_id = message.message_thread_id if message.is_topic_message else None
    business = event.business_id = message.business_connection_id
    if thread is not None or business is not None:
        event.address = structs.replace(event.address, thread=thread, business=business)
    return event


def _other(update: Update, username: str | None) -> TelegramEvent | None:
    query = read_query(update)
    if query is None or (query.kind == "chat_member" and _is_self(query.user, username)):
        return None
    event = TelegramEvent(update.update_id, query.kind, update)
    event.query = query.content
    event.message_id = query.message_id
    event.text = query.text
    event.value = query.value
    _locate(event, query.chat, query.user)
    if query.home is not None:
        event.address = structs.replace(event.address, chat=query.home)
        event.knows = "place"
    elif query.chat is not None:
        event.knows = "chat"
    if event.is_end:  # nobody talks there any more
        event.knows = "person"
    return event


def _locate(event: TelegramEvent, chat: int | None, user: User | None) -> None:
    """Say where what is no message belongs; it names neither topic nor business connection."""
    event.user = user
    event.chat_id = chat
    if chat is None:
        event.knows = "person"
    if user is None:
        event.address = Address(chat or 0)
        return
    ident = event.user_id = user.id
    event.address = Address(ident if chat is None else chat, None, None, ident, user.language_code)


def album_of(parts: Sequence[TelegramEvent]) -> TelegramEvent:
    """Return the one event of the messages of a media group."""
    ordered = sorted(parts, key=lambda part: part.message_id or 0)
    event = TelegramEvent(ordered[0].update.update_id, "album", ordered[0].update)
    _place(event, ordered[0].message)
    event.parts = tuple(ordered)
    return event


def as_press(event: TelegramEvent, pressed: Pressed) -> None:
    """Make the press of one of fsmkit's own buttons of a press; its value comes with the row."""
    event.kind = "button"
    event.pressed = pressed
    event.value = None if pressed.packed else pressed.value
