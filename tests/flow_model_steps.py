"""What results do to conversations, for the model in `flow_model`; written from the design too."""

from typing import Any

import attrs
from random_flows import FAILURES, FlowSpec, HandlerSpec, TimesSpec

DAY = 86400.0


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
    flow_limit: float | None = None
    state_limit: float | None = None


@attrs.define
class Conversation:
    frames: list[Frame]
    deadline: float | None = None
    remind: float | None = None
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


class Steps:
    """Applies what a handler does; who is asked is not decided here."""

    world: dict[str, FlowSpec]
    talks: dict[str, Conversation]
    now: float

    def _offer(self, event: str, within: str | None = None) -> str | None:
        raise NotImplementedError

    def run(self, asked: Candidate) -> str:
        action, own = asked.handler.action, asked.flow.name
        if action.kind == "pass":
            return "passed"
        if action.kind in FAILURES or action.kind == "error":
            raise Fails(refused=action.kind == "error")
        target = action.target(own)
        if target is not None and asked.handler.to is not None and target not in asked.handler.to:
            raise Fails
        talk = self.talks.get(asked.name)
        frame = talk.frames[asked.depth] if talk is not None else None
        stands = frame is not None and (frame.state is not None or len(talk.frames) > 1)
        if action.kind == "transition":
            self._transition(asked, action.flow, action.state, action.n, stands)
        elif action.kind == "call":
            self._call(asked, action.flow, action.n, stands)
        elif action.kind == "end":
            self._end(asked)
        elif action.kind == "back" and frame is not None and frame.state is not None:
            self._back(asked, frame, action.count, action.n)
        else:
            self._stay(asked, action.n if action.kind != "none" else None, stands)
            return "stayed"
        return "moved"

    def _transition(self, asked: Candidate, flow: str, state: str, n: int | None, stands: bool) -> None:
        if flow == asked.flow.name:
            if stands:
                self.goto(asked.name, asked.depth, state, n)
            else:
                self.open(flow, state, n)
            return
        for depth in range(asked.depth - 1, -1, -1):  # a flow that waits for this one is gone back to
            if self.talks[asked.name].frames[depth].flow == flow:
                self.goto(asked.name, depth, state, n)
                return
        self.talks.pop(asked.name, None)
        other = self.talks.get(flow)
        if other is not None and other.active:
            self.oust_others(flow)
            self.talks[flow] = self.talks.pop(flow)
            self.goto(flow, 0, state, n)
        else:
            self.open(flow, state, n)

    def open(self, flow: str, state: str, n: int | None) -> None:
        draft = self.talks.pop(flow, None)
        data = {"n": n} if n is not None else draft.frames[0].data if draft else {}
        self.oust_others(flow)
        self.talks[flow] = Conversation([self.frame(flow, state, data)])
        self.restart(flow)

    def oust_others(self, flow: str) -> None:
        if self.world[flow].exclusive:
            self.talks = {n: talk for n, talk in self.talks.items() if n == flow or not talk.active}

    def frame(self, flow: str, state: str | None, data: dict[str, Any]) -> Frame:
        """One that is entered now."""
        return Frame(flow, state, data, (), self.limit(flow), self.limit(flow, state))

    def limit(self, flow: str, state: str | None = None) -> float | None:
        """When a flow, or a state of it, that is entered now has lasted too long."""
        spec = self.world[flow]
        max_age = spec.times.max_age if state is None else spec.times_in(state).max_age
        return None if max_age is None else self.now + max_age

    def goto(self, name: str, depth: int, state: str, n: int | None, history: Any = None) -> None:
        self.cut(name, depth + 1)
        frame = self.talks[name].frames[depth]
        if history is not None:
            frame.history = history
        elif frame.state is not None and frame.state != state:
            frame.history = (*frame.history, frame.state)[-16:]
        frame.state = state
        frame.state_limit = self.limit(frame.flow, state)
        frame.data = frame.data if n is None else {"n": n}
        self.restart(name)

    def _stay(self, asked: Candidate, n: int | None, stands: bool) -> None:
        if stands:
            frame = self.talks[asked.name].frames[asked.depth]
            frame.data = frame.data if n is None else {"n": n}
            self.restart(asked.name)
        elif n is not None:
            self.talks[asked.flow.name] = Conversation([Frame(asked.flow.name, None, {"n": n})])

    def _back(self, asked: Candidate, frame: Frame, count: int, n: int | None) -> None:
        if not frame.history:
            self._stay(asked, n, stands=True)
        else:
            past = frame.history
            self.goto(asked.name, asked.depth, past[-min(count, len(past))], n, past[:-count])

    def _call(self, asked: Candidate, flow: str, n: int | None, stands: bool) -> None:
        if asked.depth + 2 > 8:
            raise Fails
        if not stands:
            draft = self.talks.pop(asked.name, None)
            self.oust_others(asked.name)
            data = draft.frames[0].data if draft else {}
            waiting = Frame(asked.name, None, data, (), self.limit(asked.name))
            self.talks[asked.name] = Conversation([waiting])
        self.cut(asked.name, asked.depth + 1)
        initial = self.world[flow].states[0]
        self.talks[asked.name].frames.append(self.frame(flow, initial, {} if n is None else {"n": n}))
        self.restart(asked.name)

    def _end(self, asked: Candidate) -> None:
        if asked.depth == 0:
            self.talks.pop(asked.name, None)
            return
        self.cut(asked.name, asked.depth)
        self.restart(asked.name)
        if self._offer("returned", asked.name) != "moved" and not self.talks[asked.name].active:
            del self.talks[asked.name]

    def cut(self, name: str, depth: int) -> None:
        del self.talks[name].frames[depth:]
        if not self.talks[name].frames:
            del self.talks[name]

    def restart(self, name: str) -> None:
        """Starts the idle times anew: those of the running state, its flow, else of the caller, else a day."""
        talk = self.talks[name]
        talk.tries = 0
        declared = [times for frame in reversed(talk.frames) for times in self.times(frame)]
        ttl = next((times.ttl for times in declared if times.ttl != "inherit"), DAY)
        remind = next((times.remind for times in declared if times.remind != "inherit"), None)
        talk.deadline = None if ttl is None or not talk.active else self.now + ttl
        talk.remind = None if remind is None or not talk.active else self.now + remind

    def times(self, frame: Frame) -> tuple[TimesSpec, TimesSpec]:
        """What the state and the flow of a frame declare."""
        spec = self.world[frame.flow]
        return spec.times_in(frame.state), spec.times
