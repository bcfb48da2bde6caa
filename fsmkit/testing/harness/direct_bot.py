"""PTB's bot with a short cut: what an outbox sends most goes to the Bot API in memory without PTB's layers.

It is the world's own Bot API that judges each request, and PTB's own exceptions that come of a refusal; only
the way there is shorter, since generated conversations go it thousands of times a second.
"""

import asyncio
import json
import warnings
from collections.abc import Callable
from typing import Any, NoReturn

import attrs
from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup, TelegramObject
from telegram.error import NetworkError
from telegram.request import BaseRequest

from fsmkit.botapi.api import BotApi
from fsmkit.botapi.errors import ApiError, DroppedError, Json


@attrs.frozen
class Sent:
    """What delivery wants to know of a message that was sent.

    Attributes:
        message_id: Its id.
    """

    message_id: int


class DirectBot:
    """A bot for `Delivery`; methods that are not here are those of PTB's bot.

    Args:
        bot: PTB's bot.
        api: The Bot API in memory that it talks to.
        yields: Whether others go on meanwhile, as with a request over a network.
    """

    def __init__(self, bot: Bot, api: BotApi, yields: Callable[[], bool]) -> None:
        self._bot = bot
        self._api = api
        self._yields = yields

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bot, name)

    async def send_message(self, chat_id: int | str, text: str, **options: Any) -> Sent:
        """Send a message."""
        sent = await self._ask("sendMessage", {"chat_id": chat_id, "text": text, **options})
        return Sent(sent["message_id"])

    async def edit_message_text(self, text: str, **options: Any) -> None:
        """Change a message."""
        await self._ask("editMessageText", {"text": text, **options})

    async def edit_message_reply_markup(self, **options: Any) -> None:
        """Change the buttons under a message, or take them away."""
        await self._ask("editMessageReplyMarkup", options)

    async def delete_messages(self, chat_id: int | str, message_ids: Any) -> None:
        """Delete messages."""
        await self._ask("deleteMessages", {"chat_id": chat_id, "message_ids": list(message_ids)})

    async def answer_callback_query(
        self, callback_query_id: str, text: str | None = None, show_alert: bool | None = None
    ) -> None:
        """Answer a press."""
        asked = {"callback_query_id": callback_query_id, "text": text, "show_alert": show_alert}
        await self._ask("answerCallbackQuery", asked)

    async def _ask(self, method: str, options: Json) -> Any:
        if self._yields():
            await asyncio.sleep(0)
        values = {name: _plain(value) for name, value in options.items() if value is not None}
        values |= values.pop("api_kwargs", {})
        try:
            return await self._api.call(method, values)
        except DroppedError as dropped:
            raise NetworkError(f"connection broken by order during {dropped}") from dropped
        except ApiError as error:
            await _refused(error)


def _plain(value: Any) -> Any:
    """Return an option as JSON; buttons that only bring data by a shorter way than PTB's."""
    if isinstance(value, InlineKeyboardMarkup):
        return {"inline_keyboard": [[_button(button) for button in row] for row in value.inline_keyboard]}
    return value.to_dict() if isinstance(value, TelegramObject) else value


def _button(button: InlineKeyboardButton) -> Json:
    if isinstance(button.callback_data, str) and not button.api_kwargs:
        return {"text": button.text, "callback_data": button.callback_data}
    return button.to_dict()


async def _refused(error: ApiError) -> NoReturn:
    """Raise PTB's exception for a refusal, as PTB makes it."""
    with warnings.catch_warnings():  # nothing else runs meanwhile: a refusal waits for nobody
        warnings.simplefilter("ignore", DeprecationWarning)  # PTB warns of a number that it reads itself
        await _Refusal(error).post("")
    raise AssertionError("a refusal that PTB takes for success")  # pragma: no cover


class _Refusal(BaseRequest):
    """A request that is refused."""

    __slots__ = ("_error",)

    def __init__(self, error: ApiError) -> None:
        self._error = error

    @property
    def read_timeout(self) -> float | None:
        """None: the answer is there."""
        return None

    async def initialize(self) -> None:
        """There is nothing to open."""

    async def shutdown(self) -> None:
        """There is nothing to close."""

    async def do_request(self, *_args: Any, **_options: Any) -> tuple[int, bytes]:
        """Return the refusal."""
        return self._error.status, json.dumps(self._error.body()).encode()
