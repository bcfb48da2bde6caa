"""Guards: what is asked before a state is entered, by whatever step."""

import pytest
from bench import KEY, Bench, returns
from chat_events import Word

from fsmkit import ANY, END, Crashed, DefinitionError, Flow, InvalidResult, Returned, Timeout, UnknownState
from fsmkit.graph import graph_of
from fsmkit.graph.diagram import mermaid


class Gate:
    """A guard that lets in, leads elsewhere or refuses, as a test says."""

    def __init__(self, result=None, said=""):
        self.result = result
        self.said = said
        self.asked = []

    def __call__(self, ctx):
        self.asked.append((ctx.state, ctx.previous, ctx.data))
        if self.said:
            ctx.reply(self.said)
        return self.result


def shop(gate, *, name="shop"):
    flow = Flow(name)
    flow.state("cart", prompt="Cart.")
    flow.state("pay", prompt="Pay.")
    flow.state("login", prompt="Who are you?")
    returns(flow, None, on=Word(f"start {name}"))(("transition", "cart", {"n": 1}))

    @flow.defstate("cart", on=Word("pay"))
    def pay(event, ctx):
        ctx.reply("To the counter.")
        return ("transition", "pay", {"n": 2})

    returns(flow, "login", on=Word("back"))(("back",))
    returns(flow, "pay", on=Word("back"))(("back",))
    returns(flow, "login", on=Word("pay"))(("transition", "pay"))
    flow.on_exit("cart")(lambda ctx: ctx.reply("Bye, cart."))
    flow.on_enter("pay")(lambda ctx: ctx.reply("Hello, counter."))
    flow.on_exit("pay")(lambda ctx: ctx.reply("Bye, counter."))
    flow.guard("pay", to="login")(gate)
    return flow


async def at_the_cart(gate, *more, flow=None):
    bench = Bench(flow or shop(gate), *more)
    await bench.say("start shop")
    bench.sent.clear()
    return bench


async def where(bench, flow="shop"):
    return await bench.engine.get_state(flow, KEY)


async def test_a_guard_that_returns_nothing_lets_in_and_sees_the_state_as_it_would_be():
    gate = Gate()
    bench = await at_the_cart(gate)
    await bench.say("pay")
    assert gate.asked == [("pay", "cart", {"n": 2})]
    assert await where(bench) == ("pay", {"n": 2})
    assert bench.texts == ["To the counter.", "Bye, cart.", "Hello, counter.", "Pay."]


async def test_what_a_guard_says_that_lets_in_is_said():
    bench = await at_the_cart(Gate(said="Welcome."))
    await bench.say("pay")
    assert bench.texts == ["To the counter.", "Welcome.", "Bye, cart.", "Hello, counter.", "Pay."]


async def test_a_guard_that_refuses_takes_the_step_back_and_is_heard():
    bench = await at_the_cart(Gate(("stay",), said="We are closed."))
    before = (await bench.row()).snapshots["shop"].frames
    outcome = await bench.say("pay")
    assert (outcome.kind, bench.texts) == ("handled", ["We are closed."])
    assert (await bench.row()).snapshots["shop"].frames == before


async def test_a_guard_leads_elsewhere_with_the_data_that_were_given():
    bench = await at_the_cart(Gate(("transition", "login"), said="Log in first."))
    await bench.say("pay")
    assert await where(bench) == ("login", {"n": 2})
    assert bench.texts == ["To the counter.", "Log in first.", "Bye, cart.", "Who are you?"]
    await bench.say("back")  # to the cart: nobody was ever at the counter
    assert (await where(bench))[0] == "cart"


async def test_a_guard_may_give_other_data():
    bench = await at_the_cart(Gate(("transition", "login", {"wanted": "pay"})))
    await bench.say("pay")
    assert await where(bench) == ("login", {"wanted": "pay"})


async def test_going_back_is_guarded_too():
    gate = Gate()
    bench = await at_the_cart(gate)
    await bench.say("pay")
    await bench.engine.set_state("shop", KEY, "login")
    gate.result = ("stay",)
    await bench.say("back")
    assert (await where(bench))[0] == "login"


async def test_a_state_that_is_entered_by_hand_is_not_guarded():
    gate = Gate(("stay",))
    bench = await at_the_cart(gate)
    await bench.engine.set_state("shop", KEY, "pay")
    assert ((await where(bench))[0], gate.asked) == ("pay", [])


async def test_a_step_into_another_flow_is_guarded_by_that_flow():
    gate = Gate(("transition", "login"), said="Log in first.")
    outer = Flow("outer")
    outer.state("hall")
    returns(outer, None, on=Word("enter"))(("transition", "hall"))
    flow = shop(gate)
    outer.defstate("hall", on=Word("shop"))(lambda event, ctx: ("transition", flow["pay"], {"n": 5}))
    bench = Bench(outer, flow)
    await bench.say("enter")
    await bench.say("shop")
    assert await where(bench) == ("login", {"n": 5})
    assert list((await bench.row()).snapshots) == ["shop"]
    assert bench.texts == ["Log in first.", "Who are you?"]


async def test_a_refused_step_into_another_flow_leaves_the_first_as_it_was():
    outer = Flow("outer")
    outer.state("hall")
    returns(outer, None, on=Word("enter"))(("transition", "hall", {"here": 1}))
    flow = shop(Gate(("stay",)))
    outer.defstate("hall", on=Word("shop"))(lambda event, ctx: ("transition", flow["pay"], {"n": 5}))
    bench = Bench(outer, flow)
    await bench.say("enter")
    await bench.say("shop")
    assert await where(bench, "outer") == ("hall", {"here": 1})
    assert list((await bench.row()).snapshots) == ["outer"]


async def test_a_guard_may_lead_into_another_flow():
    login = Flow("login")
    login.state("name", prompt="Your name?")
    returns(login, "name")(("end",))
    flow = Flow("shop")
    flow.state("cart")
    flow.state("pay", prompt="Pay.")
    returns(flow, None, on=Word("start shop"))(("transition", "cart"))
    returns(flow, "cart", on=Word("pay"))(("transition", "pay"))
    flow.guard("pay")(lambda ctx: ("transition", login["name"], {}))
    bench = await at_the_cart(None, login, flow=flow)
    await bench.say("pay")
    assert await where(bench, "login") == ("name", {})
    assert (await where(bench), bench.texts) == ((None, None), ["Your name?"])


async def test_the_first_state_of_a_sub_flow_is_guarded():
    sub = Flow("sub")
    sub.state("first", prompt="First.")
    sub.state("second", prompt="Second.")
    returns(sub, "second", on=Word("done"))(("end", 1))
    gate = Gate(("transition", "second"))
    sub.guard("first")(gate)
    flow = Flow("shop")
    flow.state("cart")
    returns(flow, None, on=Word("start shop"))(("transition", "cart"))
    flow.defstate("cart", on=Word("call"))(lambda event, ctx: ("call", sub, {"n": 1}))
    returns(flow, "cart", on=Returned)(("end",))
    bench = await at_the_cart(None, flow=flow)
    await bench.say("call")
    assert bench.texts == ["Second."]
    assert await where(bench, "sub") == ("second", {"n": 1})
    await bench.say("done")
    assert (await bench.row()).snapshots == {}


async def test_entering_a_flow_is_guarded_and_a_refusal_begins_no_conversation():
    flow = Flow("shop")
    flow.state("cart", prompt="Cart.")
    returns(flow, None, on=Word("start"))(("transition", "cart"))
    flow.guard("cart")(Gate(("stay",), said="Closed."))
    bench = Bench(flow)
    await bench.say("start")
    assert (bench.texts, (await bench.row()).snapshots) == (["Closed."], {})


async def test_guards_that_lead_on_in_a_circle_change_nothing_and_are_named():
    flow = Flow("f")
    returns(flow, None)(("transition", "a"))
    flow.state("a")
    flow.state("b")
    flow.guard("a")(lambda ctx: ("transition", "b"))
    flow.guard("b")(lambda ctx: ("transition", "a"))
    bench = Bench(flow)
    with pytest.raises(InvalidResult, match="led on 5 times: f/a → f/b → f/a → f/b → f/a → f/b"):
        await bench.say("go")
    assert await bench.stored() is None


@pytest.mark.parametrize("guards", [5, 6])
async def test_five_guards_may_lead_on_one_after_the_other_and_no_more(guards):
    flow = Flow("f")
    returns(flow, None)(("transition", "s0"))
    for number in range(guards + 1):
        flow.state(f"s{number}", prompt=f"s{number}")
        if number < guards:
            flow.guard(f"s{number}", to=f"s{number + 1}")(
                lambda ctx, number=number: ("transition", f"s{number + 1}")
            )
    bench = Bench(flow)
    if guards == 5:
        await bench.say("go")
        assert ((await where(bench, "f"))[0], bench.texts) == ("s5", ["s5"])
    else:
        with pytest.raises(InvalidResult, match="led on 5 times"):
            await bench.say("go")
        assert await bench.stored() is None


@pytest.mark.parametrize("way", ["returned", "crashed", "timeout"])
async def test_whatever_step_enters_a_state_its_guard_is_asked(way):
    flow, other, gate = Flow("f", ttl=60), Flow("other"), Gate(("transition", "login"))
    for state in ("cart", "pay", "login"):
        flow.state(state)
    other.state("in")
    flow.guard("pay", to="login")(gate)
    returns(flow, None)(("transition", "cart"))
    returns(flow, "cart", on=Word("call"))(("call", other))
    returns(other, "in")(("end",))
    flow.defstate("cart", on=Word("crash"))(lambda event, ctx: 1 / 0)
    for event in (Returned, Crashed, Timeout):
        returns(flow, "cart", on=event)(("transition", "pay"))
    bench = Bench(flow)
    for word in ("start", *{"returned": ["call", "end"], "crashed": ["crash"], "timeout": []}[way]):
        await bench.say(word)
    if way == "timeout":
        bench.clock.advance(61)
        await bench.engine.sweep()
    assert ((await where(bench, "f"))[0], len(gate.asked)) == ("login", 1)


async def test_several_guards_are_asked_in_order_until_one_objects():
    first, second, third = Gate(), Gate(("stay",), said="No."), Gate()
    flow = shop(first)
    flow.guard(ANY)(second)
    flow.guard("pay")(third)
    bench = Bench(flow)
    await bench.engine.set_state("shop", KEY, "cart", {})
    await bench.say("pay")
    assert (len(first.asked), len(third.asked), len(second.asked)) == (1, 1, 1)  # the state's own come first
    assert bench.texts == ["No."]


async def test_an_async_guard_is_awaited():
    async def guard(ctx):
        return ("stay",)

    bench = await at_the_cart(guard)
    await bench.say("pay")
    assert (await where(bench))[0] == "cart"


async def test_a_guard_that_raises_changes_nothing_and_can_be_rescued():
    def guard(ctx):
        raise OSError("the bank is away")

    flow = shop(guard)
    flow.defstate("cart", on=Crashed)(lambda event, ctx: ctx.reply(str(event.error)))
    bench = await at_the_cart(None, flow=flow)
    await bench.say("pay")
    assert ((await where(bench))[0], bench.texts) == ("cart", ["the bank is away"])


@pytest.mark.parametrize("result", [("end",), END, ("stay", {}), True, ("call", "shop"), ("pass",)])
async def test_what_is_no_answer_of_a_guard_is_refused(result):
    flow = shop(Gate(result))
    bench = await at_the_cart(None, flow=flow)
    with pytest.raises(InvalidResult):
        await bench.say("pay")
    assert await where(bench) == ("cart", {"n": 1})


async def test_a_guard_is_held_to_its_targets():
    bench = await at_the_cart(Gate(("transition", "cart")))
    with pytest.raises(InvalidResult, match="goes to 'cart', which its to="):
        await bench.say("pay")


async def test_a_guard_that_names_no_state_of_the_flow_is_told_so():
    flow = Flow("f")
    returns(flow, None)(("transition", "a"))
    where = "lost"
    flow.guard("a")(lambda ctx: ("transition", where))
    with pytest.raises(UnknownState, match="lost"):
        await Bench(flow).say("go")


def test_where_a_guard_leads_is_in_the_graph():
    flow = shop(Gate())
    graph = graph_of(flow)
    edge = next(edge for edge in graph.edges if edge.trigger == "guard" and edge.kind == "transition")
    assert (edge.source, edge.target.state) == ("pay", "login")
    assert ("shop", "login") in graph.reachable
    assert "guard" in mermaid(graph)


@pytest.mark.parametrize(
    ("declare", "problem"),
    [
        (lambda flow: flow.guard(lambda ctx: None), "without parentheses"),
        (lambda flow: flow.guard(None)(lambda ctx: None), "a guard of None"),
        (lambda flow: flow.guard("a")(lambda: None), "a guard is a function of"),
    ],
)
def test_what_is_no_guard_is_refused(declare, problem):
    with pytest.raises(DefinitionError, match=problem):
        declare(Flow("f"))


def test_a_guard_comes_too_late_once_the_flow_is_in_use():
    flow = shop(Gate())
    Bench(flow)
    with pytest.raises(DefinitionError, match="already in use"):
        flow.guard("cart")(lambda ctx: None)
