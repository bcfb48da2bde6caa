"""`handler_timeout` and `sync_handlers`: how long a handler may take, and where a plain function runs."""

import asyncio
import contextlib
import threading
from datetime import timedelta

import pytest

from fsmkit import ANY, Crashed, DefinitionError, Engine, Flow, HandlerTimeout, Key, LeaseOver
from fsmkit.engine.deadline import THREADS
from fsmkit.testing import ManualClock

KEY = Key(1, 1)
OTHER = Key(2, 2)


class Slow:
    """An engine whose flow is slow in some states, and the clock that it goes by.

    Attributes:
        seen: What handlers have done, in order.
    """

    def __init__(self, rescue=False, **options):
        self.clock, self.seen, self.begun = ManualClock(), [], asyncio.Event()
        flow = self.flow = Flow("slow", data=dict)
        flow.state("on")
        flow.state("short", handler_timeout=timedelta(seconds=5))
        flow.state("any", handler_timeout=None)

        @flow.defstate(None, on=str)
        def enter(event, ctx):
            return ("transition", event, {"n": 0})

        @flow.defstate("on", "short", "any", on=str)
        async def wait(event, ctx):
            ctx.reply("lost with the step")
            self.begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                self.seen.append("ended")

        if rescue:

            @flow.defstate(ANY, on=Crashed)
            def crashed(event, ctx):
                self.seen.append(type(event.error))
                return ("stay", {"n": 1})

        self.engine = Engine(flow, clock=self.clock, **options)

    async def after(self, state, seconds):
        """What a message has come to in a state, once so many seconds have passed; `None`: nothing yet."""
        if await self.engine.get_state(self.flow, KEY) == (None, None):
            await self.engine.send(KEY, state)
        self.begun.clear()
        task = asyncio.ensure_future(self.engine.send(KEY, "go"))
        await self.begun.wait()
        await self.passed(seconds)
        if task.done():
            return task.exception() or task.result()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return None

    async def passed(self, seconds):
        await turns()
        self.clock.advance(seconds)
        await turns()


async def until(condition):
    """Waits until something is true that a thread makes so."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.001)


async def turns():
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("options", "state", "seconds"),
    [
        ({"handler_timeout": 60}, "on", 60),
        ({"handler_timeout": timedelta(minutes=2)}, "on", 120),
        ({"handler_timeout": 60}, "short", 5),
        ({}, "short", 5),
        ({"handler_timeout": 60}, "any", None),
        ({}, "on", None),
    ],
)
async def test_a_handler_that_takes_too_long_is_cancelled_and_its_step_changes_nothing(
    options, state, seconds
):
    slow = Slow(**options)
    assert await slow.after(state, 4.5 if seconds == 5 else (seconds or 3000) - 0.5) is None
    error = await slow.after(state, seconds or 3000)
    if seconds is None:
        assert error is None
        return
    assert isinstance(error, HandlerTimeout)
    assert (error.seconds, error.flow, error.state) == (seconds, "slow", state)
    assert "test_deadline.py" in str(error)
    assert await slow.engine.get_state(slow.flow, KEY) == (state, {"n": 0})
    assert slow.seen == ["ended", "ended"]
    await slow.engine.stop()


async def test_a_handler_for_crashed_makes_a_step_of_it():
    slow = Slow(rescue=True, handler_timeout=60)
    outcome = await slow.after("on", 60)
    assert (outcome.kind, outcome.data, list(outcome.effects)) == ("handled", {"n": 1}, [])
    assert slow.seen == ["ended", HandlerTimeout]
    await slow.engine.stop()


async def test_who_began_later_ends_later_and_who_was_in_time_is_left_alone():
    slow = Slow(handler_timeout=60)
    for key in (KEY, OTHER):
        await slow.engine.send(key, "on")
    first = asyncio.ensure_future(slow.engine.send(KEY, "go"))
    await slow.passed(40)
    second = asyncio.ensure_future(slow.engine.send(OTHER, "go"))
    await slow.passed(20)
    assert (first.done(), second.done()) == (True, False)
    await slow.passed(40)
    assert isinstance(first.exception(), HandlerTimeout)
    assert isinstance(second.exception(), HandlerTimeout)
    await slow.engine.stop()


async def test_a_time_out_of_the_handlers_own_stays_its_own():
    flow, clock = Flow("f"), ManualClock()

    @flow.defstate(None, on=str)
    async def fail(event, ctx):
        raise TimeoutError("the service")

    engine = Engine(flow, clock=clock, handler_timeout=60)
    with pytest.raises(TimeoutError, match="the service"):
        await engine.send(KEY, "go")
    await engine.stop()
    assert not [task for task in asyncio.all_tasks() if "deadlines" in task.get_name()]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"handler_timeout": 0}, "handler_timeout=0"),
        ({"handler_timeout": "60"}, "handler_timeout='60'"),
        ({"sync_handlers": "threads"}, 'Write "loop" or "thread"'),
    ],
)
def test_what_is_no_time_is_refused(options, said):
    with pytest.raises(DefinitionError, match=said):
        Engine(Flow("f"), **options)
    flow = Flow("f")
    flow.state("a", handler_timeout=-1)
    with pytest.raises(DefinitionError, match=r"state 'a' of flow 'f' has handler_timeout=-1"):
        Engine(flow)


# -- what is no handler ------------------------------------------------------------------------------


def on_enter(flow, hang):
    flow.on_enter("b")(hang)


def on_exit(flow, hang):
    flow.on_exit("a")(hang)


def guard(flow, hang):
    flow.guard("b")(hang)


def invariant(flow, hang):
    flow.invariant(states="b")(hang)


def prompt(flow, hang):
    flow.state("b", prompt=hang, handler_timeout=5)


def crashed(flow, hang):
    flow.defstate("a", on=Crashed)(lambda event, ctx: hang(ctx))

    @flow.defstate("a", on=str)
    def crash(event, ctx):
        raise ValueError(event)


HOOKS = [on_enter, on_exit, guard, invariant, prompt, crashed]


@pytest.mark.parametrize("declare", HOOKS)
@pytest.mark.parametrize("kind", ["async", "plain"])
async def test_hooks_guards_prompts_and_handlers_for_crashed_have_a_deadline_too(declare, kind):
    flow, clock, begun, gate = Flow("f"), ManualClock(), threading.Event(), threading.Event()

    async def hang(ctx):
        begun.set()
        await asyncio.Event().wait()

    def hang_plainly(ctx):
        begun.set()
        gate.wait(30)

    flow.state("a")
    if declare is not prompt:
        flow.state("b")
    declare(flow, hang if kind == "async" else hang_plainly)
    flow.defstate("a", on=str)(lambda event, ctx: ("transition", "b"))
    engine = Engine(
        flow,
        clock=clock,
        handler_timeout=60,
        sync_handlers="loop" if kind == "async" else "thread",
    )
    engine.face.check_invariants = True
    await engine.set_state(flow, KEY, "a")
    task = asyncio.ensure_future(engine.send(KEY, "go"))
    await until(begun.is_set)
    clock.advance(4.5 if declare is prompt else 59.5)
    await turns()
    assert not task.done()
    clock.advance(0.5)
    with pytest.raises(HandlerTimeout) as caught:
        await task
    assert caught.value.state == ("a" if declare in (on_exit, crashed) else "b")
    assert "test_deadline.py" in str(caught.value)
    assert await engine.get_state(flow, KEY) == ("a", {})
    gate.set()
    await engine.stop()


async def test_a_reminder_that_hangs_does_not_keep_its_conversation():
    flow, clock, begun, told = Flow("f", ttl=None), ManualClock(), asyncio.Event(), []

    async def hang(ctx):
        begun.set()
        await asyncio.Event().wait()

    flow.state("a", remind_after=10, reminder=hang)
    flow.defstate("a", on=str)(lambda event, ctx: ("end",))
    engine = Engine(flow, clock=clock, handler_timeout=60)
    engine.on_error = lambda key, event, error: told.append(type(error))
    await engine.set_state(flow, KEY, "a")
    clock.advance(10)
    sweep = asyncio.ensure_future(engine.sweep())
    await begun.wait()
    waiting = asyncio.ensure_future(engine.send(KEY, "go"))
    clock.advance(60)
    await asyncio.gather(sweep, waiting)
    assert told == [HandlerTimeout]
    assert await engine.get_state(flow, KEY) == (None, None)
    await engine.stop()


# -- threads -----------------------------------------------------------------------------------------


class Threaded:
    """An engine whose handlers are plain functions that wait for a gate."""

    def __init__(self, **options):
        self.clock, self.gate = ManualClock(), threading.Event()
        self.begun, self.late, self.where = threading.Semaphore(0), [], []
        flow = self.flow = Flow("threaded", data=int)

        @flow.defstate(None, "on", on=str)
        def wait(event, ctx):
            self.where.append(threading.current_thread() is threading.main_thread())
            if event == "wait":
                self.begun.release()
                self.gate.wait(30)
                try:
                    ctx.reply("late")
                except LeaseOver as error:
                    self.late.append(error)
                    raise
            ctx.reply(f"{event} {ctx.at(flow).get_state()}")
            return ("transition", "on", (ctx.data or 0) + 1)

        @flow.defstate(None, "on", on=int)
        async def count(event, ctx):
            self.where.append(threading.current_thread() is threading.main_thread())
            return ("transition", "on", event)

        self.engine = Engine(flow, clock=self.clock, sync_handlers="thread", **options)

    async def waiting(self, key=KEY):
        """A message whose handler waits for the gate."""
        task = asyncio.ensure_future(self.engine.send(key, "wait"))
        await until(lambda: self.begun.acquire(blocking=False))
        return task


async def test_a_plain_function_runs_in_a_thread_and_holds_up_nobody_else():
    threaded = Threaded()
    task = await threaded.waiting()
    outcome = await threaded.engine.send(OTHER, "quick")
    assert (outcome.data, [effect.text for effect in outcome.effects]) == (1, ["quick None"])
    assert (await threaded.engine.send(OTHER, 7)).data == 7
    assert not task.done()
    threaded.gate.set()
    assert (await task).data == 1
    assert threaded.where == [False, False, True]


async def test_a_plain_function_that_takes_too_long_runs_on_without_effect_and_its_key_is_free():
    threaded = Threaded(handler_timeout=60)
    task = await threaded.waiting()
    threaded.clock.advance(60)
    with pytest.raises(HandlerTimeout):
        await task
    assert (await threaded.engine.send(KEY, "quick")).data == 1
    threaded.gate.set()
    await until(lambda: threaded.late)
    assert isinstance(threaded.late[0], LeaseOver)
    assert await threaded.engine.get_state(threaded.flow, KEY) == ("on", 1)
    await threaded.engine.stop()


async def test_no_more_threads_run_than_there_may_and_the_others_wait_their_turn():
    threaded = Threaded()
    keys = [Key(n, n) for n in range(1, THREADS + 5)]
    tasks = [asyncio.ensure_future(threaded.engine.send(key, "wait")) for key in keys]
    await until(lambda: threaded.begun._value == THREADS)
    await turns()
    assert len(threaded.where) == THREADS
    threaded.gate.set()
    assert [outcome.data for outcome in await asyncio.gather(*tasks)] == [1] * len(keys)


async def test_plain_functions_that_never_return_hold_up_nobody_once_their_time_is_over():
    threaded = Threaded(handler_timeout=60)
    keys = [Key(n, n) for n in range(1, THREADS + 1)]
    tasks = [asyncio.ensure_future(threaded.engine.send(key, "wait")) for key in keys]
    await until(lambda: threaded.begun._value == THREADS)
    threaded.clock.advance(60)
    errors = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(error) for error in errors} == {HandlerTimeout}
    async with asyncio.timeout(20):
        assert (await threaded.engine.send(OTHER, "quick")).data == 1
    threads = threaded.engine._services.deadlines._threads
    assert len(threads._given_up) == THREADS
    threaded.gate.set()
    await until(lambda: not threads._given_up)
    assert (threads._threads, threads._open) == (1, 0)


async def test_how_many_may_run_on_is_bounded_and_said(monkeypatch, caplog):
    monkeypatch.setattr("fsmkit.engine.deadline.MOST_GIVEN_UP", 1)
    threaded = Threaded(handler_timeout=60)
    tasks = [asyncio.ensure_future(threaded.engine.send(key, "wait")) for key in (KEY, OTHER)]
    await until(lambda: threaded.begun._value == 2)
    threaded.clock.advance(60)
    await asyncio.gather(*tasks, return_exceptions=True)
    assert "2 plain handlers have not returned" in caplog.text
    threaded.gate.set()
    await until(lambda: len(threaded.late) == 2)
    assert (await threaded.engine.send(KEY, "quick")).data == 1


async def test_what_would_be_written_late_to_another_flow_is_refused_while_crashed_is_handled():
    clock, begun, gate, late, over = ManualClock(), threading.Event(), threading.Event(), [], asyncio.Event()
    flow, other = Flow("flow"), Flow("other")
    other.state("x")

    @flow.defstate(None, on=str)
    def slow(event, ctx):
        handle = ctx.at(other)
        begun.set()
        gate.wait(30)
        try:
            handle.set_state("x")
        except LeaseOver as error:
            late.append(error)

    @flow.defstate(ANY, None, on=Crashed)
    async def crashed(event, ctx):
        await over.wait()

    engine = Engine(flow, other, clock=clock, handler_timeout=60, sync_handlers="thread")
    task = asyncio.ensure_future(engine.send(KEY, "go"))
    await until(begun.is_set)
    clock.advance(60)
    await turns()
    gate.set()
    await until(lambda: late)
    over.set()
    with contextlib.suppress(HandlerTimeout):
        await task
    assert await engine.get_state(other, KEY) == (None, None)


async def test_a_plain_function_in_a_thread_that_raises_stop_iteration_is_an_error_like_others():
    flow = Flow("f")

    @flow.defstate(None, on=str)
    def stops(event, ctx):
        raise StopIteration

    with pytest.raises(RuntimeError, match="raised StopIteration"):
        await Engine(flow, sync_handlers="thread").send(KEY, "go")


async def test_what_a_plain_function_raises_in_a_thread_is_raised_where_it_is_awaited():
    flow = Flow("f")

    @flow.defstate(None, on=str)
    def fail(event, ctx):
        raise {"error": ValueError, "exit": SystemExit}[event]("no")

    engine = Engine(flow, sync_handlers="thread")
    with pytest.raises(ValueError, match="no") as raised:
        await engine.send(KEY, "error")
    assert "flow 'f', state None" in raised.value.__notes__[0]
    with pytest.raises(Exception, match="a handler raised SystemExit"):
        await engine.send(KEY, "exit")
