"""The constructors of results return the very tuples, and the types build unions of them."""

import typing
from typing import Any, Literal, get_args

import pytest

from fsmkit import End, Flow, Result, State, Stay, To, back, call, end, error, pass_, stay, transition
from fsmkit.flow.results import LENGTHS
from fsmkit.flow.states import Symbol

address = Flow("address")


@pytest.mark.parametrize(
    ("made", "plain"),
    [
        (transition("age"), ("transition", "age")),
        (transition("age", {"n": 1}), ("transition", "age", {"n": 1})),
        (transition("age", None), ("transition", "age", None)),
        (stay(), ("stay",)),
        (stay({"n": 1}), ("stay", {"n": 1})),
        (stay(None), ("stay", None)),
        (back(), ("back",)),
        (back(2), ("back", 2)),
        (back(2, {"n": 1}), ("back", 2, {"n": 1})),
        (back(data={"n": 1}), ("back", 1, {"n": 1})),
        (call(address), ("call", address)),
        (call("address", {"n": 1}), ("call", "address", {"n": 1})),
        (end(), ("end",)),
        (end("result"), ("end", "result")),
        (end(None), ("end", None)),
        (pass_(), ("pass",)),
        (error("no"), ("error", "no")),
    ],
)
def test_a_constructor_returns_the_plain_tuple(made, plain):
    assert made == plain
    assert type(made) is tuple


def test_a_state_is_kept_as_it_was_given():
    state = State("age")
    assert transition(state)[1] is state


def test_each_kind_of_result_has_its_lengths():
    assert LENGTHS == {
        "transition": (2, 3),
        "stay": (1, 2),
        "back": (1, 3),
        "call": (2, 3),
        "end": (1, 2),
        "pass": (1, 1),
        "error": (2, 2),
    }


def test_the_result_type_names_each_kind_once():
    tuples = [option for option in get_args(Result) if typing.get_origin(option) is tuple]
    assert {get_args(get_args(option)[0])[0] for option in tuples} == set(LENGTHS)
    assert Literal[Symbol.END] in get_args(Result)
    assert type(None) in get_args(Result)


def test_to_is_a_transition_with_or_without_data():
    assert set(get_args(To[Literal["age"], dict])) == {
        tuple[Literal["transition"], Literal["age"]],
        tuple[Literal["transition"], Literal["age"], dict],
    }


def test_to_may_leave_the_data_open():
    assert get_args(To[Literal["age"]])[1] == tuple[Literal["transition"], Literal["age"], Any]


def test_stay_and_end_may_name_what_they_carry():
    assert tuple[Literal["stay"], dict] in get_args(Stay[dict])
    assert tuple[Literal["end"], dict] in get_args(End[dict])


def test_annotations_with_bare_aliases_can_be_read():
    def handler(event: Any, ctx: Any) -> To[Literal["age"]] | Stay | End: ...

    returned = typing.get_type_hints(handler)["return"]
    assert set(get_args(returned)) == {
        tuple[Literal["transition"], Literal["age"]],
        tuple[Literal["transition"], Literal["age"], Any],
        tuple[Literal["stay"]],
        tuple[Literal["stay"], Any],
        type(None),
        tuple[Literal["end"]],
        tuple[Literal["end"], Any],
        Literal[Symbol.END],
    }


def test_a_bare_alias_may_stand_on_either_side_of_none():
    for union in (End | None, None | End):
        assert set(get_args(union)) == {
            tuple[Literal["end"]],
            tuple[Literal["end"], Any],
            Literal[Symbol.END],
            type(None),
        }


def test_too_many_parameters_are_refused():
    with pytest.raises(TypeError, match="at most 1"):
        Stay[dict, dict]


def test_a_type_is_no_constructor():
    with pytest.raises(TypeError, match="not a constructor"):
        Stay()
