"""States and groups of states: names, equality, order, inheritance."""

import inspect

import pytest

from fsmkit import ANY, END, Flow, State, StatesGroup
from fsmkit.flow.states import INHERIT, StateOptions


class Signup(StatesGroup):
    name = State(prompt="Your name?")

    class Address(StatesGroup):
        street = State()

        class Country(StatesGroup):
            code = State("iso")

    age = State(ttl=60, ephemeral=True, renamed_from="years")


def test_the_states_of_a_group_have_full_names_in_the_order_of_definition():
    assert [state.name for state in Signup.states()] == [
        "Signup:name",
        "Signup.Address:street",
        "Signup.Address.Country:iso",
        "Signup:age",
    ]


def test_a_nested_group_stands_for_its_own_states_only():
    assert [state.name for state in Signup.Address.states()] == [
        "Signup.Address:street",
        "Signup.Address.Country:iso",
    ]


def test_a_group_knows_its_full_name():
    assert Signup.Address.Country.full_name() == "Signup.Address.Country"


def test_a_state_knows_its_group():
    assert Signup.Address.street.group is Signup.Address
    assert State("alone").group is None


def test_a_state_equals_its_name_and_hashes_like_it():
    assert Signup.name == "Signup:name"
    assert "Signup:name" == Signup.name  # noqa: SIM300
    assert {Signup.name: 1}["Signup:name"] == 1


def test_a_state_differs_from_other_names_and_from_other_things():
    assert Signup.name != "name"
    assert Signup.name != Signup.age
    assert Signup.name != 1


def test_two_states_of_one_name_are_equal():
    assert State("age", prompt="How old?") == State("age")


def test_the_text_of_a_state_is_its_name():
    assert f"{Signup.Address.street}" == "Signup.Address:street"
    assert repr(Signup.Address.street) == "State('Signup.Address:street')"


def test_a_typo_is_an_attribute_error():
    with pytest.raises(AttributeError):
        Signup.nmae  # noqa: B018


def test_a_state_keeps_its_settings():
    age = Signup.age
    assert (age.ttl, age.ephemeral, age.renamed_from, age.prompt) == (60, True, ("years",), None)
    assert (Signup.name.ttl, Signup.name.renamed_from) == (INHERIT, ())


def test_a_subclass_has_states_of_its_own_under_the_names_that_it_inherits():
    class Longer(Signup):
        city = State()

    assert [state.name for state in Longer.states()] == [
        "Longer:name",
        "Longer.Address:street",
        "Longer.Address.Country:iso",
        "Longer:age",
        "Longer:city",
    ]
    assert Longer.name.prompt == "Your name?"
    assert Signup.name.name == "Signup:name"


def test_one_state_written_into_two_groups_becomes_two():
    shared = State(prompt="Sure?")

    class One(StatesGroup):
        sure = shared

    class Two(StatesGroup):
        sure = shared

    assert (One.sure.name, Two.sure.name) == ("One:sure", "Two:sure")
    assert (One.sure.prompt, Two.sure.prompt) == ("Sure?", "Sure?")


def test_a_flow_takes_the_states_of_a_group():
    flow = Flow("signup", states=Signup)
    assert list(flow.states) == [state.name for state in Signup.states()]
    assert flow["Signup:name"] is Signup.name


def test_a_flow_takes_several_groups():
    class Payment(StatesGroup):
        card = State()

    flow = Flow("signup", states=[Signup.Address, Payment])
    assert list(flow.states) == ["Signup.Address:street", "Signup.Address.Country:iso", "Payment:card"]


def test_two_flows_may_use_one_group():
    assert Flow("one", states=Signup)["Signup:age"] is Flow("two", states=Signup)["Signup:age"]


def test_symbols_show_as_they_are_written():
    assert [repr(symbol) for symbol in (ANY, END, INHERIT)] == ["ANY", "END", "INHERIT"]


def test_a_symbol_is_no_text():
    assert ANY != "ANY"
    assert END != "END"


def test_a_flow_declares_states_with_all_that_a_state_takes():
    """`Flow.state` has its arguments from one typed list, which must name those of `State`."""
    parameters = inspect.signature(State.__init__).parameters
    assert set(StateOptions.__annotations__) == set(parameters) - {"self", "name", "old"}


@pytest.mark.parametrize(
    ("old", "now"), [("timeout", "job_timeout"), ("retries", "job_retries"), ("was", "renamed_from")]
)
def test_an_option_that_was_renamed_is_refused_with_its_new_name(old, now):
    for declare in (State, Flow("f").state):
        with pytest.raises(TypeError, match=rf"^a state has no option {old}=: it is now called {now}="):
            declare("work", **{old: 1})


def test_an_option_that_never_was_is_refused():
    with pytest.raises(TypeError, match=r"^a state has no option prompts=\. Did you mean prompt=\?$"):
        State("work", prompts="?")


def test_a_state_that_is_inherited_keeps_all_that_it_was_declared_with():
    options = {
        "prompt": "?",
        "buttons": ["A"],
        "otherwise": "!",
        "ttl": 5,
        "job": print,
        "ephemeral": True,
        "show": True,
        "renamed_from": ("old",),
        "max_age": 9,
        "remind_after": 3,
        "reminder": "Still there?",
        "job_timeout": 7,
        "job_retries": 2,
        "call": Flow("called"),
        "call_data": {"a": 1},
        "handler_timeout": 20,
    }
    assert options.keys() == StateOptions.__annotations__.keys()

    class Base(StatesGroup):
        one = State(**options)

    class Child(Base):
        pass

    assert Child.one is not Base.one
    assert (Base.one.name, Child.one.name) == ("Base:one", "Child:one")
    assert {name: getattr(Child.one, name) for name in options} == options
