"""Durations as people type them."""

import pytest

from fsmkit.cli.chat.commands import parse_duration, spell_duration, spell_time


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("2h", 7200),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        (" 3D ", 259200),
        ("1w", 604800),
        ("0.5h", 1800),
        ("90", 90),
        ("0", 0),
    ],
)
def test_a_duration_is_read(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "soon", "2 h x", "-1h", "h", "1h30", "1e3", "inf", "nan", "²s", "99999w"]
)
def test_what_is_none_is_refused(text):
    with pytest.raises(ValueError, match=r"duration|too long"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (59.6, "1m"), (5400, "1h30m"), (90061, "1d1h1m1s"), (604800, "7d")],
)
def test_a_duration_is_spelt(seconds, text):
    assert spell_duration(seconds) == text


def test_a_time_is_spelt_in_utc():
    assert spell_time(86400) == "1970-01-02 00:00:00 UTC"
