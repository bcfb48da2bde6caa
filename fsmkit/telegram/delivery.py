"""Delivery: carries one effect out through PTB's `Bot`, and tells apart what may be tried again.

Order and repetition are the outbox's: this raises `RetryLater` for what has to wait, `Unreachable` where
nobody is there any more, and whatever Telegram said for what is refused for good.
"""

import os
from collections import deque
from pathlib import Path
from typing import Any

from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup, ReplyKeyboardMarkup, ReplyKeyboardRemove
from telegram.error import BadRequest, Forbidden, InvalidToken, NetworkError, RetryAfter, TelegramError
from telegram.ext import ExtBot

from fsmkit.effects import Address, Bound, Delete, Edit, Effect, Reply, Send
from fsmkit.errors import RetryLater, Unreachable
from fsmkit.keys import Key
from fsmkit.telegram.buttons import ButtonCodec
from fsmkit.telegram.splitting import split

NETWORK_DELAYS = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds between tries while Telegram does not answer; the last one goes on."""
MAX_TEXT = 4096
MAX_CAPTION = 1024
"""UTF-16 units, https://core.telegram.org/bots/api#sendmessage and #sendphoto."""
MAX_DELETE = 100
MAX_ANSWER = 200
"""Characters, https://core.telegram.org/bots/api#answercallbackquery."""
MAX_ANSWERED = 256
"""Presses of which it is known that they were answered."""
PLAIN: dict[str, Any] = {"parse_mode": None}
"""Plain text, whatever the application's `Defaults` say."""


class Delivery:
    """Sends, edits and deletes messages for the outbox.

    Args:
        bot: PTB's bot.
        buttons: Makes callback data.
    """

    def __init__(self, bot: Bot, buttons: ButtonCodec) -> None:
        self._bot = bot
        self._buttons = buttons
        self._failures: dict[Key, int] = {}
        self._pieces: dict[Key, tuple[list[str], int]] = {}
        """A long text in pieces, and how many of them are out, should the next one have to wait."""
        self._answered: deque[str] = deque(maxlen=MAX_ANSWERED)

    async def __call__(self, key: Key, effect: Effect) -> int | None:
        """Carries one effect out.

        Returns:
            The id of the message that was sent, if it is to be remembered.

        Raises:
            RetryLater: If the chat or the network has to be waited for.
            Unreachable: If the person has blocked the bot, or the bot was removed from the chat.
            telegram.error.TelegramError: If Telegram refuses the effect for good.
        """
        try:
            receipt = await self._carry_out(key, effect)
        except RetryAfter as error:
            raise RetryLater(_seconds(error)) from error
        except Forbidden as error:
            self._forget(key)
            raise Unreachable(str(error)) from error
        except (BadRequest, InvalidToken):  # NetworkErrors in PTB, but no use to repeat
            self._forget(key)
            raise
        except NetworkError as error:
            if "too large" in str(error).lower():  # 413, a file of more than 50 MB: it will not get smaller
                self._forget(key)
                raise
            tries = self._failures[key] = self._failures.get(key, 0) + 1
            raise RetryLater(NETWORK_DELAYS[min(tries, len(NETWORK_DELAYS)) - 1]) from error
        except Exception:  # else the pieces that are out would be missing from the next text
            self._forget(key)
            raise
        self._forget(key)
        return receipt

    async def answer(self, query_id: str, text: str = "", *, alert: bool = False) -> None:
        """Answers a press, at once and only once; too late or answered before is no matter."""
        if query_id in self._answered:
            return
        self._answered.append(query_id)
        said = split(text, MAX_ANSWER, None)[0]  # refused as a whole otherwise, and the button spins on
        try:
            await self._bot.answer_callback_query(query_id, said or None, show_alert=alert or None)
        except TelegramError:
            return

    async def _carry_out(self, key: Key, effect: Effect) -> int | None:
        if isinstance(effect, Send):
            return await self._send(key, effect.reply, effect.to, effect.bound)
        if isinstance(effect, Edit):
            return await self._edit(key, effect)
        if isinstance(effect, Delete):
            await self._delete(effect)
        return None

    async def _send(self, key: Key, reply: Reply, to: Address, bound: Bound) -> int:
        limit = MAX_CAPTION if reply.photo or reply.document else MAX_TEXT
        pieces = split(reply.text, limit, reply.parse_mode or self._default_parse_mode)
        markup = self._markup(reply, bound)
        common: dict[str, Any] = {"message_thread_id": to.thread, "business_connection_id": to.business}
        if reply.silent:  # left out otherwise: an explicit `None` would outdo the application's `Defaults`
            common["disable_notification"] = True
        message = 0
        begun, out = self._pieces.get(key, (pieces, 0))
        for number in range(out if begun == pieces else 0, len(pieces)):
            last = number == len(pieces) - 1
            options = {**common, "reply_markup": markup if last else None}
            media = reply if number == 0 else None
            message = await self._piece(media, pieces[number], limit, to.chat, reply.parse_mode, options)
            self._pieces[key] = (pieces, number + 1)
        self._pieces.pop(key, None)
        return message

    async def _piece(
        self,
        media: Reply | None,
        text: str,
        limit: int,
        chat: int | str,
        parse_mode: str | None,
        options: dict[str, Any],
    ) -> int:
        """One message, as a rule; formatting that Telegram refuses is sent once more as it is written."""
        try:
            return await self._message(media, text, chat, {**options, **_formatting(parse_mode)})
        except BadRequest as error:
            if "parse entities" not in str(error):
                raise
        *first, last = split(text, limit, None)  # formatting that never ends has kept it whole so far
        for part in first:
            await self._message(media, part, chat, {**options, **PLAIN, "reply_markup": None})
            media = None
        return await self._message(media, last, chat, {**options, **PLAIN})

    async def _message(self, media: Reply | None, text: str, chat: int | str, options: dict[str, Any]) -> int:
        bot = self._bot
        if media is not None and media.photo:
            sent = await bot.send_photo(chat, _file(media.photo), caption=text or None, **options)
        elif media is not None and media.document:
            sent = await bot.send_document(chat, _file(media.document), caption=text or None, **options)
        else:
            sent = await bot.send_message(chat, text, **options)
        return sent.message_id

    async def _edit(self, key: Key, effect: Edit) -> int | None:
        """Edits a message; what cannot be edited any more is sent anew."""
        reply = effect.reply
        try:
            if reply is None:
                await self._strip(key, effect)
            elif reply.photo or reply.document:
                return await self._anew(key, effect, reply)
            else:
                await self._edit_text(effect, reply)
        except BadRequest as error:
            if "not modified" in str(error).lower() or reply is None:
                return None
            return await self._anew(key, effect, reply)
        return None

    async def _anew(self, key: Key, effect: Edit, reply: Reply) -> int:
        """Sends what cannot be edited, and takes the old message's buttons away if that is still there."""
        message = await self._send(key, reply, effect.to, effect.bound)
        try:
            await self._strip(key, effect)
        except TelegramError:
            return message  # never again for its sake: the message is out, and old buttons are only stale
        return message

    async def _strip(self, key: Key, effect: Edit) -> None:
        connection = _connection(effect.to) or _connection(key)  # of an old view only chat and id are known
        await self._bot.edit_message_reply_markup(
            effect.to.chat, effect.message, business_connection_id=connection
        )

    async def _edit_text(self, effect: Edit, reply: Reply) -> None:
        markup = self._markup(reply, effect.bound)
        inline = markup if isinstance(markup, InlineKeyboardMarkup) else None
        where: dict[str, Any] = {
            "chat_id": effect.to.chat,
            "message_id": effect.message,
            "business_connection_id": _connection(effect.to),
        }
        try:
            await self._bot.edit_message_text(
                reply.text, **where, reply_markup=inline, **_formatting(reply.parse_mode)
            )
        except BadRequest as error:
            if "parse entities" not in str(error):
                raise
            await self._bot.edit_message_text(reply.text, **where, reply_markup=inline, **PLAIN)

    async def _delete(self, effect: Delete) -> None:
        for start in range(0, len(effect.messages), MAX_DELETE):
            try:
                await self._bot.delete_messages(effect.to.chat, effect.messages[start : start + MAX_DELETE])
            except (BadRequest, Forbidden):
                continue  # gone already, or too old: nothing that the person should hear of

    def _markup(self, reply: Reply, bound: Bound) -> Any:
        if reply.buttons:
            return InlineKeyboardMarkup(
                [[self._button(button, bound) for button in row] for row in reply.buttons]
            )
        if reply.keyboard:
            return ReplyKeyboardMarkup([list(row) for row in reply.keyboard], resize_keyboard=True)
        return ReplyKeyboardRemove() if reply.remove_keyboard else None

    def _button(self, button: Any, bound: Bound) -> InlineKeyboardButton:
        if button.url is not None:
            return InlineKeyboardButton(button.text, url=button.url)
        return InlineKeyboardButton(button.text, callback_data=self._buttons.encode(button, bound))

    @property
    def _default_parse_mode(self) -> str | None:
        defaults = self._bot.defaults if isinstance(self._bot, ExtBot) else None
        return defaults.parse_mode if defaults is not None else None

    def _forget(self, key: Key) -> None:
        self._failures.pop(key, None)
        self._pieces.pop(key, None)


def _formatting(parse_mode: str | None) -> dict[str, Any]:
    """Nothing where none is given, so that the application's `Defaults` count."""
    return {} if parse_mode is None else {"parse_mode": parse_mode}


def _connection(to: Address | Key) -> str | None:
    return None if to.business is None else str(to.business)


def _file(source: str) -> Any:
    """A local path as such; file ids and URLs as they are."""
    if source.startswith(("http://", "https://")):
        return source
    if os.path.isfile(source):
        return Path(source)
    if os.sep in source:  # no file id has one; PTB would call it a network error, to be tried for ever
        raise FileNotFoundError(f"no such file: {source}")
    return source


def _seconds(error: RetryAfter) -> float:
    wait: Any = error.retry_after  # an int, or a timedelta in newer versions of PTB
    return float(wait.total_seconds() if hasattr(wait, "total_seconds") else wait)
