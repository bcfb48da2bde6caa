"""All that is stored for one key, as the records that become its bytes.

Data only: no rule stands here. Records are never changed in place once a step has begun; the interpreter
makes new ones.
"""

from collections.abc import Container, Iterator
from typing import Literal, TypeAlias

import msgspec
from msgspec import Raw, Struct, field, structs

from fsmkit.flow.events import Timeout
from fsmkit.flow.messages import (
    Address,
    Answer,
    Reply,
)


class Bound(msgspec.Struct, frozen=True, array_like=True):
    """The place in a conversation that a message's buttons belong to.

    Attributes:
        flow: Name of the flow.
        run: Number of the run, different each time that the flow is entered.
        entry: How often a state was entered in this run.
        owner: The only person who may press, or `None`: anybody in the chat.
        values: Values too long for a button, as text, stored with the conversation; a button refers to one by
            position.
    """

    flow: str
    run: int
    entry: int
    owner: int | str | None = None
    values: tuple[str, ...] = ()


class Send(msgspec.Struct, frozen=True, tag="send", omit_defaults=True):
    """Send a message.

    Attributes:
        reply: The message.
        to: Where it goes.
        bound: What its buttons belong to.
        keep: What its message id is remembered for: `view`, `ephemeral` or nothing.
        selective: Whether the reply keyboard that it takes away is one person's, not all the group's.
        screen: Which screen it is (`SendMessage.screen`).
    """

    reply: Reply
    to: Address
    bound: Bound
    keep: str = ""
    selective: bool = False
    screen: str = ""

    @property
    def text(self) -> str:
        """The text of the message."""
        return self.reply.text


class Edit(msgspec.Struct, frozen=True, tag="edit", omit_defaults=True):
    """Change a message that was sent; without `reply`, take its buttons away.

    Attributes:
        to: Where it stands.
        message: Its message id.
        bound: What its new buttons belong to.
        reply: What it shows from now on.
        file: The file that it carries so far, as `ShownScreen` has it.
        screen: Which screen it is (`SendMessage.screen`).
    """

    to: Address
    message: int
    bound: Bound
    reply: Reply | None = None
    file: str = ""
    screen: str = ""

    @property
    def text(self) -> str:
        """The new text of the message."""
        return self.reply.text if self.reply else ""


class Delete(msgspec.Struct, frozen=True, tag="delete"):
    """Delete messages; failures are ignored."""

    to: Address
    messages: tuple[int, ...]


Effect: TypeAlias = Send | Edit | Delete | Answer
"""All that goes to a person."""

NO_DATA = Raw(b"null")
"""The data of a frame that has none (the data class needs arguments and nobody gave any)."""


class JobState(Struct, frozen=True, array_like=True):
    """The job of the state in which a frame stands, as long as its outcome has not come.

    Attributes:
        id: What it is known by in every attempt; empty until the first one begins.
        attempt: How often it was begun.
        due: Nobody begins it before this time, in seconds since 1970, UTC: until then it belongs to the
            process that runs it, or waits to be tried again.
        failures: How many attempts raised or took too long.
        held: Whether a process has begun it and not yet said how it went.
        lost: How many attempts ended without a word: their process was killed.
        by: What the process that holds it is known by, where the store can tell whether that has died.
    """

    id: str = ""
    attempt: int = 0
    due: float = 0.0
    failures: int = 0
    held: bool = False
    lost: int = 0
    by: str = ""


class Frame(Struct, array_like=True):
    """A flow that runs, or waits for the one above it, in one conversation.

    Attributes:
        flow: Name of the flow.
        version: The flow's version that wrote this.
        state: Name of the state; `None`: only data stand here (a draft), or an entry handler waits.
        data: The flow's data as JSON; in a row that a step has made also the data themselves, where they can
            never change: they become JSON with the row.
        history: The states before this one, oldest first, 16 at most.
        entry: Number of the entry into this state; buttons of other entries are stale.
        values: Button values of this entry that are too long for a button, as text; empty: no longer kept.
        tracked: Ids of messages to delete when the state is left.
        flow_limit: When the flow's `max_age` is over, in seconds since 1970, UTC.
        state_limit: When the state's `max_age` is over.
        retries: How often an answer was refused in this entry (`ctx.retry`).
        job: The state's job, as long as its outcome has not come.
        left: The data with which the last states of `history` were left, oldest first; `NO_DATA` where they
            are not known. Empty in a flow that keeps its data when it goes back.
    """

    flow: str
    version: int
    state: str | None
    data: Raw
    history: tuple[str, ...] = ()
    entry: int = 0
    values: tuple[str, ...] = ()
    tracked: tuple[int, ...] = ()
    flow_limit: float | None = None
    state_limit: float | None = None
    retries: int = 0
    job: JobState | None = None
    left: tuple[Raw, ...] = ()


class Snapshot(Struct, array_like=True):
    """Where one key stands in one flow.

    Attributes:
        frames: The flow that was entered first, then what it called; the last one runs.
        run: Different for each time that the flow is entered; never zero while it runs.
        entries: How often a state was entered in this run.
        deadline: When it times out if nothing happens, in seconds since 1970, UTC.
        address: Where its messages go.
        tries: How often handlers of timeouts have raised, one after the other.
        remind: When the person is reminded if nothing happens.
        reply_to: Id of the person's message that was last replied to (`Reply(reply_to=...)`).
    """

    frames: tuple[Frame, ...]
    run: int = 0
    entries: int = 0
    deadline: float | None = None
    address: Address | None = None
    tries: int = 0
    remind: float | None = None
    reply_to: int | None = None

    @property
    def active(self) -> bool:
        """Whether a conversation runs (not only a draft stands here)."""
        return self.frames[-1].state is not None


class ShownKeyboard(Struct, array_like=True):
    """A reply keyboard that is taken away when the state that showed it is left.

    Attributes:
        chat: The chat it stands in.
        run: The run in which it was shown.
        entry: The entry of the state that showed it.
        selective: Whether only the person sees it whom its message replied to or mentioned.
        reply_to: Id of the message that its message replied to.
    """

    chat: int | str
    run: int
    entry: int
    selective: bool = False
    reply_to: int | None = None


class ShownScreen(Struct, array_like=True):
    """What a flow shows at present: the message that is its screen, and its reply keyboard.

    Attributes:
        chat: The chat that the screen stands in.
        message: Its message id; `0` if there is none.
        file: The file that it carries, as `kind:source`; empty for a text.
        board: The reply keyboard.
        bare: Whether the screen is known to have no buttons, so that none have to be taken away.
        entry: Of a screen with a name, the entry of the state in which it was last shown.
    """

    chat: int | str
    message: int
    file: str = ""
    board: ShownKeyboard | None = None
    bare: bool = False
    entry: int = 0


class Destination(Struct, array_like=True):
    """Where a row has gone, or is going: its chat has a new id.

    Attributes:
        key: The new key's text.
        id: What the row is recognised by when it arrives there twice.
        arrived: Whether it stands there: then only this note is left here.
    """

    key: str
    id: str
    arrived: bool = False


class Row(Struct, array_like=True):
    """All that is stored for one key, but for what waits to be delivered.

    Attributes:
        snapshots: By name of the flow that was entered; the flow entered last stands last.
        seen: Ids of the last events that changed this row, oldest first, with a space around each: one
            string is read and searched much faster than a list of them.
        keep: Until when the ids are needed, in seconds since 1970, UTC.
        serial: Counts the effects of this key, so that each has a number of its own.
        views: By name of the flow that was entered; screens with a name by `screen_key`.
        later: Events to give to a conversation when their time comes.
        moved: Set when the row has a new key. No step begins on such a row, so that what steps make of a row
            leaves it out; whoever only reads a row has to keep it.
    """

    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    seen: str = " "
    keep: float = 0.0
    serial: int = 0
    views: dict[str, ShownScreen] = field(default_factory=dict)
    later: tuple["ScheduledEvent", ...] = ()
    moved: Destination | None = None

    def frames(self) -> Iterator[tuple[str, int, Frame]]:
        """Yield all frames, each with the name of its conversation and its depth there."""
        for name, snapshot in self.snapshots.items():
            for depth, frame in enumerate(snapshot.frames):
                yield name, depth, frame

    def with_conversation(self, name: str, snapshot: Snapshot | None) -> "Row":
        """Return the row with another snapshot in the place of one, or without it."""
        snapshots = {**self.snapshots}
        if snapshot is None:
            snapshots.pop(name, None)
        else:
            snapshots[name] = snapshot
        return structs.replace(self, snapshots=snapshots)

    def with_frame(self, name: str, depth: int, frame: Frame) -> "Row":
        """Return the row with another frame in the place of one."""
        snapshot = self.snapshots[name]
        frames = (*snapshot.frames[:depth], frame, *snapshot.frames[depth + 1 :])
        return self.with_conversation(name, structs.replace(snapshot, frames=frames))


EMPTY = Row()
"""The row of a key for which nothing is stored."""

Hop: TypeAlias = tuple[str, str]
"""Who sent an event: flow, and key as text."""


class ScheduledEvent(Struct, frozen=True, tag="mail"):
    """An event for another conversation, or for this one later.

    Attributes:
        key: Whose conversation, as the key's text.
        event: Registered name of the event's class.
        body: The event as JSON.
        id: What the event is recognised by when it is given again.
        due: Not before this time, in seconds since 1970, UTC.
        known: What it is recognised by as an event from outside; empty for due_events of `ctx.send`.
        flow: Name of the only flow that gets it.
        expect: The only state of `flow` in which it is wanted.
        hops: How many events of `ctx.send` have followed from one another, with this one.
        trail: Who sent the last ones, where there are many.
    """

    key: str
    event: str
    body: Raw
    id: str
    due: float = 0.0
    known: str = ""
    flow: str | None = None
    expect: str | None = None
    hops: int = 0
    trail: tuple[Hop, ...] = ()


class Receipt(Struct, array_like=True):
    """What came of a message that was sent and has to be found again.

    Attributes:
        keep: What for: `view`, `moved` (a view whose old message was seen to) or `ephemeral`.
        flow: The flow entered (the snapshot's name).
        run: The run it was sent in.
        entry: The entry of the state it was sent in.
        chat: The chat it went to.
        message: Its message id.
        file: The file that it carries, as `ShownScreen` has it.
        bare: Whether it has no buttons.
        screen: Which screen it is (`SendMessage.screen`).
    """

    keep: str
    flow: str
    run: int
    entry: int
    chat: int | str
    message: int
    file: str = ""
    bare: bool = False
    screen: str = ""


class WaitForOutbox(Struct, frozen=True, tag="wait"):
    """Holds an outbox up until that of the key's former id is empty, so that messages stay in order.

    Attributes:
        key: The former key's text.
    """

    key: str


class Pending(Struct, array_like=True):
    """An entry of the outbox.

    Attributes:
        number: Its place in the order of the key; never used twice.
        effect: What to do.
    """

    number: int
    effect: Send | Edit | Delete | ScheduledEvent | WaitForOutbox


class ExpiredTimer(Struct, frozen=True):
    """A timeout that has come.

    Attributes:
        at: When it came, in seconds since 1970, UTC.
        name: Name of the conversation.
        depth: The frame whose limit it is; for an idle one the running frame.
        kind: The idle deadline, or the `max_age` of a flow or of a state.
    """

    at: float
    name: str
    depth: int
    kind: Literal["idle", "flow", "state"]


def timeout_at(snapshot: Snapshot) -> float | None:
    """Return when a conversation times out next, whichever kind it is; `None` for never."""
    return due_of(snapshot)[1]


def times_of(snapshot: Snapshot) -> list[float]:
    """Return when a conversation's timeouts, its reminder and jobs that wait to be tried again are due."""
    idle = [at for at in (snapshot.deadline, snapshot.remind) if at is not None]
    jobs = [frame.job.due for frame in snapshot.frames if frame.job is not None and not frame.job.held]
    return idle + jobs + [limit for frame in snapshot.frames for limit in _limits(frame)]


def due_of(snapshot: Snapshot) -> tuple[float | None, float | None]:
    """Return when something of a conversation is due next (a timeout, a reminder or a job), and when it times
    out next, whichever kind that is; `None` for never.
    """
    timeout, other = snapshot.deadline, snapshot.remind
    for frame in snapshot.frames:
        limit = frame.flow_limit
        if limit is not None and (timeout is None or limit < timeout):
            timeout = limit
        limit = frame.state_limit
        if limit is not None and (timeout is None or limit < timeout):
            timeout = limit
        job = frame.job
        if job is not None and (other is None or job.due < other):
            other = job.due
    due = timeout if other is None or (timeout is not None and timeout <= other) else other
    return due, timeout


def overdue(row: Row, known: Container[str], now: float, date: float | None = None) -> ExpiredTimer | None:
    """Return the timeout that came first of those that have come, `None` if there is none.

    Args:
        row: The row.
        known: Names of the flows that run here; conversations with others are carried through untouched.
        now: The time, in seconds since 1970, UTC.
        date: When the person did what is about to be handled: it was in time for a deadline after that.
    """
    first: tuple[float, str] | None = None
    for name, snapshot in row.snapshots.items():
        at = timeout_at(snapshot)
        if at is None or at > now or (date is not None and date < at) or (first and at >= first[0]):
            continue
        if _known(snapshot, known):
            first = (at, name)
    return None if first is None else _which(row.snapshots[first[1]], *first)


def reminding(row: Row, known: Container[str], now: float) -> str | None:
    """Return the conversation whose reminder came first of those that have come, if any."""
    due = [
        (snapshot.remind, name)
        for name, snapshot in row.snapshots.items()
        if snapshot.remind is not None and snapshot.remind <= now and _known(snapshot, known)
    ]
    return min(due, key=lambda one: one[0])[1] if due else None


def event_of(row: Row, late: ExpiredTimer) -> Timeout:
    """Return what a handler is told of a timeout."""
    snapshot = row.snapshots[late.name]
    if late.kind == "idle":
        return Timeout(late.at, message_id=snapshot.reply_to)
    state = snapshot.frames[late.depth].state if late.kind == "state" else None
    return Timeout(late.at, "age", state, message_id=snapshot.reply_to)


def without_timer(row: Row, late: ExpiredTimer) -> Row:
    """Return the row without the limit that has come: whoever handles it goes on without it.

    An idle deadline stays, since every step starts it anew, and with nobody to handle it there is an end.
    """
    return row if late.kind == "idle" else _moved(row, late, None, row.snapshots[late.name])


def put_off(row: Row, late: ExpiredTimer, at: float) -> Row:
    """Return the row with a timeout whose handler failed put off; nobody is reminded until then."""
    snapshot = row.snapshots[late.name]
    snapshot = structs.replace(snapshot, tries=snapshot.tries + 1, remind=None)
    if late.kind == "idle":
        return row.with_conversation(late.name, structs.replace(snapshot, deadline=at))
    return _moved(row, late, at, snapshot)


def _limits(frame: Frame) -> list[float]:
    return [limit for limit in (frame.flow_limit, frame.state_limit) if limit is not None]


def _known(snapshot: Snapshot, known: Container[str]) -> bool:
    return all(frame.flow in known for frame in snapshot.frames)


def _which(snapshot: Snapshot, at: float, name: str) -> ExpiredTimer:
    """Return which timer came: of several at once the outermost flow's limit, the idle deadline last."""
    for depth, frame in enumerate(snapshot.frames):
        if frame.flow_limit == at:
            return ExpiredTimer(at, name, depth, "flow")
        if frame.state_limit == at:
            return ExpiredTimer(at, name, depth, "state")
    return ExpiredTimer(at, name, len(snapshot.frames) - 1, "idle")


def _moved(row: Row, late: ExpiredTimer, at: float | None, snapshot: Snapshot) -> Row:
    frames = list(snapshot.frames)
    frames[late.depth] = _limited(frames[late.depth], late, at)
    return row.with_conversation(late.name, structs.replace(snapshot, frames=tuple(frames)))


def _limited(frame: Frame, late: ExpiredTimer, at: float | None) -> Frame:
    if late.kind == "flow":
        return structs.replace(frame, flow_limit=at)
    return structs.replace(frame, state_limit=at)
