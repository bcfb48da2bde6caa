"""A small model of conversations, written from the design and not from the code, to hold the engine against.

It knows no rows, no leases and no messages: only where each conversation stands, and until when.
"""

import copy
from collections.abc import Iterator
from typing import Any

import attrs
from random_flows import FAILURES, FlowSpec, HandlerSpec, Op

DAY = 86400.0
RETRIES = (5.0, 15.0, 45.0, 135.0)
"""Seconds after which a timeout handler that failed is asked again; after the fifth time it is over."""


class Fails(Exception):
    """A handler failed, or its result is not allowed."""

    def __init__(self, refused: bool = False) -> None:
        self.refused = refused
        super().__init__("fails")


@attrs.define
class Frame:
    flow: str
    state: str | None
    data: dict[str, Any]
    history: tuple[str, ...] = ()


@attrs.define
class Conversation:
    frames: list[Frame]
    deadline: float | None = None
    tries: int = 0

    @property
    def active(self) -> bool:
        return self.frames[-1].state is not None


@attrs.frozen
class Candidate:
    """A handler that is asked: in which conversation and at which depth; `frame` is `None` where none is."""

    name: str
    depth: int
    flow: FlowSpec
    handler: HandlerSpec


class Model:
    """All conversations of one key."""

    def __init__(self, world: tuple[FlowSpec, ...], now: float) -> None:
        self.world = {spec.name: spec for spec in world}
        self.now = now
        self.talks: dict[str, Conversation] = {}
        self.seen: set[int] = set()
        self.fired = False
        self._expiring = False

    # -- what happens ------------------------------------------------------------------------------

    def happen(self, op: Op) -> str:
        """Lets something happen; returns what becomes of it."""
        self.fired = False
        if op.kind == "say":
            return self._say(op.word, op.ident)
        if op.kind == "advance":
            self.now += op.seconds
        elif op.kind == "sweep":
            self._fire_overdue()
        elif op.kind == "set":
            self._set(op.flow, op.state, op.n)
        elif op.kind == "reset":
            self._reset(op.flow)
        return "done"

    def _say(self, word: str, ident: int) -> str:
        if ident in self.seen:
            return "duplicate"
        self._fire_overdue()
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

    def _fire_overdue(self) -> None:
        while (name := self._overdue()) is not None:
            self.fired = True
            before = copy.deepcopy(self.talks)
            self._expiring = True
            try:
                if self._offer("timeout", name) is None:
                    self.talks.pop(name, None)
            except Fails:
                self.talks = before
                self._put_off(name)
            finally:
                self._expiring = False

    def _overdue(self) -> str | None:
        for name, talk in self.talks.items():
            if talk.deadline is not None and talk.deadline <= self.now:
                return name
        return None

    def _put_off(self, name: str) -> None:
        talk = self.talks[name]
        if talk.tries == len(RETRIES):
            del self.talks[name]
            return
        talk.deadline = self.now + RETRIES[talk.tries]
        talk.tries += 1

    def _set(self, flow: str, state: str, n: int | None) -> None:
        found = self.locate(flow)
        if found is None or not self.talks[found[0]].active:
            self._open(flow, state, n)
        else:
            self._goto(*found, state, n)

    def _reset(self, flow: str) -> None:
        found = self.locate(flow)
        if found is None:
            return
        name, depth = found
        self._cut(name, depth)
        if depth == 0 or not self.talks[name].active:
            self.talks.pop(name, None)
        else:
            self._restart(name)

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

    def _offer(self, event: str, within: str | None = None) -> str | None:
        """`moved`, `stayed` or `refused`; `None` if nobody takes it."""
        for asked in list(self._asked(event, within)):
            before = copy.deepcopy(self.talks)
            try:
                done = self._run(asked)
            except Fails as failure:
                self.talks = before
                caught = None if event == "crashed" else self._offer("crashed", asked.name)
                if caught is not None:
                    return caught
                if failure.refused and not self._expiring:
                    return "refused"
                raise
            if done != "passed":
                return done
        return None

    def _asked(self, event: str, within: str | None) -> Iterator[Candidate]:
        for name, talk in reversed(self.talks.items()):
            if not talk.active or within not in (None, name):
                continue
            top = len(talk.frames) - 1
            for depth in range(top, -1, -1):
                spec = self.world[talk.frames[depth].flow]
                exact = [h for h in spec.handlers if depth == top and talk.frames[depth].state in h.states]
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

    # -- what a result does ------------------------------------------------------------------------

    def _run(self, asked: Candidate) -> str:
        act, own = asked.handler.act, asked.flow.name
        if act.kind == "pass":
            return "passed"
        if act.kind in FAILURES or act.kind == "error":
            raise Fails(refused=act.kind == "error")
        target = act.target(own)
        if target is not None and asked.handler.to is not None and target not in asked.handler.to:
            raise Fails
        talk = self.talks.get(asked.name)
        frame = talk.frames[asked.depth] if talk is not None else None
        stands = frame is not None and (frame.state is not None or len(talk.frames) > 1)
        if act.kind == "transition":
            self._transition(asked, act.flow, act.state, act.n, stands)
        elif act.kind == "call":
            self._call(asked, act.flow, act.n, stands)
        elif act.kind == "end":
            self._end(asked)
        elif act.kind == "back" and frame is not None and frame.state is not None:
            self._back(asked, frame, act.count, act.n)
        else:
            self._stay(asked, act.n if act.kind != "none" else None, stands)
            return "stayed"
        return "moved"

    def _transition(self, asked: Candidate, flow: str, state: str, n: int | None, stands: bool) -> None:
        if flow == asked.flow.name:
            if stands:
                self._goto(asked.name, asked.depth, state, n)
            else:
                self._open(flow, state, n)
            return
        for depth in range(asked.depth - 1, -1, -1):  # a flow that waits for this one is gone back to
            if self.talks[asked.name].frames[depth].flow == flow:
                self._goto(asked.name, depth, state, n)
                return
        self.talks.pop(asked.name, None)
        other = self.talks.get(flow)
        if other is not None and other.active:
            self.talks[flow] = self.talks.pop(flow)
            self._goto(flow, 0, state, n)
        else:
            self._open(flow, state, n)

    def _open(self, flow: str, state: str, n: int | None) -> None:
        draft = self.talks.pop(flow, None)
        data = {"n": n} if n is not None else draft.frames[0].data if draft else {}
        if self.world[flow].exclusive:
            self.talks = {name: talk for name, talk in self.talks.items() if not talk.active}
        self.talks[flow] = Conversation([Frame(flow, state, data)])
        self._restart(flow)

    def _goto(self, name: str, depth: int, state: str, n: int | None, history: Any = None) -> None:
        self._cut(name, depth + 1)
        frame = self.talks[name].frames[depth]
        if history is not None:
            frame.history = history
        elif frame.state is not None and frame.state != state:
            frame.history = (*frame.history, frame.state)[-16:]
        frame.state = state
        frame.data = frame.data if n is None else {"n": n}
        self._restart(name)

    def _stay(self, asked: Candidate, n: int | None, stands: bool) -> None:
        if stands:
            frame = self.talks[asked.name].frames[asked.depth]
            frame.data = frame.data if n is None else {"n": n}
            self._restart(asked.name)
        elif n is not None:
            self.talks[asked.flow.name] = Conversation([Frame(asked.flow.name, None, {"n": n})])

    def _back(self, asked: Candidate, frame: Frame, count: int, n: int | None) -> None:
        if not frame.history:
            self._stay(asked, n, stands=True)
        else:
            past = frame.history
            self._goto(asked.name, asked.depth, past[-min(count, len(past))], n, past[:-count])

    def _call(self, asked: Candidate, flow: str, n: int | None, stands: bool) -> None:
        if asked.depth + 2 > 8:
            raise Fails
        if not stands:
            draft = self.talks.pop(asked.name, None)
            waiting = draft.frames[0] if draft else Frame(asked.flow.name, None, {})
            self.talks[asked.name] = Conversation([waiting])
        self._cut(asked.name, asked.depth + 1)
        initial = self.world[flow].states[0]
        self.talks[asked.name].frames.append(Frame(flow, initial, {} if n is None else {"n": n}))
        self._restart(asked.name)

    def _end(self, asked: Candidate) -> None:
        if asked.depth == 0:
            self.talks.pop(asked.name, None)
            return
        self._cut(asked.name, asked.depth)
        self._restart(asked.name)
        if self._offer("returned", asked.name) != "moved" and not self.talks[asked.name].active:
            del self.talks[asked.name]

    def _cut(self, name: str, depth: int) -> None:
        del self.talks[name].frames[depth:]
        if not self.talks[name].frames:
            del self.talks[name]

    def _restart(self, name: str) -> None:
        """Starts the idle deadline anew: that of the running flow, else of its caller, else a day."""
        talk = self.talks[name]
        talk.tries = 0
        ttls = [self.world[frame.flow].ttl for frame in reversed(talk.frames)]
        ttl = next((ttl for ttl in ttls if ttl != "inherit"), DAY)
        talk.deadline = None if ttl is None or not talk.active else self.now + ttl
