"""Lint on what happens after a step: events that are sent in a circle, and money that nobody takes."""

import attrs
import pytest

from fsmkit import ANY, Flow, Key, KeyBy, Timeout
from fsmkit.telegram import command, pre_checkout_query, successful_payment, text
from fsmkit.testing import lint


@attrs.frozen
class Ping:
    number: int = 0


@attrs.frozen
class Pong:
    number: int = 0


class Loud(Pong):
    pass


HERE = Key(1, 1)


def cycles(*flows):
    return [note.message for note in lint(*flows) if note.code == "send-cycle"]


def taking(event, function, name="a", **options):
    """A flow that begins at /start and has one handler for an event."""
    flow = Flow(name, ttl=60)
    flow.state("on", otherwise="?")
    flow.defstate(None, on=command("start"))(begin)
    flow.defstate("on", on=event, **options)(function)
    return flow


def begin(event, ctx):
    return ("transition", "on", {})


def ping(event, ctx):
    ctx.send(HERE, Ping())
    return ("stay",)


def pong(event, ctx):
    with ctx.measured():
        answer = Loud()
        ctx.send(key=HERE, event=answer)
    return ("transition", "on")


def itself(event, ctx):
    ctx.send(ctx.key, Ping(event.number + 1))


def test_two_flows_that_send_each_other_events_are_noted_with_the_circle():
    [said] = cycles(taking(Pong, ping), taking(Ping, pong, "b"))
    places = [f"test_lint_sends.py:{f.__code__.co_firstlineno}" for f in (ping, pong, ping)]
    assert [part in said for part in places] == [True] * 3
    assert said.index(places[0]) < said.index(places[1]) < said.rindex(places[2])


def test_a_handler_that_sends_its_own_event_is_a_circle_of_one():
    [said] = cycles(taking(Ping, itself))
    assert said.startswith("itself (")


def later(event, ctx):
    ctx.send(HERE, Ping(), after=60)


def conditional(event, ctx):
    if event.number:
        ctx.send(HERE, Ping(event.number - 1))


def after_a_way_out(event, ctx):
    if event.number > 3:
        return ("end",)
    ctx.send(HERE, Ping(event.number + 1))
    return ("stay",)


def ends(event, ctx):
    ctx.send(HERE, Ping())
    return ("end",)


def for_each(event, ctx):
    for number in range(event.number):
        ctx.send(HERE, Ping(number))


def another(event, ctx):
    ctx.send(HERE, Pong())


@pytest.mark.parametrize("function", [later, conditional, after_a_way_out, ends, for_each, another])
def test_what_pauses_ends_or_may_end_is_not_noted(function):
    assert cycles(taking(Ping, function)) == []


def test_a_handler_that_is_asked_only_sometimes_is_not_noted():
    assert cycles(taking(Ping, itself, when=lambda event: event.number < 3)) == []


# -- payments -------------------------------------------------------------------------------------------


def shop(*taking_money, after="paying", query=True):
    flow = Flow("shop", ttl=60)
    flow.state("paying", otherwise="?")
    flow.state("waiting", otherwise="?")

    @flow.defstate(None, on=command("buy"))
    def buy(event, ctx):
        return ("transition", "paying", {})

    if query:

        @flow.defstate("paying", on=pre_checkout_query(), to="waiting" if after == "waiting" else None)
        def asked(event, ctx):
            ctx.approve()
            return ("transition", "waiting") if after == "waiting" else ("stay",)

    @flow.defstate("paying", on=text("back"))
    def back(event, ctx):
        return ("transition", "waiting")

    @flow.defstate("waiting", on=Timeout)
    def over(event, ctx):
        return ("end",)

    for where in taking_money:

        @flow.defstate(where, on=successful_payment())
        def paid(event, ctx):
            return ("end",)

    return flow


def lost(*flows):
    return [found.message for found in lint(*flows) if found.code == "lost-payment" and not found.note]


def test_the_state_in_which_nothing_takes_the_money_is_named_with_the_line_to_add():
    [said] = lost(shop())
    assert "in state 'paying' no handler takes the payment" in said
    assert said.endswith("add @shop.defstate('paying', on=successful_payment())")


def test_the_money_comes_where_the_answer_has_led_to():
    assert lost(shop("waiting", after="waiting")) == []
    [said] = lost(shop("paying", after="waiting"))
    assert "in state 'waiting'" in said


@pytest.mark.parametrize("where", ["paying", ANY, None])
def test_a_handler_for_that_state_for_all_or_without_one_takes_it(where):
    assert lost(shop(where)) == []


def test_another_flows_entry_takes_it_too():
    books = Flow("books", key=KeyBy.GLOBAL_USER)

    @books.defstate(None, on=successful_payment("tea"))
    def booked(event, ctx):
        ctx.reply("Thanks.")

    assert lost(shop(), books) == []


def test_a_flow_that_is_asked_without_a_conversation_needs_an_entry_for_the_money():
    flow = Flow("stars")

    @flow.defstate(None, on=pre_checkout_query())
    def asked(event, ctx):
        ctx.approve()

    [said] = lost(flow)
    assert said.endswith("add @stars.defstate(None, on=successful_payment())")


def test_an_invoice_without_any_handler_for_its_money():
    flow = shop(query=False)

    @flow.defstate("paying", on=text("pay"))
    async def pay(event, ctx):
        await ctx.bot.send_invoice(event.chat_id, "Tea", "A tin.", "tea", "XTR", [])

    [said] = lost(flow)
    assert "pay sends an invoice" in said
    flow.defstate("paying", on=successful_payment())(lambda event, ctx: ("end",))
    assert lost(flow) == []
