"""What no handler of the bot wants, and Telegram waits for all the same: presses, payments in question.

The last of all handlers; what the flows themselves take, and how both are answered, is in
`fsmkit.telegram.intake`.
"""

import logging
from typing import Any, TypeAlias

from telegram import SuccessfulPayment, Update
from telegram.ext import Application, BaseHandler, TypeHandler

from fsmkit.telegram.buttons import looks_ours
from fsmkit.telegram.handler import FlowHandler, unused
from fsmkit.telegram.intake import Intake

_log = logging.getLogger("fsmkit")

AnyApplication: TypeAlias = Application[Any, Any, Any, Any, Any, Any]


class UnclaimedPresses(BaseHandler[Update, Any, None]):
    """Answers presses that no handler of the bot wants, so that no button spins for ever.

    What looks like one of fsmkit's buttons and is none (forged, or of a flow that is not attached any more)
    is answered as a stale one.

    Args:
        application: Whose handlers are asked.
        intake: Answers the press.
    """

    __slots__ = ("_application", "_intake")

    def __init__(self, application: AnyApplication, intake: Intake) -> None:
        super().__init__(unused, block=True)
        self._application = application
        self._intake = intake

    def check_update(self, update: object) -> bool:
        """Return whether it is a press that nobody else wants."""
        if not isinstance(update, Update) or update.callback_query is None:
            return False
        # A `TypeHandler` that logs all updates answers none of our buttons.
        but = (TypeHandler,) if looks_ours(update.callback_query.data) else ()
        return not _wanted(self._application, update, but)

    async def handle_update(
        self, update: Update, application: Any, check_result: object, context: Any
    ) -> None:
        """Answer the press."""
        await self._intake.answer_unclaimed(update)


class UnclaimedPayments(BaseHandler[Update, Any, None]):
    """Declines payments that no handler of the bot wants, and tells of money that came unwanted.

    Args:
        application: Whose handlers are asked.
        intake: Declines it.
    """

    __slots__ = ("_application", "_intake")

    def __init__(self, application: AnyApplication, intake: Intake) -> None:
        super().__init__(unused, block=True)
        self._application = application
        self._intake = intake

    def check_update(self, update: object) -> bool:
        """Return whether it is a payment that nobody else wants; who logs all updates does not."""
        if not isinstance(update, Update):
            return False
        if not (update.pre_checkout_query or update.shipping_query or _payment(update)):
            return False
        return not _wanted(self._application, update, (TypeHandler,))

    async def handle_update(
        self, update: Update, application: Any, check_result: object, context: Any
    ) -> None:
        """Decline the payment; money that has come is told of, since nobody else knows of it."""
        paid = _payment(update)
        if paid is not None:
            _log.error(
                "update %d: a payment reached no handler: %d %s for %r, charge %s; a state where it may come "
                "needs a handler for successful_payment()",
                *(update.update_id, paid.total_amount, paid.currency, paid.invoice_payload),
                paid.telegram_payment_charge_id,
            )
            return
        await self._intake.answer_unclaimed(update)


def _payment(update: Update) -> SuccessfulPayment | None:
    message = update.message or update.business_message
    return None if message is None else message.successful_payment


def _wanted(application: AnyApplication, update: Update, but: tuple[type, ...]) -> bool:
    """Return whether a handler of the bot's own wants an update; the flows have let it pass."""
    others = (FlowHandler, UnclaimedPresses, UnclaimedPayments, *but)
    return any(
        (found := handler.check_update(update)) is not None and found is not False
        for handlers in application.handlers.values()
        for handler in handlers
        if not isinstance(handler, others)
    )
