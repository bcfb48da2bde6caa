"""The bots of the cookbook: what their pages show of them, what `check` and `test` say, and what two people do."""

import asyncio
import importlib.util
import re
from pathlib import Path

import pytest

from fsmkit import Flow, Key
from fsmkit.stores.memory import MemoryStore
from fsmkit.testing import Chat, ManualClock, OfflineTelegram, Profile, check
from fsmkit.testing.harness.actions import Wait

ROOT = Path(__file__).parent.parent
BOTS = sorted(path.stem for path in (ROOT / "examples" / "cookbook").glob("*.py"))
GROUP = -100
UNHURRIED = Profile(steps=4_000, examples=5, length=15, seconds=240.0, overlaps=5)
"""As `dev`, but for as long as a loaded machine takes."""
HARD_TO_REACH = {"poll": {"close stay"}, "booking": {"begun end"}, "subscription": {"ends end"}}
"""Edges that take two people, or several deadlines in a row, which a tour may miss; conversations below take them."""


def module(name):
    path = ROOT / "examples" / "cookbook" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"cookbook_{name}", path)
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def page(name):
    return (ROOT / "docs" / "cookbook" / f"{name}.md").read_text()


def said(chat, *others):
    """What people do and see, as the pages show it; `others`: who is there besides user 1."""
    lines = []
    for each in chat.observations:
        did = each.action.line()
        if isinstance(each.action, Wait):
            did = f"({each.action.seconds / 86_400:.0f} days later)"
        elif each.action.user > 1:
            did = f"{others[each.action.user - 2]}: {did}"
        lines += [f"> {did}", *(f"  {line}".rstrip() for text in each.shown for line in text.split("\n"))]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("name", BOTS)
def test_what_a_page_shows_of_the_code_is_in_the_file(name):
    code, shown = module(name).__loader__.get_source(None), re.findall(r"(?s)```py\n(.*?)```", page(name))
    assert shown
    assert [part for part in shown if part not in code] == []


@pytest.mark.thorough
@pytest.mark.parametrize("name", BOTS)
def test_nothing_is_wrong_with_a_bot_and_all_edges_are_taken(name):
    bot = module(name)
    flows = [value for value in vars(bot).values() if isinstance(value, Flow)]
    report = check(*flows, seed=1, profile=UNHURRIED, resources=getattr(bot, "PostOfTests", None))
    assert report.ok, str(report)
    missing = {f"{edge.handler} {edge.kind}" for edge in report.coverage.missing_edges()}
    assert missing <= HARD_TO_REACH.get(name, set())


def booked():
    bot = module("booking")
    ann = Chat(bot.booking, bot.day)
    ann.say("/book").press("Cut").press("20").press("11:00")
    ann.advance(days=4, hours=3)
    return ann


def test_an_appointment_is_made_and_the_customer_is_reminded_the_day_before():
    assert said(booked()) in page("booking")


def test_a_time_that_is_taken_is_not_shown_until_it_is_given_back():
    bot = module("booking")
    ann = Chat(bot.booking, bot.day)
    bob = ann.as_user(2)
    ann.say("/book").press("Cut").press("20").press("11:00")
    bob.say("/book").press("Beard").press("20")
    assert bob.buttons == ["09:00", "14:00", "16:00", "Another day"]
    ann.say("/cancel").expect("cancelled")
    bob.press("Another day").press("20")
    assert bob.buttons == ["09:00", "11:00", "14:00", "16:00", "Another day"]


def test_of_two_customers_who_see_the_same_time_one_gets_it():
    bot = module("booking")
    ann = Chat(bot.booking, bot.day)
    bob = ann.as_user(2)
    for each in (ann, bob):
        each.say("/book").press("Cut").press("20")
    ann.press("09:00").expect("See you then")
    bob.press("09:00").expect("Sorry, 09:00 has just been taken")
    assert bob.buttons == ["11:00", "14:00", "16:00", "Another day"]


def test_the_reminder_comes_after_a_restart_too_and_the_visit_ends_the_conversation():
    bot = module("booking")
    ann = Chat(bot.booking, bot.day)
    ann.say("/book").press("Cut").press("20").press("11:00")
    ann.advance(days=4, hours=2).restart().advance(hours=1).expect("See you tomorrow at 11:00")
    ann.advance(days=1)
    assert ann.state is None


def test_events_of_an_appointment_that_was_cancelled_do_nothing_to_the_next_one():
    bot = module("booking")
    ann = Chat(bot.booking, bot.day)
    ann.say("/book").press("Cut").press("20").press("11:00").say("/cancel")
    ann.say("/book").press("Cut").press("27").press("09:00")
    ann.advance(days=6)
    assert (ann.state, "See you tomorrow" in "".join(ann.screen)) == ("booked", False)
    ann.advance(days=5, hours=2).expect("See you tomorrow at 09:00")


def shopped():
    chat = Chat(module("catalogue").catalogue)
    chat.say("/books").press("Next").say("brontë").press("Villette, 12 €").press("Into the basket")
    chat.press("Basket").press("Order").expect("Your books for 12 €")
    return chat


def test_a_book_is_found_and_ordered():
    assert said(shopped()) in page("catalogue")


def supported():
    bot = module("support")
    customer = Chat(bot.agent, bot.customer, bot.message, bot.desk)
    staff, agent = customer.as_user(2, chat=GROUP), customer.as_user(2)
    staff.say("Hello")  # now the bot knows the group
    customer.say("/ask").say("Where is my parcel?")
    staff.press("Answer")
    agent.say("It arrives today.")
    customer.say("Great!")
    agent.say("/done")
    assert (customer.state, agent.state) == (None, None)
    return customer


def test_a_customer_is_answered_by_one_of_the_staff():
    assert said(supported(), "Ann of the staff") in page("support")


def test_a_customer_who_waits_has_the_next_turn():
    bot = module("support")
    first = Chat(bot.agent, bot.customer, bot.message, bot.desk)
    second, staff, agent = first.as_user(3), first.as_user(2, chat=GROUP), first.as_user(2)
    staff.say("Hello")
    for customer, question in ((first, "First?"), (second, "Second?")):
        customer.say("/ask").say(question)
    staff.press("Answer")
    staff.press("Answer")
    first.say("/done")
    agent.say("Hello, second!").expect()
    assert second.screen[-1] == "User 2: Hello, second!"


def subscribed():
    chat = Chat(module("subscription").club)
    chat.say("/article").say("/subscribe").press("A month, 100 ⭐").pay("month").expect("14 February 2027")
    chat.say("/article").expect("Why bots forget")
    chat.advance(days=27).expect("ends on 14 February 2027. Renew it?")
    chat.advance(days=3).expect("is over")
    return chat


def test_a_subscription_is_paid_for_and_ends():
    assert said(subscribed()) in page("subscription")


def test_who_renews_before_the_end_keeps_the_days_that_are_left():
    chat = Chat(module("subscription").club)
    chat.say("/subscribe").press("A month, 100 ⭐").pay("month").advance(days=20)
    chat.say("/subscribe").press("A month, 100 ⭐").pay("month").expect("16 March 2027")
    chat.advance(days=11)
    assert chat.state == "member"


def voted():
    bot = module("poll")
    author = Chat(bot.draft, bot.poll).as_user(1, chat=GROUP)
    guest = author.as_user(2, chat=GROUP)
    for text in ("/poll", "Tea or coffee?", "Tea", "Coffee", "/done"):
        author.say(text)
    author.press("Tea")
    guest.press("Coffee").press("Close the poll").expect("Only the author")
    guest.press("Tea")
    author.press("Close the poll").expect("Tea: 2", "closed")
    return author


def test_a_group_votes_and_the_author_alone_closes_the_poll():
    assert said(voted(), "a guest") in page("poll")


async def test_everybody_who_subscribes_hears_the_news():
    bot, offline, clock = module("broadcast"), OfflineTelegram(), ManualClock(1_800_000_000.0)
    app, engine = bot.build(offline.builder(), MemoryStore(clock=clock), {1})
    async with app, engine:
        for user, text in ((2, "/subscribe"), (3, "/subscribe"), (3, "/stop"), (4, "/broadcast")):
            offline.say(text, user=user)
        offline.say("/broadcast")
        offline.say("We have moved.")
        await offline.feed(app)
        offline.press("Send it")
        await offline.feed(app)
        while (await engine.get_state(bot.broadcast, Key(1, 1)))[0]:  # noqa: ASYNC110  # the job of the state
            await asyncio.sleep(0.01)
    assert offline.texts(1)[-1] == "Sent. Subscribers who have it: 1."
    assert [offline.texts(user)[-1] for user in (2, 3)] == [
        "We have moved.",
        "You will hear no more from us. /subscribe if you miss it.",
    ]
    assert offline.texts(4) == []
