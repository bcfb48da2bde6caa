"""`@flow.invariant`: checked where asked, after every step; one that does not hold refuses the step."""

import pytest
from memory_engine import KEY, Bench
from sample_flows import simple

from fsmkit import Flow, InvariantBroken


def counted(invariant, **options):
    """A flow in whose state `a` each number that comes becomes the data; `invariant` must hold."""
    flow = Flow("f")
    flow.state("b")
    flow.state("a")
    flow.invariant(**options)(invariant)
    flow.defstate("a", on=int)(lambda event, ctx: ("stay", {"n": event}))
    flow.defstate("a", on=str)(lambda event, ctx: ("transition", "b", {"n": int(event)}))
    return flow


async def in_a(flow, *, check=True):
    bench = Bench(flow)
    bench.engine.face.check_invariants = check
    await bench.engine.set_state(flow, KEY, "a", {"n": 1})
    return bench


def positive(ctx):
    assert ctx.data["n"] > 0, "n is not positive"


async def async_positive(ctx):
    return ctx.data["n"] > 0


@pytest.mark.parametrize("invariant", [positive, async_positive, lambda ctx: ctx.data["n"] > 0])
async def test_a_step_after_which_an_invariant_does_not_hold_is_refused(invariant):
    bench = await in_a(counted(invariant))
    assert (await bench.engine.send(KEY, 5)).kind == "handled"
    before = await bench.stored()
    with pytest.raises(InvariantBroken) as caught:
        await bench.engine.send(KEY, -5)
    assert (caught.value.flow, caught.value.state) == ("f", "a")
    assert "test_invariants.py:" in caught.value.place
    assert await bench.stored() == before


async def test_what_it_says_is_told():
    bench = await in_a(counted(positive))
    with pytest.raises(InvariantBroken, match="n is not positive"):
        await bench.engine.send(KEY, 0)


async def test_it_is_checked_in_its_states_only():
    bench = await in_a(counted(positive, states="a"))
    assert (await bench.engine.send(KEY, "-5")).state == "b"
    bench = await in_a(counted(positive, states="b"))
    assert (await bench.engine.send(KEY, -5)).state == "a"
    with pytest.raises(InvariantBroken):
        await bench.engine.send(KEY, "-5")


async def test_it_is_checked_only_where_asked():
    bench = await in_a(counted(positive), check=False)
    assert (await bench.engine.send(KEY, -5)).data == {"n": -5}


async def test_after_the_end_there_is_nothing_to_check():
    flow = simple("a")
    flow.invariant(lambda ctx: False)
    flow.defstate("a", on=int)(lambda event, ctx: ("end",))
    bench = await in_a(flow)
    assert (await bench.engine.send(KEY, 1)).state is None
