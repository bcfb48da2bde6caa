"""One document for each key of a `MongoStore`: what stands in it, and what a commit makes of it.

A document is changed as a whole, and only if its `revision` is still the one that was read; so it needs no
operators but `$set`, and no transaction. The lease (`token`, `until`) stands beside and has no part in that.
"""

import secrets
from math import inf
from typing import Any

from bson import Int64

from fsmkit.stores.protocol import CLAIM_SECONDS, Change

Document = dict[str, Any]

NO_FLOW = ""
"""Stands among the flows of a row without conversations, which is due for everybody."""


def new_token() -> Int64:
    """Return a number for a lease or a change that no other process draws, a forked one neither."""
    return Int64(secrets.randbits(62) + 1)


def blank(key: str) -> Document:
    """Return the document of a key for which nothing is stored."""
    chat, user, _thread, _business, bot = key.split(":")
    place = {"_id": key, "chat": chat, "user": user, "bot": bot}
    times = {"wake": None, "claim": None, "claim_term": 0.0, "claimer": None, "claimed": None, "taken": 0.0}
    row = {"row": None, "index": [], "flows": [NO_FLOW], "version": 0, "revision": 0, "commits": []}
    return {**place, **row, **times, "outbox": [], "receipts": [], "token": None, "until": 0.0, "term": 0.0}


def is_empty(document: Document) -> bool:
    """Return whether there is nothing to store."""
    return document["row"] is None and not document["outbox"] and not document["receipts"]


def has_conversation(document: Document | None) -> bool:
    """Return whether a conversation is stored."""
    return document is not None and document["flows"] != [NO_FLOW]


def is_idle(document: Document | None, now: float) -> bool:
    """Return whether no conversation is stored and nobody has a lease."""
    return document is None or (document["flows"] == [NO_FLOW] and document["until"] <= now)


def changed(document: Document, change: Change, number: Int64, now: float, me: int) -> Document:
    """Return what a commit sets in a document; `claimed` is its number if nobody else delivers the outbox."""
    outbox = [*document["outbox"], *change.outbox]
    claims = bool(outbox) and (document["claim"] is None or document["claim"] <= now)
    return {
        "row": change.row,
        "wake": change.wake,
        "index": [{"flow": i.flow, "state": i.state, "deadline": i.deadline} for i in change.index],
        "flows": [i.flow for i in change.index] or [NO_FLOW],
        "outbox": outbox,
        "receipts": document["receipts"][change.folded :],
        "version": number,
        "revision": number,
        "commits": [number, *document["commits"]][:8],
        "claim": now + CLAIM_SECONDS if claims else document["claim"],
        "claim_term": CLAIM_SECONDS if claims else document.get("claim_term", inf),
        "claimer": me if claims else document["claimer"],
        "claimed": number if claims else document["claimed"],
        "taken": 0.0,
    }
