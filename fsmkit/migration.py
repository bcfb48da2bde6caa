"""A whole store held against the flows of a new version: what would become of each conversation.

How one row fits is in `fsmkit.survey`, how one is written in `fsmkit.rewrite`.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import attrs

from fsmkit.codec import DataCodec, decode_row
from fsmkit.errors import StoreCorrupt, StoredByNewerVersion
from fsmkit.flow import Flow
from fsmkit.keys import Key
from fsmkit.rewrite import lifted, rewrite
from fsmkit.stores import Store, StoredRow
from fsmkit.survey import Finding, Fit, survey
from fsmkit.table import Flows

FEW = 3
"""Conversations of one flow and state that a report names one by one."""
PROBLEMS: tuple[Fit, ...] = ("orphaned", "newer", "unreadable")
"""What a migration cannot put right."""

Place = tuple[str, str | None]
"""Flow and state."""


@attrs.define
class Report:
    """What a look at all rows found.

    Attributes:
        rows: How many rows there are.
        bots: Whose they are.
        counts: Conversations by flow and state, then by how they fit.
        examples: The first few problems of each flow and state, with their keys.
        to_write: Keys of the rows that can be lifted.
    """

    rows: int = 0
    bots: set[int | str | None] = attrs.field(factory=set[int | str | None])
    counts: dict[Place, Counter[Fit]] = attrs.field(factory=dict[Place, Counter[Fit]])
    examples: list[tuple[Key, Finding]] = attrs.field(factory=list[tuple[Key, Finding]])
    to_write: list[Key] = attrs.field(factory=list[Key])

    def add(self, key: Key, found: Iterable[Finding]) -> None:
        """Counts a row."""
        self.rows += 1
        self.bots.add(key.bot)
        for one in found:
            counts = self.counts.setdefault((one.flow, one.state), Counter())
            counts[one.fit] += 1
            if one.fit in PROBLEMS and counts[one.fit] <= FEW:
                self.examples.append((key, one))

    def total(self, *fits: Fit) -> int:
        """How many conversations fit in one of these ways."""
        return sum(counts[fit] for counts in self.counts.values() for fit in fits)


def ready(flows: Iterable[Flow[Any]]) -> Flows:
    """Flows put together, as an engine does.

    Raises:
        DefinitionError: If they do not fit together.
    """
    return Flows(flows, lambda flow: DataCodec(flow.name, flow.data, flow.place))


async def examine(store: Store, flows: Flows, bot: int | str | None = None) -> Report:
    """Looks at all rows and writes nothing.

    Args:
        store: The store.
        flows: The flows of the version that is to run.
        bot: Only this bot's rows.
    """
    report = Report()
    async for stored in store.scan(bot=bot):
        try:
            row = decode_row(stored.row)
        except StoreCorrupt as error:
            report.add(stored.key, unreadable(stored, error))
            continue
        found = survey(flows, row)
        report.add(stored.key, found)
        if not any(one.fit == "newer" for one in found) and lifted(flows)(row) is not None:
            report.to_write.append(stored.key)
    return report


async def carry_out(store: Store, flows: Flows, keys: Iterable[Key], now: float) -> int:
    """Lifts rows and writes them, each under its lease; how many were written.

    A row that somebody has lifted meanwhile is left alone, so is one that a newer version has written.
    """
    written = 0
    for key in keys:
        try:
            written += await rewrite(store, key, now, lifted(flows))
        except StoredByNewerVersion:
            continue
    return written


def unreadable(stored: StoredRow, error: StoreCorrupt) -> Iterator[Finding]:
    """What is found in a row whose bytes are none: each conversation that it is looked up by."""
    for index in stored.index:
        yield Finding(index.flow, index.state, "unreadable", str(error))
