"""The store in Redis or Valkey. Only its name."""

from fsmkit.stores.redis.store import RedisStore

__all__ = ["RedisStore"]
