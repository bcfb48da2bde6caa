"""`fsmkit chat`: what goes wrong is told in a line or two, and the chat goes on."""

from typed_bots import ECHO


def test_a_handler_that_raises_is_told_and_the_chat_goes_on(chat, write):
    file = write(
        """
        flow = Flow("f")
        flow.state("on")

        @flow.defstate(None)
        def begin(event, ctx):
            ctx.reply("never")
            return ("transition", "on", {"half": 1 / int(event.text)})
        """
    )
    assert chat(file, "0", "2", ":state")[:4] == [
        "> 0",
        "! bot.py:10: ZeroDivisionError: division by zero",
        "  in flow 'f', state None, handler begin (bot.py:7); nothing was changed",
        "> 2",
    ]


def test_a_wrong_result_names_the_handler(chat, handle):
    file = handle("return 'next'")
    said = chat(file, "/go")
    assert said[1].startswith("! bot.py:5: ")
    assert "'next'" in said[1]
    assert len(said) == 3


def test_data_that_cannot_be_stored_name_the_handler(chat, handle):
    file = handle("return ('transition', 'on', {'x': float('nan')})")
    assert chat(file, "/go")[1:] == [
        "! f.data.x: got nan, JSON has no such number",
        "  in flow 'f', state None, handler handle (bot.py:5); nothing was changed",
    ]


def test_an_event_whose_handler_raises(chat, write):
    file = write(
        """
        import attrs

        @attrs.frozen
        class Paid:
            amount: int

        flow = Flow("f")
        flow.state("on")

        @flow.defstate(None, on=Paid)
        def paid(event, ctx):
            raise ValueError(f"no such card, {event.amount}")
        """
    )
    assert chat(file, ':event Paid {"amount": 10}')[1:] == [
        "! bot.py:15: ValueError: no such card, 10",
        "  in flow 'f', state None, handler paid (bot.py:13); nothing was changed",
    ]


def test_a_timeout_whose_handler_raises(chat, write):
    file = write(
        """
        flow = Flow("f", ttl=60)
        flow.state("on")

        @flow.defstate(None)
        def begin(event, ctx):
            return ("transition", "on")

        @flow.defstate("on", on=Timeout)
        def late(event, ctx):
            raise ValueError("too late")
        """
    )
    assert chat(file, "x", ":wait 61s")[3:] == [
        "(1m1s later)",
        "! bot.py:13: ValueError: too late",
        "  in flow 'f', state 'on', handler late (bot.py:11); nothing was changed",
    ]


def test_a_message_that_telegram_refuses_is_told(chat, handle):
    file = handle(
        "from pathlib import Path\nctx.reply('photo', photo=Path('/no/such/file.png'))\nctx.reply('next')"
    )
    said = chat(file, "/go")
    assert said[1].startswith("! FileNotFoundError: no such file: /no/such/file.png; this was refused for ")
    assert said[2] == "next"


def test_what_has_to_wait_is_told_and_comes_later(chat, write):
    file = write(
        """
        from telegram.error import NetworkError
        from telegram.ext import ExtBot

        flow = Flow("f")
        flow.state("on")
        before = []

        @flow.defstate(None)
        async def begin(event, ctx):
            plain = ExtBot.send_message

            async def send_message(self, *args, **kwargs):
                ExtBot.send_message = plain
                raise NetworkError("no way through")

            ExtBot.send_message = send_message
            ctx.reply("At last.")
        """
    )
    assert chat(file, "x", ":wait 30s") == [
        "> x",
        "(1 to be delivered later; `:wait 1m` tries again)",
        "> :wait 30s",
        "(30s later)",
        "At last.",
    ]


def test_an_unknown_command_is_told_with_the_nearest(chat, write):
    assert chat(write(ECHO), ":sttae", ":frobnicate", ":)", ":D") == [
        "> :sttae",
        "? there is no command :sttae; did you mean :state? (`:say :sttae` sends it to the bot)",
        "> :frobnicate",
        "? there is no command :frobnicate; :help lists them (`:say :frobnicate` sends it to the bot)",
        "> :)",
        "You said :).",
        "> :D",
        "You said :D.",
    ]


def test_help_lists_every_command(chat, write):
    listed = [line.split()[0] for line in chat(write(ECHO), ":help")[2:]]
    assert " ".join(listed).replace(":", "") == (
        "press say edit photo document location contact event wait state graph restart help quit"
    )
