"""`fsmkit test --store` and `--deploy`: what a new version would break of what an old one has stored."""

import json

import pytest

from fsmkit import Key
from fsmkit.testing.harness.actions import Say
from fsmkit.testing.harness.events import event_made_by

OLD = """
form = Flow("form", ttl=60)
form.state("name", prompt="Name?", otherwise="A text.")
form.state("age", prompt="Age?", otherwise="Digits.")
form.state("sure", prompt="Sure?", buttons=["Yes"], otherwise="Press.")

@form.defstate(None, on=command("start"))
def start(event, ctx):
    return ("transition", "name", {})

@form.defstate("name")
def got_name(event, ctx):
    return ("transition", "age", {"name": event.text})

@form.defstate("age")
def got_age(event, ctx):
    return ("transition", "sure", ctx.evolve(age=event.text))

@form.defstate("sure", on=button("Yes"))
def yes(event, ctx):
    ctx.reply(f"{ctx.data['name']}, {ctx.data['age']}")
    return ("end",)
"""
RENAMED = OLD.replace('form.state("age"', 'form.state("years"').replace('"age", {', '"years", {')
RENAMED = RENAMED.replace('@form.defstate("age")', '@form.defstate("years")')
NEEDS_EMAIL = OLD.replace("""ctx.data['age']}")""", """ctx.data['email']}")""")
STORE = "sqlite:bot.db"


def key(number):
    return Key(chat=number, user=number, bot=42)


async def fill(engine):
    """1 is in `name`, 2 and 3 are in `age`, 4 is in `sure`, and so is 5 in a group."""
    texts = ["/start", "Ann Lee", "12"]
    for place, count in zip(
        [key(1), key(2), key(3), key(4), Key(-100, 5, bot=42)], [1, 2, 2, 3, 3], strict=True
    ):
        for number, text in enumerate(texts[:count]):
            await engine.send(place, event_made_by(Say(text, user=place.user)), id=("tg", number))


@pytest.fixture
def live(write, seed):
    """A store that the old version wrote; writes the new version's file."""
    seed(write(OLD), fill)
    return lambda code: write(code, "bot.py")


def test_a_version_that_fits_breaks_nothing_and_writes_nothing(live, lines, stored):
    before = stored()
    assert lines("test", live(OLD), "--store", STORE) == [
        "5 conversations in 5 rows: 5 current",
        "handlers were tried on 5; nothing was written or sent",
    ]
    assert stored() == before


def test_a_state_that_is_gone_is_told_with_those_who_stand_in_it(live, fsmkit):
    done = fsmkit("test", live(RENAMED), "--store", STORE)
    assert done.exit_code == 1
    [first, *rest] = done.stdout.splitlines()
    assert "orphaned: what is stored in state 'age' does not fit: the flow has no such state" in first
    assert first.endswith("(2 conversations in form/age: 2:2:-:-:42, 3:3:-:-:42)")
    assert rest == [
        "5 conversations in 5 rows: 3 current, 2 orphaned",
        "handlers were tried on 3; nothing was written or sent",
    ]


def test_a_handler_that_cannot_bear_what_is_stored_is_told_and_what_is_stored_is_not(live, fsmkit, stored):
    before = stored()
    done = fsmkit("test", live(NEEDS_EMAIL), "--store", STORE)
    assert done.exit_code == 1
    [first, *_] = done.stdout.splitlines()
    assert first.startswith("bot.py:23: raised: KeyError: 'email' on '[Yes]' (2 conversations in form/sure: ")
    assert ("4:4:-:-:42" in first, "-100:5:-:-:42" in first) == (True, True)
    assert "Ann Lee" not in done.stdout
    assert stored() == before


def test_what_several_inputs_show_is_told_once(live, fsmkit):
    done = fsmkit(
        "test", live(OLD.replace("ctx.evolve(age=event.text)", "ctx.data['email']")), "--store", STORE
    )
    assert [line.split(" (")[0] for line in done.stdout.splitlines() if "KeyError" in line] == [
        "bot.py:19: raised: KeyError: 'email' on 'Ann'"
    ]


def test_only_one_bots_rows_are_looked_at(live, fsmkit):
    done = fsmkit("test", live(RENAMED), "--store", STORE, "--bot", "43")
    assert (done.exit_code, done.stdout.splitlines()[0]) == (0, "0 conversations in 0 rows: none")


def test_it_is_told_as_json_too(live, fsmkit):
    done = fsmkit("test", live(RENAMED), "--store", STORE, "--json", "-")
    shown = json.loads(done.stdout)
    assert (shown["ok"], shown["rows"], shown["tried"]) == (False, 5, 3)
    [finding] = shown["findings"]
    assert (finding["code"], finding["state"], finding["conversations"]) == ("orphaned", "age", 2)
    assert finding["keys"] == ["2:2:-:-:42", "3:3:-:-:42"]


def test_a_store_that_there_is_not_is_refused(write, refusal):
    assert refusal("test", write(OLD), "--store", "sqlite:none.db") == "none.db: no such file"


def test_a_file_of_the_next_version_is_deployed(write, fsmkit):
    write(RENAMED, "new.py")
    done = fsmkit("test", write(OLD), "--deploy", "new.py", "--seed", "1")
    assert done.exit_code == 1
    assert "orphaned: what is stored in state 'age' does not fit" in done.stdout
    assert "> (the new version is deployed)" in done.stdout


def test_a_file_with_two_versions_of_a_flow_is_tested_as_a_deploy(write, fsmkit):
    both = OLD + RENAMED.replace("form", "form2").replace('Flow("form2", ', 'Flow("form", version=2, ')
    done = fsmkit("test", write(both), "--seed", "1")
    assert done.exit_code == 1
    assert "orphaned: what is stored in state 'age' does not fit" in done.stdout
    migrated = both + "@form2.migrate(1)\ndef renamed(state, data):\n    "
    migrated += "return 'years' if state == 'age' else state, data\n"
    assert fsmkit("test", write(migrated), "--seed", "1").exit_code == 0
