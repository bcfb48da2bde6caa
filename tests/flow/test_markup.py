"""What stands under a message, as users write it."""

import pytest

from fsmkit import Button, Keyboard, KeyboardButton, Reply
from fsmkit.flow.messages import ACTIONS, REQUESTS

ONE_ACTION = {"pay": True, "callback_game": True}


@pytest.mark.parametrize("value", [1, 0, True, False, None, 1.5, [1], (1, 2), {"id": 3}])
def test_the_value_of_a_button_need_not_be_a_text(value):
    made = Button("Text", value)
    assert (made.value, type(made.value)) == (value, type(value))


@pytest.mark.parametrize("action", ACTIONS)
def test_a_button_may_do_something_instead_of_sending_its_value(action):
    given = ONE_ACTION.get(action, "something")
    assert Button("Text", **{action: given}).action == (action, given)


@pytest.mark.parametrize("name", ["switch_inline_query", "switch_inline_query_current_chat"])
def test_an_inline_query_may_be_empty(name):
    assert Button("Share", **{name: ""}).action == (name, "")


def test_a_button_that_sends_its_value_has_no_action():
    assert Button("Text", callback_game=False, pay=False).action is None


@pytest.mark.parametrize(
    ("arguments", "options", "problem"),
    [
        (("Text",), {"url": "u", "pay": True}, "one thing, not url and pay"),
        (("Text", 5), {"url": "u"}, "with url it sends no value, got 5"),
        (("Text", ""), {}, "value that is not empty"),
    ],
)
def test_a_button_does_one_thing(arguments, options, problem):
    with pytest.raises(TypeError, match=problem):
        Button(*arguments, **options)


@pytest.mark.parametrize("request_of", REQUESTS)
def test_a_key_may_ask_for_something(request_of):
    given = {"request_users": 2, "request_chat": "group", "request_poll": "quiz", "web_app": "https://a.b"}
    assert KeyboardButton("Text", **{request_of: given.get(request_of, True)}).request is not None


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("", {}),
        (5, {}),
        ("Text", {"request_contact": True, "request_location": True}),
        ("Text", {"request_chat": "forum"}),
        ("Text", {"request_poll": "survey"}),
    ],
)
def test_a_key_that_cannot_be_is_refused(text, options):
    with pytest.raises(TypeError, match="KeyboardButton"):
        KeyboardButton(text, **options)


def test_the_rows_of_a_keyboard_are_brought_into_their_one_shape():
    key = KeyboardButton("Me", request_contact=True)
    assert Keyboard(["A", key]).rows == (("A", key),)
    assert Keyboard([["A"], [key], []]).keys == (("A",), (key,))
    assert Reply("?", keyboard=[[key], ["A"]]).keyboard == ((key,), ("A",))


@pytest.mark.parametrize("rows", ["A", KeyboardButton("A"), ["A", ["B"]], 5, [5], [[5]], {"A": 1}])
def test_keys_of_another_shape_are_refused(rows):
    with pytest.raises(TypeError):
        Keyboard(rows)


def test_a_keyboard_goes_with_its_state_unless_it_hides_by_itself_or_is_to_stay():
    assert [
        Keyboard(["A"], **options).leaves for options in ({}, {"one_time": True}, {"persistent": True})
    ] == [
        True,
        False,
        False,
    ]
