"""What stands on standard output: reports, and nothing that the bot's own code prints."""

import json
import os
import subprocess
import sys

import pytest

LOUD = """
import os, subprocess, sys
print("loaded")
os.write(1, b"past sys.stdout\\n")
flow = Flow("flow", ttl=60)
flow.state("a", prompt="A?", otherwise="?")
@flow.defstate(None, on=command("start"))
def start(event, ctx):
    sys.__stdout__.write("kept from earlier\\n")
    subprocess.run([sys.executable, "-c", "print('a child')"], check=True)
    return ("transition", "a", {})
@flow.defstate("a", on=text("[a-z]"))
def letter(event, ctx):
    print("handled")
    ctx.reply("Thanks.")
    return ("end",)
"""


@pytest.fixture
def fsmkit(tmp_path):
    """Runs the command in a process of its own."""

    def run(*args):
        here = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))
        return subprocess.run(
            [sys.executable, "-m", "fsmkit", *args],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": here},
        )

    return run


def test_a_json_report_has_nothing_that_the_bot_prints_in_whatever_way(write, fsmkit):
    write(LOUD.replace('    subprocess.run([sys.executable, "-c", "print(\'a child\')"], check=True)\n', ""))
    done = fsmkit("test", "bot.py", "--json", "-", "--seed", "1")
    assert json.loads(done.stdout)["ok"] is True
    for printed in ("loaded", "past sys.stdout", "kept from earlier", "handled"):
        assert printed in done.stderr


def test_what_a_child_of_the_bot_prints_is_apart_too(write, fsmkit):
    write(LOUD + '\nsubprocess.run([sys.executable, "-c", "print(6 * 7)"], check=True)\n')
    done = fsmkit("graph", "bot.py")
    assert done.stdout.startswith("flowchart TB\n")
    assert "42" not in done.stdout
    assert "42" in done.stderr
