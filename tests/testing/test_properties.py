"""Properties of whole conversations: what is held, broken, or open."""

import pytest

from fsmkit.interpreter.row import Row
from fsmkit.testing import Observation, after, always, eventually, never
from fsmkit.testing.harness.actions import Say
from fsmkit.testing.properties import is_open, oracle_of


class At(Observation):
    """A observation in a state."""

    def __init__(self, state):
        super().__init__(Say("x"), Row(), Row(), None, (), (), ())
        object.__setattr__(self, "place", (("f", state),) if state else ())


def verdicts(property_, states):
    """What is said after each observation of a conversation."""
    watcher = property_.watcher()
    return [watcher.see(At(state)) for state in states]


def test_always_is_broken_by_the_first_moment_that_is_otherwise():
    assert verdicts(always("a"), "aab") == ["held", "held", "broken"]
    assert verdicts(always(lambda observation: observation.state != "b"), "aca") == ["held"] * 3


def test_never_is_broken_by_the_first_moment_that_is_so():
    assert verdicts(never("b"), "aab") == ["held", "held", "broken"]
    assert verdicts(never("b"), "aca") == ["held"] * 3


def test_eventually_is_open_until_it_comes_or_the_bound_is_over():
    assert verdicts(eventually("c", within=3), "abc") == ["open", "open", "held"]
    assert verdicts(eventually("c", within=2), "abd") == ["open", "open", "broken"]


def test_after_until_counts_from_each_time_that_it_begins():
    assert verdicts(after("a").until("c", within=2), "bacba") == ["held", "open", "held", "held", "open"]
    assert verdicts(after("a").until("c", within=2), "abb") == ["open", "open", "broken"]


def test_what_is_broken_stays_broken_and_is_reported_once():
    oracle = oracle_of(never("b"))
    observations = [At("a"), At("b"), At("a"), At("b")]
    assert [len(list(oracle(observations[:n]))) for n in range(1, 5)] == [0, 1, 0, 0]


def test_a_conversation_that_was_too_short_leaves_it_open():
    assert is_open(eventually("c", within=3), [At("a")])
    assert not is_open(eventually("c", within=3), [At("c")])
    assert not is_open(eventually("c", within=3), [])


def test_after_without_until_says_what_to_write():
    with pytest.raises(TypeError, match=r"after\(a\)\.until\(b, within=3\)"):
        after("a").watcher()


def test_a_property_says_what_it_is():
    assert repr(after("a").until("b", within=2)) == "after('a').until('b', within=2)"
