"""States that are a call of a flow (`call=`): entering them, what comes back, going back over them."""

import pytest
from chat_events import Command, Word, press
from memory_engine import KEY, Bench, returns

from fsmkit import ANY, END, Crashed, Flow, Returned, RowTooLarge, State, StatesGroup, Timeout
from fsmkit.flow.events import Pressed
from fsmkit.stores.memory import MemoryStore
from fsmkit.testing import ManualClock


def picker(**options):
    """A sub-flow of two states that ends with a day."""
    pick = Flow("pick", **options)
    pick.state("when", prompt="Which day?", otherwise="A day, please.")
    pick.state("sure", prompt="Sure?")
    returns(pick, "when", "sure", on=Word("back"))(("back",))
    returns(pick, "when", "sure", on=Word("back 9"))(("back", 9))

    @pick.defstate("when", on=Word("mon"))
    def when(event, ctx):
        return ("transition", "sure", {**ctx.data, "day": event.text})

    @pick.defstate("sure", on=Word("yes"))
    def sure(event, ctx):
        return ("end", ctx.data)

    return pick


def booking(pick=None, *, first="name", **call):
    """Asks for a name, a day (the call) and a size."""
    pick = picker() if pick is None else pick
    flow = Flow("trip")
    flow.state("name", prompt="Name?")
    flow.state("day", call=pick, **call)
    flow.state("size", prompt="Size?")
    returns(flow, None, on=Command("start"))(("transition", first, {}))
    returns(flow, ANY, on=Command("back"))(("back",))
    returns(flow, "size", on=Word("back"))(("back",))

    @flow.defstate("name")
    def name(event, ctx):
        return ("transition", "day", {"name": event.text})

    @flow.defstate("day", on=Returned)
    def day(event, ctx):
        if "day" not in (event.result or {}):
            return ("stay",)
        return ("transition", "size", {**ctx.data, **event.result})

    return flow


async def told(flow, *texts, bench=None):
    bench = bench or Bench(flow)
    for text in texts:
        await bench.say(text)
    return bench


async def stands(bench, key=KEY):
    """The states of the conversation, the caller first."""
    row = await bench.row(key)
    return [frame.state for snapshot in row.snapshots.values() for frame in snapshot.frames]


class TestEntering:
    async def test_a_state_that_is_a_call_is_its_flow_and_gets_the_result(self):
        bench = await told(booking(), "/start", "Ann", "mon")
        assert (bench.texts, await stands(bench)) == (["Name?", "Which day?", "Sure?"], ["day", "sure"])
        await bench.say("yes")
        assert (bench.texts[-1], await bench.engine.at("trip", KEY).get_data()) == (
            "Size?",
            {"name": "Ann", "day": "mon"},
        )

    async def test_the_conversation_may_begin_with_the_call(self):
        bench = await told(booking(first="day"), "/start")
        assert (bench.texts, await stands(bench)) == (["Which day?"], ["day", "when"])

    async def test_the_called_flow_is_given_fixed_data(self):
        bench = await told(booking(call_data={"from": 1}), "/start", "Ann")
        assert await bench.engine.at("pick", KEY).get_data() == {"from": 1}

    async def test_the_data_may_be_made_of_the_callers_own_and_of_what_the_person_said(self):
        async def made(ctx):
            return {"for": ctx.data["name"], "said": ctx.event.text, "in": ctx.state}

        bench = await told(booking(call_data=made), "/start", "Ann")
        assert await bench.engine.at("pick", KEY).get_data() == {"for": "Ann", "said": "Ann", "in": "day"}

    async def test_data_that_the_function_fails_to_make_fail_the_step_that_enters(self):
        flow = booking(call_data=lambda ctx: ctx.data["nick"])

        @flow.defstate(ANY, on=Crashed)
        def crashed(event, ctx):
            ctx.reply(f"{type(event.error).__name__} in {ctx.state}")
            return ("stay",)

        bench = await told(flow, "/start", "Ann")
        assert bench.texts == ["Name?", "KeyError in day"]

    async def test_the_hooks_of_both_run_in_order_before_the_prompt(self):
        pick = picker()
        flow = booking(pick)
        flow.on_exit("name")(lambda ctx: ctx.reply("exit name"))
        flow.on_enter("day")(lambda ctx: ctx.reply("enter day"))
        flow.on_exit("day")(lambda ctx: ctx.reply("exit day"))
        pick.on_enter("when")(lambda ctx: ctx.reply("enter when"))
        bench = await told(flow, "/start", "Ann", "mon", "yes")
        assert bench.texts == [
            *("Name?", "exit name", "enter day", "enter when", "Which day?", "Sure?"),
            *("exit day", "Size?"),
        ]

    async def test_a_call_may_begin_with_a_call(self):
        week = Flow("week")
        week.state("which", call=picker())
        returns(week, "which", on=Returned)(("end", {"day": "week 7"}))
        bench = await told(booking(week), "/start", "Ann")
        assert await stands(bench) == ["day", "which", "when"]
        await bench.say("mon")
        await bench.say("yes")
        assert bench.texts[-1] == "Size?"

    async def test_a_state_of_a_group_calls_in_each_flow_that_has_it(self):
        pick = picker()

        class Trip(StatesGroup):
            day = State(call=pick)

        flows = []
        for name in ("a", "b"):
            flow = Flow(name, states=Trip)
            returns(flow, None, on=Command(name))(("transition", Trip.day, {}))
            returns(flow, Trip.day, on=Returned)(("end",))
            flows.append(flow)
        bench = Bench(*flows)
        await bench.say("/b")
        assert await stands(bench) == ["Trip:day", "when"]

    async def test_a_flow_that_is_named_by_a_text_is_called(self):
        flow = Flow("trip")
        flow.state("day", call="pick")
        returns(flow, None, on=Command("start"))(("transition", "day", {}))
        returns(flow, "day", on=Returned)(END)
        bench = Bench(flow, picker())
        await bench.say("/start")
        assert await stands(bench) == ["day", "when"]


class TestComingBack:
    async def test_a_handler_that_stays_calls_the_flow_once_more(self):
        pick = picker()
        returns(pick, ANY, on=Word("cancel"))(("end",))
        bench = await told(booking(pick), "/start", "Ann", "mon", "cancel")
        assert (bench.texts[-1], await stands(bench)) == ("Which day?", ["day", "when"])

    async def test_the_result_of_another_call_from_there_leads_back_into_the_flow(self):
        help_ = Flow("help")
        help_.state("page", prompt="Help.")
        returns(help_, "page", on=Word("thanks"))(END)
        flow = booking()
        returns(flow, ANY, on=Command("help"), to=help_)(("call", help_))
        bench = await told(flow, "/start", "Ann", "mon", "/help", "thanks")
        assert (bench.texts[-2:], await stands(bench)) == (["Help.", "Which day?"], ["day", "when"])

    async def test_an_any_handler_of_the_caller_that_stays_leaves_the_flow_where_it_is(self):
        flow = booking()
        returns(flow, ANY, on=Command("noop"))(("stay",))
        bench = await told(flow, "/start", "Ann", "mon", "/noop")
        assert (bench.texts[-1], await stands(bench)) == ("Sure?", ["day", "sure"])


class TestGoingBack:
    async def test_back_from_after_it_opens_the_flow_again_and_back_in_there_leads_before_it(self):
        bench = await told(booking(), "/start", "Ann", "mon", "yes", "back")
        assert (bench.texts[-1], await stands(bench)) == ("Which day?", ["day", "when"])
        await bench.say("back")
        assert (bench.texts[-1], await stands(bench)) == ("Name?", ["name"])
        assert await bench.engine.at("trip", KEY).get_data() == {"name": "Ann", "day": "mon"}

    async def test_the_callers_own_back_leads_before_the_call_from_any_of_its_states(self):
        bench = await told(booking(), "/start", "Ann", "mon", "/back")
        assert (bench.texts[-1], await stands(bench)) == ("Name?", ["name"])

    async def test_back_within_the_flow_stays_within_it_while_it_can(self):
        bench = await told(booking(), "/start", "Ann", "mon", "back")
        assert (bench.texts[-1], await stands(bench)) == ("Which day?", ["day", "when"])

    async def test_several_steps_back_count_over_the_call(self):
        bench = await told(booking(), "/start", "Ann", "mon", "back 9")
        assert await stands(bench) == ["name"]

    async def test_with_nothing_before_the_call_back_says_the_prompt_again(self):
        bench = await told(booking(first="day"), "/start", "back", "/back")
        assert (bench.texts, await stands(bench)) == (["Which day?"] * 3, ["day", "when"])

    async def test_a_flow_that_was_called_by_a_handler_does_not_go_back_over_its_caller(self):
        other = Flow("other")
        other.state("ask", prompt="Ask?")
        returns(other, "ask", on=Word("back"))(("back",))
        flow = booking()
        returns(flow, "size", on=Word("other"), to=other)(("call", other))
        bench = await told(flow, "/start", "Ann", "mon", "yes", "other", "back")
        assert (bench.texts[-1], await stands(bench)) == ("Ask?", ["size", "ask"])

    async def test_it_leads_over_calls_that_begin_with_calls(self):
        week = Flow("week")
        week.state("which", call=picker())
        returns(week, "which", on=Returned)(("end", {"day": "week 7"}))
        bench = await told(booking(week), "/start", "Ann", "back")
        assert await stands(bench) == ["name"]


class TestGuards:
    async def test_a_guard_of_the_state_is_asked_before_the_flow_is_called(self):
        flow = booking()
        flow.guard("day", to="size")(lambda ctx: ("transition", "size"))
        bench = await told(flow, "/start", "Ann")
        assert (bench.texts, await stands(bench)) == (["Name?", "Size?"], ["size"])

    async def test_where_a_guard_of_the_called_flow_refuses_the_step_is_taken_back(self):
        pick = picker()

        @pick.guard("when")
        def closed(ctx):
            ctx.reply("Closed.")
            return ("stay",)

        flow = booking(pick)
        flow.on_exit("name")(lambda ctx: ctx.reply("Bye."))
        bench = await told(flow, "/start", "Ann")
        assert (bench.texts, await stands(bench)) == (["Name?", "Closed."], ["name"])
        assert await bench.engine.at("trip", KEY).get_data() == {}


class TestTimes:
    async def test_the_called_flow_has_the_ttl_of_the_state(self):
        bench = await told(booking(ttl=30), "/start", "Ann")
        bench.clock.advance(31)
        await bench.engine.sweep()
        assert await stands(bench) == []

    async def test_the_max_age_of_the_state_comes_to_its_own_handler(self):
        flow = booking(max_age=30)
        returns(flow, "day", on=Timeout)(("transition", "size"))
        bench = await told(flow, "/start", "Ann", "mon")
        bench.clock.advance(31)
        await bench.engine.sweep()
        assert (bench.texts[-1], await stands(bench)) == ("Size?", ["size"])


def plain():
    """An older version of the flow: the day was asked for by a prompt with buttons."""
    flow = Flow("trip")
    flow.state("name", prompt="Name?")
    flow.state("when", prompt="Day?", buttons=["today"])
    returns(flow, None, on=Command("start"))(("transition", "name", {}))
    returns(flow, "name")(("transition", "when"))
    return flow


class TestStored:
    """Rows that stand in the state, and no flow was called."""

    async def deployed(self, **call):
        store, clock = MemoryStore(ManualClock(1000.0)), ManualClock(1000.0)
        await told(None, "/start", "Ann", bench=Bench(plain(), store=store, clock=clock))
        return Bench(booking(renamed_from="when", **call), store=store, clock=clock)

    async def test_the_next_message_calls_the_flow(self):
        bench = await told(None, "tomorrow", bench=await self.deployed())
        assert (bench.texts, await stands(bench)) == (["Which day?"], ["day", "when"])

    async def test_so_does_a_press_of_an_older_button_of_the_state(self):
        bench = await self.deployed()
        snapshot = (await bench.row()).snapshots["trip"]
        pressed = Pressed("trip", snapshot.run, snapshot.frames[-1].entry, value="today")
        await bench.engine.send(KEY, press("today", 5, pressed))
        assert (bench.texts, await stands(bench)) == (["Which day?"], ["day", "when"])

    async def test_a_command_that_nobody_wants_is_left_to_the_bots_other_handlers(self):
        bench = await self.deployed()
        outcome = await bench.say("/weather")
        assert (outcome.kind, bench.texts) == ("passed", [])

    async def test_a_state_that_was_set_by_hand_calls_with_the_next_message(self):
        bench = Bench(booking())
        await bench.engine.set_state("trip", KEY, "day", {"name": "Ann"})
        assert bench.texts == []
        await bench.say("hello")
        assert (bench.texts, await stands(bench)) == (["Which day?"], ["day", "when"])

    async def test_a_state_that_is_no_call_any_more_takes_the_result_of_the_flow_that_still_runs(self):
        store, clock = MemoryStore(ManualClock(1000.0)), ManualClock(1000.0)
        await told(None, "/start", "Ann", "mon", bench=Bench(booking(), store=store, clock=clock))
        pick, flow = picker(), Flow("trip")
        flow.state("day", prompt="Day?")
        returns(flow, "day", on=Returned)(("stay", {"got": True}))
        bench = await told(None, "yes", bench=Bench(flow, pick, store=store, clock=clock))
        assert (bench.texts, await stands(bench)) == (["Day?"], ["day"])


async def test_a_call_whose_step_cannot_be_committed_leaves_the_conversation_before_it():
    bench = await told(booking(call_data=lambda ctx: {"text": "x" * 100_000}), "/start")
    with pytest.raises(RowTooLarge):
        await bench.say("Ann")
    assert (bench.texts, await stands(bench)) == (["Name?"], ["name"])
