"""The two drivers: whatever is done, the flow stands and says the same on PTB as without it."""

import asyncio

import pytest
import sprouts

from fsmkit import ANY, Button, Flow, KeyBy, Timeout
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
    raw_button,
    reaction,
    successful_payment,
    text,
    users_shared,
    web_app_data,
)
from fsmkit.testing import ManualClock, check
from fsmkit.testing.harness.actions import (
    Album,
    Content,
    Deadline,
    Duplicate,
    EditLast,
    Gesture,
    Killed,
    Outside,
    Press,
    PressData,
    Refused,
    Restart,
    Say,
    Swap,
    Wait,
)
from fsmkit.testing.harness.engine_driver import START, EngineDriver
from fsmkit.testing.harness.ptb_driver import PTBDriver
from fsmkit.testing.harness.screen import NotThereError

EXAMPLES = [
    [Say("/start"), Say("Basil"), Press("No"), Say("Mint"), Press("Yes", stale=True), Press("Yes")],
    [
        Say("/start"),
        Say("Basil"),
        Duplicate(),
        Restart(),
        Duplicate(),
        Outside(sprouts.Rained(3)),
        Duplicate(),
    ],
    [
        Say("hello"),
        Say("/nothing"),
        Say("/start"),
        Content("photo"),
        Say("/start@offline_bot"),
        Say("/start@other"),
    ],
    [Say("/start"), Swap(Say("Basil"), Say("Mint")), Deadline(-1), Say("x"), Deadline(), Press("Yes")],
    [Say("/start"), Killed(Say("Basil"), "store", 1), Killed(Press("Yes"), "reply", 1), Say("/start")],
    [Say("/start"), Killed(Say("Basil"), "before"), Killed(Press("Yes"), "store", 2, False), Duplicate()],
    [Say("/start"), Refused(Say("Basil")), Say("y"), Wait(5)],
    [Say("/start"), Refused(Say("Basil"), 1, 3.0), Press("Yes"), EditLast("Basil 2"), PressData("made up")],
    [Say("/start", user=2), Say("/start"), Say("Basil", user=2), Say("Mint"), Press("Yes", user=2)],
]


@pytest.fixture(autouse=True)
def times_as_ptb_will_have_them(monkeypatch):
    """PTB warns of numbers of seconds otherwise."""
    monkeypatch.setenv("PTB_TIMEDELTA", "1")


def everything(key=KeyBy.USER_IN_CHAT):
    """A flow with all that the drivers have to do differently."""
    flow = Flow("everything", data=dict, key=key, ttl=60)
    flow.state("on", prompt="On.", buttons=[["a", "b"], [Button("Long", "l" * 80)]], ephemeral=True)
    flow.state("view")
    flow.state("late", prompt="Late.")

    @flow.defstate(None, on=(command("start"), button("Begin")))
    def start(event, ctx):
        return ("transition", "on", {"user": event.user.first_name[:4]})

    @flow.defstate(None, on=command("menu"))
    def menu(event, ctx):
        from fsmkit import Reply

        ctx.reply(Reply("Menu", buttons=[flow.button("Begin")]))

    @flow.defstate("on", on=button("a", "l" * 80))
    def pressed(event, ctx):
        ctx.answer(f"{len(event.value)}")
        ctx.show("View 1", buttons=["more"])
        return ("transition", "view", ctx.evolve(value=event.value))

    @flow.defstate("view", on=button("more"))
    def more(event, ctx):
        ctx.show("View 2", buttons=["more", "b"])
        return ("stay", ctx.evolve(n=ctx.data.get("n", 0) + 1))

    @flow.defstate("on", on=Timeout)
    def late(event, ctx):
        return ("transition", "late")

    @flow.defstate(ANY, on=(photo(), contact(), edited(), raw_button("raw.*")))
    def sent(event, ctx):
        ctx.reply(f"{event.kind} {event.caption} {event.text} {event.value} {event.update.update_id > 0}")

    @flow.defstate(ANY, on=text("[0-9]+"), when=lambda event: len(event.text) < 3)
    def number(event, ctx):
        ctx.reply(f"number {ctx.match[0]}", keyboard=["x", "y"])

    @flow.defstate(ANY, on=message() & text("dice"))
    def dice(event, ctx):
        ctx.reply("rolled", photo="AgACAgIAAxkBAAI")

    return flow


MORE = [
    [Say("/start"), Press("a"), Press("more"), Press("more"), Press("a", stale=True), Say("12"), Say("123")],
    [Say("/start"), Press("Long"), Press("more"), Press("b"), Deadline(), Say("1")],
    [Say("/menu"), Press("Begin"), Press("Begin"), Deadline(), Deadline(), Press("b", stale=True)],
    [
        Say("/start"),
        Content("photo", "Cap"),
        Content("contact"),
        Say("z"),
        EditLast("zz"),
        PressData("raw 1"),
        Say("dice"),
    ],
    [Content("photo"), Say("/start"), Say("12"), Restart(), Press("a"), Killed(Press("more"), "reply", 1)],
]


async def played(driver, actions):
    """What came of each action, as far as it is the same everywhere."""
    await driver.open()
    seen = []
    for action in actions:
        try:
            observation = await driver.do(action)
        except NotThereError:
            seen.append("not there")
            continue
        shown = [
            line
            for line in observation.shown
            if line != "(answered silently)" and not line.startswith("(photo)")
        ]
        shown = [line for line in shown if not line.startswith("[photo")]
        errors = [type(error) for error in observation.errors]
        seen.append(
            (observation.state, observation.data, shown, [str(taken) for taken in observation.taken], errors)
        )
    await driver.close()
    return seen


def on_both(flow, actions, chat=None):
    """The same conversation on both drivers."""
    direct = asyncio.run(played(EngineDriver((flow,), chat=chat), actions))
    real = asyncio.run(played(PTBDriver((flow,), clock=ManualClock(START), chat=chat), actions))
    return direct, real


@pytest.mark.parametrize("actions", EXAMPLES)
def test_the_same_happens_on_both_stages(actions):
    sprouts.KNOWN.clear()
    direct, real = on_both(sprouts.garden, actions)
    assert direct == real


@pytest.mark.parametrize("actions", MORE)
def test_contents_views_menus_and_long_values_are_the_same_on_both(actions):
    direct, real = on_both(everything(), actions)
    assert direct == real


@pytest.mark.parametrize("key", [KeyBy.CHAT, KeyBy.USER_IN_CHAT, KeyBy.GLOBAL_USER])
def test_in_a_group_the_same_may_press_on_both(key):
    actions = [Say("/start"), Press("a", user=2), Press("a"), Press("more", user=2), Say("5", user=2)]
    direct, real = on_both(everything(key), actions, chat=-100)
    assert direct == real


def asked():
    """A flow for all that is no plain message."""
    flow = Flow("asked", data=list, ttl=60)
    flow.state("on", prompt="On.", otherwise="Again?")

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        return ("transition", "on", [])

    @flow.defstate("on", on=album())
    def pictures(event, ctx):
        ctx.reply(f"{len(event.messages)} pictures, {event.caption}")
        return ("stay", [*ctx.data, len(event.file_ids)])

    @flow.defstate(
        "on",
        on=(web_app_data(), users_shared(), chat_shared(), poll(), contact(), edited(), successful_payment()),
    )
    def sent(event, ctx):
        ctx.reply(f"{event.kind} {event.value}")
        return ("stay", [*ctx.data, event.kind])

    @flow.defstate("on", on=pre_checkout_query("tea.*"))
    def question(event, ctx):
        ctx.approve()
        return ("stay", [*ctx.data, event.value])

    @flow.defstate("on", on=pre_checkout_query("gold"))
    def dear(event, ctx):
        ctx.decline("Sold out")

    @flow.defstate("on", on=pre_checkout_query("lead"))
    def heavy(event, ctx):
        raise ValueError("too heavy")

    @flow.defstate("on", on=(reaction("\N{THUMBS UP SIGN}"), poll_answer(), inline(), chosen_inline_result()))
    def gestured(event, ctx):
        ctx.reply(f"{event.kind} {event.text} {event.value}")
        return ("stay", [*ctx.data, event.kind])

    @flow.defstate("on", on=chat_join_request())
    def joining(event, ctx):
        ctx.reply(f"Welcome to {event.content.chat.id}")
        return ("stay", [*ctx.data, event.kind])

    return flow


ASKED = [
    [Say("/start"), Album(), Album(("photo", "video", "photo"), "Cap"), Duplicate(), Say("x")],
    [
        Say("/start"),
        *(Content(kind) for kind in ("web_app_data", "users_shared", "chat_shared", "poll", "contact")),
    ],
    [Say("/start"), Content("web_app_data", fields={"data": "42"}), Duplicate(), Say("x"), EditLast("y")],
    [
        Say("/start"),
        Gesture("pre_checkout_query", "tea 1"),
        Gesture("pre_checkout_query", "gold"),
        Duplicate(),
    ],
    [Say("/start"), Gesture("pre_checkout_query", "lead"), Gesture("pre_checkout_query", "salt"), Say("x")],
    [
        Say("/start"),
        Gesture("message_reaction", "\N{THUMBS UP SIGN}"),
        Gesture("message_reaction", "\N{FIRE}"),
    ],
    [Say("/start"), Gesture("poll_answer", "1"), Restart(), Duplicate(), Gesture("chat_join_request")],
    [
        Say("/start"),
        Gesture("inline", "vien"),
        Gesture("chosen_inline_result", "7"),
        Killed(Album(), "before"),
    ],
    [
        Gesture("inline"),
        Gesture("chat_join_request"),
        Album(),
        Content("poll"),
        Say("/start"),
        Gesture("poll_answer"),
    ],
]


@pytest.mark.parametrize("actions", ASKED)
def test_albums_payments_votes_and_reactions_are_the_same_on_both(actions):
    direct, real = on_both(asked(), actions)
    assert direct == real


def test_each_of_them_comes_to_its_handler():
    seen = [direct for actions in ASKED for direct in on_both(asked(), actions)[0]]
    assert {taken.split(">.")[1].partition(":")[0] for observation in seen if observation != "not there" for taken in observation[3]} == {
        "start", "pictures", "sent", "question", "dear", "heavy", "gestured", "joining",
    }  # fmt: skip


def test_the_tours_take_their_edges():
    report = check(asked(), phases=["tours"], seed=1)
    assert report.coverage.missing_edges() == []
    assert [(finding.code, [action.line() for action in finding.actions]) for finding in report.failures] == [
        ("raised", ["/start", "(pays lead)"])
    ]


def test_a_text_that_is_too_long_comes_as_several_messages():
    flow = Flow("long", data=list)
    flow.state("on")

    @flow.defstate(None, on=text())
    def first(event, ctx):
        return ("transition", "on", [len(event.text)])

    @flow.defstate("on", on=text())
    def further(event, ctx):
        return ("stay", [*ctx.data, len(event.text)])

    direct, real = on_both(flow, [Say("x" * 5000), Say("y")])
    assert direct == real
    assert [observation[1] for observation in direct] == [[4096, 904], [4096, 904, 1]]


def test_a_payment_that_is_approved_is_paid():
    direct, _ = on_both(asked(), [Say("/start"), Gesture("pre_checkout_query", "tea 1")])
    assert direct[1][1:3] == (["tea 1", "successful_payment"], ["(approved)", "successful_payment tea 1"])


async def test_the_direct_stage_goes_back_to_an_earlier_moment():
    driver = EngineDriver((sprouts.garden,))
    await driver.do(Say("/start"))
    saved = driver.save()
    first = await driver.do(Say("Basil"))
    await driver.do(Press("Yes"))
    driver.restore(saved)
    second = await driver.do(Say("Basil"))
    assert (first.state, first.data, first.shown) == (second.state, second.data, second.shown)


async def test_each_conversation_of_the_direct_stage_is_between_other_people():
    driver = EngineDriver((sprouts.garden,))
    await driver.do(Say("/start"))
    before = driver.key(1)
    driver.reset()
    assert driver.key(1) != before
    assert driver.bubbles() == []
    assert (await driver.row(1)).snapshots == {}
