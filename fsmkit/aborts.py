"""What a handler raises that would end more than its step: cancellation, exit, interruption.

Let through, it would end the task that fetches the bot's updates, or the event loop, without a word.
"""

import asyncio
import signal
import threading

from fsmkit.errors import HandlerAborted


def aborted_by(raised: BaseException) -> HandlerAborted | None:
    """The error to go on with instead of what was raised.

    Returns:
        `None` if it is meant for those around: a task that is cancelled, a coroutine that is closed, Ctrl-C,
        or what some framework has for its own ends.
    """
    if isinstance(raised, KeyboardInterrupt):
        meant = _may_be_pressed()
    elif isinstance(raised, asyncio.CancelledError | GeneratorExit | BaseExceptionGroup):
        meant = _ends_from_outside()
    else:
        meant = not isinstance(raised, SystemExit)
    if meant:
        return None
    error = HandlerAborted(type(raised).__name__)
    error.__cause__ = raised
    return error


def _ends_from_outside() -> bool:
    """Whether somebody cancels the task that runs; a coroutine that is closed runs in no task."""
    try:
        task = asyncio.current_task()
    except RuntimeError:  # no loop either
        return True
    return task is None or task.cancelling() > 0


def _may_be_pressed() -> bool:
    """Whether Ctrl-C raises KeyboardInterrupt here: not where asyncio or PTB handle the signal themselves."""
    on_main = threading.current_thread() is threading.main_thread()
    return on_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
