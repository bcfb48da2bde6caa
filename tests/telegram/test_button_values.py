"""Values of buttons that are no texts, from the button to the handler, over restarts too."""

import datetime as dt

import attrs
import pytest

from fsmkit import Button, Flow, Key, UnstorableData
from fsmkit.stores.sqlite import SQLiteStore
from fsmkit.telegram import button, command


@attrs.frozen
class Item:
    id: int
    name: str = ""


LONG = Item(7, "a name that is much too long for the 64 bytes of a button")
SHOWN = {
    "text": "1",
    "int": 1,
    "true": True,
    "none": None,
    "float": 1.5,
    "tuple": (1, "a"),
    "list": [1, [2]],
    "dict": {"page": 3},
    "date": dt.date(2025, 3, 1),
    "item": Item(3),
    "long": LONG,
    "list of items": [Item(1), LONG],
}


def shop(*extra, shown=SHOWN):
    """A flow that shows buttons of all values, and notes what was pressed, with its match."""
    flow = Flow("shop")
    flow.pressed = []
    flow.state("on", prompt="?", buttons=[[Button(text, value)] for text, value in shown.items()])
    flow.texts(stale="too late")

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        return ("transition", "on")

    @flow.defstate("on", on=button(*extra) | button(Item))
    def pressed(event, ctx):
        flow.pressed.append((event.value, ctx.match))

    return flow


@pytest.mark.parametrize("text", SHOWN)
async def test_the_handler_gets_the_very_value(bench, text):
    flow = shop()
    await bench.start(flow)
    await bench.say("/start")
    assert await bench.press(text) == [""]
    [(value, match)] = flow.pressed
    assert (value, type(value)) == (SHOWN[text], type(SHOWN[text]))
    assert match == value or (value is None and match.kind == "button")


@pytest.mark.parametrize("text", SHOWN)
async def test_it_gets_it_after_a_restart_too(bench, tmp_path, text):
    await bench.start(shop(), store=SQLiteStore(str(tmp_path / "bot.db")))
    await bench.say("/start")
    await bench.engine.stop()
    await bench.engine.store.close()
    bench.app = bench.offline.builder().build()
    flow = shop()
    store = SQLiteStore(str(tmp_path / "bot.db"))
    await bench.start(flow, store=store)
    assert (await bench.press(text), flow.pressed[0][0]) == ([""], SHOWN[text])
    await bench.engine.stop()
    await store.close()


@pytest.mark.parametrize("text", SHOWN)
async def test_every_button_fits_into_telegrams_64_bytes(bench, text):
    await bench.start(shop())
    await bench.say("/start")
    assert len(bench.data(text).encode()) <= 64


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ((1,), ["int"]),
        (("1",), ["text"]),
        ((True,), ["true"]),
        ((None,), ["none"]),
        ((int,), ["int"]),
        ((bool,), ["true"]),
        ((str,), ["text"]),
        ((Item(3),), ["item"]),
        ((Item,), ["item", "long"]),
        (([1, [2]],), ["list"]),
        (([1, [2.0]],), []),
        (((1, "a"), {"page": 3}), ["tuple", "dict"]),
        ((dt.date(2025, 3, 1),), ["date"]),
    ],
    ids=repr,
)
async def test_a_matcher_wants_values_of_the_same_type(bench, wanted, found):
    flow = Flow("shop")
    pressed = []
    flow.state("on", prompt="?", buttons=[[Button(text, value)] for text, value in SHOWN.items()])
    flow.defstate(None, on=command("start"))(lambda event, ctx: ("transition", "on"))
    flow.defstate("on", on=button(*wanted))(lambda event, ctx: pressed.append(event.value))
    flow.defstate("on", on=button(Item))(lambda event, ctx: None)
    await bench.start(flow)
    await bench.say("/start")
    for text in SHOWN:
        await bench.press(text)
    assert pressed == [SHOWN[text] for text in found]


async def test_a_button_whose_class_no_handler_names_is_refused_when_it_is_shown(bench):
    flow = Flow("shop")
    flow.defstate(None, on=command("start"))(
        lambda event, ctx: ctx.reply("?", buttons=[Button("a", Item(1))])
    )
    await bench.start(flow)
    await bench.say("/start")
    [error] = bench.errors
    bench.errors.clear()
    assert isinstance(error, UnstorableData)
    assert "shop: Button('a').value: no handler of the attached flows takes values of class Item" in str(
        error
    )
    assert "write on=button(Item)" in str(error)


async def test_a_long_value_outside_of_a_conversation_is_refused_when_it_is_shown(bench):
    flow = Flow("shop")
    flow.defstate(None, on=command("start"))(lambda event, ctx: ctx.reply("?", buttons=[Button("a", LONG)]))
    flow.defstate(None, on=command("menu"))(
        lambda event, ctx: ctx.reply("?", buttons=[flow.button("b", list(range(30)))])
    )
    flow.defstate("on", on=button(Item))(lambda event, ctx: None)
    await bench.start(flow)
    await bench.say("/start")
    await bench.say("/menu")
    outside, menu = bench.errors
    bench.errors.clear()
    assert "outside of a conversation a button holds 39" in str(outside)
    assert "takes 81 bytes; a menu button holds 39" in str(menu)


async def test_a_menu_button_may_have_a_value_that_is_no_text(bench):
    flow = Flow("shop")
    flow.state("on")
    flow.defstate(None, on=command("menu"))(
        lambda event, ctx: ctx.reply("Menu", buttons=[flow.button("One", 1), flow.button("None", None)])
    )
    flow.defstate(None, on=button(1))(lambda event, ctx: ("transition", "on", {"n": event.value}))
    await bench.start(flow)
    await bench.say("/menu")
    assert await bench.press("None") == [""]
    await bench.press("One")
    assert await bench.engine.get_state("shop", Key(1, 1)) == ("on", {"n": 1})


async def test_a_value_of_a_class_that_is_gone_is_stale(bench, caplog):
    await bench.start(shop())
    await bench.say("/start")
    await bench.engine.stop()
    store = bench.engine.store
    bench.app = bench.offline.builder().build()
    flow = Flow("shop")
    flow.state("on")
    flow.texts(stale="too late")
    flow.defstate("on", on=button())(lambda event, ctx: ctx.answer("no"))
    await bench.start(flow, store=store)
    assert await bench.press("long") == ["too late"]
    assert "takes values of class" in caplog.text
    assert await bench.press("int") == ["no"]


async def test_an_action_button_with_a_long_text_takes_no_place_in_the_row(bench):
    text = "Read all about it in the documentation of this wonderful library"
    await bench.start(shop(shown={text: "x"}))
    await bench.say("/start")
    flow = Flow("link")
    flow.state("on", prompt="?", buttons=[Button(text, url="https://example.org")])
    flow.defstate(None, on=command("link"))(lambda event, ctx: ("transition", "on"))
    bench.app = bench.offline.builder().build()
    await bench.engine.stop()
    await bench.start(flow)
    await bench.say("/link")
    row = await bench.engine.peek(Key(1, 1, bot=42))
    assert row.snapshots["link"].frames[-1].values == ()


async def test_of_very_many_long_values_the_oldest_become_stale(bench, monkeypatch):
    monkeypatch.setattr("fsmkit.interpreter.effects.MAX_VALUES", 2)
    flow = Flow("shop")
    pressed = []
    flow.texts(stale="too late")
    flow.state("on", prompt="?")
    flow.defstate(None, on=command("start"))(lambda event, ctx: ("transition", "on"))
    flow.defstate("on", on=button())(lambda event, ctx: pressed.append(event.value))
    flow.defstate("on")(
        lambda event, ctx: ctx.reply(event.text, buttons=[Button(event.text, event.text * 20)])
    )
    await bench.start(flow)
    for text in ("/start", "one", "two", "three"):
        await bench.say(text)
    answers = [await bench.press(text) for text in ("one", "two", "three")]
    assert (answers, pressed) == ([["too late"], [""], [""]], ["two" * 20, "three" * 20])
