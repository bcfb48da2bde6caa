"""One conversation that is judged: actions go in, observations and problems come out.

Shared by the random phase, by what shortens a failure, and by replays, so that a problem is found again by
whoever does the same.
"""

import inspect
from collections.abc import Sequence

import attrs

from fsmkit.interpreter.jobs import CLAIM_SECONDS
from fsmkit.testing.coverage import Coverage, Crossing
from fsmkit.testing.explore.linearizability import Past, Worlds
from fsmkit.testing.explore.search_state import SearchState
from fsmkit.testing.findings import Problem
from fsmkit.testing.harness.actions import Action, Deploy, Killed, Refused, Together, Wait
from fsmkit.testing.harness.engine_driver import EngineDriver, Saved
from fsmkit.testing.harness.observation import Observation, signature_of
from fsmkit.testing.harness.screen import NotThereError
from fsmkit.testing.oracles import ORACLES, Oracle, judge

PENDING = CLAIM_SECONDS + 1
"""Seconds after which a job, and messages, that a killed process had begun are taken over by another."""


class Conversation:
    """A conversation on a driver, from its beginning.

    Args:
        driver: Where it takes place; it is put back to an empty store, or to `since`.
        coverage: Told of every observation, if given.
        oracles: What judges each observation.
        since: An observation at which it goes on; the beginning by default.

    Attributes:
        observations: What came of each action.
        problems: What is wrong, in the order in which it showed.
    """

    def __init__(
        self,
        driver: EngineDriver,
        *,
        coverage: Coverage | None = None,
        oracles: Sequence[Oracle] = ORACLES,
        since: SearchState | None = None,
    ) -> None:
        if since is None:
            driver.reset()
        else:
            driver.restore(since.saved)
        self.driver = driver
        self.observations: list[Observation] = [] if since is None else list(since.observations)
        self.problems: list[Problem] = []
        self._coverage = coverage
        self._oracles = oracles
        self._last: Crossing | None = None if since is None else since.last
        self._worlds: Worlds | None = None
        self._at_once: Observation | None = None

    async def do(self, action: Action) -> list[Problem]:
        """Carries an action out; what is wrong with it.

        Raises:
            NotThereError: If it cannot be done now; nothing was done.
        """
        begun = self.driver.save() if isinstance(action, Killed) else None
        plain = await self._undisturbed(action) if isinstance(action, Killed | Refused) else None
        start = self.driver.save() if isinstance(action, Together) and self.driver.stands_in_store else None
        observation = await self.driver.do(action)
        self.observations.append(observation)
        mixed_up = await self._mixed_up(observation, start)
        if isinstance(action, Deploy):
            self._coverage = None  # it counts what the tested version takes
        if self._coverage is not None:
            self._last = self._coverage.observe(observation, self._last)
            self._coverage.guards |= self.driver.guards
        found = judge(self.observations, self._oracles)
        if plain is not None and isinstance(action, Killed):
            differences = _differences(action, plain, observation)
            frames = (frame for snap in observation.after.snapshots.values() for frame in snap.frames)
            waits = any(frame.job is not None for frame in frames)
            if differences and begun is not None and waits:  # a job is taken over later
                differences = await self._later(action, begun)
            found += differences
        elif plain is not None:
            place = plain.taken[-1].handler.place if plain.taken else None
            found += _out_of_order(action, plain, observation, place)
        found += mixed_up
        self.problems += found
        return found

    async def _mixed_up(self, observation: Observation, start: Saved | None) -> list[Problem]:
        """Return what is wrong unless what happened at once ends, and goes on, as in some order."""
        if isinstance(observation.action, Together):
            before = tuple(earlier.action for earlier in self.observations[:-1])
            self._worlds, self._at_once = (
                Worlds(self.driver, Past(before, observation.action), start),
                observation,
            )
            fits = await self._worlds.begin()
        elif self._worlds is not None:
            fits = await self._worlds.go_on(observation.action)
        else:
            return []
        worlds = self._worlds
        if not fits or not worlds.predictable:
            self._worlds = None
        return [] if fits else [Problem("race", worlds.told(), _place_of_waiting(self._at_once))]

    async def _later(self, action: Killed, begun: Saved) -> list[Problem]:
        """Return what is still different once jobs and deliveries of the killed process are taken over."""
        saved, guards = self.driver.save(), set(self.driver.guards)
        ends: list[Observation] = []
        try:
            for each in (action.action, action):
                self.driver.restore(begun)
                done = [await self.driver.do(part) for part in (each, Wait(PENDING), Wait(PENDING))]
                ends.append(_put_together(each, done))
        finally:
            self.driver.restore(saved)
            self.driver.guards = guards
        return _differences(action, *ends)

    async def _undisturbed(self, action: Killed | Refused) -> Observation | None:
        """Return what would have come of it without the mishap; `None` if that is not the same each time."""
        saved, guards = self.driver.save(), set(self.driver.guards)
        try:
            first = await self.driver.do(action.action)
            self.driver.restore(saved)
            second = await self.driver.do(action.action)
        except NotThereError:
            return None
        finally:
            self.driver.restore(saved)
            self.driver.guards = guards
        return first if _same(first, second) and first.shown == second.shown and not first.errors else None


def _put_together(action: Action, done: Sequence[Observation]) -> Observation:
    """Return what came of several actions as one observation."""
    return attrs.evolve(
        done[-1],
        action=action,
        before=done[0].before,
        shown=tuple(line for each in done for line in each.shown),
        taken=tuple(taken for each in done for taken in each.taken),
        errors=tuple(error for each in done for error in each.errors),
    )


def _place_of_waiting(observation: Observation | None) -> str | None:
    """Where a handler stands that others can come between, or the first that ran."""
    taken = observation.taken if observation is not None else ()
    waiting = [each for each in taken if inspect.iscoroutinefunction(each.handler.function)]
    return next((each.handler.place for each in (*waiting, *taken)), None)


def _differences(action: Killed, plain: Observation, observation: Observation) -> list[Problem]:
    """Return where a bot that was killed and started again does not end, or say, as it would have."""
    if observation.errors or (not action.again and action.at != "before"):
        return []  # an exception is a problem of its own
    place = plain.taken[-1].handler.place if plain.taken else None
    if not _same(plain, observation):
        return [
            Problem(
                "restart",
                f"{action.line()!r} leads to {_where(observation)}, without the restart to {_where(plain)}",
                place,
            )
        ]
    # A message whose id was lost with the kill cannot be edited: what stood in the edit is sent anew.
    shown = {*observation.shown, *(f"(edited) {line}" for line in observation.shown)}
    missing = [line for line in plain.shown if line not in shown]
    if missing:
        return [
            Problem("restart", f"{action.line()!r} shows no {missing[0]!r}, as it would without it", place)
        ]
    return _out_of_order(action, plain, observation, place)


def _out_of_order(
    action: Action, plain: Observation, observation: Observation, place: str | None
) -> list[Problem]:
    """Return what is said in another order than undisturbed; what is said once more does not count."""
    wanted = list(dict.fromkeys(plain.shown))
    shown = [line for line in dict.fromkeys(observation.shown) if line in wanted]
    if shown == [line for line in wanted if line in shown]:
        return []
    message = f"{action.line()!r} shows {shown!r}, in another order than without it: {wanted!r}"
    return [Problem("order", message, place)]


def _same(one: Observation, other: Observation) -> bool:
    """Whether two observations stand at the same place with the same stored data."""
    return signature_of(one.after) == signature_of(other.after)


def _where(observation: Observation) -> str:
    return f"{observation.state!r} with {observation.data!r}" if observation.place else "the end"
