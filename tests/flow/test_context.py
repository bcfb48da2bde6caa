"""`ctx`: what a handler sees, and what it may ask for."""

from dataclasses import dataclass

import attrs
import msgspec
import pytest
from chat_events import Said, Word, said
from memory_engine import KEY, START, Bench

from fsmkit import Button, Flow, Key, Reply
from fsmkit.flow.context import evolve
from fsmkit.flow.messages import Address
from fsmkit.interpreter.row import Send


@attrs.frozen
class Form:
    name: str = ""
    age: int = 0


@attrs.frozen
class Strict:
    name: str


@dataclass(frozen=True)
class Plain:
    name: str = ""


class Row(msgspec.Struct):
    name: str = ""


def seen_by(look, *, data=dict, **flow_options):
    """A flow whose handler for "look" notes what `look(ctx)` gives."""
    flow, notes = Flow("f", data=data, **flow_options), []

    @flow.defstate(None)
    @flow.defstate("a")
    def handler(event, ctx):
        notes.append(look(ctx))

    return flow, notes


async def looked(look, event=None, **options):
    engine_options = {name: options.pop(name) for name in ("resources",) if name in options}
    flow, notes = seen_by(look, **options)
    await Bench(flow, **engine_options).engine.send(KEY, event or said("look"))
    return notes[0]


async def test_a_handler_sees_whose_conversation_it_is():
    assert await looked(lambda ctx: (ctx.key, ctx.flow, ctx.now)) == (KEY, "f", START)


async def test_outside_of_a_conversation_there_is_no_state():
    assert await looked(lambda ctx: (ctx.state, ctx.previous)) == (None, None)


async def test_a_handler_sees_its_state_and_the_one_before():
    flow, notes = seen_by(lambda ctx: (ctx.state, ctx.previous))
    flow.state("before")
    flow.state("a")
    flow.defstate("before", on=Word("on"))(lambda event, ctx: ("transition", "a"))
    bench = Bench(flow)
    await bench.engine.set_state(flow, KEY, "before")
    await bench.say("on")
    await bench.say("look")
    assert notes == [("a", "before")]
    assert type(notes[0][0]) is str


async def test_data_with_nothing_stored_are_those_of_the_class():
    assert await looked(lambda ctx: ctx.data, data=Form) == Form()
    assert await looked(lambda ctx: ctx.data) == {}


async def test_data_of_a_class_that_needs_arguments_are_none_at_first():
    assert await looked(lambda ctx: ctx.data, data=Strict) is None


async def test_what_matched_is_in_match():
    assert await looked(lambda ctx: ctx.match) == "look"


async def test_resources_are_those_of_the_engine():
    database = object()
    assert await looked(lambda ctx: ctx.resources, resources=database) is database


async def test_the_language_is_that_of_the_event():
    event = Said("look", address=Address(10, user=7, lang="de"))
    assert await looked(lambda ctx: ctx.lang, event) == "de"


async def test_without_telegram_there_is_no_bot():
    assert await looked(lambda ctx: (ctx.bot, ctx.telegram)) == (None, None)


@pytest.mark.parametrize(
    ("data", "evolved"),
    [
        ({"age": 1, "name": "A"}, {"age": 1, "name": "B"}),
        (Form("A", 1), Form("B", 1)),
        (Plain("A"), Plain("B")),
        (Row("A"), Row("B")),
    ],
)
def test_evolve_changes_a_copy(data, evolved):
    before = repr(data)
    assert evolve(data, {"name": "B"}) == evolved
    assert repr(data) == before


@pytest.mark.parametrize("data", [Form(), Plain(), Row()])
def test_evolve_refuses_a_field_that_there_is_not(data):
    with pytest.raises(TypeError):
        evolve(data, {"nmae": "B"})


async def test_evolve_without_data_says_to_return_them_whole():
    with pytest.raises(TypeError, match="no data yet"):
        await looked(lambda ctx: ctx.evolve(name="A"), data=Strict)


# -- requests ----------------------------------------------------------------------------------------


async def sent_by(wish):
    flow, _ = seen_by(wish)
    bench = Bench(flow)
    await bench.say("look")
    return bench.sent


async def test_reply_takes_a_text():
    (effect,) = await sent_by(lambda ctx: ctx.reply("Hello."))
    assert (effect.reply, effect.to) == (Reply("Hello."), Address(10, user=7))


@pytest.mark.parametrize("method", ["reply", "show"])
@pytest.mark.parametrize("file", ["photo", "document"])
async def test_reply_and_show_take_the_arguments_of_a_reply(method, file):
    options = {file: "f", "parse_mode": "HTML", "silent": True, "protect_content": True}
    (effect,) = await sent_by(lambda ctx: getattr(ctx, method)("Sure?", buttons=["Yes"], **options))
    assert effect.reply == Reply("Sure?", buttons=["Yes"], **options)


@pytest.mark.parametrize("method", ["reply", "show"])
async def test_an_argument_that_a_reply_does_not_have_is_refused(method):
    with pytest.raises(TypeError, match="phto"):
        await looked(lambda ctx: getattr(ctx, method)("Sure?", phto="p"))


@pytest.mark.parametrize("reply", [Reply("a", keyboard=["A"]), Reply("a", remove_keyboard=True)])
async def test_a_screen_has_no_reply_keyboard(reply):
    with pytest.raises(TypeError, match=r"a screen .* has no reply keyboard"):
        await looked(lambda ctx: ctx.show(reply))


@pytest.mark.parametrize("method", ["reply", "show"])
async def test_reply_and_show_take_a_reply_whose_arguments_may_be_overridden(method):
    (effect,) = await sent_by(
        lambda ctx: getattr(ctx, method)(Reply("Sure?", parse_mode="HTML"), buttons=["Yes"])
    )
    assert effect.reply == Reply("Sure?", buttons=((Button("Yes"),),), parse_mode="HTML")


async def test_a_reply_keyboard_can_be_shown_and_taken_away():
    effects = await sent_by(
        lambda ctx: (
            ctx.reply("Choose", keyboard=["A"], silent=True),
            ctx.reply("Done", remove_keyboard=True),
        )
    )
    assert [effect.reply for effect in effects] == [
        Reply("Choose", keyboard=["A"], silent=True),
        Reply("Done", remove_keyboard=True),
    ]


async def test_an_empty_reply_is_refused_where_it_is_written():
    with pytest.raises(TypeError, match="empty Reply"):
        await looked(lambda ctx: ctx.reply(""))


async def test_an_answer_is_in_the_outcome_and_not_among_what_is_sent():
    flow, _ = seen_by(lambda ctx: ctx.answer("Noted.", alert=True))
    bench = Bench(flow)
    outcome = await bench.say("look")
    assert [(effect.text, effect.alert) for effect in outcome.effects] == [("Noted.", True)]
    assert bench.sent == []


@pytest.mark.parametrize("message", ["5", None, object()])
async def test_delete_on_exit_takes_a_message_or_its_id(message):
    with pytest.raises(TypeError, match="takes a message or a message id"):
        await looked(lambda ctx: ctx.delete_on_exit(message))


async def test_the_former_name_of_delete_on_exit_says_the_new_one():
    with pytest.raises(TypeError, match=r"ctx.track\(message\) is now called ctx.delete_on_exit"):
        await looked(lambda ctx: ctx.track(5))


@pytest.mark.parametrize(
    ("look", "remedy"),
    [
        (lambda ctx: ctx.user_data["name"], "Read ctx.data"),
        (lambda ctx: ctx.set_state("age"), r'Return \("transition", "state"\) from the handler'),
        (lambda ctx: ctx.job_queue, r"Write ctx.send\(ctx.key, event, after=seconds\)"),
        (lambda ctx: ctx.end(), r'Return \("end",\)'),
        (lambda ctx: ctx.repyl("hello"), r"Did you mean ctx.reply\?"),
    ],
)
async def test_what_ctx_has_elsewhere_says_what_to_write(look, remedy):
    with pytest.raises(AttributeError, match=rf"'Context' object has no attribute '\w+'\. {remedy}"):
        await looked(look)


async def test_what_ctx_has_nowhere_is_the_usual_error():
    with pytest.raises(AttributeError, match=r"no attribute 'zzzzz'\nfsmkit: flow"):
        await looked(lambda ctx: ctx.zzzzz)
    assert await looked(lambda ctx: hasattr(ctx, "__len__")) is False


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        ({"reply_markup": None}, "Write buttons= for inline buttons, keyboard= for a reply keyboard"),
        ({"disable_notification": True}, "Write silent=True"),
        ({"buttosn": ["Yes"]}, r"Did you mean buttons=\?"),
        ({"message_effect_id": "5"}, r'Write extra={"message_effect_id": ...} if the Bot API has it'),
    ],
)
@pytest.mark.parametrize("text", ["hello", Reply("hello")])
async def test_a_misspelt_option_of_a_message_says_what_to_write(options, remedy, text):
    with pytest.raises(TypeError, match=rf"a message has no option {next(iter(options))}=\. {remedy}"):
        await looked(lambda ctx: ctx.reply(text, **options))


async def test_an_option_of_the_wrong_type_keeps_its_own_error():
    with pytest.raises(TypeError, match="a list is needed"):
        await looked(lambda ctx: ctx.reply("hello", buttons=5))


@pytest.mark.parametrize("data", [Form(), Plain(), Row()])
def test_a_misspelt_field_names_the_nearest_one(data):
    with pytest.raises(TypeError) as caught:
        evolve(data, {"nmae": "Ann"})
    kind = type(data).__name__
    assert str(caught.value) == f"ctx.evolve: {kind} has no field 'nmae'. Did you mean name=?"
    with pytest.raises(TypeError, match=rf"{kind} has no field 'zzz'. It has name"):
        evolve(data, {"zzz": 1})


def test_an_error_of_the_class_itself_stays_as_it_is():
    @attrs.frozen
    class Picky:
        name: str = ""

        def __attrs_post_init__(self):
            if self.name:
                raise TypeError("no names here")

    with pytest.raises(TypeError, match=r"^no names here$"):
        evolve(Picky(), {"name": "Ann"})


@pytest.mark.parametrize("what", ["reply", "show", "answer"])
async def test_an_awaited_reply_says_not_to_await_it(what):
    async def handler(event, ctx):
        if what == "reply":
            await ctx.reply("hello")
        elif what == "show":
            await ctx.show("hello")
        await ctx.answer("hello")

    flow = Flow("f")
    flow.defstate(None)(handler)
    with pytest.raises(TypeError) as caught:
        await Bench(flow).engine.send(KEY, said("look"))
    note = f"do not await ctx.{what}(...): it returns nothing, and is carried out after the step"
    assert [each for each in caught.value.__notes__ if note in each and "tests/flow/test_context.py:" in each]
    assert str(caught.value).endswith(note)  # also where notes are not shown


async def test_another_error_of_await_has_no_such_note():
    async def handler(event, ctx):
        await None

    flow = Flow("f")
    flow.defstate(None)(handler)
    with pytest.raises(TypeError) as caught:
        await Bench(flow).engine.send(KEY, said("look"))
    assert not [each for each in caught.value.__notes__ if "do not await" in each]


@pytest.mark.parametrize("key", [(10, 7), "10:7", None])
async def test_send_takes_a_key_first(key):
    with pytest.raises(TypeError, match="takes a Key first"):
        await looked(lambda ctx: ctx.send(key, "event"))


async def test_where_effects_go_without_a_chat_event_follows_from_the_key():
    flow = Flow("f")

    @flow.defstate(None, on=int)
    def handler(event, ctx):
        ctx.reply("Paid.")

    bench = Bench(flow)
    await bench.engine.send(Key(10, 7, 3, "b", 9), 5)
    (effect,) = bench.sent
    assert isinstance(effect, Send)
    assert effect.to == Address(10, 3, "b", 7)


async def test_where_effects_go_without_a_chat_event_is_where_the_person_last_wrote():
    flow = Flow("f")
    flow.defstate(None)(lambda event, ctx: ("transition", "a"))
    flow.defstate("a", on=int)(lambda event, ctx: ctx.reply("Paid."))
    bench = Bench(flow)
    await bench.say("hello", address=Address(20, user=7, lang="de"))
    await bench.engine.send(KEY, 5)
    assert bench.sent[0].to == Address(20, user=7, lang="de")
