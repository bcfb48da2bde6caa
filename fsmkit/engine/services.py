"""What the parts of an engine share: its means, and the face that stands in front of it."""

import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias

import attrs

from fsmkit.clock import Clock
from fsmkit.engine.deadline import Deadlines
from fsmkit.engine.envelope import Strike
from fsmkit.engine.observer import Watchers
from fsmkit.errors import UnknownState
from fsmkit.flow.events import ChatEvent
from fsmkit.flow.flow import Flow
from fsmkit.interpreter.codec import EventCodec, ValueCodec
from fsmkit.interpreter.compiled import CompiledFlow, FlowSet
from fsmkit.interpreter.naming import named
from fsmkit.interpreter.settle import Limits
from fsmkit.jobs.runner import JobRunner
from fsmkit.keys import Key
from fsmkit.stores.protocol import Store

_log = logging.getLogger("fsmkit")

PATIENCE = 300.0

AlbumOf: TypeAlias = Callable[[Key, bytes], tuple[ChatEvent, Sequence[CompiledFlow]]]
"""Makes the event of an album from its stored messages, with the flows that it may enter."""


def _log_error(key: Key | None, event: Any, error: Exception) -> None:
    if key is not None:  # a job's failure is in the log of its runner
        _log.error("%s: handling %s failed", key, named(event), exc_info=error)


def _no_telegram(_key: Key) -> Any:
    return None


def _nobody(_key: Key) -> bool:
    return False


@attrs.define(eq=False)
class Face:
    """What stands in front of an engine: a bot, or a test. By default there is nobody.

    It is filled by whoever attaches the engine; the engine asks it each time anew.

    Attributes:
        bot: The attached bot's id, part of every key.
        telegram_for: Makes PTB's context where no update is at hand.
        album_of: Makes the event of an album from its stored messages; `None`: albums wait for a bot.
        busy: Whether updates wait that go before timeouts.
        patience: For how many seconds timeouts let them go first, at most.
        awaited: Whether updates of a conversation wait that go before its timeouts.
        concurrent: Whether the chats' updates are handled beside one another: then a step that sends an event
            to another chat waits for the receiver's commit, and not for what is delivered there.
        on_error: Told, sync or async, of what a handler raised where nobody awaits it (timeouts, scheduled
            events), with its key; without one of what a job or a source raised, with that.
        check_invariants: Whether `@flow.invariant` functions are asked after each step; one that fails
            refuses the step.
        received: By their ids, the updates in hand that stand in an inbox; `None`: there is no receiver.
        started: Called each time that the engine has started.
        stopped: Called each time that the engine has stopped.
    """

    bot: int | str | None = None
    telegram_for: Callable[[Key], Any] = _no_telegram
    album_of: AlbumOf | None = None
    busy: Callable[[], bool] = bool
    patience: float = PATIENCE
    awaited: Callable[[Key], bool] = _nobody
    concurrent: bool = False
    on_error: Callable[[Key | None, Any, Exception], Any] = _log_error
    check_invariants: bool = False
    received: dict[int, Strike] | None = None
    started: Callable[[], Awaitable[None]] | None = None
    stopped: Callable[[], Awaitable[None]] | None = None


@attrs.define(eq=False)
class Services:
    """The means of an engine, the same for all of its parts and all of its turns.

    Only `resources` and `watch` are ever replaced, by tests that go back in time and by `Engine.observe`.

    Attributes:
        flows: All flows.
        store: Where rows are.
        clock: Where the time comes from.
        resources: What handlers find in `ctx.resources`.
        events: How events are stored.
        values: How values of buttons are stored.
        limits: What rows may take.
        runner: Runs the sources, the jobs of states, and the application's own jobs.
        watch: The observers, `None` if there are none.
        deadlines: Calls handlers, where they may not take any time they like; `None`: they may.
        face: What stands in front of the engine.
    """

    flows: FlowSet
    store: Store
    clock: Clock
    resources: Any
    events: EventCodec
    values: ValueCodec
    limits: Limits
    runner: JobRunner
    watch: Watchers | None
    deadlines: Deadlines | None
    face: Face

    def new_run(self) -> int:
        """Return a number for a run, so that buttons of another run are told apart; never zero."""
        return random.getrandbits(32) | 1  # not a secret: the button's tag is what cannot be forged

    def table_of(self, flow: "Flow[Any] | str") -> CompiledFlow:
        """Return a flow made ready.

        Raises:
            UnknownState: If it is not attached.
        """
        table = self.flows.find(flow)
        if table is None:
            name, known = str(getattr(flow, "name", flow)), ", ".join(self.flows.tables)
            raise UnknownState(
                f"flow {name!r} is not attached; attached are {known}", flow=name, state=None, place=None
            )
        return table

    async def report(self, key: Key | None, event: Any, error: Exception) -> None:
        """Tell `on_error` of an exception that nobody awaits."""
        told = self.face.on_error(key, event, error)
        if told is not None:
            await told
