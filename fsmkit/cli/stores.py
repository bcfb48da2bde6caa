"""The store that a command was given by its URL: opened, tried, and closed again."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from fsmkit.cli.errors import CommandError
from fsmkit.flow.locations import shown_path
from fsmkit.stores.protocol import Store
from fsmkit.stores.urls import opened, probe, unlocked

T = TypeVar("T")


def use_store(url: str, work: Callable[[Store], Awaitable[T]]) -> T:
    """Do something with what is in a store, from outside of the bot that owns it.

    Args:
        url: The store's URL.
        work: What to do; the store is closed after it.

    Raises:
        StoreError: If the store cannot be used.
        DefinitionError: If there is no such store.
        CommandError: If it could only be empty.
    """
    return asyncio.run(_use(url, work))


async def _use(url: str, work: Callable[[Store], Awaitable[T]]) -> T:
    inner = opened(url)
    _must_exist(url, inner)
    store = unlocked(inner)
    await probe(store)
    try:
        return await work(store)
    finally:
        await store.close()


def _must_exist(url: str, store: Store) -> None:
    """Refuse what could only be empty: a misspelt file, and the memory of another process."""
    if not store.durable:
        raise CommandError(f"{url} is private to the bot's own process: other programs cannot read it")
    path = getattr(store, "path", None)  # SQLite's; it would make the file
    if isinstance(path, str) and not Path(path).exists():
        raise CommandError(f"{shown_path(path)}: no such file")
