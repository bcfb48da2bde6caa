"""What can be stored comes back as it was; what cannot is refused, with the place and the reason."""

import datetime as dt
import decimal
import enum
import json
import math
import uuid
import zoneinfo
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple, TypedDict

import attrs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from fsmkit import DefinitionError, StoreCorrupt, UnstorableData
from fsmkit.interpreter.codec import DataCodec, EventCodec, Unfit, decode_row, encode_row
from fsmkit.interpreter.roundtrip import same
from fsmkit.interpreter.row import Frame, Row, Snapshot


class Color(enum.Enum):
    RED = "red"


class Word(enum.StrEnum):
    YES = "yes"


class Number(enum.IntEnum):
    ONE = 1


class Text(str):
    __slots__ = ()


class Octets(bytes):
    __slots__ = ()


class Extended(dict[str, Any]):
    pass


@attrs.frozen
class Form:
    name: str = ""
    age: int = 0


@attrs.frozen
class LongForm(Form):
    street: str = ""


@dataclass
class Point:
    x: float
    y: float = 0.0


class Cat(msgspec.Struct, tag=True):
    lives: int = 9


class Dog(msgspec.Struct, tag=True):
    name: str = "Rex"


class Pair(NamedTuple):
    left: int
    right: str


class Options(TypedDict, total=False):
    color: Color


@attrs.define
class Everything:
    form: Form = attrs.field(factory=Form)
    forms: list[Form] = attrs.field(factory=list)
    point: Point | None = None
    pet: Cat | Dog = attrs.field(factory=Cat)
    pair: Pair = attrs.field(factory=lambda: Pair(1, "a"))
    size: Literal["S", "M", 3] = "S"
    color: Color = Color.RED
    number: Number = Number.ONE
    when: dt.datetime = dt.datetime(2024, 2, 29, 12, tzinfo=dt.UTC)
    day: dt.date = dt.date(2024, 2, 29)
    span: dt.timedelta = dt.timedelta(microseconds=1)
    id: uuid.UUID = attrs.field(factory=uuid.uuid4)
    price: decimal.Decimal = decimal.Decimal("1.50")
    raw: bytes = b"\x00\xff"
    tags: set[str] = attrs.field(factory=set)
    shape: tuple[int, ...] = (1, 2)
    by_number: dict[int, str] = attrs.field(factory=lambda: {1: "one"})
    options: Options = attrs.field(factory=lambda: Options(color=Color.RED))
    more: dict[str, Any] = attrs.field(factory=dict)


@attrs.define
class Node:
    child: "Node | None" = None


@attrs.frozen
class Album:
    photo: str = ""
    ratio: float = 1.0
    forms: list[Form] = attrs.field(factory=list)
    maybe: float | None = None


@attrs.frozen
class Secret:
    open: int = 0
    _hidden: int = 0


@attrs.define(eq=False)
class Quarrelsome:
    x: int = 0

    def __eq__(self, other: object) -> bool:
        raise ZeroDivisionError("no")


@attrs.define(eq=False)
class Unlike:
    x: int = 0

    def __eq__(self, other: object) -> bool:
        return False


def stored(data: Any, kind: Any = dict) -> Any:
    codec = DataCodec("signup", kind, None)
    return codec.decode(codec.encode(data))


def refused(data: Any, kind: Any = dict) -> tuple[str, str]:
    with pytest.raises(UnstorableData) as caught:
        DataCodec("signup", kind, None).encode(data)
    return caught.value.path, caught.value.problem


def not_definable(kind: Any) -> str:
    with pytest.raises(DefinitionError) as caught:
        DataCodec("signup", kind, "bot.py:3")
    assert caught.value.place == "bot.py:3"
    assert caught.value.remedy
    return caught.value.problem


# --- what comes back ---


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        ({}, dict),
        ({"a": [1, 1.5, True, None, "é", {"b": []}], "": -0.0}, dict),
        ({"n": 2**64, "m": -(2**63) - 1, "k": 2**200}, dict),
        ({"a": 1}, dict[str, int]),
        ([Form("Ann", 3), Form()], list[Form]),
        (Form("Ann", 2**70), Form),
        (Point(1.5), Point),
        (Point(1), Point),  # an int is welcome where a float is declared
        (Dog("Fido"), Cat | Dog),
        (None, Form | None),
        (Form("Ann"), Form | None),
        (None, dict | None),
        (Options(), Options),
        (Pair(1, "b"), Pair),
        (Everything(), Everything),
        (
            Everything(
                forms=[Form("a")], point=Point(2.0, 3.0), pet=Dog(), tags={"x", "y"}, more={"a": {"b": [1]}}
            ),
            Everything,
        ),
        (Node(Node(Node())), Node),
        (dt.datetime(2024, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=2))), dt.datetime),
        (Secret(open=3), Secret),
    ],
)
def test_data_come_back_equal_and_of_the_same_class(data: Any, kind: Any) -> None:
    back = stored(data, kind)
    assert back == data
    assert type(back) is type(data)


def test_the_json_is_plain() -> None:
    raw = DataCodec("signup", Form, None).encode(Form("Ann", 3))
    assert json.loads(bytes(raw)) == {"name": "Ann", "age": 3}


def test_changing_what_was_read_never_changes_what_is_stored() -> None:
    codec: DataCodec[dict[str, Any]] = DataCodec("signup", dict, None)
    raw = codec.encode({"items": [1]})
    first = codec.decode(raw)
    assert first is not None
    first["items"].append(2)
    assert codec.decode(raw) == {"items": [1]}


def test_changing_what_was_written_never_changes_what_is_stored() -> None:
    codec: DataCodec[dict[str, Any]] = DataCodec("signup", dict, None)
    data = {"items": [1]}
    raw = codec.encode(data)
    data["items"].append(2)
    assert codec.decode(raw) == {"items": [1]}


# --- what does not come back ---


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_does_not_have_are_refused(number: float) -> None:
    problem = f"got {number}, JSON has no such number"
    assert refused({"a": [1.0, number]}) == ("signup.data.a[1]", problem)
    assert refused(Album(ratio=number), Album) == ("signup.data.ratio", problem)
    assert refused(Album(maybe=number), Album) == ("signup.data.maybe", problem)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ((1, 2), "tuple"),
        ({1}, "set"),
        (b"a", "bytes"),
        (dt.datetime(2024, 1, 1, tzinfo=dt.UTC), "datetime"),
        (decimal.Decimal(1), "Decimal"),
        (Color.RED, "Color"),
        (Word.YES, "Word"),
        (Number.ONE, "Number"),
        (Form(), "Form"),
        (Extended(), "Extended"),
        (Text("a"), "Text"),
        (Octets(b"a"), "Octets"),
        (object(), "object"),
        (print, "builtin_function_or_method"),
    ],
)
def test_an_undeclared_value_of_a_class_that_json_does_not_have_is_refused(value: Any, shown: str) -> None:
    path, problem = refused({"a": {"b c": [value]}})
    assert path == "signup.data.a['b c'][0]"
    assert problem.startswith(f"got a value of class {shown}, where nothing is declared")


@pytest.mark.parametrize("key", [1, True, None, 1.5, (1,), Word.YES, Text("a")])
def test_a_key_that_is_no_text_is_refused(key: Any) -> None:
    path, problem = refused({"a": {key: 1}})
    assert path == "signup.data.a"
    assert problem.startswith("among its keys: got ")


def test_a_dict_of_another_class_is_refused() -> None:
    path, problem = refused(Extended(a=1))
    assert path == "signup.data"
    assert problem == "got a value of class Extended, declared dict: JSON would not keep the subclass"


@pytest.mark.parametrize(
    ("data", "where", "problem"),
    [
        (Album(photo=None), ".photo", "got None, declared str"),  # type: ignore[arg-type]
        (Album(photo=5), ".photo", "got 5, declared str"),  # type: ignore[arg-type]
        (Album(ratio=True), ".ratio", "got True, declared float"),
        (Album(ratio=2**53 + 1), ".ratio", "got 9007199254740993, which comes back as 9007199254740992.0"),
        (Album(maybe="a"), ".maybe", "got 'a', declared float | None"),  # type: ignore[arg-type]
        (
            Album(photo=Word.YES),
            ".photo",
            "got a value of class Word, declared str: JSON would not keep the subclass",
        ),
        (Album(forms=(Form(),)), ".forms", "got a value of class tuple, declared list"),  # type: ignore[arg-type]
        (
            Album(forms=[Form(), LongForm("Ann", 3, "High St")]),
            ".forms[1]",
            "got a value of class LongForm, declared Form: JSON would not keep the subclass",
        ),
        (Form(), "", "got a value of class Form, declared Album"),
        (
            {"photo": "x"},
            "",
            "got a value of class dict, declared Album. Write Album(...), or ctx.evolve(...) to change some of its fields",
        ),
    ],
)
def test_a_value_that_is_not_as_declared_is_refused(data: Any, where: str, problem: str) -> None:
    assert refused(data, Album) == (f"signup.data{where}", problem)


def test_a_subclass_of_the_data_class_is_refused() -> None:
    problem = "got a value of class LongForm, declared Form: JSON would not keep the subclass"
    assert refused(LongForm(), Form) == ("signup.data", problem)


def test_a_literal_that_is_not_declared_is_refused() -> None:
    problem = "got 'XL', declared Literal[3, 'M', 'S']"
    data = Everything(size="XL")  # type: ignore[arg-type]
    assert refused(data, Everything) == ("signup.data.size", problem)


def test_a_list_that_is_shorter_when_read_back_is_another_list() -> None:
    assert not same([1, 2], [1])
    assert not same({1: 1, "1": 1}, {"1": 1})
    assert not same([1, 2], [1, 3])


def test_a_shared_part_is_no_loop() -> None:
    shared = [1]
    assert stored({"a": shared, "b": shared}) == {"a": [1], "b": [1]}
    assert refused({"a": shared, "b": shared, "c": (1,)})[0] == "signup.data.c"


def test_the_text_of_an_enum_is_not_its_member() -> None:
    data = Everything(color="red")  # type: ignore[arg-type]
    assert refused(data, Everything) == ("signup.data.color", "got 'red', declared Color")


def test_members_of_a_set_keep_their_class() -> None:
    assert refused({Word.YES}, set[str])[1].startswith("got a value of class Word, declared str")


def test_undeclared_parts_of_a_data_class_are_watched_too() -> None:
    path, problem = refused(Everything(more={"a": (1,)}), Everything)
    assert path == "signup.data.more.a"
    assert problem.startswith("got a value of class tuple")


def test_a_private_attribute_with_a_value_is_refused() -> None:
    problem = "got 3, which comes back as 0: private attributes stay out of JSON"
    assert refused(Secret(hidden=3), Secret) == ("signup.data._hidden", problem)


def test_half_of_a_surrogate_pair_is_refused() -> None:
    problem = r"got '\ud800', half of a surrogate pair is not a text"
    assert refused({"a": "\ud800"}) == ("signup.data.a", problem)
    assert refused(Form("\ud800"), Form) == ("signup.data.name", problem)
    assert refused({"\ud800": 1})[0] == "signup.data"


def test_data_that_contain_themselves_are_refused() -> None:
    data: dict[str, Any] = {"a": []}
    data["a"].append(data)
    assert refused(data) == ("signup.data.a[0]", "it contains itself")


def test_the_depth_allowed_does_not_depend_on_the_caller() -> None:
    def nested(levels: int) -> list[Any]:
        data: list[Any] = []
        for _ in range(levels - 1):
            data = [data]
        return data

    assert stored(nested(100), list) == nested(100)
    for levels in (101, 500, 5_000):
        path, problem = refused(nested(levels), list)
        assert path.startswith("signup.data[0]")
        assert path.endswith("…")
        assert problem == "it is nested more than 100 levels deep"


def test_a_number_too_long_to_be_written_is_refused() -> None:
    path, problem = refused({"a": 10**5000})
    assert path == "signup.data"
    assert problem.startswith("ValueError: Exceeds the limit")


def test_an_object_whose_comparison_raises_is_refused() -> None:
    assert refused(Quarrelsome(), Quarrelsome) == ("signup.data", "ZeroDivisionError: no")


def test_an_object_that_does_not_equal_its_copy_is_refused() -> None:
    problem = "it is not equal to what comes back, by its own __eq__"
    assert refused(Unlike(), Unlike) == ("signup.data", problem)


def test_a_constraint_that_does_not_hold_is_refused() -> None:
    path, problem = refused({"a": 10}, dict[str, Annotated[int, msgspec.Meta(le=9)]])
    assert path == "signup.data"
    assert problem.startswith("Expected `int` <= 9 - at `$[...]`")


def test_a_time_in_a_named_zone_is_refused_since_only_its_offset_is_kept() -> None:
    when = dt.datetime(2024, 1, 1, tzinfo=zoneinfo.ZoneInfo("UTC"))
    path, problem = refused(when, dt.datetime)
    assert path == "signup.data"
    assert problem.startswith("got a time in zoneinfo.ZoneInfo(key='UTC'), JSON keeps only the offset")


def test_an_hour_that_a_clock_repeats_is_refused() -> None:
    assert refused(dt.time(2, 30, fold=1), dt.time)[0] == "signup.data"


def test_none_is_data_only_where_the_type_says_so() -> None:
    assert refused(None) == ("signup.data", "got None, declared dict")
    assert refused(None, Form) == ("signup.data", "got None, declared Form")


# --- no data yet ---


def test_data_that_need_no_arguments_are_made_anew_each_time() -> None:
    codec: DataCodec[dict[str, Any]] = DataCodec("signup", dict, None)
    assert codec.initial() == {}
    assert codec.initial() is not codec.initial()
    assert DataCodec("signup", Form, None).initial() == Form()
    assert DataCodec("signup", dict[str, int], None).initial() == {}
    assert DataCodec("signup", Options, None).initial() == {}
    assert DataCodec("signup", Cat, None).initial() == Cat()


def test_data_that_need_arguments_are_none_until_somebody_gives_them() -> None:
    codec: DataCodec[Point] = DataCodec("signup", Point, None)
    assert codec.initial() is None
    assert bytes(codec.encode(None)) == b"null"
    assert codec.decode(codec.encode(None)) is None
    union: DataCodec[Any] = DataCodec("signup", Form | None, None)  # type: ignore[arg-type]
    assert union.initial() is None


def test_what_a_default_factory_raises_is_for_its_author() -> None:
    def broken() -> str:
        raise LookupError("no default today")

    @attrs.frozen
    class Broken:
        name: str = attrs.field(factory=broken)

    codec = DataCodec("signup", Broken, None)
    with pytest.raises(LookupError, match="no default today"):
        codec.initial()


# --- types that cannot be data ---


class Photo:
    pass


@attrs.frozen
class WithPhoto:
    albums: dict[str, list[Photo]] = attrs.field(factory=dict)


@attrs.frozen
class WithUnion:
    one: Form | Album | None = None


@attrs.frozen
class Outer:
    inner: list[WithUnion]


@attrs.frozen
class WithoutAnnotation:
    name = attrs.field(default="")  # type: ignore[var-annotated]


@attrs.frozen
class DefaultByMethod:
    name: str = attrs.field()

    @name.default
    def _name(self) -> str:
        return "Ann"


@attrs.frozen
class Forward:
    name: "Missing"  # type: ignore[name-defined]  # noqa: F821


@attrs.frozen(eq=False)
class ById:
    name: str = ""


@dataclass(eq=False)
class PointById:
    x: int = 0


class StructById(msgspec.Struct, eq=False):
    x: int = 0


@attrs.frozen
class Holder:
    held: tuple[int, ById]


@attrs.frozen
class PrivateRequired:
    _key: int


@attrs.frozen
class Loop:
    again: "Loop | None" = None
    photo: Photo | None = None


@pytest.mark.parametrize(
    ("kind", "beginning"),
    [
        (Photo, "signup.data: Photo is a type that JSON cannot hold"),
        (object, "signup.data: object is a type that JSON cannot hold"),
        (complex, "signup.data: complex is a type that JSON cannot hold"),
        (Extended, "signup.data: Extended is a type that JSON cannot hold"),
        (msgspec.Raw, "signup.data: Raw is a type that JSON cannot hold"),
        (WithPhoto, "signup.data.albums: Photo is a type that JSON cannot hold"),
        (Loop, "signup.data.photo: Photo is a type that JSON cannot hold"),
        (
            Form | Album,
            "signup.data: msgspec cannot read the type (Type unions may not contain more than one",
        ),
        (
            WithUnion,
            "signup.data.one: msgspec cannot read the type (Type unions may not contain more than one",
        ),
        (Outer, "signup.data.inner.one: msgspec cannot read the type (Type unions may not contain more"),
        (WithoutAnnotation, "signup.data: the field 'name' has no annotation"),
        (Forward, "signup.data: msgspec cannot read the type (name 'Missing' is not defined)"),
        (DefaultByMethod, "signup.data: a default is made by a method (`@field.default`)"),
        (ById, "signup.data: ById is declared with eq=False"),
        (PointById, "signup.data: PointById is declared with eq=False"),
        (StructById, "signup.data: StructById is declared with eq=False"),
        (Holder, "signup.data.held: ById is declared with eq=False"),
        (PrivateRequired, "signup.data._key: a private attribute of an attrs class stays out of JSON"),
        (dict[tuple[int, int], int], "signup.data: the keys of a dict in JSON are texts"),
    ],
)
def test_a_type_that_cannot_be_stored_is_refused_at_once(kind: Any, beginning: str) -> None:
    assert not_definable(kind).startswith(beginning)


# --- data of other times ---


def test_stored_data_that_do_not_fit_say_where() -> None:
    codec = DataCodec("signup", Form, None)
    with pytest.raises(Unfit, match=r"Expected `int`, got `str` - at `\$.age`"):
        codec.decode(Raw(b'{"age":"old"}'))
    with pytest.raises(Unfit):
        codec.decode(Raw(b"null"))
    with pytest.raises(Unfit):
        codec.decode(Raw(b'{"name":"\xff"}'))
    with pytest.raises(Unfit):
        codec.decode(Raw(b'{"na'))


def test_a_migration_reads_plain_data_and_writes_declared_ones() -> None:
    codec = DataCodec("signup", Album, None)
    plain = codec.plain(Raw(b'{"picture":"x","ratio":2}'))
    assert plain == {"picture": "x", "ratio": 2}
    raw = codec.from_plain({"photo": plain["picture"], "ratio": plain["ratio"]})
    assert codec.decode(raw) == Album("x", 2.0)


@pytest.mark.parametrize(
    "plain", [{"photo": 5}, [], None, {"ratio": math.nan}, {"photo": object()}, {"photo": "\ud800"}]
)
def test_what_a_migration_made_must_fit(plain: Any) -> None:
    with pytest.raises(Unfit):
        DataCodec("signup", Album, None).from_plain(plain)


@pytest.mark.parametrize("plain", [{"a": math.nan}, {1: 2}, {"a": (1,)}, [], None])
def test_what_a_migration_made_must_come_back_as_it_was(plain: Any) -> None:
    with pytest.raises(Unfit):
        DataCodec("signup", dict, None).from_plain(plain)


def test_a_migration_may_leave_no_data_where_a_class_needs_arguments() -> None:
    codec = DataCodec("signup", Point, None)
    assert codec.decode(codec.from_plain(None)) is None


# --- events ---


@attrs.frozen
class Paid:
    amount: int
    note: Any = None


@attrs.frozen
class BigPaid(Paid):
    pass


@attrs.frozen
class Broken:
    error: BaseException


def test_an_event_comes_back_by_the_name_of_its_class() -> None:
    codec = EventCodec([Paid, Point, Cat, Broken, Paid])
    for event in (Paid(3, ["x"]), Point(1.0), Cat(7)):
        name, raw = codec.encode(event)
        assert name == f"{__name__}.{type(event).__name__}"
        back = codec.decode(name, raw)
        assert back == event
        assert type(back) is type(event)


def test_an_event_that_nobody_takes_is_refused() -> None:
    codec = EventCodec([Paid])
    for event in (Form(), BigPaid(1)):
        name = type(event).__name__
        with pytest.raises(UnstorableData) as caught:
            codec.encode(event)
        assert str(caught.value) == (
            f"{name}: no handler of the attached flows takes {name}: name the class in some on="
        )


def test_an_event_that_does_not_come_back_is_refused() -> None:
    with pytest.raises(UnstorableData) as caught:
        EventCodec([Paid]).encode(Paid(1, {"a": {1}}))
    assert caught.value.path == "Paid.note.a"


def test_an_event_whose_class_cannot_be_read_is_refused_when_sent() -> None:
    codec = EventCodec([Broken])
    with pytest.raises(UnstorableData, match=r"Broken\.error: BaseException is a type that JSON cannot hold"):
        codec.encode(Broken(ValueError()))
    with pytest.raises(Unfit):
        codec.decode(f"{__name__}.Broken", Raw(b"{}"))


def test_a_stored_event_that_does_not_fit_any_more_is_unfit() -> None:
    codec = EventCodec([Paid])
    with pytest.raises(Unfit, match=r"takes old\.Name"):
        codec.decode("old.Name", Raw(b"{}"))
    with pytest.raises(Unfit, match="missing required field `amount`"):
        codec.decode(f"{__name__}.Paid", Raw(b"{}"))


def test_two_classes_of_one_name_are_refused() -> None:
    def made() -> type:
        @attrs.frozen
        class Twin:
            pass

        return Twin

    with pytest.raises(DefinitionError, match=r"both called .*made\.<locals>\.Twin"):
        EventCodec([made(), made()])


# --- rows ---


def test_a_row_comes_back() -> None:
    frame = Frame("signup", 1, "age", Raw(b'{"name":"Ann"}'), ("name",))
    row = Row({"signup": Snapshot((frame,), run=1, deadline=2.5)}, seen=" tg:1 ", serial=4)
    blob = encode_row(row)
    back = decode_row(blob)
    assert encode_row(back) == blob
    assert bytes(back.snapshots["signup"].frames[0].data) == b'{"name":"Ann"}'
    assert (back.seen, back.serial, back.snapshots["signup"].deadline) == (" tg:1 ", 4, 2.5)


@pytest.mark.parametrize("blob", [b"", b"{}", b"[1]", b"\xff", b'[{},["\xff"]]', b'[{"a":3}]', b'[{"a":[[['])
def test_bytes_that_are_no_row_are_corrupt(blob: bytes) -> None:
    with pytest.raises(StoreCorrupt, match="a stored row cannot be read"):
        decode_row(blob)


# --- whatever comes ---


def classes(value: Any) -> Any:
    """The value with the class of each part, so that 1, True and 1.0 differ."""
    if isinstance(value, dict):
        return type(value), {(type(key), key): classes(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value), [classes(part) for part in value]
    if attrs.has(type(value)):
        return type(value), [classes(getattr(value, field.name)) for field in attrs.fields(type(value))]
    return type(value), value


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text()
    | st.characters(categories=["Cs"])
    | st.sampled_from([Word.YES, Number.ONE, Color.RED, b"a", Text("a"), Form("Ann"), frozenset({1})])
)
KEYS = st.text(max_size=3) | st.integers(0, 3) | st.sampled_from([Word.YES, Text("a"), None, True])
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3) | st.tuples(inner, inner)
    ),
    max_leaves=8,
)
FORMS: st.SearchStrategy[Any] = st.one_of(
    st.builds(Form, st.text(max_size=3), st.integers()), st.builds(LongForm), st.builds(Form, LEAVES, LEAVES)
)
ALBUMS = st.builds(Album, LEAVES, LEAVES, st.lists(FORMS, max_size=2), LEAVES) | st.builds(
    Album, st.text(), st.floats(allow_nan=False, allow_infinity=False), st.lists(st.builds(Form), max_size=2)
)
DICTS: DataCodec[Any] = DataCodec("f", dict, None)
ALBUM_CODEC: DataCodec[Any] = DataCodec("f", Album, None)


def check_round(codec: DataCodec[Any], data: Any) -> bool:
    try:
        raw = codec.encode(data)
    except UnstorableData:
        return False
    back = codec.decode(raw)
    assert back == data
    return True


@given(st.dictionaries(KEYS, VALUES, max_size=3))
def test_any_dict_is_refused_or_comes_back_the_same(data: dict[Any, Any]) -> None:
    if check_round(DICTS, data):
        assert classes(DICTS.decode(DICTS.encode(data))) == classes(data)


@given(ALBUMS)
def test_any_attrs_object_is_refused_or_comes_back_the_same(data: Any) -> None:
    if check_round(ALBUM_CODEC, data):
        back = ALBUM_CODEC.decode(ALBUM_CODEC.encode(data))
        # An int is welcome where a float is declared: the one class that may change.
        whole = attrs.evolve(
            data, ratio=float(data.ratio), maybe=None if data.maybe is None else float(data.maybe)
        )
        assert classes(back) == classes(whole)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=3), JSON, max_size=4))
def test_whatever_json_can_say_is_never_refused(data: dict[str, Any]) -> None:
    assert classes(DICTS.decode(DICTS.encode(data))) == classes(data)
