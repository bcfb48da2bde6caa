"""What an earlier version stored is read as what it meant, and written back as it was.

The texts in `stored_samples.json` were written by the version before the packages were laid out in rooms. What is
written today may have more at the end of a record, at its default; nothing else in it may differ.
"""

import json
from pathlib import Path

import msgspec
import pytest
from msgspec import Raw

from fsmkit import Button, Keyboard, KeyboardButton, Reply
from fsmkit.flow.messages import Address
from fsmkit.interpreter import row as records
from fsmkit.interpreter.codec import (
    decode_entry,
    decode_receipt,
    decode_row,
    encode_entry,
    encode_receipt,
    encode_row,
)
from fsmkit.interpreter.row import (
    NO_DATA,
    Bound,
    Delete,
    Destination,
    Edit,
    Frame,
    JobState,
    Pending,
    Receipt,
    Row,
    ScheduledEvent,
    Send,
    ShownKeyboard,
    ShownScreen,
    Snapshot,
    WaitForOutbox,
)

STORED = json.loads(Path(__file__).with_name("stored_samples.json").read_text(encoding="utf-8"))

FRAME = Frame("signup", 1, "name", Raw(b'{"n":1}'))
FULL_FRAME = Frame(
    "signup",
    3,
    "Signup.Address:street",
    Raw(b'{"name":"Zo\xc3\xab","tags":[1,2.5,null,true]}'),
    ("name", "age"),
    7,
    ('{"~tuple":[1,null]}', "a long value"),
    (40, 41),
    1800000000.5,
    1800000060.0,
    2,
    JobState("4f1c", 2, 1800000005.25, 1, True, 1),
)
WAITING = Frame("order", 1, None, NO_DATA, flow_limit=1800000000.0)
ADDRESS = Address(10, 5, "biz", 7, "de")
ROWS = {
    "empty": Row(),
    "one conversation": Row({"signup": Snapshot((FRAME,), 123, 1, 1800000000.0, Address(10, user=7))}),
    "a draft": Row({"signup": Snapshot((Frame("signup", 1, None, Raw(b"{}")),))}),
    "everything": Row(
        {
            "order": Snapshot((WAITING, FULL_FRAME), 987654321, 9, 1800000000.0, ADDRESS, 3, 1799999999.0),
            "signup": Snapshot((Frame("signup", 2, "a", Raw(b"[]"), job=JobState()),), 5, 2, None),
        },
        " u1 u2 m:4f ",
        1800000300.0,
        41,
        {
            "order": ShownScreen(10, 77, "photo:AgAC", ShownKeyboard(10, 987654321, 9), True),
            "signup": ShownScreen("@channel", 0),
        },
        (
            ScheduledEvent(
                "10:7", "bot.Paid", Raw(b'{"sum":5}'), "s1", 1800000100.0, "pay-1", "order", "wait"
            ),
            ScheduledEvent("10", "bot.Tick", Raw(b"{}"), "s2"),
        ),
    ),
    "about to move": Row(moved=Destination("-100:7", "mv1")),
    "moved": Row({}, " ", 0.0, 12, {}, (), Destination("-100:7", "mv1", True)),
}
BOUND = Bound("order", 987654321, 9, 7, ("a long value",))
REPLY = Reply(
    "Sure?",
    [
        [Button("Yes", 1), Button("No", '{"~tuple":[1]}', packed=True, style="danger", icon="55")],
        [Button("Docs", url="https://example.org"), Button("Menu", "go", flow="order")],
        [Button("Log in", login_url={"url": "https://example.org"}), Button("Copy", copy_text="x")],
    ],
    parse_mode="HTML",
    silent=True,
    protect_content=True,
    link_preview=False,
    reply_to=4,
    photo="AgAC",
    extra={"has_spoiler": True},
)
KEYBOARD = Reply(
    "Who?",
    keyboard=Keyboard(
        [["Me", KeyboardButton("Call", request_contact=True)], [KeyboardButton("Vote", request_poll="quiz")]],
        one_time=True,
        placeholder="A name",
        selective=True,
        persistent=True,
        resize=False,
    ),
)
ENTRIES = {
    "a text": Pending(1, Send(Reply("Hello"), Address(10), Bound("signup", 1, 1))),
    "a whole message": Pending(2, Send(REPLY, ADDRESS, BOUND, "view")),
    "a keyboard": Pending(3, Send(KEYBOARD, Address("@channel"), BOUND, "ephemeral")),
    "no keyboard": Pending(4, Send(Reply("Done", remove_keyboard=True), ADDRESS, Bound("f", 0, 0, "x"))),
    "an edit": Pending(5, Edit(ADDRESS, 77, BOUND, Reply("New", ["Again"]), "photo:AgAC")),
    "buttons away": Pending(6, Edit(Address(10), 77, BOUND)),
    "a deletion": Pending(7, Delete(ADDRESS, (40, 41))),
    "an event": Pending(
        8, ScheduledEvent("10:7", "bot.Paid", Raw(b'{"sum":5}'), "s1", 0.0, "", "order", "wait")
    ),
    "a wait": Pending(9, WaitForOutbox("-5:7")),
}
RECEIPTS = {
    "a screen": Receipt("view", "order", 987654321, 9, 10, 77, "photo:AgAC", True),
    "a screen that was moved": Receipt("moved", "order", 1, 2, "@channel", 78),
    "an ephemeral message": Receipt("ephemeral", "signup", 1, 1, 10, 40),
}

CODECS = {
    "row": (decode_row, encode_row, ROWS),
    "entry": (decode_entry, encode_entry, ENTRIES),
    "receipt": (decode_receipt, encode_receipt, RECEIPTS),
}


def grown(new, old):
    """Whether the new value is the old one, but for defaults that stand behind the fields of its records."""
    if isinstance(old, list) and isinstance(new, list):
        more = new[len(old) :]
        return len(new) == len(old) + len(more) and all(map(grown, new, old)) and not any(more)
    if isinstance(old, dict) and isinstance(new, dict):
        more = list(new)[len(old) :]
        same = list(new) == [*old, *more] and all(grown(new[name], old[name]) for name in old)
        return same and not any(new[name] for name in more)
    return (type(new), new) == (type(old), old)


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in STORED for name in STORED[kind]])
def test_what_was_stored_is_read_as_what_it_meant_and_written_back_as_it_was(kind, name):
    decode, encode, meant = CODECS[kind]
    stored = STORED[kind][name].encode()
    read = decode(stored)
    assert read == meant[name]
    written = encode(read)
    assert written == encode(meant[name])
    assert grown(json.loads(written), json.loads(stored))
    assert decode(written) == read


def test_every_record_that_is_stored_has_a_sample():
    def kinds_in(value):
        if isinstance(value, msgspec.Struct):
            yield type(value)
            for field in value.__struct_fields__:
                yield from kinds_in(getattr(value, field))
        elif isinstance(value, dict | list | tuple):
            for part in value.values() if isinstance(value, dict) else value:
                yield from kinds_in(part)

    stored = {
        kind
        for kind in vars(records).values()
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct)
        if kind.__struct_config__.array_like or kind.__struct_config__.tag is not None
    }
    never_stored = {records.Answer}
    found = {kind for _, _, meant in CODECS.values() for value in meant.values() for kind in kinds_in(value)}
    assert stored - never_stored <= found
