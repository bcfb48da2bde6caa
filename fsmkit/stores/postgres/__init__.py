"""The store in PostgreSQL. Only its name."""

from fsmkit.stores.postgres.store import PostgresStore

__all__ = ["PostgresStore"]
