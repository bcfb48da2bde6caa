"""Methods that put several or unusual messages into a chat, and those about the bot and its users."""

import pytest
from bot_requests import refusal
from telegram import (
    BotName,
    InputMediaAudio,
    InputMediaPhoto,
    InputMediaVideo,
    MenuButtonWebApp,
    ReactionTypeEmoji,
    WebAppInfo,
)

from fsmkit.botapi import OfflineTelegram


@pytest.fixture
def offline(clock):
    offline = OfflineTelegram(clock=clock)
    offline.add_user(1, photos=[b"new", b"old"])
    offline.add_user(2)
    return offline


async def test_an_album_is_sent_as_messages_of_one_group(offline, bot):
    album = await bot.send_media_group(1, [InputMediaPhoto(b"a", caption="c"), InputMediaVideo(b"b")])
    assert len({message.media_group_id for message in album} - {None}) == 1
    assert [message.effective_attachment is not None for message in album] == [True, True]
    assert (album[0].caption, offline.texts(1)) == ("c", ["c"])
    mixed = [InputMediaPhoto(b"a"), InputMediaAudio(b"b")]
    assert await refusal(bot.send_media_group(1, mixed)) == "Audio can't be mixed with other media types"
    assert len(offline.messages(1)) == 2


async def test_many_are_copied_and_forwarded_and_missing_ones_left_out(offline, bot):
    numbers = [offline.say(text, user=2)["message"]["message_id"] for text in "ab"]
    copies = await bot.copy_messages(1, 2, [*numbers, 99])
    forwards = await bot.forward_messages(1, 2, numbers)
    shown = {message["message_id"]: message for message in offline.messages(1)}
    assert [shown[each.message_id]["text"] for each in (*copies, *forwards)] == ["a", "b", "a", "b"]
    assert ["forward_origin" in shown[each.message_id] for each in (*copies, *forwards)] == [
        False,
        False,
        True,
        True,
    ]
    assert await refusal(bot.copy_messages(1, 2, [99])) == "There are no messages to copy"


async def test_a_forwarded_post_comes_from_its_channel(offline, bot):
    offline.add_chat(-9, type="channel", title="News")
    post = offline.say("a", chat=-9)["channel_post"]["message_id"]
    assert (await bot.forward_message(1, -9, post)).forward_origin.chat.title == "News"


async def test_dice_and_venues_are_sent(bot):
    values = [(await bot.send_dice(1, emoji="⚽")).dice.value for _ in range(7)]
    assert set(values) == {1, 2, 3, 4, 5}
    assert await refusal(bot.send_dice(1, emoji="x")) == "Wrong emoji specified"
    venue = (await bot.send_venue(1, 1.5, 2.5, "Town hall", "Street 1")).venue
    assert (venue.title, venue.location.latitude) == ("Town hall", 1.5)


async def test_a_live_location_of_the_bot_moves_until_its_time_is_over(offline, clock, bot):
    sent = await bot.send_location(1, 1.0, 2.0, live_period=600)
    moved = await bot.edit_message_live_location(1, sent.message_id, latitude=1.5, longitude=2.5)
    assert (moved.location.latitude, moved.location.longitude) == (1.5, 2.5)
    await bot.stop_message_live_location(1, sent.message_id)
    assert "live_period" not in offline.messages(1)[-1]["location"]
    again = await bot.send_location(1, 1.0, 2.0, live_period=600)
    clock.advance(600)
    late = bot.edit_message_live_location(1, again.message_id, latitude=1.5, longitude=2.5)
    assert await refusal(late) == "Message can't be edited"


async def test_a_poll_that_is_stopped_takes_no_votes(offline, bot):
    sent = await bot.send_poll(1, "Soup?", ["Yes", "No"])
    offline.vote(sent.message_id, 0)
    offline.take_updates()
    assert (await bot.stop_poll(1, sent.message_id)).options[0].voter_count == 1
    [update] = offline.take_updates()
    assert update["poll"]["is_closed"]
    with pytest.raises(LookupError, match="is closed"):
        offline.vote(sent.message_id, 0)
    assert await refusal(bot.stop_poll(1, sent.message_id)) == "Poll has already been closed"


async def test_a_bot_sets_one_of_the_known_reactions(offline, bot):
    number = offline.say("a")["message"]["message_id"]
    assert await bot.set_message_reaction(1, number, "👍")
    potato = ReactionTypeEmoji("🥔")
    assert await refusal(bot.set_message_reaction(1, number, potato)) == "Reaction_invalid"
    assert await refusal(bot.set_message_reaction(1, number, ["👍", "🔥"])) == "Reactions_too_many"
    assert await refusal(bot.set_message_reaction(1, 99, "👍")) == "Message to react not found"


async def test_texts_about_the_bot_are_kept_per_language(bot):
    assert await bot.get_my_name() == BotName("offline_bot")
    await bot.set_my_name("Tea")
    await bot.set_my_name("Tee", language_code="de")
    assert [(await bot.get_my_name(language_code=code)).name for code in ("de", "fr")] == ["Tee", "Tea"]
    await bot.set_my_description("Sells tea")
    assert (await bot.get_my_description()).description == "Sells tea"
    assert (await bot.get_my_short_description()).short_description == ""
    assert await refusal(bot.set_my_short_description("x" * 121)) == "Short description is too long"


async def test_a_menu_button_is_that_of_the_chat_or_of_all(bot):
    assert (await bot.get_chat_menu_button(1)).type == "commands"
    await bot.set_chat_menu_button(menu_button=MenuButtonWebApp("Shop", WebAppInfo("https://a.io")))
    assert [(await bot.get_chat_menu_button(chat)).type for chat in (1, None)] == ["web_app"] * 2


async def test_the_rights_that_a_bot_asks_for_are_kept(bot):
    rights = await bot.get_my_default_administrator_rights()
    assert not rights.can_pin_messages
    await bot.set_my_default_administrator_rights(rights.__class__.all_rights())
    assert (await bot.get_my_default_administrator_rights()).can_pin_messages
    assert not (await bot.get_my_default_administrator_rights(for_channels=True)).can_post_messages


async def test_profile_photos_are_those_of_the_user(bot):
    found = await bot.get_user_profile_photos(1, limit=1)
    assert (found.total_count, len(found.photos)) == (2, 1)
    file = await found.photos[0][-1].get_file()
    assert bytes(await file.download_as_bytearray()) == b"new"
    assert (await bot.get_user_profile_photos(2)).total_count == 0
