"""The driver without PTB: the engine alone, events made directly, messages kept as data.

Some fifty times as fast as the one on PTB, and it can be put back to an earlier observation, which is what
the search for conversations lives on. `event.update` and `ctx.bot` are made where somebody asks for them.
"""

import asyncio
import copy
import re
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from math import inf
from types import FunctionType
from typing import Any

import attrs

from fsmkit.botapi.api import Call
from fsmkit.botapi.errors import ApiError
from fsmkit.botapi.offline import OfflineTelegram
from fsmkit.botapi.params import Params
from fsmkit.botapi.sending import send_message
from fsmkit.botapi.world import World
from fsmkit.engine.engine import Engine
from fsmkit.engine.envelope import Outcome
from fsmkit.engine.jobs import RETRY_DELAY
from fsmkit.flow.flow import Flow
from fsmkit.flow.handlers import Handler
from fsmkit.flow.messages import Answer, Button, Reply
from fsmkit.interpreter.row import Bound, Effect
from fsmkit.keys import Key
from fsmkit.stores.protocol import Store
from fsmkit.telegram.buttons import ButtonCodec, Foreign
from fsmkit.telegram.delivery import Delivery
from fsmkit.telegram.intake import Checked, Intake
from fsmkit.telegram.sending import inline_markup
from fsmkit.testing.coverage import Guard
from fsmkit.testing.harness.actions import Action, Together
from fsmkit.testing.harness.background import JOBS, cancel_tasks, tasks_of
from fsmkit.testing.harness.direct_bot import DirectBot
from fsmkit.testing.harness.driver import Driver
from fsmkit.testing.harness.events import update_of
from fsmkit.testing.harness.faults import FragileStore, RewindableClock
from fsmkit.testing.harness.held_jobs import HeldJobs, JobFailedError
from fsmkit.testing.harness.instrument import watch
from fsmkit.testing.harness.observation import Observation
from fsmkit.testing.harness.overlap import in_order
from fsmkit.testing.harness.rendering import Screen
from fsmkit.testing.harness.repeatable import apart, repeatable
from fsmkit.testing.harness.screen import FromOutside, NotThereError, ShownButton
from fsmkit.testing.loading import uses_bot

BOT = 42
TOKEN = "42:OFFLINE"
START = 1_800_000_000.0
"""2027-01-15T08:00:00Z."""


MOST_DRAWN = 10_000
"""Messages of which it is remembered how they are seen."""

PEOPLE = 1000
"""How many ids lie between the people of one conversation and those of the next."""
Flows = tuple[Flow[Any], ...]


PARTS = ("engine", "_engine", "_load", "_jobs", "_asks_bot", "_buttons", "_delivery", "_intake")
"""What differs from version to version of the flows."""


@attrs.frozen
class Saved:
    """A observation to go back to."""

    rows: Any
    now: float
    world: World
    seen: dict[int, list[ShownButton]]
    texts: dict[tuple[Any, int], str]
    known: frozenset[int]
    last: Any
    mine: dict[int, int]
    resources: Any
    version: int | None = None
    ids: dict[int, int] = attrs.field(factory=dict[int, int])


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
        clock = RewindableClock(START)
        super().__init__(clock, chat, OfflineTelegram(TOKEN, clock=clock))
        self._nobody = self.offline.world.copy()
        self._app = self.offline.builder().build()
        self._bot: Any = DirectBot(self._app.bot, self.offline.api, lambda: self.store.yields)
        self._initialized = False
        self._screen = Screen(self.offline, 0, lambda line: self.lines.append(line), numbered=False)
        self.offline.api.on_call = self._see
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
        self._held_jobs = HeldJobs()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._left_behind: list[asyncio.Task[Any]] = []
        """Jobs that were under way when the driver was put back."""
        self._base = 0
        self.guards: set[Guard] = set()
        """What each `when=` has said."""
        self._build(flows)

    def _build(self, flows: Flows) -> None:
        engine = Engine(
            *flows, store=self._kept, clock=self.clock, deliver=self._deliver, resources=self._resources
        )
        engine.bot = BOT
        engine.face.check_invariants = True
        engine.on_error = lambda _key, _event, error: self._note_error(error)
        engine.face.busy, engine.face.patience = _always, inf  # deadlines fire when the clock is moved
        if self._change is not None:
            self._change(engine)
        watch(engine, lambda taken: self.taken.append(taken), self._note_guard)
        self.engine = self._engine = engine
        self._jobs = any(
            state.job for table in engine.flows.tables.values() for state in table.flow.states.values()
        )
        self._held_jobs.watch(engine)
        self._asks_bot = uses_bot(table.flow for table in engine.flows.tables.values())
        self._buttons = ButtonCodec(TOKEN, engine.flows.tables)
        self._delivery = Delivery(self._bot, self._buttons, self.clock)
        self._intake = Intake(self._app, engine, self._delivery, self._buttons, timed=False)

    def _note_error(self, error: BaseException) -> None:
        """Keep an error that nobody handled, unless it is the test's own."""
        if not isinstance(error, JobFailedError):
            self.errors.append(error)

    async def _deliver(self, key: Key, effect: Effect) -> int | None:
        mark = _DELIVERS.set(True)
        try:
            return await self._delivery(key, effect)
        finally:
            _DELIVERS.reset(mark)

    def _see(self, call: Call) -> None:
        """Show what a request of the bot's has changed."""
        self._screen.draw(call)
        if isinstance(call.error, ApiError) and _DELIVERS.get() and REFUSED.search(str(call.error)):
            self.refusals.append(str(call.error))
        message = call.result
        if isinstance(message, dict) and "reply_markup" in message:
            rows = self._bubble(message).buttons
            self.note_buttons(message["chat"]["id"], [shown for row in rows for shown in row])

    def _note_guard(self, flow: str, handler: Handler, answer: bool) -> None:
        self.guards.add((flow, handler.place, "when", answer))

    @property
    def ids(self) -> dict[int, int]:
        """Ids of people that are somebody in particular, by the person's number."""
        return self._ids

    @property
    def resources(self) -> Any:
        """What handlers find in `ctx.resources` now."""
        return self._resources

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
        """End what is under way."""
        await cancel_tasks()

    async def restart(self) -> None:
        """Start a new engine, on newly made flows where that is possible, and the same store."""
        await cancel_tasks()  # it is as good as a kill: nothing is waited for
        self._intake.forget()
        self.store.restore(self.store.copy())
        flows = [table.flow for table in self._engine.flows.tables.values()]
        self._build(tuple(flows) if self._load is None else self._load())
        await self._engine.sweep()

    async def deploy(self, load: Callable[[], Flows]) -> None:
        """Start a new engine with another version of the flows, on the same store."""
        await cancel_tasks()
        self.store.restore(self.store.copy())
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
        """Make the flows anew, if that is possible: nothing is remembered from earlier conversations."""
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
        self._take_place(START, None)

    def _take_place(self, now: float, version: int | None) -> None:
        self._drawn.clear()
        self.restore(Saved({}, now, self._nobody, {}, {}, frozenset(), None, {}, self._made(), version))

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
        self._take_place(now, self._version)
        self._base, self.chat = user - 1, chat

    def show_buttons(self, bound: Bound, buttons: Sequence[Button]) -> None:
        """Put a message with buttons on the screen, as the bot would have sent it earlier."""
        self._introduce(1)
        keyboard = inline_markup(Reply("(earlier)", buttons=[[one] for one in buttons]), bound, self._buttons)
        asked = {"chat_id": self.where(1), "text": "(earlier)"}
        markup = {} if keyboard is None else {"reply_markup": keyboard.to_dict()}
        message = self._bubble(send_message(self.offline.world, Params({**asked, **markup})))
        self.note_buttons(self.where(1), [shown for row in message.buttons for shown in row])

    def value_of(self, shown: ShownButton) -> str | None:
        """Return the value of one of fsmkit's buttons that are on the screen, as far as it stands in it."""
        try:
            pressed = self._buttons.decode(shown.data, self.who(1))
        except Foreign:
            return None
        return pressed.value if pressed is not None else shown.data

    def save(self) -> Saved:
        """Return what there is, to go back to."""
        seen = {chat: list(known) for chat, known in self.seen.items()}
        return Saved(
            self.store.copy(),
            self.clock.now(),
            self.offline.world.copy(),
            seen,
            self._screen.texts.copy(),
            self._known,
            self._last,
            dict(self._mine),
            self._copied(self._resources),
            self._version,
            dict(self._ids),
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
        """Return a copy of the resources, if they are the conversation's own and comparable; else `None`."""
        kind: Any = type(self._resources)
        return (
            self._copied(self._resources)
            if self.has_own_resources and kind.__eq__ is not object.__eq__
            else None
        )

    def restore(self, saved: Saved) -> None:
        """Goes back to a observation; what stands in the memory of the flows' modules stays as it is."""
        if self._jobs and self._loop is not None:
            self._left_behind += tasks_of(JOBS, self._loop)
            for task in self._left_behind:  # before the clock that they wait for is put back
                task.cancel()
        if saved.version != self._version:
            self._switch(saved.version)
        self._forget_mishap(self.store)
        if isinstance(self.clock, RewindableClock):
            self.clock.rewind(saved.now)
        self.store.restore(saved.rows)
        self.offline.world = saved.world.copy()
        if len(self._drawn) > MOST_DRAWN:
            self._drawn.clear()
        self._intake.forget()
        self.seen = {chat: list(known) for chat, known in saved.seen.items()}
        self._screen.texts, self._known = saved.texts.copy(), saved.known
        self._last = saved.last
        self._mine, self._ids = dict(saved.mine), dict(saved.ids)
        self._engine.resources = self._resources = self._copied(saved.resources)

    async def do(self, action: Action) -> Observation:
        """Carries an action out; see `Driver.do`."""
        await self._have_bot()
        self._loop = asyncio.get_running_loop()
        if self._left_behind:  # what they write at their end is not for this conversation
            saved, left = self.save(), self._left_behind
            await asyncio.gather(*left, return_exceptions=True)
            self._left_behind = []
            self.restore(saved)
        with repeatable(self.clock.now):
            return await super().do(action)

    async def arrive(self, update: Any) -> None:
        """Give the bot what an action has made; see `Driver.arrive`."""
        name = update.id if isinstance(update, FromOutside) else update["update_id"]
        await apart(super().arrive(update), f"{name}")

    async def sweep(self) -> None:
        """Fire what is due; see `Driver.sweep`."""
        await apart(super().sweep(), f"{self.clock.now()}")

    async def _have_bot(self) -> None:
        """Let the bot find out who it is, once."""
        if not self._initialized:
            self._initialized = True
            await self._app.initialize()

    async def do_in_order(self, action: Together, order: Sequence[int], rests: Sequence[bool]) -> None:
        """Carry out what happens at once one after the other; see `fsmkit.testing.explore`."""
        await self._have_bot()
        self.taken, self.errors = [], []
        with repeatable(self.clock.now):
            await in_order(action, order, rests, self._prepare, self.arrive, self._begin_overlap)
            await self._rest()

    # -- people ------------------------------------------------------------------------------------

    def who(self, user: int) -> int:
        """Return the id of a person: other people in each conversation, since a bot may remember them."""
        return self._ids.get(user, self._base + user)

    async def give(self, update: Any) -> None:
        """Give an update to the engine, as `FlowHandler` does, and what comes of it meanwhile."""
        try:
            made = update_of(update, self._app.bot)
            checked = self._intake.read(made)
            if checked is None or (await self._taken(checked)).kind == "passed":
                await self._intake.answer_unclaimed(made)
        except Exception as error:
            self.errors.append(error)
        for more in self.offline.world.queue.take_all():
            first, self._last = self._last, more  # it comes again if the bot is killed meanwhile
            await self.give(more)
            self._last = first

    async def _taken(self, checked: Checked) -> Outcome:
        context = self._app.context_types.context.from_update(checked.event.update, self._app)
        outcome = await self._intake.take(checked, context)
        answers = [effect for effect in outcome.effects if isinstance(effect, Answer)]
        if answers and not answers[-1].text:
            self.lines.append("(answered silently)")  # on purpose: nobody sees it, but it is no oversight
        return outcome

    async def _rest(self) -> None:
        if self._jobs:
            await super()._rest()

    def hold_jobs(self) -> None:
        """Let jobs of states go on until `release_jobs` only."""
        if not self._jobs:
            raise NotThereError("no state of these flows has a job")
        self.holds_jobs = True
        self._held_jobs.hold()

    async def release_jobs(self, *, fails: bool) -> None:
        """Let jobs of states come to their ends, or fail however often they are tried."""
        self.holds_jobs = False
        self._held_jobs.release(fails=fails)
        await self._rest()
        if fails and self._held_jobs.retries:
            await self.wait(RETRY_DELAY * 2 ** (self._held_jobs.retries + 1))
            await self._rest()
        self._held_jobs.relent()

    # -- mishaps -----------------------------------------------------------------------------------

    def at_once(self, begun: bool) -> None:
        """Lets the store's operations take their turns while several things are handled."""
        self.store.yields = begun

    def beside(self, other: "EngineDriver") -> None:
        """Begins a conversation between the same people as on another driver."""
        self.reset()
        self._base, self._ids = other._base, dict(other._ids)


_DELIVERS: ContextVar[bool] = ContextVar("_DELIVERS", default=False)
"""Whether what asks Telegram is the delivery, and not a handler, which may be prepared for a refusal."""

REFUSED = re.compile(
    r"parse entities|too[ _]long|empty|ENTITY|ENTITIES|BUTTON|button|keyboard|URL", re.IGNORECASE
)
"""What Telegram says of messages that are wrong, wherever they are sent."""


def _always() -> bool:
    return True
