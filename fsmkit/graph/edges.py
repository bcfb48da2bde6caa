"""Targets, and what the names in a result or in `to=` mean: a state here or in another flow, a call, the end.

Where the names come from is `fsmkit.edges`' matter.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

import attrs

from fsmkit.flow import Flow
from fsmkit.states import END, State, StatesGroup


@attrs.frozen(order=True)
class Target:
    """Where a handler may go.

    Attributes:
        kind: What it does.
        flow: Name of the flow that it goes to or calls; its own for the end.
        state: Name of the state that it goes to; `None` for a call and the end.
    """

    kind: Literal["transition", "call", "end"]
    flow: str
    state: str | None = None

    def __str__(self) -> str:
        if self.kind == "end":
            return "the end"
        return f'the call of flow "{self.flow}"' if self.state is None else f'"{self.flow}/{self.state}"'


class UnknownTargetError(Exception):
    """A state or a flow that there is not."""

    def __init__(self, problem: str, remedy: str) -> None:
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{problem}. {remedy}")


@attrs.frozen(eq=False)
class TargetNames:
    """What the targets in one flow's results mean."""

    flow: Flow[Any]
    known: Mapping[str, Flow[Any]]

    def target(self, kind: str, named: Any) -> Target:
        """Raises UnknownTargetError if there is no such state or flow."""
        if kind == "end":
            return Target("end", self.flow.name)
        if kind == "call":
            name = named.name if isinstance(named, Flow) else named
            if isinstance(name, str) and (isinstance(named, Flow) or name in self.known):
                return Target("call", _plain(name))
            raise UnknownTargetError(
                f"{_shown(named)}, there is no such flow", self._remedy(named, self.known)
            )
        if isinstance(named, State):
            return self._state(named.flow or self.flow.name, named.name, named)
        if not isinstance(named, str):
            raise UnknownTargetError(f"{_shown(named)}, which is no state", "Name a state")
        name = _plain(named)
        flow, slash, state = name.partition("/")
        if slash and name not in self.flow.states:
            return self._state(flow, state, name)
        return self._state(self.flow.name, name, name)

    def _state(self, flow: str, state: str, named: Any) -> Target:
        if flow not in self.known:
            remedy = self._remedy(flow, self.known, f"Put flow {flow!r} together with {self.flow.name!r}")
            raise UnknownTargetError(f'{_shown(named)}, there is no flow "{flow}"', remedy)
        if state not in self.known[flow].states:
            remedy = self._remedy(state, self.known[flow].states)
            raise UnknownTargetError(f'{_shown(named)}, flow "{flow}" has no such state', remedy)
        return Target("transition", flow, state)

    def _remedy(self, name: Any, known: Iterable[str], otherwise: str | None = None) -> str:
        near = difflib.get_close_matches(str(name), list(known), n=1)
        if near:
            return f'Did you mean "{near[0]}"?'
        return otherwise or f"There is {', '.join(known) or 'none'}"

    def meant_by(self, item: Any) -> Iterator[Target]:
        """What stands in `to=`, where nothing says whether it is a state or a call."""
        if item is END:
            yield self.target("end", None)
        elif isinstance(item, type) and issubclass(item, StatesGroup):
            yield from (self.target("transition", state) for state in item.states())
        elif isinstance(item, Flow) or (
            isinstance(item, str) and item not in self.flow.states and item in self.known
        ):
            yield self.target("call", item)
        else:
            yield self.target("transition", item)


def _plain(name: str) -> str:
    return str.__str__(name)  # of a member of a string enum: its value


def _shown(named: Any) -> str:
    return f'"{_plain(named)}"' if isinstance(named, str) else repr(named)
