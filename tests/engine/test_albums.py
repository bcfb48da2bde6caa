"""Albums without Telegram: where their parts are gathered, and when they are handled."""

import json

import attrs
from chat_events import Said, Word
from memory_engine import KEY, Bench, returns

from fsmkit import ANY, Flow, Result, RowTooLarge
from fsmkit.engine.due import MAX_BYTES, QUIET, albums_of
from fsmkit.flow.matchers import Matcher


@attrs.define
class Part(Said):
    """A message of an album; with `parts` the album itself."""

    group: str | None = "g"
    kind: str = "photo"
    parts: tuple[str, ...] = ()

    def stored(self, *, alone):
        """The text as JSON."""
        return json.dumps(self.text).encode()

    @property
    def is_new_message(self):
        """Albums are."""
        return True


class Album(Matcher):
    """Albums; the match is what their parts say."""

    kinds = frozenset({"album"})

    def match(self, event):
        """The parts."""
        return event.parts if getattr(event, "kind", None) == "album" else None


class Photo(Matcher):
    """Single photos."""

    kinds = frozenset({"photo"})

    def match(self, event):
        """The text."""
        return event.text if getattr(event, "kind", None) == "photo" else None


def told(flow, *states, on=None, seen):
    """Registers a handler that notes what it matched."""

    @flow.defstate(*states, on=on or Album())
    def handler(event, ctx) -> Result:
        seen.append((flow.name, ctx.match))
        return ("stay",)


def looking(*flows, **options):
    """A bench whose engine can make events of albums, which enter any flow."""
    bench = Bench(*flows, **options)

    def album_of(key, body):
        parts = tuple(json.loads(body))
        return Part(group=None, kind="album", parts=parts), bench.engine.flows.entries

    bench.engine.face.album_of = album_of
    return bench


async def part(bench, text="1", **more):
    return (await bench.engine.send(KEY, Part(text, **more), id=more.pop("id", None))).kind


async def later(bench, seconds=QUIET):
    bench.clock.advance(seconds)
    await bench.engine.sweep()


async def test_the_flow_that_runs_gathers_before_one_that_could_be_entered():
    first, second, seen = Flow("first"), Flow("second"), []
    told(first, "a", None, seen=seen)
    told(second, None, seen=seen)
    bench = looking(second, first)
    await bench.engine.set_state(first, KEY, "a")
    await part(bench, "1")
    await part(bench, "2")
    await later(bench)
    assert seen == [("first", ("1", "2"))]


async def test_a_draft_does_not_gather_but_its_flow_may_be_entered():
    flow, seen = Flow("f"), []
    told(flow, "a", seen=[])
    told(flow, None, seen=seen)
    bench = looking(flow)
    await bench.engine.at(flow, KEY).set_data({"n": 1})
    await part(bench)
    await later(bench)
    assert seen == [("f", ("1",))]


async def test_a_caller_that_waits_gathers_with_its_handlers_for_any_state():
    outer, inner, seen = Flow("outer"), Flow("inner"), []
    returns(outer, "a", on=Word("call"))(("call", inner))
    told(outer, ANY, seen=seen)
    inner.state("in")
    bench = looking(outer, inner)
    await bench.engine.set_state(outer, KEY, "a")
    await bench.say("call")
    await part(bench)
    await later(bench)
    assert seen == [("outer", ("1",))]


async def test_a_conversation_of_a_flow_that_is_not_here_is_passed_over():
    gone, flow, seen = Flow("gone"), Flow("f"), []
    told(gone, "a", seen=seen)
    told(flow, None, seen=seen)
    before = looking(gone, flow)
    await before.engine.set_state(gone, KEY, "a")
    bench = looking(flow, store=before.store, clock=before.clock)
    await part(bench)
    await bench.say("that was it")
    assert seen == [("f", ("1",))]


async def test_a_flow_that_runs_is_not_entered_once_more():
    flow, seen = Flow("f"), []
    flow.state("a")
    told(flow, None, seen=seen)
    bench = looking(flow)
    await bench.engine.set_state(flow, KEY, "a")
    assert await part(bench) == "passed"


async def test_a_part_that_somebody_nearer_takes_is_not_gathered():
    near, far, seen = Flow("near"), Flow("far"), []
    told(near, "a", on=Photo(), seen=seen)
    told(far, None, seen=seen)
    bench = looking(near, far)
    await bench.engine.set_state(near, KEY, "a")
    await part(bench, "1")
    assert seen == [("near", "1")]


async def test_a_part_larger_than_the_room_for_albums_comes_as_any_message():
    flow, seen = Flow("f"), []
    told(flow, "a", seen=seen)
    told(flow, "a", on=Photo(), seen=seen)
    bench = looking(flow)
    await bench.engine.set_state(flow, KEY, "a")
    await part(bench, "x" * MAX_BYTES)
    assert [len(match) for _, match in seen] == [MAX_BYTES]


async def test_an_album_that_leaves_no_room_is_handled_and_the_next_part_goes_where_that_led():
    flow, seen = Flow("f"), []
    returns(flow, "a", on=Album())(("transition", "b"))
    told(flow, "b", on=Photo(), seen=seen)
    bench = looking(flow)
    await bench.engine.set_state(flow, KEY, "a")
    await part(bench, "x" * (MAX_BYTES - 100))
    await part(bench, "y" * 200)
    assert seen == [("f", "y" * 200)]


async def test_an_album_that_nobody_wants_any_more_is_over():
    flow = Flow("f")
    told(flow, "a", seen=[])
    flow.state("b")
    flow.state("a")
    bench = looking(flow)
    await bench.engine.set_state(flow, KEY, "a")
    await part(bench)
    await bench.engine.set_state(flow, KEY, "b")
    await later(bench)
    assert albums_of(await bench.row()) == []


async def test_without_telegram_albums_wait_for_the_bot():
    flow = Flow("f")
    told(flow, "a", seen=[])
    bench = looking(flow)
    await bench.engine.set_state(flow, KEY, "a")
    await part(bench)
    script = Bench(flow, store=bench.store, clock=bench.clock)
    await later(script)
    await script.say("hello")
    assert len(albums_of(await bench.row())) == 1


async def test_an_album_that_cannot_be_read_is_reported_and_over():
    flow = Flow("f")
    told(flow, "a", seen=[])
    bench = looking(flow)
    bench.engine.face.album_of = lambda key, body: 1 / 0
    await bench.engine.set_state(flow, KEY, "a")
    await part(bench)
    await later(bench)
    assert [type(error) for _, _, error in bench.errors] == [ZeroDivisionError]
    assert albums_of(await bench.row()) == []


async def test_a_letter_for_later_and_an_album_do_not_disturb_each_other():
    @attrs.frozen
    class Knock:
        pass

    flow, seen = Flow("f"), []
    told(flow, "a", seen=seen)

    @flow.defstate("a", on=Word("later"))
    def send(event, ctx) -> Result:
        ctx.send(ctx.key, Knock(), after=5)
        return ("stay",)

    flow.defstate("a", on=Knock)(lambda event, ctx: seen.append("knock"))
    bench = looking(flow)
    await bench.engine.set_state(flow, KEY, "a")
    await bench.say("later")
    await part(bench)
    await later(bench)
    assert seen == [("f", ("1",))]
    await later(bench, 5)
    assert seen == [("f", ("1",)), "knock"]


async def test_an_album_whose_step_cannot_be_committed_is_told_and_blocks_no_event():
    flow = Flow("f")
    flow.state("a")
    returns(flow, "a", on=Album())(("stay", {"text": "x" * 2000}))
    returns(flow, "a", on=Word("hello"))(("stay", {"n": 2}))
    bench = looking(flow, max_row_bytes=1000)
    await bench.engine.set_state(flow, KEY, "a")
    await part(bench, id=1)
    await later(bench)
    assert (await bench.say("hello")).kind == "handled"
    assert [type(error) for _, _, error in bench.errors] == [RowTooLarge]
    assert await bench.engine.get_state(flow, KEY) == ("a", {"n": 2})
