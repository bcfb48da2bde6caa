"""PTB's context on the direct driver, for flows whose handlers use `ctx.bot` or `ctx.telegram`.

What a handler sends so goes to an offline Telegram and is shown; it is not put back with the rest.
"""

from collections.abc import Callable
from typing import Any

from telegram import Bot

from fsmkit.botapi.offline import OfflineTelegram
from fsmkit.botapi.request import AnyApplication
from fsmkit.clock import Clock
from fsmkit.testing.harness.rendering import Screen, content_of


class BotSide:
    """A bot that handlers may ask at once.

    Args:
        clock: The bot's clock.
        out: Told of each line that a person sees.
    """

    def __init__(self, clock: Clock, out: Callable[[str], None]) -> None:
        self._offline = OfflineTelegram(clock=clock)
        self._app: AnyApplication = self._offline.builder().build()
        self._screen = Screen(self._offline, 0, out, numbered=False)
        self._known: set[int] = set()

    @property
    def bot(self) -> Bot:
        """The bot."""
        bot: Bot = self._app.bot
        return bot

    async def start(self) -> None:
        """Lets the bot find out who it is."""
        await self._app.initialize()

    def context(self, chat: int | None, user: int | None) -> Any:
        """PTB's context for a conversation."""
        if user is not None and user not in self._known:
            self._known.add(user)
            self._offline.add_user(user)
        if chat is not None and chat < 0 and chat not in self._known:
            self._known.add(chat)
            self._offline.add_chat(chat)
        return self._app.context_types.context(application=self._app, chat_id=chat, user_id=user)

    def texts(self, chat: int) -> list[str]:
        """The bot's messages in a chat as they stand now, oldest first."""
        if chat not in self._known:
            return []
        return [content_of(message) for message in self._offline.messages(chat)]

    def show(self) -> None:
        """Shows what was sent since the last call."""
        self._screen.show()
