"""Handlers that several flows include."""

import inspect

import pytest
from chat_events import Command, Word, said
from memory_engine import KEY, Bench, returns
from sample_flows import refused

from fsmkit import ANY, DefinitionError, Engine, Flow, Handlers, Returned, State, StatesGroup
from fsmkit.graph import graph_of
from fsmkit.interpreter.row import Row
from fsmkit.interpreter.selection import explain
from fsmkit.telegram import button, command, text
from fsmkit.testing import Profile, check
from fsmkit.testing.lint import lint


class Signup(StatesGroup):
    name = State()
    age = State()


def common():
    """`/cancel` in all states, `/help` also outside of a conversation."""
    shared = Handlers()

    @shared.defstate(ANY, on=Command("cancel"))
    def cancel(event, ctx):
        ctx.reply(f"{ctx.flow} is cancelled.")
        return ("end",)

    @shared.defstate(None, ANY, on=Command("help"))
    def help_(event, ctx):
        ctx.reply(f"Help in {ctx.flow}/{ctx.state}.")

    return shared


def asking(name, *shared):
    """A flow that asks two things."""
    flow = Flow(name)
    flow.state("first", prompt=f"{name} 1?")
    flow.state("second", prompt=f"{name} 2?")
    returns(flow, None, on=Command(name))(("transition", "first", {}))
    returns(flow, "first")(("transition", "second"))
    flow.include(*shared)
    return flow


async def told(bench, *texts):
    for each in texts:
        await bench.say(each)
    return bench.texts


async def test_each_flow_has_the_handlers_as_if_they_were_its_own():
    shared = common()
    bench = Bench(asking("a", shared), asking("b", shared))
    assert await told(bench, "/help", "/a", "x", "/cancel", "/b", "/help", "/cancel") == [
        *("Help in a/None.", "a 1?", "a 2?", "a is cancelled."),
        *("b 1?", "Help in b/first.", "b is cancelled."),
    ]


class TestOrder:
    async def test_own_handlers_of_all_states_come_before_included_ones_of_one_state(self):
        shared = Handlers()
        returns(shared, "first", on=Word("x"))(("end",))
        flow = asking("a", shared)

        @flow.defstate(ANY, on=Word("x"))
        def own(event, ctx):
            ctx.reply("own")

        bench = Bench(flow)
        # The flow's own handler of that very state comes first of all.
        assert await told(bench, "/a", "x", "x") == ["a 1?", "a 2?", "own"]

    async def test_own_handlers_may_be_declared_after_the_include(self):
        flow = asking("a", common())

        @flow.defstate(None, ANY, on=Command("help"))
        def help_(event, ctx):
            ctx.reply("own help")

        assert await told(Bench(flow), "/help", "/a", "/help") == ["own help", "a 1?", "own help"]

    async def test_one_that_passes_leaves_the_event_to_the_included_one(self):
        flow = asking("a", common())
        returns(flow, ANY, on=Command("cancel"))(("pass",))
        assert await told(Bench(flow), "/a", "/cancel") == ["a 1?", "a is cancelled."]

    async def test_included_ones_are_asked_in_the_order_of_the_includes(self):
        first, second = Handlers(), common()
        returns(first, ANY, on=Command("help"))(("transition", "second"))
        assert await told(Bench(asking("a", first, second)), "/a", "/help") == ["a 1?", "a 2?"]

    async def test_a_flow_that_waits_is_asked_for_its_included_handlers(self):
        sub = Flow("sub")
        sub.state("deep", prompt="deep?")
        returns(sub, "deep")(("end",))
        flow = asking("a", common())
        returns(flow, "second", on=Word("call"), to=sub)(("call", sub))
        bench = Bench(flow)
        assert (await told(bench, "/a", "x", "call", "/cancel"))[-2:] == ["deep?", "a is cancelled."]
        assert (await bench.row()).snapshots == {}


class TestWhatIsRefused:
    def test_including_twice(self):
        shared = common()

        def declare():
            asking("a", shared).include(shared)

        assert "twice" in refused(declare)

    def test_including_once_the_flow_is_in_use(self):
        flow, shared = asking("a"), common()
        Engine(flow)

        def declare():
            flow.include(shared)

        assert "it is already in use" in refused(declare)

    def test_a_handler_that_comes_after_the_first_include(self):
        shared = common()
        asking("a", shared)

        def declare():
            @shared.defstate(ANY, on=Command("late"))
            def late(event, ctx): ...

        assert "comes too late: flow 'a' has included these handlers" in refused(declare)

    def test_what_are_no_handlers(self):
        def declare():
            asking("a").include(asking("b"))

        assert "it includes <Flow 'b'" in refused(declare)

    def test_a_decorator_without_parentheses(self):
        def declare():
            @Handlers().defstate
            def bare(event, ctx): ...

        assert "registered without parentheses" in refused(declare)

    @pytest.mark.parametrize(
        ("selector", "problem"),
        [
            ("frist", "for state 'frist', which it does not have; it has 'first', 'second'"),
            (State("third"), "for state 'third', which it does not have; it has 'first', 'second'"),
            (Signup, "for Signup, which it does not have; it has 'first', 'second'"),
        ],
    )
    def test_a_state_that_the_flow_does_not_have_at_the_line_of_the_handler(self, selector, problem):
        shared = Handlers()

        @shared.defstate(selector)
        def included(event, ctx): ...

        flow = asking("a", shared)
        with pytest.raises(DefinitionError) as caught:
            Engine(flow)
        line = inspect.getsourcelines(included)[1]
        assert caught.value.problem.endswith(problem)
        assert caught.value.place == f"tests/flow/test_shared.py:{line}"
        assert [(one.code, one.where) for one in lint(flow) if one.code == "refused"] == [
            ("refused", caught.value.place)
        ]

    def test_a_misspelt_name_gets_the_nearest_one(self):
        shared = Handlers()
        returns(shared, "frist")(("end",))
        with pytest.raises(DefinitionError, match=r"Did you mean 'first'\?"):
            Engine(asking("a", shared))

    def test_a_target_that_one_of_the_flows_does_not_have(self):
        shared = Handlers()
        shared.defstate(ANY, on=Command("menu"), to="menu")(lambda event, ctx: ("transition", "menu"))
        with pytest.raises(DefinitionError, match='to= names "menu", flow "a" has no such state'):
            Engine(asking("a", shared))


def test_a_group_of_which_the_flow_has_a_part_stands_for_that_part():
    shared = Handlers()
    returns(shared, Signup, on=Command("help"))(("stay",))
    flow = Flow("f")
    returns(flow, None)(("transition", Signup.name))
    returns(flow, Signup.name)(("end",))
    flow.include(shared)
    Engine(flow)
    assert list(flow.states) == ["Signup:name"]


def test_a_flow_that_declares_no_states_gets_none_by_an_include():
    shared = Handlers()
    returns(shared, "name", on=Command("help"))(("stay",))
    flow = Flow("f")
    flow.include(shared)
    with pytest.raises(DefinitionError, match=r"for state 'name', which it does not have; it has no states"):
        Engine(flow)


class TestHowTheyAreSeen:
    def test_the_graph_has_an_edge_in_each_flow_at_the_shared_line(self):
        shared = common()
        line = f"tests/flow/test_shared.py:{shared.handlers[0].function.__code__.co_firstlineno}"
        edges = graph_of(asking("a", shared), asking("b", shared)).edges
        ends = [(edge.flow, edge.source, edge.place) for edge in edges if edge.kind == "end"]
        assert ends == [(flow, state, line) for flow in "ab" for state in ("first", "second")]

    def test_a_handler_that_waits_for_a_return_belongs_to_a_state_that_is_a_call(self):
        sub = Flow("sub")
        sub.state("deep")
        returns(sub, "deep")(("end",))
        shared = Handlers()
        returns(shared, ANY, on=Returned)(("end",))
        flow = Flow("f")
        flow.state("day", call=sub)
        flow.include(shared)
        Engine(flow)

    def test_what_is_wrong_with_one_is_found_once(self):
        shared = Handlers()

        @shared.defstate(ANY, on=command("menu"))
        def menu(event, ctx):
            return (event.kind, "menu")

        flows = [asking("a", shared), asking("b", shared)]
        found = [one for one in lint(*flows) if one.code == "unreadable-target"]
        assert [one.where for one in found] == [
            f"tests/flow/test_shared.py:{menu.__code__.co_firstlineno + 2}"
        ]

    def test_one_that_a_flow_replaces_is_no_finding(self):
        shared = common()
        flow = asking("a", shared)
        returns(flow, ANY, on=Command("cancel"))(("end",))
        assert [one.code for one in lint(flow) if one.code == "shadowed"] == []

    def test_one_that_an_included_one_hides_is_a_finding(self):
        shared = Handlers()
        returns(shared, ANY, on=text("[ab]"))(("end",))
        returns(shared, ANY, on=text("a"))(("end",))
        flow = asking("a")
        flow.handlers.pop()
        flow.include(shared)
        assert [one.code for one in lint(flow) if one.code == "shadowed"] == ["shadowed"]

    def test_a_button_that_only_one_of_the_flows_shows_is_a_note_in_the_other(self):
        shared = Handlers()
        returns(shared, ANY, on=button("menu"))(("end",))
        shows, not_ = asking("a", shared), asking("b", shared)
        shows.state("third", prompt="3?", buttons=["menu"])
        found = [(one.flow, one.note) for one in lint(shows, not_) if one.code == "unshown-button"]
        assert found == [("b", True)]

    def test_tours_count_it_in_each_flow(self):
        shared = Handlers()

        @shared.defstate(ANY, on=command("cancel"))
        def cancel(event, ctx):
            ctx.reply("Cancelled.")
            return ("end",)

        flows = []
        for name in ("a", "b"):
            flow = Flow(name, ttl=60)
            flow.state("ask", prompt="?", otherwise="!")
            flow.defstate(None, on=command(name))(lambda event, ctx: ("transition", "ask", {}))
            flow.include(shared)
            flows.append(flow)
        report = check(
            *flows, phases=["tours"], profile=Profile(steps=500, examples=1, length=5, seconds=10), seed=1
        )
        edges = report.coverage.edges
        place = shared.handlers[0].place
        assert (report.findings, report.coverage.missing_edges()) == ([], [])
        assert all(edges[(name, "ask", place, "end", "the end")] for name in "ab")

    def test_why_it_is_not_asked_is_explained(self):
        flow = asking("a", common())
        returns(flow, None, on=Command("help"))(("stay",))
        flows = Engine(flow).flows
        told = [(one.handler.included, one.verdict) for one in explain(flows, Row(), said("/help"))]
        assert told == [(False, "refused"), (False, "wanted"), (True, "skipped")]


async def test_a_conversation_begins_with_an_included_handler():
    shared = Handlers()
    returns(shared, None, on=Command("again"))(("transition", "first", {}))
    bench = Bench(asking("a", shared))
    await bench.say("/again")
    assert await bench.engine.get_state("a", KEY) == ("first", {})
