"""Where rows are kept: the protocol of stores, and opening one by its URL. Only names.

A store of a kind is in the package or module of its name: `fsmkit.stores.sqlite`, `fsmkit.stores.memory`, ...
"""

from fsmkit.stores.protocol import CLAIM_SECONDS, Change, Index, Lease, Store, StoredRow
from fsmkit.stores.urls import open_store

__all__ = ["CLAIM_SECONDS", "Change", "Index", "Lease", "Store", "StoredRow", "open_store"]
