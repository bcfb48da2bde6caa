"""What is said without a handler: prompts, `otherwise`, hooks; and messages that are tidied up or edited."""

import pytest
from chat_events import Command, Said, Word, press, said
from memory_engine import KEY, Bench, returns
from sample_flows import entering, in_entering

from fsmkit import Button, Flow, Reply

# -- prompts ---------------------------------------------------------------------------------------


def text_of(ctx):
    return f"Hello, {ctx.data['name']}, in {ctx.state}."


async def async_text_of(ctx):
    return text_of(ctx)


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("Who?", Reply("Who?")),
        (Reply("Who?", parse_mode="HTML"), Reply("Who?", parse_mode="HTML")),
        (text_of, Reply("Hello, Ann, in b.")),
        (async_text_of, Reply("Hello, Ann, in b.")),
        (lambda ctx: Reply(text_of(ctx)), Reply("Hello, Ann, in b.")),
    ],
)
async def test_a_prompt_is_a_text_a_reply_or_a_function_of_ctx(prompt, expected):
    bench = await in_entering(entering(prompt=prompt))
    await bench.say("go")
    assert [effect.reply for effect in bench.sent] == [expected]


async def test_a_prompt_that_returns_none_says_nothing():
    bench = await in_entering(entering(prompt=lambda ctx: None))
    await bench.say("go")
    assert bench.sent == []


async def test_a_prompt_that_raises_undoes_the_step():
    bench = await in_entering(entering(prompt=lambda ctx: ctx.data["nmae"]))
    before = await bench.stored()
    with pytest.raises(KeyError, match="nmae"):
        await bench.say("go")
    assert await bench.stored() == before


async def test_the_buttons_of_a_state_stand_under_its_prompt():
    bench = await in_entering(entering(prompt="Sure?", buttons=["Yes", "No"]))
    await bench.say("go")
    assert bench.sent[0].reply == Reply("Sure?", buttons=((Button("Yes"), Button("No")),))


async def test_the_buttons_of_a_prompt_of_its_own_stand_instead():
    bench = await in_entering(entering(prompt=lambda ctx: Reply("Sure?", buttons=["Maybe"]), buttons=["Yes"]))
    await bench.say("go")
    assert bench.sent[0].reply == Reply("Sure?", buttons=["Maybe"])


async def test_a_prompt_is_sent_on_the_entry_by_an_external_event():
    flow = Flow("f")
    flow.state("b", prompt="Paid.")
    returns(flow, None, on=int)(("transition", "b"))
    bench = Bench(flow)
    await bench.engine.send(KEY, 5)
    assert bench.texts == ["Paid."]


# -- otherwise -------------------------------------------------------------------------------------


def digits(**options):
    flow = Flow("f", ttl=60)
    flow.state("a", otherwise="Digits, please.", **options)
    flow.defstate("a", on=Word("7"))(lambda event, ctx: ("end",))
    return flow


@pytest.mark.parametrize("event", [said("x"), Said(kind="photo"), Said(kind="location")])
async def test_otherwise_answers_a_new_message_that_matches_no_handler(event):
    bench = await in_entering(digits())
    outcome = await bench.engine.send(KEY, event)
    assert (outcome.kind, outcome.state) == ("handled", "a")
    assert bench.texts == ["Digits, please."]


@pytest.mark.parametrize(
    "event", [said("/help"), Said("x", kind="edited"), press("x", 1), Said(kind="inline"), 5, "plain"]
)
async def test_otherwise_answers_nothing_else(event):
    bench = await in_entering(digits())
    assert (await bench.engine.send(KEY, event)).kind == "passed"
    assert bench.sent == []


async def test_otherwise_answers_where_every_handler_that_matched_passed():
    flow = digits()
    returns(flow, "a", on=Word("999"))(("pass",))
    bench = await in_entering(flow)
    assert (await bench.say("999")).kind == "handled"
    assert bench.texts == ["Digits, please."]


async def test_otherwise_may_be_a_function_of_ctx():
    flow = Flow("f")
    flow.state("a", otherwise=lambda ctx: Reply(f"{ctx.event.text}? In {ctx.state}?"))
    bench = await in_entering(flow)
    await bench.say("x")
    assert bench.texts == ["x? In a?"]


async def test_otherwise_starts_the_idle_deadline_anew():
    bench = await in_entering(digits())
    bench.clock.advance(30)
    await bench.say("x")
    assert (await bench.row()).snapshots["f"].deadline == bench.clock.now() + 60


async def test_what_otherwise_answered_is_not_answered_twice():
    bench = await in_entering(digits())
    await bench.say("x", id=1)
    assert (await bench.say("x", id=1)).kind == "duplicate"


def begun(**options):
    """Begun by /start in `name`, and by /deep in a flow that it calls."""
    outer, inner = Flow("outer"), Flow("inner")
    outer.state("name", otherwise="A name, please.", **options)
    inner.state("digits", otherwise="Digits, please.")
    returns(outer, None, on=Command("start"))(("transition", "name", {}))
    returns(outer, None, on=Command("deep"))(("call", inner))
    returns(outer, "name", on=Word("deeper"))(("call", inner))
    returns(outer, "name")(("end",))
    return outer, inner


@pytest.mark.parametrize(("way", "said"), [((), "A name, please."), (("deeper",), "Digits, please.")])
@pytest.mark.parametrize("again", ["/start", "/deep"])
async def test_who_begins_once_more_what_runs_is_answered_by_otherwise(way, said, again):
    bench = Bench(*begun())
    for text in ("/start", *way):
        await bench.say(text)
    stood = (await bench.row()).snapshots
    assert (await bench.say(again)).kind == "handled"
    assert bench.texts[-1] == said
    frames = [snapshot.frames for snapshot in (await bench.row()).snapshots.values()]
    assert frames == [snapshot.frames for snapshot in stood.values()]


async def test_a_command_that_begins_nothing_that_runs_is_passed():
    other = Flow("other")
    returns(other, None, on=Command("buy"))(("transition", "what", {}))
    returns(other, "what")(("end",))
    bench = Bench(*begun(), other)
    await bench.say("/start")
    assert [(await bench.say(text)).kind for text in ("/help", "/buy")] == ["passed", "handled"]
    assert bench.texts == []
    assert (await bench.engine.get_state(other, KEY))[0] == "what"


async def test_without_otherwise_a_message_nobody_wants_is_passed():
    bench = await in_entering(entering())
    assert (await bench.say("x")).kind == "passed"
