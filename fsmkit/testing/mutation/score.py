"""What came of the mutants: which were noticed, by what, and which by nothing."""

from typing import Any, Literal, TypeAlias

import attrs

from fsmkit.testing.acts import Act
from fsmkit.testing.findings import Problem, seen_from_here
from fsmkit.testing.mutation.mutants import Mutant

Fate: TypeAlias = Literal["noticed", "unnoticed", "not reached", "not run"]
"""`not reached`: no conversation came there; `not run`: the time was over."""


@attrs.frozen
class Hunted:
    """A mutant, and what came of it.

    Attributes:
        mutant: What was broken.
        fate: Whether it was noticed.
        by: What noticed it.
        acts: The conversation in which it was noticed, or one that came there and noticed nothing.
    """

    mutant: Mutant
    fate: Fate
    by: Problem | None = None
    acts: tuple[Act, ...] = ()

    @property
    def line(self) -> str:
        """It in one line: place, what was broken, and how one comes there."""
        way = f" (after {', '.join(act.by() + act.line() for act in self.acts)})" if self.acts else ""
        return f"{seen_from_here(self.mutant.site.place)}: {self.mutant.message}{way}"

    def to_json(self) -> dict[str, Any]:
        """As `fsmkit test --json` writes it."""
        by = None
        if self.by is not None:
            where = seen_from_here(self.by.where) if self.by.where else None
            by = {"code": self.by.code, "message": self.by.message, "where": where}
        from fsmkit.testing.recorded import act_to_json

        acts = [act_to_json(act) for act in self.acts]
        return {**self.mutant.to_json(), "fate": self.fate, "by": by, "conversation": acts}


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
        """The score for a terminal."""
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
