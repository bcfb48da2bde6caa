"""`World.copy()`: two worlds that begin alike, cheaply, and in which nothing shows that was done in the other."""

import asyncio
import contextlib
import copy
import json
import random
import sys
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsmkit.botapi import BotApi, Gestures, Upload, World
from fsmkit.botapi.api import MEDIA, METHODS
from fsmkit.botapi.params import decode
from fsmkit.testing import ManualClock

BOT = {"id": 42, "is_bot": True, "first_name": "bot", "username": "offline_bot"}
GROUP, CHANNEL, OLD_GROUP = -5, -7, -9

CHATS, IDS, TEXTS = [1, 2, GROUP, GROUP, CHANNEL, OLD_GROUP], list(range(1, 8)), ["a", "/b", "<b>c</b>"]
NUMBERS = range(1, 16)
PHOTO = {"type": "photo", "media": "attach://file"}
FIELDS = {
    "chat_id": CHATS,
    "from_chat_id": CHATS,
    "user_id": [1, 2, 42],
    "message_id": IDS,
    "message_ids": [[1], [2, 3], [1, 2, 4], [5, 6]],
    "text": TEXTS,
    "caption": TEXTS,
    "parse_mode": ["HTML"],
    "media": [PHOTO, {**PHOTO, "type": "audio"}, [PHOTO, PHOTO]],
    "callback_query_id": [str(4_000_000_000_000 + number) for number in NUMBERS],
    "pre_checkout_query_id": [str(5_000_000_000_000 + number) for number in NUMBERS],
    "shipping_query_id": [str(5_000_000_000_000 + number) for number in NUMBERS],
    "inline_query_id": [str(5_000_000_000_000 + number) for number in NUMBERS],
    "commands": [[{"command": "go", "description": "Begin"}]],
    "options": [["Yes", "No"]],
    "question": TEXTS,
    "title": TEXTS,
    "description": TEXTS,
    "payload": TEXTS,
    "currency": ["XTR"],
    "prices": [[{"label": "a", "amount": 100}]],
    "latitude": [48.2, -33.9],
    "longitude": [16.4, 151.2],
    "phone_number": ["+1"],
    "first_name": TEXTS,
    "ok": [True],
    "shipping_options": [[{"id": "1"}]],
    "results": [[]],
    "url": ["https://example.org/hook", ""],
    "action": ["typing"],
    "file_id": [f"photo-{number}-42" for number in NUMBERS],
    "permissions": [{"can_send_messages": True}],
    "can_pin_messages": ["true", "false"],
    "custom_title": ["Boss"],
    "invite_link": [f"https://t.me/+offline{number}" for number in NUMBERS],
    "name": TEXTS,
    "emoji": ["🎲"],
    "address": TEXTS,
    "reaction": [[{"type": "emoji", "emoji": "👍"}], []],
    "menu_button": [{"type": "commands"}],
    "rights": [{"can_pin_messages": True}],
    "short_description": TEXTS,
    "telegram_payment_charge_id": [f"charge-{5_000_000_000_000 + number}" for number in NUMBERS],
    "live_period": [600],
}
"""For each parameter values that fit; a method looks only at those that it knows."""

FILES = {name: Upload("a.txt", b"file") for name in ("file", *MEDIA.values())}

OPTIONAL = {
    "reply_markup": [
        {"inline_keyboard": [[{"text": "A", "callback_data": "a"}, {"text": "B", "callback_data": "b"}]]},
        {"keyboard": [[{"text": "A"}]]},
        {"inline_keyboard": []},
    ],
    "reply_parameters": [{"message_id": number} for number in IDS],
    "inline_message_id": ["inline"],
    "business_connection_id": ["bc"],
    "message_thread_id": [3],
    "drop_pending_updates": [True],
}

GESTURES = {
    "say": lambda pick: (pick(TEXTS),),
    "send": lambda pick: (pick(["photo", "document", "location"]),),
    "edit": lambda pick: (pick(IDS), pick(TEXTS)),
    "press": lambda pick: (pick("AB"),),
    "press_data": lambda pick: ("a",),
    "react": lambda pick: (pick(IDS), "👍"),
    "vote": lambda pick: (pick(IDS), 1),
    "move": lambda pick: (pick(IDS), 1.5, 2.5),
    "checkout": lambda pick: (pick(TEXTS),),
    "ship": lambda pick: (pick(TEXTS),),
    "ask_to_join": lambda pick: (GROUP,),
    "connect": lambda pick: ("bc",),
}
"""What people do, and with what."""

PRIVATE = {"checkout", "ship", "ask_to_join", "connect"}
"""Where nobody says in which chat it is done."""

SENDS = {"sendMessage": "text", "sendPhoto": "photo", "sendPoll": "question"}

KEYS = st.integers(0, 1_000_000)
deeds = st.lists(st.tuples(st.sampled_from([*METHODS] + 3 * list(GESTURES)), KEYS), max_size=25)
"""What bot and people do: a name, and the seed of the values that come with it."""


def parameters(seed):
    """Return the parameters as a form has them."""
    choose = random.Random(seed)
    chosen = {name: choose.choice(values) for name, values in FIELDS.items()}
    chosen |= {name: choose.choice(values) for name, values in OPTIONAL.items() if choose.random() < 0.1}
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in chosen.items()}


def new_world():
    world = World("42:OFFLINE", ManualClock(1_000_000), BOT)
    people = Gestures(world)
    people.say("a")
    people.say("b", user=2)
    people.say("c", chat=GROUP, thread=3)
    people.say("d", chat=CHANNEL)
    people.press_data("a", inline_message_id="inline")
    world.chats[GROUP].info = {**world.chats[GROUP].info, "is_forum": True}
    for chat in (1, GROUP, CHANNEL):
        world.chats[chat].bot_status = "member" if chat > 0 else "administrator"
        for content in ({"text": "e"}, {"photo": "file-1-42", "caption": "f"}):
            say(world, chat, {**content, "reply_markup": json.dumps(OPTIONAL["reply_markup"][0])})
        say(world, chat, {"question": "g", "options": '["Yes", "No"]'})
    for method, fields in [
        ("setChatPhoto", {}),
        ("promoteChatMember", {"user_id": "2", "can_pin_messages": "true"}),
        ("createChatInviteLink", {}),
    ]:
        METHODS[method](world, decode({"chat_id": str(GROUP), **fields}, {"photo": FILES["photo"]}))
    people.connect("bc", user=2)
    people.say("h", user=1, business="bc")
    people.ask_to_join(GROUP)
    people.gesture("inline", "i")
    people.ship("j")
    people.checkout("k")
    paid = people.checkout("l", currency="XTR")["pre_checkout_query"]["id"]
    METHODS["answerPreCheckoutQuery"](world, decode({"pre_checkout_query_id": paid, "ok": "true"}))
    return world


def say(world, chat, content):
    """The bot puts something there."""
    [method] = [name for name, field in SENDS.items() if field in content]
    METHODS[method](world, decode({"chat_id": str(chat), **content}))


async def do(world, name, seed):
    """Do it; a refusal, and somebody who finds no such button, are fine: they change nothing, or too little."""
    if name in METHODS:
        await BotApi(world).request(world.token, name, parameters(seed), FILES)
        return
    choose = random.Random(seed)
    place = {} if name in PRIVATE else {"chat": choose.choice(CHATS)}
    with contextlib.suppress(LookupError):
        getattr(Gestures(world), name)(*GESTURES[name](choose.choice), **place)


BEFORE = {
    "reopenForumTopic": "closeForumTopic",
    "reopenGeneralForumTopic": "closeGeneralForumTopic",
    "unhideGeneralForumTopic": "hideGeneralForumTopic",
}


@pytest.mark.parametrize("method", METHODS)
def test_the_parameters_fit_every_method(method):
    async def succeeds(seed):
        world = new_world()
        if method in BEFORE:
            METHODS[BEFORE[method]](world, decode({"chat_id": str(GROUP), "message_thread_id": "3"}))
        status, _ = await BotApi(world).request(world.token, method, parameters(seed), FILES)
        return status == 200

    assert any(asyncio.run(succeeds(seed)) for seed in range(300))


def do_all(world, deeds):
    async def main():
        for deed in deeds:
            await do(world, *deed)

    asyncio.run(main())


def seen(world):
    """All that is in a world, as a text: nothing in it is shared with the world."""
    return repr((world, world.queue._pending, world.queue._next_id))


@settings(max_examples=100)
@given(before=deeds, here=deeds, there=deeds)
def test_nothing_done_in_one_copy_shows_in_the_other(before, here, there):
    world = new_world()
    do_all(world, before)
    twin, start = world.copy(), seen(world)
    world.clock.advance(1)
    do_all(twin, there)
    assert seen(world) == start
    after = seen(twin)
    do_all(world, here)
    assert seen(twin) == after


@settings(max_examples=50)
@given(before=deeds, after=deeds)
def test_a_copy_goes_on_as_its_original_would(before, after):
    world = new_world()
    do_all(world, before)
    twin = world.copy()
    for each in (world, twin):
        do_all(each, after)
    assert seen(twin) == seen(world)


@settings(max_examples=50)
@given(before=deeds, after=deeds)
def test_no_update_and_no_result_changes_after_it_was_given(before, after):
    world = new_world()
    do_all(world, before)
    shared = [*world.queue.take_all(), *(chat.messages.copy() for chat in world.chats.values())]
    then = copy.deepcopy(shared)
    do_all(world, after)
    assert shared == then


def test_a_copy_may_have_a_clock_of_its_own():
    world = new_world()
    twin = world.copy(clock=ManualClock(2_000_000))
    assert (world.copy().clock, twin.date()) == (world.clock, 2_000_000)


def test_a_poll_that_waits_belongs_to_the_world_that_it_was_made_in():
    async def main():
        world = new_world()
        world.queue.take_all()
        poll = asyncio.create_task(world.queue.poll(timeout=50))
        await world.queue.waiting.wait()
        twin = world.copy()
        Gestures(twin).say("there")
        assert (len(twin.queue), twin.queue.waiting.is_set(), poll.done()) == (1, False, False)
        Gestures(world).say("here")
        assert [update["message"]["text"] for update in await poll] == ["here"]

    asyncio.run(main())


def test_a_copy_costs_no_more_than_its_tables():
    world = new_world()
    for number in range(300):
        Gestures(world).say(f"text {number}")
    world.queue.take_all()
    tracemalloc.start()
    copies = [world.copy() for _ in range(300)]
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    table = sys.getsizeof(dict(copies[0].chats[1].messages))
    assert used / len(copies) < 2 * table + 8_000
