"""The conversations of a live store against a new version of the flows: what would break, before the deploy.

The store is only read. Each row is put into a store in memory, where the handlers that are asked there are
offered their inputs; nothing of it is written, and nothing is sent to anybody.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import attrs
from msgspec import structs

from fsmkit.clock import Clock, SystemClock
from fsmkit.engine.maintenance import StoreSurvey as Survey
from fsmkit.engine.maintenance import unreadable
from fsmkit.errors import StoreCorrupt
from fsmkit.flow.flow import Flow
from fsmkit.interpreter.codec import decode_row
from fsmkit.interpreter.migrations import Fit, compatibility, lost_fields, told_lost
from fsmkit.interpreter.row import Row
from fsmkit.interpreter.settle import Limits, change_of
from fsmkit.keys import Key
from fsmkit.stores.protocol import Store
from fsmkit.testing.explore.probing import buttons_for, offer
from fsmkit.testing.findings import Finding, Problem
from fsmkit.testing.harness.actions import Wait
from fsmkit.testing.harness.engine_driver import EngineDriver
from fsmkit.testing.harness.instrument import quiet
from fsmkit.testing.harness.observation import Observation, running_states
from fsmkit.testing.harness.screen import NotThereError
from fsmkit.testing.inputs.candidates import Candidates
from fsmkit.testing.oracles import ORACLES, Oracle, losses, misfits

SECONDS = 60.0
"""How long handlers are tried, by default."""


FEW = 3
"""Keys that are named of those with the same problem."""


FITS: tuple[Fit, ...] = ("current", "migrated", "orphaned", "newer", "unknown", "unreadable")


_LIMITS = Limits(dedupe_for=0.0, max_row_bytes=2**31, delivers=True)


@attrs.frozen
class Broken:
    """A problem that conversations of one place have in common.

    Attributes:
        problem: What is wrong.
        flow: The flow that runs there.
        state: Its stored state, `None` for a draft.
        line: The first input that shows it; empty where it shows without one.
    """

    problem: Problem
    flow: str
    state: str | None
    line: str = attrs.field(default="", eq=False)


@attrs.define
class LiveReport:
    """What a look at a live store found.

    Attributes:
        survey: How its conversations fit, counted.
        broken: What would break, and the keys of those who would meet it.
        tried: Conversations whose handlers were offered their inputs.
        left: Conversations that fit and were not tried: the time was up, or they cannot be put into memory.
    """

    survey: Survey = attrs.field(factory=Survey)
    broken: dict[Broken, list[Key]] = attrs.field(factory=dict[Broken, list[Key]])
    tried: int = 0
    left: Counter[str] = attrs.field(factory=Counter[str])

    @property
    def ok(self) -> bool:
        """Whether nothing would break."""
        return not self.broken

    def add(self, key: Key, broken: Broken) -> None:
        """Note that a conversation would break."""
        keys = self.broken.setdefault(broken, [])
        if key not in keys:
            keys.append(key)

    @property
    def findings(self) -> list[Finding]:
        """What would break, without what the conversations are about."""
        return [
            Finding(
                broken.problem.code,
                _told(broken, keys),
                broken.problem.where,
                broken.flow,
                "store",
                chat=None,
            )
            for broken, keys in self.broken.items()
        ]

    def lines(self) -> list[str]:
        """All of it, for a terminal."""
        lines = [finding.line for finding in self.findings]
        total = sum(sum(counts.values()) for counts in self.survey.counts.values())
        lines += self.survey.lost_lines()
        fits = ", ".join(f"{self.survey.total(fit):,} {fit}" for fit in FITS if self.survey.total(fit))
        lines.append(f"{_many(total, 'conversation')} in {_many(self.survey.rows, 'row')}: {fits or 'none'}")
        lines.append(f"handlers were tried on {self.tried:,}; nothing was written or sent")
        lines += [f"not tried: {_many(count, 'conversation')} ({why})" for why, count in self.left.items()]
        return lines

    def to_json(self) -> dict[str, Any]:
        """For scripts; docs/reference/testing.md describes it."""
        return {
            "ok": self.ok,
            "rows": self.survey.rows,
            "tried": self.tried,
            "left": dict(self.left),
            "lost": [{"message": said, "conversations": count} for said, count in self.survey.lost.items()],
            "states": [
                {"flow": flow, "state": state, **counts}
                for (flow, state), counts in sorted(self.survey.counts.items(), key=str)
            ],
            "findings": [
                {
                    "code": broken.problem.code,
                    "message": broken.problem.message,
                    "where": broken.problem.where,
                    "flow": broken.flow,
                    "state": broken.state,
                    "line": broken.line,
                    "conversations": len(keys),
                    "keys": [str(key) for key in keys[:FEW]],
                }
                for broken, keys in self.broken.items()
            ],
        }


async def check_store(
    store: Store,
    *flows: Flow[Any],
    bot: int | str | None = None,
    seconds: float = SECONDS,
    oracles: Sequence[Oracle] = ORACLES,
    resources: Any = None,
    clock: Clock | None = None,
) -> LiveReport:
    """Hold a new version of flows against what an old one has stored; nothing is written or sent.

    Handlers run, in memory: what they do themselves beside fsmkit (a database in `resources`) is done.

    Args:
        store: The live store; it is only read.
        flows: The flows of the version that is to run.
        bot: Only this bot's rows.
        seconds: How long handlers are tried, at most; how the others fit is told in any case.
        oracles: What judges each step.
        resources: What handlers find in `ctx.resources`.
        clock: The time.
    """
    look = _Look(EngineDriver(flows, resources=resources), oracles, (clock or SystemClock()).now())
    end = time.monotonic() + seconds
    with quiet():
        async for stored in store.scan(bot=bot):
            try:
                row = decode_row(stored.row)
            except StoreCorrupt as error:
                look.report.survey.add(stored.key, unreadable(stored, error))
                for index in stored.index:
                    problem = Problem("unreadable", str(error))
                    look.report.add(stored.key, Broken(problem, index.flow, index.state))
                continue
            await look.at(stored.key, row, time.monotonic() < end)
            await asyncio.sleep(0)
    return look.report


class _Look:
    """One look at a store.

    Args:
        driver: Where handlers are tried.
        oracles: What judges each step.
        now: The time.
    """

    def __init__(self, driver: EngineDriver, oracles: Sequence[Oracle], now: float) -> None:
        self.report = LiveReport()
        self._stage = driver
        self._oracles = oracles
        self._now = now
        self._menus = Candidates()

    async def at(self, key: Key, row: Row, in_time: bool) -> None:
        """Look at a row."""
        flows = self._stage.running.flows
        found = compatibility(flows, row)
        self.report.survey.add(key, found)
        self.report.survey.lost.update(told_lost(*each) for each in lost_fields(flows, row))
        flow, state = (
            running_states(row)[-1] if running_states(row) else (next(iter(row.snapshots), ""), None)
        )
        problems = [*misfits(flows, row), *losses(flows, row)]
        for problem in problems:
            self.report.add(key, Broken(problem, flow, state))
        if problems or not any(one.fit in ("current", "migrated") for one in found):
            return
        if not in_time:
            self.report.left["the time was up"] += 1
        elif not self._sit(key, row):
            self.report.left["they hang on a message, a business or an id that is not a number"] += 1
        else:
            self.report.tried += 1
            await self._try(key, flow, state)

    def _sit(self, key: Key, row: Row) -> bool:
        """Put a row into memory, as that of user 1; return whether that can be done."""
        chat, user = key.chat, key.user
        if not isinstance(chat, int) or not isinstance(user, int) or key.business is not None:
            return False
        group = chat if chat < 0 or chat != user else None
        self._stage.take_place(1 if user < 0 else user, group, self._now)
        flows = self._stage.running.flows
        name = next((name for name in row.snapshots if name in flows.tables), None)
        try:
            seat = self._stage.key(1, name)
        except NotThereError:
            return False
        _, change = change_of(structs.replace(row, seen=" "), seat, self._now, _LIMITS, [], 0)
        self._stage.store.write(seat, 0, change)
        for bound, buttons in buttons_for(flows, row):
            self._stage.show_buttons(bound, buttons)
        return True

    async def _try(self, key: Key, flow: str, state: str | None) -> None:
        row = await self._stage.row(1)
        nothing = Observation(Wait(0.0), row, row, self._stage.running.flows, (), (), ())
        for problem, observations in await offer(self._stage, self._menus, [nothing], self._oracles):
            self.report.add(key, Broken(problem, flow, state, observations[-1].action.line()))


def _told(broken: Broken, keys: Sequence[Key]) -> str:
    """Return the problem, what shows it, and where it would be met."""
    shown = f" on {broken.line!r}" if broken.line else ""
    who = ", ".join(map(str, keys[:FEW])) + (", ..." if len(keys) > FEW else "")
    place = f"{broken.flow}/{broken.state or '(draft)'}"
    return f"{broken.problem.message}{shown} ({_many(len(keys), 'conversation')} in {place}: {who})"


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
