"""The Bot API modelled in memory: plain JSON in, plain JSON out, no Telegram library and no network.

`BotApi` answers requests, `People` does what people do. `server` puts the same behind a loopback port.
"""

from fsmkit.testing.botapi.api import BotApi, Call
from fsmkit.testing.botapi.errors import ApiError, DroppedError
from fsmkit.testing.botapi.gestures import Gestures
from fsmkit.testing.botapi.people import People
from fsmkit.testing.botapi.wire import Json, Upload
from fsmkit.testing.botapi.world import World

__all__ = ["ApiError", "BotApi", "Call", "DroppedError", "Gestures", "Json", "People", "Upload", "World"]
