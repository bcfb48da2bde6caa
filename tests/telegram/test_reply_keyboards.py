"""Reply keyboards: gone when the state that showed them is left."""

import pytest

from fsmkit import ANY, Flow, Key, Keyboard, KeyBy, Reply, Timeout
from fsmkit.telegram import button, command, text

REMOVE = {"remove_keyboard": True}


def asking(keyboard=("A", "B"), **more):
    """A flow: `which` shows a keyboard; what is said leads to the state of that name, with or without words."""
    flow = Flow("f", ttl=60)
    flow.state("which", prompt=Reply("Which?", keyboard=keyboard))
    flow.state("free", prompt="Write.")
    flow.state("silent")
    flow.state("inline", prompt="Press.", buttons=["x"])
    flow.state("other", prompt=Reply("Other?", keyboard=["C"]))

    @flow.defstate(None, ANY, on=command("start"))
    def start(event, ctx):
        return ("transition", "which")

    @flow.defstate(ANY, on=text("(free|silent|inline|other|which)"))
    def go(event, ctx):
        return ("transition", event.text)

    @flow.defstate(ANY, on=text("bye"))
    def bye(event, ctx):
        ctx.reply("Bye.")
        return ("end",)

    @flow.defstate(ANY, on=text("end"))
    def end(event, ctx):
        return ("end",)

    @flow.defstate(ANY, on=text("talk"))
    def talk(event, ctx):
        ctx.reply("First.")
        ctx.reply("Second.", buttons=["x"])

    return flow


async def removals(bench, *said, flow=None):
    """The messages that took a keyboard away, after some things were said."""
    await bench.start(flow or asking())
    for words in ("/start", *said):
        await bench.say(words)
    return [
        call.params["text"]
        for call in bench.offline.calls_of("sendMessage")
        if call.params.get("reply_markup") == REMOVE
    ]


@pytest.mark.parametrize(
    ("said", "taken_away_by"),
    [
        ([], []),
        (["talk"], []),
        (["free"], ["Write."]),
        (["free", "talk", "free"], ["Write."]),
        (["silent", "talk"], ["First."]),
        (["inline"], []),
        (["inline", "free"], ["Write."]),
        (["other"], []),
        (["other", "free"], ["Write."]),
        (["which"], []),
        (["which", "free", "which", "free"], ["Write.", "Write."]),
        (["bye"], ["Bye."]),
        (["end", "/start"], []),
        (["end"], []),
    ],
    ids=" ".join,
)
async def test_the_first_message_that_can_takes_the_keyboard_away_once(bench, said, taken_away_by):
    assert await removals(bench, *said) == taken_away_by


async def test_a_keyboard_that_outlived_its_conversation_goes_with_the_next_one(bench):
    flow, other = asking(), Flow("other")
    other.defstate(None, on=command("other"))(lambda event, ctx: ctx.reply("Hello."))
    await bench.start(flow, other)
    for words in ("/start", "end", "/other", "/other"):
        await bench.say(words)
    sent = [
        (call.params["text"], "reply_markup" in call.params) for call in bench.offline.calls_of("sendMessage")
    ]
    assert sent == [("Which?", True), ("Hello.", True), ("Hello.", False)]
    assert (await bench.engine.peek(Key(1, 1, bot=42))).views == {}


@pytest.mark.parametrize("options", [{"one_time": True}, {"persistent": True}])
async def test_a_keyboard_that_hides_by_itself_or_is_to_stay_is_left_alone(bench, options):
    assert await removals(bench, "free", "bye", flow=asking(Keyboard(["A"], **options))) == []


async def test_a_keyboard_with_other_options_goes(bench):
    assert await removals(bench, "free", flow=asking(Keyboard(["A"], placeholder="?"))) == ["Write."]


async def test_a_keyboard_that_was_taken_away_by_hand_is_not_taken_away_again(bench):
    flow = asking()
    flow.defstate("which", on=command("hide"))(lambda event, ctx: ctx.reply("Hidden.", remove_keyboard=True))
    assert await removals(bench, "/hide", "free", flow=flow) == ["Hidden."]


async def test_a_keyboard_of_the_last_message_stays(bench):
    flow = Flow("f")
    flow.defstate(None, on=command("start"))(lambda event, ctx: ctx.reply("Menu", keyboard=["A"]))
    flow.defstate(None, on=text())(lambda event, ctx: ctx.reply("Hello."))
    assert await removals(bench, "hello", flow=flow) == []


async def test_a_timeout_takes_it_away(bench):
    flow = asking()
    flow.texts(expired="Too late.")
    await removals(bench, flow=flow)
    await bench.advance(61)
    assert bench.offline.calls_of("sendMessage")[-1].params["reply_markup"] == REMOVE


async def test_a_keyboard_in_another_chat_of_the_same_conversation_is_left_alone(bench):
    bench.offline.add_chat(-100)
    flow = Flow("f", key=KeyBy.GLOBAL_USER)
    flow.state("which", prompt=Reply("Which?", keyboard=["A"]))
    flow.state("free", prompt="Write.")
    flow.state("more", prompt="More?")
    other = Flow("other", key=KeyBy.GLOBAL_USER)
    other.state("on", prompt=Reply("Other?", keyboard=["B"]))
    flow.defstate(None, on=command("start"))(lambda event, ctx: ("transition", "which"))
    flow.defstate("which")(lambda event, ctx: ("transition", "free"))
    flow.defstate("free")(lambda event, ctx: ("transition", "more"))
    other.defstate(None, on=command("other"))(lambda event, ctx: ("transition", "on"))
    await bench.start(flow, other)
    await bench.say("/start")
    await bench.say("/other", chat=-100)
    await bench.engine.reset_state(other, Key(1, 1))
    await bench.say("elsewhere", chat=-100)
    await bench.say("here")
    sent = [
        (call.params["chat_id"], call.params["text"])
        for call in bench.offline.calls_of("sendMessage")
        if call.params.get("reply_markup") == REMOVE
    ]
    assert sent == [(-100, "Write."), (1, "More?")]


async def test_in_another_chat_there_is_nothing_to_take_away(bench):
    bench.offline.add_chat(-100)
    flow = asking()
    await bench.start(flow)
    await bench.say("/start")
    await bench.say("/start", chat=-100)
    await bench.say("free", chat=-100)
    await bench.say("talk")
    sent = [
        (call.params["chat_id"], call.params["text"])
        for call in bench.offline.calls_of("sendMessage")
        if call.params.get("reply_markup") == REMOVE
    ]
    assert sent == [(-100, "Write.")]


async def test_a_sub_flow_takes_the_callers_keyboard_away_and_the_return_brings_it_back(bench):
    outer, inner = asking(), Flow("inner")
    inner.state("name", prompt="Name?")
    outer.defstate("which", on=command("call"))(lambda event, ctx: ("call", inner))
    inner.defstate("name")(lambda event, ctx: ("end",))
    await bench.start(outer, inner)
    for words in ("/start", "/call", "Ann"):
        await bench.say(words)
    sent = [
        (call.params["text"], call.params.get("reply_markup") == REMOVE)
        for call in bench.offline.calls_of("sendMessage")
    ]
    assert sent == [("Which?", False), ("Name?", True), ("Which?", False)]


async def test_it_goes_beside_a_screen_which_stays_what_it_is(bench):
    flow = asking()

    @flow.defstate("which", "free", on=command("show"))
    def show(event, ctx):
        ctx.show("Screen", buttons=["more"])

    flow.defstate("free", on=button("more"))(lambda event, ctx: ctx.show("More", buttons=["more"]))
    await bench.start(flow)
    for words in ("/start", "/show", "free", "/show"):
        await bench.say(words)
    await bench.press("more")
    assert bench.texts() == ["Which?", "Screen", "Write.", "More"]


# --- one person's keyboard in a group ---


def selective(options, **flow_options):
    """A flow of which each person in a group has a keyboard of their own."""
    flow = Flow("f", ttl=60, **flow_options)

    def which(ctx):
        named = "Which, <a href='tg://user?id=1'>Ann</a>?" if options is mentioning else "Which?"
        return Reply(named, keyboard=Keyboard([["A", "B"]], selective=True), **options(ctx))

    flow.state("which", prompt=which)
    flow.state("free", prompt="Write.")

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        return ("transition", "which")

    @flow.defstate("which", on=text("A"))
    def free(event, ctx):
        return ("transition", "free")

    @flow.defstate("which", on=text("away"))
    def away(event, ctx):
        ctx.reply("Gone. " * 1000, remove_keyboard=True)
        return ("stay",)

    return flow


def replying(ctx):
    return {"reply_to": ctx.event.message_id}


def markups(bench, word):
    """Markup and replied message of what the bot sent with a word in it."""
    return [
        (call.params.get("reply_markup"), call.params.get("reply_parameters", {}).get("message_id"))
        for call in bench.offline.calls_of("sendMessage")
        if word in call.params["text"]
    ]


async def test_a_selective_keyboard_is_taken_away_from_its_own_person_only(bench):
    bench.offline.add_chat(-5)
    await bench.start(selective(replying))
    asked = await bench.say("/start", chat=-5)
    await bench.say("/start", chat=-5, user=2)
    await bench.say("A", chat=-5)
    question = asked["message"]["message_id"]
    assert markups(bench, "Write.") == [({"remove_keyboard": True, "selective": True}, question)]


def mentioning(ctx):
    return {"parse_mode": "HTML"}


@pytest.mark.parametrize("rule", [KeyBy.USER_IN_CHAT, KeyBy.GLOBAL_USER, KeyBy.USER_IN_TOPIC])
async def test_a_keyboard_that_a_mention_has_shown_is_taken_away_by_a_reply_to_its_person(bench, rule):
    bench.offline.add_chat(-5)
    await bench.start(selective(mentioning, key=rule))
    asked = await bench.say("/start", chat=-5)
    await bench.say("/start", chat=-5, user=2)
    await bench.say("A", chat=-5)
    question = asked["message"]["message_id"]
    assert markups(bench, "Write.") == [({"remove_keyboard": True, "selective": True}, question)]


async def test_what_a_timeout_takes_away_replies_to_the_person_too(bench):
    flow = selective(mentioning)

    @flow.defstate("which", on=Timeout)
    def late(event, ctx):
        return ("transition", "free")

    bench.offline.add_chat(-5)
    await bench.start(flow)
    asked = await bench.say("/start", chat=-5)
    await bench.advance(61)
    question = asked["message"]["message_id"]
    assert markups(bench, "Write.") == [({"remove_keyboard": True, "selective": True}, question)]


async def test_a_keyboard_that_was_shown_from_outside_is_taken_away_by_a_reply_to_the_answer(bench):
    """Nobody had written when it was shown, nor is the message stored that yesterday's rows replied to."""
    flow = selective(mentioning)
    flow.defstate(None, on=str)(lambda event, ctx: ("transition", "which"))
    bench.offline.add_chat(-5)
    engine = await bench.start(flow)
    await engine.send(Key(-5, 1), "go")
    answer = (await bench.say("A", chat=-5))["message"]["message_id"]
    assert markups(bench, "Write.") == [({"remove_keyboard": True, "selective": True}, answer)]


async def test_a_keyboard_of_several_who_were_mentioned_is_taken_away_from_all(bench):
    """One answers for the group; a reply to that one would leave the others theirs."""
    bench.offline.add_chat(-5)
    await bench.start(selective(mentioning, key=KeyBy.CHAT))
    await bench.say("/start", chat=-5)
    await bench.say("A", chat=-5, user=2)
    assert markups(bench, "Write.") == [(REMOVE, None)]


async def test_the_piece_that_takes_a_selective_keyboard_away_replies_to_its_person(bench):
    bench.offline.add_chat(-5)
    await bench.start(selective(replying))
    asked = await bench.say("/start", chat=-5)
    await bench.say("away", chat=-5)
    question = asked["message"]["message_id"]
    assert markups(bench, "Gone.") == [
        (None, question),
        ({"remove_keyboard": True, "selective": True}, question),
    ]


async def test_a_keyboard_of_the_whole_group_is_taken_away_from_all(bench):
    bench.offline.add_chat(-5)
    await bench.start(asking())
    await bench.say("/start", chat=-5)
    await bench.say("free", chat=-5)
    assert markups(bench, "Write.") == [(REMOVE, None)]
