"""Inputs from declarations: what is said to be accepted is accepted, and refused refused."""

import datetime
import decimal
import enum
import re
import uuid
from typing import Literal

import attrs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from telegram.ext import filters

from fsmkit import DefinitionError, Flow, Timeout
from fsmkit.flow.events import ChatEvent
from fsmkit.flow.matchers import Example, Matcher
from fsmkit.interpreter.codec import EventCodec
from fsmkit.telegram import (
    album,
    button,
    chat_join_request,
    chat_shared,
    chosen_inline_result,
    command,
    contact,
    edited,
    inline,
    message,
    photo,
    poll,
    poll_answer,
    pre_checkout_query,
    purchased_paid_media,
    raw_button,
    reaction,
    shipping_query,
    successful_payment,
    text,
    users_shared,
    web_app_data,
)
from fsmkit.testing.harness.actions import Content, EditLast, Gesture, Outside, PressData, Say
from fsmkit.testing.inputs.handlers import event_of, inputs_of
from fsmkit.testing.inputs.reading import constants_of
from fsmkit.testing.inputs.values import instances_of, matching, near


def handler(on=None, when=None, function=None, examples=()):
    """A handler of a state."""
    flow = Flow("f")
    flow.defstate("s", on=on, when=when, examples=examples)(function or (lambda event, ctx: None))
    return flow.handlers[0]


class Size(enum.Enum):
    small = "s"
    big = "b"


@attrs.frozen
class Paid:
    amount: int = attrs.field(validator=attrs.validators.in_(range(1, 101)))
    currency: Literal["EUR", "USD"] = "EUR"
    note: str | None = None


@attrs.frozen
class Shipped:
    size: Size
    parcels: tuple[int, str]
    labels: list[str]


EVERY_MATCHER = [
    None,
    text(),
    text(r"[0-9]{1,3}"),
    text(r"(?P<day>\d\d)\.(?P<month>\d\d)"),
    text("yes|no"),
    text(r"(?i)[^@\s]+@[^@\s]+\.[a-z]{2,}"),
    command("start"),
    command("sum", args=r"\d+ \d+"),
    command(),
    photo(),
    contact(),
    edited(),
    message(),
    raw_button(r"page:\d"),
    Paid,
    Shipped,
    photo() | text("no photo"),
    message() & ~text("x.*"),
    filters.Regex("^a+$"),
    album(),
    web_app_data("order:[0-9]+"),
    users_shared(),
    chat_shared(),
    poll(),
    successful_payment("tea"),
    pre_checkout_query("tea:[0-9]"),
    shipping_query(),
    purchased_paid_media(),
    reaction("\N{FIRE}"),
    poll_answer(),
    inline("v.+"),
    chosen_inline_result(),
    chat_join_request(),
    filters.PHOTO | filters.Document.ALL,
    lambda event: event.text == "sesame",
]


@pytest.mark.parametrize("on", EVERY_MATCHER, ids=range(len(EVERY_MATCHER)))
def test_what_is_said_to_be_accepted_is_accepted_and_refused_refused(on):
    found = handler(on)
    inputs = inputs_of(found)
    assert inputs.accepted, "no input is known"
    for action in inputs.accepted:
        event = action.event if isinstance(action, Outside) else event_of(action)
        assert found.wants(event) is not None, action
    for action in inputs.refused:
        assert found.wants(event_of(action)) is None, action


@given(st.from_regex(r"\A[a-c]{0,3}(x|yy)[0-9]*\Z"))
def test_texts_of_a_pattern_that_is_a_text_are_that_text(literal):
    if literal.strip():
        assert matching(re.compile(re.escape(literal))) == [literal]


@pytest.mark.parametrize(
    "pattern",
    [
        r"[0-9]{1,3}",
        "yes|no|maybe",
        r"\d+",
        r".{1,40}",
        r"[A-Z][a-z]*",
        r"(\w+) (\w+)",
        r"a(?=b)b",
        r"[^,]+,.*",
        "x?y",
    ],
)
def test_texts_of_a_pattern_match_it_as_a_whole(pattern):
    compiled = re.compile(pattern)
    texts = matching(compiled)
    assert texts
    assert all(compiled.fullmatch(found) for found in texts)


def test_texts_of_a_pattern_try_each_branch_the_ends_of_ranges_and_of_repetitions():
    assert set(matching(re.compile("yes|no"))) == {"yes", "no"}
    assert {"0", "9", "000", "999"} <= set(matching(re.compile("[0-9]{1,3}")))
    assert {"a", "a" * 40} <= set(matching(re.compile(".{1,40}")))


def test_what_is_beyond_the_reader_of_patterns_costs_examples_only():
    assert matching(re.compile(r"(?P<q>['\"]).*(?P=q)")) == []


def test_near_misses_have_line_breaks_other_digits_and_a_letter_more_or_less():
    assert {"12\n", "\u0661\u0662", "122", "1", "12 and more"} <= set(near(["12"]))


def test_digits_of_other_scripts_are_accepted_where_python_does():
    assert Say("\u0661") in inputs_of(handler(text(r"\d"))).accepted
    assert Say("\u0661") in inputs_of(handler(text("[0-9]"))).refused


def test_texts_and_numbers_that_the_code_compares_with_are_tried():
    def sesame(event, ctx):
        """Says where to go."""
        if event.text == "sesame" or event.text in ("open", "now"):
            return ("end",)
        return ("stay", {"n": 77}) if len(event.text) > 4000 else None

    texts, numbers = constants_of(sesame)
    assert {"sesame", "open", "now"} <= set(texts)
    assert not {"end", "stay", "Says where to go."} & set(texts)
    assert {77, 4000} <= set(numbers)
    accepted = inputs_of(handler(function=sesame)).accepted
    assert {Say("sesame"), Say("4001"), Say("76")} <= set(accepted)


def test_constants_of_a_predicate_are_tried():
    assert Say("abracadabra") in inputs_of(handler(when=lambda event: event.text == "abracadabra")).accepted


def test_events_take_the_values_of_their_types_as_far_as_validators_let_them():
    made = instances_of(Paid, (), [42])
    assert {event.amount for event in made} >= {1, 42, 41, 43, 100}
    assert {event.currency for event in made} == {"EUR", "USD"}
    assert {event.note for event in made} >= {None, ""}
    assert all(1 <= event.amount <= 100 for event in made)


def test_events_of_enums_tuples_and_lists_are_made():
    made = instances_of(Shipped)
    assert {event.size for event in made} == set(Size)
    assert all(isinstance(event.parcels, tuple) and len(event.parcels) == 2 for event in made)
    assert [] in [event.labels for event in made]


def test_events_have_days_times_and_sums_of_money():
    @attrs.frozen(kw_only=True)
    class Booked:
        days: list[datetime.date]
        until: datetime.datetime | None
        stay: datetime.timedelta
        price: decimal.Decimal = attrs.field(validator=attrs.validators.gt(0))
        ref: uuid.UUID

    made = instances_of(Booked)
    assert {day.month for event in made for day in event.days} == {1, 2}
    assert {event.until and event.until.tzinfo for event in made} == {None, datetime.UTC}
    assert datetime.timedelta(seconds=-1) in [event.stay for event in made]
    assert {event.price for event in made} == {1, decimal.Decimal("0.10")}
    codec = EventCodec([Booked])
    stored = [codec.encode(event) for event in made]
    assert [codec.decode(name, msgspec.Raw(bytes(data))) for name, data in stored] == made


def test_a_class_of_an_unknown_kind_gives_no_events():
    class Odd:
        def __init__(self, needed):
            self.needed = needed

    assert instances_of(Odd) == []


def test_examples_are_taken_instead_of_guesses():
    found = handler(when=lambda event: hash(event.text) == hash("secret"), examples=["secret", Say("other")])
    assert inputs_of(found).accepted == (Say("secret"),)


def test_examples_may_be_events():
    assert inputs_of(handler(Paid, examples=[Paid(7)])).accepted == (Outside(Paid(7)),)


def test_examples_that_are_no_list_are_refused():
    with pytest.raises(DefinitionError, match="examples="):
        handler(examples="secret")


def test_presses_and_timeouts_are_told_apart_from_texts():
    assert (inputs_of(handler(button("Yes"))).presses, inputs_of(handler(button("Yes"))).accepted) == (
        True,
        (),
    )
    assert inputs_of(handler(Timeout)).waits
    assert not inputs_of(handler(Paid)).presses


def test_each_kind_of_content_is_sent():
    assert Content("photo") in inputs_of(handler(photo())).accepted
    assert EditLast("Ann") in inputs_of(handler(edited())).accepted
    assert PressData("page:1") in inputs_of(handler(raw_button(r"page:\d"))).accepted


def test_a_predicate_that_cannot_bear_an_event_is_left_to_the_conversation():
    accepted = inputs_of(handler(when=lambda event: int(event.text) > 3)).accepted
    assert Say("12") in accepted
    assert Say("Ann") in accepted


def test_the_examples_of_a_matcher_of_ones_own_are_its_inputs():
    class Even(Matcher):
        kinds = frozenset({"text"})

        def match(self, event):
            return event.text if isinstance(event, ChatEvent) and event.text == "magic 2468" else None

        def examples(self):
            return ["magic 2468", Example("text", re.compile("x{3}")), Paid]

    assert inputs_of(handler(Even())).accepted[0] == Say("magic 2468")
    assert inputs_of(handler(Even() | text("no"))).accepted[:2] == (Say("magic 2468"), Say("no"))


def test_without_examples_a_matcher_of_ones_own_is_tried_with_its_kinds():
    class Photo(Matcher):
        kinds = frozenset({"photo"})

        def match(self, event):
            return event if isinstance(event, ChatEvent) and event.kind == "photo" else None

    assert {action.kind for action in inputs_of(handler(Photo())).accepted} == {"photo"}


def test_an_inline_query_of_a_pattern_has_its_texts():
    assert inputs_of(handler(inline("v[0-9]"))).accepted[0] == Gesture("inline", "v1")
    assert repr(inline("v[0-9]")) == "inline('v[0-9]')"
