"""`TelegramEvent`: what a handler reads of an update, for every kind of update."""

import pytest

from fsmkit import Flow, KeyBy


@pytest.fixture
def seen():
    return []


@pytest.fixture
async def bench(bench, seen):
    flow = Flow("seen", key=KeyBy.CHAT)

    @flow.defstate(None, on=lambda event: True)
    def note(event, ctx):
        seen.append(event)
        return ("pass",)

    await bench.start(flow)
    return bench


async def last(bench, seen):
    await bench.feed()
    return seen[-1]


async def test_a_text_has_its_text_place_and_sender(bench, seen):
    update = bench.offline.say("hello", user=7)
    event = await last(bench, seen)
    assert (event.kind, event.text, event.caption, event.file_id, event.command, event.args, event.value) == (
        ("text", "hello", None, None, None, [], None)
    )
    assert (event.chat_id, event.user_id, event.thread_id, event.message_id) == (7, 7, None, 1)
    assert event.user.id == 7
    assert (event.date, event.id) == (1_000_000.0, ("tg", update["update_id"]))
    assert event.update.to_dict()["message"]["text"] == "hello"


async def test_a_message_in_a_topic_has_its_thread(bench, seen):
    bench.offline.add_chat(-5, is_forum=True)
    bench.offline.say("a", chat=-5, thread=9)
    event = await last(bench, seen)
    assert (event.chat_id, event.thread_id, event.user_id) == (-5, 9, 1)


async def test_replies_in_a_group_without_topics_have_no_thread(bench, seen):
    bench.offline.add_chat(-5)
    bench.offline.say("a", chat=-5, thread=9)
    assert (await last(bench, seen)).thread_id is None


@pytest.mark.parametrize(
    ("text", "command", "args"),
    [
        ("/start", "start", []),
        ("/START", "start", []),
        ("/start@offline_bot a  b", "start", ["a", "b"]),
        ("/start@Offline_Bot", "start", []),
        ("/start\nnext line", "start", ["next", "line"]),
    ],
)
async def test_a_command_has_its_name_and_its_words(bench, seen, text, command, args):
    bench.offline.say(text)
    event = await last(bench, seen)
    assert (event.kind, event.command, event.args, event.text) == ("command", command, args, text)


@pytest.mark.parametrize("text", ["hello /start", "/", "//start", "/ start", "/bin/sh", "/émile", "/café"])
async def test_what_only_looks_like_a_command_is_text(bench, seen, text):
    bench.offline.say(text)
    event = await last(bench, seen)
    assert (event.kind, event.command, event.text) == ("text", None, text)


async def test_a_command_written_as_code_is_text(bench, seen):
    bench.offline.say("/start", entities=[{"type": "code", "offset": 0, "length": 6}])
    assert (await last(bench, seen)).kind == "text"


async def test_a_command_without_entities_is_a_command(bench, seen):
    bench.offline.say("/start", entities=[])
    assert (await last(bench, seen)).command == "start"


async def test_punctuation_after_a_command_does_not_make_it_text(bench, seen):
    bench.offline.say("/start, please")
    event = await last(bench, seen)
    assert (event.kind, event.command) == ("command", "start")


async def test_another_bots_command_is_neither_command_nor_text(bench, seen):
    bench.offline.say("/start@other_bot")
    event = await last(bench, seen)
    assert (event.kind, event.command) == ("other_command", None)


@pytest.mark.parametrize(
    "kind", ["photo", "document", "sticker", "video", "voice", "audio", "animation", "video_note"]
)
async def test_a_file_has_its_id(bench, seen, kind):
    content = bench.offline.send(kind)["message"][kind]
    event = await last(bench, seen)
    sent = content[-1] if kind == "photo" else content
    assert (event.kind, event.text, event.file_id) == (kind, None, sent["file_id"])


async def test_the_largest_of_a_photos_sizes_counts(bench, seen):
    sizes = bench.offline.send("photo", caption="here")["message"]["photo"]
    event = await last(bench, seen)
    assert event.file_id == max(sizes, key=lambda size: size["width"])["file_id"]
    assert event.caption == "here"


@pytest.mark.parametrize("kind", ["location", "contact", "dice", "venue"])
async def test_what_is_no_file_is_the_content(bench, seen, kind):
    bench.offline.send(kind)
    event = await last(bench, seen)
    assert (event.kind, event.file_id) == (kind, None)
    assert event.content is getattr(event.update.message, kind)


async def test_a_service_message_is_no_new_message(bench, seen):
    bench.offline.add_chat(-5)
    member = {"id": 3, "is_bot": False, "first_name": "New"}
    group = {"id": -5, "type": "supergroup", "title": "Group"}
    message = {
        "message_id": 1,
        "date": 1_000_000,
        "chat": group,
        "from": member,
        "new_chat_members": [member],
    }
    bench.offline.update(message=message)
    event = await last(bench, seen)
    assert (event.kind, event.is_new_message) == ("service", False)


async def test_an_edited_message_says_when_it_was_edited(bench, seen):
    number = bench.offline.say("a")["message"]["message_id"]
    bench.clock.advance(5)
    bench.offline.edit(number, "/start b")
    event = await last(bench, seen)
    assert (event.kind, event.text, event.command, event.message_id, event.date) == (
        ("edited", "/start b", None, number, 1_000_005.0)
    )


async def test_a_foreign_button_has_its_data_and_the_place_of_its_message(bench, seen):
    sent = await bench.app.bot.send_message(1, "menu")
    bench.offline.press_data("vote:1", message_id=sent.message_id)
    event = await last(bench, seen)
    assert (event.kind, event.value, event.text, event.chat_id, event.message_id, event.date) == (
        ("raw_button", "vote:1", None, 1, sent.message_id, None)
    )


async def test_an_inaccessible_message_still_tells_its_chat(bench, seen):
    bench.offline.press_data("x", message_id=99)
    event = await last(bench, seen)
    assert (event.chat_id, event.user_id, event.thread_id, event.message_id, event.date) == (
        1,
        1,
        None,
        99,
        None,
    )


async def test_a_game_button_has_no_value(bench, seen):
    bench.offline.update(
        callback_query={
            "id": "1",
            "from": {"id": 1, "is_bot": False, "first_name": "A"},
            "chat_instance": "1",
            "game_short_name": "chess",
            "message": {"message_id": 4, "date": 0, "chat": {"id": 1, "type": "private"}},
        }
    )
    event = await last(bench, seen)
    assert (event.kind, event.value) == ("raw_button", None)


async def test_an_inline_query_has_its_text_and_no_chat(bench, seen):
    user = bench.offline.add_user(3)
    bench.offline.update(inline_query={"id": "q", "from": user, "query": "cats", "offset": ""})
    event = await last(bench, seen)
    assert (event.kind, event.text, event.chat_id, event.user_id) == ("inline", "cats", None, 3)


async def test_a_vote_in_a_poll_has_its_voter(bench, seen):
    user = bench.offline.add_user(3)
    answer = {"poll_id": "p", "user": user, "option_ids": [0], "option_persistent_ids": ["a"]}
    bench.offline.update(poll_answer=answer)
    event = await last(bench, seen)
    assert (event.kind, event.user_id, event.update.poll_answer.option_ids) == ("poll_answer", 3, (0,))


async def test_a_business_message_has_its_connection(bench, seen):
    bench.offline.say("hello", user=7, business="b1")
    event = await last(bench, seen)
    assert (event.kind, event.business_id, event.chat_id) == ("text", "b1", 7)


async def test_it_can_be_read_in_a_log(bench, seen):
    bench.offline.say("hello", user=7)
    assert repr(await last(bench, seen)) == "<TelegramEvent text 'hello' of user 7 in chat 7>"


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("reply", "Write ctx.reply(text), without await"),
        ("from_user", "Read event.user"),
        ("usr", "Did you mean event.user?"),
    ],
)
async def test_what_an_event_has_elsewhere_says_what_to_write(bench, seen, name, remedy):
    bench.offline.say("hello", user=7)
    event = await last(bench, seen)
    with pytest.raises(AttributeError) as caught:
        getattr(event, name)
    assert str(caught.value) == f"'TelegramEvent' object has no attribute {name!r}. {remedy}"
    assert hasattr(event, name) is False
