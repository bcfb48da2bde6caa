"""What a request carries, decoded: form fields and JSON strings become values, uploads stay beside them.

Both ways in (in process and over HTTP) deliver the same strings, so a bot is judged the same on either.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from fsmkit.botapi.errors import ApiError, Json, Upload, bad_request

INTEGERS = frozenset(
    [
        "chat_id",
        "from_chat_id",
        "user_id",
        "message_id",
        "message_thread_id",
        "offset",
        "limit",
        "timeout",
        "duration",
        "width",
        "height",
        "length",
        "cache_time",
        "live_period",
        "heading",
        "proximity_alert_radius",
        "max_connections",
        "direct_messages_topic_id",
        "icon_color",
        "until_date",
        "expire_date",
        "member_limit",
    ]
)


FLOATS = frozenset({"latitude", "longitude", "horizontal_accuracy"})


BOOLEANS = frozenset(
    [
        "disable_notification",
        "protect_content",
        "allow_paid_broadcast",
        "show_alert",
        "drop_pending_updates",
        "ok",
        "is_personal",
        "has_spoiler",
        "supports_streaming",
        "show_caption_above_media",
        "disable_content_type_detection",
        "need_name",
        "need_phone_number",
        "need_email",
        "need_shipping_address",
        "is_flexible",
        "is_anonymous",
        "allows_multiple_answers",
        "remove_caption",
        "disable_web_page_preview",
        "only_if_banned",
        "revoke_messages",
        "creates_join_request",
        "for_channels",
        "is_big",
    ]
)


OBJECTS = frozenset(
    [
        "reply_markup",
        "entities",
        "caption_entities",
        "reply_parameters",
        "link_preview_options",
        "message_ids",
        "allowed_updates",
        "commands",
        "scope",
        "prices",
        "results",
        "options",
        "shipping_options",
        "media",
        "button",
        "suggested_post_parameters",
        "permissions",
        "reaction",
        "rights",
        "menu_button",
    ]
)


@attrs.frozen
class Params:
    """The decoded parameters of one request."""

    values: Json
    uploads: Mapping[str, Upload] = attrs.field(factory=dict[str, Upload])

    def get(self, name: str) -> Any:
        """Return the value, or `None`; Telegram takes an empty string for a parameter that is not there."""
        value = self.values.get(name)
        return None if value == "" else value

    def text(self, name: str) -> str:
        """Return the value as a text, empty when it is not given."""
        value = self.values.get(name)
        return "" if value is None else str(value)

    def integer(self, name: str, default: int = 0) -> int:
        """Return the value as a whole number."""
        value = self.get(name)
        return value if isinstance(value, int) else default

    def pick(self, names: Iterable[str]) -> Json:
        """Return those of the named parameters that were given."""
        return {name: self.values[name] for name in names if self.get(name) is not None}


def decode(fields: Mapping[str, object], uploads: Mapping[str, Upload] | None = None) -> Params:
    """Read the fields of a form, a query string or a JSON body.

    Args:
        fields: What came in; a value that is no string was typed by its sender and is kept.
        uploads: Files by the name of their part.

    Raises:
        ApiError: If a value does not have the form of its parameter.
    """
    values = {
        name: _value(name, field) if isinstance(field, str) else field for name, field in fields.items()
    }
    return Params(values, dict(uploads or {}))


def _value(name: str, field: str) -> object:
    try:
        return _typed(name, field)
    except ValueError:
        raise _unreadable(name) from None


def _typed(name: str, field: str) -> object:
    if name in OBJECTS:
        return json.loads(field) if field else None
    if name in BOOLEANS or name.startswith("can_"):
        # The server takes anything but these for false, and so do we.
        return field.lower() in {"true", "yes", "1"}
    if name in FLOATS:
        return float(field)
    if name in INTEGERS and not field.startswith("@") and field:
        return int(field)
    return field


def _unreadable(name: str) -> ApiError:
    if name == "reply_markup":
        return bad_request("can't parse reply keyboard markup JSON object")
    if name in {"chat_id", "from_chat_id"}:
        return bad_request("chat not found")
    if name == "message_id":
        return bad_request("message identifier is not specified")
    if name in OBJECTS:
        return bad_request(f"can't parse {name.replace('_', ' ')} JSON object")
    return bad_request(f"invalid {name} specified")
