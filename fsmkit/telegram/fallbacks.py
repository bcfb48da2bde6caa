"""What no handler of the bot wants, and Telegram waits for all the same: presses, payments in question.

The last of all handlers; what the flows themselves take, and how both are answered, is in
`fsmkit.telegram.intake`.
"""

from typing import Any, TypeAlias

from telegram import Update
from telegram.ext import Application, BaseHandler, TypeHandler

from fsmkit.telegram.buttons import looks_ours
from fsmkit.telegram.handler import FlowHandler, unused
from fsmkit.telegram.intake import Intake

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
    """Declines payments that no handler of the bot wants, so that nobody waits for ever.

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
        if not isinstance(update, Update) or not (update.pre_checkout_query or update.shipping_query):
            return False
        return not _wanted(self._application, update, (TypeHandler,))

    async def handle_update(
        self, update: Update, application: Any, check_result: object, context: Any
    ) -> None:
        """Decline the payment."""
        await self._intake.answer_unclaimed(update)


def _wanted(application: AnyApplication, update: Update, but: tuple[type, ...]) -> bool:
    """Return whether a handler of the bot's own wants an update; the flows have let it pass."""
    others = (FlowHandler, UnclaimedPresses, UnclaimedPayments, *but)
    return any(
        (found := handler.check_update(update)) is not None and found is not False
        for handlers in application.handlers.values()
        for handler in handlers
        if not isinstance(handler, others)
    )
