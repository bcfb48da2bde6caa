"""From what a bot sends to what stands in the chat: markup parsed, white space trimmed, lengths kept.

Limits: https://core.telegram.org/bots/api#sendmessage (4096 after entity parsing), #sendphoto (1024).
"""

from typing import Any

from fsmkit.botapi.entities import clean, settle, trim, utf16, with_detected
from fsmkit.botapi.errors import Json, bad_request
from fsmkit.botapi.html import parse_html
from fsmkit.botapi.markdown import parse_markdown, parse_markdown_v2
from fsmkit.botapi.params import Params

PARSERS = {"html": parse_html, "markdownv2": parse_markdown_v2, "markdown": parse_markdown}


MAX_TEXT = 4096


MAX_CAPTION = 1024


def formatted_text(params: Params) -> Json:
    """Return the fields `text` and `entities` of a message.

    Raises:
        ApiError: If there is no text, too much of it, or markup that Telegram refuses.
    """
    text, entities = _formatted(params, "text", "entities")
    if not text:
        raise bad_request("message text is empty")
    if utf16(text) > MAX_TEXT:
        raise bad_request("message is too long")
    return {"text": text, **({"entities": entities} if entities else {})}


def formatted_caption(params: Params) -> Json:
    """Return the fields `caption` and `caption_entities` of a message, none without a caption.

    Raises:
        ApiError: If it is too long, or its markup is refused.
    """
    text, entities = _formatted(params, "caption", "caption_entities")
    if utf16(text) > MAX_CAPTION:
        raise bad_request("message caption is too long")
    if not text:
        return {}
    return {"caption": text, **({"caption_entities": entities} if entities else {})}


def _formatted(params: Params, field: str, entities_field: str) -> tuple[str, list[Json]]:
    source = clean(params.text(field))
    mode = params.text("parse_mode").lower()
    given: Any = params.get(entities_field)
    # Entities that are given win over a parse mode, as in the documentation of `entities`.
    if given or not mode or mode == "none":
        text, entities = source, [dict(entity) for entity in given or []]
    elif mode in PARSERS:
        text, entities = PARSERS[mode](source)
        entities = settle(entities)
    else:
        raise bad_request("unsupported parse_mode")
    text, entities = trim(text, entities)
    return text, with_detected(text, entities)
