"""The algebra of matchers, and what may stand in `on=`."""

import re

import attrs
import pytest
from chat_events import Command, Press, Said, Word, press, said

from fsmkit import Crashed, Event, Timeout
from fsmkit.flow.events import ChatEvent
from fsmkit.flow.handlers import NEW_TEXT
from fsmkit.flow.matchers import (
    AllOf,
    AnyOf,
    CheckUpdate,
    Matcher,
    Not,
    OfClass,
    Predicate,
    as_matcher,
    classes_in,
)


@attrs.frozen
class Paid:
    amount: int


@attrs.frozen
class PaidTwice(Paid):
    pass


class Checker:
    """What PTB's filters and handlers look like from outside."""

    def __init__(self, found):
        self.found = found

    def check_update(self, update):
        return self.found if update == "wanted" else None


YES, NO = Word("yes"), Word("no")


# -- one matcher -----------------------------------------------------------------------------------


def test_without_on_a_new_text_is_wanted():
    assert NEW_TEXT.match(said("hello")) == "hello"


@pytest.mark.parametrize(
    "event",
    [said("/start"), Said("hello", kind="edited"), Said(kind="photo"), press("yes", 1), Paid(1), "hello"],
)
def test_without_on_nothing_but_a_new_text_is_wanted(event):
    assert NEW_TEXT.match(event) is None


def test_an_event_class_matches_its_events_and_those_of_subclasses():
    event = PaidTwice(5)
    assert as_matcher(Paid).match(event) is event


def test_an_event_class_matches_no_other_events():
    assert as_matcher(PaidTwice).match(Paid(5)) is None


def test_a_predicate_matches_where_it_is_true_and_its_value_is_the_match():
    digits = as_matcher(lambda event: re.fullmatch("[0-9]+", event.text))
    assert digits.match(said("42"))[0] == "42"
    assert digits.match(said("x")) is None


def test_a_predicate_that_is_false_does_not_match():
    assert as_matcher(lambda event: 0).match(said("x")) is None


def test_a_bare_predicate_never_sees_events_that_fsmkit_raises():
    seen = []
    matcher = as_matcher(lambda event: seen.append(event) or True)
    assert [matcher.match(Timeout(1.0)), matcher.match(Crashed(ValueError()))] == [None, None]
    assert seen == []


def test_what_has_check_update_is_asked_with_the_update():
    assert as_matcher(Checker({"args": []})).match(Said(update="wanted")) == {"args": []}


@pytest.mark.parametrize("found", [None, False])
def test_what_check_update_refuses_does_not_match(found):
    assert as_matcher(Checker(found)).match(Said(update="wanted")) is None


@pytest.mark.parametrize("found", [True, "", 0, [], {}])
def test_what_check_update_returns_counts_as_ptb_counts_it(found):
    # PTB takes anything but None and False, an empty list of arguments too.
    assert as_matcher(Checker(found)).match(Said(update="wanted")) == found


def test_check_update_is_not_asked_for_events_from_elsewhere():
    assert as_matcher(Checker(True)).match(Paid(1)) is None


def test_a_matcher_stays_itself():
    assert as_matcher(YES) is YES


@pytest.mark.parametrize("on", [5, "text", ["x"], None])
def test_what_can_match_nothing_is_refused(on):
    with pytest.raises(TypeError, match="is not a matcher"):
        as_matcher(on)


def test_a_matcher_class_without_parentheses_is_refused():
    with pytest.raises(TypeError, match=r"make one: Press\(\)"):
        as_matcher(Press)


# -- several ---------------------------------------------------------------------------------------


def test_or_gives_the_match_of_the_first_that_matches():
    either = YES | NO
    assert [either.match(said("yes")), either.match(said("no")), either.match(said("?"))] == [
        "yes",
        "no",
        None,
    ]


def test_and_needs_both_and_gives_the_match_of_the_last():
    both = NEW_TEXT & as_matcher(lambda event: len(event.text))
    assert both.match(said("yes")) == 3
    assert both.match(said("/yes")) is None


def test_and_does_not_ask_the_second_where_the_first_refuses():
    both = NEW_TEXT & as_matcher(lambda event: 1 / 0)
    assert both.match(said("/yes")) is None


def test_not_wants_what_the_other_does_not_want():
    event = said("no")
    assert (~YES).match(event) is event
    assert (~YES).match(said("yes")) is None


def test_not_still_wants_events_of_a_chat_only():
    assert [(~YES).match(event) for event in (Paid(1), Timeout(1.0), "no")] == [None, None, None]


def test_not_twice_is_the_same_again():
    event = said("yes")
    assert (~~YES).match(event) is event
    assert (~~YES).match(said("no")) is None


@pytest.mark.parametrize("combine", [lambda m, o: m | o, lambda m, o: o | m])
def test_or_takes_classes_checkers_and_functions_on_either_side(combine):
    assert combine(YES, Checker(True)).match(Said("?", update="wanted")) is True
    assert combine(YES, lambda event: event == "plain").match("plain") is True


@pytest.mark.parametrize("combine", [lambda m, o: m & o, lambda m, o: o & m])
def test_and_takes_classes_checkers_and_functions_on_either_side(combine):
    assert combine(YES, Checker(True)).match(Said("yes", update="wanted"))
    assert combine(YES, Checker(True)).match(Said("yes")) is None


def test_a_class_may_stand_beside_a_matcher():
    assert (YES | Paid).match(Paid(1)) == Paid(1)


# -- what can never match --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "matcher",
    [
        YES & Press(),
        YES & Timeout,
        (YES | NO) & Press(),
        (YES & Press()) | (NO & Press()),
        YES & YES & Press(),
    ],
)
def test_kinds_that_exclude_each_other_are_impossible(matcher):
    assert matcher.impossible() == "no event is of all these kinds at once"


@pytest.mark.parametrize(
    "matcher",
    [
        YES,
        YES & NO,
        YES | Press(),
        (YES & Press()) | NO,
        YES & ~NO,
        YES & Paid,
        YES & ChatEvent,
        ~YES & Press(),
    ],
)
def test_what_may_match_is_not_called_impossible(matcher):
    assert matcher.impossible() is None


# -- for the rest of the library -------------------------------------------------------------------


def test_matchers_show_as_they_are_written():
    assert repr(NEW_TEXT) == "text()"
    assert repr((NEW_TEXT | as_matcher(Paid)) & Timeout) == "(text() | Paid) & Timeout"
    assert repr(~NEW_TEXT) == "~(text())"
    assert repr(as_matcher(len)) == "len"
    assert repr(as_matcher(Checker(1))).startswith("<tests.flow.test_matchers.Checker")


def test_the_kinds_of_matchers_follow_from_their_parts():
    assert (YES | Command("start")).kinds == frozenset({"text", "command"})
    assert (YES & NEW_TEXT).kinds == frozenset({"text"})
    assert (YES | Paid).kinds is None
    assert OfClass(Timeout).kinds == frozenset({"Timeout"})


def test_the_users_event_classes_are_found_in_any_depth():
    matchers = [
        AnyOf([OfClass(Paid), AllOf([YES, Not(OfClass(PaidTwice))])]),
        OfClass(Timeout),
        OfClass(ChatEvent),
    ]
    assert set(classes_in(matchers)) == {Paid, PaidTwice}


def test_an_event_class_of_the_user_may_be_a_child_of_event():
    class Arrived(Event):
        pass

    assert classes_in([OfClass(Arrived)]) == [Arrived]


def test_a_matcher_of_ones_own_needs_only_match():
    class Long(Matcher):
        def match(self, event):
            return len(event) if len(event) > 3 else None

    assert (Long() | Predicate(lambda event: event == "x")).match("long") == 4
    assert isinstance(as_matcher(Checker(1)), CheckUpdate)
