"""The queue of updates that wait for `getUpdates`, and the long poll on it.

Rules from https://core.telegram.org/bots/api#getupdates: an offset confirms all that is before it, a negative
one counts from the end, and of two polls the older is ended with 409.
"""

import asyncio
from collections.abc import Collection

from fsmkit.testing.botapi.errors import ApiError, conflict
from fsmkit.testing.botapi.wire import Json

OPT_IN = frozenset({"chat_member", "message_reaction", "message_reaction_count"})
"""Kinds that Telegram sends only where `allowed_updates` names them."""

OTHER_POLL = "terminated by other getUpdates request; make sure that only one bot instance is running"


class UpdateQueue:
    """Updates in order, numbered without gaps.

    Args:
        first_id: The id of the first update.
    """

    def __init__(self, first_id: int = 1) -> None:
        self._next_id = first_id
        self._pending: list[Json] = []
        self._allowed: Collection[str] | None = None
        self._poll: asyncio.Future[ApiError | None] | None = None
        self.waiting = asyncio.Event()
        """Set while a poll waits, which means that it found nothing to take."""

    def __len__(self) -> int:
        return len(self._pending)

    def put(self, kind: str, payload: object) -> Json:
        """Numbers an update, queues it, and wakes the poll that waits."""
        update = {"update_id": self._next_id, kind: payload}
        self._next_id += 1
        self._pending.append(update)
        self._end_poll(None)
        return update

    def take_all(self) -> list[Json]:
        """Empties the queue, oldest first."""
        taken, self._pending = self._pending, []
        return taken

    def interrupt(self, error: ApiError | None = None) -> None:
        """Ends the poll that waits, with an error or with what there is."""
        self._end_poll(error)

    async def poll(
        self, *, offset: int = 0, limit: int = 100, timeout: float = 0, allowed: Collection[str] | None = None
    ) -> list[Json]:
        """One `getUpdates`.

        Args:
            offset: The first id to give; what is before it is confirmed. Negative: so many from the end.
            limit: At most so many updates, 1 to 100.
            timeout: Seconds of real time to wait while there is none.
            allowed: The kinds to give from now on; empty: the usual ones; `None`: as before.

        Raises:
            ApiError: 409 when a newer poll, or `setWebhook`, ended this one.
        """
        self._end_poll(conflict(OTHER_POLL))
        if allowed is not None:
            self._allowed = allowed
        self._confirm(offset)
        # An update that came may be of a kind that was not asked for, so waiting starts anew after it.
        end = asyncio.get_running_loop().time() + timeout
        while not self._pending and (left := end - asyncio.get_running_loop().time()) > 0:
            if not await self._wait(left):
                break
            self._drop_unwanted()
        return [dict(update) for update in self._pending[: min(max(limit, 1), 100)]]

    async def _wait(self, seconds: float) -> bool:
        """Waits for a sign; whether to look again."""
        poll = self._poll = asyncio.get_running_loop().create_future()
        self.waiting.set()
        try:
            error = await asyncio.wait_for(poll, seconds)
        except TimeoutError:
            return False
        finally:
            # A newer poll may have taken the place meanwhile; it must not be cleared.
            if self._poll is poll:
                self._poll = None
                self.waiting.clear()
        if error is not None:
            raise error
        return bool(self._pending)

    def _end_poll(self, error: ApiError | None) -> None:
        if self._poll is not None and not self._poll.done():
            self._poll.set_result(error)

    def _confirm(self, offset: int) -> None:
        if offset > 0:
            self._pending = [update for update in self._pending if update["update_id"] >= offset]
        elif offset < 0:
            self._pending = self._pending[offset:]
        self._drop_unwanted()

    def _drop_unwanted(self) -> None:
        self._pending = [update for update in self._pending if self._wanted(update)]

    def _wanted(self, update: Json) -> bool:
        kind = next(key for key in update if key != "update_id")
        return kind in self._allowed if self._allowed else kind not in OPT_IN
