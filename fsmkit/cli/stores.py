"""The store that a command was given by its URL: opened, tried, and closed again.

A store that cannot be used becomes a `CommandError`, before anything is done.
"""

import asyncio
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from fsmkit.cli.errors import CommandError
from fsmkit.errors import DefinitionError, StoreError
from fsmkit.flow.locations import shown_path
from fsmkit.stores.protocol import Store
from fsmkit.stores.urls import open_store, opened, probe, unlocked

T = TypeVar("T")


def open_named(url: str) -> Store:
    """The store of a URL, with the keys of the environment; nothing is connected to yet.

    Raises:
        Refusal: If no store has such a URL, what it needs is not installed, or the keys are none.
    """
    with store_errors():
        return open_store(url)


async def tried(store: Store) -> None:
    """Finds out whether a store can be used, by the way a bot's first update would.

    Raises:
        Refusal: If not; the store is closed then.
    """
    with store_errors():
        await probe(store)


def use_store(url: str, work: Callable[[Store], Awaitable[T]]) -> T:
    """Does something with what is in a store, from outside of the bot that owns it.

    Args:
        url: The store's URL.
        work: What to do; the store is closed after it.

    Raises:
        Refusal: If there is no such store, or it cannot be used.
    """
    return asyncio.run(_use(url, work))


async def _use(url: str, work: Callable[[Store], Awaitable[T]]) -> T:
    with store_errors():
        inner = opened(url)
        _must_exist(url, inner)
        store = unlocked(inner)
    await tried(store)
    try:
        with store_errors():
            return await work(store)
    finally:
        await store.close()


@contextmanager
def store_errors() -> Generator[None]:
    """Makes a refusal of what is wrong with a store."""
    try:
        yield
    except (StoreError, DefinitionError) as error:
        raise CommandError(str(error)) from error


def _must_exist(url: str, store: Store) -> None:
    """Refuses what could only be empty: a misspelt file, and the memory of another process."""
    if not store.durable:
        raise CommandError(
            f"{url} is in the memory of the bot's own process: there is nothing to be seen from here"
        )
    path = getattr(store, "path", None)  # SQLite's; it would make the file
    if isinstance(path, str) and not Path(path).exists():
        raise CommandError(f"{shown_path(path)}: no such file")
