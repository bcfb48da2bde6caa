"""fsmkit on python-telegram-bot: `attach`, the matchers, questions and forms. Only names."""

from fsmkit.telegram.attaching import attach
from fsmkit.telegram.event import TelegramEvent
from fsmkit.telegram.forms import Question, answers_of, ask, form
from fsmkit.telegram.handler import FlowHandler
from fsmkit.telegram.matchers import (
    album,
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
from fsmkit.telegram.moving import from_conversation_handler
from fsmkit.telegram.processor import KeyedProcessor

__all__ = [
    "FlowHandler",
    "KeyedProcessor",
    "Question",
    "TelegramEvent",
    "album",
    "answers_of",
    "ask",
    "attach",
    "audio",
    "button",
    "command",
    "contact",
    "document",
    "edited",
    "form",
    "from_conversation_handler",
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
