"""A file of flows, the command in this process, and chats as transcripts."""

import asyncio
import json
import re
import sys
import textwrap

import pytest
from click.testing import CliRunner
from shop import SHOP, STORE, talk

from fsmkit import Engine, RetryLater
from fsmkit.cli.commands import main
from fsmkit.stores.sqlite import SQLiteStore
from fsmkit.testing import ManualClock
from fsmkit.testing.loading import load
from fsmkit.testing.report import PROFILES, Profile

NOW = 1_800_000_000.0
"""2027-01-15T08:00:00Z: the time of the tests that look at stores."""

HEAD = """
from fsmkit import *
from fsmkit.telegram import *
"""


@pytest.fixture(autouse=True)
def same_modules_after(monkeypatch):
    """Loading a file changes where modules are looked for; no test sees another one's."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = dict(sys.modules)
    yield
    for name in set(sys.modules) - set(before):
        if "pytest-of-" in (getattr(sys.modules[name], "__file__", None) or ""):
            del sys.modules[name]


@pytest.fixture(autouse=True)
def short_searches(monkeypatch):
    """What the command searches for is near, and no hurry of the machine's cuts a search off."""
    monkeypatch.setitem(
        PROFILES, "dev", Profile(steps=1_500, examples=8, length=10, seconds=60.0, overlaps=5)
    )


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes a file into the working directory; says its name."""
    monkeypatch.chdir(tmp_path)

    def write(code, name="bot.py", head=HEAD):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(head.strip() + "\n" + textwrap.dedent(code))
        return name

    return write


@pytest.fixture
def handle(write):
    """Writes a file with one handler, for any command by default, in line 5."""

    def handle(body, on="command()", after=""):
        code = f'flow = Flow("f")\nflow.state("on")\n@flow.defstate(None, "on", on={on})\n'
        return write(f"{code}async def handle(event, ctx):\n{textwrap.indent(body, '    ')}\n{after}")

    return handle


@pytest.fixture
def fsmkit():
    """Runs the command in this process."""

    def run(*arguments, typed=None):
        return CliRunner().invoke(main, list(arguments), input=typed, catch_exceptions=False)

    return run


@pytest.fixture
def chat(fsmkit):
    """Chats with a file; gives the lines after the hint, with dates as <time>."""

    def chat(file, *lines, options=()):
        result = fsmkit("chat", *options, file, typed="".join(f"{line}\n" for line in lines))
        assert (result.exit_code, result.stderr) == (0, "")
        shown = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "<time>", result.stdout)
        hint, *transcript = shown.splitlines()
        assert hint.startswith("Talking to ")
        return transcript

    return chat


@pytest.fixture
def refusal(fsmkit):
    """Runs the command with bad input; gives the one line that it says."""

    def refusal(*arguments):
        result = fsmkit(*arguments)
        [line] = result.stderr.splitlines()
        assert (result.exit_code, result.stdout) == (2, "")
        assert line.startswith("fsmkit: ")
        return line.removeprefix("fsmkit: ")

    return refusal


class Time:
    """The system's clock, as the command sees it."""

    def __init__(self):
        self.now = NOW


@pytest.fixture
def time(monkeypatch):
    """A clock that stands still, for the command and for the stores."""
    stands = Time()
    monkeypatch.setattr("fsmkit.clock.SystemClock.now", lambda _clock: stands.now)
    return stands


@pytest.fixture
def seed(time, write):
    """Has a bot store conversations in bot.db: `seed("bot.py", work)` with `async def work(engine)`."""

    def later(key, effect):
        raise RetryLater(60)

    def seed(file, work, *, file_name="bot.db", delivers=False):
        async def store_them():
            store = SQLiteStore(file_name)
            deliver = later if delivers else None
            await work(Engine(*load(file).flows, store=store, clock=ManualClock(time.now), deliver=deliver))
            await store.close()

        asyncio.run(store_them())

    return seed


@pytest.fixture
def stored(time):
    """The bytes of all rows in a file, by key."""

    def stored(file="bot.db"):
        async def read():
            store = SQLiteStore(file)
            rows = {str(row.key): (row.row, row.outbox) async for row in store.scan()}
            await store.close()
            return rows

        return asyncio.run(read())

    return stored


@pytest.fixture
def shop(write, seed):
    """A store with conversations of two bots."""
    file = write(SHOP)
    seed(file, talk)
    return file


@pytest.fixture
def lines(fsmkit):
    """The lines that a command prints."""

    def lines(*arguments):
        result = fsmkit(*arguments)
        assert (result.exit_code, result.stderr) == (0, "")
        return result.stdout.splitlines()

    return lines


@pytest.fixture
def keys(fsmkit):
    """The keys that a list shows, in its order."""

    def keys(*options):
        result = fsmkit("inspect", STORE, *options, "--json")
        assert (result.exit_code, result.stderr) == (0, "")
        return [one["key"] for one in json.loads(result.stdout)["conversations"]]

    return keys
