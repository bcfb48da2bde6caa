"""The store in MongoDB. Only its name."""

from fsmkit.stores.mongo.store import MongoStore

__all__ = ["MongoStore"]
