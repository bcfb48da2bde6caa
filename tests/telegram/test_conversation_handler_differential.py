"""The same script through PTB's ConversationHandler and through the flow made of it: the same requests."""

import asyncio

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moving_bots import Moved, Ptb
from moving_scripts import END, TIMEOUT, Act, Conv, Stage, Takes, build

from fsmkit.telegram.conversation_handler.chart import Chart, all_returns, targets_of

pytestmark = pytest.mark.filterwarnings("ignore::telegram.warnings.PTBUserWarning")

WORDS = ("a", "b", "c")
KEYS = (0, 1, "A", "0", Stage.ONE, (1, "x"))
UNKNOWN = "nowhere"
PER = (
    (True, True, False),
    (True, False, False),
    (False, True, False),
    (True, True, True),
    (True, False, True),
)
KINDS = ("command", "command", "text", "any", "button", "edited", "inline")


LARGE = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


@st.composite
def handlers(draw, returns, per, plain=False):
    """A PTB handler whose callback returns some of the given."""
    kinds = ("button",) if per[2] else KINDS
    how = draw(st.sampled_from(("return",) * 8 + ("stop", "raise"))) if not plain else "return"
    return Takes(
        draw(st.sampled_from(kinds)),
        draw(st.sampled_from(WORDS)),
        tuple(draw(st.lists(st.sampled_from(returns), min_size=1, max_size=2))),
        how,
        draw(st.booleans()),
    )


@st.composite
def conversations(draw, depth=2, per=None, parent=()):
    """A ConversationHandler with others nested in it, at most so deep."""
    per = draw(st.sampled_from(PER)) if per is None else per
    keys = draw(st.lists(st.sampled_from(KEYS), min_size=1, max_size=3, unique=True))
    nested = draw(st.lists(conversations(depth - 1, per, tuple(keys)), max_size=2)) if depth else []
    mapping = None
    if parent:
        sources = draw(st.lists(st.sampled_from((END, "out", *KEYS)), max_size=2, unique=True))
        mapping = {source: draw(st.sampled_from((*parent, END, None))) for source in sources}
        mapping = mapping if draw(st.booleans()) else (mapping or None)
    returns = (
        *keys,
        *keys,
        END,
        None,
        *(mapping or ()),
        *((UNKNOWN,) if draw(st.integers(0, 9)) == 0 else ()),
    )
    takes = handlers(returns, per)
    items = st.one_of(takes, takes, st.integers(0, len(nested) - 1)) if nested else takes
    rarely = draw(st.integers(0, 3)) == 0
    states = {key: tuple(draw(st.lists(items, max_size=3))) for key in keys}
    timeout = None
    if not parent and draw(st.integers(0, 2)) == 0:
        timeout = 5.0
        if draw(st.booleans()):
            states[TIMEOUT] = tuple(draw(st.lists(handlers((None,), per, plain=True), max_size=2)))
    return Conv(
        entry=tuple(draw(st.lists(items if rarely else takes, min_size=1, max_size=2))),
        states=states,
        fallbacks=tuple(draw(st.lists(items if rarely else takes, max_size=2))),
        nested=tuple(nested),
        reentry=draw(st.booleans()),
        map_to_parent=mapping,
        per=per,
        timeout=timeout,
    )


@st.composite
def acts(draw, per):
    if draw(st.integers(0, 5)) == 0:
        return Act("wait", seconds=draw(st.sampled_from((2.0, 6.0))))
    kind = "button" if per[2] and draw(st.integers(0, 9)) else draw(st.sampled_from(KINDS))
    return Act(
        "text" if kind == "any" else kind,
        draw(st.sampled_from(WORDS)),
        user=draw(st.sampled_from((1, 1, 1, 2))),
        group=draw(st.sampled_from((False, False, True))),
        message=draw(st.sampled_from((1, 1, 2))),
    )


@st.composite
def scripts(draw, depth):
    conv = draw(conversations(depth))
    return conv, draw(st.lists(acts(conv.per), min_size=3, max_size=14))


async def compare(conv, script):
    ptb, moved = Ptb(), Moved()
    await ptb.start(conv)
    await moved.start(conv)
    try:
        for number, what in enumerate(script):
            expected, got = await ptb.do(what), await moved.do(what)
            assert got == expected, f"act {number}: {what}"
    finally:
        await ptb.stop()
        await moved.stop()


@settings(suppress_health_check=LARGE)
@given(scripts(depth=0))
def test_a_conversation_asks_the_same_of_telegram(case):
    asyncio.run(compare(*case))


@settings(suppress_health_check=LARGE)
@given(conversations())
def test_whatever_a_callback_returns_leads_to_a_place_that_has_a_name(conv):
    chart = Chart(build(conv), {})
    for chain in ((), *chart.places.values()):
        for offer in chart.offers(chain):
            for target in targets_of(offer, all_returns(offer)):
                assert not target or chart.name_of(target) in chart.places


@settings(suppress_health_check=LARGE)
@given(scripts(depth=2))
def test_nested_conversations_ask_the_same_of_telegram(case):
    asyncio.run(compare(*case))


def says(*acts):
    """Commands and texts, `/a` and `b`."""
    return [Act("command", each[1:]) if each[0] == "/" else Act("text", each) for each in acts]


INNER = Conv(
    (Takes("command", "b", (0,)),), {0: (Takes("text", "x", (1,)),), 1: (Takes("text", "y", (END,)),)}, ()
)
SECOND = Conv((Takes("command", "c", (0,)),), {0: (Takes("text", "y", (END,)),)}, ())
ENDS_AT_1 = attrs.evolve(INNER, map_to_parent={END: 1})


def outer(*nested, first=(0,), **more):
    """One around others, which its state 0 holds; `/a` begins it, `/s` stays in 0, `/t` goes to 1."""
    fallbacks = (Takes("command", "s", (0,)), Takes("command", "t", (1,)), Takes("command", "e", (END,)))
    entry = (Takes("command", "a", first),)
    states = {0: tuple(range(len(nested))), 1: (Takes("any", "", (0,)),)}
    return Conv(entry, states, fallbacks, nested, **more)


@pytest.mark.parametrize(
    ("conv", "acts"),
    [
        pytest.param(outer(INNER), ("/a", "/b", "/s", "x", "/s", "y", "y"), id="goes on in the same state"),
        pytest.param(outer(INNER), ("/a", "/b", "/t", "z", "x", "/b", "x", "y"), id="over in another state"),
        pytest.param(
            outer(INNER), ("/a", "/b", "/e", "x", "/a", "x", "/b", "x"), id="over with the outer one"
        ),
        pytest.param(
            outer(INNER, reentry=True), ("/a", "/b", "/a", "x", "/b", "x"), id="over when entered anew"
        ),
        pytest.param(
            outer(INNER, SECOND), ("/a", "/b", "/c", "x", "y", "x", "/b", "x"), id="over by another"
        ),
        pytest.param(outer(ENDS_AT_1), ("/a", "/b", "x", "y", "z", "/b", "x"), id="leads the outer one on"),
        pytest.param(
            Conv((0,), {1: (Takes("any", "", (END,)),)}, (), (ENDS_AT_1,)),
            ("/b", "x", "/b", "y", "z", "x"),
            id="nested in an entry point",
        ),
        pytest.param(
            outer(
                Conv(
                    (0,),
                    {0: ()},
                    (),
                    (attrs.evolve(INNER, map_to_parent={END: END}),),
                    map_to_parent={END: 1},
                )
            ),
            ("/a", "/b", "x", "y", "z", "/b"),
            id="nested in one that has not begun",
        ),
    ],
)
async def test_nested_conversations_go_on_and_end_as_intended(conv, acts):
    await compare(conv, says(*acts))
