"""The fast lane and PTB's own way come to the same: outcomes, rows, requests, what handlers and error handlers saw.

Two bots with the same flows get the same updates, one of them over the lane wherever that takes them: talks of
several people in all kinds of chats, with wrong buttons and odd fields, and updates whose bytes were altered.
"""

import asyncio
import itertools
import json
import random
import warnings
from collections import Counter, defaultdict

import pytest
from busy_bot import settle
from faults.mutations import mutated
from telegram import Update
from telegram.ext import CommandHandler, TypeHandler, filters

from fsmkit import ANY, Flow, KeyBy
from fsmkit.botapi import OfflineTelegram
from fsmkit.engine.services import Services
from fsmkit.telegram import album, attach, button, command, edited, in_state, photo, raw_button, text
from fsmkit.telegram.fast_lane import FastLane
from fsmkit.testing import ManualClock

NOW = 1_000_000
GROUP, FORUM, CHANNEL = -100, -200, -300
PEOPLE = (1, 2, 3)
SAID = (
    "Ann",
    "Ann",
    "secret",
    "fail",
    "fail",
    "33",
    "",
    "secret",
    "fail",
    "skip",
    "tell me",
    "a/b",
    "x" * 5000,
    "\N{SNAKE}",
    "again",
)
COMMANDS = (
    *("/start",) * 6,
    "/start",
    "/START@offline_bot",
    "/start@other_bot",
    "/orders",
    "/cancel now",
    "/",
    "/look",
    "/topic",
)


def flows(log):
    """Flows by several key rules, whose handlers tell a log what they saw."""
    form, orders, topic = (
        Flow("form", data=dict),
        Flow("orders", key=KeyBy.GLOBAL_USER, data=dict),
        Flow("topic", key=KeyBy.CHAT_TOPIC, data=dict),
    )
    form.state("name", prompt="Name?", otherwise="A word, please.")
    form.state("menu", prompt="Menu", buttons=[["go", "bad"], ["long" * 30]], ephemeral=True)
    orders.state("on", prompt="Orders", buttons=["more", "done"], ttl=60)
    topic.state("on", prompt="Topic", buttons=["all"])

    def seen(event, ctx):
        log.append(what_it_is(event, ctx))

    @form.defstate(None, on=command("start"))
    def start(event, ctx):
        seen(event, ctx)
        return ("transition", "name", {})

    @form.defstate("name", on=text("secret") & (filters.TEXT & ~filters.FORWARDED))
    def secret(event, ctx):
        seen(event, ctx)
        ctx.telegram.user_data["secret"] = event.update.effective_message.text
        ctx.telegram.left = "left"
        return ("pass",)

    @form.defstate("name", on=text("skip|fail"))
    def skip(event, ctx):
        seen(event, ctx)
        if event.text == "fail":
            raise ValueError(event.text)
        return ("pass",)

    @form.defstate("name", on=text("[A-Z].*"))
    def name(event, ctx):
        seen(event, ctx)
        return ("transition", "menu", {"name": event.text, "at": event.date})

    @form.defstate("menu", on=button("go", "bad"))
    async def go(event, ctx):
        seen(event, ctx)
        if event.value == "bad":
            await event.update.callback_query.answer("by hand")
            raise KeyError(event.value)
        ctx.show("Menu again", buttons=["go", "bad"])
        ctx.answer("gone")
        return ("stay", {**ctx.data, "times": ctx.data.get("times", 0) + 1})

    @form.defstate("menu", on=button())
    def long(event, ctx):
        seen(event, ctx)
        return ("transition", "name", {})

    @form.defstate(ANY, on=command("cancel"))
    def cancel(event, ctx):
        seen(event, ctx)
        ctx.reply(f"Cancelled {event.args}")
        return ("end",)

    @orders.defstate(None, on=command("orders") | photo() | edited() | album())
    def order(event, ctx):
        seen(event, ctx)
        return ("transition", "on", {"kinds": [event.kind]})

    @orders.defstate("on", on=button("more"))
    def more(event, ctx):
        seen(event, ctx)
        ctx.reply("More", reply_to=event.message_id)
        return ("stay", {"kinds": [*ctx.data["kinds"], event.kind]})

    @orders.defstate("on", on=button("done") | raw_button("raw:.*"))
    def done(event, ctx):
        seen(event, ctx)
        return ("end",)

    @topic.defstate(None, on=CommandHandler("topic", start))
    def talk(event, ctx):
        seen(event, ctx)
        return ("transition", "on", {})

    @topic.defstate("on", on=button("all"))
    def everybody(event, ctx):
        seen(event, ctx)
        return ("end",)

    return form, orders, topic


def what_it_is(event, ctx):
    """All that a handler can read."""
    names = ("kind", "text", "caption", "command", "args", "value", "chat_id", "user_id", "thread_id", "id")
    more = ("business_id", "message_id", "date", "address", "pressed", "file_id", "message_ids", "knows")
    match = ctx.match.groups() if hasattr(ctx.match, "groups") else ctx.match
    context = ctx.telegram
    return (
        {name: getattr(event, name) for name in names + more},
        repr(event),
        event.update.to_dict(),
        *(each and each.to_dict() for each in (event.message, event.user)),
        event.content if isinstance(event.content, str | None) else repr(event.content),
        (repr(match), ctx.state, ctx.data, ctx.lang, ctx.key),
        (type(context), context._chat_id, context._user_id, dict(context.chat_data or {}), ctx.bot.id),
    )


class World:
    """One of the two bots.

    Attributes:
        log: What its handlers and error handlers saw.
        taken: How many updates went over the lane.
    """

    def __init__(self, *, lane):
        self.clock = ManualClock(NOW)
        self.offline = OfflineTelegram(clock=self.clock)
        for user in PEOPLE:
            self.offline.add_user(user)
        self.offline.add_chat(GROUP)
        self.offline.add_chat(FORUM, is_forum=True)
        self.offline.add_chat(CHANNEL, type="channel", bot_status="administrator")
        self.log, self.taken, self.known = [], 0, 0
        self.app = self.offline.builder().build()
        made = flows(self.log)
        self.engine = attach(self.app, *made, clock=self.clock)

        async def rest(update, context):
            stood = in_state(made[0], "name").check_update(update)
            self.log.append(("passed", update.to_dict(), stood, getattr(context, "left", None), context.args))

        async def failed(update, context):
            given = update and update.to_dict()
            self.log.append(("failed", given, repr(context.error), getattr(context.error, "__notes__", ())))

        self.app.add_handler(TypeHandler(Update, rest))
        self.app.add_error_handler(failed)
        self.lane = FastLane(self.app, self.app.handlers[-1][0]) if lane else None

    async def start(self):
        await self.app.initialize()
        await self.engine.start()

    async def give(self, number, body):
        """Handle an update from its bytes; return whether PTB can parse it at all."""
        event = self.lane.read(body) if self.lane is not None else None
        try:
            if event is not None:
                self.taken += 1
                await self.lane.handle(event)
            else:
                await self.app.process_update(Update.de_json(json.loads(body), self.app.bot))
        except (ValueError, TypeError, AttributeError, KeyError, LookupError, OverflowError, RecursionError):
            return event is not None
        for _ in range(3):
            await asyncio.sleep(0)
        return True

    async def rows(self):
        return [each async for each in self.engine.store.scan()]

    def calls(self):
        """The bot's requests since this was asked last."""
        found, self.known = self.offline.calls[self.known :], len(self.offline.calls)
        return [(call.method, call.params) for call in found]

    async def stop(self):
        await self.engine.stop()
        await self.app.shutdown()


class Talk:
    """Makes updates, from what people see in one of the worlds."""

    def __init__(self, chance, world):
        self.chance, self.world = chance, world

    def body(self, number):
        """An update's bytes."""
        user = self.chance.choice(PEOPLE)
        made = self.press(number, user) if self.chance.random() < 0.45 else self.said(number, user)
        body = json.dumps({"update_id": number, **made}, ensure_ascii=self.chance.random() < 0.7).encode()
        return mutated(self.chance, body) if self.chance.random() < 0.15 else body

    def said(self, number, user):
        kind = self.chance.choice(["message"] * 12 + ["edited_message", "channel_post", "business_message"])
        message = self.message(number, user)
        message["text"] = said = self.chance.choice(SAID + COMMANDS)
        if said.startswith("/") and self.chance.random() < 0.9:
            message["entities"] = [{"type": "bot_command", "offset": 0, "length": len(said.split()[0])}]
        if kind == "edited_message":
            message["edit_date"] = NOW + 5
        if kind == "business_message":
            message["business_connection_id"] = "b1"
        if self.chance.random() < 0.2:
            message |= self.chance.choice(ODD)
        return {kind: {name: value for name, value in message.items() if value is not None}}

    def press(self, number, user):
        chat = self.chance.choice([user, user, GROUP, FORUM, CHANNEL])
        shown = [m for m in self.world.offline.messages(chat) if "reply_markup" in m]
        shown = shown[-1:] if self.chance.random() < 0.7 else shown
        message = dict(self.chance.choice(shown)) if shown else self.message(1, 42, chat)
        markup = message.get("reply_markup", {}).get("inline_keyboard", [])
        data = [each["callback_data"] for row in markup for each in row if "callback_data" in each]
        data = self.chance.choice(data * 6 + ["raw:1", "~forged", "~" + "A" * 30, "other"])
        if self.chance.random() < 0.1:
            message |= self.chance.choice(ODD)
        if self.chance.random() < 0.05:
            message = {"chat": message["chat"], "message_id": message["message_id"], "date": 0}
        query = {"id": str(number), "from": self.person(user), "chat_instance": "1", "data": data}
        query |= {"inline_message_id": "i1"} if self.chance.random() < 0.05 else {"message": message}
        return {"callback_query": query}

    def message(self, number, user, chat=None):
        chat = chat or self.chance.choice([user, user, GROUP, FORUM])
        kind = {GROUP: "supergroup", FORUM: "supergroup", CHANNEL: "channel"}.get(chat, "private")
        made = {"message_id": number, "date": NOW + number % 7, "chat": {"id": chat, "type": kind}}
        made["from"] = self.person(user)
        if chat == FORUM:
            made |= {"message_thread_id": self.chance.choice([5, 6]), "is_topic_message": True}
            made["chat"]["is_forum"] = True
        return made

    def person(self, user):
        made = {"id": user, "is_bot": user == 42, "first_name": "Ann"}
        return made | self.chance.choice(
            [{}, {"language_code": "de"}, {"username": "ann", "is_premium": True}]
        )


ODD = (
    {"text": None},
    {"text": None, "photo": [{"file_id": "f", "file_unique_id": "f", "width": 1, "height": 1}]},
    {
        "text": None,
        "media_group_id": "7",
        "photo": [{"file_id": "f", "file_unique_id": "f", "width": 1, "height": 1}],
    },
    {"via_bot": {"id": 42, "is_bot": True, "first_name": "B", "username": "offline_bot"}},
    {"from": {"id": 42, "is_bot": True, "first_name": "B", "username": "offline_bot"}},
    {"from": None},
    {"sender_chat": {"id": GROUP, "type": "supergroup"}},
    {"message_thread_id": 9},
    {"entities": [{"type": "code", "offset": 0, "length": 3}]},
    {"entities": [{"type": "text_mention", "offset": 0, "length": 1, "user": {"id": 5}}]},
    {"link_preview_options": {"is_disabled": True}},
    {"reply_to_message": {"message_id": 1, "date": NOW, "chat": {"id": 1, "type": "private"}}},
    {"migrate_to_chat_id": -400, "text": None},
    {"date": 10**15},
    {"has_protected_content": True, "effect_id": "e", "sender_boost_count": 2, "sender_tag": "t"},
    {"reply_to_message": {"message_id": 1, "date": 0, "chat": {"id": 1, "type": "private"}}},
    {"reply_to_message": {"message_id": 1, "date": NOW, "chat": {"id": 1, "type": "private"}, "text": "a"}},
    {"unheard_of": {"a": [1]}},
    {"caption": "c", "text": None, "document": {"file_id": "d", "file_unique_id": "d"}},
)
"""Fields that a message has besides; `None`: that it has not."""


@pytest.fixture(autouse=True)
def runs(monkeypatch):
    """Numbers of runs, which are random, in a row for each engine; durations as PTB will give them."""
    numbers = defaultdict(itertools.count)
    monkeypatch.setattr(Services, "new_run", lambda self: next(numbers[self.face]) * 2 + 1)
    monkeypatch.setenv("PTB_TIMEDELTA", "1")


async def compare(seed, count):
    """Give updates to both worlds, and compare all that can be seen after each; return how many were on the lane."""
    chance = random.Random(seed)
    ptbs, lanes = World(lane=False), World(lane=True)
    await ptbs.start()
    await lanes.start()
    talk, kinds = Talk(chance, ptbs), Counter()
    for number in range(1, count + 1):
        body = talk.body(number)
        parsed = await ptbs.give(number, body)
        assert await lanes.give(number, body) == parsed, body
        assert lanes.log == ptbs.log, body
        assert lanes.calls() == ptbs.calls(), body
        assert await lanes.rows() == await ptbs.rows(), body
        kinds.update(entry[0]["kind"] if isinstance(entry[0], dict) else entry[0] for entry in ptbs.log)
        ptbs.log.clear()
        lanes.log.clear()
        if chance.random() < 0.05:
            for world in (ptbs, lanes):
                world.clock.advance(20)
                await settle()
    for world in (ptbs, lanes):
        await world.stop()
    return lanes.taken, kinds


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("seed", [1])
async def test_the_lane_comes_to_the_same_as_ptbs_own_way(seed):
    taken, kinds = await compare(seed, 400)
    assert taken > 150
    assert {"text", "command", "button", "passed", "failed"} <= set(kinds)


@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("seed", range(10, 20))
async def test_the_lane_comes_to_the_same_for_a_long_time(seed):
    taken, _ = await compare(seed, 600)
    assert taken > 200


def test_what_the_lane_reads_of_mutated_bytes_ptb_can_parse_to_the_same():
    world = World(lane=True)
    chance = random.Random(7)
    talk, read = Talk(chance, world), 0
    for number in range(3000):
        body = mutated(chance, talk.body(number + 1))
        event = world.lane.read(body)
        if event is None:
            continue
        read += 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            update = Update.de_json(json.loads(body), world.app.bot)
        checked = world.app.handlers[-1][0].check_update(update)
        found = world.lane._intake.check(event)
        assert (found is None) == (checked is None)
        if checked is not None:
            assert found.keys == checked.keys
            for name in (
                "kind",
                "text",
                "command",
                "value",
                "pressed",
                "address",
                "message_id",
                "id",
                "date",
            ):
                assert getattr(event, name) == getattr(checked.event, name), (name, body)
        assert event.update == update
        assert event.update.to_dict() == update.to_dict()
    assert read > 200
