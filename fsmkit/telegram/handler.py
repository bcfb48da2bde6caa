"""`FlowHandler`: the one handler through which an application's updates come to the flows.

What PTB is told afterwards is the contract: an event that a flow consumed, or on which its handler raised,
goes to no other handler of the bot; any other goes on.
"""

import json
from collections.abc import Sequence
from functools import partial
from typing import Any

from telegram import CallbackQuery, Update
from telegram.ext import Application, ApplicationHandlerStop, BaseHandler, CallbackContext

from fsmkit.engine.engine import Engine
from fsmkit.engine.envelope import Outcome
from fsmkit.flow.context import PAYMENT_KINDS
from fsmkit.flow.events import MESSAGE_KINDS
from fsmkit.flow.messages import Answer
from fsmkit.interpreter.compiled import CompiledFlow, FlowSet
from fsmkit.keys import Key, KeyBy, event_id_of
from fsmkit.telegram.answers import AnswerTimer, Payments
from fsmkit.telegram.buttons import ButtonCodec, Foreign, looks_ours
from fsmkit.telegram.chat_migration import ChatMigrations, move_event
from fsmkit.telegram.delivery import Delivery
from fsmkit.telegram.event import TelegramEvent, album_of, as_press, read_update
from fsmkit.telegram.lifecycle import Lifecycle

ANSWER_AFTER = 2.0
"""Seconds after which a press is answered although its handler has not."""

GONE = ("kicked", "left")
"""What the bot is in a chat where it cannot write any more: blocked by the person, or removed."""

QUERY_KINDS: frozenset[str | None] = frozenset({"raw_button", *PAYMENT_KINDS})
"""What Telegram waits for an answer to, beside fsmkit's own buttons, and the flows may have to give."""

Keys = Sequence[tuple[Key, Sequence[CompiledFlow]]]


class Checked:
    """What `check_update` found out: the event, and whose conversations it may belong to."""

    __slots__ = ("event", "foreign", "keys")

    def __init__(self, event: TelegramEvent, keys: Keys, foreign: str | None) -> None:
        self.event = event
        self.keys = keys
        self.foreign = foreign


class FlowHandler(BaseHandler[Update, Any, None]):
    """Hands updates to the engine; `attach` makes one and puts it alone into a group.

    Args:
        engine: Runs the flows.
        delivery: Answers presses.
        buttons: Reads callback data.
        life: Starts the engine where nobody has.
        group: The group that the handler is alone in.
    """

    __slots__ = (
        "_albums",
        "_bot",
        "_buttons",
        "_delivery",
        "_engine",
        "_group",
        "_life",
        "_relocating",
        "_rules",
        "_wanted_queries",
        "_watched",
        "payments",
    )

    def __init__(
        self, engine: Engine, delivery: Delivery, buttons: ButtonCodec, life: Lifecycle, group: int
    ) -> None:
        super().__init__(unused, block=True)  # explicit: `Defaults(block=False)` must not reach it
        self._engine = engine
        self._delivery = delivery
        self._buttons = buttons
        self._life = life
        self._group = group
        self._relocating = ChatMigrations(engine)
        delivery.migrated = self._relocating.learn
        self.payments = Payments(engine)
        rules = engine.flows.key_rules()
        self._rules = [(rule, [t for t in engine.flows.entries if t.flow.key is rule]) for rule in rules]
        kinds = _wanted(engine.flows)
        self._albums = want_albums(engine.flows)
        self._wanted_queries = QUERY_KINDS if None in kinds else QUERY_KINDS & kinds
        self._watched: dict[str, AnswerTimer] = {}
        engine.face.album_of = self._album

    @property
    def engine(self) -> Engine:
        """What runs the flows."""
        return self._engine

    def check_update(self, update: object) -> Checked | None:
        """The event of an update that has a usable key; cheap, and without I/O."""
        if not isinstance(update, Update):
            return None
        event = read_update(update, self._life.username)
        if event is None:
            return None
        moving = event.kind == "service" and self._relocating.announced(event)
        if self._relocating.known:
            self._relocating.forward(event)
        keys = self._keys(event)
        if not keys and not moving:
            return None
        if self._albums and event.message is not None and event.kind in MESSAGE_KINDS:
            event.group = event.message.media_group_id
        foreign = None
        if event.kind == "raw_button":
            try:
                pressed = self._buttons.decode(event.value, event.user_id)
            except Foreign as error:
                foreign = error.flow
            else:
                if pressed is not None:
                    as_press(event, pressed)
                    if len(keys) > 1:  # another row knows nothing of this flow, and would find it stale
                        key = self._key(event, self._engine.flows.tables[pressed.flow].flow.key)
                        keys = [(found, tables) for found, tables in keys if found == key]
        return Checked(event, keys, foreign)

    async def handle_update(
        self,
        update: Update,
        application: Application[Any, Any, Any, Any, Any, Any],
        check_result: object,
        context: CallbackContext[Any, Any, Any, Any],
    ) -> None:
        """Handles a checked update; see the module for what it raises.

        Raises:
            ApplicationHandlerStop: If no other handler of the bot may see the update.
        """
        if not isinstance(check_result, Checked):
            raise TypeError("FlowHandler.handle_update takes what its check_update returned")
        event = check_result.event
        try:
            if not self._engine.running or len(application.handlers[self._group]) != 1:
                await self._life.ensure(application, self._group)
            if self._relocating.pending:
                await self._relocating.settled(event.chat_id)
            if update.callback_query is not None:
                outcome = await self._press(check_result, update.callback_query, context)
            elif event.kind in PAYMENT_KINDS:
                watched = self._watched.pop(event.query.id, None)
                outcome = await self.payments.handle(
                    event,
                    watched or self.payments.watch(event),
                    partial(self._engine.receive, event, check_result.keys, event_id_of(event.id), context),
                )
            else:
                event_id = f"tg:{update.update_id}"  # event_id_of(event.id), without the detour
                outcome = await self._engine.receive(event, check_result.keys, event_id, context)
            member = update.my_chat_member
            if member is not None and member.new_chat_member.status in GONE:
                await self._engine.end_chat(member.chat.id)
        except Exception as error:
            await application.process_error(update, error)
            raise ApplicationHandlerStop from error
        if outcome.kind != "passed":
            raise ApplicationHandlerStop

    def _album(self, key: Key, body: bytes) -> tuple[TelegramEvent, Sequence[CompiledFlow]]:
        """An album as an event, from its stored updates, with the flows that it may enter with its key."""
        updates = [Update.de_json(update, self._life.bot) for update in json.loads(body)]
        parts = [read_update(update, self._life.username) for update in updates]
        event = album_of([part for part in parts if part is not None])
        if all(found != key for found, _ in self._keys(event)) and isinstance(key.chat, int):
            move_event(event, key.chat)  # its group has become a supergroup since
        return event, next((tables for found, tables in self._keys(event) if found == key), ())

    def _keys(self, event: TelegramEvent) -> Keys:
        """The keys of an event in flow order; rules that give the same key share its row."""
        if len(self._rules) == 1:  # the ordinary case
            rule, tables = self._rules[0]
            key = self._key(event, rule)
            return () if key is None else ((key, tables),)
        found: dict[Key, list[CompiledFlow]] = {}
        for rule, tables in self._rules:
            key = self._key(event, rule)
            if key is not None:
                found.setdefault(key, []).extend(tables)
        return list(found.items())

    def _key(self, event: TelegramEvent, rule: KeyBy) -> Key | None:
        query = event.update.callback_query
        message: int | str | None = None
        if query is not None:
            if event.chat_id is None and not rule.by_message:
                return None  # under an inline message: that is no private conversation
            message = query.inline_message_id or event.message_id
        return rule.key(
            chat=event.chat_id,
            user=event.user_id,
            thread=event.thread_id,
            business=event.business_id,
            bot=self._engine.bot,
            message=message,
        )

    async def _press(self, checked: Checked, query: CallbackQuery, context: Any) -> Outcome:
        """Handles a press, and answers it once: by what the handler said, else silently, in time."""
        event, query_id = checked.event, query.id
        if checked.foreign is not None:
            text = self._engine.flows.tables[checked.foreign].flow.text_for("not_yours", event.address.lang)
            await self._delivery.answer(query_id, text or "")
            return Outcome("handled")
        watched = self._watched.pop(query_id, None) or self._watch_press(query)

        async def answer(outcome: Outcome | None) -> None:
            await watched.stop()
            if watched.late or watched.answered:
                return
            said = [effect for effect in outcome.effects if isinstance(effect, Answer)] if outcome else []
            last = said[-1] if said else Answer()
            await self._delivery.answer(query_id, last.text, alert=last.alert)

        try:  # answered before messages are delivered: they may have to wait
            return await self._engine.receive(event, checked.keys, event_id_of(event.id), context, answer)
        except BaseException:  # also when the handler was cancelled: the button must not spin for ever
            await answer(None)
            raise
        finally:
            await watched.end()

    # -- answers that are due before an update's turn has come ---------------------------------------

    def watch(self, update: Update) -> None:
        """Has a press or a payment answered in time, although its turn has not come yet."""
        query = update.callback_query
        if query is not None:
            ours = looks_ours(query.data) or "raw_button" in self._wanted_queries
            if ours and query.id not in self._watched:
                self._watched[query.id] = self._watch_press(query)
            return
        event = read_update(update, None)
        if event is not None and event.kind in self._wanted_queries and event.query.id not in self._watched:
            self._watched[event.query.id] = self.payments.watch(event)

    async def refuse(self, update: Update) -> None:
        """Answers at once what will have no turn."""
        watched = self._watched.get(_query_id(update))
        if watched is not None:
            await watched.answer()

    async def unwatch(self, update: Update) -> None:
        """Leaves the answer to others: the update's turn is over, whether it came to the flows or not."""
        watched = self._watched.pop(_query_id(update), None)
        if watched is not None:
            await watched.end()

    def _watch_press(self, query: CallbackQuery) -> AnswerTimer:
        return AnswerTimer(query, self._engine.clock, ANSWER_AFTER, partial(self._delivery.answer, query.id))


def _query_id(update: Update) -> str:
    query = update.callback_query or update.pre_checkout_query or update.shipping_query
    return query.id if query is not None else ""


def want_albums(flows: FlowSet) -> bool:
    """Whether some handler asks for albums: only then has anything to be looked for."""
    return "album" in _wanted(flows)


def _wanted(flows: FlowSet) -> frozenset[str | None]:
    """The kinds of events that handlers name, with `None` if one may want any: a filter, a predicate."""
    handlers = [handler for table in flows.tables.values() for handler in table.flow.handlers]
    named = (handler.matcher.kinds for handler in handlers)
    return frozenset(kind for kinds in named for kind in ((None,) if kinds is None else kinds))


async def unused(_update: Update, _context: Any) -> None:
    """PTB wants a callback; `handle_update` is overridden instead."""
