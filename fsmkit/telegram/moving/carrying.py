"""What a moved conversation keeps in the store beside its state: keys of `user_data`, and the last update.

Old callbacks read and write `context.user_data`, which is PTB's. The keys that the flow's data class names
are carried: brought there before a callback, taken from there after it, and so stored with the state.
"""

import json
import typing
from collections.abc import MutableMapping
from typing import Any

import attrs
from telegram import Bot, Update

from fsmkit.context import evolve
from fsmkit.datatypes import needs_nothing
from fsmkit.telegram.moving.chart import unmovable

LAST_UPDATE = "last_update"
"""The field in which the last update is kept, for the handlers of TIMEOUT."""


@attrs.frozen(eq=False)
class Carrier:
    """Takes values to and fro between `user_data` and the flow's data.

    Attributes:
        data: The type of the flow's data.
        names: The keys that are carried.
        source: Where old callbacks have them: `user_data`, for a conversation of a whole chat `chat_data`.
        remembers: Whether the last update is kept.
    """

    data: Any
    names: tuple[str, ...]
    source: str
    remembers: bool

    def bring(self, data: Any, context: Any) -> None:
        """Writes what the store has into `user_data`, before a callback of a conversation that runs."""
        if not self.names:
            return
        there, blank = self._there(context), self.data()
        for name in self.names:
            value = _get(data, name)
            if value is not _NOTHING and (name in there or value != _get(blank, name)):
                there[name] = value

    def take(self, data: Any, context: Any, update: Update | None) -> Any:
        """The flow's data after a callback; of a type that needs nothing, so there always are some."""
        changes: dict[str, Any] = {}
        blank = self.data()
        if self.names:
            there = self._there(context)
            changes = {name: there.get(name, _get(blank, name)) for name in self.names}
        if self.remembers and update is not None:
            changes[LAST_UPDATE] = json.loads(update.to_json())
        taken = evolve(data, {name: value for name, value in changes.items() if value is not _NOTHING})
        if isinstance(taken, dict):
            for name in (name for name, value in changes.items() if value is _NOTHING):
                taken.pop(name, None)
        return taken

    def last_update(self, data: Any, bot: Bot) -> Update | None:
        """The update that the conversation took last, `None` if none is known."""
        kept = _get(data, LAST_UPDATE)
        return Update.de_json(kept, bot) if isinstance(kept, dict) else None

    def of(self, stored: Any) -> dict[str, Any]:
        """The carried keys of some other `user_data`, such as that of a persistence file."""
        return {name: stored[name] for name in self.names if isinstance(stored, dict) and name in stored}

    def _there(self, context: Any) -> MutableMapping[str, Any]:
        there = getattr(context, self.source)
        if not isinstance(there, MutableMapping):
            raise TypeError(
                f"data= carries keys of context.{self.source}, which is {there!r}: a mapping is needed"
            )
        return there


def carrier(data: Any, *, shared: bool, remembers: bool) -> Carrier:
    """The carrier for the type that was given as `data=`, `None`: nothing is carried.

    Args:
        data: The type.
        shared: Whether the conversation is that of a whole chat.
        remembers: Whether the last update has to be kept.

    Raises:
        DefinitionError: If the type will not do.
    """
    source = "chat_data" if shared else "user_data"
    if data is None or data is dict:
        return Carrier(dict, (), source, remembers)
    shown = getattr(data, "__name__", repr(data))
    if not needs_nothing(data):
        raise unmovable(f"data={shown} cannot be made without arguments", "Give all its fields defaults")
    fields = [name for name, hint in typing.get_type_hints(data).items() if not _is_class_variable(hint)]
    if remembers and LAST_UPDATE not in fields:
        raise unmovable(
            f"the handlers of TIMEOUT are given the last update, and data={shown} has no field to keep it in",
            f"Add `{LAST_UPDATE}: dict[str, Any] | None = None`",
        )
    return Carrier(data, tuple(name for name in fields if name != LAST_UPDATE), source, remembers)


_NOTHING: Any = object()


def _get(data: Any, name: str) -> Any:
    return data.get(name, _NOTHING) if isinstance(data, dict) else getattr(data, name, _NOTHING)


def _is_class_variable(hint: Any) -> bool:
    return typing.get_origin(hint) is typing.ClassVar or hint is typing.ClassVar
