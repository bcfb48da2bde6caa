"""The fast lane: texts and presses go from their bytes to the flows, without PTB's objects and its dispatch.

An update on the lane takes the way that `fsmkit.telegram.intake` describes, in the turn that any update has;
only its two ends differ. Its event is read from the bytes (`fsmkit.telegram.raw_update`), and PTB's objects
are made of them when a handler, a filter or an error handler first asks. And the flows are asked here instead
of by `Application.process_update`, which would build a context, walk over the bot's handlers and be stopped
by an exception. That may only be left out where it would change nothing: no handler of the bot comes before
the flows, and nothing of PTB looks at updates besides. What no flow takes goes on to
`Application.process_update` after all, in the same turn, where the flows are not asked again.
"""

import logging
from collections.abc import Awaitable
from typing import Any

from telegram.ext import Application, CallbackContext, ExtBot, SimpleUpdateProcessor

from fsmkit.telegram.buttons import looks_ours
from fsmkit.telegram.event import TelegramEvent, read_event
from fsmkit.telegram.handler import FlowHandler
from fsmkit.telegram.intake import AnyApplication
from fsmkit.telegram.raw_update import RawReader
from fsmkit.telegram.update_processor import KeyedProcessor

_log = logging.getLogger("fsmkit")


class FastLane:
    """Reads texts and presses from their bytes, and has the flows handle them.

    Args:
        application: The application.
        handler: What `attach` has put into it.
    """

    def __init__(self, application: AnyApplication, handler: FlowHandler) -> None:
        self._application = application
        self._handler = handler
        self._intake = handler.intake
        self._read = RawReader(application).read
        self._handlers: Any = None
        """The application's table of handlers that was looked at last: it is another one with a new group."""
        self._obstacle: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether updates may take it; if not, the log says why, once."""
        if self._application.handlers is not self._handlers:
            self._handlers = self._application.handlers
            before, self._obstacle = self._obstacle, obstacle(self._application, self._handler)
            if self._obstacle not in (None, before):
                _log.info("every update is parsed as a whole and goes through PTB: %s", self._obstacle)
        return self._obstacle is None

    def read(self, body: bytes) -> TelegramEvent | None:
        """Return the event of an update that may take the lane; `None`: it takes the ordinary way.

        Args:
            body: The update, as JSON.
        """
        raw = self._read(body) if self.is_open else None
        if raw is None or (raw.press is not None and not looks_ours(raw.press.data)):
            return None
        return read_event(raw, self._intake.username)

    def handle(self, event: TelegramEvent) -> Awaitable[None]:
        """Have the flows handle an event, then the bot's other handlers if no flow has taken it.

        Args:
            event: What `read` has returned; it can be handled once. Its update's turn has come.
        """
        try:
            checked = self._intake.check(event) if self.is_open else None
        except Exception:  # it is raised again where PTB hands it to the error handlers
            checked = None
        if checked is None:
            return self._application.process_update(event.update)
        return self._handler.handle_event(checked, event.raw)


def obstacle(application: AnyApplication, handler: FlowHandler) -> str | None:
    """Return why updates must not take the fast lane, in a few words; `None` if they may."""
    bot, process = application.bot, getattr(application.process_update, "__func__", None)
    written_in = getattr(process, "__globals__", {}).get("__name__")
    if application.context_types.context is not CallbackContext:
        return "the application has a context class of its own (ContextTypes)"
    if application.persistence is not None:
        return "the application has a persistence"
    if isinstance(bot, ExtBot) and bot.callback_data_cache is not None:
        return "the bot has a callback_data_cache"
    # What wraps the method on the class itself is told by the module in which it was written.
    if process is not Application.process_update or written_in != Application.__module__:
        return "Application.process_update is overridden"
    if type(application.update_processor) not in (KeyedProcessor, SimpleUpdateProcessor):
        return f"the update processor is a {type(application.update_processor).__name__}"
    if type(handler) is not FlowHandler:
        return "flows stand in the places of ConversationHandlers (move)"
    first = next((group for group, handlers in application.handlers.items() if handlers), None)
    if first != handler.group or application.handlers[handler.group][0] is not handler:
        return f"the handlers of group {first} come before the flows"
    return None
