"""The test that a report prints: it runs as it stands, fails with the mistake, and passes without it."""

import subprocess
import sys
import textwrap

import pytest

from fsmkit.testing import ORACLES, Profile, check, never
from fsmkit.testing.loading import load

QUICK = Profile(steps=1500, examples=20, length=12, seconds=20.0, overlaps=10)

HEAD = """
import attrs
import datetime
import random
from fsmkit import ANY, Flow, KeyBy
from fsmkit.telegram import attach, button, command, text
from fsmkit.testing import ORACLES, Problem, after, always, never
"""

FLOW = """
flow = Flow("form", ttl=60, data=dict)
flow.state("a", prompt="A?", otherwise="A text, please.")

@flow.defstate(None, ANY, on=command("start"))
def start(event, ctx):
    return ("transition", "a", {})

@flow.defstate("a")
def got_a(event, ctx):
    BUG
    ctx.reply("Thank you.")
    return ("end",)
"""


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Writes a bot with and without its mistake; gives what runs the pasted test with either."""
    monkeypatch.chdir(tmp_path)

    def write(code, wrong, right, name="pasted_bot.py", **options):
        path = tmp_path / name
        code = textwrap.dedent(HEAD + code)
        path.write_text(code.replace("BUG", wrong))
        loaded = load(name)
        options = {key: value(loaded.module) if callable(value) else value for key, value in options.items()}
        report = check(*loaded.flows, **{"seed": 1, "profile": QUICK, "phases": ["tours"], **options})
        [finding] = report.failures
        (tmp_path / "test_pasted.py").write_text(report.test(finding))
        failed = pytest_of(tmp_path)
        path.write_text(code.replace("BUG", right))
        return finding, report.test(finding), failed, pytest_of(tmp_path)

    return write


def pytest_of(folder):
    """The end of what pytest says of the pasted test."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:randomly",
        "test_pasted.py",
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout


def fails_then_passes(failed, passed, why):
    assert "1 failed" in failed, failed
    assert why in failed, failed
    assert "1 passed" in passed, passed


def test_a_property_and_an_oracle_of_the_file_are_carried(written):
    code = (
        FLOW
        + """
promises = [after("a").until(lambda seen: True, within=9), never("a_later")]
flow.state("a_later", prompt="B?", otherwise="?")

@flow.defstate("a_later")
def got_later(event, ctx):
    ctx.reply("Thank you.")
    return ("end",)

def never_shouts(observations):
    for line in observations[-1].shown:
        if line == "OH":
            yield Problem("shouting", f"it said {line!r}")
"""
    )
    finding, pasted, failed, passed = written(
        code,
        'ctx.reply("OH")',
        'ctx.reply("Oh")',
        oracles=lambda module: (*ORACLES, module.never_shouts),
        properties=lambda module: [never("a_later")],
    )
    assert finding.code == "shouting"
    assert "properties=[never('a_later')], oracles=[*ORACLES, never_shouts]" in pasted
    fails_then_passes(failed, passed, "it said 'OH'")


def test_a_property_without_a_name_says_what_it_needs(written):
    _, pasted, failed, _ = written(FLOW, "ctx.reply('X')", "...", properties=[never_said("X")])
    assert "raise NotImplementedError" in pasted
    assert "give it a name at the top level of a module" in failed


def never_said(text):
    return never(lambda observation: text in observation.shown)


def test_a_broken_property_fails_in_the_pasted_test(written):
    finding, pasted, failed, passed = written(
        FLOW + '\nflow.state("b", prompt="B?", otherwise="B.")\n'
        '@flow.defstate("b")\ndef got_b(event, ctx):\n    ctx.reply("b")\n    return ("end",)\n'
        'promise = never("b")\n',
        'return ("transition", "b", {})',
        "...",
        properties=lambda module: [module.promise],
    )
    assert finding.code == "property"
    assert "properties=[promise]" in pasted
    fails_then_passes(failed, passed, "never('b') does not hold")


def test_several_attached_flows_of_an_application_run_together(written):
    code = (
        FLOW
        + """
from telegram.ext import Application

check = Flow("second", ttl=60)

@check.defstate(None, on=command("other"))
def other(event, ctx):
    ctx.reply("Other.")
    return ("end",)

app = Application.builder().token("42:TOKEN").build()
engine = attach(app, flow, check)
"""
    )
    finding, pasted, failed, passed = written(code, "int(event.text)", "...")
    assert finding.code == "raised"
    assert "chat = Chat(flow, check)" in pasted
    fails_then_passes(failed, passed, "ValueError")


def test_a_flow_that_is_called_as_what_the_test_uses_is_imported_under_another_name(written):
    code = FLOW.replace("flow", "Chat").replace(
        "from fsmkit import ANY, Chat", "from fsmkit import ANY, Flow"
    )
    _, pasted, failed, passed = written(code, "int(event.text)", "...")
    assert "from pasted_bot import Chat as Chat_2" in pasted
    fails_then_passes(failed, passed, "ValueError")


@pytest.mark.parametrize("name", ["my-bot.py", "random.py"])
def test_a_file_whose_name_is_no_module_of_its_own_is_loaded_by_its_path(written, name):
    _, pasted, failed, passed = written(FLOW, "int(event.text)", "...", name=name)
    assert f"flow = load({name!r}).module.flow" in pasted
    fails_then_passes(failed, passed, "ValueError")


def test_chance_is_drawn_as_it_was(written):
    finding, pasted, failed, passed = written(
        FLOW, 'assert random.Random(random.random()).random() < 0, "unlucky"', "..."
    )
    assert finding.code == "raised"
    assert "report = check(flow" in pasted
    fails_then_passes(failed, passed, "unlucky")


def test_an_event_whose_repr_is_no_code_is_written_as_json(written):
    code = (
        FLOW
        + """
@attrs.frozen
class Paid:
    on: datetime.date

    def __repr__(self):
        return f"<paid on {self.on}>"

@flow.defstate("a", on=Paid)
def paid(event, ctx):
    OTHER
    ctx.reply("Paid.")
"""
    )
    _, pasted, failed, passed = written(
        code.replace("BUG", "...").replace("OTHER", "BUG"), "raise KeyError(event.on.year)", "..."
    )
    assert "action_from_json(" in pasted
    fails_then_passes(failed, passed, "KeyError")


def test_a_group_and_its_people_are_those_of_the_run(written):
    code = FLOW.replace("data=dict", "data=dict, key=KeyBy.CHAT")
    _, pasted, failed, passed = written(code, "int(event.text)", "...")
    assert "Chat(flow, chat=-100)" in pasted
    fails_then_passes(failed, passed, "ValueError")


def test_resources_that_are_an_object_of_the_file_are_named(written):
    code = FLOW + "\nsettings = {'limit': 1}\n"
    _, pasted, failed, passed = written(
        code, "assert ctx.resources['limit'] > 1", "...", resources=lambda module: module.settings
    )
    assert "Chat(flow, resources=settings)" in pasted
    fails_then_passes(failed, passed, "AssertionError")
