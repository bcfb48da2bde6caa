"""`fsmkit import-persistence`: what PTB's PicklePersistence kept becomes conversations of a store."""

import asyncio
import json
import os
import pickle
from pathlib import Path

import pytest
from telegram.ext import ConversationHandler, ExtBot, PicklePersistence

from fsmkit import Engine, Key
from fsmkit.cli.import_persistence.pickled import read
from fsmkit.stores.sqlite import SQLiteStore
from fsmkit.testing.loading import load

BOT = """
import enum
import attrs
from telegram.ext import *
from fsmkit.telegram import from_conversation_handler

class Stage(enum.Enum):
    NAME = "n"

NAME, AGE = range(2)

async def go(update, context):
    return AGE

async def stop(update, context):
    return ConversationHandler.END

text = MessageHandler(filters.TEXT, go)
street = ConversationHandler(
    [CommandHandler("address", go)], {"STREET": [text]}, [], name="address", persistent=True,
    map_to_parent={ConversationHandler.END: AGE},
)
old = ConversationHandler(
    [CommandHandler("start", go)],
    {NAME: [street, text], AGE: [text], Stage.NAME: [text], (1, "x"): [text]},
    [CommandHandler("stop", stop)],
    name="signup", persistent=True,
)

@attrs.frozen
class Form:
    name: str = ""
    age: int = 0

flow = from_conversation_handler(old, data=Form)
"""
SYSTEM = f"{os.system.__module__}.system"
RUN = ("bot.pickle", "bot.py", "--bot", "42")


class Bomb:
    """Its pickle calls `os.system`."""

    def __reduce__(self):
        return os.system, ("touch ran",)


@pytest.fixture
def bot(write):
    return write(BOT, head="")


def keep(conversations, user_data=None, *, single=True, name="bot.pickle"):
    """Writes what a bot's own PicklePersistence would."""

    async def write_it():
        kept = PicklePersistence(name, single_file=single, on_flush=True)
        kept.set_bot(ExtBot("42:X"))
        kept.user_data, kept.chat_data, kept.bot_data = {}, {}, {}
        for user, data in (user_data or {}).items():
            await kept.update_user_data(user, data)
        for conversation, states in conversations.items():
            for key, state in states.items():
                await kept.update_conversation(conversation, key, state)
        await kept.flush()

    asyncio.run(write_it())


def state_of(key, flow="signup", file="bot.db"):
    """Where a conversation of the flow stands in the store."""

    async def look():
        store = SQLiteStore(file)
        engine = Engine(*load("bot.py").flows, store=store)
        engine.bot = 42
        try:
            return await engine.get_state(flow, key)
        finally:
            await store.close()

    return asyncio.run(look())


CONVERSATIONS = {"signup": {(1, 1): 0, (2, 2): 1, (-100, 1): (1, "x")}}


@pytest.mark.parametrize("single", [True, False])
def test_the_conversations_are_taken(bot, fsmkit, single):
    keep(CONVERSATIONS, {1: {"name": "Ann", "other": 3}}, single=single)
    result = fsmkit("import-persistence", *RUN)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "flow    state   imported",
        "signup  (1,~x)         1",
        "signup  0              1",
        "signup  1              1",
        "",
        "3 conversations imported",
    ]
    state, data = state_of(Key(1, 1))
    assert (state, data.name, data.age) == ("0", "Ann", 0)
    assert state_of(Key(-100, 1))[0] == "(1,~x)"
    assert state_of(Key(3, 3)) == (None, None)


def test_a_dry_run_writes_nothing(bot, fsmkit):
    keep(CONVERSATIONS)
    result = fsmkit("import-persistence", *RUN, "--dry-run")
    assert result.stdout.splitlines()[-1] == "3 conversations to import; nothing was written (--dry-run)"
    assert state_of(Key(1, 1)) == (None, None)


def test_what_the_store_has_already_is_left_alone(bot, fsmkit):
    keep({"signup": {(1, 1): 0}})
    fsmkit("import-persistence", *RUN)
    keep({"signup": {(1, 1): 1}})
    result = fsmkit("import-persistence", *RUN, "--json")
    assert json.loads(result.stdout)["already_there"] == {"signup": 1}
    assert state_of(Key(1, 1))[0] == "0"


def test_a_nested_conversation_is_put_into_the_one_around_it(bot, fsmkit):
    keep(
        {"signup": {(1, 1): 0, (2, 2): 1}, "address": {(1, 1): "STREET", (2, 2): "STREET", (3, 3): "STREET"}}
    )
    result = fsmkit("import-persistence", *RUN, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["left_over"] == {"address": 2}
    assert state_of(Key(1, 1))[0] == "0 > address.STREET"
    assert state_of(Key(2, 2))[0] == "1"


def test_one_that_is_over_is_no_conversation(bot, fsmkit):
    keep({"signup": {(1, 1): ConversationHandler.END, (2, 2): None}})
    assert fsmkit("import-persistence", *RUN).stdout.splitlines() == ["0 conversations imported"]


def test_members_of_enums_are_known_by_class_and_value_without_loading_the_class(bot, fsmkit):
    blob = b"\x80\x04}(X\x06\x00\x00\x00signup}K\x01K\x01\x86c__main__\nStage\nX\x01\x00\x00\x00n\x85Rsu."
    Path("bot.pickle").write_bytes(blob)
    result = fsmkit("import-persistence", *RUN)
    assert (result.exit_code, state_of(Key(1, 1))[0]) == (0, "Stage.NAME")
    assert "not loaded (this is normal): __main__.Stage" in result.stdout


def test_what_cannot_be_taken_is_reported_and_the_rest_is_taken(bot, fsmkit):
    keep({"signup": {(1, 1): 7, (2,): 1, (3, 3): 1}, "other": {(1, 1): 0}}, {3: {"age": "old"}})
    result = fsmkit("import-persistence", *RUN)
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "not imported: signup (1, 1): the state 7 is not a state of the ConversationHandler 'signup'",
        "not imported: signup (2,): the key must have 2 parts (chat, user)",
        "not imported: signup (3, 3): signup.data.age: got 'old', declared int",
        "not imported: 1 of 'other', for which the file has no flow",
        "0 conversations imported",
    ]


def test_the_bot_is_that_of_the_token_in_the_environment(bot, fsmkit, monkeypatch):
    keep({"signup": {(1, 1): 0}})
    monkeypatch.setenv("BOT_TOKEN", "42:X")
    fsmkit("import-persistence", "bot.pickle", "bot.py")
    assert state_of(Key(1, 1))[0] == "0"


def test_without_a_bot_it_is_refused(bot, refusal, monkeypatch):
    monkeypatch.delenv("BOT_TOKEN", raising=False)
    assert "name the bot with --bot ID" in refusal("import-persistence", "bot.pickle", "bot.py")


def test_a_file_without_moved_flows_is_refused(write, refusal):
    file = write('flow = Flow("f")')
    assert "no flow that from_conversation_handler(...) made" in refusal(
        "import-persistence", "bot.pickle", file, "--bot", "42"
    )


def test_a_file_that_is_not_there_is_refused(bot, refusal):
    assert refusal("import-persistence", *RUN) == (
        "bot.pickle: no such file, and no bot.pickle_conversations either"
    )


OTHERS = """
import attrs
from telegram.ext import *
from fsmkit.telegram import from_conversation_handler

@attrs.frozen
class Form:
    name: str = ""

def make(name, **per):
    return from_conversation_handler(
        ConversationHandler([], {0: []}, [], name=name, persistent=True, **per), data=Form
    )

club = make("club", per_user=False)
person = make("person", per_chat=False)
menu = make("menu", per_message=True)
"""


def test_keys_of_all_settings_are_understood(write, fsmkit):
    write(OTHERS, head="")
    keep(
        {
            "club": {(-100,): 0},
            "person": {(7,): 0},
            "menu": {(-100, 7, 55): 0, (-100, 7): 0, ("x", 1.5, 2): 0},
        },
        {7: {"name": "Ann"}},
    )
    result = fsmkit("import-persistence", *RUN)
    assert result.exit_code == 1
    assert [line for line in result.stdout.splitlines() if line.startswith("not")] == [
        "not imported: menu (-100, 7): the key must have 3 parts (chat, user, message)",
        "not imported: menu ('x', 1.5, 2): a key consists of numbers and texts",
    ]
    assert state_of(Key(-100, -100), "club")[0] == "0"
    assert state_of(Key(7, 7), "person")[1].name == "Ann"
    assert state_of(Key(-100, 7, "m55"), "menu")[1].name == "Ann"


def test_many_problems_are_not_all_listed(bot, fsmkit):
    keep({"signup": {(number, 1): 7 for number in range(12)}})
    assert fsmkit("import-persistence", *RUN).stdout.splitlines()[-2:] == [
        "... and 2 more",
        "0 conversations imported",
    ]


# -- what is in a pickle does not run --------------------------------------------------------------


def test_a_pickle_that_calls_something_is_refused_and_nothing_runs(bot, refusal, tmp_path):
    Path("bot.pickle").write_bytes(pickle.dumps(Bomb()))
    assert refusal("import-persistence", *RUN) == (
        f"bot.pickle contains no conversations of PicklePersistence. It names {SYSTEM}; "
        "nothing of that was loaded or run"
    )
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("inner", [[], "x" * 100])
def test_a_small_file_that_holds_far_more_than_it_is_long_is_refused_at_once(bot, refusal, inner):
    for _ in range(30):  # a thousand million lists, in 300 bytes
        inner = [inner, inner]
    keep({"signup": {(1, 1): 0}}, {1: {"x": inner}})
    said = refusal("import-persistence", *RUN)
    assert said == "bot.pickle is not a complete pickle file: its content is far larger than the file"


def test_a_call_among_the_states_is_no_state_and_does_not_run(bot, fsmkit, tmp_path):
    keep({"signup": {(1, 1): Bomb(), (2, 2): 0}})
    result = fsmkit("import-persistence", *RUN)
    assert result.exit_code == 1
    assert f"not imported: signup (1, 1): the state {SYSTEM}('touch ran')" in result.stdout
    assert state_of(Key(2, 2))[0] == "0"
    assert not (tmp_path / "ran").exists()


def test_a_call_in_user_data_does_not_run(bot, fsmkit, tmp_path):
    keep({"signup": {(1, 1): 0}}, {1: {"x": Bomb()}})
    assert fsmkit("import-persistence", *RUN).exit_code == 0
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "blob",
    [
        b"cos\nsystem\n(S'touch ran'\ntR.",
        b"(S'touch ran'\nios\nsystem\n.",
        b'c__builtin__\neval\n(S\'open("ran", "w")\'\ntR.',
        b"\x80\x04cos\nsystem\nX\x09\x00\x00\x00touch ran\x85\x81.",
        b"\x80\x04cbuiltins\ngetattr\ncos\npath\nX\x06\x00\x00\x00system\x86R(S'touch ran'\ntR.",
        b"ccollections\ndefaultdict\n(cos\nsystem\ntR.",
        b"cbuiltins\nset\n}S'x'\ncos\nsystem\nsb.",
    ],
)
def test_no_way_to_call_is_left(blob, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad").write_bytes(blob)
    assert read("bad").keys() <= {"held", "strange", "error"}
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "blob", [b"", b"hello", b"\x80\x04]", pickle.dumps([1]), pickle.dumps({"conversations": 3})]
)
def test_what_is_no_persistence_is_refused(bot, refusal, blob):
    Path("bot.pickle").write_bytes(blob)
    assert refusal("import-persistence", *RUN).startswith("bot.pickle ")
