"""Readers: what a text becomes, and that whatever a person writes can be stored."""

# ruff: noqa: RUF001  # digits of other scripts are meant

import re
import uuid
from datetime import date
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsmkit.telegram.forms.questions import READERS, reader_of


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (str, " Ann ", "Ann"),
        (int, "+42", 42),
        (float, "-1.5", -1.5),
        (Decimal, "0.10", Decimal("0.10")),
        (date, "2024-02-29", date(2024, 2, 29)),
        (re.compile("[ab]+"), "abba", "abba"),
        (uuid.UUID, "12345678123456781234567812345678", uuid.UUID("12345678123456781234567812345678")),
    ],
)
def test_a_text_becomes_a_value(parse, text, value):
    assert reader_of(parse).read(text) == value


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (int, "۲۵", 25),
        (int, "\u061c-٢٥", -25),
        (int, "\u2067\u221225\u2069", -25),
        (int, "\uff0b２５\u200e", 25),
        (int, "४२", 42),
        (float, "\u200f۳٫۵", 3.5),
        (float, "３．５", 3.5),
        (Decimal, "-\u200e٠٫١٠", Decimal("-0.10")),
        (date, "\u202b۲۰۲۴-۰۲-۲۹\u202c", date(2024, 2, 29)),
        (date, "２０２４－０２－２９", date(2024, 2, 29)),
    ],
)
def test_numbers_and_dates_may_be_in_any_script_with_marks_of_direction(parse, text, value):
    reader = reader_of(parse)
    assert (reader.read(text), bool(re.fullmatch(reader.pattern, text))) == (value, True)


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (str, "  "),
        (int, "1_000"),
        (int, "1.0"),
        (int, "²"),
        (int, "十"),
        (int, "\u200f"),
        (float, "۳،۵"),
        (int, str(2**63)),
        (int, "9" * 5000),
        (float, "nan"),
        (float, "inf"),
        (float, "9" * 400),
        (float, "1,5"),
        (Decimal, "Infinity"),
        (Decimal, "1e9"),
        (date, "2024-02-30"),
        (date, "20240229"),
        (re.compile("[ab]+"), "abc"),
    ],
)
def test_a_text_that_will_not_do_is_refused_with_a_sentence(parse, text):
    with pytest.raises(ValueError, match=r"\w{4}.*\.$"):
        reader_of(parse).read(text)


@pytest.mark.parametrize("kind", READERS)
@given(text=st.one_of(st.text(), st.from_regex(r"[+-]?[0-9]{1,30}(\.[0-9]{1,30})?", fullmatch=True)))
def test_whatever_is_read_comes_back_from_the_store(kind, text):
    reader = reader_of(kind)
    try:
        value = reader.read(text)
    except ValueError:
        return
    assert reader.pattern is None or re.fullmatch(reader.pattern, text)
    try:
        blob = msgspec.json.encode(value)
    except UnicodeEncodeError:  # half a surrogate pair, which Telegram never sends
        return
    assert msgspec.json.decode(blob, type=kind) == value
