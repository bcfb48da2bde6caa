"""`--store`: where `fsmkit chat` and `fsmkit run` keep conversations, and what is said where they cannot."""

import asyncio
import os
import signal
import subprocess
import sys
import time

import pytest

from fsmkit.botapi import OfflineTelegram
from fsmkit.cli.run import default_store
from fsmkit.stores import urls as opening
from fsmkit.stores.sqlite import SQLiteStore

FORM = """
flow = Flow("form", ttl=3600)
flow.state("name", prompt="Your name?", ephemeral=True)
flow.state("age", prompt="Your age?", buttons=["Skip"])

@flow.defstate(None, on=command("start"))
def start(event, ctx):
    return ("transition", "name", {})

@flow.defstate("name")
def name(event, ctx):
    return ("transition", "age", {"name": event.text})

@flow.defstate("age")
def age(event, ctx):
    ctx.reply(f"{ctx.data['name']} is {event.text}.")
    return ("end",)

@flow.defstate(ANY, on=Timeout)
def late(event, ctx):
    ctx.reply("Too late.")
    return ("end",)
"""
GOES_ON = "({} goes on in {}; `:state` shows what is stored)"


# -- chat ------------------------------------------------------------------------------------------


def test_a_chat_goes_on_where_the_last_one_ended(chat, write):
    file, store = write(FORM), ("--store", "sqlite:form.db")
    assert chat(file, "/start", "Ann", options=store) == [
        "> /start",
        "Your name?",
        "> Ann",
        "(deleted) Your name?",
        "(deleted) your message",
        "Your age?",
        "  [1] Skip",
    ]
    assert chat(file, "30", options=store) == [GOES_ON.format("form", "age"), "> 30", "Ann is 30."]
    assert chat(file, "30", options=store) == ["> 30", "(no answer)"]


def test_messages_of_an_earlier_chat_are_not_taken_for_those_of_this_one(chat, write):
    file, store = write(FORM), ("--store", "sqlite:form.db")
    chat(file, "/start", options=store)
    assert chat(file, "Ann", options=store) == [
        GOES_ON.format("form", "name"),
        "> Ann",
        "(deleted) a message of an earlier chat",
        "(deleted) your message",
        "Your age?",
        "  [1] Skip",
    ]


def test_a_chat_in_memory_is_forgotten(chat, write, tmp_path):
    file = write(FORM)
    assert chat(file, "/start")[-1] == "Your name?"
    assert chat(file, "Ann", options=("--store", "memory:")) == ["> Ann", "(no answer)"]
    assert [path.name for path in tmp_path.iterdir()] == ["bot.py"]


def test_what_came_due_since_the_last_chat_is_seen_first(chat, write, monkeypatch):
    file, store = write(FORM), ("--store", "sqlite:form.db")
    chat(file, "/start", options=store)
    now = time.time() + 7200
    monkeypatch.setattr("time.time", lambda: now)
    assert chat(file, "Ann", options=store)[-3:] == ["Too late.", "> Ann", "(no answer)"]


def test_a_restart_within_a_chat_goes_on_with_the_same_file(chat, write):
    file = write(FORM)
    assert chat(file, "/start", ":restart", "Ann", options=("--store", "sqlite:form.db"))[-5:] == [
        "> Ann",
        "(deleted) Your name?",
        "(deleted) your message",
        "Your age?",
        "  [1] Skip",
    ]


def test_a_chat_that_was_killed_goes_on(chat, write):
    file = write(FORM)
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "fsmkit", "chat", file, "--store", "sqlite:form.db"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    process.stdin.write("/start\nAnn\n")
    process.stdin.flush()
    while "Your age?" not in process.stdout.readline():
        assert process.poll() is None
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert chat(file, "30", options=("--store", "sqlite:form.db"))[1:] == ["> 30", "Ann is 30."]


def test_a_chat_leaves_a_file_without_a_log(chat, write, tmp_path):
    chat(write(FORM), "/start", options=("--store", "sqlite:form.db"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bot.py", "form.db", "form.db-lock"]


# -- run -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "url"),
    [
        ("signup.py", "sqlite:signup.db"),
        ("bots/signup.py:flow", "sqlite:signup.db"),
        ("package.module", "sqlite:module.db"),
        ("package.module:flow", "sqlite:module.db"),
        ("module", "sqlite:module.db"),
    ],
)
def test_a_bot_has_a_file_of_its_name(target, url):
    assert default_store(target) == url


def test_a_file_of_any_name_gives_it_to_the_store(write):
    assert default_store(write(FORM, "bots/signup.v2")) == "sqlite:signup.db"


async def delivered(process):
    """Waits until the bot has noted that its message was sent: else the next one would send it again."""
    store = SQLiteStore("bot.db")
    while [row.outbox async for row in store.scan()] != [0]:
        assert process.returncode is None
        await asyncio.sleep(0.005)
    await store.close()


async def run_until(file, offline, url, text, number, *options):
    """Runs a bot until its newest message is `text`, then ends it; gives exit status and standard error."""
    settings = {"BOT_TOKEN": "42:OFFLINE", "BOT_API_BASE_URL": f"{url}/bot"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "fsmkit", "run", file, *options),
        env={**os.environ, **settings},
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        while offline.texts(1)[-1:] != [text]:
            assert process.returncode is None
            await asyncio.sleep(0.005)
        await delivered(process)
    finally:
        process.send_signal(number)
        _, said = await process.communicate()
    return process.returncode, said.decode()


async def test_a_bot_that_was_killed_goes_on_where_it_was(write, tmp_path):
    file, offline = write(FORM), OfflineTelegram()
    offline.add_user(1)
    async with asyncio.timeout(60), offline.serve() as url:
        offline.say("/start")
        status, said = await run_until(file, offline, url, "Your name?", signal.SIGKILL)
        assert status == -signal.SIGKILL
        assert "INFO fsmkit: conversations are kept in bot.db (--store URL: elsewhere)\n" in said
        offline.say("Ann")
        status, said = await run_until(
            file, offline, url, "Your age?", signal.SIGTERM, "--store", "sqlite:bot.db"
        )
    assert status == 0, said
    assert ("conversations are kept" in said, "Traceback" in said) == (False, False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bot.db", "bot.db-lock", "bot.py"]


# -- what is said where it cannot be ---------------------------------------------------------------


@pytest.fixture(params=["chat", "run", "inspect", "migrate"])
def with_store(request, refusal, write, monkeypatch):
    """Runs a command with a store that it must refuse; gives what it says."""
    file = write(FORM)
    monkeypatch.setenv("BOT_TOKEN", "42:X")
    arguments = {
        "chat": lambda url: ("chat", file, "--store", url),
        "run": lambda url: ("run", file, "--store", url),
        "inspect": lambda url: ("inspect", url),
        "migrate": lambda url: ("migrate", "--dry-run", url, file),
    }[request.param]
    return lambda url: refusal(*arguments(url))


@pytest.mark.parametrize("url", ["bot.db", "mysql://host/x"])
def test_a_url_of_no_store(with_store, url):
    assert with_store(url) == (
        f"no store has the URL '{url}'. "
        f"Write sqlite:FILE, redis://..., postgresql://..., mongodb://... or memory:"
    )


@pytest.mark.parametrize(
    "url", ["redis://host:port", "postgresql://host:port/x", "mongodb://host:port/x", "sqlite::memory:"]
)
def test_a_url_that_is_none(with_store, url):
    assert with_store(url).startswith("the store's URL is wrong: ")


def test_a_store_that_is_not_installed(with_store, monkeypatch):
    real = opening.importlib.import_module

    def missing(name):
        if name != "fsmkit.stores.redis":
            return real(name)
        raise ModuleNotFoundError("No module named 'redis'", name="redis")

    monkeypatch.setattr(opening.importlib, "import_module", missing)
    assert with_store("redis://host") == (
        "RedisStore needs redis, which is not installed. pip install 'fsmkit[redis]'"
    )


def test_a_file_that_is_none_of_fsmkit(with_store, tmp_path):
    (tmp_path / "other.db").write_bytes(b"no database " * 1000)
    assert with_store("sqlite:other.db") == (
        f"{tmp_path}/other.db: it is not a file of fsmkit; it was left as it is: give SQLiteStore another path"
    )


def test_a_server_that_is_away(refusal, write, monkeypatch):
    monkeypatch.setattr("fsmkit.stores.postgres.session.PAUSES", ())
    said = refusal("chat", write(FORM), "--store", "postgresql://127.0.0.1:1/x")
    assert said.startswith("PostgreSQL does not answer: ConnectionRefusedError(")


@pytest.mark.parametrize("command", ["chat", "run"])
def test_a_directory_that_is_not_there(refusal, write, monkeypatch, tmp_path, command):
    monkeypatch.setenv("BOT_TOKEN", "42:X")
    assert refusal(command, write(FORM), "--store", "sqlite:gone/bot.db") == (
        f"{tmp_path}/gone/bot.db: No such file or directory; is its directory there, and writable?"
    )


@pytest.mark.parametrize("arguments", [("inspect", "sqlite:no.db"), ("migrate", "sqlite:no.db", "bot.py")])
def test_a_file_is_not_made_to_be_looked_at(refusal, write, tmp_path, arguments):
    write(FORM)
    assert refusal(*arguments) == "no.db: no such file"
    assert [path.name for path in tmp_path.iterdir()] == ["bot.py"]


@pytest.mark.parametrize("arguments", [("inspect", "memory:"), ("migrate", "memory:", "bot.py")])
def test_the_memory_of_another_process_cannot_be_looked_at(refusal, write, arguments):
    write(FORM)
    assert refusal(*arguments) == (
        "memory: is private to the bot's own process: other programs cannot read it"
    )
