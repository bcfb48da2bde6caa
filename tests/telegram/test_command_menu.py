"""The command menu: what Telegram lists is made of the flows, by scope and language."""

import logging

import pytest
from telegram import BotCommandScopeAllGroupChats, BotCommandScopeAllPrivateChats
from telegram.ext import filters

from fsmkit import ANY, DefinitionError, Flow, KeyBy
from fsmkit.telegram import command, text

PRIVATE, GROUP = BotCommandScopeAllPrivateChats(), BotCommandScopeAllGroupChats()


def listening(name, *matchers, **options):
    """A flow that is entered by each of some matchers."""
    flow = Flow(name, **options)
    flow.state("on")
    for matcher in matchers:
        flow.defstate(None, on=matcher)(lambda event, ctx: ("transition", "on"))
    return flow


async def menu(bench, scope, lang=None):
    return {entry.command: entry.description for entry in await bench.app.bot.get_my_commands(scope, lang)}


def sent(bench):
    return bench.offline.calls_of("setMyCommands")


async def test_commands_with_a_description_are_listed_in_the_order_of_the_flows(bench):
    flow = listening("a", command("start", "begin", description="Begin"), command("hidden"))
    flow.defstate(ANY, on=command("stop", description="Stop"))(lambda event, ctx: ("end",))
    other = listening("b", command("help", description="Help"))
    await bench.start(flow, other, command_menu=True)
    assert list((await menu(bench, PRIVATE)).items()) == [
        ("start", "Begin"),
        ("stop", "Stop"),
        ("help", "Help"),
    ]
    assert await menu(bench, GROUP) == await menu(bench, PRIVATE)


async def test_without_command_menu_nothing_is_sent(bench):
    await bench.start(listening("a", command("start", description="Begin")))
    assert sent(bench) == []


async def test_each_language_has_a_whole_list(bench):
    await bench.start(
        listening(
            "a",
            command("start", description={"en": "Begin", "de": "Beginnen"}),
            command("help", description="Help"),
            command("vote", description={"": "Vote", "fr": "Voter"}),
        ),
        command_menu=True,
    )
    assert await menu(bench, PRIVATE) == {"start": "Begin", "help": "Help", "vote": "Vote"}
    assert await menu(bench, PRIVATE, "de") == {"start": "Beginnen", "help": "Help", "vote": "Vote"}
    assert await menu(bench, PRIVATE, "fr") == {"start": "Begin", "help": "Help", "vote": "Voter"}
    assert await menu(bench, PRIVATE, "en") == {}  # as the default: Telegram falls back to that


async def test_commands_are_listed_where_they_can_be_typed(bench):
    here, groups, alone = Flow("here"), Flow("groups", key=KeyBy.CHAT), Flow("alone")
    for flow in (here, groups, alone):
        flow.state("on")

    def enters(flow, matcher, **options):
        flow.defstate(None, on=matcher, **options)(lambda event, ctx: ("transition", "on"))

    enters(here, command("both", description="Both"))
    enters(here, command("more", description="More", args=r"\d+"))
    enters(groups, command("poll", description="Poll"))
    enters(alone, command("me", description="Me") & filters.ChatType.PRIVATE)
    enters(alone, command("us", description="Us") & ~filters.ChatType.PRIVATE)
    enters(
        alone,
        command("mine", description="Mine") | text("mine"),
        when=lambda event: event.message.chat.type == "private",
    )
    await bench.start(here, groups, alone, command_menu=True)
    assert list(await menu(bench, PRIVATE)) == ["both", "more", "me", "mine"]
    assert list(await menu(bench, GROUP)) == ["both", "more", "poll", "us"]


async def test_a_scope_without_commands_loses_those_of_an_earlier_version(bench):
    await bench.app.initialize()
    await bench.app.bot.set_my_commands([("old", "Old")], GROUP)
    await bench.start(
        listening("a", command("me", description="Me") & filters.ChatType.PRIVATE), command_menu=True
    )
    assert (await menu(bench, GROUP), await menu(bench, PRIVATE)) == ({}, {"me": "Me"})


async def test_of_two_descriptions_the_first_counts(bench):
    await bench.start(
        listening("a", command("start", description="First")),
        listening("b", command("start", description="Second")),
        command_menu=True,
    )
    assert await menu(bench, PRIVATE) == {"start": "First"}


async def test_a_menu_that_telegram_refuses_stops_no_bot(bench, caplog):
    flow = Flow("a")
    flow.defstate(None, on=command("start", description="Begin"))(lambda event, ctx: ctx.reply("Hello"))
    bench.offline.fail("setMyCommands", status=400, times=1)
    with caplog.at_level(logging.WARNING, "fsmkit"):
        await bench.start(flow, command_menu=True)
    await bench.say("/start")
    assert bench.texts() == ["Hello"]
    assert [record.getMessage()[:48] for record in caplog.records] == [
        "the command menu of private chats was not set: B"
    ]
    assert (await menu(bench, PRIVATE), await menu(bench, GROUP)) == ({}, {"start": "Begin"})


@pytest.mark.parametrize(
    ("description", "problem"),
    [
        ("", "is 0 characters: Telegram takes 1 to 256"),
        ("   ", "is 0 characters"),
        ("x" * 257, "is 257 characters"),
        ({"de": "Beginnen", "en": "x" * 300}, "is 300 characters"),
        ({"de-AT": "Beginnen"}, "is for 'de-AT'"),
        ({}, "has no language"),
        (7, "is 7: Telegram takes"),
    ],
)
def test_a_description_that_telegram_refuses_is_refused_where_it_stands(description, problem):
    with pytest.raises(DefinitionError, match=rf"test_command_menu\.py:\d+: .*{problem}"):
        Flow("a").defstate(None, on=command("start", description=description))(lambda event, ctx: None)


def test_a_description_needs_a_name():
    with pytest.raises(DefinitionError, match="a description needs a name"):
        Flow("a").defstate(None, on=command(description="Anything"))(lambda event, ctx: None)


def test_the_longest_description_will_do():
    flow = listening("a", command("start", description="x" * 256))
    assert len(flow.handlers) == 1


async def test_a_menu_that_is_empty_or_too_long_is_refused(bench):
    with pytest.raises(DefinitionError, match="no command has a description"):
        bench.attach(listening("a", command("start")), command_menu=True)
    names = [f"c{number}" for number in range(101)]
    many = listening("b", *(command(name, description=name) for name in names))
    with pytest.raises(DefinitionError, match="101 commands have a description for private chats"):
        bench.attach(many, command_menu=True)


async def test_the_menu_is_set_by_the_polling_bot_once(bench):
    """`post_init` and a `KeyedProcessor` may both start the engine."""
    bench.attach(listening("a", command("start", description="Begin")), command_menu=True)
    await bench.app.initialize()
    await bench.app.post_init(bench.app)
    await bench.engine.start()
    assert len(sent(bench)) == 2  # one for each scope
