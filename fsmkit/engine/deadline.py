"""How long a handler may take, and where a plain function runs.

An async handler that takes longer is cancelled where it waits, and `HandlerTimeout` is raised in its place:
its step changes nothing, and the flow's `Crashed` handlers are asked. There is no timer for each call: calls
with the same time come to their ends in the order in which they began, so one task waits for the first.

A plain function cannot be cancelled. On the loop it holds everybody up, and nobody else runs who could notice
(but `fsmkit.telegram.receiver.watchdog`). In a thread only its own conversation waits for it; one that takes
too long runs on without effect, for its `ctx` is over, and another thread takes the place of its own.

Where neither is asked for, the engine has no `Deadlines`, and a call costs what it costs.
"""

import asyncio
import functools
import inspect
import logging
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import Future
from contextvars import copy_context
from datetime import timedelta
from queue import SimpleQueue
from typing import Any, Literal

from fsmkit.clock import Clock, monotonic
from fsmkit.errors import DefinitionError, HandlerTimeout
from fsmkit.flow.locations import calling_location, location_of
from fsmkit.flow.states import INHERIT, Seconds, seconds_of
from fsmkit.interpreter.compiled import CompiledFlow
from fsmkit.interpreter.selection import Step

THREADS = 16
"""Plain functions that may run at once with `sync_handlers="thread"`."""

MOST_GIVEN_UP = 256
"""Plain functions that may run on beside those although their time is over."""

_log = logging.getLogger("fsmkit")


class Deadlines:
    """Calls handlers, each for as long as it may take.

    Args:
        clock: Where the time comes from.
        default: Seconds that a handler may take, `None`: any.
        states: What states have instead, by flow and state.
        threads: Whether plain functions run in threads.
    """

    def __init__(
        self,
        clock: Clock,
        default: float | None,
        states: Mapping[tuple[str, str], float | None],
        *,
        threads: bool,
    ) -> None:
        self._clock = clock
        self._default = default
        self._states = states
        self._threads = DaemonThreads(THREADS) if threads else None
        self._lines: dict[float, _Line] = {}

    def call(self, step: Step, event: Any, ctx: Any) -> Any:
        """Call a step's handler; what this returns may have to be awaited, like what a handler returns.

        Raises:
            Exception: What the handler raises; awaited, `HandlerTimeout` too.
        """
        function = step.handler.function
        seconds = self._states.get((step.table.name, step.state or ""), self._default)
        if self._threads is not None and not _is_async(function):
            run = functools.partial(copy_context().run, function, event, ctx)
            return self._within(seconds, self._in_thread(self._threads, run), _place_of_step, step)
        result = function(event, ctx)
        if seconds is None or type(result) is tuple or not inspect.isawaitable(result):
            return result
        return self._within(seconds, result, _place_of_step, step)

    def call_hook(self, function: Callable[[Any], Any], ctx: Any) -> Any:
        """Call what takes the context alone: a hook, guard, prompt or invariant; in the time of its state.

        Raises:
            Exception: What it raises; awaited, `HandlerTimeout` too.
        """
        seconds = self._states.get((ctx.flow, ctx.state or ""), self._default)
        if self._threads is not None and not _is_async(function):
            run, hook = copy_context().run, functools.partial(function, ctx)
            work = self._in_thread(self._threads, lambda: run(hook))
            return self._within(seconds, work, _place_of_hook, function, ctx)
        result = function(ctx)
        if seconds is None or not inspect.isawaitable(result):
            return result
        return self._within(seconds, result, _place_of_hook, function, ctx)

    async def _in_thread(self, threads: "DaemonThreads", function: Callable[[], Any]) -> Any:
        future = threads.submit(function)
        try:
            result = await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            threads.give_up(future)
            raise
        return await result if inspect.isawaitable(result) else result

    async def _within(
        self, seconds: float | None, work: Awaitable[Any], place_of: Callable[..., "_Place"], *of: Any
    ) -> Any:
        """Wait for so many seconds at most; `place_of(*of)` says what took longer."""
        if seconds is None:
            return await work
        line = self._lines.get(seconds)
        if line is None:
            line = self._lines[seconds] = _Line(self._clock, seconds)
        limit = asyncio.timeout(None)
        try:
            async with limit:
                line.add(limit)
                try:
                    return await work
                finally:
                    line.calls.pop(limit, None)
        except TimeoutError as error:
            if not limit.expired():  # the handler's own
                raise
            name, flow, state, place = place_of(*of)
            raise HandlerTimeout(seconds, name, flow=flow, state=state, place=place) from error

    async def stop(self) -> None:
        """End the tasks that wait for ends; handlers that still run have no deadline any more."""
        tasks = [line.task for line in self._lines.values() if line.task is not None]
        self._lines.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


_Place = tuple[str, str, str | None, str]
"""Name, flow, state, and file and line of a function."""


def _place_of_step(step: Step) -> _Place:
    return step.handler.name, step.table.name, step.state, step.handler.place


def _place_of_hook(function: Any, ctx: Any) -> _Place:
    return getattr(function, "__name__", repr(function)), ctx.flow, ctx.state, location_of(function)


class _Line:
    """Calls that may all take the same time, in the order in which they began and will have to end."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self.calls: dict[asyncio.Timeout, float] = {}
        self.task: asyncio.Task[None] | None = None

    def add(self, limit: asyncio.Timeout) -> None:
        self.calls[limit] = monotonic(self._clock) + self._seconds
        if self.task is None or self.task.done():
            self.task = asyncio.get_running_loop().create_task(self._end_in_time(), name="fsmkit deadlines")

    async def _end_in_time(self) -> None:
        while self.calls:
            limit, end = next(iter(self.calls.items()))
            left = end - monotonic(self._clock)
            if left > 0:
                await self._clock.sleep(left)
            else:
                del self.calls[limit]
                limit.reschedule(asyncio.get_running_loop().time())


class DaemonThreads:
    """A bounded number of threads that keep no process alive: what never returns ends with it.

    Args:
        most: How many; what comes beside waits its turn. Those whose function is not waited for any more
            do not count, up to `MOST_GIVEN_UP`.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._work: SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = SimpleQueue()
        self._threads = 0
        self._open = 0
        """Functions that wait or run, without those that were given up."""
        self._given_up: set[Future[Any]] = set()
        self._lock = threading.Lock()

    def submit(self, function: Callable[[], Any]) -> "Future[Any]":
        """Have a function called in a thread."""
        future: Future[Any] = Future()
        self._work.put((future, function))
        with self._lock:
            self._open += 1
            self._start_another()
        return future

    def give_up(self, future: "Future[Any]") -> None:
        """Have another thread take the place of the one that runs a function whose result nobody wants."""
        with self._lock:
            if not future.running():
                return
            if len(self._given_up) == MOST_GIVEN_UP:
                _log.error(
                    "%d plain handlers have not returned though their time is over: they hold up others now",
                    MOST_GIVEN_UP + 1,
                )
                return
            self._given_up.add(future)
            self._threads -= 1
            self._open -= 1
            self._start_another()

    def _start_another(self) -> None:
        if self._threads < min(self._open, self._most):
            self._threads += 1
            threading.Thread(target=self._run, name="fsmkit handlers", daemon=True).start()

    def _run(self) -> None:
        while True:
            future, function = self._work.get()
            if future.set_running_or_notify_cancel():
                _settle(future, function)
            with self._lock:
                if future in self._given_up:
                    self._given_up.discard(future)
                    return
                self._open -= 1
            del future, function


def _settle(future: "Future[Any]", function: Callable[[], Any]) -> None:
    try:
        result = function()
    except StopIteration as error:  # no coroutine can raise it, nor any future
        raised = RuntimeError("the handler raised StopIteration")
        raised.__cause__ = error
        future.set_exception(raised)
    except BaseException as error:  # as if it had been raised where the handler is awaited
        future.set_exception(error)
    else:
        future.set_result(result)


@functools.lru_cache(maxsize=4096)
def _is_async(function: Callable[..., Any]) -> bool:
    while isinstance(function, functools.partial):
        function = function.func
    call = function if inspect.isroutine(function) else getattr(function, "__call__", function)  # noqa: B004
    return inspect.iscoroutinefunction(call)


def deadlines_of(
    tables: Iterable[CompiledFlow],
    clock: Clock,
    handler_timeout: float | timedelta | None,
    sync_handlers: Literal["loop", "thread"],
) -> Deadlines | None:
    """Return what calls handlers in their time; `None` where nothing is asked for.

    Raises:
        DefinitionError: If an option, or that of a state, is wrong.
    """
    place = calling_location()
    if sync_handlers not in ("loop", "thread"):
        raise DefinitionError(
            f"sync_handlers={sync_handlers!r}", place=place, remedy='Write "loop" or "thread"'
        )
    default = seconds_of(handler_timeout, "Engine()", place, "handler_timeout")
    states: dict[tuple[str, str], float | None] = {}
    for table in tables:
        for name, spec in table.rules.items():
            given: Seconds = "inherit"
            if (declared := spec.state.handler_timeout) is not INHERIT:
                whose = f"state {name!r} of flow {table.name!r}"
                given = seconds_of(declared, whose, spec.state.place, "handler_timeout")
            if not isinstance(given, str):
                states[table.name, name] = given
    if isinstance(default, str):
        raise DefinitionError("handler_timeout=INHERIT", place=place, remedy="Write seconds, or None (any)")
    threads = sync_handlers == "thread"
    if default is None and not threads and not any(states.values()):
        return None
    return Deadlines(clock, default, states, threads=threads)
