"""Payments in question: Telegram asks, waits ten seconds, and the money is taken only on a clear yes.

A query is answered once: by what the handler said, right after the commit, else with a no: when the handler
said nothing, raised, was too slow, or nobody wanted it. Nothing of this is stored.
"""

import logging
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeAlias

from telegram import LabeledPrice, ShippingOption
from telegram.error import TelegramError

from fsmkit.effects import Verdict
from fsmkit.engine import Engine
from fsmkit.outcome import Outcome
from fsmkit.telegram.answering import InTime
from fsmkit.telegram.event import TelegramEvent

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
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._answered: deque[str] = deque(maxlen=MAX_ANSWERED)

    def watch(self, event: TelegramEvent) -> InTime:
        """Sees to it that a query is declined before Telegram gives up, whatever happens until then."""
        return InTime(event.query, self._engine.clock, ANSWER_WITHIN, partial(self._decline_late, event))

    async def handle(
        self,
        event: TelegramEvent,
        watched: InTime,
        receive: Callable[[Committed, Callable[[], bool]], Awaitable[Outcome]],
    ) -> Outcome:
        """Has a query handled, and answers it unless nobody of the flows wants it.

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
        """Declines a query that nobody wants."""
        await self._answer(event, Verdict(), None)

    async def _decline_late(self, event: TelegramEvent) -> None:
        _log.warning("%r was declined: its turn or its handler took over %d seconds", event, ANSWER_WITHIN)
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
            _log.warning("%r could not be answered: %s", event, error)

    def _words(self, event: TelegramEvent, flow: str | None) -> str:
        table = self._engine.flows.tables.get(flow or "", self._engine.flows.entries[0])
        return table.flow.text_for("declined", event.address.lang) or "-"  # Telegram wants a reason


def _option(option: Any) -> ShippingOption:
    if isinstance(option, ShippingOption):
        return option
    ident, title, prices = option
    return ShippingOption(ident, title, [LabeledPrice(label, amount) for label, amount in prices])
