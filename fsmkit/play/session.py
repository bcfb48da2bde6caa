"""A session: a bot that is played, as a tree of steps.

How it works
============

The bot lives in a thread of its own, in an event loop of its own: a handler that blocks blocks the bot and
not the page. Such a life begins at a checkpoint (or with nothing), and goes on until somebody goes back, or
the file has changed. Then the loop is closed with all that is under way in it, as a kill would do, and
another life begins. So going back needs no way to undo anything.

A step is an action of `fsmkit.testing.harness.actions` and what came of it. Steps are the nodes of a tree:
acting where one has gone back to adds a branch. Each of the last steps has a checkpoint (the rows, the
Telegram, the clock), of older ones every tenth; to go to a step without one, the steps after the nearest
checkpoint are carried out once more. A bot that keeps something beside the store has no checkpoint but the
beginning: a copy of the rows would not be all of it.

Commands come from the page by `submit`, one after the other, each to its end. What has changed goes to those
who listen: after a step only the step and the messages that it has changed, after all else the whole state.
"""

import asyncio
import concurrent.futures
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import attrs

from fsmkit.errors import FsmkitError
from fsmkit.play.bots import Played, problem_of
from fsmkit.play.export import transcript_of
from fsmkit.play.offers import events_of
from fsmkit.play.recorder import Recorder, source_lines, step_of
from fsmkit.play.sight import Sight, next_due
from fsmkit.play.steps import PlayedStep, StepTree, beginning_at, checkpoint_on
from fsmkit.play.views import keyboards_after, notices_of, picture_type
from fsmkit.testing.harness.actions import (
    Action,
    Deadline,
    Duplicate,
    Killed,
    NotReadableError,
    Press,
    Refused,
    Restart,
    Wait,
    action_from_json,
    action_to_json,
)
from fsmkit.testing.harness.background import JOBS, tasks_of
from fsmkit.testing.harness.ptb_driver import PTBDriver
from fsmkit.testing.harness.screen import NotThereError

PATIENCE = 30.0
"""Seconds of real time that a step may take; a bot that has not come back is killed."""

LOOK_EVERY = 0.25
"""Seconds between two looks at jobs that go on."""

GROUP = -100
"""The group beside the private chats."""

Shown = dict[str, Any]
Listener = Callable[[Shown], None]


class NotDone(Exception):
    """A command that cannot be carried out; the text says why."""


@attrs.frozen(eq=False)
class _Command:
    """What somebody wants, and who waits for it."""

    wanted: Mapping[str, Any]
    done: "concurrent.futures.Future[Shown]"


@attrs.define(eq=False)
class _Life:
    """A life that is to begin.

    Attributes:
        goal: The step at which it is to stand.
        bot: The version that lives.
        again: Whether all steps up to the goal are carried out anew, since the version is another one.
        command: What is answered once it stands there.
    """

    goal: PlayedStep
    bot: Played
    again: bool = False
    command: _Command | None = None


class Session:
    """A bot that is played.

    Args:
        bot: The first version.
        start: The time at which it begins, in seconds since 1970; by default now.
    """

    def __init__(self, bot: Played, start: float | None = None) -> None:
        self.bot = bot
        self.start = float(int(time.time() if start is None else start))
        self.tree = StepTree()
        self.current = self.tree.beginning
        self.people: list[int] = [1]
        self.groups: list[int] = [GROUP]
        self.status: Shown = {"kind": "", "text": ""}
        self._recorder = Recorder()
        self._sight: Sight | None = None
        self._listeners: list[Listener] = []
        self._commands: deque[_Command] = deque()
        self._guard = threading.Lock()
        self._wake: Callable[[], None] = _nothing
        self._next: _Life | None = _Life(self.current, bot)
        self._over = False
        self._ended: NotDone | None = None
        """Why there is no life any more."""
        self._begun = False
        self.version = 0
        """Counts the versions of the bot."""
        self.thread = threading.Thread(target=self._run, name="fsmkit play", daemon=True)

    # -- from other threads ------------------------------------------------------------------------

    def begin(self) -> None:
        """Let the bot live."""
        self.thread.start()

    def begin_with(self, actions: Iterable[Action], place: int | None, about: str) -> None:
        """Have a conversation as soon as the bot lives.

        Args:
            actions: What is done.
            place: The group in which it is done; `None`: the private chat with the bot.
            about: What it shows.
        """
        if place is not None and place not in self.groups:
            self.groups.append(place)
        self.status = {"kind": "warning", "text": about}
        self._next = _Life(self.tree.branch(actions, place), self.bot)

    def end(self) -> None:
        """End it; what is under way is left."""
        self._over = True
        self._wake()

    def submit(self, wanted: Mapping[str, Any]) -> "concurrent.futures.Future[Shown]":
        """Have a command carried out; return where its answer will be."""
        command = _Command(wanted, concurrent.futures.Future())
        with self._guard:
            self._commands.append(command)
        self._wake()
        if self._ended is not None:
            self._answer(command, self._ended)
        return command.done

    def diagram(self) -> Shown:
        """Return the drawing of the version that is played, and what is said of its parts."""
        bot = self.bot
        picture, problem = bot.drawn()
        about = {"states": bot.states, "arrows": bot.arrows, "findings": bot.findings}
        return {"svg": picture, "problem": problem, **about}

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Have somebody told of what changes; return what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _tell(self, shown: Shown) -> None:
        for listener in [*self._listeners]:
            listener(shown)

    # -- lives ----------------------------------------------------------------------------------------

    def _run(self) -> None:
        while self._next is not None and not self._over:
            life, self._next = self._next, None
            path = life.goal.path()
            first = checkpoint_on(path) if not life.again else 0
            saved = path[first - 1].saved if first else None
            self._recorder.begin()
            try:
                life.bot.run(self.start, saved, [self._recorder], partial(self._live, life, first))
            except Exception as error:  # not a bot's mistake: those are steps
                self._answer(life.command, error)
                self.status = {"kind": "error", "text": problem_of(error)}
                self._next = self._next or self._after_failure(life)
            finally:
                self._wake = _nothing
        self._ended = NotDone(self.status["text"] or "the bot has ended")
        while (command := self._take()) is not None:
            self._answer(command, self._ended)

    def _after_failure(self, life: _Life) -> _Life | None:
        """Return where it goes on after a life that could not begin: at the beginning, if anywhere."""
        return None if life.goal is self.tree.beginning else _Life(self.tree.beginning, self.bot)

    async def _live(self, life: _Life, first: int, driver: PTBDriver) -> None:
        loop, wake = asyncio.get_running_loop(), asyncio.Event()

        def woken() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(wake.set)

        self._wake = woken
        before = self.current.path()
        reached, report = await self._come_to(life, first, driver)
        self.bot, self.current = life.bot, reached
        if life.again:
            report = self._compared(before, report)
            self.status = report
        self._answer(life.command, report)
        if life.again or not self._begun:
            self._begun = True
            self._tell(await self.state())
        else:
            self._live_sight().forget()
            nodes = [step.shown for step in reached.path()]
            self._tell({"type": "moved", "nodes": nodes, **await self._now(reached)})
        while self._next is None and not self._over:
            command = self._take()
            if command is not None:
                await self._carry_out(command)
                continue
            wake.clear()
            if self._commands:
                continue
            busy = bool(tasks_of(JOBS))
            try:
                await asyncio.wait_for(wake.wait(), LOOK_EVERY if busy else None)
            except TimeoutError:
                await self._look()

    def _take(self) -> _Command | None:
        with self._guard:
            return self._commands.popleft() if self._commands else None

    async def _carry_out(self, command: _Command) -> None:
        try:
            answer = await self._do(command)
        except (NotDone, NotThereError, NotReadableError, FsmkitError) as error:
            self._answer(
                command, NotDone(problem_of(error) if isinstance(error, FsmkitError) else str(error))
            )
        except Exception as error:
            self._answer(command, error)
        else:
            if answer is not None:
                self._answer(command, answer)

    @staticmethod
    def _answer(command: _Command | None, answer: Shown | BaseException) -> None:
        if command is None or command.done.done():
            return
        if isinstance(answer, BaseException):
            command.done.set_exception(answer)
        else:
            command.done.set_result(answer)

    async def _come_to(self, life: _Life, first: int, driver: PTBDriver) -> tuple[PlayedStep, Shown]:
        """Carry out the steps up to the goal, but the first ones; return the last step, and what to tell."""
        path = life.goal.path()
        base = path[first - 1] if first else self.tree.beginning
        self.bot, self._sight = life.bot, Sight(life.bot, driver)
        if base is self.tree.beginning:
            base.shown = {**beginning_at(driver.clock.now())}
        reached = base
        for step in path[first:]:
            try:
                await self._perform(step, reached)
            except NotThereError as error:
                return reached, {"kind": "warning", "text": f"step {len(reached.path()) + 1}: {error}"}
            reached = step
        return reached, {"kind": "ok", "text": f"step {len(path)}"}

    def _compared(self, before: Sequence[PlayedStep], report: Shown) -> Shown:
        """Return what a new version makes of the conversation, against the old one."""
        now = self.current.path()
        same = 0
        for step in now:
            if step.shown.get("was") not in (None, step.outcome):
                break
            same += 1
        text = "reloaded · same" if same == len(before) else f"reloaded · same up to step {same}"
        if report["kind"] == "warning":
            text += f" · {report['text']}"
        lost = self.status.get("lost") or []
        if lost:
            text += f" · a deploy would lose {', '.join(lost)}"
        kind = "ok" if same == len(before) and not lost else "warning"
        return {"kind": kind, "text": text, "lost": lost}

    # -- commands --------------------------------------------------------------------------------------

    async def _do(self, command: _Command) -> Shown | None:
        """Carry a command out; `None`: it is answered by the next life."""
        wanted = command.wanted
        match str(wanted.get("do")):
            case "act":
                return await self._act(self._action(wanted), _place(wanted))
            case "press":
                action = self._pressed(wanted)
                return await self._act(self._with_mishap(action, wanted), _place(wanted))
            case "go":
                number: Any = wanted.get("step")
                if not isinstance(number, int) or not 0 <= number < len(self.tree.all):
                    raise NotDone(f"there is no step {number!r}")
                self._next = _Life(self.tree.all[number], self.bot, command=command)
                return None
            case "reach":
                self._next = _Life(await self._way(wanted), self.bot, command=command)
                return None
            case "reload":
                return self._reload(command)
            case "person":
                return await self._add_person()
            case "source":
                return self._source(str(wanted.get("place")))
            case "file":
                return self._file(str(wanted.get("file")))
            case "export":
                return self._export(str(wanted.get("as", "test")))
            case "hello":  # who has just begun to listen needs all; in order, so it goes to everybody
                self._tell(await self.state())
                return {}
            case other:
                raise NotDone(f"there is no command {other!r}")

    def _action(self, wanted: Mapping[str, Any]) -> Action:
        given: Any = wanted.get("action")
        if not isinstance(given, dict):
            raise NotDone("an action is a JSON object")
        action = action_from_json(given, self.bot.flows)
        user = wanted.get("user", 1)
        if not isinstance(user, int) or user < 1:
            raise NotDone("a person has a number from 1")
        return self._with_mishap(attrs.evolve(action, user=user), wanted)

    @staticmethod
    def _with_mishap(action: Action, wanted: Mapping[str, Any]) -> Action:
        """Return an action during which the bot is killed, or Telegram refuses, where that is wanted."""
        mishap: Any = wanted.get("mishap")
        if not isinstance(mishap, dict) or isinstance(action, Wait | Deadline | Restart | Duplicate):
            return action
        nth = int(mishap.get("nth", 1))
        if mishap.get("at") == "refused":
            return Refused(action, nth, mishap.get("wait"), user=action.user)
        return Killed(action, "reply" if mishap.get("at") == "reply" else "store", nth, user=action.user)

    def _pressed(self, wanted: Mapping[str, Any]) -> Action:
        """Return the press of a button by where it stands, as an action that names it by its text."""
        driver, user = self._live_driver(), int(wanted.get("user", 1))
        driver.chat = _place(wanted)
        message, position = wanted.get("message"), wanted.get("button")
        bubble = next((each for each in driver.bubbles(user) if each.message == message), None)
        flat = [] if bubble is None else [shown for row in bubble.buttons for shown in row]
        if not isinstance(position, int) or not 0 <= position < len(flat) or flat[position].data is None:
            raise NotDone("this button is not there any more")
        button = flat[position]
        same = [shown for shown in driver.pressable(user) if shown.text == button.text]
        return Press(button.text, nth=same.index(button), user=user)

    async def _act(self, action: Action, place: int | None) -> Shown:
        if isinstance(action, self.bot.refused):
            raise NotDone("This cannot be done with a bot that its own program starts.")
        step = self.tree.new(self.current, action, place)
        await self._perform(step, self.current)
        self.tree.all.append(step)
        self.current = step
        self._tell({"type": "step", "node": step.shown, **await self._now(step)})
        return {"step": step.number}

    async def _perform(self, step: PlayedStep, after: PlayedStep) -> None:
        """Carry a step's action out and note what came of it.

        Raises:
            NotThereError: If it cannot be done; nothing has changed.
        """
        driver, action = self._live_driver(), step.action
        if action is None:
            return
        self._recorder.begin()
        driver.chat = step.place
        began, calls = driver.clock.now(), len(driver.offline.calls)
        clock = time.perf_counter()
        try:
            observation = await asyncio.wait_for(driver.do(action), PATIENCE)
        except TimeoutError:
            self._next = _Life(after, self.bot)
            raise NotThereError(f"the bot has not come back for {PATIENCE:.0f} s, and was killed") from None
        took = (time.perf_counter() - clock) * 1000
        made = driver.offline.calls[calls:]
        was = step.outcome if step.shown else None
        step.observation = observation
        step.keyboards = keyboards_after(after.keyboards, made)
        step.people = tuple(dict.fromkeys((*after.people, action.user)))
        self.people = list(dict.fromkeys((*self.people, action.user)))
        step.shown = {
            "id": step.number,
            "parent": step.parent.number if step.parent is not None else None,
            "line": action.line(),
            "action": action_to_json(action),
            "user": action.user,
            "place": step.place,
            "at": driver.clock.now(),
            "passed": driver.clock.now() - began,
            "ms": round(took, 2),
            "notices": notices_of(made),
            **step_of(observation, self._recorder, self.bot.calls(observation, self._recorder.results)),
            **await self._live_sight().standing(self.people, self.groups),
            **({} if was is None else {"was": was}),
        }
        if not self.bot.remembers:
            self.tree.keep(step, driver.save())

    def _reload(self, command: _Command) -> Shown | None:
        try:
            bot = self.bot.again()
        except Exception as error:
            self.status = {"kind": "error", "text": f"not reloaded: {problem_of(error)}"}
            self._tell({"type": "status", "status": self.status})
            return self.status
        lost = bot.lost([*self._live_sight().rows().values()])
        self.status = {"kind": "", "text": "", "lost": lost}
        self.tree.forget_checkpoints()
        self.version += 1
        self._next = _Life(self.current, bot, again=True, command=command)
        return None

    async def _way(self, wanted: Mapping[str, Any]) -> PlayedStep:
        """Return the last of new steps, not carried out yet, that lead to a state from the beginning."""
        flow, state = str(wanted.get("flow")), str(wanted.get("state"))
        actions = await asyncio.to_thread(self.bot.way_to, flow, state)
        if actions is None:
            raise NotDone(f"no conversation that leads to {flow}/{state} was found")
        return self.tree.branch(actions)

    async def _add_person(self) -> Shown:
        self.people.append(max(self.people) + 1)
        self._tell(await self.state())
        return {"user": self.people[-1]}

    def _source(self, place: str) -> Shown:
        if place not in self.bot.places:
            raise NotDone("no handler stands there")
        return {"place": place, "lines": [*source_lines(place)]}

    def _file(self, file_id: str) -> Shown:
        stored = self._live_driver().offline.world.files.get(file_id)
        kind = None if stored is None else picture_type(stored.content)
        if stored is None or kind is None:
            raise NotDone("there is no such picture")
        return {"kind": kind, "content": stored.content}

    def _export(self, form: str) -> Shown:
        path = self.current.path()
        if form == "transcript":
            return {"name": "transcript.txt", "text": transcript_of(path)}
        return {"name": "test_played.py", "text": self.bot.as_test(path, self.start)}

    # -- what is to be seen ----------------------------------------------------------------------------

    def _live_sight(self) -> Sight:
        if self._sight is None:
            raise NotDone("the bot does not live yet")
        return self._sight

    def _live_driver(self) -> PTBDriver:
        return self._live_sight().driver

    async def _now(self, step: PlayedStep) -> Shown:
        """Return what has changed with a step beside itself."""
        sight = self._live_sight()
        return {
            "current": step.number,
            "clock": sight.driver.clock.now(),
            "due": next_due(step.shown),
            "chats": sight.changes(),
            "keyboards": step.keyboards,
            "people": self.people,
            "fresh": sight.fresh(),
            "offers": await sight.offers(self.people, self.groups),
        }

    async def state(self) -> Shown:
        """Return all that the page needs."""
        sight, step = self._live_sight(), self.current
        driver = sight.driver
        sight.forget()
        return {
            "type": "state",
            "bot": {
                "name": self.bot.name,
                "flows": [flow.name for flow in self.bot.flows],
                "version": self.version,
                "remembers": self.bot.remembers,
                "events": events_of(driver.engine) if driver.engine is not None else [],
            },
            "nodes": [each.seen() for each in self.tree.all],
            "groups": self.groups,
            "status": self.status,
            **await self._now(step),
        }

    async def _look(self) -> None:
        """Show what jobs have done meanwhile, as a part of the last step."""
        driver = self._live_driver()
        await driver.offline.feed(driver.app)
        step = self.current
        if step.action is not None and not tasks_of(JOBS):
            step.shown |= await self._live_sight().standing(self.people, self.groups)
            if not self.bot.remembers:
                self.tree.keep(step, driver.save())
            self._tell({"type": "step", "node": step.shown, **await self._now(step)})


def _nothing() -> None:
    """Wake nobody."""


def _place(wanted: Mapping[str, Any]) -> int | None:
    place = wanted.get("place")
    return place if isinstance(place, int) and place < 0 else None
