"""Oracles: what must be so of every observation of every conversation, without a line of test code.

Each is a function of the observations so far (the last one is judged) that yields problems. What only many
conversations show together (no way out) is in `fsmkit.testing.explore.tours`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import msgspec

from fsmkit.errors import FsmkitError, InvariantBroken, OrphanedConversation, StepError, UnstorableData
from fsmkit.flow.flow import DEFAULT_TEXTS, Flow
from fsmkit.flow.handlers import Handler
from fsmkit.flow.locations import location_of
from fsmkit.interpreter.compiled import CompiledFlow, FlowSet
from fsmkit.interpreter.migrations import compatibility, lost_fields, migrate_row, told_lost
from fsmkit.interpreter.row import Frame, Row, Snapshot
from fsmkit.testing.findings import Problem
from fsmkit.testing.harness.actions import (
    Album,
    Content,
    Deploy,
    Duplicate,
    EditLast,
    Outside,
    Press,
    PressData,
    Refused,
    Say,
    Stored,
)
from fsmkit.testing.harness.observation import Observation, running_frame
from fsmkit.testing.inputs.handlers import wants
from fsmkit.testing.inputs.reading import clues_of
from fsmkit.testing.loading import functions_of, reloader
from fsmkit.testing.screen_oracles import events_in_time, no_bare_markup, nothing_refused

GIVEN = Say | Press | PressData | Content | EditLast | Outside
"""What is for one flow alone; time, for example, passes for all."""


def keeps_to_itself(observations: Sequence[Observation]) -> Iterator[Problem]:
    """Check that a step of one flow leaves alone what other flows of the same key have stored."""
    observation = observations[-1]
    if len(observation.before.snapshots.keys() | observation.after.snapshots.keys()) < 2:
        return  # there is no neighbour, which is so most of the time
    if not isinstance(observation.action, GIVEN) or observation.flows is None or observation.errors:
        return
    tables = observation.flows.tables
    ran = [taken for taken in observation.taken if taken.kind not in ("pass", "raised", "error")]
    own = {taken.flow for taken in ran} | {taken.target.flow for taken in ran if taken.target is not None}
    foreign = [
        (name, before, after)
        for name, before, after in _changed(observation.before, observation.after)
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


def _means_it(table: CompiledFlow) -> bool:
    """Whether a flow ends others, or its functions or what they call name `at`, or may do so unseen."""
    functions = functions_of([table.flow])
    unseen = any(not hasattr(getattr(function, "__func__", function), "__code__") for function in functions)
    return table.flow.exclusive or unseen or "at" in clues_of(*functions).names


def _changed(before: Row, after: Row) -> Iterator[tuple[str, Snapshot | None, Snapshot | None]]:
    for name in before.snapshots.keys() | after.snapshots.keys():
        one, other = before.snapshots.get(name), after.snapshots.get(name)
        if _frames(one) != _frames(other):
            yield name, one, other


def _frames(snapshot: Snapshot | None) -> list[tuple[Any, ...]]:
    """Return what is a flow's own: where it stands, and its data; drafts too."""
    frames: Iterable[Any] = () if snapshot is None else snapshot.frames
    return [(frame.flow, frame.state, bytes(frame.data), frame.history) for frame in frames]


def _flows_of(name: str, snapshot: Snapshot | None) -> set[str]:
    return {name, *(frame.flow for frame in (snapshot.frames if snapshot is not None else ()))}


def _told(snapshot: Snapshot | None) -> str:
    frames = _frames(snapshot)
    return f"{frames[-1][1]!r} with {frames[-1][2].decode()}" if frames else "nothing"


Oracle: TypeAlias = Callable[[Sequence[Observation]], Iterator[Problem]]


def no_exception(observations: Sequence[Observation]) -> Iterator[Problem]:
    """Check that no handler raises, and all data can be stored."""
    from fsmkit.flow.locations import location_in_user_code

    by_order = isinstance(observations[-1].action, Refused)
    for error in observations[-1].errors:
        if isinstance(error, OrphanedConversation):
            continue  # see `migrates`
        if by_order and type(error).__module__ in ("telegram.error", "telegram.warnings"):
            continue  # a request of the handler's own met what `Driver.refuse` lets Telegram refuse
        place = location_in_user_code(error) or (error.place if isinstance(error, StepError) else None)
        said = f"{type(error).__name__}: {error}".removesuffix(": ")
        if isinstance(error, InvariantBroken):
            yield Problem("invariant", str(error), error.place)
        elif isinstance(error, UnstorableData):
            yield Problem(
                "unstorable", f"data cannot be stored: {error}", place or _last_place(observations[-1])
            )
        else:
            yield Problem("raised", said, place or _last_place(observations[-1]))


def declared_edges(observations: Sequence[Observation]) -> Iterator[Problem]:
    """Check that what handlers return is what the graph says."""
    for taken in observations[-1].taken:
        if not taken.declared:
            message = f"{taken.handler.name} went to {taken.target}, which its source does not show. Add to="
            yield Problem("undeclared-edge", message, taken.handler.place)


def answered(observations: Sequence[Observation]) -> Iterator[Problem]:
    """Check that whoever does something that a handler takes sees something come of it."""
    observation = observations[-1]
    spoken = isinstance(observation.action, Say | Content | Press | Album)
    if not spoken or observation.shown or observation.errors:
        return
    taken = [taken for taken in observation.taken if taken.kind not in ("pass", "raised", "error")]
    if not taken or _works(observation):
        return
    last = taken[-1]
    where = f"went to {last.target}" if last.target is not None and last.kind != "end" else f"did {last.kind}"
    message = (
        f"{last.handler.name} took {observation.action.line()!r} and {where}, and nothing was said or shown"
    )
    yield Problem("unanswered", message, last.handler.place)


def duplicates_change_nothing(observations: Sequence[Observation]) -> Iterator[Problem]:
    """Check that an update that was handled, and comes again, does nothing."""
    observation = observations[-1]
    if not isinstance(observation.action, Duplicate) or len(observations) < 2:
        return
    first = observations[-2]
    if not isinstance(first.action, Say | Content | Press) or first.errors or first.before == first.after:
        return
    if observation.before != observation.after or observation.shown or observation.taken:
        place = observation.taken[-1].handler.place if observation.taken else None
        yield Problem("duplicate", f"{first.action.line()!r} came again and was handled again", place)


def migrates(observations: Sequence[Observation]) -> Iterator[Problem]:
    """Check that what an older version has stored fits, and a field that both have keeps its value."""
    observation = observations[-1]
    if not isinstance(observation.action, Stored) or observation.flows is None:
        return
    action, table = observation.action, observation.flows.tables[observation.action.flow]
    place = location_of(table.flow.migrations[action.version])
    for error in observation.errors:
        yield Problem("migration", str(error), place)
    frame = running_frame(observation.after)
    if frame is None or not isinstance(action.data, dict):
        return
    new, fresh = table.codec.plain(frame.data), table.codec.plain(table.codec.encode(table.codec.initial()))
    for name, old in action.data.items():
        kept, default = _field(new, name), _field(fresh, name)
        if old and kept != old and kept == default and hasattr(observation.data, name):
            message = f"migrate({action.version}) loses {name!r}: {old!r} is {kept!r} now, as at a beginning"
            yield Problem("migration", message, place)


def exits_work(observations: Sequence[Observation]) -> Iterator[Problem]:
    """Check that a command that ends a flow from every state does so, in sub-flows too."""
    observation = observations[-1]
    if (
        not isinstance(observation.action, Say)
        or observation.action.text[:1] != "/"
        or observation.flows is None
        or observation.errors
    ):
        return
    for depth, (flow, _) in enumerate(observation.came_from):
        table = observation.flows.tables.get(flow)
        leaving = _exit(table, observation.action) if table is not None else None
        if leaving is None or len(observation.place) <= depth:
            continue
        if all(taken.kind in ("pass", "error") for taken in observation.taken):
            state = observation.came_from[-1][1]
            message = f"{leaving.name} ends {flow!r} from every state, but not from {state!r}"
            yield Problem("no-exit", message, leaving.place)


ORACLES: tuple[Oracle, ...] = (
    no_exception,
    declared_edges,
    answered,
    duplicates_change_nothing,
    migrates,
    exits_work,
    keeps_to_itself,
    nothing_refused,
    no_bare_markup,
    events_in_time,
)


def judge(observations: Sequence[Observation], oracles: Sequence[Oracle] = ORACLES) -> list[Problem]:
    """Return what is wrong with the last observation of a conversation."""
    return [problem for oracle in oracles for problem in oracle(observations)]


def _field(plain: Any, name: str) -> Any:
    return plain.get(name) if isinstance(plain, dict) else None


def _last_place(observation: Observation) -> str | None:
    return observation.taken[-1].handler.place if observation.taken else None


def _works(observation: Observation) -> bool:
    """Whether the state that was entered has a job, whose outcome is the answer."""
    if observation.flows is None or not observation.place:
        return False
    flow, state = observation.place[-1]
    table = observation.flows.tables.get(flow)
    return table is not None and state in table.rules and table.rules[state].state.job is not None


def _exit(table: CompiledFlow, action: Say) -> Handler | None:
    """Return the `ANY` handler of a flow that wants a command and can do nothing but end."""
    for handler in table.any:
        edges = table.edges[handler]
        only_ends = edges.complete and not (edges.stays or edges.backs or edges.passes)
        if only_ends and {target.kind for target in edges.targets} == {"end"} and wants(handler, action):
            return handler
    return None


Versions: TypeAlias = tuple[Flow[Any], ...]


UNFIT = ("orphaned", "newer")


def deploys_keep(observations: Sequence[Observation]) -> Iterator[Problem]:
    """Check that what was stored before a deploy fits after it, and keeps its data."""
    observation = observations[-1]
    if isinstance(observation.action, Deploy) and observation.flows is not None:
        yield from misfits(observation.flows, observation.before)
        yield from losses(observation.flows, observation.before)


def version_loader(
    flows: Sequence[Flow[Any]], later: Flow[Any] | Sequence[Flow[Any]]
) -> Callable[[], Versions]:
    """Return what makes the flows of a later version.

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


def misfits(flows: FlowSet, row: Row) -> Iterator[Problem]:
    """Conversations of a row that do not fit the flows.

    One whose flow says with `texts(lost=...)` what the person is told was meant to be ended.
    """
    for found in compatibility(flows, row):
        if found.fit not in UNFIT or (found.fit == "orphaned" and _is_meant(flows, found.flow)):
            continue
        table = flows.tables[found.flow]
        message = (
            f"what is stored in state {found.state!r} does not fit: {found.reason}. {_remedy(found.fit)}"
        )
        yield Problem(found.fit, message, _place(table, row))


def losses(flows: FlowSet, row: Row) -> Iterator[Problem]:
    """Yield fields that are lost: their class has them no more, or a migration has put back their default."""
    for owner, field in lost_fields(flows, row):
        remedy = "Keep it, or say with @flow.migrate what becomes of it"
        yield Problem("lost-field", f"{told_lost(owner, field)}. {remedy}", owner.flow.place)
    try:
        lifted, orphans = migrate_row(flows, row)
    except FsmkitError:
        return
    gone = {orphan.name for orphan in orphans}
    for name, snapshot in row.snapshots.items():
        for old, new in zip(snapshot.frames, lifted.snapshots[name].frames, strict=True):
            table = flows.tables.get(old.flow)
            if name not in gone and table is not None and old.version != new.version:
                yield from _lost(table, old, new)


def _lost(table: CompiledFlow, old: Frame, new: Frame) -> Iterator[Problem]:
    before, after = msgspec.json.decode(old.data), msgspec.json.decode(new.data)
    default = _default(table)
    if not (isinstance(before, dict) and isinstance(after, dict) and isinstance(default, dict)):
        return
    for field, value in before.items():
        if field in after and after[field] != value and after[field] == default.get(field):
            message = f"the migration of {old.flow!r} from version {old.version} loses {field!r}"
            message += f", which was stored in state {old.state!r}: its default is left"
            yield Problem("lost-field", message, _migration_place(table, old.version))


def _default(table: CompiledFlow) -> Any:
    """Return the data of a conversation that has none yet, as in JSON; `None` where they need arguments."""
    try:
        return msgspec.json.decode(table.codec.encode(table.flow.data()))
    except Exception:  # a class of the user's, called without arguments
        return None


def _is_meant(flows: FlowSet, name: str) -> bool:
    flow: Flow[Any] = flows.tables[name].flow
    return flow.messages["lost"] != DEFAULT_TEXTS["lost"]


def _remedy(fit: str) -> str:
    if fit == "newer":
        return "Raise version= of the new one"
    return "Add renamed_from= to a state, or @flow.migrate; with texts(lost=...) such conversations end"


def _place(table: CompiledFlow, row: Row) -> str | None:
    """Where it would have to be mended: the migration, or the flow."""
    for snapshot in row.snapshots.values():
        for frame in snapshot.frames:
            if frame.flow == table.name and frame.version in table.flow.migrations:
                return _migration_place(table, frame.version)
    return table.flow.place


def _migration_place(table: CompiledFlow, version: int) -> str | None:
    function = table.flow.migrations.get(version)
    return table.flow.place if function is None else location_of(function)
