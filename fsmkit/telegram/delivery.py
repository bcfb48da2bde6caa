"""Delivery: one effect is carried out, and what may be tried again is told apart.

Order and repetition are the outbox's: this raises `RetryLater` for what has to wait, `Unreachable` where
nobody is there any more, and whatever Telegram said for what is refused for good.
"""

import contextlib
import re
import warnings
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from telegram import Bot
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
)

from fsmkit.clock import Clock, monotonic
from fsmkit.errors import RetryLater, Unreachable
from fsmkit.flow.messages import Address
from fsmkit.interpreter.row import Delete, Edit, Effect, Send
from fsmkit.keys import Key
from fsmkit.telegram.answers import Answered
from fsmkit.telegram.buttons import ButtonCodec
from fsmkit.telegram.chat_migration import in_new_chat
from fsmkit.telegram.sending import Messages, connection
from fsmkit.telegram.splitting import split

if TYPE_CHECKING:  # it needs an extra
    from fsmkit.telegram.send_limits import SendLimits

NETWORK_DELAYS = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds between tries while Telegram does not answer; the last one goes on."""
UNREACHABLE = re.compile(
    r"not enough rights(?! to send (?!text))|no rights to send|chat not found|CHAT_WRITE_FORBIDDEN"
    r"|business[ _]connection[ _](invalid|not[ _]found)",
    re.IGNORECASE,
)
"""What Telegram says, with 400 instead of 403, where the bot cannot write any more; that it may not send
photos, or the like, keeps no text out.
"""
NO_ANSWER = "Invalid server response"
"""What PTB says of a success that is no answer of the Bot API: it comes from a proxy, or is cut off."""
MAX_DELETE = 100
DEEP_LINK = "https://t.me/"
MAX_ANSWER = 200
"""Characters, https://core.telegram.org/bots/api#answercallbackquery."""


class Delivery:
    """What sends, edits and deletes messages for the outbox.

    Args:
        bot: PTB's bot.
        buttons: Makes callback data.
        clock: Tells when a chat has waited long enough.
        limits: Has messages wait before Telegram would refuse them; `None`: they are sent at once.
    """

    def __init__(
        self, bot: Bot, buttons: ButtonCodec, clock: Clock, limits: "SendLimits | None" = None
    ) -> None:
        self._limits = limits
        self._bot = bot
        self._buttons = buttons
        self._clock = clock
        self.migrated: Callable[[int | str, int], Awaitable[None]] | None = None
        """Told of a group that has become a supergroup, before its message is sent there."""
        self.forget()

    def forget(self) -> None:
        """Forget who has to wait, what was answered and what is half sent, as a new process would."""
        self._messages = Messages(self._bot, self._buttons)
        self._waits: dict[int | str, float] = {}
        """Until when a chat has to wait (429), whoever of it writes there: Telegram's limit is the chat's. By
        the monotonic clock: a wall clock that is put back would silence the chat for as long."""
        self._failures: dict[Key, int] = {}
        self._answered = Answered()

    async def __call__(self, key: Key, effect: Effect) -> int | None:
        """Carry one effect out.

        Returns:
            The id of the message that was sent, if it is to be remembered.

        Raises:
            RetryLater: If the chat or the network has to be waited for.
            Unreachable: If the person has blocked the bot, or the bot was removed from the chat, or may not
                write there.
            telegram.error.TelegramError: If Telegram refuses the effect for good.
        """
        if self._waits:
            self._check_wait(effect)
        if self._limits is not None and isinstance(effect, Send | Edit):
            await self._limits.wait(effect.to.chat)
        try:
            try:
                receipt = await self._carry_out(key, effect)
            except ChatMigrated as error:
                receipt = None
                await self._carry_out_in_new_chat(key, effect, error.new_chat_id)
        except RetryAfter as error:
            seconds = _seconds(error)
            if isinstance(effect, Send | Edit | Delete):
                self._waits[effect.to.chat] = monotonic(self._clock) + seconds
            raise RetryLater(seconds) from error
        except Forbidden as error:
            self._forget(key)
            raise Unreachable(str(error)) from error
        except (BadRequest, InvalidToken) as error:  # NetworkErrors in PTB, but no use to repeat
            self._forget(key)
            if UNREACHABLE.search(error.message):
                raise Unreachable(str(error)) from error
            raise
        except TelegramError as error:
            if not _may_pass(error):
                self._forget(key)
                raise
            tries = self._failures[key] = self._failures.get(key, 0) + 1
            raise RetryLater(NETWORK_DELAYS[min(tries, len(NETWORK_DELAYS)) - 1]) from error
        except Exception:  # else the pieces that are out would be missing from the next text
            self._forget(key)
            raise
        if self._failures:
            self._failures.pop(key, None)
        return receipt

    async def answer(
        self, query_id: str, text: str = "", *, alert: bool = False, opens: bool = False
    ) -> None:
        """Answer a press, at once and only once; too late or answered before is no matter.

        Args:
            query_id: The press.
            text: What is shown.
            alert: Whether it has to be confirmed.
            opens: Whether a text that is a link to Telegram is opened instead: a deep link begins in private.
        """
        if not self._answered.add(query_id):
            return
        # Refused as a whole if it is longer, and the button would spin on.
        said = split(text, MAX_ANSWER, None)[0] if text else None
        try:
            if opens and text.startswith(DEEP_LINK):
                await self._bot.answer_callback_query(query_id, url=text)
                return
            await self._bot.answer_callback_query(query_id, said, show_alert=alert or None)
        except TelegramError:
            return

    def _check_wait(self, effect: Effect) -> None:
        """Raise RetryLater where Telegram would refuse once more, and perhaps for longer."""
        now = monotonic(self._clock)
        for chat in [chat for chat, until in self._waits.items() if until <= now]:
            del self._waits[chat]
        until = self._waits.get(effect.to.chat) if isinstance(effect, Send | Edit | Delete) else None
        if until is not None:
            raise RetryLater(until - now)

    async def _carry_out_in_new_chat(self, key: Key, effect: Any, chat: int) -> None:
        """Carry an effect out in the supergroup that its group has become; nothing is noted of it."""
        if self.migrated is not None:
            await self.migrated(effect.to.chat, chat)
        moved = in_new_chat(effect, chat)
        if moved is not None:
            await self._carry_out(key, moved)

    def _carry_out(self, key: Key, effect: Effect) -> Awaitable[int | None]:
        if isinstance(effect, Send):
            return self._messages.send(key, effect.reply, effect.to, effect.bound, selective=effect.selective)
        if isinstance(effect, Edit):
            return self._messages.edit(key, effect)
        return self._delete_all(key, effect)

    async def _delete_all(self, key: Key, effect: Effect) -> None:
        """Delete messages; an answer to a press is none of the outbox's."""
        if isinstance(effect, Delete):
            for start in range(0, len(effect.messages), MAX_DELETE):
                await self._delete(effect.messages[start : start + MAX_DELETE], effect.to, key)

    async def _delete(self, messages: Sequence[int], to: Address, key: Key) -> None:
        """Delete what can be deleted: one that cannot makes Telegram refuse all of a request."""
        try:
            await self._delete_at_once(messages, to, key)
        except Forbidden:
            return
        except BadRequest:
            for message in messages if len(messages) > 1 else ():
                with contextlib.suppress(BadRequest, Forbidden):  # gone, too old, or another person's
                    await self._delete_one(message, to, key)

    async def _delete_at_once(self, messages: Sequence[int], to: Address, key: Key) -> None:
        business = connection(to, key)
        if business is not None:
            await self._bot.delete_business_messages(business, messages)
        else:
            await self._bot.delete_messages(to.chat, messages)

    async def _delete_one(self, message: int, to: Address, key: Key) -> None:
        if connection(to, key) is not None:
            await self._delete_at_once([message], to, key)
        else:
            await self._bot.delete_message(to.chat, message)

    def _forget(self, key: Key) -> None:
        self._failures.pop(key, None)
        self._messages.forget(key)


def _may_pass(error: TelegramError) -> bool:
    """Return whether the same request may be answered well later: nobody knows whether it was carried out."""
    if isinstance(error, NetworkError):
        return "too large" not in str(error).lower()  # 413, a file of more than 50 MB: it gets no smaller
    return error.message == NO_ANSWER


def _seconds(error: RetryAfter) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it will be another type: either is understood
        wait: Any = error.retry_after  # an int, or a timedelta in newer versions of PTB
    return float(wait.total_seconds() if hasattr(wait, "total_seconds") else wait)
