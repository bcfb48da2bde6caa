"""What `run` gives an application beside the flows."""

import sys

import pytest

from fsmkit import Flow
from fsmkit.stores.memory import MemoryStore
from fsmkit.telegram import run
from fsmkit.telegram.send_limits import SendLimits


class Attached(Exception):
    """The flows would be attached now."""


@pytest.fixture
def attached(monkeypatch):
    """The options with which `run` attaches flows; nothing is run."""
    found = {}

    def attach(app, *flows, **options):
        found.update(options)
        raise Attached

    monkeypatch.setattr(sys.modules[run.__module__], "attach", attach)
    monkeypatch.setenv("BOT_TOKEN", "42:OFFLINE")
    return found


def test_a_handler_has_a_minute_on_the_loop_and_messages_keep_to_the_limits(attached):
    with pytest.raises(Attached):
        run(Flow("f"), store=MemoryStore())
    assert (attached["handler_timeout"], attached["sync_handlers"]) == (60, "loop")
    assert isinstance(attached["send_limits"], SendLimits)


def test_it_is_as_the_file_says(attached):
    with pytest.raises(Attached):
        run(Flow("f"), store=MemoryStore(), handler_timeout=None, sync_handlers="thread")
    assert (attached["handler_timeout"], attached["sync_handlers"]) == (None, "thread")


def test_a_misspelt_one_is_named(attached, capsys):
    with pytest.raises(SystemExit):
        run(Flow("f"), handler_timout=5)
    assert "Did you mean handler_timeout=?" in capsys.readouterr().err
