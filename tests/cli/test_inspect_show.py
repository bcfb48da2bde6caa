"""`fsmkit inspect STORE show KEY`, and how its arguments are read."""

import json

import attrs
import pytest
from chat_events import said
from shop import ANN, BEN, DAN, SHOP, STORE, corrupt

from fsmkit import Client


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
                "job": None,
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
                        "job": None,
                    }
                ],
            }
        ],
        "scheduled": [],
        "moved": None,
        "waiting": 0,
        "screens": {},
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
    [event] = json.loads("\n".join(lines("inspect", STORE, "show", str(BEN))))["scheduled"]
    assert (event["to"], event["data"], event["due"]) == (str(BEN), {"loud": True}, "2027-01-15T08:05:00Z")
    assert event["event"].endswith(".Ring")


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
    assert f"Invalid value for '{option}': 'soon' is not a duration" in result.stderr


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


CHARGING = """
import attrs

@attrs.frozen
class Paid:
    number: int

shop = Flow("shop")

async def charge(data):
    ...

shop.state("charging", job=charge)

@shop.defstate(None)
def enter(event, ctx):
    return ("transition", "charging")

@shop.defstate(ANY, on=Paid)
def paid(event, ctx):
    return ("stay",)
"""


def test_the_job_of_a_state_is_shown(write, seed, lines):
    async def speak(engine):
        await engine.send(ANN, said("a"))
        await engine.stop(drain=0)

    seed(write(CHARGING), speak)
    [shown] = json.loads("\n".join(lines("inspect", STORE, "show", str(ANN))))["conversations"]
    assert shown["job"].pop("id")
    assert shown["job"] == {
        "attempt": 1,
        "running": False,
        "due": "2027-01-15T08:00:00Z",
        "failures": 0,
        "killed": 0,
    }


def test_an_event_from_another_program_is_shown_with_its_id_and_for_whom_it_is(write, seed, lines):
    @attrs.frozen
    class Paid:
        number: int

    async def speak(engine):
        client = Client(engine.store, bot=42, clock=engine.clock)
        await client.send(ANN, Paid(7), id="evt", flow="shop", expect="charging")

    seed(write(CHARGING), speak)
    [event] = json.loads("\n".join(lines("inspect", STORE, "show", str(ANN))))["scheduled"]
    assert event.pop("event").endswith("Paid")
    assert event == {
        "to": str(ANN),
        "data": {"number": 7},
        "due": None,
        "id": ":~evt",
        "flow": "shop",
        "expect": "charging",
    }


def test_where_a_row_has_gone_is_shown(write, seed, lines):
    async def move(engine):
        engine.bot = 42
        await engine.send(BEN, said("b"))
        await engine.relocate(-100, -1000)

    seed(write(SHOP), move)
    shown = json.loads("\n".join(lines("inspect", STORE, "show", str(BEN))))
    assert (shown["conversations"], shown["moved"]) == ([], {"to": "-1000:2:-:-:42", "arrived": True})
    assert [
        one["state"] for one in json.loads("\n".join(lines("inspect", STORE, "--json")))["conversations"]
    ] == ["menu"]
