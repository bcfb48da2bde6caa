"""The timer of a press: a task only where somebody else has a turn before the press is answered."""

import asyncio
import itertools

import pytest

from fsmkit import Flow
from fsmkit.keys import KeyBy
from fsmkit.telegram import answers, button, command
from fsmkit.telegram.update_processor import _OTHER_LINES


@pytest.mark.parametrize(("waits", "begun"), [(False, 0), (True, 1)])
async def test_a_press_that_is_answered_without_waiting_needs_no_task(bench, monkeypatch, waits, begun):
    started = []
    begin = answers.begin_at_once
    monkeypatch.setattr(answers, "begin_at_once", lambda work: (started.append(work), begin(work))[1])
    flow = Flow("menu")
    flow.state("on", prompt="Press", buttons=["again"])
    flow.defstate(None, on=command("start"))(lambda event, ctx: ("transition", "on"))

    @flow.defstate("on", on=button("again"))
    async def again(event, ctx):
        if waits:
            await asyncio.sleep(0)
        ctx.answer("done")

    await bench.start(flow)
    await bench.say("/start")
    assert await bench.press("again") == ["done"]
    assert len(started) == begun


@pytest.mark.parametrize("rule", KeyBy)
def test_an_update_stands_in_the_line_of_each_chat_that_its_keys_name(rule):
    for chat, user, message in itertools.product((None, 5, -7), (None, 5, 8), (None, "inline")):
        key = rule.key(chat=chat, user=user, message=message)
        if key is not None and key.chat != (user if chat is None else chat):
            assert rule in _OTHER_LINES
