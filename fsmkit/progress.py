"""How far a job has come, carried to the person: the last that it reported, and not too often.

It goes through the row and its outbox like all that is said, so that it never comes after what is said later.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Protocol

from fsmkit.clock import Clock
from fsmkit.context import Say
from fsmkit.effects import Reply, as_reply, as_screen
from fsmkit.jobcontext import JobContext
from fsmkit.keys import Key
from fsmkit.turn import Turn
from fsmkit.wishes import address_of, effects_of
from fsmkit.work import Begun, attempt_stands, find

_log = logging.getLogger("fsmkit")

PROGRESS_SECONDS = 3.0
"""Seconds between two edits: a bot may send a group 20 messages a minute
(https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this)."""


class Editor(Protocol):
    """What writes rows: the engine.

    Attributes:
        clock: Where the time comes from.
    """

    clock: Clock

    async def edit(self, key: Key, change: Callable[[Any], None]) -> Any:
        """Writes a row by hand, under its lease, and delivers what it leaves in the outbox."""
        ...


class Progress:
    """Shows what one attempt reports, until it is stopped."""

    def __init__(self, engine: Editor, key: Key, begun: Begun, context: JobContext) -> None:
        self._engine = engine
        self._key = key
        self._begun = begun
        self._context = context
        self._showing = asyncio.Lock()
        self._shown = False
        self._task = asyncio.ensure_future(self._run()) if begun.rule.wants_job else None

    async def stop(self) -> None:
        """Shows no more; when it returns, what was being shown is committed."""
        if self._task is not None:
            async with self._showing:
                self._task.cancel()

    async def _run(self) -> None:
        while True:
            await self._context.news.wait()
            async with self._showing:
                await self._show(self._context.take())
            await self._engine.clock.sleep(PROGRESS_SECONDS)

    async def _show(self, said: str | Reply) -> None:
        try:
            await self._engine.edit(
                self._key, lambda turn: show_progress(turn, self._begun, said, again=self._shown)
            )
            self._shown = True
        except Exception as error:  # nothing depends on it
            _log.warning("the progress of a job of %s was not shown: %r", self._key, error)


def show_progress(turn: Turn, begun: Begun, said: str | Reply, *, again: bool) -> None:
    """Brings the flow's screen up to date, if the attempt stands and no sub-flow has the screen.

    Args:
        turn: The row.
        begun: The attempt.
        said: What to show; a text comes with the state's buttons.
        again: Whether something was shown before: then there is a screen, or will be.
    """
    row, place = turn.row, find(turn.row, begun.work.id)
    if place is None or not attempt_stands(row, begun.work):
        return
    name, depth = place
    view = row.views.get(name)
    message = None if view is None else view.message
    if depth < len(row.snapshots[name].frames) - 1 or (again and not message):
        return
    rules = begun.table.rules[begun.frame.state or ""]
    reply = said if isinstance(said, Reply) else as_reply(said, buttons=rules.buttons)
    turn.row, effects = effects_of(
        row,
        name,
        [Say(as_screen(reply), show=True)],
        address_of((row,), name, None, turn.key),
        turn.world.values.pack,
        shared=turn.flows.tables[name].flow.shared,
        pressed=message,
    )
    turn.tidy += effects
