"""`fsmkit chat`: what a typed line does, and what is seen of it."""

import subprocess
import sys

import pytest
from typed_bots import ECHO, MENU

# -- talking ---------------------------------------------------------------------------------------


def test_what_is_typed_is_said(chat, write):
    assert chat(write(ECHO), "hello", "  world  ") == [
        "> hello",
        "You said hello.",
        "> world",
        "You said world.",
    ]


def test_nothing_is_said_by_an_empty_line(chat, write):
    assert chat(write(ECHO), "", "   ", "x") == ["> x", "You said x."]


def test_silence_is_told(chat, write):
    assert chat(write(MENU), "hello") == ["> hello", "(no answer)"]


def test_the_end_of_the_input_may_come_in_the_middle_of_a_line(fsmkit, write):
    result = fsmkit("chat", write(ECHO), typed="hello")
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "You said hello.")


@pytest.mark.parametrize("word", [":quit", ":exit", ":q"])
def test_a_chat_can_be_left(chat, write, word):
    assert chat(write(ECHO), word, "hello") == [f"> {word}"]


def test_it_says_which_commands_begin(fsmkit, write):
    first = fsmkit("chat", write(MENU), typed="").stdout.splitlines()[0]
    assert first.startswith("Talking to menu; begin with /start. Type text or /commands")


def test_bytes_that_are_no_text_do_not_end_it(write, tmp_path):
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-m", "fsmkit", "chat", write(ECHO)],
        input=b"\xff\xfe\nhello\r\n",
        capture_output=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode().splitlines()[-1] == "You said hello."


def test_the_person_speaks_a_language(chat, handle):
    file = handle("ctx.reply(ctx.lang)")
    assert chat(file, "/go", options=["--lang", "de"]) == ["> /go", "de"]


# -- buttons ---------------------------------------------------------------------------------------

SHOWN = ["> /start", "What?", "  [1] Tea  [2] Cake", "  [3] More -> https://example.org/"]


@pytest.mark.parametrize("line", ["2", ":2", "#2", ":press 2", ":press cake"])
def test_a_button_is_pressed_by_its_number(chat, write, line):
    assert chat(write(MENU), "/start", line) == [*SHOWN, f"> {line}", "(presses Cake)", "Button c."]


def test_a_bare_number_is_a_text_where_no_button_has_it(chat, write):
    assert chat(write(MENU), "/start", "4", "0", "02x")[4:] == [
        "> 4",
        "Text 4.",
        "> 0",
        "Text 0.",
        "> 02x",
        "Text 02x.",
    ]


def test_a_bare_number_is_a_text_below_a_message_without_buttons(chat, write):
    assert chat(write(MENU), "/start", "x", "1", ":1")[5:] == [
        "Text x.",
        "> 1",
        "(says 1; `:1` presses the button above)",
        "Text 1.",
        "> :1",
        "(presses Tea)",
        "Button Tea.",
    ]


def test_a_bare_number_is_said_without_a_word_once_a_button_was_pressed(chat, write):
    assert chat(write(MENU), "/start", "1", "2")[-2:] == ["> 2", "Text 2."]


def test_say_says_it_literally(chat, write):
    assert chat(write(MENU), "/start", ":say 1", ":say :state")[4:] == [
        "> :say 1",
        "Text 1.",
        "> :say :state",
        "Text :state.",
    ]


def test_the_text_of_a_button_is_a_text(chat, write):
    assert chat(write(MENU), "/start", "Tea")[4:] == ["> Tea", "Text Tea."]


def test_a_link_is_told(chat, write):
    assert chat(write(MENU), "/start", "3")[4:] == ["> 3", "(opens https://example.org/)"]


def test_a_button_that_is_not_there(chat, write):
    assert chat(write(MENU), ":1", "/start", ":4", ":press Beer") == [
        "> :1",
        "? there is no button 1; on the screen: none",
        *SHOWN,
        "> :4",
        "? there is no button 4; on the screen: [1] Tea, [2] Cake, [3] More",
        "> :press Beer",
        "? there is no button Beer; on the screen: [1] Tea, [2] Cake, [3] More",
    ]


def test_a_keyboard_of_texts_is_shown(chat, handle):
    file = handle(
        'ctx.reply("Sure?", keyboard=[["Yes", "No"], ["Later"]])\nctx.reply("-", remove_keyboard=True)'
    )
    assert chat(file, "/go") == ["> /go", "Sure?", "  (Yes) (No)", "  (Later)", "-", "  (no keyboard)"]


# -- what else a bot does --------------------------------------------------------------------------


def test_edits_deletions_and_answers_are_shown(chat, write):
    file = write(
        """
        flow = Flow("f")
        flow.state("a", prompt="Secret?", ephemeral=True)
        flow.state("b")

        @flow.defstate(None, on=command("start"))
        def start(event, ctx):
            return ("transition", "a")

        @flow.defstate("a")
        def tell(event, ctx):
            ctx.show("One", buttons=["next", "alert"])
            return ("transition", "b")

        @flow.defstate("b", on=button("next"))
        def following(event, ctx):
            ctx.show("Two")
            ctx.answer("Done")

        @flow.defstate("b", on=button("alert"))
        def alert(event, ctx):
            ctx.answer("Look!", alert=True)
        """
    )
    assert chat(file, "/start", "x", "2", "1") == [
        "> /start",
        "Secret?",
        "> x",
        "(deleted) Secret?",
        "(deleted) your message",
        "One",
        "  [1] next  [2] alert",
        "> 2",
        "(presses alert)",
        "(alert) Look!",
        "> 1",
        "(presses next)",
        "(notice) Done",
        "(edited) Two",
    ]


def test_files_and_places_of_the_bot_are_shown(chat, handle, tmp_path):
    (tmp_path / "bill.txt").write_text("10")
    file = handle(
        "from pathlib import Path\n"
        'ctx.reply("A bill", document=Path("bill.txt"))\n'
        "await ctx.bot.send_location(event.chat_id, 48.2, 16.4)\n"
        'await ctx.bot.send_contact(event.chat_id, "+43", "Ann")\n'
        "await ctx.bot.send_chat_action(event.chat_id, 'typing')\n"
        "await ctx.bot.copy_message(event.chat_id, event.chat_id, event.message_id)"
    )
    assert chat(file, "/go") == [
        "> /go",
        "[location 48.2, 16.4]",
        "[contact Ann +43]",
        "(typing…)",
        "/go",
        "[document bill.txt] A bill",
    ]


def test_a_chat_that_the_bot_has_never_seen_is_refused(chat, handle):
    file = handle("await ctx.bot.send_message(-7, 'There')")
    assert chat(file, "/go")[1:] == [
        "! bot.py:7: BadRequest: Chat not found",
        "  in flow 'f', state None, handler handle (bot.py:5); nothing was changed",
    ]


@pytest.mark.parametrize(
    ("line", "kind", "value"),
    [
        (":photo", "photo", "None"),
        (":photo of me", "photo", "of me"),
        (":document", "document", "None"),
        (":location", "location", "None"),
        (":contact Ann", "contact", "None"),
    ],
)
def test_other_content_is_sent(chat, handle, line, kind, value):
    file = handle("ctx.reply(f'{event.kind} {event.caption}')", on="message()")
    assert chat(file, line) == [f"> {line}", f"{kind} {value}"]


def test_a_place_is_sent_exactly(chat, handle):
    file = handle("ctx.reply(f'{ctx.match.latitude} {ctx.match.longitude}')", on="location()")
    assert chat(file, ":location 1.5, 2", ":location Vienna") == [
        "> :location 1.5, 2",
        "1.5 2.0",
        "> :location Vienna",
        "? 'Vienna' is not a location: write `:location 48.2 16.37`",
    ]


def test_a_message_is_edited(chat, handle):
    file = handle("ctx.reply(f'now {event.text}')", on="edited()")
    assert chat(file, ":edit x", "one", ":edit two", ":edit") == [
        "> :edit x",
        "? you have not sent anything yet",
        "> one",
        "(no answer)",
        "> :edit two",
        "now two",
        "> :edit",
        "? edit it to what? `:edit Ann`",
    ]


RETRIED = """
from fsmkit import Done

async def work(data, job):
    if job.attempt < 3:
        raise OSError("away")
    return job.attempt

flow = Flow("flow")
flow.state("work", job=work, job_retries=5)
flow.defstate(None)(lambda event, ctx: ("transition", "work"))

@flow.defstate("work", on=Done)
def done(event, ctx):
    ctx.reply(f"Done in attempt {event.value}.")
    return ("end",)
"""


def test_a_job_that_failed_is_tried_again_while_time_passes(chat, write):
    shown = chat(write(RETRIED), "go", ":wait 1s", ":wait 1s", ":wait 4s")
    assert shown == [
        "> go",
        "! the job of flow/work for 1:1:-:-:42 failed, again in 2 s: away",
        "> :wait 1s",
        "(1s later)",
        "> :wait 1s",
        "(1s later)",
        "! the job of flow/work for 1:1:-:-:42 failed, again in 4 s: away",
        "> :wait 4s",
        "(4s later)",
        "Done in attempt 3.",
    ]
