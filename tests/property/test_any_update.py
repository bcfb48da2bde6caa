"""Whatever PTB can build of what Telegram sends, is read without raising, and each field is what it says."""

import warnings

import pytest
from hypothesis import HealthCheck, given, settings
from telegram import Update, User

from fsmkit import Flow, Key, KeyBy
from fsmkit.botapi import OfflineTelegram
from fsmkit.flow.events import MESSAGE_KINDS
from fsmkit.flow.messages import Address
from fsmkit.telegram import TelegramEvent, attach, kind, message, reaction, text
from fsmkit.telegram.event import read_update
from fsmkit.telegram.intake import Checked
from tests.property.ptb_updates import FIELDS, updates

MATCHERS = [message(), text(".*"), reaction(), kind("service"), ~message()]
NOBODYS = {
    "poll",
    "chat_boost",
    "removed_chat_boost",
    "message_reaction_count",
    "deleted_business_messages",
    "guest_message",
}
USER = {"id": 7, "is_bot": False, "first_name": "A"}


def an_application():
    app = OfflineTelegram().builder().build()
    flows = [Flow(rule.name, key=rule) for rule in KeyBy]
    for flow in flows:
        flow.defstate(None)(lambda event, ctx: None)
    attach(app, *flows)
    return app


APP = an_application()
HANDLER = APP.handlers[-1][0]


def build(raw):
    """PTB's object, `None` where PTB itself cannot make one."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Update.de_json(raw, APP.bot)
    except Exception:
        return None


def check(update, field):
    checked = HANDLER.check_update(update)
    if checked is not None:
        assert isinstance(checked, Checked)
        assert all(isinstance(key, Key) for key, _tables in checked.keys)
    event = read_update(update, "offline_bot")
    if field in NOBODYS:
        assert event is None
    if event is None:
        return
    assert isinstance(event, TelegramEvent)
    assert isinstance(event.address, Address)
    assert isinstance(event.kind, str)
    for found in (event.text, event.value, event.caption, event.command, event.file_id, event.business_id):
        assert found is None or isinstance(found, str)
    for number in (event.chat_id, event.user_id, event.thread_id, event.message_id):
        assert number is None or type(number) is int
    assert (event.user is None) == (event.user_id is None)
    assert event.user is None or (isinstance(event.user, User) and event.user.id == event.user_id)
    assert event.date is None or isinstance(event.date, float)
    assert all(isinstance(word, str) for word in (*event.args, *event.reactions))
    assert event.id == ("tg", update.update_id)
    assert event.is_new_message == (event.kind in MESSAGE_KINDS)
    assert repr(event)
    assert event.content is None or event.kind != "text"
    for matcher in MATCHERS:
        matcher.match(event)


@pytest.mark.parametrize("field", sorted(FIELDS))
def test_any_update_is_read_and_keyed_without_raising(field):
    tried, built = [], []

    @settings(
        max_examples=max(20, settings.default.max_examples // 5), suppress_health_check=list(HealthCheck)
    )
    @given(updates(field))
    def read(raw):
        tried.append(raw)
        update = build(raw)
        if update is not None:
            built.append(update)
            check(update, field)

    read()
    assert len(built) * 4 >= len(tried)  # else this would say nothing


@pytest.mark.parametrize(
    "content",
    [
        {"message_reaction": {"chat": {"id": 1, "type": "private"}, "message_id": 1, "date": 0}},
        {"message": {"message_id": 1, "date": 0, "chat": {"id": -5, "type": "group"}}},
        {"callback_query": {"id": "1", "from": USER, "chat_instance": "1"}},
        {"poll_answer": {"poll_id": "1", "option_ids": [], "option_persistent_ids": []}},
    ],
    ids=lambda content: next(iter(content)),
)
def test_an_update_with_as_little_as_possible_is_read(content):
    check(build({"update_id": 1, **content}), next(iter(content)))
