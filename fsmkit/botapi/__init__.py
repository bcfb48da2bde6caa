"""The Bot API answered in memory, for any bot on python-telegram-bot; it knows nothing of flows. Only names.

`OfflineTelegram` is what tests use. Below it, plain JSON goes in and out: `BotApi` answers requests, `People`
does what people do, `server` puts the same behind a loopback port.
"""

from fsmkit.botapi.api import BotApi, Call
from fsmkit.botapi.errors import ApiError, DroppedError, Json, Upload
from fsmkit.botapi.offline import OfflineTelegram
from fsmkit.botapi.people import Gestures, People
from fsmkit.botapi.world import World

__all__ = [
    "ApiError",
    "BotApi",
    "Call",
    "DroppedError",
    "Gestures",
    "Json",
    "OfflineTelegram",
    "People",
    "Upload",
    "World",
]
