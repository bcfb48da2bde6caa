"""`fsmkit run` as a process of its own, against the Bot API behind a loopback port."""

import asyncio
import signal
from contextlib import asynccontextmanager

import pytest
from bot_process import PEOPLE, assert_clean, process, telegram
from ports import listening


@asynccontextmanager
async def running(*arguments, token="42:OFFLINE", **environment):
    async with telegram() as (offline, settings):
        command = ("-m", "fsmkit", "run", "--store", "memory:", *arguments)
        async with process(offline, *command, token=token, **{**settings, **environment}) as bot:
            yield bot


async def sign_up(bot, user):
    """One person's conversation, each line after the answer to the one before."""
    say = bot.offline.say
    say("/start", user=user)
    await bot.answered(user, "What's your name?")
    say(f"Person {user}", user=user)
    await bot.answered(user, "How old are you?")
    say("none of your business", user=user)
    await bot.answered(user, "Digits, please.")
    say(str(20 + user), user=user)
    await bot.answered(user, f"Person {user}, aged {20 + user}. Is that right?")
    press = bot.offline.press("Yes", user=user)
    await bot.answered(user, f"Welcome, Person {user}!")
    await bot.until(lambda: bot.offline.answered[press["callback_query"]["id"]])


async def test_several_people_sign_up_at_once_and_sigterm_ends_the_bot_cleanly():
    async with running("examples/signup.py") as bot:
        await asyncio.gather(*(sign_up(bot, user) for user in PEOPLE))
        assert_clean(await bot.end(signal.SIGTERM))
        seen = [bot.offline.texts(user) for user in PEOPLE]
    assert [len(texts) for texts in seen] == [5] * len(PEOPLE)


async def test_conversations_in_the_middle_do_not_keep_the_bot_from_ending():
    async with running("examples/order.py:order") as bot:
        bot.offline.say("/order")
        await bot.answered(1, "Your cart is empty.")
        assert_clean(await bot.end(signal.SIGINT))


async def test_a_bot_that_nobody_has_written_to_ends_cleanly():
    async with running("examples/signup.py") as bot:
        await bot.offline.polled()
        assert_clean(await bot.end(signal.SIGTERM))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_bot_that_still_waits_for_the_server_ends_cleanly(number):
    asked = asyncio.Event()

    async def never(reader, writer):
        asked.set()
        await reader.read()

    async with (
        listening(never) as port,
        running("examples/signup.py", BOT_API_BASE_URL=f"http://127.0.0.1:{port}/bot") as bot,
    ):
        await asked.wait()
        assert_clean(await bot.end(number))


async def test_all_kinds_of_updates_are_asked_for():
    async with running("examples/signup.py") as bot:
        bot.offline.say("/start")
        await bot.answered(1, "What's your name?")
        poll = bot.offline.calls_of("getUpdates")[-1]  # a poll is noted when it has been answered
        assert {"message", "callback_query", "my_chat_member", "message_reaction"} <= set(
            poll.params["allowed_updates"]
        )


# -- what is said where it cannot run --------------------------------------------------------------


async def refused(**environment):
    async with running("examples/signup.py", **environment) as bot:
        out, said = await bot.process.communicate()
        assert (bot.process.returncode, out) == (2, b"")
        [line] = said.decode().splitlines()
        return line


async def test_a_token_that_the_server_does_not_know():
    line = await refused(token="43:WRONG")
    assert line.startswith("fsmkit: the Bot API server at http://127.0.0.1:")
    assert "does not know the token in BOT_TOKEN" in line
    assert "43:WRONG" not in line


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/bot", "nonsense", "http://[nonsense/bot"])
async def test_a_server_that_is_not_there(url):
    line = await refused(BOT_API_BASE_URL=url)
    assert line.startswith(f"fsmkit: the Bot API server at {url} (BOT_API_BASE_URL) does not answer: ")


async def test_a_token_with_a_line_break_in_it():
    assert "OFF" not in await refused(token="42:OFF\nLINE")


PLACES = """
from fsmkit import Flow, KeyBy
from fsmkit.telegram import command, pre_checkout_query, reaction, successful_payment

topic = Flow("topic", key=KeyBy.USER_IN_TOPIC)
topic.state("name", prompt="Name?")
topic.state("age", prompt="Age?")


@topic.defstate(None, on=command("start"))
def start(event, ctx):
    return ("transition", "name", {})


@topic.defstate("name")
def named(event, ctx):
    return ("transition", "age", {"name": event.text})


@topic.defstate("age")
def aged(event, ctx):
    ctx.reply(f"{ctx.data['name']} is {event.text}.")
    return ("end",)


@topic.defstate(None, on=reaction("👍"))
def liked(event, ctx):
    ctx.reply(f"{event.user_id} likes it.")


@topic.defstate(None, on=pre_checkout_query())
def may_pay(event, ctx):
    ctx.approve()


@topic.defstate(None, on=successful_payment())
def paid(event, ctx):
    ctx.reply(f"Paid {ctx.match}.")
"""


async def test_topics_groups_that_move_reactions_and_payments_over_http(tmp_path):
    group, forum, new = -5, -6, -1005
    file = tmp_path / "places.py"
    file.write_text(PLACES, encoding="utf-8")
    async with running(f"{file}:topic") as bot:
        offline = bot.offline
        offline.add_chat(group, type="group")
        offline.add_chat(forum, is_forum=True)
        offline.say("/start", user=1, chat=forum, thread=9)
        offline.say("/start", user=2, chat=forum, thread=9)
        offline.say("/start", user=1, chat=group)
        await bot.until(lambda: len(offline.texts(forum)) == 2 and len(offline.texts(group)) == 1)
        offline.migrate(group, new)
        offline.say("Moved", user=1, chat=new)
        offline.say("Ann", user=1, chat=forum, thread=9)
        offline.say("Ben", user=2, chat=forum, thread=9)
        await bot.until(lambda: len(offline.texts(forum)) == 4)
        offline.say("22", user=2, chat=forum, thread=9)
        offline.react(1, "👍", user=3, chat=forum)
        offline.checkout("tea", user=4)
        await bot.answered(4, "Paid tea.")
        await bot.until(lambda: len(offline.texts(forum)) == 6 and offline.texts(new) == ["Age?"])
        assert offline.texts(forum)[-2:] == ["Ben is 22.", "3 likes it."]
        threads = [message.get("message_thread_id") for message in offline.messages(forum)]
        assert threads == [9] * 10 + [None]
        assert_clean(await bot.end(signal.SIGTERM))
