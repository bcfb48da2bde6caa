"""What the bot itself has sent, edited or caused is nobody's answer; what an edit holds is what it holds now."""

import pytest
from telegram import Update

from fsmkit import Flow, KeyBy
from fsmkit.telegram import chat_member, edited, kind, message
from fsmkit.telegram.event import read_update

SELF = {"id": 42, "is_bot": True, "first_name": "b", "username": "Offline_Bot"}
OTHER = {"id": 43, "is_bot": True, "first_name": "o", "username": "other_bot"}
ANN = {"id": 1, "is_bot": False, "first_name": "Ann"}
GROUP = {"id": -5, "type": "supergroup", "title": "G"}
SENT = {"message_id": 7, "date": 1_000_000, "chat": GROUP, "text": "x"}
MEMBER = {"user": ANN, "status": "member"}
CHANGED = {
    "chat": GROUP,
    "date": 1,
    "old_chat_member": {**MEMBER, "status": "left"},
    "new_chat_member": MEMBER,
}
PINNED = {key: value for key, value in SENT.items() if key != "text"} | {
    "pinned_message": {**SENT, "from": ANN}
}

ECHOES = {
    "result": {"message": {**SENT, "from": ANN, "via_bot": SELF}},
    "edited result": {"edited_message": {**SENT, "from": ANN, "via_bot": SELF, "edit_date": 1_000_001}},
    "for an account": {
        "business_message": {**SENT, "from": ANN, "sender_business_bot": SELF, "business_connection_id": "bc"}
    },
    "pin": {"message": {**PINNED, "from": SELF}},
    "admission": {"chat_member": {**CHANGED, "from": SELF}},
}
OF_OTHERS = {
    "result": {"message": {**SENT, "from": ANN, "via_bot": OTHER}},
    "pin": {"message": {**PINNED, "from": ANN}},
    "admission": {"chat_member": {**CHANGED, "from": ANN}},
}


def read(update):
    return read_update(Update.de_json({"update_id": 1, **update}, None), "offline_bot")


@pytest.mark.parametrize("echo", ECHOES)
async def test_what_the_bot_has_done_reaches_no_flow(bench, echo):
    flow, taken = Flow("f", key=KeyBy.CHAT), []
    wanted = message() | edited() | chat_member() | kind("service")
    flow.defstate(None, on=wanted)(lambda event, ctx: taken.append(event.kind))
    await bench.start(flow)
    bench.offline.update(**ECHOES[echo])
    await bench.feed()
    assert (taken, read(ECHOES[echo])) == ([], None)


@pytest.mark.parametrize("done", OF_OTHERS)
def test_what_others_have_done_in_the_same_way_is_theirs(done):
    assert read(OF_OTHERS[done]).user_id == ANN["id"]


def test_that_a_group_has_moved_is_heard_of_although_the_bot_is_named():
    assert read({"message": {**SENT, "text": None, "from": SELF, "migrate_to_chat_id": -100}}) is not None


async def test_an_edit_has_the_new_file_and_the_place_that_a_location_has_moved_to(bench):
    flow, seen = Flow("f"), []

    @flow.defstate(None, on=edited())
    def changed(event, ctx):
        seen.append(
            (
                event.file_id,
                getattr(event.content, "latitude", None),
                ctx.match == (event.file_id or event.content),
            )
        )

    await bench.start(flow)
    sent = {
        "message_id": 7,
        "date": 1_000_000,
        "edit_date": 1_000_001,
        "from": ANN,
        "chat": {"id": 1, "type": "private"},
    }
    sizes = [
        {"file_id": name, "file_unique_id": name, "width": n, "height": n} for n, name in ((1, "s"), (9, "b"))
    ]
    bench.offline.update(edited_message={**sent, "photo": sizes, "caption": "new"})
    bench.offline.update(
        edited_message={**sent, "location": {"latitude": 1.5, "longitude": 2.0, "live_period": 60}}
    )
    await bench.feed()
    assert seen == [("b", None, True), (None, 1.5, True)]
