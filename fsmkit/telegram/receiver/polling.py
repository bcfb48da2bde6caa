"""Long polling: fetches replies of `getUpdates`, stores the updates in them, and only then confirms those.

It goes on whatever happens: a second poller, a reply that cannot be read, a server or a store that is away
are waited for, longer each time, and said once.
"""

import json
import logging
import traceback
from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import urlencode

from telegram import Bot
from telegram.error import NetworkError, TimedOut

from fsmkit.clock import Clock, backoff
from fsmkit.errors import StoreError
from fsmkit.telegram.receiver.scanner import ScannedUpdate, read, scan

_log = logging.getLogger("fsmkit")

BATCH = 100
"""Updates of a reply at most, https://core.telegram.org/bots/api#getupdates."""

LONGEST_WAIT = 30.0
"""Seconds between two tries at most."""

MORE_SECONDS = 5.0
"""How much longer than the server an answer is waited for."""

TRIES = 3
"""How often a reply in which no id can be read is fetched, the last time one update alone."""

FAR = 1 << 16
"""How far the ids of updates that follow one another may lie apart."""

CONFLICT, TOO_MANY = 409, 429

_OTHER_POLLER = "another process fetches this bot's updates too; it has them until it ends"

Store = Callable[[Sequence[ScannedUpdate]], Awaitable[int | None]]


def highest_of(ids: Sequence[int]) -> int:
    """Return the highest id of a reply, leaving out those that lie too far beyond the others to be true.

    Example:
        >>> highest_of([7, 8, 9, 1_999_999_999])
        9
    """
    ordered = sorted(ids)
    highest = ordered[(len(ordered) - 1) // 2]
    for ident in ordered:
        highest = ident if highest < ident <= highest + FAR else highest
    return highest


class Poller:
    """Fetches updates for as long as it runs.

    Args:
        bot: Whose updates.
        clock: For waiting.
        store: Stores updates, and sets those aside that have no id; returns the id up to which all may be
            confirmed, `None` if there is nothing that must not be.
        seconds: How long the server holds a request for which there is nothing.
        allowed: The kinds of updates to fetch.

    Attributes:
        caught_up: Whether the server has had nothing more once.
    """

    def __init__(self, bot: Bot, clock: Clock, store: Store, seconds: float, allowed: Sequence[str]) -> None:
        self._bot = bot
        self._clock = clock
        self._store = store
        self._seconds = seconds
        self._allowed = json.dumps(list(allowed))
        self._offset = 0
        self._confirmed = 0
        self._limit = BATCH
        self._unread = 0
        self._strange = False
        self._tries = 0
        self._said: set[str] = set()
        self.caught_up = False

    async def run(self) -> None:
        """Fetch until cancelled."""
        while True:
            try:
                wait = await self._fetch()
            except TimedOut:
                wait = self._failed("the server does not answer in time")
            except (NetworkError, OSError) as error:
                wait = self._failed(f"the server cannot be reached: {type(error).__name__}")
            except StoreError as error:
                wait = self._failed(f"updates cannot be stored: {error}")
            except Exception as error:  # a mistake of ours must not make the bot deaf
                # Without what it says, which may be of an update's content, or of the token in an address.
                at = traceback.extract_tb(error.__traceback__)[-1]
                wait = self._failed(f"{type(error).__name__} at {at.filename}:{at.lineno}")
            if wait:
                await self._clock.sleep(wait)

    async def confirm(self) -> None:
        """Tell the server what was stored last, when no further fetch does; raises what a request may."""
        if self._offset > self._confirmed:
            await self._ask(limit=1, seconds=0)

    async def _fetch(self) -> float:
        """Fetch and store one reply; return how long to wait before the next, in seconds."""
        # What came before the start is to be known at once: timeouts wait for it (`Face.busy`).
        seconds = self._seconds if self.caught_up else 0
        status, reply = await self._ask(limit=self._limit, seconds=seconds)
        if status != 200:
            return await self._refused(status, reply)
        scanned = scan(reply)
        if not scanned.updates and not scanned.rest:
            self.caught_up = True
            self._well()
            await self._store(())
            return 0.0
        ids = [update.id for update in scanned.updates if update.id is not None]
        if not ids:
            return await self._unreadable(scanned.updates, scanned.rest, reply)
        self._limit, self._unread = BATCH, 0
        upto = await self._store(scanned.updates)
        self.caught_up = self.caught_up or len(scanned.updates) < BATCH
        return self._confirm(highest_of(ids), upto)

    def _confirm(self, highest: int, upto: int | None) -> float:
        """Take note of what is confirmed next; return how long to wait before that, in seconds.

        An id that does not follow from what was confirmed is either wrong or the first of new ones: Telegram
        begins them anew, anywhere, after a week without updates. It counts once it was given again, although
        what has its place was confirmed.

        Args:
            highest: The highest id of the reply.
            upto: The id up to which all may be confirmed, as far as it was handled; `None`: all.
        """
        offset = self._offset
        follows = not offset or offset <= highest < offset + FAR
        self._strange = not follows and not self._strange
        if self._strange:
            self._offset += highest > offset and (upto is None or upto >= offset)
        else:
            self._offset = (highest if upto is None else min(highest, upto)) + 1
        if not follows:
            return self._failed("updates have numbers that do not follow from those before")
        self._well()
        return 0.0

    async def _ask(self, *, limit: int, seconds: float) -> tuple[int, bytes]:
        offset = self._offset
        asked = urlencode(
            {"offset": offset, "limit": limit, "timeout": int(seconds), "allowed_updates": self._allowed}
        )
        answer = await self._bot.request.do_request(
            f"{self._bot.base_url}/getUpdates?{asked}", "POST", read_timeout=seconds + MORE_SECONDS
        )
        self._confirmed = offset
        return answer

    async def _refused(self, status: int, reply: bytes) -> float:
        """Wait as the server says, or longer each time."""
        told = _told(reply)
        if status == TOO_MANY:
            parameters = told.get("parameters")
            after = parameters.get("retry_after") if isinstance(parameters, dict) else None
            return float(after) if isinstance(after, int | float) else self._failed("too many requests")
        description = told.get("description")
        if status == CONFLICT and "webhook" in str(description):
            await self._bot.delete_webhook()
            return self._failed("the bot had a webhook, which is removed now")
        if status == CONFLICT:
            return self._failed(_OTHER_POLLER)
        return self._failed(f"getUpdates is refused with {status}: {description}")

    async def _unreadable(self, updates: Sequence[ScannedUpdate], rest: bytes, reply: bytes) -> float:
        """Fetch again what has no readable id, then one update alone; then set that one aside and go on."""
        self._unread += 1
        wait = self._failed("a reply of getUpdates cannot be read")
        if rest == reply or self._unread < TRIES:  # what is no reply of the Bot API is no update either
            self._limit = 1 if self._unread == TRIES - 1 else self._limit
            return wait
        poison = updates[0] if updates else read(rest)
        upto = await self._store([poison])
        # Ids follow one another. Where one was left out nothing is lost: only what is smaller is confirmed.
        if upto is not None:
            self._offset = upto + 1
        elif self._offset:
            self._offset += 1
        self._limit, self._unread = BATCH, 0
        return wait

    def _failed(self, why: str) -> float:
        """Say what is wrong, once; return how long to wait, in seconds."""
        self._tries += 1
        if why not in self._said:
            self._said.add(why)
            _log.warning("%s; updates are fetched again, with longer waits in between", why)
        return backoff(self._tries, 0.5, most=LONGEST_WAIT)

    def _well(self) -> None:
        if self._said:
            _log.info("updates are fetched again")
            self._said.clear()
        self._tries = 0


def _told(reply: bytes) -> dict[str, object]:
    try:
        told = json.loads(reply)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}
