"""What Telegram asks with a press or a payment is answered in time, and not once more where a handler has
answered it through PTB's own objects.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from telegram import CallbackQuery, PreCheckoutQuery, ShippingQuery

from fsmkit.clock import Clock

ANSWERS = frozenset({"answer_callback_query", "answer_pre_checkout_query", "answer_shipping_query"})
"""Methods of the bot that answer what Telegram asks."""


class InTime:
    """Answers a query by itself when nobody has for some time; the time runs from here.

    Args:
        query: The query.
        clock: Where the time comes from.
        seconds: For how long others may answer.
        answer: Answers then.

    Attributes:
        late: Whether it was answered by itself, or is being.
    """

    __slots__ = ("_answer", "_clock", "_noted", "_seconds", "_task", "late")

    def __init__(
        self,
        query: CallbackQuery | PreCheckoutQuery | ShippingQuery,
        clock: Clock,
        seconds: float,
        answer: Callable[[], Awaitable[None]],
    ) -> None:
        self.late = False
        self._clock = clock
        self._seconds = seconds
        self._answer = answer
        self._noted = Noted(query)
        self._task = asyncio.get_running_loop().create_task(self._wait(), name=f"fsmkit answer {query.id}")

    @property
    def answered(self) -> bool:
        """Whether a handler has answered it through PTB's object."""
        return self._noted.answered

    async def stop(self) -> None:
        """Leaves the answer to others; one that is on its way is waited for, not broken off."""
        if self.late:
            await asyncio.wait({self._task})
        else:
            self._task.cancel()

    async def answer(self) -> None:
        """Answers at once, unless somebody has."""
        if not self.late and not self.answered:
            self.late = True
            self._task.cancel()
            await self._answer()

    async def end(self) -> None:
        """Stops, and notes no more what handlers answer."""
        self._noted.end()
        await self.stop()

    async def _wait(self) -> None:
        await self._clock.sleep(self._seconds)
        if not self.answered:
            self.late = True
            await self._answer()


class Noted:
    """Notes whether a query is answered through its own `answer(...)`, until `end`.

    Attributes:
        answered: Whether it was.
    """

    __slots__ = ("_bot", "_query", "answered")

    def __init__(self, query: CallbackQuery | PreCheckoutQuery | ShippingQuery) -> None:
        self.answered = False
        self._query = query
        self._bot: Any = query.get_bot()
        noting: Any = _Noting(self._bot, self._note)
        query.set_bot(noting)

    def end(self) -> None:
        """Gives the query its bot back."""
        self._query.set_bot(self._bot)

    def _note(self) -> None:
        self.answered = True


class _Noting:
    """A bot that tells when a query is answered; all else is the bot's."""

    def __init__(self, bot: Any, note: Callable[[], None]) -> None:
        self._bot = bot
        self._note = note

    def __getattr__(self, name: str) -> Any:
        if name in ANSWERS:
            self._note()
        return getattr(self._bot, name)
