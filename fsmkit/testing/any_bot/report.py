"""What a bot's test gives: findings as chats, how far it came, and the same as JSON."""

from collections.abc import Iterable, Iterator
from typing import Any

import attrs

from fsmkit.testing.any_bot.moved import Comparison, Parting, lines
from fsmkit.testing.any_bot.search import BotSearch, Shown
from fsmkit.testing.findings import Problem, step, transcript

SHOWN_UNREACHED = 8
"""Handlers that never ran which are named."""


@attrs.define(eq=False)
class BotReport:
    """A search, to be read.

    Attributes:
        search: The search.
        name: What the bot's file is called.
        profile: How long was searched.
        refused: What the bot was not let do, a sentence each.
    """

    search: BotSearch
    name: str
    profile: str
    refused: list[str]

    @property
    def findings(self) -> list[tuple[Problem, Shown | None]]:
        """What was found, by the place in the file."""
        found: list[tuple[Problem, Shown | None]] = [(each.problem, each) for each in self.search.found]
        found += [(problem, None) for problem in self.search.static]
        return sorted(found, key=lambda each: _by_place(each[0]))

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        for problem, shown in self.findings:
            yield from _told(problem, shown)
        yield from (f"note: {said}" for said in self.refused)
        unreached = self.search.unreached
        for slot in unreached[:SHOWN_UNREACHED]:
            yield f"note: {slot.place}: {slot.name} never ran"
        if len(unreached) > SHOWN_UNREACHED:
            yield f"note: {len(unreached) - SHOWN_UNREACHED} more handlers never ran"
        yield self._sum()

    def _sum(self) -> str:
        count, talks = len(self.findings), self.search.talks
        wrong = f"{count or 'nothing'} found" if count != 1 else "1 finding"
        wrong = f"{count} findings" if count > 1 else wrong
        met, of = self.search.numbers.get("handlers", (0, 0))
        ran = f"; {met} of {of} handlers ran" if of else ""
        return (
            f"{self.name}: {wrong} in {talks.count:,} conversations with {talks.actions:,} actions "
            f"({self.search.seconds:.1f} s, seed {talks.seed}){ran}"
        )

    def to_json(self) -> dict[str, Any]:
        """As `fsmkit test --json` writes it."""
        return {
            "bot": self.name,
            "ok": self.ok,
            "profile": self.profile,
            "seed": self.search.talks.seed,
            "findings": [_json(problem, shown) for problem, shown in self.findings],
            "refused": self.refused,
            "handlers": dict(zip(("met", "of"), self.search.numbers.get("handlers", (0, 0)), strict=True)),
            "never ran": [{"where": slot.place, "handler": slot.name} for slot in self.search.unreached],
            "conversations": self.search.talks.count,
            "actions": self.search.talks.actions,
            "seconds": round(self.search.seconds, 3),
        }


@attrs.define(eq=False)
class MovedReport:
    """What came of holding a bot's flows against the bot, to be read.

    Attributes:
        comparison: The comparison.
        name: What the bot's file is called.
        profile: How long was searched.
        refused: What the bot was not let do, a sentence each.
    """

    comparison: Comparison
    name: str
    profile: str
    refused: list[str]

    @property
    def findings(self) -> list[Parting]:
        """Where the two part, then what is lost at a restart, by the place in the file."""
        compared = self.comparison
        return [
            *sorted(compared.partings, key=lambda each: _by_place(each.problem)),
            *sorted(compared.lost, key=lambda each: _by_place(each.problem)),
        ]

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        for parting in self.findings:
            yield from _told(parting.problem, parting, lines(parting))
        yield from (f"note: {said}" for said in self.refused)
        compared, talks = self.comparison, self.comparison.talks
        count, lost = len(compared.partings), len(compared.lost)
        wrong = f"{count} difference{'' if count == 1 else 's'} in {compared.compared:,} conversations"
        after = f", {lost} crash{'' if lost == 1 else 'es'} after a restart" if lost else ""
        yield f"{self.name}: {wrong}{after} ({compared.seconds:.1f} s, seed {talks.seed})"

    def to_json(self) -> dict[str, Any]:
        """As `fsmkit test --moved --json` writes it."""
        return {
            "bot": self.name,
            "ok": self.ok,
            "profile": self.profile,
            "seed": self.comparison.talks.seed,
            "findings": [
                _json(each.problem, each)
                | {"with the flow": None if each.flows is None else step(each.flows)}
                for each in self.findings
            ],
            "refused": self.refused,
            "conversations": self.comparison.compared,
            "seconds": round(self.comparison.seconds, 3),
        }


def _told(problem: Problem, shown: Shown | None, more: Iterable[str] = ()) -> Iterator[str]:
    yield _line(problem)
    if shown is None:
        return
    if shown.chat is not None:
        yield f"  (in the group {shown.chat})"
    yield from (f"  {line}" for line in transcript(shown.observations, data=False).splitlines())
    yield from more
    if shown.also:
        yield f"  the same at {', '.join(shown.also)}"
    yield ""


def _by_place(problem: Problem) -> tuple[str, int, str]:
    file, _, line = (problem.where or "").rpartition(":")
    return file, int(line) if line.isdecimal() else 0, problem.code


def _line(problem: Problem) -> str:
    return (
        f"{problem.where}: {problem.code}: {problem.message}"
        if problem.where
        else f"{problem.code}: {problem.message}"
    )


def _json(problem: Problem, shown: Shown | None) -> dict[str, Any]:
    return {
        "code": problem.code,
        "message": problem.message,
        "where": problem.where,
        "chat": shown.chat if shown is not None else None,
        "also": list(shown.also) if shown is not None else [],
        "conversation": [step(each) for each in shown.observations] if shown is not None else [],
    }
