"""An engine on a memory store and a clock that stands still, with what it delivered."""

from collections.abc import Callable
from typing import Any

from chat_events import said

from fsmkit import Engine, Flow, Key, Outcome
from fsmkit.interpreter.codec import decode_row
from fsmkit.interpreter.row import Delete, Edit, Effect, Row, Send
from fsmkit.stores.memory import MemoryStore
from fsmkit.testing import ManualClock

KEY = Key(chat=10, user=7)
OTHER = Key(chat=10, user=8)
START = 1000.0


class Bench:
    """What most tests of the engine need.

    Args:
        flows: The flows.
        deliver: What carries effects out; by default they are only noted in `sent`.
        store: By default a `MemoryStore` of its own.
        options: What else the engine is given.
    """

    def __init__(
        self,
        *flows: Flow[Any],
        deliver: Callable[[Key, Effect], Any] | None = None,
        store: MemoryStore | None = None,
        clock: ManualClock | None = None,
        **options: Any,
    ) -> None:
        self.clock = clock or ManualClock(START)
        self.store = MemoryStore(self.clock) if store is None else store
        self.sent: list[Effect] = []
        self.errors: list[tuple[Key, Any, Exception]] = []
        self.engine = Engine(
            *flows, store=self.store, clock=self.clock, deliver=deliver or self._deliver, **options
        )
        self.engine.on_error = lambda *told: self.errors.append(told)

    async def say(self, text: str, key: Key = KEY, *, id: Any = None, **more: Any) -> Outcome:  # noqa: A002
        """A message of the person."""
        return await self.engine.send(key, said(text, **more), id=id)

    async def stored(self, key: Key = KEY) -> bytes | None:
        """The row's bytes."""
        return await self.store.peek(key)

    async def row(self, key: Key = KEY) -> Row:
        """The row."""
        blob = await self.store.peek(key)
        return Row() if blob is None else decode_row(blob)

    @property
    def texts(self) -> list[str]:
        """The texts of what was sent and edited so far."""
        return [effect.text for effect in self.sent if isinstance(effect, Send | Edit)]

    @property
    def deleted(self) -> list[int]:
        """Ids of the messages deleted so far."""
        return [message for effect in self.sent if isinstance(effect, Delete) for message in effect.messages]

    def _deliver(self, key: Key, effect: Effect) -> int | None:
        self.sent.append(effect)
        return 100 + len(self.sent) if isinstance(effect, Send) else None


def returns(flow: Flow[Any], *states: Any, **options: Any) -> Callable[[Any], None]:
    """Registers a handler that always returns what it is given: `returns(flow, "name")(("end",))`."""

    def register(result: Any) -> None:
        @flow.defstate(*states, **options)
        def handler(event, ctx):
            return result

    return register
