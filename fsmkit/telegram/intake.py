"""The intake: what a Telegram update becomes, from PTB's object to the answer that Telegram waits for.

There is one way from an update into the engine, and it is here. `FlowHandler` walks it for PTB's application,
`FastLane` for a receiver, and `fsmkit.testing.harness.EngineDriver` for generated conversations: a step that
is left out, or goes wrong, goes wrong for all, so that a test of a flow is a test of this module too.

Theory of operation
-------------------

An update is *read* (`Intake.read`), which is synchronous, without I/O and cheap, since PTB asks every handler
of every group whether it wants an update; and then *taken* (`Intake.take`), where the engine runs and
Telegram is answered. What was found out in the first step is handed to the second as a `Checked`.

Reading:

1. **Event.** `read_update` makes a `TelegramEvent` of the update: its kind, text, value, and where it belongs
   (chat, user, topic, business connection). On the fast lane `read_event` makes it of the update's bytes,
   before its turn has come; all that follows (`Intake.check`) is the same. Updates that no person could have
   a conversation through have none, and are nobody's.
2. **Moves.** A service message that says that a group has become a supergroup is remembered before anything
   else is asked: from here on updates of both chats wait until the rows have moved. An update that still
   names the old chat (a press under an old message) is put into the new one, since its key depends on it.
3. **Keys.** Each key rule of the flows gives the event a key, or none (an anonymous admin has no account).
   Rules that give the same key share a row, and the key is then asked once, with the entries of all these
   rules' flows. Without a key the update is passed on untouched: never is a shared key invented.
4. **Albums.** A message of a media group is marked as a part of it, but only if some handler asks for
   albums; the engine then stores it until the group is whole, and calls `Intake.album` to make one event of
   the stored updates.
5. **Press.** Callback data are decoded and their tag is checked. If they are one of our buttons, the event
   becomes a `button` with what that was bound to (flow, run, state entry); else it stays a `raw_button`,
   which a flow may ask for too. With several keys only the key of the button's own flow is kept: another row
   knows nothing of that flow, and would refuse the button as stale. A button with another owner is not given
   to the engine at all.

Taking:

6. **Moves, again.** If the chat is about to move, the update waits for that here, where waiting is allowed.
   A press under a message that Telegram shows nothing of any more (its chat and number only) has neither
   topic nor connection: it goes to the key in that chat which has the run that its button names.
7. **The turn.** `Engine.receive` waits for its turn, runs the handler and commits. What Telegram waits for is
   answered from its `committed` callback: after the commit, so that nobody is told of a step that did not
   happen, and before messages are delivered, because deliveries may have to wait (429), and an answer to a
   press is refused after 15 seconds or so, one to a payment after 10.
8. **The answer.** A press is answered once: by what the handler said with `ctx.answer`, else silently, so
   that the button stops spinning. A handler may instead have answered it itself, through PTB's
   `update.callback_query.answer()`: an `AnswerSpy`, the query's bot meanwhile, notices that. A payment
   question is approved or declined by the handler's verdict, and declined where there is none.
9. **In time.** Time runs from the moment at which the update is known, which with a `KeyedProcessor` is
   before its turn comes (`Intake.watch`): two seconds for a press, eight for a payment. One `AnswerTimer`
   waits for all presses that are in hand, one for all payments. What it has answered is not answered again,
   and a payment that it declined is not shown to any handler any more (`void`): the person was told no. When
   a handler raises or is cancelled, the answer is given on the way out, then the exception goes on.
10. **Channels.** A press under a channel's post enters only flows that are the chat's: another one would talk
    to a person in front of all. What would have entered such a flow is answered with its text `in_channel`.
11. **Gone.** If the update says that the bot was blocked or removed, conversations that talk in that chat are
    ended, after its own handlers have had it; so are those of a business connection that was revoked.

What follows is the caller's. `FlowHandler` turns the outcome into PTB's contract (stop, or let other handlers
have it) and errors into calls of error handlers. An update that neither the flows nor any other handler of
the bot wants comes back to `Intake.answer_unclaimed`: a press is answered as stale if it looks like one of
ours, silently otherwise; a payment is declined.

Two things would go wrong in another order. If a press were decoded before its key is known, a button under an
inline message, which has no chat, would be taken for one of the private chat. And if the answer waited for
deliveries, one chat that Telegram has told to slow down would leave all its buttons spinning.
"""

import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import Any, TypeAlias

from msgspec import Struct
from telegram import CallbackQuery, Update
from telegram.ext import Application

from fsmkit.engine.engine import Engine
from fsmkit.engine.envelope import Outcome
from fsmkit.errors import LeaseLost, StoreUnavailable, origin_of
from fsmkit.flow.context import PAYMENT_KINDS
from fsmkit.flow.events import MESSAGE_KINDS, Pressed
from fsmkit.flow.flow import Flow
from fsmkit.flow.messages import Answer
from fsmkit.interpreter.compiled import CompiledFlow, FlowSet
from fsmkit.keys import Key, KeyBy, event_id_of
from fsmkit.telegram.answers import AnswerTimer, AwaitedAnswer, Payments, Query, over
from fsmkit.telegram.buttons import ButtonCodec, Foreign, looks_ours
from fsmkit.telegram.chat_migration import ChatMigrations, move_event
from fsmkit.telegram.delivery import Delivery
from fsmkit.telegram.event import TelegramEvent, album_of, as_press, read_update

ANSWER_AFTER = 2.0
"""Seconds after which a press is answered although its handler has not."""

QUERY_KINDS: frozenset[str | None] = frozenset({"raw_button", *PAYMENT_KINDS})
"""What Telegram waits for an answer to, beside fsmkit's own buttons, and the flows may have to give."""

AnyApplication: TypeAlias = Application[Any, Any, Any, Any, Any, Any]

Keys: TypeAlias = Sequence[tuple[Key, Sequence[CompiledFlow]]]


class Checked(Struct, eq=False):
    """What reading an update has found out.

    Attributes:
        event: The event.
        keys: Whose conversations it may belong to, in flow order, each with the flows that it may enter.
        foreign: The flow of a pressed button that only somebody else may press.
        barred: Flows that it may not enter where it was pressed: under a channel's post.
        only: Name of the only flow that it is for.
    """

    event: TelegramEvent
    keys: Keys
    foreign: str | None = None
    barred: Sequence[CompiledFlow] = ()
    only: str | None = None


class Intake:
    """The way from an update into an engine, and of the answer back to Telegram.

    Args:
        application: PTB's application; its bot and its contexts are the handlers'.
        engine: Runs the flows.
        delivery: Answers presses.
        buttons: Reads callback data.
        timed: Whether presses and payments are answered when their time is up; not where the clock only
            moves between two updates, so that nothing ever is late.
    """

    def __init__(
        self,
        application: AnyApplication,
        engine: Engine,
        delivery: Delivery,
        buttons: ButtonCodec,
        *,
        timed: bool = True,
    ) -> None:
        self._application = application
        self._engine = engine
        self.delivery = delivery
        self._buttons = buttons
        self._timed = timed
        self._username: str | None = None
        self._face = engine.face
        self.forget()
        self._rules = [(rule, engine.flows.entries_of(rule)) for rule in engine.flows.key_rules()]
        kinds = _wanted(engine.flows)
        self._albums = "album" in kinds
        self._wanted_queries = QUERY_KINDS if None in kinds else QUERY_KINDS & kinds
        self._face.album_of = self.album
        self._face.telegram_for = self.context_for
        self._face.stopped = self._stop

    def forget(self) -> None:
        """Forget what was answered, who has to wait, and which groups have moved, as a new process would."""
        self._presses = AnswerTimer(
            self._engine.clock, ANSWER_AFTER if self._timed else None, self.delivery.answer
        )
        self._migrations = ChatMigrations(self._engine)
        self._payments = Payments(self._engine, timed=self._timed)
        self.delivery.forget()
        self.delivery.migrated = self._migrations.learn

    async def _stop(self) -> None:
        """End the tasks that answer in time."""
        await self._presses.stop()
        await self._payments.timer.stop()

    @property
    def username(self) -> str | None:
        """The bot's user name, as soon as the bot knows it."""
        if self._username is None:
            try:
                self._username = self._application.bot.username
            except RuntimeError:  # not initialized yet
                return None
        return self._username

    def context_for(self, key: Key) -> Any:
        """Return PTB's context for a conversation, where no update is at hand."""
        chat, user = (part if isinstance(part, int) else None for part in (key.chat, key.user))
        application = self._application
        return application.context_types.context(application=application, chat_id=chat, user_id=user)

    # -- reading -----------------------------------------------------------------------------------

    def read(self, update: Update) -> Checked | None:
        """Return the event of an update and its keys; `None` if it is no conversation's."""
        event = read_update(update, self._username or self.username)
        if event is None:
            return None
        if self._albums and event.message is not None and event.kind in MESSAGE_KINDS:
            event.group = event.message.media_group_id
        return self.check(event)

    def check(self, event: TelegramEvent) -> Checked | None:
        """Return an event with its keys; `None` if it is no conversation's."""
        moving = event.kind == "service" and self._migrations.announced(event)
        if self._migrations.known:
            self._migrations.forward(event)
        keys = self._keys(event)
        if not keys and not moving and not event.is_end:
            return None
        if event.kind == "raw_button":
            try:
                pressed = self.recognise(event)
            except Foreign as error:
                return Checked(event, keys, error.flow)
            if pressed is not None:
                as_press(event, pressed)
                if len(keys) > 1:  # another row knows nothing of this flow, and would find it stale
                    key = self.key_of(event, self._engine.flows.tables[pressed.flow].flow.key)
                    keys = [(found, tables) for found, tables in keys if found == key]
        return Checked(event, keys)

    def recognise(self, event: TelegramEvent) -> Pressed | None:
        """Return what a pressed button was bound to; `None` if it is none of fsmkit's.

        Raises:
            Foreign: If only somebody else may press it.
        """
        return self._buttons.decode(event.value, event.user_id)

    def album(self, key: Key, body: bytes) -> tuple[TelegramEvent, Sequence[CompiledFlow]]:
        """Return an album as an event, from its stored updates, with the flows that it may enter."""
        updates = [Update.de_json(update, self._application.bot) for update in json.loads(body)]
        parts = [read_update(update, self.username) for update in updates]
        event = album_of([part for part in parts if part is not None])
        if all(found != key for found, _ in self._keys(event)) and isinstance(key.chat, int):
            move_event(event, key.chat)  # its group has become a supergroup since
        return event, next((tables for found, tables in self._keys(event) if found == key), ())

    def _keys(self, event: TelegramEvent) -> Keys:
        """Return the keys of an event in flow order; rules that give the same key share its row."""
        if len(self._rules) == 1:  # the ordinary case
            rule, entries = self._rules[0]
            key = self.key_of(event, rule)
            return () if key is None else ((key, entries[event.kind]),)
        found: dict[Key, list[CompiledFlow]] = {}
        for rule, entries in self._rules:
            key = self.key_of(event, rule)
            if key is not None:
                found.setdefault(key, []).extend(entries[event.kind])
        return list(found.items())

    def key_of(self, event: TelegramEvent, rule: KeyBy) -> Key | None:
        """Return whose conversation an event belongs to by a rule, `None` for nobody's."""
        message: int | str | None = None
        if event.press_query is not None:
            if event.chat_id is None and not rule.by_message:
                return None  # under an inline message: that is no private conversation
            message = event.inline or event.message_id
        elif event.kind == "chosen_inline_result":
            message = event.query.inline_message_id
        return rule.key(
            chat=event.chat_id,
            user=event.user_id,
            thread=event.thread_id,
            business=event.business_id,
            bot=self._face.bot,
            message=message,
        )

    # -- taking ------------------------------------------------------------------------------------

    def take(self, checked: Checked, context: Any) -> Awaitable[Outcome]:
        """Give what was read to the engine, and answer what Telegram waits for.

        Args:
            checked: What `read` has returned.
            context: PTB's context of the update.

        Returns:
            What became of it. It raises what a handler raised; Telegram was answered all the same.
        """
        event = checked.event
        if event.query is None and event.knows != "chat" and not self._migrations.pending:
            query = event.press_query
            if query is None:  # a message, which nobody waits for an answer to
                return self._receive(checked, context)
            return self._press(checked, query, context)
        return self._with_detours(checked, context)

    def _receive(
        self,
        checked: Checked,
        context: Any,
        committed: Callable[[Outcome], Awaitable[None]] | None = None,
        void: Callable[[], bool] | None = None,
    ) -> Awaitable[Outcome]:
        """Hand it to the engine."""
        number, received = checked.event.number, self._face.received
        strike = received.get(number) if received else None
        ident = f"tg:{number}"  # event_id_of(event.id), without the detour
        if checked.only is not None:  # several flows may each handle it once: no commit is the last one
            strike, ident = None, event_id_of((f"tg {checked.only}", number))
        return self._engine.receive(
            checked.event, checked.keys, ident, context, committed, void, strike, checked.only
        )

    async def _with_detours(self, checked: Checked, context: Any) -> Outcome:
        """Take what may have to wait, belong elsewhere, or end conversations."""
        event = checked.event
        if self._migrations.pending:
            await self._migrations.settled(event.chat_id)
        query = event.press_query
        if event.pressed is not None and event.pressed.run and event.knows == "chat":
            checked.keys = await self._keys_of_run(event, event.pressed, checked.keys)
        if query is not None:
            outcome = await self._press(checked, query, context)
        elif event.kind in PAYMENT_KINDS:
            outcome = await self._payments.handle(event, partial(self._receive, checked, context))
        else:
            outcome = await self._receive(checked, context)
        if event.is_end:
            await self._end(event)
        return outcome

    async def _end(self, event: TelegramEvent) -> None:
        """End the conversations where the bot cannot write any more."""
        update = event.update
        if update.business_connection is not None:
            await self._engine.end_connection(update.business_connection.id)
        elif update.my_chat_member is not None:
            gone = update.my_chat_member.chat.id
            if gone == event.chat_id:  # else its group has moved: what talked there talks in the new one
                await self._engine.end_chat(gone)

    def is_to_be_taken_again(self, number: int, error: Exception) -> bool:
        """Return whether an update waits in the inbox for another try: no handler failed, but the store."""
        strike = (self._face.received or {}).get(number)
        origin = origin_of(error)
        raised = origin is not None and origin.handler is not None
        if strike is None or raised or not isinstance(error, LeaseLost | StoreUnavailable):
            return False
        strike.lost = error
        return True

    async def _keys_of_run(self, event: TelegramEvent, pressed: Pressed, keys: Keys) -> Keys:
        """Return the key of the run that a button under an old message belongs to, as far as it is known.

        Telegram says neither topic nor connection of such a message; the button names the run, and the chat
        has few keys that may have it.
        """
        rule = self._engine.flows.tables[pressed.flow].flow.key
        for told, tables in keys:
            found = await self._engine.find_run(told, pressed.flow, pressed.run, any_thread=rule.by_topic)
            if found is not None and found != told:
                event.business_id = None if found.business is None else str(found.business)
                if rule.by_topic and not isinstance(found.thread, str):
                    event.thread_id = found.thread
                return ((found, tables),)
        return keys

    async def _press(self, checked: Checked, query: Query, context: Any) -> Outcome:
        """Have a press handled, and answer it once: by what the handler said, else silently, in time."""
        if checked.foreign is not None:
            flow = self._engine.flows.tables[checked.foreign].flow
            text = flow.text_for("not_yours", checked.event.address.lang)
            await self.delivery.answer(query.id, text or "")
            return Outcome("handled")
        if checked.event.under_post:
            pressed = checked.event.pressed
            if pressed is not None and pressed.menu:
                flow = self._engine.flows.tables[pressed.flow].flow
                if not flow.key.by_chat:
                    await self._send_to_private(checked.event, query, flow)
                    return Outcome("handled")
            checked.barred = [t for _, tables in checked.keys for t in tables if not t.flow.key.by_chat]
            checked.keys = [(key, [t for t in tables if t.flow.key.by_chat]) for key, tables in checked.keys]
        awaited = self._presses.begin(query, query.id)
        try:  # answered before messages are delivered: they may have to wait
            outcome = await self._receive(checked, context, partial(self._answer, awaited))
            barred = _would_enter(checked) if outcome.kind == "passed" and checked.barred else None
            if barred is None:
                return outcome
            if self._presses.release(awaited):
                await self._send_to_private(checked.event, query, barred)
            return Outcome("handled")
        except BaseException:  # also when the handler was cancelled: the button must not spin for ever
            await self._answer(awaited, None)
            raise
        finally:
            if (sending := self._presses.end(query)) is not None:
                await over(sending)

    async def _answer(self, awaited: AwaitedAnswer, outcome: Outcome | None) -> None:
        """Answer a press by what its handler said last, unless it is answered."""
        if not self._presses.release(awaited):
            await over(awaited.sending)
            return
        for effect in reversed(outcome.effects) if outcome is not None else ():
            if isinstance(effect, Answer):
                await self.delivery.answer(awaited.about, effect.text, alert=effect.alert)
                return
        await self.delivery.answer(awaited.about)

    async def _send_to_private(self, event: TelegramEvent, query: Query, flow: Flow[Any]) -> None:
        """Answer a press under a channel's post that would begin a conversation in the channel."""
        said = flow.text_for("in_channel", event.address.lang) or ""
        await self.delivery.answer(query.id, said, opens=True)

    async def answer_unclaimed(self, update: Update) -> None:
        """Answer a press, or decline a payment, that neither the flows nor other handlers want."""
        query = update.callback_query
        if query is not None:
            await self.delivery.answer(query.id, self._unclaimed(query))
            return
        event = read_update(update, None)
        if event is not None and event.kind in PAYMENT_KINDS:
            await self._payments.decline(event)

    def _unclaimed(self, query: CallbackQuery) -> str:
        """Return nothing for a press that is not ours, or is ours and was passed by its flow."""
        try:
            if not looks_ours(query.data) or self._buttons.decode(query.data, query.from_user.id) is not None:
                return ""
        except Foreign:  # under an inline message
            return ""
        flows = self._engine.flows
        table = flows.tables.get(self._buttons.claimed(query.data) or "") or flows.entries[0]
        return table.flow.text_for("stale", query.from_user.language_code) or ""

    # -- answers that are due before an update's turn has come ---------------------------------------

    def watch(self, update: Update | TelegramEvent) -> None:
        """Have a press or a payment answered in time, although its turn has not come yet."""
        if isinstance(update, TelegramEvent):
            self._presses.begin(update.press_query, update.press_query.id)
            return
        query = update.callback_query
        if query is not None:
            if looks_ours(query.data) or "raw_button" in self._wanted_queries:
                self._presses.begin(query, query.id)
            return
        event = read_update(update, None)
        if event is not None and event.kind in self._wanted_queries:
            self._payments.timer.begin(event.query, event)

    def refuse(self, update: Update | TelegramEvent) -> None:
        """Answer at once what will have no turn."""
        for timer, query in self._timers_of(update):
            timer.answer(query)

    async def unwatch(self, update: Update | TelegramEvent) -> None:
        """Leave the answer to others: the update's turn is over, whether it came to the flows or not."""
        for timer, query in self._timers_of(update):
            await over(timer.end(query))

    def _timers_of(self, update: Update | TelegramEvent) -> Iterator[tuple[AnswerTimer, Query]]:
        if isinstance(update, TelegramEvent):
            yield self._presses, update.press_query
            return
        if update.callback_query is not None:
            yield self._presses, update.callback_query
        asked = update.pre_checkout_query or update.shipping_query
        if asked is not None:
            yield self._payments.timer, asked


def _would_enter(checked: Checked) -> Flow[Any] | None:
    """Return the flow that a press would have entered, had it not been under a channel's post."""
    event, pressed = checked.event, checked.event.pressed
    return next(
        (
            table.flow
            for table in checked.barred
            if (pressed is None or pressed.flow == table.name)
            and any(handler.wants(event) is not None for handler in table.by_state[None])
        ),
        None,
    )


def _wanted(flows: FlowSet) -> frozenset[str | None]:
    """Return the kinds of events that handlers name, with `None` if one may want any: a filter, …"""
    handlers = [handler for table in flows.tables.values() for handler in table.flow.handlers]
    named = (handler.matcher.kinds for handler in handlers)
    return frozenset(kind for kinds in named for kind in ((None,) if kinds is None else kinds))
