"""What a reader takes from a stream of Redis, as long as the right to read is its own.

Each command asks for the right in the same moment. A process that was paused finds out only later that
another reads now, and must not take what is new while the other still works on what is older.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any, TypeAlias

import attrs

AT_ONCE = 64
"""Entries that are taken at a time, and that are under way."""

# KEYS: the reader's key. ARGV: token, milliseconds.
RENEW = "return redis.call('get', KEYS[1]) == ARGV[1] and redis.call('pexpire', KEYS[1], ARGV[2]) or 0"
GIVE_UP = "return redis.call('get', KEYS[1]) == ARGV[1] and redis.call('del', KEYS[1]) or 0"

# KEYS: the reader's key, the stream. ARGV: token, group, how many, and for CLAIM where to begin.
# Both return a place and entries, or nothing where the right is another's.
_HELD = "if redis.call('get', KEYS[1]) ~= ARGV[1] then return false end "
_CLAIM = _HELD + "return redis.call('xautoclaim', KEYS[2], ARGV[2], ARGV[2], 0, ARGV[4], 'COUNT', ARGV[3])"
_READ = (
    _HELD
    + """local found = redis.call(
  'xreadgroup', 'GROUP', ARGV[2], ARGV[2], 'COUNT', ARGV[3], 'STREAMS', KEYS[2], '>')
if found then return {'', found[1][2]} end
local last = redis.call('xrevrange', KEYS[2], '+', '-', 'COUNT', 1)
return {last[1] and last[1][1] or '0-0', {}}"""
)

Fields: TypeAlias = Mapping[str, str]


@attrs.frozen
class Entry:
    """An entry of the stream."""

    ident: str
    fields: Fields


@attrs.frozen
class Group:
    """A consumer group as one reader sees it.

    Attributes:
        client: The connections.
        stream: Name of the stream.
        name: Name of the group.
        lock: The key that says who reads.
        token: What it says while this reader does.
    """

    client: Any
    stream: str
    name: str
    lock: str
    token: str

    async def entries(self, block: int) -> AsyncIterator[Entry]:
        """What an earlier reader left unacknowledged, the oldest first; then what is new. It ends when the
        right to read is another's.

        Args:
            block: Milliseconds of waiting after which it is asked for anew.
        """
        place = "0-0"
        while True:
            taken = await self._take(_CLAIM, place)
            if taken is None:
                return
            place, claimed = taken
            for entry in claimed:
                yield entry
            if place == "0-0":
                break
        while True:
            taken = await self._take(_READ)
            if taken is None:
                return
            last, new = taken
            for entry in new:
                yield entry
            if not new:  # waits without taking: when it wakes, the right may be another's
                await self.client.xread({self.stream: last}, count=1, block=block)

    async def _take(self, script: str, *more: str) -> tuple[str, list[Entry]] | None:
        keys = (self.lock, self.stream)
        found = await self.client.eval(script, 2, *keys, self.token, self.name, AT_ONCE, *more)
        if found is None:
            return None
        # Of an entry that was trimmed meanwhile older servers tell nothing, or no fields.
        return found[0], [Entry(each[0], _paired(each[1])) for each in found[1] if each and each[1]]


def _paired(flat: list[str]) -> Fields:
    return dict(zip(flat[::2], flat[1::2], strict=True))
