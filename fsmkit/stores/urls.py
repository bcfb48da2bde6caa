"""A store from a URL, as `fsmkit run --store` and configuration files name it.

Keys of an encrypted one come from the environment, never from the command line, which other users of the
machine can see.
"""

import importlib
import os
import re
from collections.abc import Callable, Generator
from contextlib import contextmanager

from fsmkit.errors import DefinitionError, StoreError, StoreMisconfigured
from fsmkit.keys import Key
from fsmkit.stores.protocol import Store

KEYS = "FSMKIT_STORE_KEYS"
"""Fernet keys, separated by spaces or commas: the first encrypts, all decrypt."""

_PROBE = Key(chat=0, user=0)

_TOKEN = b"gAAAAA"
"""How Fernet's tokens begin, until the year 2106; rows in clear are JSON arrays."""

_KINDS: dict[str, tuple[str, str, str | None]] = {
    "memory": ("fsmkit.stores.memory", "MemoryStore", None),
    "sqlite": ("fsmkit.stores.sqlite", "SQLiteStore", None),
    **dict.fromkeys(
        (
            "unix",
            *("redis", "rediss", "valkey", "valkeys"),
            *("redis+cluster", "rediss+cluster", "valkey+cluster", "valkeys+cluster"),
        ),
        ("fsmkit.stores.redis", "RedisStore", "redis"),
    ),
    "postgresql": ("fsmkit.stores.postgres", "PostgresStore", "postgres"),
    "postgres": ("fsmkit.stores.postgres", "PostgresStore", "postgres"),
    "mongodb": ("fsmkit.stores.mongo", "MongoStore", "mongo"),
    "mongodb+srv": ("fsmkit.stores.mongo", "MongoStore", "mongo"),
}


def open_store(url: str) -> Store:
    """Return the store for a URL, with the keys of the environment; it does not connect yet.

    Args:
        url: `sqlite:bot.db`, `redis://host:6379/0`, `redis+cluster://host:7000`, `unix:///run/redis.sock`,
            `postgresql://host/name`, `mongodb://host/name` or `memory:`. `valkey` means `redis`, and
            `rediss` and `valkeys` mean TLS.

    Raises:
        DefinitionError: If no store has such a URL, its extra is not installed, or the keys are not valid.
        StoreMisconfigured: If its library refuses the URL.

    Example:
        >>> type(open_store("memory:")).__name__
        'MemoryStore'
    """
    return unlocked(opened(url))


def opened(url: str) -> Store:
    """Return the same without keys: an encrypted store shows encrypted rows."""
    scheme, colon, rest = url.partition(":")
    kind = _KINDS.get(scheme.lower()) if colon else None
    if kind is None:
        raise DefinitionError(
            f"no store has the URL {_without_password(url)!r}",
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
    """Find out whether a store can be used, by the way a bot's first update would; if not, close it.

    Raises:
        StoreError: If it cannot be used.
    """
    try:
        with _url_errors():
            await store.peek(_PROBE)
        await check_keys(store)
    except BaseException:
        await store.close()
        raise


async def check_keys(store: Store) -> None:
    """Refuse an encrypted store without its keys, or with others: by its first row.

    What is written without them is lost to the bot, and the conversation with it.

    Raises:
        StoreError: If its keys are missing, or are others.
    """
    first = await anext(aiter(store.scan()), None)
    if first is not None and first.row.startswith(_TOKEN):
        raise StoreError(f"the rows of this store are encrypted: put its keys into {KEYS}")


def unlocked(store: Store) -> Store:
    """Return the store as its keys show it; the store itself where there are none."""
    keys = re.split(r"[,\s]+", os.environ.get(KEYS, "").strip(", \n"))
    if keys == [""]:
        return store
    try:
        from fsmkit.stores.encrypted import Encrypted
    except ModuleNotFoundError as error:
        raise DefinitionError(
            f"{KEYS} is set, but cryptography is missing", place=None, remedy="pip install 'fsmkit[crypto]'"
        ) from error
    try:
        return Encrypted(store, keys)
    except ValueError:  # its text may show a part of the key
        raise DefinitionError(
            f"a key in {KEYS} is not a Fernet key (32 bytes in base64url)",
            place=None,
            remedy="`cryptography.fernet.Fernet.generate_key()` makes one",
        ) from None


@contextmanager
def _url_errors() -> Generator[None]:
    try:
        yield
    except ValueError as error:  # what the libraries of the stores say to a URL that is none
        raise StoreMisconfigured(
            f"the store's URL is wrong: {error}", remedy="docs/how-to/choose-a-store.md has one of each kind"
        ) from error


def _without_password(url: str) -> str:
    return re.sub(r"(//[^:/@]*):.*@", r"\1:***@", url)


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
