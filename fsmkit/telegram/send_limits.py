"""Telegram's limits for messages, kept before Telegram says so. Needs `fsmkit[limits]`.

https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this: no more than 30 messages a
second over all, one a second in a chat (short bursts are tolerated), 20 a minute in a group. A refusal (429)
names longer times than it would have taken to wait. Where Telegram refuses all the same, or the extra is not
installed, the outbox waits as it is told.
"""

import asyncio
import random

from cachetools import TTLCache

from fsmkit.errors import RetryLater, requires_extra

with requires_extra("limits"):
    from aiolimiter import AsyncLimiter

OVER_ALL = 30
"""Messages a second."""

BURST = 5
"""Messages at once in a private chat; one a second follows."""

IN_GROUP = 20
"""Messages a minute in a group or a channel."""

MINUTE = 60.0

PATIENCE = 2.0
"""Seconds that a step waits for the limit over all; then it goes on, and the message is put off."""

MOST_CHATS = 100_000
"""Chats that are remembered at most, for a minute each: then a chat may do again what it might at first."""


class SendLimits:
    """Lets a message out when Telegram will take it; what has to wait is put off, like what Telegram refuses.

    So a chat that must wait holds up its own messages, in their order, and nothing else.
    """

    def __init__(self) -> None:
        self._over_all = AsyncLimiter(OVER_ALL, 1.0)
        chats: TTLCache[int | str, AsyncLimiter] = TTLCache[int | str, AsyncLimiter](MOST_CHATS, MINUTE)
        self._chats = chats

    async def wait(self, chat: int | str) -> None:
        """Return when a message to a chat may be sent, if that is soon.

        Args:
            chat: The chat's id, or the name of a channel.

        Raises:
            RetryLater: If it is not.
        """
        limiter = self._chats.get(chat)
        if limiter is None:
            private = isinstance(chat, int) and chat > 0
            limiter = AsyncLimiter(BURST, float(BURST)) if private else AsyncLimiter(IN_GROUP, MINUTE)
        self._chats[chat] = limiter  # also of one that was found: from now on it is remembered for a minute
        _check_room(limiter)
        try:
            async with asyncio.timeout(PATIENCE):
                await self._over_all.acquire()
        except TimeoutError:
            raise RetryLater(PATIENCE * random.uniform(0.5, 1.5)) from None  # not all at once
        _check_room(limiter)  # others of the chat may have been faster meanwhile
        await limiter.acquire()


def _check_room(limiter: AsyncLimiter) -> None:
    if not limiter.has_capacity():
        raise RetryLater(limiter.time_period / limiter.max_rate)
