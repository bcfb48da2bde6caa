"""The driver without PTB: the engine alone, events made directly, messages kept as data.

Some fifty times as fast as the one on PTB, and it can be put back to an earlier observation, which is what
the search for conversations lives on. `event.update` and `ctx.bot` are made where somebody asks for them.
"""

import asyncio
import copy
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from math import inf
from types import FunctionType
from typing import Any

import attrs

from fsmkit.engine.engine import Engine
from fsmkit.engine.envelope import Outcome
from fsmkit.errors import RetryLater
from fsmkit.flow.context import PAYMENT_KINDS
from fsmkit.flow.flow import Flow
from fsmkit.flow.handlers import Handler
from fsmkit.flow.messages import MEDIA, Address, Answer, Button, Keyboard, Reply, Verdict
from fsmkit.interpreter.row import Bound, Delete, Edit, Effect, Send
from fsmkit.keys import Key, KeyBy, event_id_of
from fsmkit.stores.protocol import Store
from fsmkit.telegram.answers import Committed
from fsmkit.telegram.buttons import ButtonCodec, Foreign
from fsmkit.telegram.event import TelegramEvent, as_press
from fsmkit.telegram.handler import want_albums
from fsmkit.testing.coverage import Guard
from fsmkit.testing.harness import actions as actions
from fsmkit.testing.harness.actions import Action, Killed, Together
from fsmkit.testing.harness.background import cancel_tasks
from fsmkit.testing.harness.driver import Driver
from fsmkit.testing.harness.events import MadeEvent, album_from, made_gesture
from fsmkit.testing.harness.faults import FragileStore, RewindableClock
from fsmkit.testing.harness.instrument import watch
from fsmkit.testing.harness.observation import Observation
from fsmkit.testing.harness.overlap import in_order
from fsmkit.testing.harness.ptb_context import BotSide
from fsmkit.testing.harness.rendering import verdict
from fsmkit.testing.harness.repeatable import apart, repeatable
from fsmkit.testing.harness.screen import KilledError, Message, NotThereError, ShownButton
from fsmkit.testing.loading import uses_bot


@attrs.define
class Screens:
    """The messages of all chats.

    Attributes:
        chats: By chat the visible messages by id.
        last: Id of the newest message.
    """

    chats: dict[int, dict[int, Message]] = attrs.field(factory=dict[int, dict[int, Message]])
    last: int = 0

    def copy(self) -> "Screens":
        """The same as it stands now."""
        return Screens({chat: dict(screen) for chat, screen in self.chats.items()}, self.last)

    def of(self, chat: int) -> list[Message]:
        """The visible messages of a chat, oldest first."""
        return [bubble for _, bubble in sorted(self.chats.get(chat, {}).items())]

    def write(self, chat: int, text: str) -> int:
        """A person writes; the id of the message."""
        self.last += 1
        self.chats.setdefault(chat, {})[self.last] = Message(self.last, text, own=False)
        return self.last

    def send(self, effect: Send, codec: ButtonCodec) -> tuple[int, list[str]]:
        """The bot writes; the id of the message, and what is seen."""
        self.last += 1
        return self.last, self._put(self.last, effect.reply, effect, codec, "")

    def edit(self, effect: Edit, codec: ButtonCodec) -> list[str]:
        """The bot changes a message, or takes its buttons away; what is seen."""
        if effect.reply is not None:
            return self._put(effect.message, effect.reply, effect, codec, "(edited) ")
        screen = self.chats.get(int(effect.to.chat), {})
        old = screen.get(effect.message)
        if old is None or not old.buttons:
            return []
        screen[effect.message] = attrs.evolve(old, buttons=())
        return [f"(buttons taken away) {old.text}"]

    def delete(self, effect: Delete) -> list[str]:
        """The bot deletes messages; what is seen."""
        screen = self.chats.get(int(effect.to.chat), {})
        gone = [screen.pop(message) for message in effect.messages if message in screen]
        return [f"(deleted) {bubble.text if bubble.own else 'your message'}" for bubble in gone]

    def _put(
        self, number: int, reply: Reply, effect: Send | Edit, codec: ButtonCodec, mark: str
    ) -> list[str]:
        screen = self.chats.setdefault(int(effect.to.chat), {})
        rows = tuple(
            tuple(_shown(number, button, codec, effect.bound) for button in row) for row in reply.buttons
        )
        media = next((f"({name}) " for name in MEDIA if getattr(reply, name)), "")
        bubble = Message(number, media + reply.text, rows)
        if screen.get(number) == bubble:
            return []  # "message is not modified"
        screen[number] = bubble
        return [mark + bubble.text, *_under(reply, rows)]


def _shown(number: int, button: Button, codec: ButtonCodec, bound: Bound) -> ShownButton:
    if button.callback_data is not None:
        return ShownButton(number, button.text, button.callback_data)
    return ShownButton(
        number, button.text, None if button.action is not None else codec.encode(button, bound)
    )


def _under(reply: Reply, rows: tuple[tuple[ShownButton, ...], ...]) -> Iterator[str]:
    """Keyboards, as lines."""
    yield from ("  " + " ".join(f"[{shown.text}]" for shown in row) for row in rows)
    keys: Any = reply.keyboard.keys if isinstance(reply.keyboard, Keyboard) else reply.keyboard
    if reply.remove_keyboard:
        yield "  (no keyboard)"
    for row in keys:
        yield "  " + " ".join(f"({getattr(key, 'text', key)})" for key in row)


BOT = 42
TOKEN = "42:OFFLINE"
START = 1_800_000_000.0
"""2027-01-15T08:00:00Z."""
PEOPLE = 1000
"""How many ids lie between the people of one conversation and those of the next."""
Flows = tuple[Flow[Any], ...]


PARTS = ("engine", "_engine", "_load", "_jobs", "_asks_bot", "_buttons", "_rules", "_albums")
"""What differs from version to version of the flows."""


class RefusedError(Exception):
    """Telegram refuses a message, by order of the test."""


@attrs.frozen
class Saved:
    """A observation to go back to."""

    rows: Any
    now: float
    screens: Screens
    seen: dict[int, list[ShownButton]]
    updates: int
    last: Any
    mine: dict[int, int]
    resources: Any
    version: int | None = None


class EngineDriver(Driver):
    """The engine on a store in memory, and people who send it events.

    Args:
        flows: The flows.
        load: Makes them anew for a restart; without it a restart keeps the flows' own modules.
        resources: What handlers find in `ctx.resources`; a class or function makes them anew for each
            conversation. They outlive restarts.
        chat: Where people talk to the bot; `None`: each in the private chat with it.
        store: Where rows are kept; by default in memory, where they can be put back to an earlier
            observation.
        change: Alters each engine before an event comes, for what looks at flows that are altered.
    """

    def __init__(
        self,
        flows: Flows,
        *,
        load: Callable[[], Flows] | None = None,
        resources: Any = None,
        chat: int | None = None,
        store: Store | None = None,
        change: Callable[[Engine], None] | None = None,
    ) -> None:
        super().__init__(RewindableClock(START), chat)
        self._change = change
        self._flows = flows
        self._load = load
        self._version: int | None = None
        """Which of the later versions runs; `None`: the first."""
        self._parked: dict[int | None, dict[str, Any]] = {}
        self._given_resources = resources
        self.has_own_resources = isinstance(resources, type | FunctionType)
        self._resources = self._made()
        self.store = FragileStore(self.clock)
        self._kept: Store = self.store if store is None else store
        self._screens = Screens()
        self._updates = 1
        self._mine: dict[int, int] = {}
        self._base = self._kill_reply = 0
        self._bot_side: BotSide | None = None
        self.guards: set[Guard] = set()
        """What each `when=` has said."""
        self._refuse: tuple[int, float | None] = (0, None)
        self._build(flows)

    def _build(self, flows: Flows) -> None:
        engine = Engine(
            *flows, store=self._kept, clock=self.clock, deliver=self._deliver, resources=self._resources
        )
        engine.bot, engine.check_invariants = BOT, True
        engine.on_error = lambda _key, _event, error: self.errors.append(error)
        engine.busy, engine.patience = (
            lambda: True,
            inf,
        )  # deadlines fire when the clock is moved, never beside it
        if self._change is not None:
            self._change(engine)
        watch(engine, lambda taken: self.taken.append(taken), self._note_guard)
        self.engine = self._engine = engine
        self._jobs = any(
            state.job for table in engine.flows.tables.values() for state in table.flow.states.values()
        )
        self._asks_bot = uses_bot(table.flow for table in engine.flows.tables.values())
        engine.telegram_for = self._context
        engine.album_of = self._album
        self._albums = want_albums(engine.flows)
        self._buttons = ButtonCodec(TOKEN, engine.flows.tables)
        self._rules = [
            (rule, [table for table in engine.flows.entries if table.flow.key is rule])
            for rule in engine.flows.key_rules()
        ]

    def _note_guard(self, flow: str, handler: Handler, answer: bool) -> None:
        self.guards.add((flow, handler.place, "when", answer))

    @property
    def running(self) -> Engine:
        """The engine that runs."""
        return self._engine

    @property
    def forgets(self) -> bool:
        """Whether what stood in the flows' modules is gone after a restart."""
        return self._load is not None

    # -- its life ----------------------------------------------------------------------------------

    @property
    def stands_in_store(self) -> bool:
        """Whether all that may matter later is put back by `restore`."""
        return self._load is None and self._given_resources is None and not self._asks_bot

    async def open(self) -> None:
        """Nothing: there is no connection, and no sweeper is needed."""

    async def close(self) -> None:
        """Ends what is under way."""
        await cancel_tasks()

    async def restart(self) -> None:
        """A new engine, on newly made flows where that is possible, and the same store."""
        await cancel_tasks()  # it is as good as a kill: nothing is waited for
        self.store.restore(self.store.snapshot())
        if self._load is not None:
            self._build(self._load())
        await self._engine.sweep()

    async def deploy(self, load: Callable[[], Flows]) -> None:
        """A new engine with another version of the flows, on the same store."""
        await cancel_tasks()
        self.store.restore(self.store.snapshot())
        self._switch(self.versions.index(load))
        await self._engine.sweep()

    def _switch(self, version: int | None) -> None:
        """Lets a version of the flows run, the first again with `None`; each is built once."""
        self._parked[self._version] = {name: getattr(self, name) for name in PARTS}
        self._version = version
        if version in self._parked:
            vars(self).update(self._parked[version])
        elif version is not None:
            self._load = self.versions[version]
            self._build(self._load())

    def renew(self) -> None:
        """Makes the flows anew, if that is possible: nothing is remembered from earlier conversations."""
        if self._version is not None:
            self._switch(None)
        self._parked.clear()
        if self._load is not None:
            self._build(self._load())

    def reset(self) -> None:
        """Begins a conversation between other people, in an empty store."""
        self._base += PEOPLE
        self._begin()

    def _begin(self) -> None:
        self.restore(Saved({}, START, Screens(), {}, 1, None, {}, self._made()))

    def twin(self) -> "EngineDriver":
        """Another bot of the same kind, at the beginning of a conversation between the same people."""
        other = EngineDriver(
            self._flows if self._load is None else self._load(),
            load=self._load,
            resources=self._given_resources,
            chat=self.chat,
            change=self._change,
        )
        other._base = self._base
        other._begin()
        return other

    def take_place(self, user: int, chat: int | None, now: float) -> None:
        """Begins with a certain person, as user 1, at a certain time, in an empty store.

        Args:
            user: The person's id.
            chat: The group; `None`: the private chat.
            now: The time, in seconds since 1970, UTC.
        """
        self.restore(Saved({}, now, Screens(), {}, 1, None, {}, self._made(), self._version))
        self._base, self.chat = user - 1, chat

    def show_buttons(self, bound: Bound, buttons: Sequence[Button]) -> None:
        """Puts a message with buttons on the screen, as the bot would have sent it earlier."""
        effect = Send(
            Reply("(earlier)", buttons=[[button] for button in buttons]), Address(self.where(1)), bound
        )
        number, _ = self._screens.send(effect, self._buttons)
        rows = self._screens.chats[self.where(1)][number].buttons
        self.note_buttons(self.where(1), [shown for row in rows for shown in row])

    def value_of(self, shown: ShownButton) -> str | None:
        """The value of one of fsmkit's buttons that are on the screen, as far as it stands in it."""
        try:
            pressed = self._buttons.decode(shown.data, self.who(1))
        except Foreign:
            return None
        return pressed.value if pressed is not None else shown.data

    def save(self) -> Saved:
        """This observation, to go back to."""
        seen = {chat: list(known) for chat, known in self.seen.items()}
        return Saved(
            self.store.snapshot(),
            self.clock.now(),
            self._screens.copy(),
            seen,
            self._updates,
            self._last,
            dict(self._mine),
            self._copied(self._resources),
            self._version,
        )

    def _made(self) -> Any:
        """Resources of a conversation."""
        return self._given_resources() if self.has_own_resources else self._given_resources

    def _copied(self, resources: Any) -> Any:
        """Resources as they stand, if they are the conversation's own and can be copied."""
        if not self.has_own_resources:
            return resources
        try:
            return copy.deepcopy(resources)
        except TypeError:  # a lock that somebody has waited for, a connection
            return resources

    def resources_as_value(self) -> Any:
        """A copy of the resources, if they are the conversation's own and can be compared; else `None`."""
        kind: Any = type(self._resources)
        return (
            self._copied(self._resources)
            if self.has_own_resources and kind.__eq__ is not object.__eq__
            else None
        )

    def restore(self, saved: Saved) -> None:
        """Goes back to a observation; what stands in the memory of the flows' modules stays as it is."""
        if saved.version != self._version:
            self._switch(saved.version)
        self.store.killed_before = self._kill_reply = 0
        self._refuse = (0, None)
        if isinstance(self.clock, RewindableClock):
            self.clock.rewind(saved.now)
        self.store.restore(saved.rows)
        self._screens = saved.screens.copy()
        self.seen = {chat: list(known) for chat, known in saved.seen.items()}
        self._updates = saved.updates
        self._last = saved.last
        self._mine = dict(saved.mine)
        self._engine.resources = self._resources = self._copied(saved.resources)

    def _context(self, key: Key) -> Any:
        """PTB's context, where some handler asks for it."""
        if self._bot_side is None:
            return None
        chat, user = (part if isinstance(part, int) else None for part in (key.chat, key.user))
        return self._bot_side.context(chat, user)

    async def do(self, action: Action) -> Observation:
        """Carries an action out; see `Driver.do`."""
        await self._have_bot_side()
        with repeatable(self.clock.now):
            return await super().do(action)

    async def arrive(self, update: Any) -> None:
        """Give the bot what an action has made; see `Driver.arrive`."""
        await apart(super().arrive(update), f"{update.id}")

    async def sweep(self) -> None:
        """Fire what is due; see `Driver.sweep`."""
        await apart(super().sweep(), f"{self.clock.now()}")

    async def _have_bot_side(self) -> None:
        """Makes PTB's objects before they are asked for."""
        if self._asks_bot and self._bot_side is None:
            self._bot_side = BotSide(self.clock, lambda line: self.lines.append(line))
            await self._bot_side.start()

    async def do_in_order(self, action: Together, order: Sequence[int], rests: Sequence[bool]) -> None:
        """Carries out what happens at once one after the other; see `fsmkit.testing.explore`."""
        await self._have_bot_side()
        self.taken, self.errors = [], []
        with repeatable(self.clock.now):
            await in_order(action, order, rests, self._prepare, self.arrive, self._begin_overlap)
            await self._rest()

    def said(self, user: int) -> list[str]:
        """The messages that the bot has sent to a person past the engine, by `ctx.bot`."""
        return [] if self._bot_side is None else self._bot_side.texts(self.where(user))

    # -- people ------------------------------------------------------------------------------------

    def who(self, user: int) -> int:
        """The id of a person: other people in each conversation, since a bot may remember them."""
        return self._base + user

    def prepare(self, action: Action) -> Any:
        """The event of an action."""
        user, chat = self.who(action.user), self.where(action.user)
        kind, text, caption, fields, value = "text", None, None, None, None
        message = self._screens.last + 1
        if isinstance(action, actions.Say):
            text = action.text
            if not text.strip():
                raise NotThereError("Telegram sends no text of blanks only")
        elif isinstance(action, actions.Press):
            shown = self.find(action.user, action.button, stale=action.stale, nth=action.nth)
            kind, value, message = "raw_button", shown.data, shown.message
        elif isinstance(action, actions.PressData):
            kind, value, message = "raw_button", action.data, self._screens.last
        elif isinstance(action, actions.Content):
            kind, caption, fields = action.kind, action.caption, action.fields
        elif isinstance(action, actions.EditLast):
            kind, text = "edited", action.text
            if user not in self._mine:
                raise NotThereError("nothing was said yet that could be edited")
            message = self._mine[user]
        elif isinstance(action, actions.Gesture):
            return self._gesture(action)
        else:
            raise NotThereError(f"{action!r} makes no update")
        event = MadeEvent(
            kind,
            self._updates,
            self.clock.now(),
            chat,
            user,
            message,
            text=text,
            caption=caption,
            fields=fields,
        )
        if kind == "raw_button":
            event.value = value
        event.bot = self._bot_side.bot if self._bot_side is not None else None
        self._updates += 1
        if kind not in ("raw_button", "edited"):
            self._mine[user] = self._screens.write(chat, text or f"({kind})")
        return event

    def _gesture(self, action: actions.Gesture) -> TelegramEvent:
        self._updates += 1
        return made_gesture(
            action.kind,
            action.what,
            action.fields,
            self._updates - 1,
            self.clock.now(),
            chat=self.chat,
            user=self.who(action.user),
            message=self._screens.last,
            bot=self._bot_side.bot if self._bot_side is not None else None,
        )

    def prepare_album(self, action: actions.Album) -> Sequence[MadeEvent]:
        """The events of an album's messages."""
        parts: list[MadeEvent] = []
        for number, kind in enumerate(action.kinds):
            part = self.prepare(actions.Content(kind, None if number else action.caption, user=action.user))
            part.join(f"album {parts[0].id[1] if parts else part.id[1]}", gathered=self._albums)
            parts.append(part)
        return parts

    def _album(self, key: Key, body: bytes) -> tuple[TelegramEvent, Sequence[Any]]:
        """An album as an event, as `FlowHandler` makes it."""
        event = album_from(body, self._bot_side.bot if self._bot_side is not None else None)
        return event, next((tables for found, tables in self._keys(event) if found == key), ())

    async def give(self, update: Any) -> None:
        """Gives an event to the engine, as `FlowHandler` does with an update."""
        event = copy.copy(update)
        keys = self._keys(event)
        if event.kind == "raw_button":
            try:
                pressed = self._buttons.decode(event.value, event.user_id)
            except Foreign as error:
                text = self._engine.flows.tables[error.flow].flow.text_for("not_yours", event.address.lang)
                self.lines.append(f"(notice) {text}")
                return
            if pressed is not None:
                as_press(event, pressed)
                keys = [(key, tables) for key, tables in keys if self._serves(key, pressed.flow, event)]
        try:
            telegram = self._context(keys[0][0]) if keys else None
            receive = partial(self._engine.receive, event, keys, event_id_of(event.id), telegram)
            if event.kind in PAYMENT_KINDS:
                await self._payment(event, receive)
            else:
                await receive(self._answer)
        except Exception as error:
            self.errors.append(error)

    async def _answer(self, outcome: Outcome) -> None:
        """Shows the last answer to a press, which comes before messages are delivered."""
        for effect in [effect for effect in outcome.effects if isinstance(effect, Answer)][-1:]:
            notice = "alert" if effect.alert else "notice"
            self.lines.append(f"({notice}) {effect.text}" if effect.text else "(answered silently)")

    async def _payment(
        self, event: TelegramEvent, receive: Callable[[Committed], Awaitable[Outcome]]
    ) -> None:
        """Answers a query before a payment, as `fsmkit.telegram.answers` does; paid is what was approved."""
        approved: list[bool] = []

        async def answer(outcome: Outcome) -> None:
            if outcome.kind == "duplicate":
                return
            said = [effect for effect in outcome.effects if isinstance(effect, Verdict)]
            approved.append(bool(said) and said[-1].approved)
            table = self._engine.flows.tables.get(outcome.flow or "", self._engine.flows.entries[0])
            words = (said[-1].text if said else "") or table.flow.text_for("declined", event.address.lang)
            self.lines.append(verdict(approved[0], words or "-"))

        outcome = Outcome("passed")
        try:
            outcome = await receive(answer)
        finally:
            if not approved and outcome.kind != "duplicate":
                await answer(Outcome("passed"))
        if event.kind == "pre_checkout_query" and approved == [True]:
            await self.give(self._money(event))

    def _money(self, event: TelegramEvent) -> MadeEvent:
        """The message of a payment that was approved."""
        self._updates += 1
        asked = event.content
        payment = {
            "invoice_payload": asked.invoice_payload,
            "total_amount": asked.total_amount,
            "currency": asked.currency,
        }
        user = event.user_id or 0
        number = self._screens.write(user, "(successful_payment)")
        return MadeEvent(
            "successful_payment", self._updates - 1, self.clock.now(), user, user, number, fields=payment
        )

    def _keys(self, event: TelegramEvent) -> list[tuple[Key, Sequence[Any]]]:
        found: dict[Key, list[Any]] = {}
        for rule, tables in self._rules:
            key = self._key(rule, event)
            if key is not None:
                found.setdefault(key, []).extend(tables)
        return list(found.items())

    def _serves(self, key: Key, flow: str, event: TelegramEvent) -> bool:
        return self._key(self._engine.flows.tables[flow].flow.key, event) == key

    def _key(self, rule: KeyBy, event: TelegramEvent) -> Key | None:
        message = event.message_id if event.kind in ("button", "raw_button") else None
        return rule.key(chat=event.chat_id, user=event.user_id, bot=BOT, message=message)

    async def _rest(self) -> None:
        if self._jobs:
            await super()._rest()
        if self._bot_side is not None:
            self._bot_side.show()

    # -- screens -----------------------------------------------------------------------------------

    def bubbles(self, user: int = 1) -> list[Message]:
        """The messages that are visible now, oldest first."""
        return self._screens.of(self.where(user))

    def _deliver(self, _key: Key, effect: Effect) -> Any:
        return self._later(effect) if self.store.yields else self._carried_out(effect)

    async def _later(self, effect: Effect) -> int | None:
        """Delivers as a bot does that waits for Telegram meanwhile."""
        await asyncio.sleep(0)
        return self._carried_out(effect)

    def _carried_out(self, effect: Effect) -> int | None:
        if isinstance(effect, Delete):
            self.lines += self._screens.delete(effect)
            return None
        if isinstance(effect, Answer):
            return None
        self._mishap()
        receipt = None
        if isinstance(effect, Send):
            receipt, seen = self._screens.send(effect, self._buttons)
            number = receipt
        else:
            seen, number = self._screens.edit(effect, self._buttons), effect.message
        self.lines += seen
        chat = int(effect.to.chat)
        if effect.reply is not None and effect.reply.buttons:
            shown = self._screens.chats[chat][number]
            self.note_buttons(chat, [button for row in shown.buttons for button in row])
        return receipt

    # -- mishaps -----------------------------------------------------------------------------------

    def at_once(self, begun: bool) -> None:
        """Lets the store's operations take their turns while several things are handled."""
        self.store.yields = begun

    def beside(self, other: "EngineDriver") -> None:
        """Begins a conversation between the same people as on another driver."""
        self.reset()
        self._base = other._base

    def refuse(self, nth: int, wait: float | None) -> None:
        """Lets Telegram refuse one of the next messages."""
        self._refuse = (nth, wait)

    async def kill(self, action: Killed) -> None:
        """Carries an action out, is killed meanwhile, and starts anew."""
        if action.at == "before":
            await self.restart()
            await self._carry_out(action.action)
            return
        if action.at == "store":
            self.store.killed_before = action.nth
        else:
            self._kill_reply = action.nth
        last, self._last = self._last, None
        try:
            await self._carry_out(action.action)
        except KilledError:
            self.store.killed_before = self._kill_reply = 0
            self.errors.clear()
            await self.restart()
            if action.again and self._last is not None:
                await self.arrive(self._last)
        finally:
            self.store.killed_before = self._kill_reply = 0
            self._last = self._last or last

    def _mishap(self) -> None:
        if self._kill_reply:
            self._kill_reply -= 1
            if self._kill_reply == 0:
                raise KilledError("before a reply")
        nth, wait = self._refuse
        if nth:
            self._refuse = (nth - 1, wait)
            if nth == 1:
                raise RefusedError("refused by order") if wait is None else RetryLater(wait)
