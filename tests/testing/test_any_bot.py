"""`fsmkit test` on bots of python-telegram-bot that know nothing of it.

The bots in `tests/any_bots` are right; a fault is a change to one of them. Single conversations show what is
found and what is not; the searches, which have to come upon it by themselves, are `thorough`.
"""

from pathlib import Path

import attrs
import pytest

from fsmkit.testing.any_bot.program import Program
from fsmkit.testing.any_bot.search import Talks
from fsmkit.testing.any_bot.tree import Tree
from fsmkit.testing.harness.actions import Deadline, EditLast, Press, Restart, Say

BOTS = Path(__file__).parent.parent / "any_bots"


@attrs.frozen
class Fault:
    """A change to a right bot, what it breaks, and a conversation that shows it.

    Attributes:
        bot: The bot.
        old: What is written there.
        new: What is written in its place.
        code: The code of the finding.
        said: A part of its message.
        actions: The conversation; none where the declarations show it.
    """

    bot: str
    old: str
    new: str
    code: str
    said: str
    actions: tuple


ALL = (
    Fault(
        "survey",
        "    if not text.isascii() or not text.isdigit() or not 0 < int(text[:9]) < 130:\n",
        "    if int(text) > 130:\n",
        "raised",
        "ValueError: invalid literal for int()",
        (Say("/start"), Say("Boy"), Say("Ann")),
    ),
    Fault(
        "shop",
        "    await query.answer()\n    if not",
        "    if not",
        "press-unanswered",
        "checkout handles the press of [Checkout] and never answers it",
        (Say("/shop"), Press("Checkout")),
    ),
    Fault(
        "booking",
        "return Step.PEOPLE\n        booked",
        'return "people"\n        booked',
        "unknown-state",
        "Restaurant.sure returns 'people'",
        (Say("/book"), Press("16.01."), Say("1"), Press("No")),
    ),
    Fault(
        "family",
        ', CallbackQueryHandler(done, pattern="^done$")',
        "",
        "dead-button",
        "no handler takes the press of [Leave] (data 'done'), which start has just shown",
        (Say("/start"), Press("Leave")),
    ),
    Fault(
        "quiz",
        '    await update.effective_message.reply_text("Too slow!")\n',
        '    await update.callback_query.message.reply_text("Too slow!")\n',
        "raised",
        "'NoneType' object has no attribute 'message'",
        (Say("/play"), Deadline()),
    ),
    Fault(
        "notes",
        'CommandHandler(["add", "delete"], first)',
        'CommandHandler("add", first)',
        "taken-by-another",
        "delete has asked, and title of another conversation takes Ann",
        (Say("/add"), Say("/delete"), Say("Ann")),
    ),
    Fault(
        "diary",
        'context.user_data.setdefault("draft", {})',
        "DRAFTS.setdefault(update.effective_user.id, {})",
        "raised",
        "KeyError: 'draft'",
        (Say("/start"), Say("Fine"), Restart(), Say("Sun")),
    ),
    Fault(
        "support",
        "if len(context.args) < 2 or not (context.args[0].isascii() and context.args[0].isdigit()):",
        "if not context.args[0].isdigit():",
        "raised",
        "IndexError: list index out of range",
        (Say("/reply", user=424242),),
    ),
)
"""One for each bot: these are what the searches have to find."""

MORE = (
    Fault(
        "family",
        "END: MENU, STOPPING: END",
        "END: MENU",
        "unknown-state",
        "stop_nested returns '\\x04'",
        (Say("/start"), Press("Add"), Say("/stop")),
    ),
    Fault(
        "survey",
        'await update.effective_message.reply_text(f"Thank you!',
        'await update.message.reply_text(f"Thank you!',
        "raised",
        "'NoneType' object has no attribute 'reply_text'",
        (Say("/start"), Say("Boy"), Say("5"), Say("/skip"), EditLast("Ann")),
    ),
    Fault(
        "diary",
        '    await update.effective_message.reply_text("Tomorrow, then.")\n',
        "",
        "silent",
        "cancel takes /cancel, goes to END, and says nothing",
        (Say("/start"), Say("/cancel")),
    ),
    Fault(
        "shop",
        ".defaults(Defaults(parse_mode=ParseMode.HTML))",
        "",
        "bare-tags",
        "shop sends '<b>Welcome!</b>' without parse_mode",
        (Say("/shop"),),
    ),
    Fault(
        "support",
        "{html.escape(user.full_name)} ({user.id}): {text}",
        "<{user.full_name}> ({user.id}): {text}",
        "refused",
        "Telegram refuses what the bot sends: Can't parse entities",
        (Say("/start"), Press("Bill"), Say("Ann")),
    ),
)


@pytest.fixture
def talks(tmp_path):
    """Conversations with a bot of `tests/any_bots`, with a change to it."""

    def talks(bot, old="", new="", **options):
        code = (BOTS / f"{bot}.py").read_text(encoding="utf-8")
        assert old in code
        root = tmp_path / bot
        root.mkdir()
        (root / f"{bot}.py").write_text(code.replace(old, new) if old else code, encoding="utf-8")
        return Talks(Program(root / f"{bot}.py", root), Tree(root, tmp_path / f"{bot} at first"), **options)

    return talks


@pytest.fixture(autouse=True)
def tokens(monkeypatch):
    """What the bots ask the environment for."""
    monkeypatch.setenv("TELEGRAM_TOKEN", "12345:OF-SOMEBODY")


def problems(talks, actions):
    """Has a conversation; says what is wrong in it."""
    todo = list(actions)
    talk = talks.have(lambda _talk: todo.pop(0) if todo else None)
    assert not todo
    return [problem for problem, _ in talk.problems]


@pytest.mark.parametrize("fault", [*ALL, *MORE], ids=lambda fault: f"{fault.bot}-{fault.code}")
def test_a_fault_shows_in_a_conversation_and_the_right_bot_has_none(talks, fault):
    assert problems(talks(fault.bot), fault.actions) == []


@pytest.mark.parametrize("fault", [*ALL, *MORE], ids=lambda fault: f"{fault.bot}-{fault.code}")
def test_a_fault_points_at_the_line(talks, fault):
    found = problems(talks(fault.bot, fault.old, fault.new), fault.actions)
    assert [problem.code for problem in found] == [fault.code]
    assert fault.said in found[0].message
    assert found[0].where.startswith(f"{fault.bot}.py:")
