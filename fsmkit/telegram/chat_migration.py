"""Groups that become supergroups: what Telegram says of it, and who has to wait until the rows have moved.

The move itself is `Engine.relocate`. It is known from both service messages, in any order, and from what
Telegram answers to a message for the old id; each may come again.
"""

import asyncio
import logging
from typing import Any

import attrs
from msgspec import structs

from fsmkit.engine.engine import Engine
from fsmkit.flow.messages import Reply
from fsmkit.interpreter.row import Edit, Send
from fsmkit.telegram.event import TelegramEvent

_log = logging.getLogger("fsmkit")

MAX_KNOWN = 10_000
"""Groups of which it is known here that they have moved; the rows know it themselves."""


class ChatMigrations:
    """Moves conversations of groups that become supergroups.

    Args:
        engine: Moves the rows.

    Attributes:
        known: New ids by old ones.
        pending: Moves that are not done yet, by both ids.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._tasks: dict[int, asyncio.Task[int]] = {}
        self.known: dict[int, int] = {}
        self.pending: dict[int, tuple[int, int]] = {}

    def announced(self, event: TelegramEvent) -> bool:
        """Whether a service message tells of a move; from now on updates of both chats wait for it."""
        message = event.message
        if message is None:
            return False
        if message.migrate_to_chat_id:
            self._announce(message.chat.id, message.migrate_to_chat_id)
        elif message.migrate_from_chat_id:
            self._announce(message.migrate_from_chat_id, message.chat.id)
        else:
            return False
        return True

    def forward(self, event: TelegramEvent) -> None:
        """Put a late update of an old chat (a press under an old message) into the new one."""
        new = self.known.get(event.chat_id or 0)
        if new is not None:
            move_event(event, new)

    async def settled(self, chat: int | None) -> None:
        """Wait until a chat's conversations have moved, if they have to."""
        pair = self.pending.get(chat) if chat is not None else None
        if pair is not None:
            await self._move(*pair)

    async def learn(self, old: int | str, new: int) -> None:
        """Move a group whose new id Telegram has told instead of taking a message for the old one."""
        if isinstance(old, str) or old in self._tasks:  # that task may be the one which sends the message
            return
        self._announce(old, new)
        try:
            await self._move(old, new)
        except Exception:
            _log.exception("conversations of chat %d could not be moved to %d", old, new)

    def _announce(self, old: int, new: int) -> None:
        if len(self.known) >= MAX_KNOWN:
            del self.known[next(iter(self.known))]
        self.known[old] = new
        self.pending[old] = self.pending[new] = (old, new)

    async def _move(self, old: int, new: int) -> None:
        """Move once, however many wait for it; one who gives up stops nobody else's move."""
        task = self._tasks.get(old)
        if task is None:
            task = self._tasks[old] = asyncio.get_running_loop().create_task(
                self._engine.relocate(old, new), name=f"fsmkit move of {old}"
            )
            task.add_done_callback(lambda _: self._done(old, new))
        await asyncio.shield(task)

    def _done(self, old: int, new: int) -> None:
        del self._tasks[old]
        self.pending.pop(old, None)
        self.pending.pop(new, None)


def move_event(event: TelegramEvent, chat: int) -> None:
    """Put an event of the old chat into the new one: its key, and where answers go."""
    event.chat_id = chat
    event.address = structs.replace(event.address, chat=chat)


def in_new_chat(effect: Any, chat: int) -> Send | None:
    """Return an effect that was meant for the old chat; what is about a message there cannot be done."""
    said: Reply | None = effect.reply if isinstance(effect, Send | Edit) else None
    if said is None:
        return None
    reply = attrs.evolve(said, reply_to=None)  # there the id is that of somebody else's message
    to = structs.replace(effect.to, chat=chat)
    keep = effect.keep if isinstance(effect, Send) else ""
    return Send(reply, to, effect.bound, keep, screen=effect.screen)
