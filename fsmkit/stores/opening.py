"""A store from a URL, as `fsmkit run --store` and configuration files name it."""

import importlib
from collections.abc import Callable, Generator
from contextlib import contextmanager

from fsmkit.errors import DefinitionError, StoreError
from fsmkit.keys import Key
from fsmkit.stores import Store

_PROBE = Key(chat=0, user=0)

_KINDS: dict[str, tuple[str, str, str | None]] = {
    "memory": ("fsmkit.stores.memory", "MemoryStore", None),
    "sqlite": ("fsmkit.stores.sqlite", "SQLiteStore", None),
    "redis": ("fsmkit.stores.redis", "RedisStore", "redis"),
    "rediss": ("fsmkit.stores.redis", "RedisStore", "redis"),
    "redis+cluster": ("fsmkit.stores.redis", "RedisStore", "redis"),
    "postgresql": ("fsmkit.stores.postgres", "PostgresStore", "postgres"),
    "postgres": ("fsmkit.stores.postgres", "PostgresStore", "postgres"),
    "mongodb": ("fsmkit.stores.mongo", "MongoStore", "mongo"),
    "mongodb+srv": ("fsmkit.stores.mongo", "MongoStore", "mongo"),
}


class StoreUrlError(StoreError):
    """The URL of a store is none that its library takes; the text says what that had to say."""


def open_store(url: str) -> Store:
    """Makes the store that a URL names; nothing is connected to yet.

    Args:
        url: `sqlite:bot.db`, `redis://host:6379/0`, `redis+cluster://host:7000`, `postgresql://host/name`,
            `mongodb://host/name` or `memory:`.

    Raises:
        DefinitionError: If no store has such a URL, or what it needs is not installed.
        StoreUrlError: If its library does not take the URL.

    Example:
        >>> type(open_store("memory:")).__name__
        'MemoryStore'
    """
    scheme, colon, rest = url.partition(":")
    kind = _KINDS.get(scheme.lower()) if colon else None
    if kind is None:
        raise DefinitionError(
            f"no store has the URL {url!r}",
            place=None,
            remedy="Write sqlite:FILE, redis://..., postgresql://..., mongodb://... or memory:",
        )
    module, name, extra = kind
    make = _class(module, name, extra)
    if scheme.lower() == "memory":
        return make()
    path = rest.removeprefix("//")
    if scheme.lower() == "sqlite" and not path:
        raise DefinitionError("sqlite: names no file", place=None, remedy="Write sqlite:bot.db")
    with _url_errors():
        return make(path if scheme.lower() == "sqlite" else url)


async def probe(store: Store) -> None:
    """Finds out whether a store can be used, by the way a bot's first update would; if not, closes it.

    Raises:
        StoreError: If it cannot be used.
    """
    try:
        with _url_errors():
            await store.peek(_PROBE)
    except BaseException:
        await store.close()
        raise


@contextmanager
def _url_errors() -> Generator[None]:
    try:
        yield
    except ValueError as error:  # what the libraries of the stores say to a URL that is none
        raise StoreUrlError(f"the store's URL is wrong: {error}") from error


def _class(module: str, name: str, extra: str | None) -> Callable[..., Store]:
    try:
        made: Callable[..., Store] = getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        if extra is None or (error.name or "").startswith("fsmkit"):
            raise
        raise DefinitionError(
            f"{name} needs {error.name}, which is not installed",
            place=None,
            remedy=f"pip install 'fsmkit[{extra}]'",
        ) from error
    return made
