"""One way in: what tests flows goes the way of the bot's own updates, and what a test does is in its world."""

import asyncio

import pytest

from fsmkit import Flow, Timeout
from fsmkit.engine import Observer
from fsmkit.telegram import button, command, text
from fsmkit.telegram.intake import Intake
from fsmkit.testing import Chat, ManualClock, check
from fsmkit.testing.harness.actions import Content, Duplicate, EditLast, Gesture, Press, PressData, Say
from fsmkit.testing.harness.engine_driver import START, EngineDriver
from fsmkit.testing.harness.ptb_driver import PTBDriver


def two_states():
    """A flow of two states and one button."""
    flow = Flow("door", ttl=60)
    flow.state("shut", prompt="It is shut.", buttons=["Open"], otherwise="Press the button.")
    flow.state("open", prompt="It is open.", otherwise="Say /start.")

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        return ("transition", "shut")

    @flow.defstate("shut", on=button("Open"))
    def opened(event, ctx):
        return ("transition", "open")

    @flow.defstate("open", on=command("end"))
    def ended(event, ctx):
        ctx.reply("Bye.")
        return ("end",)

    return flow


def test_what_loses_every_press_fails_the_test_of_a_flow(monkeypatch):
    report = check(two_states(), phases=["tours"], seed=1)
    assert report.coverage.missing_edges() == []
    monkeypatch.setattr(Intake, "recognise", lambda self, event: None)
    broken = check(two_states(), phases=["tours"], seed=1)
    assert not broken.ok
    assert broken.coverage.numbers()["edges"] == (1, 3)


def test_without_keys_no_edge_is_taken(monkeypatch):
    monkeypatch.setattr(Intake, "_keys", lambda self, event: ())
    assert check(two_states(), phases=["tours"], seed=1).coverage.numbers()["edges"] == (0, 3)


def at_once():
    """A flow whose handlers use PTB's own objects."""
    flow = Flow("at_once", ttl=60, data=dict)
    flow.state("on", prompt="On.", buttons=[["answer", "edit", "delete", "markup", "twice"]])

    @flow.defstate(None, on=command("start"))
    async def start(event, ctx):
        await event.update.message.reply_text("Hello.", do_quote=True)
        return ("transition", "on", {})

    @flow.defstate("on", on=button("answer"))
    async def answer(event, ctx):
        await event.update.callback_query.answer("Answered.")
        return ("stay",)

    @flow.defstate("on", on=button("twice"))
    async def twice(event, ctx):
        await event.update.callback_query.answer("Once.")
        ctx.answer("Twice.")
        return ("stay",)

    @flow.defstate("on", on=button("edit"))
    async def edit(event, ctx):
        await event.update.callback_query.edit_message_text("Edited.")
        return ("stay",)

    @flow.defstate("on", on=button("markup"))
    async def markup(event, ctx):
        await event.update.callback_query.edit_message_reply_markup(None)
        return ("stay",)

    @flow.defstate("on", on=button("delete"))
    async def delete(event, ctx):
        await event.message.delete()
        return ("stay",)

    @flow.defstate("on", on=text("forward"))
    async def forward(event, ctx):
        sent = await event.message.forward(event.chat_id)
        await sent.copy(event.chat_id)
        return ("stay",)

    @flow.defstate("on", on=text("bot"))
    async def bot(event, ctx):
        sent = await ctx.bot.send_message(event.chat_id, f"I am {ctx.bot.username}.")
        await sent.edit_text(f"{event.message.chat.type}, {event.user.full_name}")
        ctx.reply("After it.")
        return ("stay",)

    @flow.defstate("on", on=text("tidy"))
    async def tidy(event, ctx):
        await event.message.reply_text("Soon gone.")
        await event.message.delete()
        return ("stay",)

    @flow.defstate("on", on=Timeout)
    async def late(event, ctx):
        await ctx.bot.send_message(ctx.key.chat, "Too late.")
        return ("end",)

    return flow


async def seen(driver, actions):
    """Return what is shown, what is raised and what is on the screen after each action."""
    await driver.open()
    found = []
    for action in actions:
        observation = await driver.do(action)
        errors = [f"{type(error).__name__}: {error}" for error in observation.errors]
        screen = [(bubble.text, bubble.own) for bubble in driver.bubbles()]
        shown = [line for line in observation.shown if line != "(answered silently)"]
        found.append((observation.state, shown, errors, screen))
    await driver.close()
    return found


def on_both(flow, actions):
    """Return what is seen with generated conversations, and on PTB's application."""
    direct = asyncio.run(seen(EngineDriver((flow,)), actions))
    return direct, asyncio.run(seen(PTBDriver((flow,), clock=ManualClock(START)), actions))


@pytest.mark.parametrize(
    ("actions", "shown"),
    [
        ([Press("answer")], ["(notice) Answered."]),
        ([Press("twice")], ["(notice) Once."]),
        ([Press("edit")], ["(edited) Edited."]),
        ([Press("delete")], ["(deleted) On."]),
        ([Press("markup")], ["(buttons taken away) On."]),
        ([Say("forward")], ["forward", "forward"]),
        ([Say("bot")], ["I am offline_bot.", "(edited) private, User 1", "After it."]),
        ([Say("tidy")], ["Soon gone.", "(deleted) your message"]),
        ([Press("edit"), Press("edit", stale=True)], []),
        ([Press("delete"), Press("delete", stale=True)], []),
    ],
)
def test_what_a_handler_does_through_ptbs_objects_is_the_same_on_both(actions, shown):
    direct, real = on_both(at_once(), [Say("/start"), *actions])
    assert direct == real
    assert direct[0][1:3] == (["Hello.", "On.", "  [answer] [edit] [delete] [markup] [twice]"], [])
    assert direct[-1][1] == shown


def test_an_answer_is_quoted_and_a_second_edit_is_refused_on_both():
    direct, real = on_both(at_once(), [Say("/start"), Press("edit"), Press("edit", stale=True)])
    assert direct == real
    assert direct[-1][2] == [
        "BadRequest: Message is not modified: specified new message content and reply markup are exactly the "
        "same as a current content and reply markup of the message"
    ]


def test_updates_that_come_again_and_that_nobody_wants_are_answered_alike():
    actions = [PressData("~forged"), PressData("nobody's"), Say("/start"), Press("answer"), Duplicate()]
    direct, real = on_both(at_once(), actions)
    assert direct == real
    assert direct[0][1] == ["(notice) This button is no longer in use."]


def test_attach_takes_observers_who_see_an_update_come_and_be_committed():
    seen = []

    class Watch(Observer):
        def arrived(self, key, event):
            seen.append(("arrived", event.kind))

        def committed(self, key, before, after, outcome):
            seen.append(("committed", outcome.state))

    with Chat(two_states(), observers=[Watch()]) as chat:
        chat.command("start").press("Open")
    assert seen == [
        ("arrived", "command"),
        ("committed", "shut"),
        ("arrived", "button"),
        ("committed", "open"),
    ]


def test_going_back_puts_messages_of_both_kinds_back():
    async def main():
        driver = EngineDriver((at_once(),))
        await driver.do(Say("/start"))
        saved = driver.save()
        before = driver.bubbles()
        first = await driver.do(Say("bot"))
        await driver.do(Press("delete"))
        assert driver.bubbles() != before
        driver.restore(saved)
        assert driver.bubbles() == before
        assert (await driver.do(Say("bot"))).shown == first.shown
        assert [(await driver.do(Press("answer"))).shown for _ in range(2)] == [("(notice) Answered.",)] * 2

    asyncio.run(main())


def test_the_objects_of_a_tested_update_are_ptbs_own():
    looked = []
    flow = Flow("looks")

    @flow.defstate(None, on=text() | command("start"))
    def look(event, ctx):
        message = event.message
        looked.append(
            (message, hash(message), message.to_dict(), type(message), message == event.update.message)
        )
        looked.append((event.user.full_name, event.user.mention_html(), type(event.message.chat).__name__))

    async def main(driver):
        await driver.open()
        await driver.do(Say("Look!"))
        await driver.close()

    asyncio.run(main(EngineDriver((flow,))))
    asyncio.run(main(PTBDriver((flow,), clock=ManualClock(START))))
    assert looked[1] == looked[3] == ("User 1", looked[3][1], "Chat")
    late, real = looked[0], looked[2]
    assert (late[2]["text"], late[3], late[4]) == ("Look!", real[3], True)
    assert {**late[2], "from": 0, "chat": 0} == {**real[2], "from": 0, "chat": 0}


@pytest.mark.parametrize("action", [Content("photo", "Cap"), EditLast("x"), Gesture("message_reaction")])
def test_events_of_other_kinds_have_their_updates_on_both(action):
    flow = Flow("any", data=list)
    flow.state("on", otherwise="?")

    @flow.defstate(None, on=text("begin"))
    def begin(event, ctx):
        return ("transition", "on", [])

    @flow.defstate("on", when=lambda event: event.kind != "text")
    def got(event, ctx):
        return ("stay", [event.kind, event.caption, type(event.update).__name__, event.update.update_id])

    direct, real = on_both(flow, [Say("begin"), action])
    assert direct == real
