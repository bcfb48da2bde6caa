"""`Schedule`: events at fixed times, by a cron expression. Needs `fsmkit[schedule]`.

Each tick has an id, so that of several workers with the same schedule one is heard. The wall clock decides,
and it may jump: a machine sleeps for hours, or its time is corrected. So a schedule never sleeps long, looks
at the clock again, and begins at the present time where that has moved.
"""

import inspect
import logging
from collections.abc import AsyncIterable, Callable, Iterable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from fsmkit.clock import Clock
from fsmkit.engine.engine import Engine
from fsmkit.engine.fanout import RATE, fan_out
from fsmkit.errors import requires_extra
from fsmkit.keys import Key

with requires_extra("schedule"):
    from cronsim import CronSim, CronSimError

_log = logging.getLogger("fsmkit.sources")

LONGEST_SLEEP = 30.0
"""Seconds until the clock is looked at again; so late a tick is at most after the clock was put forward."""


class Schedule:
    """A source that sends an event to conversations at fixed times.

    Args:
        cron: Minute, hour, day, month, weekday, as in `"0 9 * * mon-fri"`; with six fields the first is
            the second.
        event: The event, or a function of the time that makes one.
        to: The conversations: keys, or a function (sync or async) of the engine that returns them.
        tz: Name of the time zone, for example `"Europe/Vienna"`; ticks that a change of the clocks skips
            come late, those that it repeats come once.
        name: Its name, part of the events' ids; by default the expression.
        flow: Name of the only flow that gets it.
        catch_up: Missed ticks of the last so many seconds (or a `timedelta`) are sent late, at the start and
            after the process or the machine has slept. Of older ticks that came while it ran, only the last
            is sent.
        rate: Conversations a second, at most.

    Raises:
        ValueError: If the expression or the time zone is not valid.

    Example:
        >>> from fsmkit import Key
        >>> from fsmkit.sources.schedule import Schedule
        >>> morning = Schedule("0 9 * * *", "good morning", to=[Key(1, 1)], tz="Europe/Vienna")
    """

    def __init__(
        self,
        cron: str,
        event: Any,
        *,
        to: Iterable[Key] | Callable[[Engine], Any],
        tz: str = "UTC",
        name: str | None = None,
        flow: str | None = None,
        catch_up: float | timedelta = 0.0,
        rate: float = RATE,
    ) -> None:
        self.name = name or f"schedule {cron}"
        try:
            self._zone = ZoneInfo(tz)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"Schedule(tz={tz!r}): no such time zone") from error
        try:
            CronSim(cron, datetime(2000, 1, 1, tzinfo=self._zone))
        except CronSimError as error:
            raise ValueError(f"Schedule({cron!r}): no cron expression: {error}") from error
        self._cron = cron
        self._event = event
        self._to = to
        self._flow = flow
        self._catch_up = catch_up.total_seconds() if isinstance(catch_up, timedelta) else catch_up
        self._rate = rate
        self._begun: float | None = None
        """The tick that is being told; `None` once all have been."""

    def after(self, time: float) -> float:
        """Return the next tick after a time, both in seconds since 1970, UTC."""
        return next(CronSim(self._cron, datetime.fromtimestamp(time, self._zone))).timestamp()

    async def run(self, engine: Engine) -> None:
        """Give the event to the conversations at each tick, until it is cancelled.

        A tick that fails as a whole is told when the source is started again, unless the next one has come.
        """
        clock = engine.clock
        told = clock.now()
        tick = self.after(told - self._catch_up)
        if self._begun is not None and self.after(self._begun) > clock.now():
            tick = self._begun  # it was broken off, or its keys could not be found
        while True:
            tick = await self._due(clock, tick, told)
            self._begun = tick
            await self._tick(engine, tick)
            self._begun = None
            told = tick
            tick = self.after(tick)

    async def _due(self, clock: Clock, tick: float, told: float) -> float:
        """Wait for a tick, and return the one that is due then.

        Args:
            clock: The wall clock.
            tick: The next one, as things are.
            told: The last one that was told; the clock was not before it then.
        """
        last = told
        while (now := clock.now()) < tick:
            if now < last:  # put back: what would be told next may be far ahead, for nothing
                tick = self.after(now)
                tick = self.after(tick) if tick == told else tick
            last = now
            await clock.sleep(min(tick - now, LONGEST_SLEEP))
        return max(tick, self._first_of(tick, now))

    def _first_of(self, tick: float, now: float) -> float:
        """Return the oldest tick within `catch_up`, else the last one that has come."""
        found, back = self.after(now - self._catch_up), 1.0
        if found <= now:
            return found
        while found > now:
            back *= 2.0
            found = self.after(max(now - back, tick - 1.0))
        while (following := self.after(found)) <= now:
            found = following
        return found

    async def _tick(self, engine: Engine, tick: float) -> None:
        event = self._event(tick) if callable(self._event) else self._event
        keys: Any = self._to(engine) if callable(self._to) else self._to
        if inspect.isawaitable(keys):
            keys = await keys
        if isinstance(keys, AsyncIterable):
            keys = [key async for key in keys]
        told = await fan_out(engine, keys, event, id=(self.name, int(tick)), flow=self._flow, rate=self._rate)
        _log.info(
            "%s: %s", self.name, ", ".join(f"{count} {kind}" for kind, count in told.items()) or "nobody"
        )
