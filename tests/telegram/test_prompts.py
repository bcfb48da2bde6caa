"""Prompts: said whenever a state is entered, with what stands under them."""

import attrs
import pytest

from fsmkit import ANY, Flow, Key, Reply, Returned
from fsmkit.telegram import button, command, text


@attrs.frozen
class Paid:
    """An event from outside."""


def form(**options):
    """Three states after one another; `age` has all that a state can say."""
    flow = Flow("form", **options)
    flow.state("name", prompt="Your name?")
    flow.state("age", prompt=lambda ctx: f"How old, {ctx.data['name']}?")
    flow.state("sure", prompt="Sure?", buttons=[["yes", "no"]])

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        return ("transition", "name")

    @flow.defstate("name")
    def name(event, ctx):
        return ("transition", "age", {"name": event.text})

    @flow.defstate("age", on=text(r"\d+"))
    def age(event, ctx):
        return ("transition", "sure")

    @flow.defstate("sure", on=button("no"))
    def no(event, ctx):
        return ("transition", "sure")

    @flow.defstate(ANY, on=command("back"))
    def back(event, ctx):
        return ("back",)

    @flow.defstate(ANY, on=command("stay"))
    def stay(event, ctx):
        return ("stay",)

    @flow.defstate(ANY, on=Paid)
    def paid(event, ctx):
        return ("transition", "sure")

    return flow


async def answered(bench, *said, flow=None):
    """Says some things, and returns what the bot said to the last one."""
    await bench.start(flow or form())
    for words in said[:-1]:
        await bench.say(words)
    before = len(bench.texts())
    await bench.say(said[-1])
    return bench.texts()[before:]


async def test_a_transition_says_the_prompt(bench):
    assert await answered(bench, "/start") == ["Your name?"]


async def test_a_prompt_may_be_a_function_of_the_new_data(bench):
    assert await answered(bench, "/start", "Ada") == ["How old, Ada?"]


async def test_a_transition_to_the_same_state_says_the_prompt_again(bench):
    await answered(bench, "/start", "Ada", "7")
    await bench.press("no")
    assert bench.texts()[-2:] == ["Sure?", "Sure?"]


async def test_going_back_says_the_prompt_of_where_it_leads(bench):
    assert await answered(bench, "/start", "Ada", "7", "/back") == ["How old, Ada?"]


async def test_going_back_at_the_start_says_the_prompt_again(bench):
    assert await answered(bench, "/start", "/back") == ["Your name?"]


async def test_staying_says_no_prompt(bench):
    assert await answered(bench, "/start", "/stay") == []


async def test_an_event_from_outside_says_the_prompt(bench):
    await answered(bench, "/start", "Ada")
    await bench.engine.send(Key(1, 1), Paid())
    assert (bench.texts()[-1], bench.buttons()[-1]) == ("Sure?", ["yes", "no"])


def caller(*, goes_on=False):
    """A flow that calls another one, and its sub-flow."""
    outer, inner = Flow("outer"), Flow("inner")
    outer.state("begin", prompt="Begin?")
    outer.state("done", prompt="Done.")
    inner.state("in", prompt="Inside?")

    @outer.defstate(None, on=command("start"))
    def start(event, ctx):
        return ("transition", "begin")

    @outer.defstate("begin")
    def call(event, ctx):
        return ("call", inner)

    @outer.defstate("begin", on=Returned)
    def back(event, ctx):
        return ("transition", "done") if goes_on else ("stay",)

    @inner.defstate("in")
    def leave(event, ctx):
        ctx.reply("Bye.")
        return ("end",)

    return outer, inner


async def test_a_call_says_the_prompt_of_the_sub_flow(bench):
    await bench.start(*caller())
    await bench.say("/start")
    await bench.say("go")
    assert bench.texts() == ["Begin?", "Inside?"]


@pytest.mark.parametrize(("goes_on", "last"), [(False, "Begin?"), (True, "Done.")])
async def test_a_return_says_the_callers_prompt_unless_it_goes_on(bench, goes_on, last):
    await bench.start(*caller(goes_on=goes_on))
    for words in ("/start", "go", "leave"):
        await bench.say(words)
    assert bench.texts() == ["Begin?", "Inside?", "Bye.", last]


def prompting(prompt, **options):
    """A flow of one state with such a prompt."""
    flow = Flow("one")
    flow.state("on", prompt=prompt, **options)

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        ctx.reply("First.")
        return ("transition", "on")

    return flow


async def test_a_prompt_with_a_keyboard_shows_it(bench):
    prompt = Reply("Which?", keyboard=[["a", "b"], ["c"]])
    assert await answered(bench, "/start", flow=prompting(prompt)) == ["First.", "Which?"]
    sent = bench.offline.calls_of("sendMessage")[-1].params["reply_markup"]
    rows = [[key if isinstance(key, str) else key["text"] for key in row] for row in sent["keyboard"]]
    assert rows == [["a", "b"], ["c"]]


async def test_a_prompt_that_takes_the_keyboard_away_does_so(bench):
    prompt = Reply("Write.", remove_keyboard=True)
    await answered(bench, "/start", flow=prompting(prompt))
    assert bench.offline.calls_of("sendMessage")[-1].params["reply_markup"] == {"remove_keyboard": True}


@pytest.mark.parametrize("prompt", ["Which?", Reply("Which?"), lambda ctx: Reply("Which?")])
async def test_the_buttons_of_a_state_stand_under_its_prompt_in_their_rows(bench, prompt):
    await answered(bench, "/start", flow=prompting(prompt, buttons=[["a", "b"], ["c"]]))
    [markup] = [message["reply_markup"] for message in bench.offline.messages(1) if "reply_markup" in message]
    assert [[key["text"] for key in row] for row in markup["inline_keyboard"]] == [["a", "b"], ["c"]]


async def test_a_prompts_own_buttons_count_instead_of_the_states(bench):
    await answered(bench, "/start", flow=prompting(Reply("Which?", buttons=["own"]), buttons=["state's"]))
    assert bench.buttons() == [[], ["own"]]


async def test_a_prompt_that_returns_none_says_nothing(bench):
    assert await answered(bench, "/start", flow=prompting(lambda ctx: None)) == ["First."]
