"""A group becomes a supergroup: its conversations, their messages and buttons go on under the new id."""

import asyncio

import pytest
from telegram import Update

from fsmkit import ANY, Flow, Key, KeyBy, Reply, StoreUnavailable, Timeout
from fsmkit.flow.messages import Address
from fsmkit.interpreter.row import Bound, Delete, Edit, Send
from fsmkit.telegram import KeyedProcessor, album, attach, button, command, text
from fsmkit.telegram.chat_migration import in_new_chat
from tests.telegram.conftest import settle

OLD, NEW = -5, -1005
ANN, BEN = 1, 2
FROM = {"migrate_from_chat_id": OLD}
TO = {"migrate_to_chat_id": NEW}


def wizard(name="signup", left=None, **options):
    """Asks for a name and an age."""
    flow = Flow(name, ttl=600, **options)
    flow.state("name", prompt="Name?", buttons=["Skip"])
    flow.state("age", prompt="Age?", otherwise="Digits, please.")

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        return ("transition", "name", {})

    @flow.defstate("name")
    def named(event, ctx):
        return ("transition", "age", {"name": event.text})

    @flow.defstate("name", on=button("Skip"))
    def skip(event, ctx):
        return ("transition", "age", {"name": "nobody"})

    @flow.defstate("age", on=text(r"\d+"))
    def aged(event, ctx):
        ctx.reply(f"{ctx.data['name']} is {event.text}.")
        return ("end",)

    @flow.on_exit(ANY)
    def leave(ctx):
        if left is not None:
            left.append((ctx.key.chat, ctx.key.user, ctx.state))

    return flow


@pytest.fixture
async def group(bench):
    """The bench, in a group with two people."""
    bench.offline.add_chat(OLD, type="group")
    bench.offline.add_user(BEN)
    return bench


async def where(bench, flow, user=ANN, chat=NEW):
    return await bench.engine.get_state(flow, Key(chat, user))


def service(bench, chat, content, kind="supergroup"):
    """One of the two service messages, alone."""
    message = {"message_id": 1, "date": 1_000_000, "chat": {"id": chat, "type": kind, "title": "G"}}
    bench.offline.update(message={**message, **content})


async def test_a_wizard_goes_on_in_the_supergroup(group):
    flow = wizard()
    await group.start(flow)
    await group.say("/start", chat=OLD)
    group.offline.migrate(OLD, NEW)
    await group.say("Ann", chat=NEW)
    await group.say("33", chat=NEW)
    assert (group.texts(OLD), group.texts(NEW)) == (["Name?"], ["Age?", "Ann is 33."])


async def test_two_people_in_the_same_wizard_both_go_on(group):
    flow = wizard()
    await group.start(flow)
    await group.say("/start", chat=OLD)
    await group.say("/start", chat=OLD, user=BEN)
    await group.say("Ann", chat=OLD)
    group.offline.migrate(OLD, NEW)
    await group.say("Ben", chat=NEW, user=BEN)
    await group.say("33", chat=NEW)
    assert await where(group, flow, BEN) == ("age", {"name": "Ben"})
    assert (await where(group, flow), group.texts(NEW)) == ((None, None), ["Age?", "Ann is 33."])


@pytest.mark.parametrize("rule", [KeyBy.CHAT, KeyBy.CHAT_TOPIC, KeyBy.USER_IN_TOPIC])
async def test_rules_that_have_the_chat_in_their_key_follow_it(group, rule):
    flow = wizard(key=rule)
    await group.start(flow)
    await group.say("/start", chat=OLD)
    group.offline.migrate(OLD, NEW)
    await group.say("Ann", chat=NEW)
    assert group.texts(NEW) == ["Age?"]


async def test_a_person_whose_conversation_is_everywhere_is_answered_where_they_write(group):
    flow = wizard(key=KeyBy.GLOBAL_USER)
    await group.start(flow)
    await group.say("/start", chat=OLD)
    group.offline.migrate(OLD, NEW)
    await group.say("Ann", chat=NEW)
    assert group.texts(NEW) == ["Age?"]


@pytest.mark.parametrize("order", [(OLD, NEW), (NEW, OLD), (NEW,), (OLD,), (OLD, NEW, OLD, NEW)])
async def test_the_service_messages_come_in_any_order_and_number(group, order):
    flow = wizard()
    await group.start(flow)
    await group.say("/start", chat=OLD)
    for chat in order:
        service(group, chat, FROM if chat == NEW else TO)
        await group.feed()
    await group.say("Ann", chat=NEW)
    assert (await where(group, flow), group.texts(NEW)) == (("age", {"name": "Ann"}), ["Age?"])


async def test_what_was_handled_before_the_move_is_not_handled_again_after_it(group):
    flow = wizard()
    await group.start(flow)
    await group.say("/start", chat=OLD)
    update = group.offline.say("Ann", chat=OLD)
    await group.feed()
    group.offline.migrate(OLD, NEW)
    await group.feed()
    await group.app.process_update(Update.de_json(update, group.app.bot))
    assert (await where(group, flow), group.texts(OLD)) == (("age", {"name": "Ann"}), ["Name?", "Age?"])


async def test_a_late_message_of_the_old_chat_is_handled_and_answered_in_the_new_one(group):
    flow = wizard()
    await group.start(flow)
    await group.say("/start", chat=OLD)
    service(group, NEW, FROM)
    await group.feed()
    group.offline.say("Ann", chat=OLD)
    group.offline.migrate(OLD, NEW)
    await group.feed()
    assert (await where(group, flow), group.texts(NEW)) == (("age", {"name": "Ann"}), ["Age?"])


async def test_a_button_of_the_old_chat_still_works(group):
    flow = wizard()
    await group.start(flow)
    await group.say("/start", chat=OLD)
    group.offline.migrate(OLD, NEW)
    await group.feed()
    assert await group.press("Skip", chat=OLD) == [""]
    assert (await where(group, flow), group.texts(NEW)) == (("age", {"name": "nobody"}), ["Age?"])


async def test_a_button_works_after_a_restart_that_forgot_of_the_move(group, clock):
    from fsmkit.stores.memory import MemoryStore

    store = MemoryStore(clock)
    await group.start(wizard(), store=store)
    await group.say("/start", chat=OLD)
    group.offline.migrate(OLD, NEW)
    await group.feed()
    flow, app = wizard(), group.offline.builder().build()
    engine = attach(app, flow, store=store, clock=clock)
    async with app, engine:
        group.offline.press("Skip", chat=OLD)
        await group.offline.feed(app)
    assert await engine.get_state(flow, Key(NEW, ANN)) == ("age", {"name": "nobody"})
    assert group.texts(NEW) == ["Age?"]


async def test_the_deadline_moves_too_and_fires_once(group):
    flow = wizard()
    fired = []

    @flow.defstate("name", on=Timeout)
    def late(event, ctx):
        fired.append(event.deadline)
        ctx.reply("Too late.")
        return ("end",)

    await group.start(flow)
    await group.say("/start", chat=OLD)
    group.offline.migrate(OLD, NEW)
    await group.advance(300)
    await group.feed()
    await group.advance(301)
    await group.advance(1000)
    assert (fired, group.texts(NEW)) == ([1_000_600.0], ["Too late."])


async def test_an_event_for_the_old_key_follows_and_so_does_who_asks_for_its_state(group):
    flow = wizard()

    @flow.defstate("name", on=int)
    def counted(event, ctx):
        return ("stay", {"count": event})

    await group.start(flow)
    await group.say("/start", chat=OLD)
    group.offline.migrate(OLD, NEW)
    await group.feed()
    await group.engine.send(Key(OLD, ANN), 7)
    assert await where(group, flow, chat=OLD) == await where(group, flow) == ("name", {"count": 7})
    await group.engine.at(flow, Key(OLD, ANN)).set_data({"count": 8})
    assert await where(group, flow) == ("name", {"count": 8})


async def test_a_letter_to_oneself_for_later_arrives(group):
    flow = wizard()

    @flow.defstate("name", on=command("remind"))
    def remind(event, ctx):
        ctx.send(ctx.key, "now", after=60)

    @flow.defstate("name", on=str)
    def reminded(event, ctx):
        ctx.reply(f"Reminder: {event}")

    await group.start(flow)
    await group.say("/start", chat=OLD)
    await group.say("/remind", chat=OLD)
    group.offline.migrate(OLD, NEW)
    await group.feed()
    await group.advance(61)
    assert group.texts(NEW) == ["Reminder: now"]


async def test_a_handler_that_runs_ends_before_the_move_and_nothing_is_lost(group):
    flow = wizard()
    may_go = asyncio.Event()

    @flow.defstate("name", on=command("slow"))
    async def slow(event, ctx):
        await may_go.wait()
        return ("transition", "age", {"name": "Slow"})

    await group.start(flow)
    await group.say("/start", chat=OLD)
    group.offline.say("/slow", chat=OLD)
    group.offline.migrate(OLD, NEW)
    group.offline.say("33", chat=NEW)
    # As with `concurrent_updates(True)`: all are handled at once.
    updates = group.offline._world.queue.take_all()
    app = group.app
    tasks = [asyncio.create_task(app.process_update(Update.de_json(u, app.bot))) for u in updates]
    await settle()
    assert not any(task.done() for task in tasks)
    may_go.set()
    await asyncio.gather(*tasks)
    assert (await where(group, flow), group.texts(NEW)) == ((None, None), ["Age?", "Slow is 33."])


async def test_messages_that_wait_are_sent_to_the_supergroup_and_before_later_ones(group):
    flow = wizard()

    @flow.defstate("name", on=command("many"))
    def many(event, ctx):
        for number in range(3):
            ctx.reply(f"old {number}")

    await group.start(flow)
    await group.say("/start", chat=OLD)
    group.offline.fail("sendMessage", status=429, retry_after=30)
    await group.say("/many", chat=OLD)
    group.offline.migrate(OLD, NEW)
    await group.say("Ann", chat=NEW)
    assert (await where(group, flow), group.texts(NEW)) == (("age", {"name": "Ann"}), [])
    await group.advance(31)
    await group.advance(2)
    assert group.texts(NEW) == ["old 0", "old 1", "old 2", "Age?"]


async def test_what_only_telegrams_refusal_tells_moves_the_rows_too(group):
    flow = wizard()

    @flow.defstate("name", on=Timeout)
    def late(event, ctx):
        ctx.reply("Still there?")

    await group.start(flow)
    await group.say("/start", chat=OLD)
    await group.say("/start", chat=OLD, user=BEN)
    group.offline.migrate(OLD, NEW)
    group.offline._world.queue.take_all()  # while the bot was away for more than a day
    await group.advance(601)
    await group.advance(2)
    assert group.texts(NEW) == ["Still there?", "Still there?"]
    await group.say("Ann", chat=NEW)
    assert await where(group, flow) == ("age", {"name": "Ann"})


async def test_a_message_that_found_out_of_the_move_holds_up_later_ones_only_until_it_is_sent(group):
    await group.start(wizard())
    group.offline.say("/start", chat=OLD)
    group.offline.migrate(OLD, NEW)
    group.offline.say("Ann", chat=NEW)
    await group.feed()
    assert group.texts(NEW) == ["Name?", "Age?"]


async def test_a_long_message_in_pieces_goes_on_in_the_supergroup(group):
    flow = Flow("long")

    @flow.defstate(None, on=command("long"))
    def long(event, ctx):
        ctx.reply("a" * 4096 + "b" * 4096 + "c")

    await group.start(flow)
    group.offline.say("/long", chat=OLD)
    group.offline.fail("sendMessage", status=429, retry_after=30, when=lambda params: "b" in params["text"])
    await group.feed()
    group.offline.migrate(OLD, NEW)
    await group.feed()
    await group.advance(31)
    assert [text[0] for text in group.texts(OLD) + group.texts(NEW)] == ["a", "b", "c"]


async def test_a_menu_button_of_the_old_chat_starts_a_conversation_in_the_new_one(group):
    flow = wizard()

    @flow.defstate(None, on=command("menu"))
    def menu(event, ctx):
        ctx.reply("Menu", buttons=[flow.button("Go")])

    @flow.defstate(None, on=button("Go"))
    def go(event, ctx):
        return ("transition", "name", {})

    await group.start(flow)
    await group.say("/menu", chat=OLD)
    group.offline.migrate(OLD, NEW)
    await group.press("Go", chat=OLD, user=BEN)
    assert (await where(group, flow, BEN), group.texts(NEW)) == (("name", {}), ["Name?"])


# -- the new key has something already ------------------------------------------------------------------


async def test_of_two_conversations_in_one_flow_the_one_begun_in_the_new_chat_goes_on(group):
    left = []
    flow = wizard(left=left)
    await group.start(flow)
    await group.say("/start", chat=OLD)
    await group.say("Old", chat=OLD)
    await group.say("/start", chat=NEW)
    left.clear()
    service(group, NEW, FROM)
    await group.feed()
    assert (left, await where(group, flow)) == ([(NEW, ANN, "age")], ("name", {}))
    await group.say("New", chat=NEW)
    assert await where(group, flow) == ("age", {"name": "New"})


async def test_a_conversation_of_another_flow_in_the_new_chat_stays_beside_the_old_one(group):
    first, second = wizard(), wizard("second")

    @second.defstate(None, on=command("second"))
    def other(event, ctx):
        return ("transition", "name", {})

    await group.start(first, second)
    await group.say("/start", chat=OLD)
    await group.say("/second", chat=NEW)
    service(group, OLD, TO)
    await group.feed()
    assert (await where(group, first), await where(group, second)) == (("name", {}), ("name", {}))
    await group.say("Ann", chat=NEW)  # the one entered last comes first
    assert (await where(group, second))[0] == "age"


async def test_an_exit_hook_that_raises_is_reported_and_holds_up_no_move(group):
    flow = wizard()

    @flow.on_exit("age")
    def broken(ctx):
        raise ValueError("broken hook")

    await group.start(flow)
    await group.say("/start", chat=OLD)
    await group.say("Old", chat=OLD)
    await group.say("/start", chat=OLD, user=BEN)
    await group.say("/start", chat=NEW)
    service(group, NEW, FROM)
    await group.feed()
    assert [str(error) for error in group.errors] == ["broken hook"]
    group.errors.clear()
    assert (await where(group, flow), await where(group, flow, BEN)) == (("name", {}), ("name", {}))


async def test_data_without_a_conversation_give_way_to_a_conversation(group):
    flow = wizard()
    await group.start(flow)
    await group.say("/start", chat=OLD)
    await group.engine.at(flow, Key(NEW, ANN)).set_data({"draft": 1})
    service(group, NEW, FROM)
    await group.feed()
    assert await where(group, flow) == ("name", {})


# -- messages of the old chat ---------------------------------------------------------------------------


async def test_ids_of_messages_of_the_old_chat_are_let_go(group):
    """In the new chat the same ids are those of other people's messages."""
    flow = Flow("shown", ttl=600)
    flow.state("on", ephemeral=True, prompt="Ephemeral")
    flow.state("off")

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        ctx.show("Screen", buttons=["Next"])
        ctx.delete_on_exit(event)
        return ("transition", "on")

    @flow.defstate("on", on=button("Next"))
    def following(event, ctx):
        ctx.show("Second screen")
        return ("transition", "off")

    await group.start(flow)
    group.offline.add_chat(NEW, bot_status="administrator")
    await group.say("/start", chat=OLD)
    group.offline.migrate(OLD, NEW)
    for number in range(5):
        group.offline.say(f"somebody's {number}", chat=NEW, user=BEN)
    await group.feed()
    await group.press("Next", chat=OLD)
    shown = [message.get("text") for message in group.offline.messages(NEW)]
    assert shown[1:] == [f"somebody's {number}" for number in range(5)] + ["Second screen"]


async def test_a_reply_keyboard_goes_with_its_state_in_the_supergroup_too(group):
    flow = Flow("keys", ttl=600)
    flow.state("choosing")
    flow.state("chosen", prompt="Thank you.")

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        ctx.reply("Which?", keyboard=["One", "Two"])
        return ("transition", "choosing")

    @flow.defstate("choosing")
    def chosen(event, ctx):
        return ("transition", "chosen")

    await group.start(flow)
    await group.say("/start", chat=OLD)
    group.offline.migrate(OLD, NEW)
    await group.say("One", chat=NEW)
    last = group.offline.calls_of("sendMessage")[-1].params
    assert (last["text"], last["reply_markup"]["remove_keyboard"]) == ("Thank you.", True)


async def test_leaving_the_old_group_ends_nothing_that_has_moved(group):
    left = []
    flow = wizard(left=left)
    await group.start(flow)
    await group.say("/start", chat=OLD)
    group.offline.migrate(OLD, NEW)
    await group.feed()
    group.offline.kick(OLD, by=BEN)
    await group.feed()
    assert (left, await where(group, flow)) == ([], ("name", {}))


async def test_a_move_that_fails_is_logged_and_the_message_goes_out_all_the_same(group, monkeypatch, caplog):
    flow = wizard()

    @flow.defstate("name", on=Timeout)
    def late(event, ctx):
        ctx.reply("Still there?")

    await group.start(flow)
    await group.say("/start", chat=OLD)
    group.offline.migrate(OLD, NEW)
    group.offline._world.queue.take_all()

    async def broken(chat, *, bot=None):
        raise StoreUnavailable("away")

    monkeypatch.setattr(group.engine.store, "keys", broken)
    await group.advance(601)
    assert group.texts(NEW) == ["Still there?"]
    assert "could not be moved" in caplog.text
    monkeypatch.undo()
    service(group, NEW, FROM)  # the next sign of it moves them
    await group.feed()
    assert (await where(group, flow))[0] == "name"


async def test_only_so_many_moves_are_kept_in_memory(group, monkeypatch):
    monkeypatch.setattr("fsmkit.telegram.chat_migration.MAX_KNOWN", 2)
    flow = wizard()
    await group.start(flow)
    await group.say("/start", chat=OLD)
    group.offline.migrate(OLD, NEW)
    for chat in (-7, -8, -9):
        group.offline.add_chat(chat, type="group")
        group.offline.migrate(chat, chat - 1000)
    await group.feed()
    await group.press("Skip", chat=OLD)  # the row itself knows
    assert (await where(group, flow))[0] == "age"


@pytest.mark.parametrize(
    ("effect", "sent"),
    [
        (Delete(Address(OLD), (1,)), None),
        (Edit(Address(OLD), 1, Bound("f", 1, 1)), None),
        (
            Edit(Address(OLD, user=1), 1, Bound("f", 1, 1), Reply("new")),
            Send(Reply("new"), Address(NEW, user=1), Bound("f", 1, 1)),
        ),
        (
            Send(Reply("a", reply_to=5), Address(OLD, 3), Bound("f", 1, 1), "view"),
            Send(Reply("a"), Address(NEW, 3), Bound("f", 1, 1), "view"),
        ),
    ],
    ids=["delete", "take the buttons away", "edit", "send"],
)
def test_what_was_meant_for_the_old_chat_is_sent_anew_or_left(effect, sent):
    assert in_new_chat(effect, NEW) == sent


@pytest.mark.parametrize("forgotten", [False, True], ids=["known", "after a restart"])
async def test_an_album_that_is_being_gathered_arrives_in_the_supergroup(group, forgotten):
    flow, taken = Flow("photos", ttl=600), []

    @flow.defstate(None, on=album())
    def photos(event, ctx):
        taken.append((event.chat_id, len(event.file_ids)))
        ctx.reply("Thank you.")

    await group.start(flow)
    for _ in range(2):
        content = group.offline._content("photo", {})
        group.offline._post({**content, "media_group_id": "m"}, ANN, OLD, None, None)
    await group.feed()
    group.offline.migrate(OLD, NEW)
    await group.feed()
    if forgotten:
        group.app.handlers[-1][0].intake._migrations.known.clear()
    await group.advance(4)
    assert (taken, group.texts(NEW)) == ([(NEW, 2)], ["Thank you."])


async def test_with_a_keyed_processor_the_new_chat_waits_for_the_handler_of_the_old_one(group, clock):
    flow, may_go = wizard(), asyncio.Event()

    @flow.defstate("name", on=command("slow"))
    async def slow(event, ctx):
        await may_go.wait()
        return ("transition", "age", {"name": "Slow"})

    app = group.offline.builder().concurrent_updates(KeyedProcessor(8)).build()
    engine = attach(app, flow, clock=clock)
    async with app, engine:
        group.offline.say("/start", chat=OLD)
        await group.offline.feed(app)
        group.offline.say("/slow", chat=OLD)
        group.offline.migrate(OLD, NEW)
        group.offline.say("33", chat=NEW)
        updates = group.offline._world.queue.take_all()
        tasks = [asyncio.create_task(app.process_update(Update.de_json(u, app.bot))) for u in updates]
        await settle()
        assert not any(task.done() for task in tasks)
        may_go.set()
        await asyncio.gather(*tasks)
    assert group.texts(NEW) == ["Age?", "Slow is 33."]
