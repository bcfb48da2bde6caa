"""`fsmkit test bot.py --moved`, what never ends, and two people at once: bots that know nothing of it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fsmkit.testing.any_bot import hanging
from fsmkit.testing.any_bot.hanging import HangGuard
from fsmkit.testing.any_bot.moved import Comparison, heard
from fsmkit.testing.any_bot.program import Program
from fsmkit.testing.any_bot.report import MovedReport
from fsmkit.testing.any_bot.search import BotSearch, Effort, Talks, Walker, one_by_one
from fsmkit.testing.any_bot.tree import Tree
from fsmkit.testing.harness.actions import Deadline, Press, Restart, Say

BOTS = Path(__file__).parent.parent / "any_bots"

HEAD = """
import asyncio
from telegram.ext import *
ASK, MORE = range(2)
held = {}
async def start(update, context):
    await update.effective_message.reply_text("Name?")
    return ASK
async def cancel(update, context):
    await update.effective_message.reply_text("Bye.")
    return ConversationHandler.END
WORDS = filters.TEXT & ~filters.COMMAND
"""

TAIL = """
app = Application.builder().token("T").build()
app.add_handler(ConversationHandler(
    [CommandHandler("start", start)], {ASK: [MessageHandler(WORDS, name)]}, [CommandHandler("cancel", cancel)],
    conversation_timeout=60))
app.run_polling()
"""

RIGHT = """
async def name(update, context):
    context.user_data["n"] = context.user_data.get("n", 0) + 1
    await update.effective_message.reply_text(f"{update.effective_message.text} {context.user_data['n']}")
    return ConversationHandler.END if context.user_data["n"] % 3 == 0 else ASK
"""

TO_NOWHERE = """
async def name(update, context):
    await update.effective_message.reply_text("And more?")
    return MORE
"""

IN_MEMORY = """
async def start(update, context):
    held[update.effective_user.id] = []
    await update.effective_message.reply_text("Name?")
    return ASK
async def name(update, context):
    held[update.effective_user.id].append(update.effective_message.text)
    await update.effective_message.reply_text("Next?")
    return ASK
"""

ENDLESS = """
async def name(update, context):
    number = int(update.effective_message.text) if update.effective_message.text.isdigit() else 1
    while number != 1:
        number = number if number % 2 else number // 2
    return ConversationHandler.END
"""

WAITING = """
async def name(update, context):
    await asyncio.Event().wait()
"""

SHARED = """
async def start(update, context):
    held["who"] = update.effective_user.id
    await update.effective_message.reply_text("Name?")
    return ASK
async def name(update, context):
    {update.effective_user.id: "ok"}[held["who"]]
    await update.effective_message.reply_text("Thanks.")
    return ConversationHandler.END
"""


@pytest.fixture
def talks(tmp_path):
    """Conversations with a bot of this code, or of `tests/any_bots`."""

    def talks(code, **options):
        root = tmp_path / "bot"
        root.mkdir()
        known = BOTS / f"{code}.py"
        text = known.read_text(encoding="utf-8") if code.isidentifier() else HEAD + code + TAIL
        (root / "bot.py").write_text(text, encoding="utf-8")
        return Talks(Program(root / "bot.py", root), Tree(root, tmp_path / "at first"), **options)

    return talks


def compare(talks, *conversations):
    """Has conversations with the bot and with its flows; what is told of it."""
    comparison = Comparison(BotSearch(talks, Effort(0, 0, 60.0, 0)))
    parted, had = [], []
    for actions in conversations:
        steps = list(map(heard, talks.have(one_by_one(actions)).observations))
        had.append((steps, None))
        found = comparison._first_parting(steps)
        if found is not None:
            parted.append((found[0], [each.action for each in steps[: found[1]]], None))
    comparison._shorten(parted, float("inf"))
    comparison._put_restarts(had, float("inf"))
    comparison.compared = len(conversations)
    return MovedReport(comparison, "bot.py", "dev", [])


TALK = [Say("/start"), Say("a"), Say("/start"), Deadline(), Say("b"), Say("/start"), Restart(), Say("c")]


@pytest.mark.parametrize(
    ("bot", "actions"),
    [
        (RIGHT, TALK),
        (
            "club",
            [*map(Say, ("/feedback", "/register", "Ann", "12345678")), Deadline(), Say("good"), Press("3")],
        ),
        (
            "settings",
            [
                Say("/start"),
                Say("Settings"),
                Say("Deutsch"),
                Say("hm"),
                Say("Quit"),
                Say("/menu"),
                Deadline(),
            ],
        ),
        ("family", [Say("/start"), Say("/cancel")]),
    ],
)
def test_a_right_bot_and_its_flows_do_the_same(talks, bot, actions):
    report = compare(talks(bot), actions)
    assert "bot.py: 0 differences in 1 conversations" in str(report)
    assert report.ok


def test_a_state_that_there_is_not_is_told_as_what_it_is(talks):
    report = compare(talks(TO_NOWHERE), [Say("/start"), Say("x"), Say("/start"), Say("Ann")])
    [found] = report.findings
    assert (found.problem.code, found.problem.where.rpartition("/")[2]) == ("unknown-state", "bot.py:14")
    assert [each.action for each in found.observations] == [Say("/start"), Say("Ann")]
    assert "name returns 1, which is no state" in str(report)


def test_what_only_memory_had_is_missed_after_a_restart_that_the_flow_survives(talks):
    report = compare(talks(IN_MEMORY), [Say("/start"), Say("x"), Say("y")])
    [found] = report.findings
    assert (found.problem.code, found.problem.where.rpartition("/")[2]) == ("lost", "bot.py:19")
    assert [each.action for each in found.observations] == [Say("/start"), Restart(), Say("Ann")]
    assert "0 differences in 1 conversations, 1 crash after a restart" in str(report)


def test_user_data_go_through_a_restart_with_the_flow(talks):
    assert compare(talks(RIGHT), [Say("/start"), Say("x"), Say("y")]).ok


@pytest.mark.parametrize(
    ("code", "actions", "said"),
    [
        (ENDLESS, ["/start", "3", "/start"], ("bot.py:20", "name has not come back for 0.5 s")),
        (WAITING, ["/start", "Ann"], ("bot.py:13", "name waits for what never comes")),
    ],
)
def test_what_never_ends_is_a_finding(talks, tmp_path, monkeypatch, code, actions, said):
    monkeypatch.setattr(hanging, "LATER", 0.5)
    guard = HangGuard(tmp_path / "bot")
    guard._seconds = 0.5
    talk = talks(code, guard=guard).have(one_by_one(map(Say, actions)))
    [problem] = [problem for problem, _ in talk.problems if problem.code == "hangs"]
    assert problem.where.rpartition(":")[0] == said[0].rpartition(":")[0]
    assert problem.message.startswith(said[1])
    assert talk.observations[-1].action.text == actions[-1]


def test_two_people_take_turns(talks):
    bot = talks(SHARED)
    walker = Walker(bot, Effort(8, 12, 30.0, 8))
    found = set()
    for _ in range(8):
        walker.begin((1, 2))
        talk = bot.have(walker.choose)
        found |= {problem.code for problem, _ in talk.problems}
    assert {each.action.user for each in talk.observations} == {1, 2}
    assert "raised" in found


@pytest.mark.thorough
@pytest.mark.parametrize("bot", ["club", "settings", "booking", "shop"])
def test_the_command_finds_no_difference(tmp_path, bot):
    (tmp_path / "bot.py").write_text((BOTS / f"{bot}.py").read_text(encoding="utf-8"), encoding="utf-8")
    env = {**os.environ, "TELEGRAM_TOKEN": "12345:OF-SOMEBODY"}
    command = [sys.executable, "-m", "fsmkit", "test", "bot.py", "--moved", "--seed", "1"]
    done = subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert "bot.py: 0 differences in " in done.stdout, done.stdout + done.stderr
