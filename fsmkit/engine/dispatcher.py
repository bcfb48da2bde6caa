"""From an event to a commit: what happens in which order, and why in that order.

# One event

1. `Engine.send`, a face (`receive`), a job of a state or the outbox puts an event into an `Envelope`: what
   it is, how it is recognised when it comes again, and for whom it is (`Recipient`). It has a key, the name
   of the row in which all conversations of one person in one chat (say) are stored. With several key rules
   an event has several keys, which are asked one after the other.

2. `process` takes a lease of the row from the store and waits its turn; events of one key are handled one
   after the other, in the order in which they came. Without that, two quick messages would both see the
   state before the first. For an event that no entry of a flow can want, no turn is taken where no
   conversation runs: most of what is said in a group is none of ours, and must not wait behind a slow
   handler.

3. `Transactions.begin` gives the `Turn` its row, read from the stored bytes, or kept from the step that wrote
   them. It brings the row to the version of the flows that runs, and adds the ids of messages that were sent
   since the last commit. A row that has moved to another key raises `RowMoved`: the move is finished and the
   event follows.

4. An event whose id the row remembers ends here, as a duplicate: Telegram, brokers and `Client` give an
   event again when they do not know whether we had it. The ids are part of the row, so an id and what its
   event did are written by the same commit; an id that was kept elsewhere could be lost alone.

5. What was due before the event goes before it, each with a commit of its own: albums whose sender has gone
   on, then timeouts, in the order of their times. A deadline counts even if the process was down when it
   came. A message that was sent before the deadline was in time, however late it is read. If the timeouts
   shared the event's commit, a handler that raises would take back a timeout that has come.

6. The handlers are asked in the order that `fsmkit.interpreter.selection.ranks` gives (nothing else knows
   that order), until one does not pass. A press of a button is checked first: one of an earlier state or of
   another run is answered and changes nothing. What a handler returns is checked, and made into the next
   row by pure functions; what it asks of `ctx` is only noted. Hooks, prompts, guards and a caller's
   `Returned` are part of the same step. So whatever is raised, the turn is dropped, and nothing has
   happened.

7. `settle` makes effects of what was noted, numbered and addressed, and the commit writes the row, its
   times, what it is looked up by and the outbox in one piece. What cannot be written (too large, not
   storable) is the handler's failure: it is offered as `Crashed`, like what it raises. An event that
   changes nothing writes nothing, and the row stays byte for byte as it is.

8. After the commit, still before another event's turn where the store allows it, jobs of states that were
   entered begin, and those of states that were left end. They must not begin before: a job that charges a
   card for a step that was not stored would do so again.

9. The lease is free. Only now `committed` is told (a press is answered), and then the outbox delivers: a
   chat that Telegram makes us wait for holds up its messages, not its events. If the process is killed in
   between, the messages are stored, and another process delivers them once our claim has ended. Messages
   that were sent from within the handler would be lost, or sent for a step that never was.

10. What handlers raised is answered with the flow's `crash` text at last, past the queue. It is not stored:
    the row says nothing of a step that did not happen.

A `Turn` is all that a step knows, and what it comes to is never changed in place: to take a step back is to
set the references of before. Only what can wait is awaited (a turn that others have, the user's coroutine,
a store elsewhere, what is delivered); all else are plain functions, so that a step on a store in this
process is one coroutine for the event and one for the handlers.

# When somebody else was faster

A lease may be lost: to a process that found ours silent for too long, or, with `isolation="optimistic"`, to
a commit that came first. The commit then writes nothing (`LeaseLost`), so the event is taken once more from
step 2, with the row as it is now. Timeouts that were committed in the first attempt stay committed, and
what they left in the outbox is delivered between the attempts.

# Several keys

Ids are checked on all keys before any handler is asked, as the key that took the event may come second.
Handlers of all keys are asked before any of them says `otherwise`, or the first would answer a message that
is the second's. While that goes on no other event may overtake between two of the keys; so an event takes
its place in the lines of all its keys at once (`KeyedLock`), before anything is awaited.

# Without an event

`DueWork.process_due` does the same for a key without an event, when the sweeper finds it: albums, timeouts,
reminders, scheduled events, jobs that nobody runs. `edit` writes a row by hand. Both hold the same lease,
and write with the same commit.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from msgspec import structs

from fsmkit.engine.chat_migration import ChatMigration, forward
from fsmkit.engine.due import DueWork, complete, tell_of_no_handler
from fsmkit.engine.envelope import ANYBODY, IDLE, Envelope, Outcome, Recipient, Strike
from fsmkit.engine.fifo import KeyedLock
from fsmkit.engine.jobs import StateJobs
from fsmkit.engine.observer import Observer
from fsmkit.engine.outbox import Deliver, Outbox
from fsmkit.engine.presses import recipient_of
from fsmkit.engine.services import Services
from fsmkit.engine.transaction import SEND, RowMoved, Transactions, check_not_nested, leased
from fsmkit.engine.turn import Turn, current_turn, force_close, say_default
from fsmkit.errors import LeaseLost, Origin, Unreachable, mark
from fsmkit.flow.events import ChatEvent, DeliveryFailed, Done, Failed
from fsmkit.flow.messages import Answer
from fsmkit.interpreter.access import frame_of
from fsmkit.interpreter.codec import decode_row
from fsmkit.interpreter.compiled import CompiledFlow, FlowSet
from fsmkit.interpreter.effects import follow, home_of
from fsmkit.interpreter.jobs import find as find_job
from fsmkit.interpreter.jobs import over as job_over
from fsmkit.interpreter.row import EMPTY, Delete, Edit, Effect, Receipt, Row, ScheduledEvent, Send
from fsmkit.keys import Key, KeyBy, event_id_of
from fsmkit.stores.protocol import snapshot_of

_log = logging.getLogger("fsmkit")

LEASE_TRIES = 2


OPTIMISTIC_TRIES = 6
"""The first run and five more."""


class Dispatcher:
    """Takes events to rows, one at a time for each key.

    Args:
        services: The engine's means.
        deliver: Carries one effect out.
        exclusive: Whether a key's events take turns.

    Attributes:
        outbox: Delivers what was committed.
        jobs: Runs jobs of states.
        migration: Moves rows to other keys.
        transactions: Reads and writes rows.
        due: Does what is due.
    """

    def __init__(self, services: Services, deliver: Deliver | None, *, exclusive: bool) -> None:
        self._services = services
        store = services.store
        self._store = store
        self._lease = leased if exclusive else snapshot_of
        self._tries = LEASE_TRIES if exclusive else OPTIMISTIC_TRIES
        self.outbox = Outbox(services, deliver, self._deliver_event, self._refused, self._ephemeral_sent)
        self.jobs = StateJobs(services, self.edit, self._apply)
        self.migration = ChatMigration(services, self.outbox)
        self.transactions = Transactions(services, self.outbox, self.jobs)
        self.due = DueWork(services, self.transactions, self.migration)
        # With one key rule the lease is the line. With several, an event's keys are walked one after the
        # other, and a later event must not overtake it between two of them.
        self._lines = KeyedLock() if exclusive and len(services.flows.key_rules()) > 1 else None

    # -- one event, several keys -------------------------------------------------------------------

    def receive(
        self,
        event: Any,
        keys: Sequence[tuple[Key, Sequence[CompiledFlow] | None]],
        event_id: str | None,
        telegram: Any,
        committed: Callable[[Outcome], Awaitable[None]] | None = None,
        void: Callable[[], bool] | None = None,
        strike: Strike | None = None,
        only: str | None = None,
    ) -> Awaitable[Outcome]:
        """Take an event from a face, with the keys that it has by the flows' key rules.

        Ids are checked on all keys first; then one key after the other is asked, until one consumes the
        event; `otherwise` is said only where no key's handlers took it.

        Args:
            event: The event.
            keys: Keys in flow order, each with the flows that may be entered there.
            event_id: What it is recognised by.
            telegram: PTB's context.
            committed: Told of the outcome after the commit and before anything is delivered.
            void: Asked when its turn has come whether it is of no use any more: no handler sees it then.
            strike: The update that it was, struck from the inbox by the commit of its step.
            only: Name of the only flow that gets it; `otherwise` is not said then.
        """
        if self._lines is None and len(keys) == 1:  # the ordinary case
            key, entries = keys[0]
            to = Recipient(entries, only=only)
            return self.process(
                key,
                Envelope(event, event_id, to, telegram, True, only is None, committed, void, None, strike),
            )
        to = ANYBODY if only is None else Recipient(only=only)
        envelope = Envelope(event, event_id, to, telegram, True, only is None, committed, void, strike=strike)
        return self._walk(envelope, keys) if self._lines is None else self._in_line(envelope, keys)

    async def _in_line(
        self, envelope: Envelope, keys: Sequence[tuple[Key, Sequence[CompiledFlow] | None]]
    ) -> Outcome:
        """Wait in the lines of all keys, then ask one key after the other."""
        check_not_nested("an event is given", SEND)
        assert self._lines is not None
        async with self._lines.place([key for key, _ in keys]):
            return await self._walk(envelope, keys)

    async def _walk(
        self, envelope: Envelope, keys: Sequence[tuple[Key, Sequence[CompiledFlow] | None]]
    ) -> Outcome:
        """Ask one key after the other."""
        if len(keys) == 1:
            key, entries = keys[0]
            to = structs.replace(envelope.to, entries=entries)
            return await self.process(key, structs.replace(envelope, to=to))
        for key, _ in keys:
            if envelope.id is not None and f" {envelope.id} " in (await self.transactions.peek(key)).seen:
                return Outcome("duplicate")
        idle: set[Key] = set()
        for otherwise in (False, True):
            for key, entries in keys:
                if key in idle:
                    continue
                to = Recipient(entries)
                outcome = await self.process(
                    key, structs.replace(envelope, to=to, handlers=not otherwise, otherwise=otherwise)
                )
                if outcome.kind != "passed":
                    return outcome
                if outcome is IDLE:  # no conversation runs that could say `otherwise`
                    idle.add(key)
        return Outcome("passed")

    # -- one event, one key ------------------------------------------------------------------------

    async def process(self, key: Key, envelope: Envelope) -> Outcome:
        """Take an event to a key; once more if the lease was lost (optimistically: if another was faster).

        Raises:
            Exception: What a handler raised; nothing was changed then.
        """
        services = self._services
        if services.watch is not None:
            services.watch.tell(Observer.arrived, key, envelope.event)
        tries = self._tries
        wanted = _may_begin(services.flows, envelope)
        while True:
            tries -= 1
            event, telegram = envelope.event, envelope.telegram
            turn = Turn(services, key, event, telegram, EMPTY, 0.0, envelope.strike, envelope.cause)
            try:
                outcome = await self._step(turn, envelope, wanted)
                if outcome is None:
                    tries, wanted = tries + 1, True
                    continue
                if envelope.committed is not None and outcome.kind != "passed":
                    await envelope.committed(outcome)
                return outcome
            except RowMoved as moved:
                tries += 1
                key = await self.migration.finish(key, moved)
                forward(envelope.event, key)
            except LeaseLost:
                if tries == 0:
                    raise
            except Exception as error:
                mark(error, Origin(key, envelope.event))
                tell_of_no_handler(services, key, error)
                turn.raised += (error,)
                raise
            finally:  # also when the handler raised, after a timeout had fired
                if turn.entry is not None or turn.raised:
                    finishing = self.transactions.finish(turn)
                    await (self.outbox.beside(key, finishing) if envelope.beside else finishing)

    async def _step(self, turn: Turn, envelope: Envelope, wanted: bool) -> Outcome | None:
        """Do one step under its lease: this is where all of 2 to 8 above happens, and in which order.

        Only what has to be waited for is awaited: a turn that others have, what is due before, handlers, and
        stores elsewhere.

        Returns:
            What became of the event; `None`: it took no turn, but needs one, for an album goes before it.
        """
        transactions = self.transactions
        lease = turn.lease = self._lease(self._store, turn.key, wanted=wanted)
        try:
            if (waiting := lease.take()) is not None:
                await waiting
            transactions.begin(turn)
            event, event_id, to = turn.event, envelope.id, envelope.to
            if event_id is not None and f" {event_id} " in turn.row.seen:
                return Outcome("duplicate")
            if envelope.void is not None and envelope.void():
                return Outcome("handled")
            albums = complete(turn.row, event) if turn.row.later else ()
            if lease.idle:
                return None if albums else IDLE
            if albums:
                await self.due.albums.handle(turn, albums)
            if turn.wake is not None and turn.wake <= turn.now:
                await self.due.fire_overdue(turn)
            if to.expect is not None or to.job is not None:
                found = _awaited(turn, to)
                if isinstance(found, Outcome):
                    return found
                to = found
            handlers = envelope.handlers
            chat = handlers and isinstance(event, ChatEvent)
            if chat and event.group is not None and await self.due.albums.take(turn, event_id, to):
                return Outcome("handled", (), turn.flows, turn.row, turn.name)
            token = current_turn.set(turn)
            try:
                asked = recipient_of(turn, to, event.pressed) if chat and event.pressed is not None else to
                taken = asked is None or (handlers and await turn.offer(event, asked) is not None)
                if not taken:
                    taken = envelope.otherwise and await say_default(turn)
                if not turn.changed:
                    if not taken:
                        return Outcome("passed")
                    # Refused by its handler, or a stale press: the row stays byte for byte as it is.
                    return Outcome("handled", turn.answers(), turn.flows, turn.row, turn.name)
                if not taken:
                    turn.strike = event_id = None
                try:
                    effects, change = transactions.settle(turn, event_id)
                except Exception as error:
                    effects, change = await transactions.settled(turn, event_id, error)
            finally:
                turn.over = True
                current_turn.reset(token)
            entry = lease.put(change)
            if entry is not None and not isinstance(entry, bytes):
                entry = await entry
            return transactions.written(turn, effects, change, entry, taken=taken)
        finally:
            if (freeing := lease.free()) is not None:
                await freeing

    # -- without an event --------------------------------------------------------------------------

    async def edit(self, key: Key, change: Callable[[Turn], Any], telegram: Any = None) -> Row:
        """Write a row by hand, under its lease, where it is now; `change` may be async."""
        while True:
            try:
                return await self.transactions.edit(key, change, telegram)
            except RowMoved as moved:
                key = await self.migration.finish(key, moved)

    async def find_run(self, key: Key, flow: str, run: int, *, any_thread: bool) -> Key | None:
        """Return the key under which a run of a flow is stored; `None` if it is over."""
        if await self.transactions.has_run(key, flow, run):
            return key
        for other in await self._store.keys(key.chat, bot=key.bot):
            same = (other.user, other.bot) == (key.user, key.bot) and other != key
            there = same and (any_thread or other.thread == key.thread)
            if there and await self.transactions.has_run(other, flow, run):
                return other
        return None

    async def end_chat(self, chat: int | str, business: int | str | None) -> None:
        """End the conversations of a chat, or of a person, that talk there."""
        await self._end_keyed(chat, business)
        if isinstance(chat, int) and chat < 0 and KeyBy.GLOBAL_USER in self._services.flows.key_rules():
            await self._end_there(await self._visitors(chat, business), chat)

    async def _end_keyed(self, chat: int | str, business: int | str | None) -> None:
        """End the conversations that talk in a chat which their key names."""
        bot = self._services.face.bot
        keys = await self._store.keys(chat, bot=bot)
        await self._end_there([key for key in keys if (key.business, key.bot) == (business, bot)], chat)

    async def _visitors(self, chat: int, business: int | str | None) -> list[Key]:
        """Return keys of persons whose conversations talk in a group or channel that the key does not name.

        No store looks rows up by where they talk: all are read, which a chat that is over is rare enough for.
        """
        bot, found = self._services.face.bot, []
        async for stored in self._store.scan(bot=bot):
            key = stored.key
            if key.chat != key.user or key.chat == chat or (key.business, key.bot) != (business, bot):
                continue
            try:
                snapshots = decode_row(stored.row).snapshots.values()
            except Exception as error:  # a damaged row keeps nobody else's conversation alive
                await self._services.report(key, None, error)
                continue
            if any(snapshot.address is not None and snapshot.address.chat == chat for snapshot in snapshots):
                found.append(key)
        return found

    async def end_connection(self, business: int | str) -> None:
        """End all conversations that are led through a business connection, which is over."""
        bot = self._services.face.bot
        rows = [row.key async for row in self._store.scan(bot=bot) if row.key.business == business]
        await self._end_there([key for key in rows if key.bot == bot])

    async def _end_there(self, keys: Iterable[Key], chat: int | str | None = None) -> None:
        for key in keys:
            try:
                if not await self.transactions.has_moved(key):
                    await self.end_all(key, chat)
            except Exception as error:  # a hook that raises keeps nobody else's conversation alive
                await self._services.report(key, None, error)

    async def end_all(self, key: Key, chat: int | str | None = None) -> None:
        """End all conversations of a key, or those that talk in a chat, running their `on_exit` hooks."""

        async def close(turn: Turn) -> None:
            for name, snapshot in list(turn.row.snapshots.items()):
                there = chat is None or (snapshot.address or home_of(key)).chat == chat
                if snapshot.active and there:
                    await force_close(turn, name, self._services.report)
            turn.requests = turn.deletes = ()

        await self.edit(key, close, self._services.face.telegram_for(key))

    # -- what the engine tells itself --------------------------------------------------------------

    async def _give(self, key: Key, event: Any, to: Recipient) -> Outcome:
        """Take an event that came of the engine's own work to its conversation."""
        return await self.process(key, Envelope(event, None, to, self._services.face.telegram_for(key)))

    async def _apply(self, key: Key, event: Done | Failed, job: str) -> Outcome:
        """Give a job its outcome, if it still stands; else that is a `"duplicate"`."""
        return await self._give(key, event, Recipient(job=job))

    async def _deliver_event(self, sender: Key, mail: ScheduledEvent) -> None:
        """Give a scheduled event to its conversation; what its handler raises is reported, not repeated.

        The sender's outbox goes on once it is handled; what is said to it in the same chat, or to the same
        person, goes before, so that people there read things in their order.
        """
        key, event = Key.parse(mail.key), None
        beside = self._services.face.concurrent and key.chat != sender.chat and key.user != sender.user
        try:
            event = self._services.events.decode(mail.event, mail.body)
            to = Recipient(only=mail.flow, expect=mail.expect)
            event_id = mail.known or event_id_of(("mail", mail.id))
            telegram = self._services.face.telegram_for(key)
            await self.process(key, Envelope(event, event_id, to, telegram, cause=mail, beside=beside))
        except Exception as error:
            await self._services.report(key, event, error)

    async def _refused(self, key: Key, effect: Effect, error: Exception) -> None:
        """Tell a conversation that one of its effects could not be carried out."""
        event = DeliveryFailed(effect, f"{type(error).__name__}: {error}")
        try:
            if isinstance(error, Unreachable) and not isinstance(effect, Answer):
                await self._end_there([key], effect.to.chat)  # it may be the key of another chat
                await self._end_keyed(effect.to.chat, key.business)
                bound = None if isinstance(effect, Delete) else effect.bound
                if bound is None or not await self.transactions.has_run(key, bound.flow, bound.run):
                    return
            within = effect.bound.flow if isinstance(effect, Send | Edit) and effect.bound.flow else None
            await self._give(key, event, Recipient(within=within))
        except Exception as failure:
            await self._services.report(key, event, failure)

    async def _ephemeral_sent(self, key: Key, receipts: Sequence[Receipt]) -> None:
        """Delete ephemeral messages whose state was left while they were on their way."""
        try:
            row = await self.transactions.peek(key)
            if any(follow(row, sent.flow, sent.run, sent.entry, [sent.message]) is row for sent in receipts):
                await self.due.process_due(key)
        except Exception as error:  # they go with the next commit
            _log.info("%s: ephemeral messages are left for later: %r", key, error)


def _may_begin(flows: FlowSet, envelope: Envelope) -> bool:
    """Return whether somebody may want an event while no conversation runs; no, for most of a group's talk.

    A press may be one of a conversation that is over, whose text it is answered with.
    """
    event, entries = envelope.event, envelope.to.entries
    if not isinstance(event, ChatEvent) or event.pressed is not None:
        return True
    if envelope.handlers and entries != ():
        for table in flows.entries if entries is None else entries:
            kinds = table.entry_kinds
            if kinds is None or event.kind in kinds or (event.group is not None and "album" in kinds):
                return True
    return False


def _awaited(turn: Turn, to: Recipient) -> Recipient | Outcome:
    """Return for whom an event is that is awaited in one state, or is a job's outcome; what became of it if
    that is over.
    """
    if to.expect is not None:
        frame = frame_of(turn.row, to.only or "")
        return to if frame is not None and frame.state == to.expect else Outcome("passed")
    place = find_job(turn.row, to.job or "")
    if place is None:  # its state was left
        return Outcome("duplicate")
    turn.row, turn.changed = job_over(turn.row, to.job or ""), True
    return Recipient(within=place[0], depth=place[1])
