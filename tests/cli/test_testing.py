"""`fsmkit check` and `fsmkit test`: what they print, and their exit status."""

import json
import re

import pytest
from click.testing import CliRunner

from fsmkit.cli.commands import main
from fsmkit.cli.errors import CommandError
from fsmkit.cli.test import read_fail_under, read_severity
from fsmkit.testing import Chat, record
from fsmkit.testing.loading import load

SOUND = """
flow = Flow("sound", ttl=60)
flow.state("name", prompt="Name?", otherwise="A text, please.")
@flow.defstate(None, on=command("start"))
def start(event, ctx):
    return ("transition", "name")
@flow.defstate("name")
def got_name(event, ctx):
    ctx.reply("Thanks.")
    return ("end",)
"""
RAISING = SOUND.replace('ctx.reply("Thanks.")', "ctx.reply('! ' + event.text[5])")
SILENT = SOUND.replace(', otherwise="A text, please."', "")
STUCK = SOUND.replace('("end",)', '("transition", "limbo")')


@pytest.fixture
def run(write):
    """Runs a command on a file of some code; the result."""

    def run(code, *arguments):
        name = write(code)
        return CliRunner().invoke(main, [arguments[0], name, *arguments[1:]], catch_exceptions=False)

    return run


def test_a_sound_file_has_exit_status_0(run):
    done = run(SOUND, "check")
    assert (done.exit_code, done.output) == (0, "sound: no findings, 0 notes\n")


def test_findings_are_lines_with_place_code_and_sentence_and_exit_status_1(run):
    done = run(STUCK, "check")
    assert done.exit_code == 1
    assert done.output.startswith("bot.py:")
    assert 'unknown-state: got_name names "limbo"' in done.output
    assert done.output.endswith("sound: 2 findings, 0 notes\n")


def test_notes_are_no_failures(run):
    done = run(SILENT, "check")
    assert done.exit_code == 0
    assert "note: no-otherwise" in done.output


@pytest.mark.parametrize("command", ["check", "test"])
def test_what_cannot_be_loaded_has_exit_status_2(run, command):
    done = run("flow = Flow(", command)
    assert done.exit_code == 2
    assert "bot.py" in done.output


def test_a_file_on_which_nothing_is_found(run):
    done = run(SOUND, "test", "--seed", "1")
    assert done.exit_code == 0
    assert "coverage: 1/1 states, 2/2 edges" in done.output
    assert "nothing found in" in done.output
    assert "seed 1" in done.output


def test_what_is_found_is_a_chat_and_a_test_with_exit_status_1(run):
    done = run(RAISING, "test", "--seed", "1")
    assert done.exit_code == 1
    assert "raised: IndexError" in done.output
    assert "> Ann" in done.output
    assert "chat.say('Ann')" in done.output


def test_the_json_has_findings_coverage_and_seed(run, tmp_path):
    out = tmp_path / "out.json"
    assert run(RAISING, "test", "--seed", "7", "--json", str(out)).exit_code == 1
    shown = json.loads(out.read_text())
    assert (shown["ok"], shown["seed"], shown["flows"]) == (False, 7, ["sound"])
    [finding] = shown["findings"]
    assert (finding["code"], finding["where"]) == ("raised", "bot.py:11")
    assert [step["line"] for step in finding["conversation"]] == ["/start", "Ann"]
    assert shown["coverage"]["states"] == {"met": 1, "of": 1}


def test_the_json_may_go_to_standard_output(run):
    done = run(SOUND, "test", "--seed", "1", "--json", "-")
    assert json.loads(done.output)["ok"] is True


def test_a_report_is_replayed_without_searching_anew(run, tmp_path):
    out = tmp_path / "out.json"
    run(RAISING, "test", "--seed", "7", "--json", str(out))
    again = run(RAISING, "test", "--replay", str(out))
    assert (again.exit_code, "raised: IndexError" in again.output) == (1, True)
    mended = run(SOUND, "test", "--replay", str(out))
    assert (mended.exit_code, "nothing found in 0 steps" in mended.output) == (0, True)


@pytest.mark.parametrize(
    "content", ["no json", "{}", '{"findings": [{"conversation": [{"act": {"do": "fly"}}]}]}']
)
def test_a_replay_of_what_is_no_report_has_exit_status_2(run, tmp_path, content):
    report = tmp_path / "report.json"
    report.write_text(content)
    assert run(SOUND, "test", "--replay", str(report)).exit_code == 2
    assert run(SOUND, "test", "--replay", str(tmp_path / "none.json")).exit_code == 2


def test_too_little_coverage_has_exit_status_1(run):
    unreached = SOUND + '@flow.defstate("name", on=text("."), when=lambda event: event.text == chr(9731))\n'
    unreached += 'def snowman(event, ctx):\n    ctx.reply("?")\n'
    done = run(unreached, "test", "--seed", "1", "--fail-under", "edges=100")
    assert done.exit_code == 1
    assert "not enough was covered: edges: 66.7 %, 100 % are wanted" in done.output
    assert 'not taken: "name": snowman stay' in done.output
    assert run(unreached, "test", "--seed", "1", "--fail-under", "edges=60").exit_code == 0


@pytest.mark.parametrize("text", ["edges", "edges=x", "egdes=1", "=1"])
def test_coverage_that_is_wanted_is_read_strictly(text):
    with pytest.raises(CommandError, match="edges=100,pairs=80"):
        read_fail_under(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("raisd=note", "no finding has this code. Did you mean raised"),
        ("raised=loud", "the severities are failure, note, off"),
        ("raised", "write it like unanswered=note"),
    ],
)
def test_a_severity_that_says_nothing_is_refused(text, said):
    with pytest.raises(CommandError, match=re.escape(said)):
        read_severity([text])


def test_the_stored_row_stands_below_the_last_line(run, tmp_path):
    out = tmp_path / "out.json"
    done = run(RAISING, "test", "--seed", "1", "--json", str(out))
    row = '{"flow":"sound","state":"name","data":{},"deadline":"2027-01-15 08:01:00 UTC"}'
    assert f"      ! bot.py:11: IndexError: string index out of range\n  stored: {row}\n" in done.output
    assert json.loads(out.read_text())["findings"][0]["stored"] == [json.loads(row)]


def test_a_recording_is_had_again_with_the_file(run, tmp_path, write):
    recording = tmp_path / "talks.jsonl"
    with Chat(*load(write(SOUND)).flows) as chat:
        record(chat.driver.engine, recording)
        chat.command("start").say("Ann")
    same = run(SOUND, "test", "--recorded", str(recording))
    assert (same.exit_code, same.output) == (0, "2 recorded events of 1 people: nothing found\n")
    other = run(RAISING.replace("[5]", "[50000]"), "test", "--recorded", str(recording), "--json", "-")
    shown = json.loads(other.output)
    assert (other.exit_code, shown["ok"], shown["people"], shown["left out"]) == (1, False, 1, 0)
    assert [finding["code"] for finding in shown["findings"]] == ["raised"]
    told = run(RAISING.replace("[5]", "[50000]"), "test", "--recorded", str(recording))
    assert (
        "bot.py:11: raised: IndexError: string index out of range, where got_name in state 'name' did end"
        in (told.output)
    )


def test_what_is_no_recording_has_exit_status_2(run, tmp_path):
    recording = tmp_path / "talks.jsonl"
    recording.write_text("{}")
    assert run(SOUND, "test", "--recorded", str(recording)).exit_code == 2
    assert run(SOUND, "test", "--recorded", str(tmp_path / "none.jsonl")).exit_code == 2


def test_a_failure_is_played_in_the_terminal_and_goes_on_from_there(run, tmp_path, chat):
    out = tmp_path / "out.json"
    run(RAISING, "test", "--seed", "1", "--json", str(out))
    lines = chat("bot.py", "Ann-Sophie", options=("--replay", str(out)))
    assert lines[:5] == [
        "(raised: IndexError: string index out of range)",
        "> /start",
        "Name?",
        "> Ann",
        "! bot.py:11: IndexError: string index out of range",
    ]
    assert lines[-2:] == ["> Ann-Sophie", "! o"]


def test_a_replay_in_the_terminal_names_what_there_is(run, tmp_path, refusal):
    out = tmp_path / "out.json"
    run(SOUND, "test", "--seed", "1", "--json", str(out))
    assert refusal("chat", "bot.py", "--replay", f"{out}").endswith(
        "has no conversation, because nothing was found"
    )
    run(RAISING, "test", "--seed", "1", "--json", str(out))
    assert refusal("chat", "bot.py", "--replay", f"{out}:2").endswith(
        "the conversations 1 to 1, but no number 2"
    )


def test_mutants_that_nothing_notices_are_said_and_may_be_too_many(run, tmp_path):
    out = tmp_path / "out.json"
    done = run(SOUND, "test", "--seed", "1", "--mutate", "--json", str(out))
    assert done.exit_code == 0
    assert "mutants: 4 of 5 noticed (80.0 %)" in done.output
    assert "  unnoticed: bot.py:5: state 'name' has no otherwise= (after /start, (photo))" in done.output
    assert json.loads(out.read_text())["mutants"]["percent"] == 80.0
    wanted = run(SOUND, "test", "--seed", "1", "--mutate", "--fail-under", "mutants=90")
    assert wanted.exit_code == 1
    assert "not enough was covered: mutants: 80.0 %, 90 % are wanted" in wanted.output


def test_a_score_cannot_be_wanted_without_mutants(run):
    done = run(SOUND, "test", "--fail-under", "mutants=90")
    assert (done.exit_code, "needs --mutate" in done.output) == (2, True)


def test_a_replay_makes_no_mutants(run):
    done = run(SOUND, "test", "--replay", "report.json", "--mutate")
    assert (done.exit_code, "leave --mutate out" in done.output) == (2, True)


def test_without_mutate_there_are_no_mutants(run):
    done = run(SOUND, "test", "--seed", "1", "--json", "-")
    assert json.loads(done.output)["mutants"] is None
