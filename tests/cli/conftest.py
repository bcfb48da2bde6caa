"""A file of flows, the command in this process, and chats as transcripts."""

import re
import sys
import textwrap

import pytest
from click.testing import CliRunner

from fsmkit.cli import main

HEAD = """
from fsmkit import *
from fsmkit.telegram import *
"""


@pytest.fixture(autouse=True)
def same_modules_after(monkeypatch):
    """Loading a file changes where modules are looked for; no test sees another one's."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = dict(sys.modules)
    yield
    for name in set(sys.modules) - set(before):
        if "pytest-of-" in (getattr(sys.modules[name], "__file__", None) or ""):
            del sys.modules[name]


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes a file into the working directory; says its name."""
    monkeypatch.chdir(tmp_path)

    def write(code, name="bot.py", head=HEAD):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(head.strip() + "\n" + textwrap.dedent(code))
        return name

    return write


@pytest.fixture
def handle(write):
    """Writes a file with one handler, for any command by default, in line 5."""

    def handle(body, on="command()", after=""):
        code = f'flow = Flow("f")\nflow.state("on")\n@flow.defstate(None, "on", on={on})\n'
        return write(f"{code}async def handle(event, ctx):\n{textwrap.indent(body, '    ')}\n{after}")

    return handle


@pytest.fixture
def fsmkit():
    """Runs the command in this process."""

    def run(*arguments, typed=None):
        return CliRunner().invoke(main, list(arguments), input=typed, catch_exceptions=False)

    return run


@pytest.fixture
def chat(fsmkit):
    """Chats with a file; gives the lines after the hint, with dates as <time>."""

    def chat(file, *lines, options=()):
        result = fsmkit("chat", *options, file, typed="".join(f"{line}\n" for line in lines))
        assert (result.exit_code, result.stderr) == (0, "")
        shown = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "<time>", result.stdout)
        hint, *transcript = shown.splitlines()
        assert hint.startswith("Talking to ")
        return transcript

    return chat


@pytest.fixture
def refusal(fsmkit):
    """Runs the command with bad input; gives the one line that it says."""

    def refusal(*arguments):
        result = fsmkit(*arguments)
        [line] = result.stderr.splitlines()
        assert (result.exit_code, result.stdout) == (2, "")
        assert line.startswith("fsmkit: ")
        return line.removeprefix("fsmkit: ")

    return refusal
