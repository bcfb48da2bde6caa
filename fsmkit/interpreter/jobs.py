"""The jobs of states as they stand in a row: begun, kept, put off, over. Pure.

A frame has its job from the moment it enters the state until the outcome is handled, so whatever becomes of
the process that runs it, another finds it there. Who begins it says until when it is his, and says so again
and again; what nobody has said for is begun anew.
"""

from collections.abc import Callable, Container, Mapping

from msgspec import Struct, structs

from fsmkit.flow.handlers import JobSpec
from fsmkit.interpreter.compiled import CompiledFlow
from fsmkit.interpreter.row import Frame, JobState, Row
from fsmkit.stores.protocol import KnowsWorkers

CLAIM_SECONDS = 30.0
"""How long a job belongs to the process that runs it, from its last sign of life."""


class JobAttempt(Struct, frozen=True, eq=False):
    """An attempt that this process has to make.

    Attributes:
        name: The conversation.
        table: The flow.
        frame: Where it stands, with the job as it was stored.
        rule: What is declared of it.
        work: The job as it was stored.
    """

    name: str
    table: CompiledFlow
    frame: Frame
    rule: JobSpec
    work: JobState


Tables = Mapping[str, CompiledFlow]


def is_free(work: JobState, now: float, workers: KnowsWorkers | None) -> bool:
    """Return whether nobody has a job: its time has come, or the process that ran it is dead."""
    return work.due <= now or bool(work.held and work.by and workers and workers.is_gone(work.by))


def is_due(
    row: Row, tables: Tables, now: float, mine: Container[str], workers: KnowsWorkers | None = None
) -> bool:
    """Return whether some job can be begun.

    Args:
        row: The row.
        tables: The flows that run here.
        now: The time, in seconds since 1970, UTC.
        mine: The jobs that run in this process.
        workers: Tells whether the process that has a job is dead.
    """
    return any(
        frame.job is not None
        and frame.job.id not in mine
        and frame.flow in tables
        and is_free(frame.job, now, workers)
        for snapshot in row.snapshots.values()
        for frame in snapshot.frames
    )


def begin(
    row: Row,
    tables: Tables,
    now: float,
    new_id: Callable[[], str],
    *,
    most: int,
    mine: Container[str] = (),
    entered: bool = False,
    workers: KnowsWorkers | None = None,
) -> tuple[Row, list[JobAttempt]]:
    """Return the row with jobs begun that are due, and those jobs.

    Args:
        row: The row.
        tables: The flows that run here.
        now: The time, in seconds since 1970, UTC.
        new_id: Makes an id.
        most: How many to begin at most.
        mine: The jobs that run in this process; a claim on them that has ended is not the end of them.
        entered: Only those whose states were just entered.
        workers: Tells whether the process that has a job is dead, and what this one is known by.
    """
    begun: list[JobAttempt] = []
    for name, depth, frame in row.frames():
        work, table = frame.job, tables.get(frame.flow)
        if work is None or table is None or (entered and work.attempt) or not is_free(work, now, workers):
            continue
        rule = table.rules[frame.state].job if frame.state is not None else None
        if rule is None:  # declared otherwise since it was stored
            row = _with_job(row, name, depth, None)
        elif work.id in mine:
            row = _with_job(row, name, depth, structs.replace(work, due=now + CLAIM_SECONDS))
        elif len(begun) < most:
            work = _begun(work, now, new_id, "" if workers is None else workers.worker)
            row = _with_job(row, name, depth, work)
            begun.append(JobAttempt(name, table, row.snapshots[name].frames[depth], rule, work))
    return row, begun


def find(row: Row, ident: str) -> tuple[str, int] | None:
    """Return conversation and depth of the frame in which a job stands."""
    for name, depth, frame in row.frames():
        if frame.job is not None and frame.job.id == ident:
            return name, depth
    return None


def attempt_stands(row: Row, work: JobState) -> bool:
    """Return whether a job still waits for the outcome of this very attempt."""
    place = find(row, work.id)
    if place is None:
        return False
    job = _job(row, *place)
    return job.held and job.attempt == work.attempt


def kept(row: Row, work: JobState, until: float) -> Row:
    """Return the row in which an attempt that stands is its process's own for longer."""
    return _changed(row, work, due=until)


def put_off(row: Row, work: JobState, until: float, *, failed: bool, lost: bool = False) -> Row:
    """Return the row in which an attempt that stands is over, and the next one may begin at a later time.

    Args:
        row: The row.
        work: The attempt.
        until: When the next one may begin, in seconds since 1970, UTC.
        failed: Whether it counts as a failure.
        lost: Whether it counts as one that ended with its process.
    """
    return _changed(row, work, due=until, held=False, failures=work.failures + failed, lost=work.lost + lost)


def over(row: Row, ident: str) -> Row:
    """Return the row without a job, whose outcome has come."""
    place = find(row, ident)
    return row if place is None else _with_job(row, *place, None)


def _begun(work: JobState, now: float, new_id: Callable[[], str], by: str) -> JobState:
    return JobState(
        work.id or new_id(),
        work.attempt + 1,
        now + CLAIM_SECONDS,
        work.failures,
        held=True,
        lost=work.lost + work.held,
        by=by,
    )


def _changed(row: Row, work: JobState, **changes: object) -> Row:
    if not attempt_stands(row, work):
        return row
    name, depth = find(row, work.id) or ("", 0)
    return _with_job(row, name, depth, structs.replace(_job(row, name, depth), **changes))


def _job(row: Row, name: str, depth: int) -> JobState:
    return row.snapshots[name].frames[depth].job or JobState()


def _with_job(row: Row, name: str, depth: int, work: JobState | None) -> Row:
    frame = row.snapshots[name].frames[depth]
    return row.with_frame(name, depth, structs.replace(frame, job=work))
