"""Whatever a handler asks for can be read back from the store, or is refused at the step.

An entry of the outbox that cannot be read holds up all that the chat would hear afterwards.
"""

import datetime
import logging
from pathlib import Path

import attrs
import pytest
from memory_engine import KEY, Bench
from msgspec import structs
from telegram.constants import ParseMode

from fsmkit import Button, Crashed, Flow, Keyboard, KeyboardButton, Reply
from fsmkit.errors import UnstorableData
from fsmkit.interpreter.codec import decode_row

WRONG = [
    *(True, 1, 0, -1, 2**70, 1.5, float("nan"), float("inf"), "x", "", b"x", "\ud800", None),
    *([], [1], {}, {"a": 1}, {1: 2}, {"a": object()}, {"a": float("nan")}, (1, 2), {1, 2}),
    *(object(), object, Path("a"), datetime.timedelta(1), ParseMode.HTML),
]


def options(kind):
    """Return names of a class's options, and what makes one with an option."""
    names = [field.name for field in (structs.fields(kind) if issubclass(kind, structs.Struct) else ())]
    return names or [field.name for field in attrs.fields(kind)]


ASKS = {
    **{
        f"reply {name}": (lambda ctx, wrong, n=name: ctx.reply(**{"text": "t", n: wrong}))
        for name in options(Reply)
    },
    **{
        f"show {name}": (lambda ctx, wrong, n=name: ctx.show(**{"text": "t", n: wrong}))
        for name in options(Reply)
    },
    **{
        f"button {name}": (
            lambda ctx, wrong, n=name: ctx.reply("t", buttons=[Button(**{"text": "t", n: wrong})])
        )
        for name in options(Button)
    },
    **{
        f"key {name}": (
            lambda ctx, wrong, n=name: ctx.reply("t", keyboard=[KeyboardButton(**{"text": "t", n: wrong})])
        )
        for name in options(KeyboardButton)
    },
    **{
        f"keyboard {name}": (
            lambda ctx, wrong, n=name: ctx.reply("t", keyboard=Keyboard(**{"rows": ["t"], n: wrong}))
        )
        for name in options(Keyboard)
    },
    "ephemeral": lambda ctx, wrong: ctx.reply("t", ephemeral=wrong),
    "retry": lambda ctx, wrong: ctx.retry(wrong),
    "delete_on_exit": lambda ctx, wrong: ctx.delete_on_exit(wrong),
    "key of an event": lambda ctx, wrong: ctx.send(wrong, {"a": 1}),
    "event": lambda ctx, wrong: ctx.send(KEY, wrong),
    "pause before an event": lambda ctx, wrong: ctx.send(KEY, {"a": 1}, after=wrong),
}


def asking(ask):
    """A flow that asks for something when it hears `ask`, and counts what it hears."""
    flow = Flow("f", data=int)
    flow.state("on")

    @flow.defstate(None, "on")
    def heard(event, ctx):
        if event.text == "ask":
            ask(ctx)
        ctx.reply("heard")
        return ("transition", "on", 1)

    return flow


@pytest.mark.parametrize("ask", list(ASKS.values()), ids=list(ASKS))
async def test_what_a_handler_asks_for_is_refused_at_the_step_or_can_be_read_back(ask, caplog):
    caplog.set_level(logging.CRITICAL)
    for wrong in WRONG:
        bench = Bench(asking(lambda ctx, wrong=wrong: ask(ctx, wrong)))
        try:
            await bench.say("ask")
        except (TypeError, ValueError, OverflowError, UnstorableData):
            assert await bench.stored() is None
        else:
            decode_row(await bench.stored())
        await bench.say("more")  # the outbox has been read
        assert bench.texts[-1] == "heard"


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"silent": 1}, "Reply('t', silent=1): expected `bool`, got `int`"),
        ({"silent": 0}, "Reply('t', silent=0): expected `bool`, got `int`"),
        ({"reply_to": "5"}, "Reply('t', reply_to='5'): expected `int | null`, got `str`"),
        ({"extra": {"a": float("nan")}}, "Reply('t', extra={'a': nan}): out of range float values"),
        ({"photo": "images/cat.png"}, "write pathlib.Path('images/cat.png')"),
    ],
)
def test_an_option_of_the_wrong_type_is_named(option, message):
    with pytest.raises(TypeError) as raised:
        Reply("t", **option)
    assert message in str(raised.value)


def test_a_constant_of_the_telegram_library_is_a_text():
    assert Reply("t", parse_mode=ParseMode.HTML).parse_mode == "HTML"


def test_what_stands_on_a_button_is_checked_too():
    with pytest.raises(TypeError, match=r"Button\('Go', pay='yes'\): expected `bool`, got `str`"):
        Button("Go", pay="yes")
    with pytest.raises(TypeError, match=r"Keyboard\(placeholder=3\): expected `str \| null`, got `int`"):
        Keyboard(["Go"], placeholder=3)


async def test_a_text_names_no_file_of_this_machine(tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("x")
    bench = Bench(asking(lambda ctx: ctx.reply(document=secret.as_uri())))
    with pytest.raises(UnstorableData, match=r"Reply.document: .* write pathlib.Path"):
        await bench.say("ask")
    bench = Bench(asking(lambda ctx: ctx.reply(document=secret)))
    await bench.say("ask")
    assert bench.sent[0].reply.document == secret.as_uri()


@attrs.frozen
class Said:
    text: str = ""


async def test_half_a_character_in_frozen_data_is_the_handlers_failure():
    flow = Flow("f", data=Said)
    flow.defstate(None)(lambda event, ctx: ("transition", "on"))
    flow.defstate("on")(lambda event, ctx: ("stay", Said("\ud800")))
    flow.defstate("on", on=Crashed)(lambda event, ctx: ctx.reply(f"{event.error.path}: sorry"))
    bench = Bench(flow)
    await bench.say("begin")
    assert (await bench.say("x")).kind == "handled"
    assert (bench.texts, await bench.engine.get_state(flow, KEY)) == (["f.data.text: sorry"], ("on", Said()))
