"""Whether a handler has answered a press or a payment by itself, so that it is not answered once more."""

from collections.abc import Callable
from typing import Any

from telegram import CallbackQuery, PreCheckoutQuery, ShippingQuery

ANSWERS = frozenset({"answer_callback_query", "answer_pre_checkout_query", "answer_shipping_query"})
"""Methods of the bot that answer what Telegram asks."""


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
