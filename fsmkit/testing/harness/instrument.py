"""Watching handlers: which one ran, on what, and what it returned."""

import contextlib
import logging
from collections.abc import Callable, Generator, Mapping
from typing import Any

import attrs

from fsmkit.engine.engine import Engine
from fsmkit.engine.observer import Observer, Offered
from fsmkit.flow.handlers import Handler
from fsmkit.flow.results import as_tuple
from fsmkit.graph.edges import Target
from fsmkit.interpreter.compiled import CompiledFlow, FlowSet
from fsmkit.keys import Key

GUARD = "its when= said no"
"""Why a handler does not want an event that its guard refuses."""


@attrs.frozen(eq=False)
class HandlerCall:
    """A handler that ran.

    Attributes:
        flow: Name of its flow.
        state: The state in which it ran; `None`: no conversation.
        handler: The handler, as the flow declares it.
        event: What it was given.
        kind: What it returned: `transition`, `stay`, `back`, `call`, `end`, `pass`, `error`, or `raised`.
        target: Where that leads, for a transition, a call and an end.
        declared: Whether its flow's graph has this edge.
        key: Whose conversation it was.
    """

    flow: str
    state: str | None
    handler: Handler
    event: Any
    kind: str
    target: Target | None = None
    declared: bool = True
    key: Key | None = None

    @property
    def edge(self) -> tuple[str, str | None, str, str, str]:
        """What it is counted as: flow, state, place of the handler, kind, target."""
        return (self.flow, self.state, self.handler.place, self.kind, str(self.target or ""))

    def __str__(self) -> str:
        where = f" -> {_target(self.target, self.flow)}" if self.target is not None else ""
        return f"{self.handler.name}: {self.kind}{where}"


Note = Callable[[HandlerCall], None]


NoteGuard = Callable[[str, Handler, bool], None]


def watch(engine: Engine, note: Note, note_guard: NoteGuard | None = None) -> None:
    """Have an engine's handlers noted, each time that one has returned.

    Args:
        engine: The engine; no event may have come yet.
        note: Told of each handler that ran.
        note_guard: Told of what each `when=` said: flow, handler, answer.
    """
    engine.observe(_Calls(engine.flows, note, note_guard))


class _Calls(Observer):
    """Notes what handlers return, and what their guards say."""

    def __init__(self, flows: FlowSet, note: Note, note_guard: NoteGuard | None) -> None:
        self._flows = flows
        self._note = note
        self._note_guard = note_guard
        self._running: set[tuple[Key, Handler, int]] = set()
        """Handlers that have not returned: what is raised otherwise comes of a hook, a prompt, a commit."""

    def asked(self, key: Key, offered: Offered, why: str | None) -> None:  # noqa: ARG002
        if self._note_guard is not None and offered.handler.when is not None and why in (None, GUARD):
            self._note_guard(offered.flow, offered.handler, why is None)

    def called(self, key: Key, offered: Offered) -> None:
        self._running.add((key, offered.handler, id(offered.event)))

    def result(self, key: Key, offered: Offered, result: Any) -> None:
        self._running.discard((key, offered.handler, id(offered.event)))
        table = self._flows.tables[offered.flow]
        kind, target = read_result(self._flows, table, result)
        edges = table.edges[offered.handler]
        declared = target is None or not edges.complete or target in edges.targets
        self._note(self._call(key, offered, kind, target, declared))

    def failed(self, key: Key, offered: Offered | None, error: Exception) -> None:  # noqa: ARG002
        if offered is not None and (key, offered.handler, id(offered.event)) in self._running:
            self._running.discard((key, offered.handler, id(offered.event)))
            self._note(self._call(key, offered, "raised"))

    @staticmethod
    def _call(
        key: Key, offered: Offered, kind: str, target: Target | None = None, declared: bool = True
    ) -> HandlerCall:
        return HandlerCall(
            offered.flow, offered.state, offered.handler, offered.event, kind, target, declared, key
        )


def exchange(table: CompiledFlow, changed: Mapping[Handler, Handler]) -> None:
    """Put other handlers into a table in the place of some; the flow itself stays as it is."""
    table.by_state = {
        state: tuple(changed.get(handler, handler) for handler in handlers)
        for state, handlers in table.by_state.items()
    }
    table.any = tuple(changed.get(handler, handler) for handler in table.any)
    table.edges = {changed.get(handler, handler): edges for handler, edges in table.edges.items()}
    table.declared = {changed.get(handler, handler): edges for handler, edges in table.declared.items()}
    table.recompile()


def read_result(flows: FlowSet, table: CompiledFlow, result: Any) -> tuple[str, Target | None]:
    """Return kind and target of a result, as far as it is one."""
    result = as_tuple(result)

    if type(result) is not tuple or not result or not isinstance(result[0], str):
        return "raised", None
    kind = result[0]
    if kind == "transition" and len(result) > 1:
        try:
            found = flows.target(table, result[1])
        except AttributeError:  # no name of a state at all; the engine says so
            return "raised", None
        return kind, None if found is None else Target("transition", found[0].name, found[1])
    if kind == "call" and len(result) > 1:
        return kind, Target("call", str(getattr(result[1], "name", result[1])))
    return kind, Target("end", table.name) if kind == "end" else None


def _target(target: Target, flow: str) -> str:
    if target.kind == "end":
        return "end"
    if target.state is None:
        return f"{target.flow}()"
    return target.state if target.flow == flow else f"{target.flow}/{target.state}"


@contextlib.contextmanager
def quiet() -> Generator[None]:
    """Log nothing of fsmkit's meanwhile."""
    log = logging.getLogger("fsmkit")
    before = log.disabled
    log.disabled = True
    try:
        yield
    finally:
        log.disabled = before
