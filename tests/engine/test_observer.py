"""Observers: what they are told, in which order; that they change nothing, and cost nothing where there are none."""

import logging

import pytest
from chat_events import Word
from memory_engine import KEY, Bench

from fsmkit import Flow, Timeout
from fsmkit.engine import Observer


def name_of(offered):
    return offered.handler.name.rpartition(".")[2]


class Notes(Observer):
    """Writes down what it is told, as short texts."""

    def __init__(self):
        self.told = []

    def arrived(self, key, event):
        self.told.append(f"arrived {event!r}" if not hasattr(event, "text") else f"arrived {event.text}")

    def asked(self, key, offered, why):
        self.told.append(f"asked {offered.flow}/{offered.state} {name_of(offered)}: {why}")

    def called(self, key, offered):
        self.told.append(f"called {name_of(offered)}")

    def result(self, key, offered, result):
        self.told.append(f"result {result!r}")

    def committed(self, key, before, after, outcome):
        states = [
            [snapshot.frames[-1].state for snapshot in row.snapshots.values()] for row in (before, after)
        ]
        self.told.append(f"committed {states[0]} -> {states[1]} {outcome.kind}")

    def delivered(self, key, effect, receipt):
        self.told.append(f"delivered {effect.text} {receipt}")

    def refused(self, key, effect, error):
        self.told.append(f"refused {effect.text}: {error}")

    def fired(self, key, event):
        self.told.append(f"fired {type(event).__name__}")

    def failed(self, key, offered, error):
        self.told.append(f"failed {offered and name_of(offered)}: {error}")

    def take(self):
        told, self.told = self.told, []
        return told


def asking(**options):
    """A flow with an entry, a guard, one who passes, and a handler that goes on."""
    flow = Flow("f", data=dict, **options)
    flow.state("a", prompt="At a")

    @flow.defstate(None, on=Word("hi"))
    def enter(event, ctx):
        return ("transition", "a")

    @flow.defstate("a", when=lambda event: event.text == "secret")
    def guarded(event, ctx):
        raise AssertionError("never called")

    @flow.defstate("a")
    def passes(event, ctx):
        return ("pass",)

    @flow.defstate("a", on=Word("end"))
    def ends(event, ctx):
        ctx.reply("Bye")
        return ("end", None)

    return flow


def watched(*flows, **options):
    notes = Notes()
    return notes, Bench(*flows, observers=[notes], **options)


async def test_a_step_is_told_from_its_arrival_to_its_delivery():
    notes, bench = watched(asking())
    await bench.say("hi")
    assert notes.take() == [
        "arrived hi",
        "asked f/None enter: None",
        "called enter",
        "result ('transition', 'a')",
        "committed [] -> ['a'] handled",
        "delivered At a 101",
    ]


async def test_each_handler_that_is_asked_is_told_with_the_reason_why_it_does_not_want_the_event():
    notes, bench = watched(asking())
    await bench.say("hi")
    notes.take()
    await bench.say("end")
    assert notes.take() == [
        "arrived end",
        "asked f/a guarded: its when= said no",
        "asked f/a passes: None",
        "called passes",
        "result ('pass',)",
        "asked f/a ends: None",
        "called ends",
        "result ('end', None)",
        "committed ['a'] -> [] handled",
        "delivered Bye 102",
    ]


async def test_what_nobody_wants_is_asked_about_and_not_written():
    notes, bench = watched(asking())
    await bench.say("hello")
    arrived, asked = notes.take()
    assert arrived == "arrived hello"
    assert asked.startswith("asked f/None enter: not this text")


async def test_a_when_is_asked_once_although_it_is_watched():
    asked = []
    flow = Flow("f")

    @flow.defstate(None, when=lambda event: asked.append(event.text))
    def never(event, ctx):
        raise AssertionError("never called")

    _notes, bench = watched(flow)
    await bench.say("x")
    assert asked == ["x"]


async def test_a_refused_delivery_is_told():
    def deliver(key, effect):
        raise ValueError("no such chat")

    notes, bench = watched(asking(), deliver=deliver)
    await bench.say("hi")
    assert "refused At a: no such chat" in notes.take()


async def test_a_timeout_is_told_as_fired_with_what_comes_of_it():
    notes, bench = watched(asking(ttl=10))
    await bench.say("hi")
    notes.take()
    bench.clock.advance(11)
    await bench.engine.sweep()
    told = notes.take()
    assert told[0] == "fired Timeout"
    assert "committed ['a'] -> [] handled" in told


async def test_the_row_before_a_step_is_what_the_timeouts_before_it_left():
    notes, bench = watched(asking(ttl=10))
    await bench.say("hi")
    notes.take()
    bench.clock.advance(11)
    await bench.say("hi")
    committed = [note for note in notes.take() if note.startswith("committed")]
    assert committed == ["committed ['a'] -> [] handled", "committed [] -> ['a'] handled"]


async def test_what_a_handler_raises_is_told_and_nothing_is_written():
    flow = Flow("f")

    @flow.defstate(None)
    def broken(event, ctx):
        raise KeyError("lost")

    notes, bench = watched(flow)
    with pytest.raises(KeyError):
        await bench.say("x")
    assert notes.take()[:4] == [
        "arrived x",
        "asked f/None broken: None",
        "called broken",
        "failed broken: 'lost'",
    ]


async def test_what_goes_wrong_outside_of_handlers_is_told_without_one():
    notes, bench = watched(asking())
    bench.store.lease = lambda key, **options: 1 / 0
    with pytest.raises(ZeroDivisionError):
        await bench.say("x")
    assert notes.take() == ["arrived x", "failed None: division by zero"]


async def test_what_a_commit_refuses_is_told_of_the_handler_whose_step_it_was():
    flow = Flow("f", data=dict)
    flow.state("a")

    @flow.defstate(None)
    def large(event, ctx):
        return ("transition", "a", {"x": "y" * 3000})

    notes, bench = watched(flow, max_row_bytes=1000)
    with pytest.raises(Exception, match="bytes"):
        await bench.say("x")
    assert any(note.startswith("failed large: ") for note in notes.take())


async def test_a_timeout_handler_that_raises_is_told():
    flow = asking(ttl=10)

    @flow.defstate("a", on=Timeout)
    def late(event, ctx):
        raise ValueError("too late")

    notes, bench = watched(flow)
    await bench.say("hi")
    notes.take()
    bench.clock.advance(11)
    await bench.engine.sweep()
    assert "failed late: too late" in notes.take()


async def test_an_observer_that_raises_is_logged_and_changes_nothing(caplog):
    class Broken(Observer):
        def called(self, key, offered):
            raise RuntimeError("blind")

    notes = Notes()
    bench = Bench(asking(), observers=[Broken(), notes])
    with caplog.at_level(logging.ERROR, "fsmkit"):
        outcome = await bench.say("hi")
    assert (outcome.state, bench.texts) == ("a", ["At a"])
    assert "called enter" in notes.take()
    assert "blind" in caplog.text


async def test_with_and_without_observers_the_same_is_stored_and_sent():
    plain, (_notes, seen) = Bench(asking(ttl=10)), watched(asking(ttl=10))
    for bench in (plain, seen):
        for text in ("no", "hi", "what", "end", "hi"):
            await bench.say(text)
    # The number of a run is random; all else is the same.
    assert [row.snapshots["f"].frames for row in (await plain.row(), await seen.row())] == 2 * [
        (await plain.row()).snapshots["f"].frames
    ]
    assert plain.texts == seen.texts == ["At a", "Bye", "At a"]


async def test_without_observers_nobody_is_told_and_no_reason_is_looked_for(monkeypatch):
    def never(*_args):
        raise AssertionError("nobody watches")

    monkeypatch.setattr("fsmkit.engine.turn.why_not", never)
    monkeypatch.setattr("fsmkit.engine.turn.Offered", never)
    bench = Bench(asking())
    await bench.say("no")
    assert (await bench.say("hi")).state == "a"
    assert bench.engine._services.watch is None


async def test_what_happens_to_another_key_is_told_with_its_key():
    keys = []

    class Keys(Observer):
        def committed(self, key, before, after, outcome):
            keys.append(key)

    bench = Bench(asking(), observers=[Keys()])
    await bench.say("hi")
    assert keys == [KEY]
