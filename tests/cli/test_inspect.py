"""`fsmkit inspect STORE`: live conversations as text and as JSON."""

import json

import pytest
from chat_events import said
from shop import ANN, DAN, SHOP, STORE, corrupt


def test_conversations_are_counted_and_listed_the_most_overdue_first(shop, lines, time):
    time.now += 7200 + 61
    assert lines("inspect", STORE) == [
        "flow  state    conversations  stuck  oldest deadline",
        "pay   card                 1      1  overdue by 1m1s",
        "shop  (draft)              1      0  -",
        "shop  cart                 1      0  -",
        "shop  menu                 1      1  overdue by 1m1s",
        "",
        "key            flow        state    idle  deadline         waiting  stuck",
        "1:1:-:-:42     shop > pay  card     2h1m  overdue by 1m1s        0  deadline",
        "3:3:-:-:43     shop        menu     2h1m  overdue by 1m1s        0  deadline",
        "-100:2:-:-:42  shop        cart     2h1m  -                      0  -",
        "4:4:-:-:42     shop        (draft)  -     -                      0  -",
    ]


def test_a_deadline_is_stuck_only_when_nobody_fired_it_for_a_minute(shop, keys, time):
    time.now += 7200 + 59
    assert keys("--stuck") == []
    time.now += 2
    assert keys("--stuck") == ["1:1:-:-:42", "3:3:-:-:43"]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["--flow", "pay"], ["1:1:-:-:42"]),
        (["--flow", "shop", "--state", "cart"], ["-100:2:-:-:42"]),
        (["--state", "menu"], ["3:3:-:-:43"]),
        (["--flow", "gone"], []),
        (["--bot", "43"], ["3:3:-:-:43"]),
        (["--bot", "~other"], []),
        (["--older-than", "1h"], ["1:1:-:-:42", "3:3:-:-:43", "-100:2:-:-:42"]),
        (["--older-than", "61m"], []),
        (["--older-than", "30m", "--dedupe-for", "25h30m"], ["1:1:-:-:42", "3:3:-:-:43", "-100:2:-:-:42"]),
        (["--dedupe-for", "24h30m", "--older-than", "0"], ["1:1:-:-:42", "3:3:-:-:43", "-100:2:-:-:42"]),
        (["--dedupe-for", "23h", "--older-than", "0"], []),
    ],
)
def test_the_list_can_be_narrowed(shop, keys, time, options, found):
    time.now += 3600
    assert keys(*options) == found


def test_a_store_without_conversations(write, seed, lines):
    async def nothing(engine):
        await engine.peek(ANN)

    seed(write(SHOP), nothing)
    assert lines("inspect", STORE) == ["no live conversations"]
    assert json.loads("\n".join(lines("inspect", STORE, "--json"))) == {
        "now": "2027-01-15T08:00:00Z",
        "summary": [],
        "conversations": [],
    }


def test_the_list_for_scripts(shop, fsmkit, time):
    time.now += 100
    assert json.loads(fsmkit("inspect", STORE, "--flow", "pay", "--json").stdout) == {
        "now": "2027-01-15T08:01:40Z",
        "summary": [
            {
                "flow": "pay",
                "state": "card",
                "conversations": 1,
                "stuck": 0,
                "oldest_deadline": "2027-01-15T10:00:00Z",
            }
        ],
        "conversations": [
            {
                "key": "1:1:-:-:42",
                "flow": "pay",
                "state": "card",
                "draft": False,
                "called_by": [{"flow": "shop", "state": "menu"}],
                "last_event": "2027-01-15T08:00:00Z",
                "idle": 100,
                "deadline": "2027-01-15T10:00:00Z",
                "reminder": None,
                "overdue": False,
                "waiting": 0,
                "scheduled": 0,
                "stuck": [],
            }
        ],
    }


def test_effects_that_wait_are_seen_also_without_a_conversation(write, seed, lines):
    async def end(engine):
        for number, text in enumerate("axy"):
            await engine.send(ANN, said(text), id=("tg", number))

    seed(write(SHOP), end, delivers=True)
    assert lines("inspect", STORE) == [
        "key         flow  state  idle  deadline  waiting  stuck",
        "1:1:-:-:42  -     -      0s    -               1  effects",
    ]


def test_an_event_that_waits_for_its_time_is_seen_and_may_be_overdue(write, seed, keys, fsmkit, time):
    async def later(engine):
        await engine.send(ANN, said("later"), id=("tg", 1))

    seed(write(SHOP), later)
    [one] = json.loads(fsmkit("inspect", STORE, "--json").stdout)["conversations"]
    assert (one["flow"], one["draft"], one["scheduled"], one["stuck"]) == (None, False, 1, [])
    time.now += 361
    assert keys("--stuck") == ["1:1:-:-:42"]


def test_a_row_that_cannot_be_read_is_listed_by_what_it_is_looked_up_by(shop, lines):
    corrupt(DAN)
    assert lines("inspect", STORE, "--state", "odd") == [
        "flow  state  conversations  stuck  oldest deadline",
        "shop  odd                1      1  -",
        "",
        "key         flow  state  idle  deadline  waiting  stuck",
        "4:4:-:-:42  shop  odd    -     -               0  unreadable",
    ]
