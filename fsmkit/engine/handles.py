"""`engine.at(flow, key)`: one flow of one key, read and written by hand from outside a handler."""

from collections.abc import Callable, Mapping
from typing import Any

from fsmkit.engine.dispatcher import Dispatcher
from fsmkit.engine.transaction import check_not_nested
from fsmkit.engine.turn import Turn
from fsmkit.flow.states import State
from fsmkit.interpreter.access import (
    KEEP,
    merged,
    read_data,
    read_state,
    read_value,
    remove,
    write_data,
    write_state,
)
from fsmkit.interpreter.compiled import CompiledFlow
from fsmkit.interpreter.row import Row
from fsmkit.keys import Key


class AsyncConversationHandle:
    """One flow of one key. Each call is locked and atomic; data are copied in and out.

    Reading data that no longer fit their class raises `OrphanedConversation`.
    """

    __slots__ = ("_dispatcher", "_key", "_table")

    def __init__(self, dispatcher: Dispatcher, table: CompiledFlow, key: Key) -> None:
        self._dispatcher = dispatcher
        self._table = table
        self._key = key

    async def get_state(self) -> str | None:
        """Return the name of the flow's state, `None` without a conversation."""
        return read_state(await self._row(), self._table)

    async def get_data(self) -> Any:
        """Return the flow's data; if nothing is stored, its initial data."""
        return read_data(await self._row(), self._table)

    async def get_value(self, name: str, default: Any = None) -> Any:
        """Return one value of the data; the default only if there is none, not for a stored `None`."""
        return read_value(await self._row(), self._table, name, default)

    async def set_state(self, state: str | State | None, data: Any = KEEP) -> None:
        """Go to `state`, with the data kept unless given; `None` leaves only the data, as a draft.

        Raises:
            UnknownState: If the flow has no such state.
            UnstorableData: If the data cannot be stored.
            NestedSend: If a handler awaits it.
        """
        await self._write(lambda held: write_state(held, self._table, state, data))

    async def set_data(self, data: Any) -> None:
        """Replace the data."""
        await self._write(lambda held: write_data(held, self._table, data))

    async def update_data(self, changes: Mapping[str, Any] | None = None, /, **more: Any) -> Any:
        """Merge changes into the data and return the whole."""
        changed = {**(changes or {}), **more}
        row = await self._write(
            lambda held: write_data(held, self._table, merged(held.row, self._table, changed))
        )
        return read_data(row, self._table)

    async def clear(self) -> None:
        """Drop state and data, if there are any."""
        await self._write(lambda held: remove(held, self._table))

    async def _row(self) -> Row:
        return await self._dispatcher.transactions.peek(self._key)

    async def _write(self, change: Callable[[Turn], None]) -> Row:
        check_not_nested(
            "writing through engine.at",
            "Use ctx.at(flow) or ctx.send(key, event), which join this handler's commit",
        )
        return await self._dispatcher.edit(self._key, change)
