"""The room itself: what it may import, and which methods of the Bot API it knows."""

import ast
import re
from pathlib import Path

import pytest
from telegram import Bot
from telegram.error import BadRequest

import fsmkit.botapi
from fsmkit.botapi import OfflineTelegram
from fsmkit.botapi.api import METHODS, MISSING

ROOM = Path(fsmkit.botapi.__file__).parent


def imports(file):
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


def test_the_room_knows_nothing_of_flows():
    allowed = ("fsmkit.botapi", "fsmkit.clock", "fsmkit.errors", "fsmkit.keys")
    found = {name for file in ROOM.glob("*.py") for name in imports(file) if name.startswith("fsmkit")}
    assert "fsmkit.botapi.world" in found
    assert [name for name in sorted(found) if not name.startswith(allowed)] == []


def test_the_methods_that_are_missing_are_listed():
    ptb = {name for name in dir(Bot) if re.match("[a-z]+[A-Z]", name)} | {"close"}
    assert "sendMessage" in ptb
    assert sorted(ptb - METHODS.keys()) == MISSING.split()
    assert sorted(METHODS.keys() - ptb) == []
    page = Path(__file__).parents[2] / "docs/how-to/test-offline.md"
    assert f"{len(METHODS)} methods of python-telegram-bot's {len(ptb)}" in page.read_text(encoding="utf-8")


async def test_a_method_that_is_missing_is_refused_by_name():
    async with OfflineTelegram().builder().build() as app:
        with pytest.raises(BadRequest) as caught:
            await app.bot.send_message_draft(1, 1, "a")
        assert caught.value.message == "OfflineTelegram does not know sendMessageDraft"
        with pytest.raises(BadRequest, match="does not know uploadStickerFile"):
            await app.bot.upload_sticker_file(1, b"png", "static")
