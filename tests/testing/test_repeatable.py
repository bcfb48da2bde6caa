"""Chance, time and context variables of handlers: a conversation that is had again goes the same way."""

import contextvars
import os
import random
import secrets
import time
import uuid

import pytest

from fsmkit import Flow
from fsmkit.telegram import command, text
from fsmkit.testing import Profile, check
from fsmkit.testing.harness.actions import Killed, Say
from fsmkit.testing.harness.engine_driver import START, EngineDriver

QUICK = Profile(steps=60, examples=2, length=5, seconds=60.0)

SOURCES = {
    "random": random.random,
    "uuid1": lambda: str(uuid.uuid1()),
    "uuid4": lambda: str(uuid.uuid4()),
    "secrets": lambda: secrets.token_hex(4),
    "urandom": lambda: os.urandom(4).hex(),
}


def drawing(draw):
    """A flow that draws when it begins, and says what it has drawn."""
    flow = Flow("drawing", ttl=60, data=dict)
    flow.state("drawn", prompt="Again?", otherwise="A word.")

    @flow.defstate(None, on=command("start"))
    async def start(event, ctx):
        return ("transition", "drawn", {"drawn": draw(), "at": time.time()})

    @flow.defstate("drawn", on=text("[a-z]+"))
    async def word(event, ctx):
        ctx.reply(f"{ctx.data['drawn']} {draw()}")
        return ("end",)

    return flow


@pytest.mark.parametrize("source", SOURCES)
def test_what_is_drawn_is_the_same_in_each_run_and_after_a_restart(source):
    reports = [
        check(drawing(SOURCES[source]), phases=["tours", "random"], profile=QUICK, seed=3) for _ in range(2)
    ]
    assert [report.findings for report in reports] == [[], []]
    assert reports[0].steps == reports[1].steps


async def test_the_program_s_own_chance_goes_on_as_if_nothing_had_been_tested():
    driver = EngineDriver((drawing(random.random),))
    driver.reset()
    random.seed(5)
    expected = [random.random(), random.random()]
    random.seed(5)
    first = random.random()
    await driver.do(Say("/start"))
    assert [first, random.random()] == expected
    assert abs(time.time() - START) > 1000


async def test_time_is_the_test_s_and_an_update_that_comes_again_draws_the_same():
    driver, seen = EngineDriver((drawing(random.random),)), []
    for action in (Say("/start"), Killed(Say("/start"), "store", 1)):
        driver.reset()
        seen.append((await driver.do(action)).data)
    assert seen[0] == seen[1]
    assert seen[0]["at"] == START


def test_a_context_variable_is_gone_with_the_update_that_set_it():
    language = contextvars.ContextVar("language", default=None)
    flow = Flow("flow", ttl=60)
    flow.state("a", prompt="A?", otherwise="?")

    @flow.defstate(None, on=command("start"))
    async def start(event, ctx):
        language.set("de")
        return ("transition", "a")

    @flow.defstate("a", on=text("[a-z]+"))
    async def word(event, ctx):
        ctx.reply(f"{language.get()}")
        return ("end",)

    driver = EngineDriver((flow,))
    report = check(flow, phases=[], replays=[[Say("/start"), Say("word")]])
    assert report.ok
    driver.reset()
    assert language.get() is None
