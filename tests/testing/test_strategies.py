"""Conversations as Hypothesis's users know strategies and state machines, and paths through a graph."""

from itertools import pairwise

import attrs
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis.stateful import invariant, rule, run_state_machine_as_test

from fsmkit import ANY, END, Flow, graph_of
from fsmkit.graph import paths
from fsmkit.telegram import button, command, text
from fsmkit.testing import conversation_machine, conversations
from fsmkit.testing.harness.actions import Say

FEW = settings(
    max_examples=60,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
SHRINKING = settings(FEW, phases=[Phase.generate, Phase.shrink])


@attrs.frozen
class Form:
    name: str = ""
    age: int = 0


def signup(crashes=False):
    flow = Flow("signup", data=Form)
    flow.state("name", prompt="Name?", otherwise="A name, please.")
    flow.state("age", prompt="Age?", otherwise="Digits, please.")

    @flow.defstate(None, ANY, on=command("start"))
    def start(event, ctx):
        return ("transition", "name", Form())

    @flow.defstate("name")
    def name(event, ctx):
        return ("transition", "age", ctx.evolve(name=event.text))

    @flow.defstate("age", on=text("[0-9]{1,3}"))
    def age(event, ctx):
        if crashes and event.text == "111":
            raise ValueError("too old")
        ctx.reply("Noted.")
        return ("stay", ctx.evolve(age=int(event.text)))

    return flow


def oldest(talk):
    return max((seen.data.age for seen in talk.observations if seen.data is not None), default=0)


def test_a_conversation_was_had_and_shrinks_to_the_shortest():
    talk = find(conversations(signup(), oracles=()), lambda talk: oldest(talk) >= 100, settings=SHRINKING)
    assert talk.code == "chat.say('/start')\nchat.say('Ann')\nchat.say('111')"
    assert (talk.state, talk.data) == ("age", Form("Ann", 111))
    assert talk.shown == ["Name?", "Age?", "Noted."]
    assert "> Ann" in repr(talk)
    assert talk.code in repr(talk)


def test_what_a_handler_raises_comes_out_with_the_conversation():
    @FEW
    @given(conversations(signup(crashes=True), oracles=()))
    def test_it_answers(talk):
        assert talk.state in (None, "name", "age")

    with pytest.raises(ValueError, match="too old") as caught:
        test_it_answers()
    assert any("> 111" in note for note in caught.value.__notes__)


def test_what_the_oracles_find_fails_a_test():
    flow = Flow("silent")
    flow.state("on", otherwise="?")
    flow.defstate(None, on=command("start"))(lambda event, ctx: ("transition", "on"))

    @FEW
    @given(conversations(flow))
    def test_nothing(talk):
        assert talk is not None

    with pytest.raises(AssertionError, match="unanswered"):
        test_nothing()


def test_a_test_goes_on_with_a_conversation():
    @FEW
    @given(conversations(signup(), min_size=1, max_size=4))
    def test_it_begins_anew_from_anywhere(talk):
        assert talk.say("/start").state == "name"
        assert talk.data == Form()

    test_it_begins_anew_from_anywhere()


def test_mishaps_are_drawn_where_they_are_asked_for():
    met = set()

    @FEW
    @given(conversations(signup(), mishaps=True, oracles=()))
    def test_all_kinds(talk):
        met.update(type(action).__name__ for action in talk.actions)

    test_all_kinds()
    assert {"Say", "Killed", "Duplicate", "Deadline"} <= met


class TestMachine:
    def test_an_invariant_of_ones_own_is_held_against_each_step(self):
        class Young(conversation_machine(signup(), oracles=())):
            @invariant()
            def nobody_is_a_hundred(self):
                assert self.data is None or self.data.age < 100

        with pytest.raises(AssertionError) as caught:
            run_state_machine_as_test(Young, settings=settings(FEW, stateful_step_count=15))
        assert any("> " in note and "age: stay" in note for note in caught.value.__notes__)

    def test_a_rule_of_ones_own_goes_on_with_the_conversation(self):
        said = []

        class Greets(conversation_machine(signup())):
            @rule()
            def greet(self):
                self.do(Say("Hello"))
                said.append(self.state)

        run_state_machine_as_test(Greets, settings=settings(FEW, max_examples=20))
        assert {None, "age"} <= {*said}


class TestPaths:
    def graph(self):
        flow = signup()
        flow.defstate("age", on=button("Done"), to=END)(lambda event, ctx: ("end",))
        return graph_of(flow)

    def test_each_edge_is_on_some_path_from_the_beginning(self):
        graph = self.graph()
        found = paths(graph)
        on_paths = {edge for path in found for edge in path}
        assert on_paths == {edge for edge in graph.edges if edge.kind in ("transition", "end")}
        assert {path[0].source for path in found} == {None}

    def test_each_pair_is_on_some_path_and_no_path_begins_another(self):
        found = paths(self.graph(), cover="pairs")
        names = [[edge.handler.rpartition(".")[2] for edge in path] for path in found]
        pairs = {pair for path in names for pair in pairwise(path)}
        assert {("start", "start"), ("start", "name"), ("name", "start"), ("name", "<lambda>")} <= pairs
        assert not [one for one in found for two in found if one != two and two[: len(one)] == one]
        assert [len(path) for path in found] == sorted(len(path) for path in found)
