"""`Driver`: one bot, the people who talk to it, and its world: store, clock, screens.

How actions are carried out, whatever the bot is made of. The bot on PTB is in `ptb_driver`, the one without
PTB's objects in `engine_driver`.
"""

import abc
import asyncio
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import attrs
import msgspec

from fsmkit.botapi.chats import chat as chat_of
from fsmkit.botapi.chats import user as user_of
from fsmkit.botapi.errors import ApiError, Json
from fsmkit.botapi.offline import OfflineTelegram
from fsmkit.engine.due import QUIET
from fsmkit.engine.engine import Engine
from fsmkit.errors import OrphanedConversation
from fsmkit.flow.flow import Flow
from fsmkit.flow.matchers import classes_in
from fsmkit.flow.messages import Address
from fsmkit.interpreter.codec import EventCodec, class_name, decode_row
from fsmkit.interpreter.row import Row, times_of
from fsmkit.keys import Key
from fsmkit.testing.clock import ManualClock
from fsmkit.testing.harness.actions import (
    Action,
    Album,
    Begins,
    Deadline,
    Deploy,
    Duplicate,
    EditLast,
    Gesture,
    Killed,
    Meanwhile,
    Outside,
    Persona,
    Press,
    Refused,
    Restart,
    SetData,
    Stored,
    Swap,
    Together,
    Wait,
)
from fsmkit.testing.harness.background import (
    HOUSEKEEPING,
    at_rest,
    deliveries_done,
    jobs_done,
    store_as_before,
    switches,
)
from fsmkit.testing.harness.events import album_updates, gesture_of
from fsmkit.testing.harness.faults import FragileStore
from fsmkit.testing.harness.instrument import HandlerCall
from fsmkit.testing.harness.observation import Observation
from fsmkit.testing.harness.overlap import Overlap, together
from fsmkit.testing.harness.rendering import content_of
from fsmkit.testing.harness.screen import FromOutside, KilledError, Message, NotThereError, ShownButton

Flows: TypeAlias = tuple[Flow[Any], ...]

SENDING = ("sendMessage", "sendPhoto", "sendDocument", "editMessageText", "editMessageCaption")
"""Requests that `Killed` and `Refused` count."""


class Driver(abc.ABC):
    """A bot and its world.

    Args:
        clock: The bot's clock; nothing happens in time but by it.
        chat: Where people talk to the bot; `None`: each in the private chat with it.
        offline: The Telegram in which they live.
        lang: Their language code.

    Attributes:
        offline: The Telegram.
        store: Where conversations are kept.
        engine: What runs the flows, `None` for a bot without any.
        taken: Handlers that ran since the last action.
        errors: Exceptions since the last action.
        lines: What a person saw since the last action.
        overlap: In which order, if several people did something at once.
    """

    engine: Engine | None = None
    store: Any

    def __init__(
        self, clock: ManualClock, chat: int | None, offline: OfflineTelegram, lang: str = "en"
    ) -> None:
        self.clock = clock
        self.chat = chat
        self.offline = offline
        self._lang = lang
        self._known: frozenset[int] = frozenset()
        """Ids of people who have met the bot."""
        self._ids: dict[int, int] = {}
        """Ids of people that are not their usual ones."""
        self._mine: dict[int, int] = {}
        """Each person's last message, by the person's number."""
        self._more: dict[int, list[Json]] = {}
        """The further messages of a text that is too long for one, by the update of the first."""
        self._groups = 0
        """How many albums were sent."""
        self._drawn: dict[int, tuple[Json, Message]] = {}
        """Messages as they are seen, by the identity of their JSON, which never changes."""
        self._failing: tuple[int, BaseException] | None = None
        """Which of the next messages goes wrong, and how."""
        for method in SENDING:
            offline.fail(method, times=sys.maxsize, when=self._mishap)
        self.taken: list[HandlerCall] = []
        self.errors: list[BaseException] = []
        self.lines: list[str] = []
        self.holds_jobs = False
        """Whether jobs of states are under way until the next action."""
        self.overlap: Overlap | None = None
        self.refusals: list[str] = []
        """What Telegram has said of the flows' messages that it refused since the last action."""
        self.seen: dict[int, list[ShownButton]] = {}
        """All buttons that were ever shown, by chat."""
        self.versions: list[Callable[[], Flows]] = []
        """What makes the flows of later versions, for `Deploy`."""
        self._parts: list[Any] = []
        """The messages of an album that have not come yet."""
        self.outside = 0
        """How many events have come from outside."""
        self._last: Any = None

    # -- what a bot has to offer -------------------------------------------------------------------

    @abc.abstractmethod
    async def open(self) -> None:
        """Start the bot."""

    @abc.abstractmethod
    async def close(self) -> None:
        """Stop the bot; what is stored stays."""

    @abc.abstractmethod
    async def restart(self) -> None:
        """Stop the bot and start it anew on what is stored."""

    @abc.abstractmethod
    async def deploy(self, load: Callable[[], Flows]) -> None:
        """Stop the bot and start another version of its flows on what is stored.

        Args:
            load: Makes the flows; from now on for restarts too.
        """

    @abc.abstractmethod
    async def give(self, update: Any) -> None:
        """Give an update to the bot, to its end."""

    # -- people ------------------------------------------------------------------------------------

    def prepare(self, action: Action) -> Json:
        """Do what an action says in the world; return the update that comes of it, as Telegram sends it.

        Raises:
            NotThereError: If it cannot be done now.
        """
        try:
            update = self._done(action)
        except (LookupError, ValueError) as error:  # a text of nothing that can be seen
            raise NotThereError(str(error)) from error
        _, *more = self.offline.world.queue.take_all()
        if more:
            self._more[update["update_id"]] = more
        if "message" in update:
            self._mine[action.user] = update["message"]["message_id"]
        return update

    def _done(self, action: Action) -> Json:
        user, offline = self.who(action.user), self.offline
        if isinstance(action, Press):
            shown = self.find(action.user, action.button, stale=action.stale, nth=action.nth)
            return offline.press_data(shown.data or "", user=user, chat=self.chat, message_id=shown.message)
        if isinstance(action, EditLast):
            if action.user not in self._mine:
                raise NotThereError("nothing was said yet that could be edited")
            return offline.edit(self._mine[action.user], action.text, user=user, chat=self.chat)
        newest = 1
        if isinstance(action, Gesture):
            newest = max((bubble.message for bubble in self.bubbles(action.user) if bubble.own), default=1)
        return gesture_of(offline, action, user=user, chat=self.chat, newest=newest)

    def prepare_album(self, action: Album) -> Sequence[Json]:
        """Send an album; return the updates of its messages."""
        self._introduce(action.user)
        self._groups += 1
        group, user = str(self._groups), self.who(action.user)
        updates = album_updates(self.offline, action, user=user, chat=self.chat, group=group)
        self.offline.world.queue.take_all()
        self._mine[action.user] = updates[-1]["message"]["message_id"]
        return updates

    def last_said(self, user: int) -> int | None:
        """Return the id of a person's last message."""
        return self._mine.get(user)

    def _introduce(self, user: int) -> None:
        who = self.who(user)
        if who not in self._known:
            self._known |= {who}
            self.offline.add_user(who, first_name=f"User {user}", language_code=self._lang)
        if self.chat is not None and self.chat not in self.offline.world.chats:
            chat_of(self.offline.world, self.chat)

    def _become(self, action: Persona) -> None:
        if action.id is not None and self.who(action.user) != action.id:
            if self.who(action.user) in self._known:
                raise NotThereError("another person can only be meant before anything was done")
            self._ids[action.user] = action.id
        self._introduce(action.user)
        person = {
            "first_name": action.name,
            "username": action.username,
            "language_code": action.lang or None,
        }
        world, who = self.offline.world, self.who(action.user)
        user_of(world, who, **person)
        chat_of(world, who, first_name=action.name, username=action.username)

    def bubbles(self, user: int = 1) -> list[Message]:
        """Return the messages that are visible now, oldest first."""
        chat = self.offline.world.chats.get(self.where(user))
        return [] if chat is None else [self._bubble(message) for message in chat.messages.values()]

    def _bubble(self, message: Json) -> Message:
        known = self._drawn.get(id(message))
        if known is None or known[0] is not message:
            known = self._drawn[id(message)] = (message, _drawn(message))
        return known[1]

    # -- mishaps -----------------------------------------------------------------------------------

    def refuse(self, nth: int, wait: float | None) -> None:
        """Let Telegram refuse one of the next messages; `nth` 0: none any more."""
        if wait is None:
            error = ApiError(400, "Bad Request: by order")
        else:
            error = ApiError(429, f"Too Many Requests: retry after {int(wait)}", retry_after=int(wait))
        self._failing = (nth, error) if nth else None

    async def kill(self, action: Killed) -> None:
        """Carry an action out, be killed meanwhile, and start anew."""
        if action.at == "before":
            await self.restart()
            await self._carry_out(action.action)
            return
        store = self.store if isinstance(self.store, FragileStore) else None
        if action.at == "reply":
            self._failing = (action.nth, KilledError("before a reply"))
        elif store is not None:
            store.killed_before = action.nth
        else:
            raise NotThereError("only with the default store can a bot be killed before a store operation")
        last, self._last = self._last, None
        try:
            try:
                await self._carry_out(action.action)
                killed = store is not None and store.was_killed  # in the background: an album, a timeout
            except KilledError:
                killed = True
            if killed:
                self._forget_mishap(store)
                self.errors.clear()
                await self.restart()
                if action.again and self._parts:
                    await self._album_arrives()
                elif action.again and self._last is not None:
                    await self.arrive(self._last)
        finally:
            self._forget_mishap(store)
            self._parts.clear()
            self._last = self._last or last

    async def _album_arrives(self) -> None:
        """Give the bot what is left of an album, one message after the other, and let it be put together."""
        while self._parts:
            self._last = self._parts[0]
            await self.arrive(self._last)
            self._parts.pop(0)
        await self.wait(QUIET)

    def _forget_mishap(self, store: FragileStore | None) -> None:
        self._failing = None
        if store is not None:
            store.killed_before, store.was_killed = 0, False

    def _mishap(self, _params: Json) -> bool:
        """Count a message that is on its way; it goes wrong if it is the one that was ordered."""
        if self._failing is not None:
            left, error = self._failing
            self._failing = (left - 1, error) if left > 1 else None
            if left == 1:
                raise error
        return False

    # -- actions --------------------------------------------------------------------------------------

    async def do(self, action: Action) -> Observation:
        """Carries an action out, and all that comes of it.

        Raises:
            NotThereError: If it cannot be done now; nothing was done.
        """
        before = await self.row(action.user)
        self._forget_last()
        await self._carry_out(action)
        await self._rest()
        after = await self.row(action.user)
        if isinstance(action, Together) and self.overlap is not None:
            action = attrs.evolve(action, schedule=self.overlap.schedule)
        return Observation(
            action,
            before,
            after,
            self.engine.flows if self.engine is not None else None,
            tuple(self.lines if self.overlap is None else self.overlap.drawn()),
            tuple(self.taken),
            tuple(self.errors),
            self.overlap,
            tuple(self.refusals),
        )

    def _forget_last(self) -> None:
        self.taken, self.errors, self.lines, self.overlap, self.refusals = [], [], [], None, []

    async def _carry_out(self, action: Action) -> None:
        match action:
            case Wait():
                await self.wait(action.seconds)
            case Begins():
                await self.wait(max(0.0, action.at - self.clock.now()))
            case Persona():
                self._become(action)
            case Deadline():
                await self._until_deadline(action.offset)
            case Restart():
                await self.restart()
            case Deploy():
                if not 0 <= action.version < len(self.versions):
                    raise NotThereError("no such version of the flows was given")
                await self.deploy(self.versions[action.version])
            case Album():
                self._parts = list(self.prepare_album(action))
                await self._album_arrives()
            case Stored():
                await self._store(action)
            case SetData():
                await self._set_data(action)
            case Duplicate():
                if self._last is None:
                    raise NotThereError("no update has come yet, so that none can come again")
                await self.arrive(self._last)
            case Swap():
                first, second = self._prepare(action.first), self._prepare(action.second)
                await self.arrive(second)
                await self.arrive(first)
                self._last = first
            case Together():
                await self._together(action)
            case Meanwhile():
                await self._meanwhile(action)
            case Killed():
                await self.kill(action)
            case Refused():
                self.refuse(action.nth, action.wait)
                try:
                    await self._carry_out(action.action)
                finally:  # also where the action cannot be done: what comes next is refused nothing
                    self.refuse(0, None)
                if action.wait is not None:  # what was put off is sent then
                    await self.wait(action.wait)
                    await deliveries_done()
            case _:
                self._last = self._prepare(action)
                await self.arrive(self._last)

    async def _store(self, action: Stored) -> None:
        if self.engine is None or (await self.row(action.user)).snapshots:
            raise NotThereError("only what nobody has written to since can an older version have stored")
        address = Address(self.where(action.user), None, None, self.who(action.user), "en")
        try:
            await store_as_before(self.engine, self.key(action.user, action.flow), action, address)
        except OrphanedConversation as error:
            self.errors.append(error)

    async def _meanwhile(self, action: Meanwhile) -> None:
        """Do something while a job runs, and let the job end."""
        self.hold_jobs()
        try:
            await self._carry_out(action.action)
            await switches()
            if action.other is not None:
                await self._carry_out(action.other)
        finally:
            await self.release_jobs(fails=action.fails)

    def hold_jobs(self) -> None:
        """Let jobs of states go on until `release_jobs` only.

        Raises:
            NotThereError: If there are none.
        """
        raise NotThereError("jobs of states are held where flows are tested without an application")

    async def release_jobs(self, *, fails: bool) -> None:  # noqa: B027  # where none can be held
        """Let jobs of states come to their ends, or fail."""

    async def _set_data(self, action: SetData) -> None:
        table = None if self.engine is None else self.engine.flows.tables.get(action.flow)
        if self.engine is None or table is None:
            raise NotThereError(f"there is no flow {action.flow!r} whose data could be set")
        try:
            data = table.codec.decode(msgspec.Raw(msgspec.json.encode(action.data)))
        except ValueError as error:
            raise NotThereError(f"these are no data of flow {action.flow!r}: {error}") from error
        await self.engine.at(action.flow, self.key(action.user, action.flow)).set_data(data)

    async def _together(self, action: Together) -> None:
        self.at_once(True)
        try:
            await together(action, self._prepare, self.arrive, self._begin_overlap)
        finally:
            self.at_once(False)

    def at_once(self, begun: bool) -> None:  # noqa: B027  # a driver need not care
        """Told before and after several things are handled at the same time."""

    def _begin_overlap(self, overlap: Overlap, lines: list[str]) -> None:
        """Has what people see added to another list."""
        self.overlap, self.lines = overlap, lines

    def _prepare(self, action: Action) -> Any:
        """Return what an action makes: an update, or an event from outside with an id of its own."""
        self._introduce(action.user)
        if not isinstance(action, Outside):
            return self.prepare(action)
        if self.engine is None:
            raise NotThereError("events from outside need an engine: this bot has no flows")
        self.outside += 1
        return FromOutside(action.event, action.user, ("outside", self.outside))

    async def arrive(self, update: Any) -> None:
        """Give the bot what an action has made."""
        if not isinstance(update, FromOutside):
            for part in (update, *self._more.pop(update["update_id"], ())):
                await self.give(part)
        elif self.engine is not None:
            try:
                await self.engine.send(
                    self.key(update.user), self._of_these_flows(update.event), id=update.id
                )
            except Exception as error:
                self.errors.append(error)

    def _of_these_flows(self, event: Any) -> Any:
        """Return an event as the flows that run know its class: they may have been made anew."""
        if self.engine is None:
            return event
        kind, flows = type(event), self.engine.flows.tables.values()
        classes = classes_in(handler.matcher for table in flows for handler in table.flow.handlers)
        if kind in classes:
            return event
        named = [other for other in classes if other.__qualname__ == kind.__qualname__]
        named.sort(key=lambda other: other.__module__ != kind.__module__)  # a new version may stand elsewhere
        return EventCodec([named[0]]).decode(class_name(named[0]), _raw(event)) if named else event

    # -- time --------------------------------------------------------------------------------------

    async def wait(self, seconds: float) -> None:
        """Move the clock, stopping at each time on the way, so that all happens at its time and in order.

        Stops are what is stored (timeouts, reminders, letters, retries of jobs) and what sleeps on the clock
        (deliveries, services and jobs of a `JobRunner` on this clock). What comes of one is over, or waits
        for the clock itself, before the next stop is looked for.
        """
        end = self.clock.now() + seconds
        await asyncio.sleep(0)  # deliveries that have just been put off begin to wait
        await self._go_on()
        while (stop := await self._next_stop()) is not None and stop <= end:
            self.clock.advance(stop - self.clock.now())
            await self._go_on()
        self.clock.advance(end - self.clock.now())

    async def _go_on(self) -> None:
        await self.sweep()
        await (switches() if self.holds_jobs else at_rest(self.clock))

    async def _next_stop(self) -> float | None:
        stops = (await self.next_due(), self.clock.next_wake(without=HOUSEKEEPING))
        return min((at for at in stops if at is not None), default=None)

    async def sweep(self) -> None:
        """Fire what is due."""
        if self.engine is not None:
            await self.engine.sweep()

    async def next_due(self) -> float | None:
        """Return the next time at which a timeout, a reminder or a letter is due, `None` if there is none."""
        if self.engine is None:
            return None
        times: list[float] = []
        async for stored in self.engine.store.scan(bot=self.engine.bot):
            row = decode_row(stored.row)
            times += [at for snapshot in row.snapshots.values() for at in times_of(snapshot)]
            times += [mail.due for mail in row.later]
        return min((at for at in times if at > self.clock.now()), default=None)

    async def _until_deadline(self, offset: float) -> None:
        due = await self.next_due()
        if due is None:
            raise NotThereError("nothing is due at any time: no conversation with a ttl, no letter, is there")
        await self.wait(max(0.0, due + offset - self.clock.now()))

    async def _rest(self) -> None:
        """Wait for jobs of states, whose outcome is an event; not for ever."""
        await jobs_done()

    # -- where things stand ------------------------------------------------------------------------

    def who(self, user: int) -> int:
        """Return the id of a person."""
        return user

    def where(self, user: int) -> int:
        """Return the chat in which a person talks to the bot."""
        return self.who(user) if self.chat is None else self.chat

    def key(self, user: int, flow: str | None = None) -> Key:
        """Whose conversation it is, by a flow's key rule (of the first flow by default)."""
        if self.engine is None:
            raise NotThereError("this bot has no flows, so that nothing is stored for anybody")
        tables = self.engine.flows.tables
        table = tables[flow] if flow is not None else next(iter(tables.values()))
        chat, who = self.where(user), self.who(user)
        key = table.flow.key.key(chat=chat, user=who, bot=self.engine.bot)
        if key is None:
            raise NotThereError(f"flow {table.name!r} has no conversation with user {who} in chat {chat}")
        return key

    def keys(self, user: int) -> list[Key]:
        """Return the keys that a person has, by all flows' key rules."""
        if self.engine is None:
            return []
        first = {table.flow.key: name for name, table in reversed(self.engine.flows.tables.items())}
        named = [name for rule, name in reversed(first.items()) if not rule.by_message]
        return list(dict.fromkeys(self.key(user, name) for name in named))

    async def _keys_by_message(self, user: int) -> list[Key]:
        """Return the keys of conversations that hang on a message of the person's chat."""
        if self.engine is None or not any(rule.by_message for rule in self.engine.flows.key_rules()):
            return []
        rows = self.engine.store.scan(bot=self.engine.bot)
        return [
            stored.key
            async for stored in rows
            if str(stored.key.thread).startswith("m")
            and stored.key.chat == self.where(user)
            and stored.key.user in (self.who(user), self.where(user))
        ]

    async def row(self, user: int) -> Row:
        """All that is stored for a person; several rows (flows of different key rules) laid together."""
        if self.engine is None:
            return Row()
        rows: list[Row] = []
        for key in [*self.keys(user), *await self._keys_by_message(user)]:
            blob = await self.engine.store.peek(key)
            if blob is not None:
                rows.append(decode_row(blob))
        if len(rows) == 1:
            return rows[0]
        return Row(snapshots={name: snap for row in reversed(rows) for name, snap in row.snapshots.items()})

    def find(self, user: int, button: str, *, stale: bool = False, nth: int = 0) -> ShownButton:
        """Return a button that can be pressed.

        Raises:
            NotThereError: If there is none; says which there are.
        """
        fresh = [shown for shown in self.pressable(user) if shown.text == button]
        if not stale:
            if nth < len(fresh):
                return fresh[nth]
            texts = [shown.text for shown in self.pressable(user)]
            raise NotThereError(f"no button {button!r} is on the screen; there is {_listed(texts)}")
        old = [shown for shown in self.stale(user) if shown.text == button]
        if nth < len(old):
            return old[nth]
        raise NotThereError(f"no old button {button!r} was ever shown; there was {_listed(self.stale(user))}")

    def pressable(self, user: int) -> list[ShownButton]:
        """Return the buttons on the screen, those of the newest message first."""
        return [
            shown
            for bubble in reversed(self.bubbles(user))
            for row in bubble.buttons
            for shown in row
            if shown.data is not None
        ]

    def stale(self, user: int) -> list[ShownButton]:
        """Buttons of earlier, newest first: all that were ever shown, but for those of the last message."""
        own = [bubble for bubble in self.bubbles(user) if bubble.own]
        fresh = {shown for row in own[-1].buttons for shown in row} if own else set[ShownButton]()
        seen = self.seen.get(self.where(user), [])
        return [shown for shown in reversed(seen) if shown not in fresh]

    def note_buttons(self, chat: int, buttons: Sequence[ShownButton]) -> None:
        """Remembers buttons that were shown, for old ones stay pressable."""
        known = self.seen.setdefault(chat, [])
        known.extend(shown for shown in buttons if shown.data is not None and shown not in known)


def _drawn(message: Json) -> Message:
    number = message["message_id"]
    rows = message.get("reply_markup", {}).get("inline_keyboard", [])
    buttons = tuple(
        tuple(ShownButton(number, button["text"], button.get("callback_data")) for button in row)
        for row in rows
    )
    return Message(number, content_of(message), buttons, bool(message.get("from", {}).get("is_bot")))


def _listed(items: Sequence[Any]) -> str:
    texts = dict.fromkeys(f"[{getattr(item, 'text', item)}]" for item in items)
    return " ".join(texts) or "none"


def _raw(event: Any) -> Any:
    """Return an event as it is stored."""
    return EventCodec([type(event)]).encode(event)[1]
