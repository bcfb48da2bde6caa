"""The pytest plugin, in runs of pytest of its own."""

import json
import textwrap

import fresh_process
import pytest

SHORT = """
from fsmkit.testing.report import PROFILES, Profile

PROFILES["dev"] = Profile(steps=200, examples=5, length=8, seconds=20.0, overlaps=2)
"""


@pytest.fixture
def run(tmp_path):
    """Runs pytest with the plugin and nothing else of this project; its exit status and output."""

    def run(*arguments, cache=False, **files):
        for name, code in files.items():
            (tmp_path / f"{name}.py").write_text(textwrap.dedent(code))
        done = fresh_process.run(
            "pytest",
            *["-q", "-p", "fsmkit.testing.pytest_plugin"],
            *([] if cache else ["-p", "no:cacheprovider"]),
            *arguments,
            cwd=tmp_path,
            env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        )
        return done.returncode, done.stdout + done.stderr

    return run


def test_the_fixture_makes_chats_and_closes_them(run):
    status, output = run(
        "-W",
        "error",
        test_bot="""
        import remembering_bot

        def test_start(fsmkit_chat):
            chat = fsmkit_chat(remembering_bot.garden)
            chat.command("start").expect("Which plant?")
        """,
    )
    assert (status, "1 passed" in output) == (0, True), output


def test_flows_are_tested_without_test_code(run):
    status, output = run("--fsmkit", "remembering_bot:garden", "--fsmkit-seed", "12", conftest=SHORT)
    assert status == 1, output
    assert "raised: ValueError: no such plant" in output
    assert "> Triffid" in output


def test_a_file_that_there_is_not_fails_with_the_reason(run):
    status, output = run("--fsmkit", "nowhere.py")
    assert status == 1
    assert "nowhere.py: no such file" in output


def test_without_the_option_nothing_is_added(run):
    status, output = run(test_none="def test_nothing():\n    pass\n")
    assert (status, "1 passed" in output) == (0, True), output


SEARCHES = """
import os
import remembering_bot
from fsmkit.testing import Profile, flow_tests

few = Profile(steps=0, examples=1, length=1, seconds=20.0)
options = dict(profile=few if {few} else "dev", severity=dict(unreached="off"))

class TestGarden(flow_tests(remembering_bot.garden, phases=["tours"], **options)):
    pass
"""


def test_what_failed_is_tried_first_next_time(run):
    assert run(cache=True, conftest=SHORT, test_garden=SEARCHES.format(few=False))[0] == 1
    status, output = run(cache=True, test_garden=SEARCHES.format(few=True))
    assert status == 1
    assert "raised: ValueError: no such plant" in output
    assert run(test_garden=SEARCHES.format(few=True))[0] == 0  # it was not found anew


BOT = """
from fsmkit import Flow
from fsmkit.telegram import command

flow = Flow("f", ttl=60)

@flow.defstate(None, on=command("start"))
def start(event, ctx):
    ctx.reply("{text}"[0])
"""


def test_what_no_longer_fails_is_forgotten(run, tmp_path):
    def kept():
        return [file.read_text() for file in (tmp_path / ".pytest_cache/v/fsmkit/failures").iterdir()]

    status, output = run("--fsmkit", "bot.py", cache=True, conftest=SHORT, bot=BOT.format(text=""))
    assert status == 1
    assert "3 failed, 1 passed" in output  # nothing is wrong with the declaration
    assert {text for text in kept() if text != "[]"} == {
        json.dumps([[{"do": "say", "text": "/start"}]], indent=2)
    }
    assert run("--fsmkit", "bot.py", cache=True, bot=BOT.format(text="Hello"))[0] == 0
    assert {json.dumps(json.loads(text)) for text in kept()} == {"[]"}
