"""What no handler of the bot wants, and Telegram waits for all the same: presses, payments in question.

The last of all handlers; what the flows themselves take is in `fsmkit.telegram.handler`.
"""

from typing import Any, TypeAlias

from telegram import CallbackQuery, Update
from telegram.ext import Application, BaseHandler, TypeHandler

from fsmkit.interpreter.compiled import FlowSet
from fsmkit.telegram.answers import Payments
from fsmkit.telegram.buttons import ButtonCodec, Foreign, looks_ours
from fsmkit.telegram.delivery import Delivery
from fsmkit.telegram.event import read_update
from fsmkit.telegram.handler import FlowHandler, unused

AnyApplication: TypeAlias = Application[Any, Any, Any, Any, Any, Any]


class UnclaimedPresses(BaseHandler[Update, Any, None]):
    """Answers presses that no handler of the bot wants, so that no button spins for ever.

    What looks like one of fsmkit's buttons and is none (forged, or of a flow that is not attached any more)
    is answered as a stale one.

    Args:
        application: Whose handlers are asked.
        delivery: Answers presses.
        buttons: Knows which flow a button claims to belong to.
        flows: All flows, for what a press is told.
    """

    __slots__ = ("_application", "_buttons", "_delivery", "_flows")

    def __init__(
        self,
        application: AnyApplication,
        delivery: Delivery,
        buttons: ButtonCodec,
        flows: FlowSet,
    ) -> None:
        super().__init__(unused, block=True)
        self._application = application
        self._delivery = delivery
        self._buttons = buttons
        self._flows = flows

    def check_update(self, update: object) -> bool:
        """Whether it is a press that nobody else wants."""
        if not isinstance(update, Update) or update.callback_query is None:
            return False
        # A `TypeHandler` that logs all updates answers none of our buttons.
        but = (TypeHandler,) if looks_ours(update.callback_query.data) else ()
        return not _wanted(self._application, update, but)

    async def handle_update(
        self, update: Update, application: Any, check_result: object, context: Any
    ) -> None:
        """Answers the press."""
        query = update.callback_query
        if query is not None:
            await self._delivery.answer(query.id, self._text(query))

    def _text(self, query: CallbackQuery) -> str:
        """Nothing for a press that is not ours, or is ours and was passed by its flow."""
        try:
            if not looks_ours(query.data) or self._buttons.decode(query.data, query.from_user.id) is not None:
                return ""
        except Foreign:  # under an inline message
            return ""
        table = self._flows.tables.get(self._buttons.claimed(query.data) or "") or self._flows.entries[0]
        return table.flow.text_for("stale", query.from_user.language_code) or ""


class UnclaimedPayments(BaseHandler[Update, Any, None]):
    """Declines payments that no handler of the bot wants, so that nobody waits for ever.

    Args:
        application: Whose handlers are asked.
        payments: Declines it.
    """

    __slots__ = ("_application", "_payments")

    def __init__(
        self,
        application: AnyApplication,
        payments: Payments,
    ) -> None:
        super().__init__(unused, block=True)
        self._application = application
        self._payments = payments

    def check_update(self, update: object) -> bool:
        """Whether it is a question before a payment that nobody else wants; who logs all updates does not."""
        if not isinstance(update, Update) or not (update.pre_checkout_query or update.shipping_query):
            return False
        return not _wanted(self._application, update, (TypeHandler,))

    async def handle_update(
        self, update: Update, application: Any, check_result: object, context: Any
    ) -> None:
        """Declines the payment."""
        event = read_update(update, None)
        if event is not None:
            await self._payments.decline(event)


def _wanted(application: AnyApplication, update: Update, but: tuple[type, ...]) -> bool:
    """Whether a handler of the bot's own wants an update; the flows have let it pass."""
    others = (FlowHandler, UnclaimedPresses, UnclaimedPayments, *but)
    return any(
        (found := handler.check_update(update)) is not None and found is not False
        for handlers in application.handlers.values()
        for handler in handlers
        if not isinstance(handler, others)
    )
