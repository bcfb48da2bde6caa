"""Random flows and what happens to them: Hypothesis strategies, and the flows that they describe."""

from collections.abc import Callable
from typing import Any

import attrs
from chat_events import Said
from hypothesis import strategies as st

from fsmkit import ANY, END, Crashed, Flow, Reminder, Returned, Timeout
from fsmkit.flow.states import INHERIT

WORDS = ("a", "b", "c")
INTERNAL = {"timeout": Timeout, "reminder": Reminder, "returned": Returned, "crashed": Crashed}
FAILURES = ("raise", "garbage", "unknown")


@attrs.frozen
class Act:
    """What a handler does: the kind of its result, or how it fails.

    Attributes:
        kind: A kind of result, `none`, or one of `FAILURES`.
        flow: The flow that it goes to or calls.
        state: The state that it goes to.
        n: The data that it gives are `{"n": n}`; `None`: it gives none.
        count: How many states it goes back.
    """

    kind: str
    flow: str = ""
    state: str = ""
    n: int | None = None
    count: int = 1

    def target(self, own: str) -> str | None:
        """How the target is written in `to=`; `None` for results that are always allowed."""
        if self.kind == "transition":
            return f"{self.flow}/{self.state}"
        return self.flow if self.kind == "call" else "END" if self.kind == "end" else None

    def result(self, own: str) -> Any:
        """What the handler returns."""
        data = () if self.n is None else ({"n": self.n},)
        match self.kind:
            case "none":
                return None
            case "transition":
                return ("transition", self.state if self.flow == own else f"{self.flow}/{self.state}", *data)
            case "call":
                return ("call", self.flow, *data)
            case "back":
                return ("back", self.count, *data)
            case "error":
                return ("error", "random")
            case "garbage":
                return ("stay", 1, 2, 3)
            case "unknown":
                return ("transition", "nowhere")
            case "raise":
                raise RuntimeError("random")
        return (self.kind, *data) if self.kind in ("stay", "end") else (self.kind,)


@attrs.frozen
class HandlerSpec:
    """A handler: its states (`None`, `"ANY"` or names), what it wants, what it does, what `to=` names."""

    states: tuple[str | None, ...]
    on: str
    action: Act
    to: tuple[str, ...] | None


@attrs.frozen
class TimesSpec:
    """Times of a flow or a state; `ttl` and `remind` are a number, `None` or `"inherit"`."""

    ttl: int | str | None = "inherit"
    max_age: int | None = None
    remind: int | str | None = "inherit"

    @property
    def options(self) -> dict[str, Any]:
        """As a `Flow` or a `State` takes them."""
        ttl, remind = (INHERIT if time == "inherit" else time for time in (self.ttl, self.remind))
        return {"ttl": ttl, "max_age": self.max_age, "remind_after": remind}


@attrs.frozen
class FlowSpec:
    """A flow, with its own times and those of its states."""

    name: str
    states: tuple[str, ...]
    times: TimesSpec
    exclusive: bool
    handlers: tuple[HandlerSpec, ...]
    state_times: tuple[TimesSpec, ...] = ()

    @property
    def reminds(self) -> bool:
        """Whether it says when to remind."""
        return any(isinstance(times.remind, int) for times in (self.times, *self.state_times))

    def times_in(self, state: str | None) -> TimesSpec:
        """What a state declares, nothing where there is none."""
        return self.state_times[self.states.index(state)] if state is not None else TimesSpec()


@attrs.frozen
class Op:
    """What happens: a word is said, time passes (`wait`: and is noticed), a restart, a write by hand."""

    kind: str
    word: str = ""
    ident: int = 0
    ago: int | None = None
    seconds: int = 0
    flow: str = ""
    state: str = ""
    n: int | None = None


numbers = st.none() | st.integers(0, 9)
times = st.builds(
    TimesSpec,
    st.sampled_from(["inherit", "inherit", None, 30, 100]),
    st.sampled_from([None, None, None, 45, 150]),
    st.sampled_from(["inherit", "inherit", None, 12, 25]),
)


@st.composite
def worlds(draw: Any) -> tuple[FlowSpec, ...]:
    """Up to three flows of up to four states each, that may call and cross into one another."""
    states = {
        f"f{number}": tuple(f"s{state}" for state in range(draw(st.integers(1, 4))))
        for number in range(draw(st.integers(1, 3)))
    }
    places = [(flow, state) for flow, names in states.items() for state in names]
    return tuple(_flow(draw, name, states, places) for name in states)


def _flow(draw: Any, name: str, states: dict[str, Any], places: list[tuple[str, str]]) -> FlowSpec:
    handlers = st.builds(
        HandlerSpec,
        st.lists(st.sampled_from([None, "ANY", *states[name]]), min_size=1, max_size=2, unique=True).map(
            tuple
        ),
        st.sampled_from([*WORDS, *WORDS, *INTERNAL]),
        _acts(places),
        st.none(),
    )
    made = draw(st.lists(handlers, min_size=4, max_size=12))
    targets = [f"{flow}/{state}" for flow, state in places] + list(states) + ["END"]
    declared = [attrs.evolve(spec, to=draw(_to(spec.action.target(name), targets))) for spec in made]
    exclusive = draw(st.sampled_from([False, False, True]))
    of_states = tuple(draw(st.just(TimesSpec()) | times) for _ in states[name])
    return FlowSpec(name, states[name], draw(times), exclusive, tuple(declared), of_states)


def _acts(places: list[tuple[str, str]]) -> st.SearchStrategy[Act]:
    kinds = [*["transition"] * 6, *["call"] * 3, "stay", "none", "back", "back", "end", "end", "pass", "pass"]
    return st.builds(
        lambda kind, place, n, count: Act(kind, place[0], place[1], n, count),
        st.sampled_from([*kinds, "error", *FAILURES]),
        st.sampled_from(places),
        numbers,
        st.integers(1, 3),
    )


def _to(target: str | None, targets: list[str]) -> st.SearchStrategy[tuple[str, ...] | None]:
    """Nothing; or a few targets, among them mostly the one that the handler goes to."""
    some = st.lists(st.sampled_from(targets), max_size=3, unique=True).map(tuple)
    if target is None:
        return st.none() | some
    return st.none() | some.map(lambda names: (target, *names)) | some


@st.composite
def ops(draw: Any, world: tuple[FlowSpec, ...]) -> Op:
    """One thing that happens."""
    kind = draw(
        st.sampled_from([*["say"] * 9, "advance", "wait", "wait", "wait", "sweep", "restart", "set", "reset"])
    )
    if kind == "say":
        ago = draw(st.sampled_from([None, None, None, 0, 10, 60]))
        return Op(kind, word=draw(st.sampled_from(WORDS)), ident=draw(st.integers(0, 99)), ago=ago)
    if kind in ("advance", "wait"):
        return Op(kind, seconds=draw(st.sampled_from([1, 12, 13, 29, 30, 45, 100, 200])))
    if kind in ("sweep", "restart"):
        return Op(kind)
    flow = draw(st.sampled_from(world))
    return Op(kind, flow=flow.name, state=draw(st.sampled_from(flow.states)), n=draw(numbers))


def build(world: tuple[FlowSpec, ...], called: Callable[[FlowSpec, HandlerSpec], None]) -> list[Flow[Any]]:
    """The flows that are described; `called` is told of each call of a handler."""
    flows = []
    for spec in world:
        reminder = f"{spec.name} reminds" if spec.reminds else None
        flow = Flow(spec.name, **spec.times.options, exclusive=spec.exclusive, reminder=reminder)
        for state in spec.states:
            flow.state(state, **spec.times_in(state).options)
        for handler in spec.handlers:
            _register(flow, spec, handler, called)
        flows.append(flow)
    return flows


def _register(flow: Flow[Any], spec: FlowSpec, handler: HandlerSpec, called: Any) -> None:
    names = {"ANY": ANY, "END": END}
    own = f"{spec.name}/"
    on = INTERNAL.get(handler.on, Said)
    when = None if handler.on in INTERNAL else lambda event: event.text == handler.on
    to = None if handler.to is None else [names.get(item, item.removeprefix(own)) for item in handler.to]

    @flow.defstate(*(names.get(state, state) for state in handler.states), on=on, when=when, to=to)
    def handle(event: Any, ctx: Any) -> Any:
        called(spec, handler)
        return handler.action.result(spec.name)
