"""One conversation that is judged: acts go in, moments and problems come out.

Shared by the random phase, by what shortens a failure, and by replays, so that a problem is found again by
whoever does the same.
"""

import inspect
from collections.abc import Sequence

from fsmkit.testing.coverage import Coverage, Crossing
from fsmkit.testing.explore.linearizability import Past, Worlds
from fsmkit.testing.explore.tours import Spot
from fsmkit.testing.findings import Problem
from fsmkit.testing.harness.actions import Act, Deploy, Killed, Refused, Together
from fsmkit.testing.harness.engine_driver import DirectStage, Saved
from fsmkit.testing.harness.observation import Moment, signature_of
from fsmkit.testing.harness.screen import NotThereError
from fsmkit.testing.oracles import ORACLES, Oracle, judge


class Conversation:
    """A conversation on a stage, from its beginning.

    Args:
        stage: Where it takes place; it is put back to an empty store, or to `since`.
        coverage: Told of every moment, if given.
        oracles: What judges each moment.
        since: A moment at which it goes on; the beginning by default.

    Attributes:
        moments: What came of each act.
        problems: What is wrong, in the order in which it showed.
    """

    def __init__(
        self,
        stage: DirectStage,
        *,
        coverage: Coverage | None = None,
        oracles: Sequence[Oracle] = ORACLES,
        since: Spot | None = None,
    ) -> None:
        if since is None:
            stage.reset()
        else:
            stage.restore(since.saved)
        self.stage = stage
        self.moments: list[Moment] = [] if since is None else list(since.moments)
        self.problems: list[Problem] = []
        self._coverage = coverage
        self._oracles = oracles
        self._last: Crossing | None = None if since is None else since.last
        self._worlds: Worlds | None = None
        self._at_once: Moment | None = None

    async def do(self, act: Act) -> list[Problem]:
        """Carries an act out; what is wrong with it.

        Raises:
            NotThereError: If it cannot be done now; nothing was done.
        """
        plain = await self._undisturbed(act) if isinstance(act, Killed | Refused) else None
        start = self.stage.save() if isinstance(act, Together) and self.stage.stands_in_store else None
        moment = await self.stage.do(act)
        self.moments.append(moment)
        mixed_up = await self._mixed_up(moment, start)
        if isinstance(act, Deploy):
            self._coverage = None  # it counts what the tested version takes
        if self._coverage is not None:
            self._last = self._coverage.observe(moment, self._last)
            self._coverage.guards |= self.stage.guards
        found = judge(self.moments, self._oracles)
        if plain is not None and isinstance(act, Killed):
            found += _differences(act, plain, moment)
        elif plain is not None:
            place = plain.taken[-1].handler.place if plain.taken else None
            found += _out_of_order(act, plain, moment, place)
        found += mixed_up
        self.problems += found
        return found

    async def _mixed_up(self, moment: Moment, start: Saved | None) -> list[Problem]:
        """What several people did at once has to end as in some order one after the other, and go on so."""
        if isinstance(moment.act, Together):
            before = tuple(earlier.act for earlier in self.moments[:-1])
            self._worlds, self._at_once = Worlds(self.stage, Past(before, moment.act), start), moment
            fits = await self._worlds.begin()
        elif self._worlds is not None:
            fits = await self._worlds.go_on(moment.act)
        else:
            return []
        worlds = self._worlds
        if not fits or not worlds.predictable:
            self._worlds = None
        return [] if fits else [Problem("race", worlds.told(), _place_of_waiting(self._at_once))]

    async def _undisturbed(self, act: Killed | Refused) -> Moment | None:
        """What would have come of it without the mishap; `None` if that is not the same each time."""
        saved, guards = self.stage.save(), set(self.stage.guards)
        try:
            first = await self.stage.do(act.act)
            self.stage.restore(saved)
            second = await self.stage.do(act.act)
        except NotThereError:
            return None
        finally:
            self.stage.restore(saved)
            self.stage.guards = guards
        return first if _same(first, second) and first.shown == second.shown and not first.errors else None


def _place_of_waiting(moment: Moment | None) -> str | None:
    """Where a handler stands that others can come between, or the first that ran."""
    taken = moment.taken if moment is not None else ()
    waiting = [each for each in taken if inspect.iscoroutinefunction(each.handler.function)]
    return next((each.handler.place for each in (*waiting, *taken)), None)


def _differences(act: Killed, plain: Moment, moment: Moment) -> list[Problem]:
    """A bot that is killed and started again ends where it would have ended, and has said what it would."""
    if moment.errors or (not act.again and act.at != "before"):
        return []  # an exception is a problem of its own
    place = plain.taken[-1].handler.place if plain.taken else None
    if not _same(plain, moment):
        return [
            Problem(
                "restart",
                f"{act.line()!r} leads to {_where(moment)}, without the restart to {_where(plain)}",
                place,
            )
        ]
    missing = [line for line in plain.shown if line not in moment.shown]
    if missing:
        return [Problem("restart", f"{act.line()!r} shows no {missing[0]!r}, as it would without it", place)]
    return _out_of_order(act, plain, moment, place)


def _out_of_order(act: Act, plain: Moment, moment: Moment, place: str | None) -> list[Problem]:
    """What is said in another order than it would be undisturbed; what is said once more says nothing."""
    wanted = list(dict.fromkeys(plain.shown))
    shown = [line for line in dict.fromkeys(moment.shown) if line in wanted]
    if shown == [line for line in wanted if line in shown]:
        return []
    message = f"{act.line()!r} shows {shown!r}, in another order than without it: {wanted!r}"
    return [Problem("order", message, place)]


def _same(one: Moment, other: Moment) -> bool:
    """Whether two moments stand at the same place with the same stored data."""
    return signature_of(one.after) == signature_of(other.after)


def _where(moment: Moment) -> str:
    return f"{moment.state!r} with {moment.data!r}" if moment.place else "the end"
