"""The recorder, and recorded conversations had again with a changed flow: what would break is told."""

import asyncio
import json
import logging

import attrs
import pytest

from fsmkit import ANY, Flow, Timeout
from fsmkit.telegram import button, command, photo, text
from fsmkit.testing import Chat, record
from fsmkit.testing.harness.actions import NotReadableError
from fsmkit.testing.harness.engine_driver import EngineDriver
from fsmkit.testing.replay.recordings import read_recording, rehearse


@attrs.frozen
class Paid:
    amount: int
    payer: str = ""


def shop(
    name_on=None,
    second="size",
    renamed_from=(),
    sizes=("Big", "Small"),
    on_photo=None,
    ends=True,
    cancel="cancel",
):
    """A shop, as it was or otherwise."""
    flow = Flow("shop", data=dict, ttl=60)
    flow.state("name", prompt="Name?", otherwise="A text.")
    flow.state(second, prompt="Size?", buttons=list(sizes), otherwise="Press.", renamed_from=renamed_from)
    flow.state("pay", prompt="Pay.", otherwise="Pay.")

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        return ("transition", "name", {})

    @flow.defstate("name", on=name_on)
    def got_name(event, ctx):
        return ("transition", second, {"name": event.text})

    @flow.defstate(second, on=button(*sizes))
    def got_size(event, ctx):
        return ("transition", "pay", ctx.evolve(size=event.value))

    @flow.defstate("pay", on=Paid)
    def paid(event, ctx):
        ctx.reply("Thanks.")
        return ("end",) if ends else ("stay",)

    @flow.defstate("pay", on=photo())
    def receipt(event, ctx):
        ctx.reply(on_photo(event) if on_photo else "Nice.")

    @flow.defstate("pay", on=Timeout)
    def late(event, ctx):
        return ("transition", "pay")

    @flow.defstate(ANY, on=command(cancel))
    def stop(event, ctx):
        ctx.reply("Stopped.")
        return ("end",)

    return flow


@pytest.fixture
def recording(tmp_path):
    """Has three people talk to the shop; the file of what was recorded."""

    def recording(**options):
        path = tmp_path / "talks.jsonl"
        with Chat(shop()) as chat:
            record(chat.driver.engine, path, **options)
            chat.command("start").say("Ann Lee").press("Small").photo("My receipt").until_deadline()
            chat.send(Paid(17, "Ann Lee"))
            other = chat.as_user(2)
            other.command("start").say("Bob").command("cancel")
            other.command("start").until_deadline().command("start").say("Robert")
        return path

    return recording


def again(path, flow):
    """What went another way: codes and messages; and how many events were had again."""
    done = asyncio.run(rehearse(EngineDriver((flow,)), read_recording(path, [flow])))
    return [(finding.note, finding.code, finding.message) for finding in done.told()], done.steps, done.left


def test_each_event_that_a_handler_took_is_a_line(recording):
    lines = [json.loads(line) for line in recording().read_text().splitlines()]
    assert [(line["handler"].rpartition(".")[2], line["state"], line["kind"]) for line in lines[:6]] == [
        ("start", None, "transition"),
        ("got_name", "name", "transition"),
        ("got_size", "size", "transition"),
        ("receipt", "pay", "stay"),
        ("late", "pay", "transition"),
        ("paid", "pay", "end"),
    ]
    assert len({line["who"] for line in lines}) == 2


def test_what_people_write_is_not_kept(recording):
    written = recording().read_text()
    assert [word for word in ("Ann Lee", "Bob", "Robert", "My receipt") if word in written] == []
    assert '"amount":17' not in written


def test_words_of_the_bot_are_kept(recording):
    actions = [json.loads(line)["act"] for line in recording().read_text().splitlines()]
    assert {"do": "say", "text": "/start"} in actions
    assert {"do": "press", "button": "Small"} in actions


def test_people_are_told_apart_by_a_hash_that_nobody_can_find_again(tmp_path):
    path = tmp_path / "talks.jsonl"
    for _ in range(2):
        with Chat(shop()) as chat:
            record(chat.driver.engine, path)
            chat.say("/start")
    assert len({json.loads(line)["who"] for line in path.read_text().splitlines()}) == 2


def test_with_a_secret_a_person_is_the_same_after_a_restart(tmp_path):
    path = tmp_path / "talks.jsonl"
    for said in ("/start", "/start"):
        with Chat(shop()) as chat:
            record(chat.driver.engine, path, secret="s" * 32)
            chat.say(said)
    assert len({json.loads(line)["who"] for line in path.read_text().splitlines()}) == 1


def test_texts_are_kept_where_that_is_asked_for(recording):
    actions = [json.loads(line)["act"] for line in recording(texts=True).read_text().splitlines()]
    assert {"do": "say", "text": "Ann Lee"} in actions
    assert {"do": "content", "kind": "photo", "caption": "My receipt"} in actions


@pytest.mark.parametrize("texts", [False, True])
def test_with_the_same_flow_all_goes_the_same_way(recording, texts):
    found, steps, left = again(recording(texts=texts), shop())
    assert (found, left) == ([], 0)
    assert steps == 12


def test_a_state_that_is_gone_is_told(recording):
    [(note, code, message)], _, left = again(recording(), shop(second="format"))
    assert (note, code) == (False, "unknown-state")
    assert (
        message
        == "the state 'size' of 'shop' is gone: renamed_from='size' would keep it (with 2 of 2 people)"
    )
    assert left == 5


def test_one_that_was_renamed_is_not(recording):
    assert again(recording(), shop(second="format", renamed_from="size")) == ([], 12, 0)


def test_a_command_that_is_gone_is_told(recording):
    [(note, code, message)], _, _ = again(recording(), shop(cancel="stop"))
    assert (note, code) == (False, "refused")
    assert message.endswith("took '/cancel': no handler takes it now (with 1 of 2 people)")


def test_a_text_that_is_refused_now_is_told_for_certain_where_texts_were_kept(recording):
    narrow = shop(name_on=text("[A-Z][a-z]+"))
    [(note, code, message)], _, _ = again(recording(texts=True), narrow)
    assert (note, code, "took 'Ann Lee'" in message) == (False, "refused", True)


def test_and_as_a_note_where_something_else_stands_for_it(recording):
    found, steps, _ = again(recording(), shop(name_on=text("[0-9]{12}")))
    assert {(note, code) for note, code, _ in found} == {(True, "refused")}
    assert steps == 12


def test_a_handler_that_raises_now_is_told(recording):
    [(note, code, message)], _, _ = again(recording(), shop(on_photo=lambda event: event.text.upper()))
    assert (note, code) == (False, "raised")
    assert message.startswith("AttributeError: 'NoneType' object has no attribute 'upper', where ")


def test_another_edge_is_told(recording):
    [(note, code, message)], _, _ = again(recording(), shop(ends=False))
    assert (note, code) == (False, "other-edge")
    assert "in state 'pay' did end: " in message
    assert "does stay now" in message


def test_a_button_that_is_gone_is_told(recording):
    found, _, _ = again(recording(), shop(sizes=()))
    assert [(code, "its button is not on the screen" in message) for _, code, message in found] == [
        ("refused", True)
    ]


def test_one_that_has_another_label_at_the_same_place_is_not(recording):
    assert again(recording(), shop(sizes=("Large", "Little"))) == ([], 12, 0)


def test_what_had_begun_before_the_recording_is_left_out(tmp_path):
    path = tmp_path / "talks.jsonl"
    chat = Chat(shop())
    chat.command("start")
    later = Chat(shop(), store=chat.driver.store)
    record(later.driver.engine, path)
    later.say("has the number of an update that came before").say("Ann Lee").command("cancel").command(
        "start"
    )
    assert again(path, shop()) == ([], 1, 2)


@pytest.mark.parametrize(
    "content", ["no json\n", "{}\n", '{"who": "a", "act": {"do": "fly"}, "target": null}\n']
)
def test_what_is_no_recording_is_refused(tmp_path, content):
    path = tmp_path / "talks.jsonl"
    path.write_text(content)
    with pytest.raises(NotReadableError, match="line 1 is none of a recording"):
        read_recording(path, [shop()])


def test_a_recorder_that_cannot_write_keeps_nobody_from_being_handled(tmp_path, caplog, monkeypatch):
    with Chat(shop()) as chat:
        record(chat.driver.engine, tmp_path / "talks.jsonl")
        monkeypatch.setattr("fsmkit.testing.replay.recorder.action_to_json", lambda action: 1 / 0)
        with caplog.at_level(logging.ERROR, "fsmkit"):
            chat.command("start").say("Ann").expect("Size?")
    assert [record.message for record in caplog.records] == [
        "an event could not be recorded; others may be missing too"
    ]
