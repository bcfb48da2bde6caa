"""`Chat`: the synchronous driver of a real application, as tests of bots use it."""

import asyncio
import datetime

import pytest
import remembering_bot
from telegram import InlineKeyboardButton, InlineKeyboardMarkup
from telegram.ext import (
    Application,
    CallbackQueryHandler,
    CommandHandler,
    ConversationHandler,
    MessageHandler,
    filters,
)

from fsmkit import ANY, Flow, Timeout
from fsmkit.stores.sqlite import SQLiteStore
from fsmkit.telegram import (
    album,
    attach,
    command,
    contact,
    edited,
    location,
    photo,
    pre_checkout_query,
    reaction,
    successful_payment,
)
from fsmkit.testing import Chat, ManualClock
from fsmkit.testing.chat import START
from fsmkit.testing.harness.actions import Killed, Refused, Say, Swap


@pytest.fixture
def chat():
    remembering_bot.KNOWN.clear()
    with Chat(remembering_bot.garden) as chat:
        yield chat


def asked(**more):
    """A flow that takes anything at all and tells what it was."""
    flow = Flow("asked", **more)
    flow.state("any", prompt="What?")

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        return ("transition", "any")

    @flow.defstate("any", on=(photo(), location(), contact(), edited()))
    def got(event, ctx):
        ctx.reply(f"{event.kind}: {event.text or event.caption}")

    @flow.defstate("any")
    def said(event, ctx):
        ctx.reply(f"heard {event.text}")

    return flow


def test_what_is_said_moves_the_flow_and_its_answer_is_seen(chat):
    chat.command("start").expect("Which plant?")
    assert (chat.state, chat.flow) == ("plant", "garden")
    chat.say("Basil").expect("Water Basil?")
    assert chat.data == {"plant": "Basil"}
    assert chat.buttons == ["Yes", "No"]


def test_a_button_is_pressed_by_what_is_written_on_it(chat):
    chat.command("start").say("Basil").press("Yes").expect("Basil is wet.")
    assert chat.state is None
    assert chat.screen[-1] == "Basil is wet."


def test_a_press_of_what_is_not_there_fails_with_the_transcript(chat):
    chat.command("start").say("Basil")
    with pytest.raises(
        AssertionError, match=r"no button 'Maybe' is on the screen; there is \[Yes\] \[No\]"
    ) as found:
        chat.press("Maybe")
    assert "> Basil" in str(found.value)
    assert "Water Basil?" in str(found.value)


def test_an_old_button_can_still_be_pressed_and_is_refused(chat):
    chat.command("start").say("Basil").press("No").expect("Which plant?").say("Mint")
    chat.press("Yes", stale=True).expect("no longer in use")
    assert chat.data == {"plant": "Mint"}


def test_without_an_old_button_a_stale_press_fails(chat):
    chat.command("start").say("Basil")
    with pytest.raises(AssertionError, match="no old button 'Yes'"):
        chat.press("Yes", stale=True)


def test_what_was_expected_and_not_seen_fails_with_the_transcript(chat):
    with pytest.raises(AssertionError, match="expected 'Hello'") as found:
        chat.command("start").expect("Hello")
    assert "> /start  | plant  | {}  | start: transition -> plant" in str(found.value)


def test_what_a_handler_raises_comes_out_of_the_call(chat):
    chat.command("start")
    with pytest.raises(ValueError, match="no such plant") as found:
        chat.say("Triffid")
    assert "> Triffid" in found.value.__notes__[-1]
    assert chat.say("Basil").state == "water"


def test_contents_and_edits_come_as_from_telegram():
    with Chat(asked()) as chat:
        chat.command("start")
        assert chat.photo("Me").shown == ["photo: Me"]
        assert chat.location(1.0, 2.0).shown == ["location: None"]
        assert chat.contact("Ann").shown == ["contact: None"]
        assert chat.say("a").edit("b").shown == ["edited: b"]


def test_an_event_from_outside_reaches_the_conversation(chat):
    chat.command("start").say("Basil").send(remembering_bot.Rained(5)).expect("5 mm of rain")
    assert chat.state is None


def test_time_passes_and_what_is_due_on_the_way_happens_at_its_time():
    flow = Flow("slow", ttl=60)
    flow.state("a", prompt="A?")
    flow.state("b", prompt="B?", ttl=30)

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        return ("transition", "a")

    @flow.defstate("a", on=Timeout)
    def late(event, ctx):
        return ("transition", "b")

    with Chat(flow) as chat:
        assert chat.command("start").advance(59).state == "a"
        assert chat.advance(1).expect("B?").state == "b"
        assert chat.advance(minutes=1).state is None
        assert chat.command("start").until_deadline(-1).state == "a"
        assert chat.until_deadline().state == "b"


def test_a_restart_keeps_what_is_stored_and_drops_what_stood_in_globals(chat):
    chat.command("start").say("Basil")
    assert chat.command("known").shown == ["known: Basil"]
    chat.restart()
    assert chat.state == "water"
    assert chat.command("known").shown == ["known: nothing"]
    chat.press("Yes").expect("Basil is wet.")


def test_a_restart_goes_on_from_a_store_of_ones_own(tmp_path):
    with Chat(remembering_bot.garden, store=SQLiteStore(tmp_path / "bot.db")) as chat:
        chat.command("start").say("Basil").restart()
        assert chat.state == "water"


def test_an_event_from_outside_is_known_to_the_flows_that_a_restart_has_made(chat):
    chat.command("start").say("Basil").restart().send(remembering_bot.Rained(5)).expect("5 mm of rain")


def test_the_same_update_again_changes_nothing(chat):
    chat.command("start").say("Basil").duplicate()
    assert chat.shown == []
    assert chat.state == "water"


def test_another_person_has_a_conversation_of_their_own(chat):
    ann = chat.as_user(2)
    chat.command("start").say("Basil")
    ann.command("start").say("Mint")
    assert (chat.data, ann.data) == ({"plant": "Basil"}, {"plant": "Mint"})
    assert "> user 2: Mint" in chat.transcript


def test_the_screen_shows_what_edits_have_left(chat):
    flow = Flow("counter", data=dict)
    flow.state("on")

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        ctx.show("0", buttons=["+"])
        return ("transition", "on", {"n": 0})

    from fsmkit.telegram import button

    @flow.defstate("on", on=button("+"))
    def add(event, ctx):
        n = ctx.data["n"] + 1
        ctx.show(str(n), buttons=["+"])
        return ("stay", {"n": n})

    with Chat(flow) as chat:
        chat.command("start").press("+").press("+")
        assert chat.screen == ["2"]
        assert chat.shown == ["(edited) 2", "  [+]"]


def test_updates_may_come_in_the_wrong_order(chat):
    chat.command("start").do(Swap(Say("Basil"), Say("Mint")))
    assert chat.data == {"plant": "Mint"}


@pytest.mark.parametrize("at", ["store", "reply"])
def test_a_bot_that_is_killed_goes_on_where_it_was(at, chat):
    chat.command("start").do(Killed(Say("Basil"), at=at, nth=1))
    assert chat.state == "water"
    assert chat.screen == ["Which plant?", "Water Basil?"]


def test_a_refused_message_changes_no_state(chat):
    chat.command("start").do(Refused(Say("Basil")))
    assert (chat.state, chat.shown) == ("water", [])


def test_a_group_is_one_place_for_several_people():
    with Chat(remembering_bot.garden, chat=-100) as chat:
        chat.command("start").say("Basil").as_user(2).press("Yes").expect("for somebody else")
        assert chat.state == "water"


async def echo(update, context):
    await update.message.reply_text(update.message.text)


def test_an_application_without_flows_is_driven_too():
    app = Application.builder().token("77:ELSE").build()
    app.add_handler(MessageHandler(filters.TEXT & ~filters.COMMAND, echo))
    with Chat(app) as chat:
        chat.say("Hello")
        assert (chat.shown, chat.screen, chat.state) == (["Hello"], ["Hello"], None)
        with pytest.raises(AssertionError, match="only this one application"):
            chat.restart()


def test_an_application_with_flows_shows_their_state():
    clock = ManualClock(1000.0)
    app = Application.builder().token("77:ELSE").build()
    attach(app, remembering_bot.garden, clock=clock)
    app.add_handler(CommandHandler("help", echo))
    with Chat(app, clock=clock) as chat:
        assert chat.command("start").state == "plant"
        assert chat.command("help").shown == ["/help"]


def test_what_makes_an_application_can_make_it_again():
    def build(builder):
        app = builder.build()
        app.add_handler(MessageHandler(filters.TEXT, echo))
        return app

    with Chat(build) as chat:
        assert chat.say("a").restart().say("b").screen == ["a", "b"]


def test_several_flows_may_be_given():
    other = Flow("other")

    @other.defstate(None, ANY, on=command("other"))
    def start(event, ctx):
        return ("transition", "there")

    other.state("there", prompt="Here.")
    with Chat(remembering_bot.garden, other) as chat:
        assert chat.command("other").flow == "other"
        assert chat.command("start").flow == "garden"


async def test_inside_of_an_event_loop_it_says_what_to_write():
    with pytest.raises(RuntimeError, match="as `def`, not as `async def`"):
        Chat(remembering_bot.garden)


def test_albums_reactions_and_payments_come_to_the_bot():
    flow = asked()

    @flow.defstate("any", on=(album(), reaction(), successful_payment()))
    def more(event, ctx):
        ctx.reply(f"{event.kind}: {ctx.match}" if event.kind != "album" else f"{len(event.messages)} files")

    @flow.defstate("any", on=pre_checkout_query())
    def question(event, ctx):
        ctx.approve()

    chat = Chat(flow)
    chat.command("start").album("photo", "video", "photo").expect("3 files")
    chat.react().expect("message_reaction: \N{THUMBS UP SIGN}")
    chat.pay("tea").expect("(approved)", "successful_payment: tea")


def test_another_version_is_deployed_on_what_is_stored():
    later = Flow("asked")
    later.state("anything", prompt="What?", renamed_from="any")

    @later.defstate("anything")
    def said(event, ctx):
        ctx.reply(f"the new version heard {event.text}")

    chat = Chat(asked())
    chat.command("start").deploy(later).say("x").expect("the new version heard x")
    assert chat.state == "anything"
    with pytest.raises(AssertionError, match="only be deployed where"):
        Chat(lambda builder: builder.build()).deploy(later)


def test_another_person_may_be_in_another_chat_before_having_written_there(chat):
    chat.command("start").say("Basil")
    bob = chat.as_user(9, chat=-100)
    assert (bob.state, bob.data, bob.screen, bob.buttons) == (None, None, [], [])
    bob.command("start").say("Mint")
    assert (chat.data, bob.data) == ({"plant": "Basil"}, {"plant": "Mint"})
    assert bob.screen[-1] == chat.screen[-1].replace("Basil", "Mint")
    bob.press("Yes")
    assert (chat.state, chat.buttons, bob.state) == ("water", ["Yes", "No"], None)


def test_two_chats_talk_to_one_application():
    app = Application.builder().token("77:ELSE").build()
    attach(app, remembering_bot.garden)
    with Chat(app) as ann:
        bob = Chat(app, user=2)
        ann.command("start").say("Basil")
        assert bob.command("start").expect("Which plant?").say("Mint").data == {"plant": "Mint"}
        assert ann.data == {"plant": "Basil"}
        assert ann.press("Yes").state is None
        assert bob.state == "water"


def test_an_application_that_was_stopped_is_driven_again():
    app = Application.builder().token("77:ELSE").build()
    app.add_handler(MessageHandler(filters.TEXT, echo))
    for _ in range(2):
        with Chat(app) as chat:
            assert chat.say("Hello").shown == ["Hello"]


def test_buttons_may_have_any_data():
    async def choose(update, context):
        keys = [[InlineKeyboardButton("Two", callback_data=(2, {"of": "three"}))]]
        await update.message.reply_text("Which?", reply_markup=InlineKeyboardMarkup(keys))

    async def chosen(update, context):
        number, more = update.callback_query.data
        await update.callback_query.edit_message_text(f"{number} of {more['of']}")

    def build(builder):
        app = builder.arbitrary_callback_data(True).build()
        app.add_handlers([CommandHandler("start", choose), CallbackQueryHandler(chosen, pattern=tuple)])
        return app

    with Chat(build) as chat:
        assert chat.command("start").press("Two").screen == ["2 of three"]


def talking(timeout=None, *, block=True):
    """A ConversationHandler that asks for a name."""

    async def start(update, context):
        await asyncio.sleep(0)
        await update.message.reply_text("Name?")
        return "name"

    async def got(update, context):
        await asyncio.sleep(0)
        await update.message.reply_text(f"Hello {update.message.text}")
        return ConversationHandler.END

    async def late(update, context):
        await update.message.reply_text("Too late")

    return ConversationHandler(
        [CommandHandler("start", start, block=block)],
        {
            "name": [MessageHandler(filters.TEXT, got, block=block)],
            ConversationHandler.TIMEOUT: [MessageHandler(filters.ALL, late)],
        },
        [],
        conversation_timeout=timeout,
    )


def test_the_reply_of_a_handler_that_does_not_block_comes_with_its_own_action():
    def build(builder):
        app = builder.build()
        app.add_handler(talking(block=False))
        return app

    with Chat(build) as chat:
        assert chat.command("start").shown == ["Name?"]
        assert chat.say("Ann").shown == ["Hello Ann"]
        assert chat.say("Ann").shown == []


def test_what_hangs_on_start_and_end_is_called_and_a_restart_stops_the_old_bot_first():
    said = []

    def noted(what):
        async def note(app):
            said.append(what)

        return note

    def build(builder):
        said.append("built")
        builder.post_init(noted("init")).post_stop(noted("stop")).post_shutdown(noted("shutdown"))
        return builder.build()

    with Chat(build) as chat:
        assert said == ["built", "init"]
        chat.restart()
        assert said[2:] == ["stop", "shutdown", "built", "init"]
    assert said[6:] == ["stop", "shutdown"]


def test_a_restart_stops_the_flows_bot_before_its_file_is_read_again():
    order = []

    async def stopped(app):
        order.append("stopped")

    with Chat(remembering_bot.garden) as chat:
        driver = chat.driver
        driver.app.post_shutdown, load = stopped, driver._load
        driver._load = lambda: (order.append("read"), load())[1]
        chat.restart()
    assert order == ["stopped", "read"]


@pytest.mark.parametrize("block", [True, False])
def test_a_conversation_times_out_by_the_tests_clock(block):
    pytest.importorskip("apscheduler")

    def build(builder):
        app = builder.build()
        app.add_handler(talking(timeout=60, block=block))
        return app

    with Chat(build) as chat:
        chat.command("start").advance(59)
        assert chat.shown == []
        assert chat.advance(1).shown == ["Too late"]
        assert chat.say("Ann").shown == []


def test_the_job_queue_follows_the_tests_clock():
    pytest.importorskip("apscheduler")
    at = []

    def build(builder):
        app = builder.build()

        async def tick(context):
            at.append((context.job.name, chat.driver.clock.now() - START))

        app.job_queue.run_once(tick, 90, name="once")
        app.job_queue.run_repeating(tick, 60, name="each minute")
        app.job_queue.run_daily(tick, datetime.time(9), name="at nine")
        return app

    with Chat(build) as chat:
        chat.advance(150)
        assert at == [("each minute", 60), ("once", 90), ("each minute", 120)]
        at.clear()
        chat.advance(hours=1)
        assert ("at nine", 3600.0) in at


def test_a_bot_that_cannot_be_made_again_goes_on_as_it_was():
    broken = []

    def build(builder):
        if broken:
            raise SyntaxError(broken[0])
        app = builder.build()
        attach(app, remembering_bot.garden, clock=ManualClock(START))
        return app

    with Chat(build) as chat:
        chat.command("start")
        broken.append("1 +")
        with pytest.raises(SyntaxError):
            chat.restart()
        assert chat.say("Basil").state == "water"
