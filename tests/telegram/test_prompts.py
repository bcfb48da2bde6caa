"""Prompts: said whenever a state is entered, with what stands under them."""

import attrs
import pytest

from fsmkit import ANY, Flow, Key, Reply, Returned, Timeout
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


# --- prompts that reply to the person, where no person's event is at hand ---


def replying(**options):
    """A question that replies to the person's message, so that a forced reply reaches this person."""
    flow = Flow("hello", **options)

    def name(ctx):
        extra = {"reply_markup": {"force_reply": True, "selective": True}}
        return Reply("Your name?", reply_to=ctx.event.message_id, extra=extra)

    flow.state("name", prompt=name, otherwise="Letters, please.")

    @flow.defstate(None, on=command("hello"))
    def begin(event, ctx):
        return ("transition", "name")

    @flow.defstate("name", on=Timeout)
    def late(event, ctx):
        ctx.reply("Too late.", reply_to=event.message_id)
        return ("end",)

    return flow


def replied(bench):
    """The texts that the bot sent, and what they replied to."""
    return [
        (call.params["text"], call.params.get("reply_parameters", {}).get("message_id"))
        for call in bench.offline.calls_of("sendMessage")
    ]


async def test_a_reminder_and_a_timeout_reply_to_the_message_that_the_prompt_replied_to(bench):
    bench.offline.add_chat(-5)
    await bench.start(replying(ttl=600, remind_after=60))
    said = (await bench.say("/hello", chat=-5))["message"]["message_id"]
    await bench.advance(61)
    await bench.advance(600)
    assert replied(bench) == [("Your name?", said), ("Your name?", said), ("Too late.", said)]


async def test_a_wrong_answer_in_between_changes_nothing_in_what_a_reminder_replies_to(bench):
    bench.offline.add_chat(-5)
    await bench.start(replying(remind_after=60))
    said = (await bench.say("/hello", chat=-5))["message"]["message_id"]
    await bench.say("5", chat=-5)
    await bench.advance(61)
    assert replied(bench)[-1] == ("Your name?", said)


async def test_a_prompt_that_comes_back_from_a_sub_flow_finds_no_message_to_reply_to(bench):
    flow, sub = replying(), Flow("sub")
    sub.state("s", prompt="Sub?")
    sub.defstate("s")(lambda event, ctx: ("end", 1))

    @flow.defstate("name", on=command("sub"))
    def call(event, ctx):
        return ("call", sub)

    @flow.defstate("name", on=Returned)
    def back(event, ctx):
        return ("transition", "name")

    await bench.start(flow, sub)
    for words in ("/hello", "/sub", "done"):
        await bench.say(words)
    assert [text for text, _ in replied(bench)] == ["Your name?", "Sub?", "Your name?"]
