"""What a handler's return annotation says."""

from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, Literal

import pytest

from fsmkit import ANY, End, Flow, Result, Stay, To
from fsmkit.flow.states import Symbol
from fsmkit.graph.edges import Edges, Target, edges_of

if TYPE_CHECKING:
    from nowhere import Form  # type: ignore[import-not-found]


address = Flow("address")
address.state("street")

AGE = Target("transition", "signup", "age")
NAME = Target("transition", "signup", "name")
THE_END = Target("end", "signup")
CALL_ADDRESS = Target("call", "address")


def edges(function: Any) -> Edges:
    """The edges of a function that is registered with a flow of the states `name` and `age`."""
    flow = Flow("signup")
    for name in ("name", "age"):
        flow.state(name)
    flow.defstate(ANY)(function)
    return edges_of(flow.handlers[0], flow, {"address": address})


def ways(found: Edges) -> set[str]:
    return {name for name in ("stays", "backs", "passes", "errors") if getattr(found, name)}


def codes(found: Edges) -> list[str]:
    return [problem.code for problem in found.problems]


Answer = To[Literal["age", "name"]] | Stay


def several(event, ctx) -> To[Literal["age", "name"], dict[str, Any]] | Stay: ...
def with_end(event, ctx) -> To[Literal["age"]] | End: ...
def alias(event, ctx) -> Answer: ...
def text_annotation(event, ctx) -> "Answer": ...
async def awaitable(event, ctx) -> Answer: ...
def coroutine_type(event, ctx) -> Coroutine[Any, Any, Answer]: ...
def awaitable_type(event, ctx) -> Awaitable[Answer]: ...
def plain_tuples(event, ctx) -> tuple[Literal["transition"], Literal["age"]] | tuple[Literal["end"]]: ...
def called(event, ctx) -> tuple[Literal["call"], Literal["address"], Any]: ...
def others_unresolvable(event: "Form", ctx: "Form") -> Answer: ...


@pytest.mark.parametrize(
    ("function", "targets", "expected"),
    [
        (several, {AGE, NAME}, {"stays"}),
        (with_end, {AGE, THE_END}, set()),
        (alias, {AGE, NAME}, {"stays"}),
        (text_annotation, {AGE, NAME}, {"stays"}),
        (awaitable, {AGE, NAME}, {"stays"}),
        (coroutine_type, {AGE, NAME}, {"stays"}),
        (awaitable_type, {AGE, NAME}, {"stays"}),
        (plain_tuples, {AGE, THE_END}, set()),
        (called, {CALL_ADDRESS}, set()),
        (others_unresolvable, {AGE, NAME}, {"stays"}),
    ],
)
def test_a_precise_annotation_declares_the_targets(function: Any, targets: Any, expected: Any) -> None:
    def unread(event, ctx):
        return ctx.anything()

    unread.__annotations__ = function.__annotations__
    found = edges(unread)
    assert found.targets == targets
    assert ways(found) == expected
    assert (found.declared, found.complete, found.problems) == (True, True, ())


@pytest.mark.parametrize(
    "hint", [Stay, End, None, Literal[Symbol.END], Stay[int], "None", tuple[Literal["stay", "pass"]]]
)
def test_annotations_without_a_transition_are_precise(hint: Any) -> None:
    def handler(event, ctx):
        return ctx.anything()

    handler.__annotations__ = {"return": hint}
    found = edges(handler)
    assert found.declared
    assert not found.allows(AGE)


@pytest.mark.parametrize(
    "hint",
    [
        Result,
        tuple,
        tuple[Any, ...],
        tuple[Literal["end"], ...],
        tuple[Literal["transition"]],
        tuple[Literal["transitoin"], Literal["age"]],
        tuple[str, str],
        Any,
        object,
        str,
        To,
        To[str],
        To[str] | End,
        tuple[Literal["call"], Flow[Any]],
        "Form",
        "Form | Stay",
        Callable[..., Stay],
    ],
)
def test_an_imprecise_or_unreadable_annotation_leaves_it_to_the_source(hint: Any) -> None:
    def handler(event, ctx):
        return ("transition", "age")

    handler.__annotations__ = {"return": hint}
    found = edges(handler)
    assert (found.targets, found.declared, found.complete) == ({AGE}, False, True)


def test_an_annotation_with_an_unknown_state_is_a_finding() -> None:
    def handler(event, ctx) -> To[Literal["agee"]]:
        return ctx.anything()

    assert codes(edges(handler)) == ["unknown-state"]


def test_an_alias_with_data_says_what_one_without_says() -> None:
    def handler(event, ctx) -> Stay[dict[str, Any]]: ...

    found = edges(handler)
    assert (found.targets, found.stays) == (frozenset(), True)
