"""Transcripts: a conversation as text, with state, data and edge beside each line; and as a test."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from fsmkit.model import Row
from fsmkit.testing.acts import Act, shortened
from fsmkit.testing.moments import Moment

MAX_COLUMN = 44
"""Letters of a column; what is longer pushes the others to the right in its own line only."""


def transcript(moments: Iterable[Moment]) -> str:
    """A conversation: `>` begins what the person did, below it stands what the bot said.

    Args:
        moments: What came of each act.
    """
    lines: list[tuple[str, ...]] = []
    for moment in moments:
        lines.append((f"> {moment.act.by()}{moment.act.line()}", *_beside(moment)))
        lines += [(f"    {line}",) for text in moment.shown for line in text.splitlines()]
        lines += [(f"    ! {described(error)}",) for error in moment.errors]
    return "\n".join(_aligned(lines))


def stored(row: Row) -> list[dict[str, Any]]:
    """What is stored for a person, as JSON: each conversation and draft, the one entered last first."""
    return [
        {
            "flow": frame.flow,
            "state": frame.state,
            "data": msgspec.json.decode(frame.data),
            **({"history": list(frame.history)} if frame.history else {}),
            **({"deadline": _time(snapshot.deadline)} if snapshot.deadline is not None else {}),
        }
        for snapshot in reversed(row.snapshots.values())
        for frame in reversed(snapshot.frames)
    ]


def pasteable(acts: Sequence[Act], *, name: str, subject: str, ends: str = "") -> str:
    """A test that does the same by hand.

    Args:
        acts: The acts.
        name: Name of the test function.
        subject: What stands in `Chat(...)`.
        ends: A last statement.
    """
    lines = [f"def {name}():", f"    chat = Chat({subject})"]
    for act in acts:
        by = "chat" if act.user == 1 else f"chat.as_user({act.user})"
        lines.append(f"    {by}.{act.code()}")
    if ends:
        lines.append(f"    {ends}")
    return "\n".join(lines)


def judged(acts: Sequence[Act], *, name: str, subject: str) -> str:
    """A test that has the conversation again, and judges it as `check` does.

    Args:
        acts: The acts.
        name: Name of the test function.
        subject: What stands in `check(...)`; the resources that they had belong there, too.
    """
    lines = [f"def {name}():", "    conversation = [", *(f"        {act!r}," for act in acts), "    ]"]
    lines.append(f"    report = check({subject}, phases=[], replays=[conversation])")
    return "\n".join([*lines, "    assert report.ok, report"])


def described(error: BaseException) -> str:
    """An exception in one line, with the place in the user's own code where it came from."""
    from fsmkit.cli.blame import place_in_user_code

    said = f"{type(error).__name__}: {error}".removesuffix(": ")
    place = place_in_user_code(error)
    return " ".join((f"{place}: {said}" if place else said).split())


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _beside(moment: Moment) -> tuple[str, str, str]:
    place = "/".join(state or f"({flow})" for flow, state in moment.place) or "-"
    data = "" if moment.data is None else shortened(repr(moment.data), 80)
    return place, data, ", ".join(map(str, moment.taken))


def _aligned(lines: Sequence[tuple[str, ...]]) -> list[str]:
    widths: list[int] = []
    for column in range(3):
        cells = [line[column] for line in lines if len(line) > column + 1]
        widths.append(max((len(cell) for cell in cells if len(cell) <= MAX_COLUMN), default=0))
    return [_row(line, widths).rstrip() for line in lines]


def _row(line: tuple[str, ...], widths: Sequence[int]) -> str:
    if len(line) == 1:
        return line[0]
    cells: list[Any] = [cell.ljust(width) for cell, width in zip(line[:-1], widths, strict=False)]
    return "  | ".join([*cells, line[-1]])
