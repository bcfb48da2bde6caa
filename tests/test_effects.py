"""`Button` and `Reply`: what users write of messages."""

import pytest

from fsmkit.effects import Button, Reply


def test_a_button_has_its_text_as_value():
    assert Button("Yes") == Button("Yes", "Yes")


def test_a_button_may_have_a_value_of_its_own():
    assert Button("Yes", "y").value == "y"


@pytest.mark.parametrize(("text", "value"), [("", ""), (5, "5"), ("Yes", 5), (None, "x")])
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


def test_a_reply_needs_a_text_not_a_number():
    with pytest.raises(TypeError, match="a text is needed"):
        Reply(5)
