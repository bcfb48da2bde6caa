"""What Telegram asks with a press or a payment is answered in time, and not once more where a handler has
answered it through PTB's own objects.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeAlias

from telegram import LabeledPrice, ShippingOption
from telegram.error import TelegramError

from fsmkit.clock import Clock, monotonic
from fsmkit.engine.engine import Engine
from fsmkit.engine.envelope import Outcome
from fsmkit.flow.messages import Verdict
from fsmkit.interpreter.naming import named
from fsmkit.telegram.event import TelegramEvent


class Query(Protocol):
    """What Telegram waits for an answer to.

    It is PTB's `CallbackQuery`, `PreCheckoutQuery`, `ShippingQuery`, or what stands for it on the fast lane.
    """

    id: str

    def get_bot(self) -> Any:
        """Return the bot through which a handler answers it."""
        ...

    def set_bot(self, bot: Any) -> None:
        """Have it answered through another one."""
        ...


TICK = 0.001
"""Seconds before its time at which an answer is due: no sleep is more exact."""


class AwaitedAnswer:
    """A query in hand, which somebody has to answer.

    Attributes:
        query: The query.
        about: What is answered when its time is up.
        due: When that is, by the monotonic clock.
        answered: Whether a handler has answered it through PTB's object.
        late: Whether it was answered by itself, or is being.
        sending: The answer that is given by itself, on its way or over.
    """

    __slots__ = ("about", "answered", "due", "late", "query", "sending")

    def __init__(self, query: Query, about: Any, due: float) -> None:
        self.query = query
        self.about = about
        self.due = due
        self.answered = False
        self.late = False
        self.sending: asyncio.Task[None] | None = None


class AnswerTimer:
    """Answers queries by itself when nobody has for some time.

    All may wait equally long, so that they stand in the order of their times, and one task sleeps until that
    of the first. A query that comes twice is in hand once.

    Args:
        clock: Where the time comes from.
        seconds: For how long others may answer; `None`: for ever.
        answer: Answers then, given what `begin` was.
    """

    def __init__(self, clock: Clock, seconds: float | None, answer: Callable[[Any], Awaitable[None]]) -> None:
        self._clock = clock
        self._seconds = seconds
        self._answer = answer
        self._in_hand: dict[str, AwaitedAnswer] = {}
        self._timed: dict[str, AwaitedAnswer] = {}
        """Those of them that others may still answer, the first to be due in front."""
        self._task: asyncio.Task[None] | None = None
        self._spy: AnswerSpy | None = None

    def begin(self, query: Query, about: Any) -> AwaitedAnswer:
        """Take a query in hand, if it is not; its time runs from here, and it is noted who answers it."""
        awaited = self._in_hand.get(query.id)
        if awaited is None:
            seconds = self._seconds
            due = 0.0 if seconds is None else monotonic(self._clock) + seconds
            awaited = self._in_hand[query.id] = AwaitedAnswer(query, about, due)
            if seconds is not None:
                self._timed[query.id] = awaited
                if self._task is None or self._task.done():
                    self._task = asyncio.get_running_loop().create_task(self._run(), name="fsmkit answers")
        bot: Any = query.get_bot()
        if type(bot) is not AnswerSpy:
            if self._spy is None or self._spy.bot is not bot:
                self._spy = AnswerSpy(bot, self._in_hand)
            spy: Any = self._spy
            query.set_bot(spy)
        return awaited

    def release(self, awaited: AwaitedAnswer) -> bool:
        """Leave the answer to whoever calls; return whether it is still to be given."""
        self._timed.pop(awaited.query.id, None)
        return not awaited.late and not awaited.answered

    def end(self, query: Query) -> "asyncio.Task[None] | None":
        """Note no more who answers a query, and leave its answer to others.

        Returns:
            The answer that is on its way, or over: it is waited for, not broken off.
        """
        bot: Any = query.get_bot()
        if type(bot) is AnswerSpy:
            query.set_bot(bot.bot)
        awaited = self._in_hand.get(query.id)
        if awaited is None or awaited.query is not query:
            return None
        del self._in_hand[query.id]
        self.release(awaited)
        return awaited.sending

    def answer(self, query: Query) -> None:
        """Begin to answer a query in hand, unless somebody has; `end` returns that answer."""
        awaited = self._in_hand.get(query.id)
        if awaited is not None and not awaited.late and not awaited.answered:
            self._begin_answer(awaited)

    async def stop(self) -> None:
        """End the task; what is in hand is left to whoever has it."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _begin_answer(self, awaited: AwaitedAnswer) -> None:
        self._timed.pop(awaited.query.id, None)
        awaited.late = True
        answering: Any = self._answer(awaited.about)
        loop = asyncio.get_running_loop()
        awaited.sending = loop.create_task(answering, name=f"fsmkit answer {awaited.query.id}")

    async def _run(self) -> None:
        while self._timed:
            first = next(iter(self._timed.values()))
            left = first.due - monotonic(self._clock)
            if left > TICK:
                await self._clock.sleep(left)
            elif first.answered:
                del self._timed[first.query.id]
            else:
                self._begin_answer(first)


async def over(sending: "asyncio.Task[None] | None") -> None:
    """Wait until an answer that is on its way, if there is one, is over, however it ends."""
    if sending is not None:
        await asyncio.wait({sending})


class AnswerSpy:
    """A bot that notes which queries in hand are answered through it; all else is the bot's.

    Attributes:
        bot: The bot.
    """

    def __init__(self, bot: Any, in_hand: dict[str, AwaitedAnswer]) -> None:
        self.bot = bot
        self._in_hand = in_hand

    def __getattr__(self, name: str) -> Any:
        return getattr(self.bot, name)

    def answer_callback_query(self, callback_query_id: str, *given: Any, **options: Any) -> Any:
        """Answer a press."""
        self._note(callback_query_id)
        return self.bot.answer_callback_query(callback_query_id, *given, **options)

    def answer_pre_checkout_query(self, pre_checkout_query_id: str, *given: Any, **options: Any) -> Any:
        """Approve or decline a payment."""
        self._note(pre_checkout_query_id)
        return self.bot.answer_pre_checkout_query(pre_checkout_query_id, *given, **options)

    def answer_shipping_query(self, shipping_query_id: str, *given: Any, **options: Any) -> Any:
        """Offer ways of shipping, or decline."""
        self._note(shipping_query_id)
        return self.bot.answer_shipping_query(shipping_query_id, *given, **options)

    def _note(self, query_id: str) -> None:
        awaited = self._in_hand.get(query_id)
        if awaited is not None:
            awaited.answered = True


class Answered:
    """Queries of which it is known that they were answered: the last ones."""

    def __init__(self, most: int = 256) -> None:
        self._most = most
        self._known: dict[str, None] = {}

    def add(self, query_id: str) -> bool:
        """Note a query; return whether it was not known."""
        known = self._known
        if query_id in known:
            return False
        known[query_id] = None
        if len(known) > self._most:
            del known[next(iter(known))]
        return True


_log = logging.getLogger("fsmkit")

ANSWER_WITHIN = 8.0
"""Seconds; Telegram waits for 10 (https://core.telegram.org/bots/api#answerprecheckoutquery)."""

Committed: TypeAlias = Callable[[Outcome], Awaitable[None]]


class Payments:
    """Answers the queries that come before a payment.

    Args:
        engine: Has the clock, and the flows with their texts.
        timed: Whether queries are declined when their time is up.

    Attributes:
        timer: Declines queries before Telegram gives up, whatever happens until then.
    """

    def __init__(self, engine: Engine, *, timed: bool = True) -> None:
        self._engine = engine
        self.timer = AnswerTimer(engine.clock, ANSWER_WITHIN if timed else None, self._decline_late)
        self._answered = Answered()

    async def handle(
        self,
        event: TelegramEvent,
        receive: Callable[[Committed, Callable[[], bool]], Awaitable[Outcome]],
    ) -> Outcome:
        """Have a query handled, and answer it unless nobody of the flows wants it.

        Args:
            event: The query.
            receive: Hands it to the engine, which tells of the outcome after the commit, and asks whether it
                is of no use any more: if it was declined while it waited, no handler should count on it.
        """
        awaited = self.timer.begin(event.query, event)

        async def committed(outcome: Outcome) -> None:
            verdicts = [effect for effect in outcome.effects if isinstance(effect, Verdict)]
            if verdicts or not awaited.answered:
                await self._answer(event, verdicts[-1] if verdicts else Verdict(), outcome.flow)

        try:
            outcome = await receive(committed, lambda: awaited.late)
            if outcome.kind == "duplicate":
                await self._answer(event, Verdict(), None)
            return outcome
        except Exception:
            if not awaited.answered:
                await self._answer(event, Verdict(), None)
            raise
        finally:
            await over(self.timer.end(event.query))

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
        if not self._answered.add(query.id):
            return
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
