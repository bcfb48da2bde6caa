"""`Client`: events for a bot's conversations from another program, by the store alone.

No PTB, no token, no flows: a web shop says that an order was paid, and the bot does the rest. What is sent
stands in the conversation's row until the bot takes it, so the bot may be away, or run in several processes.
"""

import secrets
from types import TracebackType
from typing import Any, Literal, Self

from msgspec import structs

from fsmkit.clock import Clock, SystemClock
from fsmkit.engine.fifo import again_if_lost
from fsmkit.engine.transaction import SEND, check_not_nested, take_lease
from fsmkit.errors import DefinitionError, refuse_options
from fsmkit.interpreter.codec import EventCodec, decode_row
from fsmkit.interpreter.row import Row, ScheduledEvent
from fsmkit.interpreter.settle import Limits, change_of
from fsmkit.keys import Key, event_id_of
from fsmkit.stores.protocol import Store
from fsmkit.stores.urls import check_keys, open_store


async def conversations_of(
    store: Store, user: int | str, bot: int | str | None, flow: str | None
) -> list[Key]:
    """Return the keys under which a person has a conversation that runs.

    Args:
        store: Where to look.
        user: The person's id.
        bot: Only with this bot.
        flow: Only with this flow in it, running or waiting.
    """
    return [key for key in await store.keys_of(user, bot=bot) if await _runs(store, key, flow)]


async def _runs(store: Store, key: Key, flow: str | None) -> bool:
    blob = await store.peek(key)
    if blob is None:
        return False
    running = (snapshot for snapshot in decode_row(blob).snapshots.values() if snapshot.active)
    return any(flow is None or any(frame.flow == flow for frame in snapshot.frames) for snapshot in running)


@refuse_options
class Client:
    """Sends events to the conversations of a bot.

    The bot's engine looks for them once a second. They are handled as with `engine.send`: in order with the
    person's messages, once for each id.

    Args:
        store: The bot's store, or its URL; the keys of an encrypted store come from `FSMKIT_STORE_KEYS`.
        bot: The bot's id: the number before the colon of its token.
        clock: The source of the time.

    Example:
        >>> import asyncio
        >>> from fsmkit import Key
        >>> from fsmkit.engine.client import Client
        >>> from fsmkit.stores.memory import MemoryStore
        >>> async def shop(store):
        ...     async with Client(store, bot=42) as bot:
        ...         return await bot.send(Key(chat=7, user=7), "paid", id="evt-7")
        >>> asyncio.run(shop(MemoryStore()))
        'sent'
    """

    def __init__(self, store: Store | str, *, bot: int | str | None, clock: Clock | None = None) -> None:
        self._owned = isinstance(store, str)
        self.store: Store = open_store(store) if isinstance(store, str) else store
        if isinstance(store, str) and not self.store.durable:
            raise DefinitionError(
                f"{store} is in the memory of this process, where no bot looks",
                place=None,
                remedy="Name the bot's own store: sqlite:FILE, redis://..., postgresql://..., mongodb://...",
            )
        self._bot = bot
        self._clock = clock or SystemClock()
        self._checked = False

    async def send(
        self,
        key: Key,
        event: Any,
        id: str | int | tuple[str, str | int] | None = None,  # noqa: A002  # the field's word for it
        *,
        flow: str | None = None,
        expect: str | None = None,
    ) -> Literal["sent", "duplicate"]:
        """Leave an event for a conversation; when it returns, the event is stored.

        Args:
            key: Whose conversation; without a bot that of the client is meant.
            event: An instance of a class that some handler of the bot names in `on=`, or of one with the
                same name and fields: the bot's own module need not be imported.
            id: What it is recognised by when it is sent again; without one, a program that tries again
                after an error may send it twice.
            flow: Name of the only flow that gets it.
            expect: The only state of `flow` in which it is wanted.

        Returns:
            `"duplicate"` if an event with this id waits already or was handled.

        Raises:
            NestedSend: If a handler awaits it: use `ctx.send`.
            UnstorableData: If JSON does not hold the event.
            RowTooLarge: If too many events wait for this conversation.
            StoreError: If the store is encrypted, and its keys are not at hand.
            StoreUnavailable: If the store does not answer; whether the event was stored is not known, so
                send it again with the same id.
        """
        check_not_nested("client.send", SEND)
        name, body = EventCodec([type(event)]).encode(event)
        ident = event_id_of(secrets.token_hex(8) if id is None else id)
        key = key.with_bot(self._bot)
        if not self._checked:
            await check_keys(self.store)
            self._checked = True
        mail = ScheduledEvent(str(key), name, body, ident, known=ident, flow=flow, expect=expect)
        return await again_if_lost(lambda: self._leave(key, mail))

    async def send_to_user(
        self,
        user: int | str,
        event: Any,
        id: str | int | tuple[str, str | int] | None = None,  # noqa: A002  # the field's word for it
        *,
        flow: str | None = None,
        expect: str | None = None,
    ) -> dict[Key, Literal["sent", "duplicate"]]:
        """Leave an event for all conversations of a person that run; the arguments are those of `send`."""
        check_not_nested("client.send_to_user", SEND)
        keys = await conversations_of(self.store, user, self._bot, flow)
        return {key: await self.send(key, event, id, flow=flow, expect=expect) for key in keys}

    async def close(self) -> None:
        """Close the store, if the client has opened it."""
        if self._owned:
            await self.store.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _leave(self, key: Key, mail: ScheduledEvent) -> Literal["sent", "duplicate"]:
        async with take_lease(self.store, key) as lease:
            row = Row() if lease.row is None else decode_row(lease.row)
            if f" {mail.known} " in row.seen or any(mail.known == other.known for other in row.later):
                return "duplicate"
            if row.moved is not None:  # the letter keeps the old key, so that it waits for what is on its way
                return await self._leave(Key.parse(row.moved.key), mail)
            row = structs.replace(row, later=(*row.later, mail))
            _, change = change_of(row, key, self._clock.now(), _LIMITS, [], 0)
            await lease.commit(change)
        return "sent"


_LIMITS = Limits(dedupe_for=0.0, max_row_bytes=65536, delivers=False)
