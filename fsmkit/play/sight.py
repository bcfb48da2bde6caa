"""Where a bot that lives stands: rows, people, buttons, offers, and what of the chats has changed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from fsmkit.botapi.errors import Json
from fsmkit.interpreter.row import Row
from fsmkit.keys import Key
from fsmkit.play.bots import Played
from fsmkit.play.views import bubble_of, fresh_buttons, places_of, rows_in
from fsmkit.telegram.buttons import ButtonCodec
from fsmkit.testing.harness.ptb_driver import PTBDriver
from fsmkit.testing.harness.screen import NotThereError

Shown = dict[str, Any]


class Sight:
    """What is to be seen of one life of a bot.

    Args:
        bot: The bot.
        driver: What it lives in.
    """

    def __init__(self, bot: Played, driver: PTBDriver) -> None:
        self.bot, self.driver = bot, driver
        self._sent: dict[int, dict[int, Json]] = {}
        engine = driver.engine
        self._buttons = (
            None if engine is None else ButtonCodec(driver.offline.world.token, engine.flows.tables)
        )

    def forget(self) -> None:
        """Tell all messages anew the next time."""
        self._sent = {}

    def rows(self) -> dict[Key, Row]:
        """Return all that is stored."""
        return rows_in(self.driver.store)

    async def standing(self, people: Sequence[int], groups: Iterable[int]) -> Shown:
        """Return what is stored, by key, and where each person stands in each chat."""
        stored = await self.bot.stored(self.driver, people)
        places = [None, *groups]
        at = {
            who(user, place): places_of(await self._row(user, place)) for user in people for place in places
        }
        return {"stored": stored, "standing": {name: found for name, found in at.items() if found}}

    async def _row(self, user: int, place: int | None) -> Row:
        before, self.driver.chat = self.driver.chat, place
        try:
            return await self.driver.row(user)
        except NotThereError:  # no flow has conversations there
            return Row()
        finally:
            self.driver.chat = before

    async def offers(self, people: Iterable[int], groups: Iterable[int]) -> Shown:
        """Return what each person could say in each chat."""
        found: Shown = {}
        for user in people:
            for place in [None, *groups]:
                row = await self._row(user, place)
                self.driver.chat = place
                found[who(user, place)] = self.bot.offers(self.driver, user, row)
        return found

    def changes(self) -> Shown:
        """Return, by chat, the messages that are new, changed or gone since the last call."""
        world, found = self.driver.offline.world, dict[str, Any]()
        for chat, record in world.chats.items():
            sent = self._sent.get(chat, {})
            new = [message for number, message in record.messages.items() if sent.get(number) is not message]
            gone = [number for number in sent if number not in record.messages]
            found[str(chat)] = {"new": [bubble_of(each, world) for each in new], "gone": gone}
            self._sent[chat] = dict(record.messages)
        return found

    def fresh(self) -> Shown | None:
        """Return, by chat and message, which buttons still do something; `None`: only the bot knows."""
        engine, world = self.driver.engine, self.driver.offline.world
        if engine is None or self._buttons is None:
            return None
        rows = self.rows()
        return {str(chat): fresh_buttons(world, chat, engine, self._buttons, rows) for chat in world.chats}


def next_due(shown: Mapping[str, Any]) -> float | None:
    """Return the next time at which something of what is stored after a step is due."""
    trees = (each["tree"] for row in shown["stored"].values() for each in row["conversations"])
    return min((at for tree in trees for at in _times_in(tree) if at > shown["at"]), default=None)


def _times_in(tree: Any) -> Iterator[float]:
    """Yield the times in a tree of what is stored."""
    if isinstance(tree, list):
        parts: Iterable[Any] = tree
    elif isinstance(tree, dict) and not isinstance(tree.get("$time"), float | int):
        parts = tree.values()
    else:
        yield from [tree["$time"]] if isinstance(tree, dict) else []
        return
    for part in parts:
        yield from _times_in(part)


def who(user: int, place: int | None) -> str:
    """Return a person in a chat, as the page names both."""
    return f"{user}@{'' if place is None else place}"
