"""Messages through PTB's `Bot`: how keyboards are made, and how messages are sent, edited, or sent anew.

The person always gets something to read: a message that cannot be edited any more is sent anew, formatting
that Telegram refuses is shown as it is written, and buttons that it refuses are left out. Every other answer
of Telegram's is raised; whether to try again is decided in `fsmkit.telegram.delivery`.
"""

import logging
import os
import re
from collections.abc import Awaitable, Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from msgspec import structs
from telegram import (
    Bot,
    CallbackGame,
    CopyTextButton,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputMedia,
    InputMediaAnimation,
    InputMediaAudio,
    InputMediaDocument,
    InputMediaPhoto,
    InputMediaVideo,
    KeyboardButtonPollType,
    KeyboardButtonRequestChat,
    KeyboardButtonRequestUsers,
    LinkPreviewOptions,
    LoginUrl,
    ReplyKeyboardMarkup,
    ReplyKeyboardRemove,
    ReplyParameters,
    SwitchInlineQueryChosenChat,
    WebAppInfo,
)
from telegram import (
    KeyboardButton as TelegramKey,
)
from telegram.error import BadRequest, TelegramError
from telegram.ext import ExtBot

from fsmkit.flow.messages import (
    BARE_MEDIA,
    FILE_URI,
    MAX_TEXT,
    Address,
    Button,
    Keyboard,
    KeyboardButton,
    Reply,
    as_reply,
)
from fsmkit.interpreter.row import Bound, Edit
from fsmkit.keys import Key
from fsmkit.telegram.buttons import ButtonCodec
from fsmkit.telegram.splitting import split

T = TypeVar("T")

Offer = tuple[Reply, Bound, bool]
"""A message with its buttons, what these belong to, and whether it takes a keyboard from one person only."""

_log = logging.getLogger("fsmkit")

# -- keyboards -------------------------------------------------------------------------------------

ANY_CHAT = {
    "allow_user_chats": True,
    "allow_bot_chats": True,
    "allow_group_chats": True,
    "allow_channel_chats": True,
}


def inline_markup(reply: Reply, bound: Bound, codec: ButtonCodec) -> InlineKeyboardMarkup | None:
    """Return the inline keyboard under a message."""
    if not reply.buttons:
        return None
    return InlineKeyboardMarkup([[_inline(button, bound, codec) for button in row] for row in reply.buttons])


def any_markup(reply: Reply, bound: Bound, codec: ButtonCodec, *, selective: bool = False) -> Any:
    """Return what a new message shows or takes away below it; of both kinds of keyboards the inline one."""
    inline = inline_markup(reply, bound, codec)
    if inline is not None:
        return inline
    if reply.keyboard:
        return _reply_keyboard(reply.keyboard)
    return ReplyKeyboardRemove(selective=selective or None) if reply.remove_keyboard else None


def _inline(button: Button, bound: Bound, codec: ButtonCodec) -> InlineKeyboardButton:
    action = button.action
    if action is None:
        does: dict[str, Any] = {"callback_data": codec.encode(button, bound)}
    else:
        does = {action[0]: _argument(*action)}
    # By `api_kwargs`: the oldest PTB that we take does not know them yet.
    looks = {"style": button.style, "icon_custom_emoji_id": button.icon}
    looks = {name: look for name, look in looks.items() if look is not None}
    return InlineKeyboardButton(button.text, **does, api_kwargs=looks or None)


def _argument(action: str, given: Any) -> Any:
    """Return what PTB takes for an action."""
    if action == "web_app":
        return WebAppInfo(given)
    if action == "login_url":
        return LoginUrl(**given) if isinstance(given, dict) else LoginUrl(given)
    if action == "switch_inline_query_chosen_chat":
        chosen: dict[str, Any] = given if isinstance(given, dict) else {"query": given, **ANY_CHAT}
        return SwitchInlineQueryChosenChat(**chosen)
    if action == "copy_text":
        return CopyTextButton(given)
    return CallbackGame() if action == "callback_game" else given


def _reply_keyboard(keyboard: Any) -> ReplyKeyboardMarkup:
    board = keyboard if isinstance(keyboard, Keyboard) else Keyboard(keyboard)
    numbers = count(1)  # requests are told apart by a number that is theirs within the message
    return ReplyKeyboardMarkup(
        [[_key(key, next(numbers)) for key in row] for row in board.keys],
        resize_keyboard=board.resize or None,
        one_time_keyboard=board.one_time or None,
        selective=board.selective or None,
        input_field_placeholder=board.placeholder,
        is_persistent=board.persistent or None,
    )


def _key(key: str | KeyboardButton, number: int) -> str | TelegramKey:
    if isinstance(key, str):
        return key
    request = key.request
    if request is None:
        return key.text
    return TelegramKey(key.text, **{request[0]: _request(*request, number)})


def _request(name: str, given: Any, number: int) -> Any:
    """Return what PTB takes for a request."""
    if name == "web_app":
        return WebAppInfo(given)
    if name == "request_poll":
        return KeyboardButtonPollType(None if given == "any" else given)
    fields: dict[str, Any] = {"request_id": number}
    if name == "request_users":
        fields |= given if isinstance(given, dict) else {"max_quantity": given}
        return KeyboardButtonRequestUsers(**fields)
    if name == "request_chat":
        fields |= given if isinstance(given, dict) else {"chat_is_channel": given == "channel"}
        return KeyboardButtonRequestChat(**fields)
    return given


BUTTON_REFUSED = re.compile(
    r"button|keyboard|reply_markup|reply markup is|BOT_DOMAIN_INVALID|\bURL_INVALID|WEB_?APP", re.IGNORECASE
)
"""What Telegram says of a message that it refuses for a button, for example `BUTTON_URL_INVALID`, `inline
keyboard button URL 'http://localhost' is invalid: Wrong HTTP URL`, `BUTTON_USER_PRIVACY_RESTRICTED`.
"""

MAX_BUTTON_TRIES = 8
"""Messages with several buttons that may be the refused one are sent without one at a time, so often."""


async def without_refused_buttons(
    reply: Reply, refused: BadRequest, attempt: Callable[[Reply], Awaitable[T]]
) -> T:
    """Show a message that was refused, in the last resort without buttons that Telegram refuses.

    Args:
        reply: The message.
        refused: What Telegram has said of it.
        attempt: Sends or edits it.

    Raises:
        BadRequest: If it is refused for something else, or without buttons as well.
    """
    if not BUTTON_REFUSED.search(refused.message) or not (reply.buttons or reply.keyboard):
        raise refused
    for fewer, left_out in _with_fewer_buttons(reply, refused.message):
        try:
            shown = await attempt(fewer)
        except BadRequest as error:
            if not BUTTON_REFUSED.search(error.message):
                raise
            refused = error
            continue
        _log.warning("Telegram refused a button (%s); the message is shown without %s", refused, left_out)
        return shown
    raise refused


def _with_fewer_buttons(reply: Reply, refusal: str) -> Iterator[tuple[Reply, str]]:
    """Yield the message without some buttons, the likeliest choice first, and what is missing from it."""
    doubtful = [b for row in reply.buttons for b in row if b.action is not None]
    bad = [b for b in doubtful if _is_named(b, refusal)] or [b for b in doubtful if not _is_valid(b)]
    others = [b for b in doubtful if b not in bad]
    singly = [[*bad, b] for b in others[:MAX_BUTTON_TRIES]] if len(others) > 1 else []
    for left_out in (bad, *singly, doubtful if others else []):
        if left_out:
            yield _without(reply, left_out), ", ".join(repr(b.text) for b in left_out)
    plain = () if reply.buttons else _plain_keys(reply.keyboard)
    if plain:
        yield as_reply(reply, keyboard=plain), "keys that ask for something"
    yield as_reply(reply, buttons=(), keyboard=()), "buttons"


def _without(reply: Reply, left_out: list[Button]) -> Reply:
    rows = [[b for b in row if b not in left_out] for row in reply.buttons]
    return as_reply(reply, buttons=[row for row in rows if row])


def _plain_keys(keyboard: Any) -> Any:
    """Return a reply keyboard without the keys that ask for something, which not every chat allows."""
    rows = keyboard.keys if isinstance(keyboard, Keyboard) else keyboard
    kept = [[k for k in row if isinstance(k, str) or k.request is None] for row in rows]
    kept = [row for row in kept if row]
    return structs.replace(keyboard, rows=kept) if isinstance(keyboard, Keyboard) and kept else kept


def _is_named(button: Button, refusal: str) -> bool:
    """Return whether a refusal names the URL of a button."""
    return any(f"'{url}'" in refusal for url in _urls(button))


def _is_valid(button: Button) -> bool:
    """Return whether the URLs of a button look as Telegram wants them: with a host that has a dot in it."""
    return all(
        url.startswith("tg://") or (" " not in url and "." in (urlsplit(url).hostname or ""))
        for url in _urls(button)
    )


def _urls(button: Button) -> list[str]:
    name, given = button.action or ("", None)
    if name not in ("url", "web_app", "login_url"):
        return []
    return [given["url"] if isinstance(given, dict) else str(given)]


# -- messages --------------------------------------------------------------------------------------

MAX_CAPTION = 1024
"""UTF-16 units, https://core.telegram.org/bots/api#sendphoto."""


UNFORMATTABLE = re.compile(r"parse entities|(message|caption|entities)( is|_)? ?too[ _]long", re.IGNORECASE)
"""What Telegram says of a text that it may take all the same if it is sent plain, and cut once more."""


PLAIN: dict[str, Any] = {"parse_mode": None}
"""Plain text, whatever the application's `Defaults` say."""


EDITABLE: dict[str, type[InputMedia]] = {
    "photo": InputMediaPhoto,
    "document": InputMediaDocument,
    "video": InputMediaVideo,
    "animation": InputMediaAnimation,
    "audio": InputMediaAudio,
}
"""Files that may take each other's place, https://core.telegram.org/bots/api#editmessagemedia."""


class Messages:
    """What sends and edits messages.

    Args:
        bot: PTB's bot.
        buttons: Makes callback data.
    """

    def __init__(self, bot: Bot, buttons: ButtonCodec) -> None:
        self._bot = bot
        self._buttons = buttons
        self._pieces: dict[Key, tuple[list[str], int]] = {}
        """A long text in pieces, and how many of them are out, should the next one have to wait."""

    def forget(self, key: Key) -> None:
        """Begin the next text of a key anew: no piece of it is out."""
        self._pieces.pop(key, None)

    async def send(
        self, key: Key, reply: Reply, to: Address, bound: Bound, *, selective: bool = False
    ) -> int:
        """Send a message, a long one in pieces, the last of which has the buttons; return the id of that.

        Args:
            key: Whose conversation.
            reply: The message.
            to: Where it goes.
            bound: What its buttons belong to.
            selective: Whether it takes a reply keyboard away from one person only.
        """
        media = reply.media
        pieces, limit = [reply.text], MAX_TEXT if media is None else MAX_CAPTION
        if 2 * len(reply.text) > limit:  # else it fits, in whatever letters
            pieces = split(reply.text, limit, reply.parse_mode or self._default_parse_mode)
        begun, out = self._pieces.get(key, (pieces, 0)) if self._pieces else (pieces, 0)
        common = _common(reply, to)
        message = 0
        for number in range(out if begun == pieces else 0, len(pieces)):
            options, last = common, number == len(pieces) - 1
            if reply.reply_to is not None and (number == 0 or (selective and last)):
                quoted = ReplyParameters(reply.reply_to, allow_sending_without_reply=True)
                options = {**common, "reply_parameters": quoted}
            offer = (reply, bound, selective) if last else None
            file = media if number == 0 else None
            message = await self._piece(file, pieces[number], limit, to.chat, offer, options)
            if not last:
                self._pieces[key] = (pieces, number + 1)
        if self._pieces:
            self._pieces.pop(key, None)
        return message

    async def edit(self, key: Key, effect: Edit) -> int | None:
        """Edit a message; what cannot be edited, or no more, is sent anew: then return its id."""
        reply = effect.reply
        if reply is None:
            await self.strip(key, effect)
            return None
        way = _way(effect.file, reply, inline=key.inline is not None)
        if way is None:
            return await self._anew(key, effect, reply)
        try:
            try:
                await self._replace(key, effect, reply, way)
            except BadRequest as refused:
                await without_refused_buttons(
                    reply, refused, lambda fewer: self._replace(key, effect, fewer, way)
                )
        except BadRequest as error:
            if "not modified" in str(error).lower():
                return None
            if key.inline is not None:  # there is nowhere to send it anew
                raise
            return await self._anew(key, effect, reply)
        return None

    async def strip(self, key: Key, effect: Edit) -> None:
        """Take the buttons of a message away; that it has none, or is gone, is no matter."""
        try:
            await self._bot.edit_message_reply_markup(**_where(key, effect))
        except BadRequest:
            return

    async def _anew(self, key: Key, effect: Edit, reply: Reply) -> int:
        """Send what cannot be edited, and take the old message's buttons away if that is still there."""
        message = await self.send(key, reply, effect.to, effect.bound)
        try:
            await self.strip(key, effect)
        except TelegramError:
            return message  # never again for its sake: the message is out, and old buttons are only stale
        return message

    async def _piece(
        self,
        media: tuple[str, str] | None,
        text: str,
        limit: int,
        chat: int | str,
        offer: Offer | None,
        options: dict[str, Any],
    ) -> int:
        """Send one message, as a rule; formatting that Telegram refuses is shown as it is written."""
        try:
            return await self._message(media, text, chat, offer, options)
        except BadRequest as error:
            if not UNFORMATTABLE.search(error.message):
                raise
        *first, last = split(text, limit, None)  # formatting that never ends has kept it whole so far
        for part in first:
            await self._message(media, part, chat, None, {**options, **PLAIN})
            media = None
        return await self._message(media, last, chat, offer, {**options, **PLAIN})

    async def _message(
        self,
        media: tuple[str, str] | None,
        text: str,
        chat: int | str,
        offer: Offer | None,
        options: dict[str, Any],
    ) -> int:
        """Send one message, with the buttons of `offer` if there is one; return its id."""
        method: Any = self._bot.send_message
        content: Any = text
        if media is not None:
            kind, source = media
            unknown = {"link_preview_options", *(("parse_mode",) if kind in BARE_MEDIA else ())}
            options = {name: value for name, value in options.items() if name not in unknown}
            if text:
                options["caption"] = text
            content, method = _file(source), getattr(self._bot, f"send_{kind}")
        markup = None if offer is None else self._markup(*offer)
        try:
            sent: int = (await method(chat, content, reply_markup=markup, **options)).message_id
            return sent
        except BadRequest as error:
            if offer is None:
                raise
            refused = error
        reply, bound, selective = offer

        async def attempt(fewer: Reply) -> int:
            less = self._markup(fewer, bound, selective)
            sent: int = (await method(chat, content, reply_markup=less, **options)).message_id
            return sent

        return await without_refused_buttons(reply, refused, attempt)

    def _markup(self, reply: Reply, bound: Bound, selective: bool) -> Any:
        if not (reply.buttons or reply.keyboard or reply.remove_keyboard):
            return None
        return any_markup(reply, bound, self._buttons, selective=selective)

    async def _replace(self, key: Key, effect: Edit, reply: Reply, way: str) -> None:
        """Edit in one of the ways of `_way`; refused formatting is shown as it is written."""
        markup = inline_markup(reply, effect.bound, self._buttons)
        options = {**_where(key, effect), "reply_markup": markup, "api_kwargs": reply.extra}
        try:
            await self._edit(reply, way, options, _formatting(reply))
        except BadRequest as error:
            if "parse entities" not in str(error):
                raise
            await self._edit(reply, way, options, PLAIN)

    async def _edit(
        self, reply: Reply, way: str, options: dict[str, Any], formatting: dict[str, Any]
    ) -> None:
        bot, caption = self._bot, reply.text or None
        if way == "text":
            await bot.edit_message_text(reply.text, **options, **formatting, **_preview(reply))
        elif way == "caption":
            await bot.edit_message_caption(caption=caption, **options, **formatting)
        else:
            kind, source = reply.media or ("", "")
            media: Any = EDITABLE[kind](_file(source), caption=caption, **formatting)
            await bot.edit_message_media(media, **options)

    @property
    def _default_parse_mode(self) -> str | None:
        defaults = self._bot.defaults if isinstance(self._bot, ExtBot) else None
        return defaults.parse_mode if defaults is not None else None


def _way(file: str, reply: Reply, *, inline: bool) -> str | None:
    """Return how a message that carries `file` becomes another; `None`: only by a new message.

    Of an inline message it is not known at first what it carries.
    """
    if reply.media is None:
        return None if file else "text"
    kind = reply.media[0]
    if kind not in BARE_MEDIA and reply.file == file:
        return "caption"  # spares Telegram, and us, the file
    return "media" if kind in EDITABLE and (inline or file.partition(":")[0] in EDITABLE) else None


def _common(reply: Reply, to: Address) -> dict[str, Any]:
    """Return the options of all pieces. What is not set is left out: a `None` would override `Defaults`."""
    common: dict[str, Any] = {"message_thread_id": to.thread, "business_connection_id": to.business}
    if reply.silent:
        common["disable_notification"] = True
    if reply.protect_content:
        common["protect_content"] = True
    if reply.extra:
        common["api_kwargs"] = reply.extra
    if reply.link_preview is not None:
        common |= _preview(reply)
    if reply.parse_mode is not None:
        common["parse_mode"] = reply.parse_mode
    return common


def _preview(reply: Reply) -> dict[str, Any]:
    if reply.link_preview is None:
        return {}
    return {"link_preview_options": LinkPreviewOptions(is_disabled=not reply.link_preview)}


def _formatting(reply: Reply) -> dict[str, Any]:
    """Return the parse mode, or nothing where none is given, so that the application's `Defaults` count."""
    return {} if reply.parse_mode is None else {"parse_mode": reply.parse_mode}


def _where(key: Key, effect: Edit) -> dict[str, Any]:
    if key.inline is not None:
        return {"inline_message_id": key.inline}
    return {
        "chat_id": effect.to.chat,
        "message_id": effect.message,
        "business_connection_id": connection(effect.to, key),
    }


def connection(to: Address, key: Key) -> str | None:
    """Return the business connection of a message; where an old one does not say it, the key does."""
    found = to.business if to.business is not None else key.business
    return None if found is None else str(found)


def _file(source: str) -> Any:
    """Return the URI of a file on this machine as a `Path`; file ids and URLs as they are.

    Raises:
        FileNotFoundError: If the file has gone. (PTB would call it a network error, to be tried for ever.)
        ValueError: If a text names a file: PTB would upload it, whoever has sent that text.
    """
    if source.startswith(FILE_URI):
        path = Path(unquote(urlsplit(source).path))
        if not path.is_file():
            raise FileNotFoundError(f"no such file: {path}")
        return path
    if not source.startswith(("http://", "https://")) and (os.sep in source or os.path.exists(source)):
        raise ValueError(f"{source!r} is a text, not the id of a file; a path is given as pathlib.Path(...)")
    return source
