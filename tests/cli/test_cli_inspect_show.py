"""`fsmkit inspect STORE show KEY`, and how its arguments are read."""

import json

import pytest
from chat_events import said
from shop import ANN, BEN, DAN, SHOP, STORE, corrupt


def test_a_row_is_shown_as_json(shop, lines):
    shown = json.loads("\n".join(lines("inspect", STORE, "show", "1:1:-:-:42")))
    assert shown.pop("bytes") > 100
    assert shown == {
        "key": "1:1:-:-:42",
        "conversations": [
            {
                "flow": "pay",
                "version": 1,
                "state": "card",
                "data": {},
                "history": [],
                "flow_limit": None,
                "state_limit": None,
                "draft": False,
                "deadline": "2027-01-15T10:00:00Z",
                "idle_deadline": "2027-01-15T10:00:00Z",
                "reminder": None,
                "timeouts_failed": 0,
                "called_by": [
                    {
                        "flow": "shop",
                        "version": 1,
                        "state": "menu",
                        "data": {"first": "a"},
                        "history": [],
                        "flow_limit": None,
                        "state_limit": None,
                    }
                ],
            }
        ],
        "letters": [],
        "waiting": 0,
        "views": {},
        "last_event": "2027-01-15T08:00:00Z",
        "seen": ["tg:0", "tg:1"],
    }


def test_a_key_may_begin_with_a_minus(shop, lines):
    shown = json.loads("\n".join(lines("inspect", STORE, "show", "-100:2:-:-:42")))
    assert (shown["key"], shown["conversations"][0]["history"]) == ("-100:2:-:-:42", ["menu"])


def test_what_waits_is_shown(write, seed, lines):
    async def speak(engine):
        await engine.send(ANN, said("a"), id=("tg", 1))
        await engine.send(BEN, said("later"), id=("tg", 2))

    seed(write(SHOP), speak, delivers=True)
    assert json.loads("\n".join(lines("inspect", STORE, "show", str(ANN))))["waiting"] == 1
    [letter] = json.loads("\n".join(lines("inspect", STORE, "show", str(BEN))))["letters"]
    assert (letter["to"], letter["data"], letter["due"]) == (str(BEN), {"loud": True}, "2027-01-15T08:05:00Z")
    assert letter["event"].endswith(".Ring")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show", "9:9:-:-:42"], "nothing is stored for 9:9:-:-:42"),
        (["move", "9:9:-:-:42", "menu", "--file", "bot.py"], "9:9:-:-:42 has no conversation"),
        (
            ["move", "9:9:-:-:42", "menu", "--file", "bot.py", "--flow", "pay"],
            "9:9:-:-:42 has no conversation of pay",
        ),
    ],
)
def test_what_is_not_there_has_a_status_of_its_own(shop, fsmkit, arguments, said):
    result = fsmkit("inspect", STORE, *arguments)
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", f"fsmkit: {said}\n")


def test_a_row_that_cannot_be_read_is_not_shown(shop, refusal):
    corrupt(DAN)
    assert refusal("inspect", STORE, "show", str(DAN)).startswith("a stored row cannot be read: ")


@pytest.mark.parametrize("key", ["1", "1:2:3", "a:b:-:-:-", "-:-:-:-:-"])
@pytest.mark.parametrize("command", ["show", "reset"])
def test_a_key_that_is_none(shop, fsmkit, command, key):
    result = fsmkit("inspect", STORE, command, key)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Error: Invalid value for 'KEY': no key: " in result.stderr


@pytest.mark.parametrize("option", ["--older-than", "--dedupe-for"])
def test_a_duration_that_is_none(shop, fsmkit, option):
    result = fsmkit("inspect", STORE, option, "soon")
    assert result.exit_code == 2
    assert f"Invalid value for '{option}': 'soon' is no duration" in result.stderr


def test_help_stands_beside_the_store_and_without_it(fsmkit):
    for arguments in (["--help"], [STORE, "--help"], []):
        assert "STORE is a URL such as sqlite:bot.db" in fsmkit("inspect", *arguments).output
    assert "Usage: fsmkit inspect STORE move [OPTIONS] KEY STATE" in " ".join(
        fsmkit("inspect", STORE, "move", "--help").output.replace("main", "fsmkit").split()
    )


AGING = """
visit = Flow("visit", ttl=7200, max_age=3600, remind_after=600, reminder="Still there?")
visit.state("in", max_age=1800)

@visit.defstate(None)
def enter(event, ctx):
    return ("transition", "in")
"""


def test_the_times_of_a_conversation_are_shown(write, seed, lines):
    async def speak(engine):
        await engine.send(ANN, said("a"), id=("tg", 1))

    seed(write(AGING), speak)
    [shown] = json.loads("\n".join(lines("inspect", STORE, "show", str(ANN))))["conversations"]
    assert [
        shown[name] for name in ("deadline", "idle_deadline", "reminder", "flow_limit", "state_limit")
    ] == [
        "2027-01-15T08:30:00Z",
        "2027-01-15T10:00:00Z",
        "2027-01-15T08:10:00Z",
        "2027-01-15T09:00:00Z",
        "2027-01-15T08:30:00Z",
    ]
    [listed] = json.loads("\n".join(lines("inspect", STORE, "--json")))["conversations"]
    assert (listed["deadline"], listed["reminder"]) == ("2027-01-15T08:30:00Z", "2027-01-15T08:10:00Z")
