"""A small model of conversations, written from the design and not from the code, to hold the engine against.

It knows no rows, no leases and no messages: only where each conversation stands, and until when.
"""

import copy
from collections.abc import Iterator

from flow_model_steps import Candidate, Conversation, Fails, Steps
from random_flows import FlowSpec, Op

RETRIES = (5.0, 15.0, 45.0, 135.0)
"""Seconds after which a timeout handler that failed is asked again; after the fifth time it is over."""


class Model(Steps):
    """All conversations of one key."""

    def __init__(self, world: tuple[FlowSpec, ...], now: float) -> None:
        self.world = {spec.name: spec for spec in world}
        self.now = now
        self.talks: dict[str, Conversation] = {}
        self.seen: set[int] = set()
        self.said: list[str] = []
        self.fired = False
        self._expiring = False

    # -- what happens ------------------------------------------------------------------------------

    def happen(self, op: Op) -> str:
        """Lets something happen; returns what becomes of it."""
        self.fired = False
        if op.kind == "say":
            return self._say(op.word, op.ident, None if op.ago is None else self.now - op.ago)
        self.now += op.seconds
        if op.kind in ("wait", "sweep"):
            self._fire_overdue()
            self._remind()
        elif op.kind == "set":
            self._set(op.flow, op.state, op.n)
        elif op.kind == "reset":
            self._reset(op.flow)
        return "done"

    def _say(self, word: str, ident: int, date: float | None) -> str:
        if ident in self.seen:
            return "duplicate"
        self._fire_overdue(date)
        before = copy.deepcopy(self.talks)
        try:
            taken = self._offer(word)
        except Fails:
            self.talks = before
            return "raised"
        if taken is None:
            return "passed"
        if taken != "refused":
            self.seen.add(ident)
        return "handled"

    def _fire_overdue(self, date: float | None = None) -> None:
        while (late := self._overdue(date)) is not None:
            _, name, depth, limit = late
            self.fired = True
            if limit != "deadline":  # it comes once, whatever is made of it
                setattr(self.talks[name].frames[depth], limit, None)
            before = copy.deepcopy(self.talks)
            self._expiring = True
            try:
                if self._offer("timeout", name, depth) is None:
                    self.talks.pop(name, None)
            except Fails:
                self.talks = before
                self._put_off(name, depth, limit)
            finally:
                self._expiring = False

    def _overdue(self, date: float | None) -> tuple[float, str, int, str] | None:
        """What came first: when, in which conversation, at which depth, and which of its times."""
        found: list[tuple[float, str, int, str]] = []
        for name, talk in self.talks.items():
            times = [
                (getattr(frame, limit), name, depth, limit)
                for depth, frame in enumerate(talk.frames)
                for limit in ("flow_limit", "state_limit")
            ]
            times.append((talk.deadline, name, len(talk.frames) - 1, "deadline"))
            found += [late for late in times if late[0] is not None and late[0] <= self.now]
        late = [one for one in found if date is None or date >= one[0]]
        return min(late, key=lambda one: one[0], default=None)

    def _put_off(self, name: str, depth: int, limit: str) -> None:
        talk = self.talks[name]
        if talk.tries == len(RETRIES):
            del self.talks[name]
            return
        setattr(talk if limit == "deadline" else talk.frames[depth], limit, self.now + RETRIES[talk.tries])
        talk.tries += 1
        talk.remind = None

    def _remind(self) -> None:
        """Only a sweep reminds; nothing of it moves the deadline, but a handler that goes somewhere."""
        while True:
            due = [
                (t.remind, n) for n, t in self.talks.items() if t.remind is not None and t.remind <= self.now
            ]
            if not due:
                return
            name = min(due, key=lambda one: one[0])[1]
            talk = self.talks[name]
            talk.remind = None
            before = copy.deepcopy(self.talks)
            try:
                done = self._offer("reminder", name)
            except Fails:
                self.talks = before
                continue
            if done == "moved":
                continue
            talk = self.talks[name]
            talk.deadline, talk.remind, talk.tries = before[name].deadline, None, 0
            if done is None:
                flows = [(times.remind, f.flow) for f in reversed(talk.frames) for times in self.times(f)]
                self.said.append(next(flow for remind, flow in flows if remind != "inherit"))

    def _set(self, flow: str, state: str, n: int | None) -> None:
        found = self.locate(flow)
        if found is None or not self.talks[found[0]].active:
            self.open(flow, state, n)
        else:
            self.goto(*found, state, n)

    def _reset(self, flow: str) -> None:
        found = self.locate(flow)
        if found is None:
            return
        name, depth = found
        self.cut(name, depth)
        if depth == 0 or not self.talks[name].active:
            self.talks.pop(name, None)
        else:
            self.restart(name)

    def locate(self, flow: str) -> tuple[str, int] | None:
        """Where a flow stands."""
        if flow in self.talks:
            return flow, 0
        for name, talk in reversed(self.talks.items()):
            for depth in range(len(talk.frames) - 1, -1, -1):
                if talk.frames[depth].flow == flow:
                    return name, depth
        return None

    # -- who is asked ------------------------------------------------------------------------------

    def _offer(self, event: str, within: str | None = None, depth: int | None = None) -> str | None:
        """`moved`, `stayed` or `refused`; `None` if nobody takes it."""
        for asked in list(self._asked(event, within, depth)):
            before = copy.deepcopy(self.talks)
            try:
                done = self.run(asked)
            except Fails as failure:
                self.talks = before
                caught = None if event == "crashed" else self._rescue(asked.name)
                if caught is not None:
                    return caught
                if failure.refused and not self._expiring and event not in ("crashed", "returned"):
                    return "refused"
                raise
            if done != "passed":
                return done
        return None

    def _rescue(self, name: str) -> str | None:
        """What handlers of `Crashed` make of a failure; one that refuses leaves it as it is."""
        try:
            return self._offer("crashed", name)
        except Fails as failure:
            if failure.refused:
                return None
            raise

    def _asked(self, event: str, within: str | None, only: int | None) -> Iterator[Candidate]:
        for name, talk in reversed(self.talks.items()):
            if not talk.active or within not in (None, name):
                continue
            top = len(talk.frames) - 1 if only is None else only
            for depth in range(top, -1, -1):
                spec = self.world[talk.frames[depth].flow]
                state = talk.frames[depth].state
                exact = [h for h in spec.handlers if depth == top and state and state in h.states]
                others = [h for h in spec.handlers if "ANY" in h.states and h not in exact]
                for handler in [*exact, *others]:
                    if handler.on == event:
                        yield Candidate(name, depth, spec, handler)
        running = {frame.flow for talk in self.talks.values() if talk.active for frame in talk.frames}
        for spec in self.world.values():
            if spec.name not in running and within in (None, spec.name):
                for handler in spec.handlers:
                    if None in handler.states and handler.on == event:
                        yield Candidate(spec.name, 0, spec, handler)
