"""Conversations for Hypothesis's own tests: a strategy, and a state machine to add rules and invariants to.

`fsmkit test` and `check` use the machine below for their random phase and shorten what they find themselves.
Here Hypothesis does what its users know of it: it draws, shrinks, keeps failing examples in its database, and
obeys `--hypothesis-seed`, `@settings` and `@example`.

Each conversation begins with nobody known, on the engine in memory, at the same time of the test's clock. The
bot is not loaded anew, so that data are of the classes that the test has imported.
"""

import asyncio
import inspect
import weakref
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from hypothesis import note
from hypothesis import strategies as st

from fsmkit.errors import add_note
from fsmkit.flow.flow import Flow
from fsmkit.testing.budget import Budget
from fsmkit.testing.explore.conversation import Conversation
from fsmkit.testing.explore.random_walk import PICK, ConversationMachine, FoundError, Search
from fsmkit.testing.findings import transcript
from fsmkit.testing.harness import actions
from fsmkit.testing.harness.actions import Action
from fsmkit.testing.harness.engine_driver import EngineDriver
from fsmkit.testing.harness.instrument import quiet
from fsmkit.testing.harness.loop import DrawnLoop
from fsmkit.testing.harness.observation import Observation
from fsmkit.testing.oracles import ORACLES, Oracle

GROUP = -100

PLAIN = ("answer_plainly", "press", "answer", "answer", "answer")
"""What a person should do, of the machine's rules; Hypothesis shrinks to the first."""

MISHAPS = (*PLAIN, *PLAIN, "nearly", "anything", "elsewhere", "press_an_old_one", "again", "killed", "wait")
"""What happens besides; the plain rules stand twice, since they come more often."""


RULES: dict[str, Any] = {name: getattr(ConversationMachine, name) for name in dict.fromkeys(MISHAPS)}


class Talk:
    """A conversation that a test is given, and may go on with.

    What a handler raises, and what an oracle finds, is raised with the conversation as a note.

    Args:
        search: Where it takes place.
    """

    def __init__(self, search: Search) -> None:
        self._search = search
        self._machine = _machine_class(ConversationMachine, search)()

    @property
    def observations(self) -> list[Observation]:
        """What came of each action."""
        talk: Conversation = self._machine.talk
        return talk.observations

    @property
    def actions(self) -> list[Action]:
        """What was done."""
        return [observation.action for observation in self.observations]

    @property
    def state(self) -> str | None:
        """Name of the state in which the conversation stands, `None` if none runs."""
        return self.observations[-1].state if self.observations else None

    @property
    def data(self) -> Any:
        """The data of the flow that runs, `None` if none runs."""
        return self.observations[-1].data if self.observations else None

    @property
    def shown(self) -> list[str]:
        """What the bot said, line by line."""
        return [line for observation in self.observations for line in observation.shown]

    @property
    def code(self) -> str:
        """The same as calls on a `Chat`."""
        return "\n".join(f"chat.{action.code()}" for action in self.actions)

    def say(self, text: str) -> Observation:
        """Go on with a text; `/words` are commands."""
        return self.do(actions.Say(text))

    def press(self, button: str) -> Observation:
        """Go on with a press of a button that stands on the screen.

        Raises:
            NotThereError: If there is none of this text.
        """
        return self.do(actions.Press(button))

    def do(self, action: Action) -> Observation:
        """Go on with an action, and return what came of it."""
        problems = self._search.runner.run(self._machine.talk.do(action))
        self._check_errors(len(self.observations) - 1)
        for problem in problems:
            raise self._told(self._search.error(problem, self.observations))
        return self.observations[-1]

    def draw(self, rule: str, **chosen: Any) -> None:
        """Do what a rule of the machine comes to."""
        before = len(self.observations)
        try:
            RULES[rule](self._machine, **chosen)
        except FoundError as error:
            self._check_errors(before)
            raise self._told(error) from None
        self._check_errors(before)

    def _check_errors(self, since: int) -> None:
        """Raise what a handler has raised in the last observations, whatever the oracles say."""
        for raised in (error for observation in self.observations[since:] for error in observation.errors):
            add_note(raised, str(self))
            raise raised

    def _told(self, error: FoundError) -> AssertionError:
        """Return what an oracle has found, with the conversation as a note."""
        told = AssertionError(f"{error.problem.code}: {error}")
        add_note(told, str(self))
        return told

    def __repr__(self) -> str:
        return f"\n{self}\n{self.code}\n"

    def __str__(self) -> str:
        return transcript(self.observations)


def conversations(
    *flows: Flow[Any],
    min_size: int = 0,
    max_size: int = 20,
    mishaps: bool = False,
    resources: Any = None,
    chat: int | None = None,
    oracles: Sequence[Oracle] = ORACLES,
) -> st.SearchStrategy[Talk]:
    """Return a strategy of conversations with a bot, each one that was really had.

    Args:
        flows: The flows.
        min_size: How many things are tried at least; what cannot be done is left out.
        max_size: How many at most.
        mishaps: Whether there are also wrong texts, old buttons, updates that come again, kills, and time.
        resources: What handlers find in `ctx.resources`; a class or function makes them anew for each.
        chat: Id of a group in which it happens; by default a group if a flow's conversations are a group's.
        oracles: What judges each action, as in `check`; `()` for none.

    Returns:
        The strategy; its examples, of the class `Talk`, shrink, and print as a chat and as code.

    Raises:
        DefinitionError: If the flows do not fit together.

    Example:
        >>> from hypothesis import given
        >>> from fsmkit import Flow
        >>> from fsmkit.telegram import command
        >>> flow = Flow("greet", data=dict)
        >>> _ = flow.state("name", prompt="Your name?")
        >>> @flow.defstate(None, on=command("start"), to="name")
        ... def start(event, ctx):
        ...     return ("transition", "name", {"asked": True})
        >>> @given(conversations(flow))
        ... def test_who_talks_was_asked(talk):
        ...     assert talk.state is None or talk.data["asked"]
        >>> test_who_talks_was_asked()
    """
    search = _search(flows, resources, chat, oracles)
    steps = st.one_of([_step(rule) for rule in (MISHAPS if mishaps else PLAIN)])
    plans = st.lists(steps, min_size=min_size, max_size=max_size)
    long = st.lists(steps, min_size=max(min_size, max_size * 2 // 3), max_size=max_size)

    @st.composite
    def conversation(draw: st.DrawFn) -> Talk:
        return _had(search, draw(plans | long))

    return conversation()


def _had(search: Search, plan: Sequence[tuple[str, dict[str, Any]]]) -> Talk:
    """Return the conversation that rules lead to."""
    talk = Talk(search)
    for rule, chosen in plan:
        talk.draw(rule, **chosen)
    return talk


CHOICES: dict[str, st.SearchStrategy[Any]] = {
    "which": PICK,
    "how": PICK,
    "at": st.sampled_from(["before", "store", "reply"]),
    "nth": st.integers(1, 4),
    "offset": st.sampled_from([0.0, -1.0, 1.0]),
}


def _step(rule: str) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    """Return a rule's name with what it is given; of all that it might do, which comes by remainders."""
    names = [*inspect.signature(RULES[rule]).parameters][1:]
    return st.tuples(st.just(rule), st.fixed_dictionaries({name: CHOICES[name] for name in names}))


def conversation_machine(
    *flows: Flow[Any],
    resources: Any = None,
    chat: int | None = None,
    oracles: Sequence[Oracle] = ORACLES,
) -> "type[OwnMachine]":
    """Return a state machine that talks with a bot, to be subclassed.

    It has rules for all that `fsmkit test` does. A subclass adds rules of its own, which find the
    conversation in `self.talk` (its `observations`) and go on with `self.do(action)`, and invariants.

    Args:
        flows: The flows.
        resources: What handlers find in `ctx.resources`; a class or function makes them anew for each.
        chat: Id of a group in which it happens; by default a group if a flow's conversations are a group's.
        oracles: What judges each action, as in `check`; `()` for none.

    Raises:
        DefinitionError: If the flows do not fit together.

    Example:
        >>> from hypothesis.stateful import invariant
        >>> from fsmkit import Flow
        >>> from fsmkit.telegram import command
        >>> flow = Flow("count", data=dict)
        >>> _ = flow.state("on", prompt="?")
        >>> @flow.defstate(None, on=command("start"))
        ... def start(event, ctx):
        ...     return ("transition", "on", {"n": 0})
        >>> class Counts(conversation_machine(flow)):
        ...     @invariant()
        ...     def it_never_falls_below_zero(self):
        ...         assert not self.data or self.data["n"] >= 0
        >>> TestCounts = Counts.TestCase  # which pytest and unittest run
    """
    made: type[OwnMachine] = _machine_class(OwnMachine, _search(flows, resources, chat, oracles))
    return made


class OwnMachine(ConversationMachine):
    """What a subclass of the user's has besides."""

    @property
    def state(self) -> str | None:
        """Name of the state in which the conversation stands, `None` if none runs."""
        return self.talk.observations[-1].state if self.talk.observations else None

    @property
    def data(self) -> Any:
        """The data of the flow that runs, `None` if none runs."""
        return self.talk.observations[-1].data if self.talk.observations else None

    def do(self, action: Action) -> None:
        """Go on with an action; what cannot be done now is left out."""
        self._do(action)

    def teardown(self) -> None:
        """Print the conversation of a failing example."""
        note(transcript(self.talk.observations))


T = TypeVar("T")


def _machine_class(base: type[Any], search: Search) -> Any:
    """Return a machine that is bound to a search; Hypothesis wants a class of its own for each."""
    return type(base.__name__, (base,), {"search": search})


def _search(
    flows: Sequence[Flow[Any]], resources: Any, chat: int | None, oracles: Sequence[Oracle]
) -> Search:
    """Return where conversations take place; its event loop ends with it."""
    if chat is None and any(flow.key.by_chat for flow in flows):
        chat = GROUP
    with quiet():
        driver = EngineDriver(tuple(flows), resources=resources, chat=chat)
    runner = _QuietRunner()
    search = Search(driver, runner, lambda: Conversation(driver, oracles=oracles), set(), Budget())
    weakref.finalize(search, runner.close)
    return search


class _QuietRunner:
    """Runs what is done in a conversation, without the log lines of mishaps that were wanted."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner(loop_factory=DrawnLoop)
        self.close = self._runner.close

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine."""
        with quiet():
            return self._runner.run(work)
