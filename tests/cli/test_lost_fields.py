"""Stored fields that the class of a new version does not have any more: reported with how many have them."""

import json

import pytest
from chat_events import said

from fsmkit import Key

MANY = 1_204
CODE = """
import attrs

@attrs.frozen
class Street:
    name: str = ""
    number: int = 0

@attrs.frozen
class Form:
    name: str = ""
    home: Street = Street()
    past: tuple[Street, ...] = ()

form = Flow("form", data=Form, ttl=60)
form.state("name", prompt="Name?", otherwise="A text.")
form.state("sure", prompt="Sure?", otherwise="A text.")

@form.defstate(None)
def start(event, ctx):
    street = Street("Main", 7)
    return ("transition", "name", Form("Ann", street, (street, street)))

@form.defstate("name")
def named(event, ctx):
    return ("transition", "sure")

@form.defstate("sure")
def sure(event, ctx):
    return ("end",)
"""
STORE = "sqlite:bot.db"
NESTED = CODE.replace('name: str = ""\n    number', 'title: str = ""\n    number')
RENAMED = CODE.replace('name: str = ""\n    home', 'full_name: str = ""\n    home')
KEPT = RENAMED.replace("ttl=60)", "ttl=60, version=2)").replace(
    "@form.defstate(None)",
    """@form.migrate(1)
def renamed(state, data):
    data["full_name"] = data.pop("name")
    return state, data

@form.defstate(None)""",
)


@pytest.fixture
def live(write, seed):
    """A store with conversations of the old version in both states; writes the new version's file."""

    def fill_with(count):
        async def fill(engine):
            for number in range(1, count + 1):
                key = Key(chat=number, user=number, bot=42)
                await engine.send(key, said("hello"), id=("tg", 1))
                if number % 3 == 0:
                    await engine.send(key, said("on"), id=("tg", 2))

        seed(write(CODE), fill)
        return lambda code: write(code, "bot.py")

    return fill_with


def told(lines):
    return [line for line in lines if "any more:" in line]


def test_a_dry_run_counts_them_with_separators_for_thousands(live, fsmkit):
    file = live(MANY)(RENAMED)
    said = "stored field `name` is not in Form any more: 1,204 conversations"
    assert said in fsmkit("migrate", STORE, file, "--dry-run").stdout.splitlines()


def test_so_does_a_look_at_a_live_store_whatever_state_they_stand_in(live, fsmkit):
    done = fsmkit("test", live(3)(RENAMED), "--store", STORE)
    assert done.exit_code == 1
    assert told(done.stdout.splitlines()) == ["stored field `name` is not in Form any more: 3 conversations"]
    assert "lost-field" in done.stdout


@pytest.mark.parametrize(
    "command", [("migrate", STORE, "bot.py", "--dry-run"), ("test", "bot.py", "--store", STORE)]
)
def test_a_field_of_something_inside_is_named_with_its_path_and_once_for_a_conversation(
    live, fsmkit, command
):
    live(1)(NESTED)
    assert told(fsmkit(*command).stdout.splitlines()) == [
        "stored field `home.name` is not in Form any more: 1 conversation",
        "stored field `past.[].name` is not in Form any more: 1 conversation",
    ]


@pytest.mark.parametrize(
    "command", [("migrate", STORE, "bot.py", "--dry-run"), ("test", "bot.py", "--store", STORE)]
)
def test_one_that_a_migration_has_renamed_is_not_lost(live, fsmkit, command):
    live(2)(KEPT)
    done = fsmkit(*command)
    assert (done.exit_code, told(done.stdout.splitlines())) == (0, [])


def test_for_scripts_they_are_counted_too(live, fsmkit):
    done = fsmkit("test", live(2)(NESTED), "--store", STORE, "--json", "-")
    assert json.loads(done.stdout)["lost"] == [
        {"message": f"stored field `{field}.name` is not in Form any more", "conversations": 2}
        for field in ("home", "past.[]")
    ]


def test_a_file_of_the_next_version_that_loses_one_is_told_as_a_deploy(write, fsmkit):
    write(NESTED, "new.py")
    done = fsmkit("test", write(CODE), "--deploy", "new.py", "--seed", "1")
    assert done.exit_code == 1
    assert "stored field `home.name` is not in Form any more" in done.stdout
