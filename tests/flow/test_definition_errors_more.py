"""Wrong hooks, migrations and texts, and flows that do not fit together."""

import functools
import inspect

import pytest
from sample_flows import refused

from fsmkit import DefinitionError, Engine, Flow, KeyBy, State, StatesGroup


class Signup(StatesGroup):
    name = State()


def line_of(function):
    return f"tests/flow/test_definition_errors_more.py:{inspect.getsourcelines(function)[1]}"


def handler(event, ctx): ...


def one_argument(ctx): ...


class TestHooks:
    @pytest.mark.parametrize("decorator", ["on_enter", "on_exit", "invariant"])
    def test_a_hook_takes_ctx_only(self, decorator):
        def declare():
            decorate = getattr(Flow("signup"), decorator)
            (decorate() if decorator != "invariant" else decorate)(lambda event, ctx: None)

        assert "is a function of (ctx)" in refused(declare)

    @pytest.mark.parametrize("decorator", ["on_enter", "on_exit", "guard"])
    def test_a_hook_is_registered_with_parentheses(self, decorator):
        def declare():
            getattr(Flow("signup"), decorator)(lambda ctx: None)

        assert "registered without parentheses" in refused(declare)
        with pytest.raises(DefinitionError, match=rf"Write @flow.{decorator}\(\)"):
            declare()

    def test_a_handler_is_registered_with_parentheses(self):
        with pytest.raises(DefinitionError) as caught:
            Flow("signup").defstate(handler)
        assert caught.value.place == line_of(handler)
        assert caught.value.problem == "a handler is registered without parentheses"
        assert caught.value.remedy == 'Write @flow.defstate("name")'


class TestOptionsOfAFlow:
    @pytest.mark.parametrize(
        ("option", "meant"), [("timeout", "ttl"), ("verison", "version"), ("per_chat", "key"), ("tll", "ttl")]
    )
    def test_a_misspelt_option_lists_the_right_ones_with_the_near_ones_first(self, option, meant):
        def declare():
            Flow("signup", **{option: 60})

        assert refused(declare) == f"flow 'signup' has no option {option}="
        with pytest.raises(DefinitionError) as caught:
            declare()
        assert caught.value.remedy.startswith(f"Did you mean {meant}=? It takes {meant}=, ")
        listed = caught.value.remedy.partition("It takes ")[2].split(", ")
        assert len(set(listed)) == len(listed)
        assert set(listed) > {"ttl=", "states=", "data=", "key=", "on_orphan="}

    def test_an_option_that_is_like_no_other_lists_all(self):
        with pytest.raises(DefinitionError, match=r"no option zzz=\. It takes states=, data=, key=, ttl="):
            Flow("signup", zzz=1)

    @pytest.mark.parametrize("decorator", ["on_enter", "on_exit"])
    def test_a_hook_names_states_only(self, decorator):
        def declare():
            getattr(Flow("signup"), decorator)(5)(lambda ctx: None)

        assert refused(declare) == "5 does not name a state"


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

        assert refused(declare) == f"texts(expired={text!r}) is not a text"

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

        assert refused(declare) == "flow 'signup': initial='agee' is not a state of it"

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
        with pytest.raises(DefinitionError, match=r"'signup' is not a Flow\. Pass the flows themselves"):
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
        assert "test_definition_errors_more.py:" in caught.value.place


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


class TestUndeclaredStates:
    def test_a_misspelt_state_names_the_nearest_and_the_line_to_add(self):
        flow = Flow("signup")
        flow.state("age")
        flow.defstate("aeg")(handler)
        with pytest.raises(DefinitionError) as caught:
            Engine(flow)
        assert caught.value.place == line_of(handler)
        assert caught.value.problem == "flow 'signup': state 'aeg' is not declared, as its other states are"
        assert (
            caught.value.remedy
            == "Did you mean 'age'? If it is a state of its own, write flow.state(\"aeg\")"
        )

    def test_a_state_like_no_other_has_the_line_to_add(self):
        flow = Flow("signup")
        flow.state("age")
        flow.on_enter("confirm")(one_argument)
        with pytest.raises(DefinitionError, match=r'are\. Write flow\.state\("confirm"\)$'):
            Engine(flow)

    @pytest.mark.parametrize("hook", ["on_enter", "on_exit", "guard"])
    def test_hooks_name_declared_states_too(self, hook):
        flow = Flow("signup", states=Signup)
        getattr(flow, hook)("Signup:nmae")(one_argument)
        with pytest.raises(DefinitionError, match=r"Did you mean 'Signup:name'\?"):
            Engine(flow)

    def test_a_state_may_be_declared_below_its_handler(self):
        flow = Flow("signup")
        flow.state("name")
        flow.defstate("age")(handler)
        flow.state("age")
        assert list(Engine(flow).flows.tables["signup"].rules) == ["name", "age"]

    def test_a_flow_that_declares_none_takes_them_from_its_handlers(self):
        flow = Flow("signup")
        flow.defstate("name", "age")(handler)
        assert list(Engine(flow).flows.tables["signup"].rules) == ["name", "age"]

    def test_a_state_or_group_given_to_a_handler_declares_nothing_else(self):
        flow = Flow("signup")
        flow.defstate(Signup, "age")(handler)
        assert list(Engine(flow).flows.tables["signup"].rules) == ["Signup:name", "age"]
