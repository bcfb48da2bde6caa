"""States that are a call: what is refused, and how the graph, the drawing and the checks see them."""

import attrs
import pytest
from sample_flows import refused

from fsmkit import ANY, END, DefinitionError, Engine, Flow, Returned, State, StatesGroup, Timeout
from fsmkit.graph import graph_of
from fsmkit.graph.diagram import dot, mermaid
from fsmkit.telegram import command, text
from fsmkit.testing.lint import lint


def never(event, ctx): ...


def picker(name="pick"):
    pick = Flow(name)
    pick.state("when", prompt="Which day?", otherwise="A day.")
    pick.defstate("when", to=END)(never)
    return pick


def trip(pick=None, **options):
    """A flow whose only other state comes before the call."""
    flow = Flow("trip")
    flow.state("name", prompt="Name?", otherwise="A name.")
    flow.state("day", call=picker() if pick is None else pick, **options)
    flow.defstate(None, on=command("start"), to="name")(never)
    flow.defstate("name", to="day")(never)
    flow.defstate("day", on=Returned, to=END)(never)
    return flow


class TestWhatIsRefusedWhereItStands:
    @pytest.mark.parametrize(
        ("option", "value"),
        [
            ("prompt", "Day?"),
            ("otherwise", "What?"),
            ("job", lambda data: data),
            ("ephemeral", True),
        ],
    )
    def test_options_of_what_the_called_flow_does_in_its_place(self, option, value):
        def declare():
            Flow("trip").state("day", call=picker(), **{option: value})

        assert f"has call= and {option}=" in refused(declare)

    def test_buttons_with_a_prompt(self):
        def declare():
            Flow("trip").state("day", call=picker(), prompt="Day?", buttons=["today"])

        assert "has call= and prompt=" in refused(declare)

    def test_what_is_no_flow(self):
        def declare():
            Flow("trip").state("day", call=State("when"))

        assert "call=State('when'), which is not a flow" in refused(declare)

    def test_data_for_no_call(self):
        def declare():
            Flow("trip").state("day", prompt="Day?", call_data={})

        assert "has call_data= and calls nothing" in refused(declare)

    def test_a_function_of_the_data_that_takes_no_ctx(self):
        def declare():
            Flow("trip").state("day", call=picker(), call_data=never)

        assert "call_data= takes a function of (ctx)" in refused(declare)

    def test_so_is_a_state_of_a_group_that_a_flow_takes(self):
        class Trip(StatesGroup):
            day = State(call=picker(), prompt="Day?")

        def declare():
            Flow("trip", states=Trip)

        assert "has call= and prompt=" in refused(declare)


class TestWhatIsRefusedWithTheOtherFlows:
    def test_a_name_that_no_flow_has_with_the_nearest_one(self):
        def declare():
            graph_of(trip("pikc"), picker())

        assert "calls 'pikc', and there is no such flow" in refused_anywhere(declare, "Did you mean 'pick'?")

    def test_a_flow_without_states(self):
        assert "which has no state to begin in" in refused_anywhere(lambda: Engine(trip(Flow("empty"))))

    def test_a_state_whose_result_nobody_takes(self):
        flow = Flow("trip")
        flow.state("day", call=picker())
        flow.defstate(None, to="day")(never)
        remedy = '@flow.defstate("day", on=Returned)'
        assert "no handler takes its result" in refused_anywhere(lambda: Engine(flow), remedy)

    def test_a_handler_that_could_never_run_at_its_own_line(self):
        flow = trip()

        @flow.defstate("name", "day", on=text("[0-9]+"))
        def typed(event, ctx): ...

        def declare():
            Engine(flow)

        assert "typed could never run" in refused_anywhere(declare, line=typed.__code__.co_firstlineno)

    def test_an_event_class_of_the_users_own_could_not_come_either(self):
        class Paid: ...

        flow = trip()
        flow.defstate("day", on=Paid)(never)
        assert "could never run" in refused_anywhere(lambda: Engine(flow))

    def test_a_circle_in_which_nobody_is_ever_asked(self):
        a, b = Flow("a"), Flow("b")
        a.state("x", call="b")
        b.state("y", call=a)
        for flow, state in ((a, "x"), (b, "y")):
            flow.defstate(state, on=Returned)(never)
        assert "a/x → b/y → a/x" in refused_anywhere(lambda: Engine(a, b))

    def test_a_flow_that_begins_with_a_call_of_itself(self):
        flow = Flow("a")
        flow.state("x", call="a")
        flow.defstate("x", on=Returned)(never)
        assert "a/x → a/x" in refused_anywhere(lambda: Engine(flow))

    def test_data_that_the_called_flow_needs_and_nobody_gives(self):
        @attrs.frozen
        class Wanted:
            title: str

        pick = Flow("pick", data=Wanted)
        pick.state("when", prompt="When?")
        pick.defstate("when", to=END)(never)
        assert "Wanted cannot be made without arguments" in refused_anywhere(lambda: Engine(trip(pick)))
        assert "has no data for flow 'pick'" in refused_anywhere(
            lambda: Engine(trip(pick, call_data={"a": 1}))
        )
        Engine(trip(pick, call_data=Wanted("Day?")))


class TestWhatIsAllowed:
    def test_handlers_of_results_and_of_timeouts_and_those_of_all_states(self):
        flow = trip(max_age=60, remind_after=20, reminder="Still there?")
        flow.defstate("day", on=Timeout, to=END)(never)
        flow.defstate(ANY, on=command("cancel"), to=END)(never)
        Engine(flow)

    def test_a_result_may_be_taken_by_a_handler_of_all_states_whatever_its_when_says(self):
        flow = Flow("trip")
        flow.state("day", call=picker())
        flow.defstate(ANY, on=Returned, when=lambda event: event.result is not None, to=END)(never)
        Engine(flow)

    def test_a_flow_that_calls_itself_later_on(self):
        flow = Flow("tree")
        flow.state("title", prompt="Title?")
        flow.state("child", call="tree")
        flow.defstate("title", to=("child", END))(never)
        flow.defstate("child", on=Returned, to=END)(never)
        Engine(flow)


class TestHowItIsSeen:
    def test_the_graph_has_the_call_at_the_line_of_the_state(self):
        flow = trip()
        (edge,) = (edge for edge in graph_of(flow).edges if edge.kind == "call")
        assert (edge.node, str(edge.target), edge.labels) == (
            ("trip", "day"),
            'the call of flow "pick"',
            ("entry",),
        )
        assert edge.place == flow["day"].place

    def test_the_states_of_the_called_flow_can_be_reached_and_left(self):
        graph = graph_of(trip())
        assert ("pick", "when") in graph.reachable
        assert ("trip", "name") in graph.ending

    def test_back_in_the_called_flow_leads_before_the_call(self):
        pick = Flow("pick")
        pick.state("when")

        @pick.defstate("when")
        def when(event, ctx):
            return ("back",)

        assert graph_of(trip(pick)).successors(("pick", "when")) == {("trip", "name")}

    def test_drawings_show_it(self):
        graph = graph_of(trip())
        assert "s3_day -.-> s5_when" in mermaid(graph)
        assert 's3_day -> s5_when [label="", style=dashed]' in dot(graph)

    def test_a_flow_that_is_whole_has_no_findings(self):
        pick, flow = Flow("pick"), Flow("trip")
        pick.state("when", prompt="Which day?", otherwise="A day.")
        pick.defstate("when")(lambda event, ctx: ("end", event.text))
        flow.state("day", call=pick)
        flow.defstate(None, on=command("start"))(lambda event, ctx: ("transition", "day"))
        flow.defstate("day", on=Returned)(lambda event, ctx: ("end",))
        assert lint(flow) == []


def refused_anywhere(declare, remedy="", line=None):
    """The problem of a declaration that is refused at another line than the one that puts it to use."""
    with pytest.raises(DefinitionError) as caught:
        declare()
    error = caught.value
    assert remedy in error.remedy
    assert line is None or error.place.endswith(f"test_calls.py:{line}")
    assert "test_calls.py:" in error.place
    return error.problem
