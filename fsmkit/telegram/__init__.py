"""fsmkit on python-telegram-bot: `attach`, the matchers, and what a handler is given. Only names."""

from fsmkit.telegram.attaching import attach
from fsmkit.telegram.event import TelegramEvent
from fsmkit.telegram.handler import FlowHandler
from fsmkit.telegram.matchers import (
    audio,
    button,
    command,
    contact,
    document,
    edited,
    inline,
    kind,
    location,
    message,
    photo,
    poll_answer,
    raw_button,
    sticker,
    text,
    video,
    voice,
)

__all__ = [
    "FlowHandler",
    "TelegramEvent",
    "attach",
    "audio",
    "button",
    "command",
    "contact",
    "document",
    "edited",
    "inline",
    "kind",
    "location",
    "message",
    "photo",
    "poll_answer",
    "raw_button",
    "sticker",
    "text",
    "video",
    "voice",
]
