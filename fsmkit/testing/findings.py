"""Findings: what is wrong with a flow, where, and the conversation that shows it."""

from typing import Any, Literal, TypeAlias

import attrs
import msgspec

from fsmkit.testing.acts import Act
from fsmkit.testing.moments import Moment
from fsmkit.testing.transcript import judged, pasteable, stored, transcript

Phase: TypeAlias = Literal[
    "lint", "tours", "random", "parallel", "deploys", "stores", "mutants", "replay", "recorded", "store"
]
"""How it was found."""


@attrs.frozen
class Problem:
    """What an oracle says of a moment.

    Attributes:
        code: What kind of finding, for example `raised`.
        message: A whole sentence.
        where: `file:line` of the user's code, `None` where none is at fault.
    """

    code: str
    message: str
    where: str | None = None


@attrs.frozen(eq=False)
class Finding:
    """Something that is wrong.

    Attributes:
        code: What kind; `docs/reference/testing.md` lists them.
        message: A whole sentence.
        where: `file:line` of the user's code, `None` where none is at fault.
        flow: Name of the flow.
        phase: How it was found.
        note: Whether it is only worth a look; notes do not fail a run.
        moments: The conversation that shows it; empty for what the declaration shows.
        chat: The group in which it takes place; `None`: the private chat with the bot.
    """

    code: str
    message: str
    where: str | None
    flow: str
    phase: Phase
    note: bool = False
    moments: tuple[Moment, ...] = ()
    chat: int | None = None

    @property
    def acts(self) -> tuple[Act, ...]:
        """What was done."""
        return tuple(moment.act for moment in self.moments)

    @property
    def line(self) -> str:
        """The finding in one line: place, code, sentence."""
        where = f"{seen_from_here(self.where)}: " if self.where else ""
        return f"{where}{'note: ' if self.note else ''}{self.code}: {self.message}"

    def __str__(self) -> str:
        if not self.moments:
            return self.line
        shown = "\n".join(f"  {line}" for line in transcript(self.moments).splitlines())
        return "\n".join([self.line, shown, *(f"  stored: {row}" for row in self.stored)])

    @property
    def stored(self) -> list[str]:
        """What is stored at the end of the conversation, a line of JSON for each flow that runs or waits."""
        rows = stored(self.moments[-1].after) if self.moments else []
        return [msgspec.json.encode(row).decode() for row in rows]

    def test(self, subject: str | None = None) -> str:
        """A test that does the same by hand, to be pasted.

        Args:
            subject: What stands in `Chat(...)`; by default the flow's name.
        """
        name = "test_" + "".join(c if c.isalnum() else "_" for c in f"{self.flow}_{self.code}").lower()
        subject = subject or self.flow + ("" if self.chat is None else f", chat={self.chat}")
        if self.code == "race":  # only all orders together show what is wrong
            return judged(self.acts, name=name, subject=subject)
        return pasteable(self.acts, name=name, subject=subject)

    def to_json(self) -> dict[str, Any]:
        """As `fsmkit test --json` writes it."""
        return {
            "code": self.code,
            "message": self.message,
            "where": seen_from_here(self.where) if self.where else None,
            "flow": self.flow,
            "phase": self.phase,
            "note": self.note,
            "chat": self.chat,
            "conversation": [step(moment) for moment in self.moments],
            "stored": stored(self.moments[-1].after) if self.moments else [],
        }


def step(moment: Moment) -> dict[str, Any]:
    """A moment as JSON: what was done, seen, taken, and where the person stands."""
    from fsmkit.testing.recorded import act_to_json

    return {
        "act": act_to_json(moment.act),
        "line": moment.act.by() + moment.act.line(),
        "shown": list(moment.shown),
        "taken": [str(taken) for taken in moment.taken],
        "state": moment.state,
        "flow": moment.flow,
        "data": repr(moment.data) if moment.data is not None else None,
        "errors": [f"{type(error).__name__}: {error}" for error in moment.errors],
    }


def seen_from_here(place: str | None) -> str:
    """`file:line`, as seen from the working directory."""
    from fsmkit.cli.blame import as_seen

    file, colon, line = (place or "").rpartition(":")
    return f"{as_seen(file)}{colon}{line}" if file else place or ""
