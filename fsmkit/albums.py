"""Albums: the messages of one media group, gathered in the row until they are complete, then one event.

Telegram sends each photo of an album as an update of its own and never says how many there are. Those that
came so far stand in the row as a letter for later, which each further one extends and puts off: nothing
waits meanwhile, and a restart loses nothing. Pure functions; `fsmkit.process` calls them under the lease.
"""

from collections.abc import Iterator, Sequence

import msgspec
from msgspec import Raw, Struct, structs

from fsmkit.events import ChatEvent
from fsmkit.handlers import Handler
from fsmkit.model import Mail, Row
from fsmkit.moves import Moves
from fsmkit.table import Flows, FlowTable
from fsmkit.turn import Turn

ALBUM = "fsmkit.album"
"""Stands in a letter for the name of an event's class."""
QUIET = 1.0
"""Seconds without a further part after which an album is complete; Telegram sends them at once."""
MAX_PARTS = 10
"""Messages of an album, https://core.telegram.org/bots/api#sendmediagroup."""
MAX_BYTES = 32768
"""What the albums of one row may take, half of what a row may by default."""

_decode = msgspec.json.Decoder(list[Raw]).decode
_encode = msgspec.json.encode


class Where(Struct, frozen=True):
    """Where an album is wanted.

    Attributes:
        name: The conversation, or the flow that it would enter.
        depth: The frame in it; `None` where nothing runs yet.
    """

    name: str
    depth: int | None


def wanting(flows: Flows, row: Row, part: ChatEvent, entries: Sequence[FlowTable] | None) -> Where | None:
    """Where a part is to be gathered: where some handler asks for albums before another takes the part.

    In one state a handler for albums goes before one for single photos, in whatever order they stand.
    """
    for where, handlers in _levels(flows, row, entries):
        if any("album" in (handler.matcher.kinds or ()) for handler in handlers):
            return where
        if any(handler.wants(part) is not None for handler in handlers):
            return None
    return None


def gather(turn: Turn, part: ChatEvent, where: Where) -> Mail:
    """Puts a part into the turn's row, and the conversation's idle deadline off: the person was there."""
    ident = _ident(part)
    old = next((mail for mail in albums_of(turn.row) if mail.id == ident), None)
    parts = _decode(old.body) if old is not None else []
    parts.append(Raw(part.stored(alone=not parts)))
    mail = Mail(str(turn.key), ALBUM, Raw(_encode(parts)), ident, turn.now + QUIET)
    turn.row = structs.replace(
        turn.row, later=(*(other for other in turn.row.later if other is not old), mail)
    )
    if where.depth is not None:
        moves = Moves(turn.flows, turn.row, turn.now, 0)
        moves.keep(where.name, where.depth, None)
        turn.row = moves.result()
    turn.name = where.name
    turn.changed = True
    return mail


def albums_of(row: Row) -> list[Mail]:
    """What is being gathered, the one that was last added to last."""
    return [mail for mail in row.later if mail.event == ALBUM]


def is_full(mail: Mail) -> bool:
    """Whether an album can have no further part."""
    return len(_decode(mail.body)) >= MAX_PARTS


def crowded(row: Row, part: ChatEvent) -> list[Mail]:
    """Albums that have to be handled as they are, so that another part has room in the row."""
    albums = albums_of(row)
    size = len(part.stored(alone=True)) + sum(len(bytes(mail.body)) for mail in albums)
    found: list[Mail] = []
    while size > MAX_BYTES and len(found) < len(albums):
        mail = albums[len(found)]
        size -= len(bytes(mail.body))
        found.append(mail)
    return found


def complete(row: Row, event: object) -> list[Mail]:
    """Albums that are complete because their sender has gone on to something else, which comes after them."""
    if not isinstance(event, ChatEvent) or event.group is not None or event.kind == "edited":
        return []
    sender = f"{event.address.user}:"
    return [mail for mail in albums_of(row) if mail.id.startswith(sender)]


def without(row: Row, mail: Mail) -> Row:
    """The row without an album."""
    return structs.replace(row, later=tuple(other for other in row.later if other is not mail))


def _ident(part: ChatEvent) -> str:
    """Who sent it, and which album it belongs to: where a chat shares a row, two people may send at once."""
    return f"{part.address.user}:{part.group}"


def _levels(
    flows: Flows, row: Row, entries: Sequence[FlowTable] | None
) -> Iterator[tuple[Where, tuple[Handler, ...]]]:
    """The handlers of each place in order of arbitration, as `interpreter.select` walks them."""
    running: set[str] = set()
    for name in reversed(row.snapshots):
        frames = row.snapshots[name].frames
        top = len(frames) - 1
        if frames[top].state is None:
            continue
        running.update(frame.flow for frame in frames)
        for depth in range(top, -1, -1):
            table = flows.tables.get(frames[depth].flow)
            if table is not None:
                state = frames[depth].state
                yield (
                    Where(name, depth),
                    table.by_state.get(state, table.any) if depth == top else table.any,
                )
    for table in flows.entries if entries is None else entries:
        if table.name not in running:
            yield Where(table.name, None), table.by_state[None]
