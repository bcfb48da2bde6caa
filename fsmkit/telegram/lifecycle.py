"""The engine's life within the application's: started and stopped with it, however it is driven."""

import logging
from collections.abc import Callable, Coroutine
from typing import Any

from telegram.ext import Application

from fsmkit.engine.engine import Engine
from fsmkit.errors import DefinitionError

_log = logging.getLogger("fsmkit")

AnyApplication = Application[Any, Any, Any, Any, Any, Any]


Callback = Callable[[AnyApplication], Coroutine[Any, Any, None]]


class Lifecycle:
    """Hooks an engine to an application.

    `run_polling` and `run_webhook` call `post_init`, `post_stop` and `post_shutdown`: the engine's start and
    stop are chained to the user's own. Driven by hand, a `KeyedProcessor` or `async with engine:` does it,
    or else the first update, with one warning.
    """

    def __init__(self, application: AnyApplication, engine: Engine) -> None:
        self._application = application
        self._engine = engine
        self._early = False
        application.post_init = _chain(application.post_init, self._start)
        # `post_stop` rather than `post_shutdown`: messages that wait need the bot's connection.
        application.post_stop = _chain(self._stop, application.post_stop)
        application.post_shutdown = _chain(self._close, application.post_shutdown)

    @property
    def busy(self) -> bool:
        """Whether timeouts have to wait: for updates, or for the application to be ready."""
        if self._early and self._application.running:
            self._early = False
        return self._early or not self._application.update_queue.empty()

    async def begin(self) -> None:
        """Start the engine when the application is initialized; a `KeyedProcessor` calls it."""
        self._early = True  # `post_init`, which may open what handlers need, comes later
        await self._engine.start()

    async def end(self) -> None:
        """Stop the engine when the application is shut down; a `KeyedProcessor` calls it."""
        await self._engine.stop(drain=0)  # the bot's connection is closed: what waits stays in the store

    async def ensure(self, application: AnyApplication, group: int) -> None:
        """Start the engine if nobody has, and check that the group is still the handler's own."""
        handlers = application.handlers.get(group, ())
        if len(handlers) != 1:
            raise group_taken(group, "another handler was added to it")
        await self.started()

    async def started(self) -> None:
        """Start the engine if nobody has."""
        if not self._engine.running:
            _log.warning(
                "fsmkit is started by the first update, since the application is driven by hand; "
                "write `async with engine:` around it, so that it is stopped too"
            )
            await self._engine.start()

    async def _start(self, application: AnyApplication) -> None:
        self._early = False
        if self._engine.face.received is None and self._engine.store.durable:
            _log.info(
                "Updates are confirmed to Telegram before they are handled: a kill loses the current one. "
                "fsmkit.telegram.Receiver(app, engine).run_polling() loses none"
            )
        await self._engine.start()

    async def _stop(self, application: AnyApplication) -> None:
        await self._engine.stop()

    async def _close(self, application: AnyApplication) -> None:
        await self._engine.stop()
        await self._engine.store.close()


def group_taken(group: int, why: str) -> DefinitionError:
    """Return the error for a group that is not fsmkit's own."""
    return DefinitionError(
        f"group {group} must be fsmkit's own: {why}, and PTB runs one handler of a group",
        place=None,
        remedy=f"Put gate-keepers into a lower group ({group - 1}), logging and all else into a higher one, "
        f"or give attach(..., group=...) an empty group",
    )


def _chain(first: Callback | None, second: Callback | None) -> Callback:
    async def both(application: AnyApplication) -> None:
        try:
            if first is not None:
                await first(application)
        finally:
            if second is not None:
                await second(application)

    return both
