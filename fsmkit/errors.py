"""Every exception that fsmkit raises, each with the fields a program needs and the sentence a person needs.

The text says what happened, where (`file:line` of the user's own code where there is one) and what to do.
"""

import asyncio
import contextlib
import difflib
import functools
import inspect
import signal
import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import attrs

from fsmkit.keys import Key


class FsmkitError(Exception):
    """The base of all errors raised by fsmkit."""


class DefinitionError(FsmkitError):
    """A flow is declared wrongly; raised when the program starts, never while it handles updates.

    Attributes:
        problem: What is wrong.
        place: `file:line` of the declaration, or `None` if there is none.
        remedy: What to write instead.
    """

    def __init__(self, problem: str, *, place: str | None, remedy: str) -> None:
        self.problem = problem
        self.place = place
        self.remedy = remedy
        where = f"{place}: " if place else ""
        super().__init__(f"{where}{problem}. {remedy}")


class StepError(FsmkitError):
    """A step that must not be applied; what is stored stays exactly as it was.

    Attributes:
        flow: Name of the flow.
        state: Name of the state in which the step began, `None` when no conversation was running.
        place: `file:line` of the handler, or `None` where no handler is at fault.
    """

    def __init__(self, message: str, *, flow: str, state: str | None, place: str | None) -> None:
        self.flow = flow
        self.state = state
        self.place = place
        where = f"{place}: " if place else ""
        super().__init__(f"{where}{message} (flow {flow!r}, state {state!r})")


class InvalidResult(StepError):
    """A handler returned something that is not a result, or a result that its declaration excludes."""


class UnknownState(StepError):
    """A handler named a state or a flow that nobody declared."""


class HandlerRefused(StepError):
    """A handler returned `("error", reason)`; a `Crashed` handler gets this as `event.error`.

    Attributes:
        reason: The handler's reason.
    """

    def __init__(self, reason: object, *, flow: str, state: str | None, place: str | None) -> None:
        self.reason = reason
        super().__init__(f"the handler refused: {reason}", flow=flow, state=state, place=place)


class HandlerTimeout(StepError):
    """A handler took longer than `handler_timeout`; it was cancelled, and nothing was changed.

    Attributes:
        seconds: The limit.
    """

    def __init__(
        self, seconds: float, handler: str, *, flow: str, state: str | None, place: str | None
    ) -> None:
        self.seconds = seconds
        super().__init__(
            f"handler {handler} has not returned after {seconds:g} s and was cancelled; slow work belongs "
            f"into a job= of a state, a longer time into handler_timeout=",
            flow=flow,
            state=state,
            place=place,
        )


class HandlerAborted(FsmkitError):
    """A handler raised what would have ended the bot; nothing was changed.

    That is `SystemExit`, or a `CancelledError` though nobody cancelled it, …: its `__cause__`.

    Attributes:
        raised: The name of its class.
    """

    def __init__(self, raised: str) -> None:
        self.raised = raised
        super().__init__(
            f"a handler raised {raised}, which would have ended more than its step. "
            f"To stop the bot, call application.stop_running()"
        )


class InvariantBroken(StepError):
    """The data after a step violate an `@flow.invariant`; the step was not applied."""

    def __init__(self, said: str, flow: str, state: str | None, place: str | None) -> None:
        super().__init__(
            f"an invariant does not hold{': ' if said else ''}{said}", flow=flow, state=state, place=place
        )


class UnstorableData(FsmkitError):
    """Data would not come back equal from the store; nothing was written.

    Attributes:
        path: Where in the data, for example `signup.data.photo`.
        problem: What is there and what was declared.
    """

    def __init__(self, path: str, problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(f"{path}: {problem}")


class RowTooLarge(FsmkitError):
    """All that is stored for one key would exceed the engine's `max_row_bytes`; nothing was written.

    Attributes:
        key: The key's text form.
        size: The size that it would have, in bytes.
        limit: The limit, in bytes.
    """

    def __init__(self, key: str, size: int, limit: int) -> None:
        self.key = key
        self.size = size
        self.limit = limit
        super().__init__(
            f"the conversations of {key} would take {size} bytes, {limit} are allowed: keep large things "
            f"elsewhere (a file id, a database key) or raise Engine(max_row_bytes=...)"
        )


class OrphanedConversation(FsmkitError):
    """A stored conversation no longer fits its flow: read by hand, or with `on_orphan="raise"`.

    Attributes:
        flow: Name of the flow.
        state: The stored state.
        problem: Why it does not fit.
    """

    def __init__(self, flow: str, state: str | None, problem: str) -> None:
        self.flow = flow
        self.state = state
        self.problem = problem
        super().__init__(
            f"a stored conversation of flow {flow!r} in state {state!r} does not fit the flow: {problem}. "
            f"Add State(renamed_from=...) or @flow.migrate, or end such conversations with on_orphan='end'"
        )


class StoredByNewerVersion(FsmkitError):
    """The conversation was stored by a newer version of the flow than this process has; it is not changed.

    Attributes:
        flow: Name of the flow.
        stored: The version in the store.
        known: The version of the flow in this process.
    """

    def __init__(self, flow: str, stored: int, known: int) -> None:
        self.flow = flow
        self.stored = stored
        self.known = known
        super().__init__(
            f"flow {flow!r} is stored in version {stored}, this process runs version {known}: "
            f"the event waits for a newer worker"
        )


class NestedSend(FsmkitError):
    """A handler waited for another conversation; two such handlers could wait for each other for ever."""


class EventStorm(FsmkitError):
    """Conversations sent each other events with `ctx.send` without an end; the last step was undone.

    Attributes:
        hops: How many events had followed from one another.
        circle: Flows and keys' texts, in the order in which they sent; begins and ends with the same one
            where they go in a circle.
    """

    def __init__(self, hops: int, circle: tuple[tuple[str, str], ...]) -> None:
        self.hops = hops
        self.circle = circle
        way = " -> ".join(f"flow {flow!r} of {key}" for flow, key in circle)
        super().__init__(
            f"{hops} events have followed from one another by ctx.send: {way}. This step was taken back; let "
            f"one of them end without sending, or pause with ctx.send(..., after=seconds)"
        )


class LeaseOver(FsmkitError):
    """A context was used after its step had ended, for example by a task that a handler left behind."""


class StoreError(FsmkitError):
    """The base class of errors of stores."""


class LeaseLost(StoreError):
    """The lease on a key expired before the commit; nothing was written."""


class StoreFull(StoreError):
    """A store with a size limit refuses a new conversation, so as not to forget a running one."""


class StoreUnavailable(StoreError):
    """The store's server does not answer; the event was not handled and may be sent again."""


class StoreMisconfigured(StoreUnavailable):
    """A store cannot be used until its server, its URL or the program is configured differently.

    Attributes:
        problem: What is wrong.
        remedy: What to set instead.
    """

    def __init__(self, problem: str, *, remedy: str) -> None:
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{problem.rstrip('.')}. {remedy}")


class StoreCorrupt(StoreError):
    """Stored data cannot be read, or were written by a newer schema; they were not changed."""


class RetryLater(FsmkitError):
    """Raised by a `deliver` function if an effect has to wait; it is tried again, in its order.

    Attributes:
        seconds: How long to wait.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"try again in {seconds} seconds")


class Unreachable(FsmkitError):
    """Raised by a `deliver` function if the person cannot be reached any more: the conversation ends."""


class JobLost(FsmkitError):
    """Each process that ran a state's job was killed; it is not started again. `Failed` contains this."""


class RunnerStopped(FsmkitError):
    """A job was given to a runner that is stopping or has stopped; it will not run."""


_NAME = "fsmkit_origin"


@attrs.frozen
class Origin:
    """Where an exception came from.

    Attributes:
        key: The conversation.
        event: The event that was handled.
        flow: Name of the flow whose handler raised; `None` if none did, for
            example because the store was not available.
        state: The state in which the step began; `None` also if no conversation was running.
        handler: Name of the handler.
        place: `file:line` of the handler.
    """

    key: Key
    event: Any
    flow: str | None = None
    state: str | None = None
    handler: str | None = None
    place: str | None = None


def origin_of(error: BaseException | None) -> Origin | None:
    """Return where an exception came from; `None` if it did not come from a conversation.

    Args:
        error: The exception of an error handler (`context.error`), or of `engine.send`.

    Example:
        >>> origin_of(ValueError("of nobody's conversation")) is None
        True
    """
    return getattr(error, _NAME, None)


def mark(error: BaseException, origin: Origin) -> None:
    """Keep the origin on an exception, unless it has one for the same event already.

    One that was raised before, for another event, is told apart: a bot may raise the same object again.
    """
    known = origin_of(error)
    if known is None or known.event is not origin.event:
        leave_with(error, _NAME, origin)


def leave_with(error: BaseException, name: str, value: object) -> None:
    """Set an attribute of an exception, also of a frozen one (whose own `__setattr__` would raise)."""
    with contextlib.suppress(Exception):
        object.__setattr__(error, name, value)


def take_from(error: BaseException, name: str) -> Any:
    """Return what `leave_with` has left, once."""
    return getattr(error, "__dict__", {}).pop(name, None)


def add_note(error: BaseException, note: str) -> None:
    """Add a note once; an exception that takes none keeps what is the matter with it."""
    with contextlib.suppress(Exception):
        if note not in getattr(error, "__notes__", ()):
            error.add_note(note)


def aborted_by(raised: BaseException) -> HandlerAborted | None:
    """Return the error to go on with instead of what was raised.

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
    """Return whether somebody cancels the task that runs; a coroutine that is closed runs in no task."""
    try:
        task = asyncio.current_task()
    except RuntimeError:  # no loop either
        return True
    return task is None or task.cancelling() > 0


def _may_be_pressed() -> bool:
    """Return whether Ctrl-C raises KeyboardInterrupt here: not where asyncio or PTB handle it."""
    on_main = threading.current_thread() is threading.main_thread()
    return on_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler


class MissingExtra(ModuleNotFoundError):
    """What was asked for needs an extra of fsmkit that is not installed; says how to install it."""


@contextmanager
def requires_extra(name: str) -> Generator[None]:
    """Wrap the imports of what an extra brings.

    Args:
        name: The extra.

    Raises:
        MissingExtra: If it is not installed, with the command that installs it.

    Example:
        >>> with requires_extra("redis"):
        ...     import no_such_module
        Traceback (most recent call last):
        ...
        fsmkit.errors.MissingExtra: No module named 'no_such_module'. pip install 'fsmkit[redis]'
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f"{error.msg}. pip install 'fsmkit[{name}]'", name=error.name, path=error.path
        ) from error


C = TypeVar("C", bound=Callable[..., Any])


def nearest_option(option: str, known: Iterable[str]) -> str:
    """Return a remedy for a misspelt option: the nearest one, or all that there are."""
    names = list(known)
    near = difflib.get_close_matches(option, names, n=1)
    return f"Did you mean {near[0]}=?" if near else f"It takes {', '.join(names)}"


def options_of(target: Callable[..., Any]) -> list[str]:
    """Return the arguments of a function, or of a class, that may be given by name."""
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    parameters = inspect.signature(target).parameters.values()
    return [each.name for each in parameters if each.kind in by_name and each.name != "self"]


def misspelt(whose: str, option: str, known: Sequence[str]) -> Exception:
    """Return the error for a misspelt option of what is no declaration of a flow."""
    return TypeError(f"{whose} has no option {option}=. {nearest_option(option, known)}")


def refuse_options(
    target: C,
    known: Sequence[str] | None = None,
    refused: Callable[[str, str, Sequence[str]], Exception] = misspelt,
) -> C:
    """Make a function, or the constructor of a class, refuse options that it does not take.

    Python's own error names neither the place nor what was meant.

    Args:
        target: The function or the class.
        known: The options; by default those of its signature.
        refused: Makes the error, of who it is, the option, and the options that there are.
    """
    names = dict.fromkeys(options_of(target) if known is None else known)
    made: Any = target
    function: Callable[..., Any] = made.__init__ if inspect.isclass(made) else made

    @functools.wraps(function)
    def checked(*args: Any, **options: Any) -> Any:
        for option in options:
            if option not in names:
                raise refused(f"{made.__name__}()", option, [*names])
        return function(*args, **options)

    if function is not made:
        made.__init__ = checked
        return cast(C, made)
    return cast(C, checked)
