"""Sources: where events come from that are not Telegram's. Only names that need nothing more than the core.

`fsmkit.sources.redis_stream` needs the extra `redis`, `fsmkit.sources.webhook` the extra `webhook`,
`fsmkit.sources.schedule` the extra `schedule`.
"""

from fsmkit.engine.engine import Source
from fsmkit.engine.source import Incoming, feed
from fsmkit.sources.queue import QueueSource

__all__ = ["Incoming", "QueueSource", "Source", "feed"]
