"""`dead`, `show NAME`, `requeue` and `drop`: updates that a bot could not read, and what becomes of them."""

from collections.abc import Iterator, Sequence
from typing import Any

from fsmkit.cli.errors import CommandError, NothingThere
from fsmkit.cli.inspection.listing import iso
from fsmkit.cli.tables import columns
from fsmkit.keys import Key
from fsmkit.stores.inbox import DeadLetter, HasInbox
from fsmkit.stores.protocol import Store

Found = tuple[int | str | None, DeadLetter]
"""A dead letter and its bot."""


async def dead_letters(store: Store, bot: int | str | None) -> list[Found]:
    """Return the dead letters of a store, or of one bot, the oldest of each bot first."""
    kept = _kept(store)
    bots = await kept.inbox_bots() if bot is None else [bot]
    return [(owner, letter) for owner in bots for letter in await kept.inbox(owner).dead()]


def as_text(found: Sequence[Found]) -> Iterator[str]:
    """Yield the lines of the list; nothing in it is of an update's content."""
    if not found:
        yield "no dead letters"
        return
    rows = [
        (letter.name, _bot_text(bot), letter.chat, letter.user, iso(letter.since), letter.reason)
        for bot, letter in found
    ]
    yield from columns(("name", "bot", "chat", "user", "since", "reason"), rows)


def as_json(bot: int | str | None, letter: DeadLetter) -> dict[str, Any]:
    """Return a dead letter for a script, without its content."""
    return {
        "name": letter.name,
        "bot": _bot_text(bot),
        "update": letter.update,
        "chat": letter.chat or None,
        "user": letter.user or None,
        "since": iso(letter.since),
        "reason": letter.reason,
        "bytes": len(letter.body),
    }


async def shown(store: Store, name: str, bot: int | str | None) -> dict[str, Any]:
    """Return a dead letter with its content: what is no UTF-8 is written as `\\xff`.

    Raises:
        NothingThere: If there is none of that name.
    """
    owner, letter = await _one(store, name, bot)
    return {**as_json(owner, letter), "content": letter.body.decode("utf-8", "backslashreplace")}


async def requeue(store: Store, name: str, bot: int | str | None) -> str:
    """Put a dead letter back into the inbox; return the sentence that says so.

    Raises:
        NothingThere: If there is none of that name.
        CommandError: If its number cannot be read.
    """
    owner, letter = await _one(store, name, bot)
    if not await _kept(store).inbox(owner).requeue(name):
        raise CommandError(f"{letter.name} has no readable update_id: it can only be dropped")
    return f"{name}: waits in the inbox; the bot handles it within seconds, or when it starts"


async def drop(store: Store, name: str, bot: int | str | None) -> str:
    """Remove a dead letter; return the sentence that says so.

    Raises:
        NothingThere: If there is none of that name.
    """
    owner, _ = await _one(store, name, bot)
    await _kept(store).inbox(owner).drop(name)
    return f"{name}: dropped"


async def _one(store: Store, name: str, bot: int | str | None) -> Found:
    found = [each for each in await dead_letters(store, bot) if each[1].name == name]
    if not found:
        raise NothingThere(f"there is no dead letter {name}")
    if len(found) > 1:
        raise CommandError(f"several bots have a dead letter {name}: name one with --bot")
    return found[0]


def _kept(store: Store) -> HasInbox:
    if not isinstance(store, HasInbox):
        raise CommandError(f"{type(store).__name__} has no inbox, so it has no dead letters")
    return store


def _bot_text(bot: int | str | None) -> str:
    return str(Key(0, 0, bot=bot)).rpartition(":")[2]
