"""Declaring: states, handlers, hooks, texts, menu buttons."""

from datetime import timedelta

import pytest

from fsmkit import ANY, Button, DefinitionError, Flow, KeyBy, State, StatesGroup
from fsmkit.flow.handlers import NEW_TEXT
from fsmkit.flow.matchers import AnyOf
from fsmkit.flow.states import INHERIT


class Signup(StatesGroup):
    name = State()

    class Address(StatesGroup):
        street = State()


def test_a_flow_has_the_defaults_of_the_design():
    flow = Flow("signup")
    assert (flow.data, flow.key, flow.version, flow.initial, flow.exclusive, flow.on_orphan) == (
        dict,
        KeyBy.USER_IN_CHAT,
        1,
        None,
        False,
        "end",
    )


def test_state_declares_a_state_and_returns_it():
    flow = Flow("signup")
    age = flow.state("age", prompt="How old?", otherwise="Digits.", ttl=60, renamed_from=("years",))
    assert flow["age"] is age
    assert (age, age.prompt, age.otherwise, age.ttl, age.renamed_from) == (
        "age",
        "How old?",
        "Digits.",
        60,
        ("years",),
    )


def test_a_state_has_the_defaults_of_the_design():
    state = Flow("signup").state("age")
    assert (
        state.prompt,
        state.buttons,
        state.otherwise,
        state.ttl,
        state.job,
        state.ephemeral,
        state.renamed_from,
    ) == (
        None,
        (),
        None,
        INHERIT,
        None,
        False,
        (),
    )


def test_a_missing_state_is_a_key_error_that_lists_those_there_are():
    flow = Flow("signup")
    flow.state("age")
    with pytest.raises(KeyError, match="'signup' has no state 'agee'; it has age"):
        flow["agee"]


@pytest.mark.parametrize("decorator", ["defstate", "on_enter", "on_exit"])
def test_a_state_named_only_in_a_decorator_is_declared_by_that(decorator):
    flow = Flow("signup")

    if decorator == "defstate":

        @flow.defstate("age")
        def handler(event, ctx): ...
    else:

        @getattr(flow, decorator)("age")
        def hook(ctx): ...

    assert flow["age"] == State("age")


def test_a_state_that_was_named_before_may_still_be_declared():
    flow = Flow("signup")

    @flow.defstate("age")
    def handler(event, ctx): ...

    age = flow.state("age", prompt="How old?")
    assert flow["age"] is age


def test_a_group_named_only_in_defstate_brings_its_states():
    flow = Flow("signup")

    @flow.defstate(Signup)
    def handler(event, ctx): ...

    assert list(flow.states) == ["Signup:name", "Signup.Address:street"]


def test_defstate_returns_the_function_unchanged():
    flow = Flow("signup")

    def handler(event, ctx): ...

    assert flow.defstate("age")(handler) is handler


def test_hooks_and_invariants_return_the_function_unchanged():
    flow = Flow("signup")

    def hook(ctx): ...

    assert flow.on_enter()(hook) is flow.on_exit("age")(hook) is flow.invariant(hook) is hook
    assert flow.invariant(states="age")(hook) is hook


def test_handlers_stand_in_the_order_of_definition():
    flow = Flow("signup")

    @flow.defstate("b")
    def first(event, ctx): ...

    @flow.defstate("a")
    def second(event, ctx): ...

    assert [handler.name.rpartition(".")[2] for handler in flow.handlers] == ["first", "second"]


def test_without_on_a_handler_wants_new_texts():
    flow = Flow("signup")
    flow.defstate("a")(lambda event, ctx: None)
    assert flow.handlers[0].matcher is NEW_TEXT
    assert flow.handlers[0].default


def test_several_in_on_means_any_of_them():
    flow = Flow("signup")
    flow.defstate("a", on=(int, str))(lambda event, ctx: None)
    matcher = flow.handlers[0].matcher
    assert isinstance(matcher, AnyOf)
    assert [matcher.match(event) for event in (5, "x", 1.0)] == [5, "x", None]


def test_when_narrows_on():
    flow = Flow("signup")
    flow.defstate("a", on=int, when=lambda event: event > 3)(lambda event, ctx: None)
    assert [flow.handlers[0].wants(event) for event in (5, 2, "x")] == [5, None, None]


def test_invariants_are_kept_with_their_states():
    flow = Flow("signup")

    @flow.invariant
    def always(ctx): ...

    @flow.invariant(states=("name", "age"))
    def sometimes(ctx): ...

    assert [(hook.function, hook.selectors) for hook in flow.invariants] == [
        (always, (ANY,)),
        (sometimes, ("name", "age")),
    ]


def test_a_flow_equals_its_name_and_hashes_like_it():
    flow = Flow("signup")
    assert flow == "signup"
    assert {flow: 1}["signup"] == 1


def test_two_flows_of_one_name_are_not_equal():
    assert Flow("signup") != Flow("signup")


@pytest.mark.parametrize("ttl", [60, 60.5, timedelta(minutes=1), None])
def test_a_time_to_live_is_seconds_or_a_timedelta_or_none(ttl):
    assert Flow("signup", ttl=ttl).ttl == ttl


def test_a_menu_button_names_its_flow():
    assert Flow("shop").button("Shop", "open") == Button("Shop", "open", flow="shop")


def test_a_menu_button_has_its_text_as_value():
    assert Flow("shop").button("Shop").value == "Shop"


def test_a_menu_button_takes_39_bytes_and_no_more():
    assert Flow("shop").button("Shop", "ä" * 19 + "x").value == "ä" * 19 + "x"
    with pytest.raises(DefinitionError, match="takes 40 bytes"):
        Flow("shop").button("Shop", "ä" * 20)


TEXTS = {"en": "Too late.", "de": "Zu spät.", "pt-BR": "Tarde demais."}


@pytest.mark.parametrize(
    ("lang", "expected"),
    [
        ("de", "Zu spät."),
        ("de-AT", "Zu spät."),
        ("pt-BR", "Tarde demais."),
        ("fr", "Too late."),
        (None, "Too late."),
    ],
)
def test_texts_are_found_in_the_persons_language_else_in_english(lang, expected):
    flow = Flow("signup")
    flow.texts(expired=TEXTS)
    assert flow.text_for("expired", lang) == expected


def test_texts_without_english_fall_back_to_the_first():
    flow = Flow("signup")
    flow.texts(stale={"de": "Alt.", "fr": "Vieux."})
    assert flow.text_for("stale", "it") == "Alt."


def test_a_plain_text_serves_every_language():
    flow = Flow("signup")
    flow.texts(stale="Old.", lost=None)
    assert flow.text_for("stale", "de") == "Old."
    assert flow.text_for("lost", "de") is None


def test_texts_that_are_not_set_keep_their_defaults():
    flow = Flow("signup")
    flow.texts(stale="Old.")
    assert flow.text_for("lost", None) == Flow("other").text_for("lost", None) != None  # noqa: E711
    assert [flow.text_for(name, None) for name in ("expired", "crash")] == [None, None]
