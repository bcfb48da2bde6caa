"""Breaks one thing in the tables of one engine; the user's flows and modules stay as they are.

The survey notes in the same way, by what is put in the place of handlers, hooks and prompts.
"""

import copy
import inspect
from collections.abc import Callable
from typing import Any

import attrs

from fsmkit.engine.engine import Engine
from fsmkit.flow.context import SendMessage
from fsmkit.flow.handlers import Handler
from fsmkit.flow.messages import Answer, Verdict
from fsmkit.flow.results import as_tuple
from fsmkit.flow.states import State
from fsmkit.graph.edges import Target
from fsmkit.graph.graph import Edge, Graph
from fsmkit.interpreter.compiled import CompiledFlow
from fsmkit.testing.harness.instrument import exchange, read_result
from fsmkit.testing.mutation.mutants import Mutant, Site

Change = Callable[[Any, Any, Any], Any]
"""Gives another result for event, ctx and result."""


def alter(engine: Engine, mutant: Mutant) -> None:
    """Break what a mutant breaks.

    Args:
        engine: The engine; no event may have come yet, and nobody may watch it.
        mutant: What is broken.
    """
    site = mutant.site
    table = engine.flows.tables[site.flow]
    match site.part:
        case "edge" | "data" | "saying":
            handler = table.flow.handlers[site.number]
            if site.part == "edge":
                _declare(table, handler, mutant)
            exchange(table, {handler: changed(handler, _change(engine, table, mutant))})
        case "guard":
            handler = table.flow.handlers[site.number]
            exchange(table, {handler: attrs.evolve(handler, when=None)})
        case "prompt":
            restate(table, site.name, prompt=None, buttons=())
        case "otherwise":
            restate(table, site.name, otherwise=None)
        case "enter" | "exit":
            _skip(table, site)


def altered(graph: Graph, table: CompiledFlow, mutant: Mutant) -> Graph:
    """Return the graph that the flow would have if it were written as the mutant is.

    Args:
        graph: The graph as it is.
        table: The mutant's flow, as it is.
        mutant: What is broken.
    """
    site = mutant.site
    if site.part != "edge":
        return graph
    handler = table.flow.handlers[site.number]
    asked = {state for state, handlers in table.by_state.items() if handler in handlers}
    edges: dict[Edge, None] = {}
    for edge in graph.edges:
        same = (edge.flow, edge.place, edge.kind, edge.target) == (
            site.flow,
            handler.place,
            site.result,
            site.target,
        )
        edges[_broken(edge, mutant) if same and edge.source in asked else edge] = None
    return Graph(graph.flows, tuple(edges), graph.handlers)


def changed(handler: Handler, change: Change) -> Handler:
    """Return a handler that calls another one, and gives another result."""
    function = handler.function

    async def later(event: Any, ctx: Any, result: Any) -> Any:
        return change(event, ctx, await result)

    def call(event: Any, ctx: Any) -> Any:
        result = function(event, ctx)
        return later(event, ctx, result) if inspect.isawaitable(result) else change(event, ctx, result)

    call.__qualname__ = handler.name
    call.__wrapped__ = function  # type: ignore[attr-defined]  # for who reads its code
    return attrs.evolve(handler, function=call)


def restate(table: CompiledFlow, name: str, **declared: Any) -> None:
    """Declare a state otherwise, in one engine."""
    rules = table.rules[name]
    state: State = copy.copy(rules.state)
    for what, value in declared.items():
        setattr(state, what, value)
    silent = not rules.enter and state.prompt is None and state.job is None
    buttons = rules.buttons if state.buttons else ()
    table.rules[name] = attrs.evolve(rules, state=state, buttons=buttons, silent=silent)
    table.recompile()


def sayings(ctx: Any) -> list[SendMessage | Answer]:
    """Return what a handler says: replies, and answers to presses that have a text."""
    return [wish for wish in ctx.requests if isinstance(wish, SendMessage) or _says(wish)]


def _says(wish: Any) -> bool:
    return isinstance(wish, Answer) and not isinstance(wish, Verdict) and bool(wish.text)


# -- what is broken --------------------------------------------------------------------------------


def _change(engine: Engine, table: CompiledFlow, mutant: Mutant) -> Change:
    site = mutant.site

    def says_less(_event: Any, ctx: Any, result: Any) -> Any:
        said = sayings(ctx)
        if len(said) > site.nth:
            silenced = said[site.nth]
            ctx.requests[:] = [wish for wish in ctx.requests if wish is not silenced]
        return result

    def goes_elsewhere(_event: Any, ctx: Any, result: Any) -> Any:
        if read_result(engine.flows, table, result) != (site.result, site.target):
            return result
        result = as_tuple(result)
        match mutant.kind:
            case "redirect":
                return ("transition", mutant.goal, *result[2:])
            case "drop":
                return _stays(result, site, ctx)
            case _:
                return without_data(result)

    return says_less if site.part == "saying" else goes_elsewhere


def without_data(result: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a result that names no data."""
    return result[:1] if result[0] in ("stay", "end") else result[:2]


def _stays(result: tuple[Any, ...], site: Site, ctx: Any) -> tuple[Any, ...]:
    """Staying, with the data that belong to this very flow."""
    here = result[0] == "back" or (result[0] == "transition" and site.target is not None)
    mine = site.target is None or site.target.flow == site.flow
    return ("stay", result[2]) if here and mine and len(result) == 3 and ctx.state is not None else ("stay",)


def _declare(table: CompiledFlow, handler: Handler, mutant: Mutant) -> None:
    """Has the declaration follow: that an edge is not declared would give each mutant away."""
    edges = table.edges[handler]
    goal = () if mutant.goal is None else (Target("transition", table.name, mutant.goal),)
    edges = attrs.evolve(edges, targets=edges.targets.union(goal), stays=True)
    table.edges[handler] = edges
    if handler in table.declared:
        table.declared[handler] = edges


def _broken(edge: Edge, mutant: Mutant) -> Edge:
    if mutant.goal is None:
        return attrs.evolve(edge, kind="stay", target=None)
    return attrs.evolve(edge, target=Target("transition", edge.flow, mutant.goal))


def _skip(table: CompiledFlow, site: Site) -> None:
    flow = table.flow
    hook = (flow.enter_hooks if site.part == "enter" else flow.exit_hooks)[site.number]
    for name, rules in table.rules.items():
        enter = tuple(other for other in rules.enter if other is not hook)
        leave = tuple(other for other in rules.leave if other is not hook)
        silent = not enter and rules.state.prompt is None and rules.state.job is None
        table.rules[name] = attrs.evolve(rules, enter=enter, leave=leave, silent=silent)
    table.recompile()
