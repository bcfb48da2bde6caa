"""Handlers made in loops, factories and by decorators: conditions that are fixed when a handler is made."""

import functools
from typing import Any

import pytest

from fsmkit import END, Flow
from fsmkit.graph.graph import graph_of
from fsmkit.testing import lint

STATES = ("a", "b", "c")


def edges(function: Any, to: Any = None) -> set[str]:
    """What a handler of state `a` may do, as it is read."""
    flow = Flow("f")
    for name in STATES:
        flow.state(name)
    flow.defstate("a", to=to)(function)
    graph = graph_of(flow)
    assert graph.problems == ()
    return {f"{edge.kind} {edge.target.state}" if edge.target else edge.kind for edge in graph.edges}


def made(goal: str | None, last: bool = False, mode: str = "x") -> Any:
    def answer(event: Any, ctx: Any) -> Any:
        if goal is None and not last:
            return ("end",)
        for _ in range(2):
            if mode == "y" or last:
                return ("back",)
        return ("transition", goal) if goal is not None else ("stay",)

    return answer


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (made("b"), {"transition b"}),
        (made(None), {"end None"}),
        (made(None, last=True), {"back", "stay"}),
        (made("c", mode="y"), {"back", "transition c"}),
    ],
)
def test_a_factory_s_arguments_decide_which_branches_there_are(made: Any, expected: set[str]) -> None:
    assert edges(made) == expected


def test_a_bound_default_that_is_assigned_anew_decides_nothing() -> None:
    def answer(event: Any, ctx: Any, goal: Any = None) -> Any:
        goal = goal or event.text
        if goal is None:
            return ("end",)
        return ("stay",)

    assert edges(answer) == {"end None", "stay"}


def test_what_another_function_rebinds_decides_nothing() -> None:
    first = True

    def reset() -> None:
        nonlocal first
        first = True

    def answer(event: Any, ctx: Any) -> Any:
        if first:
            return ("transition", "b")
        return ("end",)

    reset()
    assert edges(answer) == {"transition b", "end None"}


LATER = None


def test_a_global_decides_nothing_since_it_may_be_another_later() -> None:
    def answer(event: Any, ctx: Any) -> Any:
        if LATER is None:
            return ("transition", "b")
        return ("end",)

    assert edges(answer) == {"transition b", "end None"}


def test_a_right_to_in_a_loop_is_no_difference() -> None:
    for goal in ("b", None):
        assert edges(made(goal), to=goal or END) == {"end None" if goal is None else "transition b"}


def limited(most: int) -> Any:
    def decorate(handler: Any) -> Any:
        @functools.wraps(handler)
        async def wrapper(event: Any, ctx: Any, *rest: Any) -> Any:
            if len(event.text) > most:
                return ("transition", "c")
            return await handler(event, ctx, *rest)

        return wrapper

    return decorate


def test_what_decorators_return_themselves_is_read_through_several_layers() -> None:
    @limited(3)
    @limited(9)
    async def answer(event: Any, ctx: Any) -> Any:
        return ("transition", "b")

    assert edges(answer) == {"transition b", "transition c"}


def test_an_undeclared_result_of_a_decorator_is_found() -> None:
    flow = Flow("f")
    for name in STATES:
        flow.state(name)

    @flow.defstate("a", to="b")
    @limited(3)
    async def answer(event: Any, ctx: Any) -> Any:
        return ("transition", "b")

    found = [finding.message for finding in lint(flow) if finding.code == "targets-differ"]
    assert len(found) == 1
    assert found[0].endswith('returns "f/c", which its to= does not name')
