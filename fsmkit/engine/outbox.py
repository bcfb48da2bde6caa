"""The outbox: carries out what was committed, in order for each key, outside of leases.

One worker at a time delivers a key: the one whose commit found the outbox idle. It goes on until the store
says that nothing is left; others only append.
"""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from types import CoroutineType
from typing import Any

import msgspec

from fsmkit.clock import Clock, first_of, monotonic
from fsmkit.engine.eager import begin_at_once
from fsmkit.engine.observer import Observer
from fsmkit.engine.services import Services
from fsmkit.errors import RetryLater, StoreCorrupt
from fsmkit.interpreter.codec import decode_receipt, encode_receipt, take_entry
from fsmkit.interpreter.naming import named
from fsmkit.interpreter.row import Edit, Effect, Pending, Receipt, ScheduledEvent, Send, WaitForOutbox
from fsmkit.keys import Key
from fsmkit.stores.protocol import CLAIM_SECONDS, Store

_log = logging.getLogger("fsmkit")

Deliver = Callable[[Key, Effect], Any]
"""Carries one effect out, sync or async: `deliver(key, effect) -> receipt | None` (a message id)."""

REFUSED = b""
"""Stands for the receipt of an effect that could not be carried out."""


WAIT_SECONDS = 1.0
"""Between two looks at whether a former outbox is empty."""


MAX_REFUSALS = 3
"""Refusals in a row that a conversation is told of: what its handler says to them may be refused too."""


MAX_BESIDE = 16
"""Deliveries at the same time that nobody waits for, of steps that other conversations' events were for."""


class ClaimHeartbeat:
    """Signs of life for deliveries that take long, so that no other process begins them anew.

    One task looks at all that are under way, three times in `CLAIM_SECONDS`; an ordinary delivery is over
    before that and costs nothing. It is for durable stores: in others claims end with the process anyway.

    Args:
        store: Where the claims are.
        clock: For waiting.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._begun: dict[Key, float] = {}
        self._task: asyncio.Task[None] | None = None

    def begin(self, key: Key) -> None:
        """Note that a delivery for a key is under way."""
        self._begun[key] = monotonic(self._clock)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._watch(), name="fsmkit vigil")

    def end(self, key: Key) -> None:
        """Note that it is over."""
        self._begun.pop(key, None)

    async def stop(self) -> None:
        """End the task; what is still under way is left to whoever comes."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _watch(self) -> None:
        while self._begun:
            await self._clock.sleep(CLAIM_SECONDS / 3)
            since = monotonic(self._clock) - CLAIM_SECONDS / 3
            for key in [key for key, begun in self._begun.items() if begun <= since]:
                try:
                    await self._store.extend_claim(key, 0.0)
                except Exception as error:  # the others' deliveries are watched on
                    _log.warning("the outbox of %s could not be kept: %s", key, error)


class Outbox:
    """Delivers what stands in the outboxes of a store.

    Args:
        services: The engine's means.
        deliver: Carries one effect out.
        post: Gives a scheduled event, sent from a key, to its conversation.
        refused: Told of an effect that cannot be carried out.
        ephemeral: Told of ephemeral messages that were sent: their states may have been left meanwhile.
    """

    def __init__(
        self,
        services: Services,
        deliver: Deliver | None,
        post: Callable[[Key, ScheduledEvent], Coroutine[Any, Any, None]],
        refused: Callable[[Key, Effect, Exception], Awaitable[Any]],
        ephemeral: Callable[[Key, Sequence[Receipt]], Awaitable[None]],
    ) -> None:
        store, clock = services.store, services.clock
        self._store = store
        self._services = services
        self._deliver = deliver
        self._post = post
        self._refused = refused
        self._ephemeral = ephemeral
        self._clock = clock
        self._draining = False
        self._vigil = ClaimHeartbeat(store, clock)
        self._waiting: set[asyncio.Task[None]] = set()
        """Chats that have to wait, asleep."""
        self._sending: set[asyncio.Task[None]] = set()
        """Deliveries under way; each is a task of its own, since a request whose outcome nobody knows must
        not end with whoever awaits it: it would be repeated, and Telegram may have taken it."""
        self._beside: set[asyncio.Task[None]] = set()
        """Deliveries that nobody waits for, of steps that other conversations' events were for."""
        self._behind: dict[Key, asyncio.Event] = {}
        """Former keys whose outboxes others wait for (`WaitForOutbox`); set when one is empty."""

    async def run(self, key: Key, entry: bytes | None) -> None:
        """Deliver until nothing is left; a chat that has to wait goes on in the background, as does what is
        on its way when the caller is cancelled.
        """
        if entry is None:
            self._emptied(key)
            return
        sending = begin_at_once(self._run(key, entry))
        if sending is not None:
            await self._apart(key, sending)

    async def _apart(self, key: Key, sending: asyncio.Task[None]) -> None:
        """Wait for what is done in a task of its own, and goes on when the caller is cancelled."""
        sending.set_name(f"fsmkit sends to {key.chat}")
        self._sending.add(sending)
        sending.add_done_callback(self._sending.discard)
        try:
            await asyncio.shield(sending)
        except asyncio.CancelledError:
            if not sending.done():
                sending.set_name(f"fsmkit outbox {key}")
                sending.add_done_callback(partial(_log_stopped, key))
            raise

    async def beside(self, key: Key, work: Coroutine[Any, Any, None]) -> None:
        """Deliver beside what goes on, for a step that another conversation's event was for.

        Where much is delivered so already it is waited for: Telegram takes some thirty messages a second.
        """
        if len(self._beside) >= MAX_BESIDE:
            await work
            return
        sending = asyncio.get_running_loop().create_task(work, name=f"fsmkit outbox {key}")
        for tasks in (self._beside, self._sending):
            tasks.add(sending)
            sending.add_done_callback(tasks.discard)
        sending.add_done_callback(partial(_log_stopped, key))

    async def _run(self, key: Key, entry: bytes | None) -> None:
        refusals = 0
        sent: list[Receipt] = []
        while entry is not None:
            if self._draining and self._store.durable:
                # For the next process, which need not wait for a claim.
                await self._store.extend_claim(key, -CLAIM_SECONDS)
                return
            pending = _decode(entry)
            if self._deliver is None and not isinstance(pending.effect, ScheduledEvent):
                return  # not ours: the bot's own engine sends it when the claim of this one has ended
            if self._store.durable:
                self._vigil.begin(key)
            try:
                receipt = await self._carry_out(key, pending, tell=refusals < MAX_REFUSALS)
            except RetryLater as later:
                await self._store.extend_claim(key, later.seconds)
                self._later(key, entry, later.seconds, self._ahead(pending.effect))
                return
            finally:
                self._vigil.end(key)
            refusals = refusals + 1 if receipt is REFUSED else 0
            entry = await self._store.acknowledge(key, entry, receipt or None)
            if receipt and isinstance(pending.effect, Send) and pending.effect.keep == "ephemeral":
                sent.append(decode_receipt(receipt))
        if self._behind:
            self._emptied(key)
        if sent:
            await self._ephemeral(key, sent)

    def _emptied(self, key: Key) -> None:
        if self._behind and key in self._behind:
            self._behind.pop(key).set()

    async def say(self, key: Key, effect: Send) -> None:
        """Send a message at once or not at all, past the queue."""
        try:
            said = self._deliver(key, effect) if self._deliver is not None else None
            if inspect.isawaitable(said):
                await said
        except Exception as error:
            _log.warning(
                "%s: %s; this was not said to %s: %s", type(error).__name__, error, key, named(effect)
            )

    async def drain(self, seconds: float) -> None:
        """Wait for what is on its way, then give up; what is not delivered stays in the store.

        Nothing new is begun, except where the store would lose it with this process.
        """
        self._draining = True
        try:
            await self._drain(seconds)
        finally:
            self._draining = False
            await self._vigil.stop()

    async def _drain(self, seconds: float) -> None:
        asleep = set(self._waiting)
        if self._store.durable:
            for task in asleep:
                task.cancel()
        tasks = asleep | self._sending
        until = asyncio.get_running_loop().time() + seconds
        while tasks:
            left = max(0.0, until - asyncio.get_running_loop().time())
            _done, late = await asyncio.wait(tasks, timeout=left)
            for task in late:
                task.cancel()
            if late:
                _log.warning("%d chats have undelivered messages", len(late))
                await asyncio.gather(*late, return_exceptions=True)
                return
            # What those have begun meanwhile: the receivers of their events.
            tasks = set(self._sending)

    async def _carry_out(self, key: Key, pending: Pending, tell: bool) -> bytes | None:
        effect = pending.effect
        if isinstance(effect, ScheduledEvent):
            # On a stack of its own, however long a chain of conversations is; others are served in between.
            await self._apart(key, asyncio.get_running_loop().create_task(self._post(key, effect)))
            return None
        if isinstance(effect, WaitForOutbox):
            former = Key.parse(effect.key)
            self._behind.setdefault(
                former, asyncio.Event()
            )  # first: it may be empty while the store is asked
            if await self._store.outbox(former):
                raise RetryLater(WAIT_SECONDS)
            self._behind.pop(former, None)
            return None
        if self._deliver is None:  # pragma: no cover  # `run` has seen to it
            return None
        try:
            receipt = self._deliver(key, effect)
            if type(receipt) is CoroutineType or inspect.isawaitable(receipt):
                receipt = await receipt
        except RetryLater:
            raise
        except Exception as error:  # whatever a user's deliver raises must not hold up the others
            _log.warning(
                "%s: %s; this was refused for %s: %s", type(error).__name__, error, key, named(effect)
            )
            if (watch := self._services.watch) is not None:
                watch.tell(Observer.refused, key, effect, error)
            if tell:
                await self._refused(key, effect, error)
            return REFUSED
        if (watch := self._services.watch) is not None:
            watch.tell(Observer.delivered, key, effect, receipt)
        return _receipt(effect, receipt)

    def _ahead(self, effect: Any) -> asyncio.Event | None:
        """Return what ends a wait sooner."""
        return self._behind.get(Key.parse(effect.key)) if isinstance(effect, WaitForOutbox) else None

    def _later(self, key: Key, entry: bytes, seconds: float, sooner: asyncio.Event | None = None) -> None:
        if self._draining:
            return  # it stays in the store, for the next process
        task = asyncio.get_running_loop().create_task(
            self._wait(key, entry, seconds, sooner), name=f"fsmkit outbox {key}"
        )
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def _wait(self, key: Key, entry: bytes, seconds: float, sooner: asyncio.Event | None) -> None:
        if sooner is None:
            await self._clock.sleep(seconds)
        else:
            await first_of(self._clock.sleep(seconds), sooner.wait())
        try:
            await self.run(key, entry)
        except Exception as error:
            _log.error(STOPPED, key, exc_info=error)


STOPPED = "the outbox of %s stopped; it goes on with the next commit or restart"


def _log_stopped(key: Key, sending: asyncio.Task[None]) -> None:
    """Log what a delivery raised that nobody awaits any more."""
    if not sending.cancelled() and (error := sending.exception()) is not None:
        _log.error(STOPPED, key, exc_info=error)


def _decode(entry: bytes) -> Pending:
    try:
        return take_entry(entry)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StoreCorrupt(f"an entry of the outbox cannot be read: {error}") from error


def _receipt(effect: Effect, message: Any) -> bytes | None:
    if not isinstance(effect, Send | Edit) or type(message) is not int:
        return None
    keep = effect.keep if isinstance(effect, Send) else "moved"  # an edit that had to be sent anew
    if not keep:
        return None
    bound, reply = effect.bound, effect.reply
    file, bare = ("", True) if reply is None else (reply.file, not reply.buttons)
    chat, screen = effect.to.chat, effect.screen
    return encode_receipt(
        Receipt(keep, bound.flow, bound.run, bound.entry, chat, message, file, bare, screen)
    )
