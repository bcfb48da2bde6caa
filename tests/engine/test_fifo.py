"""Places in lines: who comes first is in front everywhere, and who gives up leaves no gap."""

import asyncio

import pytest

from fsmkit.engine.fifo import KeyedLock, LockClosed, Slots, again_if_lost
from fsmkit.errors import LeaseLost


async def settle():
    for _ in range(10):
        await asyncio.sleep(0)


class Bench:
    """Workers that take a place, note their name, and stay until they are let go."""

    def __init__(self):
        self.lines = KeyedLock()
        self.running = []
        self.tasks = {}
        self.gates = {}

    async def come(self, name, *lines):
        self.gates[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._work(name, lines))
        await settle()

    async def go(self, name):
        self.gates[name].set()
        await self.tasks[name]
        await settle()

    async def _work(self, name, lines):
        async with self.lines.place(lines):
            self.running.append(name)
            try:
                await self.gates[name].wait()
            finally:
                self.running.remove(name)


async def test_those_in_one_line_go_one_after_the_other_in_the_order_in_which_they_came():
    bench = Bench()
    for name in "abc":
        await bench.come(name, 1)
    seen = [list(bench.running)]
    for name in "abc":
        await bench.go(name)
        seen.append(list(bench.running))
    assert seen == [["a"], ["b"], ["c"], []]
    assert bench.lines.lines == {}


async def test_other_lines_do_not_wait():
    bench = Bench()
    await bench.come("a", 1)
    await bench.come("b", 2)
    await bench.come("nobody's")
    assert bench.running == ["a", "b", "nobody's"]
    for name in bench.gates:
        await bench.go(name)


async def test_a_place_in_two_lines_waits_for_both_and_holds_both_up():
    bench = Bench()
    await bench.come("a", 1)
    await bench.come("b", 2)
    await bench.come("both", 2, 1)
    await bench.come("after", 1)
    await bench.go("b")
    assert bench.running == ["a"]
    await bench.go("a")
    assert bench.running == ["both"]
    await bench.go("both")
    assert bench.running == ["after"]
    await bench.go("after")
    assert bench.lines.lines == {}


async def test_who_gives_up_while_waiting_leaves_no_gap():
    bench = Bench()
    for name in "abc":
        await bench.come(name, 1)
    bench.tasks["b"].cancel()
    await settle()
    assert bench.lines.length(1) == 2
    await bench.go("a")
    assert bench.running == ["c"]
    await bench.go("c")


async def test_who_gives_up_in_the_moment_of_the_turn_hands_it_on():
    bench = Bench()
    for name in "abc":
        await bench.come(name, 1)
    bench.gates["a"].set()
    await bench.tasks["a"]  # b's turn has come, and b does not know it yet
    bench.tasks["b"].cancel()
    await settle()
    assert bench.running == ["c"]
    await bench.go("c")
    assert bench.lines.lines == {}


async def test_who_gives_up_while_running_hands_the_turn_on():
    bench = Bench()
    await bench.come("a", 1, 2)
    await bench.come("b", 2, 1)
    bench.tasks["a"].cancel()
    await settle()
    assert bench.running == ["b"]
    await bench.go("b")


async def test_those_who_wait_can_be_sent_away_and_the_others_stay():
    bench = Bench()
    await bench.come("a", 1)
    await bench.come("b", 1, 2)
    await bench.come("c", 2)
    assert bench.lines.send_away() == 2
    await settle()
    for name in "bc":
        with pytest.raises(LockClosed):
            await bench.tasks[name]
    assert (bench.running, bench.lines.length(1), bench.lines.length(2)) == (["a"], 1, 0)
    await bench.go("a")
    assert bench.lines.lines == {}


async def test_it_tells_how_many_stand_in_a_line_and_who_waits():
    lines = KeyedLock()
    async with lines.place(["x"], "first"):
        second = lines.enter(["x"], "second")
        assert (lines.length("x"), [ticket.who for ticket in lines.waiting("x")]) == (2, ["second"])
    await second.turn()
    assert (lines.length("x"), list(lines.waiting("x")), second.waits) == (1, [], False)
    lines.leave(["x"], second)
    assert (lines.length("x"), lines.lines) == (0, {})


async def test_one_who_finds_the_lines_empty_has_a_place_without_a_ticket():
    lines = KeyedLock()
    assert lines.enter(["x", "y"]) is None
    assert lines.lines == {"x": None, "y": None}
    behind = lines.enter(["y", "z"])
    third = lines.enter(["z"])
    lines.leave(["x", "y"], None)
    assert ([ticket.waits for ticket in (behind, third)], lines.length("z")) == ([False, True], 2)
    lines.leave(["y", "z"], behind)
    assert (third.waits, lines.length("y")) == (False, 0)
    lines.leave(["z"], third)
    assert lines.lines == {}


async def test_slots_are_given_to_those_who_have_waited_longest_and_none_is_lost():
    slots, got = Slots(1), []

    async def come(name):
        if (slot := slots.take()) is not None:
            await slots.wait(slot)
        got.append(name)

    await come("a")
    tasks = [asyncio.create_task(come(name)) for name in "bcd"]
    await settle()
    tasks[0].cancel()  # while it waits
    await settle()
    slots.give_back()
    tasks[1].cancel()  # when its slot has just come
    await settle()
    assert (got, [task.done() for task in tasks]) == (["a", "d"], [True, True, True])
    slots.give_back()
    await come("e")
    assert (got[-1], slots.take().done()) == ("e", False)


async def test_those_who_give_up_in_the_moment_in_which_a_slot_is_given_back_are_all_cancelled():
    slots = Slots(1)
    slots.take()
    tasks = [asyncio.create_task(slots.wait(slots.take())) for _ in range(3)]
    await settle()
    for task in tasks:
        task.cancel()
    slots.give_back()  # passes over those who wait no more, before they know
    await settle()
    assert [task.cancelled() for task in tasks] == [True, True, True]
    assert slots.take() is None


# -- the retry on a lost lease -----------------------------------------------------------------------


def overtaken(times):
    """A step that loses its lease so many times, and the list of its tries."""
    tries = []

    async def step():
        tries.append(len(tries) + 1)
        if len(tries) <= times:
            raise LeaseLost("overtaken")
        return "written"

    return step, tries


async def test_a_step_whose_lease_is_lost_is_taken_again():
    step, tries = overtaken(2)
    assert await again_if_lost(step) == "written"
    assert tries == [1, 2, 3]


async def test_a_step_that_is_overtaken_each_time_raises_at_last():
    step, tries = overtaken(3)
    with pytest.raises(LeaseLost):
        await again_if_lost(step)
    assert tries == [1, 2, 3]


async def test_what_else_a_step_raises_is_not_tried_again():
    step, tries = overtaken(0)

    async def broken():
        await step()
        raise KeyError("x")

    with pytest.raises(KeyError):
        await again_if_lost(broken)
    assert tries == [1]
