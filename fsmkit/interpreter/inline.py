"""Conversations of a message that was sent through inline mode: what may be done there, and its screen."""

import re
from collections.abc import Iterable

from msgspec import structs

from fsmkit.errors import InvalidResult
from fsmkit.flow.context import DeleteOnExit, Request, SendMessage
from fsmkit.flow.messages import EDITABLE_MEDIA
from fsmkit.interpreter.row import Row, ShownScreen

INLINE = 1
"""Stands for the id of an inline message, which is a text, in screens and edits: the key has the id."""

_IS_FILE_ID = re.compile(r"[A-Za-z0-9_-]+|https?://.*", re.DOTALL)


def with_inline_screen(row: Row, name: str, inline: str) -> Row:
    """Return the row with the inline message whose conversation it is as its screen."""
    view = row.views.get(name)
    if view is not None and view.chat == inline:
        return row
    return structs.replace(row, views={**row.views, name: ShownScreen(inline, INLINE)})


def check_inline(row: Row, name: str, requests: Iterable[Request]) -> None:
    """Refuse what cannot go to an inline message: its conversation has this message, and no chat.

    Args:
        row: The row at the end of the step.
        name: The conversation in which it ended.
        requests: What was asked for.

    Raises:
        InvalidResult: If something else is to be done than to edit it.
    """
    view = row.views.get(name)
    for wish in requests:
        if isinstance(wish, DeleteOnExit):
            problem, remedy = "no message is deleted", "Show what comes next instead"
        elif not isinstance(wish, SendMessage):
            continue
        elif not wish.show:
            problem = f"no other message ({wish.reply.text!r}) is sent"
            remedy = "Write ctx.show(...), a state with show=True, or ctx.answer(...)"
        else:
            kind, source = wish.reply.media or ("", "")
            if kind and kind not in EDITABLE_MEDIA:
                problem, remedy = f"no {kind} is shown", f"It takes {', '.join(EDITABLE_MEDIA)}"
            elif kind and not _IS_FILE_ID.fullmatch(source):
                problem, remedy = f"no file ({source!r}) is uploaded", "Give a file id or a URL"
            elif not kind and view is not None and view.file:
                problem, remedy = "no file is taken away", "Show the text as the caption of a file"
            else:
                continue
        snapshot = row.snapshots.get(name)
        raise InvalidResult(
            f"under an inline message {problem}: that message can be edited, and nothing else. {remedy}",
            flow=name,
            state=snapshot.frames[-1].state if snapshot is not None else None,
            place=None,
        )
