"""Where a bot under test stands: real PTB on an offline Telegram, or the engine alone; one interface."""

from fsmkit.testing.stages.base import Stage
from fsmkit.testing.stages.sights import Bubble, KilledError, NotThereError, Shown

__all__ = ["Bubble", "KilledError", "NotThereError", "Shown", "Stage"]
