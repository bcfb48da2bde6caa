"""Offering: every handler that is asked where a person stands gets its inputs, one after the other.

Used where conversations come from elsewhere: a live store, or an older version of the flows. Each input is
tried on what is stored as it was, and taken back.
"""

import re
from collections.abc import Iterator, Sequence

from fsmkit.flow.matchers import Example, Matcher
from fsmkit.flow.messages import Button
from fsmkit.interpreter.compiled import FlowSet
from fsmkit.interpreter.row import Bound, Row
from fsmkit.testing.findings import Problem
from fsmkit.testing.harness.engine_driver import EngineDriver
from fsmkit.testing.harness.observation import Observation, running_states
from fsmkit.testing.harness.screen import NotThereError
from fsmkit.testing.inputs.candidates import Candidates, asked, presses, waits
from fsmkit.testing.inputs.values import matching
from fsmkit.testing.oracles import Oracle, judge

MOST = 3
"""Inputs of one handler that are tried."""

Offered = list[tuple[Problem, tuple[Observation, ...]]]


async def offer(
    driver: EngineDriver, menus: Candidates, observations: Sequence[Observation], oracles: Sequence[Oracle]
) -> Offered:
    """Try what the handlers want that are asked now; return what is wrong, and how it shows.

    Args:
        driver: Where the person stands; it is put back.
        menus: What the declarations give.
        observations: The way here.
        oracles: What judges each observation.
    """
    row = await driver.row(1)
    saved = driver.save()
    runs = bool(running_states(row))  # else what begins a conversation may find a draft
    dishes = [
        dish for dish in menus.dishes(driver.running.flows, row, "") if not runs or dish.state is not None
    ]
    actions = [action for dish in dishes for action in dish.actions[:MOST]]
    found: Offered = []
    for action in dict.fromkeys([*actions, *presses(driver), *waits(row)]):
        driver.restore(saved)
        try:
            observation = await driver.do(action)
        except NotThereError:
            continue
        way = (*observations, observation)
        found += [(problem, way) for problem in judge(way, oracles)]
    driver.restore(saved)
    return found


def buttons_for(flows: FlowSet, row: Row) -> list[tuple[Bound, list[Button]]]:
    """Return the buttons that must be on a person's screen, of whom only the row is known: one for each value
    that a handler wants in that state."""
    found: list[tuple[Bound, list[Button]]] = []
    for name, snapshot in row.snapshots.items():
        frame = snapshot.frames[-1]
        if not snapshot.active:
            continue
        bound = Bound(name, snapshot.run, frame.entry, values=frame.values)
        handlers = (handler for _, _, handler in asked(flows, row))
        values = [value for handler in handlers for value in _values(handler.matcher)]
        found.append((bound, [Button(value) for value in dict.fromkeys(values)]))
    return found


def _values(matcher: Matcher) -> Iterator[str]:
    """Yield texts of buttons that a matcher wants; other values come with the screen only."""
    for example in matcher.examples():
        match example:
            case Example("button", str(value)):
                yield value
            case Example("button", re.Pattern() as pattern):
                yield from matching(pattern)[:MOST]
            case _:
                continue
