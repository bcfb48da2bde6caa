"""Sites, the places of a flow that can be broken, and mutants, what is broken there. Data only.

A handler is known by its number in its flow, so that a mutant fits flows that were made anew, too.
"""

from collections.abc import Iterator
from random import Random
from typing import Any, Literal, TypeAlias

import attrs

from fsmkit.graph.edges import Target
from fsmkit.interpreter.compiled import CompiledFlow
from fsmkit.testing.findings import Problem, seen_from_here
from fsmkit.testing.harness.actions import Action

Part: TypeAlias = Literal["edge", "data", "saying", "prompt", "otherwise", "enter", "exit", "guard"]
"""What stands at a site: where a handler goes, the data that it returns, a reply or an answer, what a state
says when it is entered or when it does not understand, a hook, a `when=`."""

Kind: TypeAlias = Literal["redirect", "drop", "swallow", "mute", "skip", "unguard"]
"""What a mutant does: goes elsewhere, stays, keeps the old data, says nothing, skips a hook or a guard."""


@attrs.frozen
class Site:
    """A place of a flow that can be broken.

    Attributes:
        part: What stands there.
        flow: Name of the flow.
        name: Of the handler, the hook or the state.
        number: Of the handler or hook in its flow, from 0.
        place: `file:line`.
        result: Kind of the handler's result.
        target: Where it leads.
        nth: Which of the things that the handler says, from 0.
        text: What it says there, for people.
    """

    part: Part
    flow: str
    name: str
    number: int = 0
    place: str = attrs.field(default="", eq=False)
    result: str = ""
    target: Target | None = None
    nth: int = 0
    text: str = attrs.field(default="", eq=False)


@attrs.frozen
class Mutant:
    """Something that is broken.

    Attributes:
        site: Where.
        kind: How.
        goal: Where a redirected handler goes instead.
    """

    site: Site
    kind: Kind
    goal: str | None = None

    @property
    def message(self) -> str:
        """What is broken, a whole sentence."""
        site = self.site
        match self.kind:
            case "redirect":
                return f"{site.name} goes to {self.goal!r} instead of {_led(site)}"
            case "drop":
                return f"{site.name} stays where it is instead of {_going(site)}"
            case "swallow":
                return f"{site.name} {_swallowing(site)}"
            case "mute" if site.part == "saying":
                return f"{site.name} does not say {site.text!r}"
            case "mute" if site.part == "prompt":
                return f"state {site.name!r} has no prompt"
            case "mute":
                return f"state {site.name!r} has no otherwise="
            case "skip":
                return f"the on_{site.part} hook {site.name} does not run"
            case "unguard":
                return f"{site.name} does not ask its when="

    def to_json(self) -> dict[str, Any]:
        """As `fsmkit test --json` writes it."""
        from fsmkit.testing.findings import seen_from_here

        return {
            "kind": self.kind,
            "flow": self.site.flow,
            "where": seen_from_here(self.site.place),
            "message": self.message,
        }


def mutants_at(site: Site, table: CompiledFlow, seed: int) -> Iterator[Mutant]:
    """Yield the ways in which a site can be broken.

    Args:
        site: The site.
        table: Its flow.
        seed: Chooses where a redirected handler goes.
    """
    match site.part:
        case "edge":
            yield Mutant(site, "drop")
            goals = _goals(site, table)
            if goals:
                random = Random(f"{seed} {site.flow} {site.number} {site.target}")
                yield Mutant(site, "redirect", random.choice(goals))
        case "data":
            yield Mutant(site, "swallow")
        case "saying" | "prompt" | "otherwise":
            yield Mutant(site, "mute")
        case "enter" | "exit":
            yield Mutant(site, "skip")
        case "guard":
            yield Mutant(site, "unguard")


def _goals(site: Site, table: CompiledFlow) -> list[str]:
    """Where else a transition within the flow could go: to what the handler names, else to any state."""
    target = site.target
    if target is None or target.kind != "transition" or target.flow != site.flow:
        return []
    read = table.edges[table.flow.handlers[site.number]]
    named = [
        other.state
        for other in sorted(read.targets - {target})
        if other.flow == site.flow and other.state is not None
    ]
    return named or [state for state in table.rules if state != target.state]


def _led(site: Site) -> str:
    """Where a handler leads, as part of a sentence."""
    target = site.target
    if target is None or target.kind == "end":
        return "the end"
    if target.state is None:
        return f"the call of {target.flow!r}"
    return repr(target.state if target.flow == site.flow else f"{target.flow}/{target.state}")


def _swallowing(site: Site) -> str:
    match site.result:
        case "transition":
            return f"goes to {_led(site)} with the old data"
        case "stay":
            return "stays with the old data"
        case "back":
            return "goes back with the old data"
        case "call":
            return f"calls {site.target.flow if site.target else ''!r} without data"
        case _:
            return "ends without its result"


def _going(site: Site) -> str:
    match site.result:
        case "transition":
            return f"going to {_led(site)}"
        case "call":
            return f"calling {site.target.flow if site.target else ''!r}"
        case "back":
            return "going back"
        case _:
            return "ending"


Fate: TypeAlias = Literal["noticed", "unnoticed", "not reached", "not run"]
"""`not reached`: no conversation came there; `not run`: the time was over."""


@attrs.frozen
class Hunted:
    """A mutant, and what came of it.

    Attributes:
        mutant: What was broken.
        fate: Whether it was noticed.
        by: What noticed it.
        actions: The conversation in which it was noticed, or one that came there and noticed nothing.
    """

    mutant: Mutant
    fate: Fate
    by: Problem | None = None
    actions: tuple[Action, ...] = ()

    @property
    def line(self) -> str:
        """It in one line: place, what was broken, and how one comes there."""
        way = (
            f" (after {', '.join(action.by() + action.line() for action in self.actions)})"
            if self.actions
            else ""
        )
        return f"{seen_from_here(self.mutant.site.place)}: {self.mutant.message}{way}"

    def to_json(self) -> dict[str, Any]:
        """As `fsmkit test --json` writes it."""
        by = None
        if self.by is not None:
            where = seen_from_here(self.by.where) if self.by.where else None
            by = {"code": self.by.code, "message": self.by.message, "where": where}
        from fsmkit.testing.harness.actions import action_to_json

        actions = [action_to_json(action) for action in self.actions]
        return {**self.mutant.to_json(), "fate": self.fate, "by": by, "conversation": actions}


@attrs.frozen
class Score:
    """What came of all mutants, in the order of the code.

    Attributes:
        hunted: The mutants.
    """

    hunted: tuple[Hunted, ...]

    def of(self, fate: Fate) -> list[Hunted]:
        """Those of one fate."""
        return [hunted for hunted in self.hunted if hunted.fate == fate]

    @property
    def numbers(self) -> tuple[int, int]:
        """How many were noticed, of how many; those for which there was no time do not count."""
        left_out = len(self.of("not run"))
        return len(self.of("noticed")), len(self.hunted) - left_out

    @property
    def percent(self) -> float:
        """How many were noticed in percent, 100 where nothing could be broken."""
        noticed, of = self.numbers
        if of:
            return 100.0 * noticed / of
        return 0.0 if self.hunted else 100.0

    def lines(self) -> list[str]:
        """Return the score for a terminal."""
        noticed, of = self.numbers
        lines = [f"mutants: {noticed} of {of} noticed ({self.percent:.1f} %)"]
        lines += [f"  unnoticed: {hunted.line}" for hunted in self.of("unnoticed")]
        lines += [f"  not reached: {hunted.line}" for hunted in self.of("not reached")]
        if left := len(self.of("not run")):
            lines.append(f"  {left} more were not run, the time was over: a longer --profile runs them")
        return lines

    def to_json(self) -> dict[str, Any]:
        """As `fsmkit test --json` writes it."""
        noticed, of = self.numbers
        return {
            "noticed": noticed,
            "of": of,
            "percent": round(self.percent, 1),
            "not run": len(self.of("not run")),
            "list": [hunted.to_json() for hunted in self.hunted],
        }
