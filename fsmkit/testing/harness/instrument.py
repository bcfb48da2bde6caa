"""Watching handlers: which one ran, on what, and what it returned.

The engine knows nothing of it: the tables of one engine are given handlers that note what they do and call
the user's own. Flows, and engines that run beside, stay as they are.
"""

import contextlib
import inspect
import logging
from collections.abc import Callable, Generator, Mapping
from typing import Any

import attrs

from fsmkit.engine.engine import Engine
from fsmkit.flow.handlers import Handler
from fsmkit.flow.results import as_tuple
from fsmkit.graph.edges import Target
from fsmkit.interpreter.compiled import CompiledFlow
from fsmkit.keys import Key


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
    """Has an engine's handlers noted, each time that one has returned.

    Args:
        engine: The engine; no event may have come yet.
        note: Told of each handler that ran.
        note_guard: Told of what each `when=` said: flow, handler, answer.
    """
    for table in engine.flows.tables.values():
        _watch(engine, table, note, note_guard)


def _watch(engine: Engine, table: CompiledFlow, note: Note, note_guard: NoteGuard | None) -> None:
    changed = {
        handler: _guarded(table, handler, _watched(engine, table, handler, note), note_guard)
        for handler in table.edges
    }
    exchange(table, changed)


def exchange(table: CompiledFlow, changed: Mapping[Handler, Handler]) -> None:
    """Puts other handlers into a table in the place of some; the flow itself stays as it is."""
    table.by_state = {
        state: tuple(changed.get(handler, handler) for handler in handlers)
        for state, handlers in table.by_state.items()
    }
    table.any = tuple(changed.get(handler, handler) for handler in table.any)
    table.edges = {changed.get(handler, handler): edges for handler, edges in table.edges.items()}
    table.declared = {changed.get(handler, handler): edges for handler, edges in table.declared.items()}


def _watched(engine: Engine, table: CompiledFlow, handler: Handler, note: Note) -> Handler:
    function = handler.function

    def seen(event: Any, ctx: Any, result: Any) -> Any:
        kind, target = read_result(engine, table, result)
        edges = table_edges
        declared = target is None or not edges.complete or target in edges.targets
        note(HandlerCall(table.name, ctx.state, handler, event, kind, target, declared, ctx.key))
        return result

    def raised(event: Any, ctx: Any) -> None:
        note(HandlerCall(table.name, ctx.state, handler, event, "raised", key=ctx.key))

    async def later(event: Any, ctx: Any, result: Any) -> Any:
        try:
            result = await result
        except Exception:
            raised(event, ctx)
            raise
        return seen(event, ctx, result)

    def call(event: Any, ctx: Any) -> Any:
        try:
            result = function(event, ctx)
        except Exception:
            raised(event, ctx)
            raise
        return later(event, ctx, result) if inspect.isawaitable(result) else seen(event, ctx, result)

    table_edges = table.edges[handler]
    call.__qualname__ = handler.name  # what errors and transcripts call it
    call.__wrapped__ = function  # type: ignore[attr-defined]  # for who reads its code
    return attrs.evolve(handler, function=call)


def _guarded(table: CompiledFlow, handler: Handler, watched: Handler, note: NoteGuard | None) -> Handler:
    when = handler.when
    if when is None or note is None:
        return watched

    def asked(event: Any) -> Any:
        answer = when(event)
        note(table.name, handler, bool(answer))
        return answer

    asked.__wrapped__ = when  # type: ignore[attr-defined]  # its constants are tried as inputs
    return attrs.evolve(watched, when=asked)


def read_result(engine: Engine, table: CompiledFlow, result: Any) -> tuple[str, Target | None]:
    """Kind and target of a result, as far as it is one."""
    result = as_tuple(result)
    if type(result) is not tuple or not result or not isinstance(result[0], str):
        return "raised", None
    kind = result[0]
    if kind == "transition" and len(result) > 1:
        try:
            found = engine.flows.target(table, result[1])
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
    """Nothing of fsmkit's is logged meanwhile."""
    log = logging.getLogger("fsmkit")
    before = log.disabled
    log.disabled = True
    try:
        yield
    finally:
        log.disabled = before
