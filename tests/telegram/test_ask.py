"""`ask`: one question, asked until there is an answer that will do."""

# ruff: noqa: RUF001  # digits of other scripts are meant

import enum
import re
from datetime import date
from decimal import Decimal

import attrs
import pytest

from fsmkit import ANY, END, DefinitionError, Flow, Reply
from fsmkit.graph import graph_of
from fsmkit.stores.memory import MemoryStore
from fsmkit.telegram import ask, command, photo


class Size(enum.Enum):
    """Two sizes."""

    SMALL = 1
    VERY_LARGE = 2


@attrs.frozen
class Data:
    """A field for each kind of answer."""

    answer: int | None = None
    day: date | None = None
    price: Decimal | None = None
    sure: bool | None = None
    size: Size | None = None
    note: str = "none"


def asking(parse=None, field="answer", **options):
    """A flow with one question, which ends with what was answered."""
    flow = Flow("asking", data=Data)

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        return ("transition", "question")

    ask(flow, "question", prompt="Well?", parse=parse, into=field, to="told", **options)
    flow.state("told", prompt=lambda ctx: f"Got {getattr(ctx.data, field)!r}.")
    flow.defstate(ANY, on=command("back"))(lambda event, ctx: ("back",))
    return flow


async def answered(bench, flow, *said):
    """What the bot says after `/start` and its question."""
    await bench.start(flow)
    for words in ("/start", *said):
        await bench.say(words)
    return bench.texts()[1:]


@pytest.mark.parametrize(
    ("parse", "field", "said", "value"),
    [
        (int, "answer", "-17", -17),
        (date, "day", "2024-02-29", date(2024, 2, 29)),
        (Decimal, "price", "3.50", Decimal("3.50")),
        (str, "note", "Hello", "Hello"),
        (re.compile("[a-z]+"), "note", "abc", "abc"),
        (lambda text: len(text), "answer", "four", 4),
    ],
)
async def test_an_answer_is_read_and_kept(bench, parse, field, said, value):
    assert await answered(bench, asking(parse, field), said) == [f"Got {value!r}."]


@pytest.mark.parametrize(
    ("parse", "field", "said", "told"),
    [
        (int, "answer", "a lot", "A whole number, please."),
        (int, "answer", "9" * 19, "A whole number, please."),
        (int, "answer", "9" * 4096, "A whole number, please."),
        (date, "day", "2023-02-29", "A date like 2024-03-31, please."),
        (Decimal, "price", "NaN", "A number, please."),
        (Decimal, "price", "1e999999", "A number, please."),
        (re.compile("[a-z]+"), "note", "ABC", "This does not look right. Please try again."),
    ],
)
async def test_what_is_no_answer_is_asked_again(bench, parse, field, said, told):
    assert await answered(bench, asking(parse, field), said) == [told]


async def test_a_function_of_ones_own_says_what_is_wrong(bench):
    def even(text):
        if int(text) % 2:
            raise ValueError(f"{text} is odd.")
        return int(text)

    assert await answered(bench, asking(even), "3", "4") == ["3 is odd.", "Got 4."]


async def test_retry_counts_more_than_the_errors_message(bench):
    assert await answered(bench, asking(int, retry="Digits."), "x") == ["Digits."]


async def test_a_message_that_is_no_text_is_asked_again_too(bench):
    await answered(bench, asking(int, retry="Digits."))
    bench.offline.send("photo")
    await bench.feed()
    assert bench.texts()[-1] == "Digits."


async def test_asking_again_adds_nothing_to_the_history(bench):
    said = await answered(bench, asking(int), "x", "y", "5", "/back")
    assert said == ["A whole number, please.", "A whole number, please.", "Got 5.", "Well?"]


@pytest.mark.parametrize(("said", "value"), [("yes", True), ("No", False)])
async def test_a_bool_is_asked_with_two_buttons_whose_texts_may_be_typed(bench, said, value):
    assert await answered(bench, asking(bool, "sure"), said) == [f"Got {value}."]
    assert bench.buttons()[0] == ["Yes", "No"]


async def test_an_enum_is_asked_with_a_button_for_each_member(bench):
    await answered(bench, asking(Size, "size"))
    assert bench.buttons() == [["Small", "Very large"]]
    await bench.press("Very large")
    assert bench.texts()[-1] == f"Got {Size.VERY_LARGE!r}."


async def test_with_choices_alone_nothing_else_counts(bench):
    flow = asking(None, choices={1: "One", 2: "Two"})
    assert await answered(bench, flow, "3", "two") == ["Please choose one of the buttons.", "Got 2."]


async def test_with_choices_and_parse_other_answers_count_too(bench):
    assert await answered(bench, asking(int, choices=[1, 2]), "33") == ["Got 33."]


async def test_buttons_stand_in_rows_of_so_many_columns(bench):
    await answered(bench, asking(None, choices=[1, 2, 3], columns=2))
    [markup] = [message["reply_markup"] for message in bench.offline.messages(1) if "reply_markup" in message]
    assert [len(row) for row in markup["inline_keyboard"]] == [2, 1]


@pytest.mark.parametrize("way", ["/skip", "Skip"])
async def test_an_optional_question_may_be_left_out(bench, way):
    await answered(bench, asking(str, "note", optional=True))
    await (bench.say(way) if way.startswith("/") else bench.press(way))
    assert bench.texts()[-1] == "Got 'none'."


async def test_a_question_that_is_not_optional_cannot_be_left_out(bench):
    assert await answered(bench, asking(str, "note"), "/skip") == []


async def test_so_many_retries_then_the_conversation_ends(bench):
    flow = asking(int, max_retries=2, retry="No.", sorry="Sorry.")
    assert await answered(bench, flow, "a", "b", "c", "5") == ["No.", "No.", "Sorry."]
    assert await bench.engine.get_state(flow, bench.key()) == (None, None)


async def test_so_many_retries_then_it_goes_where_it_was_told(bench):
    flow = asking(int, max_retries=1, retry="No.", give_up="told")
    assert await answered(bench, flow, "a", "b") == ["No.", "Got None."]


async def test_retries_begin_anew_when_the_question_is_entered_anew(bench):
    flow = asking(int, max_retries=1, retry="No.", sorry="Sorry.")
    assert await answered(bench, flow, "a", "5", "/back", "b") == ["No.", "Got 5.", "Well?", "No."]


async def test_retries_are_counted_in_the_store_not_in_the_process(bench, clock):
    store = MemoryStore(clock)
    flow = asking(int, max_retries=1, retry="No.", sorry="Sorry.")
    await bench.start(flow, store=store)
    for words in ("/start", "a"):
        await bench.say(words)
    await bench.engine.stop()
    again = type(bench)(bench.offline, clock)
    await again.start(asking(int, max_retries=1, retry="No.", sorry="Sorry."), store=store)
    await again.say("b")
    assert again.texts()[-1] == "Sorry."
    await again.close()


async def test_everything_that_is_said_may_be_in_the_persons_language(bench):
    flow = Flow("asking", data=Data)
    flow.defstate(None, on=command("start"))(lambda event, ctx: ("transition", "size"))
    ask(
        flow,
        "size",
        prompt={"en": "Which size?", "de": "Welche Größe?"},
        retry={"en": "One of these.", "de": "Eine davon."},
        choices={Size.SMALL: {"en": "Small", "de": "Klein"}, Size.VERY_LARGE: {"en": "Large", "de": "Groß"}},
        optional=True,
        skip={"en": "Skip", "de": "Weglassen"},
        to=END,
    )
    bench.offline.add_user(2, language_code="de")
    await bench.start(flow)
    for words in ("/start", "was?"):
        await bench.say(words, user=2)
    assert bench.texts(2) == ["Welche Größe?", "Eine davon."]
    assert bench.buttons(2)[0] == ["Klein", "Groß", "Weglassen"]
    await bench.say("klein", user=2)
    assert await bench.engine.get_state(flow, bench.key(2, 2)) == (None, None)


async def test_a_handler_declared_before_takes_what_should_go_elsewhere(bench):
    flow = Flow("asking", data=Data)
    flow.defstate(None, on=command("start"))(lambda event, ctx: ("transition", "answer"))

    @flow.defstate("answer", on=photo(), to=END)
    def shown(event, ctx):
        ctx.reply("Nice.")
        return ("end",)

    ask(flow, "answer", prompt="Well?", parse=int, to=END)
    await bench.start(flow)
    await bench.say("/start")
    bench.offline.send("photo")
    await bench.feed()
    assert bench.texts() == ["Well?", "Nice."]


async def test_where_the_answer_goes_may_be_a_function(bench):
    flow = asking(int, lambda ctx, value: ctx.evolve(answer=value * 2))
    flow.states["told"].prompt = lambda ctx: str(ctx.data.answer)
    assert await answered(bench, flow, "4") == ["8"]


async def test_a_wrong_answer_in_an_ephemeral_state_is_deleted_with_its_retry(bench):
    await answered(bench, asking(int, ephemeral=True), "x", "5")
    assert bench.texts() == ["Got 5."]


def test_the_graph_has_the_ways_of_a_question():
    flow = asking(int, max_retries=1)
    graph = graph_of(flow)
    assert graph.problems == ()
    ways = {(edge.kind, edge.target and edge.target.state) for edge in graph.outgoing(("asking", "question"))}
    assert ways == {("transition", "told"), ("pass", None), ("stay", None), ("end", None), ("back", None)}


def declared(**options):
    """What is wrong with a question."""
    flow = Flow("asking", data=Data)
    with pytest.raises(DefinitionError) as caught:
        ask(flow, **{"name": "answer", "prompt": "Well?", "to": END, **options})
    assert (caught.value.place or "").startswith("tests/telegram/test_ask.py:")
    return caught.value.problem


def test_an_answer_needs_a_field():
    assert "Data has no such field" in declared(name="nothing")


@pytest.mark.parametrize("parse", [7, "int"])
def test_parse_has_to_be_a_reader(parse):
    assert "a type, a compiled pattern or a function" in declared(parse=parse)


@pytest.mark.parametrize("choices", [["/skip"], [1, "1"]])
def test_choices_that_look_alike_are_refused(choices):
    assert "look alike" in declared(choices=choices)


@pytest.mark.parametrize("choices", ["abc", 7, [""]])
def test_choices_have_to_be_a_list_of_values(choices):
    assert "choices=" in declared(choices=choices)


def test_a_prompt_with_buttons_of_its_own_leaves_no_room_for_choices():
    assert "buttons of its own" in declared(prompt=Reply("Well?", buttons=["a"]), choices=[1])


def test_columns_are_limited():
    assert declared(columns=9) == "columns=9"


def test_an_unknown_goal_is_found_where_the_question_was_asked():
    flow = Flow("asking", data=Data)
    ask(flow, "answer", prompt="Well?", parse=int, to="nowhere")
    with pytest.raises(DefinitionError, match=r"tests/telegram/test_ask.py:\d+: to= names .*nowhere"):
        graph_of(flow)


async def test_a_prompt_may_be_an_async_function_with_choices_in_several_languages(bench):
    async def prompt(ctx):
        return f"Well, {ctx.lang}?"

    flow = Flow("asking", data=Data)
    flow.defstate(None, on=command("start"))(lambda event, ctx: ("transition", "answer"))
    ask(flow, "answer", prompt=prompt, choices={1: {"en": "One"}}, to=END)
    await bench.start(flow)
    await bench.say("/start")
    assert (bench.texts(), bench.buttons()) == (["Well, en?"], [["One"]])


async def test_a_prompt_that_returns_none_asks_nothing(bench):
    flow = Flow("asking", data=Data)
    flow.defstate(None, on=command("start"))(lambda event, ctx: ("transition", "answer"))
    ask(flow, "answer", prompt=lambda ctx: None, choices={1: {"en": "One"}}, to=END)
    await bench.start(flow)
    await bench.say("/start")
    assert bench.texts() == []


async def test_without_a_word_it_gives_up_silently(bench):
    assert await answered(bench, asking(int, max_retries=0), "x") == []
    assert await bench.engine.get_state("asking", bench.key()) == (None, None)


async def test_on_the_way_elsewhere_it_may_say_so(bench):
    flow = asking(int, max_retries=0, give_up="told", sorry="Never mind.")
    assert await answered(bench, flow, "x") == ["Never mind.", "Got None."]


async def test_in_a_dict_an_answer_that_was_left_out_is_none(bench):
    flow = Flow("asking")
    flow.defstate(None, on=command("start"))(lambda event, ctx: ("transition", "note"))
    ask(flow, "note", prompt="Well?", optional=True, to="told")
    flow.state("told", prompt=lambda ctx: repr(ctx.data))
    await bench.start(flow)
    for words in ("/start", "/skip"):
        await bench.say(words)
    assert bench.texts()[-1] == "{'note': None}"


# --- what the data cannot hold ---


def decided(text: str) -> Decimal:
    return Decimal(text)


@attrs.frozen
class Whole:
    """A field that holds whole numbers only."""

    answer: int = 0


@pytest.mark.parametrize(
    ("data", "options", "named"),
    [
        (dict, {"parse": Decimal}, "Decimal('1.50')"),
        (dict, {"parse": date}, "datetime.date(2024, 3, 31)"),
        (dict, {"parse": decided}, "Decimal('1.50')"),
        (dict, {"choices": [Decimal("0.5")]}, "Decimal('0.5')"),
        (dict, {"parse": Size}, "<Size.SMALL: 1>"),
        (Whole, {"parse": float}, "1.5"),
        (Whole, {"parse": str}, "'text'"),
        (Whole, {"choices": [1, "many"]}, "'many'"),
    ],
)
def test_answers_that_the_data_cannot_hold_are_refused_where_they_are_asked_for(data, options, named):
    with pytest.raises(DefinitionError, match=re.escape(named)) as caught:
        ask(Flow("f", data=data), "answer", prompt="Well?", to=END, **options)
    assert "test_ask.py" in str(caught.value)


@pytest.mark.parametrize(
    ("data", "options"),
    [
        (dict, {"parse": int}),
        (dict, {"parse": float, "choices": [1, 2.5]}),
        (Whole, {"parse": int}),
        (dict, {"parse": Decimal, "into": lambda ctx, value: {"answer": str(value)}}),
        (dict, {"parse": lambda text: Decimal(text)}),
    ],
)
def test_what_the_data_can_hold_or_nobody_can_know_is_asked_for(data, options):
    assert ask(Flow("f", data=data), "answer", prompt="Well?", to=END, **options).name == "answer"


@pytest.mark.parametrize("said", ["۲", "\u200f٢", "２"])
async def test_a_choice_may_be_typed_in_digits_of_any_script(bench, said):
    assert await answered(bench, asking(choices=[1, 2]), said) == ["Got 2."]
