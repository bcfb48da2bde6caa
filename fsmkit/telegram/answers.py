"""What Telegram asks with a press or a payment is answered in time, and not once more where a handler has
answered it through PTB's own objects.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeAlias

from telegram import CallbackQuery, LabeledPrice, PreCheckoutQuery, ShippingOption, ShippingQuery
from telegram.error import TelegramError

from fsmkit.clock import Clock
from fsmkit.engine.engine import Engine
from fsmkit.engine.envelope import Outcome
from fsmkit.flow.messages import Verdict
from fsmkit.interpreter.naming import named
from fsmkit.telegram.event import TelegramEvent

ANSWERS = frozenset({"answer_callback_query", "answer_pre_checkout_query", "answer_shipping_query"})
"""Methods of the bot that answer what Telegram asks."""


class AnswerTimer:
    """Answers a query by itself when nobody has for some time; the time runs from here.

    Args:
        query: The query.
        clock: Where the time comes from.
        seconds: For how long others may answer; `None`: for ever.
        answer: Answers then.

    Attributes:
        late: Whether it was answered by itself, or is being.
    """

    __slots__ = ("_answer", "_clock", "_noted", "_task", "late")

    def __init__(
        self,
        query: CallbackQuery | PreCheckoutQuery | ShippingQuery,
        clock: Clock,
        seconds: float | None,
        answer: Callable[[], Awaitable[None]],
    ) -> None:
        self.late = False
        self._clock = clock
        self._answer = answer
        self._noted = AnswerSpy(query)
        self._task: asyncio.Task[None] | None = None
        if seconds is not None:
            loop = asyncio.get_running_loop()
            self._task = loop.create_task(self._wait(seconds), name=f"fsmkit answer {query.id}")

    @property
    def answered(self) -> bool:
        """Whether a handler has answered it through PTB's object."""
        return self._noted.answered

    async def stop(self) -> None:
        """Leave the answer to others; one that is on its way is waited for, not broken off."""
        if self._task is None:
            return
        if self.late:
            await asyncio.wait({self._task})
        else:
            self._task.cancel()

    async def answer(self) -> None:
        """Answer at once, unless somebody has."""
        if not self.late and not self.answered:
            self.late = True
            if self._task is not None:
                self._task.cancel()
            await self._answer()

    async def end(self) -> None:
        """Stop, and note no more what handlers answer."""
        self._noted.end()
        await self.stop()

    async def _wait(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
        if not self.answered:
            self.late = True
            await self._answer()


class AnswerSpy:
    """Notes whether a query is answered through its own `answer(...)`, until `end`.

    Attributes:
        answered: Whether it was.
    """

    __slots__ = ("_bot", "_query", "answered")

    def __init__(self, query: CallbackQuery | PreCheckoutQuery | ShippingQuery) -> None:
        self.answered = False
        self._query = query
        self._bot: Any = query.get_bot()
        noting: Any = _SpiedBot(self._bot, self._note)
        query.set_bot(noting)

    def end(self) -> None:
        """Give the query its bot back."""
        self._query.set_bot(self._bot)

    def _note(self) -> None:
        self.answered = True


class _SpiedBot:
    """A bot that tells when a query is answered; all else is the bot's."""

    def __init__(self, bot: Any, note: Callable[[], None]) -> None:
        self._bot = bot
        self._note = note

    def __getattr__(self, name: str) -> Any:
        if name in ANSWERS:
            self._note()
        return getattr(self._bot, name)


_log = logging.getLogger("fsmkit")

ANSWER_WITHIN = 8.0
"""Seconds; Telegram waits for 10 (https://core.telegram.org/bots/api#answerprecheckoutquery)."""


MAX_ANSWERED = 256
"""Queries of which it is known that they were answered."""

Committed: TypeAlias = Callable[[Outcome], Awaitable[None]]


class Payments:
    """Answers the queries that come before a payment.

    Args:
        engine: Has the clock, and the flows with their texts.
        timed: Whether queries are declined when their time is up.
    """

    def __init__(self, engine: Engine, *, timed: bool = True) -> None:
        self._engine = engine
        self._seconds = ANSWER_WITHIN if timed else None
        self._answered: deque[str] = deque(maxlen=MAX_ANSWERED)

    def watch(self, event: TelegramEvent) -> AnswerTimer:
        """See to it that a query is declined before Telegram gives up, whatever happens until then."""
        return AnswerTimer(event.query, self._engine.clock, self._seconds, partial(self._decline_late, event))

    async def handle(
        self,
        event: TelegramEvent,
        watched: AnswerTimer,
        receive: Callable[[Committed, Callable[[], bool]], Awaitable[Outcome]],
    ) -> Outcome:
        """Have a query handled, and answer it unless nobody of the flows wants it.

        Args:
            event: The query.
            watched: What declines it in time.
            receive: Hands it to the engine, which tells of the outcome after the commit, and asks whether it
                is of no use any more: if it was declined while it waited, no handler should count on it.
        """

        async def committed(outcome: Outcome) -> None:
            verdicts = [effect for effect in outcome.effects if isinstance(effect, Verdict)]
            if verdicts or not watched.answered:
                await self._answer(event, verdicts[-1] if verdicts else Verdict(), outcome.flow)

        try:
            outcome = await receive(committed, lambda: watched.late)
            if outcome.kind == "duplicate":
                await self._answer(event, Verdict(), None)
            return outcome
        except Exception:
            if not watched.answered:
                await self._answer(event, Verdict(), None)
            raise
        finally:
            await watched.end()

    async def decline(self, event: TelegramEvent) -> None:
        """Decline a query that nobody wants."""
        await self._answer(event, Verdict(), None)

    async def _decline_late(self, event: TelegramEvent) -> None:
        _log.warning(
            "%s was declined: its turn or its handler took over %d seconds", named(event), ANSWER_WITHIN
        )
        await self._answer(event, Verdict(), None)

    async def _answer(self, event: TelegramEvent, verdict: Verdict, flow: str | None) -> None:
        query = event.query
        if query.id in self._answered:
            return
        self._answered.append(query.id)
        try:
            if not verdict.approved:
                await query.answer(ok=False, error_message=verdict.text or self._words(event, flow))
            elif event.kind == "shipping_query":
                await query.answer(ok=True, shipping_options=[_option(one) for one in verdict.shipping])
            else:
                await query.answer(ok=True)
        except TelegramError as error:
            _log.warning("%s could not be answered: %s", named(event), error)

    def _words(self, event: TelegramEvent, flow: str | None) -> str:
        table = self._engine.flows.tables.get(flow or "", self._engine.flows.entries[0])
        return table.flow.text_for("declined", event.address.lang) or "-"  # Telegram wants a reason


def _option(option: Any) -> ShippingOption:
    if isinstance(option, ShippingOption):
        return option
    ident, title, prices = option
    return ShippingOption(ident, title, [LabeledPrice(label, amount) for label, amount in prices])
