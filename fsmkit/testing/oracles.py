"""Oracles: what must be so of every moment of every conversation, without a line of test code.

Each is a function of the moments so far (the last one is judged) that yields problems. What only many
conversations show together (no way out) is in `fsmkit.testing.tours`.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

from fsmkit.errors import InvariantBroken, OrphanedConversation, StepError, UnstorableData
from fsmkit.handlers import Handler
from fsmkit.places import place_of
from fsmkit.table import FlowTable
from fsmkit.testing.acts import Content, Duplicate, Press, Say, Stored
from fsmkit.testing.findings import Problem
from fsmkit.testing.inputs.handlers import wants
from fsmkit.testing.moments import Moment, running_frame
from fsmkit.testing.neighbours import keeps_to_itself

Oracle: TypeAlias = Callable[[Sequence[Moment]], Iterator[Problem]]


def no_exception(moments: Sequence[Moment]) -> Iterator[Problem]:
    """No handler raises, and all data can be stored."""
    from fsmkit.cli.blame import place_in_user_code

    for error in moments[-1].errors:
        if isinstance(error, OrphanedConversation):
            continue  # see `migrates`
        place = place_in_user_code(error) or (error.place if isinstance(error, StepError) else None)
        said = f"{type(error).__name__}: {error}".removesuffix(": ")
        if isinstance(error, InvariantBroken):
            yield Problem("invariant", str(error), error.place)
        elif isinstance(error, UnstorableData):
            yield Problem("unstorable", f"data cannot be stored: {error}", place or _last_place(moments[-1]))
        else:
            yield Problem("raised", said, place or _last_place(moments[-1]))


def declared_edges(moments: Sequence[Moment]) -> Iterator[Problem]:
    """What handlers return is what the graph says."""
    for taken in moments[-1].taken:
        if not taken.declared:
            message = f"{taken.handler.name} went to {taken.target}, which its source does not show. Add to="
            yield Problem("undeclared-edge", message, taken.handler.place)


def answered(moments: Sequence[Moment]) -> Iterator[Problem]:
    """Whoever does something that a handler takes sees something come of it."""
    moment = moments[-1]
    if not isinstance(moment.act, Say | Content | Press) or moment.shown or moment.errors:
        return
    taken = [taken for taken in moment.taken if taken.kind not in ("pass", "raised", "error")]
    if not taken or _works(moment):
        return
    last = taken[-1]
    where = f"went to {last.target}" if last.target is not None and last.kind != "end" else f"did {last.kind}"
    message = f"{last.handler.name} took {moment.act.line()!r} and {where}, and nothing was said or shown"
    yield Problem("unanswered", message, last.handler.place)


def duplicates_change_nothing(moments: Sequence[Moment]) -> Iterator[Problem]:
    """An update that was handled, and comes again, does nothing."""
    moment = moments[-1]
    if not isinstance(moment.act, Duplicate) or len(moments) < 2:
        return
    first = moments[-2]
    if not isinstance(first.act, Say | Content | Press) or first.errors or first.before == first.after:
        return
    if moment.before != moment.after or moment.shown or moment.taken:
        place = moment.taken[-1].handler.place if moment.taken else None
        yield Problem("duplicate", f"{first.act.line()!r} came again and was handled again", place)


def migrates(moments: Sequence[Moment]) -> Iterator[Problem]:
    """What an older version has stored fits this one, and a field that both have keeps its value."""
    moment = moments[-1]
    if not isinstance(moment.act, Stored) or moment.flows is None:
        return
    act, table = moment.act, moment.flows.tables[moment.act.flow]
    place = place_of(table.flow.migrations[act.version])
    for error in moment.errors:
        yield Problem("migration", str(error), place)
    frame = running_frame(moment.after)
    if frame is None or not isinstance(act.data, dict):
        return
    new, fresh = table.codec.plain(frame.data), table.codec.plain(table.codec.encode(table.codec.initial()))
    for name, old in act.data.items():
        kept, default = _field(new, name), _field(fresh, name)
        if old and kept != old and kept == default and hasattr(moment.data, name):
            message = f"migrate({act.version}) loses {name!r}: {old!r} is {kept!r} now, as at a beginning"
            yield Problem("migration", message, place)


def exits_work(moments: Sequence[Moment]) -> Iterator[Problem]:
    """A command that ends a flow from every state does so, in sub-flows too."""
    moment = moments[-1]
    if not isinstance(moment.act, Say) or moment.act.text[:1] != "/" or moment.flows is None or moment.errors:
        return
    for depth, (flow, _) in enumerate(moment.came_from):
        table = moment.flows.tables.get(flow)
        leaving = _exit(table, moment.act) if table is not None else None
        if leaving is None or len(moment.place) <= depth:
            continue
        if all(taken.kind in ("pass", "error") for taken in moment.taken):
            message = (
                f"{leaving.name} ends {flow!r} from every state, but not from {moment.came_from[-1][1]!r}"
            )
            yield Problem("no-exit", message, leaving.place)


ORACLES: tuple[Oracle, ...] = (
    no_exception,
    declared_edges,
    answered,
    duplicates_change_nothing,
    migrates,
    exits_work,
    keeps_to_itself,
)


def judge(moments: Sequence[Moment], oracles: Sequence[Oracle] = ORACLES) -> list[Problem]:
    """What is wrong with the last moment of a conversation."""
    return [problem for oracle in oracles for problem in oracle(moments)]


def _field(plain: Any, name: str) -> Any:
    return plain.get(name) if isinstance(plain, dict) else None


def _last_place(moment: Moment) -> str | None:
    return moment.taken[-1].handler.place if moment.taken else None


def _works(moment: Moment) -> bool:
    """Whether the state that was entered has a job, whose outcome is the answer."""
    if moment.flows is None or not moment.place:
        return False
    flow, state = moment.place[-1]
    table = moment.flows.tables.get(flow)
    return table is not None and state in table.rules and table.rules[state].state.job is not None


def _exit(table: FlowTable, act: Say) -> Handler | None:
    """The `ANY` handler of a flow that wants a command and can do nothing but end."""
    for handler in table.any:
        edges = table.edges[handler]
        only_ends = edges.complete and not (edges.stays or edges.backs or edges.passes)
        if only_ends and {target.kind for target in edges.targets} == {"end"} and wants(handler, act):
            return handler
    return None
