"""`Job`: a function to call once its time has come. Declaration only: where a run of it stands is in
`fsmkit.jobs.running`, so that a run never sees the arguments of an earlier one.
"""

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeAlias

import attrs

from fsmkit.errors import refuse_options

Gate: TypeAlias = "asyncio.Event | Awaitable[Any] | Callable[[], Any] | Job"
"""What a job may wait for: an event, an awaitable, a function (its result is awaited), another job."""


@refuse_options
@attrs.frozen(init=False, eq=False)
class Job:
    """A function to call once, in its turn. It is a declaration, and may be put any number of times.

    Args:
        name: Its name in the log and in errors.
        func: The function; an async one is awaited.
        args: Its first arguments.
        blocking: Whether it runs beside the queue: a sync function in a thread, an async one as a task.
        lazy_args: Its further arguments, evaluated just before the run: functions are called, awaitables are
            awaited, anything else is used as it is. A function is called again for a later run; a coroutine
            works for one run only.
        after: What it waits for, its gate: an `asyncio.Event`, an awaitable, a function whose result is
            awaited, another `Job` (until it has ended in any way; a job that is not in the runner is not
            waited for), or several of these. A coroutine works for one run only.
        ordered: Whether later jobs wait for its gate too; by default they overtake it.

    Raises:
        TypeError: If `func` is not a function, or `after` is not a gate.

    Example:
        >>> job = Job("greet", print, "Hello,", lazy_args=[lambda: "Ann"])
        >>> asyncio.run(job.arguments())
        ('Hello,', 'Ann')
    """

    name: str
    func: Callable[..., Any]
    args: tuple[Any, ...]
    blocking: bool
    lazy_args: tuple[Any, ...]
    after: tuple[Gate, ...]
    ordered: bool

    def __init__(
        self,
        name: str,
        func: Callable[..., Any],
        *args: Any,
        blocking: bool = False,
        lazy_args: Iterable[Any] = (),
        after: "Gate | Iterable[Gate] | None" = None,
        ordered: bool = False,
    ) -> None:
        if not callable(func):
            raise TypeError(f"Job({name!r}, {func!r}): a function is needed; pass it itself, uncalled")
        gates = _gates(name, after)
        init: Any = getattr(self, "__attrs_init__")  # noqa: B009  # made by attrs, unknown to type checkers
        init(name, func, args, blocking, tuple(lazy_args), gates, ordered)

    @property
    def is_async(self) -> bool:
        """Whether its function is an async one."""
        call = getattr(self.func, "__call__", None)  # noqa: B004  # of an object whose class has an async one
        return inspect.iscoroutinefunction(self.func) or inspect.iscoroutinefunction(call)

    @property
    def function(self) -> str:
        """The function as the log names it: its module and name."""
        func = self.func
        while isinstance(func, functools.partial):
            func = func.func
        name = getattr(func, "__qualname__", type(func).__qualname__)
        return f"{getattr(func, '__module__', None) or '?'}.{name}"

    async def arguments(self) -> tuple[Any, ...]:
        """Return all the arguments of one run; the lazy ones are found now."""
        return (*self.args, *[await _found(lazy) for lazy in self.lazy_args])


async def passed(gate: Gate) -> None:
    """Wait for one gate that is no job.

    Raises:
        ValueError: If the gate is a function that returned `False`.
    """
    if isinstance(gate, asyncio.Event):
        await gate.wait()
    elif await _found(gate) is False:
        raise ValueError(f"the gate {gate!r} is closed: it returned False")


def gate_name(gate: Gate) -> str:
    """Return a gate as the log names it."""
    if isinstance(gate, Job):
        return f"job {gate.name}"
    return (
        type(gate).__name__ if isinstance(gate, asyncio.Event) else getattr(gate, "__qualname__", repr(gate))
    )


async def _found(lazy: Any) -> Any:
    value = lazy() if callable(lazy) else lazy
    if asyncio.isfuture(value):
        return await asyncio.shield(value)  # others may wait for it, too: it does not end with this run
    return await value if inspect.isawaitable(value) else value


def _gates(name: str, after: Any) -> tuple[Gate, ...]:
    if after is None:
        return ()
    several = isinstance(after, Iterable) and not inspect.isawaitable(after)
    gates: tuple[Any, ...] = tuple(after) if several else (after,)
    for gate in gates:
        if not (isinstance(gate, Job | asyncio.Event) or callable(gate) or inspect.isawaitable(gate)):
            raise TypeError(
                f"Job({name!r}, after={gate!r}): a gate is an asyncio.Event, an awaitable, a function or "
                f"another Job"
            )
    return gates
