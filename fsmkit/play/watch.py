"""The watch on a bot's files: a change is a new version, which is played at once."""

import contextlib
import threading
from collections.abc import Generator, Iterable
from pathlib import Path

from fsmkit.play.session import Session

LOOK_EVERY = 0.3
"""Seconds between two looks at the files."""

Stamps = dict[Path, tuple[int, int]]


@contextlib.contextmanager
def watched(session: Session) -> Generator[None]:
    """Have the bot of a session reloaded meanwhile whenever one of its files has changed.

    Args:
        session: The session, which has begun.
    """
    over = threading.Event()
    watch = threading.Thread(target=_watch, args=(session, over), name="fsmkit watch", daemon=True)
    watch.start()
    try:
        yield
    finally:
        over.set()
        watch.join(5)


def _watch(session: Session, over: threading.Event) -> None:
    before = stamps(session.bot.files())
    while not over.wait(LOOK_EVERY):
        now = stamps(session.bot.files())
        if any(before.get(path, stamp) != stamp for path, stamp in now.items()):
            session.submit({"do": "reload"})
        before = now


def stamps(paths: Iterable[Path]) -> Stamps:
    """Return what tells two contents of files apart; a file that is being replaced just now is left out."""
    found: Stamps = {}
    for path in paths:
        with contextlib.suppress(OSError):
            stat = path.stat()
            found[path] = (stat.st_mtime_ns, stat.st_size)
    return found
