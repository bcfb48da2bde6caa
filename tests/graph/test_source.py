"""What a handler's source says that it returns."""

import enum
import typing
from typing import Any, assert_never, cast

import pytest

import fsmkit
import fsmkit.flow.results as res
from fsmkit import ANY, END, Flow, Result, call, end, error, pass_, stay, transition
from fsmkit import transition as go
from fsmkit.graph.edges import Edges, Target, edges_of


class Steps(enum.StrEnum):
    AGE = "age"


signup = Flow("signup")
signup.state("age")
address = Flow("address")
address.state("street")

NEXT = "age"
DONE = ("end",)
TABLE = {"first": "name", 2: "age"}
CHAIN = ("name", "age")
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
    return edges_of(flow.handlers[0], flow)


def ways(found: Edges) -> set[str]:
    return {name for name in ("stays", "backs", "passes", "errors") if getattr(found, name)}


def codes(found: Edges) -> list[str]:
    return [problem.code for problem in found.problems]


def literal_tuple(event, ctx):
    return ("transition", "age", ctx.data)


def constructor(event, ctx):
    return transition("age", ctx.data)


def constructor_with_keywords(event, ctx):
    return transition(data=ctx.data, state="age")


def renamed_constructor(event, ctx):
    return go("age")


def constructor_of_a_module(event, ctx):
    return res.transition("age")


def local_name(event, ctx):
    result = ("transition", "age")
    return result  # noqa: RET504


def annotated_local_name(event, ctx):
    result: Any
    result = ("transition", "age")
    return result


def local_state(event, ctx):
    where: str = "age"
    return ("transition", where)


def unpacked_locals(event, ctx):
    kind, where = "transition", "age"
    return (kind, where)


def walrus(event, ctx):
    return (result := ("transition", "age"))  # noqa: F841


def walrus_before(event, ctx):
    if where := "age":
        return ("transition", where)
    raise ValueError


def global_string(event, ctx):
    return ("transition", NEXT)


def global_result(event, ctx):
    return DONE if event else ("transition", "age")


def dict_entry(event, ctx):
    return ("transition", TABLE[2])


def list_entry(event, ctx):
    return ("transition", CHAIN[1])


def flow_item(event, ctx):
    return ("transition", signup["age"])


def name_of_a_state(event, ctx):
    return ("transition", signup["age"].name)


def enum_member(event, ctx):
    return ("transition", Steps.AGE)


def enum_value(event, ctx):
    return ("transition", Steps.AGE.value)


def default_argument(event, ctx, where="age"):
    return ("transition", where)


def cast_result(event, ctx):
    return cast(Result, ("transition", "age"))


def more_than_read(event, ctx):
    return ("transition", "age", *ctx.rest)


async def coroutine(event, ctx):
    return ("transition", "age")


@pytest.mark.parametrize(
    "function",
    [
        literal_tuple,
        constructor,
        constructor_with_keywords,
        renamed_constructor,
        constructor_of_a_module,
        local_name,
        annotated_local_name,
        local_state,
        unpacked_locals,
        walrus,
        walrus_before,
        global_string,
        dict_entry,
        list_entry,
        flow_item,
        name_of_a_state,
        enum_member,
        enum_value,
        default_argument,
        cast_result,
        more_than_read,
        coroutine,
    ],
)
def test_one_transition_is_read_in_every_way_to_write_it(function: Any) -> None:
    found = edges(function)
    assert found.targets == {AGE}
    assert (found.complete, found.declared, ways(found), found.problems) == (True, False, set(), ())


def test_every_kind_of_result_is_told_apart() -> None:
    def every(event, ctx):
        match event.text:
            case "a":
                return stay()
            case "b":
                return ("back", 2)
            case "c":
                return pass_()
            case "d":
                return error("no")
            case "e":
                return call(address, ctx.data)
            case "f":
                return end()
            case other:
                assert_never(other)

    found = edges(every)
    assert found.targets == {CALL_ADDRESS, THE_END}
    assert ways(found) == {"stays", "backs", "passes", "errors"}
    assert found.flows == (address,)
    assert found.complete


def test_both_sides_of_a_conditional_expression_are_read() -> None:
    def whole(event, ctx):
        return ("end",) if event else ("stay",)

    def state(event, ctx):
        return ("transition", "age" if event else "name")

    def kind(event, ctx):
        return ("end" if event else "stay", ctx.data)

    assert (edges(whole).targets, ways(edges(whole))) == ({THE_END}, {"stays"})
    assert (edges(state).targets, ways(edges(state))) == ({AGE, NAME}, set())
    assert (edges(kind).targets, ways(edges(kind))) == ({THE_END}, {"stays"})


def test_the_symbol_of_the_end_is_the_end_wherever_it_stands() -> None:
    def conditional(event, ctx):
        return fsmkit.END if event else None

    def by_name(event, ctx):
        done = END
        ctx.log(done)
        return done

    assert (edges(conditional).targets, ways(edges(conditional))) == ({THE_END}, {"stays"})
    assert (edges(by_name).targets, ways(edges(by_name)), edges(by_name).complete) == ({THE_END}, set(), True)


def test_what_follows_the_target_need_not_be_read() -> None:
    assert edges(lambda event, ctx: ("end", *ctx.rest)).targets == {THE_END}
    assert edges(lambda event, ctx: ("transition", "age", *ctx.rest)).targets == {AGE}
    assert not edges(lambda event, ctx: ("transition", *ctx.rest)).complete


def test_and_means_its_last_operand_or_none() -> None:
    found = edges(lambda event, ctx: event.text and ("transition", "age"))
    assert (found.targets, ways(found), found.complete) == ({AGE}, {"stays"}, True)


def test_or_means_all_operands() -> None:
    found = edges(lambda event, ctx: (event.text and ("transition", "age")) or DONE)
    assert (found.targets, found.complete) == ({AGE, THE_END}, True)
    assert edges(lambda event, ctx: ("transition", ctx.data or "age")).targets == {AGE}
    assert not edges(lambda event, ctx: ("transition", ctx.data or "age")).complete


def test_all_assignments_to_a_returned_name_count() -> None:
    def several(event, ctx):
        result = None
        if event.text:
            result = ("transition", "age")
        elif event.args:
            result = end()
        return result

    assert (edges(several).targets, ways(edges(several))) == ({AGE, THE_END}, {"stays"})


def test_names_assigned_from_each_other_end_the_search() -> None:
    def circle(event, ctx):
        here, there = "name", "age"
        while event:
            here = there
            there = here
        return ("transition", here)

    assert edges(circle).targets == {NAME, AGE}
    assert edges(circle).complete


def test_results_of_nested_functions_are_not_the_handlers() -> None:
    def outer(event, ctx):
        def inner():
            return ("transition", "name")

        class Inner:
            def method(self):
                return ("transition", "name")

        ctx.later(inner, Inner, lambda: ("end",))
        return ("transition", "age")

    assert edges(outer).targets == {AGE}


# -- the end of a body ---


def falls_off(event, ctx):  # noqa: RET503
    if event:
        return ("end",)


def bare_return(event, ctx):
    return


def returns_none(event, ctx):
    return None


def loop_that_ends(event, ctx):
    while True:
        if event:
            break
        return ("end",)


def try_that_goes_on(event, ctx):
    try:
        return ("end",)
    except ValueError:
        pass


def match_that_goes_on(event, ctx):
    match event:
        case 1:
            return ("end",)


@pytest.mark.parametrize(
    "function",
    [falls_off, bare_return, returns_none, loop_that_ends, try_that_goes_on, match_that_goes_on],
)
def test_a_handler_that_may_return_nothing_stays(function: Any) -> None:
    assert ways(edges(function)) == {"stays"}


def both_branches(event, ctx):
    if event:
        return ("end",)
    else:  # noqa: RET505
        raise ValueError


def endless_loop(event, ctx):
    while True:
        for item in event:
            if item:
                break
        return ("end",)


def try_and_except(event, ctx):
    try:
        ctx.check()
    except ValueError:
        return ("pass",)
    else:
        return ("end",)


def finally_returns(event, ctx):
    try:
        ctx.check()
    finally:
        return ("end",)  # noqa: B012


def with_block(event, ctx):
    with ctx:
        return ("end",)


def whole_match(event, ctx):
    match event:
        case 1:
            return ("end",)
        case _:
            return ("end",)


def match_and_assert_never(event, ctx):
    match event:
        case 1:
            return ("end",)
        case _:
            typing.assert_never(event)


@pytest.mark.parametrize(
    "function",
    [
        both_branches,
        endless_loop,
        try_and_except,
        finally_returns,
        with_block,
        whole_match,
        match_and_assert_never,
    ],
)
def test_a_handler_whose_end_is_out_of_reach_does_not_stay(function: Any) -> None:
    found = edges(function)
    assert found.targets == {THE_END}
    assert not found.stays


# -- what cannot be read ---


def f_string(event, ctx):
    return ("transition", f"a{event}")


def helper_function(event, ctx):
    return literal_tuple(event, ctx)


async def awaited(event, ctx):
    return await ctx.next()


def variable_key(event, ctx):
    return ("transition", TABLE[event.text])


def argument(event, ctx):
    return event


def starred(event, ctx):
    return (*event,)


def starred_arguments(event, ctx):
    return transition(*event)


def no_result(event, ctx):
    return "age"


def unknown_kind(event, ctx):
    return ("transitoin", "age")


def too_short(event, ctx):
    return ("transition",)


def no_target(event, ctx):
    return transition(data=1)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "function",
    [
        f_string,
        helper_function,
        awaited,
        variable_key,
        argument,
        starred,
        starred_arguments,
        no_result,
        unknown_kind,
        too_short,
        no_target,
    ],
)
def test_what_cannot_be_read_is_a_finding_at_its_line(function: Any) -> None:
    found = edges(function)
    assert codes(found) == ["unreadable-target"]
    assert not found.complete
    assert ways(found) == {"stays", "backs", "passes", "errors"}
    assert found.allows(AGE)
    line = function.__code__.co_firstlineno + 1
    assert found.problems[0].place.endswith(f"test_source.py:{line}")


def test_a_finding_quotes_what_was_not_read() -> None:
    message = edges(f_string).problems[0].message
    assert message == "f_string returns f'a{event}', a target that cannot be read. Add to="
    assert "whose result cannot be read" in edges(helper_function).problems[0].message
    assert "which is not a result" in edges(unknown_kind).problems[0].message


def test_what_was_read_counts_beside_what_was_not() -> None:
    def handler(event, ctx):
        if event:
            return ("transition", "age")
        return ctx.rest()

    assert edges(handler).targets == {AGE}
    assert not edges(handler).complete


def test_a_name_that_is_given_within_the_result_is_read() -> None:
    def handler(event, ctx):
        return ("transition", (there := "age"), there)

    assert edges(handler).targets == {AGE}


def test_a_break_of_an_inner_loop_is_not_one_of_the_outer() -> None:
    def handler(event, ctx):
        while True:
            for word in event:
                if word:
                    break
            if event:
                return ("end",)

    found = edges(handler)
    assert (found.targets, ways(found)) == ({THE_END}, set())
