"""The scanner cuts replies as a JSON parser reads them, and goes on where no parser would."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fsmkit.telegram.receiver.scanner import ScannedReply, scan

NAMES = st.sampled_from(["update_id", "result", "message", "chat", "id", "from", "user"])

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.sampled_from(['},{"update_id":5', '"', "\\", '\\"}]', "{[", ',{"update_id":1}', "\ud800"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | NAMES, inner, max_size=4),
    max_leaves=20,
)
IDS = st.integers(1, 2**31 - 1)


@st.composite
def updates(draw):
    """An update with its id at any place, and anything in it, other `update_id` deeper down among it."""
    fields = draw(st.dictionaries(st.text() | NAMES, JSON, max_size=4))
    fields.pop("update_id", None)
    at = draw(st.integers(0, len(fields)))
    items = list(fields.items())
    return dict([*items[:at], ("update_id", draw(IDS)), *items[at:]])


def reply_of(parts, separator=","):
    return b'{"ok":true,"result":[' + separator.encode().join(parts) + b"]}"


@given(st.lists(updates(), max_size=6), st.booleans(), st.sampled_from([(",", ":"), (", ", ": ")]))
@example([{"a": [{"update_id": 1}], "update_id": 2}, {"update_id": 3}], True, (",", ":"))
@example([{"update_id": 2, "a": [{"x": 0}, {"update_id": 1}]}, {"update_id": 3}], True, (",", ":"))
def test_a_whole_reply_is_cut_as_json_reads_it(batch, escaped, separators):
    parts = [json.dumps(update, ensure_ascii=escaped, separators=separators) for update in batch]
    found = scan(reply_of([part.encode("utf-8", "surrogatepass") for part in parts], separators[0]))
    assert [json.loads(update.body.decode("utf-8", "surrogatepass")) for update in found.updates] == batch
    assert [update.id for update in found.updates] == [update["update_id"] for update in batch]
    assert found.rest == b""


def plain(number, text="hello"):
    """An update as Telegram writes them."""
    message = {
        "message_id": 9,
        "from": {"id": 70 + number, "first_name": "Ann"},
        "chat": {"id": -100 - number, "type": "group"},
        "text": text,
    }
    return json.dumps({"update_id": number, "message": message}, separators=(",", ":")).encode()


@st.composite
def mutated(draw):
    """An update of which some bytes are other ones, or missing, or doubled; its beginning is left alone."""
    body = bytearray(plain(1, draw(st.text(max_size=20))))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(15, max(15, len(body) - 1)))
        new = draw(
            st.sampled_from([b"", b'"', b"{", b"}", b"[", b"]", b"\\", b",", b"\xff", b"\x00", b"9" * 5000])
        )
        body[at : at + draw(st.integers(0, 2))] = new
    return bytes(body)


@given(mutated(), st.integers(1, 3), st.integers(1, 3))
@example(plain(1)[:-1], 1, 1)
@example(plain(1) + b"}", 1, 1)
@example(plain(1).replace(b'"Ann"', b'Ann"'), 1, 1)
@example(b'{"update_id":1,}]' + plain(1)[15:], 1, 1)
@example(b'{"update_id":1}]}]', 2, 2)
def test_what_stands_beside_a_broken_update_is_cut_right(broken, before, after):
    first = [plain(number) for number in range(10, 10 + before)]
    last = [plain(number) for number in range(20, 20 + after)]
    found = scan(reply_of([*first, broken, *last]))
    bodies = [update.body for update in found.updates]
    assert bodies[:before] == first
    assert bodies[-after:] == last
    assert [update.id for update in found.updates][-after:] == list(range(20, 20 + after))


@pytest.mark.parametrize("end", range(1, 60, 7))
def test_of_a_truncated_reply_the_whole_updates_are_cut_and_the_rest_is_told(end):
    reply = reply_of([plain(1), plain(2), plain(3)])[: -len(plain(3)) - 2 + end]
    found = scan(reply)
    assert [update.body for update in found.updates] == [plain(1), plain(2)]
    assert found.rest == plain(3)[:end]


@pytest.mark.parametrize(
    "strange",
    [
        b'{"update_id":7,"text":"\\ud83d"}',
        b'{"update_id":7,"text":"\xff\xfe"}',
        b'{"update_id":7,"deep":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
        b'{"update_id":7,"many":' + b"9" * 10_000 + b"}",
        b'{"update_id":7,"a":1,"a":2}',
        b'{"update_id":6,"update_id":7}',
        b'{"update_id":7,"text":"a\nb\x00"}',
        b'{"update_id":7,"text":"\\u12"}',
    ],
    ids=["surrogate", "utf-8", "deep", "huge", "doubled", "two ids", "control", "escape"],
)
def test_what_no_parser_takes_costs_only_itself(strange):
    found = scan(reply_of([plain(1), strange, plain(2)]))
    assert [update.id for update in found.updates] == [1, 7, 2]
    assert found.updates[1].body == strange


@pytest.mark.parametrize(
    "id_text",
    [b'"7"', b"7.5", b"null", b"1e3", b"9" * 400, b"9" * 10, b"2147483648", b"0", b"-7", b"", b"[7]"],
)
def test_an_id_that_is_no_number_is_none(id_text):
    found = scan(reply_of([plain(1), b'{"update_id":' + id_text + b',"poll":{"id":3}}', plain(2)]))
    assert [update.id for update in found.updates] == [1, None, 2]


def test_what_is_no_update_has_no_id():
    found = scan(reply_of([b"5", b'"a,b"', plain(1), b"null", b"[1,2]"]))
    assert [update.id for update in found.updates] == [None, None, 1, None, None]
    assert found.updates[1].body == b'"a,b"'


@pytest.mark.parametrize("reply", [b"", b"<html>", b'{"ok":false}', b'{"ok":true,"result":5}', b"\xff" * 9])
def test_a_reply_that_is_none_is_told_as_it_is(reply):
    assert scan(reply) == ScannedReply((), reply)


def test_no_news_is_a_whole_reply():
    assert scan(b' {"ok" : true, "result" : [ ] }') == scan(b'{"ok":true,"result":[]}')
    assert scan(b'{"ok":true,"result":[]}').rest == b""


@given(st.binary(max_size=200) | st.text('{}[],:"\\ 1update_id', max_size=200).map(str.encode))
def test_whatever_comes_it_returns(noise):
    scan(noise)
    scan(reply_of([noise, plain(2)]))


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (plain(3), (-103, 73)),
        (b'{"update_id":1,"callback_query":{"id":"4","from":{"id":5},"message":{"chat":{"id":6}}}}', (6, 5)),
        (b'{"update_id":1,"inline_query":{"id":"4","from":{"is_bot":false,"id":5}}}', (0, 5)),
        (b'{"update_id":1,"poll_answer":{"poll_id":"4","user":{"id":5},"option_ids":[]}}', (0, 5)),
        (b'{"update_id":1,"poll":{"id":"4"}}', (0, 0)),
        (b'{"update_id":1,"message":{"text":"\\"chat\\":{\\"id\\":9}","chat":{"id":6}}}', (6, 0)),
        (b'{"update_id":1,"message":{"chat":{"id":"no number"}}}', (0, 0)),
    ],
)
def test_chat_and_user_are_read_where_they_can_be(body, place):
    [found] = scan(reply_of([body])).updates
    assert (found.chat, found.user) == place
