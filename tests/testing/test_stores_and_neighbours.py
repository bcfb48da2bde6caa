"""What real stores and neighbours show: parity with memory, flows that share a key, the order of replies."""

import asyncio

import attrs
import pytest
from click.testing import CliRunner
from msgspec import structs

from fsmkit import DefinitionError, Flow
from fsmkit.cli.commands import main
from fsmkit.stores.memory import MemoryStore
from fsmkit.stores.sqlite import SQLiteStore
from fsmkit.telegram import command
from fsmkit.testing import Profile, check
from fsmkit.testing.explore.conversation import Conversation
from fsmkit.testing.harness.actions import Killed, Refused, Say
from fsmkit.testing.harness.engine_driver import BOT, EngineDriver
from fsmkit.testing.replay.store_parity import differences

QUICK = Profile(steps=1500, examples=10, length=10, seconds=20.0)


def named(name, word):
    """A flow that asks for a name, begun by a command."""
    flow = Flow(name, ttl=60, data=dict)
    flow.state("name", prompt=f"{word}: name?", otherwise="?")
    flow.state("age", prompt=f"{word}: age?", otherwise="?")

    @flow.defstate(None, on=command(word), to="name")
    def start(event, ctx):
        return ("transition", "name", {})

    @flow.defstate("name", to="age")
    def got_name(event, ctx):
        ctx.reply(f"Hello, {event.text}.")
        return ("transition", "age", {"name": event.text})

    @flow.defstate("age")
    def got_age(event, ctx):
        ctx.reply("Thanks.")
        return ("end",)

    return flow


# -- stores ----------------------------------------------------------------------------------------


def test_a_store_that_does_as_memory_does_shows_nothing(tmp_path):
    url = f"sqlite:{tmp_path / 'test.db'}"
    report = check(named("f", "one"), phases=[], profile=QUICK, seed=1, stores=[url, "sqlite:"])
    assert report.ok
    assert report.steps["stores"] > 0


def test_what_was_written_into_a_store_is_removed_again(tmp_path):
    path = tmp_path / "test.db"
    check(named("f", "one"), phases=[], profile=QUICK, seed=1, stores=[f"sqlite:{path}"])

    async def rows():
        store = SQLiteStore(str(path))
        found = [stored async for stored in store.scan(bot=BOT)]
        await store.close()
        return found

    assert path.exists()
    assert asyncio.run(rows()) == []


class Shouting(MemoryStore):
    """A store in which texts come back in capitals."""

    def write(self, key, version, change):
        if change.row is not None:
            change = structs.replace(change, row=change.row.replace(b"Ann", b"ANN"))
        return super().write(key, version, change)


class Deaf(MemoryStore):
    """A store that cannot be written."""

    def write(self, key, version, change):
        raise OSError("disk full")


def problems_in(store, *actions):
    """What comes out differently in a store."""
    flow = named("f", "one")

    async def found():
        stored = EngineDriver((flow,), store=store)
        return [
            (problem, [observation.action.line() for observation in observations])
            async for problem, observations in differences([actions], EngineDriver((flow,)), stored, "Odd")
        ]

    return asyncio.run(found())


def test_data_that_come_back_differently_are_a_problem():
    [(problem, actions)] = problems_in(Shouting(), Say("/one"), Say("Ann"))
    assert problem.code == "store"
    assert actions == ["/one", "Ann"]
    assert "leads to 'age' with {'name': 'ANN'}, in memory to 'age' with {'name': 'Ann'}" in problem.message


def test_a_store_that_raises_is_a_problem():
    [(problem, actions)] = problems_in(Deaf(), Say("/one"))
    assert actions == ["/one"]
    assert problem.message.endswith("comes out differently in Odd: it raises OSError: disk full")


def test_a_store_that_there_is_not_is_refused():
    with pytest.raises(DefinitionError, match="no store has the URL"):
        check(named("f", "one"), phases=[], stores=["floppy:a"])


FILE = """
from fsmkit import Flow
from fsmkit.telegram import command
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


def test_the_command_takes_stores(tmp_path):
    (tmp_path / "bot.py").write_text(FILE)
    base = ["test", str(tmp_path / "bot.py"), "--seed", "1", "--also-in"]
    assert CliRunner().invoke(main, [*base, "sqlite:"]).exit_code == 0
    assert CliRunner().invoke(main, [*base, "floppy:a"]).exit_code == 2
    missing = CliRunner().invoke(main, [*base, f"sqlite:{tmp_path / 'none' / 'x.db'}"])
    assert missing.exit_code == 2
    assert "is its directory there" in missing.output


# -- neighbours ------------------------------------------------------------------------------------


def reaching(other, how):
    """A flow that changes what another flow has stored."""
    flow = named("g", "two")

    @flow.defstate("name", on=command("reach"))
    def reach(event, ctx):
        how(ctx, other).update_data(name="Bob")
        ctx.reply("Done.")
        return ("stay",)

    return flow


def unseen(ctx, other):
    """`ctx.at`, hidden from who reads the code of the handler."""
    return getattr(ctx, "a" + "t")(other)


def test_two_flows_of_one_key_that_leave_each_other_alone_show_nothing():
    report = check(named("f", "one"), named("g", "two"), phases=["tours", "random"], profile=QUICK, seed=1)
    assert report.ok


def test_a_step_that_changes_what_another_flow_has_stored_is_a_finding():
    other = named("f", "one")
    report = check(other, reaching(other, unseen), phases=["tours"], profile=QUICK, seed=1)
    [finding] = report.failures
    assert finding.code == "foreign-data"
    assert "reach changed what flow 'f' has stored" in finding.message
    assert finding.actions[-1].line() == "/reach"


def test_a_flow_that_names_ctx_at_means_it():
    other = named("f", "one")
    flow = named("g", "two")

    @flow.defstate("name", on=command("reach"))
    def reach(event, ctx):
        ctx.at(other).update_data(name="Bob")
        ctx.reply("Done.")
        return ("stay",)

    assert check(other, flow, phases=["tours"], profile=QUICK, seed=1).ok


def test_an_exclusive_flow_may_end_the_others():
    flow = Flow("g", ttl=60, exclusive=True)
    flow.state("s", prompt="S?", otherwise="?")

    @flow.defstate(None, on=command("two"), to="s")
    def start(event, ctx):
        return ("transition", "s")

    @flow.defstate("s")
    def done(event, ctx):
        ctx.reply("Done.")
        return ("end",)

    assert check(named("f", "one"), flow, phases=["tours"], profile=QUICK, seed=1).ok


# -- order -----------------------------------------------------------------------------------------


class Jumbled(EngineDriver):
    """A bot whose messages come in the wrong order after a mishap."""

    async def do(self, action):
        observation = await super().do(action)
        if isinstance(action, Killed | Refused):
            return attrs.evolve(observation, shown=observation.shown[::-1])
        return observation


def codes(driver, action):
    """What is wrong with an action in state `name`."""

    async def found():
        talk = Conversation(driver)
        await talk.do(Say("/one"))
        return [problem.code for problem in await talk.do(action)]

    return asyncio.run(found())


MISHAPS = [Refused(Say("Ann"), 1, 3.0), Killed(Say("Ann"), "reply", 1), Killed(Say("Ann"), "reply", 2)]


@pytest.mark.parametrize("action", MISHAPS)
def test_replies_keep_their_order_when_telegram_makes_them_wait_and_when_the_bot_is_killed(action):
    assert codes(EngineDriver((named("f", "one"),)), action) == []
    assert codes(Jumbled((named("f", "one"),)), action) == ["order"]


def test_a_message_that_is_refused_for_good_leaves_the_others_in_order():
    assert codes(EngineDriver((named("f", "one"),)), Refused(Say("Ann"), 1, None)) == []
