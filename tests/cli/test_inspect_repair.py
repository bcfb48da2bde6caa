"""`reset`, `move` and `forget`: what they write, and what they leave alone."""

import asyncio
import json

import pytest
from chat_events import said
from shop import ANN, BEN, DAN, SHOP, STORE, talk

from fsmkit.interpreter.codec import decode_row
from fsmkit.stores.sqlite import SQLiteStore


def test_a_key_is_reset(shop, lines, keys, stored):
    assert lines("inspect", STORE, "reset", "1:1:-:-:42") == ["1:1:-:-:42: dropped shop (menu) > pay (card)"]
    assert "1:1:-:-:42" not in keys()
    row = decode_row(stored()["1:1:-:-:42"][0])
    assert (row.snapshots, row.seen.split()) == ({}, ["tg:0", "tg:1"])


def test_a_draft_is_reset(shop, lines, stored):
    assert lines("inspect", STORE, "reset", "4:4:-:-:42") == ["4:4:-:-:42: dropped shop (draft)"]
    assert "4:4:-:-:42" not in stored()


def test_conversations_of_one_flow_are_reset(shop, seed, lines, keys):
    async def both(engine):
        await engine.set_state("pay", DAN, "card")

    seed(shop, both)
    before = keys()
    assert lines("inspect", STORE, "reset", "4:4:-:-:42", "--flow", "pay") == [
        "4:4:-:-:42: dropped pay (card)"
    ]
    assert sorted(keys()) == sorted(set(before))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-5:5:-:-:42"], "-5:5:-:-:42 has no conversation: nothing was dropped"),
        (
            ["--flow", "pay", "-100:2:-:-:42"],
            "-100:2:-:-:42 has no conversation of pay: nothing was dropped",
        ),
    ],
)
def test_there_is_nothing_to_reset(shop, lines, stored, arguments, said):
    before = stored()
    assert lines("inspect", STORE, "reset", *arguments) == [said]
    assert stored() == before


def test_a_conversation_is_moved_with_its_data(shop, lines, stored):
    assert lines("inspect", STORE, "move", "-100:2:-:-:42", "menu", "--file", shop) == [
        "-100:2:-:-:42: shop is in menu now, it was in cart; no prompt was sent"
    ]
    snapshot = decode_row(stored()["-100:2:-:-:42"][0]).snapshots["shop"]
    [frame] = snapshot.frames
    assert (frame.state, bytes(frame.data), frame.history) == ("menu", b'{"first":"b"}', ("menu", "cart"))


def test_the_deadline_of_the_new_state_counts_from_the_move(shop, fsmkit, time):
    time.now += 1000
    fsmkit("inspect", STORE, "move", "-100:2:-:-:42", "menu", "--file", shop)
    [one] = json.loads(fsmkit("inspect", STORE, "--bot", "42", "--state", "menu", "--json").stdout)[
        "conversations"
    ]
    assert one["deadline"] == "2027-01-15T10:16:40Z"


def test_a_caller_that_is_moved_drops_what_it_called(shop, lines, stored):
    lines("inspect", STORE, "move", "1:1:-:-:42", "cart", "--flow", "shop", "--file", shop)
    frames = decode_row(stored()["1:1:-:-:42"][0]).snapshots["shop"].frames
    assert [(frame.flow, frame.state) for frame in frames] == [("shop", "cart")]


def test_a_draft_becomes_a_conversation(shop, lines):
    assert lines("inspect", STORE, "move", "4:4:-:-:42", "menu", "--flow", "shop", "--file", shop) == [
        "4:4:-:-:42: shop is in menu now, it was in no state; no prompt was sent"
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["meny", "--file", "bot.py"],
            "flow 'shop' has no state 'meny'. Did you mean 'menu'? (flow 'shop', state None)",
        ),
        (["menu", "--file", "bot.py", "--flow", "x"], "the file has no flow 'x': it has pay and shop"),
        (["menu", "--file", "bot.py:pay"], "the file has no flow 'shop': it has pay"),
        (["menu", "--file", "gone.py"], "gone.py: no such file"),
    ],
)
def test_a_move_that_cannot_be(shop, refusal, stored, arguments, said):
    before = stored()
    assert refusal("inspect", STORE, "move", "-100:2:-:-:42", *arguments) == said
    assert stored() == before


def test_a_move_says_which_flow_where_several_run(shop, seed, refusal):
    async def both(engine):
        await engine.set_state("pay", BEN, "card")

    seed(shop, both)
    assert refusal("inspect", STORE, "move", str(BEN), "menu", "--file", shop) == (
        "-100:2:-:-:42 has conversations of shop and pay: name one with --flow"
    )


def test_an_orphaned_conversation_is_moved_to_a_state_that_there_is(shop, write, lines, stored):
    write(SHOP.replace('"cart"', '"basket"'))
    assert lines("inspect", STORE, "move", "-100:2:-:-:42", "basket", "--file", shop) == [
        "-100:2:-:-:42: shop is in basket now, it was in cart; no prompt was sent"
    ]
    assert decode_row(stored()["-100:2:-:-:42"][0]).snapshots["shop"].frames[0].state == "basket"


def test_a_conversation_whose_data_do_not_fit_is_not_moved(shop, write, refusal, stored):
    before = stored()
    write(
        SHOP.replace("ttl=7200", "ttl=7200, data=Cart").replace(
            "pay =", "@attrs.frozen\nclass Cart:\n    n: int\n\npay =", 1
        )
    )
    said = refusal("inspect", STORE, "move", "-100:2:-:-:42", "menu", "--file", shop)
    assert said == (
        "the data of 'shop' do not fit it: Object missing required field `n`; nothing was changed"
    )
    assert stored() == before


def test_a_row_of_a_newer_version_is_not_moved(write, seed, refusal, stored):
    file = write(SHOP.replace("ttl=7200", "ttl=7200, version=2"))
    seed(file, talk)
    before = stored()
    write(SHOP)
    said = refusal("inspect", STORE, "move", "-100:2:-:-:42", "menu", "--file", file)
    assert said.startswith("flow 'shop' is stored in version 2, this process runs version 1")
    assert stored() == before


@pytest.mark.parametrize("command", [["reset"], ["move", "cart", "--file", "bot.py"]])
def test_what_waits_to_be_delivered_still_waits_after_a_repair(write, seed, lines, stored, command):
    async def speak(engine):
        await engine.send(ANN, said("a"), id=("tg", 1))

    seed(write(SHOP), speak, delivers=True)
    name, *rest = command
    lines("inspect", STORE, name, str(ANN), *rest)
    assert [waiting for _, waiting in stored().values()] == [1]


EPHEMERAL = """
flow = Flow("f")
flow.state("on", prompt="Now?", ephemeral=True)

@flow.defstate(None)
def start(event, ctx):
    return ("transition", "on")

@flow.defstate("on")
def end(event, ctx):
    return ("end",)
"""


def test_the_bot_deletes_what_a_dropped_conversation_leaves_behind(write, chat, lines, time, monkeypatch):
    monkeypatch.setattr("time.time", lambda: time.now)
    file, store = write(EPHEMERAL), ("--store", STORE)
    assert chat(file, "hello", options=store) == ["> hello", "Now?"]
    assert lines("inspect", STORE, "reset", "1:1:-:-:42") == ["1:1:-:-:42: dropped f (on)"]
    assert json.loads("\n".join(lines("inspect", STORE, "show", "1:1:-:-:42")))["waiting"] == 1
    assert chat(file, options=store) == ["(deleted) a message of an earlier chat"]


@pytest.mark.parametrize(
    ("who", "said", "left"),
    [
        (["1"], "1: 1 row removed", ["-100:2:-:-:42", "3:3:-:-:43", "4:4:-:-:42"]),
        (["2"], "2: 1 row removed", ["1:1:-:-:42", "3:3:-:-:43", "4:4:-:-:42"]),
        (["-100"], "-100: 1 row removed", ["1:1:-:-:42", "3:3:-:-:43", "4:4:-:-:42"]),
        (["-100:2:-:-:42"], "-100:2:-:-:42: 1 row removed", ["1:1:-:-:42", "3:3:-:-:43", "4:4:-:-:42"]),
        (
            ["3", "--bot", "42"],
            "3: 0 rows removed",
            ["-100:2:-:-:42", "1:1:-:-:42", "3:3:-:-:43", "4:4:-:-:42"],
        ),
        (["~1"], "1: 0 rows removed", ["-100:2:-:-:42", "1:1:-:-:42", "3:3:-:-:43", "4:4:-:-:42"]),
    ],
)
def test_people_and_keys_are_forgotten(shop, lines, stored, who, said, left):
    assert lines("inspect", STORE, "forget", *who) == [said]
    assert sorted(stored()) == left


def test_repairs_are_made_while_the_bot_runs(shop, lines, stored):
    """The bot holds the file open, and goes on after it."""

    async def main():
        store = SQLiteStore("bot.db")
        await store.peek(ANN)
        await asyncio.to_thread(lines, "inspect", STORE, "reset", str(BEN))
        assert decode_row(await store.peek(BEN)).snapshots == {}
        await store.close()

    asyncio.run(main())
