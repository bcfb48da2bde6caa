"""`Button` and `Reply`: what users write of messages."""

import attrs
import msgspec
import pytest

from fsmkit import Button, Keyboard, KeyboardButton, Reply
from fsmkit.flow.messages import MEDIA, Address, ReplyOptions, ScreenOptions, as_reply
from fsmkit.interpreter.codec import encode_entry
from fsmkit.interpreter.row import Bound, Edit, Pending, Receipt, Send, ShownScreen


def test_a_button_has_its_text_as_value():
    assert Button("Yes") == Button("Yes", "Yes")


def test_a_button_may_have_a_value_of_its_own():
    assert Button("Yes", "y").value == "y"


@pytest.mark.parametrize(("text", "value"), [("", ""), (5, "5"), ("Yes", ""), (None, "x")])
def test_a_button_needs_texts(text, value):
    with pytest.raises(TypeError, match="Button"):
        Button(text, value)


def test_a_flat_list_of_buttons_is_one_row():
    assert Reply("Sure?", buttons=["Yes", Button("No", "n")]).buttons == ((Button("Yes"), Button("No", "n")),)


def test_rows_of_buttons_stay_rows():
    assert Reply("?", buttons=[["A", "B"], ["C"]]).buttons == (
        (Button("A"), Button("B")),
        (Button("C"),),
    )


def test_empty_rows_are_left_out():
    assert Reply("?", buttons=[[], ["A"]]).buttons == ((Button("A"),),)


@pytest.mark.parametrize("buttons", ["Yes", Button("Yes"), ["A", ["B"]], 5, [5], [[5]]])
def test_buttons_of_another_shape_are_refused(buttons):
    with pytest.raises(TypeError):
        Reply("?", buttons=buttons)


def test_a_flat_keyboard_is_one_row():
    assert Reply("?", keyboard=["A", "B"]).keyboard == (("A", "B"),)


def test_rows_of_a_keyboard_stay_rows():
    assert Reply("?", keyboard=[["A"], ["B"]]).keyboard == (("A",), ("B",))


def test_an_empty_reply_is_refused():
    with pytest.raises(TypeError, match="empty Reply"):
        Reply()


def test_a_photo_needs_no_text():
    assert Reply(photo="file-id").text == ""


@pytest.mark.parametrize(
    "options",
    [{"photo": "a", "document": "b"}, {"sticker": "a"}, {"video_note": "a"}],
)
def test_what_telegram_cannot_send_as_one_message_is_refused(options):
    with pytest.raises(TypeError, match=r"one file|no caption"):
        Reply("text", **options)


@pytest.mark.parametrize("kind", MEDIA)
def test_a_file_needs_no_text(kind):
    reply = Reply(**{kind: "some-file-id"})
    assert (reply.media, reply.file) == ((kind, "some-file-id"), f"{kind}:some-file-id")


def test_what_may_be_overridden_is_what_a_reply_has():
    """`ctx.reply`, `ctx.show` and `as_reply` take their options from one typed list."""
    names = [field.name for field in attrs.fields(Reply)]
    assert sorted(["text", *ReplyOptions.__annotations__]) == sorted(names)
    rest = set(ReplyOptions.__annotations__) - set(ScreenOptions.__annotations__)
    assert rest == {"keyboard", "remove_keyboard"}


def test_a_reply_keeps_what_is_not_overridden():
    reply = as_reply(Reply("a", photo="p", silent=True), buttons=["x"], silent=False)
    assert reply == Reply("a", photo="p", buttons=["x"])


# -- what older versions stored --------------------------------------------------------------------


def test_entries_that_an_older_version_stored_are_read():
    old = (
        b'[3,{"type":"send","reply":{"text":"Sure?","buttons":[[{"text":"Yes","value":"y","url":null,"flow":null},'
        b'{"text":"Site","value":"Site","url":"https://example.org","flow":null}]],"keyboard":[["A"]],"photo":null,'
        b'"document":null,"parse_mode":null,"remove_keyboard":false,"silent":true},"to":[1,null,null,1,"en"],'
        b'"bound":["f",7,1,1,[]],"keep":"view"}]'
    )
    entry = msgspec.json.decode(old, type=Pending)
    buttons = [[Button("Yes", "y"), Button("Site", url="https://example.org")]]
    reply = Reply("Sure?", buttons=buttons, keyboard=["A"], silent=True)
    assert entry == Pending(3, Send(reply, Address(1, user=1, lang="en"), Bound("f", 7, 1, 1), "view"))


def test_edits_views_and_receipts_that_an_older_version_stored_are_read():
    old = b'[1,{"type":"edit","to":[1],"message":5,"bound":["f",1,1]}]'
    assert msgspec.json.decode(old, type=Pending).effect == Edit(Address(1), 5, Bound("f", 1, 1))
    assert msgspec.json.decode(b"[1,5]", type=ShownScreen) == ShownScreen(1, 5)
    assert msgspec.json.decode(b'["view","f",1,2,1,5]', type=Receipt) == Receipt("view", "f", 1, 2, 1, 5)


def test_what_is_stored_of_a_message_is_read_again():
    keyboard = Keyboard([[KeyboardButton("Me", request_contact=True), "No"]], one_time=True, placeholder="?")
    reply = Reply("a", keyboard=keyboard, video="v", extra={"message_effect_id": "5"}, reply_to=3)
    entry = Pending(1, Send(reply, Address(1), Bound("f", 1, 1)))
    assert msgspec.json.decode(encode_entry(entry), type=Pending) == entry


def test_a_button_is_stored_without_what_it_is_not():
    assert msgspec.json.encode(Button("Yes", "y")) == b'{"text":"Yes","value":"y"}'


def test_a_reply_needs_a_text_not_a_number():
    with pytest.raises(TypeError, match="a text is needed"):
        Reply(5)
