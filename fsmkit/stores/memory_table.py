"""The table of a `MemoryStore`: records that expire, and two indexes by which keys are found.

What a record costs counts, for there may be hundreds of thousands: nothing is kept twice, and what most
records do not have (an outbox, receipts, a second key of the person) takes no room.
"""

from bisect import bisect_right
from collections.abc import Iterator
from math import inf, nan
from typing import TypeAlias

from cachetools import TLRUCache

from fsmkit.keys import Key
from fsmkit.stores.protocol import Index

SLICE = 128
"""Records that are handed over as expired, or yielded by a scan, before others have their turn."""

BUCKET = 64
"""Keys that lie together in `KeyOrder`."""

OVERDUE = nan
"""Stands for the time of records that the cache has given out: no time is later or the same."""

Group: TypeAlias = tuple[int | str | None, frozenset[str]]
"""Whose an expired record is: a bot, and the flows in its index."""


class Mail:
    """What waits to be delivered for a key, and what came of what was delivered.

    Attributes:
        outbox: What waits.
        receipts: What came of the others.
        delivering: Whether somebody delivers it.
    """

    __slots__ = ("delivering", "outbox", "receipts")

    def __init__(self, outbox: tuple[bytes, ...] = (), receipts: tuple[bytes, ...] = ()) -> None:
        self.outbox = outbox
        self.receipts = receipts
        self.delivering = False


class Record:
    """What stands for one key.

    Attributes:
        row: The row's bytes.
        version: Which one it is.
        wake: When it is due; infinite: never.
        filed: When the cache is going to give it out; infinite: it is not in the cache; `OVERDUE`: the cache
            has given it out.
        mail: What waits to be delivered, and what came of it; `None`: nothing.
        lookup: What it is looked up by; one alone, as most have it, is kept without a tuple. `None`: the
            record is not in the table yet.
    """

    __slots__ = ("filed", "lookup", "mail", "row", "version", "wake")

    def __init__(self) -> None:
        self.row: bytes | None = None
        self.version = 0
        self.wake = inf
        self.filed = inf
        self.mail: Mail | None = None
        self.lookup: tuple[Index, ...] | Index | None = None

    @property
    def index(self) -> tuple[Index, ...]:
        """What it is looked up by."""
        found = self.lookup
        return (found,) if isinstance(found, Index) else found or ()

    @property
    def outbox(self) -> tuple[bytes, ...]:
        """What waits to be delivered."""
        return () if self.mail is None else self.mail.outbox

    @property
    def receipts(self) -> tuple[bytes, ...]:
        """What came of what was delivered."""
        return () if self.mail is None else self.mail.receipts

    @property
    def delivering(self) -> bool:
        """Whether somebody delivers the outbox."""
        return self.mail is not None and self.mail.delivering

    @delivering.setter
    def delivering(self, delivering: bool) -> None:
        if self.mail is not None:
            self.mail.delivering = delivering

    def fold(self, folded: int, outbox: tuple[bytes, ...]) -> bytes | None:
        """Take receipts away and append to the outbox; return its first entry if nobody delivers it."""
        mail = self.mail
        if mail is None:
            if not outbox:
                return None
            mail = self.mail = Mail()
        mail.outbox += outbox
        mail.receipts = mail.receipts[folded:]
        if not mail.outbox:
            if not mail.receipts:
                self.mail = None
            return None
        claimed, mail.delivering = mail.delivering, True
        return None if claimed else mail.outbox[0]


class _Step(float):
    """A time that has come for so many deadlines; for the next ones it is still too early.

    `TLRUCache` asks `time < deadline` of each, and of the first one twice.
    """

    left = 0

    @classmethod
    def of(cls, time: float, left: int) -> "_Step":
        """Return a time that comes for so many."""
        self = cls(time)
        self.left = left
        return self

    def __lt__(self, deadline: float) -> bool:
        if self.left == 0 or float(self) < deadline:
            return True
        self.left -= 1
        return False


_STANDING = _Step(inf)
"""The time between two steps: nothing expires."""


class Table(TLRUCache[Key, Record]):
    """Records that live until their `wake`; what has expired is handed over as overdue, never dropped.

    The cache's timer advances in steps, each with an end by time and by number: a hundred thousand deadlines
    that come at once are handed over in as many slices as somebody asks for, and a write pays for none.
    Between two steps it stands still, so that the system's clock may jump as it likes.

    A commit usually moves `wake` to a later time. The cache is then left alone: it finds out when the earlier
    time comes, and takes the record in again. So a commit costs no heap operation.

    All records in the cache have their time at `reached` or later, and those that are overdue before it. So
    the most overdue are known without a look at those that are still in the cache.

    Attributes:
        records: All records.
        reached: Up to when all has been handed over.
        groups: What is overdue, by whose it is.
        talking: How many records have conversations.
        order: All keys in the order of their texts.
    """

    def __init__(self) -> None:
        self._step = _STANDING
        super().__init__(maxsize=inf, ttu=lambda _key, record, _now: record.filed, timer=lambda: self._step)
        self.records: dict[Key, Record] = {}
        self.reached = -inf
        self.groups: dict[Group, dict[Key, Record]] = {}
        self.talking = 0
        self.order = KeyOrder()
        self._overdue: dict[Key, Group] = {}
        self._people: dict[int | str, Key | set[Key]] = {}

    def put(self, key: Key, record: Record, index: tuple[Index, ...]) -> None:
        """Store a record, with what it is looked up by from now on."""
        if (not index) is not (not record.lookup):
            self.talking += 1 if index else -1
        if record.lookup is None:
            self._add(key, record)
        record.lookup = index[0] if len(index) == 1 else index
        if not record.wake >= record.filed:  # else the cache finds out when the earlier time comes
            self._drop_overdue(key, record)
            self._file(key, record)

    def _add(self, key: Key, record: Record) -> None:
        self.records[key] = record
        self.order.add(key)
        if key.user != key.chat:  # the keys of a private chat are found by the chat
            self._add_person(key)

    def drop(self, key: Key) -> Record | None:
        """Remove the record of a key."""
        record = self.records.pop(key, None)
        if record is not None:
            self.talking -= bool(record.lookup)
            self._drop_overdue(key, record)
            self._uncache(key, record)
            self.order.remove(key)
            if key.user != key.chat:
                self._drop_person(key)
        return record

    def hand_over(self, now: float) -> bool:
        """Make a slice of what has expired overdue; return whether there may be more."""
        step = self._step = _Step.of(now, SLICE)
        try:
            expired = self.expire()
        finally:
            self._step = _STANDING
        self.reached = max(self.reached, now if step.left else expired[-1][1].filed)
        for key, record in expired:
            record.filed = inf
            if record.wake <= now:  # it may have been put off meanwhile, and be due all the same
                self._make_overdue(key, record)
            else:
                self._file(key, record)
        return step.left == 0

    def overdue(self, bot: int | str | None, flows: frozenset[str]) -> Iterator[dict[Key, Record]]:
        """Yield what is overdue of a bot, where one of its flows is known or none is named."""
        for (owner, names), rows in self.groups.items():
            if owner == bot and (not names or not names.isdisjoint(flows)):
                yield rows

    def count_overdue(self, bot: int | str | None, flows: frozenset[str]) -> int:
        """Return how many there are of these."""
        return sum(map(len, self.overdue(bot, flows)))

    def go_back(self, now: float) -> None:
        """Take back what is not overdue yet, where a clock was put back."""
        if now < self.reached:
            self.reached = now
            early = [(k, r) for rows in self.groups.values() for k, r in rows.items() if r.wake > now]
            for key, record in early:
                self._drop_overdue(key, record)
                self._file(key, record)

    def keys(self, chat: int | str) -> list[Key]:  # type: ignore[override]
        """Return the keys of a chat, in the order of their texts."""
        begin = str(Key(chat, 0)).partition(":")[0]
        return [key for _, key in self.order.between(f"{begin}:", f"{begin};")]  # what follows the colon

    def keys_of(self, user: int | str) -> list[Key]:
        """Return the keys of a person, in the order of their texts."""
        found = self._people.get(user, ())
        others = (found,) if isinstance(found, Key) else found
        return sorted((*self.keys(user), *others), key=str)

    def _file(self, key: Key, record: Record) -> None:
        """Have the cache watch a record's `wake`, unless that has come already."""
        if record.wake < self.reached:
            self._uncache(key, record)
            self._make_overdue(key, record)
        elif record.wake < inf:
            record.filed = record.wake
            self[key] = record

    def _uncache(self, key: Key, record: Record) -> None:
        if record.filed < inf:
            record.filed = inf
            del self[key]

    def _make_overdue(self, key: Key, record: Record) -> None:
        record.filed = OVERDUE
        group = key.bot, frozenset([entry.flow for entry in record.index])
        self._overdue[key] = group
        self.groups.setdefault(group, {})[key] = record

    def _drop_overdue(self, key: Key, record: Record) -> None:
        group = self._overdue.pop(key, None)
        if group is not None:
            record.filed = inf
            del self.groups[group][key]
            if not self.groups[group]:
                del self.groups[group]

    def _add_person(self, key: Key) -> None:
        found = self._people.setdefault(key.user, key)
        if isinstance(found, set):
            found.add(key)
        elif found != key:
            self._people[key.user] = {found, key}

    def _drop_person(self, key: Key) -> None:
        found = self._people[key.user]
        if isinstance(found, set):
            found.remove(key)
            if len(found) == 1:
                self._people[key.user] = found.pop()
        else:
            del self._people[key.user]


class KeyOrder:
    """Keys in the order of their texts.

    They lie in buckets, in no order within one: to add a key or to remove one costs a search among the
    buckets, and to read the first ones costs the sorting of one bucket, however many keys there are.
    """

    def __init__(self) -> None:
        self._buckets: list[list[Key]] = [[]]
        self._begins = [""]
        """For each bucket the text from which on keys belong to it."""

    def add(self, key: Key) -> None:
        """Add a key that is not there."""
        at = self._find(str(key))
        bucket = self._buckets[at]
        bucket.append(key)
        if len(bucket) > BUCKET:
            bucket.sort(key=str)
            upper = bucket[BUCKET // 2 :]
            del bucket[BUCKET // 2 :]
            self._buckets.insert(at + 1, upper)
            self._begins.insert(at + 1, str(upper[0]))

    def remove(self, key: Key) -> None:
        """Remove a key that is there."""
        at = self._find(str(key))
        self._buckets[at].remove(key)
        if at and not self._buckets[at]:
            del self._buckets[at], self._begins[at]

    def page(self, begin: str) -> tuple[list[tuple[str, Key]], str | None]:
        """Return some keys with their texts, from a text on, and the text to go on from; `None`: the end.

        What is added or removed between two pages is shown, or not, as it stands when its page is read.
        """
        at = self._find(begin)
        found = sorted([(text, key) for key in self._buckets[at] if (text := str(key)) >= begin])
        return found, self._begins[at + 1] if at + 1 < len(self._begins) else None

    def between(self, begin: str, end: str) -> Iterator[tuple[str, Key]]:
        """Yield the keys with texts from one to before another."""
        going: str | None = begin
        while going is not None and going < end:
            found, going = self.page(going)
            yield from (item for item in found if item[0] < end)

    def _find(self, text: str) -> int:
        return bisect_right(self._begins, text) - 1
