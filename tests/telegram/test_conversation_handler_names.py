"""Names of states: the same in each process, and no two alike."""

import enum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsmkit.telegram.conversation_handler.chart import INTO, UnnameableError, text_of


class Stage(enum.Enum):
    ONE = 1
    TWO = 2


class Level(enum.IntEnum):
    ONE = 1


simple = st.one_of(
    st.text(max_size=6),
    st.sampled_from(["1", "-1", "~1", "(1)", "Stage.ONE", "a > b", " ", "1.5", "~", "nan"]),
    st.integers(-3, 3),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([Stage.ONE, Stage.TWO]),
)
states = st.one_of(simple, st.recursive(simple, lambda inner: st.tuples(inner) | st.tuples(inner, inner)))


@given(states, states)
def test_states_that_ptb_tells_apart_have_different_names(one, other):
    assert (text_of(one, {}) == text_of(other, {})) is (one == other)


@given(states)
def test_a_name_can_stand_beside_that_of_a_nested_state(state):
    text = text_of(state, {})
    assert text
    assert INTO not in text


def test_a_member_of_an_enum_of_numbers_is_called_by_its_own_name():
    assert text_of(Level.ONE, {}) == "Level.ONE"


@pytest.mark.parametrize("state", [object, frozenset([1]), b"x", float("nan"), (1, object)])
def test_what_has_no_text_of_its_own_needs_a_name(state):
    with pytest.raises(UnnameableError):
        text_of(state, {})
    assert text_of(state, {state: "x"}) == "x"
