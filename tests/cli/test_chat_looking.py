"""`fsmkit chat`: looking at what is stored, letting time pass, events from outside, a new start."""

import json
import subprocess
import sys

import pytest
from typed_bots import ECHO, MENU

# -- looking and waiting ---------------------------------------------------------------------------

REMINDER = """
flow = Flow("f", ttl=3600)
flow.state("one", ttl=60)
flow.state("two", ttl=30)
flow.texts(expired="Over.")

@flow.defstate(None)
def begin(event, ctx):
    return ("transition", "one", {"said": event.text})

@flow.defstate("one", on=Timeout)
def remind(event, ctx):
    ctx.reply(f"Still there? ({ctx.now - event.deadline:.0f})")
    return ("transition", "two")
"""


def stored(transcript, line=":state"):
    """The JSON after each line that asks for it."""
    text = "\n".join(transcript)
    return [json.JSONDecoder().raw_decode(part)[0] for part in text.split(f"> {line}\n")[1:]]


def test_what_is_stored_is_shown_as_json(chat, write):
    assert stored(chat(write(REMINDER), ":state", "hello", ":state")) == [
        {"flow": None, "state": None, "undelivered": 0},
        {
            "flow": "f",
            "state": "one",
            "data": {"said": "hello"},
            "history": [],
            "deadline": "<time>, in 1m",
            "undelivered": 0,
        },
    ]


def test_timeouts_fire_at_their_own_time_while_waiting(chat, write):
    assert chat(write(REMINDER), "x", ":wait 59s", ":wait 10m", ":wait 0")[2:] == [
        "> :wait 59s",
        "(59s later)",
        "> :wait 10m",
        "(10m later)",
        "Still there? (0)",
        "Over.",
        "> :wait 0",
        "(0s later)",
    ]


def test_letters_of_later_are_shown_and_come(chat, write):
    file = write(
        """
        import attrs

        @attrs.frozen
        class Ring:
            times: int = 1

        flow = Flow("f")
        flow.state("on")

        @flow.defstate(None)
        def begin(event, ctx):
            ctx.send(ctx.key, Ring(2), after=90)
            return ("transition", "on")

        @flow.defstate("on", on=Ring)
        def ring(event, ctx):
            ctx.reply(" ".join(["Ring!"] * event.times))
        """
    )
    transcript = chat(file, "x", ":state", ":wait 2m")
    [state] = stored(transcript)
    [letter] = state["later"]
    assert (letter["data"], letter["due"]) == ({"times": 2}, "<time>, in 1m30s")
    assert transcript[-2:] == ["(2m later)", "Ring! Ring!"]


def test_the_clock_moves_by_what_was_asked(chat, handle):
    file = handle("ctx.reply(f'{ctx.now:.0f}')")
    first, second = chat(file, "/go", ":wait 1h30m", "/go")[1::4]
    assert int(second) - int(first) == 5400


def test_a_time_that_is_none(chat, write):
    assert chat(write(ECHO), ":wait soon", ":wait", ":wait 11000d")[1::2] == [
        "? 'soon' is not a duration: write it like 90s, 2h, 1h30m or 3d",
        "? '' is not a duration: write it like 90s, 2h, 1h30m or 3d",
        "? '11000d' is too long: ten years at most",
    ]


def test_conversations_that_wait_or_run_beside_are_shown(chat, write):
    file = write(
        """
        inner = Flow("inner")
        inner.state("deep")
        inner.defstate("deep", on=command("up"))(lambda event, ctx: ("end",))
        outer = Flow("outer")
        outer.state("top")
        other = Flow("other")
        other.state("beside")

        @outer.defstate(None, on=command("outer"))
        def enter(event, ctx):
            return ("transition", "top")

        @outer.defstate("top", on=command("down"))
        def down(event, ctx):
            return ("call", inner)

        @other.defstate(None, on=command("other"))
        def enter_other(event, ctx):
            return ("transition", "beside")
        """
    )
    [state] = stored(chat(file, "/other", "/outer", "/down", ":state"))
    assert [state["state"], state["called by"][0]["state"], state["others"][0]["state"]] == [
        "deep",
        "top",
        "beside",
    ]


def test_the_graph_is_printed(chat, write, fsmkit):
    file = write(MENU)
    assert "\n".join(chat(file, ":graph")[1:]) + "\n" == fsmkit("graph", file).stdout


def test_slow_work_of_a_state_is_awaited(chat, write):
    file = write(
        """
        import asyncio

        async def work(data):
            await asyncio.sleep(0.15)
            return "result"

        flow = Flow("f")
        flow.state("working", job=work)

        @flow.defstate(None)
        def begin(event, ctx):
            return ("transition", "working")

        @flow.defstate("working", on=Done)
        def done(event, ctx):
            ctx.reply(event.value)
            return ("end",)
        """
    )
    assert chat(file, "go", "again")[-2:] == ["> again", "result"]


# -- events ----------------------------------------------------------------------------------------

PAID = """
import attrs

@attrs.frozen
class Paid:
    amount: int
    currency: str = "EUR"

flow = Flow("f")
flow.state("waiting")

@flow.defstate(None)
def begin(event, ctx):
    return ("transition", "waiting")

@flow.defstate("waiting", on=Paid, when=lambda event: event.amount > 0)
def paid(event, ctx):
    ctx.reply(f"{event.amount} {event.currency}")
"""


def test_an_event_from_outside_is_sent(chat, write):
    assert chat(write(PAID), "x", ':event Paid {"amount": 10}')[2:] == [
        '> :event Paid {"amount": 10}',
        "10 EUR",
    ]


def test_an_event_that_nobody_wants_now(chat, write):
    assert chat(write(PAID), ':event Paid {"amount": 10}')[1:] == ["(no handler takes it now)"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (":event", "? there is no event ''; the handlers know Paid"),
        (":event paid", "? there is no event 'paid'; the handlers know Paid"),
        (":event Paid", "? this is not a Paid: Object missing required field `amount`"),
        (":event Paid {", "? this is not a Paid: Input data was truncated"),
        (':event Paid {"amount": "10"}', "? this is not a Paid: Expected `int`, got `str` - at `$.amount`"),
    ],
)
def test_an_event_that_is_none(chat, write, line, said):
    assert chat(write(PAID), line) == [f"> {line}", said]


# -- a new start -----------------------------------------------------------------------------------


def test_a_restart_reads_the_file_anew_and_keeps_what_is_stored(write, tmp_path):
    file = write(ECHO)
    command = [sys.executable, "-u", "-m", "fsmkit", "chat", file]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def ask(line, lines):
            process.stdin.write(f"{line}\n")
            process.stdin.flush()
            return [process.stdout.readline().rstrip("\n") for _ in range(lines)][-1]

        assert ask("one", 3) == "You said one."
        (tmp_path / file).write_text((tmp_path / file).read_text().replace("You said", "Now you say"))
        assert ask(":restart", 2) == "(restarted)"
        assert ask("two", 2) == "Now you say two."
        (tmp_path / file).write_text("1 +")
        assert "invalid syntax" in ask(":restart", 2)
        assert ask("three", 2) == "Now you say three."
        process.stdin.close()
        assert process.wait(timeout=60) == 0


def test_a_restart_keeps_what_is_stored(chat, write):
    assert chat(write(MENU), "/start", ":restart", "1")[4:] == [
        "> :restart",
        "(restarted)",
        "> 1",
        "(presses Tea)",
        "Button Tea.",
    ]


def test_names_of_the_flows_are_said_at_the_start(fsmkit, write):
    assert fsmkit("chat", write(ECHO), typed="").stdout.splitlines() == [
        "Talking to echo. Type text or /commands, 1 or :1 for button [1]; :help lists more."
    ]
