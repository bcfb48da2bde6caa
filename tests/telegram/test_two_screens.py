"""Screens with names: each is a message of its own, kept up to date on its own."""

import pytest

from fsmkit import ANY, DefinitionError, Engine, Flow, Key, KeyBy, Returned
from fsmkit.flow.messages import Address, Reply
from fsmkit.interpreter.effects import apply_receipts
from fsmkit.interpreter.row import Bound, Edit, Receipt, Row, ShownScreen
from fsmkit.interpreter.screens import MAX_SCREENS
from fsmkit.telegram import button, command, text
from fsmkit.telegram.chat_migration import in_new_chat

ME = Key(1, 1, bot=42)


def shop():
    """A menu that stays, and below it what was chosen there; the content's own pages turn in a state."""
    flow = Flow("shop", data=dict)
    flow.state("home", prompt="Welcome.", buttons=["hours"], show="content")
    flow.state("list", prompt=lambda ctx: f"Page {ctx.data['page']}", buttons=["next"], show="content")

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        ctx.show("Menu", buttons=["list", "home", "rename"], screen="menu")
        return ("transition", "home")

    @flow.defstate(ANY, on=button("list"))
    def to_list(event, ctx):
        return ("transition", "list", {"page": 1})

    @flow.defstate(ANY, on=button("home"))
    def to_home(event, ctx):
        return ("transition", "home")

    @flow.defstate(ANY, on=button("rename"))
    def rename(event, ctx):
        ctx.show("Our menu", buttons=["list", "home", "rename"], screen="menu")

    @flow.defstate("home", on=button("hours"))
    def hours(event, ctx):
        ctx.show("9 to 5", screen="content")

    @flow.defstate("list", on=button("next"))
    def turn(event, ctx):
        return ("transition", "list", {"page": ctx.data["page"] + 1})

    @flow.defstate(ANY, on=text())
    def talk(event, ctx):
        ctx.show(f"You said {event.text}.", screen="content")

    @flow.defstate(ANY, on=command("end"))
    def end(event, ctx):
        return ("end",)

    return flow


@pytest.fixture
async def shown(bench):
    await bench.start(shop())
    await bench.say("/start")
    bench.offline.calls.clear()
    return bench


MENU = ["list", "home", "rename"]


async def test_a_press_in_the_menu_edits_the_content_where_it_stands(shown):
    await shown.press("list")
    assert (shown.texts(), shown.buttons()) == (["Menu", "Page 1"], [MENU, ["next"]])
    assert shown.calls() == ["answerCallbackQuery", "editMessageText"]


async def test_each_screen_is_edited_on_its_own(shown):
    await shown.press("list")
    await shown.press("next")
    await shown.press("rename")
    assert (shown.texts(), shown.buttons()) == (["Our menu", "Page 2"], [MENU, ["next"]])
    assert "sendMessage" not in shown.calls()


async def test_the_menu_stays_good_while_states_come_and_go(shown):
    for _ in range(2):
        await shown.press("list")
        await shown.press("next")
        await shown.press("home")
    assert shown.texts() == ["Menu", "Welcome."]


async def test_a_button_that_its_screen_no_longer_shows_is_stale(shown):
    shown_first = shown.data("list")
    await shown.press("list")
    old_next = shown.data("next")
    await shown.press("next")
    await shown.press_data(old_next, message_id=3)  # from a phone that still shows page 1
    assert shown.texts() == ["Menu", "Page 2"]
    await shown.press("rename")
    await shown.press("home")
    await shown.press_data(shown_first, message_id=2)  # the menu was shown anew since
    assert shown.texts() == ["Our menu", "Welcome."]


async def test_what_the_person_writes_sends_only_the_screen_that_is_shown_anew(shown):
    await shown.say("hello")
    assert (shown.texts(), shown.buttons()) == (["Menu", "Welcome.", "You said hello."], [MENU, [], []])
    await shown.press("list")
    assert shown.texts() == ["Menu", "Welcome.", "Page 1"]


async def test_content_that_the_person_deleted_is_sent_anew_and_edited_from_then_on(shown):
    await shown.app.bot.delete_message(1, 3)
    await shown.press("list")
    assert (shown.texts(), shown.buttons()) == (["Menu", "Page 1"], [MENU, ["next"]])
    await shown.press("next")
    assert shown.texts() == ["Menu", "Page 2"]
    views = (await shown.engine.peek(ME)).views
    assert {key: view.message for key, view in views.items()} == {
        "shop/shop/menu": 2,
        "shop/shop/content": 4,
    }


async def test_the_next_conversation_takes_the_place_of_both_screens(shown):
    for said in ("/end", "/start"):
        await shown.say(said)
    assert shown.texts() == ["Menu", "Welcome.", "Menu", "Welcome."]
    assert shown.buttons() == [[], [], MENU, ["hours"]]


async def test_the_old_conversations_menu_is_stale_in_the_next(shown):
    old = shown.data("list")
    for said in ("/end", "/start"):
        await shown.say(said)
    await shown.press_data(old, message_id=2)
    assert shown.texts()[-1] == "Welcome."


async def test_a_menu_pressed_while_its_message_number_is_not_stored_yet_is_not_lost(shown):
    """Telegram makes the chat wait between the two screens; the person presses the first."""
    await shown.say("/end")
    shown.offline.calls.clear()
    shown.offline.fail("sendMessage", retry_after=5, times=1)
    await shown.say("/start")
    await shown.advance(6)
    await shown.press("list")
    assert shown.texts()[-2:] == ["Menu", "Page 1"]


# --- with the unnamed screen, and with flows that call each other ---


def visit():
    """A flow with a screen of each kind that calls another with screens of the same names."""
    picker = Flow("picker")
    picker.state("on")

    @picker.on_enter("on")
    def show(ctx):
        ctx.show("Pick, menu", buttons=["a"], screen="menu")
        ctx.show("Pick", buttons=["b"])

    picker.defstate("on", on=button("b"))(lambda event, ctx: ("end", "b"))

    flow = Flow("visit")
    flow.state("on")

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        ctx.show("Visit, menu", buttons=["pick"], screen="menu")
        ctx.show("Visit", buttons=["rest"])
        return ("transition", "on")

    @flow.defstate("on", on=button("pick"))
    def pick(event, ctx):
        return ("call", picker)

    @flow.defstate("on", on=Returned)
    def picked(event, ctx):
        ctx.show("Picked")

    @flow.defstate("on", on=button("a"))
    def wrong(event, ctx):
        ctx.reply("a screen of a flow that is over was pressed")

    return flow, picker


async def test_a_called_flow_has_named_screens_of_its_own_and_shares_the_unnamed_one(bench):
    await bench.start(*visit())
    await bench.say("/start")
    await bench.press("pick")
    assert (bench.texts(), bench.buttons()) == (
        ["Visit, menu", "Pick", "Pick, menu"],
        [["pick"], ["b"], ["a"]],
    )


async def test_the_callers_menu_rests_while_the_called_flow_runs_and_is_good_again_after_it(bench):
    await bench.start(*visit())
    await bench.say("/start")
    await bench.press("pick")
    await bench.press("pick")
    assert len(bench.texts()) == 3
    await bench.press("b")
    assert bench.texts() == ["Visit, menu", "Picked", "Pick, menu"]
    await bench.press("a")  # the flow that showed it is over
    assert bench.texts() == ["Visit, menu", "Picked", "Pick, menu"]
    await bench.press("pick")
    assert bench.texts()[1] == "Pick"


# --- what cannot be, and what is stored ---


async def test_a_conversation_of_a_message_has_that_one_screen(bench):
    flow = Flow("vote", key=KeyBy.MESSAGE)
    flow.state("on")
    post = Flow("post")
    post.defstate(None, on=command("post"))(
        lambda event, ctx: ctx.reply("A post.", buttons=[flow.button("Go", "go")])
    )

    @flow.defstate(None, on=button("go"))
    def go(event, ctx):
        ctx.show("?", screen="menu")
        return ("transition", "on")

    await bench.start(post, flow)
    await bench.say("/post")
    await bench.press("Go")
    [error] = bench.errors
    bench.errors.clear()
    assert "has that one screen. Leave screen= out" in str(error)


@pytest.mark.parametrize("show", [1, "", ["menu"]])
def test_the_name_of_a_prompts_screen_is_a_text(show):
    with pytest.raises(DefinitionError, match=r"test_two_screens\.py:\d+: .*has show="):
        Flow("f").state("on", prompt="?", show=show)


def test_a_prompt_cannot_name_a_screen_where_the_conversation_is_a_messages():
    flow = Flow("f", key=KeyBy.MESSAGE)
    flow.state("on", prompt="?", show="menu")
    flow.defstate(None, on=button())(lambda event, ctx: ("transition", "on"))
    with pytest.raises(DefinitionError, match="Write show=True"):
        Engine(flow)


def test_a_row_does_not_remember_screens_without_end():
    receipts = [Receipt("view", "f", 1, 1, 1, 10 + n, screen=f"f/item {n}") for n in range(MAX_SCREENS + 5)]
    row, _ = apply_receipts(Row(views={"f": ShownScreen(1, 5), "g": ShownScreen(1, 6)}), receipts)
    assert [view.message for view in row.views.values()] == [5, 6, *range(15, 10 + MAX_SCREENS + 5)]


def test_a_screen_that_follows_its_group_keeps_its_name():
    edit = Edit(Address(-5), 7, Bound("f", 1, 1), Reply("Menu"), screen="f/menu")
    assert in_new_chat(edit, -1005).screen == "f/menu"
