"""Where a bot under test stands: real PTB on an offline Telegram, or the engine alone; one interface."""

from fsmkit.testing.harness.driver import Stage
from fsmkit.testing.harness.screen import Bubble, KilledError, NotThereError, Shown

__all__ = ["Bubble", "KilledError", "NotThereError", "Shown", "Stage"]
