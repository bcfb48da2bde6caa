"""Values of buttons: whatever can be stored comes back as it was, and the rest is refused."""

import datetime as dt
import decimal
import enum
import uuid

import attrs
import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fsmkit import DefinitionError, UnstorableData
from fsmkit.interpreter.codec import Unfit, ValueCodec
from fsmkit.interpreter.roundtrip import same


@attrs.frozen
class Item:
    id: int
    tags: tuple[str, ...] = ()


class Point(msgspec.Struct, frozen=True):
    x: float


class Colour(enum.Enum):
    RED = "r"


class Mood(enum.StrEnum):
    GOOD = "good"


@attrs.frozen(eq=False)
class Incomparable:
    id: int


CODEC = ValueCodec([Item, Point, Colour, Mood, Incomparable])

ATOMS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary(max_size=9)
    | st.dates()
    | st.datetimes()
    | st.times()
    | st.timedeltas()
    | st.decimals()
    | st.uuids()
    | st.builds(Item, st.integers(), st.tuples(st.text()))
    | st.builds(Point, st.floats())
    | st.sampled_from([Colour.RED, Mood.GOOD, Incomparable(1), Item, object(), 1j])
)
HASHABLE = st.integers() | st.text() | st.sampled_from([Colour.RED, Item(1)])
VALUES = st.recursive(
    ATOMS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(HASHABLE, inner, max_size=3)
        | st.frozensets(HASHABLE, max_size=3)
        | st.sets(HASHABLE, max_size=3)
    ),
    max_leaves=8,
)


@given(VALUES)
@example({"~tuple": [1]})
@example({"~": {"~dict": 5}})
@example({1: (2, [None])})
@example(float("nan"))
@example(2**70)
def test_any_value_comes_back_as_it_was_or_is_refused(value):
    try:
        text = CODEC.pack(value)
    except UnstorableData:
        return
    back = CODEC.unpack(text)
    assert back == value
    assert same(value, back)
    assert type(back) is type(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "1"),
        (True, "true"),
        (None, "null"),
        (0.5, "0.5"),
        ([1, "a"], '[1,"a"]'),
        ({"id": 3}, '{"id":3}'),
        ((1, 2), '{"~tuple":[1,2]}'),
        (dt.date(2025, 3, 1), '{"~date":"2025-03-01"}'),
        (Mood.GOOD, '{"~test_values.Mood":"good"}'),
    ],
)
def test_what_stands_in_a_button_is_short(value, text):
    assert CODEC.pack(value) in (text, text.replace("test_values", __name__))


@pytest.mark.parametrize(
    "value",
    [
        dt.time(12, 30),
        dt.datetime(2025, 3, 1, tzinfo=dt.UTC),
        dt.timedelta(days=3),
        decimal.Decimal("1.10"),
        uuid.UUID(int=7),
        b"bytes",
        Item(7, ("a",)),
        Point(1.5),
        Colour.RED,
        [Item(1), Item(2)],
        {Item(1): Colour.RED},
        {1, 2},
        frozenset({"a"}),
    ],
    ids=repr,
)
def test_these_come_back(value):
    back = CODEC.unpack(CODEC.pack(value))
    assert (back, type(back)) == (value, type(value))


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (float("nan"), "comes back as None"),
        (1j, "no handler of the attached flows takes values of class complex: write on=button"),
        (Incomparable(1), "eq=False"),
        (Point("1"), "x"),
        (dt.datetime(2025, 3, 1, tzinfo=__import__("zoneinfo").ZoneInfo("Europe/Berlin")), "comes back as"),
    ],
    ids=str,
)
def test_what_would_not_come_back_is_refused_with_the_reason(value, problem):
    with pytest.raises(UnstorableData, match=problem):
        CODEC.pack(value)


def test_a_value_that_contains_itself_is_refused():
    value = []
    value.append(value)
    with pytest.raises(UnstorableData, match="too deeply"):
        CODEC.pack(value)


def test_a_class_that_no_handler_names_any_more_does_not_come_back():
    text = CODEC.pack(Item(1))
    with pytest.raises(Unfit, match=r"takes values of class .*Item"):
        ValueCodec([]).unpack(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{"~tuple":5}',
        '{"~dict":[[1]]}',
        '{"~dict":[[[1],2]]}',
        '{"~date":"today"}',
        '{"~Decimal":"x"}',
        f'{{"~{__name__}.Item":{{"id":"x"}}}}',
        f'{{"~{__name__}.Incomparable":{{"id":1}}}}',
    ],
)
def test_what_nobody_packed_does_not_come_back(text):
    with pytest.raises(Unfit):
        CODEC.unpack(text)


def test_two_classes_of_one_name_are_refused():
    other = attrs.make_class("Item", ["id"])
    other.__module__, other.__qualname__ = Item.__module__, Item.__qualname__
    with pytest.raises(DefinitionError, match="two classes of values of buttons"):
        ValueCodec([Item, other])


def test_a_class_whose_comparison_raises_is_refused():
    class Odd(enum.Enum):
        A = "a"

        def __eq__(self, other):
            raise RuntimeError("of __eq__")

        __hash__ = None

    with pytest.raises(UnstorableData, match=r"of __eq__"):
        ValueCodec([Odd]).pack([Odd.A])
