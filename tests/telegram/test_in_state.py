"""`in_state`: the bot's other handlers ask where a conversation stood when fsmkit passed an update on."""

import asyncio

import pytest
from telegram.ext import CommandHandler, MessageHandler, TypeHandler, filters

from fsmkit import ANY, DefinitionError, Flow, Key, KeyBy
from fsmkit.telegram import button, command, in_state, text

GROUP = -100


def form(**options):
    flow = Flow("form", ttl=60, **options)
    flow.state("name")
    flow.state("age")
    flow.defstate(None, on=command("start"))(lambda event, ctx: ("transition", "name"))
    flow.defstate("name", on=text())(lambda event, ctx: ("transition", "age"))
    flow.defstate("age", on=text("7"))(lambda event, ctx: ("end",))
    return flow


class Heard(list):
    """What a handler of the bot was given."""

    async def __call__(self, update, context):
        self.append(update.effective_message.text)


@pytest.fixture
def heard():
    return Heard()


async def talk(bench, *said, **where):
    for words in said:
        await bench.say(words, **where)


async def test_a_handler_hears_only_what_was_passed_on_in_its_state(bench, heard):
    flow = form()
    await bench.start(flow)
    bench.app.add_handler(MessageHandler(filters.TEXT & in_state(flow, "age"), heard))
    await talk(bench, "before", "/start", "/hm", "Ann", "seven", "7", "after")
    assert heard == ["seven"]


async def test_without_states_any_state_will_do_and_several_may_be_named(bench, heard):
    flow, either = form(), Heard()
    await bench.start(flow)
    bench.app.add_handler(CommandHandler("help", heard, in_state(flow)))
    bench.app.add_handler(CommandHandler("help", either, in_state(flow, "name", "age")), 1)
    await talk(bench, "/help 1", "/start", "/help 2", "Ann", "/help 3", "7", "/help 4")
    assert (heard, either) == (["/help 2", "/help 3"],) * 2


async def test_filters_combine_as_ptbs_do(bench, heard):
    flow = form()
    await bench.start(flow)
    bench.app.add_handler(CommandHandler("help", heard, ~in_state(flow) & ~filters.UpdateType.EDITED))
    await talk(bench, "/help 1", "/start", "/help 2")
    assert heard == ["/help 1"]


async def test_presses_have_a_state_too(bench):
    flow, seen = form(), []
    flow.defstate("name", on=button("never"))(lambda event, ctx: None)
    inside = in_state(flow, "name")

    async def note(update, context):
        seen.append(inside.check_update(update))

    await bench.start(flow)
    bench.app.add_handler(TypeHandler(object, note))
    await bench.say("/start")
    sent = await bench.app.bot.send_message(1, "another library's")
    await bench.press_data("theirs", message_id=sent.message_id)
    assert seen == [True]


async def test_a_timeout_that_the_update_set_off_counts_first(bench, heard):
    flow = form()
    await bench.start(flow)
    bench.app.add_handler(CommandHandler("help", heard, in_state(flow)))
    await bench.say("/start")
    bench.clock.advance(61)
    await bench.say("/help")
    assert heard == []


async def test_a_caller_stands_in_its_state_while_what_it_called_runs(bench, heard):
    flow, inner = form(), Flow("inner")
    inner.state("in")
    inner.defstate("in", on=text("out"))(lambda event, ctx: ("end",))
    flow.defstate("age", on=command("more"))(lambda event, ctx: ("call", inner))
    both = Heard()
    await bench.start(flow)
    bench.app.add_handler(CommandHandler("help", heard, in_state(flow, "age")))
    bench.app.add_handler(CommandHandler("help", both, in_state(inner, "in")), 1)
    await talk(bench, "/start", "Ann", "/more", "/help 1", "out", "/help 2")
    assert (heard, both) == (["/help 1", "/help 2"], ["/help 1"])


async def test_groups_before_fsmkits_own_are_told_nothing_not_even_of_the_update_before(bench, heard):
    flow = form()
    await bench.start(flow)
    bench.app.add_handler(MessageHandler(in_state(flow), heard), group=-2)
    await talk(bench, "/start", "/one", "/two")
    assert heard == []


async def test_updates_at_the_same_time_are_not_taken_for_one_another(offline, clock, heard, bench):
    """The handler of one person's update asks again after another person's was passed on."""
    flow, go_on, answers = form(), asyncio.Event(), {}
    inside = in_state(flow, "name")

    async def slow(update, context):
        if update.effective_user.id == 1:
            await go_on.wait()
        answers[update.effective_user.id] = inside.check_update(update)

    bench.offline.add_user(2)
    await bench.start(flow)
    bench.app.add_handler(MessageHandler(filters.COMMAND, slow))
    await bench.say("/start")
    first = asyncio.create_task(bench.say("/help"))
    await asyncio.sleep(0)
    await bench.say("/help", chat=2, user=2)
    go_on.set()
    await first
    assert answers == {1: True, 2: False}


async def test_only_flows_with_a_filter_have_their_row_loaded(bench):
    """A group's chatter, of which no flow wants anything, costs what it did."""
    one, other = form(), Flow("poll", key=KeyBy.CHAT)
    other.state("on")
    other.defstate(None, on=command("poll"))(lambda event, ctx: ("transition", "on"))
    engine = await bench.start(one, other)
    loaded, peek = [], engine.peek

    async def noting(key):
        loaded.append(key)
        return await peek(key)

    engine.peek = noting
    bench.offline.add_chat(GROUP)
    await bench.say("chatter", chat=GROUP)
    assert loaded == []
    in_state(other, "on")
    await bench.say("chatter", chat=GROUP)
    assert loaded == [Key(GROUP, GROUP, bot=42)]
    await bench.say("/poll", chat=GROUP)
    assert len(loaded) == 1  # it was not passed on


async def test_a_state_that_was_renamed_is_known_by_its_new_name(bench, heard):
    await bench.start(form())
    await bench.say("/start")
    store = bench.engine.store
    flow = Flow("form", version=2)
    flow.state("full name", renamed_from="name")
    flow.defstate(None, on=command("start"))(lambda event, ctx: ("transition", "full name"))
    flow.migrate(1)(lambda state, data: (state, data))
    again = type(bench)(bench.offline, bench.clock)
    await again.start(flow, store=store)
    again.app.add_handler(CommandHandler("help", heard, in_state(flow, "full name")))
    await again.say("/help")
    await again.close()
    assert heard == ["/help"]


def test_a_misspelt_state_names_the_nearest():
    with pytest.raises(DefinitionError, match=r"test_in_state\.py:\d+: .*'agee'.*Did you mean 'age'\?"):
        in_state(form(), "name", "agee")


def test_what_is_no_state_is_refused():
    flow = Flow("empty")
    with pytest.raises(DefinitionError, match=r"It has none yet\. A state is declared above the filter"):
        in_state(flow, "age")
    with pytest.raises(DefinitionError, match="takes a flow first"):
        in_state("form", "age")
    with pytest.raises(DefinitionError, match="in_state names"):
        in_state(form(), ANY)


def test_states_are_named_by_themselves_too():
    flow = Flow("f")
    age = flow.state("age")
    assert repr(in_state(flow, age)) == "in_state('f', 'age')"
