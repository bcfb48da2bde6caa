"""What a `RedisStore` was told, and what makes a connection of it."""

from collections.abc import Callable
from typing import Any

import attrs
from redis.asyncio.connection import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff


@attrs.frozen
class Settings:
    """What a store was told.

    Attributes:
        url: `redis://`, `rediss://`, `unix://`; `redis+cluster://` or `rediss+cluster://` for a cluster.
        prefix: What all names begin with.
        lease_seconds: How long a lease holds unless it is renewed.
        retry_seconds: For how long a command is tried.
        timeout: Seconds that a server may leave everything unanswered.
    """

    url: str
    prefix: str
    lease_seconds: float
    retry_seconds: float
    timeout: float

    @property
    def cluster(self) -> bool:
        """Whether the server is a cluster."""
        return self.url.startswith(("redis+cluster://", "rediss+cluster://"))

    @property
    def repeat_ms(self) -> int:
        """For how long a command may still arrive: sent in the last moment of patience, and held up then."""
        return round((self.retry_seconds + 2 * self.timeout) * 1000) + 1000

    def connection(self) -> tuple[Callable[..., Any], dict[str, Any]]:
        """What makes a connection, and with which arguments.

        Raises:
            ValueError: If the URL is none.
        """
        url = self.url.replace("+cluster", "", 1) if self.cluster else self.url
        # The pool is only asked what it makes of the URL: here each server has one connection.
        pool: Any = ConnectionPool.from_url(url, protocol=2)
        options = {"socket_connect_timeout": self.timeout, **pool.connection_kwargs}
        # Reads wait for as long as it takes, and repeating is done here: both have other defaults.
        options |= {"protocol": 2, "decode_responses": False}
        options |= {"socket_timeout": None, "retry": Retry(NoBackoff(), 0)}
        return pool.connection_class, options
