"""The test that a report prints: it runs as it stands, fails with the mistake, and passes without it."""

import sys
import textwrap

import fresh_process
import pytest

from fsmkit.testing import ORACLES, Profile, check, never
from fsmkit.testing.loading import load

QUICK = Profile(steps=1500, examples=20, length=12, seconds=20.0, overlaps=10)

HEAD = """
import attrs
import datetime
import random
import sys
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

    def write(code, wrong, right, name="pasted_bot.py", code_of=None, **options):
        path = tmp_path / name
        code = textwrap.dedent(HEAD + code)
        path.write_text(code.replace("BUG", wrong))
        loaded = load(name)
        options = {key: value(loaded.module) if callable(value) else value for key, value in options.items()}
        report = check(*loaded.flows, **{"seed": 1, "profile": QUICK, "phases": ["tours"], **options})
        finding, *more = [each for each in report.failures if code_of in (None, each.code)]
        assert code_of is not None or not more, report
        (tmp_path / "test_pasted.py").write_text(report.test(finding))
        failed = pytest_of(tmp_path)
        path.write_text(code.replace("BUG", right))
        return finding, report.test(finding), failed, pytest_of(tmp_path)

    return write


def pytest_of(folder):
    """What pytest says of the pasted test, as in a new project; a file beside it hides no module of Python's."""
    plain = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = fresh_process.run(
        "pytest", "-q", "-p", "no:cacheprovider", "test_pasted.py", cwd=folder, env=plain
    )
    return done.stdout + done.stderr


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


def test_a_later_version_stands_in_the_pasted_test(written, tmp_path):
    later = HEAD + FLOW.replace('"a"', '"c"').replace("BUG", "...").replace('prompt="A?"', 'BUG, prompt="C?"')
    good, bad = (tmp_path / f"{name}_bot.py" for name in ("good", "bad"))
    good.write_text(textwrap.dedent(later.replace("BUG", 'renamed_from="a"')))
    bad.write_text(textwrap.dedent(later.replace("BUG, ", "")))
    finding, pasted, failed, _ = written(
        FLOW.replace("BUG", "..."),
        "",
        "",
        phases=["deploys"],
        deploys=[load("good_bot.py").flows, load("bad_bot.py").flows],
    )
    assert finding.code == "orphaned"
    assert "deploys=[(flow_2,), (flow_3,)]" in pasted
    assert "from good_bot import flow as flow_2\n" in pasted
    assert "Deploy(user=1, version=1)," in pasted
    assert "1 failed" in failed, failed
    assert "the flow has no such state" in failed
    bad.write_text(good.read_text())
    assert "1 passed" in pytest_of(tmp_path)


def test_a_store_in_which_it_comes_out_differently_stands_in_the_pasted_test(written, monkeypatch):
    monkeypatch.setattr(sys, "greeted", 0, raising=False)
    finding, pasted, failed, passed = written(
        FLOW,
        'sys.greeted = getattr(sys, "greeted", 0) + 1; ctx.reply(f"No. {sys.greeted}")',
        "...",
        phases=[],
        stores=["sqlite:"],
    )
    assert (finding.code, finding.phase) == ("store", "stores")
    assert "check(flow, stores=['sqlite:'], phases=[])" in pasted
    fails_then_passes(failed, passed, "comes out differently in SQLiteStore")


def test_what_does_not_come_again_is_searched_for_as_it_was(written, monkeypatch):
    monkeypatch.setattr(sys, "ran_before", False, raising=False)
    wrong = 'first = not getattr(sys, "ran_before", False); sys.ran_before = True; assert not first, "once"'
    finding, pasted, failed, passed = written(FLOW, wrong, "...")
    assert finding.code == "flaky"
    assert "check(flow, seed=1, phases=['tours'], replays=[conversation])" in pasted
    fails_then_passes(failed, passed, "it did not come again in a fresh bot")


def test_a_place_without_a_way_out_is_searched_for_again(written):
    code = FLOW.replace("BUG", "...").replace('return ("end",)', "BUG")
    finding, pasted, failed, passed = written(code, "return None", 'return ("end",)')
    assert finding.code == "stuck"
    assert "check(flow, phases=['tours'], replays=[conversation])" in pasted
    fails_then_passes(failed, passed, "no input leads to an end")


ANOTHER_STATE = """
flow.state("b", prompt="B?", otherwise="B.")

@flow.defstate("b")
def got_b(event, ctx):
    ctx.reply(str(int(event.text)))
    return ("end",)
"""


def test_another_mistake_elsewhere_in_the_flow_does_not_keep_it_from_passing(written):
    code = FLOW.replace("BUG", 'BUG\n    if event.text == "b":\n        return ("transition", "b", {})')
    finding, _, failed, passed = written(
        code + ANOTHER_STATE, 'assert event.text == "b"', "...", code_of="raised"
    )
    assert [action.line() for action in finding.actions] == ["/start", "Ann"]
    fails_then_passes(failed, passed, "AssertionError")


def test_another_mistake_in_the_same_conversation_does_not_keep_it_from_passing(written):
    finding, pasted, failed, passed = written(
        FLOW + "\ndef shouts(observations):\n"
        "    if 'OH' in observations[-1].shown:\n        yield Problem('shouting', 'OH')\n"
        "\ndef thanks(observations):\n"
        "    if 'Thank you.' in observations[-1].shown:\n        yield Problem('thanking', 'it thanks')\n",
        'ctx.reply("OH")',
        "...",
        oracles=lambda module: [module.shouts, module.thanks],
        code_of="shouting",
    )
    assert "assert 'shouting' not in" in pasted
    fails_then_passes(failed, passed, "it thanks")
    assert finding.message == "OH"


def test_of_two_properties_that_one_conversation_breaks_the_other_may_stay_broken(written):
    code = FLOW.replace('ctx.reply("Thank you.")', "") + ANOTHER_STATE.replace("int(event.text)", "1")
    finding, pasted, failed, passed = written(
        code + "\nthankless = never(lambda seen: 'Thank you.' in seen.shown)\n",
        'ctx.reply("Thank you.")\n    return ("transition", "b", {})',
        'ctx.reply("Thank you.")',
        properties=lambda module: [never("b"), module.thankless],
    )
    assert finding.message == "never('b') does not hold"
    assert "properties=[never('b'), thankless]" in pasted
    fails_then_passes(failed, passed, "never('b') does not hold")
