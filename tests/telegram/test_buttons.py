"""Buttons: what stands in their callback data, and which presses still count."""

import base64

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fsmkit import Button, DefinitionError, Flow, Key
from fsmkit.flow.events import Pressed
from fsmkit.interpreter.codec import ValueCodec
from fsmkit.interpreter.row import Bound
from fsmkit.telegram import button, command
from fsmkit.telegram.buttons import ButtonCodec, Foreign

CODEC = ButtonCodec("42:TOKEN", ["shop", "menu"])
VALUES = ValueCodec([])
LONG = "Dürüm with everything, and without onions 🌯"

values = st.text(min_size=1).filter(lambda value: len(value.encode()) <= 39)
bounds = st.builds(
    Bound,
    flow=st.sampled_from(["shop", "menu"]),
    run=st.integers(0, 2**32 - 1),
    entry=st.integers(0, 2**40),
    owner=st.none() | st.integers(1, 2**52),
)


@given(values, bounds)
@example("x" * 39, Bound("shop", 2**32 - 1, 2**40, 2**52))
@example("~🌯", Bound("menu", 0, 0))
def test_what_is_read_is_what_was_written_and_fits_into_64_bytes(value, bound):
    data = CODEC.encode(Button("text", value), bound)
    assert len(data.encode()) <= 64
    assert CODEC.decode(data, bound.owner) == Pressed(bound.flow, bound.run, bound.entry % 2**16, value=value)


@given(st.text(min_size=40), bounds)
def test_a_long_value_is_referred_to_by_its_place_in_the_row(value, bound):
    bound = Bound(bound.flow, bound.run, bound.entry, bound.owner, ("another", value))
    data = CODEC.encode(Button("text", value), bound)
    assert len(data) == 26
    expected = Pressed(bound.flow, bound.run, bound.entry % 2**16, value=None, position=1)
    assert CODEC.decode(data, bound.owner) == expected


@given(values, bounds)
def test_a_menu_button_names_its_own_flow_and_nobodys_run(value, bound):
    data = CODEC.encode(Button("text", value, flow="menu"), bound)
    assert CODEC.decode(data, None) == Pressed("menu", 0, 0, menu=True, value=value)


@given(values, bounds, st.data())
def test_data_that_were_tampered_with_at_any_place_are_refused(value, bound, data):
    written = CODEC.encode(Button("text", value), bound)
    place = data.draw(st.integers(0, len(written) - 1))
    other = data.draw(st.characters(codec="utf-8").filter(lambda letter: letter != written[place]))
    assert CODEC.decode(written[:place] + other + written[place + 1 :], bound.owner) is None


@given(bounds)
def test_data_in_the_other_alphabet_of_base64_are_refused(bound):
    written = CODEC.encode(Button("x"), bound)
    other = written.replace("-", "+").replace("_", "/")
    assert other == written or CODEC.decode(other, bound.owner) is None


@given(values, bounds, st.text(min_size=1))
def test_data_with_something_added_or_cut_off_are_refused(value, bound, more):
    written = CODEC.encode(Button("text", value), bound)
    assert CODEC.decode(written + more, bound.owner) is None
    assert CODEC.decode(written[:-1], bound.owner) is None


@given(st.text() | st.text("ABCxyz-_=+/", min_size=24, max_size=24))
def test_data_that_nobody_wrote_are_refused(forged):
    assert CODEC.decode(f"~{forged}", 1) is None
    assert CODEC.decode(forged.lstrip("~"), 1) is None


@given(values, bounds, st.binary(min_size=6, max_size=6))
def test_a_header_with_a_guessed_tag_is_refused(value, bound, guess):
    written = CODEC.encode(Button("text", value), bound)
    raw = base64.urlsafe_b64decode(written[1:25])
    if guess != raw[12:]:
        forged = base64.urlsafe_b64encode(raw[:12] + guess).decode()
        assert CODEC.decode(f"~{forged}{value}", bound.owner) is None


@given(values, bounds, st.text(min_size=1).filter(lambda token: token != "42:TOKEN"))
def test_the_data_of_another_token_are_refused(value, bound, token):
    data = ButtonCodec(token, ["shop", "menu"]).encode(Button("text", value), bound)
    assert CODEC.decode(data, bound.owner) is None


def test_the_data_of_a_flow_that_is_not_attached_are_refused():
    data = ButtonCodec("42:TOKEN", ["gone"]).encode(Button("text"), Bound("gone", 1, 1))
    assert CODEC.decode(data, None) is None


def test_a_press_without_data_is_nobodys():
    assert CODEC.decode(None, 1) is None


@given(values, bounds.filter(lambda bound: bound.owner not in (None, 13)))
@example("x", Bound("shop", 1, 1, 7))
def test_an_owned_button_is_foreign_to_somebody_without_an_id(value, bound):
    data = CODEC.encode(Button("text", value), bound)
    with pytest.raises(Foreign, match=bound.flow):
        CODEC.decode(data, None)


def test_an_owned_button_is_foreign_to_another_person():
    with pytest.raises(Foreign, match="somebody else's conversation in flow 'shop'"):
        CODEC.decode(CODEC.encode(Button("text"), Bound("shop", 1, 1, 7)), 13)


packed_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.tuples(inner) | st.dictionaries(st.text(), inner, max_size=2)
    ),
    max_leaves=4,
).filter(lambda value: type(value) is not str)


def packed(value):
    """A button as it stands in the outbox."""
    return Button("text", VALUES.pack(value), packed=True)


@given(packed_values, bounds)
@example(None, Bound("shop", 1, 1))
@example("x" * 100, Bound("shop", 1, 1))
def test_a_value_of_any_type_comes_back_from_the_button_or_from_the_row(value, bound):
    made = packed(value)
    if len(made.value.encode()) > 39:
        bound = Bound(bound.flow, bound.run, bound.entry, bound.owner, (made.value,))
    data = CODEC.encode(made, bound)
    pressed = CODEC.decode(data, bound.owner)
    assert len(data.encode()) <= 64
    assert pressed.packed
    assert VALUES.unpack(pressed.value if pressed.value is not None else bound.values[0]) == value


@given(st.integers(-(2**40), 2**40), bounds, st.data())
def test_packed_data_that_were_tampered_with_at_any_place_are_refused(value, bound, data):
    written = CODEC.encode(packed(value), bound)
    place = data.draw(st.integers(0, len(written) - 1))
    other = data.draw(st.characters(codec="ascii").filter(lambda letter: letter != written[place]))
    assert CODEC.decode(written[:place] + other + written[place + 1 :], bound.owner) is None


def test_a_text_and_the_number_that_it_spells_are_two_buttons():
    bound = Bound("shop", 1, 1)
    text, number = CODEC.encode(Button("text", "1"), bound), CODEC.encode(packed(1), bound)
    assert [CODEC.decode(data, None).packed for data in (text, number)] == [False, True]


def test_a_value_that_was_not_made_text_of_is_no_callback_data():
    with pytest.raises(ValueError, match="was not made text of: 5"):
        CODEC.encode(Button("text", 5), Bound("shop", 1, 1))


# --- keys ---

NEW, OLD = "a secret of sixteen characters", "another one, also long enough"


@given(values, bounds)
def test_older_keys_are_accepted_and_the_first_makes_new_buttons(value, bound):
    old, both, new = (ButtonCodec("42:TOKEN", ["shop", "menu"], keys) for keys in ([OLD], [NEW, OLD], [NEW]))
    of_old, of_both = old.encode(Button("text", value), bound), both.encode(Button("text", value), bound)
    assert both.decode(of_old, bound.owner) == old.decode(of_old, bound.owner) is not None
    assert new.decode(of_both, bound.owner) == both.decode(of_both, bound.owner) is not None
    assert new.decode(of_old, bound.owner) is None
    assert old.decode(of_both, bound.owner) is None


def test_the_token_may_be_one_of_the_keys():
    token = "42:TOKEN-of-the-usual-length"
    data = ButtonCodec(token, ["shop"]).encode(Button("text"), Bound("shop", 1, 1, 7))
    rotated = ButtonCodec("42:REVOKED-AND-NEW-token", ["shop"], [NEW, token])
    assert rotated.decode(data, 7).value == "text"
    with pytest.raises(Foreign):
        rotated.decode(data, 8)


def test_two_bots_may_share_a_secret_and_refuse_each_others_buttons():
    data = ButtonCodec("42:TOKEN", ["shop"], [NEW]).encode(Button("text"), Bound("shop", 1, 1))
    assert ButtonCodec("43:TOKEN", ["shop"], [NEW]).decode(data, None) is None


def test_two_keys_that_are_hard_to_tell_apart_are_both_tried():
    by_number = {}
    for number in range(2000):
        key = f"a secret with the number {number}"
        data = ButtonCodec("42:TOKEN", ["shop"], [key]).encode(Button("x"), Bound("shop", 0, 0))
        other = by_number.setdefault(base64.urlsafe_b64decode(data[1:5])[0], key)
        if other != key:
            break
    both = ButtonCodec("42:TOKEN", ["shop"], [other, key])
    assert both.decode(data, None) is not None


@pytest.mark.parametrize(
    ("keys", "problem"),
    [([], "not a list"), (NEW, "not a list"), ([5], "not a list"), ([NEW, "short"], "5 characters")],
)
def test_keys_that_are_none_or_can_be_guessed_are_refused(keys, problem):
    with pytest.raises(DefinitionError, match=problem):
        ButtonCodec("42:TOKEN", ["shop"], keys)


@given(st.text() | st.text("ABCxyz-_", min_size=24, max_size=24))
def test_what_flow_data_claim_to_belong_to_is_known_or_nothing(forged):
    assert CODEC.claimed(f"~{forged}") in (None, "shop", "menu")
    assert CODEC.claimed(CODEC.encode(Button("x"), Bound("menu", 1, 1))[:25] + forged) == "menu"


def test_a_value_that_neither_fits_nor_stands_in_the_row_is_refused():
    with pytest.raises(ValueError, match="the value of button 'text' is too long"):
        CODEC.encode(Button("text", "x" * 40), Bound("shop", 1, 1))


def test_the_value_of_a_menu_button_is_measured_where_it_is_declared():
    with pytest.raises(DefinitionError, match=r"test_buttons\.py:\d+: .*takes 40 bytes.*leaves 39"):
        Flow("shop").button("text", "ü" * 20)


def test_flows_that_buttons_cannot_tell_apart_are_refused():
    found = {}
    for number in range(10_000):
        name = f"flow{number}"
        header = CODEC.encode(Button("x", flow=name), Bound("shop", 0, 0))[:9]
        other = found.setdefault(header, name)
        if other != name:
            break
    with pytest.raises(DefinitionError, match=f"'{other}' and '{name}' cannot be told apart in buttons"):
        ButtonCodec("42:TOKEN", [other, name])


def shop(**options):
    """A flow with a question: `yes` ends it, `stay` stays, `again` asks anew, `long` has a long value."""
    flow = Flow("shop", **options)
    pressed = flow.pressed = []
    more = ["yes", "stay", "again", Button("long", LONG)]
    flow.state("ask", prompt="Sure?", buttons=more, otherwise="Press something.")
    flow.texts(stale="too late", not_yours="hands off")

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        return ("transition", "ask")

    @flow.defstate("ask", on=button("yes"))
    def yes(event, ctx):
        pressed.append(event.value)
        return ("end",)

    @flow.defstate("ask", on=button("stay", LONG))
    def stay(event, ctx):
        pressed.append(event.value)
        return ("stay",)

    @flow.defstate("ask", on=button("again"))
    def again(event, ctx):
        pressed.append(event.value)
        return ("transition", "ask")

    return flow


@pytest.fixture
async def asked(bench):
    """A bench whose user was asked."""
    bench.flow = shop()
    await bench.start(bench.flow)
    await bench.say("/start")
    return bench


async def test_a_button_is_good_as_long_as_its_state_stays(asked):
    assert [await asked.press("stay") for _ in range(3)] == [[""]] * 3
    assert asked.flow.pressed == ["stay"] * 3


async def test_a_button_is_stale_once_its_state_was_entered_again(asked):
    old = asked.data("yes")
    await asked.press("again")
    assert (await asked.press_data(old), asked.flow.pressed) == (["too late"], ["again"])
    assert (await asked.press("yes"), asked.flow.pressed) == ([""], ["again", "yes"])


async def test_a_stale_press_leaves_the_row_byte_for_byte_as_it_is(asked):
    old = asked.data("yes")
    await asked.press("again")
    row = await asked.engine.store.peek(Key(1, 1, bot=42))
    await asked.press_data(old)
    assert await asked.engine.store.peek(Key(1, 1, bot=42)) == row


async def test_a_button_of_a_run_that_has_ended_is_stale(asked):
    await asked.press("yes")
    assert (await asked.press("stay"), asked.flow.pressed) == (["too late"], ["yes"])


async def test_a_button_of_another_run_is_stale_although_the_state_is_the_same(asked):
    old = asked.data("yes")
    await asked.press("yes")
    await asked.say("/start")
    assert (await asked.press_data(old), asked.flow.pressed) == (["too late"], ["yes"])


async def test_a_one_shot_button_that_is_pressed_twice_acts_once(asked):
    queries = [asked.offline.press("yes")["callback_query"]["id"] for _ in range(2)]
    await asked.feed()
    assert [asked.answers(query) for query in queries] == [[""], ["too late"]]
    assert asked.flow.pressed == ["yes"]


async def test_a_value_too_long_for_a_button_is_found_again(asked):
    assert len(asked.data("long")) == 26
    await asked.press("long")
    await asked.press("long")
    assert asked.flow.pressed == [LONG, LONG]


async def test_a_long_value_of_an_earlier_entry_is_stale(asked):
    old = asked.data("long")
    await asked.press("again")
    assert (await asked.press_data(old), asked.flow.pressed) == (["too late"], ["again"])


async def test_forged_and_tampered_presses_change_nothing_and_are_answered_once(asked):
    good = asked.data("yes")
    other = ButtonCodec("42:OTHER", ["shop"]).encode(Button("yes"), Bound("shop", 1, 1, 1))
    for forged in (f"{good}x", good[:-1], good.replace("~", "~A", 1), f"~{'A' * 24}yes", "~", other):
        assert await asked.press_data(forged) == ["too late"]
    assert asked.flow.pressed == []
    assert await asked.engine.get_state("shop", Key(1, 1)) == ("ask", {})
