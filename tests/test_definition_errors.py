"""Every wrong declaration is a DefinitionError with the problem, `file:line` and the remedy."""

import functools
import inspect
from datetime import timedelta

import pytest
from chat_events import Press, Word

from fsmkit.engine import Engine
from fsmkit.errors import DefinitionError
from fsmkit.events import Timeout
from fsmkit.flow import Flow
from fsmkit.keys import KeyBy
from fsmkit.states import ANY, State, StatesGroup


class Signup(StatesGroup):
    name = State()


def line_of(function):
    return f"tests/test_definition_errors.py:{inspect.getsourcelines(function)[1]}"


def refused(declare):
    """The error of a declaration; its place must lie within the function that declares."""
    with pytest.raises(DefinitionError) as caught:
        declare()
    error = caught.value
    lines, first = inspect.getsourcelines(declare)
    name, _, line = (error.place or "").rpartition(":")
    assert name.endswith("test_definition_errors.py"), f"no place in {error}"
    assert first <= int(line) < first + len(lines), f"another place in {error}"
    assert str(error) == f"{error.place}: {error.problem}. {error.remedy}"
    assert error.remedy
    return error.problem


def handler(event, ctx): ...


def one_argument(ctx): ...


class TestFlow:
    @pytest.mark.parametrize("name", ["", None, 5, "a/b"])
    def test_a_name_must_be_a_text_without_a_slash(self, name):
        def declare():
            Flow(name)

        assert refused(declare) == f"a flow is named {name!r}"

    def test_data_must_be_a_type(self):
        def declare():
            Flow("signup", data={})

        assert refused(declare) == "flow 'signup': data={} is no type"

    def test_key_must_be_a_rule(self):
        def declare():
            Flow("signup", key="chat")

        assert refused(declare) == "flow 'signup': key='chat' is no key rule"

    @pytest.mark.parametrize("version", [0, -1, "1", 1.5, True])
    def test_a_version_is_a_whole_number_from_one(self, version):
        def declare():
            Flow("signup", version=version)

        assert refused(declare) == f"flow 'signup': version={version!r}"

    def test_on_orphan_is_one_of_two(self):
        def declare():
            Flow("signup", on_orphan="drop")

        assert refused(declare) == "flow 'signup': on_orphan='drop'"

    @pytest.mark.parametrize("ttl", [0, -1, timedelta(0), "60", True, float("inf"), float("nan")])
    def test_a_time_to_live_is_positive(self, ttl):
        def declare():
            Flow("signup", ttl=ttl)

        assert refused(declare) == f"flow 'signup' has ttl={ttl!r}"

    @pytest.mark.parametrize("states", ["name", 5, [5], [State("name")], [Signup, dict]])
    def test_states_are_groups(self, states):
        def declare():
            Flow("signup", states=states)

        assert "is no group" in refused(declare)


class TestState:
    @pytest.mark.parametrize("name", ["", None, 5])
    def test_a_name_must_be_a_text(self, name):
        def declare():
            Flow("signup").state(name)

        assert refused(declare) == f"a state is named {name!r}"

    def test_a_state_is_declared_once(self):
        def declare():
            flow = Flow("signup")
            flow.state("age")
            flow.state("age")

        assert refused(declare) == "state 'age' of flow 'signup' is declared twice"

    @pytest.mark.parametrize("ttl", [0, -5, "1h"])
    def test_its_time_to_live_is_positive(self, ttl):
        def declare():
            Flow("signup").state("age", ttl=ttl)

        assert refused(declare) == f"state 'age' has ttl={ttl!r}"

    @pytest.mark.parametrize("buttons", ["Yes", [5], ["A", ["B"]]])
    def test_its_buttons_have_a_shape(self, buttons):
        def declare():
            Flow("signup").state("age", prompt="?", buttons=buttons)

        assert refused(declare).startswith("flow 'signup': state 'age': ")

    def test_buttons_need_a_prompt(self):
        def declare():
            Flow("signup").state("age", buttons=["Yes"])

        assert refused(declare) == "flow 'signup': state 'age' has buttons but no prompt"

    def test_a_state_of_another_flow_cannot_have_handlers_here(self):
        def declare():
            pay = Flow("orders").state("pay")
            Flow("signup").defstate(pay)(lambda event, ctx: None)

        assert refused(declare) == "flow 'signup': state 'pay' belongs to flow 'orders'"

    def test_two_states_of_one_name_are_refused(self):
        def declare():
            flow = Flow("signup")
            flow.state("age")
            flow.defstate(State("age"))(lambda event, ctx: None)

        assert refused(declare) == "flow 'signup': two states are named 'age'"

    @pytest.mark.parametrize("was", ["name", ("old", "name")])
    def test_an_old_name_must_not_be_in_use(self, was):
        def declare():
            flow = Flow("signup")
            flow.state("name")
            flow.state("age", was=was)
            Engine(flow)

        assert (
            refused(declare) == "flow 'signup': state 'age' has was='name', which is still a name of a state"
        )

    def test_two_states_cannot_have_one_old_name(self):
        def declare():
            flow = Flow("signup")
            flow.state("name", was="old")
            flow.state("age", was="old")
            Engine(flow)

        assert "state 'age' has was='old'" in refused(declare)


class TestDefstate:
    def test_it_names_states(self):
        def declare():
            Flow("signup").defstate()(lambda event, ctx: None)

        assert refused(declare) == "defstate() names no state"

    def test_it_is_written_with_parentheses(self):
        def declare():
            @Flow("signup").defstate
            def name(event, ctx): ...

            name(lambda event, ctx: None)

        assert "stands for no state" in refused(declare)

    @pytest.mark.parametrize("selector", [5, "", ["name"], dict])
    def test_it_takes_nothing_but_states(self, selector):
        def declare():
            Flow("signup").defstate(selector)(lambda event, ctx: None)

        assert refused(declare) == f"{selector!r} stands for no state"

    def test_a_handler_takes_two_arguments(self):
        def declare():
            @Flow("signup").defstate("name")
            def name(ctx): ...

        assert refused(declare) == "a handler is a function of (event, ctx), got name(ctx)"

    def test_a_handler_is_a_function(self):
        def declare():
            Flow("signup").defstate("name")("handler")

        assert refused(declare) == "a handler is a function of (event, ctx), got 'handler'"

    def test_when_takes_the_event(self):
        def declare():
            Flow("signup").defstate("name", when=lambda: True)(lambda event, ctx: None)

        assert refused(declare).startswith("when= takes a function of the event, got ")

    @pytest.mark.parametrize("on", [Word("x") & Press(), Word("x") & Timeout])
    def test_it_must_be_able_to_match(self, on):
        def declare():
            Flow("signup").defstate("name", on=on)(lambda event, ctx: None)

        assert refused(declare) == f"on={on!r} can never match: no event is of all these kinds at once"

    @pytest.mark.parametrize("on", [5, "hello", [], ["hello"], Word])
    def test_on_takes_nothing_but_matchers(self, on):
        def declare():
            Flow("signup").defstate("name", on=on)(lambda event, ctx: None)

        assert refused(declare)

    @pytest.mark.parametrize("to", [ANY, 5, ["age", ANY], True])
    def test_to_lists_states_flows_and_the_end(self, to):
        def declare():
            Flow("signup").defstate("name", to=to)(lambda event, ctx: None)

        assert refused(declare).startswith("to= lists ")

    def test_to_names_states_that_there_are(self):
        def declare():
            flow = Flow("signup")
            flow.state("age")
            flow.defstate("name", to="agee")(lambda event, ctx: None)
            Engine(flow)

        assert refused(declare) == 'to= names "agee", flow "signup" has no such state'


class TestHooks:
    @pytest.mark.parametrize("decorator", ["on_enter", "on_exit", "invariant"])
    def test_a_hook_takes_ctx_only(self, decorator):
        def declare():
            decorate = getattr(Flow("signup"), decorator)
            (decorate() if decorator != "invariant" else decorate)(lambda event, ctx: None)

        assert "is a function of (ctx)" in refused(declare)

    @pytest.mark.parametrize("decorator", ["on_enter", "on_exit"])
    def test_a_hook_is_registered_with_parentheses(self, decorator):
        def declare():
            getattr(Flow("signup"), decorator)(lambda ctx: None)

        assert "registered without parentheses" in refused(declare)

    @pytest.mark.parametrize("decorator", ["on_enter", "on_exit"])
    def test_a_hook_names_states_only(self, decorator):
        def declare():
            getattr(Flow("signup"), decorator)(5)(lambda ctx: None)

        assert refused(declare) == "5 stands for no state"


class TestMigrations:
    @pytest.mark.parametrize("version", [0, 2, 3, "1", True])
    def test_only_older_versions_are_migrated(self, version):
        def declare():
            Flow("signup", version=2).migrate(version)

        assert refused(declare) == f"migrate({version!r}) in version 2 of flow 'signup'"

    def test_a_version_is_migrated_once(self):
        def declare():
            flow = Flow("signup", version=2)
            flow.migrate(1)(lambda state, data: (state, data))
            flow.migrate(1)(lambda state, data: (state, data))

        assert refused(declare) == "two functions migrate version 1"

    def test_a_migration_takes_state_and_data(self):
        def declare():
            Flow("signup", version=2).migrate(1)(lambda data: data)

        assert "is a function of (state, data)" in refused(declare)


class TestTexts:
    def test_only_known_texts_are_set(self):
        def declare():
            Flow("signup").texts(expird="Too late.")

        assert refused(declare) == "texts() knows no 'expird'"

    @pytest.mark.parametrize("text", [5, {"en": 5}])
    def test_a_text_is_a_text(self, text):
        def declare():
            Flow("signup").texts(expired=text)

        assert refused(declare) == f"texts(expired={text!r}) is no text"

    def test_the_value_of_a_menu_button_is_short(self):
        def declare():
            Flow("signup").button("Start", "x" * 40)

        assert refused(declare) == "the value of menu button 'Start' takes 40 bytes"


class TestTogether:
    def test_two_flows_of_one_name_are_refused(self):
        def declare():
            Engine(Flow("signup"), Flow("signup"))

        assert "two flows have this name" in refused(declare)

    def test_an_unknown_initial_state_is_refused(self):
        def declare():
            flow = Flow("signup", initial="agee")
            flow.state("age")
            Engine(flow)

        assert refused(declare) == "flow 'signup': initial='agee' is no state of it"

    def test_data_that_cannot_be_stored_are_refused(self):
        def declare():
            Engine(Flow("signup", data=dict[str, object | type]))

        assert "signup.data" in refused(declare)

    def test_a_transition_between_key_rules_is_refused(self):
        def declare():
            here, there = Flow("here"), Flow("there", key=KeyBy.CHAT)
            there.state("open")
            here.defstate("a", to="there/open")(lambda event, ctx: None)
            Engine(here, there)

        assert refused(declare).startswith("a transition leads from flow 'here'")

    def test_what_is_no_flow_is_refused(self):
        with pytest.raises(DefinitionError, match=r"'signup' is no Flow\. Pass the flows themselves"):
            Engine("signup")

    def test_an_unknown_isolation_is_refused(self):
        with pytest.raises(DefinitionError, match="isolation='none'"):
            Engine(Flow("signup"), isolation="none")

    @pytest.mark.parametrize(
        "late",
        [
            lambda flow: flow.state("late"),
            lambda flow: flow.defstate("late")(handler),
            lambda flow: flow.on_enter("late")(one_argument),
            lambda flow: flow.on_exit()(one_argument),
            lambda flow: flow.invariant(one_argument),
            lambda flow: flow.texts(expired="Late."),
            lambda flow: flow.migrate(1),
        ],
    )
    def test_a_flow_in_use_takes_nothing_more(self, late):
        flow = Flow("signup", version=2)
        Engine(flow)
        with pytest.raises(DefinitionError) as caught:
            late(flow)
        assert caught.value.problem == "flow 'signup': it is already in use"
        assert caught.value.remedy == "Declare all of it before attach(...) or Engine(...)"
        assert "test_definition_errors.py:" in caught.value.place


class TestPlaces:
    def test_the_place_of_a_handler_is_its_own_line(self):
        with pytest.raises(DefinitionError) as caught:
            Flow("signup").defstate(5)(handler)
        assert caught.value.place.endswith(line_of(handler))

    def test_the_place_of_a_partial_is_that_of_its_function(self):
        with pytest.raises(DefinitionError) as caught:
            Flow("signup").defstate(5)(functools.partial(handler))
        assert caught.value.place.endswith(line_of(handler))

    def test_the_place_of_a_wrapped_function_is_that_of_the_function(self):
        @functools.wraps(handler)
        def wrapper(*args): ...

        with pytest.raises(DefinitionError) as caught:
            Flow("signup").defstate(5)(wrapper)
        assert caught.value.place.endswith(line_of(handler))
