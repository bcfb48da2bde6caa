"""A new version of flows on what the old one has stored: what no longer fits, and what a migration drops.

How a stored conversation fits is `fsmkit.survey`'s business; here it becomes problems. Which inputs its
handlers still bear is tried by `fsmkit.testing.offering`.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import msgspec

from fsmkit.errors import FsmkitError
from fsmkit.flow import DEFAULT_TEXTS, Flow
from fsmkit.model import Frame, Row
from fsmkit.places import place_of
from fsmkit.survey import survey
from fsmkit.table import Flows, FlowTable
from fsmkit.testing.acts import Deploy
from fsmkit.testing.findings import Problem
from fsmkit.testing.moments import Moment
from fsmkit.testing.reloading import reloader
from fsmkit.upgrade import lift

Versions: TypeAlias = tuple[Flow[Any], ...]
UNFIT = ("orphaned", "newer")


def deploys_keep(moments: Sequence[Moment]) -> Iterator[Problem]:
    """What was stored before a deploy fits after it, and keeps its data."""
    moment = moments[-1]
    if isinstance(moment.act, Deploy) and moment.flows is not None:
        yield from misfits(moment.flows, moment.before)
        yield from losses(moment.flows, moment.before)


def version_loader(
    flows: Sequence[Flow[Any]], later: Flow[Any] | Sequence[Flow[Any]]
) -> Callable[[], Versions]:
    """What makes the flows of a later version.

    Args:
        flows: The flows of the version before.
        later: What takes the place of flows of the same name, and what is new.
    """
    given = (later,) if isinstance(later, Flow) else tuple(later)
    again = reloader(given)

    def load() -> Versions:
        by_name = {flow.name: flow for flow in (given if again is None else again())}
        kept = tuple(by_name.pop(flow.name, flow) for flow in flows)
        return (*kept, *by_name.values())

    return load


def misfits(flows: Flows, row: Row) -> Iterator[Problem]:
    """Conversations of a row that do not fit the flows.

    One whose flow says with `texts(lost=...)` what the person is told was meant to be ended.
    """
    for found in survey(flows, row):
        if found.fit not in UNFIT or (found.fit == "orphaned" and _is_meant(flows, found.flow)):
            continue
        table = flows.tables[found.flow]
        message = (
            f"what is stored in state {found.state!r} does not fit: {found.reason}. {_remedy(found.fit)}"
        )
        yield Problem(found.fit, message, _place(table, row))


def losses(flows: Flows, row: Row) -> Iterator[Problem]:
    """Fields that a migration has put back to their default, though the old and the new type have them."""
    try:
        lifted, orphans = lift(flows, row)
    except FsmkitError:
        return
    gone = {orphan.name for orphan in orphans}
    for name, snapshot in row.snapshots.items():
        for old, new in zip(snapshot.frames, lifted.snapshots[name].frames, strict=True):
            table = flows.tables.get(old.flow)
            if name not in gone and table is not None and old.version != new.version:
                yield from _lost(table, old, new)


def _lost(table: FlowTable, old: Frame, new: Frame) -> Iterator[Problem]:
    before, after = msgspec.json.decode(old.data), msgspec.json.decode(new.data)
    default = _default(table)
    if not (isinstance(before, dict) and isinstance(after, dict) and isinstance(default, dict)):
        return
    for field, value in before.items():
        if field in after and after[field] != value and after[field] == default.get(field):
            message = f"the migration of {old.flow!r} from version {old.version} loses {field!r}"
            message += f", which was stored in state {old.state!r}: its default is left"
            yield Problem("lost-field", message, _migration_place(table, old.version))


def _default(table: FlowTable) -> Any:
    """The data of a conversation that has none yet, as JSON holds them; nothing where they need arguments."""
    try:
        return msgspec.json.decode(table.codec.encode(table.flow.data()))
    except Exception:  # a class of the user's, called without arguments
        return None


def _is_meant(flows: Flows, name: str) -> bool:
    flow: Flow[Any] = flows.tables[name].flow
    return flow.messages["lost"] != DEFAULT_TEXTS["lost"]


def _remedy(fit: str) -> str:
    if fit == "newer":
        return "Raise version= of the new one"
    return "Add was= to a state, or @flow.migrate; texts(lost=...) says that such conversations are to end"


def _place(table: FlowTable, row: Row) -> str | None:
    """Where it would have to be mended: the migration, or the flow."""
    for snapshot in row.snapshots.values():
        for frame in snapshot.frames:
            if frame.flow == table.name and frame.version in table.flow.migrations:
                return _migration_place(table, frame.version)
    return table.flow.place


def _migration_place(table: FlowTable, version: int) -> str | None:
    function = table.flow.migrations.get(version)
    return table.flow.place if function is None else place_of(function)
