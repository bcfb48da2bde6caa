"""The survey: which sites of flows conversations come to, and from which observations.

Tours of the flows as they are, with handlers, hooks and prompts that note that they were asked.
"""

from collections.abc import Callable, Iterator
from typing import Any

import attrs

from fsmkit.engine.engine import Engine
from fsmkit.flow.context import SendMessage
from fsmkit.flow.handlers import Handler, Hook
from fsmkit.graph.edges import Target
from fsmkit.interpreter.compiled import CompiledFlow, FlowSet
from fsmkit.testing.coverage import kind_of_act
from fsmkit.testing.explore.search_state import SearchState
from fsmkit.testing.harness.actions import Action
from fsmkit.testing.harness.instrument import exchange, read_result
from fsmkit.testing.lint import location_of_state
from fsmkit.testing.mutation.applying import changed, restate, sayings, without_data
from fsmkit.testing.mutation.mutants import Part, Site

Passage = tuple[SearchState, Action]
"""An observation, and what is done there that comes to a site."""

ENOUGH = 6
"""Passages of a site that are kept, each from another place or by another kind of action."""


class Survey:
    """What is noted while the flows are toured.

    Attributes:
        passages: The observations from which each site was come to, the nearest to the beginning first.
    """

    def __init__(self) -> None:
        self.passages: dict[Site, dict[Any, Passage]] = {}
        self._now: dict[Site, None] = {}

    def tell(self, spot: SearchState, action: Action) -> None:
        """Note what was come to by an action."""
        for site in self._now:
            known = self.passages.setdefault(site, {})
            if len(known) < ENOUGH:
                known.setdefault((spot.place, spot.last, kind_of_act(action)), (spot, action))
        self._now.clear()

    def watch(self, engine: Engine) -> None:
        """Has all sites of an engine noted."""
        called = {
            target.flow
            for table in engine.flows.tables.values()
            for edges in table.edges.values()
            for target in edges.targets
            if target.kind == "call"
        }
        for table in engine.flows.tables.values():
            self._watch_states(table)
            self._watch_hooks(table)
            handlers = enumerate(table.flow.handlers)
            exchange(
                table, {handler: self._watched(engine, table, n, handler, called) for n, handler in handlers}
            )

    def _note(self, site: Site) -> None:
        self._now[site] = None

    # -- handlers ----------------------------------------------------------------------------------

    def _watched(
        self, engine: Engine, table: CompiledFlow, number: int, handler: Handler, called: set[str]
    ) -> Handler:
        def site(part: Part, **what: Any) -> Site:
            return Site(part, table.name, handler.name, number, handler.place, **what)

        def noted(_event: Any, ctx: Any, result: Any) -> Any:
            kind, target = read_result(engine.flows, table, result)
            if kind in ("transition", "call", "end", "back"):
                self._note(site("edge", result=kind, target=target))
            if _matters(engine, table, result, kind, target, ctx, called):
                self._note(site("data", result=kind, target=target))
            if kind not in ("pass", "error", "raised"):
                for nth, wish in enumerate(sayings(ctx)):
                    text = wish.reply.text if isinstance(wish, SendMessage) else wish.text
                    self._note(site("saying", nth=nth, text=_short(text)))
            return result

        when = handler.when
        if when is None:
            return changed(handler, noted)

        def asked(event: Any) -> Any:
            answer = when(event)
            if not answer:
                self._note(site("guard"))
            return answer

        asked.__wrapped__ = when  # type: ignore[attr-defined]  # its constants are tried as inputs
        return attrs.evolve(changed(handler, noted), when=asked)

    # -- states and hooks --------------------------------------------------------------------------

    def _watch_states(self, table: CompiledFlow) -> None:
        for name, rules in list(table.rules.items()):
            for site in _sayings_of(table, name):
                part = "prompt" if site.part == "prompt" else "otherwise"
                restate(table, name, **{part: self._noted(getattr(rules.state, part), site)})

    def _watch_hooks(self, table: CompiledFlow) -> None:
        hooks = {
            hook: attrs.evolve(hook, function=self._noted(hook.function, site))
            for hook, site in _hooks_of(table)
        }
        for name, rules in list(table.rules.items()):
            enter = tuple(hooks.get(hook, hook) for hook in rules.enter)
            leave = tuple(hooks.get(hook, hook) for hook in rules.leave)
            table.rules[name] = attrs.evolve(rules, enter=enter, leave=leave)

    def _noted(self, said: Any, site: Site) -> Callable[[Any], Any]:
        def call(ctx: Any) -> Any:
            self._note(site)
            return said(ctx) if callable(said) else said

        return call


def sites_of(flows: FlowSet) -> Iterator[Site]:
    """Yield the sites that the declarations show: all but data and what handlers say."""
    for table in flows.tables.values():
        for number, handler in enumerate(table.flow.handlers):
            read = table.edges[handler]
            about = (table.name, handler.name, number, handler.place)
            for target in sorted(read.targets):
                yield Site("edge", *about, result=target.kind, target=target)
            if read.backs and read.complete:
                yield Site("edge", *about, result="back")
            if handler.when is not None:
                yield Site("guard", *about)
        for name in table.rules:
            yield from _sayings_of(table, name)
        for _, site in _hooks_of(table):
            yield site


def _sayings_of(table: CompiledFlow, name: str) -> Iterator[Site]:

    state = table.rules[name].state
    place = location_of_state(table.flow, state)
    if state.prompt is not None:
        yield Site("prompt", table.name, name, place=place)
    if state.otherwise is not None:
        yield Site("otherwise", table.name, name, place=place)


def _hooks_of(table: CompiledFlow) -> Iterator[tuple[Hook, Site]]:
    flow = table.flow
    kinds: tuple[tuple[Part, list[Hook]], ...] = (("enter", flow.enter_hooks), ("exit", flow.exit_hooks))
    for part, hooks in kinds:
        for number, hook in enumerate(hooks):
            name = getattr(hook.function, "__qualname__", repr(hook.function))
            yield hook, Site(part, flow.name, name, number, hook.place)


def _matters(
    engine: Engine,
    table: CompiledFlow,
    result: Any,
    kind: str,
    target: Target | None,
    ctx: Any,
    called: set[str],
) -> bool:
    """Whether a result has data, and it would make a difference if it had none."""
    if kind not in ("transition", "stay", "back", "call", "end") or type(result) is not tuple:
        return False
    if result == without_data(result):
        return False
    given = result[-1]
    if kind == "end":
        return table.name in called and given is not None
    if kind == "call":
        return bool(target is None or given != engine.flows.tables[target.flow].codec.initial())
    if target is not None and target.flow != table.name:
        return bool(given != engine.flows.tables[target.flow].codec.initial())
    return bool(given != ctx.data)


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 40 else text[:39] + "…"
