"""All that is stored for one key, as the records that become its bytes.

Data only: no rule stands here. Records are never changed in place once a step has begun; the interpreter
makes new ones.
"""

from msgspec import Raw, Struct, field

from fsmkit.effects import Address, Delete, Edit, Send

NO_DATA = Raw(b"null")
"""The data of a frame that has none (the data class needs arguments and nobody gave any)."""


class Work(Struct, frozen=True, array_like=True):
    """The job of the state in which a frame stands, as long as its outcome has not come.

    Attributes:
        id: What it is known by in every attempt; empty until the first one begins.
        attempt: How often it was begun.
        due: Nobody begins it before this time, in seconds since 1970, UTC: until then it belongs to the
            process that runs it, or waits to be tried again.
        failures: How many attempts raised or took too long.
        held: Whether a process has begun it and not yet said how it went.
        lost: How many attempts ended without a word: their process was killed.
    """

    id: str = ""
    attempt: int = 0
    due: float = 0.0
    failures: int = 0
    held: bool = False
    lost: int = 0


class Frame(Struct, array_like=True):
    """A flow that runs, or waits for the one above it, in one conversation.

    Attributes:
        flow: Name of the flow.
        version: The flow's version that wrote this.
        state: Name of the state; `None`: only data stand here (a draft), or an entry handler waits.
        data: The flow's data as JSON.
        history: The states before this one, oldest first, 16 at most.
        entry: Number of the entry into this state; buttons of other entries are stale.
        values: Button values of this entry that are too long for a button, as text; empty: no longer kept.
        trail: Ids of messages to delete when the state is left.
        flow_limit: When the flow's `max_age` is over, in seconds since 1970, UTC.
        state_limit: When the state's `max_age` is over.
        retries: How often an answer was refused in this entry (`ctx.retry`).
        job: The state's job, as long as its outcome has not come.
    """

    flow: str
    version: int
    state: str | None
    data: Raw
    history: tuple[str, ...] = ()
    entry: int = 0
    values: tuple[str, ...] = ()
    trail: tuple[int, ...] = ()
    flow_limit: float | None = None
    state_limit: float | None = None
    retries: int = 0
    job: Work | None = None


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
    """

    frames: tuple[Frame, ...]
    run: int = 0
    entries: int = 0
    deadline: float | None = None
    address: Address | None = None
    tries: int = 0
    remind: float | None = None

    @property
    def active(self) -> bool:
        """Whether a conversation runs (not only a draft stands here)."""
        return self.frames[-1].state is not None


class Board(Struct, array_like=True):
    """A reply keyboard that is taken away when the state that showed it is left.

    Attributes:
        chat: The chat it stands in.
        run: The run in which it was shown.
        entry: The entry of the state that showed it.
    """

    chat: int | str
    run: int
    entry: int


class View(Struct, array_like=True):
    """What a flow shows at present: the message that is its screen, and its reply keyboard.

    Attributes:
        chat: The chat that the screen stands in.
        message: Its message id; `0` if there is none.
        file: The file that it carries, as `kind:source`; empty for a text.
        board: The reply keyboard.
        bare: Whether the screen is known to have no buttons, so that none have to be taken away.
    """

    chat: int | str
    message: int
    file: str = ""
    board: Board | None = None
    bare: bool = False


class Move(Struct, array_like=True):
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
        views: By name of the flow.
        later: Events to give to a conversation when their time comes.
        moved: Set when the row has a new key.
    """

    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    seen: str = " "
    keep: float = 0.0
    serial: int = 0
    views: dict[str, View] = field(default_factory=dict)
    later: tuple["Mail", ...] = ()
    moved: Move | None = None


class Mail(Struct, frozen=True, tag="mail"):
    """An event for another conversation, or for this one later.

    Attributes:
        key: Whose conversation, as the key's text.
        event: Registered name of the event's class.
        body: The event as JSON.
        id: What the event is recognised by when it is given again.
        due: Not before this time, in seconds since 1970, UTC.
        known: What it is recognised by as an event from outside; empty for letters of `ctx.send`.
        flow: Name of the only flow that gets it.
        expect: The only state of `flow` in which it is wanted.
    """

    key: str
    event: str
    body: Raw
    id: str
    due: float = 0.0
    known: str = ""
    flow: str | None = None
    expect: str | None = None


class Receipt(Struct, array_like=True):
    """What came of a message that was sent and has to be found again.

    Attributes:
        keep: What for: `view`, `moved` (a view whose old message was seen to) or `ephemeral`.
        flow: The flow entered (the snapshot's name).
        run: The run it was sent in.
        entry: The entry of the state it was sent in.
        chat: The chat it went to.
        message: Its message id.
        file: The file that it carries, as `View` has it.
        bare: Whether it has no buttons.
    """

    keep: str
    flow: str
    run: int
    entry: int
    chat: int | str
    message: int
    file: str = ""
    bare: bool = False


class Wait(Struct, frozen=True, tag="wait"):
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
    effect: Send | Edit | Delete | Mail | Wait
