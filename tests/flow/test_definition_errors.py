"""Every wrong declaration is a DefinitionError with the problem, `file:line` and the remedy."""

from datetime import timedelta

import pytest
from chat_events import Press, Word
from sample_flows import refused

from fsmkit import ANY, DefinitionError, Engine, Flow, State, StatesGroup, Timeout


class Signup(StatesGroup):
    name = State()


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

        assert refused(declare) == "flow 'signup': data={} is not a type"

    def test_key_must_be_a_rule(self):
        def declare():
            Flow("signup", key="chat")

        assert refused(declare) == "flow 'signup': key='chat' is not a key rule"

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

        assert "is not a group" in refused(declare)


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

    def test_a_misspelt_option_comes_with_the_one_that_was_probably_meant(self):
        with pytest.raises(DefinitionError) as caught:
            Flow("signup").state("age", otherwize="Digits, please.")
        assert caught.value.problem == "a state has no option otherwize="
        assert caught.value.remedy == "Did you mean otherwise=?"
        assert "test_definition_errors.py:" in str(caught.value)

    def test_an_option_like_no_other_comes_with_all_there_are(self):
        with pytest.raises(DefinitionError, match="It takes prompt, buttons, otherwise"):
            Flow("signup").state("age", xyz=1)

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
            flow.state("age", renamed_from=was)
            Engine(flow)

        assert (
            refused(declare)
            == "flow 'signup': state 'age' has renamed_from='name', which is still a name of a state"
        )

    def test_old_names_are_texts(self):
        def declare():
            flow = Flow("signup")
            flow.state("age", renamed_from=[5])
            Engine(flow)

        assert refused(declare) == "flow 'signup': state 'age' has renamed_from=5"

    def test_two_states_cannot_have_one_old_name(self):
        def declare():
            flow = Flow("signup")
            flow.state("name", renamed_from="old")
            flow.state("age", renamed_from="old")
            Engine(flow)

        assert "state 'age' has renamed_from='old'" in refused(declare)


class TestDefstate:
    def test_it_names_states(self):
        def declare():
            Flow("signup").defstate()(lambda event, ctx: None)

        assert refused(declare) == "defstate() names no state"

    def test_it_is_written_with_parentheses(self):
        def declare():
            @Flow("signup").defstate
            def name(event, ctx): ...

        assert refused(declare) == "a handler is registered without parentheses"

    @pytest.mark.parametrize("selector", [5, "", ["name"], dict])
    def test_it_takes_nothing_but_states(self, selector):
        def declare():
            Flow("signup").defstate(selector)(lambda event, ctx: None)

        assert refused(declare) == f"{selector!r} does not name a state"

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
            flow.state("name")
            flow.defstate("name", to="agee")(lambda event, ctx: None)
            Engine(flow)

        assert refused(declare) == 'to= names "agee", flow "signup" has no such state'
