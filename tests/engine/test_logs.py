"""Log lines say what happened to whom, and nothing of what was said."""

import logging

import pytest
from chat_events import said
from memory_engine import KEY

from fsmkit import Engine, Flow, Reply
from fsmkit.flow.messages import Address
from fsmkit.interpreter.naming import named
from fsmkit.interpreter.row import Bound, Delete, Edit
from fsmkit.stores.memory import MemoryStore
from fsmkit.testing import ManualClock

SECRET = "my diagnosis"


def flow_that(answers):
    flow = Flow("f", data=dict)
    flow.state("on", prompt=lambda ctx: f"So it is {ctx.data['it']}.", buttons=["Yes"])

    @flow.defstate(None, "on")
    def heard(event, ctx):
        answers(ctx, event)
        return ("transition", "on", {"it": event.text})

    return flow


def refuse(key, effect):
    raise ValueError("no")


def fail(ctx, event):
    raise RuntimeError("a bug")


@pytest.mark.parametrize("answers", [lambda ctx, event: ctx.reply(f"{event.text}!"), fail])
async def test_what_was_said_is_in_no_line_where_a_step_or_a_delivery_fails(caplog, answers):
    caplog.set_level(logging.DEBUG, "fsmkit")
    engine = Engine(flow_that(answers), store=MemoryStore(ManualClock(0)), deliver=refuse)
    try:
        await engine.send(KEY, said(SECRET))
    except RuntimeError as error:
        await engine.report(KEY, said(SECRET), error)
    told = "\n".join(record.getMessage() for record in caplog.records)
    assert SECRET not in told
    assert str(KEY) in told


def test_effects_are_named_by_their_kind():
    place, bound = Address(7), Bound("f", 1, 1)
    assert named(Edit(place, 5, bound)) == "Edit to 7 by 'f': no buttons any more"
    photo = Reply(SECRET, photo="AgAC")
    assert named(Edit(place, 5, Bound("", 0, 0), photo)) == "Edit to 7: 12 characters, photo"
    assert named(Delete(place, (1, 2))) == "Delete in 7: 2 messages"
    assert named({"secret": SECRET}) == "dict"
