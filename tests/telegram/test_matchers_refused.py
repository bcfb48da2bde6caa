"""What cannot stand in `on=`, and how a matcher reads in the error that says so."""

import re

import pytest

from fsmkit import ANY, DefinitionError, Flow, Timeout
from fsmkit.telegram import button, command, inline, photo, raw_button, text


@pytest.mark.parametrize(
    ("on", "reason"),
    [
        (command("/start"), "without the slash"),
        (command("two words"), "letters, digits and _"),
        (command("x" * 33), "32 at most"),
        (text("/start"), r"text\(\) never sees commands; use command"),
        (text() & command("a"), "no event is of all these kinds at once"),
        (photo() & Timeout, "no event is of all these kinds at once"),
        (button(""), "no empty value"),
        (text() & (photo() | command("a")), "no event is of all these kinds at once"),
        (command("/a") | text("/b"), "without the slash"),
    ],
    ids=repr,
)
def test_what_can_never_match_is_refused_with_place_and_remedy(on, reason):
    flow = Flow("f")
    with pytest.raises(
        DefinitionError, match=rf"test_matchers_refused\.py:\d+: .*can never match.*{reason}.*Change on="
    ):
        flow.defstate(ANY, on=on)(lambda event, ctx: None)


@pytest.mark.parametrize(
    "on", [3, (), "start", text, command], ids=lambda on: getattr(on, "__name__", repr(on))
)
def test_what_is_no_matcher_is_refused(on):
    flow = Flow("f")
    with pytest.raises(DefinitionError, match=r"test_matchers_refused\.py:\d+: "):
        flow.defstate(ANY, on=on)(lambda event, ctx: None)


@pytest.mark.parametrize(
    "make",
    [lambda: text("("), lambda: text(3), lambda: command(3), lambda: raw_button(3), lambda: inline("(")],
)
def test_arguments_of_the_wrong_kind_are_refused_at_once(make):
    with pytest.raises(TypeError):
        make()


@pytest.mark.parametrize(
    ("matcher", "shown"),
    [
        (text(), "text()"),
        (text("a+"), "text('a+')"),
        (command("a", args="b"), "command('a', args='b')"),
        (command(), "command()"),
        (button("x", re.compile("y")), "button('x', 'y')"),
        (raw_button("a"), "raw_button('a')"),
        (text() | photo(), "text() | photo()"),
        (~text() & photo(), "~(text()) & photo()"),
    ],
)
def test_matchers_read_in_errors_as_they_were_written(matcher, shown):
    assert repr(matcher) == shown
