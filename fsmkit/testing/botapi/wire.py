"""The two shapes that travel: plain JSON objects, and files beside them."""

from typing import Any, TypeAlias

import attrs

Json: TypeAlias = dict[str, Any]
"""A JSON object of the Bot API. `Any`: its fields are those of Telegram's documentation, not ours."""


@attrs.frozen
class Upload:
    """A file that came with a request."""

    name: str
    content: bytes
