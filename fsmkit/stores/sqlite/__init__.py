"""The store in a file on this machine. Only its name."""

from fsmkit.stores.sqlite.store import SQLiteStore

__all__ = ["SQLiteStore"]
