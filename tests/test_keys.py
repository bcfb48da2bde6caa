"""Keys: what they are made of, their one text form, and the five rules that make them."""

import enum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsmkit import Key, KeyBy

PLACE = {"chat": -100, "user": 7, "thread": 3, "business": "b", "bot": 9}

parts = st.integers() | st.text(st.characters(exclude_categories=["Cs"]))
keys = st.builds(Key, parts, parts, st.none() | parts, st.none() | parts, st.none() | parts)


class Place(enum.IntEnum):
    HOME = 1


@given(keys)
def test_a_key_comes_back_from_its_text(key):
    assert Key.parse(str(key)) == key
    assert [type(part) for part in Key.parse(str(key))] == [type(part) for part in key]


@given(keys, keys)
def test_no_two_keys_share_a_text(one, other):
    assert (str(one) == str(other)) == (one == other)


def test_a_number_and_its_digits_are_two_keys():
    assert Key(chat=1, user=1) != Key(chat="1", user=1)
    assert str(Key(chat=1, user=1)) != str(Key(chat="1", user=1))


def test_a_text_with_separators_in_it_does_not_run_into_its_neighbours():
    assert Key(chat="a:b", user="c") != Key(chat="a", user="b:c")
    assert str(Key(chat="a:b", user="c")) == "~a%3Ab:~c:-:-:-"


def test_an_empty_text_is_not_nothing():
    assert str(Key(1, 2, "")) == "1:2:~:-:-"
    assert str(Key(1, 2)) == "1:2:-:-:-"


def test_the_fields_of_a_key_are_ordered():
    assert tuple(Key(chat=1, user=2, thread=3, business="b", bot=4)) == (1, 2, 3, "b", 4)


def test_a_key_cannot_be_changed():
    with pytest.raises(AttributeError):
        Key(1, 2).chat = 3


@pytest.mark.parametrize("part", [True, 1.0, b"1", None, Place.HOME, ("a",)])
def test_a_key_is_made_of_ints_and_strings_only(part):
    with pytest.raises(TypeError, match="a key"):
        Key(chat=part, user=1)


@pytest.mark.parametrize(
    "text", ["", "1", "1:2", "1:2:-:-", "1:2:-:-:-:-", "-:2:-:-:-", "1:-:-:-:-", "x:2:-:-:-", "1 :2:-:-:-"]
)
def test_what_is_no_key_is_refused_when_parsed(text):
    with pytest.raises(ValueError, match="no key"):
        Key.parse(text)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (KeyBy.USER_IN_CHAT, Key(-100, 7, None, "b", 9)),
        (KeyBy.CHAT, Key(-100, -100, None, "b", 9)),
        (KeyBy.GLOBAL_USER, Key(7, 7, None, "b", 9)),
        (KeyBy.USER_IN_TOPIC, Key(-100, 7, 3, "b", 9)),
        (KeyBy.CHAT_TOPIC, Key(-100, -100, 3, "b", 9)),
    ],
)
def test_each_rule_makes_its_key(rule, expected):
    assert rule.key(**PLACE) == expected


@pytest.mark.parametrize(
    ("rule", "place", "expected"),
    [
        (KeyBy.USER_IN_MESSAGE, {"chat": -100, "user": 7, "message": 3}, Key(-100, 7, "m3")),
        (KeyBy.MESSAGE, {"chat": -100, "user": 7, "message": 3}, Key(-100, -100, "m3")),
        (KeyBy.USER_IN_MESSAGE, {"chat": None, "user": 7, "message": "A"}, Key(7, 7, "mA")),
        (KeyBy.MESSAGE, {"chat": None, "user": 7, "message": "A"}, Key("A", "A", "mA")),
        (KeyBy.MESSAGE, {"chat": -100, "user": 7, "message": None}, None),
        (KeyBy.USER_IN_MESSAGE, {"chat": -100, "user": None, "message": 3}, None),
    ],
)
def test_a_message_with_buttons_may_have_conversations_of_its_own(rule, place, expected):
    assert rule.key(thread=3, **place) == expected


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (KeyBy.USER_IN_CHAT, Key(7, 7)),
        (KeyBy.CHAT, Key(7, 7)),
        (KeyBy.GLOBAL_USER, Key(7, 7)),
        (KeyBy.USER_IN_TOPIC, Key(7, 7)),
        (KeyBy.CHAT_TOPIC, Key(7, 7)),
    ],
)
def test_without_a_chat_the_user_stands_for_it(rule, expected):
    assert rule.key(chat=None, user=7) == expected


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (KeyBy.USER_IN_CHAT, None),
        (KeyBy.CHAT, Key(-100, -100)),
        (KeyBy.GLOBAL_USER, None),
        (KeyBy.USER_IN_TOPIC, None),
        (KeyBy.CHAT_TOPIC, Key(-100, -100)),
    ],
)
def test_without_a_user_only_the_rules_by_chat_have_a_key(rule, expected):
    assert rule.key(chat=-100, user=None) == expected


@pytest.mark.parametrize("rule", KeyBy)
def test_without_chat_and_user_there_is_no_key(rule):
    assert rule.key(chat=None, user=None) is None


@pytest.mark.parametrize(
    ("rule", "by_chat", "by_topic"),
    [
        (KeyBy.USER_IN_CHAT, False, False),
        (KeyBy.CHAT, True, False),
        (KeyBy.GLOBAL_USER, False, False),
        (KeyBy.USER_IN_TOPIC, False, True),
        (KeyBy.CHAT_TOPIC, True, True),
    ],
)
def test_a_rule_says_whether_people_and_topics_share_a_conversation(rule, by_chat, by_topic):
    assert (rule.by_chat, rule.by_topic) == (by_chat, by_topic)


def test_a_key_without_a_bot_gets_the_attached_one():
    assert Key(1, 2).with_bot(9) == Key(1, 2, bot=9)


def test_a_key_with_a_bot_keeps_it():
    assert Key(1, 2, bot=8).with_bot(9) == Key(1, 2, bot=8)


def test_where_no_bot_is_attached_a_key_stays_as_it_is():
    assert Key(1, 2).with_bot(None) == Key(1, 2)
