"""Where a bot under test stands: real PTB on an offline Telegram, or the engine alone; one interface."""

from fsmkit.testing.harness.driver import Driver
from fsmkit.testing.harness.screen import KilledError, Message, NotThereError, ShownButton

__all__ = ["Driver", "KilledError", "Message", "NotThereError", "ShownButton"]
