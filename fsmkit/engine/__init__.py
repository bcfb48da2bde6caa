"""What runs flows: leases, commits, deadlines, delivery and jobs of states. Only names."""

from typing import TYPE_CHECKING

from fsmkit.faces import import_on_demand

if TYPE_CHECKING:
    from fsmkit.engine.client import Client
    from fsmkit.engine.engine import Engine, Source
    from fsmkit.engine.envelope import Outcome
    from fsmkit.engine.fanout import fan_out
    from fsmkit.engine.jobs import JobContext
    from fsmkit.engine.observer import Observer, Offered
    from fsmkit.engine.source import Incoming, feed
    from fsmkit.interpreter.selection import explain

__all__ = [
    "Client",
    "Engine",
    "Incoming",
    "JobContext",
    "Observer",
    "Offered",
    "Outcome",
    "Source",
    "explain",
    "fan_out",
    "feed",
]

import_on_demand(
    __name__,
    {
        "fsmkit.engine.client": "Client",
        "fsmkit.engine.engine": "Engine Source",
        "fsmkit.engine.envelope": "Outcome",
        "fsmkit.engine.fanout": "fan_out",
        "fsmkit.engine.jobs": "JobContext",
        "fsmkit.engine.observer": "Observer Offered",
        "fsmkit.engine.source": "Incoming feed",
        "fsmkit.interpreter.selection": "explain",
    },
)
