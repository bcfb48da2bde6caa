"""What a step looks up by the kind of its event: handlers of a state, and flows that it may enter."""

from chat_events import Said, Word, said

from fsmkit import ANY, Flow, Timeout
from fsmkit.flow.matchers import Matcher
from fsmkit.interpreter.compiled import FlowSet
from fsmkit.interpreter.row import NO_DATA, Frame, Row, Snapshot
from fsmkit.interpreter.selection import select


class Counting(Matcher):
    """Wants nothing, and counts how often it is asked."""

    def __init__(self, *kinds):
        self.kinds = frozenset(kinds) or None
        self.asked = 0

    def match(self, event):
        self.asked += 1


def named(flow, name, *states, **options):
    def handler(event, ctx): ...

    handler.__qualname__ = name
    flow.defstate(*states, **options)(handler)


def standing(*states):
    frames = tuple(Frame(flow, 1, state, NO_DATA) for flow, state in states)
    return Row({frames[0].flow: Snapshot(frames, 5, 1)})


def asked(flows, row, event, **options):
    return [step.handler.name for step in select(flows, row, event, **options)]


def test_a_handler_that_names_other_kinds_is_not_asked():
    flow, photos, anything = Flow("f"), Counting("photo", "video"), Counting()
    named(flow, "photos", "a", on=photos)
    named(flow, "anything", "a", on=anything)
    named(flow, "text", "a")
    flows = FlowSet([flow])
    photos.asked = anything.asked = 0  # the flow set has asked them too
    assert asked(flows, standing(("f", "a")), said("x")) == ["text"]
    assert (photos.asked, anything.asked) == (0, 1)
    assert asked(flows, standing(("f", "a")), Said("x", kind="photo")) == []
    assert (photos.asked, anything.asked) == (1, 2)


def test_the_order_of_a_state_stays_whatever_is_left_out():
    flow, outer = Flow("f"), Flow("outer")
    named(flow, "any", ANY)
    named(flow, "photo", "a", on=Counting("photo"))
    named(flow, "first", "a", on=Word("x"))
    named(flow, "second", "a")
    named(flow, "late", "a", on=Timeout)
    named(outer, "outer's any", ANY)
    named(outer, "outer's own", "b")
    row = standing(("outer", "b"), ("f", "a"))
    assert asked(FlowSet([outer, flow]), row, said("x")) == ["first", "second", "any", "outer's any"]
    assert asked(FlowSet([outer, flow]), row, Timeout(1.0)) == ["late"]


def test_a_kind_of_message_may_enter_only_flows_whose_entries_name_it():
    words, photos, all_kinds = Flow("words"), Flow("photos"), Flow("all")
    named(words, "words", None)
    named(photos, "photos", None, on=Counting("photo"))
    named(all_kinds, "all", None, on=Counting())
    flows = FlowSet([words, photos, all_kinds])
    entries = flows.entries_of(words.key)
    assert [table.name for table in entries["text"]] == ["words", "all"]
    assert [table.name for table in entries["photo"]] == ["photos", "all"]
    assert [table.name for table in entries["edited"]] == ["words", "photos", "all"]


def test_a_filter_that_comes_after_the_engine_is_noted_by_it():
    early, late, none = Flow("early"), Flow("late"), Flow("none")
    early.mark_filtered()
    flows = FlowSet([early, late, none])
    assert flows.filtered == {"early"}
    late.mark_filtered()
    assert flows.filtered == {"early", "late"}
