"""PTB's five examples written with fsmkit, against the same ones as ConversationHandlers: what people see.

The same acts go to both; requests to the Bot API are compared, with all their parameters but callback data.
Where the original is silent to somebody in a conversation, ours must say something.
"""

import importlib.util
from pathlib import Path

import ptb_originals
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from fsmkit import Flow, RowTooLarge
from fsmkit.botapi import OfflineTelegram
from fsmkit.cli.commands import main
from fsmkit.graph import graph_of
from fsmkit.telegram import attach
from fsmkit.testing import ManualClock

EXAMPLES = Path(__file__).parent.parent / "examples" / "ptb"
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.py"))

TEXTS = {
    "conversationbot": ["Boy", "Other", "Something about me.", ":photo", ":location", "/skip", "/cancel"],
    "conversationbot2": ["Age", "Favourite colour", "Something else...", "17", "Skill", "Done", ":photo"],
    "persistentconversationbot": ["Age", "Something else...", "17", "Skill", "Done", "/show_data", ":photo"],
    "inlinekeyboard2": ["hello", "/start"],
    "nestedconversationbot": ["Ann", "44", "/stop", ":photo"],
}


def load(name):
    spec = importlib.util.spec_from_file_location(f"ptb_example_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def flows_of(module):
    return [value for value in vars(module).values() if isinstance(value, Flow)]


class Bot:
    """A bot in memory, and somebody who talks to it."""

    def __init__(self):
        self.offline = OfflineTelegram(clock=ManualClock(start=1_700_000_000))
        self.offline.add_user(1)
        self.app = self.offline.builder().job_queue(None).build()
        self.app.add_error_handler(self._note)
        self.errors = []
        self.done = 0

    async def _note(self, _update, context):
        self.errors.append(context.error)

    async def act(self, act):
        """Does something, and gives the requests that followed from it."""
        pressed = None
        if act.startswith(":press "):
            query = self.offline.press(act.removeprefix(":press "))["callback_query"]
            pressed = query["message"]["message_id"]
        elif act == ":photo":
            self.offline.send("photo")
        elif act == ":location":
            self.offline.send("location")
        else:
            self.offline.say(act)
        await self.offline.feed(self.app)
        calls, self.done = self.offline.calls[self.done :], len(self.offline.calls)
        return [seen(call, pressed) for call in calls if call.method != "getMe"]

    def buttons(self):
        """Texts of the buttons under the bot's newest message."""
        newest = [message for message in self.offline.messages(1) if message["from"]["is_bot"]][-1]
        rows = newest.get("reply_markup", {}).get("inline_keyboard", ())
        return [button["text"] for row in rows for button in row]


def seen(call, pressed):
    """A request without what is not seen: data of buttons, names of presses, the number of what was pressed."""
    params = {name: value for name, value in call.params.items() if name != "callback_query_id"}
    if pressed and params.get("message_id") == pressed:
        params["message_id"] = "the pressed one"
    markup = params.get("reply_markup") or {}
    if "inline_keyboard" in markup:
        rows = [[button["text"] for button in row] for row in markup["inline_keyboard"]]
        params["reply_markup"] = rows
    return call.method, params


class Both:
    """Ours and the original, with the same acts.

    Attributes:
        log: What ours said to each act.
    """

    def __init__(self, name):
        self.ours, self.original = Bot(), Bot()
        self.flows = flows_of(load(name))
        self.conversation = None
        for handler in getattr(ptb_originals, name)():
            self.original.app.add_handler(handler)
            self.conversation = self.conversation or handler

    async def __aenter__(self):
        self.engine = attach(self.ours.app, *self.flows, clock=ManualClock(start=1_700_000_000))
        await self.ours.app.initialize()
        await self.original.app.initialize()
        await self.engine.start()
        return self

    async def __aexit__(self, *_):
        await self.engine.stop()
        await self.ours.app.shutdown()
        await self.original.app.shutdown()
        assert self.ours.errors == []

    async def act(self, act):
        """Does it in both; they must say the same, or ours something where the original is silent."""
        running = bool(self.conversation._conversations)
        expected, said = await self.original.act(act), await self.ours.act(act)
        assert self.original.errors == []
        # Our old screen loses its buttons where a new one is sent; theirs keeps buttons that do nothing.
        said = [call for call in said if call[0] != "editMessageReplyMarkup"]
        if expected:
            assert said == expected, act
        elif running and not act.startswith("/"):
            assert [method for method, _ in said] == ["sendMessage"], act
        return said


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
async def test_whatever_a_person_does_they_see_what_the_original_shows(name, data):
    async with Both(name) as both:
        await both.act("/start")
        for _ in range(data.draw(st.integers(1, 25))):
            acts = [*TEXTS[name], *(f":press {text}" for text in both.original.buttons())]
            running = both.conversation._conversations
            await both.act(data.draw(st.sampled_from(acts)) if running else "/start")


async def talk(name, *acts):
    """Does some things in both; gives the last one's requests of ours."""
    async with Both(name) as both:
        for act in acts:
            said = await both.act(act)
    return said


async def ours(name, *acts):
    """Does some things in ours alone; gives the last one's requests."""
    async with Both(name) as both:
        for act in acts:
            said = await both.ours.act(act)
    return said


def texts(said):
    return [params["text"] for _, params in said]


# -- paths that a random walk may miss ---------------------------------------------------------------


async def test_professor_bot_is_told_everything():
    acts = ("/start", "Girl", ":photo", ":location", "I am.")
    assert texts(await talk("conversationbot", *acts)) == ["Thank you! I hope we can talk again some day."]


async def test_doctor_botter_is_told_a_fact_of_ones_own():
    acts = ("/start", "Something else...", "Most impressive skill", "None", "Done")
    assert texts(await talk("conversationbot2", *acts)) == [
        "I learned these facts about you: \nMost impressive skill - None\nUntil next time!"
    ]


async def test_doctor_botter_remembers_after_done():
    acts = ("/start", "Age", "17", "Done", "/start", "Age")
    assert texts(await talk("persistentconversationbot", *acts)) == [
        "Your age? I already know the following about that: 17"
    ]


FAMILY = [
    *("/start", ":press Add yourself", ":press Add info", ":press Name", "Ann", ":press Done"),
    *(":press Add family member", ":press Add parent", ":press Add Mother", ":press Age", "70"),
    *(":press Name", "Eve", ":press Done", ":press Add child", ":press Add Brother", ":press Done"),
    ":press Show data",
]


async def test_family_bot_is_told_of_a_family():
    [_, edit] = await talk("nestedconversationbot", *FAMILY)
    assert edit[1]["text"] == (
        "Yourself:\nName: Ann, Age: -\n\nParents:\nMother: Name: Eve, Age: 70\n\n"
        "Children:\nBrother: Name: -, Age: -"
    )


# -- where the originals leave people stuck ----------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "acts", "reply"),
    [
        ("conversationbot", ("/start", "Boy?"), "Are you a boy or a girl?"),
        (
            "conversationbot",
            ("/start", "/skip"),
            "Just this one, please. Send /cancel to stop talking to me.",
        ),
        ("conversationbot", ("/start", "Boy", "me"), "Please send me a photo of yourself, or send /skip."),
        ("conversationbot2", ("/start", "Height"), "What about?"),
        ("persistentconversationbot", ("/start", "Age", ":photo"), "In words, please."),
        ("inlinekeyboard2", ("/start", "1"), "Please press one of the buttons."),
    ],
)
async def test_what_was_not_asked_for_is_answered(name, acts, reply):
    assert texts(await ours(name, *acts)) == [reply]


@pytest.mark.parametrize(
    ("name", "acts"), [("conversationbot", ["Height"]), ("conversationbot2", ["Height"])]
)
async def test_the_keyboard_that_telegram_has_hidden_is_shown_again(name, acts):
    [first] = await ours(name, "/start")
    [again] = await ours(name, "/start", *acts)
    assert again[1]["reply_markup"] == first[1]["reply_markup"]


@pytest.mark.parametrize(
    ("name", "acts"),
    [
        ("conversationbot", ["Boy", "/skip"]),
        ("conversationbot2", ["Age", "17", "Something else..."]),
        ("persistentconversationbot", ["Something else...", "Skill"]),
        ("nestedconversationbot", [":press Add family member", ":press Add parent", ":press Add Father"]),
    ],
)
async def test_start_works_in_the_middle(name, acts):
    first, again = await ours(name, "/start"), await ours(name, "/start", *acts, "/start")
    sent = [texts([call for call in calls if call[0] == "sendMessage"]) for calls in (first, again)]
    assert sent[0] == sent[1]


async def test_buttons_of_an_earlier_menu_are_taken_away_or_say_so():
    async with Both("inlinekeyboard2") as both:
        bot = both.ours
        await bot.act("/start")
        [old] = bot.offline.messages(1)[-1]["reply_markup"]["inline_keyboard"]
        said = await bot.act("/start")
        assert [method for method, _ in said] == ["sendMessage", "editMessageReplyMarkup"]
        bot.offline.press_data(old[0]["callback_data"])
        await bot.offline.feed(bot.app)
        assert bot.offline.calls[-1].params["text"] == "This button is no longer in use."


async def test_stop_works_at_every_depth_and_what_was_told_is_kept():
    depth = FAMILY[:10]
    assert texts(await talk("nestedconversationbot", *depth, "/stop")) == ["Okay, bye."]
    [_, edit] = await talk("nestedconversationbot", *depth, "/stop", "/start", ":press Show data")
    assert "Name: Ann" in edit[1]["text"]


async def test_facts_too_long_for_one_message_are_told_in_several():
    long = "a" * 4096
    said = await ours("conversationbot2", "/start", "Age", long)
    assert "".join(texts(said)).count("a" * 4096) == 1
    assert texts(said)[-1].endswith("or change your opinion on something.")
    assert "reply_markup" in said[-1][1]


async def test_a_family_whose_names_fill_more_than_one_message_is_shown_all_the_same():
    acts = ("/start", ":press Add yourself", ":press Add info", ":press Name", "a" * 4096, ":press Done")
    async with Both("nestedconversationbot") as both:
        for act in (*acts, ":press Show data"):
            await both.ours.act(act)
        assert "a" * 4096 in "".join(both.ours.offline.texts(1))
        assert both.ours.buttons() == ["Back"]
        await both.ours.act(":press Back")
        assert both.ours.buttons() == ["Add family member", "Add yourself", "Show data", "Done"]


@pytest.mark.parametrize("name", ["conversationbot2", "persistentconversationbot"])
async def test_facts_too_many_to_be_kept_are_refused_in_words(name):
    async with Both(name) as both:
        await both.ours.act("/start")
        for number in range(17):
            for act in ("Something else...", f"fact {number}", "a" * 4000):
                said = await both.ours.act(act)
        assert texts(said) == [
            "Sorry, that is more than I can keep in mind. Is there a shorter way to say it?"
        ]
        assert len(texts(await both.ours.act("short"))) > 1
        assert [type(error) for error in both.ours.errors] == [RowTooLarge]
        both.ours.errors.clear()


# -- as files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_an_example_can_be_read_as_a_graph_without_a_problem(name):
    for flow in flows_of(load(name)):
        graph = graph_of(flow)
        assert graph.problems == ()
        if any(None in handler.selectors for handler in flow.handlers):
            assert set(graph.states) <= graph.reachable


@pytest.mark.parametrize("name", NAMES)
def test_an_example_has_no_finding(name):
    result = CliRunner().invoke(main, ["check", str(EXAMPLES / f"{name}.py")], catch_exceptions=False)
    assert (result.exit_code, "no findings" in result.stdout) == (0, True)


@pytest.mark.parametrize("name", NAMES)
def test_an_example_can_be_drawn_and_talked_to_in_the_terminal(name):
    file = str(EXAMPLES / f"{name}.py")
    drawn = CliRunner().invoke(main, ["graph", file])
    assert (drawn.exit_code, drawn.stdout.splitlines()[0]) == (0, "flowchart TB")
    talked = CliRunner().invoke(main, ["chat", file], input="/start\nhello\n", catch_exceptions=False)
    assert (talked.exit_code, talked.stderr) == (0, "")
    assert "(no answer)" not in talked.stdout


@pytest.mark.parametrize("name", NAMES)
def test_an_example_says_in_a_line_where_the_original_leaves_people_stuck(name):
    assert "\nNever stuck: " in (load(name).__doc__ or "")
