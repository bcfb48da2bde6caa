"""What a person has typed does nothing to the terminal of who looks at it."""

import json

from typed_bots import ECHO

from fsmkit.cli.echo import printable

EVIL = "a\x1b[2J\x07\x9b31m\u202egnp.exe\x7f\r!"
SHOWN = "a\\u001b[2J\\u0007\\u009b31m\\u202egnp.exe\\u007f\\u000d!"

SAID = "a\x9b31m\u202egnp.exe\x7f!"
"""Telegram makes blanks of the others."""

REMEMBERS = """
flow = Flow("f")
flow.state("on")

@flow.defstate(None)
def begin(event, ctx):
    return ("transition", "on", {"said": event.text})
"""


def test_control_characters_are_written_out_and_lines_and_other_scripts_are_kept():
    assert printable(EVIL) == SHOWN
    assert printable("Änne 🙂\t日本\nक") == "Änne 🙂\t日本\nक"


def test_the_chat_shows_what_was_said(fsmkit, write):
    result = fsmkit("chat", write(ECHO), typed=f"{SAID}\n")
    assert result.stdout.split("\n")[-2] == "You said a\\u009b31m\\u202egnp.exe\\u007f!."


def test_what_is_stored_is_shown_and_its_json_is_the_same(fsmkit, write, tmp_path):
    store = f"sqlite:{tmp_path / 'bot.db'}"
    fsmkit("chat", write(REMEMBERS), "--store", store, typed=f"{SAID}\n")
    key = json.loads(fsmkit("inspect", store, "--json").stdout)["conversations"][0]["key"]
    shown = fsmkit("inspect", store, "show", key).stdout
    assert not {"\x9b", "\u202e", "\x7f"} & set(shown)
    assert json.loads(shown)["conversations"][0]["data"] == {"said": SAID}
