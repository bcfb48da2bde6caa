"""The times that flows and states declare: what is taken, and what is refused."""

from datetime import timedelta

import pytest
from sample_flows import refused

from fsmkit import DefinitionError, Engine, Flow, Reminder, State, StatesGroup
from fsmkit.flow.states import INHERIT


def test_a_state_takes_its_flows_times_where_it_has_none():
    flow = Flow("f", ttl=timedelta(hours=1), max_age=7200, remind_after=60, reminder="Hm?")
    flow.state("a")
    flow.state("b", ttl=30, max_age=20, remind_after=10, reminder="B?")
    rules = Engine(flow).flows.tables["f"].rules
    found = {
        name: (rule.times.ttl, rule.times.max_age, rule.times.remind_after, rule.times.reminder)
        for name, rule in rules.items()
    }
    assert found == {"a": (3600, None, 60, "Hm?"), "b": (30, 20, 10, "B?")}


def test_states_of_a_group_and_those_that_inherit_them_have_their_times():
    class Base(StatesGroup):
        a = State(prompt="A?", max_age=20, remind_after=10, reminder="Hm?")

    class Form(Base):
        pass

    for group in (Base, Form):
        assert (group.a.max_age, group.a.remind_after, group.a.reminder) == (20, 10, "Hm?")


@pytest.mark.parametrize("what", ["ttl", "max_age", "remind_after"])
@pytest.mark.parametrize("time", [0, -1, "60", True, float("inf"), float("nan"), timedelta(0)])
def test_times_are_positive(what, time):
    def of_a_flow():
        Flow("f", **{what: time})

    def of_a_state():
        Flow("f").state("a", **{what: time})

    assert refused(of_a_flow) == f"flow 'f' has {what}={time!r}"
    assert refused(of_a_state) == f"state 'a' has {what}={time!r}"


def test_an_age_is_not_inherited():
    def declare():
        Flow("f").state("a", max_age=INHERIT)

    assert refused(declare) == "state 'a' has max_age=INHERIT"


@pytest.mark.parametrize("what", ["ttl", "max_age"])
@pytest.mark.parametrize("after", [60, 61])
def test_a_reminder_that_could_only_come_too_late_is_refused(what, after):
    def of_a_flow():
        Flow("f", **{what: 60}, remind_after=after)

    def of_a_state():
        Flow("f").state("a", **{what: 60}, remind_after=after)

    problem = f"has remind_after={after}, which is not before its {what}=60"
    assert refused(of_a_flow) == f"flow 'f' {problem}"
    assert refused(of_a_state) == f"state 'a' {problem}"


@pytest.mark.parametrize("what", ["ttl", "max_age"])
def test_a_states_reminder_is_held_against_its_flows_times_too(what):
    flow = Flow("f", **{what: 60})
    flow.state("a", prompt="A?", remind_after=70)
    with pytest.raises(DefinitionError, match=f"state 'a' of flow 'f' .* not before its {what}=60"):
        Engine(flow)


def test_a_flows_reminder_need_not_come_in_each_of_its_states():
    flow = Flow("f", remind_after=60, reminder="Hm?")
    flow.state("short", ttl=30)
    assert Engine(flow).flows.tables["f"].rules["short"].times.remind_after == 60


def test_a_states_reminder_needs_something_to_say():
    flow = Flow("f")
    flow.state("a", remind_after=60)
    with pytest.raises(DefinitionError, match="state 'a' of flow 'f' has remind_after=, and nothing to say"):
        Engine(flow)


@pytest.mark.parametrize("by", ["prompt", "reminder", "flow", "handler"])
def test_what_it_says_may_come_from_elsewhere(by):
    flow = Flow("f", reminder="Hm?" if by == "flow" else None)
    options = {by: "Hm?"} if by in ("prompt", "reminder") else {}
    flow.state("a", remind_after=60, **options)
    if by == "handler":
        flow.defstate("a", on=[Reminder, str])(lambda event, ctx: None)
    assert Engine(flow).flows.tables["f"].rules["a"].times.remind_after == 60


@pytest.mark.parametrize("of", ["flow", "state"])
def test_a_reminder_needs_a_time(of):
    flow = Flow("f", reminder="Hm?" if of == "flow" else None)
    flow.state("a", reminder="Hm?" if of == "state" else None)
    with pytest.raises(DefinitionError, match="has a reminder, and no time for it"):
        Engine(flow)
