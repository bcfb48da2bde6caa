"""`python FILE`: a file that ends in `run(flow)` is a bot, over loopback HTTP and on SQLite."""

import signal
import socket
from pathlib import Path

import pytest
from bot_process import ROOT, assert_clean, process, telegram

from fsmkit.interpreter.codec import class_name
from fsmkit.stores.sqlite import SQLiteStore

APART = ("shop", "broadcast")
EXAMPLES = sorted(file for file in (ROOT / "examples").rglob("*.py") if file.stem not in APART)
"""All but those with tests of their own: tests/test_end_to_end_shop.py, tests/test_cookbook.py."""
PTB = ROOT / "examples" / "ptb"

BOT = """
from fsmkit import Flow
from fsmkit.telegram import command, run

flow = Flow("flow")


@flow.defstate(None, on=command("start"))
def start(event, ctx):
    ctx.reply("Hello.")


"""


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
async def test_an_example_answers_and_ends_cleanly(file, tmp_path):
    async with (
        telegram() as (offline, settings),
        process(offline, str(file), cwd=tmp_path, **settings) as bot,
    ):
        offline.say("/start")
        await bot.until(lambda: offline.texts(1))
        assert_clean(await bot.end(signal.SIGTERM))
    assert f"{file.stem}.db" in [path.name for path in tmp_path.iterdir()]


async def test_professor_bot_asks_everything_over_http(tmp_path):
    file = str(PTB / "conversationbot.py")
    async with telegram() as (offline, settings), process(offline, file, cwd=tmp_path, **settings) as bot:
        offline.say("/start")
        await bot.until(lambda: "Are you a boy or a girl?" in "".join(offline.texts(1)))
        offline.say("Girl")
        offline.send("photo")
        offline.send("location")
        offline.say("I am.")
        await bot.answered(1, "Thank you! I hope we can talk again some day.")
        assert_clean(await bot.end(signal.SIGINT))
        assert len(offline.texts(1)) == 5


async def delivered(bot, path):
    """Waits until nothing is left to be sent: a kill before that would send it again."""
    store = SQLiteStore(path)
    while [row.outbox async for row in store.scan() if row.outbox]:
        assert bot.process.returncode is None
    await store.close()


async def test_doctor_botter_remembers_although_he_was_killed(tmp_path):
    file = str(PTB / "persistentconversationbot.py")
    async with telegram() as (offline, settings):
        async with process(offline, file, cwd=tmp_path, **settings) as bot:
            for text in ("/start", "Age", "17", "Something else..."):
                offline.say(text)
            await bot.until(lambda: offline.texts(1)[-1:] and "category first" in offline.texts(1)[-1])
            await delivered(bot, str(tmp_path / "persistentconversationbot.db"))
            await bot.end(signal.SIGKILL)
        async with process(offline, file, cwd=tmp_path, **settings) as bot:
            offline.say("Skill")
            await bot.answered(1, "Your skill? Yes, I would love to hear about that!")
            offline.say("/show_data")
            await bot.until(lambda: "age - 17" in offline.texts(1)[-1])
            assert_clean(await bot.end(signal.SIGTERM))
        assert len(offline.texts(1)) == 6


async def refused(tmp_path, end, **environment):
    """What a file that cannot run says."""
    (tmp_path / "bot.py").write_text(BOT + end, encoding="utf-8")
    settings = {"BOT_API_BASE_URL": "http://127.0.0.1:1/bot", **environment}  # where nobody is
    async with process(None, "bot.py", cwd=tmp_path, **settings) as bot:
        out, said = await bot.process.communicate()
    assert (bot.process.returncode, out) == (2, b"")
    assert [path.name for path in tmp_path.iterdir()] == ["bot.py"]
    [*_, line] = said.decode().splitlines()
    assert "Traceback" not in said.decode()
    return line


async def test_a_file_without_a_token_says_where_to_get_one(tmp_path):
    assert await refused(tmp_path, "run(flow)", token="") == (
        "fsmkit: BOT_TOKEN is not set: get a token from https://t.me/BotFather and put it into the environment"
    )


async def test_a_file_with_a_token_of_the_wrong_shape_says_what_one_looks_like(tmp_path):
    line = await refused(tmp_path, "run(flow)", token='"42:ABC"')
    assert line.startswith("fsmkit: BOT_TOKEN is not a token: write it as @BotFather shows it")
    assert 'ABC"' not in line


@pytest.mark.parametrize(
    ("option", "remedy"),
    [
        (
            'token="42:ABC"',
            "run() has no option token=. Put the token into the environment: BOT_TOKEN=... python FILE",
        ),
        ('sotre="memory:"', "run() has no option sotre=. Did you mean store=?"),
        ('webhok="https://bot.example.org"', "run() has no option webhok=. Did you mean webhook=?"),
        ("port=8443", "run() has port= or host=, but no webhook=. Write the URL"),
    ],
)
async def test_an_option_that_run_does_not_take_says_what_to_write(tmp_path, option, remedy):
    line = await refused(tmp_path, f"run(flow, {option})")
    assert line.startswith("fsmkit: bot.py:")
    assert line.endswith(remedy)


async def test_a_file_with_a_wrong_store_says_what_to_write(tmp_path):
    line = await refused(tmp_path, 'run(flow, store="bot.db")')
    assert line.startswith("fsmkit: no store has the URL 'bot.db'. Write sqlite:FILE")


async def test_a_file_whose_store_is_away_says_so(tmp_path):
    line = await refused(tmp_path, 'run(flow, store="sqlite:gone/bot.db")')
    assert line.endswith("gone/bot.db: No such file or directory; is its directory there, and writable?")


async def test_a_file_whose_server_does_not_answer_says_so(tmp_path):
    line = await refused(tmp_path, 'run(flow, store="memory:")')
    assert line.startswith("fsmkit: the Bot API server at http://127.0.0.1:1/bot (BOT_API_BASE_URL) does not")


async def test_a_file_without_flows_says_what_is_missing(tmp_path):
    line = await refused(tmp_path, 'run(store="memory:")')
    assert line == "fsmkit: bot.py:13: run() has no flow. Write run(flow)"


async def test_a_file_with_a_wrong_webhook_or_secret_says_what_to_write(tmp_path):
    line = await refused(tmp_path, 'run(flow, webhook="bot.example.org")')
    assert line == "fsmkit: the webhook is not a URL. Write it as in https://bot.example.org/telegram"
    line = await refused(tmp_path, 'run(flow, webhook="https://bot.example.org")', WEBHOOK_SECRET="a secret")
    assert line.startswith("fsmkit: the webhook's secret cannot be sent. It has 1 to 256 letters")


async def test_a_file_whose_port_is_taken_says_so(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        end = f'run(flow, store="memory:", webhook="https://bot.example.org/bot", port={port})'
        (tmp_path / "bot.py").write_text(BOT + end, encoding="utf-8")
        async with (
            telegram() as (offline, settings),
            process(offline, "bot.py", cwd=tmp_path, **settings) as bot,
        ):
            _, said = await bot.process.communicate()
    assert bot.process.returncode == 2
    assert f"fsmkit: the webhook cannot listen on port {port}: " in said.decode().splitlines()[-1]


NAMES = """
import sys
from fsmkit.interpreter.codec import class_name

class Paid:
    pass

print(class_name(Paid))
"""


@pytest.mark.parametrize(
    "command", [["shop-bot.py"], ["-m", "package.shop_bot"], ["-m", "fsmkit", "graph", "shop-bot.py"]]
)
async def test_classes_are_stored_by_the_same_name_however_the_file_is_started(command, tmp_path):
    (tmp_path / "shop-bot.py").write_text(NAMES, encoding="utf-8")
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "shop_bot.py").write_text(NAMES, encoding="utf-8")
    async with process(None, *command, cwd=tmp_path) as bot:
        out, err = await bot.process.communicate()
    # What a file prints while a command reads it goes to standard error: the output is the command's.
    printed = err if "graph" in command else out
    assert printed.decode().split()[:1] == [
        "package.shop_bot.Paid" if "package.shop_bot" in command else "shop_bot.Paid"
    ]


def test_classes_of_other_modules_keep_their_names():
    assert class_name(Path) == "pathlib.Path"
