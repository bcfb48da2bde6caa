"""One session of a store for each event loop, since connections belong to the loop that made them.

A program may use one store in loops one after the other (`asyncio.run` twice), in loops of several threads,
and in processes that were forked after the store was made. Each loop gets a session of its own.
"""

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from fsmkit.errors import StoreMisconfigured, StoreUnavailable

_log = logging.getLogger("fsmkit")

S = TypeVar("S")

GOODBYE_SECONDS = 5.0
"""How long closing a store waits for the event loop of another thread."""


class LoopSessions(Generic[S]):
    """The sessions of one store.

    A session ends with its loop, whose end cancels the session's tasks. That of a loop which was closed
    without cancelling its tasks is dropped when another session is made.

    Args:
        make: Makes a session in the running loop.
        close: Closes a session; runs in the session's loop.
    """

    def __init__(self, make: Callable[[], S], close: Callable[[S], Coroutine[Any, Any, None]]) -> None:
        self._make = make
        self._close = close
        self._closed = False
        # Without a lock, which a fork could leave locked for ever: only the running loop adds its session.
        # Those of a parent process stay, for closing them here would disturb the parent's connections.
        self._sessions: dict[tuple[int, asyncio.AbstractEventLoop], S] = {}

    def current(self) -> S:
        """Return the session of the running loop; make it where there is none.

        Raises:
            StoreUnavailable: If the store was closed.
            StoreMisconfigured: If the loop was in use before the process was forked.
        """
        place = (os.getpid(), asyncio.get_running_loop())
        session = self._sessions.get(place)
        if session is None or self._closed:
            session = self._sessions[place] = self._new(*place)
        return session

    async def close(self) -> None:
        """Close the sessions of this process and refuse new ones."""
        self._closed = True
        here = asyncio.get_running_loop()
        for place, session in list(self._sessions.items()):
            process, loop = place
            if process == os.getpid():
                self._sessions.pop(place, None)
                if loop is here:
                    await self._close(session)
                elif loop.is_running():
                    await self._close_elsewhere(loop, session)

    def _new(self, process: int, loop: asyncio.AbstractEventLoop) -> S:
        if self._closed:
            raise StoreUnavailable("the store was closed")
        for known in list(self._sessions):
            if known[0] == process and known[1].is_closed():
                self._sessions.pop(known, None)
            elif known[1] is loop:
                raise StoreMisconfigured(
                    "the store was used in this event loop before the process was forked",
                    remedy="Run the child's work in a loop of its own: asyncio.run(...) after the fork",
                )
        return self._make()

    async def _close_elsewhere(self, loop: asyncio.AbstractEventLoop, session: S) -> None:
        closing = self._close(session)
        try:
            done = asyncio.run_coroutine_threadsafe(closing, loop)
        except RuntimeError:  # the loop was closed meanwhile, its session with it
            closing.close()
        else:
            await asyncio.wait([asyncio.wrap_future(done)], timeout=GOODBYE_SECONDS)


class WarnOnce:
    """Warnings of one store, each logged once however many sessions find a reason for it."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def __call__(self, text: str) -> None:
        """Log a warning unless it was logged before."""
        if text not in self._said:
            self._said.add(text)
            _log.warning("%s", text)
