"""What the job of a state is given besides the data: whom it works for, which attempt it is, its progress.

`fsmkit.statejobs` makes it and carries its progress to the person; it may be used from a thread.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from fsmkit.effects import Reply
from fsmkit.keys import Key
from fsmkit.work import Begun


class Workplace(Protocol):
    """What a job's context asks of the engine.

    Attributes:
        resources: What `attach(..., resources=...)` was given.
        telegram_for: Makes PTB's context; `None` without Telegram.
    """

    resources: Any
    telegram_for: Callable[[Key], Any]


class JobContext:
    """What the function of a state's job takes after the data.

    Attributes:
        key: Whose conversation it is.
        flow: Name of the flow.
        state: Name of the state.
        attempt: Which attempt this is, from 1.
        id: The same in all attempts of one entry into the state, and in no other: the idempotency key to
            give to a payment provider.
        cancelled: Whether nobody waits for the outcome any more: the state was left, the attempt took too
            long, or the bot stops. A job that is awaited is cancelled; one in a thread has to ask.

    Example:
        >>> async def charge(order, job):
        ...     job.progress(0.5, "Asking the bank")
        ...     return await job.resources.bank.charge(order.total, idempotency_key=job.id)
    """

    def __init__(self, place: Workplace, key: Key, begun: Begun) -> None:
        self._place = place
        self._loop = asyncio.get_running_loop()
        self._said: str | Reply = ""
        self.news = asyncio.Event()
        self.key = key
        self.flow = begun.table.name
        self.state = begun.frame.state
        self.attempt = begun.work.attempt
        self.id = begun.work.id
        self.cancelled = False

    @property
    def resources(self) -> Any:
        """What `attach(..., resources=...)` was given."""
        return self._place.resources

    @property
    def bot(self) -> Any:
        """PTB's `Bot`, to fetch or to send files with; `None` without Telegram."""
        telegram = self._place.telegram_for(self.key)
        return None if telegram is None else telegram.bot

    def progress(self, fraction: float | None = None, text: str | Reply = "") -> None:
        """Shows the person how far it has come, in the flow's screen (`ctx.show`).

        Only the last of what is reported within three seconds is shown.

        Args:
            fraction: From 0 to 1; `None`: not known.
            text: What is being done; a whole `Reply` is shown as it is.

        Raises:
            ValueError: If there is nothing to show, or the fraction is none.
        """
        said = _said(fraction, text)
        self._loop.call_soon_threadsafe(self._report, said)

    def take(self) -> str | Reply:
        """What was reported last."""
        self.news.clear()
        return self._said

    def _report(self, said: str | Reply) -> None:
        self._said = said
        self.news.set()

    def __repr__(self) -> str:
        return f"<JobContext of {self.flow}/{self.state} for {self.key}, attempt {self.attempt}>"


def _said(fraction: float | None, text: str | Reply) -> str | Reply:
    if fraction is not None and not 0 <= fraction <= 1:
        raise ValueError(f"job.progress({fraction!r}): the fraction is from 0 to 1")
    if isinstance(text, Reply):
        return text
    percent = "" if fraction is None else f"{fraction:.0%}"
    said = f"{text}: {percent}" if text and percent else text or percent
    if not said:
        raise ValueError("job.progress() reports nothing: give a fraction, a text, or both")
    return said
