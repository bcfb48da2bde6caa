"""Albums: the messages of a media group come as one event where a handler asks for albums."""

import asyncio

import pytest
from telegram import Update

from fsmkit import ANY, Flow, Key, KeyBy, Timeout
from fsmkit.engine.due import MAX_BYTES
from fsmkit.stores.memory import MemoryStore
from fsmkit.stores.sqlite import SQLiteStore
from fsmkit.telegram import album, command, message, photo, text


def gallery(seen, *, key=KeyBy.USER_IN_CHAT, name="gallery", ttl=3600, **options):
    """A flow that notes the albums, photos and texts it is given in `open`, and only photos in `single`."""
    flow = Flow(name, key=key, ttl=ttl)
    flow.state("open", **options)
    flow.state("single")

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        return ("transition", "open")

    @flow.defstate("open", "single", on=photo())
    def single(event, ctx):
        seen.append(("photo", ctx.match))

    @flow.defstate("open", on=album())
    def several(event, ctx):
        seen.append((event.caption, *(part.kind for part in event.parts)))
        if event.caption == "raise":
            raise RuntimeError("as told")
        return ("pass",) if event.caption == "pass" else ("stay",)

    @flow.defstate("open")
    def said(event, ctx):
        seen.append(event.text)

    @flow.defstate(ANY, on=command("single"))
    def alone(event, ctx):
        return ("transition", "single")

    return flow


async def opened(bench, seen, *others, **options):
    """A bench whose person stands in `open`."""
    store = options.pop("store", None)
    await bench.start(gallery(seen, **options), *others, **({} if store is None else {"store": store}))
    await bench.say("/start")
    return bench


def send(bench, group, *captions, user=1, kind="photo", **where):
    """Some parts of an album arrive, each with its caption."""
    for caption in captions:
        bench.offline.send(kind, user=user, group=group, caption=caption, **where)


async def test_an_album_is_one_event_a_while_after_its_last_part(bench):
    await opened(bench, seen := [])
    send(bench, "g", "Holiday", None)
    send(bench, "g", None, kind="video")
    await bench.feed()
    assert seen == []
    await bench.advance(4)
    assert seen == [("Holiday", "photo", "photo", "video")]


async def test_the_event_has_messages_and_file_ids_and_where_it_came_from(bench):
    found = []
    flow = gallery([])
    flow.handlers.clear()
    flow.defstate(None, on=album())(lambda event, ctx: found.append((event, ctx.match)))
    await bench.start(flow)
    send(bench, "g", None, "Second")
    await bench.feed()
    await bench.advance(4)
    [(event, match)] = found
    assert [message.message_id for message in event.messages] == list(event.message_ids)
    assert match == event.file_ids == tuple(message.photo[-1].file_id for message in event.messages)
    assert len(match) == 2
    assert (event.kind, event.caption, event.chat_id, event.user_id) == ("album", "Second", 1, 1)
    assert (event.text, event.message_id) == (None, event.messages[0].message_id)
    assert event.update.message.media_group_id == "g"


async def test_where_nobody_wants_albums_photos_come_one_by_one(bench):
    await opened(bench, seen := [])
    await bench.say("/single")
    send(bench, "g", None, None)
    await bench.feed()
    assert [kind for kind, _ in seen] == ["photo", "photo"]


async def test_a_photo_without_a_group_comes_at_once(bench):
    await opened(bench, seen := [])
    bench.offline.send("photo")
    await bench.feed()
    assert [kind for kind, _ in seen] == ["photo"]


async def test_what_a_nearer_state_takes_one_by_one_no_other_flow_gathers(bench):
    entry = Flow("entry")
    entry.defstate(None, on=album())(lambda event, ctx: seen.append("entry"))
    await opened(bench, seen := [], entry)
    await bench.say("/single")
    send(bench, "g", None, None)
    await bench.feed()
    await bench.advance(4)
    assert [kind for kind, _ in seen] == ["photo", "photo"]


async def test_ten_parts_are_complete_at_once(bench):
    await opened(bench, seen := [])
    send(bench, "g", *[None] * 10)
    await bench.feed()
    assert seen == [(None, *["photo"] * 10)]
    await bench.advance(4)
    assert len(seen) == 1


async def test_what_the_person_says_next_comes_after_the_album(bench):
    await opened(bench, seen := [])
    send(bench, "g", None, None)
    bench.offline.say("Done.")
    await bench.feed()
    assert seen == [(None, "photo", "photo"), "Done."]


async def test_a_command_finds_the_album_handled(bench):
    await opened(bench, seen := [])
    send(bench, "g", None, None)
    bench.offline.say("/single")
    await bench.feed()
    assert seen == [(None, "photo", "photo")]
    assert (await bench.engine.get_state("gallery", Key(1, 1)))[0] == "single"


async def test_two_albums_whose_parts_are_mixed_are_two_events(bench):
    await opened(bench, seen := [])
    for _ in range(2):
        send(bench, "a", "A")
        send(bench, "b", "B")
    await bench.feed()
    await bench.advance(4)
    assert seen == [("A", "photo", "photo"), ("B", "photo", "photo")]


async def test_a_part_that_comes_twice_counts_once(bench):
    await opened(bench, seen := [])
    update = bench.offline.send("photo", group="g")
    await bench.feed()
    await bench.app.process_update(Update.de_json(update, bench.app.bot))
    send(bench, "g", None)
    await bench.feed()
    await bench.advance(4)
    assert seen == [(None, "photo", "photo")]


@pytest.mark.parametrize("kept", ["in memory", "in a file"])
async def test_parts_before_and_after_a_restart_are_one_album(bench, clock, tmp_path, kept):
    def store():
        return memory if kept == "in memory" else SQLiteStore(tmp_path / "store.db")

    memory = MemoryStore(clock)
    await opened(bench, seen := [], store=(first := store()))
    send(bench, "g", "First")
    await bench.feed()
    await bench.engine.stop()
    await first.close()
    clock.advance(60)
    send(bench, "g", None)
    again = type(bench)(bench.offline, clock)
    await again.start(gallery(seen), store=(second := store()))
    await again.feed()
    clock.advance(4)
    await again.engine.sweep()
    assert seen == [("First", "photo", "photo")]
    await again.close()
    await second.close()


async def test_an_album_that_was_complete_before_a_restart_is_handled_after_it(bench, clock):
    store = MemoryStore(clock)
    await opened(bench, seen := [], store=store)
    send(bench, "g", "First", None)
    await bench.feed()
    await bench.engine.stop()
    clock.advance(7200)
    again = type(bench)(bench.offline, clock)
    await again.start(gallery(seen), store=store)
    await again.advance(4)
    assert seen == [("First", "photo", "photo")]
    await again.close()


async def test_an_album_that_begins_before_the_deadline_was_in_time(bench):
    await opened(bench, seen := [], ttl=10)
    await bench.advance(9.5)
    send(bench, "g", None, None)
    await bench.feed()
    await bench.advance(3)
    assert seen == [(None, "photo", "photo")]


async def test_the_conversation_times_out_after_an_album_as_after_any_message(bench):
    seen = []
    flow = gallery(seen, ttl=10)
    flow.defstate("open", on=Timeout)(lambda event, ctx: seen.append("timeout") or ("end",))
    await bench.start(flow)
    await bench.say("/start")
    send(bench, "g", None, None)
    await bench.feed()
    for _ in range(9):
        await bench.advance(2)
    assert seen == [(None, "photo", "photo"), "timeout"]


async def test_an_album_that_every_handler_passes_is_answered_by_otherwise(bench):
    await opened(bench, [], otherwise="Other pictures, please.")
    send(bench, "g", "pass", None)
    await bench.feed()
    await bench.advance(4)
    assert bench.texts() == ["Other pictures, please."]


async def test_a_handler_that_raises_is_reported_once_and_says_sorry(bench):
    seen = []
    flow = gallery(seen)
    flow.texts(crash="Sorry.")
    await bench.start(flow)
    await bench.say("/start")
    send(bench, "g", "raise", None)
    bench.offline.say("And now?")
    await bench.feed()
    await bench.advance(4)
    assert seen == [("raise", "photo", "photo"), "And now?"]
    assert bench.texts() == ["Sorry."]
    [error] = bench.errors
    bench.errors.clear()
    assert str(error) == "as told"


async def test_in_a_shared_conversation_the_albums_of_two_people_are_kept_apart(bench):
    bench.offline.add_user(2)
    bench.offline.add_chat(-5)
    await bench.start(gallery(seen := [], key=KeyBy.CHAT))
    await bench.say("/start", chat=-5)
    send(bench, "a", "A", user=1, chat=-5)
    send(bench, "b", "B", user=2, chat=-5)
    bench.offline.say("Two has finished.", user=2, chat=-5)
    send(bench, "a", None, user=1, chat=-5)
    await bench.feed()
    await bench.advance(4)
    assert seen == [("B", "photo"), "Two has finished.", ("A", "photo", "photo")]


async def test_flows_with_other_key_rules_get_albums_of_their_own_keys(bench):
    other = Flow("other", key=KeyBy.CHAT)
    other.defstate(None, on=text("never"))(lambda event, ctx: None)
    await opened(bench, seen := [], other)
    send(bench, "g", None, None)
    await bench.feed()
    await bench.advance(4)
    assert seen == [(None, "photo", "photo")]


async def test_more_than_a_row_holds_is_handled_in_pieces(bench):
    await opened(bench, seen := [])
    send(bench, "g", *["x" * 1024] * 9)
    send(bench, "h", *["y" * 1024] * 9)
    send(bench, "i", *["z" * 1024] * 9)
    await bench.feed()
    row = await bench.engine.store.peek(Key(1, 1, bot=42))
    assert row is not None
    assert len(row) < MAX_BYTES + 2000
    await bench.advance(4)
    assert sum(len(album) - 1 for album in seen) == 27


async def test_what_an_album_replies_to_is_kept_once(bench):
    await opened(bench, seen := [])
    first = bench.offline.say("x" * 4000)["message"]
    for _ in range(9):
        update = bench.offline.send("photo", group="g")
        update["message"]["reply_to_message"] = first
    await bench.feed()
    assert len(await bench.engine.store.peek(Key(1, 1, bot=42))) < 20_000
    await bench.advance(4)
    assert [len(album) for album in seen if album[0] is None] == [10]


async def test_the_messages_of_an_album_in_an_ephemeral_state_are_all_deleted(bench):
    await opened(bench, [], ephemeral=True)
    send(bench, "g", None, None)
    bench.offline.say("/single")
    await bench.feed()
    deleted = [call.params["message_ids"] for call in bench.offline.calls_of("deleteMessages")]
    assert [len(ids) for ids in deleted] == [2]


async def test_gathering_keeps_nobody_waiting(bench):
    bench.offline.add_user(2)
    await opened(bench, seen := [])
    send(bench, "g", None, None)
    await bench.say("/start", user=2)
    await asyncio.wait_for(bench.say("Hello", user=2), 5)
    assert seen == ["Hello"]


async def test_any_message_does_not_mean_albums(bench):
    flow = Flow("any")
    seen = []
    flow.defstate(None, on=message())(lambda event, ctx: seen.append(event.kind))
    await bench.start(flow)
    send(bench, "g", None, None)
    await bench.feed()
    assert seen == ["photo", "photo"]


def test_the_matcher_says_its_name():
    assert repr(album() | photo()) == "album() | photo()"


@pytest.mark.parametrize("kind", ["document", "audio"])
async def test_files_and_music_are_albums_too(bench, kind):
    await opened(bench, seen := [])
    send(bench, "g", None, None, kind=kind)
    await bench.feed()
    await bench.advance(4)
    assert seen == [(None, kind, kind)]


async def test_a_text_right_after_an_album_comes_into_the_conversation_that_the_album_begins(bench):
    flow, seen = Flow("entry", ttl=60), []
    flow.defstate(None, on=album())(lambda event, ctx: ("transition", "named"))
    flow.defstate("named")(lambda event, ctx: seen.append(event.text))
    await bench.start(flow)
    send(bench, "g", None, None)
    await bench.say("Holiday")  # no entry wants a text, but the album is complete with it
    assert seen == ["Holiday"]
