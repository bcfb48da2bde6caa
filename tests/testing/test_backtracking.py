"""Patterns that take seconds for some text are found, and no others."""

import re

import pytest
from chat_events import said

from fsmkit import Flow
from fsmkit.telegram import command, inline, text
from fsmkit.testing import check, lint
from fsmkit.testing.inputs.backtracking import slow_text

SLOW = [
    r"(a+)+b",
    r"(\w+\s?)+\.",
    r"([a-zA-Z0-9_.+-]+)+@x",
    r"(a|aa)+",
    r"(x+x+)+y",
    r"((ab)*)*c",
    r"(.*)*x",
    r"(a*?)*?b",
    r"\s*\s*\s*\s*x",
    r".*.*.*=.*",
]
QUICK = [
    r"[0-9]{1,3}",
    r"(a|b)+",
    r"(\d{1,3}\.){3}\d{1,3}",
    r"[\w.+-]+@[\w-]+\.[\w.-]+",
    r"https?://\S+",
    r"(?i)(yes|no|maybe)( please)?",
    r"\+?\d[\d ()-]{5,18}",
    r"(?:[a-z0-9]+(?:-[a-z0-9]+)*\.)+[a-z]{2,}",
    r"(?s).*.*.*",
    r"(?P<day>\d\d)\.(?P<month>\d\d)\.?(?P<year>\d{4})?",
]


@pytest.mark.parametrize("pattern", SLOW)
def test_a_pattern_that_backtracks_is_found_with_a_text_that_it_refuses(pattern):
    found = slow_text(re.compile(pattern))
    assert found is not None
    assert len(found) < 200


@pytest.mark.parametrize("pattern", QUICK)
def test_others_are_not(pattern):
    assert slow_text(re.compile(pattern)) is None


@pytest.mark.parametrize("on", [text(r"(\w+ ?)+!"), command("add", args=r"(\w+ ?)+!"), inline(r"(\w+ ?)+!")])
def test_lint_finds_it_at_the_handler(on):
    flow = Flow("f", ttl=60)
    flow.state("a", otherwise="What?")

    @flow.defstate(None, "a", on=on)
    def heard(event, ctx):
        return ("end",)

    [found] = lint(flow)
    assert (found.code, found.where) == ("slow-pattern", flow.handlers[0].place)
    assert "let no two parts of it take the same characters" in found.message
    assert [finding.code for finding in check(flow).failures] == ["slow-pattern"]


def test_a_text_that_is_longer_than_a_message_is_not_tried():
    assert text(r"[a-z]+").match(said("a" * 4096)) is not None
    assert text(r"[a-z]+").match(said("a" * 4097)) is None
