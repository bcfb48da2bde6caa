"""What a handler may ask the machine for, made to repeat: chance, the time, and context variables.

A conversation that is had again must go the same way, else neither a seed nor a restart says anything. So
`random`, `secrets`, `uuid` and `os.urandom` draw from a generator that is seeded for each update, by its id:
an update that comes again after a kill draws what it drew before, and what others draw meanwhile changes
nothing. `time.time` is the test's clock. What a handler binds to a context variable is seen while that update
is handled and no longer, as with a bot, where each update has a task of its own.

`datetime.now()` reads the machine's clock in C and cannot be replaced; `ctx.now` follows the test's clock.
"""

import contextvars
import os
import random
import time
import types
import uuid
from collections.abc import Callable, Coroutine, Generator
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar
from unittest import mock

T = TypeVar("T")


@contextmanager
def repeatable(now: Callable[[], float]) -> Generator[None]:
    """Let the machine's time be a test's, and all chance be drawn from `random`, which is put back.

    Args:
        now: The test's clock, in seconds since 1970, UTC.
    """
    program = random.getstate()
    random.seed(0)
    try:
        with ExitStack() as stack:
            stack.enter_context(mock.patch.multiple(time, time=now, time_ns=lambda: int(now() * 1e9)))
            stack.enter_context(mock.patch.multiple(os, urandom=_drawn))
            stack.enter_context(mock.patch.multiple(random, _urandom=_drawn))
            stack.enter_context(mock.patch.multiple(uuid, _generate_time_safe=None, _last_timestamp=None))
            yield
    finally:
        random.setstate(program)


def _drawn(size: int) -> bytes:
    return random.randbytes(size)


@types.coroutine
def apart(work: Coroutine[Any, Any, T], seed: str) -> Generator[Any, Any, T]:
    """Await something with chance and context variables of its own.

    Args:
        work: What to await.
        seed: What its chance hangs on.
    """
    context, step, argument = contextvars.copy_context(), work.send, None
    chance = random.Random(seed).getstate()
    setattr(uuid, "_last_timestamp", None)  # noqa: B010  # `uuid1` goes on from the last one, even if no time has passed
    while True:
        others = random.getstate()
        random.setstate(chance)
        try:
            waited = context.run(step, argument)
        except StopIteration as done:
            result: T = done.value
            return result
        finally:
            chance = random.getstate()
            random.setstate(others)
        try:
            step, argument = work.send, (yield waited)
        except BaseException as error:
            step, argument = work.throw, error
