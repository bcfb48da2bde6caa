"""`fsmkit migrate`: what a new version of the flows does to what is stored."""

import json

import pytest
from chat_events import said

from fsmkit import Key
from fsmkit.interpreter.codec import decode_row
from fsmkit.stores import Change, Index

OLD = """
form = Flow("form")
form.state("name", prompt="Your name?")
form.state("age")
form.state("gone")

side = Flow("side")
side.state("on")

@form.defstate(None)
def start(event, ctx):
    return ("transition", event.text, {"name": "Ann Lee"})

@form.defstate("name")
def name(event, ctx):
    return ("call", side)

@form.defstate("age", "gone")
@side.defstate(None, "on")
def end(event, ctx):
    return ("end",)
"""
NEW = """
import attrs

@attrs.frozen
class Form:
    first: str
    last: str

form = Flow("form", data=Form, version=2)
form.state("full_name", prompt="Your name?", renamed_from="name")
form.state("age")

@form.migrate(1)
def split(state, data):
    first, last = data["name"].split()
    return state, {"first": first, "last": last}

@form.defstate(None)
def start(event, ctx):
    return ("transition", "full_name", Form("", ""))

@form.defstate("full_name")
def name(event, ctx):
    return ("transition", "age")

@form.defstate("age")
def end(event, ctx):
    return ("end",)
"""
STORE = "sqlite:bot.db"


def key(number):
    return Key(chat=number, user=number, bot=42)


async def fill(engine):
    """1 and 2 are in `name`, 3 in `age`, 4 to 8 in `gone`, 9 in `side` alone, 10 in `age` with other data."""
    for number, state in enumerate(["name", "name", "age", *["gone"] * 5], 1):
        await engine.send(key(number), said(state), id=("tg", number))
    await engine.set_state("side", key(9), "on")
    await engine.set_state("form", key(10), "age", {"name": "Cher"})


@pytest.fixture
def old(write, seed):
    """A store that the old version wrote, and the file, which has the new version now."""
    file = write(OLD)
    seed(file, fill)
    return write(NEW)


# -- the report ------------------------------------------------------------------------------------


def test_a_dry_run_reports_and_writes_nothing(old, fsmkit, stored):
    before = stored()
    result = fsmkit("migrate", "--dry-run", STORE, old)
    assert (result.exit_code, result.stderr) == (1, "")
    assert result.stdout.splitlines() == [
        "flow  state  current  migrated  orphaned  newer  unknown",
        "form  age          0         1         1      0        0",
        "form  gone         0         0         5      0        0",
        "form  name         0         2         0      0        0",
        "side  on           0         0         0      0        1",
        "",
        "orphaned: 10:10:-:-:42 in form/age: migrate(1) raised ValueError: "
        "not enough values to unpack (expected 2, got 1)",
        "orphaned: 4:4:-:-:42 in form/gone: the flow has no such state",
        "orphaned: 5:5:-:-:42 in form/gone: the flow has no such state",
        "orphaned: 6:6:-:-:42 in form/gone: the flow has no such state",
        "... and 2 more like these",
        "10 rows checked, 3 to migrate; nothing was written (--dry-run)",
    ]
    assert stored() == before


def test_without_dry_run_what_fits_is_written_and_the_rest_stays(old, fsmkit, stored):
    before = stored()
    result = fsmkit("migrate", STORE, old)
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (1, "10 rows checked, 3 migrated")
    after = stored()
    changed = {text for text in before if after[text] != before[text]}
    assert changed == {"1:1:-:-:42", "2:2:-:-:42", "3:3:-:-:42"}
    was, row = decode_row(before["1:1:-:-:42"][0]), decode_row(after["1:1:-:-:42"][0])
    [frame] = row.snapshots["form"].frames
    assert (frame.version, frame.state, bytes(frame.data)) == (
        2,
        "full_name",
        b'{"first":"Ann","last":"Lee"}',
    )
    assert (row.seen, row.keep, row.snapshots["form"].deadline) == (
        was.seen,
        was.keep,
        was.snapshots["form"].deadline,
    )


def test_what_was_migrated_is_current_and_found_by_its_new_state(old, fsmkit):
    fsmkit("migrate", STORE, old)
    assert fsmkit("migrate", "--dry-run", STORE, old).stdout.splitlines()[:4] == [
        "flow  state      current  migrated  orphaned  newer  unknown",
        "form  age              1         0         1      0        0",
        "form  full_name        2         0         0      0        0",
        "form  gone             0         0         5      0        0",
    ]
    listed = fsmkit("inspect", STORE, "--state", "full_name", "--json").stdout
    assert [one["key"] for one in json.loads(listed)["conversations"]] == ["1:1:-:-:42", "2:2:-:-:42"]


def test_the_report_for_scripts(write, seed, fsmkit):
    async def two(engine):
        await engine.send(key(1), said("name"))
        await engine.send(key(2), said("gone"))

    seed(write(OLD), two)
    result = fsmkit("migrate", STORE, write(NEW), "--json")
    none = {"current": 0, "migrated": 0, "orphaned": 0, "newer": 0, "unknown": 0, "unreadable": 0}
    assert json.loads(result.stdout) == {
        "dry_run": False,
        "rows": 2,
        "to_write": 1,
        "written": 1,
        "total": {**none, "migrated": 1, "orphaned": 1},
        "states": [
            {"flow": "form", "state": "gone", **none, "orphaned": 1},
            {"flow": "form", "state": "name", **none, "migrated": 1},
        ],
        "problems": [
            {
                "key": "2:2:-:-:42",
                "flow": "form",
                "state": "gone",
                "fit": "orphaned",
                "reason": "the flow has no such state",
            }
        ],
    }


@pytest.mark.parametrize("options", [[], ["--dry-run"]])
def test_what_fits_has_status_0(write, seed, fsmkit, options):
    async def one(engine):
        await engine.send(key(1), said("name"))

    seed(write(OLD), one)
    result = fsmkit("migrate", STORE, write(NEW), *options)
    assert (result.exit_code, result.stderr) == (0, "")


def test_an_empty_store_fits(write, seed, fsmkit):
    async def nothing(engine):
        await engine.peek(key(1))

    seed(write(OLD), nothing)
    result = fsmkit("migrate", STORE, write(NEW))
    assert (result.exit_code, result.stdout) == (0, "0 rows checked, 0 migrated\n")


def test_a_row_of_a_newer_version_is_left_alone_as_a_whole(write, seed, fsmkit, stored):
    async def both(engine):
        await engine.send(key(1), said("age"))
        await engine.set_state("side", key(1), "on")

    seed(write(OLD.replace('"form"', '"form", version=2')), both)
    before = stored()
    file = write(OLD.replace('"side"', '"side", version=3'))
    result = fsmkit("migrate", STORE, file)
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "flow  state  current  migrated  orphaned  newer  unknown",
        "form  age          0         0         0      1        0",
        "side  on           0         0         0      1        0",
        "",
        *(
            f"newer: 1:1:-:-:42 in {place}: flow 'form' is stored in version 2, this process runs "
            f"version 1: the event waits for a newer worker"
            for place in ("form/age", "side/on")
        ),
        "1 row checked, 0 migrated",
    ]
    assert stored() == before


def test_data_that_changed_without_a_new_version_are_orphaned(write, seed, fsmkit, stored):
    async def one(engine):
        await engine.send(key(1), said("age"))

    seed(write(OLD), one)
    before = stored()
    changed = OLD.replace('Flow("form")', 'Flow("form", data=Data)')
    file = write(f"import attrs\n@attrs.frozen\nclass Data:\n    n: int\n{changed}")
    result = fsmkit("migrate", STORE, file)
    assert result.exit_code == 1
    assert "orphaned: 1:1:-:-:42 in form/age: Object missing required field `n`\n" in result.stdout
    assert stored() == before


def test_a_called_flow_counts_where_it_decides(write, seed, fsmkit):
    async def call(engine):
        await engine.send(key(1), said("name"))
        await engine.send(key(1), said("x"))

    file = write(OLD)
    seed(file, call)
    for changed, line in [
        (OLD, "side  on           1         0         0      0        0"),
        (
            OLD.replace('"side"', '"side", version=2'),
            "side  on           0         1         0      0        0",
        ),
        (NEW, "side  on           0         0         0      0        1"),
        (
            OLD.replace('form.state("name"', 'form.state("nom"').replace('state("name")', 'state("nom")'),
            "form  name         0         0         1      0        0",
        ),
    ]:
        write(changed)
        assert fsmkit("migrate", "--dry-run", STORE, file).stdout.splitlines()[1] == line


def test_a_row_that_cannot_be_read_is_reported(write, seed, fsmkit, stored):
    async def one(engine):
        await engine.send(key(1), said("age"))
        async with engine.store.lease(key(2)) as lease:
            await lease.commit(Change(b"{", index=(Index("form", "age", None),)))

    seed(write(OLD), one)
    result = fsmkit("migrate", STORE, write(OLD))
    assert result.exit_code == 1
    assert result.stdout.splitlines()[:2] == [
        "flow  state  current  migrated  orphaned  newer  unknown  unreadable",
        "form  age          1         0         0      0        0           1",
    ]
    assert "unreadable: 2:2:-:-:42 in form/age: a stored row cannot be read: " in result.stdout
    assert stored()["2:2:-:-:42"] == (b"{", 0)


# -- whose rows ------------------------------------------------------------------------------------


def test_rows_of_another_bot_are_never_migrated_by_mistake(write, seed, fsmkit, refusal, stored):
    async def two(engine):
        await engine.send(key(1), said("name"))
        await engine.send(Key(chat=1, user=1, bot=43), said("name"))

    seed(write(OLD), two)
    before, file = stored(), write(NEW)
    for options in ([], ["--dry-run"]):
        assert refusal("migrate", STORE, file, *options) == (
            "the store has rows of the bots 42, 43, and this file belongs to one bot: name it with --bot"
        )
    assert stored() == before
    assert fsmkit("migrate", STORE, file, "--bot", "43").stdout.endswith("\n1 row checked, 1 migrated\n")
    after = stored()
    assert [text for text in after if after[text] != before[text]] == ["1:1:-:-:43"]


# -- beside a bot that runs ------------------------------------------------------------------------


def test_messages_that_wait_still_wait_after_it(write, seed, fsmkit, stored):
    async def speak(engine):
        await engine.send(key(1), said("name"))

    seed(write(OLD), speak, delivers=True)
    fsmkit("migrate", STORE, write(NEW))
    [(row, waiting)] = stored().values()
    assert (decode_row(row).snapshots["form"].frames[0].version, waiting) == (2, 1)


# -- what cannot be --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["gone.py"], "gone.py: no such file"),
        (["bot.py:nope"], "bot.py has no flow 'nope': it has 'form'"),
    ],
)
def test_a_file_that_cannot_be_loaded(old, refusal, arguments, said):
    assert refusal("migrate", "--dry-run", STORE, *arguments) == said


def test_flows_that_do_not_fit_together(old, write, refusal):
    file = write("a = Flow('same')\na.state('x')\nb = Flow('same')\nb.state('x')\n")
    assert "two flows have this name" in refusal("migrate", STORE, file)
