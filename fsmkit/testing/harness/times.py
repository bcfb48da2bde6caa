"""The time that a bot's own code asks for, on a test's clock: `time`, `datetime` and `date`.
`datetime.now()` reads the machine's clock in C. So a class of ours takes the place of `datetime.datetime`
(and of `date`) for what is imported meanwhile: it passes for the real one (`isinstance`, pickles,
`sqlite3`), and its objects are ordinary ones of a subclass. Modules that were imported before keep the real
class.
"""

import copyreg
import datetime
import sqlite3
import threading
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

_REAL_DATETIME: Any = datetime.datetime
_REAL_DATE: Any = datetime.date

_now: list[Callable[[], float]] = [time.time]
"""Who says what time it is; one class is used for all tests, so that what was pickled can be read again."""


class _PassesForAny(type):
    """Makes our two classes pass for the real ones; a subclass of theirs is what it is."""

    def __instancecheck__(cls, instance: object) -> bool:
        return cls.__subclasscheck__(type(instance))

    def __subclasscheck__(cls, kind: type) -> bool:
        real = _stands_for.get(cls)
        return super().__subclasscheck__(kind) if real is None else issubclass(kind, real)


_stands_for: dict[type, type] = {}


class BotDatetime(datetime.datetime, metaclass=_PassesForAny):
    """`datetime` whose now is a test's."""

    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> Any:
        """Return the test's time."""
        return cls.fromtimestamp(_now[0](), tz)

    @classmethod
    def today(cls) -> Any:
        """Return the test's time, without a zone."""
        return cls.fromtimestamp(_now[0]())

    @classmethod
    def utcnow(cls) -> Any:
        """Return the test's time in UTC, without a zone."""
        return cls.fromtimestamp(_now[0](), datetime.UTC).replace(tzinfo=None)

    def date(self) -> Any:
        """Return the date, as an object of the class that stands for `date`."""
        return BotDate(self.year, self.month, self.day)


class BotDate(datetime.date, metaclass=_PassesForAny):
    """`date` whose today is a test's."""

    @classmethod
    def today(cls) -> Any:
        """Return the test's date."""
        return cls.fromtimestamp(_now[0]())


_stands_for |= {BotDatetime: _REAL_DATETIME, BotDate: _REAL_DATE}
for _kind, _name in ((BotDatetime, "datetime"), (BotDate, "date")):
    _kind.__name__ = _kind.__qualname__ = _name
    _kind.__module__ = "datetime"


@contextmanager
def reading(now: Callable[[], float]) -> Generator[None]:
    """Have `BotDatetime` and `BotDate` read a test's clock meanwhile.

    Args:
        now: The clock, in seconds since 1970, UTC.
    """
    before, _now[0] = _now[0], now
    try:
        yield
    finally:
        _now[0] = before


@contextmanager
def clocked_times(
    now: Callable[[], float], sleep: Callable[[float], object] | None = None
) -> Generator[None]:
    """Let code that asks for the time, and modules that are imported, have a test's time meanwhile.

    `time.sleep` returns at once.

    Args:
        now: The test's clock, in seconds since 1970, UTC.
        sleep: Lets the clock go on by so many seconds, for whoever sleeps in the main thread.
    """

    def slept(seconds: float) -> None:
        if sleep is not None and threading.current_thread() is threading.main_thread():
            sleep(seconds)

    table = copyreg.dispatch_table
    known = {kind: table.get(kind) for kind in (_REAL_DATETIME, _REAL_DATE)}
    # What PTB makes is of the real classes, whose names lead to ours meanwhile.
    copyreg.pickle(_REAL_DATETIME, lambda given: (BotDatetime, given.__reduce_ex__(2)[1]))
    copyreg.pickle(_REAL_DATE, lambda given: (BotDate, given.__reduce_ex__(2)[1]))
    sqlite3.register_adapter(BotDatetime, lambda given: given.isoformat(" "))
    sqlite3.register_adapter(BotDate, lambda given: given.isoformat())
    try:
        with reading(now), ExitStack() as stack:
            stack.enter_context(mock.patch.multiple(datetime, datetime=BotDatetime, date=BotDate))
            stack.enter_context(
                mock.patch.multiple(time, time=now, time_ns=lambda: int(now() * 1e9), sleep=slept)
            )
            yield
    finally:
        for kind, reduce in known.items():
            if reduce is None:
                del table[kind]
            else:
                table[kind] = reduce
