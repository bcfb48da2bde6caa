"""The oracle of neighbours: flows that share a key never touch each other's states and data.

Where a flow's functions name `ctx.at`, or a flow is `exclusive`, that is meant, and nothing is said.
"""

from collections.abc import Iterable, Iterator, Sequence
from types import CodeType
from typing import Any

from fsmkit.model import Row, Snapshot
from fsmkit.table import FlowTable
from fsmkit.testing.acts import Content, Edit, Outside, Press, PressData, Say
from fsmkit.testing.findings import Problem
from fsmkit.testing.moments import Moment
from fsmkit.testing.reloading import functions_of

GIVEN = Say | Press | PressData | Content | Edit | Outside
"""What is for one flow alone; time, for example, passes for all."""


def keeps_to_itself(moments: Sequence[Moment]) -> Iterator[Problem]:
    """A step of one flow leaves alone what other flows of the same key have stored."""
    moment = moments[-1]
    if len(moment.before.snapshots.keys() | moment.after.snapshots.keys()) < 2:
        return  # there is no neighbour, which is so most of the time
    if not isinstance(moment.act, GIVEN) or moment.flows is None or moment.errors:
        return
    tables = moment.flows.tables
    ran = [taken for taken in moment.taken if taken.kind not in ("pass", "raised", "error")]
    own = {taken.flow for taken in ran} | {taken.target.flow for taken in ran if taken.target is not None}
    foreign = [
        (name, before, after)
        for name, before, after in _changed(moment.before, moment.after)
        if not own & (_flows_of(name, before) | _flows_of(name, after))
    ]
    for name, before, after in foreign:
        if not any(_means_it(tables[flow]) for flow in own if flow in tables):
            who = ran[-1].handler.name if ran else "what nobody took"
            place = ran[-1].handler.place if ran else tables[name].flow.place if name in tables else None
            yield Problem(
                "foreign-data",
                f"{who} changed what flow {name!r} has stored: {_told(before)} is {_told(after)} now",
                place,
            )


def _means_it(table: FlowTable) -> bool:
    """Whether a flow ends others, or some function of it names `at`, or may do so unseen."""
    if table.flow.exclusive:
        return True
    for function in functions_of([table.flow]):
        code = getattr(getattr(function, "__func__", function), "__code__", None)
        if code is None or any("at" in part.co_names for part in _codes(code)):
            return True
    return False


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _changed(before: Row, after: Row) -> Iterator[tuple[str, Snapshot | None, Snapshot | None]]:
    for name in before.snapshots.keys() | after.snapshots.keys():
        one, other = before.snapshots.get(name), after.snapshots.get(name)
        if _frames(one) != _frames(other):
            yield name, one, other


def _frames(snapshot: Snapshot | None) -> list[tuple[Any, ...]]:
    """What is a flow's own: where it stands, and its data; drafts too."""
    frames: Iterable[Any] = () if snapshot is None else snapshot.frames
    return [(frame.flow, frame.state, bytes(frame.data), frame.history) for frame in frames]


def _flows_of(name: str, snapshot: Snapshot | None) -> set[str]:
    return {name, *(frame.flow for frame in (snapshot.frames if snapshot is not None else ()))}


def _told(snapshot: Snapshot | None) -> str:
    frames = _frames(snapshot)
    return f"{frames[-1][1]!r} with {frames[-1][2].decode()}" if frames else "nothing"
