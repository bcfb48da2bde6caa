"""What helps with tests of bots, fsmkit's own and others'. Only names; `hypothesis` is not imported here."""

from fsmkit.testing.clock import ManualClock
from fsmkit.testing.offline import OfflineTelegram

__all__ = ["ManualClock", "OfflineTelegram"]
