"""A real PTB application with flows and handlers of its own, polling over loopback HTTP, in groups and topics."""

import asyncio
from contextlib import asynccontextmanager

from telegram.ext import Application, MessageHandler, filters

from fsmkit import ANY, Flow, KeyBy
from fsmkit.botapi import OfflineTelegram
from fsmkit.stores.sqlite import SQLiteStore
from fsmkit.telegram import KeyedProcessor, attach, button, command

GROUP, FORUM = -1001, -1002
ANN, BEN = 1, 2


def wizard(**options):
    """Asks for a name and a colour; the colour is pressed."""
    flow = Flow("wizard", **options)
    flow.state("name", prompt="Name?")
    flow.state("colour", prompt=lambda ctx: f"{ctx.data['name']}, a colour?", buttons=["red", "blue"])

    @flow.defstate(None, ANY, on=command("wizard"))
    def start(event, ctx):
        return ("transition", "name", {})

    @flow.defstate("name")
    def named(event, ctx):
        return ("transition", "colour", {"name": event.text})

    @flow.defstate("colour", on=button())
    def chosen(event, ctx):
        ctx.reply(f"{ctx.data['name']} likes {event.value}.")
        return ("end",)

    return flow


def tally():
    """One for the whole chat: anybody presses, and the one message counts."""
    flow = Flow("tally", key=KeyBy.CHAT_TOPIC)
    flow.state("open", prompt="0 votes", buttons=["+1", "close"], show=True)

    @flow.defstate(None, on=command("tally"))
    def start(event, ctx):
        return ("transition", "open", {"votes": 0})

    @flow.defstate("open", on=button("+1"))
    def vote(event, ctx):
        votes = ctx.data["votes"] + 1
        ctx.show(f"{votes} votes", buttons=["+1", "close"])
        return ("stay", {"votes": votes})  # two may press at once: a transition would make one's button stale

    @flow.defstate("open", on=button("close"))
    def close(event, ctx):
        ctx.show(f"Closed with {ctx.data['votes']} votes.")
        return ("end",)

    return flow


class Bot:
    """The Telegram, and what its chats show."""

    def __init__(self, offline, app):
        self.offline = offline
        self.app = app

    async def until(self, condition):
        """Waits until something is true that the bot's requests make so."""
        while not condition():
            assert self.app.updater.running, "the bot has ended"
            await asyncio.sleep(0.005)

    async def shows(self, chat, *texts):
        """Waits until a chat shows exactly these messages of the bot, in any order of different people's."""
        await self.until(lambda: sorted(self.offline.texts(chat)) == sorted(texts))

    async def pressed(self, text, **where):
        """Presses a button; gives what it is answered with."""
        query = self.offline.press(text, **where)["callback_query"]["id"]
        await self.until(lambda: self.offline.answered[query])
        return [answer.get("text", "") for answer in self.offline.answered[query]]

    def message(self, text, chat):
        """The message that has a text."""
        return next(m["message_id"] for m in self.offline.messages(chat) if m.get("text") == text)


@asynccontextmanager
async def polling(tmp_path, *flows):
    """A bot with flows, and a handler of its own for what they do not want."""
    offline = OfflineTelegram()
    for user in (ANN, BEN):
        offline.add_user(user)
    offline.add_chat(GROUP)
    offline.add_chat(FORUM, is_forum=True)
    processor = KeyedProcessor()

    async def echo(update, context):
        await update.effective_message.reply_text(f"(echo) {update.effective_message.text}")

    async with asyncio.timeout(60), offline.serve() as url:
        builder = Application.builder().token("42:OFFLINE").base_url(f"{url}/bot")
        builder = builder.base_file_url(f"{url}/file/bot").concurrent_updates(processor)
        app = builder.update_queue(processor.queue).build()
        app.add_handler(MessageHandler(filters.TEXT, echo))
        store = SQLiteStore(str(tmp_path / "bot.db"))
        async with app, attach(app, *flows, store=store):
            await app.start()
            await app.updater.start_polling(timeout=1)
            try:
                yield Bot(offline, app)
            finally:
                await app.updater.stop()
                await app.stop()
        await store.close()


async def test_two_people_of_a_group_are_in_the_same_wizard_at_once(tmp_path):
    async with polling(tmp_path, wizard()) as bot:
        say = bot.offline.say
        for user in (ANN, BEN):
            say("/wizard", user=user, chat=GROUP)
        await bot.shows(GROUP, "Name?", "Name?")
        say("Ben", user=BEN, chat=GROUP)
        say("Ann", user=ANN, chat=GROUP)
        asked = ("Name?", "Name?", "Ann, a colour?", "Ben, a colour?")
        await bot.shows(GROUP, *asked)
        of_ann = bot.message("Ann, a colour?", GROUP)
        foreign = await bot.pressed("red", user=BEN, chat=GROUP, message_id=of_ann)
        assert foreign == ["This button is for somebody else."]
        assert await bot.pressed("red", user=ANN, chat=GROUP, message_id=of_ann) == [""]
        of_ben = bot.message("Ben, a colour?", GROUP)
        assert await bot.pressed("blue", user=BEN, chat=GROUP, message_id=of_ben) == [""]
        await bot.shows(GROUP, *asked, "Ann likes red.", "Ben likes blue.")


async def test_one_person_is_in_a_group_in_its_topics_and_in_private_at_once(tmp_path):
    places = [{"chat": FORUM, "thread": 7}, {"chat": FORUM, "thread": 8}, {"chat": GROUP}, {"chat": ANN}]
    async with polling(tmp_path, wizard(key=KeyBy.USER_IN_TOPIC)) as bot:
        for number, where in enumerate(places):
            bot.offline.say("/wizard", **where)
            bot.offline.say(f"Ann {number}", **where)
        asked = ("Name?", "Ann 0, a colour?", "Name?", "Ann 1, a colour?")
        await bot.shows(FORUM, *asked)
        threads = {m["text"]: m.get("message_thread_id") for m in bot.offline.messages(FORUM)}
        assert (threads["Ann 0, a colour?"], threads["Ann 1, a colour?"]) == (7, 8)
        await bot.shows(GROUP, "Name?", "Ann 2, a colour?")
        await bot.shows(ANN, "Name?", "Ann 3, a colour?")
        await bot.pressed("red", chat=FORUM, message_id=bot.message("Ann 0, a colour?", FORUM))
        await bot.shows(FORUM, *asked, "Ann 0 likes red.")
        assert bot.offline.messages(FORUM)[-1]["message_thread_id"] == 7


async def test_a_whole_topic_shares_one_message_while_another_has_its_own(tmp_path):
    async with polling(tmp_path, tally()) as bot:
        for thread in (7, 8):
            bot.offline.say("/tally", chat=FORUM, thread=thread)
        await bot.shows(FORUM, "0 votes", "0 votes")
        first = bot.message("0 votes", FORUM)
        for user in (ANN, BEN):
            assert await bot.pressed("+1", user=user, chat=FORUM, message_id=first) == [""]
        await bot.shows(FORUM, "2 votes", "0 votes")
        await bot.pressed("close", user=BEN, chat=FORUM, message_id=first)
        await bot.shows(FORUM, "Closed with 2 votes.", "0 votes")


async def test_what_no_flow_wants_comes_to_the_bots_other_handlers_and_nothing_else_does(tmp_path):
    async with polling(tmp_path, wizard(), tally()) as bot:
        bot.offline.say("hello", user=BEN, chat=GROUP)
        bot.offline.say("/wizard", user=ANN, chat=GROUP)
        await bot.shows(GROUP, "(echo) hello", "Name?")
        bot.offline.say("hello", user=BEN, chat=GROUP)
        bot.offline.say("Ann", user=ANN, chat=GROUP)
        await bot.shows(GROUP, "(echo) hello", "Name?", "(echo) hello", "Ann, a colour?")
