"""What code says of its inputs: values beside a handler, what it calls, and the texts that break it."""

import enum
import re
from types import SimpleNamespace

import attrs
import pytest

from fsmkit import Flow
from fsmkit.telegram import ask, command, text
from fsmkit.testing.harness.actions import Persona, Say
from fsmkit.testing.inputs.handlers import inputs_of
from fsmkit.testing.inputs.odd_texts import odd_texts
from fsmkit.testing.inputs.people import clues_in, named_people, other_people, other_times
from fsmkit.testing.inputs.reading import clues_of
from fsmkit.testing.inputs.values import matching

PASSWORD = "open sesame"
WORDS = {"alpha", "beta"}
MENU = {"tea": {"price": 250, "code": "T-1"}}
ROUTES = {"north": lambda event: event.text == "pole"}
TICKET = re.compile(r"AB-[0-9]{3}")


class Config:
    CODE = "k-17"


class Colour(enum.Enum):
    RED = "rot"


@attrs.frozen
class Product:
    name: str


PRODUCTS = [Product("spade")]


def is_known(word):
    return word in WORDS


class Desk:
    def __init__(self):
        self.rooms = {"blue room": 1}

    def got_room(self, event, ctx):
        return ("end",) if event.text in self.rooms else None


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda event: event.text == PASSWORD, "open sesame"),
        (lambda event: is_known(event.text), "beta"),
        (lambda event: MENU[event.text]["price"], "T-1"),
        (lambda event: event.text == Config.CODE, "k-17"),
        (lambda event: Colour(event.text), "rot"),
        (lambda event: [each for each in PRODUCTS if each.name == event.text], "spade"),
        (lambda event: ROUTES[event.text](event), "pole"),
        (lambda event: TICKET.fullmatch(event.text), "AB-111"),
        (Desk().got_room, "blue room"),
    ],
)
def test_values_that_stand_beside_a_handler_are_read(function, expected):
    assert expected in clues_of(function).texts


def test_what_it_closes_over_and_its_resources_are_read():
    codes = {"4711": "admin"}
    desk = SimpleNamespace(users={"root": 1})
    assert "4711" in clues_of(lambda event: codes.get(event.text)).texts
    assert clues_of(lambda event, ctx: event.text in ctx.resources, resources={"key": 1}).texts == ("key",)
    assert clues_of(lambda event, ctx: ctx.resources.users, resources=desk).texts == ("root",)


def test_names_of_arguments_and_of_libraries_are_no_inputs():
    def handler(event, ctx):
        return ("end", Product(name=re.sub("x", "y", event.text)))

    assert {"x", "y"} <= set(clues_of(handler).texts)
    assert "name" not in clues_of(handler).texts


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda event: int(event.text), "²"),
        (lambda event: float(event.text), "nan"),
        (lambda event: event.text.split("-"), "a-b-c"),
        (lambda event: event.text.startswith("ref_"), "ref_a"),
        (lambda event: len(event.text) > 20, "x" * 21),
        (lambda event: __import__("datetime").datetime.strptime(event.text, "%d/%m/%Y"), "29/02/2028"),
        (lambda event, ctx: ctx.reply(event.text, parse_mode="HTML"), "a<b"),
    ],
)
def test_texts_that_break_naive_code_follow_from_what_it_calls(function, expected):
    assert expected in odd_texts(clues_of(function))
    assert expected not in odd_texts(clues_of(lambda event: event.text))


def test_no_huge_number_is_said_where_it_would_fill_the_memory_or_loop_for_ever():
    counts = odd_texts(clues_of(lambda event: list(range(int(event.text)))))
    stars = odd_texts(clues_of(lambda event: "*" * int(event.text)))
    assert not any(word.isdecimal() and int(word) > 10**6 for word in counts)
    assert not any(word.isdecimal() and 10**6 < int(word) < 2**63 for word in stars)


def test_a_question_gets_the_edges_of_the_type_that_it_reads():
    flow = Flow("f", data=dict)
    flow.state("end", prompt="Bye.")
    from datetime import date

    ask(flow, "day", prompt="Which day?", parse=date, to="end", into=lambda data, day: {"day": str(day)})
    handler = flow.handlers[0]
    assert {Say("2028-02-29"), Say("9999-12-31")} <= {*inputs_of(handler).accepted, *inputs_of(handler).odd}


def test_each_repetition_is_tried_alone_at_its_greatest():
    found = matching(re.compile(r"[a-z]{1,3}-[0-9]{2,6}x?"))
    assert {len(each.rstrip("x").partition("-")[2]) for each in found} >= {2, 3, 6}
    assert any(re.fullmatch("[a-z]{1}-[0-9]{6}", each) for each in found)


def test_letters_that_fold_into_those_of_a_pattern_are_said():
    flow = Flow("f")

    @flow.defstate("a", on=text(re.compile("skip", re.IGNORECASE)))
    def skip(event, ctx): ...

    assert Say("\u017f\u212aip") in inputs_of(flow.handlers[0]).accepted


def flow_of(handler, when=None):
    flow = Flow("f", data=dict)
    flow.defstate(None, on=command("start"), when=when, to=())(handler)
    return flow


def test_people_whom_a_guard_names_talk_to_the_bot():
    flow = flow_of(lambda event, ctx: None, when=lambda event: event.user_id == 31337)
    assert named_people((flow,), clues_in((flow,))) == [Persona(id=31337)]
    quiet = flow_of(lambda event, ctx: None)
    assert named_people((quiet,), clues_in((quiet,))) == []


def test_other_people_and_times_come_only_where_code_asks_for_them():
    curious = clues_of(lambda event, ctx: (event.user.first_name, ctx.now))
    assert any("<" in person.name for person in other_people(curious))
    days = [time.line() for time in other_times(curious)]
    assert any("2028-02-29" in day for day in days)
    assert any("2027-12-31" in day for day in days)
    plain = clues_of(lambda event, ctx: event.text)
    assert not other_people(plain)
    assert not other_times(plain)
