"""Entries of the outbox: nothing is written that could not be carried out, and what was just written is not read."""

import pytest

from fsmkit import Reply
from fsmkit.errors import UnstorableData
from fsmkit.flow.messages import Address
from fsmkit.interpreter import codec
from fsmkit.interpreter.codec import decode_entry, encode_entry, take_entry
from fsmkit.interpreter.row import Bound, Delete, Edit, Pending, Send

BOUND = Bound("f", 7, 1, 2, ("long value",))

KNOWN = [
    Send(Reply("Hello"), Address(1), BOUND),
    Send(
        Reply('\U0001f600 "\\\n\x00'), Address("chat", 2, "bc", "user", "en"), BOUND, "view", True, "f/menu"
    ),
    Send(Reply("x", silent=True, link_preview=False, reply_to=2**70), Address(-(2**70), user=3), BOUND),
    Send(Reply("x", photo="AgAC", parse_mode="HTML"), Address(1, lang="de"), BOUND),
    Send(Reply("", document="file:///a.pdf"), Address(1), BOUND),
]
"""Effects that are known to come back."""

READ = [
    Send(Reply("x", buttons=["a", ["b"]][:1]), Address(1), BOUND),
    Send(Reply("x", keyboard=["a"]), Address(1), BOUND),
    Send(Reply("x", extra={"a": [1, None]}), Address(1), BOUND),
    Edit(Address(1), 5, BOUND, Reply("x")),
    Delete(Address(1), (1, 2)),
]
"""Effects that are read back to know it."""


@pytest.mark.parametrize("effect", [*KNOWN, *READ])
def test_what_is_kept_of_an_entry_that_was_just_written_is_what_would_be_read(effect):
    blob = encode_entry(Pending(3, effect))
    assert take_entry(blob) == decode_entry(blob)
    assert take_entry(blob) == decode_entry(blob)  # once more: it is not kept any longer


@pytest.mark.parametrize("effect", KNOWN)
def test_a_text_is_not_read_back(effect, monkeypatch):
    monkeypatch.setattr(codec, "decode_entry", None)
    blob = encode_entry(Pending(3, effect))
    assert take_entry(blob).effect is effect


@pytest.mark.parametrize("effect", READ)
def test_what_was_read_back_is_not_read_once_more(effect, monkeypatch):
    blob = encode_entry(Pending(3, effect))
    monkeypatch.setattr(codec, "decode_entry", None)
    assert take_entry(blob) == Pending(3, effect)


@pytest.mark.parametrize(
    "to",
    [
        Address(True),
        Address(1.5),
        Address(None),
        Address(1, thread=2.5),
        Address(1, business=()),
        Address(1, user=False),
        Address(1, lang=5),
    ],
)
def test_an_address_that_could_not_be_read_is_refused(to):
    with pytest.raises(UnstorableData, match="cannot be read back"):
        encode_entry(Pending(1, Send(Reply("x"), to, BOUND)))


def test_of_many_entries_that_nobody_takes_few_are_kept():
    blobs = [encode_entry(Pending(n, KNOWN[0])) for n in range(codec.MAX_KEPT + 5)]
    assert len(codec._written) <= codec.MAX_KEPT
    assert take_entry(blobs[0]) == Pending(0, KNOWN[0])
