"""Requests of a bot to `OfflineTelegram`: what they carry, and how they are refused."""

import pytest
from telegram import InlineKeyboardButton, InlineKeyboardMarkup
from telegram.error import BadRequest

NOT_MODIFIED = (
    "Message is not modified: specified new message content and reply markup are exactly the same as a "
    "current content and reply markup of the message"
)


def keyboard(*data):
    return InlineKeyboardMarkup(
        [[InlineKeyboardButton(f"Button {value}", callback_data=value) for value in data]]
    )


async def refusal(request, error=BadRequest):
    with pytest.raises(error) as caught:
        await request
    return caught.value.message
