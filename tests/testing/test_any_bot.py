"""`fsmkit test` on bots of python-telegram-bot that know nothing of it.

The bots in `tests/any_bots` are right; a fault is a change to one of them. Single conversations show what is
found and what is not; the searches, which have to come upon it by themselves, are `thorough`.
"""

import asyncio
import contextlib
import datetime
import json
import os
import pickle
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from unittest import mock

import attrs
import pytest
from click.testing import CliRunner
from telegram.ext import ConversationHandler

from fsmkit.cli.commands import main
from fsmkit.cli.test_bot import is_plain_bot
from fsmkit.testing.any_bot.copying import TOKEN, WITHHELD, copy_directory, environment
from fsmkit.testing.any_bot.lint import no_exits, shadowed
from fsmkit.testing.any_bot.offers import GROUP, asked_for, hints_in, words_of
from fsmkit.testing.any_bot.program import Program
from fsmkit.testing.any_bot.report import BotReport
from fsmkit.testing.any_bot.search import BotSearch, Effort, Talks
from fsmkit.testing.any_bot.standing import KEPT
from fsmkit.testing.any_bot.stubs import StubFinder
from fsmkit.testing.any_bot.tree import Tree
from fsmkit.testing.any_bot.walls import WallError, Walls
from fsmkit.testing.harness.actions import Deadline, EditLast, Press, Restart, Say, action_to_json
from fsmkit.testing.harness.times import clocked_times
from fsmkit.testing.loading import LoadError

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
        "delete has asked, and ",
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
        "edited-message",
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


# -- what the declarations show ------------------------------------------------------------------------


def declared(talks):
    """Starts the bot; says what is wrong with its handlers."""
    found = []

    def choose(talk):
        driver = talk.driver
        found.extend([*shadowed(driver.slots, driver.app, talks.users), *no_exits(driver.slots)])
        return

    talks.have(choose)
    return found


@pytest.mark.parametrize("bot", [fault.bot for fault in ALL])
def test_the_declarations_of_a_right_bot_show_nothing(talks, bot):
    assert declared(talks(bot)) == []


SHADOWS = [
    (
        "survey",
        "BIO: [MessageHandler(filters.TEXT & ~filters.COMMAND, bio)]",
        "BIO: [MessageHandler(filters.TEXT, bio)]",
        "/cancel never reaches cancel in state BIO: bio takes it for a text",
    ),
    (
        "booking",
        'filters.Regex("^[1-9]$"), self.people),\n                    MessageHandler(filters.TEXT & ~filters.COMMAND, self.wrong)',
        'filters.TEXT & ~filters.COMMAND, self.wrong),\n                    MessageHandler(filters.Regex("^[1-9]$"), self.people)',
        "Restaurant.people never runs in state Step.PEOPLE: Restaurant.wrong, which is asked before it",
    ),
    (
        "notes",
        "[adding, deleting, CommandHandler",
        "[MessageHandler(filters.TEXT, cancel), adding, deleting, CommandHandler",
        "add never runs: cancel, which is asked before it, takes all its events, such as /add",
    ),
    (
        "shop",
        'CallbackQueryHandler(pay, pattern="^pay$")',
        'CallbackQueryHandler(pay, pattern="^(pay|back)$")',
        "back never runs in state PAYING: pay, which is asked before it",
    ),
]


@pytest.mark.parametrize(("bot", "old", "new", "said"), SHADOWS, ids=[each[0] for each in SHADOWS])
def test_who_is_never_asked_is_found(talks, bot, old, new, said):
    found = declared(talks(bot, old, new))
    assert "shadowed" in {problem.code for problem in found}
    assert any(problem.message.startswith(said) for problem in found)
    line = next(problem.where for problem in found if problem.message.startswith(said))
    file = BOTS.parent / "any_bots" / f"{bot}.py"
    code = file.read_text(encoding="utf-8").replace(old, new).splitlines()[int(line.rpartition(":")[2]) - 1]
    assert "Handler(" in code


def test_a_command_that_a_text_handler_looks_for_itself_is_in_nobodys_shadow(talks):
    """The handler takes the command on purpose: it names it."""
    old = "async def text(update, context):\n"
    new = f'{old}    if update.effective_message.text == "/cancel":\n        return await cancel(update, context)\n'
    code = (BOTS / "notes.py").read_text(encoding="utf-8")
    bot = talks(
        "notes", code, code.replace(old, new).replace("~filters.COMMAND, text)", "filters.ALL, text)")
    )
    assert [problem for problem in declared(bot) if "never reaches" in problem.message] == []


def test_a_handler_for_private_chats_hides_nobody_who_is_asked_in_groups(talks):
    bot = talks(
        "notes",
        "[adding, deleting, CommandHandler",
        "[MessageHandler(filters.TEXT & filters.ChatType.PRIVATE, cancel), adding, deleting, CommandHandler",
    )
    assert declared(bot) == []


def test_a_state_that_nothing_leads_out_of_is_found(talks):
    code = (BOTS / "diary.py").read_text(encoding="utf-8")
    stuck = code.replace('[CommandHandler("cancel", cancel)]', "[]").replace(
        "return ConversationHandler.END", "return WHY"
    )
    [problem] = declared(talks("diary", code, stuck))
    assert (problem.code, problem.where) == ("no-exit", "diary.py:28")
    assert problem.message.startswith("mood leads to state WHY, and nothing leads out of it")


# -- where a person stands -----------------------------------------------------------------------------


def test_the_name_under_which_ptb_keeps_states_is_still_the_same():
    """Fails with a release of PTB that renames it: then `standing` has to be brought up to date."""
    assert isinstance(getattr(ConversationHandler([], {}, []), KEPT), dict)


@pytest.mark.parametrize("kept", [KEPT, "gone"])
def test_where_a_person_stands_is_known_with_and_without_it(talks, monkeypatch, kept):
    monkeypatch.setattr("fsmkit.testing.any_bot.standing.KEPT", kept)
    seen = []
    todo = [Say("/start"), Press("Add"), Say("Ann"), Say("/stop"), None]

    def choose(talk):
        seen.append([state for _, state in talk.driver.stands(1)])
        return todo.pop(0)

    talks("family").have(choose)
    assert seen[1:] == [["\x00"], ["\x00", "\x02"], ["\x00", "\x03"], []]


def test_states_are_called_what_the_source_calls_them(talks):
    todo = [Say("/start"), Press("Add"), Say("Ann")]
    talk = talks("family").have(lambda _talk: todo.pop(0) if todo else None)
    assert [str(run) for each in talk.observations for run in each.runs] == [
        "start -> MENU",
        "add -> ASKING",
        "named -> SHOWING",
    ]
    assert [each.place[-1][1] for each in talk.observations] == ["MENU", "ASKING", "SHOWING"]


# -- the world -----------------------------------------------------------------------------------------


def test_a_restart_loses_what_stood_in_memory_and_keeps_what_is_persistent(talks):
    bot = talks("diary")
    assert problems(bot, [Say("/start"), Say("Fine"), Restart(), Say("Sun")]) == []
    # The next conversation begins in a directory as it was at first.
    talk = bot.have(lambda _talk: None)
    assert talk.driver.stands(1) == ()


def test_jobs_run_on_the_clock_of_the_test(talks):
    todo = [Say("/play"), Say("/give_up"), Say("/play"), Deadline()]
    talk = talks("quiz").have(lambda _talk: todo.pop(0) if todo else None)
    assert talk.observations[-1].shown == ("Too slow!",)
    assert talk.driver.clock.now() == pytest.approx(1_800_000_060, abs=1)


def test_a_bot_has_the_tests_time_and_the_same_chance_each_time(talks):
    def lines():
        todo = [Say("/book"), Press("16.01.")]
        talk = bot.have(lambda _talk: todo.pop(0) if todo else None)
        return [each.shown for each in talk.observations]

    bot = talks("booking")
    assert lines() == [("Which day?", "  [16.01.] [17.01.] [18.01.]"), ("(edited) For how many people?",)]
    assert lines() == lines()


def test_who_is_named_in_the_code_is_there(talks):
    bot = talks("support")
    todo = [Say("/start"), Press("Bill"), Say("Ann"), Press("Seen", user=424242)]
    talk = bot.have(lambda _talk: todo.pop(0) if todo else None)
    assert [problem for problem, _ in talk.problems] == []
    assert bot.users == [1, 424242]
    assert "We are looking at it." in talk.driver.offline.texts(1)


# -- loading -------------------------------------------------------------------------------------------

HEAD = """
from telegram.ext import Application, CommandHandler

async def hello(update, context):
    await update.effective_message.reply_text("Hello!")

def build():
    app = Application.builder().token("YOUR_TOKEN").build()
    app.add_handler(CommandHandler("start", hello))
    return app
"""

WAYS = {
    "an application at the top level that nobody runs": ("app = build()\n", None),
    "a function that makes one": ("", "build"),
    "a variable": ("application = build()\n", "application"),
    "a coroutine that starts one": (
        "async def main():\n    async with build() as app:\n        await app.start()\n"
        "        await app.updater.start_polling()\n",
        "main",
    ),
    "a server of its own": (
        "import asyncio\nasync def main():\n"
        '    app = Application.builder().token("1:x").updater(None).build()\n'
        '    app.add_handler(CommandHandler("start", hello))\n'
        "    async with app:\n        await app.start()\n        await asyncio.Event().wait()\n"
        "asyncio.run(main())\n",
        None,
    ),
    "a bot of its own": (
        "from telegram import Bot\n"
        'app = Application.builder().bot(Bot("5:y")).build()\n'
        'app.add_handler(CommandHandler("start", hello))\napp.run_polling()\n',
        None,
    ),
}


@pytest.fixture
def program(tmp_path):
    """A program of some code, and its conversations."""

    def program(code, entry=None, **files):
        root = tmp_path / "bot"
        root.mkdir()
        for name, text in {"bot.py": code, **files}.items():
            (root / name).write_text(text, encoding="utf-8")
        return Talks(Program(root / "bot.py", root, entry=entry), Tree(root, tmp_path / "spare"))

    return program


@pytest.mark.parametrize(("code", "entry"), WAYS.values(), ids=WAYS)
def test_an_application_is_found_wherever_it_is_made(program, code, entry):
    todo = [Say("/start")]
    talk = program(HEAD + code, entry).have(lambda _talk: todo.pop(0) if todo else None)
    assert talk.observations[0].shown == ("Hello!",)


def test_modules_beside_it_are_loaded_anew_for_each_conversation(program):
    bot = program(
        "import count\nfrom telegram.ext import *\n"
        "async def hello(update, context):\n    count.calls.append(1)\n"
        "    await update.effective_message.reply_text(str(len(count.calls)))\n"
        'app = ApplicationBuilder().token("x").build()\napp.add_handler(CommandHandler("start", hello))\n'
        "app.run_polling()\n",
        **{"count.py": "calls = []\n"},
    )
    for _ in range(2):
        todo = [Say("/start"), Say("/start")]
        talk = bot.have(lambda _talk, todo=todo: todo.pop(0) if todo else None)
        assert [each.shown for each in talk.observations] == [("1",), ("2",)]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("print('no bot')\n", "bot.py starts no Application of python-telegram-bot: name the file"),
        ("import fsmkit_of_nobody\n", "Install it into this environment, or give `--stub fsmkit_of_nobody`"),
        ("import os\nos.environ['NOBODY_HAS_IT']\n", "is not set. Give `--env NOBODY_HAS_IT=VALUE`"),
        ("1 / 0\n", "bot.py:1: ZeroDivisionError: division by zero (before the bot was started)"),
        ("def f(:\n", "bot.py:1: invalid syntax"),
    ],
)
def test_what_does_not_hand_a_bot_over_is_told_in_a_sentence(program, code, said):
    with pytest.raises(LoadError) as refused:
        program(code).have(lambda _talk: None)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


# -- what people do ------------------------------------------------------------------------------------

IN_GROUPS = """
from telegram.ext import *

async def ban(update, context):
    await update.effective_message.reply_text(context.args[0])

app = ApplicationBuilder().token("x").build()
app.add_handler(CommandHandler("ban", ban, filters.ChatType.GROUPS, block=False))
app.run_polling()
"""


def test_a_bot_that_is_made_for_groups_is_talked_to_in_one(program):
    bot = program(IN_GROUPS)
    search = BotSearch(bot, Effort(conversations=3, length=3, seconds=10.0, idle=3))
    search.run()
    assert [(each.problem.code, each.chat) for each in search.found] == [("raised", GROUP)]
    assert [each.action for each in search.found[0].observations] == [Say("/ban")]
    assert "  (in the group -100)\n  > /ban  | -  | ban: raised\n" in str(
        BotReport(search, "bot.py", "dev", [])
    )
    again = BotSearch(bot, search.effort)
    again.replay([(GROUP, [Say("/ban")]), (None, [Say("/ban")])])
    assert [each.chat for each in again.found] == [GROUP]


SELLING = """
from telegram import LabeledPrice
from telegram.ext import *

async def buy(update, context):
    await context.bot.send_invoice(
        update.effective_chat.id, "Tea", "A cup", "tea", "EUR", [LabeledPrice("Tea", 300)], provider_token="p"
    )
    await context.bot.send_poll(update.effective_chat.id, "Sugar?", ["Yes", "No"], is_anonymous=False)

async def check(update, context):
    await update.pre_checkout_query.answer(ok=True)

async def paid(update, context):
    await update.effective_message.reply_text(update.effective_message.successful_payment.invoice_payload)

async def voted(update, context):
    await context.bot.send_message(update.poll_answer.user.id, update.poll_answer.poll_id)

app = ApplicationBuilder().token("x").build()
app.add_handlers([CommandHandler("buy", buy), PreCheckoutQueryHandler(check)])
app.add_handlers([MessageHandler(filters.SUCCESSFUL_PAYMENT, paid), PollAnswerHandler(voted)])
app.run_polling()
"""


def test_what_was_sent_can_be_paid_and_voted_in_and_nothing_else(program):
    todo = [Say("/buy")]

    def choose(talk):
        offered = asked_for(talk.driver.offline, 1)
        seen.append(offered)
        todo.extend(offered if len(seen) == 2 else ())
        return todo.pop(0) if todo else None

    seen = []
    talk = program(SELLING).have(choose)
    assert [len(each) for each in seen[:2]] == [0, 2]
    assert talk.problems == []
    assert [each.shown[-1] for each in talk.observations[1:]] == ["tea", seen[1][1].fields["poll_id"]]


def test_what_a_callback_waits_for_is_read_from_it():
    def got_date(update, context):
        if update.effective_message.text in (*PASSWORDS, "yes"):
            return datetime.datetime.strptime(update.effective_message.text, "%d.%m.%Y")  # noqa: DTZ007  # as bots do
        return None

    assert words_of(got_date) == ["yes", "21.01.2027", "sesame"]
    assert hints_in(["Which day? For example 31.12.2030, at 10:30.", "Room 7"]) == ["31.12.2030", "10:30"]


PASSWORDS = ["sesame"]


# -- walls, and what is copied -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "args", "said"),
    [
        ("socket.getaddrinfo", ("api.example.com", 443, 0, 0, 0), "calls api.example.com: `--stub"),
        ("socket.connect", (None, ("93.184.216.34", 80)), "calls 93.184.216.34: `--stub"),
        ("socket.connect", (None, "/run/docker.sock"), "calls /run/docker.sock"),
        ("subprocess.Popen", ("ffmpeg", ["ffmpeg"], None, None), "starts the program ffmpeg"),
        ("os.system", (b"rm -r /",), "starts the program rm -r /"),
        ("open", ("/etc/fsmkit", "w", 0), "writes /etc/fsmkit, outside of its directory"),
        ("sqlite3.connect", ("/etc/fsmkit.db",), "writes /etc/fsmkit.db"),
        ("os.remove", ("/etc/fsmkit", -1), "writes /etc/fsmkit"),
        ("os.rename", ("here", "/etc/fsmkit", -1, -1), "writes /etc/fsmkit"),
        ("os.link", ("/etc/hostname", "here", -1, -1), "writes /etc/hostname"),
        ("shutil.rmtree", ("/etc/fsmkit", None), "writes /etc/fsmkit"),
    ],
)
def test_walls_refuse_what_leaves_the_copy(tmp_path, monkeypatch, event, args, said):
    monkeypatch.chdir(tmp_path)
    walls = Walls(tmp_path)
    with pytest.raises(WallError):
        walls.check(event, args)
    assert said in next(iter(walls.refused))
    assert walls.count == 1


def test_walls_know_which_open_directory_a_name_is_relative_to(tmp_path, monkeypatch):
    inside, outside = tmp_path / "bot", tmp_path / "theirs"
    inside.mkdir()
    outside.mkdir()
    monkeypatch.chdir(inside)
    walls = Walls(inside)
    monkeypatch.setattr(walls, "_own", (str(inside),))  # and not the directory of temporary files
    for path in (inside, outside):
        descriptor = os.open(path, os.O_RDONLY)
        with pytest.raises(WallError) if path is outside else contextlib.nullcontext():
            walls.check("os.remove", ("data.txt", descriptor))
        os.close(descriptor)
    assert [said for said in walls.refused if f"writes {outside}/data.txt" in said] != []


def test_a_bot_behind_walls_changes_nothing_of_others_and_starts_no_process(tmp_path):
    """In a process of its own: walls stay up."""
    theirs, mine = tmp_path / "theirs", tmp_path / "bot"
    mine.mkdir()
    (theirs / "deep").mkdir(parents=True)
    (theirs / "deep" / "data.txt").write_text("kept")
    program = f"""
import contextlib, multiprocessing, os, shutil, sys
from pathlib import Path
from fsmkit.testing.any_bot.walls import Walls
walls = Walls(Path({str(mine)!r}))
walls._own = walls._own[:1]
os.chdir({str(mine)!r})
walls.put_up()
with contextlib.suppress(PermissionError):
    shutil.rmtree({str(theirs)!r})
with contextlib.suppress(PermissionError):
    os.remove("data.txt", dir_fd=os.open({str(theirs / "deep")!r}, os.O_RDONLY))
import sqlite3
db = sqlite3.connect("mine.db")
for statement in ("ATTACH '{theirs}/attached.db' AS a", "VACUUM INTO '{theirs}/copy.db'"):
    with contextlib.suppress(sqlite3.DatabaseError):
        db.execute(statement)
db.execute("ATTACH 'also_mine.db' AS b")
for name in ("file:{theirs}/mode=ro.db?mode=rwc", "file:%2e%2e/theirs/x.db"):
    with contextlib.suppress(PermissionError):
        sqlite3.connect(name, uri=True).execute("CREATE TABLE t (x)")
with contextlib.suppress(PermissionError):
    os.kill(os.getpid(), 15)
with contextlib.suppress(PermissionError):
    multiprocessing.get_context("spawn").Process(target=print).start()
print(walls.count)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (theirs / "deep" / "data.txt").read_text() == "kept", done.stderr
    assert [path.name for path in theirs.iterdir()] == ["deep"]
    assert int(done.stdout) >= 8, done.stderr


@pytest.mark.parametrize(
    ("event", "args"),
    [
        ("socket.getaddrinfo", ("localhost", 80, 0, 0, 0)),
        ("socket.getaddrinfo", (None, 80, 0, 0, 0)),
        ("socket.connect", (None, ("127.0.0.1", 80))),
        ("socket.connect", (None, ("::1", 80, 0, 0))),
        ("open", ("/etc/hostname", "r", 0)),
        ("open", ("users.json", "w", 0)),
        ("open", (3, "w", 0)),
        ("sqlite3.connect", (":memory:",)),
        ("sqlite3.connect", ("users.db",)),
        ("os.remove", ("users.json", -1)),
        ("compile", (b"", "x")),
    ],
)
def test_walls_let_pass_what_stays_here(tmp_path, monkeypatch, event, args):
    monkeypatch.chdir(tmp_path)
    walls = Walls(tmp_path)
    walls.check(event, args)
    assert (walls.refused, walls.count) == ({}, 0)


def test_a_bot_that_is_refused_something_is_not_accused(talks):
    """What the walls refuse is no fault of the bot's."""
    bot = talks(
        "notes",
        'reply_text("All right.")',
        "reply_text(open('/etc/fsmkit-of-nobody', 'w'))",
    )
    walls = Walls(bot.program.root)
    bot.walls = walls
    with mock.patch("builtins.open", lambda *given: walls.check("open", (*given, 0))):
        assert problems(bot, [Say("/add"), Say("/cancel")]) == []
    assert walls.count == 1


def test_a_chat_that_only_the_real_telegram_knows_is_no_fault(talks):
    bot = talks("support", 'ADMIN_ID,\n        f"<b>', 'int("9" * 8),\n        f"<b>')
    todo = [Say("/start"), Press("Bill"), Say("Ann")]
    talk = bot.have(lambda _talk: todo.pop(0) if todo else None)
    assert [type(error).__name__ for error in talk.observations[-1].errors] == ["BadRequest"]
    assert talk.problems == []


def test_credentials_are_withheld_unless_they_are_named():
    given = {
        "BOT_TOKEN": "1:real",
        "OPENAI_API_KEY": "sk-1",
        "DATABASE_URL": "postgres://a:b@c/d",
        "LANG": "C",
        "MONGO": "mongodb://me:word@host/x",
        "PATH": "/bin",
    }
    given |= {"HTTPS_PROXY": "http://127.0.0.1:3128", "no_proxy": "localhost"}
    made = environment(
        given, ["OPENAI_API_KEY", "MODE=test"], ['os.getenv("ADMIN_ID") + os.environ["SHOP_TOKEN"]']
    )
    assert made == {
        "BOT_TOKEN": TOKEN,
        "OPENAI_API_KEY": "sk-1",
        "DATABASE_URL": WITHHELD,
        "LANG": "C",
        "MONGO": WITHHELD,
        "PATH": "/bin",
        "MODE": "test",
        "ADMIN_ID": "1001",
        "SHOP_TOKEN": TOKEN,
    }
    with pytest.raises(LoadError, match="--env NOBODY: it is not set here"):
        environment({}, ["NOBODY"], [])


def test_the_copy_leaves_out_what_the_bot_does_not_need(tmp_path, monkeypatch):
    here, there = tmp_path / "here", tmp_path / "there"
    for name in (
        "bot.py",
        "texts/de.json",
        ".git/config",
        "env/lib/x.py",
        "__pycache__/a.pyc",
        "node_modules/b",
    ):
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_text("x", encoding="utf-8")
    (here / "env" / "pyvenv.cfg").touch()
    (here / "empty" / "deep").mkdir(parents=True)
    (here / ".env").write_text('export BOT_TOKEN="1:real"\nLANGUAGE=de\nDB_PASSWORD=x\n', encoding="utf-8")
    (here / "prod.env").write_text(
        'MONGO=mongodb://u:p@host/db\nAPI_KEY="first\nsecond"\nMAX_TOKENS=500\nSTRIPE_SK=sk_live\nMODE=x\n'
    )
    monkeypatch.chdir(here)
    there.mkdir()
    assert copy_directory(here / "bot.py", there) == here
    copied = {str(path.relative_to(there)) for path in there.rglob("*") if path.is_file()}
    assert copied == {"bot.py", "texts/de.json", ".env", "prod.env"}
    assert (there / "empty" / "deep").is_dir()
    assert (there / "prod.env").read_text() == (
        f"MONGO={WITHHELD}\nAPI_KEY={WITHHELD}\nMAX_TOKENS=500\nSTRIPE_SK={WITHHELD}\nMODE=x\n"
    )
    assert (there / ".env").read_text() == f"export BOT_TOKEN={TOKEN}\nLANGUAGE=de\nDB_PASSWORD={WITHHELD}\n"


def test_the_copy_is_put_back(tmp_path):
    root = tmp_path / "bot"
    (root / "data").mkdir(parents=True)
    (root / "data" / "users.json").write_text("{}")
    (root / "kept").write_text("1")
    (temporary := tmp_path / "tmp").mkdir()
    tree = Tree(root, tmp_path / "spare", temporary)
    (root / "data" / "users.json").unlink()
    (root / "data").rmdir()
    (root / "made").mkdir()
    (root / "made" / "deep").symlink_to("nowhere")
    (temporary / "counter").write_text("1")
    (root / "kept").write_text("22")
    (root / "made.db").touch()
    tree.restore()
    assert {str(p.relative_to(root)): p.read_text() for p in root.rglob("*") if p.is_file()} == {
        "data/users.json": "{}",
        "kept": "1",
    }
    assert ([*temporary.iterdir()], (root / "made").exists()) == ([], False)


def test_stubs_take_whatever_they_are_given():
    finder = StubFinder(["fsmkit_of_nobody"])
    sys.meta_path.insert(0, finder)
    try:
        from fsmkit_of_nobody.parts import Client, ClientTimeout, NobodyError

        async def call():
            return await Client("key").chat.create(model="x")

        assert asyncio.run(call()) is not None
        assert issubclass(NobodyError, Exception)
        assert isinstance(ClientTimeout(total=5), ClientTimeout)
    finally:
        sys.meta_path.remove(finder)
        for name in ("fsmkit_of_nobody", "fsmkit_of_nobody.parts"):
            del sys.modules[name]


# -- the time ------------------------------------------------------------------------------------------


def test_what_stands_for_datetime_passes_for_it():
    made = datetime.datetime(2027, 1, 15, 8, tzinfo=datetime.UTC)
    with clocked_times(lambda: 1_800_000_000.0):
        ours = datetime.datetime.now(datetime.UTC)
        assert ours == made
        assert isinstance(made, datetime.datetime)
        assert not isinstance(3, datetime.datetime)
        assert type(ours + datetime.timedelta(days=1)) is datetime.datetime
        assert pickle.loads(pickle.dumps([made, ours])) == [made, ours]
        assert datetime.date.today() == ours.date() == made.date()  # noqa: DTZ011  # as bots do
        with contextlib.closing(sqlite3.connect(":memory:")) as database:
            assert database.execute("SELECT ?, ?", (ours, ours.date())).fetchone() == (
                "2027-01-15 08:00:00+00:00",
                "2027-01-15",
            )

        class Moment(datetime.datetime):
            pass

        assert not isinstance(made, Moment)
    assert type(made) is datetime.datetime


# -- the command ---------------------------------------------------------------------------------------


def command(*arguments, cwd, **options):
    """Runs `fsmkit test`; status, what it printed, its errors."""
    done = subprocess.run(
        [sys.executable, "-m", "fsmkit", "test", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        **options,
    )
    return done.returncode, done.stdout, done.stderr


CALLING = (
    HEAD + "import os, urllib.request\n"
    'assert os.environ["BOT_TOKEN"] != "1:real"\n'
    "async def call(update, context):\n"
    "    try:\n        urllib.request.urlopen('http://api.example.com/x')\n"
    "    except OSError:\n        await update.effective_message.reply_text('It is down.')\n"
    "async def broken(update, context):\n    {}[context.args[0]]\n"
    "app = build()\n"
    'app.add_handlers([CommandHandler("call", call), CommandHandler("broken", broken)])\n'
    "app.run_polling()\n"
)


def test_the_command_has_conversations_of_a_report_again_behind_walls(tmp_path):
    (tmp_path / "bot.py").write_text(CALLING, encoding="utf-8")
    steps = [{"act": action_to_json(Say(text))} for text in ("/call", "/broken")]
    (tmp_path / "out.json").write_text(json.dumps({"findings": [{"conversation": steps}]}))
    env = {**os.environ, "BOT_TOKEN": "1:real"}
    status, out, err = command("bot.py", "--replay", "out.json", cwd=tmp_path, env=env)
    assert (status, err) == (1, "")
    assert out.splitlines()[:5] == [
        "testing bot.py (profile dev)",
        "bot.py:19: raised: IndexError: list index out of range",
        "  > /call    | -  | call",
        "      It is down.",
        "  > /broken  | -  | broken: raised",
    ]
    assert "note: bot.py:15 calls api.example.com: `--stub MODULE` or `--allow-net api.example.com`\n" in out


LEAVING = (
    HEAD + "import asyncio, threading, time\n"
    "threading.Thread(target=threading.Event().wait).start()\n"
    "async def stop(update, context):\n"
    "    await update.effective_message.reply_text('Bye.')\n    context.application.stop_running()\n"
    "async def wait(update, context):\n"
    "    end = time.time() + 2\n    while time.time() < end:\n        time.sleep(0.1)\n"
    "    await update.effective_message.reply_text('Waited.')\n"
    "app = build()\n"
    'app.add_handlers([CommandHandler("stop", stop), CommandHandler("wait", wait)])\n'
    "app.run_polling()\n"
)


def test_a_bot_may_leave_threads_stop_itself_and_sleep_until_it_is_time(tmp_path):
    (tmp_path / "bot.py").write_text(LEAVING, encoding="utf-8")
    steps = [{"act": action_to_json(Say(text))} for text in ("/stop", "/wait", "/stop")]
    (tmp_path / "out.json").write_text(json.dumps({"findings": [{"conversation": steps}]}))
    status, out, err = command("bot.py", "--replay", "out.json", cwd=tmp_path)
    assert (status, err) == (0, ""), out


def test_a_press_that_a_task_of_the_bot_will_answer_is_no_finding(program):
    bot = program(
        HEAD + "import asyncio\n"
        "from telegram import InlineKeyboardButton, InlineKeyboardMarkup\n"
        "from telegram.ext import CallbackQueryHandler\n"
        "kept = set()\n"
        "async def menu(update, context):\n"
        "    rows = [[InlineKeyboardButton('Go', callback_data='go')]]\n"
        "    await update.effective_message.reply_text('?', reply_markup=InlineKeyboardMarkup(rows))\n"
        "async def go(update, context):\n"
        "    async def later():\n"
        "        await asyncio.sleep(1)\n        await update.callback_query.answer()\n"
        "    kept.add(asyncio.create_task(later()))\n"
        "app = build()\n"
        'app.add_handlers([CommandHandler("menu", menu), CallbackQueryHandler(go)])\n'
        "app.run_polling()\n"
    )
    assert problems(bot, [Say("/menu"), Press("Go")]) == []


@pytest.mark.thorough
def test_the_command_writes_what_it_has_found_as_json(tmp_path):
    (tmp_path / "bot.py").write_text(CALLING, encoding="utf-8")
    status, out, _ = command("bot.py", "--seed", "1", "--json", "out.json", cwd=tmp_path)
    assert status == 1
    assert (
        "bot.py:19: raised: IndexError: list index out of range\n  > /broken  | -  | broken: raised\n" in out
    )
    shown = json.loads((tmp_path / "out.json").read_text())
    assert (shown["ok"], shown["seed"], shown["handlers"]) == (False, 1, {"met": 3, "of": 3})
    again, out, _ = command("bot.py", "--replay", "out.json", "--json", "-", cwd=tmp_path)
    assert (again, len(json.loads(out)["findings"])) == (1, len(shown["findings"]))


def test_only_files_of_ptb_without_fsmkit_are_tested_as_they_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plain.py").write_text("import telegram.ext\n")
    (tmp_path / "flow.py").write_text("from fsmkit import Flow\nimport telegram\n")
    (tmp_path / "inner.py").write_text("from flow import signup\nimport telegram\n")
    (tmp_path / "outer.py").write_text("def main():\n    from plain import run\n")
    (tmp_path / "other.py").write_text("import json\n")
    names = ["plain", "flow", "inner", "outer", "other"]
    assert [name for name in names if is_plain_bot(f"{name}.py")] == ["plain", "outer"]
    assert is_plain_bot("plain")
    assert not is_plain_bot("nobody.py")


@pytest.mark.parametrize(
    ("code", "option", "said"),
    [
        ("import telegram\n", "--mutate", "--mutate is for flows: bot.py."),
        ("import telegram\n", "--deploy=later.py", "--deploy is for flows: bot.py."),
        ("import fsmkit\n", "--stub=openai", "--stub is for bots without flows: bot.py."),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(tmp_path, monkeypatch, code, option, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bot.py").write_text(code)
    done = CliRunner().invoke(main, ["test", "bot.py", option])
    assert (done.exit_code, said in done.output) == (2, True)


@pytest.mark.thorough
@pytest.mark.parametrize("fault", ALL, ids=lambda fault: fault.bot)
def test_a_search_finds_the_fault_of_each_bot_within_30_seconds(tmp_path, fault):
    code = (BOTS / f"{fault.bot}.py").read_text(encoding="utf-8").replace(fault.old, fault.new)
    (tmp_path / f"{fault.bot}.py").write_text(code, encoding="utf-8")
    status, out, _ = command(f"{fault.bot}.py", "--seed", "1", "--json", "-", cwd=tmp_path)
    shown = json.loads(out)
    assert status == 1
    assert any(each["code"] == fault.code and fault.said in each["message"] for each in shown["findings"])
    assert {each["code"] for each in shown["findings"]} == {fault.code}


@pytest.mark.thorough
@pytest.mark.parametrize("bot", [fault.bot for fault in ALL])
def test_a_search_finds_nothing_in_a_right_bot(tmp_path, bot):
    shutil.copy(BOTS / f"{bot}.py", tmp_path)
    status, out, err = command(f"{bot}.py", "--seed", "2", cwd=tmp_path)
    assert (status, err) == (0, ""), out


# -- the page ------------------------------------------------------------------------------------------


def test_the_page_shows_what_its_bot_comes_to(program, monkeypatch):
    page = (BOTS.parent.parent / "docs" / "how-to" / "test-any-bot.md").read_text(encoding="utf-8")
    [code] = re.findall(r"```py\n(.*?)```", page, re.DOTALL)
    said, moved = re.findall(r"```text\n(.*?)```", page, re.DOTALL)
    assert re.fullmatch(r"bot\.py: 0 differences in \d+ conversations \([0-9.]+ s, seed \d+\)\n", moved)
    bot = program(code)
    monkeypatch.chdir(bot.program.root)
    search = BotSearch(bot, Effort(0, 0, 0.0, 0))
    search.replay([(None, [Say("/order"), Press("small"), Say("Ann")])])
    search.static = declared(bot)
    shown = str(BotReport(search, "bot.py", "dev", []))
    assert f"testing bot.py (profile dev)\n{shown.rpartition(chr(10))[0]}\n" == said
    assert set(re.findall(r"(?m)^\| `([a-z-]+)` \|", page)) >= {fault.code for fault in (*ALL, *MORE)}
