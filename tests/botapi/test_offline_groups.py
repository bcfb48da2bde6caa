"""What a bot does that looks after a group: people, pinned messages, invitations, topics, the group's name."""

from datetime import timedelta

import pytest
from bot_requests import refusal
from telegram import ChatPermissions
from telegram.error import Forbidden

from fsmkit.botapi import OfflineTelegram
from fsmkit.testing import ManualClock

GROUP = -5


@pytest.fixture
def offline():
    offline = OfflineTelegram(clock=ManualClock(1_000_000))
    offline.add_chat(GROUP, title="Team", is_forum=True, bot_status="administrator")
    offline.add_chat(-6)
    offline.say("hello", chat=GROUP, user=7)
    return offline


async def status(bot, user=7):
    return (await bot.get_chat_member(GROUP, user)).status


# --- people ---


async def test_somebody_who_is_banned_is_out_until_unbanned(bot):
    assert await bot.get_chat_member_count(GROUP) == 2
    await bot.ban_chat_member(GROUP, 7)
    assert (await status(bot), await bot.get_chat_member_count(GROUP)) == ("kicked", 1)
    await bot.unban_chat_member(GROUP, 7, only_if_banned=True)
    assert await status(bot) == "left"


async def test_unbanning_a_member_puts_out_unless_only_the_banned_are_meant(bot):
    await bot.unban_chat_member(GROUP, 7, only_if_banned=True)
    assert await status(bot) == "member"
    await bot.unban_chat_member(GROUP, 7)
    assert await status(bot) == "left"


async def test_restrictions_say_what_is_left(bot):
    await bot.restrict_chat_member(GROUP, 7, ChatPermissions(can_send_messages=True))
    found = await bot.get_chat_member(GROUP, 7)
    assert (found.status, found.can_send_messages, found.can_send_polls) == ("restricted", True, False)
    await bot.restrict_chat_member(GROUP, 7, ChatPermissions.all_permissions())
    assert await status(bot) == "member"


async def test_administrators_are_listed_with_their_title(offline, bot):
    offline.add_member(GROUP, 1, status="creator")
    offline.add_user(8, is_bot=True)
    offline.add_member(GROUP, 8, status="administrator")
    await bot.promote_chat_member(GROUP, 7, can_pin_messages=True)
    await bot.set_chat_administrator_custom_title(GROUP, 7, "Boss")
    found = {each.user.id: each for each in await bot.get_chat_administrators(GROUP)}
    assert set(found) == {1, 7, bot.id}
    assert (found[7].custom_title, found[7].can_pin_messages, found[7].can_change_info) == (
        "Boss",
        True,
        False,
    )
    await bot.promote_chat_member(GROUP, 7)
    assert await status(bot) == "member"


@pytest.mark.parametrize(
    ("user", "problem"),
    [
        (1, "Can't remove chat owner"),
        (8, "User is an administrator of the chat"),
        (42, "Can't restrict self"),
    ],
)
async def test_owners_and_others_administrators_are_safe(offline, bot, user, problem):
    offline.add_member(GROUP, 1, status="creator")
    offline.add_member(GROUP, 8, status="administrator")
    assert await refusal(bot.ban_chat_member(GROUP, user)) == problem


async def test_only_administrators_may(bot):
    said = await refusal(bot.ban_chat_member(-6, 7))
    assert said == "Not enough rights to restrict/unrestrict chat member"
    assert await refusal(bot.set_chat_title(-6, "x")) == "Not enough rights to change chat title"
    assert await refusal(bot.pin_chat_message(-6, 1)) == (
        "Not enough rights to manage pinned messages in the chat"
    )


async def test_a_bot_that_has_left_cannot_write(offline, bot):
    offline.take_updates()
    await bot.leave_chat(GROUP)
    [update] = offline.take_updates()
    assert update["my_chat_member"]["new_chat_member"]["status"] == "left"
    assert await refusal(bot.send_message(GROUP, "a"), Forbidden) == (
        "Forbidden: bot is not a member of the supergroup chat"
    )


async def test_whoever_is_let_in_is_a_member(offline, bot):
    offline.add_member(GROUP, 9, status="left")
    offline.ask_to_join(GROUP, user=9)
    await bot.approve_chat_join_request(GROUP, 9)
    assert await status(bot, 9) == "member"
    assert await refusal(bot.decline_chat_join_request(GROUP, 9)) == "Hide_requester_missing"


async def test_a_restricted_bot_is_refused_what_it_may_not(offline, bot):
    offline.restrict(GROUP, can_send_photos=True)
    assert await refusal(bot.send_message(GROUP, "a")) == (
        "Not enough rights to send text messages to the chat"
    )
    assert await bot.send_photo(GROUP, b"photo")
    assert await status(bot, bot.id) == "restricted"


async def test_a_bot_that_was_put_out_may_stay_restricted(offline, bot):
    offline.take_updates()
    [_, update] = [offline.restrict(GROUP, is_member=False), *offline.take_updates()]
    assert update["my_chat_member"]["new_chat_member"]["is_member"] is False
    assert "not a member" in await refusal(bot.send_message(GROUP, "a"), Forbidden)


# --- the chat itself ---


async def test_a_chat_shows_what_was_set(bot):
    await bot.set_chat_title(GROUP, "New")
    await bot.set_chat_description(GROUP, "About")
    await bot.set_chat_permissions(GROUP, ChatPermissions(can_send_polls=True))
    await bot.set_chat_photo(GROUP, b"photo")
    chat = await bot.get_chat(GROUP)
    assert (chat.title, chat.description, chat.permissions.can_send_polls) == ("New", "About", True)
    assert bytes(await (await chat.photo.get_big_file()).download_as_bytearray()) == b"photo"
    assert await refusal(bot.set_chat_description(GROUP, "About")) == "Chat description is not modified"
    await bot.delete_chat_photo(GROUP)
    assert (await bot.get_chat(GROUP)).photo is None
    assert (await bot.send_message(GROUP, "a")).chat.title == "New"


async def test_the_newest_pinned_message_is_shown(offline, bot):
    first, second = [(await bot.send_message(GROUP, text)).message_id for text in "ab"]
    for number in (first, second):
        await bot.pin_chat_message(GROUP, number)
    assert (await bot.get_chat(GROUP)).pinned_message.text == "b"
    await bot.unpin_chat_message(GROUP)
    assert (await bot.get_chat(GROUP)).pinned_message.text == "a"
    await bot.delete_message(GROUP, first)
    assert (await bot.get_chat(GROUP)).pinned_message is None
    assert await refusal(bot.unpin_chat_message(GROUP)) == "Message to unpin not found"
    await bot.pin_chat_message(GROUP, second)
    await bot.unpin_all_chat_messages(GROUP)
    assert (await bot.get_chat(GROUP)).pinned_message is None


async def test_invite_links_are_made_changed_and_revoked(bot):
    link = await bot.create_chat_invite_link(GROUP, name="A", member_limit=3)
    assert (link.name, link.member_limit, link.creator.id) == ("A", 3, bot.id)
    changed = await bot.edit_chat_invite_link(GROUP, link, creates_join_request=True)
    assert (changed.name, changed.creates_join_request) == (None, True)
    assert (await bot.revoke_chat_invite_link(GROUP, link.invite_link)).is_revoked
    assert await refusal(bot.edit_chat_invite_link(GROUP, link)) == "Invite_hash_expired"
    first = await bot.export_chat_invite_link(GROUP)
    assert first != await bot.export_chat_invite_link(GROUP)
    assert await refusal(bot.create_chat_invite_link(GROUP, creates_join_request=True, member_limit=3)) == (
        "Member limit can't be specified for links requiring administrator approval"
    )


# --- topics ---


async def test_a_topic_is_written_in_until_it_is_deleted(offline, bot):
    topic = await bot.create_forum_topic(GROUP, "News")
    sent = await bot.send_message(GROUP, "a", message_thread_id=topic.message_thread_id)
    assert (sent.message_thread_id, sent.is_topic_message) == (topic.message_thread_id, True)
    await bot.pin_chat_message(GROUP, sent.message_id)
    await bot.unpin_all_forum_topic_messages(GROUP, topic.message_thread_id)
    assert (await bot.get_chat(GROUP)).pinned_message is None
    await bot.edit_forum_topic(GROUP, topic.message_thread_id, name="Old news")
    assert await refusal(bot.edit_forum_topic(GROUP, topic.message_thread_id, name="Old news")) == (
        "Topic_not_modified"
    )
    await bot.delete_forum_topic(GROUP, topic.message_thread_id)
    assert offline.texts(GROUP) == []
    assert "thread not found" in await refusal(
        bot.send_message(GROUP, "b", message_thread_id=topic.message_thread_id)
    )


async def test_in_a_closed_topic_only_administrators_write(offline, bot):
    topic = (await bot.create_forum_topic(GROUP, "News")).message_thread_id
    await bot.close_forum_topic(GROUP, topic)
    assert await bot.send_message(GROUP, "a", message_thread_id=topic)
    offline.add_chat(GROUP, is_forum=True)
    assert await refusal(bot.send_message(GROUP, "a", message_thread_id=topic)) == "Topic_closed"
    assert await refusal(bot.reopen_forum_topic(GROUP, topic)) == "Not enough rights to manage topics"


async def test_the_general_topic_is_changed_by_methods_of_its_own(bot):
    await bot.hide_general_forum_topic(GROUP)
    assert await refusal(bot.close_general_forum_topic(GROUP)) == "Topic_not_modified"
    await bot.unhide_general_forum_topic(GROUP)
    await bot.reopen_general_forum_topic(GROUP)
    await bot.edit_general_forum_topic(GROUP, "All")
    assert await refusal(bot.create_forum_topic(-6, "x")) == "The chat is not a forum"


async def test_a_link_may_end(bot):
    link = await bot.create_chat_invite_link(GROUP, expire_date=2_000_000)
    assert link.expire_date.timestamp() == timedelta(seconds=2_000_000).total_seconds()
