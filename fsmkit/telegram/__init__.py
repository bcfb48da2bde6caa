"""fsmkit on python-telegram-bot: `attach`, `run`, the matchers, questions and forms.

Only names, each imported when it is first used.
"""

from typing import TYPE_CHECKING

from fsmkit.faces import import_on_demand

if TYPE_CHECKING:
    from fsmkit.telegram.attach import attach
    from fsmkit.telegram.conversation_handler.flow import from_conversation_handler
    from fsmkit.telegram.conversation_handler.move import move
    from fsmkit.telegram.event import TelegramEvent
    from fsmkit.telegram.forms.ask import ask
    from fsmkit.telegram.forms.form import answers_of, form
    from fsmkit.telegram.forms.questions import Question
    from fsmkit.telegram.handler import FlowHandler
    from fsmkit.telegram.in_state import in_state
    from fsmkit.telegram.matchers import (
        album,
        animation,
        audio,
        button,
        chat_join_request,
        chat_member,
        chat_shared,
        chosen_inline_result,
        command,
        contact,
        dice,
        document,
        edited,
        inline,
        kind,
        location,
        message,
        my_chat_member,
        photo,
        poll,
        poll_answer,
        pre_checkout_query,
        purchased_paid_media,
        raw_button,
        reaction,
        refunded_payment,
        shipping_query,
        sticker,
        successful_payment,
        text,
        users_shared,
        video,
        video_note,
        voice,
        web_app_data,
    )
    from fsmkit.telegram.receiver.receiver import Receiver
    from fsmkit.telegram.run import run
    from fsmkit.telegram.typed_events import CommandEvent, PressEvent, TextEvent
    from fsmkit.telegram.update_processor import KeyedProcessor

__all__ = [
    "CommandEvent",
    "FlowHandler",
    "KeyedProcessor",
    "PressEvent",
    "Question",
    "Receiver",
    "TelegramEvent",
    "TextEvent",
    "album",
    "animation",
    "answers_of",
    "ask",
    "attach",
    "audio",
    "button",
    "chat_join_request",
    "chat_member",
    "chat_shared",
    "chosen_inline_result",
    "command",
    "contact",
    "dice",
    "document",
    "edited",
    "form",
    "from_conversation_handler",
    "in_state",
    "inline",
    "kind",
    "location",
    "message",
    "move",
    "my_chat_member",
    "photo",
    "poll",
    "poll_answer",
    "pre_checkout_query",
    "purchased_paid_media",
    "raw_button",
    "reaction",
    "refunded_payment",
    "run",
    "shipping_query",
    "sticker",
    "successful_payment",
    "text",
    "users_shared",
    "video",
    "video_note",
    "voice",
    "web_app_data",
]

import_on_demand(
    __name__,
    {
        "fsmkit.telegram.attach": "attach",
        "fsmkit.telegram.conversation_handler.flow": "from_conversation_handler",
        "fsmkit.telegram.conversation_handler.move": "move",
        "fsmkit.telegram.event": "TelegramEvent",
        "fsmkit.telegram.forms.ask": "ask",
        "fsmkit.telegram.forms.form": "answers_of form",
        "fsmkit.telegram.forms.questions": "Question",
        "fsmkit.telegram.handler": "FlowHandler",
        "fsmkit.telegram.in_state": "in_state",
        "fsmkit.telegram.matchers": (
            "album animation audio button chat_join_request chat_member chat_shared "
            "chosen_inline_result command contact dice document edited inline kind location "
            "message my_chat_member photo poll poll_answer pre_checkout_query purchased_paid_media "
            "raw_button reaction refunded_payment shipping_query sticker successful_payment text "
            "users_shared video video_note voice web_app_data"
        ),
        "fsmkit.telegram.receiver.receiver": "Receiver",
        "fsmkit.telegram.run": "run",
        "fsmkit.telegram.typed_events": "CommandEvent PressEvent TextEvent",
        "fsmkit.telegram.update_processor": "KeyedProcessor",
    },
)
