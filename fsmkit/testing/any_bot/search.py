"""Talks with a bot to find what is wrong with it: each conversation with a newly started program.
A conversation is a list of actions. While it goes on, the walker looks where the person stands (states,
buttons on the screen) and takes what was not tried there yet, or goes to the nearest place at which
something is left; when all is tried, chance decides. What is found is had again from the beginning, and
shortened, before it is reported; what does not show again is dropped.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias, TypeVar, cast

import attrs

from fsmkit.botapi.offline import OfflineTelegram
from fsmkit.botapi.request import AnyApplication
from fsmkit.engine.engine import Engine
from fsmkit.interpreter.row import Row
from fsmkit.telegram.conversation_handler.move import move
from fsmkit.testing.any_bot.bot_driver import BotDriver, BotObservation
from fsmkit.testing.any_bot.hanging import HangGuard
from fsmkit.testing.any_bot.lint import no_exits, shadowed
from fsmkit.testing.any_bot.offers import GROUP, Offers, Places, asked_for, hints_in, keys_shown, places_of
from fsmkit.testing.any_bot.oracles import EDITED, judge_bot
from fsmkit.testing.any_bot.program import Program
from fsmkit.testing.any_bot.slots import Slot, conversations_of
from fsmkit.testing.any_bot.tree import Tree
from fsmkit.testing.any_bot.walls import Walls
from fsmkit.testing.clock import ManualClock
from fsmkit.testing.explore.shrinking import simpler
from fsmkit.testing.findings import Problem
from fsmkit.testing.harness.actions import (
    Action,
    Deadline,
    EditLast,
    PressData,
    Restart,
    Say,
)
from fsmkit.testing.harness.faults import FragileStore
from fsmkit.testing.harness.repeatable import repeatable
from fsmkit.testing.harness.screen import NotThereError
from fsmkit.testing.inputs.candidates import WRONG as WRONG_FOR_FLOWS
from fsmkit.testing.inputs.candidates import old_presses, presses

START = 1_800_000_000.0
"""2027-01-15T08:00:00Z, where each conversation begins."""

WRONG = WRONG_FOR_FLOWS[:5]
"""What people send who were asked for something else: the plainest of it."""

MOST_PLACES = 60
"""Screens of one set of states that are told apart."""

SECOND = 2
"""Somebody without rights who talks to the bot while another one does, in a fourth of the conversations."""

MOST_OLD = 6
"""Buttons under older messages that are pressed."""

Spot: TypeAlias = tuple[Any, ...]
"""What tells two places of a conversation apart."""

Choose: TypeAlias = Callable[["BotTalk"], "Action | None"]


@attrs.frozen
class Effort:
    """How long is searched.

    Attributes:
        conversations: How many are had at most.
        length: Actions in each.
        seconds: Time for the search, at most; as much again for making the findings short.
        idle: Conversations without anything new after which it is enough.
    """

    conversations: int
    length: int
    seconds: float
    idle: int


EFFORTS = {
    "dev": Effort(conversations=1_200, length=16, seconds=15.0, idle=60),
    "ci": Effort(conversations=6_000, length=24, seconds=40.0, idle=300),
    "thorough": Effort(conversations=200_000, length=40, seconds=900.0, idle=10_000),
}


@attrs.define(eq=False)
class BotTalk:
    """One conversation, as far as it has come.

    Attributes:
        driver: The bot.
        user: Who talks to it.
        observations: What came of each action.
        problems: What is wrong, with the number of the action.
    """

    driver: BotDriver
    user: int
    observations: list[BotObservation] = attrs.field(factory=list[BotObservation])
    problems: list[tuple[Problem, int]] = attrs.field(factory=list[tuple[Problem, int]])


@attrs.frozen
class Shown:
    """A problem with the shortest conversation that was found to show it.

    Attributes:
        problem: The problem.
        observations: The conversation.
        also: Other places that have the same, without a conversation of their own.
        chat: The group in which it takes place; `None`: the private chat with the bot.
    """

    problem: Problem
    observations: tuple[BotObservation, ...]
    also: tuple[str, ...] = ()
    chat: int | None = None


Found: TypeAlias = "dict[tuple[str, str | None], tuple[Problem, list[Action], int | None]]"
"""What has shown, by code and place: the shortest conversation that showed it, and in which chat."""


class Talks:
    """Has conversations with a program's bot, each from the beginning.

    Args:
        program: The program.
        tree: The directory in which it runs, which is put back before each conversation.
        chat: Where people talk to the bot; `None`: each in the private chat with it.
        users: Ids of people that were named by hand.
        seed: What chance hangs on.
        walls: What the bot is not let do, where walls are up.
        beat: Called before each action: the bot has not been hanging so far.
        guard: Ends what never ends.

    Attributes:
        moved: Whether its ConversationHandlers are replaced by flows first.
        durable: Whether the rows of those outlive a restart, whatever the bot's own persistence.
    """

    def __init__(
        self,
        program: Program,
        tree: Tree,
        *,
        chat: int | None = None,
        users: Sequence[int] = (),
        seed: int = 0,
        walls: Walls | None = None,
        beat: Callable[[], None] | None = None,
        guard: HangGuard | None = None,
    ) -> None:
        self.guard = guard
        self.beat = beat
        self.walls = walls
        self.program = program
        self.tree = tree
        self.chat = chat
        self.users: list[int] = [1, *users]
        self.seed = seed
        self.places = Places()
        self.offers: Offers | None = None
        self.moved = False
        self.durable = False
        self.count = 0
        self.actions = 0

    def have(self, choose: Choose, user: int = 1) -> BotTalk | None:
        """Have a conversation.

        Args:
            choose: Says what is done next; `None` ends the conversation.
            user: Who talks by default.

        Raises:
            LoadError: If the program does not hand its bot over.
        """
        self.tree.restore()
        self.count += 1
        clock = ManualClock(START)
        offline = OfflineTelegram(clock=clock)
        talk: BotTalk | None = None
        again: Restart | None = None

        rows = FragileStore(clock)

        async def session(app: AnyApplication, started: bool) -> None:
            nonlocal talk, again, rows
            engine: Engine | None = None
            if self.moved:
                kept, rows = rows.copy(), FragileStore(clock)
                if self.durable or is_persistent(app):
                    rows.restore(kept)
                engine = move(app, store=rows, clock=clock)
            if talk is None:
                driver = BotDriver(app, clock=clock, offline=offline, chat=self.chat, engine=engine)
                talk = BotTalk(driver, user)
                self._meet(offline, talk.driver)
                await talk.driver.begin(started)
            else:
                before = await talk.driver.row(user)
                talk.driver.errors = []
                talk.driver.adopt(app, engine)
                await talk.driver.begin(started)
                if again is not None:
                    self._judge(talk, await talk.driver.restarted(again, before))
            again = await self._talk(talk, choose)
            await talk.driver.close()

        with repeatable(clock.now):
            self.program.run(offline, session)
            while again is not None:
                self.program.run(offline, session)
        return talk

    async def _talk(self, talk: BotTalk, choose: Choose) -> Restart | None:
        """Go on until the end, or up to a restart."""
        while (action := choose(talk)) is not None:
            if isinstance(action, Restart):
                return action
            if self.beat is not None:
                self.beat()
            refused = self.walls.count if self.walls is not None else 0
            try:
                observation = await self._done(talk, action)
            except NotThereError:
                continue
            if observation is None:
                return None
            if self.walls is not None and self.walls.count > refused:
                observation = attrs.evolve(observation, walled=True)
            self.actions += 1
            self._judge(talk, observation)
        return None

    async def _done(self, talk: BotTalk, action: Action) -> BotObservation | None:
        """Carry an action out; `None` if it had to be ended, and nothing can come after it."""
        if self.guard is None:
            return await talk.driver.do(action)
        doing = asyncio.ensure_future(talk.driver.do(action))
        try:
            with self.guard.with_task(doing):
                observation = await doing
        except asyncio.CancelledError:
            if not self.guard.found:
                raise
            runs = tuple(talk.driver.runs)
            self._judge(
                talk, BotObservation(action, Row(), Row(), None, (), cast("Any", runs), (), runs=runs)
            )
            return None
        finally:
            number = len(talk.observations) + (not doing.cancelled())
            talk.problems += [(problem, number) for problem in self.guard.found]
        return observation

    @staticmethod
    def _judge(talk: BotTalk, observation: BotObservation) -> None:
        talk.observations.append(observation)
        number = len(talk.observations)
        talk.problems += [(problem, number) for problem in judge_bot(talk.observations)]

    def _meet(self, offline: OfflineTelegram, driver: BotDriver) -> None:
        """Put into the world who and what the bot's code names."""
        if self.offers is None:
            self.places = places_of(driver.slots, self.program.modules())
            self.users += [each for each in self.places.people[:3] if each not in self.users]
            self.offers = Offers()
        for each in (*self.users, *self.places.people):
            offline.add_user(each, first_name=f"User {each}")
        for each in self.places.chats:
            offline.add_chat(each, bot_status="administrator")
        for number, name in enumerate(self.places.names, 1):
            offline.add_chat(
                -1_000_000_000_000 - number, type="channel", username=name, bot_status="administrator"
            )

    # -- again, and shorter ----------------------------------------------------------------------------

    def shows(self, actions: Sequence[Action], problem: Problem) -> Shown | None:
        """Return a conversation up to where a problem shows, `None` if it does not."""
        todo = deque(actions)

        def choose(talk: BotTalk) -> Action | None:
            if any(_same(found, problem) for found, _ in talk.problems):
                return None
            return todo.popleft() if todo else None

        talk = self.have(choose)
        for found, number in talk.problems if talk is not None else ():
            if _same(found, problem) and talk is not None:
                return Shown(found, tuple(talk.observations[:number]), chat=self.chat)
        return None

    def shortest(self, actions: Sequence[Action], problem: Problem, end: float) -> Shown | None:
        """Return the shortest conversation found that shows a problem; `None` if it does not show again.

        Args:
            actions: One that showed it.
            problem: The problem, known by its code and place.
            end: When it has to be short enough, by `time.monotonic`.
        """
        return shortest(actions, lambda tried: self.shows(tried, problem), end)


S = TypeVar("S", bound="Shown")


def shortest(
    actions: Sequence[Action], shows: Callable[[Sequence[Action]], S | None], end: float
) -> S | None:
    """Return the shortest conversation found that shows something; `None` if the first does not.

    Args:
        actions: One that showed it.
        shows: Has a conversation, and returns it up to where it shows.
        end: When it has to be short enough, by `time.monotonic`.
    """
    best = shows(actions)
    while best is not None:
        for candidate in simpler([each.action for each in best.observations]):
            if time.monotonic() > end:
                return best
            found = shows(candidate)
            if found is not None:
                best = found
                break
        else:
            return best
    return None


def is_persistent(app: AnyApplication) -> bool:
    """Return whether all of an application's ConversationHandlers outlive a restart."""
    return app.persistence is not None and all(each.persistent for each in conversations_of(app))


def _same(one: Problem, other: Problem) -> bool:
    return (one.code, one.where) == (other.code, other.where)


class Walker:
    """Chooses what people do, by where they stand and what was tried there.

    Args:
        talks: Has the conversations.
        effort: How long is searched.
    """

    def __init__(self, talks: Talks, effort: Effort) -> None:
        self._talks = talks
        self._effort = effort
        self._random = random.Random(talks.seed)
        self._left: dict[Spot, list[Action]] = {}
        """What is left to be tried at each place."""
        self._ways: dict[Spot, dict[Action, Spot]] = {}
        self._screens: dict[Spot, set[Spot]] = {}
        self._last: tuple[Spot, Action] | None = None
        self._steps = 0
        self._people: tuple[int, ...] = ()
        self.news = 0
        """How many places and callbacks there were in all."""
        self.ran: dict[tuple[Any, ...], None] = {}
        self.stood: dict[tuple[str, str], None] = {}

    def begin(self, people: Sequence[int] = ()) -> None:
        """Begin another conversation; with several people, they take turns as chance has it."""
        self._last, self._steps, self._people = None, 0, tuple(people)

    def choose(self, talk: BotTalk) -> Action | None:
        """Return what is done next."""
        if self._people and self._random.random() < 0.5:
            self._learn(talk, self._spot(talk))
            talk.user, self._last = self._random.choice(self._people), None
        spot = self._spot(talk)
        self._learn(talk, spot)
        if self._steps >= self._effort.length:
            return None
        self._steps += 1
        if spot not in self._left:
            self.news += 1
            self._left[spot] = self._menu(talk)
        action = self._next(talk, spot)
        self._last = (spot, action)
        return action

    def _learn(self, talk: BotTalk, spot: Spot) -> None:
        if self._last is not None:
            before, action = self._last
            self._ways.setdefault(before, {})[action] = spot
        self.note(talk)

    def note(self, talk: BotTalk) -> None:
        """Take note of the callbacks that ran last."""
        for observation in talk.observations[-1:]:
            for run in observation.runs:
                for slot in run.slots:
                    if slot.key not in self.ran:
                        self.ran[slot.key] = None
                        self.news += 1

    def _next(self, talk: BotTalk, spot: Spot) -> Action:
        if self._left[spot] and self._random.random() < 0.9:
            return self._left[spot].pop(0)
        way = self._way_to_untried(spot)
        if way is not None and self._random.random() < 0.9:
            return way
        menu = self._menu(talk)
        # What people mostly do: what they were asked for, which stands first.
        return menu[min(int(self._random.expovariate(0.25)), len(menu) - 1)]

    def _way_to_untried(self, start: Spot) -> Action | None:
        """Return the first step of the shortest known way to a place at which something is left."""
        todo: deque[tuple[Spot, Action]] = deque()
        seen = {start}
        for action, spot in self._ways.get(start, {}).items():
            if spot not in seen:
                seen.add(spot)
                todo.append((spot, action))
        while todo:
            spot, first = todo.popleft()
            if self._left.get(spot):
                return first
            for following in self._ways.get(spot, {}).values():
                if following not in seen:
                    seen.add(following)
                    todo.append((following, first))
        return None

    def _spot(self, talk: BotTalk) -> Spot:
        driver = talk.driver
        stands = tuple(repr(state) for _, state in driver.stands(talk.user))
        for conversation, state in driver.stands(talk.user):
            self.stood[conversation.name or "", repr(state)] = None
        where = (talk.user, driver.chat, stands)
        buttons = tuple(dict.fromkeys(each.text for each in driver.pressable(talk.user)))
        keys = tuple(keys_shown(driver.offline.calls, driver.where(talk.user)))
        screens = self._screens.setdefault(where, set())
        screen = (*where, buttons, keys)
        if screen in screens or len(screens) < MOST_PLACES:
            screens.add(screen)
            return screen
        return where

    def _menu(self, talk: BotTalk) -> list[Action]:
        """Return all that may be done now: what the bot asks for first."""
        driver, user, offers = talk.driver, talk.user, self._talks.offers
        keys = list(keys_shown(driver.offline.calls, driver.where(user)).values())
        asked, others = [], []
        for slot in driver.slots:
            given = list(offers.of(slot, user, driver.chat, driver.app)) if offers is not None else []
            given = [action for action in given if not isinstance(action, PressData)]  # nobody forges one
            if slot.role == "state" or (slot.role == "entry" and not driver.stands(user)):
                if slot.role == "state" and not _is_asked(slot, driver, user):
                    continue
                asked.append(given)
            else:
                others.append(given)
        found = [
            *presses(driver, user),
            *keys,
            *asked_for(driver.offline, driver.where(user)),
            *_in_turn(asked),
            *_in_turn(others),
            *map(Say, hints_in(talk.observations[-1].shown) if talk.observations and asked else ()),
            *WRONG,
            *_edits(talk),
            *old_presses(driver, user, MOST_OLD),
        ]
        people = [each for each in self._talks.users if each != user]
        found += [press for other in people for press in presses(driver, other)]
        if driver.jobs_due():
            found.append(Deadline())
        found.append(Restart())
        mine = (attrs.evolve(action, user=user) if action.user == 1 else action for action in found)
        return list(dict.fromkeys(mine))


def _is_asked(slot: Slot, driver: BotDriver, user: int) -> bool:
    return any(each is slot.around[-1] and state == slot.state for each, state in driver.stands(user))


def _in_turn(lists: list[list[Action]]) -> Iterator[Action]:
    """Yield the first of each, then the second of each, …."""
    for number in range(max(map(len, lists), default=0)):
        yield from (each[number] for each in lists if number < len(each))


def _edits(talk: BotTalk) -> Iterator[Action]:
    """Yield the last text again, as somebody corrects a slip."""
    for observation in reversed(talk.observations):
        if isinstance(observation.action, Say):
            yield EditLast(observation.action.text)
            return


@attrs.define(eq=False)
class BotSearch:
    """A search, and what it has found.

    Attributes:
        talks: Has the conversations.
        effort: How long is searched.
        found: What was found, each with its conversation.
        static: What the handlers' declarations show.
        numbers: How many handlers ran, and how many there are.
        unreached: Those that never ran.
        seconds: How long it took.
        shown: What has shown so far, before it was shortened.
        keep: Told of each conversation of the search.
    """

    talks: Talks
    effort: Effort
    found: list[Shown] = attrs.field(factory=list[Shown])
    static: list[Problem] = attrs.field(factory=list[Problem])
    numbers: dict[str, tuple[int, int]] = attrs.field(factory=dict[str, tuple[int, int]])
    unreached: list[Slot] = attrs.field(factory=list[Slot])
    seconds: float = 0.0
    shown: Found = attrs.field(factory=dict)
    keep: Callable[[BotTalk], None] | None = None

    def run(self) -> None:
        """Search, and shorten what was found.

        Raises:
            LoadError: If the program does not hand its bot over.
        """
        begun = time.monotonic()
        last = self.explore()
        self._shorten(self.shown)
        if last is not None:
            slots = last.driver.slots
            self.static = [*shadowed(slots, last.driver.app, self.talks.users), *no_exits(slots)]
        self.seconds = time.monotonic() - begun

    def explore(self) -> BotTalk | None:
        """Have the conversations of a search, and shorten nothing; return the last."""
        walker = Walker(self.talks, self.effort)
        last = self._walk(walker, self.shown)
        if last is not None and self.talks.chat is None and self._wants_group(last.driver, walker):
            self.talks.chat = GROUP
            self._walk(walker, self.shown)
            self.talks.chat = None
        if last is not None:
            self._count(last.driver.slots, walker)
        return last

    def _walk(self, walker: Walker, found: Found) -> BotTalk | None:
        """Have conversations until nothing new comes of them; return the last."""
        end = time.monotonic() + self.effort.seconds
        idle, last = 0, None
        for number in range(self.effort.conversations):
            if time.monotonic() > end or idle > self.effort.idle:
                break
            users = self.talks.users
            news = walker.news
            walker.begin((1, SECOND) if number % 4 == 3 else ())
            last = self.talks.have(walker.choose, users[number % len(users)] if number % 3 == 2 else 1)
            if last is not None and self.keep is not None:
                self.keep(last)
            if last is not None:
                walker.note(last)
            idle = 0 if walker.news > news else idle + 1
            for problem, length in last.problems if last is not None else ():
                actions = [each.action for each in last.observations[:length]] if last is not None else []
                known = found.get((problem.code, problem.where))
                if known is None or len(actions) < len(known[1]):
                    found[problem.code, problem.where] = (problem, actions, self.talks.chat)
        return last

    def _wants_group(self, driver: BotDriver, walker: Walker) -> bool:
        """Return whether a handler that never ran takes something in a group only."""
        offers = self.talks.offers
        return offers is not None and any(
            offers.of(slot, 1, GROUP, driver.app) and not offers.of(slot, 1, None, driver.app)
            for slot in driver.slots
            if slot.key not in walker.ran
        )

    def replay(self, conversations: Iterable[tuple[int | None, Sequence[Action]]]) -> None:
        """Have conversations again, and shorten nothing.

        Args:
            conversations: Each with the group in which it takes place, `None` for the private chat.
        """
        for chat, actions in conversations:
            self.talks.chat = chat
            talk = self.talks.have(one_by_one(actions))
            for problem, number in talk.problems if talk is not None else ():
                if talk is not None and not any(_same(each.problem, problem) for each in self.found):
                    self.found.append(Shown(problem, tuple(talk.observations[:number]), chat=chat))

    def _shorten(self, found: Found) -> None:
        end = time.monotonic() + self.effort.seconds
        todo = sorted(found.values(), key=lambda each: len(each[1]))
        edited = [problem for problem, *_ in todo if problem.code == EDITED]
        also = tuple(sorted({problem.where or "" for problem in edited[1:]}))
        todo = [each for each in todo if each[0] not in edited[1:]]
        usual = self.talks.chat
        for number, (problem, actions, self.talks.chat) in enumerate(todo):
            share = (end - time.monotonic()) / (len(todo) - number)
            shown = self.talks.shortest(actions, problem, time.monotonic() + max(share, 0.0))
            if shown is not None:
                self.found.append(attrs.evolve(shown, also=also if problem.code == EDITED else ()))
        self.talks.chat = usual

    def _count(self, slots: list[Slot], walker: Walker) -> None:
        callbacks = {slot.place: slot for slot in slots}
        ran = {slot.place for slot in slots if slot.key in walker.ran}
        self.numbers["handlers"] = (len(ran), len(callbacks))
        self.unreached = [slot for place, slot in callbacks.items() if place not in ran]


def one_by_one(actions: Iterable[Action]) -> Choose:
    todo = deque(actions)
    return lambda _talk: todo.popleft() if todo else None
