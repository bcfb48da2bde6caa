"""Updates as bytes: what is read of one before anybody asks for PTB's objects, and how these are made then.

Only texts and presses of buttons under texts and photos are read so, and only where every field of theirs is
one that is declared here, with the type that is declared here. So `Update.de_json` would have taken each of
them, too, and whatever is new, rare or wrong goes the ordinary way.
"""

import json
import logging
import re
from typing import Annotated, Any

from msgspec import DecodeError, Meta, Struct, ValidationError, field
from msgspec.json import Decoder
from telegram import CallbackQuery, Message, Update, User
from telegram.ext import Application

from fsmkit.flow.context import LateContext

_log = logging.getLogger("fsmkit")

Seconds = Annotated[int, Meta(ge=1, le=2**33)]
"""Since 1970; 0 is the date of a message of which Telegram shows nothing any more."""


class _Strict(Struct, forbid_unknown_fields=True, gc=False):
    """Fields of https://core.telegram.org/bots/api, of which any other is an error."""


class RawUser(_Strict):
    """A person, or a bot."""

    id: int
    is_bot: bool
    first_name: str
    last_name: str | None = None
    username: str | None = None
    language_code: str | None = None
    is_premium: bool | None = None
    added_to_attachment_menu: bool | None = None


class _Gifts(_Strict):
    unlimited_gifts: bool | None = None
    limited_gifts: bool | None = None
    unique_gifts: bool | None = None
    premium_subscription: bool | None = None
    gifts_from_channels: bool | None = None


class RawChat(_Strict):
    """A chat; Telegram adds the last two to groups."""

    id: int
    type: str
    title: str | None = None
    username: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    is_forum: bool | None = None
    is_direct_messages: bool | None = None
    all_members_are_administrators: bool | None = None
    accepted_gift_types: _Gifts | None = None


class RawEntity(_Strict):
    """What stands in a text: a command, a link."""

    type: str
    offset: int
    length: int
    url: str | None = None
    language: str | None = None
    custom_emoji_id: str | None = None


class _Preview(_Strict):
    is_disabled: bool | None = None
    url: str | None = None
    prefer_small_media: bool | None = None
    prefer_large_media: bool | None = None
    show_above_text: bool | None = None


class _Button(_Strict):
    text: str
    callback_data: str | None = None
    url: str | None = None
    switch_inline_query: str | None = None
    switch_inline_query_current_chat: str | None = None
    style: str | None = None
    icon_custom_emoji_id: str | None = None


class _Markup(_Strict):
    inline_keyboard: list[list[_Button]]


class _Size(_Strict):
    file_id: str
    file_unique_id: str
    width: int
    height: int
    file_size: int | None = None


class _Shown(_Strict):
    """A text or a photo that stands in the chat already: of the bot's with buttons, or what is replied to."""

    message_id: int
    chat: RawChat
    date: Seconds
    sender: RawUser | None = field(name="from", default=None)
    text: str | None = None
    entities: tuple[RawEntity, ...] = ()
    photo: tuple[_Size, ...] = ()
    caption: str | None = None
    caption_entities: tuple[RawEntity, ...] = ()
    show_caption_above_media: bool | None = None
    reply_markup: _Markup | None = None
    edit_date: Seconds | None = None
    message_thread_id: int | None = None
    is_topic_message: bool | None = None
    link_preview_options: _Preview | None = None
    has_protected_content: bool | None = None


class RawMessage(_Strict):
    """A text that a person has sent."""

    message_id: int
    sender: RawUser = field(name="from")
    chat: RawChat
    date: Seconds
    text: str
    entities: tuple[RawEntity, ...] = ()
    message_thread_id: int | None = None
    is_topic_message: bool | None = None
    reply_to_message: _Shown | None = None
    link_preview_options: _Preview | None = None
    has_protected_content: bool | None = None
    effect_id: str | None = None
    sender_boost_count: int | None = None
    sender_tag: str | None = None


class RawPress(_Strict):
    """A press of a button."""

    id: str
    sender: RawUser = field(name="from")
    message: _Shown
    chat_instance: str
    data: str


class _Read(_Strict):
    update_id: int
    message: RawMessage | None = None
    callback_query: RawPress | None = None


_decode = Decoder(_Read).decode


class RawUpdate(LateContext):
    """A text or a press, as Telegram has sent it.

    It stands for the press's `CallbackQuery` as well, until there is one: who answers that is noted by the
    bot that it has.

    Args:
        body: The update's bytes.
        application: Whose bot PTB's objects get.

    Attributes:
        number: Its `update_id`.
        message: The text; `None` for a press.
        press: The press.
        id: The id of its query.
    """

    __slots__ = ("_application", "_body", "_bot", "_context", "_update", "id", "message", "number", "press")

    def __init__(self, body: bytes, application: Application[Any, Any, Any, Any, Any, Any]) -> None:
        read = _decode(body)
        self.number = read.update_id
        self.message = read.message
        press = self.press = read.callback_query
        self.id = "" if press is None else press.id
        self._body = body
        self._application = application
        self._update: Update | None = None
        self._bot: Any = None
        self._context: Any = None

    @property
    def update(self) -> Update:
        """PTB's object, the same one each time."""
        if self._update is None:
            self._update = Update.de_json(json.loads(self._body), self._application.bot)
            if self._bot is not None and self._update.callback_query is not None:
                self._update.callback_query.set_bot(self._bot)
        return self._update

    @property
    def shown(self) -> Message | None:
        """The message that the update has brought, or under which a button was pressed, as PTB's object."""
        query: CallbackQuery | None = self.update.callback_query
        found: Any = self.update.message if query is None else query.message
        return found if isinstance(found, Message) else None

    @property
    def user(self) -> User | None:
        """Who did it, as PTB's object."""
        query: CallbackQuery | None = self.update.callback_query
        if query is not None:
            return query.from_user
        return None if self.update.message is None else self.update.message.from_user

    @property
    def context(self) -> Any:
        """PTB's context of the update, as `CallbackContext.from_update` makes it."""
        if self._context is None:
            told = self.message or self.press
            assert told is not None
            chat = told.chat if isinstance(told, RawMessage) else told.message.chat
            make = self._application.context_types.context
            self._context = make(self._application, chat_id=chat.id, user_id=told.sender.id)
        return self._context

    @property
    def has_context(self) -> bool:
        """Whether somebody has asked for the context."""
        return self._context is not None

    # -- what a query in hand has to have (`fsmkit.telegram.answers.Query`) --------------------------

    def get_bot(self) -> Any:
        """Return the bot through which the press is answered."""
        if self._update is not None and self._update.callback_query is not None:
            return self._update.callback_query.get_bot()
        return self._bot or self._application.bot

    def set_bot(self, bot: Any) -> None:
        """Have the press answered through another bot."""
        self._bot = bot
        if self._update is not None and self._update.callback_query is not None:
            self._update.callback_query.set_bot(bot)


_NEW = re.compile(r"Object contains unknown field `(\w{1,64})` - at `\$[.\w]*\.(from|chat)`")


class RawReader:
    """Reads updates from their bytes.

    Args:
        application: Whose bot PTB's objects get.
    """

    def __init__(self, application: Application[Any, Any, Any, Any, Any, Any]) -> None:
        self._application = application
        self._told = False

    def read(self, body: bytes) -> RawUpdate | None:
        """Read a text or a press; `None` for anything else, and for what is not quite as it should be."""
        try:
            raw = RawUpdate(body, self._application)
        except ValidationError as error:
            if not self._told:
                self._tell(error)
            return None
        except (DecodeError, UnicodeDecodeError, RecursionError):
            return None
        return raw if (raw.message is None) != (raw.press is None) else None

    def _tell(self, error: ValidationError) -> None:
        """Say once that people or chats have a field which is not known here, so that each text is parsed."""
        found = _NEW.match(str(error))
        if found is not None:
            self._told = True
            _log.info(
                "updates are parsed as a whole where %r has the field %r, which fsmkit does not know yet",
                found[2],
                found[1],
            )
