"""`fsmkit test bot.py --moved`: the same conversations with the bot as it is, and with its flows.

The search has its conversations with the bot as it stands. Each is then had once more with a program whose
ConversationHandlers `move(app)` has replaced, action by action, at the same times and with the same chance.
What the bot asks of Telegram and what its handlers raise must be equal; the first action at which they are
not is where the two part. Presses that are answered silently do not count: flows answer them all.

A store outlives restarts, and a ConversationHandler without persistence does not. So conversations are
had with restarts only where both forget, or both remember; then, once more, a restart is put into
conversations that went well, and the flows must not raise after it what they did not raise without it.
"""

import json
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, TypeAlias

import attrs

from fsmkit.errors import UnknownState
from fsmkit.flow.locations import location_in_user_code
from fsmkit.telegram.conversation_handler.chart import Level, asked_in, nested_in
from fsmkit.testing.any_bot.bot_driver import BotObservation
from fsmkit.testing.any_bot.oracles import is_ours
from fsmkit.testing.any_bot.search import BotSearch, Shown, Talks, one_by_one, shortest
from fsmkit.testing.any_bot.slots import state_name
from fsmkit.testing.findings import Problem
from fsmkit.testing.harness.actions import Action, Deadline, Restart, Wait

SHOWN_LINES = 4
"""Lines of what one side says that are shown."""

SEARCHING, COMPARING, SHORTENING, RESTARTING = 0.4, 0.8, 0.4, 0.25
"""How long each part takes at most, in parts of the profile's seconds."""

Asked: TypeAlias = tuple[str, str]
"""A request of the bot: its method, and its parameters as JSON."""


@attrs.frozen
class Heard:
    """What came of an action, as far as somebody outside of the bot notices.

    Attributes:
        action: The action, with the time that it took in place of a deadline.
        asked: The bot's requests, in order for each chat.
        errors: What was raised.
        walled: Whether the bot was refused something by the test.
        behind: Nested conversations that stood where the one around them does not ask them any more.
    """

    action: Action
    asked: tuple[Asked, ...]
    errors: tuple[str, ...]
    walled: bool
    behind: tuple[str, ...]


@attrs.frozen
class Parting(Shown):
    """Where a bot and its flows part.

    Attributes:
        flows: What the flows made of the last action; `None`: it could not be done.
    """

    flows: BotObservation | None = None


def heard(observation: BotObservation) -> Heard:
    """Return what can be noticed of an observation."""
    action = observation.action
    if isinstance(action, Deadline):
        action = Wait(observation.took, user=action.user)
    calls = [
        call
        for call in observation.calls
        if not (call.method == "answerCallbackQuery" and call.params.keys() <= {"callback_query_id"})
    ]
    # What people in different chats are told at the same time has no order that anybody sees.
    calls.sort(key=lambda call: str(call.params.get("chat_id", "")))
    return Heard(
        action,
        tuple((call.method, json.dumps(call.params, sort_keys=True, default=str)) for call in calls),
        tuple(_said_of(error) for error in observation.errors),
        observation.walled or any(map(is_ours, observation.errors)),
        tuple(_left_behind(observation)),
    )


def _left_behind(observation: BotObservation) -> Iterator[str]:
    """Yield the nested conversations in which the person stands, and that nobody around them asks there."""
    stands = dict(observation.stood)
    nested = {each for conversation in stands for each in nested_in(conversation)}
    asked = {each for place in stands.items() for each in asked_in(Level(*place))}
    for conversation, state in observation.stood:
        if conversation in nested and conversation not in asked:
            yield state_name(conversation, state)


def _said_of(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".removesuffix(": ").split())


@attrs.define(eq=False)
class Comparison:
    """Holds a bot's flows against the bot.

    Attributes:
        search: The search whose conversations are had again.
        compared: How many conversations were.
        partings: Where they part, each kind and place once, with a short conversation.
        lost: What the flows raise after a restart that they survive.
        seconds: How long it all took.
    """

    search: BotSearch
    compared: int = 0
    partings: list[Parting] = attrs.field(factory=list[Parting])
    lost: list[Parting] = attrs.field(factory=list[Parting])
    seconds: float = 0.0

    @property
    def talks(self) -> Talks:
        """What has the conversations."""
        return self.search.talks

    def run(self) -> None:
        """Search, and have all conversations again with the flows.

        Raises:
            LoadError: If the program does not hand its bot over.
            DefinitionError: If its ConversationHandlers cannot be moved.
        """
        begun = time.monotonic()
        self._with_flows(())  # whether they can be moved at all
        had: list[tuple[list[Heard], int | None]] = []
        self.search.keep = lambda talk: had.append((list(map(heard, talk.observations)), self.talks.chat))
        seconds = self.search.effort.seconds
        self.search.effort = attrs.evolve(self.search.effort, seconds=seconds * SEARCHING)
        self.search.explore()
        end = time.monotonic() + seconds * COMPARING
        parted: dict[tuple[str, str | None], tuple[Problem, list[Action], int | None]] = {}
        usual = self.talks.chat
        for steps, self.talks.chat in had:
            if time.monotonic() > end:
                break
            self.compared += 1
            found = self._first_parting(steps)
            if found is not None:
                problem, number, _ = found
                actions = [each.action for each in steps[:number]]
                known = parted.get((problem.code, problem.where))
                if known is None or len(actions) < len(known[1]):
                    parted[problem.code, problem.where] = (problem, actions, self.talks.chat)
        self._shorten(list(parted.values()), time.monotonic() + seconds * SHORTENING)
        self._put_restarts(had, time.monotonic() + seconds * RESTARTING)
        self.talks.chat = usual
        self.seconds = time.monotonic() - begun

    # -- one conversation ------------------------------------------------------------------------------

    def _with_flows(self, actions: Sequence[Action], *, durable: bool = False) -> list[BotObservation]:
        self.talks.moved, self.talks.durable = True, durable
        try:
            talk = self.talks.have(one_by_one(actions))
        finally:
            self.talks.moved = self.talks.durable = False
        return [] if talk is None else talk.observations

    def _first_parting(self, steps: Sequence[Heard]) -> tuple[Problem, int, BotObservation | None] | None:
        """Return where a conversation with the flows first goes another way."""
        again = self._with_flows([each.action for each in steps])
        for number, expected in enumerate(steps):
            got = again[number] if number < len(again) else None
            if expected.walled or (got is not None and heard(got).walled):
                return None
            if got is None or got.action != expected.action:
                where = again[number - 1].runs[-1].place if number and again[number - 1].runs else None
                said = f"{expected.action.line()} can only be done with the ConversationHandler"
                return Problem("parts", said, where), number + 1, None
            problem = _difference(expected, got)
            if problem is not None:
                return problem, number + 1, got
        return None

    def _parts(self, problem: Problem, actions: Sequence[Action]) -> Parting | None:
        """Return a conversation up to where the two part in the same way, `None` if they do not."""
        talk = self.talks.have(one_by_one(actions))
        done = [] if talk is None else talk.observations
        found = self._first_parting(list(map(heard, done)))
        if found is None or (found[0].code, found[0].where) != (problem.code, problem.where):
            return None
        return Parting(found[0], tuple(done[: found[1]]), chat=self.talks.chat, flows=found[2])

    def _shorten(self, parted: list[tuple[Problem, list[Action], int | None]], end: float) -> None:
        for number, (problem, actions, self.talks.chat) in enumerate(parted):
            share = (end - time.monotonic()) / (len(parted) - number)
            shown = shortest(actions, partial(self._parts, problem), time.monotonic() + share)
            if shown is not None:
                self.partings.append(shown)

    # -- a restart that the flows survive --------------------------------------------------------------

    def _put_restarts(self, had: list[tuple[list[Heard], int | None]], end: float) -> None:
        """Put a restart into conversations, and keep what the flows raise only then."""
        known: set[str | None] = set()
        for steps, self.talks.chat in had:
            plain = [each for each in steps if not isinstance(each.action, Restart)]
            if len(plain) < len(steps) or any(each.errors or each.walled for each in plain):
                continue
            for at in range(1, len(plain)):
                if time.monotonic() > end:
                    return
                actions = [each.action for each in plain]
                found = self._lost([*actions[:at], Restart(), *actions[at:]], known)
                if found is not None:
                    known.add(found.problem.where)
                    short = shortest(
                        [each.action for each in found.observations],
                        lambda tried: self._lost(tried, set()),
                        end,
                    )
                    self.lost.append(short or found)
                if at > 2:
                    break

    def _lost(self, actions: Sequence[Action], known: set[str | None]) -> Parting | None:
        """Return a conversation up to what the flows raise after a restart."""
        if not any(isinstance(action, Restart) for action in actions):
            return None
        done = self._with_flows(actions, durable=True)
        restarted = False
        for number, each in enumerate(done, 1):
            restarted = restarted or isinstance(each.action, Restart)
            if each.walled or any(map(is_ours, each.errors)) or (each.errors and not restarted):
                return None
            if each.errors and restarted:
                where = location_in_user_code(each.errors[0])
                plain = self._with_flows([a for a in actions if not isinstance(a, Restart)])
                if where in known or any(other.errors for other in plain):
                    return None
                said = (
                    f"{_said_of(each.errors[0])}, after a restart: the conversation goes on, and what the "
                    f"callback needs was only in memory. Give the application a persistence, or fetch it anew"
                )
                return Parting(Problem("lost", said, where), tuple(done[:number]), chat=self.talks.chat)
        return None


def _difference(expected: Heard, got: BotObservation) -> Problem | None:
    """Return how what the flows do differs, `None` if it does not."""
    flows = heard(got)
    own = [error for error in got.errors if isinstance(error, UnknownState)]
    if own and not expected.errors:
        name = got.runs[-1].slots[0].name if got.runs else "a callback"
        return Problem(
            "unknown-state",
            f"{name} returns {got.runs[-1].returned!r}, which is no state: with PTB the person is stuck "
            f"there, the flow refuses it and stays where it is",
            got.runs[-1].place,
        )
    if expected.behind and (expected.errors, expected.asked) != (flows.errors, flows.asked):
        return Problem(
            "left-behind",
            f"with PTB a nested conversation still stands in {', '.join(expected.behind)}, which the one "
            f"around it has left; with the flow it was over then. After {got.action.line()} the "
            f"ConversationHandler {_does(expected)}, the flow {_does(flows)}",
            got.runs[-1].place if got.runs else None,
        )
    if expected.errors != flows.errors:
        where = next((location_in_user_code(error) for error in got.errors), None)
        return Problem(
            "raises-otherwise",
            f"the ConversationHandler {_raises(expected.errors)}, the flow {_raises(flows.errors)}",
            where or (got.runs[-1].place if got.runs else None),
        )
    if expected.asked != flows.asked:
        return Problem(
            "says-otherwise",
            f"after {got.action.line()} the ConversationHandler {_says(expected.asked)}, the flow "
            f"{_says(flows.asked)}",
            got.runs[-1].place if got.runs else None,
        )
    return None


def _does(side: Heard) -> str:
    return _raises(side.errors) if side.errors else _says(side.asked)


def _raises(errors: tuple[str, ...]) -> str:
    return f"raises {errors[0]}" if errors else "raises nothing"


def _says(asked: tuple[Asked, ...]) -> str:
    if not asked:
        return "says nothing"
    return "says " + ", ".join(_shown(*each) for each in asked[:SHOWN_LINES])


def _shown(method: str, params: str) -> str:
    given: dict[str, Any] = json.loads(params)
    text = given.get("text", given.get("caption"))
    return f"{method}({text!r})" if text else method


def lines(parting: Parting) -> Iterator[str]:
    """Yield what the flows did in the place of what a transcript shows last."""
    if parting.flows is None:
        return
    yield "  with the flow instead:"
    for text in parting.flows.shown:
        yield from (f"      {line}" for line in text.splitlines())
    yield from (f"      ! {_said_of(error)}" for error in parting.flows.errors)
    if not parting.flows.shown and not parting.flows.errors:
        yield "      (nothing)"
