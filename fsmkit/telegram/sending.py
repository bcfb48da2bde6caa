"""Messages through PTB's `Bot`: sent, in pieces where they are too long, and edited, or else sent anew.

What Telegram answers is passed on; what of it may be tried again is `fsmkit.telegram.delivery`'s business.
"""

import os
import re
from itertools import count
from pathlib import Path
from typing import Any

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

from fsmkit.flow.messages import BARE_MEDIA, Address, Button, Keyboard, KeyboardButton, Reply
from fsmkit.interpreter.row import Bound, Edit
from fsmkit.keys import Key
from fsmkit.telegram.buttons import ButtonCodec

ANY_CHAT = {
    "allow_user_chats": True,
    "allow_bot_chats": True,
    "allow_group_chats": True,
    "allow_channel_chats": True,
}


def inline_markup(reply: Reply, bound: Bound, codec: ButtonCodec) -> InlineKeyboardMarkup | None:
    """The inline keyboard under a message."""
    if not reply.buttons:
        return None
    return InlineKeyboardMarkup([[_inline(button, bound, codec) for button in row] for row in reply.buttons])


def any_markup(reply: Reply, bound: Bound, codec: ButtonCodec) -> Any:
    """What a new message shows or takes away below it; of both kinds of keyboards the inline one."""
    inline = inline_markup(reply, bound, codec)
    if inline is not None:
        return inline
    if reply.keyboard:
        return _reply_keyboard(reply.keyboard)
    return ReplyKeyboardRemove() if reply.remove_keyboard else None


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
    """What PTB takes for an action."""
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
    """What PTB takes for a request."""
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


_TAG = re.compile(r"<(/?)([a-zA-Z][\w-]*)[^>]*>")


_MARKUP = re.compile(r"\\.|```|`|\*|__|_|~|\|\||\[|\]\([^)]*\)|\]", re.DOTALL)


CODE = ("`", "```")


def split(text: str, limit: int, parse_mode: str | None) -> list[str]:
    """Cuts a text into pieces of at most `limit` UTF-16 units.

    Args:
        text: The text as it is written, markup included.
        limit: UTF-16 units of a piece.
        parse_mode: `"HTML"`, `"MarkdownV2"`, `"Markdown"` or `None`.

    Returns:
        The pieces in order, one at least. A stretch of formatting that is longer than `limit` stays whole.
    """
    if _units(text) <= limit:
        return [text]
    open_at = _inside(text, parse_mode)
    pieces: list[str] = []
    start = 0
    while _units(text[start:]) > limit:
        end = _end(text, start, limit)
        cut = _cut(text, start, end, open_at)
        pieces.append(text[start:cut].rstrip())
        start = cut
        while start < len(text) and text[start].isspace():
            start += 1
    if start < len(text):
        pieces.append(text[start:])
    return [piece for piece in pieces if piece] or [""]


def _units(text: str) -> int:
    return len(text) + sum(1 for char in text if ord(char) > 0xFFFF)


def _end(text: str, start: int, limit: int) -> int:
    """The furthest position to which `limit` units reach."""
    end, units = start, 0
    while end < len(text):
        units += 2 if ord(text[end]) > 0xFFFF else 1
        if units > limit:
            break
        end += 1
    return end


def _cut(text: str, start: int, end: int, open_at: list[bool]) -> int:
    """The best place to cut: after a paragraph, a line, a word; else anywhere outside of formatting."""
    for separator in ("\n\n", "\n", " "):
        at = text.rfind(separator, start, end)
        while at > start:
            if not open_at[at]:
                return at + len(separator)
            at = text.rfind(separator, start, at)
    for at in range(end, start, -1):
        if not open_at[at]:
            return at
    for at in range(end, len(text)):  # all of it is one stretch of formatting: Telegram decides
        if not open_at[at]:
            return at
    return len(text)


def _inside(text: str, parse_mode: str | None) -> list[bool]:
    """For each position (and the end) whether a cut there would fall inside of formatting."""
    inside = [False] * (len(text) + 1)
    if parse_mode is None:
        return inside
    spans = _html_spans(text) if parse_mode.upper() == "HTML" else _markdown_spans(text)
    for start, end in spans:
        for at in range(start + 1, end):
            inside[at] = True
    return inside


def _html_spans(text: str) -> list[tuple[int, int]]:
    spans = [found.span() for found in re.finditer(r"&[#\w]+;", text)]
    depth, begin = 0, 0
    for tag in _TAG.finditer(text):
        if tag[1]:
            depth = max(0, depth - 1)
            if depth == 0:
                spans.append((begin, tag.end()))
        else:
            begin = tag.start() if depth == 0 else begin
            depth += 1
    return [*spans, (begin, len(text))] if depth else spans


def _markdown_spans(text: str) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    stack: list[tuple[str, int]] = []
    for mark in _MARKUP.finditer(text):
        symbol = mark[0]
        if symbol[0] == "\\":
            spans.append(mark.span())
            continue
        if stack and stack[-1][0] in CODE and symbol != stack[-1][0]:
            continue  # in code all else is only text
        opener = "[" if symbol[0] == "]" else symbol
        if stack and stack[-1][0] == opener and (opener != "[" or symbol[0] == "]"):
            spans.append((stack.pop()[1], mark.end()))
        elif symbol[0] != "]":
            stack.append((symbol, mark.start()))
    return [*spans, *((start, len(text)) for _, start in stack)]


MAX_TEXT = 4096


MAX_CAPTION = 1024
"""UTF-16 units, https://core.telegram.org/bots/api#sendmessage and #sendphoto."""


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
    """Sends and edits messages.

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
        """Begins the next text of a key anew: no piece of it is out."""
        self._pieces.pop(key, None)

    async def send(self, key: Key, reply: Reply, to: Address, bound: Bound) -> int:
        """Sends a message, a long one in pieces, the last of which has the buttons; the id of that one."""
        limit = MAX_TEXT if reply.media is None else MAX_CAPTION
        pieces = split(reply.text, limit, reply.parse_mode or self._default_parse_mode)
        markup = any_markup(reply, bound, self._buttons)
        common = _common(reply, to)
        message = 0
        begun, out = self._pieces.get(key, (pieces, 0))
        for number in range(out if begun == pieces else 0, len(pieces)):
            last = number == len(pieces) - 1
            options = {**common, "reply_markup": markup if last else None}
            if number == 0 and reply.reply_to is not None:
                options["reply_parameters"] = ReplyParameters(
                    reply.reply_to, allow_sending_without_reply=True
                )
            media = reply.media if number == 0 else None
            message = await self._piece(media, pieces[number], limit, to.chat, reply, options)
            self._pieces[key] = (pieces, number + 1)
        self._pieces.pop(key, None)
        return message

    async def edit(self, key: Key, effect: Edit) -> int | None:
        """Edits a message; what cannot be edited, or no more, is sent anew: then its id."""
        reply = effect.reply
        if reply is None:
            await self.strip(key, effect)
            return None
        way = _way(effect.file, reply)
        if way is None:
            return await self._anew(key, effect, reply)
        try:
            await self._replace(key, effect, reply, way)
        except BadRequest as error:
            if "not modified" in str(error).lower():
                return None
            return await self._anew(key, effect, reply)
        return None

    async def strip(self, key: Key, effect: Edit) -> None:
        """Takes the buttons of a message away; that it has none, or is gone, is no matter."""
        try:
            await self._bot.edit_message_reply_markup(**_where(key, effect))
        except BadRequest:
            return

    async def _anew(self, key: Key, effect: Edit, reply: Reply) -> int:
        """Sends what cannot be edited, and takes the old message's buttons away if that is still there."""
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
        reply: Reply,
        options: dict[str, Any],
    ) -> int:
        """One message, as a rule; formatting that Telegram refuses is sent once more as it is written."""
        try:
            return await self._message(media, text, chat, {**options, **_formatting(reply)})
        except BadRequest as error:
            if "parse entities" not in str(error):
                raise
        *first, last = split(text, limit, None)  # formatting that never ends has kept it whole so far
        for part in first:
            await self._message(media, part, chat, {**options, **PLAIN, "reply_markup": None})
            media = None
        return await self._message(media, last, chat, {**options, **PLAIN})

    async def _message(
        self, media: tuple[str, str] | None, text: str, chat: int | str, options: dict[str, Any]
    ) -> int:
        if media is None:
            return (await self._bot.send_message(chat, text, **options)).message_id
        kind, source = media
        unknown = {"link_preview_options", *(("parse_mode",) if kind in BARE_MEDIA else ())}
        options = {name: value for name, value in options.items() if name not in unknown}
        if text:
            options["caption"] = text
        method = getattr(self._bot, f"send_{kind}")
        message: int = (await method(chat, _file(source), **options)).message_id
        return message

    async def _replace(self, key: Key, effect: Edit, reply: Reply, way: str) -> None:
        """Edits in one of the ways of `_way`; refused formatting is shown as it is written."""
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


def _way(file: str, reply: Reply) -> str | None:
    """How a message that carries `file` becomes what it shall show; `None`: only by another message."""
    if reply.media is None:
        return None if file else "text"
    kind = reply.media[0]
    if kind not in BARE_MEDIA and reply.file == file:
        return "caption"  # spares Telegram, and us, the file
    return "media" if kind in EDITABLE and file.partition(":")[0] in EDITABLE else None


def _common(reply: Reply, to: Address) -> dict[str, Any]:
    """Options of all pieces. One that is not set is left out: an explicit `None` would outdo `Defaults`."""
    common: dict[str, Any] = {"message_thread_id": to.thread, "business_connection_id": to.business}
    if reply.silent:
        common["disable_notification"] = True
    if reply.protect_content:
        common["protect_content"] = True
    if reply.extra:
        common["api_kwargs"] = reply.extra
    return {**common, **_preview(reply)}


def _preview(reply: Reply) -> dict[str, Any]:
    if reply.link_preview is None:
        return {}
    return {"link_preview_options": LinkPreviewOptions(is_disabled=not reply.link_preview)}


def _formatting(reply: Reply) -> dict[str, Any]:
    """Nothing where none is given, so that the application's `Defaults` count."""
    return {} if reply.parse_mode is None else {"parse_mode": reply.parse_mode}


def _where(key: Key, effect: Edit) -> dict[str, Any]:
    return {
        "chat_id": effect.to.chat,
        "message_id": effect.message,
        "business_connection_id": connection(effect.to, key),
    }


def connection(to: Address, key: Key) -> str | None:
    """The business connection of a message; of an old one only chat and id are known, and the key has it."""
    found = to.business if to.business is not None else key.business
    return None if found is None else str(found)


def _file(source: str) -> Any:
    """A local path as such; file ids and URLs as they are."""
    if source.startswith(("http://", "https://")):
        return source
    if os.path.isfile(source):
        return Path(source)
    if os.sep in source:  # no file id has one; PTB would call it a network error, to be tried for ever
        raise FileNotFoundError(f"no such file: {source}")
    return source
