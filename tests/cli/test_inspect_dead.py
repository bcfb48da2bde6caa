"""`fsmkit inspect STORE dead`, and `show`, `requeue` and `drop` for one dead letter."""

import asyncio
import json

import pytest
from shop import STORE

from fsmkit.stores.inbox import DeadLetter
from fsmkit.stores.sqlite import SQLiteStore

LETTERS = (
    (42, DeadLetter("7", 7, -100, 9, "it cannot be parsed: ValueError", b"\xff[\x1b[2J secret")),
    (42, DeadLetter("xab12", None, 0, 0, "its update_id cannot be read", b"5")),
    (43, DeadLetter("7", 7, 8, 8, "it cannot be parsed: RecursionError", b"[[[")),
)


@pytest.fixture
def inbox(shop):
    """Does something with the inbox of a bot of the store, in which there are dead letters."""

    def use(work, bot=42):
        async def main():
            store = SQLiteStore("bot.db")
            try:
                return await work(store.inbox(bot))
            finally:
                await store.close()

        return asyncio.run(main())

    for bot, letter in LETTERS:
        use(lambda box, letter=letter: box.set_aside(letter), bot)
    return use


def names(fsmkit, *options):
    found = json.loads(fsmkit("inspect", STORE, "dead", "--json", *options).stdout)["dead"]
    return [(letter["bot"], letter["name"]) for letter in found]


def test_dead_letters_are_listed_without_their_content(inbox, lines):
    head, *rest = lines("inspect", STORE, "dead")
    assert head.split() == ["name", "bot", "chat", "user", "since", "reason"]
    assert [(line.split()[0], line.split(maxsplit=5)[5]) for line in rest] == [
        ("7", "it cannot be parsed: ValueError"),
        ("xab12", "its update_id cannot be read"),
        ("7", "it cannot be parsed: RecursionError"),
    ]
    assert "secret" not in "".join(rest)


def test_they_are_listed_for_one_bot_and_as_json(inbox, fsmkit):
    assert names(fsmkit) == [("42", "7"), ("42", "xab12"), ("43", "7")]
    assert names(fsmkit, "--bot", "43") == [("43", "7")]


def test_there_are_none(shop, lines):
    assert lines("inspect", STORE, "dead") == ["no dead letters"]


def test_one_is_shown_with_its_content(inbox, fsmkit):
    shown = json.loads(fsmkit("inspect", STORE, "show", "7", "--bot", "42").stdout)
    since = shown.pop("since")
    assert since.endswith("Z")
    assert shown == {
        "name": "7",
        "bot": "42",
        "update": 7,
        "chat": -100,
        "user": 9,
        "reason": "it cannot be parsed: ValueError",
        "bytes": 13,
        "content": "\\xff[\x1b[2J secret",
    }


def test_one_is_put_back(inbox, lines, fsmkit):
    [said] = lines("inspect", STORE, "requeue", "7", "--bot", "42")
    assert said.startswith("7: waits in the inbox")
    assert names(fsmkit) == [("42", "xab12"), ("43", "7")]
    [update] = inbox(lambda box: box.waiting())
    assert (update.id, update.body) == (7, LETTERS[0][1].body)


def test_one_is_dropped(inbox, lines, fsmkit):
    assert lines("inspect", STORE, "drop", "xab12") == ["xab12: dropped"]
    assert names(fsmkit) == [("42", "7"), ("43", "7")]


def test_a_name_that_is_none_is_no_key_either(inbox, fsmkit):
    done = fsmkit("inspect", STORE, "show", "xnone")
    assert done.exit_code == 2
    assert "no key: 'xnone', and no dead letter of that name" in done.stderr


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("requeue", "xab12"), 2, "xab12 has no readable update_id: it can only be dropped"),
        (("drop", "8"), 1, "there is no dead letter 8"),
        (("drop", "7"), 2, "several bots have a dead letter 7: name one with --bot"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(inbox, fsmkit, words, status, said):
    before = names(fsmkit)
    done = fsmkit("inspect", STORE, *words)
    assert (done.exit_code, done.stderr.strip()) == (status, f"fsmkit: {said}")
    assert names(fsmkit) == before
